//! Workspaces with runs that are worth a page.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::product;

/// Names that try to be something else than names.
const HOSTILE: [&str; 6] = [
    "</script><script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=2>",
    "\"'><svg onload=window.pwned=3>",
    "<!--",
    "]]>&#x26;&lt;b&gt;",
    "${window.pwned=4}`",
];

/// The fixture, after three runs with other gammas, with a page about the last; the second has its timings.
///
/// # Errors
/// What a command said that failed.
pub(super) fn iris(root: &Path, program: &Path, folder: &Path) -> Result<PathBuf, String> {
    iris_before(root, program, folder)?;
    zen(program, folder, &["run", "--timings", "--set", "gamma=0.01"], 0)?;
    zen(program, folder, &["run", "--set", "gamma=0.0001"], 0)?;
    zen(program, folder, &["report"], 0)?;
    Ok(folder.to_owned())
}

/// The fixture after its first run.
///
/// # Errors
/// What a command said that failed.
pub(super) fn iris_before(root: &Path, program: &Path, folder: &Path) -> Result<PathBuf, String> {
    copy(&root.join("fixtures/iris"), folder).map_err(|error| error.to_string())?;
    commit(folder)?;
    zen(program, folder, &["run"], 0)?;
    Ok(folder.to_owned())
}

/// Steps, parameters, metrics and output whose names are markup; one of them fails.
///
/// # Errors
/// What a command said that should not have.
pub(super) fn hostile(program: &Path, folder: &Path) -> Result<PathBuf, String> {
    let names = HOSTILE.map(|name| serde_json::Value::from(name).to_string()).join(", ");
    let tables = format!(
        r#"[workspace]
members = []
resolver = "3"

[workspace.metadata.zen.pipelines.p]
params.evil = {evil}

[workspace.metadata.zen.pipelines.p.steps.s]
matrix.x = [{names}]
run = ["sh", "-c", "printf '%s\n' \"$1\"", "sh", "{{{{ matrix.x }}}}"]
files = ["Cargo.toml"]

[workspace.metadata.zen.pipelines.p.steps.measure]
run = ["sh", "-c", "printf '{{%s: 1}}' \"$1\" > \"$2\"", "sh", {evil_key}, "{{{{ outputs.m }}}}"]
files = ["Cargo.toml"]
params = ["evil"]
outputs.m = {{ path = "m.json", metric = true }}

[workspace.metadata.zen.pipelines.p.steps.bad]
run = ["sh", "-c", "echo \"$1\" >&2; exit 3", "sh", {evil}]
files = ["Cargo.toml"]
after = ["s"]

[workspace.metadata.zen.pipelines.p.steps.never]
run = "true"
after = ["bad"]
"#,
        evil = serde_json::Value::from(HOSTILE[0]),
        evil_key = serde_json::Value::from(serde_json::Value::from(HOSTILE[1]).to_string())
    );
    make(folder, &tables)?;
    zen(program, folder, &["run"], 100)?;
    zen(program, folder, &["run", "--timings", "--no-cache", "--set", &format!("evil={}", HOSTILE[1])], 100)?;
    zen(program, folder, &["report"], 0)?;
    Ok(folder.to_owned())
}

/// Two thousand steps, each with up to three before it.
///
/// # Errors
/// What a command said that failed.
pub(super) fn large(program: &Path, folder: &Path) -> Result<PathBuf, String> {
    let mut chance = fastrand::Rng::with_seed(6);
    let mut tables = "[workspace]\nmembers = []\nresolver = \"3\"\n".to_owned();
    for step in 0..2000_usize {
        let before: Vec<String> = (0..chance.usize(0..4))
            .filter_map(|_| step.checked_sub(chance.usize(20..60)))
            .map(|step| format!("\"s{step:04}\""))
            .collect();
        let _ = write!(
            tables,
            "\n[workspace.metadata.zen.pipelines.large.steps.s{step:04}]\nrun = [\"echo\", \"{step}\"]\nfiles = [\"Cargo.toml\"]\nafter = [{}]\n",
            before.join(", ")
        );
    }
    make(folder, &tables)?;
    zen(program, folder, &["run"], 0)?;
    zen(program, folder, &["report"], 0)?;
    Ok(folder.to_owned())
}

fn make(folder: &Path, tables: &str) -> Result<(), String> {
    let made = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(folder.join("Cargo.toml"), tables));
    made.map_err(|error| error.to_string())
}

/// Runs it, quietly; it must end with this code.
pub(super) fn zen(program: &Path, folder: &Path, args: &[&str], code: i32) -> Result<String, String> {
    let output = product::command(program, folder).args(args).output().map_err(|error| error.to_string())?;
    if output.status.code() != Some(code) {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "cargo zen {} in {} ended with {}: {said}",
            args.join(" "),
            folder.display(),
            output.status
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A copy of what git would give out: no results of earlier runs.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if ["target", "models", "metrics"].iter().any(|made| name == *made) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to.join(name))?;
        } else {
            std::fs::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}

/// Makes a repository of it, with one commit.
fn commit(folder: &Path) -> Result<(), String> {
    for args in [&["init", "-q", "-b", "main"][..], &["add", "."], &["commit", "-q", "-m", "Iris"]] {
        let author = ["-c", "user.name=Zen", "-c", "user.email=zen@example.org"];
        let done = Command::new("git").args(author).args(args).current_dir(folder).stdin(Stdio::null()).status();
        if !done.map_err(|error| error.to_string())?.success() {
            return Err(format!("git {} failed", args.join(" ")));
        }
    }
    Ok(())
}
