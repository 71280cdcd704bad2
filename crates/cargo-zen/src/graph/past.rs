//! The DAG of a run of the past, as history has it: the tables may have changed since.

use std::collections::HashMap;

use zen_core::engine::history::{RunEntry, StepOutcome, Tie};
use zen_core::model::split_id;

use super::dag::{Dag, Edge, Kind, Link, Node, State};

impl From<StepOutcome> for State {
    fn from(outcome: StepOutcome) -> Self {
        match outcome {
            StepOutcome::Fresh => Self::Fresh,
            StepOutcome::Restored => Self::Restored,
            StepOutcome::Ran => Self::Ran,
            StepOutcome::Failed => Self::Failed,
            StepOutcome::Skipped => Self::Skipped,
        }
    }
}

impl Dag {
    /// The steps of a run, in its order, each after all that it came after.
    pub(crate) fn of_run(run: &RunEntry) -> Self {
        let nodes = run.steps.iter().zip(names(run)).map(|(step, name)| Node {
            kind: Kind::Step(step.outcome.into()),
            id: step.step.clone(),
            name: name.to_owned(),
            about: match step.reused {
                Some(run) => format!("as run {run} made it"),
                None => step.why.join(", "),
            },
            why: Vec::new(),
        });
        let edge = |to: usize, step: u32, tie: Tie| {
            let kind = match tie {
                Tie::Reads => Link::Reads,
                Tie::After => Link::After,
                Tie::Overlap => Link::Overlap,
            };
            Edge { from: step as usize, to, kind, labels: Vec::new() }
        };
        let edges = run.steps.iter().enumerate().flat_map(|(to, step)| {
            // A file of history is no promise: only what goes forward is an edge.
            let upstream = step.upstream.iter().filter(move |upstream| (upstream.step as usize) < to);
            upstream.map(move |upstream| edge(to, upstream.step, upstream.tie))
        });
        Self { nodes: nodes.collect(), edges: edges.collect() }
    }
}

/// What the steps of a run are called: the name alone where no other step of it has that.
pub(crate) fn names(run: &RunEntry) -> Vec<&str> {
    let short = |step| split_id(step).map_or(step, |(_, name)| name);
    let mut uses: HashMap<&str, usize> = HashMap::new();
    for step in &run.steps {
        *uses.entry(short(&step.step)).or_default() += 1;
    }
    run.steps.iter().map(|step| if uses[short(&step.step)] == 1 { short(&step.step) } else { &step.step }).collect()
}
