//! Values: parameters and their types, `--set`, arguments, and how values reach a shell.

use std::fs;

use crate::harness::{Outcome, Workspace};

/// A pipeline `p` with these parameters; step `s` prints `n`.
fn with_param(value: &str) -> Workspace {
    Workspace::new(&format!(
        r#"
[workspace.metadata.zen.pipelines.p]
params.n = {value}
[workspace.metadata.zen.pipelines.p.steps.s]
run = ["printf", "%s", "{{{{ params.n }}}}"]
params = ["n"]
"#
    ))
}

/// Nothing runs, and what is wrong is said.
fn is_refused(outcome: &Outcome, texts: &[&str]) {
    assert_ne!(outcome.code, Some(0), "it must fail");
    assert!(outcome.of_reason("step-finished").next().is_none(), "nothing may run");
    for text in texts {
        assert!(outcome.stderr.contains(text), "`{text}` must be in:\n{}", outcome.stderr);
    }
}

#[test]
fn f_1_values_have_types() {
    let workspace = with_param("1");
    assert_eq!(workspace.ok(&[]).printed("s"), "1");
    for (from, to, why) in [
        ("params.n = 1", "params.n = \"1\"", "param `n`: 1 → \"1\""),
        ("params.n = \"1\"", "params.n = 1.0", "param `n`: "),
        ("params.n = 1.0", "params.n = [1]", "param `n`: "),
        ("params.n = [1]", "params.n = [\"1\"]", "param `n`: "),
        ("params.n = [\"1\"]", "params.n = true", "param `n`: "),
        ("params.n = true", "params.n = \"true\"", "param `n`: "),
    ] {
        workspace.edit("Cargo.toml", from, to);
        let outcome = workspace.ok(&[]);
        assert_eq!(outcome.outcomes(), "s=ran", "{to} is not {from}");
        assert!(outcome.why("s").starts_with(why), "{}", outcome.why("s"));
        assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
    }
}

#[test]
fn f_1_the_order_of_table_keys_is_nothing_and_that_of_items_is() {
    let workspace = with_param("{ a = 1, b = [1, 2] }");
    workspace.ok(&[]);
    workspace.edit("Cargo.toml", "{ a = 1, b = [1, 2] }", "{ b = [1, 2], a = 1 }");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
    workspace.edit("Cargo.toml", "[1, 2]", "[2, 1]");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=ran");
}

#[test]
fn f_1_words_do_not_run_into_each_other() {
    let workspace = Workspace::with_step("run = [\"echo\", \"ab\", \"c\"]");
    workspace.ok(&[]);
    workspace.edit("Cargo.toml", "\"ab\", \"c\"", "\"a\", \"bc\"");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=ran");
    workspace.edit("Cargo.toml", "\"a\", \"bc\"", "\"bc\", \"a\"");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=ran", "arguments have an order");
    workspace.edit("Cargo.toml", "\"bc\", \"a\"", "\"bc\", \"a\", \"\"");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=ran", "an empty argument is one");
}

#[test]
fn set_reads_values_as_the_declared_type() {
    for (declared, set, printed) in [
        ("1", "2", "2"),
        ("0.5", "1", "1"),
        ("0.5", "0.0001", "0.0001"),
        ("\"x\"", "1", "1"),
        ("\"x\"", "a b=c", "a b=c"),
        ("\"x\"", "", ""),
        ("true", "false", "false"),
    ] {
        let workspace = with_param(declared);
        let printed_now = workspace.ok(&["--set", &format!("n={set}")]).printed("s");
        assert!(
            printed_now == printed
                || printed_now.parse::<f64>().ok().zip(printed.parse().ok()).is_some_and(|(a, b): (f64, f64)| a == b),
            "{declared} set to {set} is {printed}, and was {printed_now}"
        );
    }
}

#[test]
fn set_refuses_what_is_not_declared_or_of_another_type() {
    for (declared, set, texts) in [
        ("1", "n=x", &["integer", "`x`"][..]),
        ("1", "n=0.5", &["integer", "`0.5`"]),
        ("0.5", "n=much", &["float", "`much`"]),
        ("true", "n=1", &["boolean", "`1`"]),
        ("[1]", "n=1", &["array", "`1`"]),
        ("1", "m=1", &["`m`", "`n`"]),
        ("1", "s.m=1", &["`m`"]),
        ("1", "t.n=1", &["`t`"]),
        ("1", "n", &["NAME=VALUE"]),
    ] {
        is_refused(&with_param(declared).run(&["--set", set]), texts);
    }
}

#[test]
fn set_for_one_step_leaves_the_others() {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p]
params.n = 1
[workspace.metadata.zen.pipelines.p.steps]
a = { run = "echo {{ params.n }}", params = ["n"] }
b = { run = "echo {{ params.n }}; true", params = ["n"] }
"#,
    );
    workspace.ok(&[]);
    let outcome = workspace.ok(&["--set", "a.n=2"]);
    assert_eq!((outcome.outcomes().as_str(), outcome.printed("a").as_str()), ("a=ran b=fresh", "2\n"));
    assert_eq!(workspace.ok(&["--set", "n=3"]).outcomes(), "a=ran b=ran");
    assert_eq!(workspace.ok(&["--set", "n=3", "--set", "a.n=2"]).outcomes(), "a=fresh b=fresh");
}

#[test]
fn a_parameter_counts_for_the_steps_that_have_it() {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p]
params.n = 1
params.m = 1
[workspace.metadata.zen.pipelines.p.steps]
named = { run = "true", params = ["n"] }
used = { run = "echo {{ pipeline.n }}" }
own = { run = "echo {{ params.x }}", params.x = "{{ pipeline.n }}" }
other = { run = "echo {{ params.m }}", params = ["m"] }
"#,
    );
    workspace.ok(&[]);
    let outcome = workspace.ok(&["--set", "n=2"]);
    assert_eq!(outcome.outcomes(), "named=ran other=fresh own=ran used=ran");
    assert_eq!(outcome.why("own"), "param `x`: 1 → 2", "the type is kept");
    assert_eq!(outcome.why("used"), "param `n`: 1 → 2");
}

#[test]
fn arguments_reach_the_steps_that_take_them() {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p.steps]
a = { run = "printf '<%s>' {{ args }}" }
b = { run = ["printf", "[%s]", "{{ args }}"] }
c = { run = "true" }
"#,
    );
    let outcome = workspace.ok(&["--", "one", "two words", "$(x)"]);
    assert_eq!(outcome.printed("a"), "<one><two words><$(x)>");
    assert_eq!(outcome.printed("b"), "[one][two words][$(x)]");
    assert_eq!(workspace.ok(&["--", "one", "two words", "$(x)"]).outcomes(), "a=fresh b=fresh c=fresh");
    let moved = workspace.ok(&["--", "one", "two", "words", "$(x)"]);
    assert_eq!(moved.outcomes(), "a=ran b=ran c=fresh");
    assert_eq!(workspace.ok(&[]).outcomes(), "a=ran b=ran c=fresh", "no arguments are others");
}

const ODD: &str = "a $HOME `id` $(id) ; | & < > ' \" \\ * ? [x] ~ # ! {a,b}\nsecond line\t=";

#[test]
fn f_26_odd_values_reach_the_shell_as_data() {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p]
params.n = "x"
[workspace.metadata.zen.pipelines.p.steps.s]
run = '''
printf '%s' {{ params.n }} > {{ outputs.word }}
x={{ params.n }}
printf '%s' "$x" > {{ outputs.assigned }}
printf '%s' "$ZEN_PARAM_N" > {{ outputs.variable }}
printf '%s' "$E" > {{ outputs.env }}
'''
params = ["n"]
env.E = "{{ params.n }}"
outputs = ["word.txt", "assigned.txt", "variable.txt", "env.txt"]
"#,
    );
    workspace.ok(&["--set", &format!("n={ODD}")]);
    for name in ["word", "assigned", "variable", "env"] {
        assert_eq!(workspace.read(&format!("target/zen/out/p/s/{name}.txt")), ODD, "{name}");
    }
}

#[test]
fn several_files_are_as_many_words_sorted() {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p.steps]
a = { run = "printf '<%s>' {{ inputs.all }}", inputs.all.files = "in/*" }
b = { run = ["printf", "[%s]", "{{ inputs.all }}"], inputs.all.files = ["in/b*", "in/a*"] }
"#,
    );
    for name in ["b", "a 1", "a;2", "a'3", "a$4"] {
        workspace.write(&format!("in/{name}"), "");
    }
    let outcome = workspace.ok(&[]);
    assert_eq!(outcome.printed("a"), "<in/a 1><in/a$4><in/a'3><in/a;2><in/b>");
    assert_eq!(outcome.printed("b"), "[in/a 1][in/a$4][in/a'3][in/a;2][in/b]");
}

#[test]
fn paths_are_relative_to_the_folder_that_the_command_runs_in() {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p.steps.s]
run = "pwd; echo {{ inputs.near }} {{ inputs.far }} {{ outputs.o }}; cat {{ inputs.near }} {{ inputs.far }} > {{ outputs.o }}"
cwd = "work/here"
inputs.near.files = "work/here/near.txt"
inputs.far.files = "far.txt"
outputs.o = "work/out/o.txt"
"#,
    );
    workspace.write("work/here/near.txt", "near\n");
    workspace.write("far.txt", "far\n");
    let outcome = workspace.ok(&[]);
    let here = workspace.path("work/here");
    assert_eq!(outcome.printed("s"), format!("{}\nnear.txt ../../far.txt ../out/o.txt\n", here.display()));
    assert_eq!(workspace.read("work/out/o.txt"), "near\nfar\n");
}

#[test]
fn four_braces_are_two() {
    let workspace = Workspace::with_step("run = [\"echo\", \"{{{{ params.x }}\"]");
    assert_eq!(workspace.ok(&[]).printed("s"), "{{ params.x }}\n");
}

#[test]
fn f_26_the_shell_is_sh_that_stops_at_the_first_failure() {
    let mut workspace = Workspace::with_step("run = \"echo $0; false; echo on\"");
    workspace.env.insert("SHELL".into(), "/bin/false".into());
    let outcome = workspace.run(&[]);
    assert_eq!(outcome.code, Some(100));
    assert_eq!(outcome.printed("s"), "sh\n");
}

#[test]
fn f_26_the_shell_is_part_of_the_key() {
    let workspace = Workspace::with_step("run = \"echo a\"");
    workspace.ok(&[]);
    workspace.edit("Cargo.toml", "run =", "shell = [\"sh\", \"-c\"]\nrun =");
    let outcome = workspace.ok(&[]);
    assert_eq!(
        (outcome.outcomes().as_str(), outcome.finished("s")["why"][0]["component"].as_str()),
        ("s=ran", Some("code"))
    );
}

#[test]
fn renaming_a_step_or_a_pipeline_keeps_its_results() {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.first]
params.n = 1
[workspace.metadata.zen.pipelines.first.steps.one]
run = "echo {{ params.n }} > {{ outputs.o }}"
params = ["n"]
outputs = ["o.txt"]
"#,
    );
    workspace.ok(&[]);
    workspace.edit("Cargo.toml", "steps.one", "steps.uno");
    assert_eq!(workspace.ok(&[]).outcomes(), "uno=restored", "the place is new, the bytes are not");
    workspace.edit("Cargo.toml", "pipelines.first", "pipelines.premier");
    assert_eq!(workspace.ok(&[]).outcomes(), "uno=restored");
    assert_eq!(workspace.read("target/zen/out/premier/uno/o.txt"), "1\n");
}

#[test]
fn what_only_says_how_to_run_is_no_part_of_the_key() {
    let workspace = Workspace::new(
        "[workspace.metadata.zen]\npools.gpu = 1\n[workspace.metadata.zen.pipelines.p.steps.s]\n\
         run = \"echo a > {{ outputs.o }}\"\noutputs.o = \"o.txt\"",
    );
    workspace.ok(&[]);
    workspace.edit(
        "Cargo.toml",
        "run =",
        "description = \"A\"\npool = \"gpu\"\nretries = 2\nretry-delay = \"1s\"\ntimeout = \"1h\"\nthreads-required = 2\nrun =",
    );
    workspace.write("README.md", "# Changed\n");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
    fs::remove_file(workspace.path("o.txt")).expect("it was made");
    workspace.edit("Cargo.toml", "description = \"A\"", "description = \"B\"");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored");
}
