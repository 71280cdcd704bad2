//! What the definitions must not say: cycles, overlapping outputs, reading what one writes. Knows no disk.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use super::cycles::cycles;
use super::edges::read_sets;
use super::places::Places;
use super::select::expand;
use super::{Edge, EdgeKind, Graph, Via, same_definition};
use serde::{Deserialize, Serialize};

use crate::diag::Diagnostic;
use crate::glob::{Pattern, overlap};
use crate::model::{Model, Output, PipelineId, Place, StepId};

/// Two outputs that own a path in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Clash {
    pub(super) first: (StepId, usize),
    pub(super) second: (StepId, usize),
}

/// The problems, and the clashes that are none as long as no run selects both.
pub(super) fn refuse(graph: &Graph, model: &Model) -> (Vec<Clash>, Vec<Diagnostic>) {
    let mut problems = group_cycles(model);
    let selections = Selections { graph, model, by_name: OnceCell::new() };
    problems.extend(step_cycles(graph, model, &selections));
    problems.extend(model.step_ids().flat_map(|step| in_place(model, step)));
    let mut apart = Vec::new();
    for clash in clashes(model, &graph.places) {
        let (a, b) = (clash.first.0, clash.second.0);
        if model.step(a).pipeline == model.step(b).pipeline {
            problems.push(clash_diagnostic(model, clash));
        } else if let Some(name) = selections.with([a, b]) {
            problems.push(clash_diagnostic(model, clash).note(format!("`cargo zen run {name}` selects both")));
        } else {
            apart.push(clash);
        }
    }
    (apart, problems)
}

/// What each name that `run` takes selects, with its needs. Few tables make anybody ask.
struct Selections<'a> {
    graph: &'a Graph,
    model: &'a Model,
    by_name: OnceCell<Vec<(&'a str, BTreeSet<StepId>)>>,
}

impl<'a> Selections<'a> {
    fn by_name(&self) -> &[(&'a str, BTreeSet<StepId>)] {
        self.by_name.get_or_init(|| {
            let mut named: BTreeMap<&str, Vec<PipelineId>> = BTreeMap::new();
            for (at, pipeline) in (0..).zip(&self.model.pipelines) {
                named.entry(&pipeline.name).or_default().push(PipelineId(at));
            }
            let by_name = named.into_iter().map(|(name, pipelines)| {
                let pipelines = expand(self.model, pipelines);
                let steps = pipelines.into_iter().flat_map(|id| self.model.pipeline(id).steps.iter().copied());
                (name, self.graph.with_needs(steps))
            });
            by_name.collect()
        })
    }

    /// The first name that selects all of `steps`.
    fn with(&self, steps: [StepId; 2]) -> Option<&'a str> {
        let both = |selected: &BTreeSet<StepId>| steps.iter().all(|step| selected.contains(step));
        self.by_name().iter().find(|(_, selected)| both(selected)).map(|(name, _)| *name)
    }
}

fn step_cycles(graph: &Graph, model: &Model, selections: &Selections<'_>) -> Vec<Diagnostic> {
    let needs: Vec<&Edge> = graph.downstream.edges.iter().filter(|edge| edge.kind.is_need()).collect();
    let mut found = cycles_of(&needs);
    let mut problems: Vec<_> = found.iter().map(|cycle| cycle_diagnostic(model, cycle)).collect();
    // Steps of several pipelines that are only put in order may wait for each other, as long as no run has them all.
    let all: Vec<&Edge> = graph.downstream.edges.iter().collect();
    if cycles_of(&all).is_empty() {
        return problems;
    }
    for (name, selected) in selections.by_name() {
        for cycle in cycles_among(graph, selected) {
            if !cycle.iter().all(|edge| edge.kind.is_need()) && !found.contains(&cycle) {
                problems
                    .push(cycle_diagnostic(model, &cycle).note(format!("`cargo zen run {name}` selects all of them")));
                found.push(cycle);
            }
        }
    }
    problems
}

/// The cycles that a run of exactly these steps would have.
pub(super) fn cycles_among(graph: &Graph, steps: &BTreeSet<StepId>) -> Vec<Vec<Edge>> {
    let edges: Vec<&Edge> =
        steps.iter().flat_map(|step| graph.downstream(*step)).filter(|edge| steps.contains(&edge.to)).collect();
    cycles_of(&edges)
}

fn cycles_of(edges: &[&Edge]) -> Vec<Vec<Edge>> {
    let pairs: Vec<_> = edges.iter().map(|edge| (edge.from.0, edge.to.0)).collect();
    cycles(&pairs).into_iter().map(|cycle| cycle.into_iter().map(|at| *edges[at]).collect()).collect()
}

pub(super) fn cycle_diagnostic(model: &Model, cycle: &[Edge]) -> Diagnostic {
    let id = |step: StepId| model.step(step).display_id.as_str();
    let path: Vec<_> =
        cycle.first().map(|edge| id(edge.from)).into_iter().chain(cycle.iter().map(|e| id(e.to))).collect();
    let mut problem = Diagnostic::error(match cycle {
        [edge] => format!("`{}` waits for itself", id(edge.from)),
        _ => format!("steps wait for each other: {}", path.join(" → ")),
    });
    for (at, edge) in cycle.iter().enumerate() {
        let why = why(model, edge);
        problem = if at == 0 { problem.at(edge.span, why) } else { problem.and(edge.span, why) };
    }
    problem = problem.help("take one of these references away");
    if cycle.iter().any(|edge| matches!(edge.kind, EdgeKind::Path { via: Via::Files, .. })) {
        problem = problem.help("if a step does not read an output that its glob covers, exclude it: `\"!path\"`");
    }
    problem
}

/// The edge in words.
fn why(model: &Model, edge: &Edge) -> String {
    let (from, to) = (model.step(edge.from), model.step(edge.to));
    let (a, b) = (&from.display_id, &to.display_id);
    match edge.kind {
        EdgeKind::Input(at) => match to.inputs[at].artifacts().iter().find(|artifact| artifact.step == edge.from) {
            Some(artifact) => format!("`{b}` takes output `{}` of `{a}`", from.outputs[artifact.output].name),
            None => format!("`{b}` takes an output of `{a}`"),
        },
        EdgeKind::After => format!("`{b}` comes after `{a}`"),
        EdgeKind::Depends => format!("`{b}` depends on `{a}`"),
        EdgeKind::Path { output, via, .. } => {
            let place = &from.outputs[output].place;
            match via {
                Via::Files => format!("`{b}` reads files that cover `{}`, which `{a}` makes", shown(place)),
                Via::Word => format!("the command of `{b}` names `{}`, which `{a}` makes", shown(place)),
                Via::Closure(at) => format!(
                    "`{b}` reads the sources of package `{}`, to which `{}` belongs, which `{a}` makes",
                    to.closures[at].package,
                    shown(place)
                ),
                Via::Source(at) => format!(
                    "`{b}` reads `{}`, which may lie in `{}`, which `{a}` makes",
                    to.policy.source_items[at],
                    shown(place)
                ),
            }
        }
    }
}

fn shown(place: &Place) -> String {
    match place {
        Place::Path { path, .. } => path.to_string(),
        Place::Glob(pattern) => pattern.to_string(),
    }
}

fn group_cycles(model: &Model) -> Vec<Diagnostic> {
    let edges: Vec<_> = (0u32..)
        .zip(&model.pipelines)
        .flat_map(|(at, pipeline)| pipeline.members.iter().map(move |member| (at, member.0)))
        .collect();
    let pipeline = |at: u32| model.pipeline(PipelineId(at));
    cycles(&edges)
        .into_iter()
        .map(|cycle| {
            let first = edges[cycle[0]].0;
            let nodes = std::iter::once(first).chain(cycle.iter().map(|at| edges[*at].1));
            let path: Vec<_> = nodes.map(|at| pipeline(at).display_id()).collect();
            let mut problem = Diagnostic::error(format!("groups hold each other: {}", path.join(" → ")));
            for (at, edge) in cycle.into_iter().enumerate() {
                let (from, to) = (pipeline(edges[edge].0), pipeline(edges[edge].1));
                let text = format!("group `{}` holds `{}`", from.display_id(), to.display_id());
                problem = if at == 0 { problem.at(from.span, text) } else { problem.and(from.span, text) };
            }
            problem.help("take one of them out of its `pipelines`")
        })
        .collect()
}

/// Every pair of outputs that overlap, but for equal work.
fn clashes(model: &Model, places: &Places) -> BTreeSet<Clash> {
    let mut found = BTreeSet::new();
    for (at, one) in places.all.iter().enumerate() {
        for near in places.near(one.pattern.prefix()).filter(|near| *near > at) {
            let other = &places.all[near];
            let (a, b) = (model.step(one.step), model.step(other.step));
            if !one.clashes_with(other) {
                continue;
            }
            let same_place = a.outputs[one.output].place == b.outputs[other.output].place;
            if one.step == other.step || !same_place || !same_definition(a, b) {
                found.insert(Clash { first: (one.step, one.output), second: (other.step, other.output) });
            }
        }
    }
    found
}

pub(super) fn clash_diagnostic(model: &Model, clash: Clash) -> Diagnostic {
    let output = |(step, output): (StepId, usize)| (model.step(step), &model.step(step).outputs[output]);
    let ((step_a, a), (step_b, b)) = (output(clash.first), output(clash.second));
    let place = |output: &Output| shown(&output.place);
    let who = if clash.first.0 == clash.second.0 {
        format!("outputs `{}` and `{}` of `{}`", a.name, b.name, step_a.display_id)
    } else {
        format!("outputs of `{}` and `{}`", step_a.display_id, step_b.display_id)
    };
    let (pattern_a, pattern_b) = (a.place.pattern(), b.place.pattern());
    let how = if a.place == b.place {
        format!("are the same place: `{}`", place(a))
    } else if overlap(&pattern_a, &pattern_b) {
        format!("overlap: `{}` and `{}`", place(a), place(b))
    } else {
        format!("differ only by case: `{}` and `{}`", place(a), place(b))
    };
    let label = |id: &str, output: &Output| format!("output `{}` of `{id}`", output.name);
    let are_cells =
        !step_a.matrix.is_empty() && step_a.pipeline == step_b.pipeline && step_a.base_name == step_b.base_name;
    let help = match step_a.matrix.keys().next() {
        Some(name) if are_cells => format!("all cells write there: put `{{{{ matrix.{name} }}}}` into the path"),
        _ => "give each output a place of its own".to_owned(),
    };
    let problem = Diagnostic::error(format!("{who} {how}")).at(b.span, label(&step_b.display_id, b));
    if a.span == b.span { problem.help(help) } else { problem.and(a.span, label(&step_a.display_id, a)).help(help) }
}

/// Inputs that are written to be read although the step itself makes them.
fn in_place(model: &Model, id: StepId) -> Vec<Diagnostic> {
    let step = model.step(id);
    let mut found = Vec::new();
    for (set, span) in read_sets(step) {
        for include in &set.include {
            let Some(output) = step.outputs.iter().find(|output| owns_all(&output.place, include)) else { continue };
            found.push(
                Diagnostic::error(format!(
                    "`{}` reads what it writes: `{include}` belongs to its output `{}`",
                    step.display_id, output.name
                ))
                .at(include.span().unwrap_or(span), "read here")
                .and(output.span, "written here")
                .help("write to another place, or do not list it: a step's own outputs are no input of it"),
            );
        }
    }
    found
}

/// Is all that `read` means part of `place`? (A glob that merely meets it leaves the step's own outputs out.)
fn owns_all(place: &Place, read: &Pattern) -> bool {
    match place {
        Place::Path { path, .. } => read.prefix().starts_with(path),
        Place::Glob(glob) => glob == read || (read.is_plain() && glob.matches(read.prefix())),
    }
}
