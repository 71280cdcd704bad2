//! What the tests of this module share.

use std::path::Path;
use std::sync::Arc;

use super::local::{Access, LocalStore};
use crate::artifact::{Artifact, Entry, Key, Node, Piece, Production, Record, RunId, Timestamp};
use crate::digest::Digest;
use crate::path::RelPath;

pub(super) fn open(dir: &Path) -> LocalStore {
    LocalStore::open(&dir.join("store"), Access::Write).unwrap()
}

pub(super) fn key(n: u8) -> Key {
    Key(Digest([n; 32]))
}

pub(super) fn record(n: u8, step: &str, ended: i64) -> Record {
    Record {
        key: key(n),
        production: Production([n; 16]),
        step: step.to_owned(),
        run: RunId(1),
        ended: Timestamp(ended),
        duration_ms: 100,
        artifacts: Arc::default(),
        explanation: Piece { object: Digest::of(b"explanation"), at: 0, len: 11 },
        log: None,
    }
}

/// A record with one artifact that is one file.
pub(super) fn record_of_file(n: u8, step: &str, ended: i64, (digest, size): (Digest, u64)) -> Record {
    let entries = vec![Entry { path: RelPath::root(), node: Node::File { digest, size, executable: false } }];
    Record { artifacts: [Artifact { name: "out".to_owned(), entries }].into(), ..record(n, step, ended) }
}
