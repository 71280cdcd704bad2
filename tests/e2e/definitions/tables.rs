//! Tables that are wrong by themselves: keys, types, names, versions.

use insta::assert_snapshot;

use super::{wrong, wrong_step};
use crate::harness::Workspace;

#[test]
fn an_unknown_key_has_a_suggestion() {
    assert_snapshot!(wrong_step(r#"run = "true"
ouputs = ["x.txt"]"#), @r#"
    error: unknown key `ouputs` in step `use`
      --> Cargo.toml:14:1
       |
    14 | ouputs = ["x.txt"]
       | ^^^^^^ not a key of this table
       |
       = help: did you mean `outputs`?
    "#);
}

#[test]
fn a_key_of_another_tool_has_its_name_here() {
    assert_snapshot!(wrong_step(r#"command = "true"
deps = ["make"]"#), @r#"
    error: step `use` has no `run`
      --> Cargo.toml:12:43
       |
    12 | [workspace.metadata.zen.pipelines.p.steps.use]
       |                                           ^^^ what is it to do?
       |
       = help: `run = "a shell command"`, `run = ["program", "argument"]` or `run.bin = "name"`

    error: unknown key `command` in step `use`
      --> Cargo.toml:13:1
       |
    13 | command = "true"
       | ^^^^^^^ not a key of this table
       |
       = help: the command is called `run`

    error: unknown key `deps` in step `use`
      --> Cargo.toml:14:1
       |
    14 | deps = ["make"]
       | ^^^^ not a key of this table
       |
       = help: did you mean `depends`?

    error: 3 problems in the definitions
    "#);
}

#[test]
fn an_array_of_commands() {
    assert_snapshot!(wrong_step(r#"run = ["cargo fmt --check", "cargo test"]"#), @r#"
    error: `cargo fmt --check` is not a program
      --> Cargo.toml:13:8
       |
    13 | run = ["cargo fmt --check", "cargo test"]
       |        ^^^^^^^^^^^^^^^^^^^ the first word of an array is the program, the others are its arguments
       |
       = help: for several commands write a string: `run = "cargo fmt --check && cargo test"`
       = help: or give each a step of its own, so that each is cached by itself
    "#);
}

#[test]
fn wrong_types() {
    assert_snapshot!(wrong_step(r#"run = 1
outputs = "x.txt"
env.N = 3
enable-cache = "no"
retries = "two""#), @r#"
    error: `run` must be a string, an array of words, or a table, not an integer
      --> Cargo.toml:13:7
       |
    13 | run = 1
       |       ^ expected a string, an array of words, or a table

    error: `outputs` must be a table (name → path) or an array of file names, not a string
      --> Cargo.toml:14:11
       |
    14 | outputs = "x.txt"
       |           ^^^^^^^ expected a table (name → path) or an array of file names
       |
       = help: `outputs.NAME = "x.txt"`

    error: `env.N` must be a string, not an integer
      --> Cargo.toml:15:9
       |
    15 | env.N = 3
       |         ^ expected a string
       |
       = help: `env.N = "3"`

    error: `enable-cache` must be true or false, not a string
      --> Cargo.toml:16:16
       |
    16 | enable-cache = "no"
       |                ^^^^ expected true or false

    error: `retries` must be an integer, not a string
      --> Cargo.toml:17:11
       |
    17 | retries = "two"
       |           ^^^^^ expected an integer

    error: 5 problems in the definitions
    "#);
}

#[test]
fn a_negative_duration() {
    assert_snapshot!(wrong_step(r#"run = "true"
timeout = -5
cache-policy.expires-after = "soon""#), @r#"
    error: `timeout`: a duration cannot be negative
      --> Cargo.toml:14:11
       |
    14 | timeout = -5
       |           ^^

    error: `expires-after`: `soon` is not a duration; write seconds (`90`) or units (`"1h 30m"`, `"500ms"`, `"30d"`)
      --> Cargo.toml:15:30
       |
    15 | cache-policy.expires-after = "soon"
       |                              ^^^^^^

    error: 2 problems in the definitions
    "#);
}

#[test]
fn both_spellings_of_a_key() {
    assert_snapshot!(wrong_step(r#"run = "true"
enable-cache = true
enable_cache = false"#), @r#"
    error: `enable-cache` is written twice in step `use`
      --> Cargo.toml:15:1
       |
    14 | enable-cache = true
       | ------------ first here
    15 | enable_cache = false
       | ^^^^^^^^^^^^ the same key in its other spelling
       |
       = help: keep one of the two
    "#);
}

#[test]
fn a_pool_that_nobody_declared() {
    assert_snapshot!(wrong_step(r#"run = "true"
pool = "gpu""#), @r#"
    error: there is no pool `gpu`
      --> Cargo.toml:14:8
       |
    14 | pool = "gpu"
       |        ^^^^^
       |
       = help: declare it in `[workspace.metadata.zen]`: `pools.gpu = 1`
    "#);
}

#[test]
fn no_toml() {
    // Cargo itself reads this manifest first, and says so: that is exit code 102.
    let workspace = Workspace::new("[workspace.metadata.zen.pipelines.p.steps.s]\nrun = \"touch ran");
    let outcome = workspace.zen(&["run", "--color", "never"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(102), ""), "{}", outcome.stderr);
    assert_snapshot!(outcome.stderr, @r#"
    error: cargo metadata failed
    error: invalid basic string, expected `"`
     --> Cargo.toml:9:17
      |
    9 | run = "touch ran
      |                 ^
    "#);
}

#[test]
fn names_that_differ_by_case() {
    assert_snapshot!(wrong(r#"[workspace.metadata.zen.pipelines.p.steps.Load]
run = "touch ran"

[workspace.metadata.zen.pipelines.p.steps.load]
run = "touch ran""#), @r#"
    error: `Load` and `load` differ only by case
      --> Cargo.toml:11:43
       |
     8 | [workspace.metadata.zen.pipelines.p.steps.Load]
       |                                           ---- a step here
    ...
    11 | [workspace.metadata.zen.pipelines.p.steps.load]
       |                                           ^^^^ and again here
       |
       = help: rename one of the two
    "#);
}

#[test]
fn what_comes_later_says_so() {
    assert_snapshot!(wrong_step(r#"run.fn = "f""#), @r#"
    error: `fn` is not supported yet
      --> Cargo.toml:13:5
       |
    13 | run.fn = "f"
       |     ^^ in `run`
       |
       = help: remove it, or keep it as `x-fn` until it is: such keys are left alone
    "#);
}

#[test]
fn a_group_of_a_pipeline_that_is_not_there() {
    assert_snapshot!(wrong(r#"[workspace.metadata.zen.pipelines.ci]
pipelines = ["lint", "tset"]

[workspace.metadata.zen.pipelines.lint.steps.a]
run = "touch ran"
enable-cache = false

[workspace.metadata.zen.pipelines.test.steps.a]
run = "touch ran"
enable-cache = false"#), @r#"
    error: there is no pipeline `tset`
     --> Cargo.toml:9:22
      |
    9 | pipelines = ["lint", "tset"]
      |                      ^^^^^^ a member of `ci`
      |
      = help: did you mean `test`?
    "#);
}

#[test]
fn a_default_that_is_not_there() {
    assert_snapshot!(wrong(r#"[workspace.metadata.zen]
default-pipeline = "trian"

[workspace.metadata.zen.pipelines.train.steps.a]
run = "touch ran"
enable-cache = false"#), @r#"
    error: there is no pipeline `trian`
     --> Cargo.toml:9:20
      |
    9 | default-pipeline = "trian"
      |                    ^^^^^^^ the default
      |
      = help: did you mean `train`?
    "#);
}

#[test]
fn a_version_that_is_not_this_one() {
    assert_snapshot!(wrong(r#"[workspace.metadata.zen]
required-version = ">=99"

[workspace.metadata.zen.pipelines.train.steps.a]
run = "touch ran"
enable-cache = false"#), @r#"
    error: these definitions require cargo zen >=99, and this is 0.1.0
     --> Cargo.toml:9:20
      |
    9 | required-version = ">=99"
      |                    ^^^^^^ required here
      |
      = help: `cargo install cargo-zen`
    "#);
}

#[test]
fn a_parameter_that_the_pipeline_lacks() {
    assert_snapshot!(wrong(r#"[workspace.metadata.zen.pipelines.p]
params.gamma = 0.1

[workspace.metadata.zen.pipelines.p.steps.a]
run = "touch ran"
params = ["gama"]"#), @r#"
    error: pipeline `p` has no parameter `gama`
      --> Cargo.toml:13:11
       |
    13 | params = ["gama"]
       |           ^^^^^^
       |
       = help: did you mean `gamma`?
    "#);
}

#[test]
fn a_step_without_a_command() {
    assert_snapshot!(wrong_step(r#"inputs = ["make.a"]"#), @r#"
    error: step `use` has no `run`
      --> Cargo.toml:12:43
       |
    12 | [workspace.metadata.zen.pipelines.p.steps.use]
       |                                           ^^^ what is it to do?
       |
       = help: `run = "a shell command"`, `run = ["program", "argument"]` or `run.bin = "name"`
    "#);
}

#[test]
fn pipelines_in_the_wrong_place() {
    assert_snapshot!(wrong(r#"[workspace.metadata.zen.training.steps.load]
run = "touch ran"

[workspace.metadata.zen.pipelines.p.load]
run = "touch ran""#), @r#"
    error: unknown key `training` in `workspace.metadata.zen`
     --> Cargo.toml:8:25
      |
    8 | [workspace.metadata.zen.training.steps.load]
      |                         ^^^^^^^^ not a key of this table
      |
      = help: known keys: `cache-policy`, `default-pipeline`, `enable-cache`, `env`, `packages`, `pass-env`, `pipelines`, `pools`, `required-version`, `retries`, `secret-env`, `shell` and 3 more

    error: unknown key `load` in pipeline `p`
      --> Cargo.toml:11:37
       |
    11 | [workspace.metadata.zen.pipelines.p.load]
       |                                     ^^^^ not a key of this table
       |
       = help: a step stands in `steps`: `[….pipelines.p.steps.load]`

    error: 2 problems in the definitions
    "#);
}

#[test]
fn a_set_that_does_not_fit() {
    let workspace = Workspace::new(
        r#"[workspace.metadata.zen.pipelines.p]
params.gamma = 0.1

[workspace.metadata.zen.pipelines.p.steps.a]
run = "touch ran; echo {{ params.gamma }}"
params = ["gamma"]"#,
    );
    let said = |set: &str| {
        let outcome = workspace.zen(&["run", "--color", "never", "--set", set]);
        assert!(!workspace.exists("ran"), "nothing runs");
        format!("{}\n{}", outcome.code.unwrap_or(-1), outcome.stderr)
    };
    assert_snapshot!(said("gamma=fast"), @r#"
    2
    error: `--set gamma=fast`: `gamma` is a float, and `fast` is none
     --> Cargo.toml:9:8
      |
    9 | params.gamma = 0.1
      |        ^^^^^ declared as 0.1
    "#);
    assert_snapshot!(said("gama=0.2"), @r#"
    2
    error: `--set gama=0.2`: pipeline `p` declares no parameter `gama`
     |
     = help: did you mean `gamma`?
    "#);
    assert_snapshot!(said("gamma"), @r#"
    2
    error: `--set gamma` has no `=`
     |
     = help: `--set NAME=VALUE`, or `--set STEP.NAME=VALUE` for one step
    "#);
}
