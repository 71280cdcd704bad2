//! Small workspaces, the executable run in them, and what its JSON messages say. Knows no behaviour.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::schema;

/// A workspace in a folder of its own.
pub struct Workspace {
    folder: tempfile::TempDir,
    /// Its root.
    pub root: PathBuf,
    /// Set for every run of `cargo-zen`.
    pub env: BTreeMap<String, String>,
}

/// What one invocation left.
pub struct Outcome {
    /// The exit code; `None`: ended by a signal.
    pub code: Option<i32>,
    /// As written.
    pub stdout: String,
    /// As written.
    pub stderr: String,
    /// The JSON messages, if it was asked for them.
    pub messages: Vec<Value>,
}

impl Workspace {
    /// A workspace with a lone package `ws` and the given text in its manifest, below a `[workspace]` table.
    pub fn new(tables: &str) -> Self {
        let workspace = Self::bare();
        let manifest =
            format!("[workspace]\n\n[package]\nname = \"ws\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n{tables}\n");
        workspace.write("Cargo.toml", &manifest);
        workspace.write("src/lib.rs", "//! Nothing.\n");
        workspace
    }

    /// A workspace with one pipeline `p` and one step `s`; `body` is what its table holds.
    pub(crate) fn with_step(body: &str) -> Self {
        Self::new(&format!("[workspace.metadata.zen.pipelines.p.steps.s]\n{body}"))
    }

    /// A folder with nothing in it.
    pub fn bare() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let root = folder.path().canonicalize().expect("it exists").join("ws");
        fs::create_dir(&root).expect("it is new");
        Self { folder, root, env: BTreeMap::new() }
    }

    /// A copy of one of the repository's fixtures, without what was built there.
    pub fn fixture(name: &str) -> Self {
        let workspace = Self::bare();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
        copy_tree(&from, &workspace.root);
        workspace
    }

    /// As [`Workspace::fixture`], with a target folder in which the fixture was built where it lies in the repository:
    /// what a test has to build are the fixture's own crates, not what they depend on.
    pub fn built_fixture(name: &str) -> Self {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let workspace = Self::fixture(name);
        let manifest = format!("{}/../../fixtures/{name}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
        let cache = format!("{}/{name}-target", env!("CARGO_TARGET_TMPDIR"));
        let args = ["build", "--quiet", "--locked", "--manifest-path", &manifest, "--target-dir", &cache];
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let built = workspace.program("cargo", &args).status();
        assert!(built.expect("cargo starts").success(), "the fixture {name} can be built");
        let copied = Command::new("cp").args(["-a", &cache]).arg(workspace.path("target")).status();
        assert!(copied.expect("cp starts").success(), "the target folder can be copied");
        workspace
    }

    /// A second workspace with the same files at another place, with everything that zen keeps.
    pub fn clone_elsewhere(&self) -> Self {
        let mut other = Self::bare();
        other.env.clone_from(&self.env);
        let done = Command::new("cp").arg("-a").arg(self.root.join(".")).arg(&other.root).status();
        assert!(done.expect("cp starts").success(), "the workspace can be copied");
        other
    }

    /// Where `path` lies.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// A folder beside the workspace.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, its folders too.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("folders can be made");
        fs::write(path, text).expect("the file can be written");
    }

    /// The text of a file.
    pub fn read(&self, path: &str) -> String {
        let path = self.path(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{} must be there: {error}", path.display()))
    }

    /// Is anything there?
    pub fn exists(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    /// Every file and symlink below a folder, sorted; none if it is not there.
    pub fn files_below(&self, folder: &str) -> Vec<PathBuf> {
        fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.expect("the folder can be listed").path();
                let is_folder = path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
                if is_folder { collect(&path, found) } else { found.push(path) }
            }
        }
        let mut found = Vec::new();
        collect(&self.path(folder), &mut found);
        found.sort();
        found
    }

    /// Replaces a text that must be in the file.
    pub fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "`{from}` must be in {path}:\n{text}");
        self.write(path, &text.replace(from, to));
    }

    /// The command line `cargo-zen ARGS…`, in the root, in an environment without what the outer run set.
    pub fn command(&self, args: &[&str]) -> Command {
        self.program(env!("CARGO_BIN_EXE_cargo-zen"), args)
    }

    /// Another program's command line, in the same folder and environment.
    pub fn program(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(&self.root);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy().into_owned();
            let is_ours = text.starts_with("ZEN_")
                || text.starts_with("GITHUB_")
                || text.starts_with("CARGO_") && text != "CARGO_HOME";
            let is_noise =
                ["CI", "NO_COLOR", "CLICOLOR_FORCE", "FORCE_COLOR", "RUSTFLAGS", "RUSTUP_TOOLCHAIN", "CARGO"];
            if is_ours || is_noise.contains(&text.as_str()) {
                command.env_remove(name);
            }
        }
        command.envs(&self.env);
        command
    }

    /// Runs git in it; what it says on standard output.
    pub fn git(&self, args: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]);
        let done = command.args(args).current_dir(&self.root).output().expect("git starts");
        assert!(done.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).expect("what git says here is UTF-8")
    }

    /// Runs `cargo-zen ARGS…`.
    pub fn zen(&self, args: &[&str]) -> Outcome {
        Outcome::of(self.command(args).output().expect("cargo-zen starts"))
    }

    /// Runs `cargo-zen run ARGS…` with JSON messages.
    pub fn run(&self, args: &[&str]) -> Outcome {
        self.zen(&[&["run", "--message-format", "json"], args].concat())
    }

    /// As [`Workspace::run`], and it must succeed.
    pub fn ok(&self, args: &[&str]) -> Outcome {
        let outcome = self.run(args);
        assert_eq!(outcome.code, Some(0), "it must succeed; standard error:\n{}", outcome.stderr);
        outcome
    }
}

impl Outcome {
    /// Takes a finished process apart.
    pub fn of(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self::new(output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    /// From what was written. Messages must be as the schema has them, whatever the test is about.
    pub fn new(code: Option<i32>, stdout: String, stderr: String) -> Self {
        let messages: Vec<Value> = stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        schema::check(&messages);
        Self { code, stdout, stderr, messages }
    }

    /// The messages of one reason.
    pub fn of_reason<'a>(&'a self, reason: &'a str) -> impl Iterator<Item = &'a Value> {
        self.messages.iter().filter(move |message| message["reason"] == reason)
    }

    /// `step=outcome`, sorted, by the steps' names without their pipeline: `"load=fresh train=ran"`.
    pub fn outcomes(&self) -> String {
        let mut steps: Vec<String> = self
            .of_reason("step-finished")
            .map(|message| {
                let id = message["step"].as_str().unwrap_or("?");
                format!("{}={}", id.rsplit('/').next().unwrap_or(id), message["outcome"].as_str().unwrap_or("?"))
            })
            .collect();
        steps.sort();
        steps.join(" ")
    }

    /// The texts of the reasons why a step ran, joined by `; `.
    pub fn why(&self, step: &str) -> String {
        let finished = self.of_reason("step-finished").find(|message| is_step(message, step));
        let why = finished.and_then(|message| message["why"].as_array()).cloned().unwrap_or_default();
        why.iter().map(|why| why["text"].as_str().unwrap_or("?").to_owned()).collect::<Vec<_>>().join("; ")
    }

    /// The message with which a step ended.
    pub fn finished(&self, step: &str) -> &Value {
        let found = self.of_reason("step-finished").find(|message| is_step(message, step));
        found.unwrap_or_else(|| panic!("step {step} must have ended; standard error:\n{}", self.stderr))
    }

    /// What a step printed.
    pub fn printed(&self, step: &str) -> String {
        let texts = self.of_reason("step-output").filter(|message| is_step(message, step));
        texts.map(|message| message["text"].as_str().unwrap_or_default()).collect()
    }
}

fn is_step(message: &Value, step: &str) -> bool {
    message["step"].as_str().is_some_and(|id| id == step || id.rsplit('/').next() == Some(step))
}

fn copy_tree(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.expect("the fixture can be listed");
        let (source, name) = (entry.path(), entry.file_name());
        // What was built or written by a run in the repository itself.
        if ["target", "models", "metrics", "out"].iter().any(|made| name == *made) {
            continue;
        }
        if source.is_dir() {
            fs::create_dir_all(to.join(&name)).expect("folders can be made");
            copy_tree(&source, &to.join(&name));
        } else {
            fs::copy(&source, to.join(&name)).expect("the file can be copied");
        }
    }
}
