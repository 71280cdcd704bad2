//! The scenario of a store that remembers much: a no-op beside the same no-op with nothing but its own records.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::check::wrong;
use super::super::report::{Row, Target};
use super::super::workspace;
use super::super::zen::Said;
use super::{Bench, Outcome};

/// Steps, which is the number of keys that one run looks up.
const STEPS: usize = 5000;
/// Runs with another parameter each, so that each step has so many records.
const ROUNDS: usize = 20;

pub(super) fn records(bench: &Bench<'_>) -> io::Result<Outcome> {
    let steps = STEPS.div_ceil(bench.options.divide);
    let few = write(&bench.folder.join("few"), steps)?;
    let many = write(&bench.folder.join("many"), steps)?;
    run(bench, &few, &[], Said { ran: steps, cached: 0 })?;
    for round in (0..ROUNDS).rev() {
        run(bench, &many, &["--set", &format!("round={round}")], Said { ran: steps, cached: 0 })?;
    }
    let fresh = Said { ran: 0, cached: steps };
    for root in [&few, &many] {
        run(bench, root, &[], fresh)?;
    }
    let [of_many, of_few] = bench.in_turn(|_| Ok([run(bench, &many, &[], fresh)?, run(bench, &few, &[], fresh)?]))?;
    // Not one of the records was lost on the way.
    run(bench, &many, &["--set", &format!("round={}", ROUNDS - 1)], fresh)?;
    let name = format!("records: {} of {steps} steps", steps * ROUNDS);
    let row = Row::times(name, &of_many, Target::Above(15.0));
    Ok(Outcome::Rows(vec![row.beside(format!("{steps} records of {steps} steps"), &of_few)]))
}

fn run(bench: &Bench<'_>, root: &Path, more: &[&str], expected: Said) -> io::Result<std::time::Duration> {
    let ran = bench.zen.run(root, more)?;
    if ran.said == expected {
        Ok(ran.time)
    } else {
        Err(wrong(format!("records, {more:?}: {expected:?} was to be expected; it said {:?}", ran.said)))
    }
}

/// One crate whose steps run `true` and read its source and a parameter.
fn write(root: &Path, steps: usize) -> io::Result<PathBuf> {
    let mut manifest = workspace::crate_manifest(0);
    manifest.push_str("\n[package.metadata.zen.pipelines.bench]\nparams.round = 0\n");
    for step in 0..steps {
        let _ = write!(
            manifest,
            "\n[package.metadata.zen.pipelines.bench.steps.s{step}]\n\
             run = [\"true\", \"{step}\"]\nfiles = [\"src/lib.rs\"]\nparams = [\"round\"]\n"
        );
    }
    fs::create_dir_all(root)?;
    fs::write(root.join("Cargo.toml"), "[workspace]\nresolver = \"3\"\nmembers = [\"packages/*\"]\n")?;
    workspace::write_crate(root, 0, &manifest)?;
    Ok(root.to_owned())
}
