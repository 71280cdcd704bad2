//! The DAG as GitHub draws it in Markdown.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::dag::{Dag, Kind, Link, Node};
use super::look::{LOOKS, Look};

/// A `flowchart`, left to right.
pub(crate) fn draw(dag: &Dag) -> String {
    let mut chart = "flowchart LR\n".to_owned();
    for (at, node) in dag.nodes.iter().enumerate() {
        let (open, close) = match node.kind {
            Kind::Step(_) => ("[", "]"),
            Kind::Artifact => ("([", "])"),
            Kind::Files => ("[/", "/]"),
        };
        let _ = writeln!(chart, "    n{at}{open}\"{}\"{close}:::{}", label(node), node.kind.class());
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
    let used: BTreeSet<&str> = dag.nodes.iter().map(|node| node.kind.class()).collect();
    for Look { class, light: [fill, stroke], .. } in LOOKS.iter().filter(|look| used.contains(look.class)) {
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
