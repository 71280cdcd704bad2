//! A table for each mistake.

use insta::assert_snapshot;

use super::{problems, step};

#[test]
fn syntax_errors() {
    assert_snapshot!(problems(r#"[workspace.metadata.zen
x = "#), @"");
}

#[test]
fn an_unknown_key_of_the_table() {
    assert_snapshot!(problems(r#"[workspace.metadata.zen]
default-pipline = "x"
x-mine = 1
"#), @"");
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
"#), @"");
}

#[test]
fn an_unknown_key_of_a_step() {
    assert_snapshot!(step(r#"run = "true"
ouputs = ["a.txt"]
zzzzzz = 1"#), @"");
}

#[test]
fn a_foreign_word() {
    assert_snapshot!(step(r#"command = "true"
needs = ["make"]"#), @"");
}

#[test]
fn both_spellings() {
    assert_snapshot!(step(r#"run = "true"
enable_cache = true
enable-cache = false"#), @"");
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
cache-policy = "default""#), @"");
}

#[test]
fn no_run() {
    assert_snapshot!(step(r#"files = ["a"]"#), @"");
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
cache-policy.cache-func = "x""#), @"");
}

#[test]
fn run_fn_is_not_yet() {
    assert_snapshot!(step(r#"run.fn = "train""#), @"");
}

#[test]
fn remote_is_not_yet() {
    assert_snapshot!(problems(r#"[workspace.metadata.zen.remote]
url = "grpc://x"
"#), @"");
}

#[test]
fn bad_durations() {
    assert_snapshot!(step(r#"run = "true"
timeout = -1
retry-delay = "soon"
cache-policy.expires-after = "-3h""#), @"");
}

#[test]
fn no_time_at_all() {
    assert_snapshot!(step(r#"run = "true"
timeout = 0"#), @"");
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
"#), @"");
}

#[test]
fn required_version_is_not_met() {
    assert_snapshot!(problems(r#"[workspace.metadata.zen]
required-version = ">=99"
"#), @"");
}

#[test]
fn bad_names() {
    assert_snapshot!(problems(r#"[workspace.metadata.zen]
enable-cache = false
pipelines."a b".steps.x.run = "true"
pipelines.q.steps."x.y".run = "true"
pipelines.r.steps.x = { run = "true", params."ä" = 1, outputs."a/b" = "c", inputs."" = "x" }
pools."g p u" = 1
"#), @"");
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
"#), @"");
}

#[test]
fn two_outputs_of_one_name() {
    assert_snapshot!(step(r#"run = "true"
outputs = ["x.csv", "x.json", "X.txt"]"#), @"");
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
depends = ["p/nothing"]"#), @"");
}

#[test]
fn a_step_of_another_pipeline() {
    assert_snapshot!(problems(r#"[workspace.metadata.zen]
enable-cache = false
pipelines.a.steps.gen = { run = "true", outputs = ["x.txt"] }
pipelines.b.steps.use = { run = "true", inputs.x = "gen.x" }
pipelines.b.steps.bare.run = "true"
pipelines.b.steps.want = { run = "true", inputs.x = "bare" }
"#), @"");
}

#[test]
fn a_file_where_a_reference_belongs() {
    assert_snapshot!(step(r#"run = "true"
inputs.raw = "data/iris.csv"
inputs.all = "*.csv""#), @"");
}

#[test]
fn files_in_an_array_of_references() {
    assert_snapshot!(step(r#"run = "true"
inputs = ["data/iris.csv"]"#), @"");
}

#[test]
fn two_inputs_of_one_name() {
    assert_snapshot!(problems(r#"[workspace.metadata.zen]
enable-cache = false
pipelines.p.steps.a = { run = "true", outputs = ["x.csv"] }
pipelines.p.steps.b = { run = "true", outputs = ["x.csv"] }
pipelines.p.steps.c = { run = "true", inputs = ["a.x", "b.x"] }
"#), @"");
}

#[test]
fn an_input_that_is_neither() {
    assert_snapshot!(step(r#"run = "true"
inputs.a = { file = "x" }
inputs.b = ["x", "y"]
inputs.c = {}"#), @"");
}

#[test]
fn an_array_of_commands() {
    assert_snapshot!(step(r#"run = ["cargo build", "cargo test"]"#), @"");
}

#[test]
fn an_array_of_one_command() {
    assert_snapshot!(step(r#"run = ["make all"]"#), @"");
}

#[test]
fn nothing_to_run() {
    assert_snapshot!(step(r#"run = []
shell = []"#), @"");
}

#[test]
fn run_tables() {
    assert_snapshot!(step(r#"run = { bin = "server", example = "demo" }"#), @"");
}

#[test]
fn run_table_without_a_target() {
    assert_snapshot!(step(r#"run = { args = ["x"] }"#), @"");
}

#[test]
fn build_with_args_and_without_outputs() {
    assert_snapshot!(step(r#"run = { build = "api", args = ["x"], package = "api" }"#), @"");
}

#[test]
fn a_bin_that_is_not_there() {
    assert_snapshot!(step(r#"run.bin = "sevrer""#), @"");
}

#[test]
fn a_bin_of_two_packages() {
    assert_snapshot!(step(r#"run.bin = "tool""#), @"");
}

#[test]
fn a_bin_of_another_package() {
    assert_snapshot!(step(r#"run = { bin = "server", package = "cli" }"#), @"");
}

#[test]
fn a_package_that_is_not_there() {
    assert_snapshot!(step(r#"run = { bin = "server", package = "appi" }
packages = ["ap", "web-*"]"#), @"");
}

#[test]
fn outputs_in_forbidden_places() {
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
outputs.l = """#), @"");
}

#[test]
fn file_names_that_are_paths() {
    assert_snapshot!(step(r#"run = "true"
outputs = ["models/svc.json", ".hidden", "*.csv"]"#), @"");
}

#[test]
fn an_output_without_a_path() {
    assert_snapshot!(step(r#"run = "true"
outputs.m = { metric = true }
outputs.n = { path = "n", metrics = true }
outputs.o = 1"#), @"");
}

#[test]
fn placeholders_that_name_nothing() {
    assert_snapshot!(step(r#"run = "echo {{ params.gama }} {{ pipeline.gama }} {{ inputs.x }} {{ outputs.y }} {{ param.x }} {{ gamma }} {{ params.gamma }} {{ what }}""#), @"");
}

#[test]
fn an_escape_hides_the_place() {
    assert_snapshot!(step(r#"run = "echo\t{{ params.x }}"
params.z = 1"#), @"");
}

#[test]
fn an_open_placeholder() {
    assert_snapshot!(step(r#"run = "echo {{ params.x""#), @"");
}

#[test]
fn artifacts_where_nothing_is_known() {
    assert_snapshot!(step(r#"run = "true"
inputs.a = "make.a"
files = ["{{ inputs.a }}"]
params.x = "{{ params.y }}"
params.y = [1]
cwd = "{{ params.y }}""#), @"");
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
""""#), @"");
}

#[test]
fn unknown_parameters_and_pools() {
    assert_snapshot!(step(r#"run = "true"
params = ["gama"]
pool = "crago""#), @"");
}

#[test]
fn a_pool_nobody_declared() {
    assert_snapshot!(step(r#"run = "true"
pool = "gpu"
threads-required = 0"#), @"");
}

#[test]
fn threads() {
    assert_snapshot!(step(r#"run = "true"
threads-required = "all""#), @"");
}

#[test]
fn bad_globs() {
    assert_snapshot!(step(r#"run = "true"
files = ["[a", "../x", "/x", "a\\b", ""]
cwd = "..""#), @"");
}

#[test]
fn only_exclusions() {
    assert_snapshot!(step(r#"run = "true"
files = ["!a"]"#), @"");
}

#[test]
fn groups() {
    assert_snapshot!(problems(r#"[workspace.metadata.zen]
pipelines.ci.pipelines = ["lint", "tset"]
pipelines.test.pipelines = ["lint"]
pipelines.lint.pipelines = ["test"]
pipelines.empty.description = ""
"#), @"");
}

#[test]
fn a_step_that_nothing_invalidates() {
    assert_snapshot!(problems(r#"[workspace.metadata.zen]
pipelines.p.steps.s.run = "true"
"#), @"");
}

#[test]
fn a_shell_string_with_cargo_in_it() {
    assert_snapshot!(step(r#"run = "cargo build -p api && ./x""#), @"");
}

#[test]
fn a_shell_string_with_cargo_for_all() {
    assert_snapshot!(step(r#"run = "cd x; cargo test""#), @"");
}

#[test]
fn bad_variables() {
    assert_snapshot!(step(r#"run = "true"
env."A=B" = "x"
env."" = "x"
env.FLAG = true"#), @"");
}

#[test]
fn a_list_in_a_path() {
    assert_snapshot!(step(r#"run = "true"
params.l = [1]
files = "{{ params.l }}""#), @"");
}

#[test]
fn an_integer_too_large() {
    assert_snapshot!(step(r#"run = "true"
params.n = 99999999999999999999"#), @"");
}
