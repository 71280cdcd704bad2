//! Which steps a command line selects, and what is said when it selects none.

use insta::assert_snapshot;

use crate::harness::{Outcome, Workspace};

/// A workspace with tables in its root and in two packages. `train` is defined in both packages.
fn workspace() -> Workspace {
    let workspace = Workspace::bare();
    workspace.write(
        "Cargo.toml",
        r#"[workspace]
members = ["crates/*"]
resolver = "3"

[workspace.metadata.zen.pipelines.prepare.steps.load]
run = "touch loaded"
files = ["Cargo.toml"]
outputs.loaded = "loaded"

[workspace.metadata.zen.pipelines.prepare.steps.clean]
run = "cp {{ inputs.loaded }} {{ outputs.cleaned }}"
inputs = ["load.loaded"]
outputs.cleaned = "cleaned"

[workspace.metadata.zen.pipelines.lint.steps.fmt]
run = "true"
files = ["Cargo.toml"]

[workspace.metadata.zen.pipelines.lint.steps.clippy]
run = "true"
files = ["Cargo.toml"]

[workspace.metadata.zen.pipelines.all]
pipelines = ["prepare", "lint"]
"#,
    );
    for package in ["north", "south"] {
        workspace.write(
            &format!("crates/{package}/Cargo.toml"),
            &format!(
                r#"[package]
name = "{package}"
version = "0.1.0"
edition = "2024"

[package.metadata.zen.pipelines.train.steps.fit]
run = "cat ../../cleaned > {{{{ outputs.model }}}}"
after = ["prepare/clean"]
files = ["Cargo.toml"]
outputs.model = "model"

[package.metadata.zen.pipelines.train.steps.score]
run = "true"
inputs = ["fit.model"]
"#
            ),
        );
        workspace.write(&format!("crates/{package}/src/lib.rs"), "");
    }
    workspace
}

/// The ids of the steps of the plan, sorted.
fn planned(workspace: &Workspace, args: &[&str]) -> String {
    ids(&workspace.zen(&[&["run", "--dry-run", "--message-format", "json"], args].concat()))
}

fn ids(outcome: &Outcome) -> String {
    assert_eq!(outcome.code, Some(0), "the selection must be fine; standard error:\n{}", outcome.stderr);
    let plan = outcome.of_reason("plan").next().expect("there is a plan");
    let steps = plan["steps"].as_array().expect("it lists steps");
    let mut ids: Vec<&str> = steps.iter().filter_map(|step| step["step"].as_str()).collect();
    ids.sort_unstable();
    ids.join(" ")
}

/// What is said where nothing is selected: exit code 4, standard output empty.
fn nothing(workspace: &Workspace, args: &[&str]) -> String {
    let outcome = workspace.zen(&[args, &["--color", "never"]].concat());
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(4), ""), "{args:?}:\n{}", outcome.stderr);
    outcome.stderr
}

#[test]
fn a_pipelines_name_selects_it_wherever_it_is_defined() {
    let workspace = workspace();
    assert_eq!(planned(&workspace, &["lint"]), "lint/clippy lint/fmt");
    assert_eq!(
        planned(&workspace, &["train"]),
        "north:train/fit north:train/score prepare/clean prepare/load south:train/fit south:train/score",
        "both packages define `train`, and it needs `prepare`"
    );
    assert_eq!(planned(&workspace, &["south:train"]), "prepare/clean prepare/load south:train/fit south:train/score");
    assert_eq!(planned(&workspace, &["lint", "prepare"]), "lint/clippy lint/fmt prepare/clean prepare/load");
}

#[test]
fn single_steps_come_with_what_they_need() {
    let workspace = workspace();
    assert_eq!(planned(&workspace, &["prepare/load"]), "prepare/load");
    assert_eq!(planned(&workspace, &["prepare/clean"]), "prepare/clean prepare/load");
    assert_eq!(planned(&workspace, &["north:train/fit"]), "north:train/fit prepare/clean prepare/load");
    assert_eq!(planned(&workspace, &["train/fit"]), "north:train/fit prepare/clean prepare/load south:train/fit");
    assert_eq!(planned(&workspace, &["-s", "fmt"]), "lint/fmt", "`-s` looks in all pipelines");
    assert_eq!(planned(&workspace, &["lint", "-s", "clippy"]), "lint/clippy", "or in the named ones");
    assert_eq!(planned(&workspace, &["-s", "fmt", "-s", "load"]), "lint/fmt prepare/load");
    assert_eq!(planned(&workspace, &["-s", "north:train/fit"]), "north:train/fit prepare/clean prepare/load");
}

#[test]
fn p_leaves_the_steps_of_that_packages_table() {
    let workspace = workspace();
    assert_eq!(
        planned(&workspace, &["-p", "north", "train"]),
        "north:train/fit north:train/score prepare/clean prepare/load"
    );
    assert_eq!(
        planned(&workspace, &["-p", "north"]),
        "north:train/fit north:train/score prepare/clean prepare/load",
        "the only pipeline of that package"
    );
    assert_eq!(planned(&workspace, &["-p", "south", "-s", "fit"]), "prepare/clean prepare/load south:train/fit");
}

#[test]
fn a_group_selects_its_members() {
    assert_eq!(planned(&workspace(), &["all"]), "lint/clippy lint/fmt prepare/clean prepare/load");
}

#[test]
fn every_id_that_list_prints_can_be_run() {
    let workspace = workspace();
    let listed = workspace.zen(&["list", "--message-format", "json"]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    let pipelines = listed.of_reason("list").next().expect("there is a list")["pipelines"].as_array().cloned();
    let mut seen = 0;
    for pipeline in pipelines.expect("it lists pipelines") {
        planned(&workspace, &[pipeline["pipeline"].as_str().expect("its id")]);
        for step in pipeline["steps"].as_array().expect("its steps") {
            let id = step["step"].as_str().expect("its id");
            assert!(planned(&workspace, &[id]).split(' ').any(|planned| planned == id), "{id} selects itself");
            assert!(planned(&workspace, &["-s", id]).split(' ').any(|planned| planned == id), "`-s {id}` too");
            seen += 1;
        }
    }
    assert_eq!(seen, 8, "all steps were tried");
}

#[test]
fn without_a_name_the_only_pipeline_runs() {
    let workspace =
        Workspace::new("[workspace.metadata.zen.pipelines.p.steps.s]\nrun = \"true\"\nfiles = \"Cargo.toml\"");
    assert_eq!(planned(&workspace, &[]), "p/s");
}

#[test]
fn without_a_name_the_default_pipeline_runs() {
    let workspace = workspace();
    workspace.edit("Cargo.toml", "resolver = \"3\"\n", "resolver = \"3\"\nmetadata.zen.default-pipeline = \"lint\"\n");
    assert_eq!(planned(&workspace, &[]), "lint/clippy lint/fmt");
}

#[test]
fn without_a_name_and_a_default_the_list_is_shown() {
    assert_snapshot!(nothing(&workspace(), &["run"]), @r#"
    error: which pipeline? there is no `default-pipeline`
     |
     = note: pipelines: all, lint, prepare, north:train, south:train
     = help: name one, or set `default-pipeline` in `[workspace.metadata.zen]`
    "#);
}

#[test]
fn names_that_are_not_there() {
    let workspace = workspace();
    assert_snapshot!(nothing(&workspace, &["run", "prepar"]), @r#"
    error: no pipeline `prepar`
     |
     = note: pipelines: all, lint, prepare, north:train, south:train
     = help: did you mean `prepare`?
    "#);
    assert_snapshot!(nothing(&workspace, &["run", "lint/clipy"]), @r#"
    error: no step `lint/clipy`
     |
     = note: steps: lint/clippy, lint/fmt
     = help: did you mean `lint/clippy`?
    "#);
    assert_snapshot!(nothing(&workspace, &["run", "-s", "laod"]), @r#"
    error: no step `laod`
     |
     = note: steps: lint/clippy, lint/fmt, prepare/clean, prepare/load, north:train/fit, north:train/score, south:train/fit, south:train/score
     = help: did you mean `load`?
    "#);
    assert_snapshot!(nothing(&workspace, &["run", "-s", "fit"]), @r#"
    error: several steps are called `fit`
     |
     = note: steps: north:train/fit, south:train/fit
     = help: give the whole id
    "#);
    assert_snapshot!(nothing(&workspace, &["run", "-p", "nroth"]), @r#"
    error: the table of package `nroth` defines no pipeline
     |
     = note: packages that define some: north, south
     = help: did you mean `north`?
    "#);
    assert_snapshot!(nothing(&workspace, &["run", "east:train"]), @r#"
    error: no pipeline `east:train`
     |
     = note: pipelines: all, lint, prepare, north:train, south:train
    "#);
    assert_snapshot!(nothing(&workspace, &["status", "prepar"]), @r#"
    error: no pipeline `prepar`
     |
     = note: pipelines: all, lint, prepare, north:train, south:train
     = help: did you mean `prepare`?
    "#);
    assert_snapshot!(nothing(&workspace, &["list", "prepar"]), @r#"
    error: no pipeline `prepar`
     |
     = note: pipelines: all, lint, prepare, north:train, south:train
     = help: did you mean `prepare`?
    "#);
    assert_snapshot!(nothing(&workspace, &["logs", "laod"]), @r#"
    error: no step `laod`
     |
     = note: steps: lint/clippy, lint/fmt, prepare/clean, prepare/load, north:train/fit, north:train/score, south:train/fit, south:train/score
     = help: did you mean `load`?
    "#);
}

#[test]
fn no_pipelines_at_all() {
    assert_snapshot!(nothing(&Workspace::new(""), &["run"]), @r#"
    error: no pipeline is defined
     |
     = help: define one in `[workspace.metadata.zen.pipelines.NAME]`
    "#);
    assert_snapshot!(nothing(&Workspace::new(""), &["list"]), @r#"
    error: no pipeline is defined
     |
     = help: define one in `[workspace.metadata.zen.pipelines.NAME]`
    "#);
}

#[test]
fn a_pipeline_in_the_place_of_a_command() {
    let workspace = workspace();
    for (args, right) in [(vec!["lint"], "lint"), (vec!["zen", "north:train"], "north:train")] {
        let outcome = workspace.zen(&args);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(&format!("help: cargo zen run {right}\n")), "{}", outcome.stderr);
    }
    let mut elsewhere = workspace.command(&["--manifest-path"]);
    elsewhere.arg(workspace.path("Cargo.toml")).arg("lint").current_dir(workspace.beside(""));
    let outcome = Outcome::of(elsewhere.output().expect("cargo-zen starts"));
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("help: cargo zen run lint\n"), "{}", outcome.stderr);
}

#[test]
fn usage_errors_end_with_2() {
    let workspace = workspace();
    let wrong: &[&[&str]] = &[
        &[],
        &["lnit"],
        &["run", "--no-such-flag"],
        &["run", "--jobs", "0", "lint"],
        &["run", "--jobs", "many", "lint"],
        &["run", "--output", "loud", "lint"],
        &["run", "--keep-going", "--kill-on-failure", "lint"],
        &["run", "--message-format", "xml", "lint"],
        &["run", "--quiet", "--verbose", "lint"],
        &["run", "lint", "--no-cache=nobody"],
        &["run", "lint", "--cache=nobody"],
        &["status", "--color", "sometimes"],
        &["logs"],
        &["clean", "--older-than", "soon"],
        &["clean", "--max-size", "big"],
        &["clean", "--all", "--step", "fmt"],
    ];
    for args in wrong {
        let outcome = workspace.zen(args);
        assert_eq!(outcome.code, Some(2), "{args:?} is a usage error:\n{}", outcome.stderr);
        assert_eq!(outcome.stdout, "", "{args:?}");
        assert!(!outcome.stderr.is_empty(), "{args:?} is told why");
    }
}

#[test]
fn both_ways_to_call_it_from_any_folder() {
    let workspace = workspace();
    let lint = "lint/clippy lint/fmt";
    let plan = ["run", "--dry-run", "--message-format", "json", "lint"];
    assert_eq!(ids(&workspace.zen(&plan)), lint, "cargo-zen run");
    assert_eq!(ids(&workspace.zen(&[&["zen"], &plan[..]].concat())), lint, "what cargo calls for `cargo zen run`");
    let mut below = workspace.command(&plan);
    below.current_dir(workspace.path("crates/north/src"));
    assert_eq!(ids(&Outcome::of(below.output().expect("cargo-zen starts"))), lint, "from a folder below");
    let mut beside = workspace.command(&plan);
    beside.arg("--manifest-path").arg(workspace.path("Cargo.toml")).current_dir(workspace.beside(""));
    assert_eq!(ids(&Outcome::of(beside.output().expect("cargo-zen starts"))), lint, "by its manifest");
    let mut member = workspace.command(&plan);
    member.arg("--manifest-path").arg("crates/north/Cargo.toml");
    assert_eq!(ids(&Outcome::of(member.output().expect("cargo-zen starts"))), lint, "by a member's manifest");
    let mut early = workspace.command(&["--manifest-path", "crates/north/Cargo.toml"]);
    early.args(plan);
    assert_eq!(ids(&Outcome::of(early.output().expect("cargo-zen starts"))), lint, "global flags come anywhere");
}

#[test]
fn steps_run_in_the_folder_of_their_table_wherever_zen_was_called() {
    let workspace = workspace();
    let mut below = workspace.command(&["run", "north:train"]);
    below.current_dir(workspace.path("crates/north/src"));
    let outcome = Outcome::of(below.output().expect("cargo-zen starts"));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(workspace.exists("loaded") && workspace.exists("crates/north/model"));
}

#[test]
fn no_manifest_ends_with_102() {
    let workspace = Workspace::bare();
    let outcome = workspace.zen(&["run"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(102), ""), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("Cargo.toml"), "it says what is missing: {}", outcome.stderr);
    assert_eq!(outcome.stderr.lines().next().map(|line| line.starts_with("error: ")), Some(true));
    let outcome = workspace.zen(&["run", "--manifest-path", "nowhere/Cargo.toml"]);
    assert_eq!(outcome.code, Some(102), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("nowhere/Cargo.toml"), "{}", outcome.stderr);
    workspace.write("Cargo.toml", "[package]\nname = \"x\"\n[workspace]\nmembers = [\"gone\"]\n");
    let outcome = workspace.zen(&["run"]);
    assert_eq!(outcome.code, Some(102), "{}", outcome.stderr);
}

#[test]
fn a_command_that_is_to_come_is_not_mistaken_for_another() {
    let workspace = Workspace::new("");
    let outcome = workspace.zen(&["audit", "x"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("`cargo zen audit` is not supported yet"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("clean"), "{}", outcome.stderr);
}

#[test]
fn warnings_are_about_the_steps_of_the_run() {
    let workspace = Workspace::new(
        "[workspace.metadata.zen.pipelines.a.steps.x]\nrun = \"echo hi\"\ntrack-env = [\"X\"]\n\
         [workspace.metadata.zen.pipelines.b.steps.y]\nrun = \"cd . && cargo --version\"\ntrack-env = [\"X\"]\n",
    );
    assert!(!workspace.ok(&["a"]).stderr.contains("warning"), "pipeline b is not part of this run");
    assert!(workspace.ok(&["b"]).stderr.contains("warning"), "it is part of this one");
}
