//! Tables as somebody writes them who is new to this, and what they are told: what is wrong, where, what to do next.
//! Whether each rule holds is tested in zen-core; here it is what stands on the screen.

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
fn a_file_as_an_input() {
    assert_snapshot!(wrong_step(r#"run = "wc {{ inputs.raw }}"
inputs.raw = "data/x.csv""#), @r#"
    error: `data/x.csv` is no output of a step
      --> Cargo.toml:14:14
       |
    14 | inputs.raw = "data/x.csv"
       |              ^^^^^^^^^^^^ a string here is a reference, `step.output`
       |
       = note: there is no pipeline `data`
       = help: for a file: `inputs.raw.files = "data/x.csv"`
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
fn a_step_that_is_not_there() {
    assert_snapshot!(wrong_step(r#"run = "cat {{ inputs.a }}"
inputs = ["mkae.a"]"#), @r#"
    error: pipeline `p` has no step `mkae`
      --> Cargo.toml:14:11
       |
    14 | inputs = ["mkae.a"]
       |           ^^^^^^^^
       |
       = help: did you mean `make`?
    "#);
}

#[test]
fn an_output_that_is_not_there() {
    assert_snapshot!(wrong_step(r#"run = "cat {{ inputs.c }}"
inputs = ["make.c"]"#), @r#"
    error: step `p/make` has no output `c`
      --> Cargo.toml:14:11
       |
    14 | inputs = ["make.c"]
       |           ^^^^^^^^
       |
       = help: its outputs: `a`, `b`
    "#);
}

#[test]
fn a_cycle_of_three_is_printed_whole() {
    assert_snapshot!(wrong(r#"[workspace.metadata.zen.pipelines.p.steps.a]
run = "touch ran"
inputs = ["c.z"]
outputs = ["x.txt"]

[workspace.metadata.zen.pipelines.p.steps.b]
run = "touch ran"
inputs = ["a.x"]
outputs = ["y.txt"]

[workspace.metadata.zen.pipelines.p.steps.c]
run = "touch ran"
inputs = ["b.y"]
outputs = ["z.txt"]"#), @r#"
    error: steps wait for each other: p/a → p/b → p/c → p/a
      --> Cargo.toml:15:11
       |
    10 | inputs = ["c.z"]
       |           ----- `p/a` takes output `z` of `p/c`
    ...
    15 | inputs = ["a.x"]
       |           ^^^^^ `p/b` takes output `x` of `p/a`
    ...
    20 | inputs = ["b.y"]
       |           ----- `p/c` takes output `y` of `p/b`
       |
       = help: take one of these references away
    "#);
}

#[test]
fn f_9_one_output_of_two_steps() {
    assert_snapshot!(wrong(r#"[workspace.metadata.zen.pipelines.p.steps.a]
run = "touch ran; echo a > {{ outputs.model }}"
outputs.model = "models/m.json"

[workspace.metadata.zen.pipelines.p.steps.b]
run = "touch ran; echo b > {{ outputs.model }}"
outputs.model = "models/m.json""#), @r#"
    error: outputs of `p/a` and `p/b` are the same place: `models/m.json`
      --> Cargo.toml:14:17
       |
    10 | outputs.model = "models/m.json"
       |                 --------------- output `model` of `p/a`
    ...
    14 | outputs.model = "models/m.json"
       |                 ^^^^^^^^^^^^^^^ output `model` of `p/b`
       |
       = help: give each output a place of its own
    "#);
}

#[test]
fn f_9_an_output_within_another() {
    assert_snapshot!(wrong(r#"[workspace.metadata.zen.pipelines.p.steps.a]
run = "touch ran"
outputs.all = "models"

[workspace.metadata.zen.pipelines.p.steps.b]
run = "touch ran"
outputs.one = "models/m.json""#), @r#"
    error: outputs of `p/a` and `p/b` overlap: `models` and `models/m.json`
      --> Cargo.toml:14:15
       |
    10 | outputs.all = "models"
       |               -------- output `all` of `p/a`
    ...
    14 | outputs.one = "models/m.json"
       |               ^^^^^^^^^^^^^^^ output `one` of `p/b`
       |
       = help: give each output a place of its own
    "#);
}

#[test]
fn f_9_outputs_where_none_may_be() {
    assert_snapshot!(wrong_step(r#"run = "touch ran"
outputs.outside = "../x.txt"
outputs.git = ".git/hooks/pre-commit"
outputs.manifest = "Cargo.toml"
outputs.root = "."
outputs.store = "target/zen/x""#), @r#"
    error: `../x.txt` leads out of the workspace
      --> Cargo.toml:14:19
       |
    14 | outputs.outside = "../x.txt"
       |                   ^^^^^^^^^^
       |
       = help: what a step names lies within the workspace

    error: `.git/hooks/pre-commit`: an output cannot lie in `.git`
      --> Cargo.toml:15:15
       |
    15 | outputs.git = ".git/hooks/pre-commit"
       |               ^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: name another folder

    error: an output cannot be or hold the manifest `Cargo.toml`
      --> Cargo.toml:16:20
       |
    16 | outputs.manifest = "Cargo.toml"
       |                    ^^^^^^^^^^^^
       |
       = help: name the files that the step makes, or a folder of their own

    error: an output cannot be the workspace root
      --> Cargo.toml:17:16
       |
    17 | outputs.root = "."
       |                ^^^
       |
       = help: name a file or a folder below it

    error: an output cannot be, hold or lie in the zen folder, `target/zen`
      --> Cargo.toml:18:17
       |
    18 | outputs.store = "target/zen/x"
       |                 ^^^^^^^^^^^^^^
       |
       = help: a file name alone gets a place there: `outputs = ["name.txt"]`

    error: 5 problems in the definitions
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
fn a_placeholder_inside_quotes() {
    assert_snapshot!(wrong_step(r#"run = "grep '{{ params.word }}' {{ inputs.a }} > \"{{ outputs.hits }}\""
params.word = "x"
inputs = ["make.a"]
outputs = ["hits.txt"]"#), @r#"
    error: `{{ outputs.hits }}` stands inside quotes
      --> Cargo.toml:13:7
       |
    13 | run = "grep '{{ params.word }}' {{ inputs.a }} > \"{{ outputs.hits }}\""
       |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a value could break out of it here
       |
       = help: a value is quoted by itself; write `{{ outputs.hits }}`

    error: `{{ params.word }}` stands inside quotes
      --> Cargo.toml:13:7
       |
    13 | run = "grep '{{ params.word }}' {{ inputs.a }} > \"{{ outputs.hits }}\""
       |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a value could break out of it here
       |
       = help: a value is quoted by itself; write `{{ params.word }}`

    error: 2 problems in the definitions
    "#);
}

#[test]
fn a_placeholder_that_names_nothing() {
    assert_snapshot!(wrong_step(r#"run = "train --gamma {{ params.gama }} {{ input.a }} {{ name }}"
params.gamma = 1
inputs = ["make.a"]"#), @r#"
    error: `{{ params.gama }}` names nothing: the step has no parameter `gama`
      --> Cargo.toml:13:22
       |
    13 | run = "train --gamma {{ params.gama }} {{ input.a }} {{ name }}"
       |                      ^^^^^^^^^^^^^^^^^
       |
       = help: did you mean `gamma`?

    error: unknown placeholder `{{ input.a }}`
      --> Cargo.toml:13:40
       |
    13 | run = "train --gamma {{ params.gama }} {{ input.a }} {{ name }}"
       |                                        ^^^^^^^^^^^^^
       |
       = help: did you mean `{{ inputs.a }}`?

    error: unknown placeholder `{{ name }}`
      --> Cargo.toml:13:54
       |
    13 | run = "train --gamma {{ params.gama }} {{ input.a }} {{ name }}"
       |                                                      ^^^^^^^^^^
       |
       = help: placeholders: `params.x`, `pipeline.x`, `inputs.x`, `outputs.x`, `args`; write `{{{{` for a literal `{{`

    error: 3 problems in the definitions
    "#);
}

#[test]
fn a_bad_glob() {
    assert_snapshot!(wrong_step(r#"run = "true"
files = ["src/[a-.rs", "data/{a,b"]"#), @r#"
    error: `src/[a-.rs` is not a glob: invalid range; 'a' > '.'
      --> Cargo.toml:14:10
       |
    14 | files = ["src/[a-.rs", "data/{a,b"]
       |          ^^^^^^^^^^^^
       |
       = help: in a glob `*`, `?`, `[` and `{` have a meaning; for the character itself write `[*]`, `[[]` …

    error: `data/{a,b` is not a glob: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)
      --> Cargo.toml:14:24
       |
    14 | files = ["src/[a-.rs", "data/{a,b"]
       |                        ^^^^^^^^^^^
       |
       = help: in a glob `*`, `?`, `[` and `{` have a meaning; for the character itself write `[*]`, `[[]` …

    error: 2 problems in the definitions
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
fn a_plain_path_that_is_not_there() {
    assert_snapshot!(wrong_step(r#"run = "true"
files = ["data/iris.csv"]"#), @r#"
    error: `data/iris.csv` does not exist
      --> Cargo.toml:14:10
       |
    14 | files = ["data/iris.csv"]
       |          ^^^^^^^^^^^^^^^ step `p/use` reads it, and no step makes it
       |
       = help: create it, correct the path (it is relative to the folder of the table's Cargo.toml), or use a glob if it may be absent
    "#);
}

#[test]
fn f_10_a_glob_below_the_target_directory() {
    assert_snapshot!(wrong_step(r#"run = "true"
files = ["target/doc/**/*.html"]"#), @r#"
    error: `target/doc/**/*.html` lies in `target`, which no glob looks into
      --> Cargo.toml:14:10
       |
    14 | files = ["target/doc/**/*.html"]
       |          ^^^^^^^^^^^^^^^^^^^^^^ in step `p/use`
       |
       = help: declare what is there as the output of the step that makes it, and refer to that
    "#);
}

#[test]
fn what_comes_later_says_so() {
    assert_snapshot!(wrong_step(r#"run = "echo {{ matrix.gamma }}"
matrix.gamma = [0.1, 0.2]"#), @r#"
    error: `matrix` is not supported yet
      --> Cargo.toml:14:1
       |
    14 | matrix.gamma = [0.1, 0.2]
       | ^^^^^^ in step `use`
       |
       = help: remove it, or keep it as `x-matrix` until it is: such keys are left alone

    error: `{{ matrix.gamma }}` is not supported yet
      --> Cargo.toml:13:13
       |
    13 | run = "echo {{ matrix.gamma }}"
       |             ^^^^^^^^^^^^^^^^^^
       |
       = help: `matrix` comes with a later version

    error: 2 problems in the definitions
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
fn a_step_that_reads_what_it_writes() {
    assert_snapshot!(wrong_step(r#"run = "sort -o x.txt x.txt"
files = ["x.txt"]
outputs.x = "x.txt""#), @r#"
    error: `p/use` reads what it writes: `x.txt` belongs to its output `x`
      --> Cargo.toml:14:10
       |
    14 | files = ["x.txt"]
       |          ^^^^^^^ read here
    15 | outputs.x = "x.txt"
       |             ------- written here
       |
       = help: write to another place, or do not list it: a step's own outputs are no input of it
    "#);
}

#[test]
fn an_absolute_path() {
    assert_snapshot!(wrong_step(r#"run = "true"
files = ["/etc/passwd"]
outputs.x = "/tmp/x.txt""#), @r#"
    error: `/etc/passwd` is absolute; write it relative to the folder that the table belongs to
      --> Cargo.toml:14:10
       |
    14 | files = ["/etc/passwd"]
       |          ^^^^^^^^^^^^^

    error: `/tmp/x.txt` is absolute; write it relative to the folder that the table belongs to
      --> Cargo.toml:15:13
       |
    15 | outputs.x = "/tmp/x.txt"
       |             ^^^^^^^^^^^^

    error: 2 problems in the definitions
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
      = help: known keys: `cache-policy`, `default-pipeline`, `enable-cache`, `env`, `packages`, `pass-env`, `pipelines`, `pools`, `required-version`, `retries`, `shell`, `store` and 2 more

    error: unknown key `load` in pipeline `p`
      --> Cargo.toml:11:37
       |
    11 | [workspace.metadata.zen.pipelines.p.load]
       |                                     ^^^^ not a key of this table
       |
       = help: known keys: `cache-policy`, `description`, `enable-cache`, `env`, `packages`, `params`, `pass-env`, `pipelines`, `retries`, `shell`, `steps`, `timeout` and 1 more

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
    96
    error: `--set gamma=fast`: `gamma` is a float, and `fast` is none
     --> Cargo.toml:9:8
      |
    9 | params.gamma = 0.1
      |        ^^^^^ declared as 0.1
    "#);
    assert_snapshot!(said("gama=0.2"), @r#"
    96
    error: `--set gama=0.2`: pipeline `p` declares no parameter `gama`
     |
     = help: did you mean `gamma`?
    "#);
    assert_snapshot!(said("gamma"), @r#"
    96
    error: `--set gamma` has no `=`
     |
     = help: `--set NAME=VALUE`, or `--set STEP.NAME=VALUE` for one step
    "#);
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
