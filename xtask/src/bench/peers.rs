//! ninja and n2 on the same work, each in a tree of its own. They look at times and keep no old results: what they take
//! is what a run costs that promises less.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::check::{self, wrong};
use super::floors::time_of;
use super::workspace::{Plan, Tree};

/// A peer, and its tree.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    tree: Tree,
}

/// What a peer is called, how two jobs are asked for, and what it keeps.
struct Kind {
    name: &'static str,
    words: &'static [&'static str],
    keeps: &'static [&'static str],
}

const KINDS: &[Kind] = &[
    Kind { name: "ninja", words: &["-j2", "--quiet"], keeps: &[".ninja_log", ".ninja_deps"] },
    Kind { name: "n2", words: &["-j2"], keeps: &[".n2_db"] },
];

/// The peers that are on PATH, with their versions.
pub(crate) fn versions() -> Vec<String> {
    let version = |kind: &Kind| {
        let output = Command::new(kind.name).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.split_whitespace().rfind(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        Some(format!("{} {}", kind.name, version.unwrap_or("?")))
    };
    KINDS.iter().filter_map(version).collect()
}

/// Each peer on PATH with the plan in a tree of its own, built once.
///
/// # Errors
/// What the disk says, or that a peer made something else than the plan says.
pub(crate) fn set_up(folder: &Path, plan: Plan, program: &Path) -> io::Result<Vec<Peer>> {
    let mut peers = Vec::new();
    for kind in KINDS.iter().filter(|kind| on_path(kind.name)) {
        let tree = Tree::write(folder.join(kind.name), plan, program)?;
        tree.write_ninja(program)?;
        let peer = Peer { name: kind.name, tree };
        peer.run(plan.size.all_steps())?;
        check::outputs(&peer.tree, peer.name)?;
        peer.run(0)?;
        peers.push(peer);
    }
    Ok(peers)
}

impl Peer {
    /// One run, in which so many steps must run.
    ///
    /// # Errors
    /// That it failed, or ran another number of steps.
    pub(crate) fn run(&self, expected: usize) -> io::Result<Duration> {
        let time = time_of(Command::new(self.name).args(self.kind().words).current_dir(&self.tree.root))?;
        match check::take_log(&self.tree)? {
            ran if ran == expected => Ok(time),
            ran => Err(wrong(format!("{} ran {ran} steps, not {expected}", self.name))),
        }
    }

    /// Takes away what it keeps, and all outputs.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn make_cold(&self) -> io::Result<()> {
        self.tree.make_cold(self.kind().keeps)
    }

    fn kind(&self) -> &'static Kind {
        KINDS.iter().find(|kind| kind.name == self.name).expect("peers are made from this list")
    }
}

/// Whether a program of that name is in one of the folders of PATH.
fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder: PathBuf| folder.join(name).is_file())
}
