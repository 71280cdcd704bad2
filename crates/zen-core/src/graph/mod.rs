//! The DAG of steps: who waits for whom and why, what is refused, what a request selects. Knows no keys and no disk.

mod cycles;
mod edges;
mod places;
mod refuse;
mod select;
mod sources;
#[cfg(test)]
mod testing;
mod words;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use serde::{Deserialize, Serialize};

use crate::diag::{Diagnostic, Span};
use crate::layout::Layout;
use crate::model::{Command, InputSource, Model, Step, StepId};
use crate::path::RelPath;
pub(crate) use select::expand;
pub use select::{Request, SelectError, Selection};
pub use sources::{SourceRoots, source_roots};
pub use words::{Word, words};

/// `to` waits for `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// Upstream.
    pub from: StepId,
    /// Downstream.
    pub to: StepId,
    /// Why.
    pub kind: EdgeKind,
    /// Where `to`'s side of it is written.
    pub span: Span,
}

/// Why one step waits for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EdgeKind {
    /// An artifact: index into `to`'s inputs.
    Input(usize),
    /// `after`
    After,
    /// `depends`
    Depends,
    /// `to` reads paths that an output of `from` owns. Stands beside a written edge between the same two.
    Path {
        /// Is `from` selected along with `to`? So it is within one pipeline. If not, they are only put in order.
        need: bool,
        /// Index into `from`'s outputs.
        output: usize,
        /// What reads them.
        via: Via,
    },
}

/// What of a step covers another step's output; where several things do, the first of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Via {
    /// `files`, `file-dependencies`, or a named input of files.
    Files,
    /// A word of the command.
    Word,
    /// A package closure: index into `to`'s closures.
    Closure(usize),
    /// The files that a source item lies in by its name: index into the policy's.
    Source(usize),
}

impl EdgeKind {
    /// Is upstream selected along with downstream?
    pub fn is_need(self) -> bool {
        !matches!(self, Self::Path { need: false, .. })
    }
}

/// All steps and what they wait for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Graph {
    upstream: Adjacent,
    downstream: Adjacent,
    /// Outputs that overlap, of steps that no single name selects together.
    apart: Vec<refuse::Clash>,
    places: places::Places,
}

/// Edges grouped by one of their ends.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Adjacent {
    edges: Vec<Edge>,
    /// Where the edges of each step start, and the end.
    starts: Vec<usize>,
}

impl Adjacent {
    fn new(mut edges: Vec<Edge>, steps: usize, end: fn(&Edge) -> StepId, other: fn(&Edge) -> StepId) -> Self {
        edges.sort_by_key(|edge| (end(edge), other(edge), edge.kind, edge.span));
        let starts = (0..=steps as u32).map(|step| edges.partition_point(|edge| end(edge) < StepId(step))).collect();
        Self { edges, starts }
    }

    fn of(&self, step: StepId) -> &[Edge] {
        let at = step.0 as usize;
        &self.edges[self.starts[at]..self.starts[at + 1]]
    }
}

impl Graph {
    /// The graph, and all that is refused: cycles, overlapping outputs, steps that read what they write. With
    /// refusals the graph is good for showing, not for running.
    pub fn build(model: &Model, layout: &Layout) -> (Self, Vec<Diagnostic>) {
        let places = places::Places::new(model);
        let edges = edges::find(model, layout, &places);
        let steps = model.steps.len();
        let mut graph = Self {
            upstream: Adjacent::new(edges.clone(), steps, |e| e.to, |e| e.from),
            downstream: Adjacent::new(edges, steps, |e| e.from, |e| e.to),
            apart: Vec::new(),
            places,
        };
        let (apart, problems) = refuse::refuse(&graph, model);
        graph.apart = apart;
        (graph, problems)
    }

    /// What `step` waits for, sorted by upstream step, then kind.
    pub fn upstream(&self, step: StepId) -> &[Edge] {
        self.upstream.of(step)
    }

    /// What waits for `step`, sorted by downstream step, then kind.
    pub fn downstream(&self, step: StepId) -> &[Edge] {
        self.downstream.of(step)
    }

    /// The outputs that own `path`, as step and index into its outputs, sorted. Where it is read by a step that has no
    /// edge from them, the run has revealed an overlap.
    pub fn owners(&self, path: &RelPath) -> Vec<(StepId, usize)> {
        let around = self.places.around(path).into_iter().map(|at| &self.places.all[at]);
        let mut owners: Vec<_> =
            around.filter(|owned| owned.pattern.matches(path)).map(|owned| (owned.step, owned.output)).collect();
        owners.sort_unstable();
        owners
    }

    /// `steps` with all that they need, directly or not.
    pub fn with_needs(&self, steps: impl IntoIterator<Item = StepId>) -> BTreeSet<StepId> {
        let mut open: Vec<_> = steps.into_iter().collect();
        let mut all: BTreeSet<_> = open.iter().copied().collect();
        while let Some(step) = open.pop() {
            let needs = self.upstream(step).iter().filter(|edge| edge.kind.is_need()).map(|edge| edge.from);
            open.extend(needs.filter(|from| all.insert(*from)));
        }
        all
    }

    /// `steps` so that each comes after what it waits for, ties by id; `None` if they wait for each other.
    fn order(&self, steps: &BTreeSet<StepId>) -> Option<Vec<StepId>> {
        let among = |edges: &[Edge], end: fn(&Edge) -> StepId| {
            let ends: BTreeSet<_> = edges.iter().map(end).filter(|step| steps.contains(step)).collect();
            ends
        };
        let mut waits: BTreeMap<StepId, usize> =
            steps.iter().map(|step| (*step, among(self.upstream(*step), |e| e.from).len())).collect();
        let mut ready: BinaryHeap<_> =
            waits.iter().filter(|(_, waits)| **waits == 0).map(|(step, _)| Reverse(*step)).collect();
        let mut order = Vec::with_capacity(steps.len());
        while let Some(Reverse(step)) = ready.pop() {
            order.push(step);
            for next in among(self.downstream(step), |e| e.to) {
                if let Some(left) = waits.get_mut(&next) {
                    *left -= 1;
                    if *left == 0 {
                        ready.push(Reverse(next));
                    }
                }
            }
        }
        (order.len() == steps.len()).then_some(order)
    }
}

/// Do both say the same work: the same command, inputs, outputs and settings that decide what comes out? Names,
/// descriptions and what only schedules are nothing.
pub fn same_definition(a: &Step, b: &Step) -> bool {
    // Not the places that zen chose: they hold the step's name.
    let outputs = |step: &Step| {
        let outputs = step.outputs.iter().map(|output| {
            let place = (!output.place_is_ours).then(|| output.place.clone());
            (output.name.clone(), place, output.content_hash, output.optional)
        });
        outputs.collect::<Vec<_>>()
    };
    let depends = |step: &Step| step.depends.iter().map(|to| to.step).collect::<BTreeSet<_>>();
    a.cwd == b.cwd
        && same_command(&a.command, &b.command)
        && a.files == b.files
        && a.inputs.len() == b.inputs.len()
        && a.inputs.iter().zip(&b.inputs).all(|(a, b)| a.name == b.name && same_source(&a.source, &b.source))
        && outputs(a) == outputs(b)
        && a.params == b.params
        && a.matrix == b.matrix
        && a.pipeline_params == b.pipeline_params
        && a.args == b.args
        && depends(a) == depends(b)
        && a.closures == b.closures
        && a.env.len() == b.env.len()
        && a.env.iter().zip(&b.env).all(|((a, x), (b, y))| a == b && x.parts == y.parts)
        && a.track_env == b.track_env
        && a.pass_env == b.pass_env
        && a.secret_env == b.secret_env
        && a.interactive == b.interactive
        && a.enable_cache.0 == b.enable_cache.0
        && a.policy == b.policy
        && a.cache_funcs.len() == b.cache_funcs.len()
        && a.cache_funcs
            .iter()
            .zip(&b.cache_funcs)
            .all(|(a, b)| a.name == b.name && same_command(&a.command, &b.command))
}

fn same_command(a: &Command, b: &Command) -> bool {
    let same = |a: &[_], b: &[_]| {
        let parts =
            |args: &[crate::model::template::Template]| args.iter().map(|t| t.parts.clone()).collect::<Vec<_>>();
        parts(a) == parts(b)
    };
    match (a, b) {
        (Command::Shell { script: a, shell: x }, Command::Shell { script: b, shell: y }) => {
            a.parts == b.parts && x == y
        }
        (Command::Argv(a), Command::Argv(b)) => same(a, b),
        (Command::Target { build: a, args: x }, Command::Target { build: b, args: y }) => a == b && same(x, y),
        (Command::Build(a), Command::Build(b)) => a == b,
        _ => false,
    }
}

fn same_source(a: &InputSource, b: &InputSource) -> bool {
    match (a, b) {
        (InputSource::Artifact(a), InputSource::Artifact(b)) => a == b,
        (InputSource::Files(a), InputSource::Files(b)) => a == b,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
