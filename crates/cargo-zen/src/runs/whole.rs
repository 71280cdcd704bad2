//! One run with all that is still known of it.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Map, Value, json};
use zen_core::artifact::{RunId, Timestamp};
use zen_core::engine::history::{RunEntry, StepEntry, StepOutcome};
use zen_core::engine::past::{Facts, Past};

use super::{head_json, made_with, told};
use crate::graph::dag::State;
use crate::human::age;
use crate::shell::Verb;
use crate::words::{elapsed, plain, saved};

/// A run with all that is still known of it.
pub(crate) struct Whole {
    pub(crate) run: RunEntry,
    /// Of each step, in its order.
    pub(crate) facts: Vec<Facts>,
}

impl Whole {
    pub(crate) fn new(past: &Past<'_>, run: RunEntry) -> Self {
        let facts = run.steps.iter().map(|step| past.facts(&run, step)).collect();
        Self { facts, run }
    }

    pub(crate) fn steps(&self) -> impl Iterator<Item = (&StepEntry, &Facts)> {
        self.run.steps.iter().zip(&self.facts)
    }

    pub(super) fn text(&self, now: Timestamp) -> String {
        let run = &self.run;
        let result = if run.success { "" } else { ", failed" };
        let mut text =
            format!("run {}: {} ({} ago{result})\n{}\n", run.id, run.request, age(run.ended(), now), told(run));
        if let Some(made) = made_with(run) {
            let _ = writeln!(text, "{made}");
        }
        for (step, facts) in self.steps() {
            text.push_str(&outcome_line(step, facts, now));
            for (name, value) in facts.params() {
                let _ = writeln!(text, "             {} = {}", plain(name), plain(value));
            }
            for (name, value) in facts.made.iter().flat_map(|made| &made.metrics) {
                let _ = writeln!(text, "             {}: {value}", plain(name));
            }
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        let mut value = head_json(&self.run);
        let steps: Vec<Value> = self
            .steps()
            .map(|(step, facts)| {
                json!({
                    "step": step.step,
                    "outcome": State::from(step.outcome).name(),
                    "key": step.key.map(|key| key.to_string()),
                    "why": step.why,
                    "reused_run": step.reused.and_then(RunId::number),
                    "began_ms": step.began_ms,
                    "duration_ms": step.duration_ms,
                    "saved_ms": step.saved_ms,
                    "failure": step.failure,
                    "exit_code": step.exit_code,
                    "after": step.upstream.iter().filter_map(|it| Some(&self.run.steps.get(it.step as usize)?.step)).collect::<Vec<_>>(),
                    "params": facts.explanation.is_some().then(|| facts.params()),
                    "metrics": facts.made.as_ref().map(|made| &made.metrics),
                })
            })
            .collect();
        value["steps"] = json!(steps);
        with_reason("run", value)
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

fn outcome_line(step: &StepEntry, facts: &Facts, now: Timestamp) -> String {
    let took = elapsed(Duration::from_millis(step.duration_ms));
    let why = if step.why.is_empty() { String::new() } else { format!(" ({})", step.why.join(", ")) };
    let failure = step.failure.as_ref().map(|failure| format!(": {failure}")).unwrap_or_default();
    let reused = || {
        let run = step.reused.map(|run| format!("run {run}"));
        let made = facts.made.as_ref().map(|made| format!("{} ago", age(made.ended, now)));
        let time = format!("saved {}", saved(Duration::from_millis(step.saved_ms)));
        let parts: Vec<String> = run.into_iter().chain(made).chain([time]).collect();
        format!(" ({})", parts.join(", "))
    };
    let line = match step.outcome {
        StepOutcome::Fresh => Verb::Fresh.line(&format!("{}{}", step.step, reused())),
        StepOutcome::Restored => Verb::Restored.line(&format!("{}{}", step.step, reused())),
        StepOutcome::Ran => Verb::Ran.line(&format!("{} in {took}{why}", step.step)),
        StepOutcome::Failed => Verb::Failed.line(&format!("{} after {took}{failure}{why}", step.step)),
        StepOutcome::Skipped => Verb::Skipped.line(&format!("{}{failure}", step.step)),
    };
    line + "\n"
}
