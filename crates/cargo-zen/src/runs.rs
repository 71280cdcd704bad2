//! `cargo zen runs`: what was asked and what came of it, run by run; one of them whole, or two compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Map, Value, json};
use zen_core::artifact::Timestamp;
use zen_core::decide::Why;
use zen_core::engine::Project;
use zen_core::engine::history::{RunEntry, StepEntry, StepOutcome};
use zen_core::engine::now;
use zen_core::engine::past::{Facts, Past};
use zen_core::key::Change;
use zen_core::manifest::resolve::Overrides;

use crate::exit::ExitCode;
use crate::flags::{self, Global, MessageFormat, RunsCommand};
use crate::human::age;
use crate::json::{FORMAT, reasons};
use crate::load::{Loaded, report};
use crate::run::put;
use crate::shell::{Shell, Verb};
use crate::words::{came_of_it, count, elapsed, saved};

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
            if is_json { message(&run.json("run")) } else { run.text(now()) }
        }),
        Some(RunsCommand::Diff { a, b }) => find(project, a).and_then(|a| Ok((a, find(project, b)?))).map(|(a, b)| {
            let difference = Difference::new(&past, &Whole::new(&past, a), &Whole::new(&past, b));
            if is_json { message(&difference.json()) } else { difference.text() }
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
    project.find_run(name).map_err(Missing::Unreadable)?.ok_or_else(|| Missing::Unknown(name.to_owned()))
}

fn message(value: &Value) -> String {
    format!("{}\n{value}\n", json!({ "reason": "zen-format", "version": FORMAT }))
}

fn list(past: &Past<'_>, limit: usize, is_json: bool) -> Result<String, Missing> {
    let mut runs: Vec<RunEntry> = past.newest_first().map_err(Missing::Unreadable)?.take(limit).collect();
    if is_json {
        let runs: Vec<Value> = runs.iter().map(|run| head_json(run, past.saved_ms(run))).collect();
        return Ok(message(&json!({ "reason": "runs", "runs": runs })));
    }
    runs.reverse();
    let now = now();
    let rows: Vec<[String; 5]> = runs
        .iter()
        .map(|run| {
            let result = if run.success { "ok" } else { "failed" };
            [
                run.id.to_string(),
                format!("{} ago", age(run.started, now)),
                asked(run).to_owned(),
                result.to_owned(),
                told(run, past.saved_ms(run)),
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

/// What was asked for, without what only a waiting process wants to know.
fn asked(run: &RunEntry) -> &str {
    let text = run.request.strip_prefix("cargo zen run ").unwrap_or(&run.request);
    text.rsplit_once(" (process ").map_or(text, |(asked, _)| asked)
}

/// What it was made with: `at 1f2e3d4c5b6a (dirty) by rustc 1.95.0`.
fn made_with(run: &RunEntry) -> Option<String> {
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

fn told(run: &RunEntry, saved_ms: u64) -> String {
    let number = |outcomes: &[StepOutcome]| run.steps.iter().filter(|step| outcomes.contains(&step.outcome)).count();
    let numbers = [
        number(&[StepOutcome::Ran]),
        number(&[StepOutcome::Fresh, StepOutcome::Restored]),
        number(&[StepOutcome::Failed]),
        number(&[StepOutcome::Skipped]),
    ];
    came_of_it(numbers, Duration::from_millis(run.duration_ms), Duration::from_millis(saved_ms))
}

fn head_json(run: &RunEntry, saved_ms: u64) -> Value {
    let number = |outcome: StepOutcome| run.steps.iter().filter(|step| step.outcome == outcome).count();
    json!({
        "run": run.id.0,
        "started_ms": run.started.0,
        "duration_ms": run.duration_ms,
        "request": asked(run),
        "success": run.success,
        "ran": number(StepOutcome::Ran),
        "fresh": number(StepOutcome::Fresh),
        "restored": number(StepOutcome::Restored),
        "failed": number(StepOutcome::Failed),
        "skipped": number(StepOutcome::Skipped),
        "saved_ms": saved_ms,
        "commit": run.checkout.as_ref().map(|checkout| &checkout.commit),
        "dirty": run.checkout.as_ref().map(|checkout| checkout.dirty),
        "toolchain": run.toolchain,
    })
}

/// A run with all that is still known of it.
struct Whole {
    run: RunEntry,
    saved_ms: u64,
    /// Of each step, in its order.
    facts: Vec<Option<Facts>>,
}

impl Whole {
    fn new(past: &Past<'_>, run: RunEntry) -> Self {
        let facts = run.steps.iter().map(|step| past.facts(step)).collect();
        Self { saved_ms: past.saved_ms(&run), facts, run }
    }

    fn steps(&self) -> impl Iterator<Item = (&StepEntry, Option<&Facts>)> {
        self.run.steps.iter().zip(self.facts.iter().map(Option::as_ref))
    }

    fn facts_of(&self, step: &str) -> Option<&Facts> {
        self.steps().find(|(entry, _)| entry.step == step).and_then(|(_, facts)| facts)
    }

    fn text(&self, now: Timestamp) -> String {
        let run = &self.run;
        let result = if run.success { "" } else { ", failed" };
        let mut text = format!(
            "run {}: {} ({} ago{result})\n{}\n",
            run.id,
            asked(run),
            age(run.started, now),
            told(run, self.saved_ms)
        );
        if let Some(made) = made_with(run) {
            let _ = writeln!(text, "{made}");
        }
        for (step, facts) in self.steps() {
            text.push_str(&outcome_line(step, facts));
            let Some(facts) = facts else { continue };
            for (name, value) in &facts.params {
                let _ = writeln!(text, "             {name} = {value}");
            }
            for (name, value) in &facts.metrics {
                let _ = writeln!(text, "             {name}: {value}");
            }
        }
        text
    }

    fn json(&self, reason: &str) -> Value {
        let mut value = head_json(&self.run, self.saved_ms);
        let steps: Vec<Value> = self
            .steps()
            .map(|(step, facts)| {
                json!({
                    "step": step.step,
                    "outcome": outcome(step.outcome),
                    "key": step.key.map(|key| key.to_string()),
                    "why": step.why,
                    "reused_run": step.reused.map(|run| run.0),
                    "began_ms": step.began_ms,
                    "duration_ms": step.duration_ms,
                    "failure": step.failure,
                    "exit_code": step.exit_code,
                    "params": facts.map(|facts| &facts.params),
                    "metrics": facts.map(|facts| &facts.metrics),
                })
            })
            .collect();
        value["steps"] = json!(steps);
        with_reason(reason, value)
    }
}

/// `reason` first.
fn with_reason(reason: &str, value: Value) -> Value {
    let mut message = Map::from_iter([("reason".to_owned(), json!(reason))]);
    if let Value::Object(fields) = value {
        message.extend(fields);
    }
    Value::Object(message)
}

fn outcome(outcome: StepOutcome) -> &'static str {
    match outcome {
        StepOutcome::Fresh => "fresh",
        StepOutcome::Restored => "restored",
        StepOutcome::Ran => "ran",
        StepOutcome::Failed => "failed",
        StepOutcome::Skipped => "skipped",
    }
}

fn outcome_line(step: &StepEntry, facts: Option<&Facts>) -> String {
    let took = elapsed(Duration::from_millis(step.duration_ms));
    let why = if step.why.is_empty() { String::new() } else { format!(" ({})", step.why.join(", ")) };
    let reused = || {
        let run = step.reused.map(|run| format!("run {run}"));
        let time = facts.map(|facts| format!("saved {}", saved(Duration::from_millis(facts.took_ms))));
        let parts: Vec<String> = run.into_iter().chain(time).collect();
        if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
    };
    let line = match step.outcome {
        StepOutcome::Fresh => Verb::Fresh.line(&format!("{}{}", step.step, reused())),
        StepOutcome::Restored => Verb::Restored.line(&format!("{}{}", step.step, reused())),
        StepOutcome::Ran => Verb::Ran.line(&format!("{} in {took}{why}", step.step)),
        StepOutcome::Failed => Verb::Failed.line(&format!("{} after {took}{why}", step.step)),
        StepOutcome::Skipped => Verb::Skipped.line(&format!("{}{why}", step.step)),
    };
    line + "\n"
}

/// What is different in a second run.
struct Difference {
    /// Both, in a line each.
    heads: [String; 2],
    ids: [u64; 2],
    steps: Vec<StepDifference>,
}

struct StepDifference {
    step: String,
    outcomes: [Option<StepOutcome>; 2],
    /// Not with the same key.
    is_other: bool,
    /// What it was made from; `None`: nobody knows any more.
    changes: Option<Vec<Change>>,
    metrics: Vec<(String, [Option<f64>; 2])>,
}

impl Difference {
    fn new(past: &Past<'_>, a: &Whole, b: &Whole) -> Self {
        let entry = |run: &Whole, step: &str| run.run.steps.iter().find(|entry| entry.step == step).cloned();
        let mut names: Vec<String> = a.run.steps.iter().map(|entry| entry.step.clone()).collect();
        names.extend(b.run.steps.iter().map(|entry| entry.step.clone()).filter(|step| entry(a, step).is_none()));
        let steps = names.into_iter().map(|step| {
            let entries = [a, b].map(|run| entry(run, &step));
            let [was, is] =
                [a, b].map(|run| run.facts_of(&step).map(|facts| facts.metrics.clone()).unwrap_or_default());
            let (is_other, changes) = match &entries {
                [Some(old), Some(new)] if old.key == new.key => (false, Some(Vec::new())),
                [Some(old), Some(new)] => (true, past.changes(old, new)),
                _ => (true, None),
            };
            let outcomes = entries.map(|entry| entry.map(|entry| entry.outcome));
            StepDifference { is_other, changes, outcomes, metrics: different(was, is), step }
        });
        Self {
            ids: [a, b].map(|run| run.run.id.0),
            heads: [a, b].map(|run| format!("{}: {}", asked(&run.run), told(&run.run, run.saved_ms))),
            steps: steps.collect(),
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (id, head) in self.ids.iter().zip(&self.heads) {
            let _ = writeln!(text, "run {id}: {head}");
        }
        let mut same = 0;
        for step in &self.steps {
            match step.outcomes {
                [Some(_), None] => {
                    let _ = writeln!(text, "{}: only in run {}", step.step, self.ids[0]);
                    continue;
                }
                [None, _] => {
                    let _ = writeln!(text, "{}: only in run {}", step.step, self.ids[1]);
                    continue;
                }
                [Some(_), Some(_)] if !step.is_other => {
                    same += 1;
                    continue;
                }
                [Some(_), Some(_)] => {
                    let _ = writeln!(text, "{}", step.step);
                }
            }
            for change in step.changes.iter().flatten() {
                let _ = writeln!(text, "    {change}");
            }
            if step.changes.is_none() {
                text.push_str("    what it was made from is no longer in the store\n");
            }
            for (name, values) in &step.metrics {
                let [was, is] = values.map(|value| value.map(|value| value.to_string()));
                let change = match *values {
                    [Some(was), Some(is)] => format!(" ({:+})", round(is - was)),
                    _ => String::new(),
                };
                let _ = writeln!(text, "    {name}: {} → {}{change}", shown(was.as_deref()), shown(is.as_deref()));
            }
        }
        if same > 0 {
            let _ = writeln!(text, "{} the same", count(same, "step"));
        }
        text
    }

    fn json(&self) -> Value {
        let steps: Vec<Value> = self
            .steps
            .iter()
            .map(|step| {
                let metrics = step.metrics.iter();
                let metrics = metrics.map(|(name, [was, is])| (name.clone(), json!({ "old": was, "new": is })));
                let changes: Option<Vec<Why>> =
                    step.changes.as_ref().map(|changes| changes.iter().cloned().map(Why::Changed).collect());
                json!({
                    "step": step.step,
                    "outcomes": step.outcomes.map(|it| it.map(outcome)),
                    "changed": step.is_other,
                    "differences": changes.map(|changes| reasons(&changes)),
                    "metrics": Map::from_iter(metrics),
                })
            })
            .collect();
        json!({ "reason": "runs-diff", "old_run": self.ids[0], "new_run": self.ids[1], "steps": steps })
    }
}

fn shown(value: Option<&str>) -> &str {
    value.unwrap_or("(not there)")
}

/// A difference without the noise of binary fractions.
fn round(difference: f64) -> f64 {
    let text = format!("{difference:.9}");
    text.parse().unwrap_or(difference)
}

/// The metrics that are not the same, each as it was and as it is.
fn different(mut old: BTreeMap<String, f64>, new: BTreeMap<String, f64>) -> Vec<(String, [Option<f64>; 2])> {
    let mut all: BTreeMap<String, [Option<f64>; 2]> = BTreeMap::new();
    for (name, is) in new {
        let was = old.remove(&name);
        all.insert(name, [was, Some(is)]);
    }
    all.extend(old.into_iter().map(|(name, was)| (name, [Some(was), None])));
    all.into_iter().filter(|(_, [was, is])| was != is).collect()
}
