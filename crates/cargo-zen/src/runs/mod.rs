//! `cargo zen runs`: what was asked and what came of it, run by run; one of them whole, or two compared.

mod difference;
mod whole;

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use zen_core::engine::Project;
use zen_core::engine::history::{RunEntry, StepOutcome};
use zen_core::engine::now;
use zen_core::engine::past::Past;
use zen_core::manifest::resolve::Overrides;

pub(crate) use self::difference::Difference;
pub(crate) use self::whole::Whole;
use crate::exit::ExitCode;
use crate::flags::{self, Global, MessageFormat, RunsCommand};
use crate::human::age;
use crate::json::lines;
use crate::load::{Loaded, report};
use crate::run::put;
use crate::shell::Shell;
use crate::words::came_of_it;

/// Runs that are listed unless somebody asks for more.
const LISTED: usize = 20;

/// `cargo zen runs`
pub(crate) fn runs(global: &Global, flags: &flags::Runs, shell: &mut Shell) -> ExitCode {
    let loaded = match Loaded::new(global, &Overrides::default(), shell) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let project = &loaded.project;
    let past = match Past::open(project, &loaded.definitions, loaded.store_dir.as_deref()) {
        Ok(past) => past,
        Err(error) => return report(shell, &error, loaded.sources()),
    };
    let is_json = global.message_format == MessageFormat::Json;
    let text = match &flags.command {
        None => list(&past, flags.limit.unwrap_or(LISTED), is_json),
        Some(RunsCommand::Show { run }) => find(project, run).map(|run| {
            let run = Whole::new(&past, run);
            if is_json { lines(&[run.json()]) } else { run.text(now()) }
        }),
        Some(RunsCommand::Diff { a, b }) => find(project, a).and_then(|a| Ok((a, find(project, b)?))).map(|(a, b)| {
            let difference = Difference::new(&past, &Whole::new(&past, a), &Whole::new(&past, b));
            if is_json { lines(&[difference.json()]) } else { difference.text() }
        }),
    };
    match text {
        Ok(text) => put(shell.stdout(), text.as_bytes(), shell),
        Err(missing) => missing.say(shell),
    }
}

/// Why there is no run to show.
pub(crate) enum Missing {
    Unreadable(std::io::Error),
    /// There are no runs at all.
    None,
    Unknown(String),
}

impl Missing {
    /// To whoever asked for the run.
    pub(crate) fn say(self, shell: &mut Shell) -> ExitCode {
        match self {
            Self::Unreadable(error) => {
                shell.error(&format!("the history of runs cannot be read: {error}"));
                ExitCode::Store
            }
            Self::None => {
                shell.error("no run has ended here yet");
                shell.help("cargo zen run");
                ExitCode::NothingSelected
            }
            Self::Unknown(name) => {
                shell.error(&format!("there is no run `{name}`"));
                shell.help(
                    "a run is its number, `last`, `last~2` for two before that, or a git revision; `cargo zen runs` lists them",
                );
                ExitCode::NothingSelected
            }
        }
    }
}

/// The run that a name means.
pub(crate) fn find(project: &Project, name: &str) -> Result<RunEntry, Missing> {
    if let Some(run) = project.find_run(name).map_err(Missing::Unreadable)? {
        return Ok(run);
    }
    let any = project.find_run("last").map_err(Missing::Unreadable)?;
    Err(if any.is_some() { Missing::Unknown(name.to_owned()) } else { Missing::None })
}

fn list(past: &Past<'_>, limit: usize, is_json: bool) -> Result<String, Missing> {
    let mut runs: Vec<RunEntry> = past.newest_first().map_err(Missing::Unreadable)?.take(limit).collect();
    if is_json {
        let runs: Vec<Value> = runs.iter().map(head_json).collect();
        return Ok(lines(&[json!({ "reason": "runs", "runs": runs })]));
    }
    runs.reverse();
    let now = now();
    let rows: Vec<[String; 5]> = runs
        .iter()
        .map(|run| {
            let result = if run.success { "ok" } else { "failed" };
            [
                run.id.to_string(),
                format!("{} ago", age(run.ended(), now)),
                run.request.clone(),
                result.to_owned(),
                told(run),
            ]
        })
        .collect();
    Ok(table(&rows))
}

/// Columns, each as wide as it must be; the last as it is.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: Vec<usize> =
        (0..N).map(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or_default()).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell}{}  ", " ".repeat(width - cell.chars().count()));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// What it was made with: `at 1f2e3d4c5b6a (dirty) by rustc 1.95.0`.
pub(crate) fn made_with(run: &RunEntry) -> Option<String> {
    let at = run.checkout.as_ref().map(|checkout| {
        let dirty = if checkout.dirty { " (dirty)" } else { "" };
        format!("at {}{dirty}", short(&checkout.commit))
    });
    let release = |text: &String| text.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let by = run.toolchain.as_ref().map(|toolchain| format!("by {}", release(toolchain)));
    let parts: Vec<String> = at.into_iter().chain(by).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// The beginning of a commit, as long as it must be for people.
fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

pub(crate) fn told(run: &RunEntry) -> String {
    let number = |outcomes: &[StepOutcome]| run.steps.iter().filter(|step| outcomes.contains(&step.outcome)).count();
    let numbers = [
        number(&[StepOutcome::Ran]),
        number(&[StepOutcome::Fresh, StepOutcome::Restored]),
        number(&[StepOutcome::Failed]),
        number(&[StepOutcome::Skipped]),
    ];
    came_of_it(numbers, Duration::from_millis(run.duration_ms), Duration::from_millis(run.saved_ms()))
}

fn head_json(run: &RunEntry) -> Value {
    let number = |outcome: StepOutcome| run.steps.iter().filter(|step| step.outcome == outcome).count();
    json!({
        "run": run.id.0,
        "started_ms": run.started.0,
        "duration_ms": run.duration_ms,
        "request": run.request,
        "success": run.success,
        "ran": number(StepOutcome::Ran),
        "fresh": number(StepOutcome::Fresh),
        "restored": number(StepOutcome::Restored),
        "failed": number(StepOutcome::Failed),
        "skipped": number(StepOutcome::Skipped),
        "saved_ms": run.saved_ms(),
        "commit": run.checkout.as_ref().map(|checkout| &checkout.commit),
        "dirty": run.checkout.as_ref().map(|checkout| checkout.dirty),
        "toolchain": run.toolchain,
    })
}
