//! A run for programs: one JSON object a line on standard output, `reason` first, as cargo does.

use std::io::Write;

use serde_json::{Value, json};
use zen_core::decide::{Decision, Why};
use zen_core::event::{Event, Finished, Listener, Planned, Summary, outputs_json};
use zen_core::model::{Model, StepId};

/// The version of the messages' format. What each of them holds is in `docs/messages.schema.json`.
const FORMAT: u32 = 1;

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
        json.line(&format());
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
        let mut message = json!({
            "reason": "step-finished",
            "step": step.display_id,
            "outcome": finished.outcome.name(),
            "key": finished.key.map(|key| key.to_string()),
            "why": reasons(&finished.why),
            "duration_ms": finished.duration.as_millis() as u64,
            "exit_code": finished.exit_code,
            "outputs": outputs_json(step, &finished.artifacts),
        });
        if let Some(reused) = finished.reused {
            message["reused_run"] = json!(reused.run.number());
            message["saved_ms"] = json!(reused.saved.as_millis() as u64);
        }
        if !finished.metrics.is_empty() {
            let metrics = finished.metrics.iter();
            let metrics = metrics.map(|it| json!({ "name": it.name, "value": it.value, "old": it.before }));
            message["metrics"] = json!(metrics.collect::<Vec<_>>());
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
            Event::TerminalTaken { .. } | Event::Spent(_) => {}
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
            Event::HookOutput { hook, bytes } => {
                let text = String::from_utf8_lossy(bytes);
                self.line(&json!({ "reason": "hook-output", "hook": hook, "text": text }));
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

/// `zen-format`: what comes first, whatever the command.
fn format() -> Value {
    json!({ "reason": "zen-format", "version": FORMAT })
}

/// All that a command has to say, where it is known at once.
pub(crate) fn lines(messages: &[Value]) -> String {
    std::iter::once(&format()).chain(messages).map(|message| format!("{message}\n")).collect()
}

/// As messages have it.
pub(crate) fn decision(decision: Decision) -> &'static str {
    match decision {
        Decision::Fresh => "fresh",
        Decision::Restore => "restore",
        Decision::Run => "run",
        Decision::Maybe => "maybe",
    }
}

/// As messages have them.
pub(crate) fn reasons(why: &[Why]) -> Vec<Value> {
    why.iter().map(Why::to_json).collect()
}
