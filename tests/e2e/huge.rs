//! Files that are larger than the memory that zen may have, sparse ones among them, and records that say they are. Linux
//! alone: there a limit on memory is one.

use std::fs::{self, File};

use zen_core::artifact::{Piece, Record};
use zen_core::store::local::{Access, LocalStore};

use crate::harness::{Outcome, Workspace};

/// A run that may have `limit` bytes of memory.
fn run_within(workspace: &Workspace, limit: u64, args: &str) -> Outcome {
    let zen = env!("CARGO_BIN_EXE_cargo-zen");
    let script = format!("ulimit -v {}; exec {zen} run --message-format json -j1 {args}", limit >> 10);
    let mut command = workspace.program("sh", &["-c", &script]);
    // What each thread sets apart of its address space grows with the machine; it is not what is asked here.
    command.env("RAYON_NUM_THREADS", "2").env("MALLOC_ARENA_MAX", "1");
    Outcome::of(command.output().expect("sh starts"))
}

fn outcomes_within(workspace: &Workspace, limit: u64, args: &str) -> String {
    let outcome = run_within(workspace, limit, args);
    assert_eq!(outcome.code, Some(0), "{args}: {}", outcome.stderr);
    outcome.outcomes()
}

/// An input and an output of `size` bytes and a few, both sparse, through all that is done with files.
fn goes_through(size: u64, limit: u64) {
    let workspace = Workspace::with_step(&format!(
        "run = \"truncate -s {size} {{{{ outputs.big }}}}; echo {{{{ params.n }}}} >> {{{{ outputs.big }}}}\"\n\
         inputs.big.files = \"big.in\"\nparams.n = 1\noutputs.big = \"big.out\"\n"
    ));
    assert_eq!(workspace.zen(&["list"]).code, Some(0));
    let sparse = |end: &[u8]| {
        let file = File::create(workspace.path("big.in")).expect("it can be made");
        file.set_len(size).expect("it can be sparse");
        std::os::unix::fs::FileExt::write_all_at(&file, end, size).expect("it can be written");
    };
    let end_of_output = || {
        let file = File::open(workspace.path("big.out")).expect("it is there");
        let mut end = vec![0; 2];
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut end, size).expect("it is as long");
        assert_eq!(file.metadata().expect("it is open").len(), size + 2);
        String::from_utf8(end).expect("it is text")
    };
    sparse(b"a");
    let first = run_within(&workspace, limit, "");
    assert_eq!(first.outcomes(), "s=ran", "{}", first.stderr);
    assert_eq!(first.finished("s")["outputs"][0]["size"], size + 2, "{}", first.stdout);
    assert_eq!(outcomes_within(&workspace, limit, ""), "s=fresh");
    sparse(b"b");
    assert_eq!(outcomes_within(&workspace, limit, ""), "s=ran", "its last byte counts");
    sparse(b"a");
    assert_eq!(outcomes_within(&workspace, limit, ""), "s=fresh");
    fs::rename(workspace.path("big.out"), workspace.path("kept")).expect("it is there");
    assert_eq!(outcomes_within(&workspace, limit, ""), "s=restored");
    assert_eq!(end_of_output(), "1\n");
    assert_eq!(outcomes_within(&workspace, limit, "--set s.n=2"), "s=ran");
    assert_eq!(end_of_output(), "2\n");
    // Bytes that the store has, where zen did not put them: they are looked up there.
    fs::rename(workspace.path("kept"), workspace.path("big.out")).expect("it was kept");
    assert_eq!(outcomes_within(&workspace, limit, "--set s.n=2"), "s=restored");
    assert_eq!(end_of_output(), "2\n");
    assert!(!workspace.exists("target/zen/replaced"), "they are zen's own");
    let verify = workspace.zen(&["verify"]);
    assert_eq!(verify.code, Some(0), "{}", verify.stderr);
}

/// `ZEN_HUGE_MIB=5120` tries it with more than four GiB: minutes, and 20 GiB of disk.
#[test]
fn f28_files_larger_than_the_memory_go_through() {
    let mib = std::env::var("ZEN_HUGE_MIB").map_or(640, |mib| mib.parse().expect("ZEN_HUGE_MIB is a number"));
    goes_through(mib << 20, 400 << 20);
}

/// A recorded step, its store, and its record.
fn recorded() -> (Workspace, LocalStore, Record) {
    let workspace = Workspace::with_step(
        "run = \"cp {{ inputs.i }} {{ outputs.o }}\"\ninputs.i.files = \"in\"\noutputs.o = \"o\"\nparams.n = 1",
    );
    workspace.write("in", "some bytes\n");
    workspace.ok(&[]);
    let store = LocalStore::open(&workspace.path("target/zen"), Access::Write).expect("the store is there");
    let record = store.records.latest_of_step("p/s", 1).remove(0);
    (workspace, store, record)
}

#[test]
fn f44_an_object_that_is_larger_than_what_it_is_said_to_be_is_not_read() {
    let (workspace, store, record) = recorded();
    let bomb = store.folder().join("objects/00").join("0".repeat(64));
    fs::create_dir_all(bomb.parent().expect("it has one")).expect("it can be made");
    File::create(&bomb).expect("it can be made").set_len(20 << 30).expect("it can be sparse");
    let object = "0".repeat(64).parse().expect("it is a digest");
    let hostile = Record { explanation: Piece { object, at: 0, len: 20 << 30 }, ..record };
    store.records.append(&[hostile]).expect("it can be written");
    drop(store);
    // The reason is the difference to what the last record was made from.
    let outcome = run_within(&workspace, 400 << 20, "--set s.n=2");
    assert_eq!((outcome.code, outcome.outcomes().as_str()), (Some(0), "s=ran"), "{}", outcome.stderr);
    assert_eq!(fs::metadata(&bomb).expect("it is there").len(), 20 << 30, "it was not even read");
}

#[test]
fn f44_a_record_of_more_bytes_than_there_are_is_a_miss() {
    use zen_core::artifact::Node;
    for size in [12, 1 << 33, u64::MAX] {
        let (workspace, store, mut record) = recorded();
        let mut artifacts = record.artifacts.to_vec();
        let Node::File { size: said, .. } = &mut artifacts[0].entries[0].node else { panic!("it is a file") };
        *said = size;
        record.artifacts = artifacts.into();
        store.records.append(&[record]).expect("it can be written");
        drop(store);
        fs::remove_file(workspace.path("o")).expect("it is there");
        let outcome = run_within(&workspace, 400 << 20, "");
        assert_eq!((outcome.code, outcome.outcomes().as_str()), (Some(0), "s=ran"), "{size}: {}", outcome.stderr);
        assert_eq!(workspace.read("o"), "some bytes\n");
        assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
    }
}
