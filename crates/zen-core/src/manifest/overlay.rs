//! Puts a `--config` file over the tables. What is a matter of rank is kept beside the table's own, for
//! [`ranks`](super::resolve); all else takes its place. Knows not what the settings do.

use super::declarations::{Declarations, HookDeclaration, Overlay, Params, PipelineDeclaration, StepDeclaration};
use crate::diag::Diagnostic;
use crate::suggest;

/// The tables with `config` over the pipelines that `is_meant` says, by their number in the order of the tables.
pub(crate) fn apply(
    declarations: &Declarations,
    config: &PipelineDeclaration,
    is_meant: &dyn Fn(usize) -> bool,
    problems: &mut Vec<Diagnostic>,
) -> Declarations {
    let mut overlaid = declarations.clone();
    let pipelines = overlaid.tables.iter_mut().flat_map(|table| &mut table.pipelines).enumerate();
    let mut meant: Vec<&mut PipelineDeclaration> =
        pipelines.filter(|(at, _)| is_meant(*at)).map(|(_, pipeline)| pipeline).collect();
    unknown(config, &meant, problems);
    for pipeline in &mut meant {
        let declared = config.params.iter().filter(|(name, _)| pipeline.params.contains_key(*name));
        let params = declared.map(|(name, param)| (name.clone(), param.clone())).collect();
        pipeline.config = Some(Overlay { level: config.level.clone(), params });
        put_hooks_over(&mut pipeline.hooks, &config.hooks);
        if config.description.is_some() {
            pipeline.description.clone_from(&config.description);
        }
        for step in &mut pipeline.steps {
            if let Some(over) = config.steps.iter().find(|over| over.name.value == step.name.value) {
                put_over(step, over, problems);
            }
        }
    }
    overlaid
}

/// Parameters and steps that no meant pipeline has.
fn unknown(config: &PipelineDeclaration, meant: &[&mut PipelineDeclaration], problems: &mut Vec<Diagnostic>) {
    let params: Vec<&str> = meant.iter().flat_map(|pipeline| pipeline.params.keys().map(String::as_str)).collect();
    let steps = meant.iter().flat_map(|pipeline| &pipeline.steps).map(|step| step.name.value.as_str());
    let steps: Vec<&str> = steps.collect();
    let whose = match meant {
        [pipeline] => format!("pipeline `{}` has", pipeline.name.value),
        _ => "no selected pipeline has".to_owned(),
    };
    let no = if meant.len() == 1 { "no" } else { "a" };
    for (name, param) in config.params.iter().filter(|(name, _)| !params.contains(&name.as_str())) {
        problems.push(
            Diagnostic::error(format!("{whose} {no} parameter `{name}`"))
                .at(param.span, "a config file sets what the tables declare")
                .help(suggest::help(name, params.iter().copied(), "parameters")),
        );
    }
    for step in config.steps.iter().filter(|step| !steps.contains(&step.name.value.as_str())) {
        problems.push(
            Diagnostic::error(format!("{whose} {no} step `{}`", step.name.value))
                .at(step.name.span, "a config file sets what the tables declare")
                .help(suggest::help(&step.name.value, steps.iter().copied(), "steps")),
        );
    }
}

/// A hook for the same time takes the place of the table's.
fn put_hooks_over(hooks: &mut Vec<HookDeclaration>, over: &[HookDeclaration]) {
    hooks.retain(|hook| !over.iter().any(|new| new.time == hook.time));
    hooks.extend(over.iter().cloned());
}

fn put_over(step: &mut StepDeclaration, over: &StepDeclaration, problems: &mut Vec<Diagnostic>) {
    let params = match &over.params {
        Params::Table(params) => params.clone(),
        Params::Names(names) => {
            // An empty array is what a table without `params` gives as well.
            if let Some(name) = names.first() {
                problems.push(
                    Diagnostic::error("`params` of a config file must be a table (name → value)")
                        .at(name.span, "which parameters a step has, the tables say"),
                );
            }
            Default::default()
        }
    };
    if over.platform.is_some() {
        problems.push(
            Diagnostic::error("a config file cannot set `platform`")
                .at(over.name.span, "where a step is there, the tables say")
                .help("take it out, or set it in the step's own table"),
        );
    }
    put_hooks_over(&mut step.hooks, &over.hooks);
    step.interactive |= over.interactive;
    step.config = Some(Overlay { level: over.level.clone(), params });
    if over.description.is_some() {
        step.description.clone_from(&over.description);
    }
    if over.run.is_some() {
        step.run.clone_from(&over.run);
    }
    if over.cwd.is_some() {
        step.cwd.clone_from(&over.cwd);
    }
    if over.pool.is_some() {
        step.pool.clone_from(&over.pool);
    }
    if !over.inputs.is_empty() {
        step.inputs.clone_from(&over.inputs);
    }
    if !over.outputs.is_empty() {
        step.outputs.clone_from(&over.outputs);
    }
    if !over.matrix.is_empty() {
        step.matrix.clone_from(&over.matrix);
    }
    step.batch = over.batch.or(step.batch);
    step.threads = over.threads.or(step.threads);
    step.retry_delay = over.retry_delay.or(step.retry_delay);
    step.files.extend(over.files.iter().cloned());
    step.after.extend(over.after.iter().cloned());
    step.depends.extend(over.depends.iter().cloned());
}
