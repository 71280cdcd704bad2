//! Steps that read what other steps make: written references, edges found by paths, order only, what is put back when.

use std::fs;

use crate::harness::{Outcome, Workspace};

/// The workspace table of a pipeline `p` with these steps.
fn steps(steps: &str) -> Workspace {
    let workspace = Workspace::new(&format!("[workspace.metadata.zen.pipelines.p.steps]\n{steps}"));
    workspace.write("in.txt", "1");
    workspace
}

fn remove(workspace: &Workspace, path: &str) {
    fs::remove_file(workspace.path(path)).expect("it was made");
}

/// The steps in the order in which they began.
fn began(outcome: &Outcome) -> Vec<&str> {
    let ids = outcome.of_reason("step-started").filter_map(|message| message["step"].as_str());
    ids.map(|id| id.rsplit('/').next().unwrap_or(id)).collect()
}

const MAKE: &str =
    "z_make = { run = \"cat in.txt > {{ outputs.o }}\", files = \"in.txt\", outputs.o = \"made/o.txt\" }";

#[test]
fn after_is_order_with_the_outputs_in_place_and_no_part_of_the_key() {
    let workspace =
        steps(&format!("{MAKE}\na_use = {{ run = \"cat made/*\", after = [\"z_make\"], files = \"other.txt\" }}"));
    workspace.write("other.txt", "1");
    let first = workspace.ok(&["-s", "a_use"]);
    assert_eq!(
        (began(&first), first.printed("a_use").as_str()),
        (vec!["z_make", "a_use"], "1"),
        "it is selected along"
    );
    workspace.write("in.txt", "2");
    assert_eq!(workspace.ok(&[]).outcomes(), "a_use=fresh z_make=ran");
    remove(&workspace, "made/o.txt");
    workspace.write("other.txt", "2");
    let again = workspace.ok(&["-s", "a_use"]);
    assert_eq!((again.outcomes().as_str(), again.printed("a_use").as_str()), ("a_use=ran z_make=restored", "2"));
}

#[test]
fn f_15_depends_takes_the_key_of_a_step_without_outputs() {
    let workspace = steps(
        "migrate = { run = \"true\", files = \"in.txt\" }\nuse = { run = \"true\", depends = [\"migrate\"] }\n\
         after = { run = \"true\", after = [\"migrate\"] }",
    );
    workspace.ok(&[]);
    assert_eq!(workspace.ok(&[]).outcomes(), "after=fresh migrate=fresh use=fresh");
    workspace.write("in.txt", "2");
    let changed = workspace.ok(&[]);
    assert_eq!(changed.outcomes(), "after=fresh migrate=ran use=ran");
    assert_eq!(changed.finished("use")["why"][0]["kind"], "changed");
    assert_eq!(
        workspace.ok(&["--no-cache=migrate"]).outcomes(),
        "after=fresh migrate=ran use=fresh",
        "its key is the same"
    );
}

#[test]
fn f_10_a_glob_over_an_output_is_a_need_within_a_pipeline() {
    for files in ["\"made/*.txt\"", "\"made\"", "\"made/o.txt\"", "\"**/*.txt\""] {
        let workspace = steps(&format!("{MAKE}\na_use = {{ run = \"cat made/*\", files = {files} }}"));
        let first = workspace.ok(&["-s", "a_use"]);
        assert_eq!(began(&first), ["z_make", "a_use"], "{files}: it needs what it reads");
        assert_eq!(workspace.ok(&[]).outcomes(), "a_use=fresh z_make=fresh", "{files}");
        workspace.write("in.txt", "2");
        let changed = workspace.ok(&[]);
        assert_eq!(
            (changed.outcomes().as_str(), changed.printed("a_use").as_str()),
            ("a_use=ran z_make=ran", "2"),
            "{files}"
        );
        assert!(changed.why("a_use").contains("file made/o.txt changed"), "{files}: {}", changed.why("a_use"));
    }
}

#[test]
fn f_10_an_upstream_output_enters_by_its_record_and_never_from_disk() {
    let workspace = steps(&format!("{MAKE}\na_use = {{ run = \"cat made/*\", files = \"made/*\" }}"));
    workspace.ok(&[]);
    workspace.write("made/o.txt", "edited by hand");
    assert_eq!(workspace.ok(&[]).outcomes(), "a_use=fresh z_make=restored");
    workspace.write("in.txt", "2");
    workspace.ok(&[]);
    workspace.write("in.txt", "1");
    assert_eq!(workspace.ok(&[]).outcomes(), "a_use=fresh z_make=restored", "as in the first run");
}

#[test]
fn f_10_a_file_beside_an_output_still_counts() {
    let workspace = steps(&format!("{MAKE}\na_use = {{ run = \"cat made/*\", files = \"made/*\" }}"));
    workspace.ok(&[]);
    workspace.write("made/by-hand.txt", "x");
    let outcome = workspace.ok(&[]);
    assert_eq!(
        (outcome.outcomes().as_str(), outcome.why("a_use").as_str()),
        ("a_use=ran z_make=fresh", "file made/by-hand.txt added")
    );
}

#[test]
fn an_excluded_output_is_no_edge() {
    let workspace =
        steps(&format!("{MAKE}\na_use = {{ run = \"true\", files = [\"made/*\", \"in.txt\", \"!made/o.txt\"] }}"));
    assert_eq!(workspace.ok(&["-s", "a_use"]).outcomes(), "a_use=ran");
}

#[test]
fn f_10_a_word_of_the_command_is_an_edge() {
    let workspace = steps(&format!("{MAKE}\na_use = {{ run = \"cat made/o.txt|cat\" }}"));
    assert_eq!(began(&workspace.ok(&["-s", "a_use"])), ["z_make", "a_use"]);
    workspace.write("in.txt", "2");
    assert_eq!(workspace.ok(&["-s", "a_use"]).printed("a_use"), "2");
}

/// Pipeline `one` makes a file, `two` reads it.
fn two_pipelines(reads: &str) -> Workspace {
    let workspace = Workspace::new(&format!(
        r#"
[workspace.metadata.zen.pipelines]
two.steps.a_use = {{ run = "cat made/* || true", {reads} }}
one.steps.z_make = {{ run = "cat in.txt > {{{{ outputs.o }}}}", files = "in.txt", outputs.o = "made/o.txt" }}
"#
    ));
    workspace.write("in.txt", "1");
    workspace
}

#[test]
fn f_10_across_pipelines_a_glob_orders_and_needs_nothing() {
    let workspace = two_pipelines("files = \"made/*\"");
    assert_eq!(workspace.ok(&["two"]).outcomes(), "a_use=ran", "nothing else is selected");
    let both = workspace.ok(&["one", "two"]);
    assert_eq!((began(&both), both.printed("a_use").as_str()), (vec!["z_make", "a_use"], "1"));
    workspace.write("in.txt", "2");
    assert_eq!(workspace.ok(&["two"]).outcomes(), "a_use=fresh", "what lies there is what was read");
}

#[test]
fn across_pipelines_a_written_reference_is_a_need() {
    let workspace = two_pipelines("inputs.o = \"one/z_make.o\"");
    assert_eq!(began(&workspace.ok(&["two"])), ["z_make", "a_use"]);
    let by_its_only_output = two_pipelines("inputs.x = \"one/z_make\"");
    assert_eq!(began(&by_its_only_output.ok(&["two"])), ["z_make", "a_use"]);
    let wrong = two_pipelines("inputs.o = \"one/z_mak.o\"").run(&["two"]);
    assert_eq!(wrong.code, Some(96));
    assert!(wrong.stderr.contains("z_make"), "it is suggested:\n{}", wrong.stderr);
}

#[test]
fn package_tables_are_relative_to_the_package_and_are_referred_to_by_name() {
    let workspace = Workspace::bare();
    workspace.write(
        "Cargo.toml",
        "[workspace]\nmembers = [\"data\"]\nresolver = \"3\"\n[workspace.metadata.zen.pipelines.use.steps]\n\
         s = { run = \"cat {{ inputs.o }}\", inputs.o = \"data:prepare/load.o\" }\n",
    );
    workspace.write(
        "data/Cargo.toml",
        "[package]\nname = \"data\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
         [package.metadata.zen.pipelines.prepare.steps]\n\
         load = { run = \"pwd; cat raw.csv > {{ outputs.o }}; echo {{ outputs.o }}\", files = \"raw.csv\", outputs.o = \"out/o.csv\" }\n\
         named = { run = \"echo n > {{ outputs.n }}\", outputs = [\"n.txt\"] }\n",
    );
    workspace.write("data/src/lib.rs", "//! Nothing.\n");
    workspace.write("data/raw.csv", "1");
    let outcome = workspace.ok(&["use"]);
    assert_eq!(outcome.outcomes(), "load=ran s=ran");
    assert_eq!(outcome.finished("load")["step"], "data:prepare/load");
    assert_eq!(outcome.printed("load"), format!("{}\nout/o.csv\n", workspace.path("data").display()));
    assert_eq!(outcome.printed("s"), "1");
    assert_eq!(workspace.ok(&["prepare"]).outcomes(), "load=fresh named=ran", "wherever it is defined");
    assert_eq!(workspace.ok(&["data:prepare"]).outcomes(), "load=fresh named=fresh");
    let place = workspace.ok(&["prepare", "--no-cache"]).finished("named")["outputs"][0]["path"].clone();
    let place = place.as_str().expect("it has a place");
    assert!(place.contains("data") && place.ends_with("prepare/named/n.txt"), "the package is part of it: {place}");
}

#[test]
fn what_is_merely_needed_is_put_back_when_a_step_that_runs_reads_it() {
    let workspace = steps(
        "make = { run = \"cat in.txt > {{ outputs.o }}\", files = \"in.txt\", outputs.o = \"o.txt\" }\n\
         use = { run = \"cat {{ inputs.o }} other.txt\", inputs = [\"make.o\"] }\n\
         again = { run = \"cat {{ inputs.o }}\", inputs = [\"make.o\"] }",
    );
    workspace.write("other.txt", "1");
    workspace.ok(&[]);
    remove(&workspace, "o.txt");
    assert_eq!(workspace.ok(&["-s", "use"]).outcomes(), "make=fresh use=fresh");
    assert!(!workspace.exists("o.txt"), "nothing ran that reads it");
    workspace.write("other.txt", "2");
    let outcome = workspace.ok(&["-s", "use"]);
    assert_eq!((outcome.outcomes().as_str(), outcome.printed("use").as_str()), ("make=restored use=ran", "12"));
    assert!(workspace.exists("o.txt"));
    remove(&workspace, "o.txt");
    assert_eq!(
        workspace.ok(&[]).outcomes(),
        "again=fresh make=restored use=fresh",
        "a selected step's outputs are there"
    );
}

#[test]
fn an_upstream_whose_record_is_lost_runs_again_for_its_reader() {
    let workspace = steps(
        "make = { run = \"cat in.txt > {{ outputs.o }}\", files = \"in.txt\", outputs.o = \"o.txt\" }\n\
         use = { run = \"cat {{ inputs.o }} other.txt\", inputs = [\"make.o\"] }",
    );
    workspace.write("other.txt", "1");
    workspace.ok(&[]);
    remove(&workspace, "o.txt");
    assert_eq!(workspace.zen(&["clean", "--step", "make"]).code, Some(0));
    workspace.write("other.txt", "2");
    let outcome = workspace.ok(&["-s", "use"]);
    assert_eq!((outcome.outcomes().as_str(), outcome.printed("use").as_str()), ("make=ran use=ran", "12"));
}

#[test]
fn two_steps_of_one_definition_run_once() {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines]
one.steps.a = { run = "echo x >> $ZEN_WORKSPACE_ROOT/log; echo a > {{ outputs.o }}", outputs = ["o.txt"] }
two.steps.b = { run = "echo x >> $ZEN_WORKSPACE_ROOT/log; echo a > {{ outputs.o }}", outputs = ["o.txt"] }
"#,
    );
    let outcome = workspace.ok(&["one", "two"]);
    assert_eq!(workspace.read("log"), "x\n", "equal work is done once");
    assert!(["a=ran b=restored", "a=restored b=ran"].contains(&outcome.outcomes().as_str()), "{}", outcome.outcomes());
    assert_eq!(workspace.read("target/zen/out/one/a/o.txt"), "a\n");
    assert_eq!(workspace.read("target/zen/out/two/b/o.txt"), "a\n");
    assert_eq!(workspace.ok(&["one", "two"]).outcomes(), "a=fresh b=fresh");
}

#[test]
fn two_steps_of_one_definition_may_have_one_place() {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines]
one.steps.a = { run = "echo x >> $ZEN_WORKSPACE_ROOT/log; echo a > o.txt", outputs.o = "o.txt" }
two.steps.b = { run = "echo x >> $ZEN_WORKSPACE_ROOT/log; echo a > o.txt", outputs.o = "o.txt" }
"#,
    );
    workspace.ok(&["one", "two"]);
    assert_eq!(workspace.read("log"), "x\n", "equal work is done once");
    assert_eq!(workspace.ok(&["one", "two"]).outcomes(), "a=fresh b=fresh");
}

#[test]
fn a_glob_output_is_as_many_words_and_a_folder_is_one() {
    let workspace = steps(
        "make = { run = \"mkdir -p g d; touch g/b.x g/a.x d/f\", outputs.g = \"g/*.x\", outputs.d = \"d\" }\n\
         use = { run = \"printf '<%s>' {{ inputs.g }} {{ inputs.d }}\", inputs = [\"make.g\", \"make.d\"], cwd = \"sub\" }",
    );
    workspace.write("sub/keep", "");
    assert_eq!(workspace.ok(&[]).printed("use"), "<../g/a.x><../g/b.x><../d>");
}

#[test]
fn an_input_takes_the_name_that_the_table_gives_it() {
    let workspace = steps(
        "make = { run = \"echo 1 > {{ outputs.o }}; echo 2 > {{ outputs.p }}\", outputs.o = \"o.txt\", outputs.p = \"p.txt\" }\n\
         use = { run = \"cat {{ inputs.first }} {{ inputs.second }}\", inputs = { first = \"make.p\", second = \"make.o\" } }",
    );
    assert_eq!(workspace.ok(&[]).printed("use"), "2\n1\n");
    workspace.edit("Cargo.toml", "first = \"make.p\", second = \"make.o\"", "first = \"make.o\", second = \"make.p\"");
    let swapped = workspace.ok(&[]);
    assert_eq!((swapped.outcomes().as_str(), swapped.printed("use").as_str()), ("make=fresh use=ran", "1\n2\n"));
}

#[test]
fn an_overlap_that_only_the_run_reveals_is_said_and_not_recorded() {
    let workspace = steps(
        "s = { run = \"cp in.txt data/made.txt; cp data/made.txt o.txt\", files = [\"in.txt\", \"data/*\"], outputs.o = \"o.txt\" }",
    );
    workspace.write("data/a", "");
    let outcome = workspace.ok(&[]);
    assert!(outcome.stderr.contains("data/made.txt"), "{}", outcome.stderr);
    assert_eq!(workspace.ok(&[]).outcomes(), "s=ran", "it was not recorded");
}

#[test]
fn a_cycle_by_paths_is_refused_with_its_whole_way() {
    let workspace = steps(
        "a = { run = \"true\", files = \"b.txt\", outputs.o = \"a.txt\" }\n\
         b = { run = \"true\", files = \"a.txt\", outputs.o = \"b.txt\" }",
    );
    let outcome = workspace.run(&[]);
    assert_eq!(outcome.code, Some(96));
    assert!(outcome.stderr.contains("p/a → p/b → p/a"), "{}", outcome.stderr);
}

#[test]
fn status_says_maybe_for_what_a_step_that_would_run_may_change() {
    let workspace = steps(
        "make = { run = \"sort in.txt > {{ outputs.o }}\", files = \"in.txt\", outputs.o = \"o.txt\" }\n\
         use = { run = \"cat {{ inputs.o }}\", inputs = [\"make.o\"] }",
    );
    workspace.ok(&[]);
    workspace.write("in.txt", "2");
    let status = workspace.zen(&["status", "--message-format", "json", "--exit-code"]);
    assert_eq!(status.code, Some(5));
    let plan = status.of_reason("plan").next().expect("there is a plan");
    let steps = plan["steps"].as_array().expect("it has steps");
    let of = |name: &str| steps.iter().find(|step| step["step"] == name).expect("it is planned");
    assert_eq!((&of("p/make")["decision"], &of("p/use")["decision"]), (&"run".into(), &"maybe".into()));
    assert_eq!(of("p/make")["why"][0]["text"], "file in.txt changed");
    assert_eq!(of("p/use")["why"][0]["kind"], "upstream");
}
