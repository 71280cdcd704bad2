//! `cargo xtask bench`: how long the release build takes on a large workspace, against the bare cost of looking at its
//! files. Asserts nothing: a machine's speed is no property of this code.

mod workspace;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Runs of which the median counts, where a run is short.
const REPEATS: usize = 7;
/// Threads of the bare walk.
const WALKERS: usize = 2;

/// How large the workspace is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    packages: usize,
    /// Steps of each package.
    steps: usize,
    /// Input files of each step.
    files: usize,
}

impl Size {
    /// Reads `--packages N`, `--steps N` and `--files N`.
    ///
    /// # Errors
    /// Any other option, or a value that is no number above 0.
    pub(crate) fn parse(options: &[&str]) -> Result<Self, String> {
        let mut size = Self { packages: 100, steps: 5, files: 100 };
        for pair in options.chunks(2) {
            let field = match pair[0] {
                "--packages" => &mut size.packages,
                "--steps" => &mut size.steps,
                "--files" => &mut size.files,
                other => return Err(format!("error: unknown option `{other}`\n\n{}", crate::USAGE)),
            };
            *field = pair
                .get(1)
                .and_then(|value| value.parse().ok())
                .filter(|value| *value > 0)
                .ok_or_else(|| format!("error: `{}` needs a number above 0", pair[0]))?;
        }
        Ok(size)
    }
}

/// Builds `cargo-zen`, generates the workspace in a temporary folder, measures, and prints a table.
///
/// # Errors
/// A build or a run that fails, with what it said; or the disk's complaint.
pub(crate) fn run(root: &Path, size: Size) -> Result<(), String> {
    let zen = build(root)?;
    let folder = tempfile::tempdir().map_err(|e| format!("error: cannot make a temporary folder: {e}"))?;
    let bench = Bench { zen, root: folder.path().to_owned(), size };
    bench.measure().map_err(|e| format!("error: {e}"))
}

/// The release build of `cargo-zen`, called directly: cargo's own start would count otherwise.
fn build(root: &Path) -> Result<PathBuf, String> {
    let built = Command::new("cargo")
        .args(["build", "--release", "--package", "cargo-zen", "--bin", "cargo-zen"])
        .current_dir(root)
        .status()
        .map_err(|e| format!("error: cannot start cargo: {e}"))?;
    if !built.success() {
        return Err("error: cargo-zen does not build".to_owned());
    }
    // This program lies in `<target>/debug`, wherever that target folder is.
    let this = std::env::current_exe().map_err(|e| format!("error: cannot find this program: {e}"))?;
    let target = this.parent().and_then(Path::parent).expect("cargo puts programs two folders deep");
    Ok(target.join("release").join(format!("cargo-zen{}", std::env::consts::EXE_SUFFIX)))
}

struct Bench {
    zen: PathBuf,
    root: PathBuf,
    size: Size,
}

struct Row {
    name: &'static str,
    time: Duration,
    /// What the run itself said that it did.
    said: String,
}

impl Bench {
    fn measure(&self) -> io::Result<()> {
        let Size { packages, steps, files } = self.size;
        let all = packages * steps * files;
        eprintln!("generating {packages} packages × {steps} steps × {files} files");
        workspace::write(&self.root, self.size)?;

        let cold = self.zen_run("cold")?;
        let same = self.median("no-op", || Ok(()))?;
        workspace::touch_all(&self.root, self.size)?;
        let touched = self.zen_run("every input touched")?;
        let last = workspace::input(&self.root, packages - 1, steps - 1, files - 1);
        let mut turn = 0;
        let last_changed = self.median("a last step's input changed", || {
            turn += 1;
            fs::write(&last, format!("change {turn}\n"))
        })?;
        fs::write(workspace::input(&self.root, 0, 0, 0), "a change\n")?;
        let first_changed = self.zen_run("the first step's input changed")?;
        let (walk, seen) = self.bare_walk()?;

        println!("{:<32} {:>10} {:>9}  said", format!("{all} files, {} steps", packages * steps), "time", "× walk");
        let walk = Row { name: "bare stat walk", time: walk, said: format!("{seen} files, {WALKERS} threads") };
        for row in [&walk, &cold, &same, &touched, &last_changed, &first_changed] {
            let ratio = row.time.as_secs_f64() / walk.time.as_secs_f64();
            println!("{:<32} {:>8.1}ms {ratio:>9.2}  {}", row.name, row.time.as_secs_f64() * 1000.0, row.said);
        }
        Ok(())
    }

    /// One run of all steps.
    fn zen_run(&self, name: &'static str) -> io::Result<Row> {
        let mut command = Command::new(&self.zen);
        command.args(["zen", "run", "bench"]).current_dir(&self.root).stdin(Stdio::null());
        // The caller's folders and settings are not what is measured.
        for variable in ["ZEN_STORE_DIR", "CARGO_TARGET_DIR", "CARGO_MANIFEST_DIR"] {
            command.env_remove(variable);
        }
        let start = Instant::now();
        let output = command.output()?;
        let time = start.elapsed();
        let text = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Err(io::Error::other(format!("{name}: cargo-zen failed ({})\n{text}", output.status)));
        }
        Ok(Row { name, time, said: text.lines().last().unwrap_or_default().trim().to_owned() })
    }

    /// The median of several runs, each after `before`.
    fn median(&self, name: &'static str, mut before: impl FnMut() -> io::Result<()>) -> io::Result<Row> {
        let mut rows = Vec::new();
        for _ in 0..REPEATS {
            before()?;
            rows.push(self.zen_run(name)?);
        }
        rows.sort_by_key(|row| row.time);
        Ok(rows.swap_remove(REPEATS / 2))
    }

    /// What it costs to list every folder and to state every file, and nothing else: the floor of any no-op. Also how
    /// many files there were.
    fn bare_walk(&self) -> io::Result<(Duration, usize)> {
        let mut times = Vec::new();
        let mut seen = 0;
        for _ in 0..REPEATS {
            let start = Instant::now();
            let packages: Vec<PathBuf> =
                fs::read_dir(self.root.join("packages"))?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
            seen = thread::scope(|scope| {
                let share = packages.len().div_ceil(WALKERS);
                let walkers: Vec<_> = packages.chunks(share).map(|part| scope.spawn(move || walk(part))).collect();
                walkers
                    .into_iter()
                    .map(|walker| walker.join().expect("a walker does not panic"))
                    .sum::<io::Result<usize>>()
            })?;
            times.push(start.elapsed());
        }
        times.sort();
        Ok((times[REPEATS / 2], seen))
    }
}

fn walk(folders: &[PathBuf]) -> io::Result<usize> {
    let mut files = 0;
    let mut next = folders.to_vec();
    while let Some(folder) = next.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if fs::symlink_metadata(&path)?.is_dir() {
                next.push(path);
            } else {
                files += 1;
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_read_from_options() {
        assert_eq!(Size::parse(&[]), Ok(Size { packages: 100, steps: 5, files: 100 }));
        assert_eq!(Size::parse(&["--files", "3", "--steps", "2"]), Ok(Size { packages: 100, steps: 2, files: 3 }));
        for wrong in [&["--files"][..], &["--files", "0"], &["--files", "many"], &["--size", "3"]] {
            assert!(Size::parse(wrong).is_err(), "{wrong:?} is refused");
        }
    }

    #[test]
    fn the_bare_walk_sees_every_file() {
        let folder = tempfile::tempdir().unwrap();
        let size = Size { packages: 3, steps: 2, files: 4 };
        workspace::write(folder.path(), size).unwrap();
        let bench = Bench { zen: PathBuf::new(), root: folder.path().to_owned(), size };
        let inputs_manifests_and_sources = 3 * 2 * 4 + 3 + 3;
        assert_eq!(bench.bare_walk().unwrap().1, inputs_manifests_and_sources);
    }
}
