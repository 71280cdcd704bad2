//! The definitions of the last command, kept so that tables that did not change are not read again. Knows not what a
//! definition means.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use super::Definitions;
use crate::digest::{Digest, FieldHasher};
use crate::manifest::resolve::Overrides;
use crate::model::Model;
use crate::workspace::Workspace;

/// Of all that definitions are made from: the tables, a config file among them, what is put over them, the shape of the
/// workspace, and which steps and cells came of it.
pub(super) fn digest(workspace: &Workspace, model: &Model, overrides: &Overrides) -> Digest {
    let mut hasher = FieldHasher::new("zen definitions 1");
    hasher.field(&origin(workspace).0);
    let Overrides { set, args, pipelines } = overrides;
    // Which pipelines are named says only whose parameters are set.
    let pipelines = if set.is_empty() { &[][..] } else { pipelines };
    for words in [set, args, pipelines] {
        hasher.number(words.len() as u64);
        words.iter().for_each(|word| {
            hasher.field(word.as_bytes());
        });
    }
    hasher.number(model.steps.len() as u64);
    model.steps.iter().for_each(|step| {
        hasher.field(step.display_id.as_bytes());
    });
    hasher.finish()
}

/// What the tables and the shape of the workspace are, read by this version.
fn origin(workspace: &Workspace) -> Digest {
    let mut hasher = FieldHasher::new("zen tables 1");
    hasher.field(env!("CARGO_PKG_VERSION").as_bytes()).number(workspace.sources.files.len() as u64);
    workspace.sources.files.iter().for_each(|file| {
        hasher.field(file.path.as_bytes()).field(&file.digest.0);
    });
    // What cannot be written down is like nothing else.
    let layout = postcard::to_stdvec(&workspace.layout).unwrap_or_else(|error| error.to_string().into_bytes());
    hasher.field(&layout).finish()
}

/// Only what no flag changes is worth keeping.
fn is_plain(overrides: &Overrides) -> bool {
    overrides.set.is_empty() && overrides.args.is_empty()
}

/// The definitions as they were made of the same tables.
pub(super) fn recall(workspace: &Workspace, overrides: &Overrides) -> Option<Definitions> {
    if !is_plain(overrides) {
        return None;
    }
    let bytes = fs::read(file(workspace)).ok()?;
    let (start, body) = bytes.split_at_checked(64)?;
    let is_it = start[..32] == origin(workspace).0 && start[32..] == Digest::of(body).0;
    is_it.then(|| postcard::from_bytes(body).ok())?
}

/// Keeps them. Losing them costs reading the tables.
pub(super) fn remember(workspace: &Workspace, definitions: &Definitions, overrides: &Overrides) {
    if !is_plain(overrides) {
        return;
    }
    let write = || -> Option<()> {
        let body = postcard::to_stdvec(definitions).ok()?;
        let folder = workspace.create_zen_dir().ok()?;
        let mut file = tempfile::Builder::new().prefix(".zen-tmp-").tempfile_in(folder).ok()?;
        for piece in [&origin(workspace).0[..], &Digest::of(&body).0, &body] {
            file.write_all(piece).ok()?;
        }
        file.persist(self::file(workspace)).ok()?;
        Some(())
    };
    let _ = write();
}

fn file(workspace: &Workspace) -> PathBuf {
    workspace.zen_dir().join("definitions")
}
