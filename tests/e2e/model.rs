//! Random workspaces, random deeds, and an oracle that always rebuilds: after each run all outputs are byte for byte the
//! oracle's, what it calls unchanged did not run, and what it calls new did.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::harness::Outcome;

mod world;

use world::{Deed, Random, World};

/// What there is a result of, and which key each state had.
#[derive(Default)]
struct Oracle {
    recorded: BTreeSet<String>,
    keys: BTreeMap<String, String>,
}

impl Oracle {
    /// What happens to each step in a run that starts now.
    fn predicts(&mut self, world: &World, forced: Option<usize>) -> Vec<&'static str> {
        let outputs = world.outputs();
        let outcome = |(at, state): (usize, String)| {
            if !world.is_cached[at] {
                return "ran";
            }
            let is_new = self.recorded.insert(state);
            match world.found(at).as_deref() == Some(outputs[at].as_str()) {
                _ if is_new || forced == Some(at) || world.is_always_stale[at] => "ran",
                true => "fresh",
                false => "restored",
            }
        };
        world.states().into_iter().enumerate().map(outcome).collect()
    }

    /// Equal states have equal keys, and others have others.
    fn compares_keys(&mut self, world: &World, run: &Outcome) {
        for (at, state) in world.states().into_iter().enumerate() {
            if let Some(key) = run.finished(&format!("s{at}"))["key"].as_str() {
                let before = self.keys.insert(state.clone(), key.to_owned());
                assert!(before.is_none_or(|before| before == key), "s{at}: another key for the same\n{world}");
                let owners = self.keys.iter().filter(|(_, other)| *other == key).count();
                assert_eq!(owners, 1, "s{at}: one key for two states\n{world}");
            }
        }
    }

    /// A run in which all happens as predicted.
    fn runs(&mut self, world: &World, forced: Option<usize>, jobs: &str) {
        let expected = self.predicts(world, forced);
        let mut flags = world.flags();
        flags.extend(forced.map(|at| format!("--no-cache=s{at}")));
        flags.push(jobs.to_owned());
        let run = world.workspace.run(&flags.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(run.code, Some(0), "{}\n{world}", run.stderr);
        for (at, expected) in expected.into_iter().enumerate() {
            let finished = run.finished(&format!("s{at}"));
            let why = &finished["why"];
            assert_eq!(finished["outcome"], expected, "outcome of s{at}, {why}\n{}\n{world}", run.stderr);
            let is_explained = why.as_array().is_some_and(|why| !why.is_empty());
            assert!(is_explained || expected != "ran", "s{at} does not say why it ran\n{world}");
        }
        for (at, expected) in world.outputs().into_iter().enumerate() {
            assert_eq!(world.found(at), Some(expected), "output of s{at}\n{}\n{world}", run.stderr);
        }
        self.compares_keys(world, &run);
    }
}

fn sequence(seed: u64) {
    let mut random = Random::new(seed);
    let mut world = World::new(seed, &mut random);
    let mut oracle = Oracle::default();
    oracle.runs(&world, None, "-j2");
    for at in 0..3 + random.below(3) {
        let deed = world.any_deed(&mut random);
        let forced = world.does(&deed);
        if matches!(deed, Deed::LoseStore | Deed::LoseZenFolder) {
            oracle.recorded.clear();
        }
        let (jobs, other) = if at % 2 == 0 { ("-j4", "-j1") } else { ("-j1", "-j4") };
        oracle.runs(&world, forced, jobs);
        oracle.runs(&world, None, other);
    }
}

/// Does it for each seed, some at a time.
fn for_each_seed(count: u64, check: fn(u64)) {
    let next = AtomicU64::new(0);
    let threads = thread::available_parallelism().map_or(2, usize::from).min(8);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= count {
                        return;
                    }
                    check(seed);
                }
            });
        }
    });
}

/// How many are wanted: `ZEN_MODEL_CASES`, else `default`.
fn cases(default: u64) -> u64 {
    let wanted = std::env::var("ZEN_MODEL_CASES").ok();
    wanted.map_or(default, |wanted| wanted.parse().expect("ZEN_MODEL_CASES is a number"))
}

#[test]
fn whatever_happens_between_runs_all_is_as_if_it_were_always_rebuilt_and_no_step_runs_for_nothing() {
    for_each_seed(cases(256), sequence);
}
