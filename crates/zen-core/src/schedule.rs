//! Which step next: states, slots, pools, the longest remaining path first. Pure: knows no processes and no clock.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::Outcome;
use crate::model::StepId;

/// The life of a step in a run.
///
/// ```text
/// Waiting → Due → Queued → Running → Done
///              ↘ Done (fresh, or nothing to do)
/// Waiting → Done(Skipped)                  something upstream failed, or the run was stopped
/// Queued/Running → Waiting                 an upstream artifact turned out to be lost
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not everything upstream is settled.
    Waiting,
    /// Everything upstream is settled: it can be decided.
    Due,
    /// Decided; waits for slots.
    Queued,
    /// A worker has it.
    Running,
    /// It ended like this.
    Done(Outcome),
}

/// What a step occupies while it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demand {
    /// Of `-j`; more than there are means all of them.
    pub threads: u32,
    /// One place in each.
    pub pools: Vec<String>,
}

/// The states of all steps of a run.
#[derive(Debug)]
pub struct Schedule {
    order: Vec<StepId>,
    at: BTreeMap<StepId, usize>,
    upstream: Vec<Vec<usize>>,
    downstream: Vec<Vec<usize>>,
    states: Vec<State>,
    /// How many are in the hands of a worker, and how many are done.
    running: usize,
    done: usize,
    settled: Vec<bool>,
    priority: Vec<u64>,
    /// By descending priority, then order.
    queue: BTreeSet<(std::cmp::Reverse<u64>, usize)>,
    demands: Vec<Demand>,
    threads: u32,
    free: u32,
    pools: BTreeMap<String, u32>,
}

impl Schedule {
    /// `order` is topological; `upstream` gives what each step waits for (others than those in `order` do not count);
    /// `durations` are the recorded ones in milliseconds, 0 if unknown; `pools` the size of each pool.
    pub fn new(
        order: &[StepId],
        upstream: impl Fn(StepId) -> Vec<StepId>,
        durations: impl Fn(StepId) -> u64,
        threads: u32,
        pools: &BTreeMap<String, u32>,
    ) -> Self {
        let at: BTreeMap<StepId, usize> = order.iter().copied().zip(0..).collect();
        let upstream: Vec<Vec<usize>> = order
            .iter()
            .map(|step| {
                let found: BTreeSet<usize> = upstream(*step).iter().filter_map(|up| at.get(up).copied()).collect();
                found.into_iter().collect()
            })
            .collect();
        let mut downstream = vec![Vec::new(); order.len()];
        for (step, up) in upstream.iter().enumerate() {
            up.iter().for_each(|up| downstream[*up].push(step));
        }
        let mut priority = vec![0_u64; order.len()];
        for step in (0..order.len()).rev() {
            let rest = downstream[step].iter().map(|down| priority[*down]).max().unwrap_or(0);
            priority[step] = rest.saturating_add(durations(order[step]).max(1));
        }
        let mut schedule = Self {
            at,
            upstream,
            downstream,
            states: vec![State::Waiting; order.len()],
            running: 0,
            done: 0,
            settled: vec![false; order.len()],
            priority,
            queue: BTreeSet::new(),
            demands: vec![Demand::default(); order.len()],
            threads: threads.max(1),
            free: threads.max(1),
            pools: pools.clone(),
            order: order.to_vec(),
        };
        for step in 0..schedule.order.len() {
            schedule.wake(step);
        }
        schedule
    }

    /// The state of a step of this run.
    pub fn state(&self, step: StepId) -> State {
        self.states[self.at[&step]]
    }

    /// All steps that can be decided, in order.
    pub fn all_due(&self) -> Vec<StepId> {
        (0..self.order.len()).filter(|at| self.states[*at] == State::Due).map(|at| self.order[at]).collect()
    }

    /// What the step leaves is known (though perhaps not yet in place): what depends on it can be decided. Gives those
    /// that became due.
    pub fn settle(&mut self, step: StepId) -> Vec<StepId> {
        let at = self.at[&step];
        self.settled[at] = true;
        let mut woken = self.downstream[at].clone();
        woken.retain(|down| self.wake(*down));
        woken.into_iter().map(|down| self.order[down]).collect()
    }

    /// What the step leaves is no longer known, nor what anything downstream of it leaves. Steps that a worker has, and
    /// steps that ran, stay as they are. Gives the steps that wait again.
    pub fn unsettle(&mut self, step: StepId) -> Vec<StepId> {
        let mut reset = Vec::new();
        let mut open = vec![self.at[&step]];
        while let Some(at) = open.pop() {
            if matches!(self.states[at], State::Running | State::Done(Outcome::Ran | Outcome::Failed)) {
                continue;
            }
            self.queue.remove(&(std::cmp::Reverse(self.priority[at]), at));
            self.set(at, State::Waiting);
            self.settled[at] = false;
            reset.push(self.order[at]);
            open.extend(self.downstream[at].iter().filter(|down| self.states[**down] != State::Waiting));
        }
        reset.sort_unstable();
        for step in &reset {
            self.wake(self.at[step]);
        }
        reset
    }

    /// The step is to be worked on as soon as there is room.
    pub fn queue(&mut self, step: StepId, demand: Demand) {
        let at = self.at[&step];
        self.set(at, State::Queued);
        self.demands[at] = Demand { threads: demand.threads.clamp(1, self.threads), pools: demand.pools };
        self.queue.insert((std::cmp::Reverse(self.priority[at]), at));
    }

    /// The queued step with the longest remaining path that there is room for; it is running from now on.
    pub fn next_to_start(&mut self) -> Option<StepId> {
        if self.free == 0 {
            return None;
        }
        let entry = *self.queue.iter().find(|(_, at)| self.fits(&self.demands[*at]))?;
        self.queue.remove(&entry);
        let (_, at) = entry;
        self.free -= self.demands[at].threads;
        for pool in &self.demands[at].pools {
            *self.pools.entry(pool.clone()).or_insert(1) -= 1;
        }
        self.set(at, State::Running);
        Some(self.order[at])
    }

    /// A queued step that goes along with one that is being started: it is running from now on, in the other's room.
    /// Gives whether it was queued.
    pub fn take_along(&mut self, step: StepId) -> bool {
        let at = self.at[&step];
        let is_queued = self.states[at] == State::Queued;
        if is_queued {
            self.queue.remove(&(std::cmp::Reverse(self.priority[at]), at));
            self.demands[at] = Demand::default();
            self.set(at, State::Running);
        }
        is_queued
    }

    /// The running step needs a pool no longer.
    pub fn leave_pool(&mut self, step: StepId, pool: &str) {
        let demand = &mut self.demands[self.at[&step]];
        if let Some(index) = demand.pools.iter().position(|held| held == pool) {
            let pool = demand.pools.swap_remove(index);
            *self.pools.entry(pool).or_insert(0) += 1;
        }
    }

    /// The worker gave the step back without an end: it is due again.
    pub fn give_back(&mut self, step: StepId) {
        let at = self.at[&step];
        self.free_slots(at);
        self.set(at, State::Waiting);
        self.wake(at);
    }

    /// The step ended.
    pub fn done(&mut self, step: StepId, outcome: Outcome) {
        let at = self.at[&step];
        self.free_slots(at);
        self.set(at, State::Done(outcome));
    }

    /// Everything downstream of `step` that waits will never be due: gives those steps, now skipped.
    pub fn skip_downstream(&mut self, step: StepId) -> Vec<StepId> {
        let mut skipped = Vec::new();
        let mut open = self.downstream[self.at[&step]].clone();
        while let Some(at) = open.pop() {
            if self.skip(at) {
                skipped.push(self.order[at]);
                open.extend(&self.downstream[at]);
            }
        }
        skipped.sort_unstable();
        skipped
    }

    /// Nothing new is to start: gives everything that has not started, now skipped.
    pub fn skip_rest(&mut self) -> Vec<StepId> {
        let mut skipped: Vec<usize> = (0..self.order.len()).collect();
        skipped.retain(|at| self.skip(*at));
        skipped.into_iter().map(|at| self.order[at]).collect()
    }

    /// Is every step done?
    pub fn is_finished(&self) -> bool {
        self.done == self.states.len()
    }

    /// How many steps workers have.
    pub fn running(&self) -> usize {
        self.running
    }

    fn set(&mut self, at: usize, state: State) {
        let count = |state: State| (usize::from(state == State::Running), usize::from(matches!(state, State::Done(_))));
        let (before, after) = (count(self.states[at]), count(state));
        self.running = self.running + after.0 - before.0;
        self.done = self.done + after.1 - before.1;
        self.states[at] = state;
    }

    fn skip(&mut self, at: usize) -> bool {
        let can = matches!(self.states[at], State::Waiting | State::Due | State::Queued);
        if can {
            self.queue.remove(&(std::cmp::Reverse(self.priority[at]), at));
            self.set(at, State::Done(Outcome::Skipped));
        }
        can
    }

    fn wake(&mut self, at: usize) -> bool {
        let due = self.states[at] == State::Waiting && self.upstream[at].iter().all(|up| self.settled[*up]);
        if due {
            self.set(at, State::Due);
        }
        due
    }

    fn fits(&self, demand: &Demand) -> bool {
        demand.threads <= self.free && demand.pools.iter().all(|pool| self.pools.get(pool).is_none_or(|free| *free > 0))
    }

    fn free_slots(&mut self, at: usize) {
        if self.states[at] == State::Running {
            let demand = std::mem::take(&mut self.demands[at]);
            self.free += demand.threads;
            for pool in demand.pools {
                *self.pools.entry(pool).or_insert(0) += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn schedule(edges: &[(u32, u32)], count: u32, threads: u32) -> Schedule {
        let order: Vec<StepId> = (0..count).map(StepId).collect();
        let upstream =
            |step: StepId| edges.iter().filter(|(_, to)| *to == step.0).map(|(from, _)| StepId(*from)).collect();
        Schedule::new(&order, upstream, |_| 0, threads, &[("gpu".to_owned(), 1)].into())
    }

    fn demand(threads: u32, pools: &[&str]) -> Demand {
        Demand { threads, pools: pools.iter().map(|p| (*p).to_owned()).collect() }
    }

    #[test]
    fn the_longest_remaining_path_starts_first() {
        let mut schedule = schedule(&[(1, 2), (2, 3)], 4, 1);
        for step in schedule.all_due() {
            schedule.queue(step, demand(1, &[]));
        }
        assert_eq!(schedule.next_to_start(), Some(StepId(1)), "0 leads nowhere, 1 leads to 2 and 3");
        assert_eq!(schedule.next_to_start(), None, "one thread");
    }

    #[test]
    fn pools_and_threads_are_respected_and_given_back() {
        let mut schedule = schedule(&[], 4, 3);
        schedule.queue(StepId(0), demand(1, &["gpu"]));
        schedule.queue(StepId(1), demand(1, &["gpu"]));
        schedule.queue(StepId(2), demand(9, &[]));
        schedule.queue(StepId(3), demand(1, &[]));
        assert_eq!(schedule.next_to_start(), Some(StepId(0)));
        assert_eq!(schedule.next_to_start(), Some(StepId(3)), "1 waits for the pool, 2 for all threads");
        assert_eq!(schedule.next_to_start(), None);
        schedule.leave_pool(StepId(0), "gpu");
        assert_eq!(schedule.next_to_start(), Some(StepId(1)));
        for step in [0, 1, 3] {
            schedule.done(StepId(step), Outcome::Ran);
        }
        assert_eq!(schedule.next_to_start(), Some(StepId(2)), "more threads than there are means all");
        schedule.done(StepId(2), Outcome::Ran);
        assert!(schedule.is_finished());
    }

    #[test]
    fn a_failure_skips_what_depends_on_it() {
        let mut schedule = schedule(&[(0, 1), (1, 2), (0, 3)], 5, 1);
        schedule.done(StepId(0), Outcome::Failed);
        assert_eq!(schedule.skip_downstream(StepId(0)), [StepId(1), StepId(2), StepId(3)]);
        assert_eq!(schedule.state(StepId(4)), State::Due);
    }

    #[test]
    fn a_lost_artifact_makes_everything_downstream_wait_again() {
        let mut schedule = schedule(&[(0, 1), (1, 2)], 3, 1);
        schedule.settle(StepId(0));
        schedule.done(StepId(0), Outcome::Fresh);
        schedule.settle(StepId(1));
        schedule.queue(StepId(2), demand(1, &[]));
        assert_eq!(schedule.unsettle(StepId(0)), [StepId(0), StepId(1), StepId(2)]);
        assert_eq!(schedule.all_due(), [StepId(0)]);
        assert_eq!(schedule.next_to_start(), None);
    }

    proptest! {
        #[test]
        fn edges_are_respected_and_every_step_ends(
            edges in proptest::collection::vec((0_u32..12, 0_u32..12), 0..30),
            threads in 1_u32..5,
        ) {
            let edges: Vec<(u32, u32)> = edges.into_iter().filter(|(a, b)| a < b).collect();
            let mut schedule = schedule(&edges, 12, threads);
            let mut done = BTreeSet::new();
            let mut running = Vec::new();
            while !schedule.is_finished() {
                for step in schedule.all_due() {
                    schedule.queue(step, demand(1, &[]));
                }
                while let Some(step) = schedule.next_to_start() {
                    for (from, _) in edges.iter().filter(|(_, to)| *to == step.0) {
                        prop_assert!(done.contains(from), "{from} must be done before {} starts", step.0);
                    }
                    running.push(step);
                }
                prop_assert!(running.len() <= threads as usize);
                let step = running.remove(0);
                schedule.done(step, Outcome::Ran);
                schedule.settle(step);
                done.insert(step.0);
            }
            prop_assert_eq!(done.len(), 12);
        }
    }
}
