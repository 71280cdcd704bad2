//! How far reading files for their digests has come: for whoever watches from another thread.

use std::sync::atomic::{AtomicU64, Ordering};

use super::stamp::Stamp;

/// Counts of one command, which only go up.
#[derive(Debug, Default)]
pub struct Reading {
    files: Count,
    bytes: Count,
}

#[derive(Debug, Default)]
struct Count {
    done: AtomicU64,
    due: AtomicU64,
}

/// What has been read, of what is to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Read {
    /// Files, and how many of them there are.
    pub files: (u64, u64),
    /// Their bytes.
    pub bytes: (u64, u64),
}

impl Reading {
    /// These are to be read, too.
    pub(super) fn due<'s>(&self, stamps: impl Iterator<Item = &'s Stamp>) {
        let (files, bytes) =
            stamps.fold((0, 0_u64), |(files, bytes), stamp| (files + 1, bytes.saturating_add(stamp.size)));
        self.bytes.due.fetch_add(bytes, Ordering::Relaxed);
        self.files.due.fetch_add(files, Ordering::Relaxed);
    }

    /// One of them was.
    pub(super) fn done(&self, stamp: &Stamp) {
        self.bytes.done.fetch_add(stamp.size, Ordering::Relaxed);
        self.files.done.fetch_add(1, Ordering::Relaxed);
    }

    /// How far it has come.
    pub fn now(&self) -> Read {
        let both = |count: &Count| (count.done.load(Ordering::Relaxed), count.due.load(Ordering::Relaxed));
        Read { files: both(&self.files), bytes: both(&self.bytes) }
    }
}
