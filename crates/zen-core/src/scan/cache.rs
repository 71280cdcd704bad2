//! The stat cache: inode and stamps → digest, under git's racy rule. Knows no paths but its own file.

use std::collections::HashMap;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};

use super::clock::Clock;
use super::hash::hash_file;
use super::stamp::Stamp;
use crate::digest::Digest;

const MAGIC: &[u8; 8] = b"zenstat2";
const HEADER: usize = 8 + 32 + 36 + 8 + 4;
const ENTRY: usize = 8 + 8 + 8 + 4 + 4 + 8 + 8 + 32;
/// How many times the file is written without an entry being asked for, until that entry is dropped.
const IDLE_WRITES: u32 = 64;
/// A power cut may lose what was written this long before it: 120 s.
const UNSYNCED: i64 = 120_000_000_000;

/// Digests by inode. One compact file, read in one go, searched without being parsed, and written only when it changed.
#[derive(Debug)]
pub struct StatCache {
    file: PathBuf,
    clock: Clock,
    /// What the file holds, read when somebody asks.
    old: OnceLock<Old>,
    new: Mutex<HashMap<(u64, u64), (Stamp, Digest)>>,
}

#[derive(Debug, Default)]
struct Old {
    /// Sorted, as they lie in the file.
    entries: Vec<u8>,
    used: Vec<AtomicBool>,
    generation: u32,
}

impl StatCache {
    /// The cache at `file`; an absent, foreign or damaged one is an empty one. Its folder must exist.
    pub fn open(file: &Path) -> Self {
        let folder = file.parent().unwrap_or(Path::new("."));
        Self { file: file.to_owned(), clock: Clock::new(folder), old: OnceLock::new(), new: Mutex::default() }
    }

    fn old(&self) -> &Old {
        self.old.get_or_init(|| {
            let bytes = std::fs::read(&self.file).unwrap_or_default();
            let (entries, generation) = read(bytes, &boot_id()).unwrap_or_default();
            let used = (0..entries.len() / ENTRY).map(|_| AtomicBool::new(false)).collect();
            Old { entries, used, generation }
        })
    }

    /// The remembered digest of a file with this stamp.
    pub fn get(&self, stamp: &Stamp) -> Option<Digest> {
        if !stamp.is_identity() {
            return None;
        }
        let old = self.old();
        if let Some(at) = old.find(stamp)
            && let Some(digest) = matching(old.entry(at), stamp)
        {
            old.used[at].store(true, Ordering::Relaxed);
            return Some(digest);
        }
        let new = self.new.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        new.get(&(stamp.dev, stamp.ino)).filter(|(known, _)| known == stamp).map(|(_, digest)| *digest)
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
        move |stamp| stamp.is_identity() && local.contains(&stamp.dev) && stamp.newest() < limit
    }

    /// Remembers a digest, if `stamp` is older than the horizon taken before the first byte was read: else a later
    /// write in the same tick of the clock could hide behind the same stamp.
    pub fn insert(&self, stamp: Stamp, digest: Digest, horizon: i64) {
        if stamp.is_identity() && stamp.newest() < horizon {
            let mut new = self.new.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            new.insert((stamp.dev, stamp.ino), (stamp, digest));
        }
    }

    /// Hashes the file at `path` and remembers its digest; gives the stamp that goes with it.
    ///
    /// # Errors
    /// As [`hash_file`].
    pub fn hash(&self, path: &Path, stamp: &Stamp) -> io::Result<(Digest, Stamp)> {
        let horizon = self.horizon(stamp, path);
        let (digest, stamp) = hash_file(path)?;
        self.insert(stamp, digest, horizon);
        Ok((digest, stamp))
    }

    /// Writes the file if anything is new: whole, to a temporary place, then renamed.
    ///
    /// # Errors
    /// What writing met. Losing the cache costs time alone.
    pub fn save(&mut self) -> io::Result<()> {
        let new = std::mem::take(self.new.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner));
        if new.is_empty() {
            return Ok(());
        }
        let old = self.old();
        let generation = old.generation.wrapping_add(1);
        let mut entries: Vec<[u8; ENTRY]> = Vec::with_capacity(old.used.len() + new.len());
        for (at, used) in old.used.iter().enumerate() {
            let mut entry = *old.entry(at);
            let (dev, ino) = identity(&entry);
            if new.contains_key(&(dev, ino)) {
                continue;
            }
            if used.load(Ordering::Relaxed) {
                entry[28..32].copy_from_slice(&generation.to_le_bytes());
            } else if generation.wrapping_sub(entry_generation(&entry)) > IDLE_WRITES {
                continue;
            }
            entries.push(entry);
        }
        entries.extend(new.into_values().map(|(stamp, digest)| write_entry(&stamp, &digest, generation)));
        entries.sort_unstable();
        let used = (0..entries.len()).map(|_| AtomicBool::new(true)).collect();
        let old = Old { entries: entries.concat(), used, generation };

        let folder = self.file.parent().unwrap_or(Path::new("."));
        let file = tempfile::Builder::new().prefix("stat-").tempfile_in(folder)?;
        let body = body(&boot_id(), super::clock::now(), generation, &old.entries);
        let mut bytes = Vec::with_capacity(body.len() + 40);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&Digest::of(&body).0);
        bytes.extend_from_slice(&body);
        io::Write::write_all(&mut file.as_file(), &bytes)?;
        self.old = OnceLock::from(old);
        file.persist(&self.file).map_err(|error| error.error)?;
        Ok(())
    }
}

impl Old {
    fn entry(&self, at: usize) -> &[u8; ENTRY] {
        self.entries[at * ENTRY..(at + 1) * ENTRY].try_into().expect("the slice has the length of an entry")
    }

    fn find(&self, stamp: &Stamp) -> Option<usize> {
        let mut wanted = [0; 16];
        wanted[..8].copy_from_slice(&stamp.dev.to_be_bytes());
        wanted[8..].copy_from_slice(&stamp.ino.to_be_bytes());
        let (mut low, mut high) = (0, self.used.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.entry(middle)[..16].cmp(&wanted) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }
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

fn body(boot: &[u8; 36], written: i64, generation: u32, entries: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(48 + entries.len());
    body.extend_from_slice(boot);
    body.extend_from_slice(&written.to_le_bytes());
    body.extend_from_slice(&generation.to_le_bytes());
    body.extend_from_slice(entries);
    body
}

/// The entries of a cache file that may still be trusted, and its generation.
fn read(mut bytes: Vec<u8>, boot: &[u8; 36]) -> Option<(Vec<u8>, u32)> {
    if bytes.len() < HEADER || !bytes.starts_with(MAGIC) || !(bytes.len() - HEADER).is_multiple_of(ENTRY) {
        return None;
    }
    let (sum, body) = bytes[8..].split_at(32);
    if Digest::of(body).0 != *sum {
        return None;
    }
    let written = i64::from_le_bytes(body[36..44].try_into().ok()?);
    let generation = u32::from_le_bytes(body[44..48].try_into().ok()?);
    if body[..36] == boot[..] {
        bytes.drain(..HEADER);
        return Some((bytes, generation));
    }
    let entries = &body[48..];
    let limit = written.saturating_sub(UNSYNCED);
    let kept = entries.chunks_exact(ENTRY).filter(|entry| newest(entry) < limit).collect::<Vec<_>>().concat();
    Some((kept, generation))
}

fn write_entry(stamp: &Stamp, digest: &Digest, generation: u32) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    entry[..8].copy_from_slice(&stamp.dev.to_be_bytes());
    entry[8..16].copy_from_slice(&stamp.ino.to_be_bytes());
    entry[16..24].copy_from_slice(&stamp.size.to_le_bytes());
    entry[24..28].copy_from_slice(&stamp.mode.to_le_bytes());
    entry[28..32].copy_from_slice(&generation.to_le_bytes());
    entry[32..40].copy_from_slice(&stamp.mtime.to_le_bytes());
    entry[40..48].copy_from_slice(&stamp.ctime.to_le_bytes());
    entry[48..].copy_from_slice(&digest.0);
    entry
}

fn matching(entry: &[u8; ENTRY], stamp: &Stamp) -> Option<Digest> {
    let digest = Digest(entry[48..].try_into().expect("a digest has 32 bytes"));
    let mut wanted = write_entry(stamp, &digest, 0);
    wanted[28..32].copy_from_slice(&entry[28..32]);
    (wanted == *entry).then_some(digest)
}

fn identity(entry: &[u8; ENTRY]) -> (u64, u64) {
    let number =
        |range: std::ops::Range<usize>| u64::from_be_bytes(entry[range].try_into().expect("the range has eight bytes"));
    (number(0..8), number(8..16))
}

fn entry_generation(entry: &[u8; ENTRY]) -> u32 {
    u32::from_le_bytes(entry[28..32].try_into().expect("the range has four bytes"))
}

fn newest(entry: &[u8]) -> i64 {
    let time = |at: usize| entry[at..at + 8].try_into().map_or(i64::MAX, |bytes: [u8; 8]| i64::from_le_bytes(bytes));
    time(32).max(time(40))
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

#[cfg(all(test, unix))]
mod tests {
    use super::super::Digests;
    use super::*;

    fn stamp(ino: u64, mtime: i64) -> Stamp {
        Stamp { dev: 7, ino, size: 3, mode: 0o100_644, mtime, ctime: mtime }
    }

    #[test]
    fn f_11_an_entry_as_young_as_the_clock_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let cache = StatCache::open(&folder.path().join("stat"));
        cache.insert(stamp(1, 100), Digest::of(b"x"), 100);
        cache.insert(stamp(2, 99), Digest::of(b"y"), 100);
        cache.insert(stamp(3, i64::MAX), Digest::of(b"z"), 100);
        assert_eq!(cache.get(&stamp(1, 100)), None);
        assert_eq!(cache.get(&stamp(2, 99)), Some(Digest::of(b"y")));
        assert_eq!(cache.get(&stamp(3, i64::MAX)), None, "a stamp from the future is never trusted");
    }

    #[test]
    fn every_part_of_the_stamp_counts() {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = StatCache::open(&folder.path().join("stat"));
        let base = stamp(5, 50);
        cache.insert(base, Digest::of(b"x"), 1000);
        cache.save().unwrap();
        let cache = StatCache::open(&folder.path().join("stat"));
        assert_eq!(cache.get(&base), Some(Digest::of(b"x")));
        for other in [
            Stamp { dev: 8, ..base },
            Stamp { ino: 6, ..base },
            Stamp { size: 4, ..base },
            Stamp { mode: 0o100_755, ..base },
            Stamp { mtime: 49, ..base },
            Stamp { ctime: 49, ..base },
        ] {
            assert_eq!(cache.get(&other), None, "{other:?}");
        }
    }

    #[test]
    fn a_damaged_file_is_an_empty_cache() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("stat");
        let mut cache = StatCache::open(&file);
        cache.insert(stamp(5, 50), Digest::of(b"x"), 1000);
        cache.save().unwrap();
        let good = std::fs::read(&file).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&file, &bad).unwrap();
            assert_eq!(StatCache::open(&file).get(&stamp(5, 50)), None, "byte {at}");
        }
        std::fs::write(&file, &good[..good.len() - 1]).unwrap();
        assert_eq!(StatCache::open(&file).get(&stamp(5, 50)), None, "cut short");
    }

    #[test]
    fn after_another_boot_the_youngest_are_forgotten() {
        let day = 86_400_000_000_000;
        let entries =
            [write_entry(&stamp(1, 10), &Digest::of(b"a"), 1), write_entry(&stamp(2, day - 5), &Digest::of(b"b"), 1)]
                .concat();
        let body = body(&[b'a'; 36], day, 1, &entries);
        let bytes = [MAGIC.as_slice(), &Digest::of(&body).0, &body].concat();
        assert_eq!(read(bytes.clone(), &[b'a'; 36]).unwrap().0.len(), 2 * ENTRY);
        assert_eq!(read(bytes, &[b'b'; 36]).unwrap().0, entries[..ENTRY]);
    }

    #[test]
    fn f14_a_same_size_edit_with_the_old_mtime_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let cache = StatCache::open(&folder.path().join("stat"));
        for round in 0..200_u32 {
            std::fs::write(&path, format!("{round:04}")).unwrap();
            let metadata = path.symlink_metadata().unwrap();
            let old = metadata.modified().unwrap();
            cache.digest(&path, &metadata).unwrap();
            std::fs::write(&path, format!("{:04}", round + 5000)).unwrap();
            std::fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
            let now = cache.digest(&path, &path.symlink_metadata().unwrap()).unwrap();
            assert_eq!(now, Digest::of(format!("{:04}", round + 5000).as_bytes()), "round {round}");
        }
    }

    #[test]
    fn entries_that_nobody_asks_for_are_dropped_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("stat");
        let mut cache = StatCache::open(&file);
        cache.insert(stamp(1, 1), Digest::of(b"idle"), 1000);
        cache.save().unwrap();
        for round in 0..=IDLE_WRITES {
            let mut cache = StatCache::open(&file);
            cache.insert(stamp(100 + u64::from(round), 1), Digest::of(b"new"), 1000);
            cache.save().unwrap();
        }
        assert_eq!(StatCache::open(&file).get(&stamp(1, 1)), None);
    }
}
