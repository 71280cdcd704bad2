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
    steps: Vec<StepDifference>,
}

pub(crate) struct StepDifference {
    pub(crate) step: String,
    outcomes: [Option<StepOutcome>; 2],
    /// In one run alone, not with the same key, or with it and another end.
    is_other: bool,
    /// What it was made from; `None`: nobody knows any more.
    changes: Option<Vec<Change>>,
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

    /// The steps that are not the same in both.
    pub(crate) fn others(&self) -> impl Iterator<Item = &StepDifference> {
        self.steps.iter().filter(|step| step.is_other)
    }

    /// How many are the same in both.
    pub(crate) fn same(&self) -> usize {
        self.steps.len() - self.others().count()
    }

    /// What is different about a step, in words, besides its metrics.
    pub(crate) fn what(&self, step: &StepDifference) -> Vec<String> {
        let [old, new] = self.ids;
        match (step.outcomes, &step.changes) {
            ([_, None], _) => vec![format!("only in run {old}")],
            ([None, _], _) => vec![format!("only in run {new}")],
            (_, None) => vec!["what it was made from is not in the store".to_owned()],
            ([Some(was), Some(is)], Some(changes)) if changes.is_empty() && was != is => {
                let [was, is] = [was, is].map(|outcome| State::from(outcome).name());
                vec![format!("{was} → {is}, from the same")]
            }
            (_, Some(changes)) => changes.iter().map(ToString::to_string).collect(),
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (id, head) in self.ids.iter().zip(&self.heads) {
            let _ = writeln!(text, "run {id}: {head}");
        }
        for step in self.others() {
            let what = self.what(step);
            if step.outcomes.contains(&None) {
                let _ = writeln!(text, "{}: {}", step.step, what.join(", "));
                continue;
            }
            let _ = writeln!(text, "{}", step.step);
            let metrics = step.metrics.iter().map(|(name, values)| metric(name, *values));
            for line in what.into_iter().chain(metrics) {
                let _ = writeln!(text, "    {line}");
            }
        }
        let same = self.same();
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
