//! Each command in situations in which it has something to say. Of a scene there is nothing to assert but that what was
//! said conforms to the schema, and that all of them together say everything that the schema names.

use std::fs;

use serde_json::Value;

use crate::harness::{Outcome, Workspace};

/// The messages of each invocation, and which one it was.
type Said = Vec<(String, Vec<Value>)>;

/// All scenes.
pub(super) fn all() -> Said {
    let scenes: [fn(&mut Said); 9] =
        [runs, failures, plans, explanations, graphs, history, artifacts, cleaning, verification];
    let mut said = Said::new();
    scenes.iter().for_each(|scene| scene(&mut said));
    waiting(&mut said);
    said
}

/// A message of each kind that a run, its plan and its history have.
pub(super) fn small() -> Vec<Value> {
    let mut said = Said::new();
    failures(&mut said);
    let workspace = training();
    run(&mut said, &workspace, &[]);
    zen(&mut said, &workspace, &["runs", "show"]);
    zen(&mut said, &workspace, &["explain", "load"]);
    let mut messages: Vec<Value> = said.into_iter().flat_map(|(_, messages)| messages).collect();
    messages.sort_by_key(|message| message["reason"].as_str().map(str::to_owned));
    messages.dedup_by_key(|message| (message["reason"].clone(), message["outcome"].clone()));
    messages
}

fn zen(said: &mut Said, workspace: &Workspace, args: &[&str]) -> Outcome {
    let args = [args, &["--message-format", "json"]].concat();
    let outcome = workspace.zen(&args);
    said.push((format!("{args:?}:\n{}", outcome.stderr), outcome.messages.clone()));
    outcome
}

fn run(said: &mut Said, workspace: &Workspace, args: &[&str]) -> Outcome {
    zen(said, workspace, &[&["run"], args].concat())
}

fn remove(workspace: &Workspace, path: &str) {
    let path = workspace.path(path);
    let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
    removed.unwrap_or_else(|error| panic!("{} must be there: {error}", path.display()));
}

/// `load` feeds `train`, which has metrics; `check` reads what `load` makes, and no table says so.
fn training() -> Workspace {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p]
description = "From rows to scores"
params.n = 1
on-end = "exit 3"

[workspace.metadata.zen.pipelines.p.steps.load]
description = "Sorts the rows"
run = "sort in.txt > {{ outputs.rows }}; echo sorted"
files = ["in.txt", "nothing/*.txt"]
outputs.rows = "rows.txt"
on-success = "echo sent"

[workspace.metadata.zen.pipelines.p.steps.train]
run = "echo '{\"all\": '{{ params.n }}', \"only_'{{ params.n }}'\": 1}' > {{ outputs.scores }}; cat {{ inputs.rows }} > {{ outputs.model }}"
inputs = ["load.rows"]
params = ["n"]
outputs.scores = { path = "scores.json", metric = true }
outputs.model = "model/"

[workspace.metadata.zen.pipelines.p.steps.check]
run = "grep -q a rows.txt"
files = ["rows.txt"]
after = ["train"]

[workspace.metadata.zen.pipelines.everything]
pipelines = ["p"]
"#,
    );
    workspace.edit("Cargo.toml", "cat {{ inputs.rows }} > {{ outputs.model }}", MODEL);
    workspace.write("in.txt", "b\na\n");
    workspace
}

/// A folder with a file, one that can be executed, a link and a folder.
const MODEL: &str = "cp {{ inputs.rows }} {{ outputs.model }}/rows; mkdir {{ outputs.model }}/sub; \
    cp {{ inputs.rows }} {{ outputs.model }}/run; chmod +x {{ outputs.model }}/run; ln -s rows {{ outputs.model }}/link";

fn runs(said: &mut Said) {
    let workspace = training();
    workspace.write("rows.txt", "not made by zen\n");
    run(said, &workspace, &["--dry-run", "p"]);
    run(said, &workspace, &["p"]);
    remove(&workspace, "rows.txt");
    run(said, &workspace, &["p"]);
    // No history can be written where a file is in its place.
    remove(&workspace, "target/zen/runs");
    workspace.write("target/zen/runs", "");
    run(said, &workspace, &["p", "--set", "n=2"]);
    remove(&workspace, "target/zen/runs");
    run(said, &workspace, &["p", "--set", "n=2"]);
    zen(said, &workspace, &["explain", "train", "--set", "n=3"]);
    zen(said, &workspace, &["artifacts", "show", "scores"]);
    zen(said, &workspace, &["artifacts"]);
    zen(said, &workspace, &["verify", "--determinism", "train", "--set", "n=2"]);
    zen(said, &workspace, &["list"]);
}

fn failures(said: &mut Said) {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p.steps]
first = { run = "echo no; exit 7", retries = 1, retry-delay = "1ms", outputs.o = "o.txt" }
then = { run = "true", inputs = ["first.o"] }
"#,
    );
    let outcome = run(said, &workspace, &[]);
    assert_eq!(outcome.outcomes(), "first=failed then=skipped");
    zen(said, &workspace, &["runs", "show"]);
    zen(said, &workspace, &["logs", "first"]);
}

fn plans(said: &mut Said) {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p]
params.n = 1
[workspace.metadata.zen.pipelines.p.steps]
make = { run = "cp in.txt {{ outputs.o }}", files = ["in.txt"], outputs.o = { path = "o.txt", content-hash = false } }
use = { run = "cat {{ inputs.o }} > {{ outputs.u }}; echo {{ params.n }} >> {{ outputs.u }}", inputs = ["make.o"], params = ["n"], outputs.u = "u.txt" }
off = { run = "true", enable-cache = false }
old = { run = "true", files = ["in.txt"], cache-policy.expires-after = 0 }
unknown = { run = "cp {{ inputs.o }} {{ outputs.x }}", inputs = ["make.o"], outputs.x = "x.txt", cache-policy.include-artifact-ids = false }
"#,
    );
    workspace.write("in.txt", "1\n");
    zen(said, &workspace, &["status"]);
    run(said, &workspace, &[]);
    zen(said, &workspace, &["status", "--set", "n=2", "--no-cache=old"]);
    workspace.write("in.txt", "2\n");
    zen(said, &workspace, &["status"]);
    workspace.write("in.txt", "1\n");
    remove(&workspace, "u.txt");
    zen(said, &workspace, &["status"]);
    zen(said, &workspace, &["explain", "use"]);
    zen(said, &workspace, &["graph"]);
    // What no key could be computed for has made something all the same.
    zen(said, &workspace, &["artifacts", "list", "x"]);
    zen(said, &workspace, &["artifacts", "show", "x"]);
    remove(&workspace, "target/zen/v1/objects");
    zen(said, &workspace, &["status"]);
}

fn explanations(said: &mut Said) {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p]
params.n = 1
[workspace.metadata.zen.pipelines.p.steps.make]
run = "cp in.txt {{ outputs.o }}"
files = ["in.txt"]
outputs.o = "o.txt"
[workspace.metadata.zen.pipelines.p.steps.s]
run = "cat {{ inputs.o }} in.txt > {{ outputs.u }}"
inputs = ["make.o"]
files = ["in.txt"]
params = ["n"]
packages = ["ws"]
env.LEVEL = "1"
cache-policy.cache-func = "cat version"
outputs.u = "u.txt"
"#,
    );
    workspace.write("in.txt", "1\n");
    workspace.write("version", "1\n");
    workspace.write("on.toml", "steps.s.enable-cache = true\n");
    zen(said, &workspace, &["explain", "s"]);
    run(said, &workspace, &[]);
    zen(said, &workspace, &["explain", "s"]);
    workspace.write("version", "2\n");
    for args in [&["explain", "s"][..], &["explain", "s", "--run", "1"], &["explain", "s", "--set", "n=2"]] {
        zen(said, &workspace, args);
    }
    zen(said, &workspace, &["explain", "s", "--config", "on.toml"]);
    zen(said, &workspace, &["explain", "s", "--cache"]);
    let says = |table: &str, line: &str, said: &mut Said| {
        let table = format!("[workspace.metadata.zen{table}]\n");
        workspace.edit("Cargo.toml", &table, &format!("{table}{line}\n"));
        zen(said, &workspace, &["explain", "s"]);
    };
    workspace.edit(
        "Cargo.toml",
        "[workspace.metadata.zen.pipelines.p]",
        "[workspace.metadata.zen]\n[workspace.metadata.zen.pipelines.p]",
    );
    says("", "enable-cache = false", said);
    says(".pipelines.p", "enable-cache = true", said);
    says(".pipelines.p.steps.s", "enable-cache = false", said);
    says(".pipelines.p.steps.s", "interactive = true", said);
}

fn graphs(said: &mut Said) {
    let workspace = training();
    zen(said, &workspace, &["graph", "p"]);
    run(said, &workspace, &["p"]);
    zen(said, &workspace, &["graph", "p", "--artifacts", "--files"]);
}

fn history(said: &mut Said) {
    let mut workspace = training();
    workspace.git(&["init", "-q"]);
    workspace.git(&["add", "in.txt"]);
    workspace.git(&["commit", "-q", "-m", "rows"]);
    run(said, &workspace, &["p"]);
    run(said, &workspace, &["p", "--set", "n=2"]);
    run(said, &workspace, &["p/load"]);
    workspace.env.insert("RUSTC".to_owned(), "/nowhere/rustc".to_owned());
    run(said, &workspace, &["p/load"]);
    zen(said, &workspace, &["runs", "show"]);
    zen(said, &workspace, &["runs"]);
    zen(said, &workspace, &["runs", "show", "2"]);
    zen(said, &workspace, &["runs", "diff", "1", "2"]);
    zen(said, &workspace, &["report", "2"]);
    zen(said, &workspace, &["runs", "diff", "2", "3"]);
    zen(said, &workspace, &["runs", "diff", "3", "2"]);
    zen(said, &workspace, &["logs", "load"]);
    zen(said, &workspace, &["logs", "load", "--run", "2"]);
    zen(said, &workspace, &["logs", "train"]);
}

fn artifacts(said: &mut Said) {
    let workspace = training();
    run(said, &workspace, &["p"]);
    zen(said, &workspace, &["artifacts"]);
    zen(said, &workspace, &["artifacts", "show", "model"]);
    zen(said, &workspace, &["artifacts", "show", "rows"]);
    workspace.edit("Cargo.toml", "steps.train]", "steps.learn]");
    workspace.edit("Cargo.toml", "after = [\"train\"]", "after = [\"learn\"]");
    zen(said, &workspace, &["artifacts"]);
    zen(said, &workspace, &["artifacts", "show", "train.model"]);
}

fn cleaning(said: &mut Said) {
    let workspace = training();
    run(said, &workspace, &["p"]);
    zen(said, &workspace, &["clean", "--dry-run", "--outputs"]);
    workspace.edit("Cargo.toml", "outputs.rows =", "cache-policy.expires-after = 0\noutputs.rows =");
    zen(said, &workspace, &["clean", "--expired"]);
    // What neither a table nor the store knows any more is not removed, wherever zen says that it was its own.
    workspace.edit("Cargo.toml", "\"rows.txt\"\non-success", "\"lines.txt\"\non-success");
    remove(&workspace, "target/zen/v1/objects");
    zen(said, &workspace, &["clean", "--outputs"]);
    zen(said, &workspace, &["clean", "--replaced"]);
}

fn verification(said: &mut Said) {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p.steps]
steady = { run = "cp in.txt {{ outputs.o }}", files = ["in.txt"], outputs.o = "o.txt" }
shaky = { run = "cp /proc/sys/kernel/random/uuid {{ outputs.u }}", files = ["in.txt"], outputs.u = "u.txt" }
"#,
    );
    workspace.write("in.txt", "1\n");
    run(said, &workspace, &[]);
    zen(said, &workspace, &["verify", "--determinism", "steady"]);
    zen(said, &workspace, &["verify", "--determinism", "shaky"]);
    let name = zen_core::digest::Digest::of(b"1\n").to_string();
    let object = format!("target/zen/v1/objects/{}/{name}", &name[..2]);
    remove(&workspace, &object);
    workspace.write(&object, "2\n");
    zen(said, &workspace, &["verify"]);
    zen(said, &workspace, &["verify", "--repair"]);
    zen(said, &workspace, &["verify"]);
}

/// A second run waits for what the first one holds.
fn waiting(said: &mut Said) {
    let step = "run = 'echo here; read line < \"$GO\"; cp in.txt {{ outputs.o }}'\nfiles = ['in.txt']\noutputs.o = 'o.txt'\npass-env = ['GO']";
    let mut workspace = Workspace::with_step(step);
    workspace.write("in.txt", "1\n");
    let mut go = workspace.gate("GO");
    let mut first = workspace.start(&[]);
    first.until_printed("here");
    let mut second = workspace.start(&[]);
    second.until(&["\"blocking\""]);
    go.open();
    first.end_ok();
    said.push(("a run that waits".to_owned(), second.end_ok().messages));
}
