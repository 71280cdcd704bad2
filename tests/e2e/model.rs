//! Random workspaces, random deeds, and an oracle that always rebuilds: after each run all outputs are byte for byte the
//! oracle's, what it calls unchanged did not run, and what it calls new did.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use serde_json::Value;

use crate::harness::Outcome;

pub mod canaries;
pub mod random;
mod world;

use random::Random;
use world::{Declared, Deed, World};

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
        let mut forced = None;
        // Mostly one, so that what one alone does is seen.
        for _ in 0..1 + usize::from(random.below(3) == 0) {
            let deed = world.any_deed(&mut random);
            forced = world.does(&deed).or(forced);
            if matches!(deed, Deed::LoseStore | Deed::LoseZenFolder) {
                oracle.recorded.clear();
            }
        }
        let (jobs, other) = if at % 2 == 0 { ("-j4", "-j1") } else { ("-j1", "-j4") };
        oracle.runs(&world, forced, jobs);
        oracle.runs(&world, None, other);
    }
}

/// Does it for as many seeds as are wanted, some at a time.
pub fn for_each_seed(default_count: u64, check: fn(u64)) {
    let first = wanted("ZEN_MODEL_SEED").unwrap_or(0);
    let end = first + wanted("ZEN_MODEL_CASES").unwrap_or(default_count);
    let next = AtomicU64::new(first);
    let threads = thread::available_parallelism().map_or(2, usize::from).min(8);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    if let Err(panic) = catch_unwind(|| check(seed)) {
                        // The others need not go on.
                        next.store(end, Ordering::Relaxed);
                        resume_unwind(panic);
                    }
                }
            });
        }
    });
}

/// A number for these tests alone, from the environment.
fn wanted(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

#[test]
fn whatever_happens_between_runs_all_is_as_if_it_were_always_rebuilt_and_no_step_runs_for_nothing() {
    for_each_seed(256, sequence);
}

/// A reason as it must be told.
struct Told {
    component: &'static str,
    /// Or path.
    item: String,
    /// Old and new, where they are shown; else they are digests, or nothing.
    values: Option<[Value; 2]>,
    text: String,
}

/// The one reason of step `at` for what became of `before`; `None`: nothing that it declares to read.
fn reason(world: &World, at: usize, before: &Declared) -> Option<Told> {
    let (step, now) = (&world.steps[at], &world.now);
    let differ = |values: &[Value; 2]| values[0] != values[1];
    let code = [before, now].map(|of| Value::from(world.command_with(at, of.commands[at])));
    let code = Some(code).filter(differ).map(|values| {
        // A text of several lines in the tables ends with a line end.
        let values = values.map(|value| format!("{}\n", value.as_str().unwrap_or_default()).into());
        Told { component: "code", item: "command".into(), values: Some(values), text: "command changed".into() }
    });
    let param = |name: &str, values: [Value; 2]| {
        Some(values).filter(differ).map(|values| {
            let [old, new] = values.map(|value| value.to_string());
            let text = format!("param `{name}`: {old} → {new}");
            Told { component: "params", item: name.into(), values: Some([old.into(), new.into()]), text }
        })
    };
    let n = [before, now].map(|of| of.set.unwrap_or(of.param).into());
    let m = [before, now].map(|of| format!("m{}", of.config.unwrap_or(0)).into());
    let set = if step.reads_set { param("n", n) } else { None };
    let config = if step.reads_config { param("m", m) } else { None };
    let path = before.files.keys().chain(now.files.keys()).find(|path| before.files.get(*path) != now.files.get(*path));
    let path = path.filter(|path| step.folders.iter().any(|folder| path.starts_with(&format!("d{folder}/"))));
    let file = path.map(|path| {
        let what = match (before.files.contains_key(path), now.files.contains_key(path)) {
            (true, true) => "changed",
            (true, false) => "removed",
            _ => "added",
        };
        Told { component: "files", item: path.clone(), values: None, text: format!("file {path} {what}") }
    });
    let env = (step.reads_env && before.env != now.env).then(|| Told {
        component: "env",
        item: "TRACKED".into(),
        values: None,
        text: "env `TRACKED` changed".into(),
    });
    code.or(set).or(config).or(file).or(env)
}

/// After one edit each step that runs first names that edit and nothing else, and `explain` knew it before.
fn single_edit(seed: u64) {
    let mut random = Random::new(seed ^ 0x5eed_0000);
    let mut world = World::new(seed, &mut random);
    Oracle::default().runs(&world, None, "-j2");
    let before = world.now.clone();
    let deed = world.single_edit(&mut random);
    world.does(&deed);
    let expected: Vec<Option<Told>> = (0..world.steps.len()).map(|at| reason(&world, at, &before)).collect();
    let mut is_settled = vec![true; world.steps.len()];
    for at in 0..is_settled.len() {
        is_settled[at] = world.steps[at].inputs.iter().all(|input| is_settled[*input] && expected[*input].is_none());
    }
    let flags = world.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let explained: Vec<Outcome> = (0..is_settled.len())
        .map(|at| {
            let name = format!("s{at}");
            world.workspace.zen(&[&["explain", name.as_str(), "--message-format", "json"], &flags[..]].concat())
        })
        .collect();
    let run = world.workspace.ok(&flags);
    for at in (0..is_settled.len()).filter(|at| is_settled[*at]) {
        let finished = run.finished(&format!("s{at}"));
        let explained = explained[at].of_reason("explain").next();
        let explained = explained.unwrap_or_else(|| panic!("explain of s{at} answers\n{world}"));
        let why = finished["why"].as_array().expect("a list");
        let Some(told) = &expected[at] else {
            assert_eq!((&finished["outcome"], why.len()), (&"fresh".into(), 0), "s{at} {why:?}\n{world}");
            assert_eq!(explained["decision"], "fresh", "s{at}\n{world}");
            continue;
        };
        assert_eq!((&finished["outcome"], why.len()), (&"ran".into(), 1), "s{at} {why:?}\n{world}");
        let why = &why[0];
        assert_eq!((&why["kind"], &why["component"]), (&"changed".into(), &told.component.into()), "{why}\n{world}");
        let is_named = [&why["item"], &why["path"]].contains(&&Value::from(told.item.as_str()));
        assert!(is_named, "`{}` must be named: {why}\n{world}", told.item);
        match &told.values {
            Some([old, new]) => assert_eq!((&why["old"], &why["new"]), (old, new), "{why}\n{world}"),
            None => assert!(why["old"].is_null() || why["old"] != why["new"], "{why}\n{world}"),
        }
        assert_eq!(why["text"], told.text.as_str(), "{world}");
        assert_eq!(explained["differences"], finished["why"], "explain of s{at} says the same\n{world}");
        assert_eq!(explained["key"], finished["key"], "s{at}\n{world}");
    }
}

#[test]
fn each_single_edit_is_the_only_reason_of_the_steps_that_read_it() {
    for_each_seed(40, single_edit);
}
