//! `runs`: history read back, with what the store still knows of it.

use serde_json::Value;

use crate::harness::Workspace;

fn pipeline() -> Workspace {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p]
params.n = 1

[workspace.metadata.zen.pipelines.p.steps.load]
run = "cp in.txt {{ outputs.rows }}"
files = ["in.txt"]
outputs.rows = "rows.txt"

[workspace.metadata.zen.pipelines.p.steps.train]
run = """
test {{ params.n }} -lt 9
echo '{\"accuracy\": 0.'{{ params.n }}', \"by\": {\"class\": [1, 2]}}' > {{ outputs.scores }}
wc -c < {{ inputs.rows }} > {{ outputs.size }}
"""
inputs = ["load.rows"]
params = ["n"]
outputs.scores = { path = "scores.json", metric = true }
outputs.size = "size.txt"
"#,
    );
    workspace.write("in.txt", "a\n");
    workspace
}

/// Standard output, with times and ages as `…`.
fn shown(workspace: &Workspace, args: &[&str]) -> String {
    let outcome = workspace.zen(&[&["runs"], args].concat());
    assert_eq!(outcome.code, Some(0), "{args:?}: {}", outcome.stderr);
    let words = outcome.stdout.split_inclusive([' ', '\n', ')']).map(|word| {
        let number = word.trim_matches([' ', '\n', '(', ')', ',']);
        let is_time = number.strip_suffix('s').is_some_and(|digits| digits.parse::<f64>().is_ok());
        if is_time { word.replacen(number, "…", 1) } else { word.to_owned() }
    });
    let text: String = words.collect();
    let compiler = text.lines().position(|line| line.starts_with("by rustc 1."));
    let lines = text.split_inclusive('\n').enumerate().filter(|(at, _)| Some(*at) != compiler);
    // What took no time at all saves none.
    lines.map(|(_, line)| line).collect::<String>().replace(" (saved …)", "").replace(", saved …)", ")")
}

fn message(workspace: &Workspace, args: &[&str]) -> Value {
    let outcome = workspace.zen(&[&["runs", "--message-format", "json"], args].concat());
    assert_eq!(outcome.code, Some(0), "{args:?}: {}", outcome.stderr);
    serde_json::from_str(outcome.stdout.lines().nth(1).expect("a version, then the message")).expect("it is JSON")
}

#[test]
fn each_run_is_a_line_the_last_one_at_the_end() {
    let workspace = pipeline();
    let none = workspace.zen(&["runs"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""), "there was none yet: {}", none.stderr);
    assert_eq!(workspace.zen(&["runs", "show"]).code, Some(4), "so there is none to show");
    workspace.ok(&[]);
    workspace.ok(&["--set", "n=2"]);
    workspace.run(&["--set", "n=9"]);
    workspace.ok(&[]);
    insta::assert_snapshot!(shown(&workspace, &[]), @r#"
    1  … ago  p            ok      2 ran in …
    2  … ago  p --set n=2  ok      1 ran, 1 cached in …
    3  … ago  p --set n=9  failed  1 cached, 1 failed in …
    4  … ago  p            ok      2 cached in …
    "#);
    insta::assert_snapshot!(shown(&workspace, &["-n", "1"]), @"4  … ago  p  ok  2 cached in …");
    let runs = message(&workspace, &["-n", "2"]);
    assert_eq!(
        (&runs["reason"], &runs["runs"][0]["run"], &runs["runs"][0]["restored"]),
        (&"runs".into(), &4.into(), &1.into())
    );
    assert_eq!((&runs["runs"][1]["success"], &runs["runs"][1]["failed"]), (&false.into(), &1.into()));
}

#[test]
fn one_run_shows_what_ran_why_with_what_and_what_came_of_it() {
    let workspace = pipeline();
    workspace.ok(&[]);
    workspace.ok(&["--set", "n=2"]);
    insta::assert_snapshot!(shown(&workspace, &["show"]), @r#"
    run 2: p --set n=2 (… ago)
    1 ran, 1 cached in …
           Fresh p/load (run 1, … ago)
             Ran p/train in … (param `n`: 1 → 2)
                 n = 2
                 scores.accuracy: 0.2
                 scores.by.class.0: 1
                 scores.by.class.1: 2
    "#);
    let run = message(&workspace, &["show", "last~1"]);
    assert_eq!(run["run"], 1);
    let train = &run["steps"][1];
    assert_eq!(
        (&train["step"], &train["outcome"], &train["params"]["n"]),
        (&"p/train".into(), &"ran".into(), &"1".into())
    );
    assert_eq!(
        train["metrics"],
        serde_json::json!({ "scores.accuracy": 0.1, "scores.by.class.0": 1.0, "scores.by.class.1": 2.0 })
    );
}

#[test]
fn two_runs_differ_by_what_changed_and_by_their_metrics() {
    let workspace = pipeline();
    workspace.ok(&[]);
    workspace.ok(&["--set", "n=2"]);
    insta::assert_snapshot!(shown(&workspace, &["diff"]), @r#"
    run 1: p: 2 ran in …
    run 2: p --set n=2: 1 ran, 1 cached in …
    p/train
        param `n`: 1 → 2
        scores.accuracy: 0.1 → 0.2 (+0.1)
    1 step the same
    "#);
    workspace.write("in.txt", "a\nb\n");
    workspace.ok(&["p/load"]);
    insta::assert_snapshot!(shown(&workspace, &["diff", "1", "3"]), @r#"
    run 1: p: 2 ran in …
    run 3: p/load: 1 ran in …
    p/load
        file in.txt changed
    p/train: only in run 1
    "#);
    let difference = message(&workspace, &["diff", "1", "2"]);
    assert_eq!(difference["steps"][1]["differences"][0]["text"], "param `n`: 1 → 2");
    assert_eq!(difference["steps"][1]["metrics"], serde_json::json!({ "scores.accuracy": { "old": 0.1, "new": 0.2 } }));
}

#[test]
fn a_run_whose_store_is_gone_is_told_as_far_as_history_goes() {
    let workspace = pipeline();
    workspace.ok(&[]);
    workspace.ok(&["--set", "n=2"]);
    std::fs::remove_dir_all(workspace.path("target/zen/v1")).expect("it is there");
    insta::assert_snapshot!(shown(&workspace, &["diff"]), @r#"
    run 1: p: 2 ran in …
    run 2: p --set n=2: 1 ran, 1 cached in …
    p/train
        what it was made from is not in the store
        scores.accuracy: 0.1 → 0.2 (+0.1)
    1 step the same
    "#);
    let train = &message(&workspace, &["show"])["steps"][1];
    assert_eq!((&train["params"], &train["metrics"]["scores.accuracy"]), (&Value::Null, &0.2.into()));
}

#[test]
fn a_run_knows_its_commit_its_compiler_and_can_be_asked_for_by_revision() {
    let workspace = pipeline();
    workspace.write(".gitignore", "target\n");
    workspace.git(&["init", "-q", "-b", "main"]);
    workspace.ok(&[]);
    let before = message(&workspace, &["show"]);
    assert_eq!((&before["commit"], &before["dirty"]), (&Value::Null, &Value::Null), "there is no commit yet");
    workspace.git(&["add", "Cargo.toml", "in.txt"]);
    workspace.git(&["commit", "-q", "-m", "one"]);
    workspace.ok(&["--set", "n=2"]);
    workspace.write("in.txt", "b\n");
    workspace.ok(&[]);
    workspace.git(&["commit", "-q", "-a", "-m", "two"]);
    workspace.ok(&["--set", "n=3"]);
    workspace.ok(&["--set", "n=3"]);
    let commit = |revision: &str| workspace.git(&["rev-parse", revision]).trim().to_owned();
    let (first, second) = (commit("HEAD~1"), commit("HEAD"));
    let facts = |run: &str| {
        let run = message(&workspace, &["show", run]);
        (run["run"].clone(), run["commit"].clone(), run["dirty"].clone())
    };
    assert_eq!(facts("2"), (2.into(), first.as_str().into(), false.into()));
    assert_eq!(facts("3"), (3.into(), first.as_str().into(), true.into()));
    assert_eq!(facts("5"), (5.into(), Value::Null, Value::Null), "it ran nothing");
    assert_eq!(facts("main"), (4.into(), second.as_str().into(), false.into()));
    assert_eq!(facts("HEAD~1"), facts("3"), "the latest of its runs");
    assert_eq!(facts(&first[..10]), facts("3"));
    let said = shown(&workspace, &["show", "HEAD~1"]);
    let line = said.lines().nth(2).expect("a third line");
    assert!(line.starts_with(&format!("at {} (dirty) by rustc 1.", &first[..12])), "{said}");
    let log = workspace.zen(&["explain", "train", "--run", "HEAD~1", "--set", "n=2"]);
    assert!(log.stdout.contains("run 3"), "{}", log.stdout);
}

#[test]
fn what_was_asked_is_as_it_was_typed() {
    let workspace = pipeline();
    workspace.write("with.toml", "params.n = 2\n");
    workspace.ok(&["--set", "n=2", "--no-cache=load", "--", "x y"]);
    workspace.ok(&["--config", "with.toml"]);
    let asked = |run: &str| message(&workspace, &["show", run])["request"].clone();
    assert_eq!(asked("1"), "p --set n=2 --no-cache=load -- 'x y'");
    assert_eq!(asked("2"), "p --config with.toml");
    workspace.ok(&["-s", "train"]);
    assert_eq!(asked("3"), "-s train");
}

#[test]
fn a_secret_that_was_typed_is_in_no_history() {
    let mut workspace = pipeline();
    workspace.edit("Cargo.toml", "params = [\"n\"]", "params = [\"n\"]\nsecret-env = [\"TOKEN\"]");
    workspace.env.insert("TOKEN".to_owned(), "hunter2".to_owned());
    workspace.ok(&["--", "--token=hunter2"]);
    assert_eq!(message(&workspace, &["show"])["request"], "p -- '--token=***'");
    for file in workspace.files_below("target/zen") {
        let bytes = std::fs::read(&file).expect("it can be read");
        assert!(!String::from_utf8_lossy(&bytes).contains("hunter2"), "{}", file.display());
    }
}

#[test]
fn f47_a_metric_and_a_failure_are_told_in_one_line_and_steer_nothing() {
    let workspace = Workspace::with_step(
        "run = \"\"\"printf '{\\\"a\\\\\\\\u001b[2J\\\\\\\\n::error::x\\\": %s}' \"$(cat in.txt)\" > {{ outputs.m }}\"\"\"\nfiles = ['in.txt']\noutputs.m = { path = 'm.json', metric = true }\n",
    );
    workspace.write("in.txt", "1");
    workspace.ok(&[]);
    workspace.write("in.txt", "2");
    let run = workspace.zen(&["run", "--color", "never"]);
    assert!(run.stderr.contains("Metric m.a\u{fffd}[2J\u{fffd}::error::x: 1 → 2 (+1)\n"), "{}", run.stderr);
    let shown = workspace.zen(&["runs", "show"]).stdout;
    assert!(shown.contains("m.a\u{fffd}[2J\u{fffd}::error::x: 2\n") && !shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn what_came_out_in_another_way_from_the_same_is_a_difference() {
    let workspace = pipeline();
    workspace.ok(&["--set", "n=8"]);
    workspace.run(&["--set", "n=9"]);
    workspace.edit("Cargo.toml", "test {{ params.n }} -lt 9", "test -e $(echo fi)ne");
    workspace.run(&[]);
    workspace.write("fine", "");
    workspace.ok(&[]);
    let said = shown(&workspace, &["diff"]);
    assert!(said.contains("p/train\n    failed → ran, from the same\n"), "{said}");
    let page = workspace.zen(&["report", "-o", "-"]).stdout;
    assert!(page.contains("<div>failed → ran, from the same</div>"), "the page says the same: {page}");
    let failed = shown(&workspace, &["show", "2"]);
    assert!(
        failed.contains("Failed p/train after ") && failed.contains(": exit status: 1 (param `n`: 8 → 9)"),
        "{failed}"
    );
}

#[test]
fn a_run_says_what_its_change_did_to_the_metrics() {
    let workspace = pipeline();
    let metrics = |args: &[&str]| {
        let outcome = workspace.zen(&[&["run", "--color", "never"], args].concat());
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let lines = outcome.stderr.lines().filter_map(|line| line.trim_start().strip_prefix("Metric "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(metrics(&[]).is_empty(), "there is nothing to compare with yet");
    assert_eq!(metrics(&["--set", "n=2"])[0], "scores.accuracy: 0.1 → 0.2 (+0.1)");
    assert_eq!(metrics(&["--set", "n=2", "--force"])[0], "scores.accuracy: 0.2 (as before)");
    assert!(metrics(&["--set", "n=1"]).is_empty(), "what is put back was told when it was made");
    let finished = workspace.ok(&["--set", "n=3"]);
    assert_eq!(
        finished.finished("train")["metrics"][0],
        serde_json::json!({ "name": "scores.accuracy", "value": 0.3, "old": 0.2 })
    );
}

#[test]
fn an_unknown_run_says_how_runs_are_named() {
    let workspace = pipeline();
    workspace.ok(&[]);
    for args in [&["show", "7"][..], &["show", "last~1"], &["diff", "first"], &["diff"]] {
        let outcome = workspace.zen(&[&["runs"], args].concat());
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(4), ""), "{args:?}");
        assert!(outcome.stderr.contains("error: there is no run `"), "{args:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("`last~2` for two before that"), "{args:?}: {}", outcome.stderr);
    }
}
