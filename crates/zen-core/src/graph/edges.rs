//! Who waits for whom, and why: written references, and reads that cover another step's output. Refuses nothing.

use std::collections::{BTreeMap, HashMap};

use super::places::{Owned, Places};
use super::sources::{item_files, source_roots};
use super::words::words;
use super::{Edge, EdgeKind, Via, same_definition};
use crate::diag::Span;
use crate::glob::{PathSet, Pattern, overlap};
use crate::layout::Layout;
use crate::model::{ClosureRequest, InputSource, Model, Step, StepId};

/// All edges, in no order.
pub(super) fn find(model: &Model, layout: &Layout, places: &Places) -> Vec<Edge> {
    let mut finder = Finder { model, layout, places, globs: HashMap::new(), closures: HashMap::new() };
    let mut edges = Vec::new();
    for step in model.step_ids() {
        written(model.step(step), step, &mut edges);
        finder.by_path(step, &mut edges);
    }
    edges
}

fn written(step: &Step, to: StepId, edges: &mut Vec<Edge>) {
    for (at, input) in step.inputs.iter().enumerate() {
        let artifacts = input.artifacts().iter();
        edges.extend(artifacts.map(|it| Edge { from: it.step, to, kind: EdgeKind::Input(at), span: input.span }));
    }
    edges.extend(step.after.iter().map(|r| Edge { from: r.step, to, kind: EdgeKind::After, span: r.span }));
    edges.extend(step.depends.iter().map(|r| Edge { from: r.step, to, kind: EdgeKind::Depends, span: r.span }));
}

/// The sets of paths that a step reads, and where each is written if its patterns do not say.
pub(super) fn read_sets(step: &Step) -> impl Iterator<Item = (&PathSet, Span)> {
    let named = step.inputs.iter().filter_map(|input| match &input.source {
        InputSource::Files(set) => Some((set, input.span)),
        InputSource::Artifact(_) => None,
    });
    let unnamed = std::iter::once(&step.files).chain(&step.policy.file_dependencies);
    named.chain(unnamed.map(|set| (set, step.span)))
}

struct Finder<'a> {
    model: &'a Model,
    layout: &'a Layout,
    places: &'a Places,
    /// The outputs that a pattern covers; many steps write the same one.
    globs: HashMap<&'a Pattern, Vec<usize>>,
    closures: HashMap<&'a ClosureRequest, Vec<usize>>,
}

impl<'a> Finder<'a> {
    fn by_path(&mut self, to: StepId, edges: &mut Vec<Edge>) {
        let (model, places) = (self.model, self.places);
        let step = model.step(to);
        let mut found: BTreeMap<usize, (Via, Span)> = BTreeMap::new();
        for (set, span) in read_sets(step) {
            for include in &set.include {
                let covered = self.covered(include).iter().filter(|at| !places.all[**at].left_out_by(set, include));
                for at in covered {
                    found.entry(*at).or_insert((Via::Files, include.span().unwrap_or(span)));
                }
            }
        }
        for word in words(step) {
            let Ok(path) = step.cwd.join(&word.text) else { continue };
            for at in places.around(&path).into_iter().filter(|at| places.all[*at].pattern.matches(&path)) {
                found.entry(at).or_insert((Via::Word, word.span));
            }
        }
        for (index, request) in step.closures.iter().enumerate() {
            for at in self.held(request) {
                found.entry(*at).or_insert((Via::Closure(index), step.command_span));
            }
        }
        for (index, item) in step.policy.source_items.iter().enumerate() {
            for file in item_files(self.layout, item) {
                let file = Pattern::tree(&file);
                for at in places.near(file.prefix()).filter(|at| overlap(&file, &places.all[*at].pattern)) {
                    found.entry(at).or_insert((Via::Source(index), item.span));
                }
            }
        }
        let others = found
            .into_iter()
            .map(|(at, why)| (&places.all[at], why))
            .filter(|(owned, _)| owned.step != to && !is_own(step, model.step(owned.step), owned));
        edges.extend(others.map(|(owned, (via, span))| {
            let need = model.step(owned.step).pipeline == step.pipeline;
            Edge { from: owned.step, to, kind: EdgeKind::Path { need, output: owned.output, via }, span }
        }));
    }

    fn covered(&mut self, include: &'a Pattern) -> &[usize] {
        let (places, target) = (self.places, &self.layout.target_dir);
        self.globs.entry(include).or_insert_with(|| {
            // What lies in the target directory is left out of globs, unless they start there.
            let starts_there = include.prefix().starts_with(target);
            places
                .near(include.prefix())
                .filter(|at| {
                    let owned = &places.all[*at];
                    (starts_there || !owned.pattern.prefix().starts_with(target)) && owned.covered_by(include)
                })
                .collect()
        })
    }

    fn held(&mut self, request: &'a ClosureRequest) -> &[usize] {
        let (places, layout) = (self.places, self.layout);
        self.closures.entry(request).or_insert_with(|| {
            let mut held: Vec<_> = source_roots(layout, request)
                .iter()
                .flat_map(|roots| {
                    roots
                        .roots
                        .iter()
                        .flat_map(move |root| places.near(root))
                        .filter(move |at| roots.hold(&places.all[*at].pattern))
                        .collect::<Vec<_>>()
                })
                .collect();
            held.sort_unstable();
            held.dedup();
            held
        })
    }
}

/// Is the output of `other` an output of `step` as well, because both are the same work?
fn is_own(step: &Step, other: &Step, owned: &Owned) -> bool {
    let place = &other.outputs[owned.output].place;
    step.outputs.iter().any(|output| output.place == *place) && same_definition(step, other)
}
