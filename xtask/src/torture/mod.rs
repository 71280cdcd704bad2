//! `cargo xtask torture`: everything that can go wrong, done on purpose to the release build: kills, errors, power cuts, flipped
//! bits, many at once, edits that hide. The oracle is always the same: the next plain run is right, with nobody's help.

mod chance;
mod errors;
mod flips;
mod kills;
mod power;
mod shim;
mod stage;
mod strace;
mod sweep;
mod together;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use crate::product;
use sweep::{Found, Length, Sweep};

/// A sweep by its name.
struct Named {
    name: &'static str,
    about: &'static str,
    run: fn(&Sweep) -> io::Result<Found>,
}

const ALL: &[Named] = &[
    Named { name: "kills", about: "SIGKILL at each state of the disk that a command goes through", run: kills::run },
    Named { name: "errors", about: "each call fails once, with each error", run: errors::run },
    Named { name: "random-kills", about: "SIGKILL at random moments, again and again", run: chance::kills },
    Named { name: "edits", about: "edits of the same size, with the old time of modification", run: chance::edits },
    Named { name: "flips", about: "each bit of a small store, and random ones", run: flips::run },
    Named { name: "rounds", about: "many processes that want the same: each step runs once", run: together::rounds },
    Named { name: "disorder", about: "runs while others clean, collect, repair and remove", run: together::disorder },
    Named { name: "power", about: "power cuts on ext4 and xfs, with and without the journal", run: power::run },
];

/// What was asked for.
#[derive(Debug)]
struct Options {
    names: Vec<String>,
    length: Length,
    seed: u64,
    json: Option<String>,
    /// A machine that cannot cut its power leaves that sweep out.
    where_possible: bool,
}

/// One line of the report.
#[derive(Debug, Serialize)]
struct Row {
    sweep: &'static str,
    points: usize,
    wrong: Vec<String>,
    seconds: f64,
    notes: Vec<String>,
}

/// The report, as `--json` writes it.
#[derive(Debug, Serialize)]
struct Report {
    date: String,
    command: String,
    commit: String,
    kernel: String,
    rows: Vec<Row>,
}

/// Does what the words after `torture` ask for.
///
/// # Errors
/// Words that make no sense, what a machine lacks, and everything that did not hold.
pub(crate) fn run(root: &Path, words: &[&str]) -> Result<(), String> {
    if words == ["--list"] {
        for one in ALL {
            println!("{:<14} {}", one.name, one.about);
        }
        return Ok(());
    }
    let options = Options::parse(words)?;
    let chosen: Vec<&Named> = ALL
        .iter()
        .filter(|one| options.names.is_empty() || options.names.iter().any(|name| name == one.name))
        .collect();
    let report = torture(root, &options, &chosen, words).map_err(|e| format!("error: {e}"))?;
    let wrong: usize = report.rows.iter().map(|row| row.wrong.len()).sum();
    print!("{}", table(&report.rows));
    if wrong == 0 { Ok(()) } else { Err(format!("error: {wrong} points were wrong")) }
}

fn torture(root: &Path, options: &Options, chosen: &[&Named], words: &[&str]) -> io::Result<Report> {
    let built = product::build(root)?;
    let folder = tempfile::tempdir()?;
    // Another build meanwhile does not change what is tortured.
    let program = folder.path().join("cargo-zen");
    fs::copy(&built, &program)?;
    let mut report = Report {
        date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
        command: ["cargo xtask torture"].iter().chain(words).copied().collect::<Vec<_>>().join(" "),
        commit: product::commit(root),
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
        rows: Vec::new(),
    };
    for one in chosen {
        eprintln!("{}: {}", one.name, one.about);
        if one.name == "power"
            && options.where_possible
            && let Err(e) = power::require(folder.path())
        {
            eprintln!("left out: power: {e}");
            continue;
        }
        let sweep = Sweep {
            program: program.clone(),
            folder: folder.path().join(one.name),
            keep: keep().join(one.name),
            length: options.length,
            seed: options.seed,
        };
        fs::create_dir_all(&sweep.folder)?;
        let start = Instant::now();
        let found = (one.run)(&sweep).map_err(|e| io::Error::other(format!("{}: {e}", one.name)))?;
        let row = Row {
            sweep: one.name,
            points: found.points,
            wrong: found.wrong,
            seconds: start.elapsed().as_secs_f64(),
            notes: found.notes,
        };
        eprint!("{}", table(std::slice::from_ref(&row)));
        report.rows.push(row);
        stage::remove(&sweep.folder)?;
        // After each: all of them take long.
        if let Some(file) = &options.json {
            let text = serde_json::to_string_pretty(&report)?;
            fs::write(file, text + "\n").map_err(|e| io::Error::other(format!("cannot write {file}: {e}")))?;
        }
    }
    Ok(report)
}

/// Where workspaces stay in which something was wrong.
fn keep() -> PathBuf {
    std::env::temp_dir().join("cargo-zen-torture")
}

fn table(rows: &[Row]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for Row { sweep, points, wrong, seconds, notes } in rows {
        let notes = notes.join("; ");
        writeln!(text, "{sweep:<14} {points:>7} points {:>4} wrong {seconds:>8.1} s  {notes}", wrong.len())
            .expect("a string takes all");
    }
    text
}

impl Options {
    fn parse(words: &[&str]) -> Result<Self, String> {
        let mut options = Self { names: Vec::new(), length: Length::Short, seed: 1, json: None, where_possible: false };
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            let mut value = || words.next().copied().ok_or_else(|| format!("error: `{word}` needs a value"));
            match word {
                "--long" => options.length = Length::Long,
                "--where-possible" => options.where_possible = true,
                "--json" => options.json = Some(value()?.to_owned()),
                "--seed" => {
                    let text = value()?;
                    options.seed = text.parse().map_err(|_| format!("error: `{text}` is no seed"))?;
                }
                name if ALL.iter().any(|one| one.name == name) => options.names.push(name.to_owned()),
                other => return Err(format!("error: unknown sweep or option `{other}`\n\n{}", crate::USAGE)),
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_understood_or_refused() {
        let options = Options::parse(&["kills", "--long", "--seed", "7", "power"]).unwrap();
        assert_eq!(
            (options.names, options.length, options.seed),
            (vec!["kills".into(), "power".into()], Length::Long, 7)
        );
        assert_eq!(Options::parse(&[]).unwrap().length, Length::Short);
        for wrong in [&["kill"][..], &["--seed"], &["--seed", "x"], &["--longer"]] {
            assert!(Options::parse(wrong).is_err(), "{wrong:?} is refused");
        }
    }
}
