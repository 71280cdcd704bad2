//! Symlinks as inputs: the target's text, and what it leads to when that lies in the workspace. Follows no link twice.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::stamp::Stamp;
use super::{Content, Digests, Unusable};
use crate::artifact::Node;
use crate::digest::{Digest, FieldHasher};
use crate::path::{RelPath, escape, path_bytes};

/// What the link at `path` stands for; without what lies in `left_out`, below a folder that it leads to.
pub(super) fn follow(root: &Path, path: &RelPath, left_out: &[RelPath], digests: &dyn Digests) -> Content {
    let linked = Linked { root, left_out: left_out.iter().map(|path| path.to_path(root)).collect(), digests };
    match linked.try_follow(path) {
        Ok(content) => content,
        Err(error) => Content::Unusable(Unusable::Unreadable { path: path.clone(), kind: error.kind() }),
    }
}

/// One link's way.
struct Linked<'a> {
    root: &'a Path,
    left_out: Vec<PathBuf>,
    digests: &'a dyn Digests,
}

/// The content of what lies at `path`, links followed; `None` if nothing of the workspace does, or it cannot be read.
pub(super) fn behind(root: &Path, path: &RelPath, left_out: &[RelPath], digests: &dyn Digests) -> Option<Digest> {
    let to = path.to_path(root).canonicalize().ok().filter(|to| to.starts_with(root))?;
    let linked = Linked { root, left_out: left_out.iter().map(|path| path.to_path(root)).collect(), digests };
    linked.content(&to, &mut BTreeSet::new()).ok()
}

impl Linked<'_> {
    fn try_follow(&self, path: &RelPath) -> io::Result<Content> {
        let absolute = path.to_path(self.root);
        let target = path_bytes(&std::fs::read_link(&absolute)?).unwrap_or_default().into_vec();
        let to = match absolute.canonicalize() {
            Ok(to) => to,
            // Broken, or in a circle: there is only the text, as long as that does not point out of the workspace.
            Err(_) if stays_inside(path, &target) => return Ok(Content::Link { target, content: None }),
            Err(_) => {
                let target = escape(&target);
                return Ok(Content::Unusable(Unusable::Outside { path: path.clone(), target }));
            }
        };
        if !to.starts_with(self.root) {
            let target = escape(&target);
            return Ok(Content::Unusable(Unusable::Outside { path: path.clone(), target }));
        }
        let digest = self.content(&to, &mut BTreeSet::new())?;
        Ok(Content::Link { target, content: Some(digest) })
    }

    /// Of all that lies at and below `path`, a folder once.
    fn content(&self, path: &Path, seen: &mut BTreeSet<PathBuf>) -> io::Result<Digest> {
        let metadata = path.symlink_metadata()?;
        if metadata.is_file() {
            let digest = self.digests.digest(path, &metadata)?;
            return Ok(Node::File { digest, size: 0, executable: Stamp::of(&metadata).is_executable() }.digest());
        }
        let mut hasher = FieldHasher::new("zen linked 1");
        if metadata.is_symlink() {
            hasher.field(b"link").field(&path_bytes(&std::fs::read_link(path)?).unwrap_or_default());
            if let Ok(to) = path.canonicalize() {
                if !to.starts_with(self.root) {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidInput,
                        "a link within leads out of the workspace",
                    ));
                }
                hasher.field(&self.content(&to, seen)?.0);
            }
            return Ok(hasher.finish());
        }
        if !metadata.is_dir() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        if !seen.insert(path.to_owned()) {
            return Ok(hasher.finish());
        }
        let mut names =
            std::fs::read_dir(path)?.map(|entry| entry.map(|e| e.file_name())).collect::<io::Result<Vec<_>>>()?;
        names.sort();
        for name in names {
            let (bytes, below) = (path_bytes(Path::new(&name)).unwrap_or_default(), path.join(&name));
            if !super::walk::is_never_seen(&bytes) && !self.left_out.contains(&below) {
                hasher.field(&bytes).field(&self.content(&below, seen)?.0);
            }
        }
        Ok(hasher.finish())
    }
}

fn stays_inside(link: &RelPath, target: &[u8]) -> bool {
    link.parent().and_then(|folder| folder.join(target).ok()).is_some_and(|to| !to.is_outside())
}
