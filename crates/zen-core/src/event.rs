//! What happens in a run, as a stream: progress, JSON, history and reports are its consumers. Knows none of them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::artifact::{Artifact, Key, RunId, Timestamp};
use crate::decide::{Decision, Why};
use crate::diag::Diagnostic;
use crate::model::{Step, StepId};

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// A record exists and the outputs on disk match it.
    Fresh,
    /// A record exists and its outputs were put back.
    Restored,
    /// It ran and succeeded.
    Ran,
    /// It ran and did not succeed.
    Failed,
    /// Something upstream failed, or the run was stopped before it started.
    Skipped,
}

impl Outcome {
    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Restored => "restored",
            Self::Ran => "ran",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    /// Was a record used in place of running it?
    pub fn is_cached(self) -> bool {
        matches!(self, Self::Fresh | Self::Restored)
    }
}

/// A step's outputs as messages and hooks are told: `{ name, path, digest, size }`.
pub fn outputs_json(step: &Step, artifacts: &[Artifact]) -> Vec<serde_json::Value> {
    let outputs = step.outputs.iter().zip(artifacts).map(|(output, artifact)| {
        json!({
            "name": artifact.name,
            "path": output.place.root().to_string(),
            "digest": artifact.digest().to_string(),
            "size": artifact.size(),
        })
    });
    outputs.collect()
}

/// One line of the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The step.
    pub step: StepId,
    /// What is to happen.
    pub decision: Decision,
    /// Why, if it is to run; empty otherwise.
    pub why: Vec<Why>,
    /// The production that is reused.
    pub reused: Option<Reused>,
    /// If it may run: what it took when it last did.
    pub expected: Option<Duration>,
}

/// The production that a cached step takes its outputs from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reused {
    /// The run that made it.
    pub run: RunId,
    /// When it was made.
    pub ended: Timestamp,
    /// What it took then.
    pub saved: Duration,
}

/// The end of one step.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// The step.
    pub step: StepId,
    /// How it ended.
    pub outcome: Outcome,
    /// Its key; `None` where it could not be computed.
    pub key: Option<Key>,
    /// Why it ran, or why it was skipped.
    pub why: Vec<Why>,
    /// When its command began, since zen began to look at anything; `None` if none was started.
    pub began: Option<Duration>,
    /// What it took in this run.
    pub duration: Duration,
    /// The exit code of its command, if one ran and exited.
    pub exit_code: Option<i32>,
    /// What is at its outputs' places now.
    pub artifacts: Arc<[Artifact]>,
    /// The production that is reused.
    pub reused: Option<Reused>,
    /// What it measured, if it ran, by name.
    pub metrics: Vec<Metric>,
    /// If it failed: what happened, in one line, and where its left-overs are.
    pub failure: Option<String>,
}

/// A number in an output that is a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// The output, and the path in it: `test_acc.accuracy`.
    pub name: String,
    /// What it is.
    pub value: f64,
    /// What it was in the record that the reason to run compares with, if there was one.
    pub before: Option<f64>,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Its number; `None` where no history could be written.
    pub run: Option<RunId>,
    /// Did nothing fail?
    pub success: bool,
    /// How many steps ran and succeeded.
    pub ran: usize,
    /// How many were fresh.
    pub fresh: usize,
    /// How many were restored.
    pub restored: usize,
    /// How many failed.
    pub failed: usize,
    /// How many were skipped.
    pub skipped: usize,
    /// What all of it took.
    pub duration: Duration,
    /// What the cached steps had taken when they were made.
    pub saved: Duration,
}

/// A part of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Tables and definitions.
    Load,
    /// Stating what stood at the end of an earlier run.
    Stand,
    /// Listing folders and stating files.
    Walk,
    /// Reading files for their digests.
    Hash,
    /// Waiting for the places of the run.
    Lock,
    /// Keys, records, and whether outputs are in place.
    Decide,
    /// A step's outputs are put back.
    Restore,
    /// A step's inputs are stated once more, and what it reads of others is put in place.
    Prepare,
    /// A step's command, and what cargo builds for it.
    Run,
    /// A step's outputs are stored and recorded.
    Store,
    /// All outputs are stated once more.
    Check,
    /// What the next run can rest on is written down.
    Note,
}

impl Part {
    /// In one word, as it is called in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Stand => "stand",
            Self::Walk => "walk",
            Self::Hash => "hash",
            Self::Lock => "lock",
            Self::Decide => "decide",
            Self::Restore => "restore",
            Self::Prepare => "prepare",
            Self::Run => "run",
            Self::Store => "store",
            Self::Check => "check",
            Self::Note => "note",
        }
    }
}

/// Where time went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// The step that it was for, if it was for one.
    pub step: Option<StepId>,
    /// On what.
    pub part: Part,
    /// When that began, since the command began to look at anything.
    pub from: Duration,
    /// How long it took.
    pub took: Duration,
}

/// Something happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The plan stands, in topological order.
    Planned(Vec<Planned>),
    /// A lock is held by somebody else.
    Blocking {
        /// What for: a step, or a place.
        on: String,
        /// Who holds it.
        holder: String,
    },
    /// A command starts.
    Started {
        /// The step.
        step: StepId,
        /// Why.
        why: Vec<Why>,
        /// 1 for the first try.
        attempt: u32,
    },
    /// The step's command has the terminal to itself from now on, until the step ends or is tried again.
    TerminalTaken {
        /// The step.
        step: StepId,
    },
    /// A piece of captured output: whole lines, the last one perhaps without its end.
    Output {
        /// The step.
        step: StepId,
        /// As it came.
        bytes: Vec<u8>,
    },
    /// A piece of what a hook printed, as it came: whole lines, the last one perhaps without its end.
    HookOutput {
        /// Which: ``on-failure of step `p/s` ``.
        hook: String,
        /// As it came.
        bytes: Vec<u8>,
    },
    /// A try failed and another follows.
    Retrying {
        /// The step.
        step: StepId,
        /// The try that failed.
        attempt: u32,
        /// What happened, in one line.
        failure: String,
        /// How long until the next.
        delay: Duration,
    },
    /// A step ended.
    Finished(Box<Finished>),
    /// A part of the work is done.
    Spent(Spent),
    /// Something to say to the user that fails nothing.
    Warning(Diagnostic),
    /// A note: one line, for people.
    Note(String),
    /// The run ended.
    RunFinished(Summary),
}

/// Whoever listens. Called from one thread, in order.
pub trait Listener {
    /// Something happened.
    fn event(&mut self, event: &Event);
}
