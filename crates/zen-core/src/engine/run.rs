//! A run from its locks to its entry in history. Knows not how its steps are decided and run.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::git::Asked;
use super::history::{RunEntry, StepEntry, StepOutcome, Tie, Upstream};
use super::job::{Message, Work};
use super::looping::{Left, Loop};
use super::session::{Progress, Session, World};
use super::{EngineError, finish, hooks, locks, versions};
use crate::decide::Decision;
use crate::diag::Diagnostic;
use crate::event::{Event, Listener, Part, Planned, Summary};
use crate::graph::EdgeKind;
use crate::model::{StepId, StepMap};
use crate::process::{Control, Signal};

/// A run that is over waits so long for git.
const PATIENCE: Duration = Duration::from_secs(1);

/// What happens after a failure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Failure {
    /// Nothing new starts, running steps end.
    #[default]
    Stop,
    /// Nothing new starts, running steps are killed.
    Kill,
    /// What does not depend on the failure goes on.
    KeepGoing,
}

/// What a run ended with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// The figures.
    pub summary: Summary,
    /// The signal that stopped it, to be raised again.
    pub stopped: Option<Signal>,
}

impl Session<'_> {
    /// Runs the selection. `signals` says when the user wants it to end.
    ///
    /// # Errors
    /// A lock that cannot be waited for. All else is an outcome.
    pub fn run(&mut self, listener: &mut dyn Listener, signals: Option<Receiver<Signal>>) -> Result<Ran, EngineError> {
        for warning in std::mem::take(&mut self.warnings) {
            listener.event(&Event::Warning(warning));
        }
        for note in std::mem::take(&mut self.notes) {
            listener.event(&Event::Note(note));
        }
        for spent in std::mem::take(&mut self.spent) {
            listener.event(&Event::Spent(spent));
        }
        let from = self.world.begun.elapsed();
        let places = locks::places(&self.world, listener, signals.as_ref())?;
        listener.event(&Event::Spent(self.world.spent(None, Part::Lock, from)));
        let mut warn = |problem: Diagnostic| listener.event(&Event::Warning(problem));
        // Somebody else may have worked here while the lock was waited for.
        let _ = self.world.store.records.refresh();
        self.world.ledger.refresh();
        finish::recover(&self.world, &self.progress, &mut warn);
        let in_use = self.world.store.in_use();
        match &in_use {
            Err(error) => {
                warn(Diagnostic::warning(format!("the store cannot be kept from being cleaned meanwhile ({error})")))
            }
            // Of the zen folder that was said when the places were locked.
            Ok(in_use) if !in_use.known && self.world.store.dir() != self.world.zen_dir => {
                let dir = self.world.store.dir().display();
                let text =
                    format!("the file system of the store in `{dir}` has no locks: equal work may be done twice");
                warn(Diagnostic::warning(text).help("put it on another disk: `store.dir`, or ZEN_STORE_DIR"));
            }
            Ok(_) => {}
        }
        let history = self.world.history();
        let id = history.begin();
        if let Err(error) = &id {
            warn(Diagnostic::warning(format!("the history of runs cannot be written ({error}): this run is not kept")));
        }
        let id = id.ok();
        let from = self.world.begun.elapsed();
        let planned = self.plan();
        listener.event(&Event::Spent(self.world.spent(None, Part::Decide, from)));
        // Who ran nothing made nothing: then nobody asks what was checked out.
        let may_run = |step: &Planned| matches!(step.decision, Decision::Run | Decision::Maybe);
        let asked =
            if planned.iter().any(may_run) { Asked::checkout(&self.world.project.workspace.root) } else { None };
        listener.event(&Event::Planned(planned));

        let control = Control::default();
        let (sender, messages) = channel();
        if let Some(signals) = signals {
            let sender: Sender<Message> = sender.clone();
            // Ends with the process, or when the run has: nobody takes its message then.
            std::thread::spawn(move || {
                while let Ok(signal) = signals.recv() {
                    if sender.send(Message::Signal(signal)).is_err() {
                        break;
                    }
                }
            });
        }
        let Self { world, progress, .. } = self;
        let world: &World<'_> = world;
        let work = Work::new(world, id, &control, &places);
        let mut run = Loop::new(world, progress, &work, listener, sender.clone());
        let messages = std::thread::scope(|scope| run.work(scope, messages));
        let Left { steps, ended, mut stopped, failed_late } = run.finish();

        if let Err(error) = versions::note(world, progress, &steps, id) {
            let text = format!("the versions of artifacts cannot be written ({error}): `artifacts` does not know them");
            listener.event(&Event::Warning(Diagnostic::warning(text)));
        }
        let mut summary = summarize(world, progress, &steps);
        summary.run = id;
        summary.success &= stopped.is_none() && !failed_late;
        summary.duration = world.begun.elapsed();
        if let Some(id) = id {
            let entry = RunEntry {
                id,
                started: world.now,
                duration_ms: millis(summary.duration),
                request: world.options.asked.clone(),
                success: summary.success,
                checkout: asked.and_then(|asked| asked.answer(PATIENCE)),
                toolchain: world.toolchain.clone(),
                steps: entries(world, steps),
            };
            if let Err(error) = history.finish(&entry) {
                let text = format!("the history of runs cannot be written ({error}): this run is not kept");
                listener.event(&Event::Warning(Diagnostic::warning(text)));
            }
        }
        let contexts = work.contexts.folder();
        drop(in_use);
        let from = self.world.begun.elapsed();
        finish::tidy_up(self, &contexts, listener);
        listener.event(&Event::Spent(self.world.spent(None, Part::Note, from)));
        drop(places);
        // After a signal nothing is started any more.
        if stopped.is_none() {
            let Self { world, progress, .. } = &*self;
            let told = hooks::Told { world, progress, ended: &ended, summary: &summary, failed_late };
            stopped = hooks::run(&told, listener, &sender, &messages);
        }
        listener.event(&Event::RunFinished(summary.clone()));
        Ok(Ran { summary, stopped })
    }
}

/// The steps in the order of the run, each with those that it came after.
fn entries(world: &World<'_>, mut steps: StepMap<StepEntry>) -> Vec<StepEntry> {
    let mut places: Vec<Option<u32>> = vec![None; world.definitions.model.steps.len()];
    let mut entries: Vec<StepEntry> = Vec::with_capacity(steps.len());
    for step in &world.selection.order {
        let Some(mut entry) = steps.remove(step) else { continue };
        for edge in world.definitions.graph.upstream(*step) {
            // What it comes after stands before it.
            let Some(place) = places[edge.from.0 as usize] else { continue };
            let tie = match edge.kind {
                EdgeKind::Input(_) => Tie::Reads,
                EdgeKind::After | EdgeKind::Depends => Tie::After,
                EdgeKind::Path { .. } => Tie::Overlap,
            };
            // Edges from one step stand beside each other.
            match entry.upstream.last_mut().filter(|known| known.step == place) {
                Some(known) => known.tie = tie.min(known.tie),
                None => entry.upstream.push(Upstream { step: place, tie }),
            }
        }
        places[step.0 as usize] = Some(entries.len() as u32);
        entries.push(entry);
    }
    entries
}

fn summarize(world: &World<'_>, progress: &Progress, steps: &StepMap<StepEntry>) -> Summary {
    let mut counts: BTreeMap<u8, usize> = BTreeMap::new();
    steps.values().for_each(|step| *counts.entry(step.outcome as u8).or_default() += 1);
    let count = |outcome: StepOutcome| counts.get(&(outcome as u8)).copied().unwrap_or(0);
    let is_cached = |step: &&StepId| {
        steps.get(step).is_some_and(|entry| matches!(entry.outcome, StepOutcome::Fresh | StepOutcome::Restored))
    };
    Summary {
        run: None,
        success: count(StepOutcome::Failed) == 0,
        ran: count(StepOutcome::Ran),
        fresh: count(StepOutcome::Fresh),
        restored: count(StepOutcome::Restored),
        failed: count(StepOutcome::Failed),
        skipped: count(StepOutcome::Skipped),
        duration: Duration::ZERO,
        saved: world.selection.order.iter().filter(is_cached).map(|step| progress.saved(*step)).sum(),
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
