//! What the page knows of each step, as data for its script: shown when somebody asks for the step.

use std::time::Duration;

use anstream::adapter::strip_bytes;
use serde_json::{Value, json};
use zen_core::engine::history::{RunEntry, StepEntry, StepOutcome};
use zen_core::engine::past::{Facts, Past};
use zen_core::key::Explanation;

use crate::explain::label;
use crate::graph::dag::State;
use crate::runs::Whole;
use crate::tame::tame;
use crate::words::{day, elapsed, one_line, saved, size};

/// Items of a component that are listed.
const ITEMS: usize = 40;
/// Characters of a value.
const VALUE: usize = 200;
/// Lines of a log, the last ones.
const LINES: usize = 300;
/// Bytes of a log, the last ones.
const LOG: usize = 32 << 10;
/// Bytes of all logs of a page: those of failed steps first, then of those that ran.
const LOGS: usize = 4 << 20;

/// Of each step, in the order of the run.
pub(super) fn collect(past: &Past<'_>, whole: &Whole, names: &[&str]) -> Vec<Value> {
    let logs = logs(past, &whole.run);
    let of = |((at, (entry, facts)), log): ((usize, (&StepEntry, &Facts)), Value)| {
        let made = facts.made.as_ref();
        let time = match entry.outcome {
            StepOutcome::Ran | StepOutcome::Failed => Some(elapsed(Duration::from_millis(entry.duration_ms))),
            _ => None,
        };
        let artifacts = made.iter().flat_map(|made| made.artifacts.iter().flat_map(|all| all.iter())).map(|artifact| {
            let files = artifact.entries.len();
            json!({ "name": artifact.name, "files": files, "size": size(artifact.size()), "digest": artifact.digest().to_string() })
        });
        json!({
            "id": entry.step,
            "name": names[at],
            "outcome": State::from(entry.outcome).name(),
            "why": entry.why,
            "failure": entry.failure,
            "time": time,
            "saved": (entry.saved_ms > 0).then(|| saved(Duration::from_millis(entry.saved_ms))),
            "exit": entry.exit_code,
            "made": made.map(|made| json!({ "run": made.run.number(), "at": day(made.ended) })),
            "key": entry.key.map(|key| key.to_string()),
            "params": facts.params(),
            "metrics": made.map(|made| &made.metrics),
            "artifacts": artifacts.collect::<Vec<_>>(),
            "components": facts.explanation.as_ref().map(components),
            "after": entry.upstream.iter().map(|it| it.step).filter(|step| (*step as usize) < at).collect::<Vec<_>>(),
            "log": log,
            "log_run": entry.reused.and_then(|run| run.number()),
        })
    };
    whole.steps().enumerate().zip(logs).map(of).collect()
}

fn components(explanation: &Explanation) -> Vec<Value> {
    let of = |(component, digest, items): (
        zen_core::key::Component,
        zen_core::digest::Digest,
        &[zen_core::key::Item],
    )| {
        let shown: Vec<[String; 3]> = items
            .iter()
            .take(ITEMS)
            .map(|item| {
                let value: String = one_line(item.shown.as_deref().unwrap_or_default()).chars().take(VALUE).collect();
                [label(item), item.digest.short(), value]
            })
            .collect();
        json!({ "name": component.name(), "digest": digest.short(), "items": shown, "more": items.len() - shown.len() })
    };
    explanation.components().into_iter().map(of).collect()
}

/// What each step printed: lines, each with the milliseconds since the first; `null` where there is nothing, or no room.
fn logs(past: &Past<'_>, run: &RunEntry) -> Vec<Value> {
    let mut order: Vec<usize> = (0..run.steps.len()).collect();
    let rank = |step: &StepEntry| match step.outcome {
        StepOutcome::Failed => 0,
        StepOutcome::Ran => 1,
        _ => 2,
    };
    order.sort_by_key(|at| rank(&run.steps[*at]));
    let mut logs = vec![Value::Null; run.steps.len()];
    let mut room = LOGS;
    for at in order {
        let Some(captured) = past.log(&run.steps[at]) else { continue };
        let lines: Vec<_> = captured.lines().collect();
        let first = lines.first().and_then(|line| line.at);
        let (mut shown, mut bytes) = (Vec::new(), 0);
        for line in lines.iter().rev().take(LINES) {
            bytes += line.text.len();
            if bytes > LOG && !shown.is_empty() {
                break;
            }
            let end = &line.text[line.text.len().saturating_sub(LOG)..];
            let text = strip_bytes(&tame(end)).into_vec();
            let after = line.at.zip(first).map(|(at, first)| at.0.saturating_sub(first.0));
            shown.push(json!([after, String::from_utf8_lossy(&text).trim_end_matches(['\r', '\n'])]));
        }
        let Some(rest) = room.checked_sub(bytes.min(LOG)) else { break };
        room = rest;
        shown.reverse();
        logs[at] = json!({ "lines": shown, "cut": lines.len() - shown.len() });
    }
    logs
}
