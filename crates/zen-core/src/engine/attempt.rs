//! Running one step: its environment, cargo's part, its tries, its outputs, whether its inputs held still. Knows not
//! what it is run for.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::build::{self, Built};
use super::commit::Unkept;
use super::context::Context;
use super::job::{Ended, Job, Message, Say, Stop, Work, chain};
use super::locks;
use super::observe::{self, Stamps, View};
use super::upstream::Borrowed;
use crate::artifact::{Artifact, Key, Node};
use crate::captured::Capture;
use crate::decide::Why;
use crate::diag::Diagnostic;
use crate::digest::Digest;
use crate::environment::{Outer, StepContext, secrets, step_environment, zen_context, zen_variables};
use crate::event::Event;
use crate::model::{ArtifactRef, Command, InputSource, Place, Step, StepId};
use crate::path::RelPath;
use crate::place::{PlaceError, Replaced};
use crate::process::jobserver::Jobserver;
use crate::process::{self, ANCESTORS, Exit, GRACE, JobId, Spec, Stdout};
use crate::redact::Redactor;
use crate::render::{Values, batch_words, command_words, join, render_text};
use crate::scan::Content;
use crate::scan::walk::SetSpec;
use crate::store::Objects;

/// A step that is being run, and what became known of it.
pub(super) struct Attempt<'a, 'w> {
    pub(super) work: &'a Work<'w>,
    pub(super) job: &'a Job,
    pub(super) step: &'w Step,
    pub(super) say: Say<'a>,
    /// What its inputs are, and then what is watched beside them.
    specs: Vec<Arc<SetSpec>>,
    /// Its key, or why it must not be recorded.
    pub(super) key: Result<Key, String>,
    before: Stamps,
    /// Others' outputs that it reads, as they were before it started; `None`: they were not what they should be.
    borrowed: Option<Borrowed>,
    /// What it printed.
    log: Capture,
    /// Why its outputs are not in the store, if the store did not take them.
    pub(super) not_stored: Option<Unkept>,
    pub(super) exit_code: Option<i32>,
    pub(super) started: Option<Instant>,
    /// What `ZEN_CONTEXT` names.
    context: Option<Context<'a>>,
    /// The other cells that its command works on.
    cells: Vec<CellOfBatch>,
    /// Why what cargo built forbids a record, for those cells as well.
    pub(super) refused_by_build: Option<String>,
}

/// What the command of a batch is told of a cell that goes along.
struct CellOfBatch {
    values: Values,
    inputs: BTreeMap<String, Vec<RelPath>>,
}

impl<'a, 'w> Attempt<'a, 'w> {
    pub(super) fn new(work: &'a Work<'w>, job: &'a Job, key: Result<Key, String>, say: Say<'a>) -> Self {
        let mut specs = work.world.specs_of(job.step);
        specs.extend(job.view.items.watched().map(Arc::new));
        let (before, log, exit_code, started) = (Vec::new(), Capture::new(work.world.now), None, None);
        Self {
            work,
            job,
            step: work.step(job.step),
            say,
            specs,
            key,
            before,
            borrowed: None,
            log,
            not_stored: None,
            exit_code,
            started,
            context: None,
            cells: Vec::new(),
            refused_by_build: None,
        }
    }

    /// When it was started, since the command began to look.
    pub(super) fn began(&self) -> Option<Duration> {
        self.started.map(|started| started.saturating_duration_since(self.work.world.begun))
    }

    /// Stores what it printed. Losing that costs nothing but the text.
    pub(super) fn store_log(&mut self) -> Option<Digest> {
        self.work.world.store.put_bytes(&self.log.take()?).ok()
    }

    /// States the inputs: are they still those that the step was decided on?
    pub(super) fn check_inputs(&mut self, look_no_more: bool) -> Result<(), Stop> {
        self.borrowed = self.work.borrowed(self.job).ok();
        self.before = self.stamps_now();
        if self.before == self.job.stamps {
            return Ok(());
        }
        if !look_no_more {
            return Err(Stop::Ended(Ended::InputsMoved));
        }
        self.refuse("its inputs keep changing".to_owned());
        Ok(())
    }

    /// Runs it, with its tries, and gives what it made.
    pub(super) fn run(&mut self, why: &[Why]) -> Result<Vec<Artifact>, Stop> {
        self.event(Event::Started { step: self.job.step, why: why.to_vec(), attempt: 1 });
        self.started = Some(Instant::now());
        let mut values = self.values();
        values.join_inputs(self.cells.iter().map(|cell| &cell.values));
        let environment = self.environment(&values)?;
        let built = build::build(self, &environment)?;
        if built.is_some() && !self.step.calls_cargo && self.step.pool.as_deref() != Some("cargo") {
            (self.say)(Message::LeavePool { step: self.job.step, pool: "cargo".to_owned() });
        }
        let artifacts = self.tries(&values, &environment, built.as_ref())?;
        if let Some(built) = &built {
            for path in built.undeclared(&self.work.world.project.workspace, &|path| self.is_known(path)) {
                let why = format!("cargo read `{path}`, which is not part of the key");
                self.refused_by_build = Some(why.clone());
                self.refuse(why);
                self.event(Event::Warning(self.undeclared_source(&path)));
            }
        }
        self.check_afterwards(None);
        Ok(artifacts)
    }

    /// Lets its command work on another cell as well.
    pub(super) fn add_cell(&mut self, other: &Attempt<'_, '_>) {
        let (values, inputs) = (other.values(), other.input_paths());
        self.cells.push(CellOfBatch { values, inputs });
    }

    /// May the step be recorded, now that its command has ended? `refused`: what is known to forbid it.
    pub(super) fn check_afterwards(&mut self, refused: Option<&str>) {
        if let Some(why) = refused {
            self.refuse(why.to_owned());
        }
        self.check_inputs_held_still();
        self.check_nobody_else_made_inputs();
    }

    /// The step must not be recorded.
    fn refuse(&mut self, why: String) {
        self.key = Err(why);
    }

    pub(super) fn event(&self, event: Event) {
        (self.say)(Message::Event(event));
    }

    fn check_inputs_held_still(&mut self) {
        let Some(path) = self.first_that_moved() else { return };
        self.refuse(format!("`{path}` changed while the step ran"));
        let name = &self.step.display_id;
        self.event(Event::Warning(
            Diagnostic::warning(format!("`{path}` changed while step `{name}` ran: it is not recorded"))
                .at(self.step.span, "an input of this step")
                .help("if the step itself changes it, declare it as an output; else run again"),
        ));
    }

    fn first_that_moved(&self) -> Option<RelPath> {
        let after = self.stamps_now();
        if let Some(path) = observe::first_difference(&self.before, &after)
            && !self.has_same_content()
        {
            return Some(path);
        }
        match (&self.borrowed, self.work.borrowed(self.job)) {
            (Some(before), Ok(after)) => before.first_difference(&after),
            (_, Err(path)) => Some(path),
            (None, Ok(after)) => after.first_difference(&Borrowed::default()),
        }
    }

    fn has_same_content(&self) -> bool {
        let world = self.work.world;
        let seen = world.scanner.observe(world.request(&self.specs));
        let items = Arc::clone(&self.job.view.items);
        let sets = self.job.view.sets.len();
        let watched = items.watched().map(|_| sets);
        let now = View { seen: Arc::new(seen), sets: (0..sets).collect(), items, watched };
        observe::same_content(&self.job.view, &now, &self.job.owned)
    }

    /// A file that a glob found on disk may turn out to be the output of a step of this run that this one does not wait
    /// for: then what was read depends on who came first.
    fn check_nobody_else_made_inputs(&mut self) {
        let (world, job) = (self.work.world, self.job);
        let model = &world.definitions.model;
        let read = job.view.sets.iter().flat_map(|set| job.view.seen.members(*set));
        let read = read.filter(|seen| !job.owned.iter().any(|place| place.owns(&seen.path)));
        let is_other = |step: StepId| step != job.step && world.is_in_run(step);
        let found = read.filter_map(|seen| {
            let owners = match seen.content {
                Content::Link { .. } => world.owners_behind(&seen.path),
                Content::File { .. } | Content::Unusable(_) => world.definitions.graph.owners(&seen.path),
            };
            let is_awaited = |(step, _): &(StepId, usize)| job.upstream.iter().any(|(upstream, _)| upstream == step);
            let is_link = matches!(seen.content, Content::Link { .. });
            // A link is read through at once: that its target's maker is waited for is not enough.
            let owner = owners.into_iter().find(|owner| is_other(owner.0) && (is_link || !is_awaited(owner)));
            owner.map(|owner| (&seen.path, owner))
        });
        let Some((path, (maker, output))) = found.min_by_key(|(path, _)| *path) else { return };
        let (maker, name) = (model.step(maker), &self.step.display_id);
        let reference = format!("{}.{}", maker.name, maker.outputs[output].name);
        let warning = Diagnostic::warning(format!(
            "step `{name}` reads `{path}`, which step `{}` makes, and does not refer to it: it is not recorded",
            maker.display_id
        ))
        .at(self.step.span, "reads it")
        .and(maker.outputs[output].span, "made here")
        .help(format!("refer to it: `inputs = [\"{reference}\"]`, or leave it out of the globs with `!`"));
        self.refuse(format!("`{path}` is made by `{}`", maker.display_id));
        self.event(Event::Warning(warning));
    }

    fn stamps_now(&self) -> Stamps {
        let world = self.work.world;
        observe::stamps_of_disk(&world.scanner, world.request(&self.specs), &self.job.owned)
    }

    /// Is a workspace file part of what the step's key was made of?
    fn is_known(&self, path: &RelPath) -> bool {
        let seen = |set: &usize| self.job.view.seen.members(*set).any(|seen| seen.path == *path);
        let means = |place: &Place| place.owns(path) && self.specs.iter().any(|spec| spec.means_output(path, place));
        self.job.view.sets.iter().any(seen) || self.job.owned.iter().any(means)
    }

    fn undeclared_source(&self, path: &RelPath) -> Diagnostic {
        let name = &self.step.display_id;
        let relative = crate::path::escape(&path.relative_to(&self.step.base));
        Diagnostic::warning(format!("cargo read `{path}`, which the key of step `{name}` lacks: it is not recorded"))
            .at(self.step.command_span, "built for this")
            .help(format!("add it to the step: `files = [\"{relative}\"]`"))
    }

    /// The tries of the command, each with its outputs set aside.
    fn tries(&mut self, values: &Values, env: &Outer, built: Option<&Built>) -> Result<Vec<Artifact>, Stop> {
        let (mut number, mut delay) = (1, self.step.retry_delay);
        loop {
            let failure = match self.one_try(values, env, built) {
                Ok(artifacts) => return Ok(artifacts),
                Err(failure) => failure,
            };
            if number > self.step.retries || self.is_stopping() {
                return Err(Stop::Failed(failure));
            }
            self.event(Event::Retrying { step: self.job.step, attempt: number, failure, delay });
            self.work.control.pause(delay);
            delay *= 2;
            number += 1;
            if self.is_stopping() {
                return Err(Stop::Failed("no further try: the run is being stopped".to_owned()));
            }
            self.event(Event::Started { step: self.job.step, why: Vec::new(), attempt: number });
        }
    }

    fn is_stopping(&self) -> bool {
        self.work.stopping.load(Ordering::Relaxed) || self.work.control.stopped().is_some()
    }

    fn one_try(&mut self, values: &Values, env: &Outer, built: Option<&Built>) -> Result<Vec<Artifact>, String> {
        let places = self.work.world.places();
        let step = self.step;
        let aside = places.set_aside(&step.display_id, &step.outputs).map_err(|error| chain(&error))?;
        match self.command(values, env, built).and_then(|()| self.collect()) {
            Ok(artifacts) => {
                let own = |path: &RelPath, node: &Node| self.work.world.is_own(Some(&step.display_id), path, node);
                let mut replaced = Replaced::new(self.work.stamp.clone());
                aside.finish(&artifacts, &own, &mut replaced).map_err(|error| chain(&error))?;
                self.work.say_replaced(step, &mut replaced, self.say);
                self.work.note(step, &artifacts, self.say);
                Ok(artifacts)
            }
            Err(failure) => Err(match aside.abort() {
                Ok(Some(kept)) => format!("{failure}; what it left is in {}", self.work.world.shown(&kept)),
                Ok(None) => failure,
                Err(error) => format!("{failure}; and its old outputs could not be put back: {}", chain(&error)),
            }),
        }
    }

    fn command(&mut self, values: &Values, env: &Outer, built: Option<&Built>) -> Result<(), String> {
        if let (Command::Build(_), Some(built)) = (&self.step.command, built) {
            self.exit_code = Some(0);
            return built.deliver(self.step, &self.work.world.project.workspace.root);
        }
        let words = if self.cells.is_empty() {
            command_words(&self.step.command, values)
        } else {
            let own = self.values();
            let cells: Vec<&Values> = std::iter::once(&own).chain(self.cells.iter().map(|cell| &cell.values)).collect();
            batch_words(&self.step.command, values, &cells)
        };
        let mut words = words.map_err(|error| error.to_string())?;
        if let Some(executable) = built.and_then(Built::executable) {
            words.insert(0, executable.as_os_str().to_owned());
        }
        if words.is_empty() {
            return Err("the command is empty".to_owned());
        }
        let program = words.remove(0);
        let stdout = if self.step.interactive { Stdout::Inherited } else { Stdout::Merged };
        let spec = Spec { timeout: self.step.timeout, ..self.spec(program, words, env.clone(), stdout) };
        if self.step.interactive {
            let (ready, is_ready) = channel();
            (self.say)(Message::TakeTerminal { step: self.job.step, ready });
            // Where nobody answers there is nobody who would write to the terminal meanwhile.
            let _ = is_ready.recv();
        }
        let exit = self.spawn(&spec)?;
        if exit.success() { Ok(()) } else { Err(exit.describe()) }
    }

    /// A program in the step's folder, without a limit.
    pub(super) fn spec(&self, program: OsString, args: Vec<OsString>, env: Outer, stdout: Stdout) -> Spec {
        let cwd = self.step.cwd.to_path(&self.work.world.project.workspace.root);
        Spec {
            job: JobId(self.job.step.0),
            program,
            args,
            env,
            cwd,
            timeout: None,
            grace: GRACE,
            stdin: Vec::new(),
            stdout,
        }
    }

    /// Runs a program, its output captured and passed on.
    pub(super) fn spawn(&mut self, spec: &Spec) -> Result<Exit, String> {
        let (log, say, step, since) = (&mut self.log, self.say, self.job.step, self.work.world.now);
        let mut redactor = Redactor::new(secrets(&spec.env, &self.step.secret_env));
        let mut pass_on = |bytes: &[u8]| {
            log.push(bytes, u64::try_from(super::now().0 - since.0).unwrap_or_default());
            say(Message::Event(Event::Output { step, bytes: bytes.to_vec() }));
        };
        let exit = process::run(spec, self.work.control, &mut |bytes| redactor.push(bytes, &mut pass_on));
        redactor.end(&mut pass_on);
        let exit = exit.map_err(|error| chain(&error))?;
        self.exit_code = exit.code;
        Ok(exit)
    }

    fn collect(&mut self) -> Result<Vec<Artifact>, String> {
        let (places, store) = (self.work.world.places(), &self.work.world.store);
        let objects: Option<&dyn Objects> = self.may_record().then_some(store);
        self.not_stored = None;
        let mut artifacts = Vec::with_capacity(self.step.outputs.len());
        for output in &self.step.outputs {
            let collected = match places.collect(output, objects) {
                // A full disk is no failure of the step: its outputs are there, they are only not kept.
                Err(PlaceError::NotStored { path, source }) => {
                    self.not_stored.get_or_insert_with(|| Unkept::by_store(store, &format!("`{path}`"), &source));
                    places.collect(output, None)
                }
                collected => collected,
            };
            artifacts.push(collected.map_err(|error| chain(&error))?);
        }
        Ok(artifacts)
    }

    /// Is it cached, and can the store be written?
    pub(super) fn may_record(&self) -> bool {
        self.work.world.store.is_writable() && self.work.world.disabled(self.job.step, self.step).is_none()
    }

    /// What placeholders stand for.
    fn values(&self) -> Values {
        let step = self.step;
        let relative = |path: &RelPath| path.relative_to(&step.cwd);
        let inputs = self.input_paths().into_iter();
        Values {
            params: step.params.clone(),
            pipeline: step.pipeline_params.clone(),
            matrix: step.matrix.clone(),
            inputs: inputs.map(|(name, paths)| (name, paths.iter().map(relative).collect())).collect(),
            outputs: step.outputs.iter().map(|output| (output.name.clone(), relative(output.place.root()))).collect(),
            args: step.args.clone().unwrap_or_default(),
        }
    }

    fn input_paths(&self) -> BTreeMap<String, Vec<RelPath>> {
        let paths = self.step.inputs.iter().enumerate().map(|(at, input)| {
            let found: Vec<RelPath> = match &input.source {
                InputSource::Files(_) => {
                    let files = self.job.observed.as_ref().and_then(|observed| observed.input_files.get(&at));
                    files.into_iter().flatten().map(|(path, _)| path.clone()).collect()
                }
                InputSource::Artifact(artifacts) => artifacts.iter().flat_map(|it| self.artifact_paths(*it)).collect(),
            };
            (input.name.clone(), found)
        });
        paths.collect()
    }

    fn artifact_paths(&self, ArtifactRef { step: from, output }: ArtifactRef) -> Vec<RelPath> {
        let place = &self.work.step(from).outputs[output].place;
        let settled = self.job.upstream.iter().find(|(step, _)| *step == from).map(|(_, settled)| settled);
        let artifact = settled.map(|settled| &settled.artifacts[output]);
        match (place, artifact) {
            (_, Some(artifact)) if artifact.entries.is_empty() => Vec::new(),
            (Place::Glob(_), Some(artifact)) => {
                artifact.entries.iter().map(|entry| place.root().under(&entry.path)).collect()
            }
            _ => vec![place.root().clone()],
        }
    }

    fn environment(&mut self, values: &Values) -> Result<Outer, String> {
        let (work, step) = (self.work, self.step);
        let mut set = BTreeMap::new();
        for (name, template) in &step.env {
            let value = render_text(template, values).map_err(|error| error.to_string())?;
            let value = value.into_string().map_err(|_| format!("the value of env `{name}` is no text"))?;
            set.insert(name.clone(), value);
        }
        let workspace = &work.world.project.workspace;
        let mut env = match set.is_empty() {
            true => work.world.environment(self.job.step).vars.clone(),
            false => step_environment(&workspace.env, step, &set, work.world.options.conditions).vars,
        };
        let mut params = step.pipeline_params.clone();
        params.extend(step.params.clone());
        let mut inputs = self.input_paths();
        for (name, paths) in self.cells.iter().flat_map(|cell| &cell.inputs) {
            join(inputs.entry(name.clone()).or_default(), paths);
        }
        let cells: Vec<_> = std::iter::once(&step.matrix)
            .chain(self.cells.iter().map(|cell| &cell.values.matrix))
            .filter(|_| step.batch)
            .collect();
        let context = StepContext {
            pipeline: &work.world.definitions.model.pipeline(step.pipeline).display_id(),
            step: if step.batch { &step.base_name } else { &step.name },
            run: work.run,
            root: &workspace.root,
            params: &params,
            matrix: &step.matrix,
            batch: &cells,
            inputs: &inputs,
            outputs: &step.outputs.iter().map(|o| (o.name.clone(), o.place.root().clone())).collect(),
            args: step.args.as_deref().unwrap_or_default(),
        };
        env.extend(zen_variables(&context));
        let written = work.contexts.lend(&zen_context(&context));
        let file = written.map_err(|(path, error)| format!("`{}` cannot be written: {error}", path.display()))?;
        env.insert("ZEN_CONTEXT".into(), file.path().into());
        self.context = Some(file);
        env.insert(ANCESTORS.into(), locks::with_ours(work.world).into());
        if let Some((name, value)) = work.jobserver.as_ref().map(Jobserver::variable)
            && !step.env.contains_key(name)
        {
            env.insert(name.into(), value.to_owned());
        }
        Ok(env)
    }
}
