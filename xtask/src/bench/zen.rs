//! The product at work: starts it, and reads what it says that it did. Knows no scenario.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use super::check::wrong;
use crate::product;

/// Where GNU time lies. It measures memory from a small process: a child of this one would start with its memory.
const TIME: &str = "/usr/bin/time";

/// The program that is measured.
#[derive(Debug)]
pub(crate) struct Zen {
    pub(crate) program: PathBuf,
}

/// One run, from outside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ran {
    pub(crate) time: Duration,
    pub(crate) said: Said,
}

/// The counts in the last line of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Said {
    pub(crate) ran: usize,
    pub(crate) cached: usize,
}

impl Zen {
    /// Runs the pipeline `bench` of the workspace at `root` with two jobs.
    ///
    /// # Errors
    /// That it failed, with what it said.
    pub(crate) fn run(&self, root: &Path, more: &[&str]) -> io::Result<Ran> {
        let start = Instant::now();
        let output = self.command(root).args(["run", "bench", "-j2"]).args(more).output()?;
        let time = start.elapsed();
        Ok(Ran { time, said: counts(&success(&output)?)? })
    }

    /// Asks what would run; it must be nothing.
    ///
    /// # Errors
    /// That something would run, or that it failed.
    pub(crate) fn status(&self, root: &Path) -> io::Result<Duration> {
        let start = Instant::now();
        let output = self.command(root).args(["status", "bench", "--exit-code"]).output()?;
        let time = start.elapsed();
        success(&output).map(|_| time)
    }

    /// Prints its version.
    ///
    /// # Errors
    /// That it failed, or printed something else.
    pub(crate) fn version(&self, root: &Path) -> io::Result<Duration> {
        let start = Instant::now();
        let output = self.command(root).arg("--version").output()?;
        let time = start.elapsed();
        success(&output)?;
        let said = String::from_utf8_lossy(&output.stdout);
        if said.split_whitespace().any(|word| word.starts_with(|c: char| c.is_ascii_digit())) {
            Ok(time)
        } else {
            Err(wrong(format!("`--version` printed `{}`", said.trim())))
        }
    }

    /// One more run, and its peak of resident memory in MiB. Nothing where there is no GNU time.
    ///
    /// # Errors
    /// That the run failed.
    pub(crate) fn peak_mib(&self, root: &Path) -> io::Result<Option<(f64, Said)>> {
        if !Path::new(TIME).exists() {
            return Ok(None);
        }
        let into = root.with_extension("peak");
        let mut command = Command::new(TIME);
        command.args([OsStr::new("-o"), into.as_os_str(), OsStr::new("-f"), OsStr::new("%M")]).arg(&self.program);
        product::settle(&mut command, root);
        let said = counts(&success(&command.args(["run", "bench", "-j2"]).output()?)?)?;
        let kib: Option<f64> = fs::read_to_string(&into)?.trim().parse().ok();
        Ok(kib.map(|kib| (kib / 1024.0, said)))
    }

    fn command(&self, root: &Path) -> Command {
        product::command(&self.program, root)
    }
}

fn success(output: &Output) -> io::Result<String> {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(20)..].join("\n");
    Err(wrong(format!("cargo-zen failed ({})\n{last}", output.status)))
}

/// Reads `Finished bench: 3 ran, 2 cached in 0.1s (…)`.
fn counts(text: &str) -> io::Result<Said> {
    let last = text.lines().rfind(|line| line.trim_start().starts_with("Finished"));
    let last = last.ok_or_else(|| wrong(format!("no last line of a run in `{text}`")))?;
    let words: Vec<&str> = last.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let count = |name: &str| {
        let at = words.iter().position(|word| *word == name);
        at.and_then(|at| words.get(at.checked_sub(1)?)?.parse().ok()).unwrap_or(0)
    };
    Ok(Said { ran: count("ran"), cached: count("cached") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_read() {
        let said = |text: &str| counts(text).unwrap();
        assert_eq!(said("    Finished bench: 3 ran, 20 cached in 0.1s (saved 2s)\n"), Said { ran: 3, cached: 20 });
        assert_eq!(said("Planning\n    Finished p0000:bench: 7 ran in 0.1s\n"), Said { ran: 7, cached: 0 });
        assert_eq!(said("    Finished bench: 40 cached in 0.00s (saved 0.00s)\n"), Said { ran: 0, cached: 40 });
        assert!(counts("error: no pipeline\n").is_err());
    }
}
