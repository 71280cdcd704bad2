//! A table for each mistake that can be seen in the table itself.

use insta::assert_snapshot;

use super::{problems, step};

#[test]
fn syntax_errors() {
    assert_snapshot!(problems(r#"[workspace.metadata.zen
x = "#), @r#"
    error: unclosed table, expected `]`
      --> Cargo.toml:1:24 `` this is not TOML
    "#);
}

#[test]
fn an_unknown_key_of_the_table() {
    assert_snapshot!(problems(r#"[workspace.metadata.zen]
default-pipline = "x"
x-mine = 1
"#), @r#"
    error: unknown key `default-pipline` in `workspace.metadata.zen`
      --> Cargo.toml:2:1 `default-pipline` not a key of this table
      help: did you mean `default-pipeline`?
    "#);
}

#[test]
fn a_key_in_the_wrong_table() {
    assert_snapshot!(problems(r#"[workspace.metadata.zen]
run = "x"
steps.a.run = "x"
[workspace.metadata.zen.pipelines.p]
outputs = []
pools.gpu = 1
steps = {}
"#), @r#"
    error: unknown key `run` in `workspace.metadata.zen`
      --> Cargo.toml:2:1 `run` not a key of this table
      help: it belongs in `[workspace.metadata.zen.pipelines.NAME.steps.NAME]`
    error: unknown key `steps` in `workspace.metadata.zen`
      --> Cargo.toml:3:1 `steps` not a key of this table
      help: it belongs in `[workspace.metadata.zen.pipelines.NAME]`
    error: unknown key `outputs` in pipeline `p`
      --> Cargo.toml:5:1 `outputs` not a key of this table
      help: it belongs in a step: `[….pipelines.p.steps.NAME]`
    error: unknown key `pools` in pipeline `p`
      --> Cargo.toml:6:1 `pools` not a key of this table
      help: it belongs in `[workspace.metadata.zen]`
    "#);
}

#[test]
fn an_unknown_key_of_a_step() {
    assert_snapshot!(step(r#"run = "true"
ouputs = ["a.txt"]
zzzzzz = 1"#), @r#"
    error: unknown key `ouputs` in step `s`
      --> Cargo.toml:10:1 `ouputs` not a key of this table
      help: did you mean `outputs`?
    error: unknown key `zzzzzz` in step `s`
      --> Cargo.toml:11:1 `zzzzzz` not a key of this table
      help: known keys: `after`, `batch`, `cache-policy`, `cwd`, `depends`, `description`, `enable-cache`, `env`, `files`, `inputs`, `interactive`, `matrix` and 17 more
    "#);
}

#[test]
fn a_foreign_word() {
    assert_snapshot!(step(r#"command = "true"
needs = ["make"]"#), @r#"
    error: step `s` has no `run`
      --> Cargo.toml:8:43 `s` what is it to do?
      help: `run = "a shell command"`, `run = ["program", "argument"]` or `run.bin = "name"`
    error: unknown key `command` in step `s`
      --> Cargo.toml:9:1 `command` not a key of this table
      help: the command is called `run`
    error: unknown key `needs` in step `s`
      --> Cargo.toml:10:1 `needs` not a key of this table
      help: `inputs` takes what another step makes; `after` only waits for it
    "#);
}

#[test]
fn both_spellings() {
    assert_snapshot!(step(r#"run = "true"
enable_cache = true
enable-cache = false"#), @r#"
    error: `enable-cache` is written twice in step `s`
      --> Cargo.toml:11:1 `enable-cache` the same key in its other spelling
      and Cargo.toml:10:1 `enable_cache` first here
      help: keep one of the two
    "#);
}

#[test]
fn wrong_types() {
    assert_snapshot!(step(r#"run = 1
inputs = "make.a"
files = 2
params = "gamma"
outputs = "a.csv"
after = { a = 1 }
env = { N = 1 }
cwd = 3
retries = "two"
timeout = 1.5
enable-cache = "no"
track-env = "CI"
shell = "bash"
cache-policy = "default""#), @r#"
    error: `run` must be a string, an array of words, or a table, not an integer
      --> Cargo.toml:9:7 `1` expected a string, an array of words, or a table
    error: `inputs` must be a table (name → reference) or an array of references, not a string
      --> Cargo.toml:10:10 `"make.a"` expected a table (name → reference) or an array of references
      help: `inputs = ["make.a"]`
    error: `files` must be a string or an array of strings, not an integer
      --> Cargo.toml:11:9 `2` expected a string or an array of strings
    error: `params` must be a table (name → value) or an array of names of the pipeline's, not a string
      --> Cargo.toml:12:10 `"gamma"` expected a table (name → value) or an array of names of the pipeline's
    error: `outputs` must be a table (name → path) or an array of file names, not a string
      --> Cargo.toml:13:11 `"a.csv"` expected a table (name → path) or an array of file names
      help: `outputs.NAME = "a.csv"`
    error: `after` must be a string or an array of strings, not a table
      --> Cargo.toml:14:9 `{ a = 1 }` expected a string or an array of strings
    error: `env.N` must be a string, not an integer
      --> Cargo.toml:15:13 `1` expected a string
      help: `env.N = "1"`
    error: `cwd` must be a string, not an integer
      --> Cargo.toml:16:7 `3` expected a string
    error: `retries` must be an integer, not a string
      --> Cargo.toml:17:11 `"two"` expected an integer
    error: `timeout` must be a duration: seconds, or a string such as "24h", not a float
      --> Cargo.toml:18:11 `1.5` expected a duration: seconds, or a string such as "24h"
    error: `enable-cache` must be true or false, not a string
      --> Cargo.toml:19:16 `"no"` expected true or false
    error: `track-env` must be an array of strings, not a string
      --> Cargo.toml:20:13 `"CI"` expected an array of strings
      help: `track-env = ["CI"]`
    error: `shell` must be an array of strings, not a string
      --> Cargo.toml:21:9 `"bash"` expected an array of strings
      help: `shell = ["bash"]`
    error: `cache-policy` must be a table, not a string
      --> Cargo.toml:22:16 `"default"` expected a table
    "#);
}

#[test]
fn no_run() {
    assert_snapshot!(step(r#"files = ["a"]"#), @r#"
    error: step `s` has no `run`
      --> Cargo.toml:8:43 `s` what is it to do?
      help: `run = "a shell command"`, `run = ["program", "argument"]` or `run.bin = "name"`
    "#);
}

#[test]
fn run_fn_is_not_yet() {
    assert_snapshot!(step(r#"run.fn = "train""#), @r#"
    error: `fn` is not supported yet
      --> Cargo.toml:9:5 `fn` in `run`
      help: remove it, or keep it as `x-fn` until it is: such keys are left alone
    "#);
}

#[test]
fn remote_is_not_yet() {
    assert_snapshot!(problems(r#"[workspace.metadata.zen.remote]
url = "grpc://x"
"#), @r#"
    error: `remote` is not supported yet
      --> Cargo.toml:1:25 `remote` in `workspace.metadata.zen`
      help: remove it, or keep it as `x-remote` until it is: such keys are left alone
    "#);
}

#[test]
fn bad_durations() {
    assert_snapshot!(step(r#"run = "true"
timeout = -1
retry-delay = "soon"
cache-policy.expires-after = "-3h""#), @r#"
    error: `timeout`: a duration cannot be negative
      --> Cargo.toml:10:11 `-1`
    error: `retry-delay`: `soon` is not a duration; write seconds (`90`) or units (`"1h 30m"`, `"500ms"`, `"30d"`)
      --> Cargo.toml:11:15 `"soon"`
    error: `expires-after`: a duration cannot be negative
      --> Cargo.toml:12:30 `"-3h"`
    "#);
}

#[test]
fn no_time_at_all() {
    assert_snapshot!(step(r#"run = "true"
timeout = 0"#), @r#"
    error: `timeout` must be longer than nothing
      --> Cargo.toml:10:11 `0` no step could end in time
    "#);
}

#[test]
fn bad_settings() {
    assert_snapshot!(problems(r#"[workspace.metadata.zen]
store.max-size = "big"
store.folder = "x"
pools.gpu = 0
retries = -1
required-version = "soon"
default-pipeline = "trian"
pipelines.train.steps.a = { run = "true", files = "a" }
"#), @r#"
    error: `store.max-size`: `big` is not a size; write bytes (`1048576`) or a unit (`"20GiB"`, `"500MB"`)
      --> Cargo.toml:2:18 `"big"`
    error: unknown key `folder` in `store`
      --> Cargo.toml:3:7 `folder` not a key of this table
      help: known keys: `dir`, `max-size`
    error: `pools.gpu` must be an integer of at least 1
      --> Cargo.toml:4:13 `0` not in 1 to 4294967295
    error: `retries` must be an integer of at least 0
      --> Cargo.toml:5:11 `-1` not in 0 to 4294967295
    error: `soon` is no version requirement: unexpected character 's' while parsing major version number
      --> Cargo.toml:6:20 `"soon"`
      help: write it as cargo does: `">=0.1"`
    error: there is no pipeline `trian`
      --> Cargo.toml:7:20 `"trian"` the default
      help: did you mean `train`?
    "#);
}

#[test]
fn required_version_is_not_met() {
    assert_snapshot!(problems(r#"[workspace.metadata.zen]
required-version = ">=99"
"#), @r#"
    error: these definitions require cargo zen >=99, and this is 0.1.0
      --> Cargo.toml:2:20 `">=99"` required here
      help: `cargo install cargo-zen`
    "#);
}

#[test]
fn bad_names() {
    assert_snapshot!(problems(r#"[workspace.metadata.zen]
enable-cache = false
pipelines."a b".steps.x.run = "true"
pipelines.q.steps."x.y".run = "true"
pipelines.r.steps.x = { run = "true", params."ä" = 1, outputs."a/b" = "c", inputs."" = "x" }
pools."g p u" = 1
"#), @r#"
    error: `a b` cannot be the name of a pipeline
      --> Cargo.toml:3:11 `"a b"` names are letters, digits, `-`, `_`
    error: `x.y` cannot be the name of a step
      --> Cargo.toml:4:19 `"x.y"` names are letters, digits, `-`, `_`
    error: `ä` cannot be the name of a parameter
      --> Cargo.toml:5:46 `"ä"` names are letters, digits, `-`, `_`
    error: `a/b` cannot be the name of an output
      --> Cargo.toml:5:64 `"a/b"` names are letters, digits, `-`, `_`
    error: `` cannot be the name of an input
      --> Cargo.toml:5:84 `""` names are letters, digits, `-`, `_`
    error: `g p u` cannot be the name of a pool
      --> Cargo.toml:6:7 `"g p u"` names are letters, digits, `-`, `_`
    "#);
}

#[test]
fn names_too_much_alike() {
    assert_snapshot!(problems(r#"[workspace.metadata.zen]
enable-cache = false
pipelines.ci.steps.a.run = "true"
pipelines.CI.steps.a.run = "true"
pipelines.q.steps.x.run = "true"
pipelines.q.steps.X.run = "true"
pipelines.q.steps.y = { run = "true", params.a-b = 1, params.a_b = 2 }
"#), @r#"
    error: `ci` and `CI` differ only by case
      --> Cargo.toml:4:11 `CI` and again here
      and Cargo.toml:3:11 `ci` a pipeline here
      help: rename one of the two
    error: `x` and `X` differ only by case
      --> Cargo.toml:6:19 `X` and again here
      and Cargo.toml:5:19 `x` a step here
      help: rename one of the two
    error: `a-b` and `a_b` make the same environment variable
      --> Cargo.toml:7:62 `a_b` and again here
      and Cargo.toml:7:46 `a-b` a parameter here
      help: rename one of the two
    "#);
}

#[test]
fn two_outputs_of_one_name() {
    assert_snapshot!(step(r#"run = "true"
outputs = ["x.csv", "x.json", "X.txt"]"#), @r#"
    error: two outputs are called `x`
      --> Cargo.toml:10:21 `"x.json"` and again here
      and Cargo.toml:10:12 `"x.csv"` an output here
      help: rename one of the two
    error: `x` and `X` differ only by case
      --> Cargo.toml:10:31 `"X.txt"` and again here
      and Cargo.toml:10:12 `"x.csv"` an output here
      help: rename one of the two
    "#);
}

#[test]
fn an_array_of_commands() {
    assert_snapshot!(step(r#"run = ["cargo build", "cargo test"]"#), @r#"
    error: `cargo build` is not a program
      --> Cargo.toml:9:8 `"cargo build"` the first word of an array is the program, the others are its arguments
      help: for several commands write a string: `run = "cargo build && cargo test"`
      help: or give each a step of its own, so that each is cached by itself
    "#);
}

#[test]
fn an_array_of_one_command() {
    assert_snapshot!(step(r#"run = ["make all"]"#), @r#"
    error: `make all` is not a program
      --> Cargo.toml:9:8 `"make all"` the first word of an array is the program, the others are its arguments
      help: for a shell command write a string: `run = "make all"`
      help: without a shell: `run = ["make", "all"]`
    "#);
}

#[test]
fn nothing_to_run() {
    assert_snapshot!(step(r#"run = []
shell = []"#), @r#"
    error: `run` names no program
      --> Cargo.toml:9:7 `[]`
      help: `run = ["program", "argument"]`
    error: `shell` is empty
      --> Cargo.toml:10:9 `[]`
      help: `shell = ["bash", "-euo", "pipefail", "-c"]`
    "#);
}

#[test]
fn windows_paths() {
    assert_snapshot!(step(r#"run = "true"
files = ['data\\iris.csv', 'a\*b']
outputs.x = 'out\x'"#), @r#"
    error: `data\\iris.csv` holds a backslash; separate folders with `/`
      --> Cargo.toml:10:10 `'data\\iris.csv'`
    error: `out\x` holds a backslash; separate folders with `/`
      --> Cargo.toml:11:13 `'out\x'`
    "#);
}

#[test]
fn an_interactive_step_is_never_cached() {
    assert_snapshot!(step(r#"run = "true"
interactive = true
enable-cache = true"#), @r#"
    error: an interactive step is never cached
      --> Cargo.toml:11:1 `enable-cache` so this cannot be
      and Cargo.toml:10:1 `interactive` interactive here
      help: what somebody types is no input that a key could hold; remove one of the two
    "#);
    assert_eq!(step("run = \"true\"\ninteractive = true\nenable-cache = false"), "");
}

#[test]
fn source_dependencies_that_cannot_be() {
    assert_snapshot!(step(r#"run = "true"
cache-policy.source-dependencies = ["ap::x", "src/lib.rs", "api::Vec<u8>", "api::", "{{ inputs.x }}"]"#), @r#"
    error: the workspace has no package `ap`
      --> Cargo.toml:10:37 `"ap::x"`
      help: did you mean `api`?
    error: the workspace has no package `src/lib.rs`
      --> Cargo.toml:10:46 `"src/lib.rs"`
      help: `source-dependencies` takes packages and Rust items, `package::module::item`; for files there is `file-dependencies`
    error: `Vec<u8>` in `api::Vec<u8>` cannot be the name of an item
      --> Cargo.toml:10:60 `"api::Vec<u8>"`
      help: `package`, `package::module` or `package::module::item`; the names as they are declared, without arguments
    error: a name in `api::` is empty
      --> Cargo.toml:10:76 `"api::"`
      help: `package`, `package::module` or `package::module::item`; the names as they are declared, without arguments
    error: `{{ inputs.x }}` cannot stand here
      --> Cargo.toml:10:86 `{{ inputs.x }}`
      help: use it in `run` or `env`; here only `params.x`, `pipeline.x` and `args` have a value
    "#);
}
