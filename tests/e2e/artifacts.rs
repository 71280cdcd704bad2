//! `artifacts`: what steps made, by name and version.

use std::fs;

use serde_json::Value;

use crate::harness::Workspace;

fn workspace() -> Workspace {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p]
params.n = 1
[workspace.metadata.zen.pipelines.p.steps.model]
run = "echo {{ params.n }} > {{ outputs.file }}; mkdir -p {{ outputs.tree }}/sub; echo a > {{ outputs.tree }}/a; cp a.sh {{ outputs.tree }}/sub/b"
params = ["n"]
outputs = { file = "out/file.txt", tree = "out/tree" }
[workspace.metadata.zen.pipelines.p.steps.report]
run = "cat {{ inputs.file }} > {{ outputs.file }}; echo report >> {{ outputs.file }}"
inputs = ["model.file"]
outputs = ["file.md"]
"#,
    );
    workspace.write("a.sh", "#!/bin/sh\n");
    fs::set_permissions(workspace.path("a.sh"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("ours");
    workspace
}

fn json(workspace: &Workspace, args: &[&str]) -> Value {
    let outcome = workspace.zen(&[&["artifacts", "--message-format", "json"], args].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    outcome.messages.last().expect("it answers").clone()
}

fn versions(workspace: &Workspace) -> String {
    let list = json(workspace, &["list"]);
    let artifacts = list["artifacts"].as_array().expect("an array").iter();
    let shown = artifacts.map(|artifact| {
        let step = artifact["step"].as_str().unwrap_or_default();
        format!(
            "{step}.{} v{} run {}",
            artifact["name"].as_str().unwrap_or_default(),
            artifact["version"],
            artifact["run"]
        )
    });
    shown.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_version_is_new_when_the_content_is_new() {
    let workspace = workspace();
    workspace.ok(&[]);
    workspace.ok(&[]);
    assert_eq!(versions(&workspace), "p/model.file v1 run 1\np/model.tree v1 run 1\np/report.file v1 run 1");
    workspace.ok(&["--set", "n=2"]);
    assert_eq!(
        versions(&workspace),
        "p/model.file v2 run 3\np/model.tree v1 run 1\np/report.file v2 run 3",
        "the tree has the same content"
    );
    workspace.ok(&[]);
    assert_eq!(
        versions(&workspace),
        "p/model.file v1 run 1\np/model.tree v1 run 1\np/report.file v1 run 1",
        "what is in place again is what it was"
    );
    workspace.ok(&["--no-cache"]);
    assert_eq!(json(&workspace, &["show", "model.file"])["versions"].as_array().map(Vec::len), Some(2), "equal bytes");
}

#[test]
fn show_names_the_run_and_the_key_that_made_each_version() {
    let workspace = workspace();
    let first = workspace.ok(&[]);
    let second = workspace.ok(&["--set", "n=2"]);
    let shown = json(&workspace, &["show", "p/model.file"]);
    let of = |at: usize, key: &str| shown["versions"][at][key].clone();
    assert_eq!((of(0, "run"), of(0, "key")), (1.into(), first.finished("model")["key"].clone()));
    assert_eq!((of(1, "run"), of(1, "key")), (2.into(), second.finished("model")["key"].clone()));
    assert_eq!((of(0, "in_place"), of(1, "in_place")), (false.into(), true.into()));
    let digest = |outcome: &crate::harness::Outcome| {
        let outputs = outcome.finished("model")["outputs"].as_array().cloned().unwrap_or_default();
        outputs.into_iter().find(|output| output["name"] == "file").map(|output| output["digest"].clone())
    };
    assert_eq!((Some(of(0, "digest")), Some(of(1, "digest"))), (digest(&first), digest(&second)));
    let key = |outcome: &crate::harness::Outcome| outcome.finished("report")["key"].clone();
    for (version, run) in [("model.file@1", &first), ("model.file@2", &second)] {
        let users = json(&workspace, &["show", version])["used_by"].clone();
        assert_eq!(users, serde_json::json!([{ "step": "p/report", "key": key(run) }]), "which keys use {version}");
    }
    let text = workspace.zen(&["artifacts", "show", "model.file"]).stdout;
    assert!(text.contains("used by `p/report`, key "), "{text}");
    let text = workspace.zen(&["artifacts", "show", "tree"]).stdout;
    assert!(text.contains("p/model.tree (out/tree)") && text.contains("in place"), "{text}");
    assert!(text.contains("sub/b") && text.contains("executable"), "{text}");
    let list = workspace.zen(&["artifacts"]).stdout;
    assert!(list.lines().count() == 3 && list.contains("p/report.file") && list.contains("v2"), "{list}");
}

#[test]
fn cat_and_export_give_the_bytes_of_any_version() {
    let workspace = workspace();
    workspace.ok(&[]);
    workspace.ok(&["--set", "n=2"]);
    for (name, expected) in
        [("model.file", "2\n"), ("model.file@1", "1\n"), ("p/model.file@v2", "2\n"), ("report", "2\nreport\n")]
    {
        assert_eq!(workspace.zen(&["artifacts", "cat", name]).stdout, expected, "{name}");
    }
    assert_eq!(workspace.zen(&["artifacts", "cat", "tree", "sub/b"]).stdout, "#!/bin/sh\n");
    let exported = workspace.zen(&["artifacts", "export", "model.file@1", "deep/old.txt"]);
    assert_eq!((exported.code, workspace.read("deep/old.txt").as_str()), (Some(0), "1\n"), "{}", exported.stderr);
    assert_eq!(workspace.zen(&["artifacts", "export", "tree", "copy"]).code, Some(0));
    assert_eq!(workspace.files_below("copy").len(), 2);
    let mode = fs::metadata(workspace.path("copy/sub/b"))
        .map(|metadata| std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()));
    assert_eq!(mode.expect("it is there") & 0o111, 0o111, "the executable bit comes along");
    let again = workspace.zen(&["artifacts", "export", "model.file@2", "deep/old.txt"]);
    assert_eq!((again.code, workspace.read("deep/old.txt").as_str()), (Some(2), "1\n"), "nothing is overwritten");
    assert!(again.stderr.contains("deep/old.txt` exists"), "{}", again.stderr);
}

#[test]
fn path_is_where_the_version_lies_that_is_in_place() {
    let workspace = workspace();
    workspace.ok(&[]);
    workspace.ok(&["--set", "n=2"]);
    let path = |name: &str| workspace.zen(&["artifacts", "path", name]);
    assert_eq!(path("model.file").stdout.trim_end(), workspace.path("out/file.txt").display().to_string());
    assert_eq!(
        path("report.file@2").stdout.trim_end(),
        workspace.path("target/zen/out/p/report/file.md").display().to_string()
    );
    let old = path("model.file@1");
    assert!(
        old.code == Some(4) && old.stderr.contains("not in place") && old.stderr.contains("artifacts export"),
        "{}",
        old.stderr
    );
    workspace.write("out/file.txt", "by hand\n");
    assert_eq!(path("model.file").code, Some(4), "a hand edit is no version");
}

#[test]
fn names_that_mean_nothing_or_too_much_are_refused() {
    let workspace = workspace();
    let none = workspace.zen(&["artifacts", "cat", "x"]);
    assert!(none.code == Some(4) && none.stderr.contains("no step with outputs has run here yet"), "{}", none.stderr);
    assert_eq!(workspace.zen(&["artifacts"]).stdout, "");
    workspace.ok(&[]);
    for (args, expected) in [
        (&["cat", "file"][..], "several artifacts are called `file`"),
        (&["cat", "file"], "p/model.file, p/report.file"),
        (&["cat", "model.fiel"], "did you mean"),
        (&["cat", "tree"], "is not one file"),
        (&["cat", "tree", "sub/c"], "has no file `sub/c`"),
        (&["cat", "model.file@7"], "has no version 7; it has 1"),
        (&["list", "nothing"], "there is no artifact `nothing`"),
    ] {
        let outcome = workspace.zen(&[&["artifacts"], args].concat());
        assert!(outcome.code == Some(4) && outcome.stderr.contains(expected), "{args:?}:\n{}", outcome.stderr);
        assert!(outcome.stderr.contains("help:"), "{args:?}:\n{}", outcome.stderr);
    }
}

#[test]
fn what_the_store_has_lost_is_said_and_what_is_in_place_serves() {
    let workspace = workspace();
    workspace.ok(&[]);
    workspace.ok(&["--set", "n=2"]);
    fs::remove_dir_all(workspace.path("target/zen/v1")).expect("the store");
    let old = workspace.zen(&["artifacts", "cat", "model.file@1"]);
    assert!(old.code == Some(103) && old.stderr.contains("no longer in the store"), "{}", old.stderr);
    assert_eq!(workspace.zen(&["artifacts", "cat", "model.file@2"]).stdout, "2\n");
    fs::remove_file(workspace.path("target/zen/artifacts.log")).expect("the versions");
    assert_eq!(workspace.ok(&["--set", "n=2"]).code, Some(0));
    assert_eq!(versions(&workspace).lines().count(), 3, "numbers start anew, nothing else is lost");
}
