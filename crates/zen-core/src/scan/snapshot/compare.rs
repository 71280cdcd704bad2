//! Stating everything that a snapshot holds, by several threads. Knows not what follows from it.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::io::Errno;

use super::{Entry, Folder, HAS_NAMES, IS_IT, NAMES, Snapshot, Stands, THERE};
use crate::scan::cores;
use crate::scan::stamp::Stamp;

/// Folders that a thread takes at a time.
const SHARE: usize = 32;
/// What is less than this is stated by one thread: another would hardly have started.
const FEW: usize = 3_000;

/// What was not looked at does not stand.
pub(super) fn compare(snapshot: &Snapshot, root: &Path) -> Stands {
    let mut standing = Stands { folders: vec![0; snapshot.folders], entries: vec![false; snapshot.entries] };
    let Ok(root) = File::open(root) else { return standing };
    let threads = if snapshot.size() < FEW { 1 } else { cores() };
    let (next, moved) = (AtomicUsize::new(0), AtomicUsize::new(0));
    // Where so much is to be looked at anew, the rest of it may be as well: it costs less than to state it twice.
    let enough = FEW.max(snapshot.entries / 8);
    let work = || {
        let mut found = Vec::new();
        loop {
            let start = next.fetch_add(SHARE, Ordering::Relaxed);
            if start >= snapshot.folders || moved.load(Ordering::Relaxed) > enough {
                return found;
            }
            for at in start..(start + SHARE).min(snapshot.folders) {
                let Some(folder) = snapshot.folder(at) else { continue };
                let one = state(snapshot, &root, at, &folder);
                let others =
                    one.entries.iter().filter(|stands| !**stands).count().max(folder.count - one.entries.len());
                moved.fetch_add(others, Ordering::Relaxed);
                found.push(one);
            }
        }
    };
    let found: Vec<Vec<Found>> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mine = work();
        let theirs = others.into_iter().map(|other| other.join().expect("stating does not panic"));
        std::iter::once(mine).chain(theirs).collect()
    });
    for Found { folder, flags, first, entries } in found.into_iter().flatten() {
        standing.folders[folder] = flags;
        if let Some(place) = standing.entries.get_mut(first..first + entries.len()) {
            place.copy_from_slice(&entries);
        }
    }
    standing
}

struct Found {
    folder: usize,
    flags: u8,
    first: usize,
    entries: Vec<bool>,
}

fn state(snapshot: &Snapshot, root: &File, at: usize, folder: &Folder<'_>) -> Found {
    let mut found = Found { folder: at, flags: 0, first: folder.first, entries: Vec::new() };
    let path = if folder.path.is_empty() { c"." } else { folder.path };
    // A link in the place of a folder is another thing, wherever it leads.
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | by_path_alone();
    let Ok(open) = openat(root, path, flags, Mode::empty()) else { return found };
    let Ok(stat) = fstat(&open) else { return found };
    let stamp = stamp_of(&stat);
    if (stamp.dev, stamp.ino) == (folder.stamp.dev, folder.stamp.ino) {
        found.flags |= IS_IT;
        if folder.flags & NAMES != 0 && stamp == folder.stamp {
            found.flags |= HAS_NAMES;
        }
    }
    let stands = |entry: Entry<'_>| {
        let is_there = entry.flags & THERE != 0;
        if !is_there && found.flags & HAS_NAMES != 0 {
            return true;
        }
        match statat(&open, entry.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => is_there && stamp_of(&stat) == entry.stamp,
            Err(error) => !is_there && error == Errno::NOENT,
        }
    };
    let entries = folder.first..folder.first + folder.count;
    found.entries = entries.map(|at| snapshot.entry(at).is_some_and(stands)).collect();
    found
}

/// Opened only to state what is in it: needs no permission to read.
fn by_path_alone() -> OFlags {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return OFlags::PATH;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    return OFlags::RDONLY;
}

#[expect(clippy::unnecessary_cast, reason = "the fields have other types on other systems")]
fn stamp_of(stat: &Stat) -> Stamp {
    let time = |seconds: i64, nanoseconds: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds);
    Stamp {
        dev: stat.st_dev as u64,
        ino: stat.st_ino as u64,
        size: stat.st_size as u64,
        mode: stat.st_mode as u32,
        mtime: time(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
        ctime: time(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
    }
}
