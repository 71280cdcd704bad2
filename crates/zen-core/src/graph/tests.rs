//! The graph as a whole, on small tables.

use proptest::prelude::*;

use super::testing::{Tables, closure, package, render};
use super::*;
use crate::model::SourceItem;

fn build(tables: Tables) -> (Graph, Model, Vec<Diagnostic>, String) {
    let text = tables.text.clone();
    let (model, layout) = tables.finish();
    let (graph, problems) = Graph::build(&model, &layout);
    (graph, model, problems, text)
}

fn refusals(tables: Tables) -> String {
    let (.., problems, text) = build(tables);
    render(&text, &problems)
}

/// All edges as `from > to why`.
fn edges(tables: Tables) -> Vec<String> {
    let (graph, model, problems, text) = build(tables);
    assert_eq!(render(&text, &problems), "", "nothing is refused");
    let id = |step: StepId| &model.step(step).display_id;
    let of = |step| graph.upstream(step).iter().map(|e| format!("{} > {} {:?}", id(e.from), id(e.to), e.kind));
    model.step_ids().flat_map(of).collect()
}

fn path_edge(need: bool, output: usize, via: Via) -> String {
    format!("{:?}", EdgeKind::Path { need, output, via })
}

#[test]
fn written_references_are_edges() {
    let mut t = Tables::new();
    let [a, b, c] = ["a", "b", "c"].map(|name| t.step("p", name));
    t.output(a, "x", "x");
    t.input(b, a);
    t.after(c, a);
    t.depends(c, b);
    assert_eq!(edges(t), ["p/a > p/b Input(0)", "p/a > p/c After", "p/b > p/c Depends"]);
}

#[test]
fn f_10_f20_reads_that_cover_an_output_are_edges() {
    let mut t = Tables::new();
    let [make, glob, word, none] = ["make", "glob", "word", "none"].map(|name| t.step("p", name));
    let other = t.step("q", "other");
    t.output(make, "one", "gen/one.txt");
    t.output(make, "two", "gen/two");
    t.files(glob, &["gen/*.txt", "src"]);
    t.run(word, "cat gen/two/deep.csv {{ params.x }}gen/one.txt");
    t.files(none, &["gen/**", "!gen/one.txt", "!gen/two/"]);
    t.files(other, &["**/*.txt"]);
    assert_eq!(
        edges(t),
        [
            format!("p/make > p/glob {}", path_edge(true, 0, Via::Files)),
            format!("p/make > p/word {}", path_edge(true, 1, Via::Word)),
            format!("p/make > q/other {}", path_edge(false, 0, Via::Files)),
            format!("p/make > q/other {}", path_edge(false, 1, Via::Files)),
        ]
    );
}

#[test]
fn f_10_a_source_item_that_may_lie_in_an_output_is_an_edge() {
    let mut t = Tables::new();
    let [make, reads, deep, beside] = ["make", "reads", "deep", "beside"].map(|name| t.step("p", name));
    t.packages.push(package("api", &["lib src/lib.rs"]));
    t.output(make, "one", "api/src/one.rs");
    t.output(make, "two", "api/src/two");
    for (step, path) in [(make, "one::x"), (reads, "one::x"), (deep, "two::a::x"), (beside, "other::one")] {
        let path = path.split("::").map(str::to_owned).collect();
        let span = t.at(step).span;
        t.at(step).policy.source_items.push(SourceItem { package: "api".to_owned(), path, span });
    }
    assert_eq!(
        edges(t),
        [
            format!("p/make > p/reads {}", path_edge(true, 0, Via::Source(0))),
            format!("p/make > p/deep {}", path_edge(true, 1, Via::Source(0))),
        ]
    );
}

#[test]
fn an_output_with_an_extension_is_taken_for_a_file() {
    let mut t = Tables::new();
    let [make, all, below, without] = ["make", "all", "below", "without"].map(|name| t.step("p", name));
    t.output(make, "model", "data/model.json");
    t.output(make, "gen", "src/gen");
    t.output(make, "table", "data/table.parquet");
    t.files(all, &["**/*.rs"]);
    t.files(below, &["data/table.parquet/*.bin"]);
    t.files(without, &["data/**", "src/**", "!**/*.json", "!**/gen/**", "!**/*.parquet"]);
    let (graph, _, problems, _) = build(t);
    assert_eq!(problems, []);
    let covered = |step| graph.upstream(step).iter().map(|edge| edge.kind).collect::<Vec<_>>();
    let path = |output| EdgeKind::Path { need: true, output, via: Via::Files };
    assert_eq!(covered(all), [path(1)], "`src/gen` may be a folder with sources, `model.json` is none");
    assert_eq!(covered(below), [path(2)], "who looks below it knows that it is a folder");
    assert_eq!(covered(without), []);
    let owners = |path: &str| graph.owners(&RelPath::new(path).unwrap());
    assert_eq!(owners("data/table.parquet/a.rs"), [(make, 2)], "so that the run can tell");
    assert_eq!(owners("data/table"), []);
}

#[test]
fn words_are_looked_up_from_cwd() {
    let mut t = Tables::new();
    let [make, reader] = ["make", "reader"].map(|name| t.step("p", name));
    t.output(make, "tool", "tools/gen");
    t.run(reader, "../tools/gen && tools/gen");
    t.at(reader).cwd = RelPath::new("sub").unwrap();
    assert_eq!(edges(t).len(), 1);
}

#[test]
fn a_written_edge_stands_beside_the_path_edge_and_each_output_counts_once() {
    let mut t = Tables::new();
    let [make, reader] = ["make", "reader"].map(|name| t.step("p", name));
    t.output(make, "x", "gen/x");
    t.input(reader, make);
    t.files(reader, &["gen/**/*.rs", "gen/x"]);
    t.run(reader, "cat gen/x");
    assert_eq!(
        edges(t),
        ["p/make > p/reader Input(0)".to_owned(), format!("p/make > p/reader {}", path_edge(true, 0, Via::Files)),]
    );
}

#[test]
fn own_outputs_and_what_lies_in_the_target_directory_are_left_out_of_globs() {
    let mut t = Tables::new();
    let [make, own, there] = ["make", "own", "there"].map(|name| t.step("p", name));
    t.output(make, "x", "target/zen/out/p/make/x.csv");
    t.output(own, "y", "gen/y.csv");
    t.files(own, &["**/*.csv"]);
    t.run(own, "touch gen/y.csv");
    t.files(there, &["target/zen/out/**/*.csv"]);
    assert_eq!(edges(t), [format!("p/make > p/there {}", path_edge(true, 0, Via::Files))]);
}

#[test]
fn closures_reach_outputs_below_source_roots() {
    let mut t = Tables::new();
    let [api, base] = ["api", "base"].map(|name| package(name, &["lib src/lib.rs", "build build.rs"]));
    t.packages = vec![package("aaa", &["lib src/lib.rs"]), api, base];
    t.packages[1].path_dependencies = vec!["base".to_owned()];
    let [source, data, test] = ["source", "data", "test"].map(|name| t.step("p", name));
    t.output(source, "gen", "base/src/gen");
    t.output(data, "json", "base/data.json");
    t.output(test, "own", "api/src/own.rs");
    t.at(test).closures = vec![closure("aaa"), closure("api")];
    assert_eq!(edges(t), [format!("p/source > p/test {}", path_edge(true, 0, Via::Closure(1)))]);
}

#[test]
fn cycles_are_printed_whole() {
    let mut t = Tables::new();
    let [load, train, test] = ["load", "train", "test"].map(|name| t.step("p", name));
    let free = t.step("p", "free");
    t.output(load, "data", "out/data.csv");
    t.output(test, "report", "conf/report.toml");
    t.files(load, &["conf/**/*.toml"]);
    t.input(train, load);
    t.depends(test, train);
    t.after(free, test);
    insta::assert_snapshot!(refusals(t), @r#"
    error: steps wait for each other: p/load → p/train → p/test → p/load
       9 | inputs.x = "p/load" ^ `p/train` takes output `data` of `p/load`
      10 | depends = ["p/train"] - `p/test` depends on `p/train`
       8 | files = ["conf/**/*.toml"] - `p/load` reads files that cover `conf/report.toml`, which `p/test` makes
    help: take one of these references away
    help: if a step does not read an output that its glob covers, exclude it: `"!path"`
    "#);
}

#[test]
fn a_step_that_waits_for_itself_is_a_cycle() {
    let mut t = Tables::new();
    let a = t.step("p", "a");
    t.after(a, a);
    insta::assert_snapshot!(refusals(t), @r#"
    error: `p/a` waits for itself
       3 | after = ["p/a"] ^ `p/a` comes after `p/a`
    help: take one of these references away
    "#);
}

#[test]
fn a_closure_that_holds_what_is_made_from_it_is_a_cycle() {
    let mut t = Tables::new();
    t.packages = vec![package("api", &["lib src/lib.rs"])];
    let [dump, write] = ["dump", "write"].map(|name| t.step("p", name));
    t.at(dump).closures = vec![closure("api")];
    t.output(dump, "schema", "schema.json");
    t.output(write, "code", "api/src/schema.rs");
    t.run(write, "tool schema.json");
    insta::assert_snapshot!(refusals(t), @r#"
    error: steps wait for each other: p/dump → p/write → p/dump
       6 | run = "tool schema.json" ^ the command of `p/write` names `schema.json`, which `p/dump` makes
       2 | [p/dump] - `p/dump` reads the sources of package `api`, to which `api/src/schema.rs` belongs, which `p/write` makes
    help: take one of these references away
    "#);
}

#[test]
fn groups_that_hold_each_other_are_refused() {
    let mut t = Tables::new();
    t.group("ci", &["all"]);
    t.group("all", &["ci"]);
    insta::assert_snapshot!(refusals(t), @r#"
    error: groups hold each other: all → ci → all
       1 | [all] ^ group `all` holds `ci`
       2 | [ci] - group `ci` holds `all`
    help: take one of them out of its `pipelines`
    "#);
}

/// Two pipelines, each of which reads what the other one makes.
fn mutual() -> Tables {
    let mut t = Tables::new();
    let (a, b) = (t.step("p", "a"), t.step("q", "b"));
    t.output(a, "a", "docs/a.md");
    t.output(b, "b", "notes/b.md");
    t.files(a, &["notes"]);
    t.files(b, &["docs"]);
    t
}

#[test]
fn steps_that_are_only_put_in_order_wait_for_each_other_only_in_one_run() {
    let (graph, model, problems, _) = build(mutual());
    assert_eq!(problems, []);
    assert_eq!(ids(&model, &graph.select(&model, &names(&["p"])).unwrap().order), ["p/a"]);
    let Err(SelectError::Conflict(problems)) = graph.select(&model, &names(&["p", "q"])) else {
        panic!("no order has both");
    };
    assert_eq!(problems[0].message, "steps wait for each other: p/a → q/b → p/a");

    let mut t = mutual();
    t.group("all", &["p", "q"]);
    insta::assert_snapshot!(refusals(t), @r#"
    error: steps wait for each other: p/a → q/b → p/a
       8 | files = ["docs"] ^ `q/b` reads files that cover `docs/a.md`, which `p/a` makes
       7 | files = ["notes"] - `p/a` reads files that cover `notes/b.md`, which `q/b` makes
    help: take one of these references away
    help: if a step does not read an output that its glob covers, exclude it: `"!path"`
    note: `cargo zen run all` selects all of them
    "#);
}

#[test]
fn f_9_f19_outputs_that_overlap_are_refused() {
    let mut t = Tables::new();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| t.step("p", name));
    t.output(a, "x", "out/x");
    t.output(b, "y", "out/x/y.txt");
    t.output(c, "z", "gen/*.rs");
    t.output(d, "w", "Gen/W.rs");
    t.output(d, "v", "gen/*.txt");
    t.output(d, "u", "gen/a.txt");
    insta::assert_snapshot!(refusals(t), @r#"
    error: outputs of `p/a` and `p/b` overlap: `out/x` and `out/x/y.txt`
       7 | outputs.y = "out/x/y.txt" ^ output `y` of `p/b`
       6 | outputs.x = "out/x" - output `x` of `p/a`
    help: give each output a place of its own
    error: outputs of `p/c` and `p/d` differ only by case: `gen/*.rs` and `Gen/W.rs`
       9 | outputs.w = "Gen/W.rs" ^ output `w` of `p/d`
       8 | outputs.z = "gen/*.rs" - output `z` of `p/c`
    help: give each output a place of its own
    error: outputs `v` and `u` of `p/d` overlap: `gen/*.txt` and `gen/a.txt`
      11 | outputs.u = "gen/a.txt" ^ output `u` of `p/d`
      10 | outputs.v = "gen/*.txt" - output `v` of `p/d`
    help: give each output a place of its own
    "#);
}

#[test]
fn f_9_f20_a_step_that_reads_what_it_writes_is_refused() {
    let mut t = Tables::new();
    let a = t.step("p", "a");
    t.output(a, "x", "data/x.csv");
    t.files(a, &["data/x.csv"]);
    insta::assert_snapshot!(refusals(t), @r#"
    error: `p/a` reads what it writes: `data/x.csv` belongs to its output `x`
       4 | files = ["data/x.csv"] ^ read here
       3 | outputs.x = "data/x.csv" - written here
    help: write to another place, or do not list it: a step's own outputs are no input of it
    "#);
}

#[test]
fn equal_work_may_share_its_outputs() {
    let mut t = Tables::new();
    let (a, b) = (t.step("p", "gen"), t.step("q", "gen"));
    for step in [a, b] {
        t.run(step, "gen out/x");
        t.output(step, "x", "out/x");
        t.files(step, &["src", "out/**"]);
    }
    t.group("all", &["p", "q"]);
    assert_eq!(edges(t), Vec::<String>::new(), "and neither waits for the other");
}

#[test]
fn outputs_may_overlap_if_no_run_selects_both() {
    let tables = || {
        let mut t = Tables::new();
        let (a, b) = (t.step("p", "a"), t.step("q", "b"));
        t.output(a, "x", "out/x");
        t.output(b, "y", "out/x");
        (t, a)
    };
    let (graph, model, problems, _) = build(tables().0);
    assert_eq!(problems, []);
    assert!(graph.select(&model, &names(&["q"])).is_ok());
    assert!(matches!(graph.select(&model, &names(&["p", "q"])), Err(SelectError::Conflict(_))));

    let (mut t, _) = tables();
    t.group("all", &["p", "q"]);
    insta::assert_snapshot!(refusals(t), @r#"
    error: outputs of `p/a` and `q/b` are the same place: `out/x`
       6 | outputs.y = "out/x" ^ output `y` of `q/b`
       5 | outputs.x = "out/x" - output `x` of `p/a`
    help: give each output a place of its own
    note: `cargo zen run all` selects both
    "#);

    let (mut t, a) = tables();
    let c = t.step("q", "c");
    t.after(c, a);
    assert!(refusals(t).contains("`cargo zen run q` selects both"), "q needs p/a");
}

fn names(names: &[&str]) -> Request {
    Request { names: names.iter().map(|name| (*name).to_owned()).collect(), ..Request::default() }
}

fn steps(request: Request, steps: &[&str]) -> Request {
    Request { steps: steps.iter().map(|name| (*name).to_owned()).collect(), ..request }
}

fn ids(model: &Model, steps: &[StepId]) -> Vec<String> {
    steps.iter().map(|step| model.step(*step).display_id.clone()).collect()
}

/// `build` in the workspace and in `api`, `lint` in both packages, a group.
fn several() -> Tables {
    let mut t = Tables::new();
    let compile = t.step("build", "compile");
    let pack = t.step("build", "pack");
    t.depends(pack, compile);
    let gen_ = t.step("api:build", "gen");
    t.after(compile, gen_);
    let check = t.step("api:lint", "check");
    t.step("web:lint", "check");
    t.step("web:lint", "style");
    t.output(check, "report", "reports/api.txt");
    let [publish] = ["publish"].map(|name| t.step("release", name));
    t.files(publish, &["reports"]);
    t.group("ci", &["api:lint", "web:lint"]);
    t
}

#[test]
fn a_name_selects_wherever_it_is_defined() {
    let (graph, model, problems, _) = build(several());
    assert_eq!(problems, []);
    for (request, selected, order) in [
        (names(&["build"]), "build/compile build/pack api:build/gen", "api:build/gen build/compile build/pack"),
        (names(&["api:build"]), "api:build/gen", "api:build/gen"),
        (names(&["build/pack"]), "build/pack", "api:build/gen build/compile build/pack"),
        (names(&["lint/check"]), "api:lint/check web:lint/check", "api:lint/check web:lint/check"),
        (
            names(&["ci"]),
            "api:lint/check web:lint/check web:lint/style",
            "api:lint/check web:lint/check web:lint/style",
        ),
        (
            names(&["ci", "api:build/gen"]),
            "api:build/gen api:lint/check web:lint/check web:lint/style",
            "api:build/gen api:lint/check web:lint/check web:lint/style",
        ),
        (names(&["release"]), "release/publish", "release/publish"),
        (
            names(&["lint", "release"]),
            "api:lint/check web:lint/check web:lint/style release/publish",
            "api:lint/check web:lint/check web:lint/style release/publish",
        ),
        (steps(names(&[]), &["style"]), "web:lint/style", "web:lint/style"),
        (steps(names(&[]), &["build/compile"]), "build/compile", "api:build/gen build/compile"),
        (steps(names(&["ci"]), &["api:lint/check"]), "api:lint/check", "api:lint/check"),
        (Request { package: Some("api".into()), ..names(&["ci"]) }, "api:lint/check", "api:lint/check"),
        (
            Request { package: Some("web".into()), ..names(&[]) },
            "web:lint/check web:lint/style",
            "web:lint/check web:lint/style",
        ),
        (Request { package: Some("web".into()), ..steps(names(&[]), &["check"]) }, "web:lint/check", "web:lint/check"),
    ] {
        let found = graph.select(&model, &request).unwrap_or_else(|error| panic!("{request:?}: {error}"));
        assert_eq!(ids(&model, &found.selected).join(" "), selected, "{request:?}");
        assert_eq!(ids(&model, &found.order).join(" "), order, "{request:?}");
    }
}

#[test]
fn the_header_names_what_was_asked_for() {
    let (graph, model, ..) = build(several());
    for (request, header) in [
        (names(&["ci"]), "ci"),
        (names(&["build"]), "build api:build"),
        (names(&["build/pack"]), "build"),
        (steps(names(&[]), &["style"]), "web:lint"),
        (steps(names(&["ci"]), &["style"]), "ci"),
    ] {
        let found = graph.select(&model, &request).unwrap();
        let shown: Vec<_> = found.pipelines.iter().map(|id| model.pipeline(*id).display_id()).collect();
        assert_eq!(shown.join(" "), header, "{request:?}");
    }
}

#[test]
fn what_cannot_be_selected_is_told_with_the_list() {
    let (graph, mut model, ..) = build(several());
    let mut told = String::new();
    for request in [
        names(&[]),
        names(&["biuld"]),
        names(&["web:build"]),
        names(&["build/pakc"]),
        steps(names(&[]), &["check"]),
        steps(names(&["release"]), &["check"]),
        names(&["publish"]),
        Request { package: Some("nope".into()), ..names(&[]) },
        Request { package: Some("web".into()), ..names(&["build"]) },
    ] {
        told.push_str(&render("", &graph.select(&model, &request).unwrap_err().diagnostics()));
    }
    insta::assert_snapshot!(told, @r#"
    error: which pipeline? there is no `default-pipeline`
    help: name one, or set `default-pipeline` in `[workspace.metadata.zen]`
    note: pipelines: build, api:build, api:lint, web:lint, release, ci
    error: no pipeline `biuld`
    help: did you mean `build`?
    note: pipelines: build, api:build, api:lint, web:lint, release, ci
    error: no pipeline `web:build`
    help: did you mean `api:build`?
    note: pipelines: build, api:build, api:lint, web:lint, release, ci
    error: no step `build/pakc`
    help: did you mean `build/pack`?
    note: steps: build/compile, build/pack, api:build/gen
    error: several steps are called `check`
    help: give the whole id
    note: steps: api:lint/check, web:lint/check
    error: no step `check`
    note: steps: release/publish
    error: no pipeline `publish`
    help: it is a step: `-s publish`
    error: the table of package `nope` defines no pipeline
    help: did you mean `api`?
    note: packages that define some: api, web
    error: no step is selected: `build` has none in the table of package `web`
    help: add a step to it, or name another
    "#);

    model.settings.default_pipeline = Some("release".to_owned());
    assert_eq!(ids(&model, &graph.select(&model, &names(&[])).unwrap().selected), ["release/publish"]);
}

#[test]
fn the_only_pipeline_goes_without_saying() {
    let mut t = Tables::new();
    t.step("api:test", "a");
    t.step("web:test", "b");
    let (graph, model, ..) = build(t);
    assert_eq!(graph.select(&model, &names(&[])).unwrap().selected.len(), 2);
}

proptest! {
    #[test]
    fn every_step_comes_after_what_it_waits_for(
        pairs in proptest::collection::vec((0usize..30, 0usize..30), 0..80),
        wanted in 0usize..30,
    ) {
        let mut t = Tables::new();
        // Names say nothing of the order: the ids are shuffled by a step that is prime to their number.
        let all: Vec<_> = (0..30).map(|at| t.step(if at % 3 == 0 { "p" } else { "q" }, &format!("s{at}"))).collect();
        let place = |rank: usize| all[rank * 7 % 30];
        for (x, y) in &pairs {
            let (low, high) = (x.min(y), x.max(y));
            if low != high {
                t.after(place(*high), place(*low));
            }
        }
        let (graph, model, problems, _) = build(t);
        prop_assert_eq!(problems, []);
        let wanted = all[wanted];
        let request = names(&[&model.step(wanted).display_id]);
        let found = graph.select(&model, &request).unwrap();
        prop_assert_eq!(&found.selected, &[wanted]);
        for (at, step) in found.order.iter().enumerate() {
            for edge in graph.upstream(*step) {
                let before = found.order.iter().position(|other| *other == edge.from);
                prop_assert!(before.is_some_and(|before| before < at), "{:?} needs {:?} before it", step, edge.from);
            }
        }
        for step in &found.order {
            let used = *step == wanted || graph.downstream(*step).iter().any(|e| found.order.contains(&e.to));
            prop_assert!(used, "nothing runs that nobody needs");
        }
        let mut once = found.order.clone();
        once.sort();
        once.dedup();
        prop_assert_eq!(once.len(), found.order.len());
    }

    #[test]
    fn f_10_f20_a_path_that_is_read_and_owned_makes_an_edge(
        outputs in proptest::collection::vec(proptest::sample::select(PLACES.to_vec()), 1..6),
        reads in proptest::collection::vec(proptest::sample::select(READS.to_vec()), 1..5),
    ) {
        let mut t = Tables::new();
        let reader = t.step("p", "reader");
        t.files(reader, &reads);
        for (at, place) in outputs.iter().enumerate() {
            let maker = t.step("p", &format!("s{at}"));
            t.output(maker, "x", place);
        }
        let (graph, model, ..) = build(t);
        let names = ["a", "gen", "x.rs", "a.gen.rs", "B"];
        let folders = names.iter().flat_map(|a| names.map(|b| format!("{a}/{b}")));
        let paths = folders.clone().flat_map(|folder| names.map(|name| format!("{folder}/{name}")));
        for path in names.iter().map(|name| (*name).to_owned()).chain(folders).chain(paths) {
            let path = RelPath::new(path).unwrap();
            if !model.step(reader).files.matches(&path) {
                continue;
            }
            for (owner, output) in graph.owners(&path) {
                let edge = graph.upstream(reader).iter().any(|edge| edge.from == owner);
                // What is taken for a file is asked for its own path alone; who excludes all below a path means the path.
                let place = model.step(owner).outputs[output].place.root();
                let below = place.child(b"any");
                let hidden = if *place == path {
                    model.step(reader).files.exclude.iter().any(|gone| gone.matches(&below))
                } else {
                    place.to_string().ends_with(".rs")
                };
                prop_assert!(edge || hidden, "{path} is read and belongs to {place}");
            }
        }
    }
}

const PLACES: [&str; 9] =
    ["a", "a/x.rs", "gen", "gen/a/x.rs", "a/*.rs", "**/gen/*", "gen/**/a.gen.rs", "B/gen", "x.rs"];

const READS: [&str; 13] = [
    "a",
    "gen/",
    "**/*.rs",
    "*/gen/**",
    "gen/?",
    "{a,gen}/x.rs",
    "**",
    "!gen/",
    "!**/*.gen.rs",
    "!a/x.rs",
    "!**/gen/**",
    "!*/x.rs",
    "!B/**",
];
