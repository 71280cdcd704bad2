//! `--message-format json`: what programs read, field by field.

use serde_json::{Value, json};

use crate::harness::{Outcome, Workspace};

/// `load` feeds `fit`; `fit` reads a parameter and prints to both streams.
fn training() -> Workspace {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.training]
params.gamma = 0.002

[workspace.metadata.zen.pipelines.training.steps.load]
run = "sort data.csv > {{ outputs.sorted }}"
files = ["data.csv"]
outputs.sorted = "sorted.csv"

[workspace.metadata.zen.pipelines.training.steps.fit]
run = "cat {{ inputs.sorted }} > {{ outputs.model }}; echo {{ params.gamma }} >> {{ outputs.model }}; echo to-out; echo to-err >&2"
inputs = ["load.sorted"]
params = ["gamma"]
outputs.model = "model.json"
"#,
    );
    workspace.write("data.csv", "b\na\n");
    workspace
}

/// Every line of standard output is a message: an object whose first key is `reason`.
fn only_messages(outcome: &Outcome) {
    assert_eq!(outcome.messages.len(), outcome.stdout.lines().count(), "nothing but JSON:\n{}", outcome.stdout);
    assert!(outcome.stdout.ends_with('\n'), "the last line is a whole one");
    for line in outcome.stdout.lines() {
        assert!(line.starts_with("{\"reason\":\""), "`reason` comes first: {line}");
    }
    assert_eq!(outcome.messages[0]["reason"], "zen-format", "the format comes first");
    assert!(outcome.messages[0]["version"].is_u64(), "{}", outcome.messages[0]);
}

fn reasons(outcome: &Outcome) -> Vec<&str> {
    let mut reasons: Vec<&str> = outcome.messages.iter().filter_map(|message| message["reason"].as_str()).collect();
    reasons.dedup();
    reasons
}

/// The message's fields, without `reason`.
fn fields(message: &Value) -> Vec<&str> {
    message.as_object().expect("a message is an object").keys().map(String::as_str).filter(|k| *k != "reason").collect()
}

/// `step: decision (texts)` for each step of the plan, in its order.
fn plan(outcome: &Outcome) -> Vec<String> {
    let plans: Vec<&Value> = outcome.of_reason("plan").collect();
    assert_eq!(plans.len(), 1, "one plan:\n{}", outcome.stdout);
    let steps = plans[0]["steps"].as_array().expect("`steps` is a list");
    steps
        .iter()
        .map(|step| {
            assert_eq!(fields(step), ["step", "decision", "why"], "{step}");
            let why = step["why"].as_array().expect("`why` is a list");
            let texts: Vec<&str> = why.iter().map(|why| why["text"].as_str().expect("a text")).collect();
            let (id, decision) = (step["step"].as_str().expect("an id"), step["decision"].as_str().expect("a word"));
            if texts.is_empty() {
                format!("{id}: {decision}")
            } else {
                format!("{id}: {decision} ({})", texts.join("; "))
            }
        })
        .collect()
}

/// The only reason of a step that ended, without its text.
fn why(outcome: &Outcome, step: &str) -> Value {
    let why = outcome.finished(step)["why"].as_array().expect("`why` is a list").clone();
    assert_eq!(why.len(), 1, "one reason: {why:?}");
    assert_eq!(fields(&why[0])[..6], ["kind", "component", "item", "old", "new", "text"], "{}", why[0]);
    let mut why = why[0].clone();
    why.as_object_mut().expect("a reason is an object").remove("text");
    why.as_object_mut().expect("a reason is an object").remove("path");
    why
}

#[test]
fn a_run_is_told_from_the_plan_to_its_end() {
    let workspace = training();
    let first = workspace.ok(&[]);
    only_messages(&first);
    assert_eq!(
        reasons(&first),
        [
            "zen-format",
            "plan",
            "step-started",
            "step-finished",
            "step-started",
            "step-output",
            "step-finished",
            "run-finished"
        ]
    );
    assert_eq!(
        plan(&first),
        ["training/load: run (never run)", "training/fit: maybe (if training/load writes other bytes)"],
        "in the order of the run; what follows a step that would run may be cut off"
    );

    let started = first.of_reason("step-started").next().expect("a step started");
    assert_eq!(started["step"], "training/load");

    let load = first.finished("training/load");
    assert_eq!(
        fields(load)[..7],
        ["step", "outcome", "key", "why", "duration_ms", "exit_code", "outputs"],
        "the fields of section 8"
    );
    assert_eq!((&load["outcome"], &load["exit_code"]), (&json!("ran"), &json!(0)));
    assert!(load["key"].as_str().is_some_and(|key| key.len() >= 32), "{load}");
    assert!(load["duration_ms"].is_u64(), "{load}");
    assert_eq!(load["outputs"][0]["name"], "sorted");
    assert_eq!(load["outputs"][0]["path"], "sorted.csv");

    let end = first.messages.last().expect("there are messages");
    assert_eq!(
        fields(end),
        ["run", "success", "ran", "fresh", "restored", "failed", "skipped", "duration_ms", "saved_ms"]
    );
    let mut figures = end.clone();
    let figures = figures.as_object_mut().expect("an object");
    assert!(figures.remove("duration_ms").is_some_and(|time| time.is_u64()));
    assert_eq!(
        Value::Object(figures.clone()),
        json!({ "reason": "run-finished", "run": 1, "success": true, "ran": 2, "fresh": 0, "restored": 0, "failed": 0,
            "skipped": 0, "saved_ms": 0 })
    );
}

#[test]
fn what_steps_print_is_in_messages_and_nowhere_else() {
    let workspace = training();
    let outcome = workspace.ok(&[]);
    let printed = outcome.printed("fit");
    for line in ["to-out\n", "to-err\n"] {
        assert!(printed.contains(line), "both streams are captured: {printed:?}");
    }
    let message = outcome.of_reason("step-output").next().expect("it printed");
    assert_eq!(message["step"], "training/fit");
}

#[test]
fn cached_steps_say_so() {
    let workspace = training();
    let key = workspace.ok(&[]).finished("load")["key"].clone();
    let second = workspace.ok(&[]);
    only_messages(&second);
    assert_eq!(plan(&second), ["training/load: fresh", "training/fit: fresh"]);
    assert_eq!(second.outcomes(), "fit=fresh load=fresh");
    let load = second.finished("load");
    assert_eq!(load["key"], key, "the same work has the same key");
    assert_eq!((&load["why"], &load["exit_code"]), (&json!([]), &Value::Null), "nothing ran, so there is no reason");
    assert_eq!(load["outputs"][0]["name"], "sorted");
    let end = second.messages.last().expect("there are messages");
    assert_eq!((&end["run"], &end["fresh"], &end["ran"]), (&json!(2), &json!(2), &json!(0)));

    std::fs::remove_file(workspace.path("model.json")).expect("it is there");
    let third = workspace.ok(&[]);
    assert_eq!(plan(&third), ["training/load: fresh", "training/fit: restore"]);
    assert_eq!(third.outcomes(), "fit=restored load=fresh");
    assert_eq!(third.messages.last().expect("there are messages")["restored"], 1);
}

#[test]
fn each_kind_of_reason() {
    let workspace = training();
    let first = workspace.ok(&[]);
    let reason = |kind: &str, component: Value, item: Value, old: Value, new: Value| json!({ "kind": kind, "component": component, "item": item, "old": old, "new": new });
    let nothing = || Value::Null;
    assert_eq!(why(&first, "load"), reason("never-run", nothing(), nothing(), nothing(), nothing()));

    let forced = workspace.ok(&["--no-cache=load"]);
    assert_eq!(forced.outcomes(), "fit=fresh load=ran");
    assert_eq!(why(&forced, "load"), reason("forced", nothing(), nothing(), nothing(), nothing()));

    let set = workspace.ok(&["--set", "gamma=0.0001"]);
    assert_eq!(why(&set, "fit"), reason("changed", json!("params"), json!("gamma"), json!("0.002"), json!("0.0001")));
    assert_eq!(set.why("fit"), "param `gamma`: 0.002 → 0.0001", "as section 8 has it");

    workspace.write("data.csv", "d\nc\n");
    let data = workspace.ok(&[]);
    let file = why(&data, "load");
    assert_eq!(
        (&file["kind"], &file["component"], &file["item"]),
        (&json!("changed"), &json!("files"), &json!("data.csv"))
    );
    let input = why(&data, "fit");
    assert_eq!(
        (&input["kind"], &input["component"], &input["item"]),
        (&json!("changed"), &json!("inputs"), &json!("sorted"))
    );

    workspace.edit("Cargo.toml", "sort data.csv", "sort -r data.csv");
    let code = why(&workspace.ok(&[]), "load");
    assert_eq!((&code["kind"], &code["component"]), (&json!("changed"), &json!("code")));

    workspace.edit("Cargo.toml", "files = [\"data.csv\"]", "files = [\"data.csv\"]\nenv.LEVEL = \"1\"");
    let env = why(&workspace.ok(&[]), "load");
    assert_eq!((&env["kind"], &env["component"], &env["item"]), (&json!("changed"), &json!("env"), &json!("LEVEL")));

    workspace.edit("Cargo.toml", "env.LEVEL = \"1\"", "env.LEVEL = \"1\"\nenable-cache = false");
    let disabled = why(&workspace.ok(&[]), "load");
    assert_eq!(disabled["kind"], "cache-disabled");

    workspace.edit("Cargo.toml", "enable-cache = false", "cache-policy.expires-after = 0");
    let expired = workspace.ok(&[]);
    assert_eq!(why(&expired, "load")["kind"], "expired");
}

#[test]
fn a_lost_artifact_is_a_reason() {
    let workspace = training();
    workspace.ok(&[]);
    std::fs::remove_file(workspace.path("sorted.csv")).expect("it is there");
    std::fs::remove_dir_all(workspace.path("target/zen/v1/objects")).expect("the store has objects");
    let outcome = workspace.ok(&[]);
    let load = why(&outcome, "load");
    assert_eq!(load["kind"], "artifact-missing");
    assert_eq!(load["item"], "sorted");
}

#[test]
fn status_is_a_plan() {
    let workspace = training();
    let status = workspace.zen(&["status", "--message-format", "json"]);
    only_messages(&status);
    assert_eq!(reasons(&status), ["zen-format", "plan"]);
    workspace.ok(&[]);
    workspace.write("data.csv", "z\n");
    let status = workspace.zen(&["status", "--message-format", "json"]);
    assert_eq!(
        plan(&status),
        ["training/load: run (file data.csv changed)", "training/fit: maybe (if training/load writes other bytes)"]
    );
    let fit = &status.of_reason("plan").next().expect("a plan")["steps"][1]["why"][0];
    assert_eq!((&fit["kind"], &fit["item"]), (&json!("upstream"), &json!("training/load")));
    let dry = workspace.zen(&["run", "--dry-run", "--message-format", "json"]);
    assert_eq!(dry.stdout, status.stdout, "`--dry-run` says the same");
}

#[test]
fn a_run_that_has_no_number_is_not_called_0() {
    let workspace = training();
    workspace.write("target/zen/runs", "a file where history would be written\n");
    let outcome = workspace.ok(&[]);
    assert_eq!(outcome.messages.last().expect("there are messages")["run"], Value::Null);
    let reused = workspace.ok(&[]).finished("load")["reused_run"].clone();
    let explained = workspace.zen(&["explain", "load", "--message-format", "json"]).messages[1]["reused_run"].clone();
    let artifacts = workspace.zen(&["artifacts", "--message-format", "json"]);
    assert_eq!(
        (reused, explained, &artifacts.messages[1]["artifacts"][0]["run"]),
        (Value::Null, Value::Null, &Value::Null)
    );
}

#[test]
fn a_failure_is_told_with_its_exit_code() {
    let workspace = training();
    workspace.edit("Cargo.toml", "run = \"sort data.csv", "run = \"echo broken; exit 7; sort data.csv");
    let outcome = workspace.run(&[]);
    assert_eq!(outcome.code, Some(100), "{}", outcome.stderr);
    only_messages(&outcome);
    assert_eq!(outcome.outcomes(), "fit=skipped load=failed");
    assert_eq!(outcome.finished("load")["exit_code"], 7);
    let end = outcome.messages.last().expect("there are messages");
    assert_eq!(
        (&end["reason"], &end["success"], &end["failed"], &end["skipped"]),
        (&json!("run-finished"), &json!(false), &json!(1), &json!(1))
    );
}

#[test]
fn warnings_do_not_get_between_the_messages() {
    let workspace =
        Workspace::new("[workspace.metadata.zen.pipelines.p.steps.s]\nrun = \"true\"\nfiles = [\"nothing/*.csv\"]\n");
    let outcome = workspace.ok(&[]);
    only_messages(&outcome);
    assert!(outcome.stderr.contains("warning"), "the glob matches nothing: {}", outcome.stderr);
}

#[test]
fn steps_of_packages_have_the_package_in_their_id() {
    let workspace = Workspace::bare();
    workspace.write("Cargo.toml", "[workspace]\nmembers = [\"api\"]\nresolver = \"3\"\n");
    workspace.write(
        "api/Cargo.toml",
        "[package]\nname = \"api\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
         [package.metadata.zen.pipelines.gen.steps.code]\nrun = \"echo x\"\nfiles = [\"Cargo.toml\"]\n",
    );
    workspace.write("api/src/lib.rs", "");
    let outcome = workspace.ok(&[]);
    for reason in ["step-started", "step-output", "step-finished"] {
        let message = outcome.of_reason(reason).next().unwrap_or_else(|| panic!("a {reason} message"));
        assert_eq!(message["step"], "api:gen/code");
    }
    assert_eq!(plan(&outcome), ["api:gen/code: run (never run)"]);
}

#[test]
fn output_that_cannot_be_written_ends_with_110() {
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let workspace = training();
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device that is always full");
    for args in [&["run", "--message-format", "json"][..], &["status"], &["list"], &["logs", "fit"]] {
        let done = workspace.command(args).stdout(full()).output().expect("cargo-zen starts");
        let stderr = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(110), "{args:?}: {stderr}");
        assert!(stderr.contains("standard output"), "{args:?}: {stderr}");
    }
}
