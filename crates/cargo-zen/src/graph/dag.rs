//! Steps and what stands between them, as every drawing has them. Knows no format.

use std::collections::{BTreeMap, HashMap};

use zen_core::decide::{Decision, Why};
use zen_core::engine::Definitions;
use zen_core::event::{Outcome, Planned};
use zen_core::glob::PathSet;
use zen_core::graph::EdgeKind;
use zen_core::model::{InputSource, Place, Step, StepId};

use crate::words::Names;

/// What is shown besides steps.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shown {
    /// Outputs, as nodes between steps.
    pub(crate) artifacts: bool,
    /// The files that steps read.
    pub(crate) files: bool,
}

/// A graph without cycles.
#[derive(Debug, Default)]
pub(crate) struct Dag {
    /// Steps in the order in which they were given, then all else.
    pub(crate) nodes: Vec<Node>,
    /// By their ends; two nodes have at most one.
    pub(crate) edges: Vec<Edge>,
}

/// A step, an artifact, a set of files.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// The same in every drawing: `pipeline/step`, `pipeline/step.output`, a path set as it is written.
    pub(crate) id: String,
    /// What it is called on the screen.
    pub(crate) name: String,
    /// Where an artifact lies; why a step runs.
    pub(crate) about: String,
    /// The same, for programs.
    pub(crate) why: Vec<Why>,
}

impl Node {
    /// What stands below its name: the state of a step, the place of an artifact if its name does not say it.
    pub(crate) fn state_or_place(&self) -> &str {
        match self.kind {
            Kind::Step(state) => state.name(),
            Kind::Artifact if self.about != self.name => &self.about,
            Kind::Artifact | Kind::Files => "",
        }
    }
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Step(State),
    Artifact,
    Files,
}

/// `to` comes after `from`.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) kind: Link,
    /// Artifacts, or paths.
    pub(crate) labels: Vec<String>,
}

/// Why one node comes after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Link {
    /// It reads it.
    Reads,
    /// `after`, `depends`.
    After,
    /// It reads paths that the other writes, and no table says so.
    Overlap,
}

impl Link {
    /// As programs read it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Reads => "input",
            Self::After => "after",
            Self::Overlap => "overlap",
        }
    }
}

/// What is, or was, or would be done with a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Fresh,
    Restorable,
    Stale,
    Maybe,
    Restored,
    Ran,
    Failed,
    Skipped,
}

impl State {
    /// What it is called, on the screen and as a class of a drawing.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Restorable => "restorable",
            Self::Stale => "stale",
            Self::Maybe => "maybe",
            Self::Restored => "restored",
            Self::Ran => "ran",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl From<Decision> for State {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Fresh => Self::Fresh,
            Decision::Restore => Self::Restorable,
            Decision::Run => Self::Stale,
            Decision::Maybe => Self::Maybe,
        }
    }
}

impl From<Outcome> for State {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Fresh => Self::Fresh,
            Outcome::Restored => Self::Restored,
            Outcome::Ran => Self::Ran,
            Outcome::Failed => Self::Failed,
            Outcome::Skipped => Self::Skipped,
        }
    }
}

/// A step that is to be drawn.
#[derive(Debug)]
pub(crate) struct Drawn {
    pub(crate) step: StepId,
    pub(crate) state: State,
    pub(crate) why: Vec<Why>,
}

impl From<&Planned> for Drawn {
    fn from(planned: &Planned) -> Self {
        Self { step: planned.step, state: planned.decision.into(), why: planned.why.clone() }
    }
}

impl Dag {
    /// These steps, each after all that it comes after.
    pub(crate) fn new(definitions: &Definitions, steps: &[Drawn], names: &Names, shown: Shown) -> Self {
        let mut drawing = Drawing { definitions, dag: Self::default(), places: HashMap::new(), edges: BTreeMap::new() };
        for drawn in steps {
            let step = definitions.model.step(drawn.step);
            let about = drawn.why.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            drawing.places.insert(drawn.step, drawing.dag.nodes.len());
            drawing.dag.nodes.push(Node {
                kind: Kind::Step(drawn.state),
                id: step.display_id.clone(),
                name: names.of(drawn.step).to_owned(),
                about,
                why: drawn.why.clone(),
            });
        }
        for drawn in steps {
            let artifacts = if shown.artifacts { drawing.artifacts(drawn.step) } else { Vec::new() };
            drawing.downstream(drawn.step, &artifacts);
        }
        if shown.files {
            drawing.files(steps);
        }
        let Drawing { mut dag, edges, .. } = drawing;
        dag.edges = edges.into_iter().map(|((from, to), (kind, labels))| Edge { from, to, kind, labels }).collect();
        dag
    }
}

struct Drawing<'d> {
    definitions: &'d Definitions,
    dag: Dag,
    places: HashMap<StepId, usize>,
    edges: BTreeMap<(usize, usize), (Link, Vec<String>)>,
}

impl Drawing<'_> {
    fn node(&mut self, kind: Kind, id: String, name: String, about: String) -> usize {
        self.dag.nodes.push(Node { kind, id, name, about, why: Vec::new() });
        self.dag.nodes.len() - 1
    }

    /// The strongest reason is the one that is drawn.
    fn edge(&mut self, from: usize, to: usize, kind: Link, label: Option<String>) {
        let (known, labels) = self.edges.entry((from, to)).or_insert((kind, Vec::new()));
        if kind < *known {
            labels.clear();
        }
        *known = kind.min(*known);
        if kind == *known
            && let Some(label) = label
            && !labels.contains(&label)
        {
            labels.push(label);
        }
    }

    /// A node for each output of a step; which ones.
    fn artifacts(&mut self, step: StepId) -> Vec<usize> {
        let definition = self.definitions.model.step(step);
        let from = self.places[&step];
        let add = |drawing: &mut Self, at: usize| {
            let output = &definition.outputs[at];
            let id = format!("{}.{}", definition.display_id, output.name);
            let node = drawing.node(Kind::Artifact, id, output.name.clone(), place(&output.place));
            drawing.edge(from, node, Link::Reads, None);
            node
        };
        (0..definition.outputs.len()).map(|at| add(self, at)).collect()
    }

    /// Edges from a step to what comes after it, by way of its artifacts where they are drawn.
    fn downstream(&mut self, step: StepId, artifacts: &[usize]) {
        let from = self.places[&step];
        let outputs = &self.definitions.model.step(step).outputs;
        for edge in self.definitions.graph.downstream(step) {
            let Some(to) = self.places.get(&edge.to).copied() else { continue };
            match edge.kind {
                EdgeKind::Input(input) => {
                    let inputs = &self.definitions.model.step(edge.to).inputs;
                    for artifact in inputs[input].artifacts().iter().filter(|artifact| artifact.step == step) {
                        match artifacts.get(artifact.output) {
                            Some(node) => self.edge(*node, to, Link::Reads, None),
                            None => self.edge(from, to, Link::Reads, Some(outputs[artifact.output].name.clone())),
                        }
                    }
                }
                EdgeKind::After | EdgeKind::Depends => self.edge(from, to, Link::After, None),
                EdgeKind::Path { output, .. } => match artifacts.get(output) {
                    Some(node) => self.edge(*node, to, Link::Overlap, None),
                    None => self.edge(from, to, Link::Overlap, Some(place(&outputs[output].place))),
                },
            }
        }
    }

    /// A node for each set of files, however many read it.
    fn files(&mut self, steps: &[Drawn]) {
        let mut nodes: HashMap<String, usize> = HashMap::new();
        for drawn in steps {
            let step = self.definitions.model.step(drawn.step);
            for text in sets(step).filter_map(written) {
                let known = nodes.get(&text).copied();
                let node = known.unwrap_or_else(|| self.node(Kind::Files, text.clone(), text.clone(), String::new()));
                nodes.insert(text, node);
                self.edge(node, self.places[&drawn.step], Link::Reads, None);
            }
        }
    }
}

/// The files that a step names.
fn sets(step: &Step) -> impl Iterator<Item = &PathSet> {
    let inputs = step.inputs.iter().filter_map(|input| match &input.source {
        InputSource::Files(files) => Some(files),
        InputSource::Artifact(_) => None,
    });
    std::iter::once(&step.files).chain(inputs)
}

fn written(set: &PathSet) -> Option<String> {
    let include = set.include.iter().map(ToString::to_string);
    let exclude = set.exclude.iter().map(|pattern| format!("!{pattern}"));
    (!set.include.is_empty()).then(|| include.chain(exclude).collect::<Vec<_>>().join(" "))
}

fn place(place: &Place) -> String {
    match place {
        Place::Path { path, folder: true } => format!("{path}/"),
        Place::Path { path, folder: false } => path.to_string(),
        Place::Glob(pattern) => pattern.to_string(),
    }
}
