//! `on-success`, `on-failure`, `on-end`: when they are run, what they are told, and that they change nothing.

use std::os::unix::process::ExitStatusExt;

use serde_json::{Value, json};

use crate::harness::Workspace;

/// A pipeline `p` with steps `make` and `use`; the hooks that are put in write what they are told to the file SAID.
fn workspace(pipeline: &str, make: &str, more: &str) -> Workspace {
    let mut workspace = Workspace::new(&format!(
        r#"
[workspace.metadata.zen]
pass-env = ["SAID"]
[workspace.metadata.zen.pipelines.p]
params.n = 3
{pipeline}
[workspace.metadata.zen.pipelines.p.steps.make]
run = "cp in.txt {{{{ outputs.o }}}}"
files = ["in.txt"]
outputs.o = "o.txt"
{make}
[workspace.metadata.zen.pipelines.p.steps.use]
run = "grep -q good {{{{ inputs.o }}}}"
inputs = ["make.o"]
{more}
"#
    ));
    workspace.write("in.txt", "good\n");
    workspace.named_path("SAID");
    workspace
}

/// What the hooks were told since the last call.
fn said(workspace: &Workspace) -> Vec<Value> {
    let lines = workspace.lines_of("SAID");
    let _ = std::fs::remove_file(&workspace.env["SAID"]);
    lines.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|_| json!(line))).collect()
}

fn events(workspace: &Workspace) -> String {
    let all = said(workspace);
    let event = |told: &Value| match (&told["event"], &told["step"]) {
        (Value::String(event), Value::String(step)) => format!("{event} {step}"),
        (Value::String(event), _) => format!("{event} {}", told["pipeline"].as_str().unwrap_or("?")),
        _ => told.to_string(),
    };
    all.iter().map(event).collect::<Vec<_>>().join(", ")
}

const KEEP: &str = "'cat >> \"$SAID\"'";

fn all() -> String {
    format!("on-success = {KEEP}\non-failure = {KEEP}\non-end = {KEEP}\n")
}

#[test]
fn they_are_run_as_the_steps_ended_and_then_for_the_pipeline() {
    let workspace = workspace(&all(), &all(), &all());
    workspace.ok(&[]);
    assert_eq!(
        events(&workspace),
        "step-success p/make, step-end p/make, step-success p/use, step-end p/use, pipeline-success p, pipeline-end p"
    );
    workspace.ok(&[]);
    assert_eq!(events(&workspace), "", "what is cached says nothing");
    workspace.write("in.txt", "bad\n");
    assert_eq!(workspace.run(&[]).code, Some(100));
    assert_eq!(
        events(&workspace),
        "step-success p/make, step-end p/make, step-failure p/use, step-end p/use, pipeline-failure p, pipeline-end p"
    );
}

#[test]
fn for_what_is_cached_with_on_cached_alone() {
    let hook = format!("on-success = {{ run = {KEEP}, on-cached = true }}\non-end = {KEEP}");
    let workspace = workspace(&hook, &hook, "");
    let run = workspace.ok(&[]).of_reason("run-finished").next().expect("it ended")["run"].clone();
    said(&workspace);
    workspace.ok(&[]);
    let told = said(&workspace);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!((&told[0]["outcome"], &told[0]["cached"]), (&json!("fresh"), &json!(true)));
    assert_eq!(told[0]["reused_run"], run);
    assert_eq!((&told[1]["event"], &told[1]["cached"]), (&json!("pipeline-success"), &json!(true)));
    assert_eq!(told[1]["fresh"], 2);
}

#[test]
fn what_a_step_hook_is_told() {
    let workspace = workspace("", &all(), &all());
    let outcome = workspace.ok(&[]);
    let told = said(&workspace);
    let (told, finished) = (&told[0], outcome.finished("make"));
    assert_eq!(told["version"], 1);
    assert_eq!((&told["event"], &told["pipeline"]), (&json!("step-success"), &json!("p")));
    assert_eq!(told["run"], outcome.of_reason("run-finished").next().expect("it ended")["run"]);
    assert_eq!(told["workspace_root"], workspace.root.to_str().expect("a plain name"));
    for field in ["step", "outcome", "why", "duration_ms", "exit_code", "outputs"] {
        assert_eq!(told[field], finished[field], "{field} is that of the message");
    }
    assert_eq!(told["why"][0]["kind"], "never-run");
    assert_eq!(told["outputs"][0]["path"], "o.txt");
    assert_eq!((&told["cached"], &told["failure"], &told["reused_run"]), (&json!(false), &json!(null), &json!(null)));

    workspace.edit("Cargo.toml", "run = \"grep", "run = \"touch left; grep");
    workspace.edit("Cargo.toml", "inputs = [\"make.o\"]", "inputs = [\"make.o\"]\noutputs.left = \"left\"");
    workspace.write("in.txt", "bad\n");
    workspace.run(&[]);
    let told = said(&workspace);
    let failed = told.iter().find(|told| told["event"] == "step-failure").expect("it was told of the failure");
    assert_eq!((&failed["outcome"], &failed["exit_code"]), (&json!("failed"), &json!(1)));
    assert_eq!(failed["failure"], "exit status: 1; what it left is in target/zen/failed/p/use");
}

#[test]
fn what_a_pipeline_hook_is_told() {
    let workspace = workspace(&format!("on-end = {KEEP}"), "run = \"false\"", "");
    workspace.edit("Cargo.toml", "run = \"cp in.txt {{ outputs.o }}\"\n", "");
    workspace.run(&[]);
    let told = said(&workspace).remove(0);
    assert_eq!((&told["event"], &told["success"]), (&json!("pipeline-end"), &json!(false)));
    let counts = ["ran", "fresh", "restored", "failed", "skipped"].map(|count| told[count].as_u64());
    assert_eq!(counts, [0, 0, 0, 1, 1].map(Some));
    let steps: Vec<_> = told["steps"].as_array().expect("an array").iter().map(|step| &step["step"]).collect();
    assert_eq!(steps, ["p/make", "p/use"]);
    assert_eq!(told["steps"][1]["failure"], "`p/make` failed");
    assert!(told["saved_ms"].is_u64() && told["duration_ms"].is_u64());
    assert!(told.get("step").is_none(), "{told}");
}

#[test]
fn a_group_has_hooks_of_its_own() {
    let group = |result: &str| {
        format!(
            "[workspace.metadata.zen.pipelines.all]\npipelines = [\"p\", \"q\"]\non-success = {KEEP}\non-failure = {KEEP}\n\
             [workspace.metadata.zen.pipelines.q]\non-success = {KEEP}\n\
             [workspace.metadata.zen.pipelines.q.steps.one]\nrun = \"{result}\"\nenable-cache = false"
        )
    };
    let good = workspace(&all(), "", &group("true"));
    good.ok(&["all"]);
    assert_eq!(events(&good), "pipeline-success p, pipeline-end p, pipeline-success q, pipeline-success all");
    good.ok(&["q"]);
    assert_eq!(events(&good), "pipeline-success q", "those that were not selected say nothing");
    let bad = workspace(&all(), "", &group("false"));
    bad.run(&["all", "--keep-going"]);
    assert_eq!(events(&bad), "pipeline-success p, pipeline-end p, pipeline-failure all");
}

#[test]
fn they_are_run_by_the_rules_of_run() {
    let env = "env.COLOUR = \"red {{ params.n }}\"\nparams = [\"n\"]\n";
    let make = format!(
        "{env}cwd = \"sub\"\non-success = 'pwd >> \"$SAID\"; echo $COLOUR $ZEN_PIPELINE $ZEN_STEP $ZEN_RUN \
        $ZEN_PARAM_N ${{SECRET-none}} >> \"$SAID\"; echo {{{{ params.n }}}} {{{{ pipeline.n }}}} >> \"$SAID\"'"
    );
    let workspace = workspace(
        "env.SHAPE = \"round\"\non-success = ['sh', '-c', 'pwd >> \"$SAID\"; \
         echo $SHAPE $ZEN_PIPELINE ${ZEN_STEP-no} $ZEN_PARAM_N $1 >> \"$SAID\"', 'x', '{{ params.n }}']",
        &make,
        "",
    );
    let mut workspace = workspace;
    workspace.env.insert("SECRET".to_owned(), "s".to_owned());
    workspace.write("sub/x", "");
    workspace.edit("Cargo.toml", "cp in.txt", "cp ../in.txt");
    let outcome = workspace.ok(&[]);
    let root = workspace.root.display();
    assert_eq!(
        workspace.lines_of("SAID"),
        [&format!("{root}/sub"), "red 3 p make 1 3 none", "3 3", &root.to_string(), "round p no 3 3"],
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_variable_that_is_not_handed_on_is_a_warning() {
    let mut workspace = workspace("on-end = 'echo $TOKEN'", "on-failure = 'echo $TOKEN'", "");
    workspace.env.insert("TOKEN".to_owned(), "t".to_owned());
    let outcome = workspace.ok(&[]);
    let warnings: Vec<_> = outcome.of_reason("warning").map(|message| message["message"].clone()).collect();
    assert_eq!(
        warnings,
        [
            "`$TOKEN` is set outside, but the hook `on-failure` of step `p/make` does not get it",
            "`$TOKEN` is set outside, but the hook `on-end` of pipeline `p` does not get it"
        ]
    );
}

#[test]
fn they_are_no_part_of_the_key() {
    let workspace = workspace("", "", "");
    workspace.ok(&[]);
    workspace.edit("Cargo.toml", "outputs.o = \"o.txt\"\n", &format!("outputs.o = \"o.txt\"\n{}", all()));
    assert_eq!(workspace.ok(&[]).outcomes(), "make=fresh use=fresh");
}

#[test]
fn their_failure_is_a_warning() {
    let workspace = workspace("on-end = [\"no-such-program\"]", "on-success = \"echo oh; exit 7\"", "");
    let outcome = workspace.ok(&[]);
    let warnings: Vec<_> =
        outcome.of_reason("warning").map(|message| message["message"].as_str().unwrap_or("?")).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert_eq!(warnings[0], "the hook `on-success` of step `p/make` failed: exit status: 7");
    assert!(warnings[1].starts_with("the hook `on-end` of pipeline `p` failed: `no-such-program` was not found"));
    let output = outcome.of_reason("hook-output").next().expect("what it printed is sent on");
    assert_eq!((&output["hook"], &output["text"]), (&json!("on-success of step `p/make`"), &json!("oh\n")));
    assert_eq!(outcome.messages.last().expect("there are some")["reason"], "run-finished");

    workspace.write("in.txt", "good again\n");
    let people = workspace.zen(&["run"]);
    assert_eq!(people.code, Some(0));
    assert!(people.stderr.contains("on-success of step `p/make` | oh\n"), "{}", people.stderr);
    assert!(people.stderr.contains("warning: the hook `on-success` of step `p/make` failed: exit status: 7"));
}

#[test]
fn nothing_is_locked_while_they_are_run() {
    let workspace = workspace(
        "",
        "pass-env = ['ZEN']\non-success = '\"$ZEN\" run --no-wait > /dev/null && echo inner-ok >> \"$SAID\"'",
        "",
    );
    let mut workspace = workspace;
    workspace.env.insert("ZEN".to_owned(), env!("CARGO_BIN_EXE_cargo-zen").to_owned());
    let outcome = workspace.ok(&[]);
    assert_eq!(workspace.lines_of("SAID"), ["inner-ok"], "{}", outcome.stderr);
}

#[test]
fn none_is_run_after_a_signal() {
    let mut workspace = workspace(&all(), &all(), "");
    workspace.edit("Cargo.toml", "pass-env = [\"SAID\"]", "pass-env = [\"SAID\", \"GO\"]");
    workspace.edit("Cargo.toml", "run = \"grep -q", "run = \"echo use-is-there; read line < $GO; grep -q");
    let _never_opened = workspace.gate("GO");
    let mut running = workspace.start(&[]);
    running.until_printed("use-is-there");
    running.signal("INT");
    let (status, outcome) = running.end();
    assert_eq!(status.signal(), Some(2), "{}", outcome.stderr);
    assert_eq!(outcome.outcomes(), "make=ran use=failed");
    assert_eq!(events(&workspace), "");
}

#[test]
fn a_signal_ends_the_hook_that_runs_and_those_after_it() {
    let mut workspace = workspace(&all(), "on-success = 'echo hook-is-there; read line < \"$GO\"'", &all());
    workspace.edit("Cargo.toml", "pass-env = [\"SAID\"]", "pass-env = [\"SAID\", \"GO\"]");
    let _never_opened = workspace.gate("GO");
    let mut running = workspace.start(&[]);
    running.until(&["hook-output", "hook-is-there"]);
    running.signal("TERM");
    let (status, outcome) = running.end();
    assert_eq!(status.signal(), Some(15), "{}", outcome.stderr);
    assert_eq!(events(&workspace), "");
    assert_eq!(workspace.ok(&["-s", "use"]).outcomes(), "make=fresh use=fresh", "the run itself had ended");
}

#[test]
fn killing_what_runs_does_not_kill_hooks() {
    let failing = "[workspace.metadata.zen.pipelines.p.steps.bad]\nrun = 'exit 3'\n";
    let workspace = workspace(&format!("on-failure = {KEEP}"), "", failing);
    assert_eq!(workspace.run(&["--kill-on-failure"]).code, Some(100));
    assert_eq!(events(&workspace), "pipeline-failure p");
}
