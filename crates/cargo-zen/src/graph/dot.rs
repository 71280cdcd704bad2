//! The DAG for Graphviz.

use std::fmt::Write as _;

use super::dag::{Dag, Kind, Link, Node};

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

fn look(kind: Kind) -> String {
    let shape = match kind {
        Kind::Step(_) => "box",
        Kind::Artifact => "ellipse",
        Kind::Files => "note",
    };
    format!("shape={shape}, fillcolor=\"{}\"", kind.look().light[0])
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
