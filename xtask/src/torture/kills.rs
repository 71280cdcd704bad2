//! The kill sweep: SIGKILL at each state of the disk that a command goes through, by strace, and before each of its calls
//! that change something, by a shim.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::shim::Shim;
use super::stage::{DEEDS, Deed, Stage, refusal};
use super::strace::{self, Injection, Target};
use super::sweep::{Found, Length, Progress, Sweep};

/// How many kills may be tried to hit one state: threads are not always equally fast.
const TRIES: usize = 12;

/// Kills the command of each deed wherever it has changed something.
///
/// # Errors
/// That strace is not there, or what the disk says.
pub(crate) fn run(sweep: &Sweep) -> io::Result<Found> {
    strace::require()?;
    let shim = Shim::build(&sweep.folder)?;
    let mut found = Found::default();
    let (mut all, mut missed, mut calls) = (0, 0, 0);
    for deed in DEEDS {
        let kills = {
            let stage = sweep.stage(0)?;
            // As each of the others will find it: a copy.
            stage.prepare(deed)?;
            let prepare = || stage.prepare(deed);
            let (output, trace) = strace::run(prepare, &stage.command(deed.disturbed), &sweep.trace(0), None)?;
            if !output.status.success() {
                return Err(refusal(deed.disturbed, &output));
            }
            trace.kills(&stage.root)
        };
        let every = match sweep.length {
            Length::Long => 1,
            Length::Short => kills.len().div_ceil(10),
        };
        let chosen: Vec<usize> = (0..kills.len()).step_by(every).collect();
        let reached = Mutex::new(BTreeSet::new());
        let done = sweep.on_all_stages(&chosen, |nth, stage, state, progress| {
            for target in kills[*state].iter().cycle().take(if kills[*state].is_empty() { 0 } else { TRIES }) {
                if reached.lock().unwrap_or_else(PoisonError::into_inner).contains(state) {
                    break;
                }
                let hit = kill(deed, stage, target, *state, &sweep.trace(nth), progress)?;
                reached.lock().unwrap_or_else(PoisonError::into_inner).extend(hit);
            }
            Ok(())
        })?;
        let reached = reached.into_inner().unwrap_or_else(PoisonError::into_inner);
        all += chosen.len();
        for state in chosen.iter().filter(|state| !reached.contains(state)) {
            eprintln!("not reached: {} after {state} changes, by {:?}", deed.name, kills[*state].first());
            missed += 1;
        }
        found.take(done.found);
        let (done, number) = before_each_call(deed, &shim, sweep)?;
        found.take(done);
        calls += number;
    }
    found.say(format!("{} of {all} states reached by strace; before each of {calls} calls by a shim", all - missed));
    Ok(found)
}

/// Kills before each call that changes something, by their number in the whole process; how many there were.
fn before_each_call(deed: &Deed, shim: &Shim, sweep: &Sweep) -> io::Result<(Found, usize)> {
    let count = {
        let stage = sweep.stage(0)?;
        stage.prepare(deed)?;
        stage.prepare(deed)?;
        let (output, count) = shim.run(stage.command(deed.disturbed), &stage.root, usize::MAX)?;
        // None at all: the shim was not loaded.
        count.filter(|count| output.status.success() && *count > 0).ok_or_else(|| refusal(deed.disturbed, &output))?
    };
    let every = match sweep.length {
        Length::Long => 1,
        Length::Short => count.div_ceil(6),
    };
    let chosen: Vec<usize> = (0..count).step_by(every.max(1)).collect();
    let done = sweep.on_all_stages(&chosen, |_, stage, nth, progress| {
        stage.prepare(deed)?;
        let (output, _) = shim.run(stage.command(deed.disturbed), &stage.root, *nth)?;
        let what = format!("{}, killed before its change {nth} through the C library", deed.name);
        match output.status.signal() {
            Some(9) => progress.check(stage, &what, || stage.check(deed)),
            // One of the last ones, and this time there were fewer.
            None if output.status.success() => Ok(()),
            _ => progress.check(stage, &what, || Err(refusal(deed.disturbed, &output))),
        }
    })?;
    Ok((done.found, chosen.len()))
}

/// Kills once, and checks what was left; in which state it was hit.
fn kill(
    deed: &Deed,
    stage: &Stage,
    target: &Target,
    wanted: usize,
    trace: &Path,
    progress: &Progress,
) -> io::Result<Option<usize>> {
    let (prepare, kill) = (|| stage.prepare(deed), Injection::Kill(target));
    let (output, seen) = strace::run(prepare, &stage.command(deed.disturbed), trace, Some(kill))?;
    // With a path, nothing else was seen, and it cannot have been another call.
    let state = if target.path.is_some() { wanted } else { seen.changes(&stage.root).len() };
    let what = format!("{}, killed after {state} changes ({target:?})", deed.name);
    match output.status.signal() {
        Some(9) => progress.check(stage, &what, || stage.check(deed))?,
        // It was over before.
        None if output.status.success() => return Ok(None),
        _ => progress.check(stage, &what, || Err(refusal(deed.disturbed, &output)))?,
    }
    Ok(Some(state))
}
