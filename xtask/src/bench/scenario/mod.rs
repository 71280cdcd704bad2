//! The scenarios by name, and what they share: workspaces that are set up and settled, and measuring in turn. Knows no
//! table and no file that the figures go to.

mod big;
mod change;
mod cold;
mod noop;
mod records;
mod scale;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::check;
use super::floors;
use super::options::Options;
use super::peers::{self, Peer};
use super::report::Row;
use super::workspace::{Plan, Shape, Size, Tree};
use super::zen::Zen;

/// What a scenario works with.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) zen: &'a Zen,
    pub(crate) options: &'a Options,
    /// An empty folder of its own.
    pub(crate) folder: PathBuf,
    /// The program that steps run: a copy of this one, so that a build in the meantime changes nothing.
    pub(crate) program: &'a Path,
}

/// What came of a scenario.
#[derive(Debug)]
pub(crate) enum Outcome {
    Rows(Vec<Row>),
    /// Why it was not measured.
    LeftOut(String),
}

/// One thing that can be asked for.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Its size, and what is done.
    pub(crate) about: &'static str,
    pub(crate) run: fn(&Bench<'_>) -> io::Result<Outcome>,
}

pub(crate) const SMALL: Size = Size { packages: 10, steps: 4, files: 25 };
const MEDIUM: Size = Size { packages: 100, steps: 5, files: 100 };
const LARGE: Size = Size { packages: 1000, steps: 5, files: 20 };

/// How many times more often a short run is measured.
const MORE: usize = 5;

/// All scenarios, in the order in which they run.
pub(crate) const ALL: &[Scenario] = &[
    Scenario { name: "start", about: "`cargo-zen zen --version`", run: noop::start },
    Scenario { name: "noop-small", about: "10 packages × 4 steps × 25 files: nothing changed", run: noop::small },
    Scenario { name: "noop-medium", about: "100 × 5 × 100: nothing changed", run: noop::medium },
    Scenario { name: "noop-large", about: "1,000 × 5 × 20: nothing changed; peak memory", run: noop::large },
    Scenario { name: "leaf-large", about: "1,000 × 5 × 20: an input of a last step changed", run: change::leaf },
    Scenario { name: "right", about: "10 × 4 × 25: results that are easy to get wrong", run: change::right },
    Scenario { name: "touch-medium", about: "100 × 5 × 100: all files touched, none changed", run: change::touch },
    Scenario { name: "restore-medium", about: "100 × 5 × 100: all outputs gone", run: change::restore },
    Scenario { name: "cold-small", about: "10 × 4 × 25: nothing recorded", run: cold::small },
    Scenario { name: "cold-medium", about: "100 × 5 × 100: nothing recorded", run: cold::medium },
    Scenario { name: "trivial-10000", about: "10,000 steps that run `true`: nothing recorded", run: cold::trivial },
    Scenario { name: "big", about: "one step, 4 GiB in and 1 GiB out (`--big-mib`)", run: big::big },
    Scenario { name: "scale-wide", about: "`status` of 2,000 and 20,000 steps: all read the first", run: scale::wide },
    Scenario { name: "scale-deep", about: "the same of one chain", run: scale::deep },
    Scenario { name: "scale-diamond", about: "the same of packages that fan out and in", run: scale::diamond },
    Scenario { name: "records", about: "5,000 steps: 100,000 records against 5,000", run: records::records },
];

/// The scenarios of these names, in the order of the list; all, if there is no name. `noop` means all that start with
/// `noop-`.
///
/// # Errors
/// The names that are none.
pub(crate) fn select(names: &[String]) -> Result<Vec<&'static Scenario>, String> {
    let means = |name: &str, one: &Scenario| {
        one.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    let unknown: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| !ALL.iter().any(|one| means(name, one))).collect();
    if !unknown.is_empty() {
        return Err(format!("error: no scenario {}; `cargo xtask bench --list` names them", unknown.join(", ")));
    }
    Ok(ALL.iter().filter(|one| names.is_empty() || names.iter().any(|name| means(name, one))).collect())
}

impl Bench<'_> {
    /// The size with its packages divided as asked for.
    pub(crate) fn divided(&self, size: Size) -> Size {
        Size { packages: size.packages.div_ceil(self.options.divide), ..size }
    }

    /// A workspace in which all steps have run, checked, and nothing is to be done. The run after the first one may
    /// still note what it saw.
    pub(crate) fn settled(&self, name: &str, size: Size, shape: Shape) -> io::Result<Tree> {
        let tree = self.written(name, size, shape)?;
        let all = tree.plan.size.all_steps();
        check::steps(&tree, "the first run", self.zen.run(&tree.root, &[])?.said, all)?;
        check::outputs(&tree, "after the first run")?;
        self.noop(&tree, "the run after the first one")?;
        Ok(tree)
    }

    /// A workspace in which nothing has run.
    pub(crate) fn written(&self, name: &str, size: Size, shape: Shape) -> io::Result<Tree> {
        Tree::write(self.folder.join(name), self.plan(size, shape), self.program)
    }

    /// The peers, if asked for, each with the same plan in a tree of its own.
    pub(crate) fn peers(&self, size: Size, shape: Shape) -> io::Result<Vec<Peer>> {
        if self.options.peers {
            peers::set_up(&self.folder, self.plan(size, shape), self.program)
        } else {
            Ok(Vec::new())
        }
    }

    /// A run in which no step may run.
    pub(crate) fn noop(&self, tree: &Tree, when: &str) -> io::Result<Duration> {
        let ran = self.zen.run(&tree.root, &[])?;
        check::steps(tree, when, ran.said, 0)?;
        Ok(ran.time)
    }

    /// The bare walk over a workspace whose outputs are there.
    pub(crate) fn walk(&self, tree: &Tree) -> io::Result<Duration> {
        let size = tree.plan.size;
        let sources_and_manifests = 2 * size.packages;
        let files = size.all_files() + size.all_steps() + sources_and_manifests;
        floors::walk(&tree.root.join("packages"), files)
    }

    /// Takes all measurements once, then all of them again, and so on; the samples of each. What disturbs one of them
    /// disturbs its neighbours as well.
    pub(crate) fn in_turn<const N: usize>(
        &self,
        measure: impl FnMut(usize) -> io::Result<[Duration; N]>,
    ) -> io::Result<[Vec<Duration>; N]> {
        turns(self.options.repeats, measure)
    }

    /// The same more often, for what takes milliseconds.
    pub(crate) fn in_many_turns<const N: usize>(
        &self,
        measure: impl FnMut(usize) -> io::Result<[Duration; N]>,
    ) -> io::Result<[Vec<Duration>; N]> {
        turns(self.options.repeats * MORE, measure)
    }

    fn plan(&self, size: Size, shape: Shape) -> Plan {
        Plan { size: self.divided(size), shape }
    }
}

fn turns<const N: usize>(
    turns: usize,
    mut measure: impl FnMut(usize) -> io::Result<[Duration; N]>,
) -> io::Result<[Vec<Duration>; N]> {
    let mut samples = [const { Vec::new() }; N];
    for turn in 0..turns {
        for (all, one) in samples.iter_mut().zip(measure(turn)?) {
            all.push(one);
        }
    }
    Ok(samples)
}

/// Removes the folder of a scenario and all that is in it.
///
/// # Errors
/// What the disk says.
pub(crate) fn clear(folder: &Path) -> io::Result<()> {
    fs::remove_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_found_by_name() {
        assert_eq!(select(&[]).unwrap().len(), ALL.len());
        let two = select(&["right".to_owned(), "start".to_owned()]).unwrap();
        assert_eq!(two.iter().map(|one| one.name).collect::<Vec<_>>(), ["start", "right"], "in the list's order");
        assert_eq!(select(&["scale".to_owned()]).unwrap().len(), 3, "a family has one name");
        assert!(select(&["sca".to_owned()]).is_err(), "half a word is none");
        assert!(select(&["rigth".to_owned()]).unwrap_err().contains("no scenario rigth"));
    }
}
