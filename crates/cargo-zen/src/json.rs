//! A run for programs: one JSON object a line on standard output, `reason` first, as cargo does.

use std::io::Write;

use serde_json::{Value, json};
use zen_core::decide::{Decision, Why};
use zen_core::event::{Event, Finished, Listener, Outcome, Planned, Summary};
use zen_core::model::{Model, StepId};

/// The version of the messages' format.
pub(crate) const FORMAT: u32 = 1;

/// Writes what happens to standard output.
pub(crate) struct Json<'a, W: Write> {
    /// What step ids mean.
    pub(crate) model: &'a Model,
    /// Where the lines go.
    pub(crate) out: W,
    /// The first error of writing: a reader that went away is no failure of the run.
    pub(crate) broken: Option<std::io::Error>,
}

impl<'a, W: Write> Json<'a, W> {
    /// Says the format's version at once.
    pub(crate) fn new(model: &'a Model, out: W) -> Self {
        let mut json = Self { model, out, broken: None };
        json.line(&json!({ "reason": "zen-format", "version": FORMAT }));
        json
    }

    /// Writes one message.
    pub(crate) fn line(&mut self, value: &Value) {
        if self.broken.is_none() {
            let written = writeln!(self.out, "{value}").and_then(|()| self.out.flush());
            self.broken = written.err();
        }
    }

    fn id(&self, step: StepId) -> &str {
        &self.model.step(step).display_id
    }

    /// `plan`
    pub(crate) fn plan(&mut self, steps: &[Planned]) {
        let steps: Vec<Value> = steps
            .iter()
            .map(|step| {
                json!({ "step": self.id(step.step), "decision": decision(step.decision), "why": reasons(&step.why) })
            })
            .collect();
        self.line(&json!({ "reason": "plan", "steps": steps }));
    }

    fn finished(&mut self, finished: &Finished) {
        let step = self.model.step(finished.step);
        let outputs: Vec<Value> = finished
            .artifacts
            .iter()
            .map(|artifact| {
                let place = step.outputs.iter().find(|output| output.name == artifact.name);
                json!({
                    "name": artifact.name,
                    "path": place.map(|output| output.place.root().to_string()),
                    "digest": artifact.digest().to_string(),
                    "size": artifact.size(),
                })
            })
            .collect();
        let mut message = json!({
            "reason": "step-finished",
            "step": step.display_id,
            "outcome": outcome(finished.outcome),
            "key": finished.key.map(|key| key.to_string()),
            "why": reasons(&finished.why),
            "duration_ms": finished.duration.as_millis() as u64,
            "exit_code": finished.exit_code,
            "outputs": outputs,
        });
        if let Some(reused) = finished.reused {
            message["reused_run"] = json!(reused.run.0);
            message["saved_ms"] = json!(reused.saved.as_millis() as u64);
        }
        if let Some(failure) = &finished.failure {
            message["failure"] = json!(failure);
        }
        self.line(&message);
    }

    fn run_finished(&mut self, summary: &Summary) {
        self.line(&json!({
            "reason": "run-finished",
            "run": summary.run.map(|run| run.0),
            "success": summary.success,
            "ran": summary.ran,
            "fresh": summary.fresh,
            "restored": summary.restored,
            "failed": summary.failed,
            "skipped": summary.skipped,
            "duration_ms": summary.duration.as_millis() as u64,
            "saved_ms": summary.saved.as_millis() as u64,
        }));
    }
}

impl<W: Write> Listener for Json<'_, W> {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Planned(steps) => self.plan(steps),
            Event::Blocking { on, holder } => {
                self.line(&json!({ "reason": "blocking", "on": on, "holder": holder }));
            }
            Event::Started { step, why, attempt } => {
                let step = self.id(*step);
                self.line(&json!({ "reason": "step-started", "step": step, "why": reasons(why), "attempt": attempt }));
            }
            // For people alone: programs hear that the step started.
            Event::TerminalTaken { .. } => {}
            Event::Output { step, bytes } => {
                let (step, text) = (self.id(*step), String::from_utf8_lossy(bytes));
                self.line(&json!({ "reason": "step-output", "step": step, "text": text }));
            }
            Event::Retrying { step, attempt, failure, delay } => {
                let (step, delay_ms) = (self.id(*step), delay.as_millis() as u64);
                self.line(&json!({
                    "reason": "step-retrying", "step": step, "attempt": attempt, "failure": failure, "delay_ms": delay_ms,
                }));
            }
            Event::Finished(finished) => self.finished(finished),
            Event::Warning(diagnostic) => {
                self.line(&json!({ "reason": "warning", "message": diagnostic.message, "help": diagnostic.helps }));
            }
            Event::Note(text) => self.line(&json!({ "reason": "note", "message": text })),
            Event::RunFinished(summary) => self.run_finished(summary),
        }
    }
}

fn decision(decision: Decision) -> &'static str {
    match decision {
        Decision::Fresh => "fresh",
        Decision::Restore => "restore",
        Decision::Run => "run",
        Decision::Maybe => "maybe",
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Fresh => "fresh",
        Outcome::Restored => "restored",
        Outcome::Ran => "ran",
        Outcome::Failed => "failed",
        Outcome::Skipped => "skipped",
    }
}

fn reasons(why: &[Why]) -> Vec<Value> {
    why.iter().map(reason).collect()
}

/// `{ kind, component, item, old, new, text }`
fn reason(why: &Why) -> Value {
    let change = if let Why::Changed(change) = why { Some(change) } else { None };
    let item = match why {
        Why::Changed(change) if change.item.is_empty() => change.path.clone(),
        Why::Changed(change) => Some(change.item.clone()),
        Why::ArtifactMissing(item) | Why::Upstream(item) => Some(item.clone()),
        _ => None,
    };
    let (old, new) = match why {
        Why::Expired { age, limit } => (Some(format!("{age}s")), Some(format!("{}s", limit.as_secs()))),
        _ => (change.and_then(|c| c.old.clone()), change.and_then(|c| c.new.clone())),
    };
    let mut value = json!({
        "kind": why.kind(),
        "component": change.map(|change| change.component.name()),
        "item": item,
        "old": old,
        "new": new,
        "text": why.to_string(),
    });
    if let Some(path) = change.and_then(|change| change.path.as_ref()) {
        value["path"] = json!(path);
    }
    value
}
