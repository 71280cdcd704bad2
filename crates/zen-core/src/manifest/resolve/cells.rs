//! Cells of matrix steps: which there are, what they are called, which of them agree. Knows not what a step does.

use std::collections::{BTreeMap, BTreeSet};

use super::cargo;
use super::render::{Renderer, article, bad_path};
use super::{Context, Files, Place};
use crate::diag::{Diagnostic, Span};
use crate::glob::{PathSet, overlap};
use crate::manifest::declarations::{MatrixDeclaration, MatrixSource};
use crate::manifest::reader::{Raw, Text};
use crate::model::StepId;
use crate::path::RelPath;
use crate::suggest;
use crate::value::Value;

/// One instance of a matrix step.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    /// `gamma=0.1,kernel=rbf`
    pub(crate) label: String,
    /// `gamma` → its value, and for a table `gamma.field` → that.
    pub(crate) values: BTreeMap<String, Value>,
    /// The packages among its values.
    pub(crate) packages: Vec<String>,
}

impl Cell {
    /// Do both have the same value of every matrix name that both have?
    pub(crate) fn agrees(&self, other: &Cell) -> bool {
        self.values.iter().all(|(name, value)| other.values.get(name).is_none_or(|theirs| theirs == value))
    }
}

/// One value of one matrix name: what it is called, and what it and its fields are.
#[derive(Debug, Clone)]
struct Choice {
    name: Value,
    fields: BTreeMap<String, Value>,
}

/// Cells of one step; more is an accident.
const MAX_CELLS: usize = 100_000;

/// The cells of a step, in the order of their values, the names sorted; `None` if it has no `matrix`.
pub(crate) fn of(
    context: &Context<'_>,
    place: Place<'_>,
    files: Files<'_>,
    problems: &mut Vec<Diagnostic>,
) -> Option<Vec<Cell>> {
    let declared = &place.step.matrix;
    if declared.is_empty() {
        return None;
    }
    let mut cells = vec![Cell { label: String::new(), values: BTreeMap::new(), packages: Vec::new() }];
    for matrix in declared {
        let choices = choices(context, place, matrix, files, problems);
        let with = |cell: &Cell, choice: &Choice| {
            let comma = if cell.label.is_empty() { "" } else { "," };
            let mut values = cell.values.clone();
            let name = &matrix.name.value;
            values.insert(name.clone(), choice.name.clone());
            values.extend(choice.fields.iter().map(|(field, value)| (format!("{name}.{field}"), value.clone())));
            let mut packages = cell.packages.clone();
            packages.extend(matches!(matrix.source, MatrixSource::Packages(_)).then(|| choice.name.to_text()));
            Cell { label: format!("{}{comma}{name}={}", cell.label, escaped(&choice.name.to_text())), values, packages }
        };
        if cells.len().saturating_mul(choices.len()) > MAX_CELLS {
            problems.push(
                Diagnostic::error(format!("step `{}` has more than {MAX_CELLS} cells", place.step.name.value))
                    .at(matrix.name.span, "with these values")
                    .help("split the step, or give the matrix fewer values"),
            );
            return Some(Vec::new());
        }
        cells = cells.iter().flat_map(|cell| choices.iter().map(move |choice| with(cell, choice))).collect();
    }
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    if let Some(twice) = cells.iter().find(|cell| !seen.insert(&cell.label)) {
        let step = &place.step.name;
        problems.push(
            Diagnostic::error(format!("two cells are called `{}[{}]`", step.value, twice.label))
                .at(declared[0].name.span, "a value stands twice")
                .help("take one of the two out"),
        );
    }
    Some(cells)
}

/// A value in a cell's name: what would end it or part it is written as `%` and its number.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if matches!(c, '[' | ']' | ',' | '%') || c.is_control() {
            c.to_string().bytes().for_each(|byte| out.push_str(&format!("%{byte:02X}")));
        } else {
            out.push(c);
        }
    }
    out
}

fn choices(
    context: &Context<'_>,
    place: Place<'_>,
    matrix: &MatrixDeclaration,
    files: Files<'_>,
    problems: &mut Vec<Diagnostic>,
) -> Vec<Choice> {
    let mut renderer = Renderer::new(&context.pipeline_params[place.pipeline_id.0 as usize], context.args);
    let span = matrix.name.span;
    let found = match &matrix.source {
        MatrixSource::Values(values) => {
            let values: Vec<Value> = values.iter().map(|value| renderer.value(value)).collect();
            listed(values, span, &mut renderer.problems)
        }
        MatrixSource::Pipeline(text) => match renderer.value(&Raw::Text(text.clone())) {
            Value::Array(values) => listed(values, text.span, &mut renderer.problems),
            other if renderer.problems.is_empty() => {
                renderer.problems.push(
                    Diagnostic::error(format!("`matrix.{}` is no list", matrix.name.value))
                        .at(text.span, format!("{} {}", article(other.type_name()), other.type_name()))
                        .help("a list of values, or `\"{{ pipeline.NAME }}\"` of a parameter that is one"),
                );
                Vec::new()
            }
            _ => Vec::new(),
        },
        MatrixSource::Glob(texts) => globbed(place, texts, &mut renderer, files),
        MatrixSource::Packages(texts) => packages(context, texts, &mut renderer),
    };
    if found.is_empty() && renderer.problems.is_empty() {
        renderer.problems.push(
            Diagnostic::warning(format!("step `{}` has no cells", place.step.name.value))
                .at(span, "no value")
                .help("give it values, or take the step out"),
        );
    }
    problems.append(&mut renderer.problems);
    found
}

fn listed(values: Vec<Value>, span: Span, problems: &mut Vec<Diagnostic>) -> Vec<Choice> {
    let mut choices = Vec::new();
    for value in values {
        let Value::Table(mut fields) = value else {
            choices.push(Choice { name: value, fields: BTreeMap::new() });
            continue;
        };
        match fields.remove("name") {
            Some(name) if !matches!(name, Value::Table(_) | Value::Array(_)) => {
                fields.insert("name".to_owned(), name.clone());
                choices.push(Choice { name, fields });
            }
            _ => problems.push(
                Diagnostic::error("a table in a matrix needs a `name`")
                    .at(span, format!("not so in {}", Value::Table(fields)))
                    .help("`{ name = \"small\", size = 1 }`: the cell is called by it"),
            ),
        }
    }
    choices
}

fn globbed(place: Place<'_>, texts: &[Text], renderer: &mut Renderer<'_>, files: Files<'_>) -> Vec<Choice> {
    let base = &place.table.base;
    let set: PathSet = renderer.paths(texts, base);
    if set.is_empty() {
        return Vec::new();
    }
    let text = |bytes: &[u8]| Value::String(String::from_utf8_lossy(bytes).into_owned());
    let choice = |path: RelPath| {
        let file = path.file_name().unwrap_or_default();
        let stem = match file.iter().rposition(|byte| *byte == b'.') {
            Some(dot) if dot > 0 => &file[..dot],
            _ => file,
        };
        let dir = path.parent().unwrap_or_else(RelPath::root).relative_to(base);
        let name = text(&path.relative_to(base));
        let fields = [("name", name.clone()), ("stem", text(stem)), ("dir", text(&dir))];
        Choice { name, fields: fields.map(|(field, value)| (field.to_owned(), value)).into() }
    };
    let mut found = files(&set);
    found.sort();
    if let Some(odd) = found.iter().find(|path| std::str::from_utf8(path.as_bytes()).is_err()) {
        let error = crate::glob::PatternError::Syntax {
            text: odd.to_string(),
            reason: "a cell cannot be called after a name that is not UTF-8".to_owned(),
        };
        renderer.problems.push(bad_path(&error, &texts[0]));
        return Vec::new();
    }
    found.into_iter().map(choice).collect()
}

fn packages(context: &Context<'_>, texts: &[Text], renderer: &mut Renderer<'_>) -> Vec<Choice> {
    let (mut named, mut gone): (BTreeSet<String>, BTreeSet<String>) = Default::default();
    for text in texts {
        let Some(spec) = renderer.string(text) else { continue };
        let leaves_out = spec.starts_with('!');
        let spec = spec.trim_start_matches('!');
        let list = if leaves_out { &mut gone } else { &mut named };
        let members = cargo::members(context.layout, spec);
        if members.is_empty() {
            let names = context.layout.packages.iter().map(|package| package.name.as_str());
            let problem = format!("no package of the workspace is called `{spec}`");
            // What is to be left out need not be there, as with cargo's `--exclude`.
            let problem = if leaves_out { Diagnostic::warning(problem) } else { Diagnostic::error(problem) };
            renderer.problems.push(problem.at(text.span, "").help(suggest::help(spec, names, "packages")));
        }
        list.extend(members.into_iter().map(str::to_owned));
    }
    let choice = |name: &String| {
        let dir = context.layout.package(name).map(|package| package.dir.to_string()).unwrap_or_default();
        let name = Value::String(name.clone());
        let fields = [("name".to_owned(), name.clone()), ("dir".to_owned(), Value::String(dir))].into();
        Choice { name, fields }
    };
    named.difference(&gone).map(choice).collect()
}

/// Refuses globs of a matrix that cover what a step makes: which cells there are must be known before anything runs.
pub(crate) fn over_outputs(context: &Context<'_>, problems: &mut Vec<Diagnostic>) {
    let outputs = || context.outputs.iter().enumerate().flat_map(|(at, all)| all.iter().map(move |one| (at, one)));
    // A step without cells is no step of the context, and its glob is wrong all the same.
    for (at, (table, pipeline)) in context.pipelines.iter().enumerate() {
        for matrix in pipeline.steps.iter().flat_map(|step| &step.matrix) {
            let MatrixSource::Glob(texts) = &matrix.source else { continue };
            let mut renderer = Renderer::new(&context.pipeline_params[at], context.args);
            let set = renderer.paths(texts, &table.base);
            let covers = |output: &crate::model::Output| {
                let made = output.place.pattern();
                set.include.iter().any(|glob| overlap(glob, &made) && !set.leaves_out(glob, &made))
            };
            if let Some((maker, output)) = outputs().find(|(_, output)| covers(output)) {
                let maker = context.steps[maker].id();
                problems.push(
                    Diagnostic::error(format!("`matrix.{}` covers what step `{maker}` makes", matrix.name.value))
                        .at(matrix.name.span, "which cells there are must be known before anything runs")
                        .and(output.span, format!("output `{}`", output.name))
                        .help("list the values, or leave the output out of the glob with `!`"),
                );
            }
        }
    }
}

impl Context<'_> {
    /// The cells (or the one step without a matrix) that `reference` to a step called `name` means from `from`: those
    /// that agree with it on every matrix name that both have.
    pub(crate) fn agreeing(&self, from: Place<'_>, candidates: &[StepId]) -> Vec<StepId> {
        let agrees = |id: &&StepId| match (from.cell, self.steps[id.0 as usize].cell) {
            (Some(mine), Some(theirs)) => theirs.agrees(mine),
            _ => true,
        };
        candidates.iter().filter(agrees).copied().collect()
    }
}
