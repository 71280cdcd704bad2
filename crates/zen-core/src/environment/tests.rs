//! What a step gets, and what of it is keyed.

use std::time::Duration;

use super::*;
use crate::diag::{FileId, Span};
use crate::glob::PathSet;
use crate::model::{Command, Hooks, PipelineId, Policy, Rank};

fn step(uses_cargo: bool, track: &[&str], pass: &[&str]) -> Step {
    let span = Span::new(FileId(0), 0..0);
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    Step {
        pipeline: PipelineId(0),
        name: "s".into(),
        display_id: "p/s".into(),
        span,
        description: None,
        base: RelPath::root(),
        cwd: RelPath::root(),
        command: Command::Argv(Vec::new()),
        command_span: span,
        inputs: Vec::new(),
        files: PathSet::default(),
        outputs: Vec::new(),
        params: BTreeMap::new(),
        pipeline_params: BTreeMap::new(),
        args: None,
        after: Vec::new(),
        depends: Vec::new(),
        closures: Vec::new(),
        uses_cargo,
        calls_cargo: uses_cargo,
        env: BTreeMap::new(),
        track_env: names(track),
        pass_env: names(pass),
        secret_env: Vec::new(),
        pool: None,
        threads: None,
        timeout: None,
        retries: 0,
        retry_delay: Duration::ZERO,
        hooks: Hooks::default(),
        interactive: false,
        enable_cache: (true, Rank::Default),
        policy: Policy::default(),
        cache_funcs: Vec::new(),
        base_name: "s".to_owned(),
        matrix: BTreeMap::new(),
        batch: false,
        cell_packages: Vec::new(),
    }
}

fn outer(vars: &[(&str, &str)]) -> Outer {
    vars.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn environment(vars: &[(&str, &str)], step: &Step) -> StepEnvironment {
    step_environment(&outer(vars), step, &BTreeMap::new(), Conditions::default())
}

fn names(environment: &StepEnvironment) -> Vec<&str> {
    environment.vars.keys().map(|name| name.to_str().unwrap()).collect()
}

#[test]
fn f_38_the_environment_is_strict() {
    let vars = [("PATH", "/bin"), ("SECRET", "x"), ("RUSTFLAGS", "-g"), ("https_proxy", "p"), ("SSL_CERT_FILE", "c")];
    let got = environment(&vars, &step(false, &[], &[]));
    assert_eq!(names(&got), ["LC_ALL", "PATH", "SSL_CERT_FILE", "https_proxy"]);
    assert_eq!(got.vars[OsStr::new("LC_ALL")], "C.UTF-8");
    assert!(got.keyed.is_empty(), "nothing was tracked: {:?}", got.keyed);
}

#[test]
fn f_19_what_cargo_set_for_the_subcommand_does_not_leak() {
    let vars = [("CARGO", "c"), ("CARGO_MANIFEST_DIR", "d"), ("CARGO_PKG_NAME", "n"), ("RUSTUP_TOOLCHAIN", "t")];
    let step = step(true, &[], &[]);
    assert_eq!(names(&environment(&vars, &step)), ["LC_ALL"]);
    let chosen = Conditions { toolchain_is_chosen: true, ..Conditions::default() };
    let got = step_environment(&outer(&vars), &step, &BTreeMap::new(), chosen);
    assert_eq!(names(&got), ["LC_ALL", "RUSTUP_TOOLCHAIN"]);
    assert_eq!(got.keyed["RUSTUP_TOOLCHAIN"].as_deref(), Some(OsStr::new("t")));
}

#[test]
fn cargo_steps_get_cargos_variables_and_key_what_changes_code() {
    let handed = ["CARGO_TARGET_DIR", "CARGO_TERM_VERBOSE", "CARGO_INCREMENTAL", "RUSTC_WRAPPER", "SCCACHE_DIR"];
    let keyed = ["CARGO_BUILD_TARGET", "CARGO_PROFILE_DEV_DEBUG", "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER", "CC"];
    let vars: Vec<_> = handed.iter().chain(&keyed).chain(&["CARGO_REGISTRY_TOKEN"]).map(|name| (*name, "v")).collect();
    let got = environment(&vars, &step(true, &[], &[]));
    let mut all: Vec<_> = handed.iter().chain(&keyed).chain(&["LC_ALL"]).copied().collect();
    all.sort_unstable();
    assert_eq!(names(&got), all);
    assert_eq!(got.keyed.keys().map(String::as_str).collect::<Vec<_>>(), keyed);
    assert_eq!(names(&environment(&vars, &step(false, &[], &[]))), ["LC_ALL"]);
}

#[test]
fn f_1_unset_is_not_empty() {
    let step = step(false, &["A", "B", "C_*"], &[]);
    let got = environment(&[("B", ""), ("C_1", "c"), ("D", "d")], &step);
    let expected = [("A", None), ("B", Some("")), ("C_1", Some("c"))];
    let expected: BTreeMap<_, _> = expected.map(|(name, value)| (name.to_owned(), value.map(OsString::from))).into();
    assert_eq!(got.keyed, expected);
    assert_eq!(names(&got), ["B", "C_1", "LC_ALL"]);
}

#[test]
fn passed_variables_are_not_keyed_unless_they_are_tracked_too() {
    let got = environment(&[("A", "a"), ("B", "b")], &step(false, &["B"], &["A", "B"]));
    assert_eq!(names(&got), ["A", "B", "LC_ALL"]);
    assert_eq!(got.keyed.len(), 1);
}

#[test]
fn env_wins_over_all() {
    let set = [("LC_ALL", "de_DE"), ("T", "inner"), ("FORCE_COLOR", "0")];
    let set = set.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let colour = Conditions { colour: true, ..Conditions::default() };
    let got = step_environment(&outer(&[("T", "outer")]), &step(false, &["T"], &[]), &set, colour);
    let value = |name: &str| got.vars[OsStr::new(name)].to_str().unwrap();
    assert_eq!([value("LC_ALL"), value("T"), value("FORCE_COLOR")], ["de_DE", "inner", "0"]);
    assert_eq!([value("CARGO_TERM_COLOR"), value("CLICOLOR_FORCE")], ["always", "1"]);
    assert!(got.keyed.is_empty(), "`env` is keyed by itself: {:?}", got.keyed);
}

#[test]
fn undeclared_variables_are_named() {
    let outer =
        outer(&[("A", "1"), ("B", "1"), ("C", "1"), ("D", "1"), ("E", "1"), ("PATH", "1"), ("F", "1"), ("PWD", "/")]);
    let environment = step_environment(&outer, &step(false, &[], &[]), &BTreeMap::new(), Conditions::default());
    let script = r#"B=2; for C in x; do echo "$A ${F:-x}" '$D' \$E $B $C $PATH $PWD $NOWHERE $$; done"#;
    assert_eq!(undeclared_variables(script, &environment, &outer), ["A", "F"]);
}

#[test]
fn a_step_is_told_about_itself() {
    let path = |text: &str| RelPath::new(text).unwrap();
    let params = [("gamma-x".to_owned(), Value::Float(0.5)), ("n".to_owned(), Value::Integer(1))].into();
    let inputs = [("raw".to_owned(), vec![path("a.csv"), path("b.csv")])].into();
    let outputs = [("model".to_owned(), path("m.json"))].into();
    let context = StepContext {
        batch: &[],
        matrix: &[("x".to_owned(), Value::Integer(2)), ("x.dir-name".to_owned(), Value::String("d".into()))].into(),
        pipeline: "p",
        step: "s",
        run: Some(RunId(7)),
        root: Path::new("/w"),
        params: &params,
        inputs: &inputs,
        outputs: &outputs,
        args: &["x".to_owned()],
    };
    let vars = zen_variables(&context);
    let value = |name: &str| vars[OsStr::new(name)].to_str().unwrap();
    assert_eq!([value("ZEN_RUN"), value("ZEN_PARAM_GAMMA_X"), value("ZEN_PARAM_N")], ["7", "0.5", "1"]);
    assert_eq!([value("ZEN_MATRIX_X"), value("ZEN_MATRIX_X_DIR_NAME")], ["2", "d"]);
    if cfg!(unix) {
        assert_eq!(value("ZEN_INPUT_RAW"), "/w/a.csv\n/w/b.csv");
        assert_eq!(value("ZEN_OUTPUT_MODEL"), "/w/m.json");
        assert_eq!(
            zen_context(&context),
            r#"{"version":1,"pipeline":"p","step":"s","run":7,"workspace_root":"/w","params":{"gamma-x":0.5,"n":1},"matrix":{"x":2,"x.dir-name":"d"},"inputs":{"raw":["/w/a.csv","/w/b.csv"]},"outputs":{"model":"/w/m.json"},"args":["x"]}"#
        );
    }
}

#[test]
fn a_list_that_no_program_could_start_with_is_left_out() {
    let paths = (0..20_000).map(|n| RelPath::new(format!("file-{n}")).unwrap()).collect();
    let inputs = [("raw".to_owned(), paths)].into();
    let (params, outputs) = (BTreeMap::new(), BTreeMap::new());
    let context = StepContext {
        batch: &[],
        matrix: &BTreeMap::new(),
        pipeline: "p",
        step: "s",
        run: None,
        root: Path::new("/w"),
        params: &params,
        inputs: &inputs,
        outputs: &outputs,
        args: &[],
    };
    assert!(!zen_variables(&context).contains_key(OsStr::new("ZEN_INPUT_RAW")));
    assert!(zen_context(&context).contains("file-19999"));
}

#[test]
fn a_batch_is_told_of_all_its_cells() {
    let cell = |values: &[(&str, &str)]| -> BTreeMap<String, Value> {
        values.iter().map(|(name, value)| ((*name).to_owned(), Value::String((*value).to_owned()))).collect()
    };
    let (one, other) = (cell(&[("x", "a"), ("x.n", "1")]), cell(&[("x", "b")]));
    let context = StepContext {
        batch: &[&one, &other],
        matrix: &one,
        pipeline: "p",
        step: "s",
        run: None,
        root: Path::new("/w"),
        params: &BTreeMap::new(),
        inputs: &BTreeMap::new(),
        outputs: &BTreeMap::new(),
        args: &[],
    };
    let vars = zen_variables(&context);
    assert_eq!([&vars[OsStr::new("ZEN_MATRIX_X")], &vars[OsStr::new("ZEN_MATRIX_X_N")]], ["a\nb", "1\n"]);
    let json = zen_context(&context);
    assert!(json.contains(r#""matrix":{"x":["a","b"],"x.n":["1",null]}"#), "{json}");
}
