//! `cargo xtask bench`: how long the release build takes, scenario by scenario, with the bare cost of the same work beside
//! it in the same run. Asserts nothing about time, which is no property of this code alone; a wrong result is an error.

mod check;
mod counts;
mod floors;
mod machine;
mod options;
mod peers;
mod report;
mod scenario;
mod work;
mod workspace;
mod zen;

use std::fs;
use std::io;
use std::path::Path;

use machine::Machine;
use options::{Options, Request};
use report::Report;
use scenario::{Bench, Outcome};
use zen::Zen;

use crate::product;

pub(crate) use counts::run as counts;
pub(crate) use work::run as work;
pub(crate) use workspace::WORK;

/// Does what the words after `bench` ask for.
///
/// # Errors
/// Words that make no sense, a build that fails, a result that is wrong, or the disk's complaint.
pub(crate) fn run(root: &Path, words: &[&str]) -> Result<(), String> {
    match Request::parse(words)? {
        Request::List => {
            for one in scenario::ALL {
                println!("{:<16} {}", one.name, one.about);
            }
            Ok(())
        }
        Request::Table(file) => {
            let text = fs::read_to_string(&file).map_err(|e| format!("error: cannot read {file}: {e}"))?;
            let report = serde_json::from_str(&text).map_err(|e| format!("error: {file} is no report: {e}"))?;
            print!("{}", report::markdown(&report));
            Ok(())
        }
        Request::Measure(options) => {
            let chosen = scenario::select(&options.scenarios)?;
            let report = measure(root, &options, &chosen, words).map_err(|e| format!("error: {e}"))?;
            print!("{}", report::columns(&report.rows));
            for line in &report.left_out {
                println!("left out: {line}");
            }
            if report.wrong.is_empty() {
                return Ok(());
            }
            Err(format!("error: {}", report.wrong.join("\nerror: ")))
        }
    }
}

/// One scenario after the other; what goes wrong in one does not stop the others.
fn measure(root: &Path, options: &Options, chosen: &[&scenario::Scenario], words: &[&str]) -> io::Result<Report> {
    let zen = Zen { program: product::build(root)? };
    let folder = tempfile::tempdir()?;
    let program = folder.path().join("work");
    fs::copy(std::env::current_exe()?, &program)?;
    let mut report = Report {
        date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
        machine: Machine::ask(folder.path()),
        command: ["cargo xtask bench"].iter().chain(words).copied().collect::<Vec<_>>().join(" "),
        commit: product::commit(root),
        peers: if options.peers { peers::versions() } else { Vec::new() },
        divided_by: options.divide,
        rows: Vec::new(),
        wrong: Vec::new(),
        left_out: Vec::new(),
    };
    for one in chosen {
        eprintln!("{}: {}", one.name, one.about);
        let bench = Bench { zen: &zen, options, folder: folder.path().join(one.name), program: &program };
        fs::create_dir_all(&bench.folder)?;
        match (one.run)(&bench) {
            Ok(Outcome::Rows(rows)) => {
                eprint!("{}", report::columns(&rows));
                report.rows.extend(rows);
            }
            Ok(Outcome::LeftOut(why)) => report.left_out.push(why),
            Err(e) => {
                eprintln!("error: {}: {e}", one.name);
                report.wrong.push(format!("{}: {e}", one.name));
            }
        }
        scenario::clear(&bench.folder)?;
        // After each scenario: all of them take long.
        if let Some(file) = &options.json {
            save(&report, file)?;
        }
    }
    Ok(report)
}

fn save(report: &Report, file: &str) -> io::Result<()> {
    let text = serde_json::to_string_pretty(report)?;
    fs::write(file, text + "\n").map_err(|e| io::Error::other(format!("cannot write {file}: {e}")))
}
