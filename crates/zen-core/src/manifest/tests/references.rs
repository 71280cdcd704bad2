//! A table for each mistake in what it refers to: steps, packages, placeholders, places.

use insta::assert_snapshot;

use super::{problems, step};

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
