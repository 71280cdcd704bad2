//! Hooks of steps and pipelines: their commands and what they see. They may use parameters alone, and add nothing to any
//! key: what they use is not noted anywhere else.

use std::collections::BTreeMap;

use super::command::script;
use super::ranks::Levels;
use super::render::Renderer;
use super::{Context, Place, display_id};
use crate::diag::Diagnostic;
use crate::manifest::declarations::{HookCommand, HookDeclaration, PipelineDeclaration, TableDeclaration};
use crate::manifest::reader::Text;
use crate::manifest::template::Refuse;
use crate::model::template::{Part, Placeholder, Template};
use crate::model::{Command, Hook, HookScope, Hooks, Step};
use crate::value::Value;

/// The hooks of a step that is resolved but for them.
pub(crate) fn of_step(context: &Context<'_>, place: Place<'_>, step: &Step, problems: &mut Vec<Diagnostic>) -> Hooks {
    let pipeline = &context.pipeline_params[place.pipeline_id.0 as usize];
    let levels = Levels::of(context, place);
    let scope = HookScope {
        cwd: step.cwd.clone(),
        uses_cargo: step.uses_cargo,
        env: (step.env.iter())
            .filter(|(_, template)| template.placeholders().all(is_known))
            .map(|(name, template)| (name.clone(), template.clone()))
            .collect(),
        track_env: step.track_env.clone(),
        pass_env: step.pass_env.clone(),
        secret_env: step.secret_env.clone(),
        params: step.params.clone(),
        pipeline: pipeline.clone(),
        matrix: step.matrix.clone(),
    };
    let of = format!("step `{}`", step.display_id);
    hooks(&place.step.hooks, &of, levels.nearest(|level| level.shell.as_deref()), scope, problems)
}

/// The hooks of a pipeline. Its parameters may be called `params.x` here as well.
pub(crate) fn of_pipeline(
    context: &Context<'_>,
    (table, declared): (&TableDeclaration, &PipelineDeclaration),
    params: &BTreeMap<String, Value>,
    problems: &mut Vec<Diagnostic>,
) -> Hooks {
    if declared.hooks.is_empty() {
        return Hooks::default();
    }
    let levels = Levels::of_pipeline(context, table, declared);
    let mut renderer = renderer(params, params);
    let mut env = BTreeMap::new();
    for (name, text) in levels.env() {
        // A value that only steps can have (an input's path) is no problem here: the hook does without it.
        let template = renderer.template(text);
        if renderer.problems.is_empty() {
            env.insert(name.to_owned(), template);
        }
        renderer.problems.clear();
    }
    let mut set = |texts: Vec<&Text>| {
        let set = renderer.set(texts);
        // The steps report what is wrong with it.
        renderer.problems.clear();
        set
    };
    let scope = HookScope {
        cwd: table.base.clone(),
        uses_cargo: false,
        env,
        track_env: set(levels.joined(|level| &level.track_env).collect()),
        pass_env: set(levels.joined(|level| &level.pass_env).collect()),
        secret_env: set(levels.joined(|level| &level.secret_env).collect()),
        params: params.clone(),
        pipeline: params.clone(),
        matrix: BTreeMap::new(),
    };
    let of = format!("pipeline `{}`", display_id(table, declared));
    hooks(&declared.hooks, &of, levels.nearest(|level| level.shell.as_deref()), scope, problems)
}

fn is_known(placeholder: &Placeholder) -> bool {
    matches!(placeholder, Placeholder::Param(_) | Placeholder::Pipeline(_) | Placeholder::Matrix(_))
}

fn renderer<'a>(params: &BTreeMap<String, Value>, pipeline: &'a BTreeMap<String, Value>) -> Renderer<'a> {
    let mut renderer = Renderer::new(pipeline, &[]);
    renderer.params.clone_from(params);
    renderer.refuse = Some(Refuse::AllButParams);
    renderer
}

fn hooks(
    declared: &[HookDeclaration],
    of: &str,
    shell: Option<&[Text]>,
    scope: HookScope,
    problems: &mut Vec<Diagnostic>,
) -> Hooks {
    let mut renderer = renderer(&scope.params, &scope.pipeline);
    renderer.matrix = &scope.matrix;
    let hooks = declared.iter().map(|hook| {
        let (command, calls_cargo) = match &hook.command {
            HookCommand::Shell(text) => {
                let (script, shell, lexed) = script(&mut renderer, text, shell);
                let words = lexed.commands.iter().filter_map(|words| words.first()?.literal());
                let calls_cargo = words.into_iter().any(|word| word == "cargo");
                (Command::Shell { script, shell }, calls_cargo)
            }
            HookCommand::Argv(words) => {
                let words: Vec<Template> = words.iter().map(|word| renderer.template(word)).collect();
                let program = words.first().map(|word| word.parts.as_slice());
                let calls_cargo = matches!(program, Some([Part::Text(program)]) if program == "cargo");
                (Command::Argv(words), calls_cargo)
            }
        };
        let (time, on_cached, span) = (hook.time, hook.on_cached, hook.span);
        Hook { time, of: of.to_owned(), command, calls_cargo, on_cached, span }
    });
    let hooks = hooks.collect();
    problems.append(&mut renderer.problems);
    Hooks { hooks, scope }
}
