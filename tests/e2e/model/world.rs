//! A random workspace, and what somebody may do to it between two runs. Knows what each step reads and must write, not
//! what zen makes of it.

use std::collections::BTreeMap;
use std::{fmt, fs};

use super::random::{FOLDERS, Random, Step};
use crate::harness::Workspace;

/// The text of a command, but for what it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command {
    /// It is printed.
    pub word: usize,
    /// A comment, which is not.
    pub note: usize,
}

/// All that counts and that a deed may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    pub files: BTreeMap<String, String>,
    pub commands: Vec<Command>,
    /// The parameter `n` in the tables, and from the command line.
    pub param: usize,
    pub set: Option<usize>,
    /// The parameter `m` from a config file.
    pub config: Option<usize>,
    /// The variable `TRACKED`.
    pub env: Option<usize>,
}

/// Something that happens between two runs.
#[derive(Debug, Clone)]
pub enum Deed {
    WriteFile { path: String, text: String },
    RemoveFile(String),
    RenameFile(String, String),
    TouchFiles,
    Param(usize),
    Set(Option<usize>),
    Config(Option<usize>),
    Env(Option<usize>),
    Word(usize, usize),
    Note(usize, usize),
    Irrelevant(usize),
    DeleteOutput(usize),
    EditOutput(usize),
    Revert(usize),
    Force(usize),
    ToggleCache(usize),
    ToggleExpiry(usize),
    LoseStore,
    LoseZenFolder,
}

pub struct World {
    pub workspace: Workspace,
    pub steps: Vec<Step>,
    pub now: Declared,
    /// Of each step: `enable-cache`, and whether `expires-after` is zero.
    pub is_cached: Vec<bool>,
    pub is_always_stale: Vec<bool>,
    /// A number in the places that count for nothing.
    irrelevant: usize,
    /// All states that were, to go back to.
    pub earlier: Vec<Declared>,
    /// For the message when something is wrong.
    seed: u64,
    pub deeds: Vec<Deed>,
}

const SLOTS: usize = 3;

fn path(folder: usize, slot: usize) -> String {
    format!("d{folder}/f{slot}.txt")
}

/// Variants of equal length, so that the size of a file tells nothing, and an empty one.
fn text(variant: usize) -> String {
    if variant == 0 { String::new() } else { format!("a{}\nz{variant}\n", variant / 2) }
}

impl World {
    pub fn new(seed: u64, random: &mut Random) -> Self {
        let count = 2 + random.below(4);
        let steps: Vec<Step> = (0..count).map(|at| Step::any(at, random)).collect();
        let mut files = BTreeMap::new();
        for folder in 0..FOLDERS {
            for slot in 0..SLOTS {
                if slot == 0 || random.flip() {
                    files.insert(path(folder, slot), text(random.below(5)));
                }
            }
        }
        let commands = vec![Command { word: 0, note: 0 }; count];
        let now = Declared { files, commands, param: 0, set: None, config: None, env: None };
        let mut world = Self {
            workspace: Workspace::new(""),
            steps,
            now,
            is_cached: vec![true; count],
            is_always_stale: vec![false; count],
            irrelevant: 0,
            earlier: Vec::new(),
            seed,
            deeds: Vec::new(),
        };
        world.write_manifest();
        for (path, text) in &world.now.files {
            world.workspace.write(path, text);
        }
        world.earlier.push(world.now.clone());
        world
    }

    /// A deed that is possible now.
    pub fn any_deed(&self, random: &mut Random) -> Deed {
        let step = random.below(self.steps.len());
        match random.below(24) {
            0..=5 => self.single_edit(random),
            6 => Deed::TouchFiles,
            7 | 8 => {
                let from = self.any_file(random);
                let to = format!("{}/g{}.txt", &from[..2], random.below(2));
                Deed::RenameFile(from, to)
            }
            9 | 10 => self.single_edit(random),
            11 | 12 => Deed::Irrelevant(1 + random.below(100)),
            13 | 14 => Deed::DeleteOutput(step),
            15 => Deed::EditOutput(step),
            16..=18 => Deed::Revert(random.below(self.earlier.len())),
            19 => Deed::Force(step),
            20 => Deed::ToggleCache(step),
            21 => Deed::ToggleExpiry(step),
            22 => Deed::LoseStore,
            _ => Deed::LoseZenFolder,
        }
    }

    /// A deed that changes at most one thing that counts.
    pub fn single_edit(&self, random: &mut Random) -> Deed {
        let step = random.below(self.steps.len());
        let maybe = |random: &mut Random| (!random.flip()).then(|| random.below(3));
        match random.below(11) {
            0..=2 => Deed::WriteFile { path: self.any_file(random), text: text(random.below(5)) },
            3 => {
                Deed::WriteFile { path: path(random.below(FOLDERS), random.below(SLOTS)), text: text(random.below(5)) }
            }
            4 => Deed::RemoveFile(self.any_file(random)),
            5 => Deed::Param(random.below(3)),
            6 => Deed::Set(maybe(random)),
            7 => Deed::Config(maybe(random)),
            8 => Deed::Env(maybe(random)),
            9 => Deed::Word(step, random.below(3)),
            _ => Deed::Note(step, random.below(3)),
        }
    }

    fn any_file(&self, random: &mut Random) -> String {
        if self.now.files.is_empty() {
            return path(0, 0);
        }
        let at = random.below(self.now.files.len());
        self.now.files.keys().nth(at).expect("it is below their number").clone()
    }

    /// Does it; gives the step that the next run is to force.
    pub fn does(&mut self, deed: &Deed) -> Option<usize> {
        self.deeds.push(deed.clone());
        let mut next = self.now.clone();
        let mut forced = None;
        match deed {
            Deed::WriteFile { path, text } => drop(next.files.insert(path.clone(), text.clone())),
            Deed::RemoveFile(path) => drop(next.files.remove(path)),
            Deed::RenameFile(from, to) => {
                if let Some(text) = next.files.remove(from) {
                    fs::rename(self.workspace.path(from), self.workspace.path(to)).expect("it is there");
                    next.files.insert(to.clone(), text.clone());
                    self.now.files.remove(from);
                    self.now.files.insert(to.clone(), text);
                }
            }
            Deed::TouchFiles => {
                for path in self.now.files.keys() {
                    let file = fs::File::options().append(true).open(self.workspace.path(path)).expect("it is there");
                    file.set_modified(std::time::SystemTime::now()).expect("it can be set");
                }
            }
            Deed::Param(param) => next.param = *param,
            Deed::Set(set) => next.set = *set,
            Deed::Config(config) => next.config = *config,
            Deed::Env(env) => next.env = *env,
            Deed::Word(step, word) => next.commands[*step].word = *word,
            Deed::Note(step, note) => next.commands[*step].note = *note,
            Deed::Irrelevant(number) => {
                self.irrelevant = *number;
                self.workspace.write("README.md", &format!("number {number}\n"));
                self.workspace.write("d0/notes.md", &format!("number {number}\n"));
            }
            Deed::DeleteOutput(step) => {
                // It may have been deleted before.
                let _ = fs::remove_file(self.workspace.path(&place(*step)));
            }
            Deed::EditOutput(step) => self.workspace.write(&place(*step), "by hand\n"),
            Deed::Revert(at) => next = self.earlier[*at].clone(),
            Deed::Force(step) => forced = Some(*step),
            Deed::ToggleCache(step) => self.is_cached[*step] = !self.is_cached[*step],
            Deed::ToggleExpiry(step) => self.is_always_stale[*step] = !self.is_always_stale[*step],
            Deed::LoseStore => remove_folder(&self.workspace, "target/zen/v1"),
            Deed::LoseZenFolder => remove_folder(&self.workspace, "target/zen"),
        }
        self.becomes(next);
        forced
    }

    fn becomes(&mut self, next: Declared) {
        for path in self.now.files.keys().filter(|path| !next.files.contains_key(*path)) {
            fs::remove_file(self.workspace.path(path)).expect("it is there");
        }
        for (path, text) in next.files.iter().filter(|(path, text)| self.now.files.get(*path) != Some(*text)) {
            self.workspace.write(path, text);
        }
        self.now = next;
        self.write_manifest();
        self.workspace.env.remove("TRACKED");
        if let Some(env) = self.now.env {
            self.workspace.env.insert("TRACKED".to_owned(), env_text(env));
        }
        if let Some(config) = self.now.config {
            self.workspace.write("c.toml", &format!("params.m = \"m{config}\"\n"));
        }
        self.earlier.push(self.now.clone());
    }

    /// The flags that belong to the state.
    pub fn flags(&self) -> Vec<String> {
        let set = self.now.set.map(|set| ["--set".to_owned(), format!("n={set}")]);
        let config = self.now.config.map(|_| ["--config".to_owned(), "c.toml".to_owned()]);
        set.into_iter().chain(config).flatten().collect()
    }

    fn write_manifest(&mut self) {
        let manifest = self.manifest();
        if !self.workspace.exists("Cargo.toml") || self.workspace.read("Cargo.toml") != manifest {
            self.workspace.write("Cargo.toml", &manifest);
        }
    }

    fn manifest(&self) -> String {
        let mut text = format!(
            "# Number {}\n[workspace]\n\n[package]\nname = \"ws\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
             [workspace.metadata.zen.pipelines.p]\ndescription = \"number {}\"\nparams = {{ n = {}, m = \"m0\" }}\n",
            self.irrelevant, self.irrelevant, self.now.param
        );
        for (at, step) in self.steps.iter().enumerate() {
            let list = |items: Vec<String>| format!("[{}]", items.join(", "));
            let folders = list(step.folders.iter().map(|folder| format!("\"d{folder}/*.txt\"")).collect());
            let inputs = list(step.inputs.iter().map(|input| format!("\"s{input}.o{input}\"")).collect());
            let params = [(step.reads_set, "\"n\""), (step.reads_config, "\"m\"")];
            let params =
                list(params.into_iter().filter(|(reads, _)| *reads).map(|(_, name)| name.to_owned()).collect());
            text.push_str(&format!(
                "\n[workspace.metadata.zen.pipelines.p.steps.s{at}]\nrun = '''\n{}\n'''\nfiles = {folders}\n\
                 inputs = {inputs}\nparams = {params}\noutputs.o{at} = \"{}\"\n",
                self.command(at),
                place(at)
            ));
            if step.reads_env {
                text.push_str("track-env = [\"TRACKED\"]\n");
            }
            if !self.is_cached[at] {
                text.push_str("enable-cache = false\n");
            }
            if self.is_always_stale[at] {
                text.push_str("cache-policy.expires-after = 0\n");
            }
        }
        text
    }

    fn command(&self, at: usize) -> String {
        self.command_with(at, self.now.commands[at])
    }

    /// The command of a step, were its text another.
    pub fn command_with(&self, at: usize, command: Command) -> String {
        let step = &self.steps[at];
        let mut lines = vec![format!("# note {}", command.note), "{".to_owned(), format!("echo word{}", command.word)];
        for folder in &step.folders {
            lines.push(format!(
                "for file in d{folder}/*.txt; do if [ -e \"$file\" ]; then echo \"$file\"; cat \"$file\"; fi; done"
            ));
        }
        lines.extend(step.inputs.iter().map(|input| format!("cat {{{{ inputs.o{input} }}}}")));
        if step.reads_set {
            lines.push("echo n {{ params.n }}".to_owned());
        }
        if step.reads_config {
            lines.push("echo m {{ params.m }}".to_owned());
        }
        if step.reads_env {
            lines.push("echo \"e ${TRACKED-unset}\"".to_owned());
        }
        let cut = if step.cuts_off { " | LC_ALL=C sort | head -n 1" } else { "" };
        lines.push(format!("}}{cut} > {{{{ outputs.o{at} }}}}"));
        lines.join("\n")
    }

    /// What each step must write, computed from scratch.
    pub fn outputs(&self) -> Vec<String> {
        let mut outputs: Vec<String> = Vec::new();
        for (step, command) in self.steps.iter().zip(&self.now.commands) {
            let mut text = format!("word{}\n", command.word);
            for (path, content) in self.files_of(step) {
                text.push_str(&format!("{path}\n{content}"));
            }
            step.inputs.iter().for_each(|input| text.push_str(&outputs[*input]));
            if step.reads_set {
                text.push_str(&format!("n {}\n", self.now.set.unwrap_or(self.now.param)));
            }
            if step.reads_config {
                text.push_str(&format!("m m{}\n", self.now.config.unwrap_or(0)));
            }
            if step.reads_env {
                text.push_str(&format!("e {}\n", self.now.env.map_or_else(|| "unset".to_owned(), env_text)));
            }
            if step.cuts_off {
                text = text.lines().min().map(|line| format!("{line}\n")).unwrap_or_default();
            }
            outputs.push(text);
        }
        outputs
    }

    /// All that each step declares to depend on: it is reused exactly for one of which there was a result.
    pub fn states(&self) -> Vec<String> {
        let outputs = self.outputs();
        let state = |(at, step): (usize, &Step)| {
            let inputs: Vec<&String> = step.inputs.iter().map(|input| &outputs[*input]).collect();
            let files: Vec<_> = self.files_of(step).collect();
            let n = step.reads_set.then(|| self.now.set.unwrap_or(self.now.param));
            let m = step.reads_config.then(|| self.now.config.unwrap_or(0));
            let env = step.reads_env.then_some(self.now.env);
            format!("{} {inputs:?} {files:?} {n:?} {m:?} {env:?}", self.command(at))
        };
        self.steps.iter().enumerate().map(state).collect()
    }

    fn files_of<'a>(&'a self, step: &'a Step) -> impl Iterator<Item = (&'a String, &'a String)> {
        step.folders.iter().flat_map(|folder| {
            let prefix = format!("d{folder}/");
            self.now.files.iter().filter(move |(path, _)| path.starts_with(&prefix))
        })
    }

    /// What lies where the output of a step belongs.
    pub fn found(&self, at: usize) -> Option<String> {
        fs::read_to_string(self.workspace.path(&place(at))).ok()
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "again: ZEN_MODEL_SEED={} ZEN_MODEL_CASES=1; what was done: {:#?}\nthe tables now:\n{}",
            self.seed,
            self.deeds,
            self.manifest()
        )?;
        writeln!(f, "files: {:#?}", self.now.files)
    }
}

fn place(at: usize) -> String {
    format!("made/o{at}.txt")
}

/// Set to nothing is not unset.
fn env_text(env: usize) -> String {
    if env == 0 { String::new() } else { format!("e{env}") }
}

fn remove_folder(workspace: &Workspace, folder: &str) {
    if workspace.exists(folder) {
        fs::remove_dir_all(workspace.path(folder)).expect("it can be removed");
    }
}
