//! The stat cache: inode and stamps → digest, under git's racy rule. Knows no paths but its own file.

mod file;
#[cfg(test)]
#[cfg(unix)]
mod tests;

use std::collections::HashMap;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::clock::Clock;
use super::hash::hash_file;
use super::stamp::Stamp;
use crate::digest::Digest;
use file::{Base, Entry};

/// How many times the file is written anew without an entry being asked for, until that entry is dropped.
const IDLE_WRITES: u32 = 64;
/// What is new is put behind all else until it is more than this, and more than an eighth of that.
const FEW: usize = 1024;

/// Digests by inode. One compact file: sorted pieces that are read when something in them is asked for, and behind them
/// what came later. Written only when something is new.
#[derive(Debug)]
pub struct StatCache {
    file: PathBuf,
    clock: Clock,
    /// What the file holds, looked at when somebody asks.
    old: OnceLock<Old>,
    new: Mutex<Known>,
}

/// By device and inode.
type Known = HashMap<(u64, u64), (Stamp, Digest)>;

#[derive(Debug, Default)]
struct Old {
    base: Base,
    /// What came after the sorted pieces.
    later: Known,
}

impl StatCache {
    /// The cache at `file`; an absent, foreign or damaged one is an empty one. Its folder must exist.
    pub fn open(file: &Path) -> Self {
        let folder = file.parent().unwrap_or(Path::new("."));
        Self { file: file.to_owned(), clock: Clock::new(folder), old: OnceLock::new(), new: Mutex::default() }
    }

    fn old(&self) -> &Old {
        self.old.get_or_init(|| {
            let (base, later) = Base::open(&self.file, &boot_id()).unwrap_or_default();
            let later = later.iter().map(file::split).map(|(stamp, digest)| (stamp.identity(), (stamp, digest)));
            Old { base, later: later.collect() }
        })
    }

    /// The remembered digest of a file with this stamp.
    pub fn get(&self, stamp: &Stamp) -> Option<Digest> {
        if !stamp.is_identity() {
            return None;
        }
        let of =
            |known: &Known| known.get(&stamp.identity()).filter(|(known, _)| known == stamp).map(|(_, digest)| *digest);
        let old = self.old();
        let in_file = of(&old.later).or_else(|| old.base.get(stamp));
        in_file.or_else(|| of(&self.new.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// The clock's horizon for the file of `stamp`: take it before the file is read, and give it to [`Self::insert`].
    pub fn horizon(&self, stamp: &Stamp, path: &Path) -> i64 {
        self.clock.horizon(stamp.dev, path)
    }

    /// What says of a stamp that was met after the clock showed `began` whether it is good for telling the same thing
    /// again, be it a file or a folder: it is older than that by more than a tick, on a file system that has a real clock
    /// and holds one of these `places`.
    pub fn trusts(&self, places: &[&Path], began: i64) -> impl Fn(&Stamp) -> bool + use<> {
        let local = |place: &&Path| {
            let dev = Stamp::of(&place.symlink_metadata().ok()?).dev;
            self.clock.is_local(dev, place).then_some(dev)
        };
        let local: Vec<u64> = places.iter().filter_map(local).collect();
        let limit = began.saturating_sub(super::clock::TICK);
        move |stamp| stamp.is_identity() && local.contains(&stamp.dev) && is_older(stamp, limit)
    }

    /// Remembers a digest, if `stamp` is older than the horizon taken before the first byte was read: else a later
    /// write in the same tick of the clock could hide behind the same stamp.
    pub fn insert(&self, stamp: Stamp, digest: Digest, horizon: i64) {
        if stamp.is_identity() && is_older(&stamp, horizon) {
            let mut new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
            new.insert(stamp.identity(), (stamp, digest));
        }
    }

    /// Hashes the file at `path`, which was stated as `stamp`, and remembers its digest; gives the stamp that goes with it.
    ///
    /// # Errors
    /// As [`hash_file`].
    pub fn hash(&self, path: &Path, stamp: &Stamp) -> io::Result<(Digest, Stamp)> {
        let horizon = self.horizon(stamp, path);
        let (digest, read) = hash_file(path)?;
        // The horizon is that of one file system.
        if read.dev == stamp.dev {
            self.insert(read, digest, horizon);
        }
        Ok((digest, read))
    }

    /// Writes what is new: behind all else if it is little, else the file anew, to a temporary place that is renamed.
    /// Entries that nobody asked for are dropped in time; `also_used` are the stamps that somebody rests on without asking.
    ///
    /// # Errors
    /// What writing met. Losing the cache costs time alone.
    pub fn save(&mut self, also_used: impl FnOnce(&mut dyn FnMut(&Stamp))) -> io::Result<()> {
        let new = std::mem::take(self.new.get_mut().unwrap_or_else(PoisonError::into_inner));
        if new.is_empty() {
            return Ok(());
        }
        let old = self.old();
        let (written, boot) = (super::clock::now(), boot_id());
        if old.base.takes_more() && old.later.len() + new.len() <= FEW.max(old.base.len() / 8) {
            let entries: Vec<Entry> = new.values().map(|(stamp, digest)| file::entry(stamp, digest, 0)).collect();
            file::append(&self.file, &boot, written, &entries)?;
            if let Some(old) = self.old.get_mut() {
                old.later.extend(new);
            }
            return Ok(());
        }
        also_used(&mut |stamp| {
            old.base.get(stamp);
        });
        let generation = old.base.generation().wrapping_add(1);
        let is_superseded = |id: &(u64, u64)| new.contains_key(id) || old.later.contains_key(id);
        let mut entries = old.base.kept(generation, IDLE_WRITES, is_superseded);
        let later = old.later.iter().filter(|(id, _)| !new.contains_key(id)).map(|(_, known)| known);
        entries.extend(later.chain(new.values()).map(|(stamp, digest)| file::entry(stamp, digest, generation)));
        entries.sort_unstable();
        file::write(&self.file, &boot, written, generation, &entries)?;
        self.old = OnceLock::new();
        Ok(())
    }
}

/// Is a stamp older than `limit`, by as much as its own clock is coarse? A file system that keeps whole seconds, as ext4
/// with small inodes does, shows itself by the stamp.
fn is_older(stamp: &Stamp, limit: i64) -> bool {
    let is_whole = stamp.newest() % 1_000_000_000 == 0;
    stamp.newest() < if is_whole { limit.saturating_sub(super::clock::COARSE) } else { limit }
}

impl super::Digests for StatCache {
    fn digest(&self, path: &Path, metadata: &Metadata) -> io::Result<Digest> {
        let stamp = Stamp::of(metadata);
        match self.get(&stamp) {
            Some(digest) => Ok(digest),
            None => self.hash(path, &stamp).map(|(digest, _)| digest),
        }
    }
}

/// What is another after each start of the machine; zeros where there is no such thing.
pub fn boot_id() -> [u8; 36] {
    let mut id = [0; 36];
    if let Ok(text) = std::fs::read("/proc/sys/kernel/random/boot_id") {
        let length = text.len().min(36);
        id[..length].copy_from_slice(&text[..length]);
    }
    id
}
