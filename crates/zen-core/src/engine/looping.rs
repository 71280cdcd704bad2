//! A run while it goes on: decides what is due, starts what there is room for, takes in what workers report, says what
//! happened. Knows not how a step is run.

mod keys;
mod start;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread::Scope;
use std::time::{Duration, Instant};

use super::commit::{AllUnkept, Unkept};
use super::history::{StepEntry, StepOutcome};
use super::job::{Ended, Message, Work};
use super::recording::Recording;
use super::run::{Failure, millis};
use super::session::{Progress, World, reused};
use super::workers::Workers;
use super::{finish, hooks};
use crate::artifact::Key;
use crate::decide::{Decision, Why};
use crate::event::{Event, Finished, Listener, Outcome, Part};
use crate::model::{StepId, StepMap};
use crate::process::{GRACE, Signal};
use crate::schedule::{Demand, Schedule, State};
use crate::store::series::Held;

/// How often a step is looked at anew because its inputs moved between the look and the start, before it is run as it is.
const LOOKS: u32 = 3;

/// The state of a run while it goes on.
pub(super) struct Loop<'r, 'w> {
    world: &'w World<'w>,
    progress: &'r mut Progress,
    work: &'w Work<'w>,
    listener: &'r mut dyn Listener,
    schedule: Schedule,
    sender: Sender<Message>,
    workers: Workers<'w>,
    /// Locks on the keys that are being produced.
    keys: StepMap<Held>,
    recording: Recording,
    /// Who produces which key, and who waits for that.
    producing: HashMap<Key, StepId>,
    produces: StepMap<Key>,
    parked: StepMap<Vec<StepId>>,
    looks: StepMap<u32>,
    steps: StepMap<StepEntry>,
    /// Where a step stands in the plan.
    places: StepMap<usize>,
    /// Cached steps whose outcome is open: put back only if somebody reads them.
    open: Vec<StepId>,
    /// Restores that go on, by their place in the plan, and those that ended but wait for one before them: what is said
    /// does not depend on which was faster.
    restoring: BTreeSet<usize>,
    restored: BTreeMap<usize, StepId>,
    stopping: bool,
    stopped: Option<Signal>,
    kill_at: Option<Instant>,
    /// Steps whose key another process holds: a thread waits for each.
    waiting: BTreeSet<StepId>,
    unkept: AllUnkept,
    failed_late: bool,
    ran_something: bool,
    /// For hooks, if there are any: the steps in the order in which they ended.
    ended: Option<Vec<Finished>>,
}

/// What a run left when nothing runs any more.
pub(super) struct Left {
    pub(super) steps: StepMap<StepEntry>,
    pub(super) ended: Vec<Finished>,
    /// The signal that stopped it.
    pub(super) stopped: Option<Signal>,
    /// Were outputs changed after their steps had ended?
    pub(super) failed_late: bool,
}

impl<'r, 'w> Loop<'r, 'w> {
    pub(super) fn new(
        world: &'w World<'w>,
        progress: &'r mut Progress,
        work: &'w Work<'w>,
        listener: &'r mut dyn Listener,
        sender: Sender<Message>,
    ) -> Self {
        let any_to_run = world
            .selection
            .order
            .iter()
            .any(|step| progress.decided.get(step).is_none_or(|decided| decided.decision != Decision::Fresh));
        let settled = &progress.settled;
        let duration = |step| match settled.get(&step).and_then(|settled| settled.record.as_ref()) {
            _ if !any_to_run => 0,
            Some(record) => record.duration_ms,
            None => world.recorded_duration(step).unwrap_or(0),
        };
        let pools = &world.definitions.model.settings.pools;
        let schedule =
            Schedule::new(&world.selection.order, |s| world.upstream(s), duration, world.options.jobs, pools);
        Self {
            world,
            progress,
            work,
            listener,
            schedule,
            sender,
            workers: Workers::new(),
            keys: StepMap::default(),
            recording: Recording::default(),
            producing: HashMap::new(),
            produces: StepMap::default(),
            parked: StepMap::default(),
            looks: StepMap::default(),
            steps: StepMap::default(),
            places: world.selection.order.iter().copied().zip(0..).collect(),
            open: Vec::new(),
            restoring: BTreeSet::new(),
            restored: BTreeMap::new(),
            stopping: false,
            stopped: None,
            kill_at: None,
            waiting: BTreeSet::new(),
            unkept: AllUnkept::default(),
            failed_late: false,
            ran_something: false,
            ended: hooks::any(world).then(Vec::new),
        }
    }

    /// Until nothing is left to do. Gives the messages back: hooks have some more.
    ///
    /// # Panics
    ///
    /// If a worker did, or this loop itself: then nothing that was started lives on, and no thread waits for another.
    pub(super) fn work<'s>(&mut self, scope: &'s Scope<'s, '_>, messages: Receiver<Message>) -> Receiver<Message>
    where
        'w: 's,
    {
        let worked = catch_unwind(AssertUnwindSafe(|| self.go_on(scope, &messages)));
        self.workers.end();
        match worked {
            Ok(()) => messages,
            Err(with) => {
                self.work.control.stop(Signal::Kill);
                drop(messages);
                resume_unwind(with)
            }
        }
    }

    fn go_on<'s>(&mut self, scope: &'s Scope<'s, '_>, messages: &Receiver<Message>)
    where
        'w: 's,
    {
        let due = self.schedule.all_due();
        self.take_up(scope, due);
        loop {
            while !self.stopping
                && let Some(step) = self.schedule.next_to_start()
            {
                self.start(scope, step);
            }
            if self.schedule.running() == 0 && self.waiting.is_empty() && (self.stopping || self.schedule.is_finished())
            {
                break;
            }
            match self.receive(messages) {
                Some(message) => self.take(scope, message),
                None => self.work.control.stop(Signal::Kill),
            }
        }
        self.write_records();
    }

    /// The next message; `None` if it is time to kill what does not end. Writes the records that waited long enough.
    fn receive(&mut self, messages: &Receiver<Message>) -> Option<Message> {
        loop {
            if self.recording.due().is_some_and(|due| due <= Instant::now()) {
                self.write_records();
            }
            let due = self.recording.due();
            let Some(at) = due.into_iter().chain(self.kill_at).min() else {
                return Some(messages.recv().expect("the loop itself holds a sender"));
            };
            match messages.recv_timeout(at.saturating_duration_since(Instant::now())) {
                Ok(message) => return Some(message),
                Err(_) if due == Some(at) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    self.kill_at = None;
                    return None;
                }
            }
        }
    }

    /// Steps that can be decided: decides them, and what becomes due by that.
    fn take_up<'s>(&mut self, scope: &'s Scope<'s, '_>, mut due: Vec<StepId>)
    where
        'w: 's,
    {
        due.reverse();
        while let Some(step) = due.pop() {
            if self.schedule.state(step) != State::Due {
                continue;
            }
            if !self.progress.decided.contains_key(&step) {
                self.progress.decide_step(self.world, step);
            }
            let decision = self.progress.decided[&step].decision;
            let mut woken = match decision {
                Decision::Fresh => self.settle_fresh(step),
                Decision::Restore => {
                    let woken = self.schedule.settle(step);
                    self.restoring.insert(self.place_in_plan(step));
                    self.schedule.queue(step, Demand { threads: 1, pools: Vec::new() });
                    woken
                }
                Decision::Run | Decision::Maybe => {
                    self.request(scope, step);
                    Vec::new()
                }
            };
            woken.reverse();
            due.extend(woken);
        }
    }

    fn settle_fresh(&mut self, step: StepId) -> Vec<StepId> {
        let woken = self.schedule.settle(step);
        self.schedule.done(step, Outcome::Fresh);
        if self.progress.settled[&step].in_place {
            self.end_cached(step, Outcome::Fresh);
        } else {
            self.open.push(step);
        }
        woken
    }

    fn place_in_plan(&self, step: StepId) -> usize {
        self.places.get(&step).copied().unwrap_or(usize::MAX)
    }

    fn no_longer_restoring(&mut self, step: StepId) {
        let place = self.place_in_plan(step);
        self.restoring.remove(&place);
        self.say_restored();
    }

    /// Says which restores ended, as far as none before them goes on.
    fn say_restored(&mut self) {
        while let (Some(first), Some((place, step))) = (self.restoring.first(), self.restored.first_key_value())
            && first == place
        {
            let (place, step) = (*place, *step);
            self.restoring.remove(&place);
            self.restored.remove(&place);
            self.end_cached(step, Outcome::Restored);
        }
    }

    fn end_cached(&mut self, step: StepId, outcome: Outcome) {
        let settled = Arc::clone(&self.progress.settled[&step]);
        let finished = Finished {
            step,
            outcome,
            key: settled.key,
            why: Vec::new(),
            began: None,
            duration: Duration::ZERO,
            exit_code: None,
            artifacts: settled.artifacts.clone(),
            reused: settled.record.as_deref().map(reused),
            metrics: Vec::new(),
            failure: None,
        };
        self.end(finished, settled.record.as_ref().and_then(|record| record.log));
    }

    fn take<'s>(&mut self, scope: &'s Scope<'s, '_>, message: Message)
    where
        'w: 's,
    {
        match message {
            Message::Event(event) => self.listener.event(&event),
            Message::TakeTerminal { step, ready } => {
                self.listener.event(&Event::TerminalTaken { step });
                // A worker that does not wait for it any more needs no answer.
                let _ = ready.send(());
            }
            Message::LeavePool { step, pool } => self.schedule.leave_pool(step, &pool),
            Message::Unkept { step, why } => self.not_recorded(step, why),
            Message::PutBack(step) => self.put_back(step),
            Message::KeyLocked { step, guard } => {
                self.waiting.remove(&step);
                if let Some(guard) = guard {
                    self.keys.insert(step, guard);
                }
                if !self.stopping {
                    // What was waited for; where it cannot be read, the step runs.
                    let _ = self.world.store.records.refresh();
                    let woken = self.decide_again(step);
                    self.take_up(scope, woken);
                }
            }
            Message::Signal(signal) => self.signal(signal),
            // They are run when this loop has ended.
            Message::HooksEnded => {}
            Message::Panicked(with) => resume_unwind(with),
            Message::Ended { step, ended, spent } => {
                spent.into_iter().for_each(|spent| self.listener.event(&Event::Spent(spent)));
                self.ended(scope, step, ended);
            }
        }
    }

    fn signal(&mut self, signal: Signal) {
        let second = self.stopped.is_some();
        self.stopped.get_or_insert(signal);
        self.stop_starting();
        if second {
            self.work.control.stop(Signal::Kill);
        } else {
            self.work.control.stop(signal);
            self.kill_at = Some(Instant::now() + GRACE);
        }
    }

    fn ended<'s>(&mut self, scope: &'s Scope<'s, '_>, step: StepId, ended: Ended)
    where
        'w: 's,
    {
        match ended {
            Ended::Restored => {
                self.schedule.done(step, Outcome::Restored);
                self.mark_in_place(step);
                self.restored.insert(self.place_in_plan(step), step);
                self.say_restored();
                let parked = self.parked.remove(&step).unwrap_or_default();
                self.take_up(scope, parked);
            }
            Ended::Lost(what) => {
                self.no_longer_restoring(step);
                self.schedule.give_back(step);
                self.run_after_all(scope, step, what);
            }
            Ended::UpstreamLost { upstream, what } => {
                self.schedule.give_back(step);
                if self.schedule.state(upstream) == State::Running {
                    // Its own worker is about to find the same.
                    self.parked.entry(upstream).or_default().push(step);
                } else {
                    self.run_after_all(scope, upstream, what);
                }
            }
            Ended::InputsMoved => {
                *self.looks.entry(step).or_default() += 1;
                self.schedule.give_back(step);
                self.progress.look_again(self.world, step);
                let woken = self.decide_again(step);
                self.take_up(scope, woken);
            }
            Ended::Ran { settled, unrecorded, end } => {
                self.ran_something = true;
                if let Some(unrecorded) = unrecorded {
                    self.recording.add(step, *unrecorded, Instant::now());
                }
                let settled = Arc::new(*settled);
                let finished = Finished {
                    step,
                    outcome: Outcome::Ran,
                    key: settled.key,
                    why: end.why,
                    began: end.began,
                    duration: end.duration,
                    exit_code: end.exit_code,
                    artifacts: settled.artifacts.clone(),
                    reused: None,
                    metrics: end.metrics,
                    failure: None,
                };
                self.progress.settled.insert(step, settled);
                self.schedule.done(step, Outcome::Ran);
                let mut woken = self.schedule.settle(step);
                self.end(finished, end.log);
                woken.extend(self.release(step));
                if self.stopping {
                    self.skip_waiting();
                } else {
                    self.take_up(scope, woken);
                }
            }
            Ended::Failed { failure, end } => {
                self.ran_something = true;
                self.no_longer_restoring(step);
                let key = self.progress.decided.get(&step).and_then(|decided| decided.key.clone().ok());
                self.schedule.done(step, Outcome::Failed);
                let finished = Finished {
                    step,
                    outcome: Outcome::Failed,
                    key,
                    why: end.why,
                    began: end.began,
                    duration: end.duration,
                    exit_code: end.exit_code,
                    artifacts: Arc::default(),
                    reused: None,
                    metrics: Vec::new(),
                    failure: Some(failure),
                };
                self.end(finished, end.log);
                let name = self.world.definitions.model.step(step).display_id.clone();
                for skipped in self.schedule.skip_downstream(step) {
                    self.skipped(skipped, format!("`{name}` failed"));
                }
                let parked = self.release(step);
                match self.world.options.failure {
                    Failure::KeepGoing => self.take_up(scope, parked),
                    Failure::Stop => self.stop_starting(),
                    Failure::Kill => {
                        self.stop_starting();
                        self.work.control.stop(Signal::Terminate);
                        self.kill_at.get_or_insert(Instant::now() + GRACE);
                    }
                }
            }
        }
    }

    /// Something of a cached step's artifacts is not in the store: it runs, and what was decided on it waits again.
    fn run_after_all<'s>(&mut self, scope: &'s Scope<'s, '_>, step: StepId, what: String)
    where
        'w: 's,
    {
        self.open.retain(|open| *open != step);
        for reset in self.schedule.unsettle(step) {
            self.no_longer_restoring(reset);
            self.progress.settled.remove(&reset);
            self.progress.decided.remove(&reset);
            // It may get another key now.
            self.keys.remove(&reset);
            self.no_longer_produces(reset);
        }
        self.progress.decide_step(self.world, step);
        if let Some(decided) = self.progress.decided.get_mut(&step) {
            self.progress.settled.remove(&step);
            decided.decision = Decision::Run;
            decided.why = vec![Why::ArtifactMissing(what)];
        }
        let due = self.schedule.all_due();
        self.take_up(scope, due);
    }

    fn put_back(&mut self, step: StepId) {
        self.mark_in_place(step);
        if let Some(at) = self.open.iter().position(|open| *open == step) {
            self.open.remove(at);
            self.end_cached(step, Outcome::Restored);
        }
    }

    fn mark_in_place(&mut self, step: StepId) {
        if let Some(settled) = self.progress.settled.get_mut(&step) {
            Arc::make_mut(settled).in_place = true;
        }
    }

    fn stop_starting(&mut self) {
        self.stopping = true;
        self.work.stopping.store(true, Ordering::Relaxed);
        self.skip_waiting();
    }

    fn skip_waiting(&mut self) {
        for step in self.schedule.skip_rest() {
            self.skipped(step, "the run was stopped".to_owned());
        }
    }

    fn skipped(&mut self, step: StepId, why: String) {
        self.no_longer_restoring(step);
        let finished = Finished {
            step,
            outcome: Outcome::Skipped,
            key: None,
            why: Vec::new(),
            began: None,
            duration: Duration::ZERO,
            exit_code: None,
            artifacts: Arc::default(),
            reused: None,
            metrics: Vec::new(),
            failure: Some(why),
        };
        self.end(finished, None);
    }

    /// A step ended: for history, and for whoever listens.
    fn end(&mut self, finished: Finished, log: Option<crate::digest::Digest>) {
        let left = !matches!(finished.outcome, Outcome::Failed | Outcome::Skipped);
        let settled = self.progress.settled.get(&finished.step).filter(|_| left);
        let entry = StepEntry {
            step: self.world.definitions.model.step(finished.step).display_id.clone(),
            outcome: match finished.outcome {
                Outcome::Fresh => StepOutcome::Fresh,
                Outcome::Restored => StepOutcome::Restored,
                Outcome::Ran => StepOutcome::Ran,
                Outcome::Failed => StepOutcome::Failed,
                Outcome::Skipped => StepOutcome::Skipped,
            },
            key: finished.key,
            production: settled.map(|settled| settled.production),
            reused: finished.reused.map(|reused| reused.run),
            why: finished.why.iter().map(ToString::to_string).collect(),
            began_ms: finished.began.map(millis),
            duration_ms: millis(finished.duration),
            saved_ms: finished.reused.map_or(0, |reused| millis(reused.saved)),
            exit_code: finished.exit_code,
            log,
            failure: finished.failure.clone(),
            metrics: finished.metrics.iter().map(|metric| (metric.name.clone(), metric.value)).collect(),
            // Known when all have ended.
            upstream: Vec::new(),
        };
        self.steps.insert(finished.step, entry);
        if let Some(ended) = &mut self.ended {
            ended.push(finished.clone());
        }
        self.listener.event(&Event::Finished(Box::new(finished)));
    }

    fn not_recorded(&mut self, step: StepId, why: Unkept) {
        if let Some(event) = self.unkept.add(&self.world.definitions.model, step, why) {
            self.listener.event(&event);
        }
    }

    /// What is left to say when nothing runs any more.
    pub(super) fn finish(mut self) -> Left {
        if let Some(event) = std::mem::take(&mut self.unkept).rest(&self.world.definitions.model) {
            self.listener.event(&event);
        }
        for step in std::mem::take(&mut self.open) {
            self.end_cached(step, Outcome::Fresh);
        }
        if self.ran_something && self.stopped.is_none() {
            let from = self.world.begun.elapsed();
            self.failed_late = finish::check_outputs(self.world, self.progress, &self.steps, self.listener);
            self.listener.event(&Event::Spent(self.world.spent(None, Part::Check, from)));
        }
        let ended = self.ended.unwrap_or_default();
        Left { steps: self.steps, ended, stopped: self.stopped, failed_late: self.failed_late }
    }
}
