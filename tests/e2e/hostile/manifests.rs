//! Manifests that make no sense: each ends quickly with what is wrong and where, the documented exit code, and nothing run.

use std::fs;

use super::forge::{all, fifo, zen};
use super::names::assert_tame;
use crate::harness::Workspace;

/// A hostile manifest: its name, the tables, what must come out.
pub struct Case {
    pub name: &'static str,
    /// The tables, or what makes them.
    tables: Tables,
    code: i32,
    /// What the message names.
    says: &'static [&'static str],
}

enum Tables {
    /// What the table of the step `p/s` holds.
    Step(&'static str),
    /// Everything.
    Whole(&'static str),
    Made(fn() -> String),
}

use Tables::{Made, Step, Whole};

const STEP: &str = "[workspace.metadata.zen.pipelines.p.steps.s]\n";

pub const CASES: &[Case] = &[
    case("a number for a command", Step("run = 7"), 96, &["run"]),
    case("numbers for words", Step("run = [1, 2]"), 96, &["run"]),
    case("a text for outputs' names", Step("run = 'touch canary'\noutputs = 7"), 96, &["outputs"]),
    case("a list for a policy", Step("run = 'touch canary'\ncache-policy = []"), 96, &["cache-policy"]),
    case("a date for a timeout", Step("run = 'touch canary'\ntimeout = 1979-05-27"), 96, &["timeout"]),
    case("nothing but not a number", Step("run = 'touch canary'\nretries = nan"), 96, &["retries"]),
    case("a text for the pipelines", Whole("[workspace.metadata.zen]\npipelines = 'all'"), 96, &["pipelines"]),
    case("a list for a step", Whole("[workspace.metadata.zen.pipelines.p.steps]\ns = [[[]]]"), 96, &["s"]),
    case("a text for everything", Whole("[workspace.metadata]\nzen = 'yes'"), 96, &["zen"]),
    case("a list nested a thousandfold", Made(nested), 102, &["Cargo.toml"]),
    case("a matrix of a thousand million cells", Made(matrix), 96, &["cells"]),
    case(
        "one step twice",
        Whole(
            "[workspace.metadata.zen.pipelines.p.steps.s]\nrun = 'touch canary'\n[workspace.metadata.zen.pipelines.p.steps.s]\nrun = 'touch canary'",
        ),
        102,
        &["duplicate"],
    ),
    case(
        "names that differ by case alone",
        Whole(
            "[workspace.metadata.zen.pipelines.p.steps.s]\nrun = 'touch canary'\n[workspace.metadata.zen.pipelines.p.steps.S]\nrun = 'touch canary'",
        ),
        96,
        &["S"],
    ),
    case(
        "parameters that stand for each other",
        Whole(
            "[workspace.metadata.zen.pipelines.p.steps.s]\nrun = 'touch canary'\nparams.a = '{{ params.b }}'\nparams.b = '{{ params.a }}'",
        ),
        96,
        &["params"],
    ),
    case("a step that waits for itself", Step("run = 'touch canary'\nafter = ['s']"), 96, &["s"]),
    case("a template that never ends", Step("run = 'touch canary {{ params.a'"), 96, &["{{"]),
    case("a glob that never ends", Step("run = 'touch canary'\nfiles = ['src/[a']"), 96, &["[a"]),
    case("braces that never end", Step("run = 'touch canary'\nfiles = ['src/{a,b']"), 96, &["{a,b"]),
    case("the root as an output", Step("run = 'touch canary'\noutputs.o = '/'"), 96, &["o"]),
    case("a dot as an output", Step("run = 'touch canary'\noutputs.o = '.'"), 96, &["o"]),
    case("what is above as an output", Step("run = 'touch canary'\noutputs.o = '..'"), 96, &["o"]),
    case(
        "a file beside the workspace as an output",
        Step("run = 'touch canary'\noutputs.o = '../outside'"),
        96,
        &["../outside"],
    ),
    case("git's folder as an output", Step("run = 'touch canary'\noutputs.o = '.git'"), 96, &[".git"]),
    case(
        "git's hooks as an output",
        Step("run = 'touch canary'\noutputs.o = '.git/hooks/post-checkout'"),
        96,
        &[".git"],
    ),
    case("the target directory as an output", Step("run = 'touch canary'\noutputs.o = 'target'"), 96, &["target"]),
    case("the zen folder as an output", Step("run = 'touch canary'\noutputs.o = 'target/zen'"), 96, &["target/zen"]),
    case(
        "the store as an output",
        Step("run = 'touch canary'\noutputs.o = 'target/zen/v1/objects/'"),
        96,
        &["target/zen"],
    ),
    case(
        "the manifest as an output",
        Step("run = 'touch canary'\noutputs.o = 'src/../Cargo.toml'"),
        96,
        &["Cargo.toml"],
    ),
    case("an output with a NUL", Step("run = 'touch canary'\noutputs.o = \"a\\u0000b\""), 96, &["\\u{0}"]),
    case("an output's name with a NUL", Step("run = 'touch canary'\noutputs.\"a\\u0000b\" = 'x'"), 96, &["a\\0b"]),
    case(
        "a step called like an escape",
        Whole("[workspace.metadata.zen.pipelines.p.steps.\"s\\u001b]0;x\\u0007\"]\nrun = 'touch canary'"),
        96,
        &["\\u{1b}"],
    ),
    case(
        "a pipeline that reads backwards",
        Whole("[workspace.metadata.zen.pipelines.\"p\\u202Etxt\".steps.s]\nrun = 'touch canary'"),
        96,
        &["\\u{202e}"],
    ),
    case("a parameter of two lines", Step("run = 'touch canary'\nparams.\"a\\n::add-mask::x\" = 1"), 96, &["\\n"]),
    case("a key called like an escape", Step("run = 'touch canary'\n\"in\\u001bputs\" = 1"), 96, &["unknown key"]),
    case("a variable with an equals sign", Step("run = 'touch canary'\nenv.\"A=B\" = 'x'"), 96, &["A=B"]),
    case("a variable with a NUL", Step("run = 'touch canary'\nenv.\"A\\u0000\" = 'x'"), 96, &["A\\0"]),
    case("a variable without a name", Step("run = 'touch canary'\nenv.\"\" = 'x'"), 96, &["env"]),
    case("a value with a NUL", Step("run = 'touch canary'\nenv.A = \"x\\u0000\""), 96, &["A"]),
    case("a store in the root of all", Made(|| store("/")), 103, &["`/`"]),
    case("a store in the sources", Made(|| store("src")), 103, &["src"]),
    case("a store that is a file", Made(|| store("in.txt")), 103, &["in.txt"]),
    case("a store in git's folder", Made(|| store(".git")), 103, &[".git"]),
    case(
        "numbers that no number holds",
        Step("run = 'touch canary'\nthreads-required = 99999999999999999999"),
        102,
        &["Cargo.toml"],
    ),
    case(
        "a duration that no clock holds",
        Step("run = 'touch canary'\ntimeout = '99999999999999999999d'"),
        96,
        &["timeout"],
    ),
];

const fn case(name: &'static str, tables: Tables, code: i32, says: &'static [&'static str]) -> Case {
    Case { name, tables, code, says }
}

fn nested() -> String {
    format!("[workspace.metadata.zen]\npools = {}{}", "[".repeat(5000), "]".repeat(5000))
}

fn matrix() -> String {
    let list: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
    let names = ["a", "b", "c"].map(|name| format!("matrix.{name} = [{}]\n", list.join(", ")));
    format!("{STEP}run = ['touch', 'canary', '{{{{ matrix.a }}}}']\n{}", names.concat())
}

fn store(place: &str) -> String {
    format!("[workspace.metadata.zen]\nstore.dir = '{place}'\n{STEP}run = 'touch canary'")
}

fn workspace(tables: &Tables) -> Workspace {
    let workspace = match tables {
        Step(body) => Workspace::with_step(body),
        Whole(text) => Workspace::new(text),
        Made(make) => Workspace::new(&make()),
    };
    workspace.write("in.txt", "x");
    workspace.write(".git/HEAD", "ref: refs/heads/main");
    fs::create_dir(workspace.beside("outside")).expect("it can be made");
    workspace
}

#[test]
fn f42_f44_f47_manifests_that_make_no_sense_run_nothing_and_say_where() {
    let judge = |case: &Case| {
        let workspace = workspace(&case.tables);
        for args in [&["run"][..], &["status"], &["list"]] {
            let outcome = zen(&workspace, case.name, args);
            // A list asks nothing of a store.
            if case.code == 103 && args == ["list"] {
                continue;
            }
            let stderr = &outcome.stderr;
            assert_eq!(outcome.code, Some(case.code), "{}: {args:?}: {stderr}", case.name);
            assert!(stderr.starts_with("error"), "{}: {stderr}", case.name);
            if case.code == 96 {
                assert!(stderr.contains("--> Cargo.toml:") && stderr.contains('^'), "{}: {stderr}", case.name);
            }
            for text in case.says {
                assert!(stderr.contains(text), "{}: `{text}` must be named: {stderr}", case.name);
            }
            assert_tame(stderr, case.name);
        }
        assert!(!workspace.exists("canary"), "{}: nothing was run", case.name);
    };
    all(CASES.iter().map(|case| (case.name, || judge(case))));
}

#[test]
fn f44_globs_that_match_everything_in_all_ways_end() {
    let deep = "**/".repeat(200);
    let workspace = Workspace::with_step(&format!(
        "run = 'true'\nfiles = ['{deep}*.rs', '{}x', 'src/{}']",
        "{a,b}".repeat(40),
        "*".repeat(500)
    ));
    let outcome = zen(&workspace, "globs", &["run"]);
    assert!(matches!(outcome.code, Some(0 | 96)), "{}", outcome.stderr);
}

#[test]
fn f42_a_command_that_no_program_can_be_given_fails_and_says_so() {
    let workspace = Workspace::with_step("run = \"touch canary\\u0000\"");
    let outcome = zen(&workspace, "a command with a NUL", &["run"]);
    assert_eq!(outcome.code, Some(100), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("nul byte"), "{}", outcome.stderr);
    assert!(!workspace.exists("canary"), "nothing was run");
}

#[test]
fn f24_a_config_that_is_no_file_is_an_error_that_names_it() {
    let workspace = Workspace::with_step("run = 'touch canary'");
    fifo(&workspace.path("fifo.toml"));
    fs::create_dir(workspace.path("folder.toml")).expect("it can be made");
    for config in ["fifo.toml", "folder.toml", "/dev/zero", "not-there.toml"] {
        let outcome = zen(&workspace, config, &["run", "--config", config]);
        assert!(matches!(outcome.code, Some(2 | 96)), "{config}: {:?} {}", outcome.code, outcome.stderr);
        assert!(outcome.stderr.contains(config), "{config}: {}", outcome.stderr);
        assert!(!workspace.exists("canary"), "{config}");
    }
}

#[test]
fn f43_an_output_that_lies_behind_a_link_is_refused() {
    let workspace = Workspace::with_step("run = 'echo x > {{ outputs.o }}'\noutputs.o = 'link/file'");
    fs::create_dir(workspace.beside("outside")).expect("it can be made");
    std::os::unix::fs::symlink(workspace.beside("outside"), workspace.path("link")).expect("it can be made");
    let outcome = zen(&workspace, "link", &["run"]);
    assert!(matches!(outcome.code, Some(96 | 100 | 110)), "{:?} {}", outcome.code, outcome.stderr);
    assert!(outcome.stderr.contains("link"), "{}", outcome.stderr);
    assert!(!workspace.beside("outside/file").exists(), "nothing is written behind the link");
}
