//! A workspace that ran once, what somebody else may make of its zen folder, and what must hold whatever that was: nobody's
//! files are touched, nothing panics, nothing hangs. Knows no case.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

use zen_core::artifact::{Artifact, Entry, Node, Record};
use zen_core::digest::Digest;
use zen_core::path::RelPath;
use zen_core::store::Objects;
use zen_core::store::local::{Access, LocalStore};
use zen_core::store::log::FrameLog;

use crate::harness::{Outcome, Workspace};

/// What the next run must make of a hostile store.
#[derive(Debug, Clone, Copy)]
pub enum Expect {
    /// It is no record: `make` runs, and all is right.
    Ran,
    /// Nothing is wrong with what is asked for, or it is what may be believed: nothing runs again.
    Restored,
    /// The run goes well, and all is right; what ran is not the question.
    Right,
    /// The exit code, and what the message names.
    Refused(i32, &'static [&'static str]),
}

/// A hostile store: its name, how it is made, what must come out.
pub struct Case {
    pub name: &'static str,
    pub make: fn(&Forge),
    pub expect: Expect,
    /// Must `verify` complain before the run?
    pub is_damage: bool,
}

/// A workspace that ran once and can be had again as it was then.
pub struct Forge {
    pub workspace: Workspace,
}

const OUTPUTS: [&str; 3] = ["ws/file.txt", "ws/tree", "ws/used.txt"];
const PRISTINE: &str = "pristine.of.ws";

impl Forge {
    pub fn new() -> Self {
        let workspace = Workspace::new(
            r#"
[workspace.metadata.zen.pipelines.p.steps.make]
run = "echo sorting; sort in.txt > {{ outputs.file }}; mkdir -p {{ outputs.tree }}/sub; cp in.txt {{ outputs.tree }}/sub/copy"
files = ["in.txt"]
outputs.file = "file.txt"
outputs.tree = "tree/"

[workspace.metadata.zen.pipelines.p.steps.use]
run = "cat {{ inputs.file }} > {{ outputs.used }}"
inputs = ["make.file"]
outputs.used = "used.txt"
"#,
        );
        workspace.write("in.txt", "b\na\n");
        workspace.write(".git/hooks/README", "nobody's but git's\n");
        workspace.write("src/lib.rs", "//! The user's own.\n");
        workspace.ok(&[]);
        // What the first run made was too young to be noted as what stood.
        workspace.ok(&[]);
        copy(&workspace.root, &workspace.beside(PRISTINE));
        Self { workspace }
    }

    /// As it was after these runs, without its outputs.
    pub fn reset(&self) {
        remove(&self.workspace.root);
        copy(&self.workspace.beside(PRISTINE), &self.workspace.root);
        self.forget_outputs();
    }

    fn make_outside(&self) {
        let outside = self.workspace.beside("outside");
        fs::create_dir_all(outside.join("below")).expect("it can be made");
        fs::write(outside.join("file"), "somebody else's\n").expect("it can be written");
        fs::write(outside.join("below/file"), "somebody else's, too\n").expect("it can be written");
    }

    pub fn forget_outputs(&self) {
        OUTPUTS.iter().for_each(|output| remove(&self.workspace.beside(output)));
    }

    pub fn zen_folder(&self) -> PathBuf {
        self.workspace.path("target/zen")
    }

    /// Something in the store.
    pub fn v1(&self, path: &str) -> PathBuf {
        self.zen_folder().join("v1").join(path)
    }

    pub fn store(&self) -> LocalStore {
        LocalStore::open(&self.zen_folder(), Access::Write).expect("the store can be opened")
    }

    /// What `make` left.
    pub fn record(&self) -> Record {
        self.record_of("p/make")
    }

    pub fn record_of(&self, step: &str) -> Record {
        let all = self.store().records.all();
        all.into_iter().map(|stored| stored.record).find(|record| record.step == step).expect("it ran")
    }

    /// An honest object.
    pub fn object(&self, bytes: &[u8]) -> Node {
        let digest = self.store().put_bytes(bytes).expect("it can be stored");
        Node::File { digest, size: bytes.len() as u64, executable: false }
    }

    /// The object of `file.txt`.
    pub fn object_of_file(&self) -> PathBuf {
        self.path_of(Digest::of(b"a\nb\n"))
    }

    pub fn path_of(&self, digest: Digest) -> PathBuf {
        let name = digest.to_string();
        self.v1("objects").join(&name[..2]).join(name)
    }

    /// Appends a record that the store itself would refuse.
    pub fn put(&self, record: &Record) {
        self.frame(1, &payload(record));
    }

    pub fn frame(&self, kind: u32, payload: &[u8]) {
        FrameLog::open(self.v1("records.log")).append(&[(kind, payload)]).expect("the frame can be appended");
    }

    /// Says that `tree/` holds its folder and these.
    pub fn put_tree(&self, entries: Vec<(Vec<u8>, Node)>) {
        let mut all = vec![Entry { path: RelPath::root(), node: Node::Folder }];
        all.extend(entries.into_iter().map(|(path, node)| Entry { path: RelPath::root().child(&path), node }));
        self.put_artifact("tree", all);
    }

    pub fn put_artifact(&self, name: &str, entries: Vec<Entry>) {
        let record = self.record();
        let mut artifacts: Vec<Artifact> = record.artifacts.to_vec();
        artifacts.iter_mut().filter(|artifact| artifact.name == name).for_each(|it| it.entries.clone_from(&entries));
        self.put(&Record { artifacts: artifacts.into(), ..record });
    }

    /// Puts a symlink to a folder or file beside the workspace in the place of something in the zen folder.
    pub fn link_away(&self, path: &str, to: &str) {
        let at: PathBuf = self.zen_folder().join(path).components().collect();
        remove(&at);
        symlink(self.workspace.beside(to), at).expect("the link can be made");
    }

    /// As [`Forge::link_away`], where no folder may be yet.
    pub fn link_away_deep(&self, path: &str, to: &str) {
        fs::create_dir_all(self.zen_folder().join(path).parent().expect("it is in a folder")).expect("it can be made");
        self.link_away(path, to);
    }

    pub fn fifo(&self, path: &str) {
        fifo(&self.zen_folder().join(path));
    }

    /// Judges all cases, and says of each that fails why.
    pub fn judge_all(&self, cases: &[Case]) {
        all(cases.iter().map(|case| (case.name, || self.judge(case.name, &case.make, case.expect, case.is_damage))));
    }

    /// Makes the case and judges what comes of it.
    pub fn judge(&self, name: &str, make: &dyn Fn(&Self), expect: Expect, is_damage: bool) {
        self.reset();
        remove(&self.workspace.beside("outside"));
        self.make_outside();
        make(self);
        let before = RefCell::new(self.others());
        let calm = |args: &[&str]| {
            let outcome = self.zen(name, args);
            assert_same(&before.borrow(), &self.others(), &format!("{name}: {args:?}: {}", outcome.stderr));
            outcome
        };
        let verified = calm(&["verify"]);
        if is_damage {
            assert_eq!(verified.code, Some(103), "{name}: verify must not say that all is well: {}", verified.stderr);
            assert!(!verified.stderr.contains("Verified"), "{name}: {}", verified.stderr);
        }
        calm(&["status"]);
        calm(&["explain", "make"]);
        // Of what is no record these know nothing.
        if !matches!(expect, Expect::Ran) {
            calm(&["logs", "make"]);
            calm(&["artifacts", "list"]);
        }
        let outcome = calm(&["run", "--message-format", "json"]);
        match expect {
            Expect::Refused(code, texts) => {
                assert_eq!(outcome.code, Some(code), "{name}: {}", outcome.stderr);
                assert!(outcome.stderr.contains("error"), "{name}: {}", outcome.stderr);
                for text in texts {
                    assert!(outcome.stderr.contains(text), "{name}: `{text}` must be named: {}", outcome.stderr);
                }
                // What the user is told to do.
                remove(&self.zen_folder());
                *before.borrow_mut() = self.others();
                OUTPUTS.iter().for_each(|output| remove(&self.workspace.beside(output)));
            }
            _ => {
                assert_eq!(outcome.code, Some(0), "{name}: {}", outcome.stderr);
                let made = outcome.finished("make")["outcome"].as_str().unwrap_or_default().to_owned();
                match expect {
                    Expect::Ran => assert_eq!(made, "ran", "{name}: {}", outcome.stderr),
                    Expect::Restored => assert_eq!(made, "restored", "{name}: {}", outcome.stderr),
                    _ => {}
                }
            }
        }
        let next = calm(&["run", "--message-format", "json"]);
        assert_eq!(next.code, Some(0), "{name}: the next run: {}", next.stderr);
        if !matches!(expect, Expect::Restored) {
            assert_eq!(self.workspace.read("file.txt"), "a\nb\n", "{name}: {}", next.stderr);
            assert_eq!(self.workspace.read("tree/sub/copy"), "b\na\n", "{name}: {}", next.stderr);
            assert_eq!(self.workspace.files_below("tree").len(), 1, "{name}: and nothing else");
        }
        assert_eq!(self.workspace.read("used.txt"), self.workspace.read("file.txt"), "{name}: {}", next.stderr);
        calm(&["clean", "--outputs", "--all"]);
    }

    /// Anything but a panic, a signal or a hang is an answer.
    pub fn zen(&self, name: &str, args: &[&str]) -> Outcome {
        zen(&self.workspace, name, args)
    }

    /// All that is neither a declared output nor zen's: its kind and bytes.
    pub fn others(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        let root = self.workspace.beside("");
        let mut skipped: Vec<PathBuf> = OUTPUTS.iter().map(|output| root.join(output)).collect();
        skipped.push(root.join(PRISTINE));
        let zen = self.zen_folder();
        if zen.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) || !zen.exists() {
            skipped.push(root.join("ws/target/zen"));
        }
        state(&root, &skipped, &mut found);
        found
    }
}

/// Runs all of them, and fails with the names of all that failed.
pub fn all<'n, F: FnOnce()>(cases: impl Iterator<Item = (&'n str, F)>) {
    let failed: Vec<&str> =
        cases.filter_map(|(name, case)| catch_unwind(AssertUnwindSafe(case)).is_err().then_some(name)).collect();
    assert!(failed.is_empty(), "{} cases failed, see above: {failed:#?}", failed.len());
}

/// Runs `cargo-zen ARGS…`, for a while. Anything but a panic, a signal or a hang is an answer.
pub fn zen(workspace: &Workspace, name: &str, args: &[&str]) -> Outcome {
    let zen = env!("CARGO_BIN_EXE_cargo-zen");
    let mut command = workspace.program("timeout", &[&["-k", "1", "10", zen], args].concat());
    let outcome = Outcome::of(command.output().expect("timeout starts"));
    assert!(!outcome.stderr.contains("panicked"), "{name}: {args:?}: {}", outcome.stderr);
    let documented = [0, 1, 2, 4, 5, 96, 100, 102, 103, 110];
    let is_known = outcome.code.is_some_and(|code| documented.contains(&code));
    assert!(is_known, "{name}: {args:?} ended with {:?} (124: it hung): {}", outcome.code, outcome.stderr);
    outcome
}

pub fn assert_same(before: &BTreeMap<PathBuf, String>, after: &BTreeMap<PathBuf, String>, how: &str) {
    for (path, was) in before {
        assert_eq!(after.get(path), Some(was), "{} is nobody's business: {how}", path.display());
    }
    let new: Vec<_> = after.keys().filter(|path| !before.contains_key(*path)).collect();
    assert!(new.is_empty(), "{new:?} came: {how}");
}

/// Kind and bytes of all that lies below a folder.
pub fn state(folder: &Path, skipped: &[PathBuf], found: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).expect("the folder can be listed") {
        let path = entry.expect("the folder can be listed").path();
        let metadata = path.symlink_metadata().expect("it is there");
        if skipped.contains(&path) {
            continue;
        }
        let what = match () {
            () if metadata.is_symlink() => format!("link to {}", fs::read_link(&path).expect("it is one").display()),
            () if metadata.is_dir() => "folder".to_owned(),
            () if metadata.is_file() => Digest::of(&fs::read(&path).expect("it can be read")).to_string(),
            () => "something else".to_owned(),
        };
        found.insert(path.clone(), what);
        if metadata.is_dir() {
            state(&path, skipped, found);
        }
    }
}

/// The frame of a record, as the store writes it, whatever the record says.
pub fn payload(record: &Record) -> Vec<u8> {
    let mut payload = vec![2];
    payload.extend_from_slice(&record.key.0.0);
    payload.extend_from_slice(&record.ended.0.to_le_bytes());
    payload.extend_from_slice(&u16::try_from(record.step.len()).expect("it is short").to_le_bytes());
    payload.extend_from_slice(record.step.as_bytes());
    postcard::to_extend(record, payload).expect("it can be encoded")
}

pub fn fifo(path: &Path) {
    remove(path);
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .expect("a FIFO can be made");
}

/// Whatever it is.
pub fn remove(path: &Path) {
    let is_folder = path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
    let _ = if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
}

/// Writes a file anew: what lies in the store is read-only.
pub fn rewrite(path: &Path, bytes: &[u8]) {
    remove(path);
    fs::write(path, bytes).expect("the file can be written");
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(done.expect("cp starts").success(), "the workspace can be copied");
}
