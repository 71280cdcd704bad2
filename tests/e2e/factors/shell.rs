//! Rows about commands, parameters, inputs, files, the environment, outputs, and what a policy makes of them.

use super::Edit::{Del, Env, Exec, Flag, Link, Mv, Put, Sub, Touch};
use super::{Row, check};
use crate::harness::Workspace;

const T: &str = "Cargo.toml";

/// `make` writes the first line of `in/a.txt`, whatever else it reads; `use` reads that.
fn base() -> Workspace {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen]
default-pipeline = "p"
[workspace.metadata.zen.pipelines.p]
params = { n = 1, word = "x", t = { a = 1, b = 2 }, list = [1, 2] }
[workspace.metadata.zen.pipelines.p.steps.make]
run = "sh gen.sh {{ params.n }} > {{ outputs.o }}"
params = ["n", "word", "t", "list"]
files = ["in", "!in/skip"]
inputs.raw.files = "raw/*.csv"
env = { A = "1", B = "2" }
track-env = ["T"]
pass-env = ["P"]
outputs.o = "out/o.txt"
[workspace.metadata.zen.pipelines.p.steps.use]
run = ["sh", "use.sh", "--fast", "one", "two"]
inputs.o = "make.o"
"#,
    );
    for (file, text) in [
        ("gen.sh", "head -n 1 in/a.txt\n"),
        ("use.sh", "true\n"),
        ("in/a.txt", "a\nmore\n"),
        ("in/b.txt", "b\n"),
        ("in/.hidden", "h\n"),
        ("in/skip/s.txt", "s\n"),
        ("raw/r.csv", "1\n"),
        ("conf/x.toml", "x = 1\n"),
        (".gitignore", "in/b.txt\n"),
        ("README.md", "read me\n"),
    ] {
        workspace.write(file, text);
    }
    workspace
}

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    Row("nothing", "unchanged", &[], &[], "", ""),
    Row("all files", "touched", &[], &[Touch("gen.sh"), Touch("in/a.txt"), Touch("raw/r.csv"), Touch(T)], "", ""),

    Row("shell string", "changed", &[], &[Sub(T, "sh gen.sh {{", "sh gen.sh  {{")], "make", "command changed"),
    Row("shell string", "changed and back", &[], &[Sub(T, "sh gen.sh", "sh  gen.sh"), Sub(T, "sh  gen.sh", "sh gen.sh")], "", ""),
    Row("shell string", "placeholder in another spelling", &[], &[Sub(T, "{{ params.n }}", "{{params.n}}")], "", ""),
    Row("argument list", "word changed", &[], &[Sub(T, "\"one\"", "\"uno\"")], "use", "command changed"),
    Row("argument list", "reordered", &[], &[Sub(T, "\"one\", \"two\"", "\"two\", \"one\"")], "use", "command changed"),
    Row("argument list", "laid out anew", &[], &[Sub(T, "\"one\", \"two\"", "\"one\",\"two\"")], "", ""),
    Row("argument list", "as a string", &[], &[Sub(T, "[\"sh\", \"use.sh\", \"--fast\", \"one\", \"two\"]", "\"sh use.sh --fast one two\"")], "use", "command changed"),
    Row("shell", "set", &[], &[Sub(T, "run = \"sh gen", "shell = [\"sh\", \"-c\"]\nrun = \"sh gen")], "make", "shell added"),
    Row("shell", "set at the pipeline", &[], &[Sub(T, "params = { n", "shell = [\"sh\", \"-c\"]\nparams = { n")], "make", "shell added"),
    Row("file named by a word", "changed", &[], &[Put("gen.sh", "head -n 1 in/a.txt; true\n")], "make", "file gen.sh changed"),
    Row("file named by a word", "comment", &[], &[Put("gen.sh", "# c\nhead -n 1 in/a.txt\n")], "make", "file gen.sh changed"),
    Row("file named by a word", "touched", &[], &[Touch("gen.sh")], "", ""),
    Row("file named by a word", "executable bit", &[], &[Exec("gen.sh")], "make", "file gen.sh changed"),
    Row("file named by a word", "appears", &[], &[Put("two", "2")], "use", "file two added"),
    Row("file that is part of an option", "appears", &[], &[Put("--fast", "2")], "", ""),
    Row("cwd", "changed to the same folder", &[], &[Sub(T, "run = [", "cwd = \".\"\nrun = [")], "", ""),
    Row("cwd", "changed", &[Put("sub/use.sh", "true\n")], &[Sub(T, "run = [", "cwd = \"sub\"\nrun = [")], "use", "cwd: . → sub"),

    Row("parameter", "changed in the table", &[], &[Sub(T, "n = 1,", "n = 2,")], "make", "param `n`: 1 → 2"),
    Row("parameter", "changed by --set", &[], &[Flag("--set=n=2")], "make", "param `n`: 1 → 2"),
    Row("parameter", "set to what it is", &[], &[Flag("--set=n=1")], "", ""),
    Row("parameter", "integer becomes float", &[], &[Sub(T, "n = 1,", "n = 1.0,")], "make", "param `n`: 1 → 1.0"),
    Row("parameter", "integer becomes text", &[], &[Sub(T, "n = 1,", "n = \"1\",")], "make", "param `n`: 1 → \"1\""),
    Row("parameter", "integer in another base", &[], &[Sub(T, "n = 1,", "n = 0x1,")], "", ""),
    Row("parameter", "text in other quotes", &[], &[Sub(T, "word = \"x\"", "word = 'x'")], "", ""),
    Row("parameter", "table reordered", &[], &[Sub(T, "{ a = 1, b = 2 }", "{ b = 2, a = 1 }")], "", ""),
    Row("parameter", "table's value changed", &[], &[Sub(T, "{ a = 1, b = 2 }", "{ a = 1, b = 3 }")], "make", "param `t`: { a = 1, b = 2 } → { a = 1, b = 3 }"),
    Row("parameter", "list reordered", &[], &[Sub(T, "[1, 2]", "[2, 1]")], "make", "param `list`: [1, 2] → [2, 1]"),
    Row("parameter", "names reordered", &[], &[Sub(T, "[\"n\", \"word\"", "[\"word\", \"n\"")], "", ""),
    Row("parameter", "one that the step does not have", &[], &[Sub(T, "params = { n", "params = { other = 1, n")], "", ""),
    Row("parameter", "taken away", &[], &[Sub(T, ", \"list\"]", "]")], "make", "param `list` removed"),
    Row("parameter", "of the pipeline, used directly", &[Sub(T, "--fast", "{{ pipeline.word }}")], &[Flag("--set=word=y")], "make use", "param `word`: \"x\" → \"y\""),
    Row("arguments after --", "of a step that does not use them", &[], &[Flag("--"), Flag("a")], "", ""),
    Row("arguments after --", "changed", &[Sub(T, "--fast", "{{ args }}")], &[Flag("--"), Flag("a")], "use", "arguments: none → a"),

    Row("input artifact", "other bytes", &[], &[Put("in/a.txt", "z\n")], "make use", "file in/a.txt changed"),
    Row("input artifact", "made anew with the same bytes", &[], &[Put("in/a.txt", "a\nother\n")], "make", "file in/a.txt changed"),
    Row("input artifact", "forced, the same bytes", &[], &[Flag("--no-cache=make")], "make", "forced"),
    Row("input artifact", "called otherwise", &[], &[Sub(T, "inputs.o = ", "inputs.other = ")], "use", "input `o` removed"),
    Row("input artifact", "written as an array", &[], &[Sub(T, "inputs.o = \"make.o\"", "inputs = [\"make.o\"]")], "", ""),
    Row("input artifact", "written with its pipeline", &[], &[Sub(T, "\"make.o\"", "\"p/make.o\"")], "", ""),
    Row("named input files", "changed", &[], &[Put("raw/r.csv", "2\n")], "make", "input `raw`: file raw/r.csv changed"),
    Row("named input files", "touched", &[], &[Touch("raw/r.csv")], "", ""),
    Row("named input files", "added", &[], &[Put("raw/s.csv", "2\n")], "make", "input `raw`: file raw/s.csv added"),
    Row("named input files", "removed", &[Put("raw/s.csv", "2\n")], &[Del("raw/s.csv")], "make", "input `raw`: file raw/s.csv removed"),
    Row("named input files", "beside the glob", &[], &[Put("raw/s.txt", "2\n")], "", ""),

    Row("files", "changed", &[], &[Put("in/b.txt", "c\n")], "make", "file in/b.txt changed"),
    Row("files", "written with the same bytes", &[], &[Put("in/b.txt", "b\n")], "", ""),
    Row("files", "same length, other bytes", &[], &[Put("in/b.txt", "x\n")], "make", "file in/b.txt changed"),
    Row("files", "touched", &[], &[Touch("in/b.txt")], "", ""),
    Row("files", "added", &[], &[Put("in/deep/c.txt", "c\n")], "make", "file in/deep/c.txt added"),
    Row("files", "removed", &[], &[Del("in/b.txt")], "make", "file in/b.txt removed"),
    Row("files", "renamed", &[], &[Mv("in/b.txt", "in/c.txt")], "make", "file in/b.txt removed"),
    Row("files", "executable bit", &[], &[Exec("in/b.txt")], "make", "file in/b.txt changed"),
    Row("files", "hidden", &[], &[Put("in/.hidden", "i\n")], "make", "file in/.hidden changed"),
    Row("files", "an empty one added", &[], &[Put("in/empty", "")], "make", "file in/empty added"),
    Row("files", "excluded", &[], &[Put("in/skip/s.txt", "t\n")], "", ""),
    Row("files", "globs reordered", &[Sub(T, "\"in\", \"!in/skip\"", "\"in\", \"conf\", \"!in/skip\"")], &[Sub(T, "\"in\", \"conf\"", "\"conf\", \"in\"")], "", ""),
    Row("files", "written as another glob for the same files", &[], &[Sub(T, "\"in\", \"!in/skip\"", "\"in/**\", \"!in/skip/**\"")], "", ""),
    Row("files", "a link to another file", &[Link("in/l", "a.txt")], &[Link("in/l", "b.txt")], "make", "file in/l changed"),
    Row("files", "what a link leads to", &[Link("in/l", "../conf/x.toml")], &[Put("conf/x.toml", "x = 2\n")], "make", "file in/l changed"),
    Row("files", "elsewhere", &[], &[Put("README.md", "read\n"), Put("new.txt", "n\n")], "", ""),

    Row("env", "changed", &[], &[Sub(T, "A = \"1\"", "A = \"2\"")], "make", "env `A` changed"),
    Row("env", "added", &[], &[Sub(T, "A = \"1\"", "A = \"1\", C = \"3\"")], "make", "env `C` added"),
    Row("env", "removed", &[], &[Sub(T, "A = \"1\", ", "")], "make", "env `A` removed"),
    Row("env", "reordered", &[], &[Sub(T, "A = \"1\", B = \"2\"", "B = \"2\", A = \"1\"")], "", ""),
    Row("env", "moved to the pipeline", &[], &[Sub(T, "A = \"1\", ", ""), Sub(T, "params = { n", "env.A = \"1\"\nparams = { n")], "use", "env `A` added"),
    Row("track-env", "set", &[], &[Env("T", "1")], "make", "env `T` changed"),
    Row("track-env", "changed", &[Env("T", "1")], &[Env("T", "2")], "make", "env `T` changed"),
    Row("track-env", "unchanged", &[Env("T", "1")], &[Env("T", "1")], "", ""),
    Row("track-env", "set to nothing", &[], &[Env("T", "")], "make", "env `T` changed"),
    Row("pass-env", "changed", &[Env("P", "1")], &[Env("P", "2")], "", ""),
    Row("other variables", "changed", &[], &[Env("OTHER", "1"), Env("HOME", "/nowhere")], "", ""),

    Row("outputs", "place changed", &[], &[Sub(T, "out/o.txt", "out/other.txt")], "make use", "output `o` changed"),
    Row("outputs", "name changed", &[], &[Sub(T, "outputs.o", "outputs.q"), Sub(T, "make.o", "make.q")], "make", "command changed"),
    Row("outputs", "optional", &[], &[Sub(T, "\"out/o.txt\"", "{ path = \"out/o.txt\", optional = true }")], "make", "output `o` changed"),
    Row("outputs", "metric", &[], &[Sub(T, "\"out/o.txt\"", "{ path = \"out/o.txt\", metric = true }")], "", ""),
    Row("outputs", "removed by hand", &[], &[Del("out/o.txt")], "", ""),
    Row("outputs", "edited by hand", &[], &[Put("out/o.txt", "mine\n")], "", ""),

    Row("description", "changed", &[], &[Sub(T, "run = [", "description = \"d\"\nrun = [")], "", ""),
    Row("timeout, retries, pool, threads", "changed", &[], &[Sub(T, "run = [", "timeout = \"1h\"\nretries = 2\nretry-delay = 1\nthreads-required = 2\npool = \"cargo\"\nrun = [")], "", ""),
    Row("hooks", "added", &[], &[Sub(T, "run = [", "on-success = \"true\"\nrun = [")], "", ""),
    Row("after", "added", &[], &[Sub(T, "run = [", "after = \"make\"\nrun = [")], "", ""),
    Row("depends", "added", &[], &[Sub(T, "run = [", "depends = \"make\"\nrun = [")], "use", "depends p/make added"),
    Row("depends", "its key changed, its bytes did not", &[Sub(T, "run = [", "depends = \"make\"\nrun = [")], &[Put("in/b.txt", "c\n")], "make use", "file in/b.txt changed"),
    Row("platform", "given", &[], &[Sub(T, "run = [", "platform = \"cfg(unix)\"\nrun = [")], "", ""),
    Row("Cargo.toml", "comment", &[], &[Sub(T, "run = [", "# a comment\nrun = [")], "", ""),
    Row("Cargo.toml", "snake_case", &[], &[Sub(T, "track-env", "track_env"), Sub(T, "pass-env", "pass_env")], "", ""),
    Row("Cargo.toml", "keys that are left alone", &[], &[Sub(T, "run = [", "x-note = 1\nrun = [")], "", ""),
    Row("step", "renamed", &[], &[Sub(T, "steps.use", "steps.consume")], "", ""),
    Row("pipeline", "renamed", &[], &[Sub(T, "pipelines.p", "pipelines.q"), Sub(T, "\"p\"", "\"q\"")], "", ""),
];

#[rustfmt::skip]
pub(super) const POLICIES: &[Row] = &[
    Row("include-step-code off", "command and file changed", &[Sub(T, "run = [", "cache-policy.include-step-code = false\nrun = [")], &[Sub(T, "\"one\"", "\"uno\""), Put("use.sh", "true; true\n")], "", ""),
    Row("include-step-code", "turned off", &[], &[Sub(T, "run = [", "cache-policy.include-step-code = false\nrun = [")], "use", "command removed"),
    Row("include-step-parameters off", "parameter changed", &[Sub(T, "params = { n", "cache-policy.include-step-parameters = false\nparams = { n")], &[Flag("--set=n=2")], "", ""),
    Row("include-platform off", "nothing else", &[Sub(T, "run = [", "cache-policy.include-platform = false\nrun = [")], &[Touch("use.sh")], "", ""),
    Row("include-artifact-values off", "another production", &[Sub(T, "run = [", "cache-policy.include-artifact-values = false\nrun = [")], &[Flag("--no-cache=make")], "make use", "forced"),
    Row("include-artifact-values and -ids off", "other bytes", &[Sub(T, "run = [", "cache-policy = { include-artifact-values = false, include-artifact-ids = false }\nrun = [")], &[Put("in/a.txt", "z\n")], "make", "file in/a.txt changed"),
    Row("content-hash off", "another production", &[Sub(T, "\"out/o.txt\"", "{ path = \"out/o.txt\", content-hash = false }")], &[Flag("--no-cache=make")], "make use", "forced"),
    Row("ignored-inputs", "the ignored one changed", &[Sub(T, "run = \"sh gen", "cache-policy.ignored-inputs = [\"raw\"]\nrun = \"sh gen")], &[Put("raw/r.csv", "2\n")], "", ""),
    Row("ignored-inputs", "another changed", &[Sub(T, "run = \"sh gen", "cache-policy.ignored-inputs = [\"raw\"]\nrun = \"sh gen")], &[Put("in/b.txt", "2\n")], "make", "file in/b.txt changed"),
    Row("ignored-inputs", "a name added", &[], &[Sub(T, "run = \"sh gen", "cache-policy.ignored-inputs = [\"raw\"]\nrun = \"sh gen")], "make", "input `raw`: file raw/r.csv removed"),
    Row("file-dependencies of the workspace", "changed", &[Sub(T, "default-pipeline", "cache-policy.file-dependencies = \"conf\"\ndefault-pipeline")], &[Put("conf/x.toml", "x = 2\n")], "make use", "file conf/x.toml changed"),
    Row("file-dependencies of the pipeline", "touched", &[Sub(T, "params = { n", "cache-policy.file-dependencies = \"conf\"\nparams = { n")], &[Touch("conf/x.toml")], "", ""),
    Row("file-dependencies of the step", "changed", &[Sub(T, "run = [", "cache-policy.file-dependencies = \"conf\"\nrun = [")], &[Put("conf/x.toml", "x = 2\n")], "use", "file conf/x.toml changed"),
    Row("file-dependencies", "moved to another rank", &[Sub(T, "run = [", "cache-policy.file-dependencies = \"in\"\nrun = [")], &[Sub(T, "cache-policy.file-dependencies = \"in\"\n", ""), Sub(T, "params = { n", "cache-policy.file-dependencies = \"in\"\nparams = { n")], "make", "file in/skip/s.txt added"),
    Row("cache-func", "another value", &[Sub(T, "run = [", "cache-policy.cache-func = \"cat conf/x.toml\"\nrun = [")], &[Put("conf/x.toml", "x = 2\n")], "use", "cache-func: x = 1 → x = 2"),
    Row("cache-func", "another command, the same value", &[Sub(T, "run = [", "cache-policy.cache-func = \"cat conf/x.toml\"\nrun = [")], &[Sub(T, "cat conf/x.toml", "cat < conf/x.toml")], "", ""),
    Row("cache-func", "what it reads, touched", &[Sub(T, "run = [", "cache-policy.cache-func = \"cat conf/x.toml\"\nrun = [")], &[Touch("conf/x.toml")], "", ""),
    Row("cache-func", "called otherwise", &[Sub(T, "run = [", "cache-policy.cache-func.a = \"echo 1\"\nrun = [")], &[Sub(T, "cache-func.a", "cache-func.b")], "use", "cache-func `a` removed"),
    Row("expires-after", "given", &[], &[Sub(T, "run = [", "cache-policy.expires-after = \"1h\"\nrun = [")], "", ""),
    Row("expires-after", "shortened to nothing", &[Sub(T, "run = [", "cache-policy.expires-after = \"1h\"\nrun = [")], &[Sub(T, "\"1h\"", "0")], "use", "expired"),
    Row("enable-cache", "off", &[], &[Sub(T, "run = [", "enable-cache = false\nrun = [")], "use", "caching disabled by the step"),
    Row("enable-cache", "off and on by the command line", &[], &[Sub(T, "run = [", "enable-cache = false\nrun = ["), Flag("--cache=use")], "", ""),
    Row("enable-cache", "on again", &[Sub(T, "run = [", "enable-cache = false\nrun = [")], &[Sub(T, "enable-cache = false", "enable-cache = true")], "use", "never run"),
    Row("config file", "that changes nothing", &[Put("c.toml", "params.n = 1\n")], &[Flag("--config=c.toml")], "", ""),
    Row("config file", "with a parameter", &[Put("c.toml", "params.n = 3\n")], &[Flag("--config=c.toml")], "make", "param `n`: 1 → 3"),
    Row("config file", "with a step's policy", &[Put("c.toml", "[steps.use]\nenable-cache = false\n")], &[Flag("--config=c.toml")], "use", "caching disabled by the config file"),
    Row("matrix", "a value added", &[Sub(T, "run = [", "matrix.m = [1]\nrun = [")], &[Sub(T, "matrix.m = [1]", "matrix.m = [1, 2]")], "use[m=2]", "never run"),
    Row("matrix", "values reordered", &[Sub(T, "run = [", "matrix.m = [1, 2]\nrun = [")], &[Sub(T, "matrix.m = [1, 2]", "matrix.m = [2, 1]")], "", ""),
    Row("matrix", "a field changed", &[Sub(T, "run = [", "matrix.m = [{ name = \"a\", v = 1 }]\nrun = [")], &[Sub(T, "v = 1", "v = 2")], "use[m=a]", "param `matrix.m.v`: 1 → 2"),
];

#[test]
fn what_counts_by_default() {
    check(&base, ROWS);
}

#[test]
fn what_counts_by_a_policy() {
    check(&base, POLICIES);
}
