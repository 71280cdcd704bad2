//! When the steps of a run ran, and which of them decide how long it takes at least. Knows no format.

use std::cmp::Reverse;

use zen_core::engine::history::RunEntry;

/// A command that was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bar {
    /// Its step's place in the run.
    pub(super) step: usize,
    /// Milliseconds since the run began.
    pub(super) from: u64,
    /// Milliseconds.
    pub(super) took: u64,
    /// Where it is drawn: what overlaps is in lanes of its own.
    pub(super) lane: usize,
}

/// All that ran, by its start.
pub(super) fn bars(run: &RunEntry) -> Vec<Bar> {
    let ran = run.steps.iter().enumerate();
    let mut bars: Vec<Bar> = ran
        .filter_map(|(at, step)| Some(Bar { step: at, from: step.began_ms?, took: step.duration_ms, lane: 0 }))
        .collect();
    bars.sort_by_key(|bar| (bar.from, bar.step));
    let mut free: Vec<u64> = Vec::new();
    for bar in &mut bars {
        bar.lane = free.iter().position(|until| *until <= bar.from).unwrap_or(free.len());
        let until = bar.from.saturating_add(bar.took);
        match free.get_mut(bar.lane) {
            Some(lane) => *lane = until,
            None => free.push(until),
        }
    }
    bars
}

/// The steps of which each came after the one before it, and which took the longest together: with any number of cores the run
/// takes as long as they do. A cached step took no time, but what lies behind it waited for what lies before it.
pub(super) fn critical_path(run: &RunEntry) -> Vec<usize> {
    let took = |at: usize| run.steps[at].began_ms.map_or(0, |_| run.steps[at].duration_ms);
    // What the longest way to the end of each step takes, and the step before it on that way.
    let mut ways: Vec<(u64, Option<usize>)> = Vec::with_capacity(run.steps.len());
    for (at, step) in run.steps.iter().enumerate() {
        // A file of history is no promise: only what comes before it is waited for.
        let upstream = step.upstream.iter().map(|upstream| upstream.step as usize).filter(|before| *before < at);
        let before = upstream.max_by_key(|before| (ways[*before].0, Reverse(*before)));
        ways.push((before.map_or(0, |before| ways[before].0).saturating_add(took(at)), before));
    }
    let mut path = Vec::new();
    let mut next = (0..ways.len()).max_by_key(|at| (ways[*at].0, Reverse(*at)));
    while let Some(at) = next {
        path.push(at);
        next = ways[at].1;
    }
    path.retain(|at| run.steps[*at].began_ms.is_some());
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use zen_core::artifact::{RunId, Timestamp};
    use zen_core::engine::history::{StepEntry, StepOutcome, Tie, Upstream};

    use super::*;

    /// Steps that began and took so long, and what they came after.
    fn run(steps: &[(Option<u64>, u64, &[u32])]) -> RunEntry {
        let steps = steps.iter().map(|(began_ms, duration_ms, upstream)| StepEntry {
            step: "p/s".to_owned(),
            outcome: if began_ms.is_some() { StepOutcome::Ran } else { StepOutcome::Fresh },
            key: None,
            production: None,
            reused: None,
            why: Vec::new(),
            began_ms: *began_ms,
            duration_ms: *duration_ms,
            saved_ms: 0,
            exit_code: None,
            log: None,
            failure: None,
            metrics: Default::default(),
            upstream: upstream.iter().map(|step| Upstream { step: *step, tie: Tie::Reads }).collect(),
        });
        RunEntry {
            id: RunId(1),
            started: Timestamp(0),
            duration_ms: 0,
            request: String::new(),
            success: true,
            checkout: None,
            toolchain: None,
            steps: steps.collect(),
        }
    }

    #[test]
    fn what_overlaps_has_lanes_of_its_own() {
        let run = run(&[(Some(0), 10, &[]), (Some(2), 3, &[]), (None, 0, &[]), (Some(5), 9, &[]), (Some(10), 1, &[])]);
        let lanes: Vec<_> = bars(&run).iter().map(|bar| (bar.step, bar.lane)).collect();
        assert_eq!(lanes, [(0, 0), (1, 1), (3, 1), (4, 0)]);
    }

    #[test]
    fn the_critical_path_is_the_longest_way_through_the_run() {
        let path = |steps: &[(Option<u64>, u64, &[u32])]| critical_path(&run(steps));
        assert!(path(&[]).is_empty());
        assert!(path(&[(None, 0, &[]), (None, 0, &[0])]).is_empty(), "nothing ran");
        let diamond: &[(_, _, &[u32])] =
            &[(Some(0), 5, &[]), (Some(5), 1, &[0]), (Some(5), 8, &[0]), (Some(13), 2, &[1, 2]), (Some(5), 3, &[])];
        assert_eq!(path(diamond), [0, 2, 3]);
        // What came out as before let the step after it be fresh: the one behind waited all the same.
        assert_eq!(path(&[(Some(0), 5, &[]), (None, 0, &[0]), (Some(6), 1, &[1])]), [0, 2]);
        assert_eq!(path(&[(Some(0), 5, &[7, 0])]), [0], "a damaged history leads nowhere");
    }
}
