//! Zen folders with links, FIFOs and forged memos where zen expects its own: nothing is written, moved or removed
//! through them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;

use zen_core::artifact::Node;
use zen_core::digest::Digest;
use zen_core::path::RelPath;
use zen_core::store::log::FrameLog;

use super::forge::{Case, Expect, Forge, assert_same, fifo, remove};

use Expect::{Refused, Right};

pub const CASES: &[Case] = &[
    case("the zen folder is a symlink", Refused(103, &["target/zen", "symlink"]), |forge| {
        let elsewhere = forge.workspace.beside("outside/zen");
        fs::rename(forge.zen_folder(), &elsewhere).expect("it is there");
        symlink(elsewhere, forge.zen_folder()).expect("it can be made");
    }),
    case("the zen folder is a symlink to a folder of others", Refused(103, &["target/zen", "symlink"]), |forge| {
        forge.link_away("", "outside");
    }),
    case("the zen folder is a file", Refused(103, &["target/zen"]), |forge| {
        remove(&forge.zen_folder());
        fs::write(forge.zen_folder(), "x").expect("it can be written");
    }),
    case("the marker is missing", Right, |forge| {
        remove(&forge.zen_folder().join("CACHEDIR.TAG"));
    }),
    case("the marker is another program's", Right, |forge| {
        let tag = "Signature: 8a477f597d28d172789f06886806bc55\n# Made by another program.\n";
        fs::write(forge.zen_folder().join("CACHEDIR.TAG"), tag).expect("it can be written");
    }),
    case("the marker is a symlink", Right, |forge| {
        let tag = forge.zen_folder().join("CACHEDIR.TAG");
        let elsewhere = forge.workspace.beside("outside/tag");
        fs::rename(&tag, &elsewhere).expect("it is there");
        symlink(elsewhere, tag).expect("it can be made");
    }),
    case("the marker is a FIFO", Right, |forge| forge.fifo("CACHEDIR.TAG")),
    case("v1 is a symlink", Refused(103, &["v1", "symlink"]), |forge| forge.link_away("v1", "outside")),
    case("objects is a symlink", Refused(103, &["objects", "symlink"]), |forge| {
        forge.link_away("v1/objects", "outside")
    }),
    case("tmp is a symlink", Refused(103, &["tmp", "symlink"]), |forge| forge.link_away("v1/tmp", "outside")),
    case("locks is a symlink", Refused(103, &["locks", "symlink"]), |forge| forge.link_away("v1/locks", "outside")),
    case("quarantine is a symlink", Refused(103, &["quarantine", "symlink"]), |forge| {
        forge.link_away("v1/quarantine", "outside");
    }),
    case("a folder of objects is a symlink", Right, |forge| {
        let object = forge.object_of_file();
        let folder = object.parent().expect("it lies in one");
        remove(folder);
        symlink(forge.workspace.beside("outside"), folder).expect("it can be made");
    }),
    case("the records are a symlink to a file of the user's", Right, |forge| {
        remove(&forge.v1("records.log"));
        symlink(forge.workspace.path("src/lib.rs"), forge.v1("records.log")).expect("it can be made");
    }),
    case("the records are a symlink to nothing", Right, |forge| forge.link_away("v1/records.log", "outside/new")),
    case("the records are a FIFO", Right, |forge| forge.fifo("v1/records.log")),
    case("the records are a folder", Right, |forge| folder(forge, "v1/records.log")),
    case("the records' lock is a symlink to nothing", Right, |forge| forge.link_away("v1/records.lock", "outside/new")),
    case("the records' lock is a FIFO", Right, |forge| forge.fifo("v1/records.lock")),
    case("the ledger is a symlink to a file of the user's", Right, |forge| {
        forge.link_away("places.log", "ws/src/lib.rs");
    }),
    case("the ledger is a FIFO", Right, |forge| forge.fifo("places.log")),
    case("the ledger is a folder", Right, |forge| folder(forge, "places.log")),
    case("the ledger's lock is a symlink to nothing", Right, |forge| forge.link_away("places.lock", "outside/new")),
    case("the contents' log is a symlink to a file of the user's", Right, |forge| {
        forge.link_away("artifacts.log", "ws/src/lib.rs");
    }),
    case("the contents' log is a FIFO", Right, |forge| forge.fifo("artifacts.log")),
    case("the stat cache is garbage", Right, |forge| garbage(forge, "stat-cache")),
    case("the stat cache is a FIFO", Right, |forge| forge.fifo("stat-cache")),
    case("the stat cache is a symlink to a file of the user's", Right, |forge| {
        forge.link_away("stat-cache", "ws/src/lib.rs");
    }),
    case("what stood is a FIFO", Right, |forge| each_below(forge, "standing", &|path| fifo(path))),
    case("what stood is garbage", Right, |forge| {
        each_below(forge, "standing", &|path| fs::write(path, [0xff; 3000]).expect("it can be written"));
    }),
    case("what stood lies behind a symlink", Refused(103, &["standing", "symlink"]), |forge| {
        forge.link_away("standing", "outside")
    }),
    case("the definitions are a FIFO", Right, |forge| forge.fifo("definitions")),
    case("the definitions are garbage", Right, |forge| garbage(forge, "definitions")),
    case("the definitions are a symlink to a file of the user's", Right, |forge| {
        forge.link_away("definitions", "ws/src/lib.rs");
    }),
    case("cargo's answers are a FIFO", Right, |forge| forge.fifo("metadata-memo")),
    case("cargo's answers are garbage", Right, |forge| garbage(forge, "metadata-memo")),
    case("the history is a symlink", Refused(103, &["runs", "symlink"]), |forge| forge.link_away("runs", "outside")),
    case("the last run's number is a FIFO", Right, |forge| forge.fifo("runs/last")),
    case("the last run's number is a symlink to a file of the user's", Right, |forge| {
        forge.link_away("runs/last", "ws/src/lib.rs");
    }),
    case("the last run's number is the last one there is", Right, |forge| {
        fs::write(forge.zen_folder().join("runs/last"), u64::MAX.to_string()).expect("it can be written");
    }),
    case("a run is a FIFO", Right, |forge| each_below(forge, "runs", &|path| fifo(path))),
    case("replaced is a symlink", Refused(103, &["replaced", "symlink"]), |forge| {
        forge.link_away("replaced", "outside");
        forge.workspace.write("file.txt", "the user's own, at an output's place\n");
    }),
    case("what is set aside is a symlink", Refused(103, &["aside", "symlink"]), |forge| {
        forge.link_away("aside", "outside");
        forge.workspace.write("file.txt", "a\nb\n");
    }),
    case("all that is set aside is behind a symlink", Right, |forge| {
        set_aside_outside(forge);
        forge.link_away_deep("aside/set", "outside");
    }),
    case("what a step set aside is behind a symlink", Right, |forge| {
        set_aside_outside(forge);
        forge.link_away_deep("aside/set/p%2fmake", "outside/p%2fmake");
    }),
    case("what a step that is done set aside is behind a symlink", Right, |forge| {
        set_aside_outside(forge);
        forge.link_away_deep("aside/done/p%2fmake", "outside/p%2fmake");
    }),
    case("paths that are set aside are behind a symlink", Right, |forge| {
        set_aside_outside(forge);
        forge.link_away_deep("aside/set/p%2fmake/w1", "outside/p%2fmake/w1");
    }),
    case("a folder of what is set aside is behind a symlink", Right, |forge| {
        set_aside_outside(forge);
        forge.link_away_deep("aside/set/p%2fmake/w2/tree", "outside/p%2fmake/w1");
    }),
    case("where the next step sets aside is a symlink", Right, |forge| {
        forge.workspace.write("file.txt", "a\nb\n");
        forge.link_away_deep("aside/set/p%2fmake", "outside/below");
    }),
    case("a failed pipeline is a symlink", Right, |forge| forge.link_away_deep("failed/p", "outside")),
    case("the next run's context is a symlink", Right, |forge| forge.link_away_deep("context/run-3", "outside/below")),
    case("a file of the next run's context is a symlink", Right, |forge| {
        forge.link_away_deep("context/run-3/0.json", "ws/src/lib.rs");
    }),
    case("what the next run replaces goes through a symlink", Right, |forge| {
        forge.workspace.write("file.txt", "the user's own, at an output's place\n");
        forge.link_away_deep("replaced/run-3", "outside");
    }),
    case("the contexts are a symlink", Refused(103, &["context", "symlink"]), |forge| {
        forge.link_away("context", "outside")
    }),
    case("the locks on places are a symlink", Refused(103, &["locks", "symlink"]), |forge| {
        forge.link_away("locks", "outside")
    }),
    case("a ledger that names git's hooks", Right, |forge| {
        left(forge, "p/former", &[(b".git/hooks/README", b"nobody's but git's\n")]);
    }),
    case("a ledger that climbs out", Right, |forge| {
        left(forge, "p/former", &[(b"../outside/file", b"somebody else's\n")]);
    }),
    case("a ledger that climbs out in its middle", Right, |forge| {
        left(forge, "p/former", &[(b"src/../../outside/below/file", b"somebody else's, too\n")]);
    }),
    case("a ledger with an absolute path", Right, |forge| {
        let file = forge.workspace.beside("outside/file");
        left(forge, "p/former", &[(file.to_str().expect("it is text").as_bytes(), b"somebody else's\n")]);
    }),
];

const fn case(name: &'static str, expect: Expect, make: fn(&Forge)) -> Case {
    Case { name, make, expect, is_damage: false }
}

/// Something of others that looks as if it had been set aside.
fn set_aside_outside(forge: &Forge) {
    let area = forge.workspace.beside("outside/p%2fmake/w1");
    fs::create_dir_all(&area).expect("it can be made");
    fs::write(area.join("file.txt"), "somebody else's\n").expect("it can be written");
}

fn folder(forge: &Forge, path: &str) {
    let at = forge.zen_folder().join(path);
    remove(&at);
    fs::create_dir_all(at.join("with/something")).expect("it can be made");
}

fn garbage(forge: &Forge, path: &str) {
    fs::write(forge.zen_folder().join(path), [0xfe; 10_000]).expect("it can be written");
}

fn each_below(forge: &Forge, folder: &str, make: &dyn Fn(&std::path::Path)) {
    let files = forge.workspace.files_below(&format!("target/zen/{folder}"));
    assert!(!files.is_empty(), "there is something in {folder}");
    files.iter().for_each(|file| make(file));
}

/// Says in the ledger that zen left these for a step.
fn left(forge: &Forge, step: &str, files: &[(&[u8], &[u8])]) {
    let entries: BTreeMap<RelPath, Node> = files
        .iter()
        .map(|(path, bytes)| {
            let node = Node::File { digest: Digest::of(bytes), size: bytes.len() as u64, executable: false };
            (RelPath::root().child(path), node)
        })
        .collect();
    let payload = postcard::to_stdvec(&(step, &entries)).expect("it can be encoded");
    let mut ledger = FrameLog::open(forge.zen_folder().join("places.log"));
    ledger.append(&[(1, &payload)]).expect("it can be appended");
}

#[test]
fn f52_links_and_forged_memos_in_the_zen_folder_lead_nowhere() {
    Forge::new().judge_all(CASES);
}

#[test]
fn f52_a_forged_ledger_takes_nobodys_files_away_in_silence() {
    let forge = Forge::new();
    let source: &[u8] = b"//! The user's own.\n";
    for step in ["p/former", "p/make"] {
        for args in [&["run"][..], &["clean", "--outputs"]] {
            forge.reset();
            // Of these bytes the store has an object, of the others none.
            left(&forge, step, &[(b"src/lib.rs", source), (b"in.txt", b"b\na\n")]);
            let outcome = forge.zen(step, args);
            for path in ["src/lib.rs", "in.txt"] {
                let is_told = outcome.stderr.contains(path);
                assert!(forge.workspace.exists(path) || is_told, "{step}: {args:?}: {path}: {}", outcome.stderr);
            }
            let kept = forge.workspace.files_below("target/zen/replaced");
            let is_kept = kept.iter().any(|file| fs::read(file).is_ok_and(|bytes| bytes == source));
            assert!(forge.workspace.exists("src/lib.rs") || is_kept, "{step}: {args:?}: {}", outcome.stderr);
        }
    }
}

#[test]
fn f52_what_a_failed_step_left_is_moved_through_no_link() {
    let forge = Forge::new();
    for at in ["failed/p", "failed/p/make"] {
        forge.reset();
        let theirs = forge.workspace.beside("outside/make/file.txt");
        fs::create_dir_all(theirs.parent().expect("it is in a folder")).expect("it can be made");
        fs::write(&theirs, "somebody else's\n").expect("it can be written");
        forge.link_away_deep(at, if at == "failed/p" { "outside" } else { "outside/make" });
        let before = forge.others();
        forge.workspace.edit(
            "Cargo.toml",
            "echo sorting; sort in.txt > {{ outputs.file }}",
            "echo half > {{ outputs.file }}; false",
        );
        let outcome = forge.zen(at, &["run"]);
        assert_eq!(outcome.code, Some(100), "{at}: {}", outcome.stderr);
        assert_eq!(forge.workspace.read("target/zen/failed/p/make/file.txt"), "half\n", "{at}");
        forge.workspace.edit(
            "Cargo.toml",
            "echo half > {{ outputs.file }}; false",
            "echo sorting; sort in.txt > {{ outputs.file }}",
        );
        assert_same(&before, &forge.others(), at);
    }
}

#[test]
fn f52_timings_are_written_through_no_link() {
    let forge = Forge::new();
    for name in ["run-3.html", "run-3.trace.json"] {
        forge.reset();
        forge.link_away_deep(&format!("timings/{name}"), "ws/src/lib.rs");
        let before = forge.others();
        let outcome = forge.zen(name, &["run", "--timings"]);
        assert_eq!(outcome.code, Some(0), "{name}: {}", outcome.stderr);
        assert_same(&before, &forge.others(), name);
        let metadata = fs::symlink_metadata(forge.zen_folder().join("timings").join(name)).expect("it is there");
        assert!(metadata.is_file(), "{name}");
    }
}
