//! What is on disk: one parallel walk for all path sets together, a stat cache, digests. Knows no steps and no keys.
#![expect(clippy::disallowed_methods, reason = "an edge: this is where files are looked at")]

pub mod cache;
pub mod clock;
pub mod ground;
pub mod hash;
mod ignored;
mod link;
pub mod own;
pub mod reading;
pub mod snapshot;
pub mod stamp;
#[cfg(test)]
mod tests;
pub mod walk;

use std::fs::Metadata;
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rayon::prelude::*;

use crate::artifact::Node;
use crate::digest::{Digest, FieldHasher};
use crate::path::RelPath;
use cache::StatCache;
use ground::Ground;
use reading::Reading;
use stamp::Stamp;
use walk::{Kind, Members, Request, Seen, walk, walk_and_note};

/// How many threads can look at once. The system is asked once: it takes as long as stating ten files.
pub fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, NonZero::get))
}

/// Digests of files, remembered by their stat where that is safe.
pub trait Digests: Sync {
    /// The BLAKE3 of the regular file at `path`, whose metadata (not followed) is `metadata`.
    ///
    /// # Errors
    /// What reading met.
    fn digest(&self, path: &Path, metadata: &Metadata) -> io::Result<Digest>;
}

/// A file or link with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Where.
    pub path: RelPath,
    /// As stated before it was read.
    pub stamp: Stamp,
    /// Its content.
    pub content: Content,
}

/// What a path holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A regular file.
    File {
        /// Of its bytes.
        digest: Digest,
        /// Its executable bit.
        executable: bool,
    },
    /// A symlink that stays in the workspace.
    Link {
        /// Its target text.
        target: Vec<u8>,
        /// Of what it leads to; `None` if that does not exist.
        content: Option<Digest>,
    },
    /// It can be no input.
    Unusable(Unusable),
}

/// Why a path can be no input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// A FIFO, socket or device.
    #[error("`{0}` is neither a file nor a folder nor a link (a FIFO, socket or device)")]
    Special(RelPath),
    /// A symlink that leads out of the workspace.
    #[error("the symlink `{path}` leads out of the workspace, to `{target}`")]
    Outside {
        /// The link.
        path: RelPath,
        /// Its target text, escaped.
        target: String,
    },
    /// Reading failed.
    #[error("`{path}` cannot be read: {kind}")]
    Unreadable {
        /// The file or folder.
        path: RelPath,
        /// What the system said.
        kind: io::ErrorKind,
    },
}

impl Content {
    /// What a key holds for it: kind, content, executable bit.
    ///
    /// # Errors
    /// It can be no input.
    pub fn digest(&self) -> Result<Digest, Unusable> {
        match self {
            // The size is no part of the digest.
            Self::File { digest, executable } => {
                Ok(Node::File { digest: *digest, size: 0, executable: *executable }.digest())
            }
            Self::Link { target, content } => {
                let mut hasher = FieldHasher::new("zen link 1");
                hasher.field(target).field(content.as_ref().map_or(&[][..], |digest| &digest.0));
                Ok(hasher.finish())
            }
            Self::Unusable(why) => Err(why.clone()),
        }
    }
}

/// What a scan found.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// Each path once, sorted (by folder, then name).
    pub entries: Vec<Observed>,
    /// In the order of the request's sets.
    pub sets: Vec<Members>,
    /// What else this rests on.
    pub ground: Ground,
    /// The clock before anything was looked at.
    pub began: i64,
    /// How long walking took, and how long reading.
    pub took: (Duration, Duration),
}

impl Observation {
    /// The members of a set.
    pub fn members(&self, set: usize) -> impl Iterator<Item = &Observed> {
        self.sets[set].members.iter().map(|at| &self.entries[*at as usize])
    }
}

/// Looks at the disk below one root, with one stat cache.
#[derive(Debug)]
pub struct Scanner {
    root: PathBuf,
    /// The digests of this workspace's files.
    pub cache: StatCache,
    /// Whoever watches.
    reading: Option<Arc<Reading>>,
}

impl Scanner {
    /// `root` is the canonical workspace root.
    pub fn new(root: &Path, cache: StatCache) -> Self {
        Self { root: root.to_owned(), cache, reading: None }
    }

    /// The same, for somebody who watches how far it has come.
    pub fn watched(self, reading: Option<Arc<Reading>>) -> Self {
        Self { reading, ..self }
    }

    /// Finds, states and digests everything that `request` means. Problems are kept with the paths that have them.
    pub fn observe(&self, request: Request<'_>) -> Observation {
        let (began, start) = (clock::now(), Instant::now());
        let walked = walk_and_note(&self.root, request);
        let walk_took = start.elapsed();
        let (old, young) = self.split_by_age(&walked.seen);
        if let Some(reading) = &self.reading {
            reading.due(old.iter().chain(&young).map(|at| &walked.seen[*at].stamp));
        }
        let hash = |at: &usize| {
            let observed = self.look(&walked.seen[*at], request.left_out);
            if let Some(reading) = &self.reading {
                reading.done(&walked.seen[*at].stamp);
            }
            (*at, observed)
        };
        let mut fresh: Vec<(usize, Observed)> = old.par_iter().with_min_len(8).map(hash).collect();
        if !young.is_empty() {
            // So that their stamps may be trusted from now on; a file that is still too young is hashed next time.
            self.wait_for(young.iter().map(|at| walked.seen[*at].stamp.newest()).max());
            fresh.extend(young.par_iter().with_min_len(8).map(hash).collect::<Vec<_>>());
        }
        fresh.sort_unstable_by_key(|(at, _)| *at);
        let mut fresh = fresh.into_iter().peekable();
        let entries = walked.seen.into_iter().enumerate().map(|(at, seen)| {
            let hashed = fresh.next_if(|(index, _)| *index == at).map(|(_, observed)| observed);
            hashed.unwrap_or_else(|| self.remembered(seen, request.left_out))
        });
        let entries = entries.collect();
        let took = (walk_took, start.elapsed().saturating_sub(walk_took));
        Observation { entries, sets: walked.sets, ground: walked.ground, began, took }
    }

    /// Paths and stamps alone, to tell whether anything of `request` changed since.
    pub fn restate(&self, request: Request<'_>) -> walk::Walked {
        walk(&self.root, request)
    }

    /// What the link at `path` stands for; of a folder that it leads to, without what lies in `left_out`.
    pub fn follow(&self, path: &RelPath, left_out: &[RelPath]) -> Content {
        link::follow(&self.root, path, left_out, self)
    }

    /// The content of what lies at `path`, file or folder, links followed; `None` if nothing of the workspace does.
    pub fn content_behind(&self, path: &RelPath, left_out: &[RelPath]) -> Option<Digest> {
        link::behind(&self.root, path, left_out, self)
    }

    /// The entries that must be looked at: those old enough for their stamp to be trusted afterwards, and the others.
    fn split_by_age(&self, seen: &[Seen]) -> (Vec<usize>, Vec<usize>) {
        let unknown: Vec<usize> = (0..seen.len())
            .into_par_iter()
            .with_min_len(1024)
            .filter(|at| match seen[*at].kind {
                Kind::File { .. } => self.cache.get(&seen[*at].stamp).is_none(),
                Kind::Link | Kind::Special | Kind::Unreadable(_) => true,
            })
            .collect();
        let limit = clock::now().saturating_sub(clock::TICK);
        unknown.into_iter().partition(|at| seen[*at].stamp.newest() < limit)
    }

    /// Waits until the clock is past `newest` by more than a tick, but not for a stamp from the future. The clock
    /// itself moves in ticks, so this is looked up, not computed.
    fn wait_for(&self, newest: Option<i64>) {
        let newest = newest.unwrap_or(0);
        let start = clock::now();
        if newest > start.saturating_add(clock::TICK) {
            return;
        }
        while clock::now().saturating_sub(clock::TICK) <= newest && clock::now() - start < 2 * clock::TICK {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn remembered(&self, seen: Seen, left_out: &[RelPath]) -> Observed {
        let content = match (seen.kind, self.cache.get(&seen.stamp)) {
            (Kind::File { executable }, Some(digest)) => Content::File { digest, executable },
            _ => return self.look(&seen, left_out),
        };
        Observed { path: seen.path, stamp: seen.stamp, content }
    }

    /// Reads what was only stated.
    fn look(&self, seen: &Seen, left_out: &[RelPath]) -> Observed {
        let path = seen.path.to_path(&self.root);
        let failed = |kind| Content::Unusable(Unusable::Unreadable { path: seen.path.clone(), kind });
        let mut stamp = seen.stamp;
        let content = match seen.kind {
            Kind::File { .. } => match self.cache.hash(&path, &stamp) {
                Ok((digest, read)) => {
                    stamp = read;
                    Content::File { digest, executable: read.is_executable() }
                }
                Err(error) => failed(error.kind()),
            },
            Kind::Link => self.follow(&seen.path, left_out),
            Kind::Special => Content::Unusable(Unusable::Special(seen.path.clone())),
            Kind::Unreadable(kind) => failed(kind),
        };
        Observed { path: seen.path.clone(), stamp, content }
    }
}

impl Digests for Scanner {
    fn digest(&self, path: &Path, metadata: &Metadata) -> io::Result<Digest> {
        self.cache.digest(path, metadata)
    }
}
