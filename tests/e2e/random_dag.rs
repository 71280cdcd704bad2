//! Random pipelines, and random things done to them between runs: after each run every output is what a computation
//! from scratch gives, and a second run is all fresh.

use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::harness::{Outcome, Workspace};

/// A step reads some files, some outputs of earlier steps and perhaps the parameter.
#[derive(Debug, Clone)]
struct Step {
    files: Vec<usize>,
    inputs: Vec<usize>,
    reads_param: bool,
    /// It sorts and cuts what it reads, so that many edits do not show in what it writes.
    cuts_off: bool,
    /// Its output is a folder with a file for each thing that it reads.
    is_folder: bool,
    /// It gets a place from zen.
    is_nameless: bool,
}

/// Something that happens between two runs.
#[derive(Debug, Clone)]
enum Deed {
    EditFile(usize, u8),
    TouchFiles,
    SetParam(u8),
    DeleteOutput(usize),
    EditOutput(usize),
    StrayFile(usize),
    LoseObject(usize),
    LoseStore,
    Irrelevant(u8),
    Force(usize),
}

const FILES: usize = 4;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = |at: usize| {
        let inputs = proptest::collection::vec(0..at.max(1), if at == 0 { 0..1 } else { 0..3 });
        (proptest::collection::vec(0..FILES, 1..3), inputs, any::<[bool; 4]>()).prop_map(
            |(mut files, mut inputs, [reads_param, cuts_off, is_folder, is_nameless])| {
                files.sort_unstable();
                files.dedup();
                inputs.sort_unstable();
                inputs.dedup();
                Step { files, inputs, reads_param, cuts_off, is_folder, is_nameless }
            },
        )
    };
    (8..=12_usize).prop_flat_map(move |count| (0..count).map(step).collect::<Vec<_>>())
}

fn deed() -> impl Strategy<Value = Deed> {
    let step = 0..12_usize;
    prop_oneof![
        4 => (0..FILES, 0..4_u8).prop_map(|(file, text)| Deed::EditFile(file, text)),
        1 => Just(Deed::TouchFiles),
        3 => (0..3_u8).prop_map(Deed::SetParam),
        2 => step.clone().prop_map(Deed::DeleteOutput),
        2 => step.clone().prop_map(Deed::EditOutput),
        1 => step.clone().prop_map(Deed::StrayFile),
        1 => step.clone().prop_map(Deed::LoseObject),
        1 => Just(Deed::LoseStore),
        1 => any::<u8>().prop_map(Deed::Irrelevant),
        1 => step.prop_map(Deed::Force),
    ]
}

/// The pipeline as tables, with what the user's hand is on.
struct World {
    workspace: Workspace,
    steps: Vec<Step>,
    files: Vec<String>,
    param: u8,
}

/// A folder's files, or one file under the empty name.
type Output = BTreeMap<String, String>;

impl World {
    fn new(steps: Vec<Step>) -> Self {
        let mut tables = String::from("[workspace.metadata.zen.pipelines.p]\nparams.n = 0\n");
        for (at, step) in steps.iter().enumerate() {
            tables.push_str(&table(at, step));
        }
        let files: Vec<String> = (0..FILES).map(|at| text(at, 0)).collect();
        let world = Self { workspace: Workspace::new(&tables), steps, files, param: 0 };
        for (at, text) in world.files.iter().enumerate() {
            world.workspace.write(&format!("data/{at}.txt"), text);
        }
        world
    }

    fn place(&self, at: usize) -> String {
        if self.steps[at].is_nameless { format!("target/zen/out/p/s{at}/o{at}") } else { format!("made/o{at}") }
    }

    /// What each step must have written, computed without zen.
    fn expected(&self) -> Vec<Output> {
        let mut outputs: Vec<Output> = Vec::new();
        for step in &self.steps {
            let mut parts: Output =
                step.files.iter().map(|file| (format!("f{file}"), self.files[*file].clone())).collect();
            for input in &step.inputs {
                parts.insert(format!("i{input:02}"), outputs[*input].values().map(String::as_str).collect());
            }
            if step.reads_param {
                parts.insert("p".to_owned(), format!("{}\n", self.param));
            }
            if step.cuts_off {
                for text in parts.values_mut() {
                    let first = text.lines().min().unwrap_or_default().to_owned();
                    *text = first + "\n";
                }
            }
            outputs.push(if step.is_folder {
                parts
            } else {
                BTreeMap::from([(String::new(), parts.into_values().collect())])
            });
        }
        outputs
    }

    fn found(&self, at: usize) -> Output {
        let place = self.place(at);
        let root = self.workspace.path(&place);
        if !self.steps[at].is_folder {
            return BTreeMap::from([(String::new(), self.workspace.read(&place))]);
        }
        let name = |path: &std::path::PathBuf| path.strip_prefix(&root).expect("it lies there").display().to_string();
        let files = self.workspace.files_below(&place);
        files.iter().map(|path| (name(path), fs::read_to_string(path).expect("it is a file"))).collect()
    }

    fn assert_right(&self, when: &str) {
        for (at, expected) in self.expected().into_iter().enumerate() {
            assert_eq!(self.found(at), expected, "output of s{at} {when}");
        }
    }

    fn run(&self, flags: &[&str]) -> Outcome {
        let set = format!("n={}", self.param);
        self.workspace.ok(&[&["--set", set.as_str()], flags].concat())
    }

    /// Does it; gives the flags for the next run.
    fn does(&mut self, deed: &Deed) -> Vec<String> {
        let count = self.steps.len();
        match deed {
            Deed::EditFile(file, variant) => {
                self.files[*file] = text(*file, *variant);
                self.workspace.write(&format!("data/{file}.txt"), &self.files[*file]);
            }
            Deed::TouchFiles => {
                for path in self.workspace.files_below("data") {
                    let file = fs::File::options().append(true).open(path).expect("it is there");
                    file.set_modified(std::time::SystemTime::now()).expect("it can be set");
                }
            }
            Deed::SetParam(param) => self.param = *param,
            Deed::DeleteOutput(at) => {
                let path = self.workspace.path(&self.place(at % count));
                let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
            }
            Deed::EditOutput(at) => {
                for path in self.files_of_output(at % count).into_iter().take(1) {
                    fs::write(path, "by hand\n").expect("it can be written");
                }
            }
            Deed::StrayFile(at) => {
                if self.steps[at % count].is_folder {
                    self.workspace.write(&format!("{}/stray.txt", self.place(at % count)), "stray\n");
                }
            }
            Deed::LoseObject(at) => {
                let objects = self.workspace.files_below("target/zen/v1/objects");
                if let Some(object) = objects.get(at * objects.len() / 12) {
                    fs::remove_file(object).expect("it is there");
                }
            }
            Deed::LoseStore => {
                let _ = fs::remove_dir_all(self.workspace.path("target/zen/v1"));
            }
            Deed::Irrelevant(number) => {
                self.workspace.write("README.md", &format!("number {number}\n"));
                self.workspace.write("data/notes.md", &format!("number {number}\n"));
            }
            Deed::Force(at) => return vec![format!("--no-cache=s{}", at % count)],
        }
        Vec::new()
    }

    fn files_of_output(&self, at: usize) -> Vec<std::path::PathBuf> {
        let place = self.place(at);
        if self.steps[at].is_folder { self.workspace.files_below(&place) } else { vec![self.workspace.path(&place)] }
    }
}

/// A few lines; variants differ in lines that a step that cuts off may not see.
fn text(file: usize, variant: u8) -> String {
    match variant {
        0 => format!("a{file}\nz0\n"),
        1 => format!("a{file}\nz1\n"),
        2 => format!("b{file}\n"),
        _ => String::new(),
    }
}

fn table(at: usize, step: &Step) -> String {
    let mut lines = Vec::new();
    let mut part = |name: &str, command: String| {
        let cut = if step.cuts_off { " | LC_ALL=C sort | head -n 1 | { read -r l || :; echo \"$l\"; }" } else { "" };
        let to = if step.is_folder {
            format!("> {{{{ outputs.o{at} }}}}/{name}")
        } else {
            format!(">> {{{{ outputs.o{at} }}}}")
        };
        lines.push(format!("{command}{cut} {to}"));
    };
    for file in &step.files {
        part(&format!("f{file}"), format!("cat data/{file}.txt"));
    }
    for input in &step.inputs {
        part(&format!("i{input:02}"), format!("find {{{{ inputs.o{input} }}}} -type f | LC_ALL=C sort | xargs cat"));
    }
    if step.reads_param {
        part("p", "echo {{ params.n }}".to_owned());
    }
    let made = if step.is_folder { format!("mkdir -p {{{{ outputs.o{at} }}}}\n") } else { String::new() };
    let files: Vec<String> = step.files.iter().map(|file| format!("\"data/{file}.txt\"")).collect();
    let inputs: Vec<String> = step.inputs.iter().map(|input| format!("\"s{input}.o{input}\"")).collect();
    let output = match (step.is_nameless, step.is_folder) {
        (true, _) => format!("outputs = [\"o{at}\"]"),
        (false, true) => format!("outputs.o{at} = \"made/o{at}/\""),
        (false, false) => format!("outputs.o{at} = \"made/o{at}\""),
    };
    let params = if step.reads_param { "params = [\"n\"]\n" } else { "" };
    format!(
        "[workspace.metadata.zen.pipelines.p.steps.s{at}]\nrun = '''\n{made}{}\n'''\nfiles = [{}]\ninputs = [{}]\n{params}{output}\n",
        lines.join("\n"),
        files.join(", "),
        inputs.join(", "),
    )
}

fn keys(outcome: &Outcome) -> BTreeMap<String, String> {
    let finished = outcome.of_reason("step-finished");
    finished.map(|message| (message["step"].to_string(), message["key"].to_string())).collect()
}

fn count(outcome: &Outcome, what: &str) -> u64 {
    let end = outcome.of_reason("run-finished").next().expect("the run says that it ended");
    end[what].as_u64().expect("it is a number")
}

fn check(steps: Vec<Step>, deeds: &[Deed]) {
    let mut world = World::new(steps);
    let total = world.steps.len() as u64;
    let mut flags: Vec<String> = Vec::new();
    let mut is_whole = true;
    for (at, deed) in std::iter::once(None).chain(deeds.iter().map(Some)).enumerate() {
        if let Some(deed) = deed {
            flags = world.does(deed);
            // An object that is gone is missed only when it is needed, perhaps much later.
            is_whole &= !matches!(deed, Deed::LoseObject(_));
        }
        let when = format!("after {deed:?} ({at})");
        let jobs = if at % 2 == 0 { "-j4" } else { "-j1" };
        let mut args: Vec<&str> = flags.iter().map(String::as_str).collect();
        args.push(jobs);
        let run = world.run(&args);
        world.assert_right(&when);
        match deed {
            Some(Deed::TouchFiles | Deed::Irrelevant(_)) => {
                assert_eq!(count(&run, "fresh"), total, "{when} nothing is to do\n{}", run.stderr);
            }
            Some(Deed::DeleteOutput(_) | Deed::EditOutput(_) | Deed::StrayFile(_)) if is_whole => {
                assert_eq!(
                    count(&run, "fresh") + count(&run, "restored"),
                    total,
                    "{when} nothing runs\n{}",
                    run.stderr
                );
            }
            // Whatever it writes is what it wrote: nothing else runs.
            Some(Deed::Force(_)) => assert_eq!((count(&run, "ran"), count(&run, "fresh")), (1, total - 1), "{when}"),
            _ => {}
        }
        let other = if at % 2 == 0 { "-j1" } else { "-j4" };
        let second = world.run(&[other]);
        assert_eq!(count(&second, "fresh"), total, "a second run {when} is all fresh\n{}", second.stderr);
        assert_eq!(keys(&second), keys(&run), "{jobs} and {other} give the same keys {when}");
        world.assert_right(&format!("after a second run {when}"));
    }
}

/// The same cases each time.
fn runner(cases: u32, seed: u8) -> TestRunner {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 64, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]))
}

#[test]
fn outputs_are_those_of_a_run_from_scratch_whatever_happens_between_runs() {
    let cases = (steps(), proptest::collection::vec(deed(), 4..9));
    let run = runner(25, 7).run(&cases, |(steps, deeds)| {
        check(steps, &deeds);
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn f_12_two_clean_workspaces_give_the_same_keys_with_one_and_with_four_jobs() {
    let run = runner(4, 9).run(&steps(), |steps| {
        let [one, four] = ["-j1", "-j4"].map(|jobs| {
            let world = World::new(steps.clone());
            let outcome = world.run(&[jobs]);
            world.assert_right(jobs);
            keys(&outcome)
        });
        prop_assert_eq!(one, four);
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
}

proptest! {
    #![proptest_config(Config { cases: 3, failure_persistence: None, max_shrink_iters: 64, ..Config::default() })]

    /// Other cases each time.
    #[test]
    fn and_so_they_are_in_cases_that_nobody_has_seen(steps in steps(), deeds in proptest::collection::vec(deed(), 2..6)) {
        check(steps, &deeds);
    }
}
