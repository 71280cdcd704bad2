//! What is remembered, for how long, and what damage costs.

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
fn f_11_a_stamp_of_whole_seconds_is_of_a_coarse_clock() {
    let folder = tempfile::tempdir().unwrap();
    let cache = StatCache::open(&folder.path().join("stat"));
    let second = 1_000_000_000;
    for (ino, time, horizon, is_kept) in
        [(1, 5 * second, 6 * second, false), (2, 5 * second, 8 * second, true), (3, 5 * second + 1, 6 * second, true)]
    {
        cache.insert(stamp(ino, time), Digest::of(b"x"), horizon);
        assert_eq!(cache.get(&stamp(ino, time)).is_some(), is_kept, "{time} before {horizon}");
    }
}

#[test]
fn every_part_of_the_stamp_counts() {
    let folder = tempfile::tempdir().unwrap();
    let mut cache = StatCache::open(&folder.path().join("stat"));
    let base = stamp(5, 50);
    cache.insert(base, Digest::of(b"x"), 1000);
    cache.save(|_| {}).unwrap();
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
fn f44_a_head_that_declares_more_than_the_file_has_is_no_head() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stat");
    let mut cache = StatCache::open(&path);
    cache.insert(stamp(1, 50), Digest::of(b"x"), 1000);
    cache.save(|_| {}).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let (start, head) = (8 + 4 + 32, 36 + 8 + 4 + 4);
    // The number of entries of the only piece, the number of pieces, the length of the head: each with a right checksum.
    for (at, huge) in [(start + head + 16, u32::MAX), (start + head + 16, 2), (start + 48, u32::MAX), (8, u32::MAX)] {
        let mut bytes = whole.clone();
        bytes[at..at + 4].copy_from_slice(&huge.to_le_bytes());
        let sum = Digest::of(&bytes[start..start + head + 52]);
        bytes[12..start].copy_from_slice(&sum.0);
        std::fs::write(&path, &bytes).unwrap();
        let mut cache = StatCache::open(&path);
        assert_eq!(cache.get(&stamp(1, 50)), None, "{at}");
        cache.insert(stamp(2, 50), Digest::of(b"y"), 1000);
        cache.save(|_| {}).unwrap();
        let cache = StatCache::open(&path);
        assert_eq!((cache.get(&stamp(1, 50)), cache.get(&stamp(2, 50))), (None, Some(Digest::of(b"y"))), "{at}");
    }
}

#[test]
fn a_damaged_file_is_an_empty_cache() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stat");
    let mut cache = StatCache::open(&file);
    cache.insert(stamp(5, 50), Digest::of(b"x"), 1000);
    cache.save(|_| {}).unwrap();
    let good = std::fs::read(&file).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&file, &bad).unwrap();
        let found = StatCache::open(&file).get(&stamp(5, 50));
        assert_eq!(found, None, "byte {at}");
    }
    std::fs::write(&file, &good[..good.len() - 1]).unwrap();
    assert_eq!(StatCache::open(&file).get(&stamp(5, 50)), None, "cut short");
}

#[test]
fn after_another_boot_the_youngest_are_forgotten() {
    let day = 86_400_000_000_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stat");
    let entries = [(1, 10), (2, day - 5)].map(|(ino, time)| file::entry(&stamp(ino, time), &Digest::of(b"a"), 1));
    file::write(&path, &[b'a'; 36], day, 1, &entries).unwrap();
    let more = [(3, 10), (4, day - 5)].map(|(ino, time)| file::entry(&stamp(ino, time), &Digest::of(b"b"), 1));
    file::append(&path, &[b'a'; 36], day, &more).unwrap();
    let found = |boot: &[u8; 36]| {
        let (base, later) = Base::open(&path, boot).unwrap();
        let in_base = [stamp(1, 10), stamp(2, day - 5)].map(|stamp| base.get(&stamp).is_some());
        (in_base, later.len(), base.kept(2, 1, |_| false).len())
    };
    assert_eq!(found(&[b'a'; 36]), ([true, true], 2, 2));
    assert_eq!(found(&[b'b'; 36]), ([true, false], 1, 1));
}

#[test]
fn f2_what_comes_after_a_torn_end_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stat");
    let add = |ino: u64| {
        let mut cache = StatCache::open(&path);
        cache.insert(stamp(ino, 50), Digest::of(b"x"), 1000);
        cache.save(|_| {}).unwrap();
    };
    add(1);
    add(2);
    let mut torn = std::fs::read(&path).unwrap();
    torn.extend_from_slice(b"\x01\0\0\0torn");
    std::fs::write(&path, torn).unwrap();
    add(3);
    let cache = StatCache::open(&path);
    assert_eq!([1, 2, 3].map(|ino| cache.get(&stamp(ino, 50)).is_some()), [true; 3]);
    add(4);
    assert!(StatCache::open(&path).get(&stamp(4, 50)).is_some());
}

#[test]
fn little_is_put_behind_and_much_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stat");
    let size = || path.metadata().unwrap().len();
    let add = |from: u64, count: u64, time: i64| {
        let mut cache = StatCache::open(&path);
        (from..from + count).for_each(|ino| cache.insert(stamp(ino, time), Digest::of(&ino.to_le_bytes()), 1000));
        cache.save(|_| {}).unwrap();
    };
    add(1, 5000, 1);
    let whole = size();
    add(3, 1, 2);
    assert!(size() - whole < 200, "one entry is put behind the others");
    add(10_000, 2000, 1);
    add(4, 1, 3);
    let cache = StatCache::open(&path);
    for (ino, time) in [(1, 1), (3, 2), (4, 3), (5000, 1), (10_000, 1), (11_999, 1)] {
        assert_eq!(cache.get(&stamp(ino, time)), Some(Digest::of(&ino.to_le_bytes())), "{ino}");
    }
    for (ino, time) in [(3, 3), (5001, 1), (12_000, 1), (0, 1)] {
        assert_eq!(cache.get(&stamp(ino, time)), None, "{ino}");
    }
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
    let path = folder.path().join("stat");
    let (idle, rested_on) = (stamp(1, 1), stamp(2, 1));
    let mut cache = StatCache::open(&path);
    [idle, rested_on].iter().for_each(|stamp| cache.insert(*stamp, Digest::of(b"old"), 1000));
    cache.save(|_| {}).unwrap();
    for round in 1..=u64::from(IDLE_WRITES) + 1 {
        let mut cache = StatCache::open(&path);
        (0..2000).for_each(|n| cache.insert(stamp(100 + n, round as i64), Digest::of(b"new"), 1000));
        cache.save(|used| used(&rested_on)).unwrap();
    }
    let cache = StatCache::open(&path);
    assert_eq!([idle, rested_on].map(|stamp| cache.get(&stamp).is_some()), [false, true]);
}
