//! `matrix`: a cell for each value, file or package, each with its own key; references between cells; `batch`.

use std::fs;

use crate::harness::{Outcome, Workspace};

/// `train` has a cell for each `gamma` and each `kernel`, `report` gathers them.
fn training() -> Workspace {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p]
params.gammas = [0.1, 0.2]
[workspace.metadata.zen.pipelines.p.steps.load]
matrix.kernel = ["linear", "rbf"]
run = "cat data.txt > {{ outputs.rows }}; echo {{ matrix.kernel }} >> {{ outputs.rows }}"
outputs = ["rows.txt"]
[workspace.metadata.zen.pipelines.p.steps.train]
matrix = { kernel = ["linear", "rbf"], gamma = "{{ pipeline.gammas }}" }
run = "cat {{ inputs.rows }} > {{ outputs.model }}; echo {{ matrix.gamma }} >> {{ outputs.model }}"
inputs = ["load.rows"]
outputs.model = "models/{{ matrix.kernel }}-{{ matrix.gamma }}.txt"
[workspace.metadata.zen.pipelines.p.steps.report]
run = "cat {{ inputs.model }} > {{ outputs.all }}"
inputs = ["train.model"]
outputs.all = "report.txt"
"#,
    );
    workspace.write("data.txt", "1\n");
    workspace
}

/// The steps that ran, sorted.
fn ran(outcome: &Outcome) -> Vec<String> {
    let finished = outcome.of_reason("step-finished").filter(|message| message["outcome"] == "ran");
    let mut steps: Vec<String> = finished.map(|message| message["step"].as_str().unwrap_or("?").to_owned()).collect();
    steps.sort();
    steps
}

#[test]
fn a_reference_goes_to_the_cell_that_agrees_and_gathers_where_several_do() {
    let workspace = training();
    let first = workspace.ok(&[]);
    assert_eq!(
        ran(&first),
        [
            "p/load[kernel=linear]",
            "p/load[kernel=rbf]",
            "p/report",
            "p/train[gamma=0.1,kernel=linear]",
            "p/train[gamma=0.1,kernel=rbf]",
            "p/train[gamma=0.2,kernel=linear]",
            "p/train[gamma=0.2,kernel=rbf]",
        ]
    );
    assert_eq!(workspace.read("models/rbf-0.2.txt"), "1\nrbf\n0.2\n", "a cell reads the one that agrees with it");
    let gathered = "1\nlinear\n0.1\n1\nrbf\n0.1\n1\nlinear\n0.2\n1\nrbf\n0.2\n";
    assert_eq!(workspace.read("report.txt"), gathered, "in the order of the cells");
    assert_eq!(ran(&workspace.ok(&[])), [""; 0], "and all of it is cached");
    assert!(workspace.exists("target/zen/out/p/load/kernel=rbf/rows.txt"), "each cell has a place of its own");
}

#[test]
fn a_new_value_runs_the_new_cells_and_what_gathers_them() {
    let workspace = training();
    workspace.ok(&[]);
    let more = workspace.ok(&["--set", "gammas=[0.1, 0.2, 0.3]"]);
    assert_eq!(ran(&more), ["p/report", "p/train[gamma=0.3,kernel=linear]", "p/train[gamma=0.3,kernel=rbf]"]);
    assert_eq!(
        more.why("report"),
        "input `model[gamma=0.3,kernel=linear]` added; input `model[gamma=0.3,kernel=rbf]` added"
    );
    let fewer = workspace.ok(&[]);
    assert_eq!(ran(&fewer), [""; 0], "the old list is an old key");
    assert!(!workspace.exists("models/rbf-0.3.txt"), "what a cell left that is gone is removed");
    workspace.write("data.txt", "2\n");
    let changed = workspace.ok(&["-s", "load[kernel=rbf]"]);
    assert_eq!(ran(&changed), ["p/load[kernel=rbf]"]);
    assert_eq!(changed.why("p/load[kernel=rbf]"), "file data.txt changed");
}

#[test]
fn one_cell_or_all_of_them_can_be_named() {
    let workspace = training();
    let one = ["p/load[kernel=rbf]", "p/train[gamma=0.1,kernel=rbf]"];
    assert_eq!(ran(&workspace.ok(&["-s", "train[gamma=0.1,kernel=rbf]"])), one);
    assert_eq!(ran(&workspace.ok(&["p/train[gamma=0.1,kernel=rbf]", "--no-cache"])), one);
    assert_eq!(
        ran(&workspace.ok(&["-s", "load", "--no-cache=load[kernel=rbf]"])),
        ["p/load[kernel=linear]", "p/load[kernel=rbf]"]
    );
    assert_eq!(ran(&workspace.ok(&["p/load", "--no-cache=load"])).len(), 2, "a step's name means all of its cells");
    let unknown = workspace.run(&["-s", "train[gamma=0.9]"]);
    assert!(unknown.code == Some(4) && unknown.stderr.contains("p/train[gamma=0.1,kernel=rbf]"), "{}", unknown.stderr);
    let list = workspace.zen(&["list"]).stdout;
    assert!(list.contains("train (4 cells)") && !list.contains("kernel=rbf"), "{list}");
    let list = workspace.zen(&["list", "-v"]).stdout;
    assert!(list.contains("train[gamma=0.2,kernel=rbf]"), "{list}");
    let logs = workspace.zen(&["explain", "train[gamma=0.1,kernel=rbf]"]);
    assert!(
        logs.stdout.contains("matrix.gamma") && logs.stdout.contains("p/train[gamma=0.1,kernel=rbf]"),
        "{}",
        logs.stdout
    );
    let several = workspace.zen(&["explain", "train"]);
    assert!(several.code == Some(4) && several.stderr.contains("more than one step"), "{}", several.stderr);
}

#[test]
fn values_files_tables_and_packages_have_fields() {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p.steps.file]
matrix.f.glob = ["data/**/*.csv", "!data/skip.csv"]
run = "echo {{ matrix.f }} {{ matrix.f.name }} {{ matrix.f.stem }} {{ matrix.f.dir }}"
files = "{{ matrix.f }}"
[workspace.metadata.zen.pipelines.p.steps.table]
matrix.size = [{ name = "small", n = 1 }, { name = "large", n = 10 }]
params.typed = "{{ matrix.size.n }}"
run = "echo {{ matrix.size }} {{ matrix.size.n }} $ZEN_MATRIX_SIZE $ZEN_MATRIX_SIZE_N; grep -o '\"typed\":[0-9]*' $ZEN_CONTEXT"
files = "src"
[workspace.metadata.zen.pipelines.p.steps.pkg]
matrix.pkg.packages = ["*", "!other"]
run = "echo {{ matrix.pkg }} {{ matrix.pkg.dir }}"
packages = "{{ matrix.pkg }}"
"#,
    );
    ["data/a.csv", "data/b/c.d.csv", "data/skip.csv"].iter().for_each(|file| workspace.write(file, "1"));
    let first = workspace.ok(&[]);
    assert_eq!(first.printed("p/file[f=data/a.csv]"), "data/a.csv data/a.csv a data\n");
    assert_eq!(first.printed("p/file[f=data/b/c.d.csv]"), "data/b/c.d.csv data/b/c.d.csv c.d data/b\n");
    assert_eq!(first.printed("table[size=large]"), "large 10 large 10\n\"typed\":10\n", "a value keeps its type");
    assert_eq!(first.printed("pkg[pkg=ws]"), "ws .\n");
    workspace.write("data/b/c.d.csv", "2");
    workspace.write("data/new.csv", "1");
    assert_eq!(ran(&workspace.ok(&[])), ["p/file[f=data/b/c.d.csv]", "p/file[f=data/new.csv]", "p/pkg[pkg=ws]"]);
    workspace.edit("Cargo.toml", "n = 10", "n = 11");
    let table = workspace.ok(&[]);
    assert_eq!(ran(&table), ["p/table[size=large]"]);
    assert!(
        table.why("p/table[size=large]").contains("param `matrix.size.n`: 10 → 11"),
        "{}",
        table.why("p/table[size=large]")
    );
}

#[test]
fn a_certain_cell_can_be_referred_to_and_names_may_hold_slashes_and_dots() {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p.steps.load]
matrix.f.glob = "data/*.csv"
run = "cat {{ matrix.f }} > {{ outputs.rows }}"
params.n = 1
outputs = ["rows.csv"]
[workspace.metadata.zen.pipelines.p.steps.one]
run = "cat {{ inputs.rows }}"
inputs = ["p/load[f=data/a.csv].rows"]
[workspace.metadata.zen.pipelines.p.steps.also]
run = "true"
after = "load[f=data/b.csv]"
depends = "load"
"#,
    );
    workspace.write("data/a.csv", "a\n");
    std::os::unix::fs::symlink("a.csv", workspace.path("data/b.csv")).expect("it can be made");
    let first = workspace.ok(&["-s", "one"]);
    assert_eq!(ran(&first), ["p/load[f=data/a.csv]", "p/one"]);
    assert_eq!(first.printed("one"), "a\n");
    assert_eq!(ran(&workspace.ok(&["p/load[f=data/b.csv]"])), ["p/load[f=data/b.csv]"], "a link to a file is one");
    assert_eq!(ran(&workspace.ok(&["--set", "load[f=data/a.csv].n=2"])), ["p/also", "p/load[f=data/a.csv]"]);
    let logs = workspace.zen(&["logs", "one"]);
    assert_eq!(logs.stdout, "a\n", "{}", logs.stderr);
    let cat = workspace.zen(&["artifacts", "cat", "load[f=data/a.csv].rows"]);
    assert_eq!(cat.stdout, "a\n", "{}", cat.stderr);
    let clean = workspace.zen(&["clean", "--step", "load", "-n"]);
    assert!(clean.stderr.contains("Removed 3 records"), "{}", clean.stderr);
    workspace.edit("Cargo.toml", "load[f=data/a.csv].rows", "load[f=data/c.csv].rows");
    let unknown = workspace.run(&[]);
    assert!(
        unknown.code == Some(96) && unknown.stderr.contains("has no step `load[f=data/c.csv]`"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn matrix_values_count_whatever_the_policy_says_and_by_type() {
    let workspace = Workspace::with_step(
        "matrix.x = [1]\nrun = \"echo {{ matrix.x }}\"\nfiles = \"src\"\ncache-policy.include-step-parameters = false",
    );
    workspace.ok(&[]);
    workspace.edit("Cargo.toml", "[1]", "[\"1\"]");
    assert_eq!(ran(&workspace.ok(&[])), ["p/s[x=1]"], "`1` is not `\"1\"`");
}

#[test]
fn what_a_matrix_cannot_be_is_refused_with_its_place() {
    for (step, expected) in [
        ("matrix = [1]\nrun = \"true\"", "`matrix` must be a table"),
        ("matrix.x = 1\nrun = \"true\"", "a list of values, `{ glob = … }` or `{ packages = … }`"),
        ("matrix.x = [1]\nrun = \"echo {{ matrix.y }}\"", "names nothing: the step has no matrix name `y`"),
        ("run = \"echo {{ matrix.x }}\"", "names nothing"),
        ("matrix.x = [{ n = 1 }]\nrun = \"true\"", "a table in a matrix needs a `name`"),
        ("matrix.x = [1, 1]\nrun = \"true\"", "two cells are called `s[x=1]`"),
        ("matrix.x = \"{{ pipeline.nothing }}\"\nrun = \"true\"", "nothing"),
        ("matrix.x.packages = \"nope\"\nrun = \"true\"", "no package of the workspace is called `nope`"),
        ("matrix.x.glob = \"a\"\nmatrix.x.packages = \"*\"\nrun = \"true\"", "either `glob` or `packages`"),
        ("matrix.x = [1, 2]\nrun = \"true\"\noutputs.o = \"o.txt\"", "put `{{ matrix.x }}` into the path"),
        (
            "matrix.x.glob = \"made/*\"\nrun = \"true\"\noutputs.o = \"made/{{ matrix.x.stem }}\"\n[workspace.metadata.zen.pipelines.p.steps.t]\nrun = \"true\"\noutputs.o = \"made/t\"",
            "covers what step `p/t` makes",
        ),
        ("matrix.x = [1]\nbatch = true\nrun = \"echo {{ matrix.x }}\"\noutputs = [\"o\"]", "has `batch` and outputs"),
        ("batch = true\nrun = \"true\"", "has `batch` and no `matrix`"),
        ("matrix.x = [1]\nbatch = true\nrun = \"true\"", "no word of the command"),
        (
            "matrix.x = [1, 2]\nbatch = true\nrun = \"echo {{ matrix.x }}\"\nenv.X = \"{{ matrix.x }}\"",
            "differ between its cells",
        ),
    ] {
        let outcome = Workspace::with_step(step).run(&[]);
        assert_eq!(outcome.code, Some(96), "{step}:\n{}", outcome.stderr);
        assert!(outcome.stderr.contains(expected), "{step}:\n{}", outcome.stderr);
        assert!(outcome.stderr.contains("Cargo.toml:"), "{step}:\n{}", outcome.stderr);
    }
    let workspace = training();
    workspace.edit("Cargo.toml", "matrix = { kernel = [\"linear\", \"rbf\"]", "matrix = { kernel = [\"poly\"]");
    let disagree = workspace.run(&[]);
    assert!(
        disagree.stderr.contains("no cell of step `load` agrees with `gamma=0.1,kernel=poly`"),
        "{}",
        disagree.stderr
    );
}

#[test]
fn what_is_true_of_all_cells_is_said_once() {
    let stderr = Workspace::with_step("matrix.x = [1, 2, 3]\nrun = \"echo {{ matrix.x }}\"").ok(&[]).stderr;
    assert_eq!(stderr.matches("step `p/s` reads nothing that it declares").count(), 1, "{stderr}");
    assert_eq!(stderr.matches("warning:").count(), 1, "{stderr}");
}

#[test]
fn a_step_without_cells_is_a_warning() {
    let workspace = Workspace::with_step(
        "matrix.x.glob = \"none/*.csv\"\nrun = \"true\"\n[workspace.metadata.zen.pipelines.p.steps.t]\nrun = \"true\"\nfiles = \"src\"",
    );
    let outcome = workspace.ok(&[]);
    assert_eq!(outcome.outcomes(), "t=ran");
    assert!(outcome.stderr.contains("step `s` has no cells"), "{}", outcome.stderr);
}

/// A workspace of this many crates in a chain of tens: `c13` depends on `c12`, and that on `c11` …
fn crates(count: usize) -> Workspace {
    let workspace = Workspace::bare();
    workspace.write(
        "Cargo.toml",
        r#"
[workspace]
members = ["crates/*"]
resolver = "3"
[workspace.metadata.zen.pipelines.check.steps.check]
matrix.pkg.packages = "*"
batch = true
run = ["sh", "check.sh", "{{ matrix.pkg }}"]
packages = "{{ matrix.pkg }}"
"#,
    );
    workspace.write("check.sh", "echo \"$#\" >> commands\necho \"$@\"\nif [ -e fail ]; then exit 3; fi\n");
    for at in 0..count {
        let needs =
            if at % 10 == 0 { String::new() } else { format!("c{:03} = {{ path = \"../c{:03}\" }}", at - 1, at - 1) };
        let manifest = format!(
            "[package]\nname = \"c{at:03}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\n{needs}\n"
        );
        workspace.write(&format!("crates/c{at:03}/Cargo.toml"), &manifest);
        workspace.write(&format!("crates/c{at:03}/src/lib.rs"), "//! Nothing.\n");
    }
    workspace
}

#[test]
fn of_120_crates_one_edited_is_checked_again_with_its_dependents_by_one_command() {
    let workspace = crates(120);
    assert_eq!(ran(&workspace.ok(&["-j2"])).len(), 120);
    assert_eq!(workspace.read("commands"), "120\n", "one command for all cells");
    assert_eq!(ran(&workspace.ok(&[])), [""; 0]);
    workspace.write("crates/c047/src/lib.rs", "//! Something.\n");
    let edited = workspace.ok(&["-j2"]);
    assert_eq!(ran(&edited), ["check/check[pkg=c047]", "check/check[pkg=c048]", "check/check[pkg=c049]"]);
    assert_eq!(workspace.read("commands"), "120\n3\n", "and one for those that must run");
    assert_eq!(edited.why("check/check[pkg=c049]"), "source crates/c047/src/lib.rs of c047 changed");
    workspace.write("crates/c047/src/lib.rs", "//! Nothing.\n");
    assert_eq!(ran(&workspace.ok(&[])), [""; 0], "each cell has a key of its own");
}

#[test]
fn a_package_selects_its_cells() {
    let workspace = crates(3);
    assert_eq!(ran(&workspace.ok(&["-p", "c001"])), ["check/check[pkg=c001]"]);
    let unknown = workspace.run(&["-p", "c009"]);
    assert_eq!(unknown.code, Some(4), "{}", unknown.stderr);
}

#[test]
fn a_batch_that_fails_records_none_of_its_cells() {
    let workspace = crates(3);
    workspace.write("fail", "");
    let failed = workspace.run(&[]);
    assert_eq!(
        (failed.code, failed.of_reason("step-finished").filter(|message| message["outcome"] == "failed").count()),
        (Some(100), 3)
    );
    fs::remove_file(workspace.path("fail")).expect("it is there");
    assert_eq!(ran(&workspace.ok(&[])).len(), 3);
    assert_eq!(workspace.read("commands"), "3\n3\n");
    assert_eq!(
        ran(&workspace.ok(&["--no-cache=check[pkg=c001]"])),
        ["check/check[pkg=c001]"],
        "one cell alone is no batch"
    );
}

#[test]
fn a_cell_whose_input_changes_meanwhile_is_not_recorded_and_the_others_are() {
    let workspace = crates(3);
    workspace.write("check.sh", "echo '//! Changed meanwhile.' > crates/c002/src/lib.rs\n");
    let run = workspace.ok(&[]);
    assert_eq!(ran(&run).len(), 3);
    assert!(run.stderr.contains("crates/c002/src/lib.rs` changed while step"), "{}", run.stderr);
    assert_eq!(ran(&workspace.ok(&[])), ["check/check[pkg=c002]"]);
}

#[test]
fn a_batch_by_a_shell_repeats_words() {
    let workspace = Workspace::with_step(
        "matrix.x = [\"a b\", \"c\"]\nbatch = true\nrun = \"printf '<%s>' begin --x={{ matrix.x }} end\"\nfiles = \"src\"",
    );
    let outcome = workspace.ok(&[]);
    let printed: String =
        outcome.of_reason("step-output").map(|message| message["text"].as_str().unwrap_or("").to_owned()).collect();
    assert_eq!(printed, "<begin><--x=a b><--x=c><end>");
}

/// What the one command of a batch of `a` and `b` printed, with all else that `tables` says.
fn printed_by_batch(body: &str) -> String {
    let workspace = Workspace::with_step(&format!("matrix.x = [\"a\", \"b\"]\nbatch = true\n{body}"));
    ["a", "b"].iter().for_each(|name| workspace.write(&format!("{name}.txt"), name));
    let outcome = workspace.ok(&["-j2"]);
    assert_eq!(ran(&outcome), ["p/s[x=a]", "p/s[x=b]"], "{body}");
    outcome.of_reason("step-output").map(|message| message["text"].as_str().unwrap_or("").to_owned()).collect()
}

#[test]
fn a_word_of_a_batch_ends_where_the_shell_ends_it() {
    for (script, expected) in [
        ("for x in {{ matrix.x }}; do echo \"<$x>\"; done", "<a>\n<b>\n"),
        ("echo {{ matrix.x }}; echo end", "a b\nend\n"),
        ("(echo {{ matrix.x }})>log.tmp; cat log.tmp", "a b\n"),
        ("echo {{ matrix.x }}&&echo end", "a b\nend\n"),
        ("printf '<%s>' 'p q'{{ matrix.x }} \"$(echo \"r s\")\"/{{ matrix.x }}|cat", "<p qa><p qb><r s/a><r s/b>"),
        ("echo {{ matrix.x }} # don't\necho {{ matrix.x }}.", "a b\na. b.\n"),
    ] {
        assert_eq!(printed_by_batch(&format!("files = \"src\"\nrun = {script:?}")), expected, "{script}");
    }
}

#[test]
fn the_command_of_a_batch_is_told_of_all_its_cells() {
    let files = "inputs.o.files = \"{{ matrix.x }}.txt\"\n";
    let of_all = printed_by_batch(&format!("{files}run = [\"echo\", \"{{{{ inputs.o }}}}\", \"{{{{ matrix.x }}}}\"]"));
    assert_eq!(of_all, "a.txt b.txt a b\n", "an input is what all cells read");
    let of_each = printed_by_batch(&format!("{files}run = \"echo {{{{ matrix.x }}}}={{{{ inputs.o }}}}\""));
    assert_eq!(of_each, "a=a.txt b=b.txt\n", "and beside a cell's value what that cell reads");
    let script = "echo $ZEN_STEP $ZEN_MATRIX_X {{ matrix.x }}; for o in $ZEN_INPUT_O; do basename $o; done; \
                  grep -o '\"x\":[^]]*.' $ZEN_CONTEXT";
    let told = printed_by_batch(&format!("{files}run = {script:?}"));
    assert_eq!(told, "s a b a b\na.txt\nb.txt\n\"x\":[\"a\",\"b\"]\n");
}

#[test]
fn what_a_command_can_have_but_once_is_no_part_of_a_batch() {
    for (run, expected) in [
        ("\"x={{ matrix.x }}; echo $x\"", "is a program, a variable's value or where a redirection goes"),
        ("\"export X={{ matrix.x }}; sh check.sh\"", "is a program, a variable's value"),
        ("\"true > {{ matrix.x }}.log\"", "where a redirection goes"),
        ("\"./{{ matrix.x }} --check\"", "is a program"),
        ("[\"./{{ matrix.x }}\", \"--check\"]", "is a program"),
        ("\"echo {{ matrix.x }}\"\ntrack-env = [\"{{ matrix.x }}\"]", "`track-env`"),
    ] {
        let outcome = Workspace::with_step(&format!("matrix.x = [\"a\", \"b\"]\nbatch = true\nrun = {run}")).run(&[]);
        assert_eq!(outcome.code, Some(96), "{run}:\n{}", outcome.stderr);
        assert!(outcome.stderr.contains(expected), "{run}:\n{}", outcome.stderr);
    }
}
