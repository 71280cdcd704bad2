//! The DAG for a terminal: drawn where it fits, else each node with what it comes after.

use std::fmt::Write as _;

use anstyle::Style;
use ascii_dag::render::engine::{EdgeStyle, EdgeStyleCtx, LineWeight, MarkerShape};
use ascii_dag::{Graph, RenderOptions};
use clap_cargo::style;

use super::dag::{Dag, Kind, Link, Node, State};

/// What stands at an edge that no table says.
const OVERLAP: &str = "overlap";

/// No wider than `width`.
pub(super) fn draw(dag: &Dag, width: usize) -> String {
    let labels: Vec<String> = dag.nodes.iter().map(label).collect();
    let mut graph = Graph::new();
    for (at, label) in labels.iter().enumerate() {
        graph.add_node(at, label.as_str());
    }
    for edge in &dag.edges {
        graph.add_edge(edge.from, edge.to, (edge.kind == Link::Overlap).then_some(OVERLAP));
    }
    let mut options = RenderOptions::plain();
    options.plan.edge_style_fn = dash_overlaps;
    let layout = graph.compute_layout();
    if layout.width() > width {
        return list(dag);
    }
    let mut drawn = layout.render_string(&options);
    for (node, label) in dag.nodes.iter().zip(&labels) {
        let style = look(node.kind);
        drawn = drawn.replacen(&format!("[{label}]"), &format!("[{style}{label}{style:#}]"), 1);
    }
    let lines: Vec<&str> = drawn.lines().map(str::trim_end).collect();
    let first = lines.iter().position(|line| !line.is_empty()).unwrap_or_default();
    let last = lines.iter().rposition(|line| !line.is_empty()).map_or(first, |last| last + 1);
    lines[first..last].iter().fold(String::new(), |text, line| text + line + "\n")
}

/// The one label that edges have.
fn dash_overlaps(edge: EdgeStyleCtx<'_>) -> EdgeStyle {
    EdgeStyle {
        weight: Some(if edge.label.is_some() { LineWeight::Dashed } else { LineWeight::Light }),
        marker_end: MarkerShape::Arrow,
        ..EdgeStyle::default()
    }
}

/// A line for each node.
fn list(dag: &Dag) -> String {
    let mut text = String::new();
    let longest = dag.nodes.iter().map(|node| label(node).chars().count()).max().unwrap_or_default();
    for (at, node) in dag.nodes.iter().enumerate() {
        let (style, label) = (look(node.kind), label(node));
        let before: Vec<String> = dag
            .edges
            .iter()
            .filter(|edge| edge.to == at)
            .map(|edge| {
                let mark = if edge.kind == Link::Overlap { "~" } else { "" };
                format!("{mark}{}", dag.nodes[edge.from].name)
            })
            .collect();
        let pad = if before.is_empty() { 0 } else { longest - label.chars().count() };
        let _ = write!(text, "{style}{label}{style:#}{}", " ".repeat(pad));
        if !before.is_empty() {
            let _ = write!(text, "  ← {}", before.join(", "));
        }
        text.push('\n');
    }
    text
}

fn label(node: &Node) -> String {
    let name: String = node.name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    match node.kind {
        Kind::Step(state) => format!("{name} ({})", state.name()),
        Kind::Artifact | Kind::Files => name,
    }
}

fn look(kind: Kind) -> Style {
    match kind {
        Kind::Step(State::Fresh | State::Restorable | State::Restored | State::Ran) => style::GOOD,
        Kind::Step(State::Stale | State::Maybe | State::Skipped) => style::WARN,
        Kind::Step(State::Failed) => style::ERROR,
        Kind::Artifact | Kind::Files => style::TRANSIENT,
    }
}
