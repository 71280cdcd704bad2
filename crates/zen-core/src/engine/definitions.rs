//! The definitions of the last command, kept so that tables that did not change are not read again. Knows not what a
//! definition means.

use std::io::Write;
use std::path::PathBuf;
use std::thread;

use super::Definitions;
use crate::digest::{Digest, FieldHasher};
use crate::manifest::resolve::Overrides;
use crate::model::{Model, Step};
use crate::scan::{cores, own};
use crate::workspace::Workspace;

/// Steps of one piece of the file.
const PIECE: usize = 256;

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
    let bytes = own::read(&file(workspace)).ok()?;
    let (start, body) = bytes.split_at_checked(64)?;
    (start[..32] == origin(workspace).0 && start[32..] == Digest::of(body).0).then(|| decode(body))?
}

/// Keeps them. Losing them costs reading the tables.
pub(super) fn remember(workspace: &Workspace, definitions: &Definitions, overrides: &Overrides) {
    if !is_plain(overrides) {
        return;
    }
    let write = || -> Option<()> {
        let body = encode(definitions)?;
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

/// The steps come in pieces that can be read side by side: each with its length before it, all else at the end.
fn encode(definitions: &Definitions) -> Option<Vec<u8>> {
    let Definitions { model: Model { settings, pipelines, steps }, graph, warnings, digest } = definitions;
    let pieces: Vec<&[Step]> = steps.chunks(PIECE).collect();
    let mut bytes = (pieces.len() as u64).to_le_bytes().to_vec();
    for piece in pieces {
        let piece = postcard::to_stdvec(piece).ok()?;
        bytes.extend_from_slice(&(piece.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&piece);
    }
    postcard::to_extend(&(settings, pipelines, graph, warnings, digest), bytes).ok()
}

fn decode(mut bytes: &[u8]) -> Option<Definitions> {
    let count = number_of(&mut bytes)?;
    let mut pieces = Vec::new();
    for _ in 0..count {
        let length = number_of(&mut bytes)?;
        let (piece, rest) = bytes.split_at_checked(length)?;
        pieces.push(piece);
        bytes = rest;
    }
    let steps = thread::scope(|scope| {
        let mut shares = pieces.chunks(pieces.len().div_ceil(if pieces.len() > 1 { cores() } else { 1 }).max(1));
        let read = |pieces: &[&[u8]]| -> Option<Vec<Vec<Step>>> {
            pieces.iter().map(|piece| postcard::from_bytes(piece).ok()).collect()
        };
        let mine = shares.next().unwrap_or_default();
        let others: Vec<_> = shares.map(|share| scope.spawn(move || read(share))).collect();
        let mut steps = read(mine)?;
        for other in others {
            steps.extend(other.join().expect("reading does not panic")?);
        }
        Some(steps.into_iter().flatten().collect())
    })?;
    let (settings, pipelines, graph, warnings, digest) = postcard::from_bytes(bytes).ok()?;
    Some(Definitions { model: Model { settings, pipelines, steps }, graph, warnings, digest })
}

/// Takes a number from the front.
fn number_of(bytes: &mut &[u8]) -> Option<usize> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    usize::try_from(u64::from_le_bytes(*number)).ok()
}

fn file(workspace: &Workspace) -> PathBuf {
    workspace.zen_dir().join("definitions")
}
