//! From declarations to the model: references, placeholders, ranks, `--set`. Knows no TOML and no disk.

mod batch;
mod cargo;
mod cells;
mod command;
mod hooks;
mod outputs;
mod params;
mod ranks;
mod references;
mod render;
mod sources;
mod step;

use std::collections::{BTreeMap, BTreeSet};

use super::declarations::{Declarations, PipelineDeclaration, StepDeclaration, TableDeclaration};
use super::{in_order, overlay};
use crate::diag::Diagnostic;
use crate::glob::PathSet;
use crate::layout::Layout;
use crate::model::{Model, Output, Pipeline, PipelineId, Settings, Step, StepId};
use crate::path::RelPath;
use crate::suggest;
use crate::value::Value;
use cells::Cell;

/// What the command line puts over the tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--set` texts: `gamma=0.1` for a pipeline, `step.gamma=0.1` for a step.
    pub set: Vec<String>,
    /// What follows `--`.
    pub args: Vec<String>,
    /// The pipelines that the run names; `--set` applies to those and to the members of groups among them. Empty:
    /// to all that declare the parameter.
    pub pipelines: Vec<String>,
}

/// A step's declaration with all that surrounds it.
#[derive(Clone, Copy)]
struct Place<'d> {
    table: &'d TableDeclaration,
    pipeline: &'d PipelineDeclaration,
    pipeline_id: PipelineId,
    step: &'d StepDeclaration,
    /// Which cell of the step it is, where that has a matrix.
    cell: Option<&'d Cell>,
}

/// The files that some globs match, for matrices that have a cell for each.
pub type Files<'f> = &'f dyn Fn(&PathSet) -> Vec<RelPath>;

/// What all steps are resolved against.
struct Context<'d> {
    layout: &'d Layout,
    args: &'d [String],
    settings: Settings,
    /// Every `Cargo.toml` of the workspace and its `Cargo.lock`, sorted: no step may make them.
    manifests: Vec<RelPath>,
    /// The workspace's own table, if there is one.
    workspace: Option<&'d TableDeclaration>,
    /// By [`PipelineId`]: sorted by package and name.
    pipelines: Vec<(&'d TableDeclaration, &'d PipelineDeclaration)>,
    /// By [`StepId`].
    steps: Vec<Place<'d>>,
    /// By [`PipelineId`].
    pipeline_params: Vec<BTreeMap<String, Value>>,
    /// By [`PipelineId`]; sorted by name.
    steps_of: Vec<Vec<StepId>>,
    /// By [`StepId`]; filled before references are looked at.
    outputs: Vec<Vec<Output>>,
}

/// Makes the model. Where something is wrong the model still holds every pipeline and step, so that later stages can
/// report their problems too; nothing may run then.
///
/// A group's members: in a package's table a name means that package's pipeline, else the workspace's; in the
/// workspace table it means the pipelines of that name wherever they are defined, as on the command line.
///
/// `files` is asked for the files that the glob of a matrix matches.
pub fn resolve(
    declarations: &Declarations,
    layout: &Layout,
    overrides: &Overrides,
    files: Files<'_>,
) -> (Model, Vec<Diagnostic>) {
    let mut problems = Vec::new();
    let (overlaid, cells): (Declarations, Vec<Option<Vec<Cell>>>);
    let mut context = index(declarations, layout, overrides);
    let members = members(&context, &mut problems);
    default_pipeline(&context, declarations, &mut problems);
    let selected = selected(&context, &members, &overrides.pipelines);
    if let Some(config) = &declarations.config {
        let is_meant = |at: usize| selected.contains(&PipelineId(at as u32));
        overlaid = overlay::apply(declarations, config, &is_meant, &mut problems);
        context = index(&overlaid, layout, overrides);
    }

    let mut sets = params::Sets::read(&overrides.set, &mut problems);
    context.pipeline_params = sets.pipelines(&context, &selected, &mut problems);
    cells = context.steps.iter().map(|place| cells::of(&context, *place, files, &mut problems)).collect();
    context.split(&cells);
    let mut drafts: Vec<step::Draft> = Vec::with_capacity(context.steps.len());
    for place in context.steps.clone() {
        let draft = step::draft(&context, place, &mut sets, selected.contains(&place.pipeline_id), &mut problems);
        drafts.push(draft);
    }
    sets.unused(&context, &selected, &mut problems);
    for draft in &mut drafts {
        context.outputs.push(std::mem::take(&mut draft.outputs));
    }
    cells::over_outputs(&context, &mut problems);
    let steps = drafts.into_iter().enumerate().map(|(at, draft)| step::finish(&context, draft, at, &mut problems));
    let steps: Vec<Step> = steps.collect();
    ranks::unknown_ignored(&context, &steps, &mut problems);
    batch::check(&context, &steps, &mut problems);

    let pipelines = members.into_iter().enumerate().map(|(at, members)| {
        let (table, declaration) = context.pipelines[at];
        Pipeline {
            package: table.package.clone(),
            name: declaration.name.value.clone(),
            span: declaration.name.span,
            description: declaration.description.as_ref().map(|text| text.value.clone()),
            steps: context.steps_of[at].clone(),
            members,
            hooks: hooks::of_pipeline(&context, (table, declaration), &context.pipeline_params[at], &mut problems),
            params: context.pipeline_params[at].clone(),
        }
    });
    let pipelines = pipelines.collect();
    (Model { settings: context.settings, pipelines, steps }, in_order(problems))
}

fn index<'d>(declarations: &'d Declarations, layout: &'d Layout, overrides: &'d Overrides) -> Context<'d> {
    let root_files = [&b"Cargo.toml"[..], b"Cargo.lock"].map(|name| RelPath::root().child(name));
    let mut manifests: Vec<RelPath> = layout.packages.iter().map(|package| package.manifest.clone()).collect();
    manifests.extend(root_files);
    manifests.sort();
    manifests.dedup();
    let mut context = Context {
        manifests,
        layout,
        args: &overrides.args,
        settings: settings(declarations),
        workspace: declarations.tables.iter().find(|table| table.package.is_none()),
        pipelines: Vec::new(),
        steps: Vec::new(),
        pipeline_params: Vec::new(),
        steps_of: Vec::new(),
        outputs: Vec::new(),
    };
    for table in &declarations.tables {
        for pipeline in &table.pipelines {
            let pipeline_id = PipelineId(context.pipelines.len() as u32);
            let first = context.steps.len() as u32;
            context.steps.extend(pipeline.steps.iter().map(|step| Place {
                table,
                pipeline,
                pipeline_id,
                step,
                cell: None,
            }));
            context.steps_of.push((first..context.steps.len() as u32).map(StepId).collect());
            context.pipelines.push((table, pipeline));
        }
    }
    context
}

fn settings(declarations: &Declarations) -> Settings {
    let mut settings = Settings::default();
    for declared in declarations.tables.iter().map(|table| &table.settings) {
        settings.pools.extend(declared.pools.clone());
        settings.default_pipeline =
            settings.default_pipeline.or_else(|| declared.default_pipeline.as_ref().map(|text| text.value.clone()));
        settings.store_dir = settings.store_dir.or_else(|| declared.store_dir.as_ref().map(|text| text.value.clone()));
        settings.store_max_size = declared.store_max_size.unwrap_or(settings.store_max_size);
    }
    settings
}

fn display_id(table: &TableDeclaration, pipeline: &PipelineDeclaration) -> String {
    match &table.package {
        Some(package) => format!("{package}:{}", pipeline.name.value),
        None => pipeline.name.value.clone(),
    }
}

impl<'d> Context<'d> {
    /// Puts the cells of each step in its place.
    fn split(&mut self, cells: &'d [Option<Vec<Cell>>]) {
        let steps = std::mem::take(&mut self.steps);
        self.steps_of = vec![Vec::new(); self.pipelines.len()];
        for (place, cells) in steps.into_iter().zip(cells) {
            let places = match cells {
                None => vec![place],
                Some(cells) => cells.iter().map(|cell| Place { cell: Some(cell), ..place }).collect(),
            };
            for place in places {
                self.steps_of[place.pipeline_id.0 as usize].push(StepId(self.steps.len() as u32));
                self.steps.push(place);
            }
        }
    }
}

impl Context<'_> {
    /// The pipelines that `name` (`pipeline` or `package:pipeline`) means on the command line.
    fn pipelines_called(&self, name: &str) -> Vec<PipelineId> {
        let (package, name) = name.split_once(':').map_or((None, name), |(package, name)| (Some(package), name));
        let called = self.pipelines.iter().enumerate().filter(|(_, (table, pipeline))| {
            pipeline.name.value == name && (package.is_none() || table.package.as_deref() == package)
        });
        called.map(|(at, _)| PipelineId(at as u32)).collect()
    }

    fn pipeline_names(&self) -> BTreeSet<String> {
        self.pipelines.iter().map(|(table, pipeline)| display_id(table, pipeline)).collect()
    }

    fn unknown_pipeline_help(&self, name: &str) -> String {
        let ids = self.pipeline_names();
        // `tets` is near to `test`, not to `crate-a:test`.
        let short: BTreeSet<&str> = self.pipelines.iter().map(|(_, pipeline)| pipeline.name.value.as_str()).collect();
        match suggest::nearest(name, short) {
            Some(near) => format!("did you mean `{near}`?"),
            None => suggest::help(name, ids.iter().map(String::as_str), "pipelines"),
        }
    }
}

fn default_pipeline(context: &Context<'_>, declarations: &Declarations, problems: &mut Vec<Diagnostic>) {
    for text in declarations.tables.iter().filter_map(|table| table.settings.default_pipeline.as_ref()) {
        if context.pipelines_called(&text.value).is_empty() {
            problems.push(
                Diagnostic::error(format!("there is no pipeline `{}`", text.value))
                    .at(text.span, "the default")
                    .help(context.unknown_pipeline_help(&text.value)),
            );
        }
    }
}

/// For each pipeline those that selecting it selects as well.
fn members(context: &Context<'_>, problems: &mut Vec<Diagnostic>) -> Vec<Vec<PipelineId>> {
    let mut all = Vec::new();
    for (table, pipeline) in &context.pipelines {
        let mut members = BTreeSet::new();
        for text in &pipeline.members {
            let called = context.pipelines_called(&text.value);
            let of = |package: Option<&String>| -> Vec<PipelineId> {
                let of_package = |id: &&PipelineId| context.pipelines[id.0 as usize].0.package.as_ref() == package;
                called.iter().filter(of_package).copied().collect()
            };
            let found = if table.package.is_none() || text.value.contains(':') {
                called.clone()
            } else {
                [of(table.package.as_ref()), of(None)].into_iter().find(|found| !found.is_empty()).unwrap_or_default()
            };
            if found.is_empty() {
                problems.push(
                    Diagnostic::error(format!("there is no pipeline `{}`", text.value))
                        .at(text.span, format!("a member of `{}`", pipeline.name.value))
                        .help(context.unknown_pipeline_help(&text.value)),
                );
            }
            members.extend(found);
        }
        all.push(members.into_iter().collect());
    }
    group_cycles(context, &all, problems);
    all
}

/// Reports each group that holds itself, once, with the whole way round.
fn group_cycles(context: &Context<'_>, members: &[Vec<PipelineId>], problems: &mut Vec<Diagnostic>) {
    let mut settled = BTreeSet::new();
    for start in (0..members.len() as u32).map(PipelineId) {
        let mut path: Vec<(PipelineId, usize)> = vec![(start, 0)];
        while let Some((id, next)) = path.last_mut() {
            let id = *id;
            let Some(member) = members[id.0 as usize].get(*next).copied().filter(|_| !settled.contains(&id)) else {
                settled.insert(id);
                path.pop();
                continue;
            };
            *next += 1;
            let Some(at) = path.iter().position(|(id, _)| *id == member) else {
                path.push((member, 0));
                continue;
            };
            let way = path[at..].iter().map(|(id, _)| *id).chain([member]);
            let way: Vec<_> = way.map(|id| context.pipelines[id.0 as usize]).collect();
            let names: Vec<String> = way.iter().map(|(table, pipeline)| display_id(table, pipeline)).collect();
            let mut problem = Diagnostic::error(format!("groups that hold each other: {}", names.join(" → ")))
                .help("leave one of them out");
            for (at, (_, pipeline)) in way[..way.len() - 1].iter().enumerate() {
                let span = pipeline.name.span;
                problem = if at == 0 { problem.at(span, "") } else { problem.and(span, "") };
            }
            problems.push(problem);
        }
    }
}

/// The pipelines that `--set` is for.
fn selected(context: &Context<'_>, members: &[Vec<PipelineId>], names: &[String]) -> BTreeSet<PipelineId> {
    if names.is_empty() {
        return (0..members.len() as u32).map(PipelineId).collect();
    }
    // A step's id selects in its pipeline.
    let named = names.iter().map(|name| name.split_once('/').map_or(name.as_str(), |(pipeline, _)| pipeline));
    let mut open: Vec<PipelineId> = named.flat_map(|name| context.pipelines_called(name)).collect();
    let mut selected = BTreeSet::new();
    while let Some(id) = open.pop() {
        if selected.insert(id) {
            open.extend(&members[id.0 as usize]);
        }
    }
    selected
}
