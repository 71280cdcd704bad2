//! Disks that are full, sick, locked or not ours: what zen keeps is lost, what the steps make is not. Linux alone: there
//! calls of the system can be made to fail, and small disks be had, without being root.

mod faults;
mod foreign;
mod full;
mod restoring;

use std::fs;
use std::path::Path;

use crate::harness::{Outcome, Workspace};

/// `make` reads `in.txt`, writes a file and a folder; `use` reads the file. The numbers are sizes in bytes.
pub(super) fn pipeline() -> Workspace {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p.steps.make]
run = "head -c 300000 in.txt > {{ outputs.file }}; mkdir -p {{ outputs.tree }}; cp in.txt {{ outputs.tree }}/copy"
files = ["in.txt"]
outputs.file = "made/file.txt"
outputs.tree = "made/tree/"

[workspace.metadata.zen.pipelines.p.steps.use]
run = "sort {{ inputs.file }} > {{ outputs.used }}"
inputs = ["make.file"]
outputs.used = "used.txt"
"#,
    );
    workspace.write("in.txt", &"a line of text\n".repeat(30_000));
    // What cargo needs is not the question here.
    assert_eq!(workspace.zen(&["list"]).code, Some(0));
    workspace
}

pub(super) fn assert_outputs(workspace: &Workspace, how: &str) {
    let input = workspace.read("in.txt");
    assert_eq!(workspace.read("made/tree/copy"), input, "{how}");
    assert_eq!(workspace.read("made/file.txt"), input[..300_000], "{how}");
    assert_eq!(workspace.read("used.txt").len(), 300_000, "{how}");
}

/// The disk is well again: a run is right, the one after it fresh, and nothing in the store is damaged.
pub(super) fn assert_heals(workspace: &Workspace, how: &str) {
    let next = workspace.ok(&[]);
    assert_eq!(warnings(&next), Vec::<String>::new(), "{how}");
    assert_outputs(workspace, how);
    assert_eq!(workspace.ok(&[]).outcomes(), "make=fresh use=fresh", "{how}");
    assert_eq!(workspace.zen(&["verify"]).code, Some(0), "{how}");
    assert!(!workspace.exists("target/zen/replaced"), "{how}: nothing was a stranger's");
}

/// Each warning with its notes and helps, in one line.
pub(super) fn warnings(outcome: &Outcome) -> Vec<String> {
    let mut warnings: Vec<String> = Vec::new();
    for line in outcome.stderr.lines() {
        let text = line.trim_start_matches([' ', '|', '=']).trim();
        match warnings.last_mut() {
            _ if line.starts_with("warning: ") => warnings.push(text.to_owned()),
            Some(last) if line.starts_with(" =") => last.push_str(&format!(" {text}")),
            _ => {}
        }
    }
    warnings
}

/// A run on small disks of its own.
pub(super) struct Mounts<'w> {
    workspace: &'w Workspace,
}

impl<'w> Mounts<'w> {
    /// `None`, and says so, where the system lets nobody but root have a mount of his own.
    pub(super) fn of(workspace: &'w Workspace) -> Option<Self> {
        let tried = workspace.program("unshare", &["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
        if tried.is_ok_and(|tried| tried.status.success()) {
            return Some(Self { workspace });
        }
        eprintln!("no mounts of one's own here (`unshare -rm` fails): the same is tried by calls that fail alone");
        None
    }

    /// Runs a script in which `zen NAME` is a run; gives these runs in the order of `names`.
    pub(super) fn run<const N: usize>(&self, script: &str, names: [&str; N]) -> [Outcome; N] {
        let out = self.workspace.beside("outcomes");
        fs::create_dir_all(&out).expect("it can be made");
        let zen = env!("CARGO_BIN_EXE_cargo-zen");
        let prologue = format!(
            "set -e\nzen() {{ set +e; {zen} run --message-format json > '{out}'/$1.out 2> '{out}'/$1.err; echo $? > '{out}'/$1.code; set -e; }}\n",
            out = out.display()
        );
        let mut command = self.workspace.program("unshare", &["-rm", "sh", "-c", &(prologue + script)]);
        let done = command.output().expect("unshare starts");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        names.map(|name| read_outcome(&out, name))
    }
}

fn read_outcome(folder: &Path, name: &str) -> Outcome {
    let read = |extension: &str| {
        let file = folder.join(format!("{name}.{extension}"));
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    Outcome::new(read("code").trim().parse().ok(), read("out"), read("err"))
}
