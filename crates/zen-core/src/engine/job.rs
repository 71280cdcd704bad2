//! One step's work on a worker's thread: put back, or run and commit. Knows no schedule; reports by messages.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::ledger::Ledger;
use super::locks;
use super::observe::{self, Stamps, View};
use super::run::millis;
use super::session::{Settled, World};
use crate::artifact::{Artifact, Key, Node, Production, Record, RunId};
use crate::decide::Why;
use crate::diag::Diagnostic;
use crate::digest::Digest;
use crate::environment::{Outer, StepContext, step_environment, zen_context, zen_variables};
use crate::event::Event;
use crate::key;
use crate::model::{Command, InputSource, Place, Step, StepId};
use crate::path::RelPath;
use crate::place::{PlaceError, Places, Replaced, RestoreError};
use crate::process::{self, Control, Exit, GRACE, JobId, Signal, Spec, Stdout, jobserver::Jobserver};
use crate::render::{Values, command_words, render_text};
use crate::scan::walk::SetSpec;
use crate::store::Objects;
use crate::store::lock::Guard;

/// What a worker, or a signal, says to the loop.
pub(super) enum Message {
    /// For whoever listens.
    Event(Event),
    /// Cargo has built: the pool is free, though the step goes on.
    LeavePool { step: StepId, pool: String },
    /// The outputs of a step that was merely needed are in place now.
    PutBack(StepId),
    /// A key that another process held is free; `None`: it cannot be locked.
    KeyLocked { step: StepId, guard: Option<Guard> },
    /// The user wants it to end.
    Signal(Signal),
    /// A job ended.
    Ended { step: StepId, ended: Ended },
}

/// How a job ended.
pub(super) enum Ended {
    /// The outputs are back.
    Restored,
    /// An artifact of its own record is lost.
    Lost(String),
    /// An artifact of an upstream step is lost: that must run first.
    UpstreamLost { upstream: StepId, what: String },
    /// Its inputs are no longer those that it was decided on.
    InputsMoved,
    /// It ran and succeeded.
    Ran { settled: Settled, exit_code: Option<i32>, duration: Duration, why: Vec<Why>, log: Option<Digest> },
    /// It ran and did not, or could not be run.
    Failed { failure: String, exit_code: Option<i32>, duration: Duration, why: Vec<Why>, log: Option<Digest> },
}

/// What is to be done.
pub(super) enum Task {
    /// Put the outputs of this record back.
    Restore(Record),
    /// Run the command.
    Run {
        /// Its key, or why there is none.
        key: Result<Key, String>,
        /// Why it runs.
        why: Vec<Why>,
        /// Its inputs move all the time: run it as it is, and do not record.
        look_no_more: bool,
    },
}

/// One step's work, with all that was settled for it.
pub(super) struct Job {
    pub(super) step: StepId,
    pub(super) task: Task,
    /// The steps that it waits for, with what they leave.
    pub(super) upstream: Vec<(StepId, Arc<Settled>)>,
    pub(super) view: View,
    pub(super) observed: Option<key::Observed>,
    /// Its inputs as they were when it was decided.
    pub(super) stamps: Stamps,
    /// The places whose paths are not inputs.
    pub(super) owned: Vec<Place>,
}

/// What all workers share.
pub(super) struct Work<'w> {
    pub(super) world: &'w World<'w>,
    run: Option<RunId>,
    pub(super) control: &'w Control,
    pub(super) ledger: Ledger,
    jobserver: Option<Jobserver>,
    /// Which upstream outputs are in place: one at a time puts back those of a step.
    in_place: Mutex<BTreeMap<StepId, Arc<Mutex<bool>>>>,
    stamp: String,
}

/// What ends a job early.
enum Stop {
    Failed(String),
    Ended(Ended),
}

impl From<String> for Stop {
    fn from(failure: String) -> Self {
        Self::Failed(failure)
    }
}

type Say<'s> = &'s dyn Fn(Message);

impl<'w> Work<'w> {
    pub(super) fn new(world: &'w World<'w>, run: Option<RunId>, control: &'w Control) -> Self {
        let outer = &world.project.workspace.env;
        let jobserver =
            Jobserver::from_outer(outer).or_else(|| Jobserver::new(world.options.jobs as usize).ok().flatten());
        let stamp = match run {
            Some(run) => format!("run-{run}"),
            None => format!("at-{}", world.now.0),
        };
        let ledger = Ledger::open(&world.zen_dir.join("places.log"));
        Self { world, run, control, ledger, jobserver, in_place: Mutex::default(), stamp }
    }

    /// Does the job, to its end.
    pub(super) fn run(&self, job: &Job, say: Say<'_>) -> Ended {
        match &job.task {
            Task::Restore(record) => self.restore_own(job.step, record, say),
            Task::Run { key, why, look_no_more } => self.execute(job, key, why, *look_no_more, say),
        }
    }

    fn step(&self, step: StepId) -> &'w Step {
        self.world.definitions.model.step(step)
    }

    fn restore_own(&self, id: StepId, record: &Record, say: Say<'_>) -> Ended {
        let step = self.step(id);
        match self.restore(step, &record.artifacts, say) {
            Ok(()) => Ended::Restored,
            Err(Stop::Ended(ended)) => ended,
            Err(Stop::Failed(failure)) => {
                let (exit_code, duration, why, log) = (None, Duration::ZERO, Vec::new(), None);
                Ended::Failed { failure, exit_code, duration, why, log }
            }
        }
    }

    /// Puts a step's outputs in place, and notes that they are zen's.
    fn restore(&self, step: &Step, artifacts: &[Artifact], say: Say<'_>) -> Result<(), Stop> {
        let places = self.world.places();
        let mut replaced = Replaced::new(self.stamp.clone());
        let own = |path: &RelPath, node: &Node| self.is_own(path, node);
        for (output, artifact) in step.outputs.iter().zip(artifacts) {
            let done = places.restore(&output.place, artifact, &self.world.store, &own, &mut replaced);
            self.say_replaced(step, &mut replaced, say);
            match done {
                Ok(_) => {}
                Err(RestoreError::Lost(_)) => return Err(Stop::Ended(Ended::Lost(output.name.clone()))),
                Err(error) => {
                    return Err(Stop::Failed(format!(
                        "output `{}` cannot be put back: {}",
                        output.name,
                        chain(&error)
                    )));
                }
            }
        }
        self.note(step, artifacts).map_err(|error| Stop::Failed(ledger_failed(&error)))
    }

    /// Are these bytes zen's own: left there by it, or an object of the store that verifies?
    pub(super) fn is_own(&self, path: &RelPath, node: &Node) -> bool {
        if self.ledger.is_own(path, node) {
            return true;
        }
        match node {
            Node::File { digest, .. } => self.world.store.read(*digest).is_ok(),
            Node::Link { .. } | Node::Folder => false,
        }
    }

    fn note(&self, step: &Step, artifacts: &[Artifact]) -> io::Result<()> {
        let mut entries = BTreeMap::new();
        for (output, artifact) in step.outputs.iter().zip(artifacts) {
            let root = output.place.root();
            entries.extend(artifact.entries.iter().map(|entry| (root.under(&entry.path), entry.node.clone())));
        }
        self.ledger.set(&step.display_id, entries)
    }

    pub(super) fn say_replaced(&self, step: &Step, replaced: &mut Replaced, say: Say<'_>) {
        for (path, to) in replaced.moved.drain(..) {
            say(Message::Event(Event::Note(format!(
                "`{path}` was not made by zen: moved to {} before step `{}` took its place",
                self.shown(&to),
                step.display_id
            ))));
        }
    }

    /// A path below the workspace root as people write it.
    fn shown(&self, path: &std::path::Path) -> String {
        let root = &self.world.project.workspace.root;
        RelPath::from_absolute(root, path).map_or_else(|| path.display().to_string(), |path| path.to_string())
    }

    fn execute(&self, job: &Job, key: &Result<Key, String>, why: &[Why], look_no_more: bool, say: Say<'_>) -> Ended {
        let begun = Instant::now();
        let mut attempt = Attempt { key: key.clone(), log: Vec::new(), exit_code: None, started: None };
        let result = self.try_execute(job, why, look_no_more, &mut attempt, say);
        let duration = attempt.started.unwrap_or(begun).elapsed();
        let (why, exit_code) = (why.to_vec(), attempt.exit_code);
        let log = (!attempt.log.is_empty()).then(|| self.world.store.put_bytes(&attempt.log).ok()).flatten();
        match result {
            Err(Stop::Ended(ended)) => ended,
            Err(Stop::Failed(failure)) => Ended::Failed { failure, exit_code, duration, why, log },
            Ok(artifacts) => {
                let settled = self.commit(job, &attempt, artifacts, duration, log, say);
                Ended::Ran { settled, exit_code, duration, why, log }
            }
        }
    }

    fn try_execute(
        &self,
        job: &Job,
        why: &[Why],
        look_no_more: bool,
        attempt: &mut Attempt,
        say: Say<'_>,
    ) -> Result<Vec<Artifact>, Stop> {
        let step = self.step(job.step);
        let specs = self.world.specs_of(job.step);
        self.put_upstream_in_place(job, say)?;
        let before = self.stamps_now(job, &specs);
        if before != job.stamps && !look_no_more {
            return Err(Stop::Ended(Ended::InputsMoved));
        }
        say(Message::Event(Event::Started { step: job.step, why: why.to_vec(), attempt: 1 }));
        attempt.started = Some(Instant::now());
        let values = self.values(job);
        let environment = self.environment(job, step, &values)?;
        let built = super::build::build(self, job, step, &environment, attempt, say)?;
        let calls_cargo_itself = step.calls_cargo;
        if !calls_cargo_itself && step.pool.as_deref() != Some("cargo") && built.is_some() {
            say(Message::LeavePool { step: job.step, pool: "cargo".to_owned() });
        }
        let (tried, artifacts) = self.attempts(job, step, &values, &environment, built.as_ref(), attempt, say)?;
        let _ = tried;
        if let Some(built) = &built {
            let known = |path: &RelPath| self.is_known(job, &specs, path);
            for path in built.undeclared(&self.world.project.workspace, &known) {
                attempt.refuse(format!("cargo read `{path}`, which is not part of the key"));
                say(Message::Event(Event::Warning(undeclared_source(step, &path))));
            }
        }
        let after = self.stamps_now(job, &specs);
        if let Some(path) = observe::first_difference(&before, &after)
            && !self.same_content(job, &specs)
        {
            attempt.refuse(format!("`{path}` changed while the step ran"));
            say(Message::Event(Event::Warning(
                Diagnostic::warning(format!(
                    "`{path}` changed while step `{}` ran: it is not recorded",
                    step.display_id
                ))
                .at(step.span, "an input of this step")
                .help("if the step itself changes it, declare it as an output; else run again"),
            )));
        }
        Ok(artifacts)
    }

    /// Is a workspace file part of what the step's key was made of?
    fn is_known(&self, job: &Job, specs: &[SetSpec], path: &RelPath) -> bool {
        let seen = |set: &usize| job.view.seen.members(*set).any(|seen| seen.path == *path);
        job.view.sets.iter().any(seen)
            || job.owned.iter().any(|place| place.owns(path) && specs.iter().any(|spec| spec.means_output(path, place)))
    }

    fn stamps_now(&self, job: &Job, specs: &[SetSpec]) -> Stamps {
        observe::stamps_of_disk(&self.world.scanner, self.world.request(specs), &job.owned)
    }

    /// Stamps moved; did contents?
    fn same_content(&self, job: &Job, specs: &[SetSpec]) -> bool {
        let seen = self.world.scanner.observe(self.world.request(specs));
        let now = View { seen: Arc::new(seen), sets: (0..specs.len()).collect() };
        observe::same_content(&job.view, &now, &job.owned)
    }

    /// Puts back the outputs of upstream steps that are not where they belong.
    fn put_upstream_in_place(&self, job: &Job, say: Say<'_>) -> Result<(), Stop> {
        for (upstream, settled) in &job.upstream {
            let cell = {
                let mut cells = self.in_place.lock().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(cells.entry(*upstream).or_insert_with(|| Arc::new(Mutex::new(settled.in_place))))
            };
            let mut in_place = cell.lock().unwrap_or_else(PoisonError::into_inner);
            if *in_place || settled.in_place {
                continue;
            }
            match self.restore(self.step(*upstream), &settled.artifacts, say) {
                Ok(()) => {
                    *in_place = true;
                    say(Message::PutBack(*upstream));
                }
                Err(Stop::Ended(Ended::Lost(what))) => {
                    self.in_place.lock().unwrap_or_else(PoisonError::into_inner).remove(upstream);
                    return Err(Stop::Ended(Ended::UpstreamLost { upstream: *upstream, what }));
                }
                Err(stop) => return Err(stop),
            }
        }
        Ok(())
    }

    /// The tries of a command, each with its outputs set aside.
    #[expect(clippy::too_many_arguments, reason = "the parts of one try")]
    fn attempts(
        &self,
        job: &Job,
        step: &Step,
        values: &Values,
        environment: &Outer,
        built: Option<&super::build::Built>,
        attempt: &mut Attempt,
        say: Say<'_>,
    ) -> Result<(u32, Vec<Artifact>), Stop> {
        let mut delay = step.retry_delay;
        for number in 1.. {
            match self.one_attempt(job, step, values, environment, built, attempt, say) {
                Ok(artifacts) => return Ok((number, artifacts)),
                Err(Stop::Failed(failure)) if number <= step.retries && self.control.stopped().is_none() => {
                    say(Message::Event(Event::Retrying { step: job.step, attempt: number, failure, delay }));
                    self.control.pause(delay);
                    delay *= 2;
                    say(Message::Event(Event::Started { step: job.step, why: Vec::new(), attempt: number + 1 }));
                }
                Err(stop) => return Err(stop),
            }
        }
        unreachable!("the loop ends by returning")
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one try")]
    fn one_attempt(
        &self,
        job: &Job,
        step: &Step,
        values: &Values,
        environment: &Outer,
        built: Option<&super::build::Built>,
        attempt: &mut Attempt,
        say: Say<'_>,
    ) -> Result<Vec<Artifact>, Stop> {
        let places = self.world.places();
        let mut replaced = Replaced::new(self.stamp.clone());
        let own = |path: &RelPath, node: &Node| self.is_own(path, node);
        let aside = places.set_aside(&step.display_id, &step.outputs).map_err(|error| chain(&error))?;
        let ran = self
            .command(job, step, values, environment, built, attempt, say)
            .and_then(|()| self.collect(&places, job.step, step));
        match ran {
            Ok(artifacts) => {
                aside.finish(&artifacts, &own, &mut replaced).map_err(|error| chain(&error))?;
                self.say_replaced(step, &mut replaced, say);
                self.note(step, &artifacts).map_err(|error| ledger_failed(&error))?;
                Ok(artifacts)
            }
            Err(failure) => Err(match aside.abort() {
                Ok(Some(kept)) => format!("{failure}; what it left is in {}", self.shown(&kept)),
                Ok(None) => failure,
                Err(error) => format!("{failure}; and its old outputs could not be put back: {}", chain(&error)),
            }
            .into()),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one try")]
    fn command(
        &self,
        job: &Job,
        step: &Step,
        values: &Values,
        environment: &Outer,
        built: Option<&super::build::Built>,
        attempt: &mut Attempt,
        say: Say<'_>,
    ) -> Result<(), String> {
        if let (Command::Build(_), Some(built)) = (&step.command, built) {
            attempt.exit_code = Some(0);
            return built.deliver(step, &self.world.project.workspace.root);
        }
        let mut words = command_words(&step.command, values).map_err(|error| error.to_string())?;
        if let Some(executable) = built.and_then(super::build::Built::executable) {
            words.insert(0, executable.as_os_str().to_owned());
        }
        if words.is_empty() {
            return Err("the command is empty".to_owned());
        }
        let program = words.remove(0);
        let exit = self.spawn(job, step, program, words, environment.clone(), Stdout::Merged, attempt, say)?;
        if exit.success() { Ok(()) } else { Err(exit.describe()) }
    }

    /// Runs a program for a step, its output captured and passed on.
    #[expect(clippy::too_many_arguments, reason = "what a process needs")]
    pub(super) fn spawn(
        &self,
        job: &Job,
        step: &Step,
        program: OsString,
        args: Vec<OsString>,
        env: Outer,
        stdout: Stdout,
        attempt: &mut Attempt,
        say: Say<'_>,
    ) -> Result<Exit, String> {
        let spec = Spec {
            job: JobId(job.step.0),
            program,
            args,
            env,
            cwd: step.cwd.to_path(&self.world.project.workspace.root),
            timeout: step.timeout,
            grace: GRACE,
            stdout,
        };
        let log = &mut attempt.log;
        let exit = process::run(&spec, self.control, &mut |bytes| {
            log.extend_from_slice(bytes);
            say(Message::Event(Event::Output { step: job.step, bytes: bytes.to_vec() }));
        });
        let exit = exit.map_err(|error| chain(&error))?;
        attempt.exit_code = exit.code;
        Ok(exit)
    }

    fn collect(&self, places: &Places<'_>, id: StepId, step: &Step) -> Result<Vec<Artifact>, String> {
        let objects: Option<&dyn Objects> = self.may_record(id, step).then_some(&self.world.store);
        let mut artifacts = Vec::with_capacity(step.outputs.len());
        for output in &step.outputs {
            artifacts.push(match places.collect(output, objects) {
                // A full disk is no failure of the step: its outputs are there, they are only not kept.
                Err(PlaceError::NotStored { .. }) if objects.is_some() => {
                    places.collect(output, None).map_err(|error| chain(&error))?
                }
                collected => collected.map_err(|error| chain(&error))?,
            });
        }
        Ok(artifacts)
    }

    fn may_record(&self, id: StepId, step: &Step) -> bool {
        self.world.store.is_writable() && self.world.disabled(id, step).is_none()
    }

    /// Writes the record, last of all; what forbids it makes the step run again next time, and nothing else.
    fn commit(
        &self,
        job: &Job,
        attempt: &Attempt,
        artifacts: Vec<Artifact>,
        duration: Duration,
        log: Option<Digest>,
        say: Say<'_>,
    ) -> Settled {
        let step = self.step(job.step);
        let production = Production(fresh_identity());
        let mut settled =
            Settled { artifacts, production, key: attempt.key.clone().ok(), record: None, in_place: true };
        let (Some(key), true) = (settled.key, self.may_record(job.step, step)) else { return settled };
        match self.record(job, step, key, &settled, duration, log) {
            Ok(record) => {
                self.compare(step, &record, say);
                match self.world.store.records.append(std::slice::from_ref(&record)) {
                    Ok(()) => settled.record = Some(record),
                    Err(error) => say(Message::Event(Event::Warning(not_recorded(step, &error.to_string())))),
                }
            }
            Err(error) => say(Message::Event(Event::Warning(not_recorded(step, &error)))),
        }
        settled
    }

    fn record(
        &self,
        job: &Job,
        step: &Step,
        key: Key,
        settled: &Settled,
        duration: Duration,
        log: Option<Digest>,
    ) -> Result<Record, String> {
        let store = &self.world.store;
        let explanation = job.observed.as_ref().and_then(|observed| super::settle::explain(step, observed));
        let explanation = explanation.ok_or("its key cannot be explained")?;
        let bytes = postcard::to_stdvec(&explanation).map_err(|error| error.to_string())?;
        let explanation = store.put_bytes(&bytes).map_err(|error| error.to_string())?;
        let objects: Vec<(Digest, u64)> = settled
            .artifacts
            .iter()
            .flat_map(|artifact| &artifact.entries)
            .filter_map(
                |entry| if let Node::File { digest, size, .. } = entry.node { Some((digest, size)) } else { None },
            )
            .collect();
        if store.contains(&objects).contains(&false) {
            return Err("its outputs could not be stored".to_owned());
        }
        Ok(Record {
            key,
            production: settled.production,
            step: step.display_id.clone(),
            run: self.run.unwrap_or(RunId(0)),
            ended: super::now(),
            duration_ms: millis(duration),
            artifacts: settled.artifacts.clone(),
            explanation,
            log,
        })
    }

    /// The same key with other bytes: the newest production replaces the record, and that is said.
    fn compare(&self, step: &Step, record: &Record, say: Say<'_>) {
        let Some(old) = self.world.store.records.get(&[record.key]).pop().flatten() else { return };
        let pairs = old.artifacts.iter().zip(&record.artifacts);
        if let Some((_, new)) = pairs.into_iter().find(|(old, new)| old.digest() != new.digest()) {
            say(Message::Event(Event::Warning(
                Diagnostic::warning(format!(
                    "step `{}` wrote other bytes than before from the same inputs: output `{}` differs",
                    step.display_id, new.name
                ))
                .at(step.span, "this step is not deterministic, or reads what it does not declare")
                .help("declare what it reads, or fix what varies (time, randomness, order)"),
            )));
        }
    }

    /// What placeholders stand for.
    fn values(&self, job: &Job) -> Values {
        let step = self.step(job.step);
        let relative = |path: &RelPath| path.relative_to(&step.cwd);
        let inputs = self.input_paths(job).into_iter();
        Values {
            params: step.params.clone(),
            pipeline: step.pipeline_params.clone(),
            inputs: inputs.map(|(name, paths)| (name, paths.iter().map(relative).collect())).collect(),
            outputs: step.outputs.iter().map(|output| (output.name.clone(), relative(output.place.root()))).collect(),
            args: step.args.clone().unwrap_or_default(),
        }
    }

    fn input_paths(&self, job: &Job) -> BTreeMap<String, Vec<RelPath>> {
        let step = self.step(job.step);
        let mut paths = BTreeMap::new();
        for (at, input) in step.inputs.iter().enumerate() {
            let found: Vec<RelPath> = match &input.source {
                InputSource::Files(_) => {
                    let files = job.observed.as_ref().and_then(|observed| observed.input_files.get(&at));
                    files.into_iter().flatten().map(|(path, _)| path.clone()).collect()
                }
                InputSource::Artifact { step: from, output } => {
                    let place = &self.step(*from).outputs[*output].place;
                    let settled = job.upstream.iter().find(|(step, _)| step == from).map(|(_, settled)| settled);
                    let artifact = settled.map(|settled| &settled.artifacts[*output]);
                    match (place, artifact) {
                        (_, Some(artifact)) if artifact.entries.is_empty() => Vec::new(),
                        (Place::Glob(_), Some(artifact)) => {
                            artifact.entries.iter().map(|entry| place.root().under(&entry.path)).collect()
                        }
                        _ => vec![place.root().clone()],
                    }
                }
            };
            paths.insert(input.name.clone(), found);
        }
        paths
    }

    fn environment(&self, job: &Job, step: &Step, values: &Values) -> Result<Outer, String> {
        let mut set = BTreeMap::new();
        for (name, template) in &step.env {
            let value = render_text(template, values).map_err(|error| error.to_string())?;
            let value = value.into_string().map_err(|_| format!("the value of env `{name}` is no text"))?;
            set.insert(name.clone(), value);
        }
        let workspace = &self.world.project.workspace;
        let mut env = step_environment(&workspace.env, step, &set, self.world.options.conditions).vars;
        let mut params = step.pipeline_params.clone();
        params.extend(step.params.clone());
        let outputs = step.outputs.iter().map(|output| (output.name.clone(), output.place.root().clone())).collect();
        let pipeline = self.world.definitions.model.pipeline(step.pipeline).display_id();
        let context = StepContext {
            pipeline: &pipeline,
            step: &step.name,
            run: self.run,
            root: &workspace.root,
            params: &params,
            inputs: &self.input_paths(job),
            outputs: &outputs,
            args: step.args.as_deref().unwrap_or_default(),
        };
        env.extend(zen_variables(&context));
        let folder = self.world.zen_dir.join("context");
        let file = folder.join(format!("{}-{}.json", self.stamp, job.step.0));
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(&file, zen_context(&context)))
            .map_err(|error| format!("`{}` cannot be written: {error}", file.display()))?;
        env.insert("ZEN_CONTEXT".into(), file.into());
        let mut ancestors = locks::ancestors(self.world);
        ancestors.push(std::process::id());
        let ancestors: Vec<String> = ancestors.iter().map(u32::to_string).collect();
        env.insert(locks::ANCESTORS.into(), ancestors.join(",").into());
        if let Some((name, value)) = self.jobserver.as_ref().map(Jobserver::variable)
            && !step.env.contains_key(name)
        {
            env.insert(name.into(), value.to_owned());
        }
        Ok(env)
    }

    /// What `cargo` of a step is called.
    pub(super) fn cargo(&self, env: &Outer) -> OsString {
        env.get(OsStr::new("CARGO")).cloned().unwrap_or_else(|| "cargo".into())
    }
}

/// What becomes known of a step while it runs.
pub(super) struct Attempt {
    key: Result<Key, String>,
    pub(super) log: Vec<u8>,
    pub(super) exit_code: Option<i32>,
    started: Option<Instant>,
}

impl Attempt {
    /// The step must not be recorded.
    pub(super) fn refuse(&mut self, why: String) {
        self.key = Err(why);
    }
}

fn undeclared_source(step: &Step, path: &RelPath) -> Diagnostic {
    Diagnostic::warning(format!(
        "cargo read `{path}`, which the key of step `{}` lacks: it is not recorded",
        step.display_id
    ))
    .at(step.command_span, "built for this")
    .help(format!("add it to the step: `files = [\"{path}\"]` (relative to the table's folder)"))
}

fn not_recorded(step: &Step, why: &str) -> Diagnostic {
    Diagnostic::warning(format!("step `{}` is not recorded: {why}", step.display_id))
        .note("its outputs are in place; it runs again next time")
}

fn ledger_failed(error: &io::Error) -> String {
    format!("the ledger of places in the zen folder cannot be written: {error}")
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}

fn fresh_identity() -> [u8; 16] {
    // `RandomState` is seeded by the system's random numbers.
    use std::hash::{BuildHasher, RandomState};
    let mut identity = [0; 16];
    identity[..8].copy_from_slice(&RandomState::new().hash_one(std::process::id()).to_le_bytes());
    identity[8..].copy_from_slice(&RandomState::new().hash_one(super::now().0).to_le_bytes());
    identity
}
