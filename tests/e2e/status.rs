//! `status` and `--dry-run`: the same plan, and nothing that decides anything later.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::harness::Workspace;

/// A chain of three, and one on its own.
fn chain() -> Workspace {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p]
params.n = 1

[workspace.metadata.zen.pipelines.p.steps.a]
run = "sort in.txt > {{ outputs.a }}"
files = ["in.txt"]
outputs.a = "a.txt"

[workspace.metadata.zen.pipelines.p.steps.b]
run = "cp {{ inputs.a }} {{ outputs.b }}"
inputs = ["a.a"]
outputs.b = "b.txt"

[workspace.metadata.zen.pipelines.p.steps.c]
run = "cp {{ inputs.b }} {{ outputs.c }}"
inputs = ["b.b"]
outputs.c = "c.txt"

[workspace.metadata.zen.pipelines.p.steps.d]
run = "echo {{ params.n }} > {{ outputs.d }}"
params = ["n"]
files = ["in.txt"]
outputs.d = "d.txt"
"#,
    );
    workspace.write("in.txt", "b\na\n");
    workspace
}

/// Standard output of a status that must succeed.
fn status(workspace: &Workspace, args: &[&str]) -> String {
    let outcome = workspace.zen(&[&["status"], args].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    outcome.stdout
}

/// Files below `folder` and what they hold, but for the stat cache, which decides nothing by itself.
fn held(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let Ok(listing) = fs::read_dir(&folder) else { continue };
        for entry in listing {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                open.push(path);
            } else if path.file_name().is_some_and(|name| name != "stat-cache") {
                found.insert(path.display().to_string(), fs::read(&path).expect("it can be read"));
            }
        }
    }
    found
}

#[test]
fn the_columns() {
    let workspace = chain();
    assert_eq!(
        status(&workspace, &[]),
        "       Stale a (never run)\n       Maybe b (if p/a writes other bytes)\n       Maybe c (if p/b writes other bytes)\n       \
         Stale d (never run)\n"
    );
    workspace.ok(&[]);
    let fresh = status(&workspace, &[]);
    for (line, step) in fresh.lines().zip(["a", "b", "c", "d"]) {
        assert!(line.starts_with(&format!("       Fresh {step} (run 1, ")), "{line}");
        assert!(line.contains(" ago, saves ") && line.ends_with("s)"), "{line}");
    }
    fs::remove_file(workspace.path("c.txt")).expect("it is there");
    workspace.write("in.txt", "z\n");
    let mixed = status(&workspace, &["--set", "n=2"]);
    assert!(mixed.contains("       Stale a (file in.txt changed)\n"), "{mixed}");
    assert!(mixed.contains("       Maybe b (if p/a writes other bytes)\n"), "{mixed}");
    assert!(mixed.contains("       Stale d (") && mixed.contains("param `n`: 1 → 2"), "{mixed}");
    workspace.write("in.txt", "b\na\n");
    let restorable = status(&workspace, &[]);
    assert!(restorable.contains("  Restorable c (run 1, "), "{restorable}");
}

#[test]
fn the_first_reason_stands_on_the_line_and_verbose_has_all() {
    let workspace = Workspace::new(
        "[workspace.metadata.zen.pipelines.p.steps.s]\nrun = \"true\"\nfiles = [\"*.txt\"]\nparams.n = 1\n",
    );
    let write = |text: &str| ["a.txt", "b.txt", "c.txt"].into_iter().for_each(|path| workspace.write(path, text));
    write("old");
    workspace.ok(&[]);
    write("new");
    let three = "file a.txt changed, file b.txt changed, file c.txt changed";
    assert_eq!(status(&workspace, &[]), "       Stale s (file a.txt changed)\n");
    workspace.edit("Cargo.toml", "params.n = 1", "params.n = 2");
    assert_eq!(status(&workspace, &[]), "       Stale s (param `n`: 1 → 2)\n");
    for flag in ["-v", "-vv"] {
        let all = status(&workspace, &[flag]);
        assert!(all.contains("param `n`: 1 → 2") && all.contains(three), "{all}");
    }
}

#[test]
fn exit_code_5_if_anything_would_run() {
    let workspace = chain();
    let code = |args: &[&str]| workspace.zen(&[&["status", "--exit-code"], args].concat()).code;
    assert_eq!(code(&[]), Some(5), "never run");
    assert_eq!(workspace.zen(&["status"]).code, Some(0), "only with the flag");
    workspace.ok(&[]);
    assert_eq!(code(&[]), Some(0), "all is fresh");
    assert_eq!(code(&["--no-cache"]), Some(5), "a look-up that is left out");
    fs::remove_file(workspace.path("c.txt")).expect("it is there");
    assert_eq!(code(&[]), Some(0), "what can be restored need not run");
    workspace.write("in.txt", "a\nb\n");
    assert_eq!(code(&[]), Some(5));
    assert_eq!(code(&["-s", "c"]), Some(5), "its need would run");
}

#[test]
fn a_maybe_counts_for_the_exit_code() {
    let workspace = chain();
    workspace.edit(
        "Cargo.toml",
        "run = \"sort in.txt > {{ outputs.a }}\"",
        "run = \"sort in.txt > {{ outputs.a }}\"\nenable-cache = false",
    );
    workspace.ok(&[]);
    let status = workspace.zen(&["status", "--exit-code", "-s", "c", "--message-format", "json"]);
    let steps = status.of_reason("plan").next().expect("a plan")["steps"].clone();
    let decisions: Vec<&str> =
        steps.as_array().expect("a list").iter().filter_map(|s| s["decision"].as_str()).collect();
    assert_eq!(decisions, ["run", "maybe", "maybe"]);
    assert_eq!(status.code, Some(5));
}

#[test]
fn a_dry_run_says_the_same() {
    let workspace = chain();
    workspace.ok(&[]);
    workspace.write("in.txt", "y\n");
    fs::remove_file(workspace.path("d.txt")).expect("it is there");
    for args in [&[][..], &["-s", "b"], &["--set", "n=3"], &["--no-cache=b+"]] {
        let dry = workspace.zen(&[&["run", "-n"], args].concat());
        assert_eq!(dry.code, Some(0), "{}", dry.stderr);
        let status = workspace.zen(&[&["status"], args].concat());
        assert_eq!((dry.stdout, dry.stderr), (status.stdout, status.stderr), "{args:?}");
    }
    assert!(!workspace.exists("d.txt"), "a dry run puts nothing back");
}

#[test]
fn f_5_a_status_between_two_runs_changes_nothing() {
    let workspace = chain();
    workspace.ok(&[]);
    workspace.write("in.txt", "z\n");
    workspace.write("b.txt", "edited by hand\n");
    let zen = workspace.path("target/zen");
    let before = held(&zen);
    for args in
        [&["status"][..], &["status", "--no-cache"], &["run", "--dry-run"], &["status", "--set", "n=9"], &["list"]]
    {
        workspace.zen(args);
        let after = held(&zen);
        let changed: Vec<&String> = after.keys().filter(|path| before.get(*path) != after.get(*path)).collect();
        assert!(changed.is_empty(), "{args:?} wrote {changed:?}");
        assert_eq!(before.len(), after.len(), "{args:?} removed something");
    }
    assert_eq!(workspace.read("b.txt"), "edited by hand\n");
    let run = workspace.ok(&[]);
    assert_eq!(run.outcomes(), "a=ran b=ran c=ran d=ran", "as if nobody had looked");
    assert_eq!(run.why("a"), "file in.txt changed");
    assert_eq!(run.messages.last().expect("messages")["run"], 2, "a status is no run");
}

#[test]
fn f_5_a_status_before_the_first_run_makes_no_store() {
    let workspace = chain();
    status(&workspace, &[]);
    assert!(!workspace.exists("target/zen/v1") && !workspace.exists("target/zen/runs"), "nothing was run");
    assert_eq!(workspace.ok(&[]).why("a"), "never run");
}

#[test]
fn f_5_a_status_does_not_hide_a_change() {
    let workspace = chain();
    workspace.ok(&[]);
    workspace.write("in.txt", "q\n");
    status(&workspace, &[]);
    status(&workspace, &[]);
    assert_eq!(workspace.ok(&[]).outcomes(), "a=ran b=ran c=ran d=ran");
}

#[test]
fn the_plan_is_what_the_run_then_does() {
    let workspace = chain();
    workspace.ok(&[]);
    for change in ["x\n", "b\na\n", "x\n"] {
        workspace.write("in.txt", change);
        let planned = workspace.zen(&["status", "--message-format", "json"]);
        let ran = workspace.ok(&[]);
        let plan = |outcome: &crate::harness::Outcome| outcome.of_reason("plan").next().cloned();
        assert_eq!(plan(&planned), plan(&ran), "after `{change}`");
        for step in plan(&ran).expect("a plan")["steps"].as_array().expect("a list") {
            let outcome = ran.finished(step["step"].as_str().expect("an id"))["outcome"].clone();
            let expected: &[&str] = match step["decision"].as_str() {
                Some("fresh") => &["fresh"],
                Some("restore") => &["restored"],
                Some("run") => &["ran"],
                _ => &["fresh", "restored", "ran"],
            };
            assert!(expected.iter().any(|word| outcome == *word), "{step} became {outcome}");
        }
    }
}
