//! What steps leave behind: artifacts, and the record that ties them to a key. Knows no store and no disk.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, FieldHasher};
use crate::path::RelPath;

/// The identity of "this step, with all it depends on, as it was".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key(pub Digest);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The identity of one production: random, so that two productions are never the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Production(pub [u8; 16]);

/// The number of a run in this workspace's history; the first is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(pub u64);

impl RunId {
    /// Of a run that no history could be written for.
    pub const NONE: Self = Self(0);

    /// As programs are told; `None` if it has none.
    pub fn number(self) -> Option<u64> {
        (self != Self::NONE).then_some(self.0)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number() {
            Some(number) => number.fmt(f),
            None => f.write_str("without a number"),
        }
    }
}

/// One file, link or folder of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Node {
    /// A regular file.
    File {
        /// BLAKE3 of its bytes: the object's name in the store.
        digest: Digest,
        /// In bytes.
        size: u64,
        /// The executable bit; no other part of the mode is kept.
        executable: bool,
    },
    /// A symlink within the workspace.
    Link {
        /// Its target text.
        target: Vec<u8>,
    },
    /// A folder; kept so that empty ones come back.
    Folder,
}

/// An entry of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// Below the output's place: the root path for a single file or for the folder itself. For a glob, below the
    /// glob's literal prefix.
    pub path: RelPath,
    /// What is there.
    pub node: Node,
}

/// One named output of one step, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The output's name.
    pub name: String,
    /// Sorted by path. Empty: an optional output that was not made, or a glob that matched nothing.
    pub entries: Vec<Entry>,
}

impl Artifact {
    /// What consumers' keys hold: paths below the place, kinds, contents, executable bits.
    pub fn digest(&self) -> Digest {
        let mut hasher = FieldHasher::new("zen artifact 1");
        hasher.number(self.entries.len() as u64);
        for entry in &self.entries {
            hasher.field(entry.path.as_bytes());
            entry.node.hash_into(&mut hasher);
        }
        hasher.finish()
    }

    /// Bytes of all its files.
    pub fn size(&self) -> u64 {
        self.entries.iter().map(|e| if let Node::File { size, .. } = e.node { size } else { 0 }).sum()
    }
}

impl Node {
    /// Feeds kind and content to `hasher`.
    pub fn hash_into(&self, hasher: &mut FieldHasher) {
        match self {
            Self::File { digest, executable, .. } => {
                hasher.field(if *executable { b"executable" } else { b"file" }).field(&digest.0)
            }
            Self::Link { target } => hasher.field(b"link").field(target),
            Self::Folder => hasher.field(b"folder"),
        };
    }

    /// The digest that a key holds for it.
    pub fn digest(&self) -> Digest {
        let mut hasher = FieldHasher::new("zen node 1");
        self.hash_into(&mut hasher);
        hasher.finish()
    }
}

/// Milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

/// Some of an object's bytes: what is small and made often is stored together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The object.
    pub object: Digest,
    /// How many of its bytes come before.
    pub at: u64,
    /// How many bytes it is.
    pub len: u64,
}

impl Piece {
    /// The piece of the whole object; `None` if the object is not as long as that.
    pub fn of<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let at = usize::try_from(self.at).ok()?;
        bytes.get(at..at.checked_add(usize::try_from(self.len).ok()?)?)
    }
}

/// A step succeeded with this key and left these artifacts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What it was made from.
    pub key: Key,
    /// Which production.
    pub production: Production,
    /// `pipeline/step` (`package:pipeline/step`) that made it; for people, no part of what it is worth.
    pub step: String,
    /// The run that made it, in the workspace that made it.
    pub run: RunId,
    /// When the step ended.
    pub ended: Timestamp,
    /// How long the step took.
    pub duration_ms: u64,
    /// In the order of the definition.
    pub artifacts: Arc<[Artifact]>,
    /// Where the key's [explanation](crate::key::Explanation) is.
    pub explanation: Piece,
    /// The object that holds the captured output; `None` if there was none.
    pub log: Option<Digest>,
}
