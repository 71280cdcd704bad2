//! Stores whose objects and records are not what their names say, and records that are none.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use zen_core::artifact::{Artifact, Entry, Node, Piece, Record, Timestamp};
use zen_core::digest::Digest;
use zen_core::path::RelPath;
use zen_core::store::Objects;
use zen_core::store::check::MAX_DEPTH;

use super::forge::{Case, Expect, Forge, fifo, payload, remove, rewrite};

use Expect::{Ran, Refused, Restored, Right};

pub const CASES: &[Case] = &[
    damage("an object with other bytes of the same length", |forge| rewrite(&forge.object_of_file(), b"x\ny\n")),
    damage("an object that was cut", |forge| rewrite(&forge.object_of_file(), b"a\n")),
    damage("an object without bytes", |forge| rewrite(&forge.object_of_file(), b"")),
    damage("an object that is longer than it was", |forge| rewrite(&forge.object_of_file(), &[b'a'; 100_000])),
    damage("an object with the bytes of another", |forge| rewrite(&forge.object_of_file(), b"b\na\n")),
    damage("an object that is a FIFO", |forge| fifo(&forge.object_of_file())),
    damage("an object that is a folder with something in it", |forge| {
        remove(&forge.object_of_file());
        fs::create_dir_all(forge.object_of_file().join("below")).expect("it can be made");
    }),
    damage("an object that is a symlink to a file outside", |forge| {
        remove(&forge.object_of_file());
        symlink(forge.workspace.beside("outside/file"), forge.object_of_file()).expect("it can be made");
    }),
    damage("an object that is a symlink to the very bytes", |forge| {
        let elsewhere = forge.workspace.beside("outside/same");
        fs::rename(forge.object_of_file(), &elsewhere).expect("it is there");
        symlink(elsewhere, forge.object_of_file()).expect("it can be made");
    }),
    damage("an object that is a symlink to itself", |forge| {
        remove(&forge.object_of_file());
        symlink(forge.object_of_file(), forge.object_of_file()).expect("it can be made");
    }),
    case("no object at all", Ran, |forge| remove(&forge.object_of_file())),
    case("the right digest with a wrong size", Ran, |forge| put_file(forge, b"a\nb\n", 5)),
    case("a size that no disk has", Ran, |forge| put_file(forge, b"a\nb\n", 1 << 63)),
    case("sizes whose sum is more than there is", Ran, |forge| {
        let digest = Digest::of(b"a\nb\n");
        let huge = Node::File { digest, size: u64::MAX, executable: false };
        forge.put_tree(vec![(b"a".to_vec(), huge.clone()), (b"b".to_vec(), huge)]);
    }),
    case("a digest that nobody has", Ran, |forge| {
        let node = Node::File { digest: Digest([7; 32]), size: 4, executable: false };
        forge.put_artifact("file", vec![Entry { path: RelPath::root(), node }]);
    }),
    case("an output of another kind", Refused(100, &["use"]), |forge| {
        forge.put_artifact("file", vec![Entry { path: RelPath::root(), node: Node::Folder }]);
    }),
    case("an output that is a link to the manifest", Restored, |forge| {
        let node = Node::Link { target: b"Cargo.toml".to_vec() };
        forge.put_artifact("file", vec![Entry { path: RelPath::root(), node }]);
    }),
    case("an output with nothing in it", Ran, |forge| forge.put_artifact("file", Vec::new())),
    case("a record of a future schema", Restored, |forge| {
        let mut future = payload(&forge.record());
        future[0] = 77;
        forge.frame(1, &future);
    }),
    case("frames of kinds that nobody knows", Restored, |forge| {
        forge.frame(u32::MAX, b"?");
        forge.frame(99, &[0xff; 4096]);
    }),
    case("a record with bytes behind it", Ran, |forge| {
        forge.frame(1, &[payload(&forge.record()), b"more".to_vec()].concat());
    }),
    case("a record that ends too early", Ran, |forge| {
        let whole = payload(&forge.record());
        forge.frame(1, &whole[..whole.len() - 3]);
    }),
    case("a record that is nothing but its key", Ran, |forge| forge.frame(1, &payload(&forge.record())[..51])),
    case("a frame that is too short for a key", Restored, |forge| forge.frame(1, &payload(&forge.record())[..20])),
    case("a list that says it is longer than any memory", Ran, |forge| {
        let head = payload(&forge.record())[..43 + "p/make".len()].to_vec();
        forge.frame(1, &[head, vec![0xff; 200]].concat());
    }),
    case("a step's name that is longer than its frame", Restored, |forge| {
        let mut long = payload(&forge.record())[..60].to_vec();
        long[41..43].copy_from_slice(&u16::MAX.to_le_bytes());
        forge.frame(1, &long);
    }),
    case("a frame of 4 GiB that is not there", Restored, |forge| {
        let log = forge.v1("records.log");
        let mut bytes = fs::read(&log).expect("it is there");
        bytes.extend_from_slice(&[0xf5, b'z', b'n', 0x1a, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        bytes.extend_from_slice(&[0; 24]);
        fs::write(log, bytes).expect("it can be written");
    }),
    case("a log of nothing but beginnings of frames", Ran, |forge| {
        fs::write(forge.v1("records.log"), [0xf5, b'z', b'n', 0x1a].repeat(50_000)).expect("it can be written");
    }),
    case("garbage behind the last record", Restored, |forge| {
        let log = forge.v1("records.log");
        let bytes = [fs::read(&log).expect("it is there"), vec![0x55; 5000]].concat();
        fs::write(log, bytes).expect("it can be written");
    }),
    case("two records of one key", Restored, |forge| {
        let record = forge.record();
        forge.put(&Record { duration_ms: u64::MAX, ended: Timestamp(i64::MAX), ..record.clone() });
        forge.put(&Record { ended: Timestamp(i64::MIN), ..record });
    }),
    case("the record of another step under this key", Right, |forge| {
        let other = forge.record_of("p/use");
        forge.put(&Record { key: forge.record().key, ..other });
    }),
    case("a record whose frame and content have different keys", Ran, |forge| {
        let mut mixed = payload(&forge.record_of("p/use"));
        mixed[1..33].copy_from_slice(&forge.record().key.0.0);
        forge.frame(1, &mixed);
    }),
    case("a record with one output too many", Right, |forge| {
        let record = forge.record();
        let more = Artifact { name: "more".to_owned(), entries: Vec::new() };
        let artifacts: Arc<[Artifact]> = record.artifacts.iter().cloned().chain([more]).collect();
        forge.put(&Record { artifacts, ..record });
    }),
    case("a record without outputs", Right, |forge| {
        forge.put(&Record { artifacts: Arc::default(), ..forge.record() });
    }),
    case("a record with its outputs in another order", Right, |forge| {
        let record = forge.record();
        let artifacts = record.artifacts.iter().rev().cloned().collect();
        forge.put(&Record { artifacts, ..record });
    }),
    case("a record whose step is called like an escape", Ran, |forge| {
        forge.put(&Record { step: "p/\x1b]0;evil\x07".to_owned(), ..forge.record() });
    }),
    case("an explanation that is not there", Restored, |forge| {
        let explanation = Piece { object: Digest([9; 32]), at: 0, len: 10 };
        forge.put(&Record { explanation, ..forge.record() });
    }),
    case("an explanation that lies behind the end of its object", Restored, |forge| {
        let record = forge.record();
        let explanation = Piece { at: u64::MAX, len: u64::MAX, ..record.explanation };
        forge.put(&Record { explanation, ..record });
    }),
    case("a log that is not there", Restored, |forge| {
        forge.put(&Record { log: Some(Digest([9; 32])), ..forge.record() });
    }),
    case("a path that is deeper than may be", Ran, |forge| {
        let deep = |depth: usize| vec!["d"; depth].join("/").into_bytes();
        forge.put_tree((1..MAX_DEPTH + 50).map(|depth| (deep(depth), Node::Folder)).collect());
    }),
    // The system takes no such name, and neither does a message in full.
    case("a name that is longer than any", Refused(100, &["tree"]), |forge| {
        forge.put_tree(vec![(vec![b'n'; 300], forge.object(b"x"))]);
    }),
    case("a path that is longer than any", Refused(100, &["tree"]), |forge| {
        let name = "n".repeat(200);
        let deep = |depth: usize| vec![name.as_str(); depth].join("/").into_bytes();
        forge.put_tree((1..30).map(|depth| (deep(depth), Node::Folder)).collect());
    }),
    case("ten thousand entries, and no object of them", Ran, |forge| {
        let node = Node::File { digest: Digest([3; 32]), size: 1, executable: false };
        forge.put_tree((0..10_000).map(|n| (format!("{n:06}").into_bytes(), node.clone())).collect());
    }),
];

fn put_file(forge: &Forge, bytes: &[u8], size: u64) {
    let node = Node::File { digest: Digest::of(bytes), size, executable: false };
    forge.put_artifact("file", vec![Entry { path: RelPath::root(), node }]);
}

const fn case(name: &'static str, expect: Expect, make: fn(&Forge)) -> Case {
    Case { name, make, expect, is_damage: false }
}

const fn damage(name: &'static str, make: fn(&Forge)) -> Case {
    Case { name, make, expect: Ran, is_damage: true }
}

#[test]
fn f41_f44_stores_that_are_not_what_they_say_cost_time_alone() {
    Forge::new().judge_all(CASES);
}

/// What a log says is for people: it must not steer their terminal, nor GitHub's runner.
#[test]
fn f47_a_log_that_somebody_else_wrote_steers_nobody() {
    let mut forge = Forge::new();
    let text = b"\x1b]0;title\x07\x1bPq\x1b\\\x1b[2J\xc2\x9b31m\n::set-output name=a::b\n::add-mask::x\n::stop-commands::y\nplain\n";
    let digest = forge.store().put_bytes(text).expect("it can be stored");
    forge.put(&Record { log: Some(digest), ..forge.record() });
    forge.forget_outputs();
    assert_eq!(forge.workspace.ok(&[]).finished("make")["outcome"], "restored");
    forge.workspace.env.insert("GITHUB_ACTIONS".to_owned(), "true".to_owned());
    let shown = forge.zen("logs", &["logs", "make", "--run", "last"]);
    super::names::assert_unheard(&shown.stdout, "a forged log");
    assert!(shown.stdout.contains("plain"), "it is the forged one: {}", shown.stdout);
}
