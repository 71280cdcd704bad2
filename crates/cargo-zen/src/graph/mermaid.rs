//! The DAG as GitHub draws it in Markdown.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::dag::{Dag, Kind, Link, Node};

/// Each class with its colours.
const LOOKS: [(&str, &str, &str); 10] = [
    ("fresh", "#d3f9d8", "#2f9e44"),
    ("restorable", "#d0ebff", "#1971c2"),
    ("stale", "#ffe8cc", "#e8590c"),
    ("maybe", "#fff3bf", "#e67700"),
    ("restored", "#d0ebff", "#1971c2"),
    ("ran", "#e5dbff", "#6741d9"),
    ("failed", "#ffc9c9", "#e03131"),
    ("skipped", "#e9ecef", "#868e96"),
    ("artifact", "#f8f9fa", "#adb5bd"),
    ("files", "#f8f9fa", "#adb5bd"),
];

/// A `flowchart`, left to right.
pub(crate) fn draw(dag: &Dag) -> String {
    let mut chart = "flowchart LR\n".to_owned();
    for (at, node) in dag.nodes.iter().enumerate() {
        let (open, close) = match node.kind {
            Kind::Step(_) => ("[", "]"),
            Kind::Artifact => ("([", "])"),
            Kind::Files => ("[/", "/]"),
        };
        let _ = writeln!(chart, "    n{at}{open}\"{}\"{close}:::{}", label(node), class(node.kind));
    }
    for edge in &dag.edges {
        let arrow = match edge.kind {
            Link::Reads => "-->",
            Link::After => "==>",
            Link::Overlap => "-.->",
        };
        let label = match edge.labels.is_empty() {
            true => String::new(),
            false => format!("|\"{}\"|", edge.labels.iter().map(|label| plain(label)).collect::<Vec<_>>().join("<br>")),
        };
        let _ = writeln!(chart, "    n{} {arrow}{label} n{}", edge.from, edge.to);
    }
    let used: BTreeSet<&str> = dag.nodes.iter().map(|node| class(node.kind)).collect();
    for (class, fill, stroke) in LOOKS.iter().filter(|(class, ..)| used.contains(class)) {
        let _ = writeln!(chart, "    classDef {class} fill:{fill},stroke:{stroke},color:#000");
    }
    chart
}

fn label(node: &Node) -> String {
    match node.state_or_place() {
        "" => plain(&node.name),
        below => format!("{}<br><small>{}</small>", plain(&node.name), plain(below)),
    }
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Step(state) => state.name(),
        Kind::Artifact => "artifact",
        Kind::Files => "files",
    }
}

/// Text that is neither markup nor Markdown: all but letters, digits and a few marks as numbers.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            c if c.is_alphanumeric() || " _-./=,+".contains(c) => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => {
                let _ = write!(out, "#{};", u32::from(c));
            }
        }
    }
    out
}
