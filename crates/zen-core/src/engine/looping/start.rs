//! From a decided step to a worker: what it occupies, what it takes along, the job. Knows not how it ends.

use std::cell::RefCell;
use std::sync::Arc;
use std::thread::Scope;

use super::{LOOKS, Loop};
use crate::decide::Decision;
use crate::engine::job::{Job, Message, Task, report};
use crate::engine::observe::Stamps;
use crate::event::Event;
use crate::model::{Command, StepId};
use crate::schedule::Demand;

impl<'w> Loop<'_, 'w> {
    /// What the step occupies while it runs.
    pub(super) fn demand(&self, step: StepId) -> Demand {
        let definition = self.world.definitions.model.step(step);
        let mut pools: Vec<String> = definition.pool.iter().cloned().collect();
        let builds = matches!(definition.command, Command::Target { .. } | Command::Build(_));
        if (builds || definition.calls_cargo) && !pools.iter().any(|pool| pool == "cargo") {
            pools.push("cargo".to_owned());
        }
        // All of `-j`: nothing else runs while a step has the terminal.
        let threads = definition.threads.filter(|_| !definition.interactive);
        Demand { threads: threads.unwrap_or(u32::MAX), pools }
    }

    /// Gives the step to a worker.
    pub(super) fn start<'s>(&mut self, scope: &'s Scope<'s, '_>, step: StepId)
    where
        'w: 's,
    {
        let mut job = self.job(step);
        if self.world.definitions.model.step(step).batch && matches!(job.task, Task::Run { .. }) {
            job.along = self.go_along(step);
        }
        let (work, sender) = (self.work, self.sender.clone());
        self.workers.give(scope, move || {
            report(&sender, || {
                // Each message wakes the loop: where time went is told at the end.
                let spent = RefCell::new(Vec::new());
                let ended = work.run(&job, &|message| {
                    if let Message::Event(Event::Spent(part)) = message {
                        spent.borrow_mut().push(part);
                    } else {
                        let _ = sender.send(message);
                    }
                });
                Message::Ended { step: job.step, ended, spent: spent.into_inner() }
            });
        });
    }

    /// The other cells of a batch that could start as well.
    fn go_along(&mut self, step: StepId) -> Vec<Job> {
        let model = &self.world.definitions.model;
        let lead = model.step(step);
        let is_other = |id: &&StepId| {
            let cell = model.step(**id);
            **id != step && cell.pipeline == lead.pipeline && cell.base_name == lead.base_name
        };
        let others: Vec<StepId> = self.world.selection.order.iter().filter(is_other).copied().collect();
        let must_run = |id: &StepId| self.progress.decided.get(id).is_some_and(|cell| cell.decision == Decision::Run);
        let along: Vec<StepId> =
            others.into_iter().filter(must_run).filter(|id| self.schedule.take_along(*id)).collect();
        along.into_iter().map(|id| self.job(id)).collect()
    }

    fn job(&mut self, step: StepId) -> Job {
        let upstream = self.world.upstream(step);
        // What a step builds on is on disk before it starts.
        if upstream.iter().any(|up| self.recording.has(*up)) {
            self.write_records();
        }
        let decided = self.progress.decided[&step].clone();
        let task = match (decided.decision, decided.record) {
            (Decision::Restore, Some(record)) => Task::Restore(record),
            _ => Task::Run { key: decided.key, why: decided.why, look_no_more: self.looks.get(&step) >= Some(&LOOKS) },
        };
        let upstream = upstream.into_iter().map(|up| (up, Arc::clone(&self.progress.settled[&up]))).collect();
        let progress = &*self.progress;
        let runs = matches!(task, Task::Run { .. });
        Job {
            step,
            task,
            upstream,
            view: progress.views[&step].clone(),
            // Of a step that is put back nobody asks for these.
            observed: runs.then(|| progress.observed(self.world, step).ok()).flatten(),
            stamps: if runs { progress.stamps(self.world, step) } else { Stamps::default() },
            owned: progress.owned_places(self.world, step),
            along: Vec::new(),
        }
    }
}
