//! The DAG for Graphviz.

use std::fmt::Write as _;

use super::dag::{Dag, Kind, Link, Node, State};

/// A `digraph`, left to right.
pub(super) fn draw(dag: &Dag) -> String {
    let mut dot = "digraph zen {\n    rankdir=LR\n    node [fontname=\"sans-serif\", style=filled]\n".to_owned();
    for (at, node) in dag.nodes.iter().enumerate() {
        let _ = writeln!(dot, "    n{at} [label={}, {}]", quoted(&label(node)), look(node.kind));
    }
    for edge in &dag.edges {
        let style = match edge.kind {
            Link::Reads => None,
            Link::After => Some("style=bold, arrowhead=empty".to_owned()),
            Link::Overlap => Some("style=dashed".to_owned()),
        };
        let label = (!edge.labels.is_empty()).then(|| format!("label={}", quoted(&edge.labels.join("\n"))));
        let attributes: Vec<String> = label.into_iter().chain(style).collect();
        let attributes = if attributes.is_empty() { String::new() } else { format!(" [{}]", attributes.join(", ")) };
        let _ = writeln!(dot, "    n{} -> n{}{attributes}", edge.from, edge.to);
    }
    dot + "}\n"
}

fn label(node: &Node) -> String {
    match node.state_or_place() {
        "" => node.name.clone(),
        below => format!("{}\n{below}", node.name),
    }
}

fn look(kind: Kind) -> &'static str {
    match kind {
        Kind::Step(State::Fresh) => "shape=box, fillcolor=\"#d3f9d8\"",
        Kind::Step(State::Restorable | State::Restored) => "shape=box, fillcolor=\"#d0ebff\"",
        Kind::Step(State::Stale) => "shape=box, fillcolor=\"#ffe8cc\"",
        Kind::Step(State::Maybe) => "shape=box, fillcolor=\"#fff3bf\"",
        Kind::Step(State::Ran) => "shape=box, fillcolor=\"#e5dbff\"",
        Kind::Step(State::Failed) => "shape=box, fillcolor=\"#ffc9c9\"",
        Kind::Step(State::Skipped) => "shape=box, fillcolor=\"#e9ecef\"",
        Kind::Artifact => "shape=ellipse, fillcolor=\"#f1f3f5\"",
        Kind::Files => "shape=note, fillcolor=\"#f8f9fa\"",
    }
}

/// A string of DOT: what stands in it means nothing.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
