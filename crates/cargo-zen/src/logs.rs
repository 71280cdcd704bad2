//! `cargo zen logs`: the captured output of a step.

use std::io::Write;

use zen_core::artifact::RunId;
use zen_core::engine::history::{History, RunEntry, StepEntry, StepOutcome};
use zen_core::manifest::resolve::Overrides;
use zen_core::store::Objects;
use zen_core::store::local::{Access, LocalStore};

use crate::exit::ExitCode;
use crate::flags::{self, Global};
use crate::load::{Loaded, report};
use crate::run::written;
use crate::shell::Shell;

/// `cargo zen logs`
pub(crate) fn logs(global: &Global, flags: &flags::Logs, shell: &mut Shell) -> ExitCode {
    let loaded = match Loaded::new(global, &Overrides::default(), shell) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let history = History::new(&loaded.project.workspace.zen_dir().join("runs"));
    let (run, step) = match find(&history, flags) {
        Ok(found) => found,
        Err(text) => {
            shell.error(&text);
            return ExitCode::NothingSelected;
        }
    };
    let folder = loaded.project.store_folder(&loaded.definitions.model, loaded.store_dir.as_deref());
    let store = match LocalStore::open(&folder, Access::Read) {
        Ok(store) => store,
        Err(error) => return report(shell, &error.into(), loaded.sources()),
    };
    let Some(log) = step.log else {
        shell.note(&format!("`{}` printed nothing in run {}", step.step, run.id));
        return ExitCode::Ok;
    };
    let bytes = match store.read(log) {
        Ok(bytes) => bytes,
        Err(error) => {
            shell.error(&format!("the output of `{}` in run {} is gone: {error}", step.step, run.id));
            return ExitCode::Store;
        }
    };
    match (step.outcome, step.reused) {
        (StepOutcome::Fresh | StepOutcome::Restored, Some(made)) => {
            shell.note(&format!("`{}` was cached in run {}: this is the output of run {made}", step.step, run.id));
        }
        _ => shell.note(&format!("output of `{}` in run {}", step.step, run.id)),
    }
    let mut stdout = std::io::stdout();
    match written(stdout.write_all(&bytes).and_then(|()| stdout.flush()).err(), shell) {
        Ok(()) => ExitCode::Ok,
        Err(code) => code,
    }
}

/// The step's entry in the run that is asked for, or in the latest in which it ran.
fn find(history: &History, flags: &flags::Logs) -> Result<(RunEntry, StepEntry), String> {
    let is_it = |step: &&StepEntry| {
        step.step == flags.step || step.step.rsplit_once('/').is_some_and(|(_, name)| name == flags.step)
    };
    let unreadable = |error: std::io::Error| format!("the history of runs cannot be read: {error}");
    let in_run = |run: RunEntry| {
        let mut steps = run.steps.iter().filter(is_it);
        let (first, second) = (steps.next().cloned(), steps.next().cloned());
        match (first, second) {
            (Some(step), None) => Ok(Some((run, step))),
            (Some(a), Some(b)) => {
                Err(format!("several steps are called `{}`: {}, {}; give the whole id", flags.step, a.step, b.step))
            }
            (None, _) => Ok(None),
        }
    };
    if let Some(id) = &flags.run {
        let run = by_id(history, id).map_err(unreadable)?.ok_or_else(|| format!("there is no run `{id}`"))?;
        let number = run.id;
        return in_run(run)?.ok_or_else(|| format!("run {number} had no step `{}`", flags.step));
    }
    let mut cached = None;
    for run in history.newest_first().map_err(unreadable)? {
        match in_run(run)? {
            Some(found) if matches!(found.1.outcome, StepOutcome::Ran | StepOutcome::Failed) => return Ok(found),
            Some(found) if found.1.log.is_some() => cached = cached.or(Some(found)),
            _ => {}
        }
    }
    cached.ok_or_else(|| format!("no run of a step `{}` is known here; `cargo zen list` shows the steps", flags.step))
}

/// `12`, `last`, `last~2`
fn by_id(history: &History, id: &str) -> std::io::Result<Option<RunEntry>> {
    if let Ok(number) = id.parse() {
        return Ok(history.read(RunId(number)));
    }
    let back = match id.strip_prefix("last") {
        Some("") => 0,
        Some(rest) => match rest.strip_prefix('~').and_then(|back| back.parse().ok()) {
            Some(back) => back,
            None => return Ok(None),
        },
        None => return Ok(None),
    };
    Ok(history.newest_first()?.nth(back))
}
