//! What is different in a second run.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use zen_core::decide::Why;
use zen_core::engine::history::{StepEntry, StepOutcome};
use zen_core::engine::past::Past;
use zen_core::key::Change;

use super::{Whole, told};
use crate::graph::dag::State;
use crate::json::reasons;
use crate::words::{count, metric};

/// Two runs, step by step.
pub(crate) struct Difference {
    /// Both, in a line each.
    pub(crate) heads: [String; 2],
    pub(crate) ids: [u64; 2],
    pub(crate) steps: Vec<StepDifference>,
}

pub(crate) struct StepDifference {
    pub(crate) step: String,
    pub(crate) outcomes: [Option<StepOutcome>; 2],
    /// Not with the same key, or with it and another end.
    pub(crate) is_other: bool,
    /// What it was made from; `None`: nobody knows any more.
    pub(crate) changes: Option<Vec<Change>>,
    pub(crate) metrics: Vec<(String, [Option<f64>; 2])>,
}

impl Difference {
    pub(crate) fn new(past: &Past<'_>, a: &Whole, b: &Whole) -> Self {
        let known = [a, b].map(|run| run.steps().map(|it| (it.0.step.as_str(), it)).collect::<HashMap<_, _>>());
        let names = a.run.steps.iter().map(|entry| &entry.step);
        let new = b.run.steps.iter().map(|entry| &entry.step).filter(|step| !known[0].contains_key(step.as_str()));
        let steps = names.chain(new).map(|step| {
            let both = known.each_ref().map(|known| known.get(step.as_str()).copied());
            let entries = both.map(|it| it.map(|(entry, _)| entry));
            let made = both.map(|it| it.and_then(|(_, facts)| facts.made.as_ref()));
            let [was, is] = made.map(|made| made.map(|made| made.metrics.clone()).unwrap_or_default());
            let metrics = different(was, is);
            let has_failed = |entry: &StepEntry| matches!(entry.outcome, StepOutcome::Failed | StepOutcome::Skipped);
            let (is_other, changes) = match entries {
                // Made from the same, it may still have come out in another way.
                [Some(old), Some(new)] if old.key.is_some() && old.key == new.key => {
                    (has_failed(old) != has_failed(new) || !metrics.is_empty(), Some(Vec::new()))
                }
                [Some(old), Some(new)] => (true, past.changes(old, new)),
                _ => (true, None),
            };
            let outcomes = entries.map(|entry| entry.map(|entry| entry.outcome));
            StepDifference { is_other, changes, outcomes, metrics, step: step.clone() }
        });
        Self {
            ids: [a, b].map(|run| run.run.id.0),
            heads: [a, b].map(|run| format!("{}: {}", run.run.request, told(&run.run))),
            steps: steps.collect(),
        }
    }

    pub(super) fn text(&self) -> String {
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
            match (&step.changes, step.outcomes) {
                (None, _) => text.push_str("    what it was made from is not in the store\n"),
                (Some(changes), [Some(was), Some(is)]) if changes.is_empty() && was != is => {
                    let [was, is] = [was, is].map(|outcome| State::from(outcome).name());
                    let _ = writeln!(text, "    {was} → {is}, from the same");
                }
                _ => {}
            }
            for (name, values) in &step.metrics {
                let _ = writeln!(text, "    {}", metric(name, *values));
            }
        }
        if same > 0 {
            let _ = writeln!(text, "{} the same", count(same, "step"));
        }
        text
    }

    pub(super) fn json(&self) -> Value {
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
                    "outcomes": step.outcomes.map(|it| it.map(|outcome| State::from(outcome).name())),
                    "changed": step.is_other,
                    "differences": changes.map(|changes| reasons(&changes)),
                    "metrics": Map::from_iter(metrics),
                })
            })
            .collect();
        json!({ "reason": "runs-diff", "old_run": self.ids[0], "new_run": self.ids[1], "steps": steps })
    }
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
