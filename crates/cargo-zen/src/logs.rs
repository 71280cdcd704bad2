//! `cargo zen logs`: the captured output of a step.

use std::hash::{BuildHasher, RandomState};

use serde_json::{Value, json};
use zen_core::artifact::RunId;
use zen_core::captured::Captured;
use zen_core::engine::history::{History, RunEntry, StepEntry, StepOutcome};
use zen_core::engine::{EngineError, select};
use zen_core::graph::{Request, SelectError};
use zen_core::manifest::resolve::Overrides;
use zen_core::model::split_id;
use zen_core::store::Objects;
use zen_core::store::local::{Access, LocalStore};

use crate::exit::ExitCode;
use crate::flags::{self, Global, MessageFormat};
use crate::graph::dag::State;
use crate::json;
use crate::load::{Loaded, report};
use crate::run::put;
use crate::runs;
use crate::shell::Shell;
use crate::tame::tame;
use crate::words::utc;

/// `cargo zen logs`
pub(crate) fn logs(global: &Global, flags: &flags::Logs, shell: &mut Shell) -> ExitCode {
    let loaded = match Loaded::new(global, &Overrides::default(), shell) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let history = History::new(&loaded.project.workspace.zen_dir().join("runs"));
    // As `run -s` looks it up; a step that the tables no longer define may still be in the history.
    let request = Request { names: Vec::new(), steps: vec![flags.step.clone()], package: global.package.clone() };
    let (id, unknown) = match select(&loaded.definitions, &request) {
        Ok(selection) if selection.selected.len() > 1 => {
            let ids = selection.selected.iter().map(|step| loaded.definitions.model.step(*step).display_id.clone());
            let error = SelectError::SeveralSteps { name: flags.step.clone(), choices: ids.collect() };
            return report(shell, &EngineError::Select(error), loaded.sources());
        }
        Ok(selection) => (loaded.definitions.model.step(selection.selected[0]).display_id.clone(), None),
        Err(error @ EngineError::Select(SelectError::SeveralSteps { .. })) => {
            return report(shell, &error, loaded.sources());
        }
        Err(error) => (flags.step.clone(), Some(error)),
    };
    let run = match flags.run.as_deref().map(|name| runs::find(&loaded.project, name)).transpose() {
        Ok(run) => run,
        Err(missing) => return missing.say(shell),
    };
    let (run, step) = match (find(&history, &id, run), unknown) {
        (Ok(found), _) => found,
        (Err(_), Some(error)) => return report(shell, &error, loaded.sources()),
        (Err(text), None) => {
            shell.error(&text);
            return ExitCode::NothingSelected;
        }
    };
    let folder = loaded.project.store_folder(&loaded.definitions.model, loaded.store_dir.as_deref());
    let store = match LocalStore::open(&folder, Access::Read) {
        Ok(store) => store,
        Err(error) => return report(shell, &error.into(), loaded.sources()),
    };
    let bytes = match step.log.map(|log| store.read(log)).transpose() {
        Ok(bytes) => bytes,
        Err(error) => {
            shell.error(&format!("the output of `{}` in run {} is gone: {error}", step.step, run.id));
            return ExitCode::Store;
        }
    };
    if global.message_format == MessageFormat::Json {
        let captured = bytes.map(Captured::decode);
        return put(shell.stdout(), as_json(&run, &step, captured.as_ref()).as_bytes(), shell);
    }
    let Some(bytes) = bytes else {
        shell.note(&format!("`{}` printed nothing in run {}", step.step, run.id));
        return ExitCode::Ok;
    };
    match (step.outcome, step.reused) {
        (StepOutcome::Fresh | StepOutcome::Restored, Some(made)) => {
            shell.note(&format!("`{}` was cached in run {}: this is the output of run {made}", step.step, run.id));
        }
        _ => shell.note(&format!("output of `{}` in run {}", step.step, run.id)),
    }
    let captured = Captured::decode(bytes);
    let text = if flags.timestamps { stamped(&captured) } else { captured.text().to_vec() };
    put(std::io::stdout(), &for_reading(&text, shell.is_github), shell)
}

/// Each line behind the time at which it began.
fn stamped(captured: &Captured) -> Vec<u8> {
    let mut text = Vec::new();
    for line in captured.lines() {
        let at = line.at.map_or_else(|| "-".to_owned(), utc);
        text.extend_from_slice(format!("{at}  ").as_bytes());
        text.extend_from_slice(line.text);
    }
    text
}

fn as_json(run: &RunEntry, step: &StepEntry, captured: Option<&Captured>) -> String {
    let lines: Vec<Value> = captured
        .into_iter()
        .flat_map(Captured::lines)
        .map(|line| json!({ "at_ms": line.at.map(|at| at.0), "text": String::from_utf8_lossy(line.text) }))
        .collect();
    json::lines(&[json!({
        "reason": "log",
        "step": step.step,
        "run": run.id.0,
        "outcome": State::from(step.outcome).name(),
        "reused_run": step.reused.and_then(RunId::number),
        "lines": lines,
    })])
}

/// A log that is shown again: what a terminal or GitHub's runner would obey, it is not to obey once more.
fn for_reading(bytes: &[u8], is_github: bool) -> Vec<u8> {
    let text = tame(bytes);
    if !is_github {
        return text;
    }
    let token = format!("{:016x}", RandomState::new().hash_one(bytes));
    let end = if text.ends_with(b"\n") || text.is_empty() { "" } else { "\n" };
    [format!("::stop-commands::{token}\n").as_bytes(), &text, format!("{end}::{token}::\n").as_bytes()].concat()
}

/// The step's entry in the run that is asked for, or in the latest in which it ran.
fn find(history: &History, name: &str, run: Option<RunEntry>) -> Result<(RunEntry, StepEntry), String> {
    let is_it = |step: &&StepEntry| step.step == name || split_id(&step.step).is_some_and(|(_, short)| short == name);
    let unreadable = |error: std::io::Error| format!("the history of runs cannot be read: {error}");
    let in_run = |run: RunEntry| {
        let mut steps = run.steps.iter().filter(is_it);
        let (first, second) = (steps.next().cloned(), steps.next().cloned());
        match (first, second) {
            (Some(step), None) => Ok(Some((run, step))),
            (Some(a), Some(b)) => {
                Err(format!("several steps are called `{name}`: {}, {}; give the whole id", a.step, b.step))
            }
            (None, _) => Ok(None),
        }
    };
    if let Some(run) = run {
        let number = run.id;
        return in_run(run)?.ok_or_else(|| format!("run {number} had no step `{name}`"));
    }
    let mut cached = None;
    for run in history.newest_first().map_err(unreadable)? {
        match in_run(run)? {
            Some(found) if matches!(found.1.outcome, StepOutcome::Ran | StepOutcome::Failed) => return Ok(found),
            Some(found) if found.1.log.is_some() => cached = cached.or(Some(found)),
            _ => {}
        }
    }
    cached.ok_or_else(|| format!("step `{name}` has not run here yet"))
}
