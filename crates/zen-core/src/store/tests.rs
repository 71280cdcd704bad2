//! The store as a whole: what is put comes back or is missed, never wrong; what is not zen's is left alone.
#![expect(clippy::disallowed_methods, reason = "the edge to the disk")]

use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};

use super::gc::{Removed, objects_of};
#[cfg(unix)]
use super::local::be_like;
use super::local::{Access, LocalStore, SourceChanged};
use super::place::{StoreError, is_marked};
use super::testing::{key, open, record, record_of_file};
use super::{FetchError, Objects};
use crate::artifact::{Record, Timestamp};
use crate::digest::Digest;

const HOUR: i64 = 60 * 60 * 1000;

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(since.as_millis() as i64)
}

/// All files below `dir`, sorted.
fn tree(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(tree(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn fetch(store: &LocalStore, object: (Digest, u64), dir: &Path) -> Result<Vec<u8>, FetchError> {
    let to = dir.join("fetched");
    let _ = std::fs::remove_file(&to);
    let fetched = store.fetch(object.0, object.1, &to);
    assert_eq!(fetched.is_ok(), to.exists(), "a failed fetch leaves nothing");
    fetched.map(|()| std::fs::read(&to).unwrap())
}

#[test]
fn what_is_put_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for size in [0, 1, 1000, (3 << 20) + 17] {
        let bytes: Vec<u8> = (0..size).map(|n: u32| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
        let from = dir.path().join("from");
        std::fs::write(&from, &bytes).unwrap();
        let object = store.put_file(&from).unwrap();
        assert_eq!(object, (Digest::of(&bytes), bytes.len() as u64));
        assert_eq!(store.put_bytes(&bytes).unwrap(), object.0);
        assert_eq!(fetch(&store, object, dir.path()).unwrap(), bytes);
        assert_eq!(store.read(object.0).unwrap(), bytes);
        assert_eq!(store.contains(&[object, (object.0, object.1 + 1)]), [true, false]);
    }
    assert!(tree(&store.folder().join("tmp")).is_empty(), "no temporary file is left");
}

#[test]
#[cfg(unix)]
fn f_25_f30_objects_are_read_only_and_what_is_fetched_is_another_file() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let object = (store.put_bytes(b"x").unwrap(), 1);
    let stored = tree(&store.folder().join("objects")).remove(0);
    assert_eq!(std::fs::metadata(&stored).unwrap().permissions().mode() & 0o333, 0);
    fetch(&store, object, dir.path()).unwrap();
    let fetched = std::fs::metadata(dir.path().join("fetched")).unwrap();
    assert_ne!(fetched.permissions().mode() & 0o200, 0, "what is fetched can be written");
    assert_ne!(fetched.ino(), std::fs::metadata(&stored).unwrap().ino());
}

#[cfg(unix)]
#[test]
fn f_16_what_a_reflink_brings_along_of_the_object_does_not_stay() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let file = std::fs::File::create_new(&path).unwrap();
    let new = file.metadata().unwrap();
    let stands = || {
        let metadata = std::fs::metadata(&path).unwrap();
        (metadata.permissions().mode() & 0o777, metadata.modified().unwrap())
    };
    let before = stands();
    file.set_permissions(PermissionsExt::from_mode(0o444)).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert_ne!(stands(), before);
    be_like(&file, &new).unwrap();
    assert_eq!(stands(), before);
}

#[test]
fn fetch_does_not_touch_what_stands_there() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let digest = store.put_bytes(b"x").unwrap();
    let to = dir.path().join("to");
    std::fs::write(&to, "mine").unwrap();
    assert!(matches!(store.fetch(digest, 1, &to), Err(FetchError::Io(_))));
    assert_eq!(std::fs::read(&to).unwrap(), b"mine");
}

#[test]
fn f_7_missing_and_damaged_objects_are_misses_that_heal() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let object = (store.put_bytes(b"some bytes").unwrap(), 10);
    assert!(matches!(fetch(&store, (Digest::of(b"y"), 1), dir.path()), Err(FetchError::Missing(_))));
    assert!(matches!(fetch(&store, (object.0, 9), dir.path()), Err(FetchError::Missing(_))), "no such size");
    assert!(store.contains(&[object])[0], "and the object is not blamed for it");
    let stored = tree(&store.folder().join("objects")).remove(0);
    for damage in [&b"some bytez"[..], b"some", b"", b"some bytes and more"] {
        std::fs::remove_file(&stored).unwrap();
        std::fs::write(&stored, damage).unwrap();
        assert!(matches!(fetch(&store, object, dir.path()), Err(FetchError::Damaged(_))));
        assert!(matches!(fetch(&store, object, dir.path()), Err(FetchError::Missing(_))), "it was moved aside");
        assert_eq!(store.put_bytes(b"some bytes").unwrap(), object.0);
        assert_eq!(fetch(&store, object, dir.path()).unwrap(), b"some bytes");
    }
    assert_eq!(tree(&store.folder().join("quarantine")).len(), 1);
}

#[test]
#[cfg(unix)]
fn f24_what_is_no_file_is_neither_read_nor_stored() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (fifo, link) = (dir.path().join("fifo"), dir.path().join("link"));
    rustix::fs::mknodat(rustix::fs::CWD, fifo.as_path(), rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .unwrap();
    std::fs::write(dir.path().join("target"), "t").unwrap();
    std::os::unix::fs::symlink("target", &link).unwrap();
    for path in [&fifo, &link, &dir.path().to_path_buf()] {
        store.put_file(path).unwrap_err();
    }
    let digest = store.put_bytes(b"t").unwrap();
    let stored = tree(&store.folder().join("objects")).remove(0);
    for replace in
        [&|| std::os::unix::fs::symlink(dir.path().join("target"), &stored), &|| std::fs::create_dir(&stored)]
            as [&dyn Fn() -> io::Result<()>; 2]
    {
        std::fs::remove_file(&stored).unwrap();
        replace().unwrap();
        assert!(matches!(fetch(&store, (digest, 1), dir.path()), Err(FetchError::Damaged(_))));
        store.put_bytes(b"t").unwrap();
        assert_eq!(fetch(&store, (digest, 1), dir.path()).unwrap(), b"t");
    }
}

#[test]
fn f15_a_source_that_changes_while_it_is_read_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let from = dir.path().join("from");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::fs::write(&from, vec![0; 1 << 20]).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            use std::io::Write;
            let mut file = std::fs::OpenOptions::new().append(true).open(&from).unwrap();
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                file.write_all(b"x").unwrap();
            }
        });
        let changed = (0..1000).find_map(|_| store.put_file(&from).err());
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let error = changed.expect("a file that grows all the time was read whole a thousand times");
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        assert!(error.get_ref().is_some_and(|inner| inner.is::<SourceChanged>()));
    });
}

#[test]
fn f41_no_flipped_byte_of_the_store_is_ever_believed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let objects: Vec<(Vec<u8>, (Digest, u64))> = [&b"first"[..], b"the second one", b""]
        .iter()
        .map(|bytes| (bytes.to_vec(), (store.put_bytes(bytes).unwrap(), bytes.len() as u64)))
        .collect();
    let records: Vec<Record> =
        objects.iter().enumerate().map(|(n, (_, o))| record_of_file(n as u8, "p/s", n as i64, *o)).collect();
    store.records.append(&records).unwrap();
    for path in tree(&dir.path().join("store")) {
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            let _ = std::fs::remove_file(&path);
            std::fs::write(&path, &bytes).unwrap();
            let store = match LocalStore::open(&dir.path().join("store"), Access::Write) {
                Ok(store) => store,
                Err(StoreError::Foreign(_)) => continue,
                Err(e) => panic!("{e}"),
            };
            let got = store.records.get(&[key(0), key(1), key(2)]);
            assert!(got.iter().zip(&records).all(|(got, made)| got.as_ref().is_none_or(|got| got == made)));
            assert!(got.iter().flatten().count() >= 2, "{} byte {at}: more than one record lost", path.display());
            assert!(store.records.all().iter().all(|stored| records.contains(&stored.record)));
            assert!(store.records.latest_of_step("p/s", 9).iter().all(|record| records.contains(record)));
            for (bytes, object) in &objects {
                if let Ok(fetched) = fetch(&store, *object, dir.path()) {
                    assert_eq!(fetched, *bytes, "{} byte {at}", path.display());
                }
            }
        }
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn f44_what_is_larger_than_it_may_be_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let digest = store.put_bytes(b"some bytes").unwrap();
    assert_eq!(store.read_at_most(digest, 10).unwrap(), b"some bytes");
    assert!(matches!(store.read_at_most(digest, 9), Err(FetchError::TooLarge(large)) if large == digest));
    assert!(store.holds(digest, 10) && !store.holds(digest, 9) && !store.holds(Digest::of(b"other"), 5));
    assert_eq!(store.read(digest).unwrap(), b"some bytes", "it is not blamed for what others say");
    // One that grew is damaged, however large it is said to be.
    let stored = tree(&store.folder().join("objects")).remove(0);
    std::fs::remove_file(&stored).unwrap();
    std::fs::File::create(&stored).unwrap().set_len(64 << 20).unwrap();
    assert!(!store.holds(digest, 10));
    assert!(matches!(store.read(digest), Err(FetchError::Missing(_))), "it was moved aside");
}

#[cfg(unix)]
#[test]
fn f5_f7_an_object_that_cannot_be_read_is_a_miss_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let object = (store.put_bytes(b"some bytes").unwrap(), 10);
    let stored = tree(&store.folder().join("objects")).remove(0);
    let folder = stored.parent().unwrap();
    // A folder that leads to itself: whoever opens what lies in it is told so, root too.
    let aside = dir.path().join("aside");
    std::fs::rename(folder, &aside).unwrap();
    std::os::unix::fs::symlink(folder.file_name().unwrap(), folder).unwrap();
    assert!(matches!(fetch(&store, object, dir.path()), Err(FetchError::Unreadable(digest, _)) if digest == object.0));
    assert!(matches!(store.read(object.0), Err(FetchError::Unreadable(..))));
    assert!(!store.holds(object.0, object.1));
    std::fs::remove_file(folder).unwrap();
    std::fs::rename(&aside, folder).unwrap();
    assert_eq!(fetch(&store, object, dir.path()).unwrap(), b"some bytes");
}

#[test]
fn f11_a_store_that_vanishes_is_misses_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (from, bytes) = (dir.path().join("from"), b"bytes");
    std::fs::write(&from, bytes).unwrap();
    let object = store.put_file(&from).unwrap();
    store.records.append(&[record_of_file(1, "p/s", 0, object)]).unwrap();
    let again: [&dyn Fn(); 4] = [
        &|| assert_eq!(store.put_file(&from).unwrap(), object),
        &|| assert_eq!(store.put_bytes(b"other").unwrap(), Digest::of(b"other")),
        &|| store.records.append(&[record(2, "p/s", 0)]).unwrap(),
        &|| drop(store.in_use().unwrap()),
    ];
    for write in again {
        std::fs::remove_dir_all(dir.path().join("store")).unwrap();
        assert!(matches!(fetch(&store, object, dir.path()), Err(FetchError::Missing(_))));
        assert_eq!(store.contains(&[object]), [false]);
        store.records.refresh().unwrap();
        assert_eq!(store.records.count(), 0);
        assert_eq!(store.usage().unwrap().bytes(), 0);
        store.records.touch(&[key(1)], now()).unwrap();
        write();
        assert!(is_marked(&dir.path().join("store")), "and zen knows it again");
        open(dir.path());
    }
}

#[test]
fn f11_a_store_that_is_removed_all_the_time_costs_time_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = std::fs::remove_dir_all(dir.path().join("store"));
            }
        });
        let in_use = store.in_use();
        for n in 0..300_u32 {
            let bytes = n.to_le_bytes();
            // Whatever fails is a miss; what succeeds is right.
            if let Ok(digest) = store.put_bytes(&bytes)
                && let Ok(read) = store.read(digest)
            {
                assert_eq!(read, bytes);
            }
            let _ = store.records.append(&[record(n as u8, "p/s", 0)]);
            let _ = store.records.refresh();
            let made = record(n as u8, "p/s", 0);
            assert!(store.records.get(&[made.key])[0].as_ref().is_none_or(|got| *got == made));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        drop(in_use);
    });
    let _ = store.put_bytes(b"x");
    drop(store.in_use().unwrap());
    let store = open(dir.path());
    let digest = store.put_bytes(b"x").unwrap();
    assert_eq!(store.read(digest).unwrap(), b"x");
}

#[test]
fn f_17_a_cleaner_that_leaves_only_the_tag_empties_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let object = (store.put_bytes(b"x").unwrap(), 1);
    store.records.append(&[record_of_file(1, "p/s", 0, object)]).unwrap();
    for path in tree(dir.path()) {
        let folders = path.ancestors().filter_map(Path::file_name);
        for name in folders {
            assert!(
                !["build", "deps", ".fingerprint", "tests"].iter().any(|taboo| name == *taboo),
                "{}",
                path.display()
            );
        }
        if path.file_name().unwrap() != "CACHEDIR.TAG" {
            std::fs::remove_file(path).unwrap();
        }
    }
    let store = open(dir.path());
    assert_eq!(store.records.get(&[key(1)]), [None]);
    assert_eq!(store.put_bytes(b"x").unwrap(), object.0);
    assert_eq!(fetch(&store, object, dir.path()).unwrap(), b"x");
}

#[test]
fn f52_what_is_not_ours_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| LocalStore::open(&dir.path().join(name), Access::Write);
    for name in ["full", "cargo", "empty"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
    }
    std::fs::write(dir.path().join("full/thesis.tex"), "").unwrap();
    std::fs::write(dir.path().join("cargo/CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55\n").unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    for name in ["full", "cargo", "file"] {
        assert!(matches!(at(name), Err(StoreError::Foreign(_))), "{name}");
        assert!(matches!(LocalStore::open(&dir.path().join(name), Access::Read), Err(StoreError::Foreign(_))));
    }
    assert_eq!(tree(&dir.path().join("full")).len(), 1, "nothing was written there");
    // A crash before the marker was in place.
    std::fs::write(dir.path().join("empty/.zen-tmp-0"), "").unwrap();
    at("empty").unwrap();
    at("new/and/deep").unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("empty", dir.path().join("link")).unwrap();
        assert!(matches!(at("link"), Err(StoreError::Symlink(_))));
        std::fs::remove_dir_all(dir.path().join("empty/v1")).unwrap();
        std::os::unix::fs::symlink("../full", dir.path().join("empty/v1")).unwrap();
        assert!(matches!(at("empty"), Err(StoreError::Symlink(_))));
    }
}

#[test]
fn f7_what_cannot_be_written_is_one_warning() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let store = LocalStore::open(&dir.path().join("file/store"), Access::Write).unwrap();
    assert!(store.warning().is_some_and(|warning| warning.contains("cannot be written")));
    assert!(!store.is_writable());
    assert_eq!(store.put_bytes(b"x").unwrap_err().kind(), io::ErrorKind::ReadOnlyFilesystem);
    store.records.append(&[record(1, "p/s", 0)]).unwrap_err();
    assert!(matches!(
        fetch(&store, (Digest::of(b"x"), 1), dir.path()),
        Err(FetchError::Missing(_) | FetchError::Io(_))
    ));
    assert_eq!(store.collect_garbage(0, &|_| false, now()).unwrap(), None);
    drop(store.in_use().unwrap());
}

#[test]
fn f_5_reading_creates_and_moves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let read = || LocalStore::open(&dir.path().join("store"), Access::Read).unwrap();
    let store = read();
    assert!(store.warning().is_none());
    assert!(!dir.path().join("store").exists());
    let object = (open(dir.path()).put_bytes(b"x").unwrap(), 1);
    let stored = tree(&store.folder().join("objects")).remove(0);
    std::fs::remove_file(&stored).unwrap();
    std::fs::write(&stored, b"y").unwrap();
    let before = tree(&dir.path().join("store"));
    let store = read();
    assert!(matches!(fetch(&store, object, dir.path()), Err(FetchError::Damaged(_))));
    store.put_bytes(b"z").unwrap_err();
    store.records.append(&[record(1, "p/s", 0)]).unwrap_err();
    assert_eq!(tree(&dir.path().join("store")), before);
}

/// Five records with a file of 1,000 bytes each, used one after the other; 0 and 1 share theirs.
fn five(dir: &Path) -> LocalStore {
    let store = open(dir);
    for n in 0..5 {
        let digest = store.put_bytes(&[n.max(1); 1000]).unwrap();
        let ended = now().0 - i64::from(5 - n) * 48 * HOUR;
        store.records.append(&[record_of_file(n, &format!("p/{n}"), ended, (digest, 1000))]).unwrap();
    }
    store.put_bytes(b"explanation").unwrap();
    store
}

fn left(store: &LocalStore) -> Vec<u8> {
    (0..5).filter(|n| store.records.get(&[key(*n)])[0].is_some()).collect()
}

fn assert_whole(store: &LocalStore, dir: &Path) {
    for stored in store.records.all() {
        for digest in objects_of(&stored.record) {
            store.read(digest).unwrap_or_else(|e| panic!("a record points to nothing: {e}"));
        }
        for entry in stored.record.artifacts.iter().flat_map(|artifact| &artifact.entries) {
            if let crate::artifact::Node::File { digest, size, .. } = entry.node {
                fetch(store, (digest, size), dir).unwrap();
            }
        }
    }
}

#[test]
fn f_22_garbage_goes_least_recently_used_first_and_records_before_objects() {
    let dir = tempfile::tempdir().unwrap();
    let store = five(dir.path());
    store.records.touch(&[key(0)], now()).unwrap();
    let log = store.records.log_size();
    let keep = |record: &Record| record.key == key(2);
    assert_eq!(store.collect_garbage(1 << 30, &keep, now()).unwrap(), Some(Removed::default()), "the first count");
    assert_eq!(store.collect_garbage(1 << 30, &keep, now()).unwrap(), None, "and then nothing to do");
    let removed = store.collect_garbage(3000 + log, &keep, now()).unwrap().unwrap();
    // 1 frees nothing, since 0 has the same bytes and was used just now; 2 is kept; 3 frees a thousand, 4 too.
    assert_eq!(left(&store), [0, 2]);
    assert_eq!(removed, Removed { records: 3, objects: 2, bytes: 2000, step_ms: 300 });
    assert_whole(&store, dir.path());
    assert!(store.usage().unwrap().bytes() <= 3000 + log);
    open(dir.path()).collect_garbage(0, &keep, now()).unwrap();
    store.records.refresh().unwrap();
    assert_eq!(left(&store), [2], "what the last run made stays, however small the store is to be");
    assert_whole(&store, dir.path());
}

#[test]
fn f10_garbage_is_not_collected_while_others_use_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = five(dir.path());
    let other = open(dir.path());
    let in_use = other.in_use().unwrap();
    let together = store.in_use().unwrap();
    drop(together);
    assert_eq!(store.collect_garbage(0, &|_| false, now()).unwrap(), None);
    assert!(matches!(store.remove_records(&|_| true, false), Err(StoreError::InUse(_))));
    assert!(matches!(store.clear_all(false), Err(StoreError::InUse(_))));
    assert_eq!(left(&store).len(), 5);
    drop(in_use);
    assert!(store.collect_garbage(0, &|_| false, now()).unwrap().is_some());
    assert_eq!(left(&store).len(), 0);
}

#[test]
fn f1_what_crashed_runs_left_goes() {
    let dir = tempfile::tempdir().unwrap();
    let store = five(dir.path());
    let tmp = store.folder().join("tmp");
    std::fs::write(tmp.join("00000000deadbeef-7"), "half").unwrap();
    std::fs::write(tmp.join("not ours"), "").unwrap();
    let orphan = store.put_bytes(b"orphan").unwrap();
    store.collect_garbage(1 << 30, &|_| false, now()).unwrap();
    assert_eq!(tree(&tmp), [tmp.join("not ours")]);
    assert!(store.read(orphan).is_ok(), "its record may be about to come");
    let later = Timestamp(now().0 + 48 * HOUR);
    let removed = store.collect_garbage(1 << 30, &|_| false, later).unwrap();
    assert_eq!(removed, Some(Removed { objects: 1, bytes: 6, ..Removed::default() }));
    assert!(matches!(store.read(orphan), Err(FetchError::Missing(_))));
    assert_whole(&store, dir.path());
}

#[test]
fn f12_uses_from_the_future_do_not_keep_a_record_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let store = five(dir.path());
    // One time for all: a use from the future counts as one of now, and then the order of the log decides.
    let now = now();
    store.records.touch(&[key(1)], Timestamp(now.0 * 2)).unwrap();
    store.records.touch(&[key(2)], now).unwrap();
    let calls = Cell::new(Vec::new());
    let keep = |record: &Record| {
        let mut seen = calls.take();
        seen.push(record.key);
        calls.set(seen);
        true
    };
    store.shrink(0, &keep, now, true).unwrap();
    assert_eq!(calls.take(), [key(0), key(3), key(4), key(1), key(2)]);
}

#[test]
fn clean_says_beforehand_what_it_does() {
    let dir = tempfile::tempdir().unwrap();
    let store = five(dir.path());
    let which = |stored: &super::records::Stored| ["p/0", "p/3"].contains(&&*stored.record.step);
    let before = store.usage().unwrap();
    let would = store.remove_records(&which, true).unwrap();
    assert_eq!(store.usage().unwrap(), before);
    assert_eq!(would, Removed { records: 2, objects: 1, bytes: 1000, step_ms: 200 }, "0 shares its object with 1");
    assert_eq!(store.remove_records(&which, false).unwrap(), would);
    assert_eq!(left(&store), [1, 2, 4]);
    assert_eq!(store.usage().unwrap().object_bytes, before.object_bytes - 1000);
    assert_whole(&store, dir.path());
    let size = store.usage().unwrap().bytes();
    let would = store.shrink(size - 1, &|_| false, now(), true).unwrap();
    assert_eq!(would.records, 1);
    assert_eq!(store.shrink(size - 1, &|_| false, now(), false).unwrap(), would);
    assert_eq!(left(&store), [2, 4]);
}

#[test]
fn f52_clear_removes_only_what_zen_makes() {
    let dir = tempfile::tempdir().unwrap();
    let store = five(dir.path());
    let v1 = store.folder();
    let foreign = [v1.join("objects/readme"), v1.join("objects/01/readme"), v1.join("tmp/mine"), v1.join("mine")];
    std::fs::create_dir_all(v1.join("objects/01")).unwrap();
    for path in &foreign {
        std::fs::write(path, "mine").unwrap();
    }
    let would = store.clear_all(true).unwrap();
    assert_eq!((would.records, would.objects, would.step_ms), (5, 5, 500));
    assert_eq!(left(&store).len(), 5);
    #[cfg(unix)]
    {
        // An object folder that leads elsewhere.
        let elsewhere = dir.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        std::fs::write(elsewhere.join(format!("00{}", "a".repeat(62))), "mine").unwrap();
        std::os::unix::fs::symlink(&elsewhere, v1.join("objects/00")).unwrap();
        assert_eq!(store.clear_all(false).unwrap(), would);
        assert_eq!(tree(&elsewhere).len(), 1);
        std::fs::remove_file(v1.join("objects/00")).unwrap();
    }
    #[cfg(not(unix))]
    assert_eq!(store.clear_all(false).unwrap(), would);
    assert_eq!(store.records.count(), 0);
    assert_eq!(store.usage().unwrap().bytes(), 0);
    let mut kept = foreign.to_vec();
    kept.extend([v1.join("locks/in-use"), v1.join("records.lock"), dir.path().join("store/CACHEDIR.TAG")]);
    kept.sort();
    assert_eq!(tree(&dir.path().join("store")), kept);
    std::fs::remove_file(dir.path().join("store/CACHEDIR.TAG")).unwrap();
    assert!(matches!(store.clear_all(false), Err(StoreError::Foreign(_))), "nothing without the marker");
}

#[test]
fn f8_several_handles_put_and_record_at_once() {
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let dir = &dir;
            scope.spawn(move || {
                let store = open(dir.path());
                let _in_use = store.in_use().unwrap();
                for n in 0..20_u8 {
                    let digest = store.put_bytes(&[n; 100]).unwrap();
                    store.records.append(&[record_of_file(thread * 20 + n, "p/s", 0, (digest, 100))]).unwrap();
                }
            });
        }
    });
    let store = open(dir.path());
    store.put_bytes(b"explanation").unwrap();
    assert_eq!(store.records.count(), 80);
    assert_whole(&store, dir.path());
}
