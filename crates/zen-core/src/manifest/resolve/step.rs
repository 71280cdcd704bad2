//! One step: first what others refer to (its parameters and outputs), then the rest. Knows not the order of steps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::params::Sets;
use super::ranks::Levels;
use super::references::{Reference, looks_like_path};
use super::render::{Renderer, bad_path};
use super::{Context, Place, command, display_id, hooks, outputs, params, sources};
use crate::diag::{Diagnostic, Span};
use crate::manifest::declarations::{InputDeclaration, Params, Threads};
use crate::manifest::level::{Alike, check_alike};
use crate::manifest::reader::Text;
use crate::model::{ArtifactRef, Hooks, Input, InputSource, Output, Rank, Step, StepRef};
use crate::path::RelPath;
use crate::suggest;
use crate::value::Value;

/// A step half done.
pub(crate) struct Draft<'d> {
    place: Place<'d>,
    params: BTreeMap<String, Value>,
    used_pipeline: BTreeSet<String>,
    uses_args: bool,
    pub(crate) outputs: Vec<Output>,
}

impl<'d> Place<'d> {
    /// The names of the step's parameters, as declared.
    pub(crate) fn param_names(&self) -> Vec<String> {
        match &self.step.params {
            Params::Table(params) => params.keys().cloned().collect(),
            Params::Names(names) => names.iter().map(|text| text.value.clone()).collect(),
        }
    }

    /// Its name; of a cell with its values.
    pub(crate) fn name(&self) -> String {
        match self.cell {
            Some(cell) => format!("{}[{}]", self.step.name.value, cell.label),
            None => self.step.name.value.clone(),
        }
    }

    /// `pipeline/step`
    pub(crate) fn id(&self) -> String {
        format!("{}/{}", display_id(self.table, self.pipeline), self.name())
    }
}

/// Parameters and outputs.
pub(crate) fn draft<'d>(
    context: &Context<'d>,
    place: Place<'d>,
    sets: &mut Sets,
    is_selected: bool,
    problems: &mut Vec<Diagnostic>,
) -> Draft<'d> {
    let mut renderer = renderer(context, place);
    let mut params = declared_params(place, &mut renderer);
    let span_of = |name: &str| match &place.step.params {
        Params::Table(params) => params[name].span,
        Params::Names(_) => place.pipeline.params[name].span,
    };
    for (name, new) in place.step.config.iter().flat_map(|config| &config.params) {
        let given = renderer.value(&new.value);
        match params.get_mut(name) {
            Some(value) => params::put(value, given, name, new.span, span_of(name), &mut renderer.problems),
            None => {
                let id = place.id();
                renderer.problems.push(
                    Diagnostic::error(format!("step `{id}` has no parameter `{name}`"))
                        .at(new.span, "a config file sets what the tables declare")
                        .help(suggest::help(name, params.keys().map(String::as_str), "its parameters")),
                );
            }
        }
    }
    if is_selected {
        sets.step(place, &mut params, span_of, &mut renderer.problems);
    }
    renderer.params = params;
    let outputs = outputs::outputs(context, place, &mut renderer);
    problems.append(&mut renderer.problems);
    Draft {
        place,
        params: renderer.params,
        used_pipeline: renderer.used_pipeline,
        uses_args: renderer.uses_args,
        outputs,
    }
}

/// A renderer with what the step's strings may use from the start.
fn renderer<'c>(context: &'c Context<'_>, place: Place<'c>) -> Renderer<'c> {
    let mut renderer = Renderer::new(&context.pipeline_params[place.pipeline_id.0 as usize], context.args);
    if let Some(cell) = place.cell {
        renderer.matrix = &cell.values;
    }
    renderer
}

fn declared_params(place: Place<'_>, renderer: &mut Renderer<'_>) -> BTreeMap<String, Value> {
    let texts = match &place.step.params {
        Params::Table(params) => {
            return params.iter().map(|(name, param)| (name.clone(), renderer.value(&param.value))).collect();
        }
        Params::Names(texts) => texts,
    };
    let mut values = BTreeMap::new();
    for text in texts {
        match renderer.pipeline.get(&text.value) {
            Some(value) => {
                values.insert(text.value.clone(), value.clone());
            }
            None => {
                let names = renderer.pipeline.keys().map(String::as_str);
                let pipeline = display_id(place.table, place.pipeline);
                renderer.problems.push(
                    Diagnostic::error(format!("pipeline `{pipeline}` has no parameter `{}`", text.value))
                        .at(text.span, "")
                        .help(suggest::help(&text.value, names, "its parameters")),
                );
            }
        }
    }
    values
}

/// All the rest. `at` is the step's number.
pub(crate) fn finish(context: &Context<'_>, draft: Draft<'_>, at: usize, problems: &mut Vec<Diagnostic>) -> Step {
    let Draft { place, params, used_pipeline, uses_args, .. } = draft;
    let declared = place.step;
    let base = &place.table.base;
    let mut renderer = renderer(context, place);
    (renderer.params, renderer.used_pipeline, renderer.uses_args) = (params, used_pipeline, uses_args);
    let outputs = context.outputs[at].clone();

    let cwd = declared.cwd.as_ref().and_then(|text| cwd(&mut renderer, text, base)).unwrap_or_else(|| base.clone());
    let inputs = inputs(context, place, &mut renderer);
    renderer.outputs.extend(outputs.iter().map(|output| output.name.clone()));

    let levels = Levels::of(context, place);
    let sources =
        sources::sources(context, &mut renderer, levels.joined(|level| &level.policy.source_dependencies), &cwd);
    let policy = levels.policy(&mut renderer, sources.items);
    let shell = levels.nearest(|level| level.shell.as_deref());
    let cache_funcs = command::functions(&mut renderer, levels.functions(), shell);
    let run = command::command(context, place, &mut renderer, shell, &cwd);
    let mut declared_packages = command::packages(context, &mut renderer, levels.joined(|level| &level.packages), &cwd);
    declared_packages.extend(sources.packages);
    if declared_packages.is_empty() && policy.include_step_code {
        renderer.problems.extend(run.undeclared);
    }
    let is_built = declared.run.as_ref().is_some_and(|run| run.value.is_built());
    let uses_cargo = run.calls_cargo || is_built || !declared_packages.is_empty();
    let code = if policy.include_step_code { run.closures } else { Vec::new() };
    let closures: BTreeSet<_> = declared_packages.into_iter().chain(code).collect();

    let mut step = Step {
        hooks: Hooks::default(),
        pipeline: place.pipeline_id,
        name: place.name(),
        base_name: declared.name.value.clone(),
        matrix: place.cell.map(|cell| cell.values.clone()).unwrap_or_default(),
        cell_packages: place.cell.map(|cell| cell.packages.clone()).unwrap_or_default(),
        batch: declared.batch.is_some(),
        display_id: place.id(),
        span: declared.name.span,
        description: declared.description.as_ref().and_then(|text| renderer.string(text)),
        base: base.clone(),
        cwd,
        command: run.command,
        command_span: declared.run.as_ref().map_or(declared.name.span, |run| run.span),
        inputs,
        files: renderer.paths(&declared.files, base),
        outputs,
        after: step_refs(context, place, &mut renderer, &declared.after, "after"),
        depends: step_refs(context, place, &mut renderer, &declared.depends, "depends"),
        closures: closures.into_iter().collect(),
        uses_cargo,
        calls_cargo: run.calls_cargo,
        env: levels.env().into_iter().map(|(name, text)| (name.to_owned(), renderer.template(text))).collect(),
        track_env: renderer.set(levels.joined(|level| &level.track_env)),
        pass_env: renderer.set(levels.joined(|level| &level.pass_env)),
        secret_env: renderer.set(levels.joined(|level| &level.secret_env)),
        pool: declared.pool.as_ref().and_then(|text| pool(context, &mut renderer, text)),
        threads: match declared.threads {
            None => Some(1),
            Some(Threads::Count(count)) => Some(count),
            Some(Threads::All) => None,
        },
        timeout: levels.nearest(|level| level.timeout),
        retries: levels.nearest(|level| level.retries).unwrap_or(0),
        retry_delay: declared.retry_delay.unwrap_or(Duration::ZERO),
        interactive: declared.interactive,
        enable_cache: if declared.interactive { (false, Rank::Step) } else { levels.enable_cache() },
        policy,
        cache_funcs,
        pipeline_params: (renderer.used_pipeline.iter())
            .map(|name| (name.clone(), renderer.pipeline[name].clone()))
            .collect(),
        args: renderer.uses_args.then(|| context.args.to_vec()),
        params: renderer.params,
    };
    problems.append(&mut renderer.problems);
    if !declared.hooks.is_empty() {
        step.hooks = hooks::of_step(context, place, &step, problems);
    }
    step
}

fn cwd(renderer: &mut Renderer<'_>, text: &Text, base: &RelPath) -> Option<RelPath> {
    let rendered = renderer.render(text)?;
    let path = rendered.path(base);
    path.map_err(|error| renderer.problems.push(bad_path(&error, text))).ok()
}

fn pool(context: &Context<'_>, renderer: &mut Renderer<'_>, text: &Text) -> Option<String> {
    let name = renderer.string(text)?;
    if !context.settings.pools.contains_key(&name) {
        let names = context.settings.pools.keys().map(String::as_str);
        let mut help = suggest::help(&name, names, "pools");
        if !help.starts_with("did you mean") {
            help = format!("declare it in `[workspace.metadata.zen]`: `pools.{name} = 1`");
        }
        renderer.problems.push(Diagnostic::error(format!("there is no pool `{name}`")).at(text.span, "").help(help));
        return None;
    }
    Some(name)
}

fn step_refs(
    context: &Context<'_>,
    place: Place<'_>,
    renderer: &mut Renderer<'_>,
    texts: &[Text],
    key: &str,
) -> Vec<StepRef> {
    let mut refs = Vec::new();
    for text in texts {
        let Some(written) = renderer.string(text) else { continue };
        let reference = Reference::read(&written);
        if let Some(output) = reference.output {
            let step = written.strip_suffix(&format!(".{output}")).unwrap_or(&written);
            renderer.problems.push(
                Diagnostic::error(format!("`{key}` takes steps, and `{written}` is an output"))
                    .at(text.span, "")
                    .help(format!("`{key} = [{step:?}]`, or make it one of the `inputs`")),
            );
            continue;
        }
        match context.find_steps(place, &written, reference, text.span) {
            Ok(steps) => refs.extend(steps.into_iter().map(|step| StepRef { step, span: text.span })),
            Err(problem) => renderer.problems.push(problem),
        }
    }
    refs.sort_by_key(|found| (found.step, found.span));
    refs.dedup_by_key(|found| found.step);
    refs
}

/// The inputs, sorted by name. Names of broken ones go to the renderer all the same.
fn inputs(context: &Context<'_>, place: Place<'_>, renderer: &mut Renderer<'_>) -> Vec<Input> {
    let mut inputs = Vec::new();
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut gathered: Vec<(String, Span)> = Vec::new();
    for declared in &place.step.inputs {
        let (name, span, source) = match declared {
            InputDeclaration::Files(name, globs) => {
                let files = renderer.paths(globs, &place.table.base);
                (name.value.clone(), name.span, Some(InputSource::Files(files)))
            }
            InputDeclaration::Named(name, text) => {
                let source = artifact(context, place, renderer, text, Some(&name.value)).map(|(_, source)| source);
                (name.value.clone(), text.span, source)
            }
            InputDeclaration::Reference(text) => {
                let found = artifact(context, place, renderer, text, None);
                let guess = || Reference::read(&text.value).output.unwrap_or_default().to_owned();
                let (name, source) = found.map_or_else(|| (guess(), None), |(name, source)| (name, Some(source)));
                if source.is_some() {
                    gathered.push((name.clone(), text.span));
                }
                (name, text.span, source)
            }
        };
        names.insert(name.clone());
        inputs.extend(source.map(|source| Input { name, span, source }));
    }
    let before = renderer.problems.len();
    let gathered = gathered.iter().map(|(name, span)| (name.as_str(), *span));
    check_alike(&mut renderer.problems, gathered, "an input", Alike::Variable);
    for problem in &mut renderer.problems[before..] {
        problem.helps = vec!["give them names of your own: `inputs.NAME = \"step.output\"`".to_owned()];
    }
    inputs.sort_by(|a, b| a.name.cmp(&b.name));
    inputs.dedup_by(|a, b| a.name == b.name);
    renderer.inputs = names;
    inputs
}

/// What a reference to an artifact means, and the output's name. `input` is its name, where it has one of its own.
fn artifact(
    context: &Context<'_>,
    place: Place<'_>,
    renderer: &mut Renderer<'_>,
    text: &Text,
    input: Option<&str>,
) -> Option<(String, InputSource)> {
    let written = renderer.string(text)?;
    let reference = Reference::read(&written);
    let found = context.find_steps(place, &written, reference, text.span);
    if let Err(problem) = &found
        && looks_like_path(&written)
        && !problem.helps.iter().any(|help| help.starts_with("did you mean") || help.starts_with("a step of"))
    {
        let help = match input {
            Some(name) => format!("for a file: `inputs.{name}.files = {written:?}`"),
            None => format!("for a file: `files = [{written:?}]`, or by name `inputs.NAME.files = {written:?}`"),
        };
        renderer.problems.push(
            Diagnostic::error(format!("`{written}` is no output of a step"))
                .at(text.span, "a string here is a reference, `step.output`")
                .note(problem.message.clone())
                .help(help),
        );
        return None;
    }
    let with_output = |step| Ok(ArtifactRef { step, output: context.find_output(step, reference, text.span)? });
    let found = found.and_then(|steps| steps.into_iter().map(with_output).collect::<Result<Vec<_>, _>>());
    match found {
        Ok(artifacts) => {
            let name = match artifacts.first() {
                Some(first) => context.outputs[first.step.0 as usize][first.output].name.clone(),
                // Of a step that has no cells; that has been said.
                None => reference.output.unwrap_or(reference.base()).to_owned(),
            };
            Some((name, InputSource::Artifact(artifacts)))
        }
        Err(problem) => {
            renderer.problems.push(problem);
            None
        }
    }
}
