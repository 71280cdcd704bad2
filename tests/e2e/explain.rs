//! `explain`: every part of a key with its digest, the difference to an earlier record, as text and as JSON.

use serde_json::Value;

use crate::harness::{Outcome, Workspace};

fn workspace() -> Workspace {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p]
params.n = 1
[workspace.metadata.zen.pipelines.p.steps.make]
run = "sort in.txt > {{ outputs.o }}"
files = "in.txt"
outputs.o = "o.txt"
[workspace.metadata.zen.pipelines.p.steps.use]
run = "cat {{ inputs.o }} > {{ outputs.u }}; echo {{ params.n }} >> {{ outputs.u }}"
inputs = ["make.o"]
params = ["n"]
track-env = ["TOKEN"]
env.SET = "shown"
outputs.u = "u.txt"
"#,
    );
    workspace.write("in.txt", "b\na\n");
    workspace
}

fn explain(workspace: &Workspace, args: &[&str]) -> Value {
    let outcome = workspace.zen(&[&["explain", "--message-format", "json"], args].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let message = outcome.of_reason("explain").next().expect("it answers").clone();
    assert_eq!(outcome.messages[0]["reason"], "zen-format", "the format comes first");
    message
}

fn texts(message: &Value) -> Vec<&str> {
    let differences = message["differences"].as_array().expect("an array");
    differences.iter().map(|difference| difference["text"].as_str().expect("a text")).collect()
}

#[test]
fn every_component_stands_there_with_its_items() {
    let workspace = workspace();
    let run = workspace.ok(&[]);
    let message = explain(&workspace, &["use"]);
    assert_eq!(message["key"], run.finished("use")["key"], "it is the key of the run");
    assert_eq!((&message["decision"], &message["reused_run"]), (&"fresh".into(), &1.into()));
    let names = |of: &Value, key: &str| -> Vec<String> {
        let all = of.as_array().expect("an array");
        all.iter().map(|one| one[key].as_str().expect("a name").to_owned()).collect()
    };
    let components = &message["components"];
    assert_eq!(names(components, "component"), ["code", "params", "inputs", "env", "outputs", "platform"]);
    let items: Vec<String> =
        components.as_array().into_iter().flatten().flat_map(|one| names(&one["items"], "item")).collect();
    assert_eq!(items, ["command", "cwd", "n", "o", "SET", "TOKEN", "u", "target"]);
    let digests = components.as_array().into_iter().flatten().map(|one| one["digest"].as_str().map(str::len));
    assert!(digests.into_iter().all(|length| length == Some(64)), "{components}");
    assert_eq!(message["compared_with"], Value::Null, "there is no other record");
}

#[test]
fn the_difference_to_the_nearest_earlier_record_is_what_run_and_status_say() {
    let workspace = workspace();
    workspace.ok(&[]);
    workspace.ok(&["--set", "n=2"]);
    let message = explain(&workspace, &["use", "--set", "n=3"]);
    assert_eq!(texts(&message), ["param `n`: 2 → 3"], "of two that are as near, the later one");
    assert_eq!((&message["differences"][0]["old"], &message["differences"][0]["new"]), (&"2".into(), &"3".into()));
    assert_eq!(message["why"], message["differences"]);
    let status = workspace.zen(&["status", "--set", "n=3"]);
    assert!(status.stdout.contains("Stale use (param `n`: 2 → 3)"), "{}", status.stdout);
    assert_eq!(workspace.ok(&["--set", "n=3"]).why("use"), "param `n`: 2 → 3");
    let named = explain(&workspace, &["use", "--set", "n=3", "--run", "1"]);
    assert_eq!((texts(&named), &named["compared_with"]["run"]), (vec!["param `n`: 1 → 3"], &1.into()));
    let last = explain(&workspace, &["use", "--set", "n=3", "--run", "last"]);
    assert_eq!((texts(&last), &last["decision"]), (Vec::new(), &"fresh".into()), "nothing changed since");
}

#[test]
fn the_text_names_the_maker_of_an_input_and_no_secret() {
    let mut workspace = workspace();
    workspace.env.insert("TOKEN".into(), "hunter2".into());
    workspace.ok(&[]);
    workspace.env.insert("TOKEN".into(), "hunter3".into());
    workspace.write("in.txt", "c\n");
    workspace.ok(&["-s", "make"]);
    let outcome = workspace.zen(&["explain", "use", "-v"]);
    let text = &outcome.stdout;
    for part in [
        "Stale p/use (input `o` changed, env `TOKEN` changed)",
        "caching: on, by default",
        "o (of `p/make`)",
        "shown",
        "different from run 1",
    ] {
        assert!(text.contains(part), "`{part}` must be there:\n{text}");
    }
    assert!(!text.contains("hunter") && !outcome.stderr.contains("hunter"), "{text}");
}

#[test]
fn a_key_that_is_not_known_yet_says_what_it_waits_for() {
    let workspace = workspace();
    let message = explain(&workspace, &["use"]);
    assert_eq!((&message["decision"], &message["key"]), (&"maybe".into(), &Value::Null));
    assert!(message["uncacheable"].as_str().is_some_and(|why| why.contains("p/make")), "{message}");
    let text = workspace.zen(&["explain", "make"]).stdout;
    assert!(text.contains("Stale p/make (never run)") && text.contains("no earlier record"), "{text}");
    assert!(!workspace.exists("o.txt"), "nothing is run");
}

#[test]
fn many_items_are_cut_short_unless_all_are_asked_for() {
    let workspace = Workspace::with_step("run = \"true\"\nfiles = \"in\"");
    (0..40).for_each(|at| workspace.write(&format!("in/{at:02}"), "1"));
    workspace.ok(&[]);
    (0..40).for_each(|at| workspace.write(&format!("in/{at:02}"), "2"));
    let short = workspace.zen(&["explain", "s"]).stdout;
    assert_eq!(short.matches("… and 30 more").count(), 2, "{short}");
    let whole = workspace.zen(&["explain", "s", "-v"]).stdout;
    assert!(!whole.contains("more (") && whole.contains("file in/39 changed"), "{whole}");
}

#[test]
fn what_cannot_be_explained_is_said() {
    let workspace = workspace();
    workspace.ok(&[]);
    let code = |args: &[&str]| -> (Option<i32>, String) {
        let Outcome { code, stderr, .. } = workspace.zen(args);
        (code, stderr)
    };
    let (unknown, text) = code(&["explain", "uze"]);
    assert!(unknown == Some(4) && text.contains("did you mean `use`?"), "{text}");
    let (no_run, text) = code(&["explain", "use", "--run", "7"]);
    assert!(no_run == Some(4) && text.contains("there is no run `7`") && text.contains("help:"), "{text}");
    workspace.ok(&["-s", "make"]);
    let (not_in_run, text) = code(&["explain", "use", "--run", "2"]);
    assert!(not_in_run == Some(2) && text.contains("that run had no such step"), "{text}");
    assert_eq!(code(&["explain"]).0, Some(2));
}
