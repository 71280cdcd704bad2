//! A table for each mistake.

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
      help: known keys: `after`, `cache-policy`, `cwd`, `depends`, `description`, `enable-cache`, `env`, `files`, `inputs`, `outputs`, `packages`, `params` and 9 more
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
fn not_yet() {
    assert_snapshot!(step(r#"run = "echo {{ matrix.x }}"
matrix.x = [1]
batch = true
interactive = true
platform = "cfg(unix)"
secret-env = ["T"]
on-success = "x"
on_failure = "x"
on-end = "x"
cache-policy.ignored-inputs = []
cache-policy.source-dependencies = []
cache-policy.cache-func = "x""#), @r#"
    error: `matrix` is not supported yet
      --> Cargo.toml:10:1 `matrix` in step `s`
      help: remove it, or keep it as `x-matrix` until it is: such keys are left alone
    error: `batch` is not supported yet
      --> Cargo.toml:11:1 `batch` in step `s`
      help: remove it, or keep it as `x-batch` until it is: such keys are left alone
    error: `interactive` is not supported yet
      --> Cargo.toml:12:1 `interactive` in step `s`
      help: remove it, or keep it as `x-interactive` until it is: such keys are left alone
    error: `platform` is not supported yet
      --> Cargo.toml:13:1 `platform` in step `s`
      help: remove it, or keep it as `x-platform` until it is: such keys are left alone
    error: `secret-env` is not supported yet
      --> Cargo.toml:14:1 `secret-env` in step `s`
      help: remove it, or keep it as `x-secret-env` until it is: such keys are left alone
    error: `on-success` is not supported yet
      --> Cargo.toml:15:1 `on-success` in step `s`
      help: remove it, or keep it as `x-on-success` until it is: such keys are left alone
    error: `on_failure` is not supported yet
      --> Cargo.toml:16:1 `on_failure` in step `s`
      help: remove it, or keep it as `x-on-failure` until it is: such keys are left alone
    error: `on-end` is not supported yet
      --> Cargo.toml:17:1 `on-end` in step `s`
      help: remove it, or keep it as `x-on-end` until it is: such keys are left alone
    error: `ignored-inputs` is not supported yet
      --> Cargo.toml:18:14 `ignored-inputs` in `cache-policy`
      help: remove it, or keep it as `x-ignored-inputs` until it is: such keys are left alone
    error: `source-dependencies` is not supported yet
      --> Cargo.toml:19:14 `source-dependencies` in `cache-policy`
      help: remove it, or keep it as `x-source-dependencies` until it is: such keys are left alone
    error: `cache-func` is not supported yet
      --> Cargo.toml:20:14 `cache-func` in `cache-policy`
      help: remove it, or keep it as `x-cache-func` until it is: such keys are left alone
    error: `{{ matrix.x }}` is not supported yet
      --> Cargo.toml:9:13 `{{ matrix.x }}`
      help: `matrix` comes with a later version
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
fn references_to_nothing() {
    assert_snapshot!(step(r#"run = "true"
inputs.a = "mak.a"
inputs.b = "make.c"
inputs.c = "make"
inputs.d = "q/make.a"
inputs.e = "nobody:p/make.a"
inputs.f = "api:make.a"
after = ["mkae", "make.a"]
depends = ["p/nothing"]"#), @r#"
    error: pipeline `p` has no step `mak`
      --> Cargo.toml:10:12 `"mak.a"`
      help: did you mean `make`?
    error: step `p/make` has no output `c`
      --> Cargo.toml:11:12 `"make.c"`
      help: its outputs: `a`, `b`
    error: step `p/make` has 2 outputs; which one?
      --> Cargo.toml:12:12 `"make"`
      help: one of `make.a`, `make.b`
    error: `q/make.a` is no output of a step
      --> Cargo.toml:13:12 `"q/make.a"` a string here is a reference, `step.output`
      note: there is no pipeline `q`
      help: for a file: `inputs.d.files = "q/make.a"`
    error: no package `nobody` has pipelines
      --> Cargo.toml:14:12 `"nobody:p/make.a"`
      help: there are no packages with pipelines
    error: `api:make.a` names a package and no pipeline
      --> Cargo.toml:15:12 `"api:make.a"`
      help: `api:pipeline/make`
    error: pipeline `p` has no step `mkae`
      --> Cargo.toml:16:10 `"mkae"`
      help: did you mean `make`?
    error: `after` takes steps, and `make.a` is an output
      --> Cargo.toml:16:18 `"make.a"`
      help: `after = ["make"]`, or make it one of the `inputs`
    error: pipeline `p` has no step `nothing`
      --> Cargo.toml:17:12 `"p/nothing"`
      help: steps: `make`
    "#);
}

#[test]
fn a_step_of_another_pipeline() {
    assert_snapshot!(problems(r#"[workspace.metadata.zen]
enable-cache = false
pipelines.a.steps.gen = { run = "true", outputs = ["x.txt"] }
pipelines.b.steps.use = { run = "true", inputs.x = "gen.x" }
pipelines.b.steps.bare.run = "true"
pipelines.b.steps.want = { run = "true", inputs.x = "bare" }
"#), @r#"
    error: pipeline `b` has no step `gen`
      --> Cargo.toml:4:52 `"gen.x"`
      help: a step of another pipeline: `a/gen.x`
    error: step `b/bare` has no outputs
      --> Cargo.toml:6:53 `"bare"`
      and Cargo.toml:5:19 `bare` this step
      help: `after` waits for a step, `depends` also runs again when it does
    "#);
}

#[test]
fn a_file_where_a_reference_belongs() {
    assert_snapshot!(step(r#"run = "true"
inputs.raw = "data/iris.csv"
inputs.all = "*.csv""#), @r#"
    error: `data/iris.csv` is no output of a step
      --> Cargo.toml:10:14 `"data/iris.csv"` a string here is a reference, `step.output`
      note: there is no pipeline `data`
      help: for a file: `inputs.raw.files = "data/iris.csv"`
    error: `*.csv` is no output of a step
      --> Cargo.toml:11:14 `"*.csv"` a string here is a reference, `step.output`
      note: pipeline `p` has no step `*`
      help: for a file: `inputs.all.files = "*.csv"`
    "#);
}

#[test]
fn files_in_an_array_of_references() {
    assert_snapshot!(step(r#"run = "true"
inputs = ["data/iris.csv"]"#), @r#"
    error: `data/iris.csv` is no output of a step
      --> Cargo.toml:10:11 `"data/iris.csv"` a string here is a reference, `step.output`
      note: there is no pipeline `data`
      help: for a file: `files = ["data/iris.csv"]`, or by name `inputs.NAME.files = "data/iris.csv"`
    "#);
}

#[test]
fn two_inputs_of_one_name() {
    assert_snapshot!(problems(r#"[workspace.metadata.zen]
enable-cache = false
pipelines.p.steps.a = { run = "true", outputs = ["x.csv"] }
pipelines.p.steps.b = { run = "true", outputs = ["x.csv"] }
pipelines.p.steps.c = { run = "true", inputs = ["a.x", "b.x"] }
"#), @r#"
    error: two inputs are called `x`
      --> Cargo.toml:5:56 `"b.x"` and again here
      and Cargo.toml:5:49 `"a.x"` an input here
      help: give them names of your own: `inputs.NAME = "step.output"`
    "#);
}

#[test]
fn an_input_that_is_neither() {
    assert_snapshot!(step(r#"run = "true"
inputs.a = { file = "x" }
inputs.b = ["x", "y"]
inputs.c = {}"#), @r#"
    error: input `a` has no `files`
      --> Cargo.toml:10:8 `a`
      help: `inputs.a = "step.output"` or `inputs.a.files = "data/**"`
    error: unknown key `file` in `inputs.a`
      --> Cargo.toml:10:14 `file` not a key of this table
      help: did you mean `files`?
    error: `inputs.b` must be a reference ("step.output") or `{ files = … }`, not an array
      --> Cargo.toml:11:12 `["x", "y"]` expected a reference ("step.output") or `{ files = … }`
      help: several files are `inputs.b.files = […]`
    error: input `c` has no `files`
      --> Cargo.toml:12:8 `c`
      help: `inputs.c = "step.output"` or `inputs.c.files = "data/**"`
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
fn run_tables() {
    assert_snapshot!(step(r#"run = { bin = "server", example = "demo" }"#), @r#"
    error: `run` has both `bin` and `example`
      --> Cargo.toml:9:25 `example`
      and Cargo.toml:9:9 `bin`
      help: a step runs one command; make two steps
    "#);
}

#[test]
fn run_table_without_a_target() {
    assert_snapshot!(step(r#"run = { args = ["x"] }"#), @r#"
    error: `run` names nothing to run
      --> Cargo.toml:9:7 `{ args = ["x"] }`
      help: one of `bin = "name"`, `example = "name"`, `build = "package"`
    "#);
}

#[test]
fn build_with_args_and_without_outputs() {
    assert_snapshot!(step(r#"run = { build = "api", args = ["x"], package = "api" }"#), @r#"
    error: `args` does not go with `build`
      --> Cargo.toml:9:24 `args` nothing is executed
    error: `package` does not go with `build`
      --> Cargo.toml:9:38 `package` `build` names the package
    error: step `s` builds a package and has no outputs
      --> Cargo.toml:9:17 `"api"` nothing is executed, so the artifacts are all that it gives
      help: each output takes the artifact of that file stem: `outputs = ["api"]`
    "#);
}

#[test]
fn a_bin_that_is_not_there() {
    assert_snapshot!(step(r#"run.bin = "sevrer""#), @r#"
    error: no package of the workspace has a bin `sevrer`
      --> Cargo.toml:9:11 `"sevrer"`
      help: did you mean `server`?
    "#);
}

#[test]
fn a_bin_of_two_packages() {
    assert_snapshot!(step(r#"run.bin = "tool""#), @r#"
    error: 2 packages have a bin `tool`
      --> Cargo.toml:9:11 `"tool"`
      help: name one with `run.package`: `api`, `cli`
    "#);
}

#[test]
fn a_bin_of_another_package() {
    assert_snapshot!(step(r#"run = { bin = "server", package = "cli" }"#), @r#"
    error: package `cli` has no bin `server`
      --> Cargo.toml:9:15 `"server"`
      help: its bins: `cli`, `tool`
    "#);
}

#[test]
fn a_package_that_is_not_there() {
    assert_snapshot!(step(r#"run = { bin = "server", package = "appi" }
packages = ["ap", "web-*"]"#), @r#"
    error: the workspace has no package `appi`
      --> Cargo.toml:9:35 `"appi"`
      help: did you mean `api`?
    error: no package of the workspace is called `ap`
      --> Cargo.toml:10:13 `"ap"`
      help: did you mean `api`?
    error: no package of the workspace is called `web-*`
      --> Cargo.toml:10:19 `"web-*"`
      help: packages: `api`, `cli`
    "#);
}

#[test]
fn f_9_outputs_in_forbidden_places() {
    assert_snapshot!(step(r#"run = "true"
outputs.a = "."
outputs.b = "../x"
outputs.c = "crates/api/Cargo.toml"
outputs.d = "crates/"
outputs.e = ".git/hooks/x"
outputs.f = "target/zen/out/x"
outputs.g = "target"
outputs.h = "/etc/passwd"
outputs.i = "Cargo.lock"
outputs.j = "**"
outputs.k = "*.toml"
outputs.l = """#), @r#"
    error: an output cannot be the workspace root
      --> Cargo.toml:10:13 `"."`
      help: name a file or a folder below it
    error: `../x` leads out of the workspace
      --> Cargo.toml:11:13 `"../x"`
      help: what a step names lies within the workspace
    error: an output cannot be or hold the manifest `crates/api/Cargo.toml`
      --> Cargo.toml:12:13 `"crates/api/Cargo.toml"`
      help: name the files that the step makes, or a folder of their own
    error: an output cannot be or hold the manifest `crates/api/Cargo.toml`
      --> Cargo.toml:13:13 `"crates/"`
      help: name the files that the step makes, or a folder of their own
    error: `.git/hooks/x`: an output cannot lie in `.git`
      --> Cargo.toml:14:13 `".git/hooks/x"`
      help: name another folder
    error: an output cannot be, hold or lie in the zen folder, `target/zen`
      --> Cargo.toml:15:13 `"target/zen/out/x"`
      help: a file name alone gets a place there: `outputs = ["name.txt"]`
    error: an output cannot be, hold or lie in the zen folder, `target/zen`
      --> Cargo.toml:16:13 `"target"`
      help: a file name alone gets a place there: `outputs = ["name.txt"]`
    error: `/etc/passwd` is absolute; write it relative to the folder that the table belongs to
      --> Cargo.toml:17:13 `"/etc/passwd"`
    error: an output cannot be or hold the manifest `Cargo.lock`
      --> Cargo.toml:18:13 `"Cargo.lock"`
      help: name the files that the step makes, or a folder of their own
    error: an output cannot be the workspace root
      --> Cargo.toml:19:13 `"**"`
      help: name a file or a folder below it
    error: an output cannot be or hold the manifest `Cargo.toml`
      --> Cargo.toml:20:13 `"*.toml"`
      help: name the files that the step makes, or a folder of their own
    error: a path cannot be empty
      --> Cargo.toml:21:13 `""`
      help: in a glob `*`, `?`, `[` and `{` have a meaning; for the character itself write `[*]`, `[[]` …
    "#);
}

#[test]
fn file_names_that_are_paths() {
    assert_snapshot!(step(r#"run = "true"
outputs = ["models/svc.json", ".hidden", "*.csv"]"#), @r#"
    error: `models/svc.json` is a path, and an array of outputs holds file names
      --> Cargo.toml:10:12 `"models/svc.json"` zen gives these a place of its own
      help: for a place of your own: `outputs.svc = "models/svc.json"`
    error: `` cannot be the name of an output
      --> Cargo.toml:10:31 `".hidden"` names are letters, digits, `-`, `_`
      note: the output is called by what stands before the first dot
      help: give it a name: `outputs.NAME = ".hidden"`
    error: `*` cannot be the name of an output
      --> Cargo.toml:10:42 `"*.csv"` names are letters, digits, `-`, `_`
      note: the output is called by what stands before the first dot
      help: give it a name: `outputs.NAME = "*.csv"`
    "#);
}

#[test]
fn an_output_without_a_path() {
    assert_snapshot!(step(r#"run = "true"
outputs.m = { metric = true }
outputs.n = { path = "n", metrics = true }
outputs.o = 1"#), @r#"
    error: output `m` has no `path`
      --> Cargo.toml:10:9 `m`
      help: `outputs.m.path = "a/file"`
    error: unknown key `metrics` in `outputs.n`
      --> Cargo.toml:11:27 `metrics` not a key of this table
      help: did you mean `metric`?
    error: `outputs.o` must be a path, or a table with `path`, not an integer
      --> Cargo.toml:12:13 `1` expected a path, or a table with `path`
    "#);
}

#[test]
fn placeholders_that_name_nothing() {
    assert_snapshot!(step(r#"run = "echo {{ params.gama }} {{ pipeline.gama }} {{ inputs.x }} {{ outputs.y }} {{ param.x }} {{ gamma }} {{ params.gamma }} {{ what }}""#), @r#"
    error: `{{ params.gama }}` names nothing: the step has no parameter `gama`
      --> Cargo.toml:9:13 `{{ params.gama }}`
      help: there are no parameters of the step
    error: `{{ pipeline.gama }}` names nothing: the pipeline has no parameter `gama`
      --> Cargo.toml:9:31 `{{ pipeline.gama }}`
      help: did you mean `gamma`?
    error: `{{ inputs.x }}` names nothing: the step has no input `x`
      --> Cargo.toml:9:51 `{{ inputs.x }}`
      help: there are no inputs of the step
    error: `{{ outputs.y }}` names nothing: the step has no output `y`
      --> Cargo.toml:9:66 `{{ outputs.y }}`
      help: there are no outputs of the step
    error: unknown placeholder `{{ param.x }}`
      --> Cargo.toml:9:82 `{{ param.x }}`
      help: did you mean `{{ params.x }}`?
    error: unknown placeholder `{{ gamma }}`
      --> Cargo.toml:9:96 `{{ gamma }}`
      help: did you mean `{{ pipeline.gamma }}`?
    error: `{{ params.gamma }}` names nothing: the step has no parameter `gamma`
      --> Cargo.toml:9:108 `{{ params.gamma }}`
      help: it is a parameter of the pipeline: `params = ["gamma"]` or `{{ pipeline.gamma }}`
    error: unknown placeholder `{{ what }}`
      --> Cargo.toml:9:127 `{{ what }}`
      help: placeholders: `params.x`, `pipeline.x`, `inputs.x`, `outputs.x`, `args`; write `{{{{` for a literal `{{`
    "#);
}

#[test]
fn an_escape_hides_the_place() {
    assert_snapshot!(step(r#"run = "echo\t{{ params.x }}"
params.z = 1"#), @r#"
    error: `{{ params.x }}` names nothing: the step has no parameter `x`
      --> Cargo.toml:9:7 `"echo\t{{ params.x }}"`
      help: parameters of the step: `z`
    "#);
}

#[test]
fn an_open_placeholder() {
    assert_snapshot!(step(r#"run = "echo {{ params.x""#), @r#"
    error: `{{` without `}}`
      --> Cargo.toml:9:13 `{{` opened here
      help: write `{{{{` for a literal `{{`
    "#);
}

#[test]
fn artifacts_where_nothing_is_known() {
    assert_snapshot!(step(r#"run = "true"
inputs.a = "make.a"
files = ["{{ inputs.a }}"]
params.x = "{{ params.y }}"
params.y = [1]
cwd = "{{ params.y }}""#), @r#"
    error: `{{ inputs.a }}` cannot stand here
      --> Cargo.toml:11:11 `{{ inputs.a }}`
      help: use it in `run` or `env`; here only `params.x`, `pipeline.x` and `args` have a value
    error: `{{ params.y }}` cannot stand here
      --> Cargo.toml:12:13 `{{ params.y }}`
      help: a parameter can take `{{ pipeline.x }}` and `{{ args }}`
    error: `{{ params.y }}` is an array
      --> Cargo.toml:14:7 `"{{ params.y }}"` here it must be a single value
    "#);
}

#[test]
fn placeholders_in_quotes() {
    assert_snapshot!(step(r#"params = ["gamma"]
run = """
echo "--gamma={{ params.gamma }}"
echo 'a b {{ params.gamma }}'
echo `x {{ params.gamma }}` $(y {{ params.gamma }}) $((1 + {{ params.gamma }})) ${X:-{{ params.gamma }}}
cat <<EOF
{{ params.gamma }}
EOF
# {{ params.gamma }}
echo \\{{ params.gamma }} ${{ params.gamma }} {{ params.gamma }}
""""#), @r#"
    error: `{{ params.gamma }}` stands after a `$`
      --> Cargo.toml:10:7 `"""` a value could break out of it here
      help: a placeholder has no `$`; write `{{ params.gamma }}`
    error: `{{ params.gamma }}` stands after a `\`
      --> Cargo.toml:10:7 `"""` a value could break out of it here
      help: a value is quoted by itself; write `{{ params.gamma }}`
    error: `{{ params.gamma }}` stands in a comment
      --> Cargo.toml:10:7 `"""` a value could break out of it here
      help: take it out; a value with a line end would leave the comment
    error: `{{ params.gamma }}` stands in a here-document
      --> Cargo.toml:10:7 `"""` a value could break out of it here
      help: set a variable before, `gamma={{ params.gamma }}`, and use it there: `$gamma`
    error: `{{ params.gamma }}` stands inside `$((…))`
      --> Cargo.toml:10:7 `"""` a value could break out of it here
      help: set a variable before, `gamma={{ params.gamma }}`, and use it there: `$((… gamma …))`
    error: `{{ params.gamma }}` stands inside `$(…)`
      --> Cargo.toml:10:7 `"""` a value could break out of it here
      help: set a variable before, `gamma={{ params.gamma }}`, and use it there: `$(… "$gamma")`
    error: `{{ params.gamma }}` stands inside `${…}`
      --> Cargo.toml:10:7 `"""` a value could break out of it here
      help: set a variable before, `gamma={{ params.gamma }}`, and use it there: `${…"$gamma"}`
    error: `{{ params.gamma }}` stands inside backticks
      --> Cargo.toml:10:7 `"""` a value could break out of it here
      help: set a variable before, `gamma={{ params.gamma }}`, and use it there: `"$gamma"`
    error: `{{ params.gamma }}` stands inside quotes
      --> Cargo.toml:10:7 `"""` a value could break out of it here
      help: a value is quoted by itself; write `--gamma={{ params.gamma }}`
    error: `{{ params.gamma }}` stands inside quotes
      --> Cargo.toml:10:7 `"""` a value could break out of it here
      help: a value is quoted by itself; write `'a b '{{ params.gamma }}`
    "#);
}

#[test]
fn unknown_parameters_and_pools() {
    assert_snapshot!(step(r#"run = "true"
params = ["gama"]
pool = "crago""#), @r#"
    error: pipeline `p` has no parameter `gama`
      --> Cargo.toml:10:11 `"gama"`
      help: did you mean `gamma`?
    error: there is no pool `crago`
      --> Cargo.toml:11:8 `"crago"`
      help: did you mean `cargo`?
    "#);
}

#[test]
fn a_pool_nobody_declared() {
    assert_snapshot!(step(r#"run = "true"
pool = "gpu"
threads-required = 0"#), @r#"
    error: `threads-required` must be an integer of at least 1
      --> Cargo.toml:11:20 `0` not in 1 to 4294967295
    error: there is no pool `gpu`
      --> Cargo.toml:10:8 `"gpu"`
      help: declare it in `[workspace.metadata.zen]`: `pools.gpu = 1`
    "#);
}

#[test]
fn threads() {
    assert_snapshot!(step(r#"run = "true"
threads-required = "all""#), @r#"
    error: `threads-required` must be an integer of at least 1, or "num-cpus", not a string
      --> Cargo.toml:10:20 `"all"` expected an integer of at least 1, or "num-cpus"
    "#);
}

#[test]
fn bad_globs() {
    assert_snapshot!(step(r#"run = "true"
files = ["[a", "../x", "/x", "a\\b", ""]
cwd = "..""#), @r#"
    error: `[a` is not a glob: unclosed character class; missing ']'
      --> Cargo.toml:10:10 `"[a"`
      help: in a glob `*`, `?`, `[` and `{` have a meaning; for the character itself write `[*]`, `[[]` …
    error: `../x` leads out of the workspace
      --> Cargo.toml:10:16 `"../x"`
      help: what a step names lies within the workspace
    error: `/x` is absolute; write it relative to the folder that the table belongs to
      --> Cargo.toml:10:24 `"/x"`
    error: `a\b` holds a backslash; separate folders with `/`
      --> Cargo.toml:10:30 `"a\\b"`
    error: `..` leads out of the workspace
      --> Cargo.toml:11:7 `".."`
      help: what a step names lies within the workspace
    "#);
}

#[test]
fn only_exclusions() {
    assert_snapshot!(step(r#"run = "true"
files = ["!a"]"#), @r#"
    error: there is nothing to exclude from
      --> Cargo.toml:10:10 `"!a"`
      help: name what is meant first: `["src/**", "!src/gen/**"]`
    "#);
}

#[test]
fn groups() {
    assert_snapshot!(problems(r#"[workspace.metadata.zen]
pipelines.ci.pipelines = ["lint", "tset"]
pipelines.test.pipelines = ["lint"]
pipelines.lint.pipelines = ["test"]
pipelines.empty.description = ""
"#), @r#"
    warning: pipeline `empty` has no steps
      --> Cargo.toml:5:11 `empty`
      help: add one: `[….pipelines.empty.steps.NAME]` with `run = "…"`
    error: there is no pipeline `tset`
      --> Cargo.toml:2:35 `"tset"` a member of `ci`
      help: did you mean `test`?
    error: groups that hold each other: lint → test → lint
      --> Cargo.toml:4:11 `lint`
      and Cargo.toml:3:11 `test`
      help: leave one of them out
    "#);
}

#[test]
fn a_shell_string_with_cargo_in_it() {
    assert_snapshot!(step(r#"run = "cargo build -p api && ./x""#), @r#"
    warning: step `s` calls cargo, and does not say which packages it reads
      --> Cargo.toml:9:7 `"cargo build -p api && ./x"` their sources are no part of the key
      help: add `packages = ["api"]` to the step
    "#);
}

#[test]
fn a_shell_string_with_cargo_for_all() {
    assert_snapshot!(step(r#"run = "cd x; cargo test""#), @r#"
    warning: step `s` calls cargo, and does not say which packages it reads
      --> Cargo.toml:9:7 `"cd x; cargo test"` their sources are no part of the key
      help: add `packages = ["*"]` to the step
    "#);
}

#[test]
fn bad_variables() {
    assert_snapshot!(step(r#"run = "true"
env."A=B" = "x"
env."" = "x"
env.FLAG = true"#), @r#"
    error: `A=B` cannot be the name of a variable
      --> Cargo.toml:10:5 `"A=B"` empty, or with `=`
    error: `` cannot be the name of a variable
      --> Cargo.toml:11:5 `""` empty, or with `=`
    error: `env.FLAG` must be a string, not a boolean
      --> Cargo.toml:12:12 `true` expected a string
      help: `env.FLAG = "true"`
    "#);
}

#[test]
fn a_list_in_a_path() {
    assert_snapshot!(step(r#"run = "true"
params.l = [1]
files = "{{ params.l }}""#), @r#"
    error: `{{ params.l }}` is an array
      --> Cargo.toml:11:9 `"{{ params.l }}"` here it must be a single value
    "#);
}

#[test]
fn an_integer_too_large() {
    assert_snapshot!(step(r#"run = "true"
params.n = 99999999999999999999"#), @r#"
    error: an integer must fit into 64 bits
      --> Cargo.toml:10:12 `99999999999999999999` too large
      help: write it as a string
    "#);
}

#[test]
fn the_place_within_a_string_of_many_lines() {
    assert_snapshot!(step(r#"params = ["gamma"]
run = """
true
echo "x={{ params.gamma }} y" {{ params.gama }}
""""#), @r#"
    error: `{{ params.gamma }}` stands inside quotes
      --> Cargo.toml:12:9 `{{ params.gamma }}` a value could break out of it here
      help: a value is quoted by itself; write `x={{ params.gamma }}" y"`
    error: `{{ params.gama }}` names nothing: the step has no parameter `gama`
      --> Cargo.toml:12:31 `{{ params.gama }}`
      help: did you mean `gamma`?
    "#);
}

#[test]
fn the_place_within_a_literal_string() {
    assert_snapshot!(step(r#"run = 'echo {{ params.x }}'"#), @r#"
    error: `{{ params.x }}` names nothing: the step has no parameter `x`
      --> Cargo.toml:9:13 `{{ params.x }}`
      help: there are no parameters of the step
    "#);
}

#[test]
fn a_key_of_the_root_in_no_table_of_the_root() {
    assert_snapshot!(problems(r#"[workspace.metadata.zen]
enable-cache = 1
[package]
name = "x"
[package.metadata.zen]
enable-cache = 1
"#), @r#"
    error: `enable-cache` must be true or false, not an integer
      --> Cargo.toml:2:16 `1` expected true or false
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
