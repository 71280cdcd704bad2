//! `graph`: the same steps and edges in every format, and no name that is taken for markup.

use serde_json::Value;

use crate::harness::Workspace;

/// All kinds of edges: an artifact, `after`, paths that meet and no table says so.
fn pipeline() -> Workspace {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p]
params.n = 1

[workspace.metadata.zen.pipelines.p.steps.make]
run = "cp in.txt {{ outputs.rows }}; cp in.txt {{ outputs.other }}"
files = ["in.txt"]
outputs.rows = "rows.txt"
outputs.other = "other.txt"

[workspace.metadata.zen.pipelines.p.steps.sum]
run = "echo {{ params.n }} > {{ outputs.sum }}; cat {{ inputs.rows }} >> {{ outputs.sum }}"
inputs = ["make.rows"]
params = ["n"]
outputs.sum = "sum.txt"

[workspace.metadata.zen.pipelines.p.steps.check]
run = "grep -q a other.txt"
files = ["other.txt"]

[workspace.metadata.zen.pipelines.p.steps.tell]
run = "true"
inputs = ["sum.sum"]
after = ["check"]
"#,
    );
    workspace.write("in.txt", "a\n");
    workspace
}

fn drawn(workspace: &Workspace, args: &[&str]) -> String {
    let outcome = workspace.zen(&[&["graph"], args].concat());
    assert_eq!(outcome.code, Some(0), "{args:?}: {}", outcome.stderr);
    outcome.stdout
}

fn message(text: &str) -> Value {
    let line = text.lines().nth(1).expect("a version, then the graph");
    serde_json::from_str(line).expect("it is JSON")
}

#[test]
fn text_shows_each_step_with_its_state() {
    let workspace = pipeline();
    workspace.ok(&[]);
    insta::assert_snapshot!(drawn(&workspace, &["--set", "n=2"]), @r#"
            [make (fresh)]
           ┌┈┈┈┈┈┈┈┴────────┐
       "overlap"            │
           ↓                ↓
    [check (fresh)]   [sum (stale)]
           └───────┬────────┘
                   ↓
            [tell (maybe)]
    "#);
    insta::assert_snapshot!(drawn(&workspace, &["p/sum", "--artifacts", "--files"]), @r#"
        [in.txt]
            │
            ↓
     [make (fresh)]
       ┌────┴────┐
       ↓         ↓
    [other]   [rows]
           ┌─────┘
           ↓
     [sum (fresh)]
           │
           ↓
         [sum]
    "#);
}

#[test]
fn a_terminal_that_is_too_narrow_gets_a_line_for_each_step() {
    let workspace = pipeline();
    workspace.ok(&[]);
    let zen = format!("stty cols 24 rows 24; exec {} graph --color never", env!("CARGO_BIN_EXE_cargo-zen"));
    let shown = workspace.program("script", &["-qec", &zen, "/dev/null"]).output().expect("script starts");
    let text = String::from_utf8_lossy(&shown.stdout).replace('\r', "");
    insta::assert_snapshot!(text, @r#"
    make (fresh)
    check (fresh)  ← ~make
    sum (fresh)    ← make
    tell (fresh)   ← check, sum
    "#);
}

#[test]
fn json_has_states_reasons_and_kinds_of_edges() {
    let workspace = pipeline();
    workspace.ok(&[]);
    let graph = message(&drawn(&workspace, &["--set", "n=2", "--format", "json"]));
    assert_eq!(graph["reason"], "graph");
    let states = graph["nodes"].as_array().expect("nodes").iter().map(|node| {
        let why: Vec<&str> =
            node["why"].as_array().expect("reasons").iter().filter_map(|why| why["text"].as_str()).collect();
        format!("{} {} {}", node["id"], node["decision"], why.join(", "))
    });
    insta::assert_snapshot!(states.collect::<Vec<_>>().join("\n"), @r#"
    "p/make" "fresh" 
    "p/check" "fresh" 
    "p/sum" "run" param `n`: 1 → 2
    "p/tell" "maybe" if p/sum writes other bytes
    "#);
    let edges = graph["edges"].as_array().expect("edges").iter();
    let edges = edges.map(|edge| format!("{} -> {}: {} {}", edge["from"], edge["to"], edge["kind"], edge["labels"]));
    insta::assert_snapshot!(edges.collect::<Vec<_>>().join("\n"), @r#"
    "p/make" -> "p/check": "overlap" ["other.txt"]
    "p/make" -> "p/sum": "input" ["rows"]
    "p/check" -> "p/tell": "after" []
    "p/sum" -> "p/tell": "input" ["sum"]
    "#);
    // The flag of all commands asks for the same.
    assert_eq!(message(&drawn(&workspace, &["--set", "n=2", "--message-format", "json"])), graph);
}

#[test]
fn dot_and_mermaid_say_the_same() {
    let workspace = pipeline();
    workspace.ok(&[]);
    insta::assert_snapshot!(drawn(&workspace, &["--format", "dot"]), @r##"
    digraph zen {
        rankdir=LR
        node [fontname="sans-serif", style=filled]
        n0 [label="make\nfresh", shape=box, fillcolor="#d3f9d8"]
        n1 [label="check\nfresh", shape=box, fillcolor="#d3f9d8"]
        n2 [label="sum\nfresh", shape=box, fillcolor="#d3f9d8"]
        n3 [label="tell\nfresh", shape=box, fillcolor="#d3f9d8"]
        n0 -> n1 [label="other.txt", style=dashed]
        n0 -> n2 [label="rows"]
        n1 -> n3 [style=bold, arrowhead=empty]
        n2 -> n3 [label="sum"]
    }
    "##);
    insta::assert_snapshot!(drawn(&workspace, &["--format", "mermaid"]), @r#"
    flowchart LR
        n0["make<br><small>fresh</small>"]:::fresh
        n1["check<br><small>fresh</small>"]:::fresh
        n2["sum<br><small>fresh</small>"]:::fresh
        n3["tell<br><small>fresh</small>"]:::fresh
        n0 -.->|"other.txt"| n1
        n0 -->|"rows"| n2
        n1 ==> n3
        n2 -->|"sum"| n3
        classDef fresh fill:#d3f9d8,stroke:#2f9e44,color:#000
    "#);
}

#[test]
fn a_picture_has_a_box_for_each_step_and_a_line_for_each_edge() {
    let workspace = pipeline();
    workspace.ok(&[]);
    let svg = drawn(&workspace, &["--set", "n=2", "--format", "svg"]);
    assert_eq!(svg.matches("<g class=\"fresh\" ").count(), 2, "{svg}");
    assert_eq!(svg.matches("<g class=\"stale\" ").count(), 1, "{svg}");
    assert_eq!(svg.matches("<g class=\"maybe\" ").count(), 1, "{svg}");
    assert_eq!(svg.matches("class=\"reads\"").count(), 2, "{svg}");
    assert_eq!(svg.matches("class=\"after\"").count(), 1, "{svg}");
    assert_eq!(svg.matches("class=\"overlap\"").count(), 1, "{svg}");
    for text in ["p/sum: stale (param `n`: 1 → 2)", "make → sum: rows", "aria-label=\"Graph of steps: ", ">sum</text>"]
    {
        assert!(svg.contains(text), "{text}: {svg}");
    }
}

#[test]
fn no_name_is_markup() {
    let hostile = r#"</text><script>x()</script>"];}`x`#quot;]:::"#;
    let workspace = Workspace::new(&format!(
        "[workspace.metadata.zen.pipelines.p.steps.s]\nrun = 'true'\nmatrix.v = ['{hostile}', \"a\\u001b[2Jb\"]\nfiles = ['in.txt']\n"
    ));
    workspace.write("in.txt", "");
    for format in ["text", "dot", "mermaid", "svg", "json"] {
        let drawn = drawn(&workspace, &["--format", format]);
        assert!(!drawn.contains('\u{1b}'), "{format}: {drawn}");
        if format == "svg" || format == "mermaid" {
            assert!(!drawn.contains("<script"), "{format}: {drawn}");
        }
        if format == "mermaid" {
            assert_eq!(drawn.matches(":::").count(), 2, "{drawn}");
        }
        if format == "dot" {
            assert_eq!(drawn.lines().count(), 6, "a line for each step: {drawn}");
            assert!(drawn.contains(r#"</script>\"%5D;}"#), "{drawn}");
        }
    }
}

#[test]
fn what_is_not_there_is_refused_as_run_refuses_it() {
    let workspace = pipeline();
    let outcome = workspace.zen(&["graph", "nothing"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(4), ""), "{}", outcome.stderr);
    // Nothing is run, and a graph can be had before anything was.
    assert!(drawn(&workspace, &[]).contains("make (stale)"));
    assert!(!workspace.exists("rows.txt"));
}
