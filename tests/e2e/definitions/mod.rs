//! Tables as somebody writes them who is new to this, and what they are told: what is wrong, where, what to do next.
//! Whether each rule holds is tested in zen-core; here it is what stands on the screen.

mod steps;
mod tables;

use insta::assert_snapshot;

use crate::harness::Workspace;

/// Runs the workspace, which must refuse with 96, run nothing and say nothing on standard output. Gives standard error.
fn refused(workspace: &Workspace) -> String {
    let outcome = workspace.zen(&["run", "--color", "never"]);
    assert_eq!(outcome.code, Some(96), "invalid definitions end with 96:\n{}", outcome.stderr);
    assert_eq!(outcome.stdout, "", "diagnostics go to standard error");
    assert!(!workspace.exists("ran"), "nothing runs while the definitions are wrong");
    outcome.stderr
}

/// What is said of `tables` in the manifest of a lone package.
fn wrong(tables: &str) -> String {
    refused(&Workspace::new(tables))
}

/// What is said of a step, with the rest of its tables as they should be.
fn wrong_step(lines: &str) -> String {
    wrong(&format!(
        "[workspace.metadata.zen.pipelines.p.steps.make]\nrun = \"touch ran a.txt b.txt\"\noutputs = [\"a.txt\", \"b.txt\"]\n\n\
         [workspace.metadata.zen.pipelines.p.steps.use]\n{lines}"
    ))
}

#[test]
fn several_problems_are_reported_at_once() {
    let said = wrong(
        r#"[workspace.metadata.zen]
default-pipeline = "trian"
pool.gpu = 1

[workspace.metadata.zen.pipelines.train.steps.load]
run = "touch ran"
ouputs = ["x.csv"]

[workspace.metadata.zen.pipelines.train.steps.fit]
run = ["touch ran"]
inputs.raw = "data/x.csv"
timeout = -1
pool = "gpu""#,
    );
    for problem in ["`trian`", "`pool`", "`ouputs`", "`touch ran`", "`data/x.csv`", "negative", "`gpu`"] {
        assert!(said.contains(problem), "the problem with {problem} must be said in the same go:\n{said}");
    }
    let last = said.lines().rfind(|line| !line.is_empty()).unwrap_or_default();
    assert_snapshot!(last, @"error: 7 problems in the definitions");
}

#[test]
fn tables_of_a_package_are_shown_in_its_manifest() {
    let workspace = Workspace::bare();
    workspace.write("Cargo.toml", "[workspace]\nmembers = [\"crates/api\"]\nresolver = \"3\"\n");
    workspace.write(
        "crates/api/Cargo.toml",
        r#"[package]
name = "api"
version = "0.1.0"
edition = "2024"

[package.metadata.zen.pipelines.gen.steps.gen]
run = "touch ran"
outptus.code = "src/gen"
"#,
    );
    workspace.write("crates/api/src/lib.rs", "");
    assert_snapshot!(refused(&workspace), @r#"
    error: unknown key `outptus` in step `gen`
     --> crates/api/Cargo.toml:8:1
      |
    8 | outptus.code = "src/gen"
      | ^^^^^^^ not a key of this table
      |
      = help: did you mean `outputs`?
    "#);
}

#[test]
fn keys_that_start_with_x_are_left_alone() {
    let workspace = Workspace::new(
        "[workspace.metadata.zen]\nx-mine = { a = 1 }\n[workspace.metadata.zen.pipelines.p.steps.s]\nrun = \"true\"\n\
         enable_cache = false\nx-note = \"mine\"",
    );
    let outcome = workspace.zen(&["run", "--color", "never"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("warning"), "{}", outcome.stderr);
}

#[test]
fn diagnostics_have_cargos_colours_only_if_asked() {
    let workspace = Workspace::new("[workspace.metadata.zen]\nx = 1");
    assert!(!workspace.zen(&["list"]).stderr.contains('\x1b'), "standard error is no terminal");
    assert!(workspace.zen(&["list", "--color", "always"]).stderr.contains("\x1b["), "it was asked for");
}

#[test]
fn f_9_both_parties_are_shown_where_they_stand() {
    let workspace = Workspace::bare();
    workspace.write("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\"]\nresolver = \"3\"\n");
    for package in ["a", "b"] {
        workspace.write(
            &format!("{package}/Cargo.toml"),
            &format!(
                "[package]\nname = \"{package}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
                 [package.metadata.zen.pipelines.gen.steps.gen]\nrun = \"touch ran\"\noutputs.code = \"../shared/gen.rs\"\n"
            ),
        );
        workspace.write(&format!("{package}/src/lib.rs"), "");
    }
    // The same definition but for its folder: the command is not the same.
    assert_snapshot!(refused(&workspace), @r#"
    error: outputs of `a:gen/gen` and `b:gen/gen` are the same place: `shared/gen.rs`
     --> b/Cargo.toml:8:16
      |
    8 | outputs.code = "../shared/gen.rs"
      |                ^^^^^^^^^^^^^^^^^^ output `code` of `b:gen/gen`
      |
     ::: a/Cargo.toml:8:16
      |
    8 | outputs.code = "../shared/gen.rs"
      |                ------------------ output `code` of `a:gen/gen`
      |
      = note: `cargo zen run gen` selects both
      = help: give each output a place of its own
    "#);
}

#[test]
fn carets_stand_below_what_is_meant_whatever_stands_before() {
    // Wide characters, an escape, and lines that end as on Windows.
    let tables = "[workspace.metadata.zen.pipelines.p]\r\nparams.gamma = 1\r\n\r\n[workspace.metadata.zen.pipelines.p.steps.s]\r\n\
                  run = \"echo '数据' naïve\\t {{ params.gama }}\"\r\nparams = [\"gamma\", \"größe\"]\r\n";
    assert_snapshot!(wrong(tables), @r#"
    error: `{{ params.gama }}` names nothing: the step has no parameter `gama`
      --> Cargo.toml:12:7
       |
    12 | run = "echo '数据' naïve\t {{ params.gama }}"
       |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: did you mean `gamma`?

    error: pipeline `p` has no parameter `größe`
      --> Cargo.toml:13:20
       |
    13 | params = ["gamma", "größe"]
       |                    ^^^^^^^
       |
       = help: its parameters: `gamma`

    error: 2 problems in the definitions
    "#);
}
