//! The small workspace that everything is done to: what stands there before a deed, and what must hold after it. Knows not
//! what goes wrong in between.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::product;

const TABLES: &str = r#"[workspace]

[package]
name = "stage"
version = "0.1.0"
edition = "2024"

[workspace.metadata.zen]
pass-env = ["STAGE_LOG"]

[workspace.metadata.zen.pipelines.p]
params.n = 1

[workspace.metadata.zen.pipelines.p.steps.file]
run = """
echo file >> "$STAGE_LOG"
printf '%s\\n' {{ params.n }} > {{ outputs.file }}
cat in/* >> {{ outputs.file }}
"""
params = ["n"]
files = ["in/**"]
outputs.file = "out/file.txt"

[workspace.metadata.zen.pipelines.p.steps.tree]
run = """
echo tree >> "$STAGE_LOG"
mkdir -p {{ outputs.tree }}/sub
cp {{ inputs.file }} {{ outputs.tree }}/copy
printf %s {{ params.n }} > {{ outputs.tree }}/sub/only-{{ params.n }}
ln -s copy {{ outputs.tree }}/link
"""
params = ["n"]
inputs.file = "file.file"
outputs.tree = "out/tree/"

[workspace.metadata.zen.pipelines.p.steps.sum]
run = """
echo sum >> "$STAGE_LOG"
cat {{ inputs.tree }}/link {{ inputs.tree }}/sub/* > {{ outputs.sum }}
"""
inputs.tree = "tree.tree"
outputs.sum = "out/sum.txt"
"#;

/// What a user wrote by hand where outputs belong.
const MINE: [(&str, &str); 2] = [("out/tree/copy", "an edit by hand\n"), ("out/tree/mine.txt", "a file of mine\n")];

/// What is done to a workspace that stands in a certain way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deed {
    pub(crate) name: &'static str,
    /// The commands that bring the workspace there; a word `mine` writes the user's own bytes, `damage` flips a byte of an object.
    before: &'static [&'static str],
    /// What is disturbed.
    pub(crate) disturbed: &'static str,
    /// The parameter of the run that follows it.
    n: u32,
}

/// Runs, restores, cleans, collections and a repair.
pub(crate) const DEEDS: &[Deed] = &[
    Deed { name: "first-run", before: &["mine"], disturbed: "run -j1", n: 1 },
    Deed { name: "run", before: &["run", "run --set n=2", "mine"], disturbed: "run -j1 --set n=3", n: 3 },
    Deed { name: "restore", before: &["run", "run --set n=2", "mine"], disturbed: "run -j1", n: 1 },
    Deed { name: "clean", before: &["run", "run --set n=2", "mine"], disturbed: "clean", n: 2 },
    Deed { name: "clean-outputs", before: &["run", "run --set n=2", "mine"], disturbed: "clean --outputs", n: 1 },
    Deed { name: "collect", before: &["run", "run --set n=2", "mine"], disturbed: "clean --max-size 1B", n: 1 },
    Deed { name: "repair", before: &["run", "damage", "mine"], disturbed: "verify --repair", n: 1 },
];

/// Two recorded states, and nothing that is disturbed by itself.
pub(crate) const TWO_STATES: Deed =
    Deed { name: "two-states", before: &["run", "run --set n=2"], disturbed: "status", n: 2 };

/// A workspace, and how it stood before each deed.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) program: PathBuf,
    pub(crate) root: PathBuf,
    /// One folder for each way in which it can stand.
    kept: PathBuf,
}

impl Stage {
    /// An empty stage in `folder`, whose commands are those of `program`.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn new(folder: &Path, program: &Path) -> io::Result<Self> {
        let stage = Self { program: program.to_owned(), root: folder.join("ws"), kept: folder.join("kept") };
        stage.plant()?;
        fs::create_dir_all(&stage.kept)?;
        Ok(stage)
    }

    /// The bare workspace, in which nothing has run. cargo has been asked about it.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn plant(&self) -> io::Result<()> {
        remove(&self.root)?;
        for (path, text) in [("Cargo.toml", TABLES), ("src/lib.rs", ""), ("in/a", "a\n"), ("in/b", "b\n")] {
            self.write(path, text)?;
        }
        self.succeeds("list").map(drop)
    }

    /// Lets the workspace stand as it must before `deed`.
    ///
    /// # Errors
    /// What the disk says, or that a command failed.
    pub(crate) fn prepare(&self, deed: &Deed) -> io::Result<()> {
        let kept = self.kept.join(deed.name);
        if kept.exists() {
            remove(&self.root)?;
            return copy(&kept, &self.root);
        }
        self.plant()?;
        for words in deed.before {
            match *words {
                "mine" => self.write_mine()?,
                "damage" => self.damage()?,
                command => self.succeeds(command).map(drop)?,
            }
        }
        copy(&self.root, &kept)
    }

    /// The user edits an output and puts a file beside it.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn write_mine(&self) -> io::Result<()> {
        MINE.iter().try_for_each(|(path, text)| self.write(path, text))
    }

    fn damage(&self) -> io::Result<()> {
        let mut objects = files_below(&self.root.join("target/zen/v1/objects"))?;
        objects.sort();
        let object = objects.first().ok_or_else(|| io::Error::other("the store has no object"))?;
        let mut bytes = fs::read(object)?;
        bytes[0] ^= 1;
        // It is read-only.
        fs::remove_file(object)?;
        fs::write(object, bytes)
    }

    /// Writes a file, its folders too.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn write(&self, path: &str, text: &str) -> io::Result<()> {
        let path = self.root.join(path);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, text)
    }

    /// `cargo-zen zen WORDS…`.
    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = product::command(&self.program, &self.root);
        command.args(words.split(' ')).env("STAGE_LOG", self.log());
        command
    }

    /// Where each step that runs leaves a line.
    pub(crate) fn log(&self) -> PathBuf {
        self.root.with_extension("log")
    }

    /// Runs a command that must succeed.
    ///
    /// # Errors
    /// That it did not, with what it said.
    pub(crate) fn succeeds(&self, words: &str) -> io::Result<Output> {
        let output = self.command(words).output()?;
        if output.status.success() { Ok(output) } else { Err(refusal(words, &output)) }
    }

    /// What must hold after a deed that was disturbed: the next plain run is right, without anybody's help, nothing of
    /// the user's is lost, and the store is whole.
    ///
    /// # Errors
    /// What does not hold.
    pub(crate) fn check(&self, deed: &Deed) -> io::Result<()> {
        self.check_next(deed.n)?;
        if deed.before.contains(&"damage") {
            self.succeeds("verify --repair")?;
        }
        self.succeeds("verify")?;
        // Only the power takes away what says where they are.
        if let Some(left) =
            files_below(&self.root.join("out"))?.iter().find(|path| path.to_string_lossy().contains(".zen-tmp-"))
        {
            return Err(io::Error::other(format!("{} was left", left.display())));
        }
        self.check_kept(MINE.iter().map(|(_, text)| *text))
    }

    /// What must hold right after a deed that said that all is well.
    ///
    /// # Errors
    /// What does not hold.
    pub(crate) fn check_now(&self, deed: &Deed) -> io::Result<()> {
        self.check_outputs(deed.n)?;
        self.check_kept(MINE.iter().map(|(_, text)| *text))
    }

    /// As [`Stage::check`] for a run with this parameter, without the user's bytes.
    ///
    /// # Errors
    /// What does not hold.
    pub(crate) fn check_next(&self, n: u32) -> io::Result<()> {
        // Nobody holds a lock.
        self.succeeds(&format!("run --no-wait --set n={n}"))?;
        self.check_outputs(n)?;
        self.succeeds(&format!("status --exit-code --set n={n}")).map(drop)
    }

    /// A run with this parameter leaves what it should.
    ///
    /// # Errors
    /// What does not hold.
    pub(crate) fn check_right(&self, n: u32) -> io::Result<()> {
        self.succeeds(&format!("run --set n={n}"))?;
        self.check_outputs(n)
    }

    /// Byte for byte what steps make of the parameter, and nothing else. Temporary files, which no step sees and no place
    /// holds, are looked for apart.
    ///
    /// # Errors
    /// What is there instead.
    pub(crate) fn check_outputs(&self, n: u32) -> io::Result<()> {
        let mut found = read_tree(&self.root.join("out"))?;
        found.retain(|path, _| !path.to_string_lossy().contains(".zen-tmp-"));
        let inputs = ["in/a", "in/b"].map(|path| fs::read_to_string(self.root.join(path)));
        let [a, b] = inputs;
        let expected = expected(n, &(a? + &b?));
        if found == expected {
            return Ok(());
        }
        Err(io::Error::other(format!("the outputs are {found:?}, and should be {expected:?}")))
    }

    /// What the user wrote is where it was, or was moved to `replaced/`.
    ///
    /// # Errors
    /// What is lost.
    pub(crate) fn check_kept<'a>(&self, mine: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
        let mut texts = Vec::new();
        for folder in ["out", "target/zen/replaced"] {
            for file in files_below(&self.root.join(folder))? {
                texts.push(fs::read(file)?);
            }
        }
        match mine.into_iter().find(|text| !texts.iter().any(|found| found == text.as_bytes())) {
            None => Ok(()),
            Some(text) => Err(io::Error::other(format!("what the user wrote is lost: {text:?}"))),
        }
    }

    /// Waits until no process works in the workspace any more: steps outlive a zen that was killed.
    ///
    /// # Errors
    /// That `/proc` cannot be listed.
    pub(crate) fn wait_for_orphans(&self) -> io::Result<()> {
        loop {
            let is_here = |entry: fs::DirEntry| {
                fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(&self.root))
            };
            if !fs::read_dir("/proc")?.flatten().any(is_here) {
                return Ok(());
            }
            std::thread::yield_now();
        }
    }
}

/// That a command did not do what it should, with the end of what it said.
pub(crate) fn refusal(words: &str, output: &Output) -> io::Error {
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().collect();
    let last = lines[lines.len().saturating_sub(12)..].join("\n");
    let how = match (output.status.code(), output.status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, signal) => format!("signal {}", signal.unwrap_or_default()),
    };
    io::Error::other(format!("`cargo zen {words}`: {how}\n{last}"))
}

/// What stands at a path below `out/`.
#[derive(Debug, PartialEq, Eq)]
enum Node {
    File(String),
    Link(PathBuf),
}

/// What a run from scratch would leave.
fn expected(n: u32, inputs: &str) -> BTreeMap<PathBuf, Node> {
    let file = format!("{n}\n{inputs}");
    BTreeMap::from([
        ("file.txt".into(), Node::File(file.clone())),
        ("sum.txt".into(), Node::File(format!("{file}{n}"))),
        ("tree/copy".into(), Node::File(file)),
        ("tree/link".into(), Node::Link("copy".into())),
        (format!("tree/sub/only-{n}").into(), Node::File(n.to_string())),
    ])
}

fn read_tree(folder: &Path) -> io::Result<BTreeMap<PathBuf, Node>> {
    let mut found = BTreeMap::new();
    for path in files_below(folder)? {
        let node = if path.is_symlink() {
            Node::Link(fs::read_link(&path)?)
        } else {
            Node::File(String::from_utf8_lossy(&fs::read(&path)?).into_owned())
        };
        found.insert(path.strip_prefix(folder).expect("it lies below").to_owned(), node);
    }
    Ok(found)
}

/// All files and symlinks below a folder; none if it is not there.
///
/// # Errors
/// What the disk says.
pub(crate) fn files_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() { folders.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    Ok(found)
}

/// Removes a folder with all in it, if it is there.
///
/// # Errors
/// What the disk says.
pub(crate) fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Copies a folder with links, modes and times.
///
/// # Errors
/// That `cp` failed.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let status = Command::new("cp").arg("-a").args([from, to]).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("cannot copy {}", from.display()))) }
}
