//! The stat cache as others may have left it. An entry is believed only for the stamp that it was written with.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zen_core::digest::Digest;
use zen_core::scan::cache::StatCache;
use zen_core::scan::stamp::Stamp;

const MAGIC: &[u8] = b"zenstat3";

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let Ok(folder) = tempfile::tempdir() else { return };
    let file = folder.path().join("stat-cache");
    // An odd first byte: a head with the right checksum, so that what stands behind it is read.
    let bytes = if first % 2 == 1 { headed(rest) } else { rest.to_vec() };
    if std::fs::write(&file, &bytes).is_err() {
        return;
    }
    let mut cache = StatCache::open(&file);
    // Every place where an entry may stand is asked for, as it stands and with one part changed.
    for entry in bytes.windows(ENTRY).step_by(4) {
        let (stamp, digest) = split(entry);
        let others = [
            Stamp { size: stamp.size ^ 1, ..stamp },
            Stamp { mtime: stamp.mtime ^ 1, ..stamp },
            Stamp { ctime: stamp.ctime ^ 1, ..stamp },
            Stamp { mode: stamp.mode ^ 1, ..stamp },
        ];
        for other in others {
            if let Some(found) = cache.get(&other) {
                let is_there = |entry: &[u8]| split(entry) == (other, found);
                assert!(bytes.windows(ENTRY).any(is_there), "{other:?} was never written; beside {digest:?}");
            }
        }
        cache.get(&stamp);
    }
    cache.insert(Stamp { ino: 1, ..Stamp::none() }, Digest([7; 32]), i64::MAX);
    cache.save(|_| {}).expect("the folder is there");
    assert_eq!(StatCache::open(&file).get(&Stamp { ino: 1, ..Stamp::none() }), Some(Digest([7; 32])));
});

const ENTRY: usize = 80;

fn headed(bytes: &[u8]) -> Vec<u8> {
    let pieces = usize::from(bytes.first().copied().unwrap_or(0) % 4);
    let mut head = bytes.to_vec();
    head.resize(52 + pieces * 52, 0);
    head[48..52].copy_from_slice(&(pieces as u32).to_le_bytes());
    let length = (head.len() as u32).to_le_bytes();
    [MAGIC, &length, &Digest::of(&head).0, &head, bytes.get(head.len()..).unwrap_or_default()].concat()
}

fn split(entry: &[u8]) -> (Stamp, Digest) {
    let number = |at: usize| entry[at..at + 8].try_into().map_or(0, u64::from_le_bytes);
    let big = |at: usize| entry[at..at + 8].try_into().map_or(0, u64::from_be_bytes);
    let mode = entry[24..28].try_into().map_or(0, u32::from_le_bytes);
    let mut digest = [0; 32];
    digest.copy_from_slice(&entry[48..80]);
    let stamp =
        Stamp { dev: big(0), ino: big(8), size: number(16), mode, mtime: number(32) as i64, ctime: number(40) as i64 };
    (stamp, Digest(digest))
}
