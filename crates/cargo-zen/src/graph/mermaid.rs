//! The DAG as GitHub draws it in Markdown.

use std::fmt::Write as _;

use zen_core::decide::Decision;

use super::dag::{Dag, Kind, Link, Node, state};

/// A `flowchart`, left to right.
pub(super) fn draw(dag: &Dag) -> String {
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
    chart.push_str(
        "    classDef fresh fill:#d3f9d8,stroke:#2f9e44,color:#000\n    \
         classDef restorable fill:#d0ebff,stroke:#1971c2,color:#000\n    \
         classDef stale fill:#ffd8a8,stroke:#e8590c,color:#000\n    \
         classDef maybe fill:#fff3bf,stroke:#f08c00,color:#000\n    \
         classDef artifact fill:#f1f3f5,stroke:#868e96,color:#000\n    \
         classDef files fill:#f8f9fa,stroke:#868e96,color:#000\n",
    );
    chart
}

fn label(node: &Node) -> String {
    match node.kind {
        Kind::Step(decision) => format!("{}<br><small>{}</small>", plain(&node.name), state(decision)),
        Kind::Artifact | Kind::Files if node.about.is_empty() || node.about == node.name => plain(&node.name),
        Kind::Artifact | Kind::Files => format!("{}<br><small>{}</small>", plain(&node.name), plain(&node.about)),
    }
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Step(Decision::Fresh) => "fresh",
        Kind::Step(Decision::Restore) => "restorable",
        Kind::Step(Decision::Run) => "stale",
        Kind::Step(Decision::Maybe) => "maybe",
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
