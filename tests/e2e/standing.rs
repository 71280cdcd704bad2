//! What was noted as standing must never stand for something else: each way to make the short cut lie.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::harness::{Outcome, Workspace};

/// `make` reads a glob, a script and a variable and writes a file; `fold` reads that and fills a folder; `check` reads a
/// file and makes nothing.
const TABLES: &str = r#"
[workspace.metadata.zen.pipelines.p]
params.n = 1

[workspace.metadata.zen.pipelines.p.steps.make]
run = ["sh", "tool.sh", "{{ outputs.o }}", "{{ params.n }}"]
files = ["in/**/*.txt"]
track-env = ["TUNE"]
params = ["n"]
outputs.o = "made/deep/o.txt"

[workspace.metadata.zen.pipelines.p.steps.fold]
run = "mkdir -p folded/sub; cp {{ inputs.o }} folded/a.txt; cp {{ inputs.o }} folded/sub/b.txt"
inputs = ["make.o"]
outputs.d = "folded/"

[workspace.metadata.zen.pipelines.p.steps.check]
run = "grep -q x word.txt"
files = ["word.txt"]
"#;

fn workspace() -> Workspace {
    let workspace = Workspace::new(TABLES);
    workspace.write("tool.sh", "mkdir -p made/deep; cat in/*.txt in/*/*.txt > $1; echo $2 $TUNE >> $1\n");
    workspace.write("in/a.txt", "one\n");
    workspace.write("in/sub/b.txt", "two\n");
    workspace.write("word.txt", "x\n");
    workspace
}

/// What is noted as standing, by file.
fn noted(workspace: &Workspace) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let files = workspace.files_below("target/zen/standing").into_iter();
    files.map(|path| (path.clone(), fs::read(path).expect("it was just listed"))).collect()
}

/// Runs until all that can be noted as standing is: what is younger than a tick of the clock is noted by a later run.
fn settle(workspace: &Workspace) {
    let mut before = None;
    for _ in 0..50 {
        workspace.ok(&[]);
        let now = noted(workspace);
        if !now.is_empty() && before.as_ref() == Some(&now) {
            return;
        }
        before = Some(now);
    }
    panic!("fifty runs are enough for everything to come of age");
}

/// Changes a file so that size and mtime stay.
fn hide(path: &Path, from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let old = path.metadata().and_then(|metadata| metadata.modified()).expect("the file is there");
    let text = fs::read_to_string(path).expect("it holds text");
    assert!(text.contains(from), "{from} must be in {text}");
    fs::write(path, text.replacen(from, to, 1)).expect("it can be written");
    let file = fs::File::options().write(true).open(path).expect("it can be opened");
    file.set_modified(old).expect("its time can be set");
}

type Lie = fn(&Workspace) -> Outcome;

fn run(workspace: &Workspace) -> Outcome {
    workspace.ok(&[])
}

#[test]
fn nothing_stands_that_changed() {
    let cases: &[(&str, Lie, &str)] = &[
        ("nothing", run, "check=fresh fold=fresh make=fresh"),
        (
            "an input with its old size and mtime",
            |w| {
                hide(&w.path("in/a.txt"), "one", "ONE");
                run(w)
            },
            "check=fresh fold=ran make=ran",
        ),
        (
            "a new file for the glob",
            |w| {
                w.write("in/sub/c.txt", "three\n");
                run(w)
            },
            "check=fresh fold=ran make=ran",
        ),
        (
            "a new file in a new folder",
            |w| {
                w.write("in/other/c.txt", "three\n");
                run(w)
            },
            "check=fresh fold=ran make=ran",
        ),
        (
            "a new file that the glob does not mean",
            |w| {
                w.write("in/notes.md", "three\n");
                run(w)
            },
            "check=fresh fold=fresh make=fresh",
        ),
        (
            "a file that is gone",
            |w| {
                fs::remove_file(w.path("in/sub/b.txt")).unwrap();
                w.write("in/sub/c.txt", "two\n");
                run(w)
            },
            "check=fresh fold=fresh make=ran",
        ),
        (
            "the script",
            |w| {
                hide(&w.path("tool.sh"), "echo $2", "echo 77");
                run(w)
            },
            "check=fresh fold=ran make=ran",
        ),
        (
            "a variable",
            |w| {
                let mut other = w.command(&["run", "--message-format", "json"]);
                Outcome::of(other.env("TUNE", "high").output().unwrap())
            },
            "check=fresh fold=ran make=ran",
        ),
        ("a parameter", |w| w.ok(&["--set", "n=2"]), "check=fresh fold=ran make=ran"),
        ("an order to run", |w| w.ok(&["--no-cache=make"]), "check=fresh fold=fresh make=ran"),
        (
            "the tables with their old size and mtime",
            |w| {
                hide(&w.path("Cargo.toml"), "params.n = 1", "params.n = 3");
                run(w)
            },
            "check=fresh fold=ran make=ran",
        ),
        (
            "a check's file",
            |w| {
                hide(&w.path("word.txt"), "x", "X");
                w.run(&[])
            },
            "check=failed fold=fresh make=fresh",
        ),
        (
            "an output with its old size and mtime",
            |w| {
                hide(&w.path("made/deep/o.txt"), "one", "eno");
                run(w)
            },
            "check=fresh fold=fresh make=restored",
        ),
        (
            "an output that is gone",
            |w| {
                fs::remove_file(w.path("folded/sub/b.txt")).unwrap();
                run(w)
            },
            "check=fresh fold=restored make=fresh",
        ),
        (
            "something else in an output's folder",
            |w| {
                w.write("folded/sub/stray.txt", "mine\n");
                run(w)
            },
            "check=fresh fold=restored make=fresh",
        ),
        (
            "an output's mode",
            |w| {
                fs::set_permissions(w.path("folded/a.txt"), fs::Permissions::from_mode(0o755)).unwrap();
                run(w)
            },
            "check=fresh fold=restored make=fresh",
        ),
        (
            "a lost log of records",
            |w| {
                fs::remove_file(w.path("target/zen/v1/records.log")).unwrap();
                run(w)
            },
            "check=ran fold=ran make=ran",
        ),
        (
            "a lost store",
            |w| {
                fs::remove_dir_all(w.path("target/zen/v1")).unwrap();
                run(w)
            },
            "check=ran fold=ran make=ran",
        ),
        (
            "records that are gone",
            |w| {
                assert_eq!(w.zen(&["clean", "--step", "make"]).code, Some(0));
                run(w)
            },
            "check=fresh fold=fresh make=ran",
        ),
    ];
    for (what, lie, expected) in cases {
        let workspace = workspace();
        settle(&workspace);
        let outcome = lie(&workspace);
        assert_eq!(outcome.outcomes(), *expected, "after {what}; standard error:\n{}", outcome.stderr);
        // And what was noted then holds.
        if outcome.code == Some(0) {
            let made = workspace.read("made/deep/o.txt");
            assert_eq!(workspace.read("folded/sub/b.txt"), made, "after {what}");
        }
    }
}

#[test]
fn what_stood_does_not_stand_behind_a_link() {
    let workspace = workspace();
    settle(&workspace);
    fs::rename(workspace.path("made"), workspace.path("elsewhere")).unwrap();
    symlink("elsewhere", workspace.path("made")).unwrap();
    let outcome = workspace.run(&[]);
    assert!(!outcome.outcomes().contains("make=fresh"), "{}\n{}", outcome.outcomes(), outcome.stderr);
    fs::remove_file(workspace.path("made")).unwrap();
    fs::rename(workspace.path("elsewhere"), workspace.path("made")).unwrap();
    settle(&workspace);
    fs::rename(workspace.path("in"), workspace.path("real")).unwrap();
    symlink("real", workspace.path("in")).unwrap();
    let outcome = workspace.run(&[]);
    assert!(!outcome.outcomes().contains("make=fresh"), "{}\n{}", outcome.outcomes(), outcome.stderr);
}

#[test]
fn f_23_what_another_selection_made_anew_counts() {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p.steps.make]
run = "sh count.sh > {{ outputs.o }}"
files = ["in.txt"]
outputs.o = "o.txt"

[workspace.metadata.zen.pipelines.p.steps.use]
run = "cp {{ inputs.o }} used.txt"
inputs = ["make.o"]
outputs.u = "used.txt"
"#,
    );
    let counter = workspace.beside("count");
    fs::write(&counter, "").unwrap();
    workspace.write("count.sh", &format!("echo >> {0}; wc -l < {0}\n", counter.display()));
    workspace.write("in.txt", "x\n");
    settle(&workspace);
    let first = workspace.read("o.txt");
    workspace.ok(&["-s", "make", "--no-cache"]);
    assert_ne!(workspace.read("o.txt"), first, "it does not make the same twice");
    let outcome = workspace.ok(&[]);
    assert_eq!(outcome.outcomes(), "make=fresh use=ran", "{}", outcome.stderr);
    assert_eq!(workspace.read("used.txt"), workspace.read("o.txt"));
}

#[test]
fn f_41_damaged_notes_are_none() {
    let workspace = workspace();
    settle(&workspace);
    let (path, whole) = noted(&workspace).pop_first().unwrap();
    for (round, at) in (0..whole.len()).step_by(whole.len() / 40 + 1).enumerate() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, &bytes).unwrap();
        workspace.write("in/a.txt", &format!("round {round}\n"));
        assert_eq!(workspace.ok(&[]).outcomes(), "check=fresh fold=ran make=ran", "byte {at}");
        let made = workspace.read("made/deep/o.txt");
        assert!(made.starts_with(&format!("round {round}\n")), "byte {at}: {made}");
    }
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(workspace.ok(&[]).outcomes(), "check=fresh fold=fresh make=fresh");
}

#[test]
fn what_is_said_of_a_step_is_said_again() {
    let workspace = Workspace::with_step("run = \"echo\"\nfiles = [\"src\", \"none/*.txt\"]\n");
    for _ in 0..4 {
        let outcome = workspace.zen(&["run"]);
        assert!(outcome.stderr.contains("`none/*.txt` matches nothing"), "{}", outcome.stderr);
    }
    workspace.write("none/a.txt", "");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=ran");
}

#[test]
fn a_variable_that_the_script_uses_and_nobody_hands_on_is_said_when_it_is_set() {
    let workspace = Workspace::with_step("run = \"echo $WHERE\"\nfiles = \"src\"\n");
    settle(&workspace);
    let run = |set: bool| {
        let mut command = workspace.command(&["run"]);
        if set {
            command.env("WHERE", "here");
        }
        Outcome::of(command.output().unwrap()).stderr
    };
    assert!(run(true).contains("`$WHERE` is set outside"));
    assert!(!run(false).contains("`$WHERE` is set outside"));
}

#[test]
fn new_files_are_new_cells() {
    let workspace = Workspace::with_step(
        "matrix.f = { glob = \"in/*.txt\" }\nrun = [\"cat\", \"{{ matrix.f }}\"]\nfiles = \"{{ matrix.f }}\"\n",
    );
    workspace.write("in/a.txt", "one\n");
    settle(&workspace);
    workspace.write("in/b.txt", "two\n");
    assert_eq!(workspace.ok(&[]).of_reason("step-finished").count(), 2);
    fs::remove_file(workspace.path("in/a.txt")).unwrap();
    assert_eq!(workspace.ok(&[]).of_reason("step-finished").count(), 1);
}

#[test]
fn sources_of_packages_stand_and_ignore_files_count() {
    let workspace = Workspace::with_step("run = \"cat src/*.rs src/gen/*\"\npackages = \"ws\"\n");
    workspace.write("src/gen/a.txt", "one\n");
    settle(&workspace);
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
    workspace.write(".gitignore", "/src/gen\n/target\n");
    let why = workspace.ok(&[]).why("s");
    assert!(why.contains("source src/gen/a.txt of ws removed"), "{why}");
    settle(&workspace);
    workspace.write("src/gen/b.txt", "two\n");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh", "it is ignored");
    workspace.write("src/more.rs", "//! More.\n");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=ran");
    settle(&workspace);
    workspace.edit("Cargo.toml", "edition = \"2024\"", "edition = \"2021\"");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=ran", "the manifest counts");
}
