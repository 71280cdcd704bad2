//! How folders and files stood, in one flat block of bytes, and whether they still do. While they do, whatever was found
//! out about them holds: nothing is listed, opened or read. Knows not what that was.
//!
//! A file is stated by name; a folder's names are taken for the same while its stamp is (git's untracked cache rests on
//! the same rule). Only stamps that are old enough to be believed come in here: see [`StatCache::trusts`].
//!
//! [`StatCache::trusts`]: super::cache::StatCache::trusts

mod build;
#[cfg(unix)]
mod compare;
#[cfg(test)]
#[cfg(unix)]
mod tests;

use std::ffi::CStr;
use std::path::Path;

pub use build::{Builder, Dep, NotNoted, SetsOf};

use super::stamp::Stamp;

const HEADER: usize = 5 * 4;
/// Path: place and length; entries: first and count; stamp; flags.
const FOLDER: usize = 4 * 4 + STAMP + 4;
/// Name: place and length; stamp; flags.
const ENTRY: usize = 2 * 4 + STAMP + 4;
const STAMP: usize = 44;

/// A folder's stamp tells whether its names are the same.
const NAMES: u32 = 1;
/// An entry is there; without this it is noted that nothing is.
const THERE: u32 = 1;

/// Many folders and files as they stood, and sets of them.
#[derive(Debug, Default)]
pub struct Snapshot {
    bytes: Vec<u8>,
    folders: usize,
    entries: usize,
    sets: usize,
    /// Where the parts start.
    at: Parts,
}

#[derive(Debug, Clone, Copy, Default)]
struct Parts {
    entries: usize,
    sets: usize,
    deps: usize,
    strings: usize,
}

/// What of a snapshot still stands.
#[derive(Debug, Default)]
pub struct Stands {
    /// By folder: [`IS_IT`], [`HAS_NAMES`].
    folders: Vec<u8>,
    entries: Vec<bool>,
}

/// It is the same folder.
const IS_IT: u8 = 1;
/// And it holds the same names.
const HAS_NAMES: u8 = 2;

struct Folder<'a> {
    path: &'a CStr,
    first: usize,
    count: usize,
    stamp: Stamp,
    flags: u32,
}

struct Entry<'a> {
    name: &'a CStr,
    stamp: Stamp,
    flags: u32,
}

impl Snapshot {
    /// Reads what [`Builder::finish`] gave; `None` if it is no such thing.
    pub fn read(bytes: Vec<u8>) -> Option<Self> {
        if bytes.len() < HEADER {
            return None;
        }
        let count = |at: usize| number(&bytes, at * 4) as usize;
        let (folders, entries, sets, deps, strings) = (count(0), count(1), count(2), count(3), count(4));
        let mut at = Parts { entries: HEADER + folders.checked_mul(FOLDER)?, ..Parts::default() };
        at.sets = at.entries.checked_add(entries.checked_mul(ENTRY)?)?;
        at.deps = at.sets.checked_add(sets.checked_add(1)?.checked_mul(4)?)?;
        at.strings = at.deps.checked_add(deps.checked_mul(4)?)?;
        (at.strings.checked_add(strings)? == bytes.len()).then_some(Self { bytes, folders, entries, sets, at })
    }

    /// The bytes that [`Snapshot::read`] reads.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The stamps of all files.
    pub fn stamps(&self) -> impl Iterator<Item = Stamp> + '_ {
        (0..self.entries)
            .filter_map(|at| self.entry(at))
            .filter(|entry| entry.flags & THERE != 0)
            .map(|entry| entry.stamp)
    }

    /// How many files and folders there are to be stated.
    pub fn size(&self) -> usize {
        self.folders + self.entries
    }

    /// States everything, by as many threads as there are cores: what stands as it stood?
    #[cfg(unix)]
    pub fn compare(&self, root: &Path) -> Stands {
        compare::compare(self, root)
    }

    /// What stands as it stood: nothing that could be told here.
    #[cfg(not(unix))]
    pub fn compare(&self, _root: &Path) -> Stands {
        Stands { folders: vec![0; self.folders], entries: vec![false; self.entries] }
    }

    /// Does all of a set stand as it stood?
    pub fn stands(&self, standing: &Stands, set: u32) -> bool {
        let stands = |dep: Dep| match dep {
            Dep::Entry(at) => standing.entries.get(at as usize) == Some(&true),
            Dep::Folder(at) => standing.folders.get(at as usize).is_some_and(|found| found & IS_IT != 0),
            Dep::Names(at) => standing.folders.get(at as usize).is_some_and(|found| found & HAS_NAMES != 0),
        };
        self.deps(set).is_some_and(|mut deps| deps.all(stands))
    }

    /// What a set rests on; `None` if there is no such set. Sets are numbered from 0.
    fn deps(&self, set: u32) -> Option<impl Iterator<Item = Dep> + '_> {
        let set = set as usize;
        if set >= self.sets {
            return None;
        }
        let start = |set: usize| number(&self.bytes, self.at.sets + set * 4) as usize;
        let deps = self.bytes[self.at.deps..self.at.strings].get(start(set) * 4..start(set + 1) * 4)?;
        Some(deps.chunks_exact(4).map(|dep| Dep::from_number(number(dep, 0))))
    }

    fn folder(&self, at: usize) -> Option<Folder<'_>> {
        let bytes = self.bytes.get(HEADER + at * FOLDER..HEADER + (at + 1) * FOLDER)?;
        let (first, count) = (number(bytes, 8) as usize, number(bytes, 12) as usize);
        if first.checked_add(count)? > self.entries {
            return None;
        }
        Some(Folder {
            path: self.text(number(bytes, 0), number(bytes, 4))?,
            first,
            count,
            stamp: stamp(&bytes[16..]),
            flags: number(bytes, 16 + STAMP),
        })
    }

    fn entry(&self, at: usize) -> Option<Entry<'_>> {
        let bytes = self.bytes.get(self.at.entries + at * ENTRY..self.at.entries + (at + 1) * ENTRY)?;
        Some(Entry {
            name: self.text(number(bytes, 0), number(bytes, 4))?,
            stamp: stamp(&bytes[8..]),
            flags: number(bytes, 8 + STAMP),
        })
    }

    fn text(&self, at: u32, length: u32) -> Option<&CStr> {
        let at = self.at.strings + at as usize;
        CStr::from_bytes_with_nul(self.bytes.get(at..at + length as usize + 1)?).ok()
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

fn stamp(bytes: &[u8]) -> Stamp {
    let long = |at: usize| {
        let mut number = [0; 8];
        number.copy_from_slice(&bytes[at..at + 8]);
        u64::from_le_bytes(number)
    };
    Stamp {
        dev: long(0),
        ino: long(8),
        size: long(16),
        mtime: long(24).cast_signed(),
        ctime: long(32).cast_signed(),
        mode: number(bytes, 40),
    }
}

fn put_stamp(bytes: &mut Vec<u8>, stamp: &Stamp) {
    for long in [stamp.dev, stamp.ino, stamp.size, stamp.mtime.cast_unsigned(), stamp.ctime.cast_unsigned()] {
        bytes.extend_from_slice(&long.to_le_bytes());
    }
    bytes.extend_from_slice(&stamp.mode.to_le_bytes());
}
