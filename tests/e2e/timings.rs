//! `--timings`: a page and a trace that say where the time went, and nothing else that changes.

use std::fs;

use serde_json::Value;

use crate::harness::Workspace;

#[test]
fn a_page_and_a_trace_hold_every_part_of_every_step() {
    let workspace = Workspace::with_step(
        "matrix.x = [\"one\", \"<b>two</b>\"]\nrun = [\"echo\", \"{{ matrix.x }}\"]\nfiles = \"src\"\n",
    );
    let quiet = workspace.ok(&[]);
    assert!(!workspace.exists("target/zen/timings"), "nobody asked");
    let first = workspace.ok(&["--timings", "--no-cache"]);
    let reasons = |messages: &[Value]| {
        let mut reasons: Vec<String> = messages.iter().map(|message| message["reason"].to_string()).collect();
        reasons.sort();
        reasons.dedup();
        reasons
    };
    assert_eq!(reasons(&first.messages), reasons(&[&quiet.messages[..], &first.messages[..]].concat()));
    assert!(first.stderr.contains("where the time went: "), "{}", first.stderr);

    let trace: Value = serde_json::from_str(&workspace.read("target/zen/timings/run-2.trace.json")).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    for name in ["s[x=one]", "s[x=<b>two</b>]"] {
        let parts: Vec<&str> =
            events.iter().filter(|event| event["name"] == name).filter_map(|it| it["cat"].as_str()).collect();
        assert_eq!(parts, ["prepare", "run", "store"], "of {name}");
    }
    for part in ["load", "stand", "lock", "decide", "note"] {
        assert!(events.iter().any(|event| event["cat"] == part), "the run spends time on `{part}`");
    }
    assert!(events.iter().all(|event| event["ts"].as_f64() >= Some(0.0) && event["dur"].as_f64() >= Some(0.0)));
    let page = workspace.read("target/zen/timings/run-2.html");
    assert!(page.contains("s[x=&lt;b&gt;two&lt;/b&gt;]"), "{page}");
    assert!(!page.contains("<b>") && !page.contains("<script"), "a name is no markup");
}

#[test]
fn what_is_put_back_and_what_stands_is_told_apart() {
    let workspace = Workspace::with_step("run = \"cp in.txt out.txt\"\nfiles = \"in.txt\"\noutputs.o = \"out.txt\"\n");
    workspace.write("in.txt", "x");
    workspace.ok(&[]);
    fs::remove_file(workspace.path("out.txt")).unwrap();
    workspace.ok(&["--timings"]);
    let trace = workspace.read("target/zen/timings/run-2.trace.json");
    assert!(trace.contains("\"restore\"") && !trace.contains("\"run\""), "{trace}");
}

#[test]
fn f_27_a_run_that_fails_has_its_timings_too() {
    let workspace = Workspace::with_step("run = \"false\"\nfiles = \"src\"\n");
    let outcome = workspace.zen(&["run", "--timings"]);
    assert_eq!(outcome.code, Some(100));
    assert!(workspace.exists("target/zen/timings/run-1.html"));
}
