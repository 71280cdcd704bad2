//! Who produces which key: each by one step at a time, here and in other processes, until its record is written. Knows not how
//! a step is run.

use std::sync::Arc;
use std::thread::Scope;

use super::Loop;
use crate::artifact::Key;
use crate::decide::{Decision, Why};
use crate::engine::commit::Unkept;
use crate::engine::job::{Message, report};
use crate::engine::locks;
use crate::event::Event;
use crate::model::StepId;

impl<'w> Loop<'_, 'w> {
    /// A step is to run: it needs its key to itself, here and in other processes.
    pub(super) fn request<'s>(&mut self, scope: &'s Scope<'s, '_>, step: StepId)
    where
        'w: 's,
    {
        if self.waiting.contains(&step) {
            return;
        }
        let decided = &self.progress.decided[&step];
        let definition = self.world.definitions.model.step(step);
        let is_cached = self.world.disabled(step, definition).is_none();
        if let (Ok(key), true) = (&decided.key, is_cached) {
            // It was made a moment ago.
            if self.recording.has_key(*key) {
                self.write_records();
                let woken = self.decide_again(step);
                return self.take_up(scope, woken);
            }
            if let Some(producer) = self.producing.get(key).filter(|producer| **producer != step) {
                self.parked.entry(*producer).or_default().push(step);
                return;
            }
            self.producing.insert(*key, step);
            self.produces.insert(step, *key);
            if !self.keys.contains_key(&step) {
                match locks::try_key(self.world, *key) {
                    locks::Tried::Locked(guard) => {
                        self.keys.insert(step, guard);
                        if self.was_made_meanwhile(step) {
                            let woken = self.decide_again(step);
                            return self.take_up(scope, woken);
                        }
                    }
                    locks::Tried::Unavailable => {}
                    locks::Tried::Held(holder) => return self.wait_for_key(scope, step, *key, holder),
                }
            }
        }
        self.schedule.queue(step, self.demand(step));
    }

    /// Another process made this key's record before we had the lock.
    pub(super) fn was_made_meanwhile(&self, step: StepId) -> bool {
        let decided = &self.progress.decided[&step];
        let is_miss = decided.why.iter().all(|why| matches!(why, Why::NeverRun | Why::Changed(_)));
        let Ok(key) = decided.key else { return false };
        is_miss
            && self.world.store.records.refresh().is_ok()
            && self.world.store.records.get(&[key]).pop().flatten().is_some()
    }

    pub(super) fn wait_for_key<'s>(&mut self, scope: &'s Scope<'s, '_>, step: StepId, key: Key, holder: String)
    where
        'w: 's,
    {
        let on = format!("step `{}`", self.world.definitions.model.step(step).display_id);
        self.listener.event(&Event::Blocking { on, holder });
        self.waiting.insert(step);
        let (world, control, sender) = (self.world, self.work.control, self.sender.clone());
        scope.spawn(move || {
            report(&sender, || Message::KeyLocked { step, guard: locks::wait_key(world, control, key) });
        });
    }

    /// Writes the records that wait, and frees the keys that they were held for.
    pub(super) fn write_records(&mut self) {
        for (step, written) in self.recording.write(&self.world.store) {
            self.keys.remove(&step);
            match (written, self.progress.settled.get_mut(&step)) {
                (Ok(record), Some(settled)) if settled.production == record.production => {
                    Arc::make_mut(settled).record = Some(Arc::new(record));
                }
                (Ok(_), _) => {}
                (Err(error), _) => {
                    self.not_recorded(step, Unkept::by_store(&self.world.store, "its record", &error));
                }
            }
        }
    }

    /// Frees the step's key; gives those that waited for it here.
    pub(super) fn release(&mut self, step: StepId) -> Vec<StepId> {
        if self.recording.has(step) && self.parked.contains_key(&step) {
            self.write_records();
        }
        // Others may have the key when its record is written.
        if !self.recording.has(step) {
            self.keys.remove(&step);
        }
        self.no_longer_produces(step);
        let parked = self.parked.remove(&step).unwrap_or_default();
        parked.iter().for_each(|parked| {
            self.progress.decided.remove(parked);
        });
        parked
    }

    pub(super) fn no_longer_produces(&mut self, step: StepId) {
        if let Some(key) = self.produces.remove(&step)
            && self.producing.get(&key) == Some(&step)
        {
            self.producing.remove(&key);
        }
    }

    pub(super) fn decide_again(&mut self, step: StepId) -> Vec<StepId> {
        self.no_longer_produces(step);
        self.progress.decided.remove(&step);
        self.progress.decide_step(self.world, step);
        if self.progress.decided[&step].decision != Decision::Run {
            self.keys.remove(&step);
        }
        vec![step]
    }
}
