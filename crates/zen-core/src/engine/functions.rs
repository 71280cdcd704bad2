//! Cache functions: commands whose standard output enters the key. Each is asked once, before anything is decided.
//! Knows not what its answer is for.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::job::chain;
use super::locks;
use super::session::World;
use crate::diag::Diagnostic;
use crate::environment::{Outer, secrets, step_environment};

use crate::model::template::{Placeholder, Template};
use crate::model::{CacheFunc, Step, StepId, StepMap};
use crate::path::RelPath;
use crate::process::{self, ANCESTORS, Control, GRACE, JobId, Spec, Stdout};
use crate::redact::Redactor;
use crate::render::{Values, command_words, render_text};

/// How long a function may take where the step sets no `timeout`.
const LIMIT: Duration = Duration::from_secs(60);

/// What is asked: equal questions are asked once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Question {
    words: Vec<OsString>,
    cwd: RelPath,
    env: Vec<(OsString, OsString)>,
    secret_env: Vec<String>,
    limit: Duration,
}

/// Values by the names of their functions.
pub(super) type Named = Vec<(String, String)>;

/// What the functions of each step say, by name: of the steps of the run that are cached. And all that went wrong.
pub(super) fn values(world: &World<'_>) -> (StepMap<Named>, Vec<Diagnostic>) {
    let model = &world.definitions.model;
    let mut problems = Vec::new();
    let mut asked: Vec<(StepId, &CacheFunc, Question)> = Vec::new();
    let with_functions = world.selection.order.iter().filter(|id| !model.step(**id).cache_funcs.is_empty());
    let cached: Vec<StepId> = with_functions.copied().filter(|id| world.caching(*id, model.step(*id)).0).collect();
    for id in &cached {
        let step = model.step(*id);
        for function in &step.cache_funcs {
            match question(world, step, function) {
                Ok(question) => asked.push((*id, function, question)),
                Err(why) => problems.push(failed(step, function, &why, "")),
            }
        }
    }
    let answers = ask_all(world, asked.iter().map(|(_, _, question)| question.clone()).collect());
    let mut values: StepMap<Named> = cached.iter().map(|id| (*id, Vec::new())).collect();
    let mut reported: Vec<&Question> = Vec::new();
    for (id, function, question) in &asked {
        match &answers[question] {
            Ok(value) => values.entry(*id).or_default().push((function.name.clone(), value.clone())),
            // One that many steps share is wrong once.
            Err(_) if reported.contains(&question) => {}
            Err((why, said)) => {
                reported.push(question);
                problems.push(failed(model.step(*id), function, why, said));
            }
        }
    }
    (values, problems)
}

fn question(world: &World<'_>, step: &Step, function: &CacheFunc) -> Result<Question, String> {
    let values = Values {
        params: step.params.clone(),
        pipeline: step.pipeline_params.clone(),
        matrix: step.matrix.clone(),
        args: step.args.clone().unwrap_or_default(),
        ..Values::default()
    };
    let words = command_words(&function.command, &values).map_err(|error| error.to_string())?;
    let mut set = BTreeMap::new();
    // A variable that holds paths of inputs or outputs has no value before the step starts.
    for (name, template) in step.env.iter().filter(|(_, template)| !names_artifacts(template)) {
        let value = render_text(template, &values).map_err(|error| error.to_string())?;
        set.insert(name.clone(), value.to_string_lossy().into_owned());
    }
    let mut env = step_environment(&world.project.workspace.env, step, &set, world.options.conditions).vars;
    env.insert("ZEN_WORKSPACE_ROOT".into(), world.project.workspace.root.clone().into());
    env.insert(ANCESTORS.into(), locks::with_ours(world).into());
    let (cwd, limit) = (step.cwd.clone(), step.timeout.unwrap_or(LIMIT));
    let secret_env = step.secret_env.clone();
    Ok(Question { words, cwd, env: env.into_iter().collect(), secret_env, limit })
}

fn names_artifacts(template: &Template) -> bool {
    template.placeholders().any(|name| matches!(name, Placeholder::Input(_) | Placeholder::Output(_)))
}

/// The value, or what went wrong and what the function said of it.
type Answer = Result<String, (String, String)>;

/// Asks each question once, as many at a time as steps may run.
fn ask_all(world: &World<'_>, questions: Vec<Question>) -> HashMap<Question, Answer> {
    let answers: HashMap<Question, Option<Answer>> = questions.into_iter().map(|question| (question, None)).collect();
    let open: Mutex<Vec<Question>> = Mutex::new(answers.keys().cloned().collect());
    let answers = Mutex::new(answers);
    let next = || open.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let count = answers.lock().unwrap_or_else(PoisonError::into_inner).len().min(world.options.jobs as usize);
    std::thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                while let Some(question) = next() {
                    let answer = ask(world, &question);
                    answers.lock().unwrap_or_else(PoisonError::into_inner).insert(question, Some(answer));
                }
            });
        }
    });
    let answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    let unasked = || Err(("it was not asked".to_owned(), String::new()));
    answers.into_iter().map(|(question, answer)| (question, answer.unwrap_or_else(unasked))).collect()
}

fn ask(world: &World<'_>, question: &Question) -> Answer {
    let Some((program, args)) = question.words.split_first() else {
        return Err(("the command is empty".to_owned(), String::new()));
    };
    let spec = Spec {
        job: JobId(u32::MAX),
        program: program.clone(),
        args: args.to_vec(),
        env: question.env.iter().cloned().collect::<Outer>(),
        cwd: question.cwd.to_path(&world.project.workspace.root),
        timeout: Some(question.limit),
        grace: GRACE,
        stdout: Stdout::Captured,
        stdin: Vec::new(),
    };
    let mut said: Vec<u8> = Vec::new();
    let exit = process::run(&spec, &Control::default(), &mut |bytes| said.extend_from_slice(bytes));
    let said = Redactor::new(secrets(&spec.env, &question.secret_env)).text(&said);
    let said = String::from_utf8_lossy(&said).trim_end().to_owned();
    match exit {
        Err(error) => Err((chain(&error), said)),
        Ok(exit) if !exit.success() => Err((exit.describe(), said)),
        Ok(exit) => String::from_utf8(exit.stdout).map_err(|_| ("what it printed is not UTF-8".to_owned(), said)),
    }
}

fn failed(step: &Step, function: &CacheFunc, why: &str, said: &str) -> Diagnostic {
    let name = match &*function.name {
        "" => "cache-func".to_owned(),
        name => format!("cache-func `{name}`"),
    };
    let problem = Diagnostic::error(format!("{name} of step `{}` gave no value: {why}", step.display_id))
        .at(function.span, "what it prints is part of the key")
        .help("make it succeed, or give one value for the other case: `cmd || echo none`");
    match said.lines().rev().take(3).collect::<Vec<_>>() {
        lines if lines.is_empty() => problem,
        lines => problem.note(format!("it said: {}", lines.into_iter().rev().collect::<Vec<_>>().join(" / "))),
    }
}
