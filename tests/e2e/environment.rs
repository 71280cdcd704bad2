//! What a step sees of the environment, what of it is keyed, and what it is told about itself.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::harness::Workspace;

/// A step that prints its environment, and what `more` adds to its table.
fn printing(more: &str) -> Workspace {
    Workspace::with_step(&format!("run = [\"env\"]\n{more}"))
}

/// Runs with these variables set outside besides.
fn with(workspace: &mut Workspace, vars: &[(&str, &str)]) {
    workspace.env = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
}

/// The environment that the step had.
fn environment(workspace: &Workspace) -> BTreeMap<String, String> {
    let printed = workspace.ok(&["--no-cache"]).printed("s");
    printed.lines().filter_map(|line| line.split_once('=')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

fn outcome(workspace: &Workspace) -> String {
    workspace.ok(&[]).outcomes()
}

#[test]
fn the_environment_is_strict() {
    let mut workspace = printing("");
    with(&mut workspace, &[("UNDECLARED", "1"), ("TERM", "vt100"), ("SSL_CERT_FILE", "/certs"), ("https_proxy", "x")]);
    let seen = environment(&workspace);
    assert!(!seen.contains_key("UNDECLARED"), "nobody declared it: {seen:?}");
    for (name, value) in [("TERM", "vt100"), ("SSL_CERT_FILE", "/certs"), ("https_proxy", "x"), ("LC_ALL", "C.UTF-8")] {
        assert_eq!(seen.get(name).map(String::as_str), Some(value), "{name}");
    }
    for name in ["PATH", "HOME"] {
        assert_eq!(seen.get(name), std::env::var(name).ok().as_ref(), "{name} is handed on");
    }
}

#[test]
fn what_is_handed_on_is_not_keyed() {
    let mut workspace = printing("");
    with(&mut workspace, &[("TERM", "a"), ("TMPDIR", "/tmp"), ("CI", "true"), ("OTHER", "1")]);
    workspace.ok(&[]);
    with(
        &mut workspace,
        &[("TERM", "b"), ("OTHER", "2"), ("LC_ALL", "de_DE"), ("USER", "somebody"), ("RUSTFLAGS", "-g")],
    );
    assert_eq!(outcome(&workspace), "s=fresh");
}

#[test]
fn lc_all_is_fixed_unless_env_sets_it() {
    let mut workspace = printing("");
    with(&mut workspace, &[("LC_ALL", "de_DE.UTF-8")]);
    assert_eq!(environment(&workspace)["LC_ALL"], "C.UTF-8");
    let workspace = printing("env.LC_ALL = \"C\"");
    assert_eq!(environment(&workspace)["LC_ALL"], "C");
}

#[test]
fn a_variable_that_is_used_and_not_declared_is_warned_about() {
    let mut workspace = Workspace::with_step("run = \"echo <$TOKEN> ${OTHER:-none} '$QUOTED' $HOME\"");
    workspace.edit("Cargo.toml", "<$TOKEN>", "[$TOKEN]");
    with(&mut workspace, &[("TOKEN", "secret"), ("OTHER", "1"), ("QUOTED", "1")]);
    let outcome = workspace.ok(&[]);
    assert_eq!(outcome.printed("s").lines().next().map(|line| line.starts_with("[] none $QUOTED /")), Some(true));
    for name in ["$TOKEN", "$OTHER"] {
        assert!(outcome.stderr.contains(&format!("warning: `{name}` is set outside")), "{name}: {}", outcome.stderr);
    }
    for name in ["`$QUOTED`", "`$HOME`", "secret"] {
        assert!(!outcome.stderr.contains(name), "{name} is nothing to warn about: {}", outcome.stderr);
    }
    with(&mut workspace, &[]);
    assert!(!workspace.ok(&[]).stderr.contains("is set outside"), "it is not");
    workspace.edit("Cargo.toml", "run =", "track-env = [\"TOKEN\"]\npass-env = [\"OTH*\"]\nrun =");
    with(&mut workspace, &[("TOKEN", "secret"), ("OTHER", "1")]);
    let outcome = workspace.ok(&[]);
    assert!(outcome.printed("s").starts_with("[secret] 1 "), "both are declared: {}", outcome.printed("s"));
    assert!(!outcome.stderr.contains("is set outside"), "{}", outcome.stderr);
}

#[test]
fn f_1_a_tracked_variable_is_unset_or_empty_or_set() {
    let mut workspace = printing("track-env = [\"MODE\"]");
    let states: [&[(&str, &str)]; 4] = [&[], &[("MODE", "")], &[("MODE", "a")], &[("MODE", "b")]];
    for state in states {
        with(&mut workspace, state);
        assert_eq!(outcome(&workspace), "s=ran", "{state:?} is a state of its own");
    }
    for state in states {
        with(&mut workspace, state);
        assert_eq!(outcome(&workspace), "s=fresh", "{state:?} was seen before");
    }
    with(&mut workspace, &[("MODE", "c")]);
    let changed = workspace.ok(&[]);
    assert_eq!(changed.why("s"), "env `MODE` changed", "its value is never shown");
    assert_eq!(changed.finished("s")["why"][0]["component"], "env");
    assert!(changed.printed("s").contains("MODE=c\n"));
}

#[test]
fn tracked_names_may_be_globs() {
    let mut workspace = printing("track-env = [\"APP_*\"]");
    with(&mut workspace, &[("APP_A", "1"), ("OTHER", "1")]);
    assert!(workspace.ok(&[]).printed("s").contains("APP_A=1\n"));
    with(&mut workspace, &[("APP_A", "1"), ("OTHER", "2")]);
    assert_eq!(outcome(&workspace), "s=fresh");
    with(&mut workspace, &[("APP_A", "1"), ("APP_B", "")]);
    assert_eq!(workspace.ok(&[]).why("s"), "env `APP_B` added");
}

#[test]
fn what_is_passed_is_not_keyed() {
    let mut workspace = printing("pass-env = [\"TOKEN\"]");
    with(&mut workspace, &[("TOKEN", "1")]);
    assert_eq!(environment(&workspace)["TOKEN"], "1");
    with(&mut workspace, &[("TOKEN", "2")]);
    assert_eq!(outcome(&workspace), "s=fresh");
}

#[test]
fn what_is_set_is_keyed_and_wins() {
    let mut workspace = Workspace::new(
        r#"
[workspace.metadata.zen]
env = { A = "workspace", B = "workspace", C = "workspace" }
pass-env = ["A"]
[workspace.metadata.zen.pipelines.p]
params.n = 1
env = { B = "pipeline", C = "pipeline" }
steps.s = { run = ["env"], env = { C = "{{ params.n }}" }, params = ["n"] }
"#,
    );
    with(&mut workspace, &[("A", "outside")]);
    let seen = environment(&workspace);
    assert_eq!((seen["A"].as_str(), seen["B"].as_str(), seen["C"].as_str()), ("workspace", "pipeline", "1"));
    workspace.edit("Cargo.toml", "B = \"workspace\"", "B = \"other\"");
    assert_eq!(outcome(&workspace), "s=fresh", "a nearer value hides it");
    workspace.edit("Cargo.toml", "A = \"workspace\"", "A = \"changed\"");
    assert_eq!(workspace.ok(&[]).why("s"), "env `A` changed");
}

#[test]
fn f_19_what_cargo_set_for_the_subcommand_does_not_leak() {
    let vars = [
        ("CARGO", env!("CARGO")),
        ("CARGO_MANIFEST_DIR", "/nowhere"),
        ("CARGO_PKG_NAME", "cargo-zen"),
        ("CARGO_BIN_NAME", "cargo-zen"),
    ];
    for more in ["", "packages = [\"ws\"]"] {
        let mut workspace = printing(more);
        with(&mut workspace, &vars);
        let seen = environment(&workspace);
        for (name, _) in vars {
            assert!(!seen.contains_key(name), "{name} leaks: {seen:?}");
        }
    }
}

#[test]
fn steps_that_call_cargo_get_its_variables_and_key_what_changes_the_code() {
    let mut workspace = printing("packages = [\"ws\"]");
    // Whatever the lock file is to become, it is there before the first look.
    workspace.ok(&[]);
    with(&mut workspace, &[("CARGO_TERM_VERBOSE", "true"), ("CARGO_NET_RETRY", "3"), ("RUST_BACKTRACE", "1")]);
    assert_eq!(outcome(&workspace), "s=fresh", "how cargo works is not keyed");
    let seen = environment(&workspace);
    assert_eq!(seen.get("CARGO_TERM_VERBOSE").map(String::as_str), Some("true"));
    assert_eq!(seen.get("CARGO_NET_RETRY").map(String::as_str), Some("3"));
    for (name, value) in [("RUSTFLAGS", "-Copt-level=1"), ("CARGO_PROFILE_DEV_DEBUG", "0"), ("CC", "cc")] {
        with(&mut workspace, &[(name, value)]);
        let changed = workspace.ok(&[]);
        let why: Vec<&str> = changed.finished("s")["why"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|why| why["component"] == "env")
            .filter_map(|why| why["item"].as_str())
            .collect();
        assert_eq!((changed.outcomes().as_str(), why), ("s=ran", vec![name]));
        assert!(changed.printed("s").contains(&format!("{name}={value}\n")));
    }
}

#[test]
fn a_step_is_told_about_itself() {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p]
params.learning-rate = 0.5
[workspace.metadata.zen.pipelines.p.steps]
made = { run = "touch {{ outputs.m }}", outputs.m = "m.txt" }
[workspace.metadata.zen.pipelines.p.steps.s]
run = "env > {{ outputs.env-dump }}; cp $ZEN_CONTEXT {{ outputs.context }}"
params = { gamma = "x y", learning-rate = "{{ pipeline.learning-rate }}", list = [1, "1"], on = true }
inputs.m = "made.m"
inputs.my-raw.files = "in/*"
outputs.env-dump = "env.txt"
outputs.context = "context.json"
cwd = "sub"
"#,
    );
    workspace.write("in/b", "");
    workspace.write("in/a", "");
    fs::create_dir(workspace.path("sub")).expect("it is new");
    let run = workspace.ok(&["--", "one", "two"]);
    let number = run.of_reason("run-finished").next().map(|message| message["run"].to_string()).unwrap_or_default();
    let root = workspace.root.display().to_string();
    let dump = workspace.read("env.txt");
    for line in [
        "ZEN_PIPELINE=p".to_owned(),
        "ZEN_STEP=s".to_owned(),
        format!("ZEN_RUN={number}"),
        format!("ZEN_WORKSPACE_ROOT={root}"),
        "ZEN_PARAM_GAMMA=x y".to_owned(),
        "ZEN_PARAM_LEARNING_RATE=0.5".to_owned(),
        "ZEN_PARAM_ON=true".to_owned(),
        format!("ZEN_INPUT_M={root}/m.txt"),
        format!("ZEN_INPUT_MY_RAW={root}/in/a\n{root}/in/b"),
        format!("ZEN_OUTPUT_ENV_DUMP={root}/env.txt"),
        format!("ZEN_OUTPUT_CONTEXT={root}/context.json"),
    ] {
        assert!(format!("\n{dump}").contains(&format!("\n{line}\n")), "`{line}` must be in:\n{dump}");
    }
    let context: Value = serde_json::from_str(&workspace.read("context.json")).expect("it is JSON");
    assert!(context["version"].is_u64(), "its format has a version: {context}");
    assert_eq!((&context["pipeline"], &context["step"]), (&json!("p"), &json!("s")));
    assert_eq!(context["run"].to_string(), number);
    assert_eq!(
        context["params"],
        json!({"gamma": "x y", "learning-rate": 0.5, "list": [1, "1"], "on": true}),
        "values keep their types"
    );
    assert_eq!(context["inputs"]["my-raw"], json!([format!("{root}/in/a"), format!("{root}/in/b")]));
    assert!(context["outputs"]["context"].to_string().contains(&format!("{root}/context.json")), "{context}");
}

#[test]
fn standard_input_is_empty_and_the_folder_of_an_output_is_there() {
    let workspace = Workspace::with_step(
        "run = \"cat; test -d new/deep; echo a > new/deep/o.txt; test -d made/here\"\n\
         outputs.o = \"new/deep/o.txt\"\noutputs.d = \"made/here/\"",
    );
    assert_eq!(workspace.ok(&[]).printed("s"), "");
}
