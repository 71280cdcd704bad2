//! A store of 100,000 records, of which a run looks up 5,000.

use divan::Bencher;
use divan::counter::ItemsCount;
use tempfile::TempDir;
use zen_core::artifact::{Artifact, Entry, Key, Node, Piece, Production, Record, RunId, Timestamp};
use zen_core::digest::Digest;
use zen_core::path::RelPath;
use zen_core::store::local::{Access, LocalStore};

const RECORDS: [u64; 2] = [5_000, 100_000];
const ASKED: u64 = 5_000;

fn key(at: u64) -> Key {
    Key(Digest::of(&at.to_le_bytes()))
}

fn record(at: u64) -> Record {
    let node = Node::File { digest: Digest::of(b"output"), size: 65, executable: false };
    let entries = vec![Entry { path: RelPath::root(), node }];
    Record {
        key: key(at),
        production: Production([0; 16]),
        step: format!("p{:04}:bench/s0", at % ASKED),
        run: RunId(1 + at / ASKED),
        ended: Timestamp(1_700_000_000_000),
        duration_ms: 5,
        artifacts: [Artifact { name: "sum".to_owned(), entries }].into(),
        explanation: Piece { object: Digest::of(b"explanation"), at: 0, len: 11 },
        log: None,
    }
}

fn filled(records: u64) -> TempDir {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let store = LocalStore::open(&folder.path().join("store"), Access::Write).expect("the folder is a new one");
    let records: Vec<Record> = (0..records).map(record).collect();
    store.records.append(&records).expect("the temporary folder can be written");
    folder
}

/// The newest ones are those that a run asks for.
fn asked(records: u64) -> Vec<Key> {
    (records - ASKED..records).map(key).collect()
}

fn open_store(folder: &TempDir) -> LocalStore {
    LocalStore::open(&folder.path().join("store"), Access::Read).expect("the store is a good one")
}

#[divan::bench(args = RECORDS)]
fn open(bencher: Bencher<'_, '_>, records: u64) {
    let folder = filled(records);
    bencher.counter(ItemsCount::new(records)).bench(|| open_store(&folder));
}

#[divan::bench(args = RECORDS)]
fn get(bencher: Bencher<'_, '_>, records: u64) {
    let folder = filled(records);
    let (store, keys) = (open_store(&folder), asked(records));
    assert!(store.records.get(&keys).iter().all(Option::is_some), "all of them are there");
    bencher.counter(ItemsCount::new(ASKED)).bench(|| store.records.get(&keys));
}

#[divan::bench(args = RECORDS)]
fn open_and_get(bencher: Bencher<'_, '_>, records: u64) {
    let folder = filled(records);
    let keys = asked(records);
    bencher.counter(ItemsCount::new(ASKED)).bench(|| open_store(&folder).records.get(&keys));
}
