//! `list` and `logs`: what there is, and what it printed.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::harness::Workspace;

fn workspace() -> Workspace {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.training]
description = "Train an SVC on iris"

[workspace.metadata.zen.pipelines.training.steps.load]
description = "Sort the data"
run = "echo loading; cat data.csv; echo warned >&2; sort data.csv > {{ outputs.sorted }}"
files = ["data.csv"]
outputs.sorted = "sorted.csv"

[workspace.metadata.zen.pipelines.training.steps.fit]
run = "cat {{ inputs.sorted }} > {{ outputs.model }}"
inputs = ["load.sorted"]
outputs.model = "model.json"

[workspace.metadata.zen.pipelines.lint.steps.load]
run = "echo linting"
files = ["data.csv"]

[workspace.metadata.zen.pipelines.ci]
description = "All of it"
pipelines = ["lint", "training"]
"#,
    );
    workspace.write("data.csv", "b\na\n");
    workspace
}

/// Standard output and standard error of a command that must succeed.
fn said(workspace: &Workspace, args: &[&str]) -> (String, String) {
    let outcome = workspace.zen(args);
    assert_eq!(outcome.code, Some(0), "{args:?}: {}", outcome.stderr);
    (outcome.stdout, outcome.stderr)
}

fn run(workspace: &Workspace, args: &[&str]) {
    workspace.ok(args);
}

#[test]
fn list_shows_pipelines_and_steps() {
    let workspace = workspace();
    assert_snapshot!(said(&workspace, &["list"]).0, @r#"
    ci  All of it
        lint (pipeline)
        training (pipeline)
    lint
        load
    training  Train an SVC on iris
        fit
        load  Sort the data
    "#);
    assert_snapshot!(said(&workspace, &["list", "lint"]).0, @r#"
    lint
        load
    "#);
    assert!(!workspace.exists("target/zen/runs"), "listing runs nothing");
}

#[test]
fn list_for_programs() {
    let outcome = workspace().zen(&["list", "training", "--message-format", "json"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.messages.len(), outcome.stdout.lines().count(), "nothing but JSON: {}", outcome.stdout);
    assert_eq!(outcome.messages[0]["reason"], "zen-format");
    let pipelines = outcome.messages[1]["pipelines"].as_array().expect("a list");
    assert_eq!(pipelines.len(), 1);
    assert_eq!(pipelines[0]["pipeline"], "training");
    assert_eq!(pipelines[0]["description"], "Train an SVC on iris");
    let steps: Vec<&str> =
        pipelines[0]["steps"].as_array().expect("a list").iter().filter_map(|step| step["step"].as_str()).collect();
    assert_eq!(steps, ["training/fit", "training/load"], "sorted");
}

#[test]
fn logs_give_back_what_a_step_printed() {
    let workspace = workspace();
    run(&workspace, &["training"]);
    let (stdout, stderr) = said(&workspace, &["logs", "training/load"]);
    assert!(stdout.contains("loading\nb\na\n") && stdout.contains("warned\n"), "{stdout}");
    assert!(stderr.contains("run 1"), "it says of which run: {stderr}");
    let (stdout, stderr) = said(&workspace, &["logs", "fit"]);
    assert_eq!(stdout, "");
    assert!(stderr.contains("printed nothing"), "{stderr}");
}

#[test]
fn logs_for_programs() {
    let workspace = workspace();
    run(&workspace, &["training"]);
    run(&workspace, &["training"]);
    let log = |args: &[&str]| {
        let outcome = workspace.zen(&[&["logs", "--message-format", "json"], args].concat());
        assert_eq!((outcome.code, outcome.messages.len()), (Some(0), 2), "{}", outcome.stderr);
        outcome.messages[1].clone()
    };
    let lines = |log: &Value| -> String {
        let lines = log["lines"].as_array().into_iter().flatten();
        lines.map(|line| line["text"].as_str().expect("a text")).collect()
    };
    let load = log(&["training/load"]);
    assert_eq!((&load["reason"], &load["step"]), (&json!("log"), &json!("training/load")));
    assert_eq!((&load["run"], &load["outcome"], &load["reused_run"]), (&json!(1), &json!("ran"), &Value::Null));
    assert!(lines(&load).contains("loading\n") && lines(&load).contains("warned\n"), "{load}");
    assert!(load["lines"][0]["at_ms"].is_i64(), "{load}");
    let cached = log(&["training/load", "--run", "2"]);
    assert_eq!((&cached["run"], &cached["outcome"], &cached["reused_run"]), (&json!(2), &json!("fresh"), &json!(1)));
    assert_eq!(cached["lines"], load["lines"], "it is the same output");
    assert_eq!(log(&["fit"])["lines"], json!([]), "it printed nothing");
}

#[test]
fn logs_of_a_certain_run() {
    let workspace = workspace();
    run(&workspace, &["training"]);
    workspace.write("data.csv", "d\nc\n");
    run(&workspace, &["training"]);
    workspace.write("data.csv", "f\ne\n");
    run(&workspace, &["training"]);
    for (id, lines) in
        [("1", "b\na\n"), ("2", "d\nc\n"), ("last", "f\ne\n"), ("last~1", "d\nc\n"), ("last~2", "b\na\n")]
    {
        let (stdout, _) = said(&workspace, &["logs", "training/load", "--run", id]);
        assert!(stdout.contains(lines), "run {id}: {stdout}");
    }
    assert!(said(&workspace, &["logs", "training/load"]).0.contains("f\ne\n"), "without a run: the latest");
    for id in ["99", "last~9", "newest", "last~", "-1"] {
        let outcome = workspace.zen(&["logs", "training/load", &format!("--run={id}")]);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(4), ""), "{id}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(&format!("no run `{id}`")), "{}", outcome.stderr);
    }
}

#[test]
fn a_line_of_a_log_has_the_time_at_which_it_came() {
    let mut workspace = Workspace::with_step(
        "run = 'echo one; read x < \"$GATE\"; printf \"two\\n\\nend\"'\nfiles = ['in.txt']\npass-env = ['GATE']\n",
    );
    workspace.write("in.txt", "");
    let mut gate = workspace.gate("GATE");
    let now = || jiff::Timestamp::now().as_millisecond();
    let before = now();
    let mut running = workspace.start(&[]);
    running.until_printed("one");
    let between = now();
    gate.open();
    running.end_ok();
    let said = said(&workspace, &["logs", "s", "--timestamps"]).0;
    let lines: Vec<(&str, &str)> = said.lines().map(|line| line.split_once("  ").expect("a time")).collect();
    assert_eq!(lines.iter().map(|(_, text)| *text).collect::<Vec<_>>(), ["one", "two", "", "end"], "{said}");
    let time = |text: &str| text.parse::<jiff::Timestamp>().expect("it is RFC 3339").as_millisecond();
    let times: Vec<i64> = lines.iter().map(|(at, _)| time(at)).collect();
    assert!(
        times.is_sorted() && before <= times[0] && times[0] <= between && between <= times[1],
        "{before} {between} {said}"
    );
}

#[test]
fn a_failed_step_has_a_log_too() {
    let workspace = workspace();
    workspace.edit("Cargo.toml", "echo loading;", "echo loading; echo it broke >&2; exit 3;");
    let failed = workspace.zen(&["run", "training"]);
    assert_eq!(failed.code, Some(100));
    let (stdout, _) = said(&workspace, &["logs", "training/load"]);
    assert!(stdout.contains("it broke\n"), "{stdout}");
    let skipped = workspace.zen(&["logs", "fit"]);
    assert_eq!(skipped.code, Some(4), "a skipped step has none: {}", skipped.stderr);
}

#[test]
fn f_28_the_log_of_a_cached_step_is_marked() {
    let workspace = workspace();
    run(&workspace, &["training"]);
    run(&workspace, &["training"]);
    let (stdout, stderr) = said(&workspace, &["logs", "training/load", "--run", "2"]);
    assert!(stdout.contains("loading\n"), "{stdout}");
    assert!(stderr.contains("cached") && stderr.contains("run 1"), "{stderr}");
    let (_, stderr) = said(&workspace, &["logs", "training/load"]);
    assert!(!stderr.contains("cached"), "without a run it is the latest in which the step ran: {stderr}");
}

#[test]
fn a_name_of_two_steps_must_be_whole() {
    let workspace = workspace();
    run(&workspace, &["training"]);
    let outcome = workspace.zen(&["logs", "load", "--color", "never"]);
    assert_eq!(outcome.code, Some(4));
    assert_snapshot!(outcome.stderr, @r#"
    error: several steps are called `load`
     |
     = note: steps: lint/load, training/load
     = help: give the whole id
    "#);
    let outcome = workspace.zen(&["logs", "lint/load", "--color", "never"]);
    assert_eq!(outcome.code, Some(4));
    assert_snapshot!(outcome.stderr, @"error: step `lint/load` has not run here yet");
}

#[test]
fn a_step_that_is_gone_still_has_its_logs() {
    let workspace = workspace();
    run(&workspace, &["lint"]);
    workspace.edit("Cargo.toml", "lint.steps.load", "lint.steps.check");
    assert_eq!(said(&workspace, &["logs", "lint/load"]).0, "linting\n");
}

#[test]
fn logs_hold_the_bytes_as_they_came() {
    let workspace = workspace();
    workspace.edit("Cargo.toml", "echo linting", "printf 'a\\\\377b\\\\r\\\\n\\\\033[1mno end'");
    run(&workspace, &["lint"]);
    let done = workspace.command(&["logs", "lint/load"]).output().expect("cargo-zen starts");
    assert_eq!(done.stdout, b"a\xffb\r\n\x1b[1mno end");
}

#[test]
fn f47_what_a_step_prints_steers_no_terminal_and_no_runner() {
    let mut workspace = Workspace::with_step(
        r#"
run = """
printf 'a\\033[31mred\\033[0m \\033]0;title\\007\\033]52;c;bHM=\\033\\\\\\033[2Jz\\n'
echo '::add-mask::everything'
"""
"#,
    );
    let run = workspace.zen(&["run", "--color", "always"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stderr.contains("a\u{1b}[31mred\u{1b}[0m z"), "{:?}", run.stderr);
    let log = workspace.zen(&["logs", "s"]);
    assert_eq!(log.stdout, "a\u{1b}[31mred\u{1b}[0m z\n::add-mask::everything\n");
    workspace.env.insert("GITHUB_ACTIONS".to_owned(), "true".to_owned());
    let log = workspace.zen(&["logs", "s"]).stdout;
    let lines: Vec<&str> = log.lines().collect();
    let token = lines[0].strip_prefix("::stop-commands::").expect("the runner is told to look away");
    assert_eq!(lines[1..], ["a\u{1b}[31mred\u{1b}[0m z", "::add-mask::everything", &format!("::{token}::")]);
}
