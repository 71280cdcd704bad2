//! Hooks: when steps and pipelines have ended and nothing is locked any more, commands that are told of it. Their
//! failure is a warning. Knows no schedule and no store. The JSON is documented in `docs/hooks.md`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::job::{Message, chain, report};
use super::locks;
use super::run::millis;
use super::session::{Progress, World};
use crate::diag::Diagnostic;
use crate::environment::{
    Outer, StepContext, StepEnvironment, hook_environment, path_json, secrets, undeclared_variables, zen_variables,
};
use crate::event::{Event, Finished, Listener, Outcome, Summary, outputs_json};
use crate::graph::expand;
use crate::model::{Command, Hook, HookScope, HookTime, Hooks, Pipeline, PipelineId, StepId};
use crate::process::{self, ANCESTORS, Control, GRACE, JobId, Signal, Spec, Stdout};
use crate::redact::Redactor;
use crate::render::{Values, command_words, render_text};

/// The version of the JSON that hooks get. It rises when a field changes its meaning.
const VERSION: u32 = 1;

/// A hook that does not end is ended.
const LIMIT: Duration = Duration::from_secs(30);

/// What there is to say of a run that has ended.
pub(super) struct Told<'a, 'w> {
    pub(super) world: &'a World<'w>,
    pub(super) progress: &'a Progress,
    /// Its steps, in the order in which they ended.
    pub(super) ended: &'a [Finished],
    pub(super) summary: &'a Summary,
    /// Were outputs changed behind their steps' backs? Then no pipeline succeeded.
    pub(super) failed_late: bool,
}

/// A hook that is to be run, and what it is told.
struct Call<'a> {
    hook: &'a Hook,
    scope: &'a HookScope,
    pipeline: String,
    step: Option<&'a str>,
    event: Value,
}

/// Has any step or pipeline of the run a hook?
pub(super) fn any(world: &World<'_>) -> bool {
    let model = &world.definitions.model;
    let has = |hooks: &Hooks| !hooks.hooks.is_empty();
    world.selection.order.iter().any(|step| has(&model.step(*step).hooks))
        || expand(model, world.selection.pipelines.iter().copied()).iter().any(|id| has(&model.pipeline(*id).hooks))
}

/// Variables that hooks of the run use, that are set outside, and that they do not get.
pub(super) fn undeclared(world: &World<'_>) -> Vec<Diagnostic> {
    let model = &world.definitions.model;
    let outer = &world.project.workspace.env;
    let steps = world.selection.order.iter().map(|step| &model.step(*step).hooks);
    let pipelines = expand(model, world.selection.pipelines.iter().copied());
    let mut problems = Vec::new();
    for Hooks { hooks, scope } in steps.chain(pipelines.iter().map(|id| &model.pipeline(*id).hooks)) {
        for hook in hooks {
            let Command::Shell { script, .. } = &hook.command else { continue };
            let set = scope.env.keys().map(|name| (name.clone(), String::new())).collect();
            let vars = hook_environment(outer, (hook, scope), &set, world.options.conditions);
            let environment = StepEnvironment { vars, ..StepEnvironment::default() };
            problems.extend(undeclared_variables(&script.text(), &environment, outer).into_iter().map(|name| {
                let key = hook.time.key();
                Diagnostic::warning(format!(
                    "`${name}` is set outside, but the hook `{key}` of {} does not get it",
                    hook.of
                ))
                .at(hook.span, "used here")
                .help(format!("hand it on: `pass-env = [\"{name}\"]`"))
            }));
        }
    }
    problems
}

/// Runs the hooks, one after the other: those of steps as the steps ended, then those of pipelines. Gives the signal
/// that came meanwhile: none is started after it.
pub(super) fn run(
    told: &Told<'_, '_>,
    listener: &mut dyn Listener,
    sender: &Sender<Message>,
    messages: &Receiver<Message>,
) -> Option<Signal> {
    let calls = told.calls();
    if calls.is_empty() {
        return None;
    }
    // Not that of the run: with `--kill-on-failure` all of its commands were stopped.
    let control = &Control::default();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            report(sender, || {
                calls.iter().for_each(|call| told.call(call, control, sender));
                Message::HooksEnded
            });
        });
        listen(listener, control, messages)
    })
}

/// Passes on what hooks say until they have ended.
fn listen(listener: &mut dyn Listener, control: &Control, messages: &Receiver<Message>) -> Option<Signal> {
    let mut stopped = None;
    let mut kill_at: Option<Instant> = None;
    loop {
        let left = kill_at.map_or(LIMIT, |at| at.saturating_duration_since(Instant::now()));
        match messages.recv_timeout(left) {
            Ok(Message::Event(event)) => listener.event(&event),
            Ok(Message::Signal(_)) if stopped.is_some() => control.stop(Signal::Kill),
            Ok(Message::Signal(signal)) => {
                stopped = Some(signal);
                control.stop(signal);
                kill_at = Some(Instant::now() + GRACE);
            }
            Ok(Message::HooksEnded) | Err(RecvTimeoutError::Disconnected) => return stopped,
            Ok(Message::Panicked(with)) => {
                control.stop(Signal::Kill);
                resume_unwind(with);
            }
            // Nothing of the run itself goes on.
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => {
                if kill_at.take().is_some() {
                    control.stop(Signal::Kill);
                }
            }
        }
    }
}

impl<'a, 'w> Told<'a, 'w> {
    fn calls(&self) -> Vec<Call<'a>> {
        let model = &self.world.definitions.model;
        let mut calls = Vec::new();
        for finished in self.ended {
            let step = model.step(finished.step);
            let pipeline = model.pipeline(step.pipeline).display_id();
            let ended = match finished.outcome {
                Outcome::Skipped => continue,
                outcome => Ended { ok: outcome != Outcome::Failed, cached: outcome.is_cached() },
            };
            for hook in ended.hooks(&step.hooks) {
                let mut event = self.header("step", hook, &pipeline);
                merge(&mut event, self.step_json(finished));
                let (scope, step) = (&step.hooks.scope, Some(step.name.as_str()));
                calls.push(Call { hook, scope, pipeline: pipeline.clone(), step, event });
            }
        }
        let mut pipelines: Vec<_> = expand(model, self.world.selection.pipelines.iter().copied()).into_iter().collect();
        // A group after its members.
        pipelines.sort_by_key(|id| (expand(model, [*id]).len(), *id));
        for id in pipelines {
            calls.extend(self.pipeline_calls(id, model.pipeline(id)));
        }
        calls
    }

    fn pipeline_calls(&self, id: PipelineId, pipeline: &'a Pipeline) -> Vec<Call<'a>> {
        if pipeline.hooks.hooks.is_empty() {
            return Vec::new();
        }
        let model = &self.world.definitions.model;
        let covered = expand(model, [id]);
        let steps: Vec<&Finished> =
            self.ended.iter().filter(|finished| covered.contains(&model.step(finished.step).pipeline)).collect();
        let is_selected = |step: StepId| self.world.is_selected(step);
        if !steps.iter().any(|finished| is_selected(finished.step)) {
            return Vec::new();
        }
        let count = |outcome| steps.iter().filter(|finished| finished.outcome == outcome).count();
        let is_bad = |outcome| matches!(outcome, Outcome::Failed | Outcome::Skipped);
        let ok =
            !self.failed_late && !steps.iter().any(|finished| is_selected(finished.step) && is_bad(finished.outcome));
        let ended = Ended { ok, cached: steps.iter().all(|finished| finished.outcome.is_cached()) };
        let name = pipeline.display_id();
        let calls = ended.hooks(&pipeline.hooks).map(|hook| {
            let mut event = self.header("pipeline", hook, &name);
            let saved: Duration = steps.iter().map(|finished| self.saved(finished)).sum();
            merge(
                &mut event,
                json!({
                    "success": ok,
                    "cached": ended.cached,
                    "duration_ms": millis(self.summary.duration),
                    "saved_ms": millis(saved),
                    "ran": count(Outcome::Ran),
                    "fresh": count(Outcome::Fresh),
                    "restored": count(Outcome::Restored),
                    "failed": count(Outcome::Failed),
                    "skipped": count(Outcome::Skipped),
                    "steps": steps.iter().map(|finished| self.step_json(finished)).collect::<Vec<_>>(),
                }),
            );
            Call { hook, scope: &pipeline.hooks.scope, pipeline: name.clone(), step: None, event }
        });
        calls.collect()
    }

    fn header(&self, what: &str, hook: &Hook, pipeline: &str) -> Value {
        json!({
            "version": VERSION,
            "event": format!("{what}-{}", hook.time.event()),
            "pipeline": pipeline,
            "run": self.summary.run.map(|run| run.0),
            "workspace_root": path_json(&self.world.project.workspace.root),
        })
    }

    fn step_json(&self, finished: &Finished) -> Value {
        let step = self.world.definitions.model.step(finished.step);
        json!({
            "step": step.display_id,
            "outcome": finished.outcome.name(),
            "cached": finished.outcome.is_cached(),
            "reused_run": finished.reused.and_then(|reused| reused.run.number()),
            "saved_ms": millis(self.saved(finished)),
            "duration_ms": millis(finished.duration),
            "exit_code": finished.exit_code,
            "failure": finished.failure,
            "why": finished.why.iter().map(crate::decide::Why::to_json).collect::<Vec<_>>(),
            "outputs": outputs_json(step, &finished.artifacts),
        })
    }

    fn saved(&self, finished: &Finished) -> Duration {
        if finished.outcome.is_cached() { self.progress.saved(finished.step) } else { Duration::ZERO }
    }

    /// Runs one hook. What goes wrong is said, and nothing else comes of it.
    fn call(&self, call: &Call<'_>, control: &Control, sender: &Sender<Message>) {
        // The loop hears until this thread has ended.
        let say = |event| drop(sender.send(Message::Event(event)));
        if control.stopped().is_some() {
            return;
        }
        let Hook { time, of, span, .. } = call.hook;
        let mut failure = None;
        match self.spec(call) {
            Ok(spec) => {
                let hook = format!("{} of {of}", time.key());
                let mut redactor = Redactor::new(secrets(&spec.env, &call.scope.secret_env));
                let mut pass_on = |bytes: &[u8]| say(Event::HookOutput { hook: hook.clone(), bytes: bytes.to_vec() });
                let ended = process::run(&spec, control, &mut |bytes| redactor.push(bytes, &mut pass_on));
                redactor.end(&mut pass_on);
                match ended {
                    Ok(exit) if exit.success() => {}
                    Ok(exit) => failure = Some(exit.describe()),
                    Err(error) => failure = Some(chain(&error)),
                }
            }
            Err(error) => failure = Some(error),
        }
        if let Some(failure) = failure {
            say(Event::Warning(
                Diagnostic::warning(format!("the hook `{}` of {of} failed: {failure}", time.key()))
                    .at(*span, "")
                    .note("the run goes on, and ends, as if it had succeeded"),
            ));
        }
    }

    fn spec(&self, call: &Call<'_>) -> Result<Spec, String> {
        let Call { hook, scope, .. } = call;
        let values = Values {
            params: scope.params.clone(),
            pipeline: scope.pipeline.clone(),
            matrix: scope.matrix.clone(),
            ..Values::default()
        };
        let mut words = command_words(&hook.command, &values).map_err(|error| error.to_string())?;
        if words.is_empty() {
            return Err("the command is empty".to_owned());
        }
        Ok(Spec {
            job: JobId(u32::MAX),
            program: words.remove(0),
            args: words,
            env: self.environment(call, &values)?,
            cwd: scope.cwd.to_path(&self.world.project.workspace.root),
            timeout: Some(LIMIT),
            grace: GRACE,
            stdin: format!("{}\n", call.event).into_bytes(),
            stdout: Stdout::Merged,
        })
    }

    fn environment(&self, call: &Call<'_>, values: &Values) -> Result<Outer, String> {
        let Call { hook, scope, .. } = call;
        let workspace = &self.world.project.workspace;
        let mut set = BTreeMap::new();
        for (name, template) in &scope.env {
            let value: OsString = render_text(template, values).map_err(|error| error.to_string())?;
            set.insert(name.clone(), value.into_string().map_err(|_| format!("the value of env `{name}` is no text"))?);
        }
        let mut env = hook_environment(&workspace.env, (hook, scope), &set, self.world.options.conditions);
        // There is no key that they could change: all of the pipeline's, and the step's over them.
        let mut params = scope.pipeline.clone();
        params.extend(scope.params.clone());
        let mut vars = zen_variables(&StepContext {
            pipeline: &call.pipeline,
            step: call.step.unwrap_or_default(),
            run: self.summary.run,
            root: &workspace.root,
            params: &params,
            matrix: &scope.matrix,
            batch: &[],
            inputs: &BTreeMap::new(),
            outputs: &BTreeMap::new(),
            args: &[],
        });
        if call.step.is_none() {
            vars.remove(&OsString::from("ZEN_STEP"));
        }
        env.extend(vars);
        env.insert(ANCESTORS.into(), locks::with_ours(self.world).into());
        Ok(env)
    }
}

/// How a step or a pipeline ended.
#[derive(Clone, Copy)]
struct Ended {
    ok: bool,
    cached: bool,
}

impl Ended {
    fn hooks(self, hooks: &Hooks) -> impl Iterator<Item = &Hook> {
        let fits = move |hook: &&Hook| match hook.time {
            HookTime::Success => self.ok,
            HookTime::Failure => !self.ok,
            HookTime::End => true,
        };
        hooks.hooks.iter().filter(fits).filter(move |hook| hook.on_cached || !self.cached)
    }
}

/// Adds the fields of one object to another.
fn merge(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}
