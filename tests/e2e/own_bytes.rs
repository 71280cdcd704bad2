//! Random hand edits, runs, kills and cleans: whatever the user wrote and did not remove is at its place or in `replaced/`
//! after each run that ends by itself, byte for byte, and what zen says of it is so.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::harness::{Outcome, Workspace};
use crate::model::canaries::{Canaries, found};
use crate::model::for_each_seed;
use crate::model::random::Random;

/// What the tables and the command line say now.
struct World {
    workspace: Workspace,
    canaries: Canaries,
    /// The names of the outputs of the steps that change their names; `None`: there is no such step.
    renamed: Option<usize>,
    folder: Option<usize>,
    is_small: bool,
    is_cached: bool,
    n: usize,
    /// Did the last run not end by itself?
    was_killed: bool,
    seed: u64,
    deeds: Vec<String>,
}

const FILES: [&str; 15] = [
    "file.txt",
    "tree/varies.txt",
    "tree/same.txt",
    "tree/mine.txt",
    "tree/sub/mine.txt",
    "gen/1.out",
    "gen/mine.out",
    "gen/note.txt",
    "x0.txt",
    "x1.txt",
    "bad.txt",
    "y0/made.txt",
    "y1/mine.txt",
    "y1/made.txt",
    "y0/sub/mine.txt",
];
const PLACES: [&str; 8] = ["file.txt", "tree", "x0.txt", "x1.txt", "bad.txt", "y0", "y1", "gen/1.out"];

impl World {
    fn new(seed: u64) -> Self {
        let mut workspace = Workspace::new("");
        workspace.write("in.txt", "good\n");
        workspace.env.insert("DIE".to_owned(), "never".to_owned());
        let mut world = Self {
            workspace,
            canaries: Canaries::default(),
            renamed: Some(0),
            folder: Some(0),
            is_small: false,
            is_cached: true,
            n: 1,
            was_killed: false,
            seed,
            deeds: Vec::new(),
        };
        world.write_tables();
        world
    }

    fn write_tables(&mut self) {
        let mut text = format!(
            "[workspace]\n[package]\nname = 'ws'\nversion = '0.1.0'\nedition = '2024'\n[workspace.metadata.zen]\n\
             pass-env = ['DIE']\nenable-cache = {}\n{}[workspace.metadata.zen.pipelines.p]\nparams.n = 1\n",
            self.is_cached,
            if self.is_small { "store.max-size = '1KiB'\n" } else { "" },
        );
        // Each may kill zen before it writes, in the middle, or when it is done.
        let mut step = |name: &str, body: &str, keys: &str| {
            text.push_str(&format!(
                "[workspace.metadata.zen.pipelines.p.steps.{name}]\nrun = '''\n\
                 die() {{ if [ \"$DIE\" = \"$1\" ]; then kill -9 $PPID; exit 1; fi; }}\n\
                 die {name}-0\n{body}\ndie {name}-2\n'''\nfiles = ['in.txt']\nparams = ['n']\n{keys}\n"
            ));
        };
        step(
            "file",
            "echo half > {{ outputs.file }}\ndie file-1\necho file {{ params.n }} > {{ outputs.file }}",
            "outputs.file = 'file.txt'",
        );
        step(
            "tree",
            "mkdir -p tree\necho same > tree/same.txt\ndie tree-1\necho tree {{ params.n }} > tree/varies.txt\n\
             echo own > tree/only-{{ params.n }}.txt",
            "outputs.tree = 'tree/'",
        );
        step(
            "gen",
            "mkdir -p gen\necho gen > gen/{{ params.n }}.out\ndie gen-1\necho all > gen/all.out",
            "outputs.gen = 'gen/*.out'",
        );
        step(
            "bad",
            "echo bad {{ params.n }} > {{ outputs.bad }}\ndie bad-1\nif grep -q fail in.txt; then exit 3; fi",
            "outputs.bad = 'bad.txt'",
        );
        if let Some(k) = self.renamed {
            let keys = format!("outputs.x = 'x{k}.txt'");
            step("x", "echo half > {{ outputs.x }}\ndie x-1\necho x {{ params.n }} > {{ outputs.x }}", &keys);
        }
        if let Some(k) = self.folder {
            let body =
                format!("mkdir -p y{k}\necho half > y{k}/made.txt\ndie y-1\necho y {{{{ params.n }}}} > y{k}/made.txt");
            step("y", &body, &format!("outputs.y = 'y{k}/'"));
        }
        self.workspace.write("Cargo.toml", &text);
    }

    fn any_deed(&mut self, random: &mut Random) {
        let file = FILES[random.below(FILES.len())];
        let place = PLACES[random.below(PLACES.len())];
        let deed = match random.below(20) {
            0..=6 => {
                self.canaries.writes(&self.workspace, file);
                format!("write {file}")
            }
            7 => {
                self.put(place, "");
                format!("a file in place of {place}")
            }
            8 => {
                self.put(place, "/mine.txt");
                format!("a folder in place of {place}")
            }
            9 | 10 => {
                let to_folder = random.flip();
                self.canaries.links(&self.workspace, place, to_folder);
                format!("a link in place of {place}, to a folder: {to_folder}")
            }
            11 => {
                let mode = [0o444, 0o755, 0o600][random.below(3)];
                self.canaries.changes_mode(&self.workspace, file, mode);
                format!("chmod {mode:o} {file}")
            }
            12 => {
                self.renamed = [None, Some(0), Some(1)][random.below(3)];
                self.folder = [None, Some(0), Some(1)][random.below(3)];
                self.write_tables();
                format!("the names are {:?} {:?}", self.renamed, self.folder)
            }
            13 => {
                self.is_small = random.flip();
                self.is_cached = random.below(4) > 0;
                self.write_tables();
                format!("small: {}, cached: {}", self.is_small, self.is_cached)
            }
            14 => {
                let text = ["good\n", "fail\n", "good too\n"][random.below(3)];
                self.workspace.write("in.txt", text);
                format!("in.txt is {text:?}")
            }
            15 => {
                let store = self.workspace.path("target/zen/v1");
                if store.exists() {
                    fs::remove_dir_all(store).expect("it can be removed");
                }
                "the store is removed".to_owned()
            }
            16..=18 => {
                const FORMS: [&[&str]; 9] = [
                    &[],
                    &["--all"],
                    &["--outputs"],
                    &["--outputs", "--step", "p/tree"],
                    &["--step", "p/file"],
                    &["--pipeline", "p"],
                    &["--max-size", "1B"],
                    &["--older-than", "0s"],
                    &["--replaced"],
                ];
                let form = FORMS[random.below(FORMS.len())];
                let before = found(&self.workspace);
                let cleaned = self.workspace.zen(&[&["clean"], form].concat());
                assert_ne!(cleaned.code, Some(1), "{}\n{}", cleaned.stderr, self.again());
                if form == ["--replaced"] {
                    self.canaries.cleans_replaced(&before, &self.workspace);
                }
                format!("clean {form:?}: {:?}", cleaned.code)
            }
            _ => {
                self.n = 1 + random.below(2);
                format!("n is {}", self.n)
            }
        };
        self.deeds.push(deed);
        self.check("a deed");
    }

    /// Something of another kind than what the place is for.
    fn put(&mut self, place: &str, within: &str) {
        self.canaries.removes(&self.workspace, &self.workspace.path(place));
        self.canaries.writes(&self.workspace, &format!("{place}{within}"));
    }

    fn runs(&mut self, random: &mut Random) {
        let n = format!("n={}", self.n);
        let mut flags = vec!["--set", n.as_str(), ["-j1", "-j3"][random.below(2)]];
        flags.extend(
            [(3, "--force"), (2, "--keep-going")].iter().filter(|(odds, _)| random.below(*odds) == 0).map(|it| it.1),
        );
        let before: BTreeSet<PathBuf> = self.workspace.files_below("target/zen/replaced").into_iter().collect();
        let kills = random.below(5);
        let outcome = match kills {
            0 => {
                let step = ["file", "tree", "gen", "bad", "x", "y"][random.below(6)];
                self.workspace.env.insert("DIE".to_owned(), format!("{step}-{}", random.below(3)));
                let (running, whole) = self.workspace.start_whole(&flags);
                let outcome = running.end().1;
                whole.end();
                self.workspace.env.insert("DIE".to_owned(), "never".to_owned());
                outcome
            }
            1 => {
                let (mut running, whole) = self.workspace.start_whole(&flags);
                running.until_lines(1 + random.below(24));
                running.signal("KILL");
                let outcome = running.end().1;
                whole.end();
                outcome
            }
            _ => self.workspace.run(&flags),
        };
        self.was_killed = outcome.code.is_none();
        self.deeds.push(format!("run {flags:?}, killed by {kills}: {:?}", outcome.code));
        let is_known = outcome.code.is_none_or(|code| [0, 100].contains(&code));
        assert!(is_known && (kills < 2) >= self.was_killed, "{}\n{}", outcome.stderr, self.again());
        if !self.was_killed {
            self.check(&outcome.stderr);
            self.checks_notes(&before, &outcome);
        }
    }

    fn check(&self, what: &str) {
        let missing = self.canaries.missing(&self.workspace, self.was_killed);
        assert!(missing.is_empty(), "{missing:?} must be there after {what}\n{}", self.again());
    }

    /// What zen says to have moved is there, and it says so of all that it moved.
    fn checks_notes(&self, before: &BTreeSet<PathBuf>, outcome: &Outcome) {
        let lines = outcome.stderr.lines().filter(|line| line.contains("moved to target/zen/replaced/"));
        let named: Vec<PathBuf> = lines
            .filter_map(|line| line.split("moved to ").nth(1)?.split_whitespace().next())
            .map(|path| self.workspace.path(path))
            .collect();
        for path in &named {
            assert!(path.symlink_metadata().is_ok(), "{}\n{}", outcome.stderr, self.again());
        }
        for path in self.workspace.files_below("target/zen/replaced").iter().filter(|path| !before.contains(*path)) {
            let is_named = named.iter().any(|named| path.starts_with(named));
            assert!(is_named, "nothing is said of {}\n{}\n{}", path.display(), outcome.stderr, self.again());
        }
    }

    fn again(&self) -> String {
        format!("again: ZEN_MODEL_SEED={} ZEN_MODEL_CASES=1; what was done: {:#?}", self.seed, self.deeds)
    }
}

fn sequence(seed: u64) {
    let mut random = Random::new(seed ^ 0x0b1e_55ed);
    let mut world = World::new(seed);
    for _ in 0..5 + random.below(5) {
        for _ in 0..1 + random.below(3) {
            world.any_deed(&mut random);
        }
        world.runs(&mut random);
    }
}

#[test]
fn f33_whatever_happens_what_the_user_wrote_is_at_its_place_or_in_replaced() {
    for_each_seed(24, sequence);
}
