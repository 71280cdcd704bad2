//! Steps of one definition share a record, whatever they are called and whichever pipeline they stand in.

use std::process::Stdio;

use crate::harness::{Outcome, Workspace};

/// Pipelines `a` and `b`, each with a step of the same definition whose place is zen's; it counts its runs in `calls`.
fn workspace() -> Workspace {
    let step = |pipeline: &str, name: &str| {
        format!(
            "[workspace.metadata.zen.pipelines.{pipeline}.steps.{name}]\nrun = \"sh count.sh; sort in.txt > {{{{ outputs.o }}}}\"\nfiles = \"in.txt\"\noutputs = [\"o.txt\"]\n"
        )
    };
    let workspace = Workspace::new(&format!("{}{}", step("a", "one"), step("b", "two")));
    workspace.write("in.txt", "b\na\n");
    // Words of the command itself that name these files would make them inputs.
    workspace.write("count.sh", "echo ran >> calls\nif [ -p gate ]; then cat gate; fi\n");
    workspace
}

fn calls(workspace: &Workspace) -> usize {
    if workspace.exists("calls") { workspace.read("calls").lines().count() } else { 0 }
}

#[test]
fn in_two_pipelines_one_after_the_other() {
    let workspace = workspace();
    assert_eq!(workspace.ok(&["a"]).outcomes(), "one=ran");
    let second = workspace.ok(&["b"]);
    assert_eq!((second.outcomes().as_str(), calls(&workspace)), ("two=restored", 1));
    assert_eq!(second.finished("two")["reused_run"], 1, "it says which run made it");
    assert_eq!(workspace.read("target/zen/out/b/two/o.txt"), "a\nb\n");
    workspace.edit("Cargo.toml", "b.steps.two", "b.steps.three");
    assert_eq!(workspace.ok(&["b"]).outcomes(), "three=restored", "a name is no part of a key");
}

#[test]
fn in_one_run_equal_keys_run_once() {
    let workspace = workspace();
    let both = workspace.ok(&["a", "b", "-j2"]);
    assert_eq!(calls(&workspace), 1);
    assert_eq!(both.finished("one")["key"], both.finished("two")["key"]);
    let outcomes = both.outcomes();
    assert!(["one=ran two=restored", "one=restored two=ran"].contains(&outcomes.as_str()), "{outcomes}");
}

#[test]
fn in_two_processes_at_once_the_second_waits_and_restores() {
    let workspace = workspace();
    // The first holds its key until the second has said that it waits for it.
    let made = workspace.program("mkfifo", &["gate"]).status().expect("mkfifo starts");
    assert!(made.success());
    let start = |pipeline: &str| {
        let mut command = workspace.command(&["run", pipeline, "--message-format", "json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("cargo-zen starts")
    };
    let first = start("a");
    // Opening the gate to write succeeds when the step has opened it to read: then the key is held.
    let gate = std::fs::OpenOptions::new().write(true).open(workspace.path("gate")).expect("the step opens it");
    let mut second = start("b");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(second.stdout.take().expect("it is piped")));
    let waits = lines.by_ref().find(|line| line.as_ref().is_ok_and(|line| line.contains("\"blocking\"")));
    assert!(waits.is_some(), "the second says that it waits");
    drop(gate);
    let first = Outcome::of(first.wait_with_output().expect("it ends"));
    assert_eq!(first.outcomes(), "one=ran", "{}", first.stderr);
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert!(rest.iter().any(|line| line.contains("\"restored\"")), "{rest:?}");
    assert!(second.wait().expect("it ends").success());
    assert_eq!(calls(&workspace), 1, "the work was done once");
}

#[test]
fn other_values_of_a_policy_do_not_part_them_and_other_inputs_do() {
    let workspace = workspace();
    workspace.ok(&["a"]);
    workspace.edit("Cargo.toml", "[workspace.metadata.zen.pipelines.b.steps.two]", "[workspace.metadata.zen.pipelines.b.steps.two]\ndescription = \"x\"\ncache-policy.expires-after = \"1h\"\ntimeout = \"1h\"");
    assert_eq!(workspace.ok(&["b"]).outcomes(), "two=restored");
    workspace.edit("Cargo.toml", "description = \"x\"", "env.X = \"1\"");
    assert_eq!(workspace.ok(&["b"]).outcomes(), "two=ran");
}
