//! `.gitignore` files along a path: they count with or without a repository, global excludes never do.

use std::path::Path;
use std::sync::Arc;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::path::{RelPath, bytes_path};

/// The `.gitignore` of a folder, and those above it.
#[derive(Debug)]
pub(super) struct Chain {
    above: Option<Arc<Chain>>,
    folder: RelPath,
    matcher: Gitignore,
}

impl Chain {
    /// `above`, and the `.gitignore` in `folder` if there is one.
    pub(super) fn extend(above: Option<Arc<Chain>>, root: &Path, folder: &RelPath) -> Option<Arc<Chain>> {
        let file = folder.to_path(root).join(".gitignore");
        if !file.is_file() {
            return above;
        }
        // The matcher is asked for paths below the folder, so its own root is the empty path.
        let mut builder = GitignoreBuilder::new("");
        let Ok(text) = std::fs::read(&file) else { return above };
        for line in String::from_utf8_lossy(&text).lines() {
            // A line that git would not understand excludes nothing, as in git.
            let _ = builder.add_line(None, line);
        }
        match builder.build() {
            Ok(matcher) if !matcher.is_empty() => Some(Arc::new(Chain { above, folder: folder.clone(), matcher })),
            _ => above,
        }
    }

    /// Is `path` itself excluded? (Its folders are asked for on the way down.)
    pub(super) fn excludes(chain: Option<&Arc<Chain>>, path: &RelPath, is_folder: bool) -> bool {
        let mut next = chain;
        while let Some(chain) = next {
            if let Some(below) = path.strip_prefix(&chain.folder) {
                let matched = chain.matcher.matched(bytes_path(below), is_folder);
                if !matched.is_none() {
                    return matched.is_ignore();
                }
            }
            next = chain.above.as_ref();
        }
        false
    }
}
