//! What zen last left where, kept in a log in the zen folder. Several processes may append to it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::artifact::Node;
use crate::path::RelPath;
use crate::store::log::{FrameLog, Mark};

const LEFT: u32 = 1;
/// From this size on a log of which most is dead is written anew.
const SMALL: u64 = 256 << 10;

/// Path → what zen last put or collected there, by step.
#[derive(Debug)]
pub(super) struct Ledger(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    log: FrameLog,
    /// Was it read? It is when somebody asks.
    is_read: bool,
    steps: BTreeMap<String, BTreeMap<RelPath, Node>>,
}

impl Ledger {
    /// The ledger in this file; one that cannot be read is an empty one: what it held is moved to `replaced/` then
    /// instead of being removed.
    pub(super) fn open(file: &Path) -> Self {
        Self(Mutex::new(Inner { log: FrameLog::open(file), is_read: false, steps: BTreeMap::new() }))
    }

    fn read(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !inner.is_read {
            let _ = inner.refresh();
        }
        inner
    }

    /// How far it was read.
    pub(super) fn mark(&self) -> Mark {
        self.read().log.mark()
    }

    /// Did nobody note anything since the mark?
    pub(super) fn is_as_at(&self, mark: &Mark) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).log.is_still_at(mark)
    }

    /// Sees to it that what other processes noted since it was opened is known; what cannot be read is not.
    pub(super) fn refresh(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_read = false;
    }

    /// What zen last left at `path`, if this is it.
    pub(super) fn is_own(&self, path: &RelPath, node: &Node) -> bool {
        let inner = self.read();
        inner.steps.values().any(|entries| entries.get(path) == Some(node))
    }

    /// From now on these, and only these, are what zen left for `step`. Whoever asks holds the locks on its places, so
    /// that what is known of it is what was last noted.
    ///
    /// # Errors
    /// What writing met.
    pub(super) fn set(&self, step: &str, entries: BTreeMap<RelPath, Node>) -> io::Result<()> {
        let mut inner = self.read();
        if inner.steps.get(step).map_or(entries.is_empty(), |known| *known == entries) {
            return Ok(());
        }
        inner.refresh()?;
        let payload = postcard::to_stdvec(&(step, &entries)).map_err(io::Error::other)?;
        inner.log.append(&[(LEFT, &payload)])?;
        inner.put(step.to_owned(), entries);
        inner.compact()
    }

    /// Everything, by step.
    pub(super) fn steps(&self) -> BTreeMap<String, BTreeMap<RelPath, Node>> {
        self.read().steps.clone()
    }
}

impl Inner {
    fn refresh(&mut self) -> io::Result<()> {
        self.is_read = true;
        let changed = self.log.refresh()?;
        if changed.reset {
            self.steps.clear();
        }
        for frame in changed.frames {
            let Some(payload) = self.log.payload(frame) else { continue };
            // A frame that another version wrote says nothing.
            if let Ok((step, entries)) = postcard::from_bytes::<(String, BTreeMap<RelPath, Node>)>(payload) {
                self.put(step, entries);
            }
        }
        Ok(())
    }

    fn put(&mut self, step: String, entries: BTreeMap<RelPath, Node>) {
        if entries.is_empty() {
            self.steps.remove(&step);
        } else {
            self.steps.insert(step, entries);
        }
    }

    fn compact(&mut self) -> io::Result<()> {
        if self.log.size() < SMALL {
            return Ok(());
        }
        let payloads: Vec<Vec<u8>> = self
            .steps
            .iter()
            .map(|entry| postcard::to_stdvec(&entry))
            .collect::<Result<_, _>>()
            .map_err(io::Error::other)?;
        let live: u64 = payloads.iter().map(|payload| payload.len() as u64).sum();
        if self.log.size() / 4 > live {
            let frames: Vec<(u32, &[u8])> = payloads.iter().map(|payload| (LEFT, &payload[..])).collect();
            self.log.write()?.replace(&frames)?;
        }
        Ok(())
    }
}
