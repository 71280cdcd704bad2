//! `report`: one file about a run. What a browser makes of it, `cargo xtask pages` looks at.

use serde_json::Value;

use crate::harness::Workspace;

fn pipeline() -> Workspace {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p]
params.n = 1

[workspace.metadata.zen.pipelines.p.steps.load]
run = "echo loading; cp in.txt {{ outputs.rows }}"
files = ["in.txt"]
outputs.rows = "rows.txt"

[workspace.metadata.zen.pipelines.p.steps.train]
run = """
test {{ params.n }} -lt 9 || { echo 'too many' >&2; exit 3; }
echo '{\"accuracy\": 0.'{{ params.n }}'}' > {{ outputs.scores }}
"""
inputs = ["load.rows"]
params = ["n"]
outputs.scores = { path = "scores.json", metric = true }

[workspace.metadata.zen.pipelines.p.steps.tell]
run = "true"
inputs = ["train.scores"]
"#,
    );
    workspace.write("in.txt", "a\n");
    workspace
}

/// The page about a run.
fn page(workspace: &Workspace, args: &[&str]) -> String {
    let outcome = workspace.zen(&[&["report", "-o", "-"], args].concat());
    assert_eq!(outcome.code, Some(0), "{args:?}: {}", outcome.stderr);
    outcome.stdout
}

/// What the page knows of each step.
fn facts(page: &str) -> Vec<Value> {
    let (_, rest) = page.split_once("<script type=\"application/json\" id=\"data\">").expect("there is data");
    let (data, _) = rest.split_once("</script>").expect("it ends");
    let data: Value = serde_json::from_str(data).expect("it is JSON");
    data["steps"].as_array().expect("a list").clone()
}

/// The text of a section, without its markup.
fn section(page: &str, id: &str) -> String {
    let (_, rest) = page.split_once(&format!("<section id=\"{id}\"")).unwrap_or_else(|| panic!("no section {id}"));
    let (section, _) = rest.split_once("</section>").expect("it ends");
    let text = section.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text);
    text.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_page_tells_what_ran_why_with_what_and_what_came_of_it() {
    let workspace = pipeline();
    workspace.ok(&[]);
    workspace.ok(&["--set", "n=2"]);
    let outcome = workspace.zen(&["report"]);
    let path = workspace.path("target/zen/reports/run-2.html");
    assert_eq!((outcome.code, outcome.stdout.trim_end()), (Some(0), path.to_str().unwrap()), "{}", outcome.stderr);
    let page = workspace.read("target/zen/reports/run-2.html");
    assert!(page.contains("<h1>Run 2: p --set n=2</h1>"), "{page}");

    let [load, train, tell] = &facts(&page)[..] else { panic!("three steps") };
    assert_eq!((&load["outcome"], &load["made"]["run"], &load["log_run"]), (&"fresh".into(), &1.into(), &1.into()));
    assert_eq!(load["log"]["lines"][0][1], "loading");
    assert_eq!(train["why"], serde_json::json!(["param `n`: 1 → 2"]));
    assert_eq!((&train["params"]["n"], &train["metrics"]["scores.accuracy"]), (&"2".into(), &0.2.into()));
    assert_eq!((&train["after"], &tell["after"]), (&serde_json::json!([0]), &serde_json::json!([1])));
    assert_eq!((&train["artifacts"][0]["name"], &train["artifacts"][0]["files"]), (&"scores".into(), &1.into()));
    let components: Vec<&str> =
        train["components"].as_array().expect("a list").iter().filter_map(|it| it["name"].as_str()).collect();
    assert_eq!(components, ["code", "params", "inputs", "outputs", "platform"]);

    assert!(section(&page, "graph").contains("param `n`: 1 → 2"), "{}", section(&page, "graph"));
    assert!(section(&page, "timeline").contains("Critical path: train → tell"), "{}", section(&page, "timeline"));
    assert!(section(&page, "steps").contains("load fresh as run 1 made it, 2"), "{}", section(&page, "steps"));
    assert!(section(&page, "cache").contains("1 of 3 steps"), "{}", section(&page, "cache"));
    assert!(section(&page, "params").contains("n train 2"), "{}", section(&page, "params"));
    let metrics = section(&page, "metrics");
    assert!(metrics.contains("p/train.scores.accuracy: 0.2"), "{metrics}");
    assert!(metrics.contains("run 1: 0.1 (n = 1)") && metrics.contains("run 2: 0.2 (n = 2)"), "{metrics}");
    let comparison = section(&page, "comparison");
    assert!(comparison.contains("run 1: p: 3 ran in"), "{comparison}");
    assert!(comparison.contains("p/train param `n`: 1 → 2 scores.accuracy: 0.1 → 0.2 (+0.1)"), "{comparison}");
}

#[test]
fn any_run_can_be_told_of_and_compared_with_any_other() {
    let workspace = pipeline();
    for n in ["1", "2", "3"] {
        workspace.ok(&["--set", &format!("n={n}")]);
    }
    let first = page(&workspace, &["1"]);
    assert!(
        first.contains("<h1>Run 1: p --set n=1</h1>") && !first.contains("id=\"comparison\""),
        "nothing was before"
    );
    assert!(section(&first, "metrics").contains("run 3: 0.3"), "later runs are in the plots");
    let comparison = section(&page(&workspace, &["last", "--compare", "1"]), "comparison");
    assert!(comparison.contains("param `n`: 1 → 3"), "{comparison}");
    for args in [&["7"][..], &["--compare", "nothing"]] {
        let outcome = workspace.zen(&[&["report"], args].concat());
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(4), ""), "{args:?}");
        assert!(outcome.stderr.contains("error: there is no run `"), "{}", outcome.stderr);
    }
}

#[test]
fn a_failed_run_shows_what_failed_and_what_it_printed() {
    let workspace = pipeline();
    workspace.run(&["--set", "n=9"]);
    let page = page(&workspace, &[]);
    let steps = section(&page, "steps");
    assert!(steps.contains("train failed") && steps.contains("tell skipped `p/train` failed"), "{steps}");
    let train = &facts(&page)[1];
    assert_eq!((&train["exit"], &train["log"]["lines"][0][1]), (&3.into(), &"too many".into()));
    assert!(train["failure"].as_str().is_some_and(|why| why.contains('3')), "{train}");
}

#[test]
fn a_run_is_told_as_it_was_whatever_became_of_it() {
    let workspace = pipeline();
    workspace.ok(&[]);
    workspace.edit(
        "Cargo.toml",
        "p.steps.tell]\nrun = \"true\"\ninputs = [\"train.scores\"]\n",
        "p.steps.say]\nrun = \"true\"\n",
    );
    let old = page(&workspace, &[]);
    assert_eq!(
        facts(&old).iter().map(|step| step["after"].clone()).collect::<Vec<_>>(),
        [serde_json::json!([]), serde_json::json!([0]), serde_json::json!([1])]
    );
    std::fs::remove_dir_all(workspace.path("target/zen/v1")).expect("it is there");
    let bare = page(&workspace, &[]);
    assert!(section(&bare, "steps").contains("load ran never run"), "{}", section(&bare, "steps"));
    assert_eq!((&facts(&bare)[0]["components"], &facts(&bare)[0]["log"]), (&Value::Null, &Value::Null));
}

#[test]
fn metrics_are_those_of_the_run_whatever_came_after_it() {
    let workspace = Workspace::with_step(
        "run = 'cat \"$N\" > {{ outputs.m }}'\nfiles = ['in.txt']\npass-env = ['N']\noutputs.m = { path = 'm.json', metric = true }\n",
    );
    let mut workspace = workspace;
    workspace.write("in.txt", "");
    let n = workspace.named_path("N");
    std::fs::write(&n, "1").expect("it can be written");
    workspace.ok(&[]);
    std::fs::write(&n, "2").expect("it can be written");
    workspace.ok(&["--no-cache"]);
    assert_eq!(facts(&page(&workspace, &["last"]))[0]["metrics"]["m"], 2.0);
    // The same key has another production by now, but the run that measured the first one knows it.
    workspace.ok(&[]);
    for (run, value) in [("1", 1.0), ("2", 2.0), ("3", 2.0)] {
        assert_eq!(facts(&page(&workspace, &[run]))[0]["metrics"]["m"], value, "run {run}");
    }
    let [first, second, third] = ["1", "2", "3"].map(|run| workspace.zen(&["runs", "show", run]).stdout);
    assert!(
        first.contains("m: 1\n") && second.contains("m: 2\n") && third.contains("m: 2\n"),
        "{first}{second}{third}"
    );
    // Where that run is gone as well, it is said of nobody.
    std::fs::remove_file(workspace.path("target/zen/runs/run-2")).expect("it is there");
    workspace.ok(&["--no-cache"]);
    let shown = workspace.zen(&["runs", "show", "3"]).stdout;
    assert!(!shown.contains("m:"), "{shown}");
}

#[test]
fn f47_names_and_output_are_no_markup_and_no_script() {
    let hostile = "</script><script>alert(1)</script><img src=x onerror=alert(2)>'\"&";
    let workspace = Workspace::with_step(&format!(
        "matrix.x = [{}]\nrun = [\"echo\", \"{{{{ matrix.x }}}}\"]\nfiles = \"src\"\n",
        Value::from(hostile)
    ));
    workspace.ok(&[]);
    let page = page(&workspace, &[]);
    assert_eq!(page.matches("<script").count(), 2, "the page's own");
    assert_eq!(page.matches("</script").count(), 2);
    assert!(!page.contains("<img"), "{page}");
    let step = &facts(&page)[0];
    assert!(step["id"].as_str().is_some_and(|id| id.contains(hostile)), "as data it is whole: {step}");
    assert_eq!(step["log"]["lines"][0][1], hostile);
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-";
    assert!(page.contains(policy), "no other script runs, and nothing is fetched");
}

#[test]
fn somebody_elses_file_is_not_overwritten() {
    let workspace = pipeline();
    workspace.ok(&[]);
    let before = workspace.read("in.txt");
    let outcome = workspace.zen(&["report", "-o", "in.txt"]);
    assert_eq!(outcome.code, Some(110), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("help: what is there is no report of cargo zen"), "{}", outcome.stderr);
    assert_eq!(workspace.read("in.txt"), before);
    for _ in 0..2 {
        let outcome = workspace.zen(&["report", "-o", "page.html", "--message-format", "json"]);
        assert_eq!(outcome.code, Some(0), "an older report is: {}", outcome.stderr);
        assert_eq!((&outcome.messages[1]["reason"], &outcome.messages[1]["run"]), (&"report".into(), &1.into()));
        assert!(outcome.messages[1]["path"].as_str().is_some_and(|path| path.ends_with("/page.html")));
    }
    assert!(workspace.read("page.html").starts_with("<!doctype html>"));
}

#[test]
fn a_forged_history_is_told_as_it_is_and_nothing_breaks() {
    use zen_core::artifact::{RunId, Timestamp};
    use zen_core::engine::history::{History, RunEntry, StepEntry, StepOutcome, Tie, Upstream};

    let workspace = pipeline();
    workspace.ok(&[]);
    let step = |outcome| StepEntry {
        step: "p/train".to_owned(),
        outcome,
        key: None,
        production: None,
        reused: Some(RunId(u64::MAX)),
        why: vec!["</script>".to_owned()],
        began_ms: Some(u64::MAX),
        duration_ms: u64::MAX,
        saved_ms: u64::MAX,
        exit_code: Some(i32::MIN),
        log: None,
        failure: None,
        metrics: [("m".to_owned(), f64::NAN), ("n".to_owned(), f64::MAX)].into(),
        upstream: [0, 1, u32::MAX].map(|step| Upstream { step, tie: Tie::Overlap }).to_vec(),
    };
    let history = History::new(&workspace.path("target/zen/runs"));
    for (id, started) in [(2, i64::MIN), (3, i64::MAX)] {
        let entry = RunEntry {
            id: RunId(id),
            started: Timestamp(started),
            duration_ms: u64::MAX,
            request: String::new(),
            success: false,
            checkout: None,
            toolchain: None,
            steps: vec![step(StepOutcome::Ran), step(StepOutcome::Restored), step(StepOutcome::Failed)],
        };
        history.finish(&entry).expect("it can be written");
    }
    for args in [
        &["report", "-o", "-", "2"][..],
        &["report", "-o", "-", "3"],
        &["runs"],
        &["runs", "show", "2"],
        &["runs", "diff"],
    ] {
        let outcome = workspace.zen(args);
        assert_eq!(outcome.code, Some(0), "{args:?}: {}", outcome.stderr);
    }
    let facts = facts(&page(&workspace, &["3"]));
    assert_eq!(
        facts.iter().map(|step| step["after"].clone()).collect::<Vec<_>>(),
        [serde_json::json!([]), serde_json::json!([0]), serde_json::json!([0, 1])]
    );
}
