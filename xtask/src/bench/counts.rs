//! `cargo xtask counts`: how many instructions a no-op of the small workspace takes, against the number in the repository.
//! Instructions are counted by valgrind and do not depend on how busy a machine is, so a test can decide by them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::check;
use super::scenario::SMALL;
use super::workspace::{Plan, Shape, Tree};
use super::zen::Zen;
use crate::product;

/// Where the number is kept, from the workspace's folder on.
const FILE: &str = "xtask/instructions.txt";
/// More than that above it, in percent, is a regression.
const TOLERANCE: u64 = 3;
/// Hash maps are seeded at random: the median of so many runs counts.
const RUNS: usize = 5;
/// What a run gets of the environment: nothing of it may differ by who calls.
const HANDED: [&str; 4] = ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME"];

/// Counts, and compares with the number that is kept or writes it.
///
/// # Errors
/// There are more instructions than may be; valgrind is not there; a run fails.
pub(crate) fn run(root: &Path, words: &[&str]) -> Result<(), String> {
    let write = match words {
        [] => false,
        ["--write"] => true,
        _ => return Err("error: `cargo xtask counts` takes nothing but `--write`".to_owned()),
    };
    let file = root.join(FILE);
    let now = median(root).map_err(|error| format!("error: {error}"))?;
    if write {
        fs::write(&file, format!("{now}\n")).map_err(|error| format!("error: {}: {error}", file.display()))?;
        println!("{now} instructions, written to {FILE}");
        return Ok(());
    }
    let kept = fs::read_to_string(&file).map_err(|error| format!("error: {}: {error}", file.display()))?;
    let kept: u64 = kept.trim().parse().map_err(|_| format!("error: {FILE} holds no number"))?;
    judge(kept, now).map(|said| println!("{said}"))
}

fn judge(kept: u64, now: u64) -> Result<String, String> {
    let percent = (now as f64 / kept as f64 - 1.0) * 100.0;
    let said = format!("a small no-op takes {now} instructions, {percent:+.1} % of the {kept} in {FILE}");
    if now > kept + kept * TOLERANCE / 100 {
        return Err(format!(
            "error: {said}: more than {TOLERANCE} % above it\nhelp: find what it is spent on with `valgrind \
             --tool=callgrind`; if it is worth it: `cargo xtask counts --write`"
        ));
    }
    Ok(said)
}

fn median(root: &Path) -> io::Result<u64> {
    let zen = Zen { program: product::build(root)? };
    let folder = tempfile::tempdir()?;
    let program = folder.path().join("work");
    fs::copy(std::env::current_exe()?, &program)?;
    let plan = Plan { size: SMALL, shape: Shape::Layered };
    let tree = Tree::write(folder.path().join("zen"), plan, &program)?;
    let all = plan.size.all_steps();
    check::steps(&tree, "the first run", zen.run(&tree.root, &[])?.said, all)?;
    // Until all is old enough to be noted, and nothing is written but the run itself.
    let mut before = Vec::new();
    loop {
        check::steps(&tree, "a run after that", zen.run(&tree.root, &[])?.said, 0)?;
        let now = noted(&tree)?;
        if !now.is_empty() && now == before {
            break;
        }
        before = now;
    }
    let mut counts = (0..RUNS).map(|_| count(&zen.program, &tree)).collect::<io::Result<Vec<u64>>>()?;
    counts.sort_unstable();
    Ok(counts[RUNS / 2])
}

fn noted(tree: &Tree) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut noted = Vec::new();
    for entry in fs::read_dir(tree.root.join("target/zen/standing"))? {
        let path = entry?.path();
        noted.push((path.clone(), fs::read(path)?));
    }
    noted.sort();
    Ok(noted)
}

fn count(program: &Path, tree: &Tree) -> io::Result<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program);
    command.args(["zen", "run", "bench", "-j2"]).current_dir(&tree.root).env_clear();
    command.envs(HANDED.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))));
    let output = command.output().map_err(|error| {
        io::Error::new(error.kind(), format!("valgrind cannot be started ({error}); Debian: apt-get install valgrind"))
    })?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || !said.contains("cached in") {
        return Err(io::Error::other(format!("the run under valgrind failed:\n{said}")));
    }
    collected(&said).ok_or_else(|| io::Error::other(format!("valgrind counted nothing:\n{said}")))
}

/// The number after `Collected :`.
fn collected(text: &str) -> Option<u64> {
    let (_, number) = text.lines().find(|line| line.contains("Collected"))?.split_once(" : ")?;
    number.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_read_from_what_valgrind_says() {
        assert_eq!(collected("==1== Events    : Ir\n==1== Collected : 4236487\n==1== \n"), Some(4_236_487));
        assert_eq!(collected("==1== nothing"), None);
    }

    #[test]
    fn more_than_the_tolerance_is_a_regression_and_less_is_none() {
        assert!(judge(1_000_000, 1_030_000).is_ok() && judge(1_000_000, 900_000).is_ok());
        assert!(judge(1_000_000, 1_030_001).unwrap_err().contains("+3.0 %"));
    }
}
