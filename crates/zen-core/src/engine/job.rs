//! One step's work on a worker's thread: put back, or run. Knows no schedule; reports by messages.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::attempt::Attempt;
use super::commit::Unkept;
use super::context::Contexts;
use super::observe::{Stamps, View};
use super::recording::Unrecorded;
use super::session::{Settled, World};
use crate::artifact::{Artifact, Key, Node, Record, RunId};
use crate::decide::Why;
use crate::diag::Diagnostic;
use crate::digest::Digest;
use crate::event::{Event, Metric, Part, Spent};
use crate::key;
use crate::model::{Place, Step, StepId};
use crate::path::RelPath;
use crate::place::{Replaced, RestoreError, Staged};
use crate::process::jobserver::Jobserver;
use crate::process::{Control, Signal};
use crate::store::lock::Guard;
use crate::store::series::Held;

/// What a worker, or a signal, says to the loop.
pub(super) enum Message {
    /// For whoever listens.
    Event(Event),
    /// A command is about to get the terminal: what was said before is to stand there first.
    TakeTerminal { step: StepId, ready: Sender<()> },
    /// Cargo has built: the pool is free, though the step goes on.
    LeavePool { step: StepId, pool: String },
    /// A step that succeeded is not recorded.
    Unkept { step: StepId, why: Unkept },
    /// The outputs of a step that was merely needed are in place now.
    PutBack(StepId),
    /// A key that another process held is free; `None`: it cannot be locked, or is not needed any more.
    KeyLocked { step: StepId, guard: Option<Held> },
    /// The user wants it to end.
    Signal(Signal),
    /// All hooks have been run.
    HooksEnded,
    /// Whoever was to send one of these panicked instead: with what.
    Panicked(Box<dyn Any + Send>),
    /// A job ended, and where its time went.
    Ended { step: StepId, ended: Ended, spent: Vec<Spent> },
}

/// Sends what `work` gives. Should it panic, whoever waits for that message gets to know instead of waiting for ever.
pub(super) fn report(sender: &Sender<Message>, work: impl FnOnce() -> Message) {
    let message = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(Message::Panicked);
    // Who hears nothing more has ended before.
    let _ = sender.send(message);
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
    /// It ran and succeeded; its record is still to be written, if it is to have one.
    Ran { settled: Box<Settled>, unrecorded: Option<Box<Unrecorded>>, end: Box<End> },
    /// It ran and did not, or could not be run.
    Failed { failure: String, end: Box<End> },
}

/// What is known of a command that ended.
#[derive(Debug, Clone, Default)]
pub(super) struct End {
    pub(super) exit_code: Option<i32>,
    /// When it was started, since the command began to look.
    pub(super) began: Option<Duration>,
    pub(super) duration: Duration,
    pub(super) why: Vec<Why>,
    /// The object that holds what it printed.
    pub(super) log: Option<Digest>,
    /// What it measured.
    pub(super) metrics: Vec<Metric>,
}

/// What is to be done.
pub(super) enum Task {
    /// Put the outputs of this record back.
    Restore(Arc<Record>),
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
    /// Other cells of the step that its command works on as well.
    pub(super) along: Vec<Job>,
}

/// What all workers share.
pub(super) struct Work<'w> {
    pub(super) world: &'w World<'w>,
    pub(super) run: Option<RunId>,
    pub(super) control: &'w Control,
    pub(super) jobserver: Option<Jobserver>,
    /// Which steps' outputs were put back: one worker at a time does that for a step.
    pub(super) in_place: Mutex<BTreeMap<StepId, Arc<Mutex<bool>>>>,
    /// Nothing new is to start, and so no further try either.
    pub(super) stopping: AtomicBool,
    /// Part of the names of what is moved to `replaced/`.
    pub(super) stamp: String,
    pub(super) contexts: Contexts,
    /// The locks on the places of the run.
    places: &'w Guard,
    /// It was said that they are gone.
    are_places_lost: AtomicBool,
}

/// What ends a job early.
pub(super) enum Stop {
    /// The step failed; the text says how.
    Failed(String),
    /// The job is over.
    Ended(Ended),
}

impl From<String> for Stop {
    fn from(failure: String) -> Self {
        Self::Failed(failure)
    }
}

/// How a worker speaks to the loop.
pub(super) type Say<'s> = &'s dyn Fn(Message);

impl<'w> Work<'w> {
    pub(super) fn new(world: &'w World<'w>, run: Option<RunId>, control: &'w Control, places: &'w Guard) -> Self {
        let outer = &world.project.workspace.env;
        let jobserver =
            Jobserver::from_outer(outer).or_else(|| Jobserver::new(world.options.jobs as usize).ok().flatten());
        let stamp = match run {
            Some(run) => format!("run-{run}"),
            None => format!("at-{}", world.now.0),
        };
        let contexts = Contexts::new(world.zen_dir.clone(), PathBuf::from("context").join(&stamp));
        let (in_place, stopping, are_places_lost) = (Mutex::default(), AtomicBool::new(false), AtomicBool::new(false));
        Self { world, run, control, jobserver, in_place, stopping, stamp, contexts, places, are_places_lost }
    }

    /// Does nobody else write to the places of the run? If somebody may, that is said once.
    pub(super) fn are_places_ours(&self, say: Say<'_>) -> bool {
        let stands = self.places.stands();
        if !stands && !self.are_places_lost.swap(true, Ordering::Relaxed) {
            let folder = self.world.zen_dir.display();
            say(Message::Event(Event::Warning(
                Diagnostic::warning(format!("`{folder}` was removed while the run went on, and its locks with it"))
                    .note("what runs from now on is not recorded: another run may have written to the same outputs"),
            )));
        }
        stands
    }

    /// Does the job, to its end.
    pub(super) fn run(&self, job: &Job, say: Say<'_>) -> Ended {
        match &job.task {
            Task::Restore(record) => {
                let from = self.world.begun.elapsed();
                let put = self.put_in_place(job.step, &record.artifacts, false, say);
                self.say_spent(job.step, Part::Restore, from, say);
                match put {
                    Ok(_) => Ended::Restored,
                    Err(Stop::Ended(ended)) => ended,
                    Err(Stop::Failed(failure)) => Ended::Failed { failure, end: Box::default() },
                }
            }
            Task::Run { .. } if !job.along.is_empty() => self.execute_batch(job, say),
            Task::Run { key, why, look_no_more } => self.execute(job, key, why, *look_no_more, say),
        }
    }

    pub(super) fn step(&self, step: StepId) -> &'w Step {
        self.world.definitions.model.step(step)
    }

    fn execute(&self, job: &Job, key: &Result<Key, String>, why: &[Why], look_no_more: bool, say: Say<'_>) -> Ended {
        let mut attempt = Attempt::new(self, job, key.clone(), say);
        let from = self.world.begun.elapsed();
        let ready = self.put_upstream_in_place(job, say).and_then(|()| attempt.check_inputs(look_no_more));
        self.say_spent(job.step, Part::Prepare, from, say);
        let from = self.world.begun.elapsed();
        let ran = ready.and_then(|()| attempt.run(why));
        self.say_spent(job.step, Part::Run, from, say);
        let from = self.world.begun.elapsed();
        let mut end = End {
            exit_code: attempt.exit_code,
            began: attempt.began(),
            duration: attempt.started.map_or(Duration::ZERO, |started: Instant| started.elapsed()),
            why: why.to_vec(),
            log: None,
            metrics: Vec::new(),
        };
        if let Err(Stop::Ended(ended)) = ran {
            return ended;
        }
        end.log = attempt.store_log();
        match ran {
            Ok(artifacts) => {
                let ended = attempt.ended(artifacts.into(), end);
                self.say_spent(job.step, Part::Store, from, say);
                ended
            }
            Err(Stop::Failed(failure)) => Ended::Failed { failure, end: Box::new(end) },
            Err(Stop::Ended(ended)) => ended,
        }
    }

    fn say_spent(&self, step: StepId, part: Part, from: Duration, say: Say<'_>) {
        say(Message::Event(Event::Spent(self.world.spent(Some(step), part, from))));
    }

    /// Puts a step's outputs in place, and notes that they are zen's. Nothing changes until all of them are fetched.
    pub(super) fn restore(&self, step: &Step, artifacts: &[Artifact], say: Say<'_>) -> Result<(), Stop> {
        let places = self.world.places();
        let outputs = || step.outputs.iter().zip(artifacts);
        let staged: Vec<Staged<'_>> = outputs()
            .map(|(output, artifact)| {
                let staged = places.stage(&output.place, artifact, &self.world.store);
                staged.map_err(|error| not_restored(step, &output.name, error, say))
            })
            .collect::<Result<_, _>>()?;
        let mut replaced = Replaced::new(self.stamp.clone());
        let own = |path: &RelPath, node: &Node| self.world.is_own(Some(&step.display_id), path, node);
        for ((output, _), staged) in outputs().zip(&staged) {
            let put = places.put(staged, &own, &mut replaced);
            self.say_replaced(step, &mut replaced, say);
            put.map_err(|error| not_restored(step, &output.name, error, say))?;
        }
        self.note(step, artifacts, say);
        Ok(())
    }

    /// Notes what zen left for a step. Without the note it would not know its own: that is no failure of the step.
    pub(super) fn note(&self, step: &Step, artifacts: &[Artifact], say: Say<'_>) {
        let mut entries = BTreeMap::new();
        for (output, artifact) in step.outputs.iter().zip(artifacts) {
            let root = output.place.root();
            entries.extend(artifact.entries.iter().map(|entry| (root.under(&entry.path), entry.node.clone())));
        }
        if let Err(error) = self.world.ledger.set(&step.display_id, &entries) {
            let text = format!("what step `{}` left cannot be noted in the zen folder: {error}", step.display_id);
            say(Message::Event(Event::Warning(
                Diagnostic::warning(text)
                    .note("zen may take its outputs for somebody else's later, and move them to `replaced/`")
                    .help(format!(
                        "see that `{}` can be written, and that its disk has space",
                        self.world.zen_dir.display()
                    )),
            )));
        }
    }

    pub(super) fn say_replaced(&self, step: &Step, replaced: &mut Replaced, say: Say<'_>) {
        for (path, to) in replaced.moved.drain(..) {
            say(Message::Event(Event::Note(format!(
                "`{path}` was not made by zen: moved to {} before step `{}` took its place",
                self.world.shown(&to),
                step.display_id
            ))));
        }
    }
}

/// What becomes of a step one of whose outputs could not be put back.
fn not_restored(step: &Step, output: &str, error: RestoreError, say: Say<'_>) -> Stop {
    match error {
        RestoreError::Lost(_) => Stop::Ended(Ended::Lost(output.to_owned())),
        RestoreError::Unreadable(..) => {
            let text = format!("output `{output}` of step `{}` is made anew: {}", step.display_id, chain(&error));
            let help = "let whoever uses the store read its files: a common group, and an umask of 002 or 022";
            say(Message::Event(Event::Warning(Diagnostic::warning(text).help(help))));
            Stop::Ended(Ended::Lost(output.to_owned()))
        }
        error => Stop::Failed(format!("output `{output}` cannot be put back: {}", chain(&error))),
    }
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn whoever_waits_for_a_worker_hears_that_it_panicked() {
        let (sender, messages) = channel();
        std::thread::scope(|scope| {
            scope.spawn(|| report(&sender, || panic!("at work")));
        });
        let Ok(Message::Panicked(with)) = messages.try_recv() else { panic!("it says that it panicked") };
        assert_eq!(with.downcast_ref(), Some(&"at work"));
        report(&sender, || Message::HooksEnded);
        assert!(matches!(messages.try_recv(), Ok(Message::HooksEnded)));
    }
}
