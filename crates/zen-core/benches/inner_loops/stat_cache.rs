//! 100,000 files that are all in the stat cache: reading it, and asking it.

use std::path::Path;

use divan::Bencher;
use divan::counter::ItemsCount;
use zen_core::digest::Digest;
use zen_core::scan::cache::StatCache;
use zen_core::scan::stamp::Stamp;

const FILES: u64 = 100_000;

fn stamp(at: u64) -> Stamp {
    // As a file system gives inodes: close together, and not in the order in which a walk meets them.
    let ino = 1 + at.wrapping_mul(7919) % FILES;
    Stamp { dev: 1, ino, size: 4096, mode: 0o100_644, mtime: 1_000_000 + at.cast_signed(), ctime: 1_000_000 }
}

/// A cache in which all files are remembered, on disk in `folder`.
fn filled(folder: &Path) -> std::path::PathBuf {
    let file = folder.join("stat-cache");
    let mut cache = StatCache::open(&file);
    for at in 0..FILES {
        cache.insert(stamp(at), Digest::of(&at.to_le_bytes()), i64::MAX);
    }
    cache.save(|_| {}).expect("the temporary folder can be written");
    file
}

#[divan::bench]
fn open(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let file = filled(folder.path());
    bencher.counter(ItemsCount::new(FILES)).bench(|| StatCache::open(&file));
}

#[divan::bench]
fn get(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let cache = StatCache::open(&filled(folder.path()));
    let stamps: Vec<Stamp> = (0..FILES).map(stamp).collect();
    assert!(stamps.iter().all(|stamp| cache.get(stamp).is_some()), "all files are remembered");
    bencher.counter(ItemsCount::new(FILES)).bench(|| stamps.iter().filter(|stamp| cache.get(stamp).is_some()).count());
}
