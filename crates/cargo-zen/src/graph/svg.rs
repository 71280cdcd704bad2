//! The DAG as a picture: layered left to right, coloured by state, light and dark.

use std::fmt::Write as _;

use ascii_dag::ir::{EdgePath, LayoutEdge, LayoutIR};
use ascii_dag::{CustomNode, Direction, Graph, LayoutConfig, QUALITY};

use super::dag::{Dag, Edge, Kind, Link, Node};
use super::look::LOOKS;
use crate::words::escaped;

/// Pixels of a column and of a row of the layout.
const CELL: (usize, usize) = (8, 16);
/// Columns left of the text in a node, and right of it.
const PAD: usize = 2;
/// Rows of a node.
const ROWS: usize = 3;
/// What a second line has less of in width, in hundredths.
const SMALL: usize = 85;
/// Characters of the second line.
const ABOUT: usize = 44;
/// Steps that are named one by one to whoever does not see the picture.
const NAMED: usize = 60;
/// Columns between two levels, at most.
const GAP: usize = 18;
/// Pixels around the picture.
const MARGIN: usize = 16;

/// What does not depend on what a node is. All of it is about this drawing alone: it may stand within a page.
const STYLE: &str = "\
.dag{background:#fff;font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}\
.dag rect{stroke-width:1.5}.dag text{fill:#212529;text-anchor:middle}.dag .about{font-size:11px;fill:#495057}\
.dag path{fill:none;stroke:#868e96;stroke-width:1.5}.dag .after{stroke-width:2.5}.dag .overlap{stroke-dasharray:6 4}\
.dag marker path{fill:#868e96;stroke:none}";
/// The same on black.
const DARK: &str = ".dag{background:#16181d}.dag text{fill:#f1f3f5}.dag .about{fill:#ced4da}";

fn style() -> String {
    let rule = |class: &str, [fill, stroke]: [&str; 2]| format!(".dag .{class} rect{{fill:{fill};stroke:{stroke}}}");
    let light: String = LOOKS.iter().map(|look| rule(look.class, look.light)).collect();
    let dark: String = LOOKS.iter().map(|look| rule(look.class, look.dark)).collect();
    format!("{STYLE}{light}@media(prefers-color-scheme:dark){{{DARK}{dark}}}")
}

/// A whole SVG file.
pub(crate) fn draw(dag: &Dag) -> String {
    let widths: Vec<usize> = dag.nodes.iter().map(width).collect();
    let mut graph = Graph::new();
    graph.set_crossing_pipeline(QUALITY);
    for (at, width) in widths.iter().enumerate() {
        graph.add_node(at, CustomNode { label: "", width: *width, height: ROWS, painter: None, payload: "" });
    }
    for edge in &dag.edges {
        graph.add_edge(edge.from, edge.to, None);
    }
    let mut config = LayoutConfig::standard();
    config.direction = Direction::LeftRight;
    config.node_spacing = 1;
    config.level_spacing = 4;
    let layout = graph.compute_layout_with_config(&config);
    picture(dag, &layout)
}

fn picture(dag: &Dag, layout: &LayoutIR<'_>) -> String {
    let levels = levels(layout);
    let columns = levels.last().map_or(0, |level| level.column(level.last));
    let (width, height) = (columns * CELL.0 + 2 * MARGIN, layout.height() * CELL.1 + 2 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"dag\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
         aria-label=\"{}\">\n<style>{}</style>\n<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" \
         markerWidth=\"8\" markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>\n",
        escaped(&summary(dag)),
        style()
    );
    for edge in layout.edges() {
        let Some(drawn) = dag.edges.get(edge.edge_index) else { continue };
        let way = way(layout, &levels, edge);
        if !way.is_empty() {
            line(&mut svg, dag, drawn, &way);
        }
    }
    for place in layout.nodes() {
        let Some(node) = dag.nodes.get(place.id) else { continue };
        let (x, y) = (MARGIN + levels[place.level].column(place.x) * CELL.0, MARGIN + place.y * CELL.1);
        let (width, height) = (place.width * CELL.0, ROWS * CELL.1 - CELL.1 / 2);
        boxed(&mut svg, place.id, node, (x, y), (width, height));
    }
    svg + "</svg>\n"
}

/// The columns of the nodes of a level.
#[derive(Debug, Clone, Copy)]
struct Level {
    /// The first one, as it is laid out.
    first: usize,
    /// The one behind the last.
    last: usize,
    /// Where the first one is drawn.
    drawn: usize,
}

impl Level {
    /// Where a column of this level is drawn.
    fn column(self, column: usize) -> usize {
        self.drawn + column - self.first
    }
}

/// All levels, no further from each other than edges need to be told apart: the layout gives each crossing a column.
fn levels(layout: &LayoutIR<'_>) -> Vec<Level> {
    let mut levels = vec![Level { first: usize::MAX, last: 0, drawn: 0 }; layout.level_count()];
    for node in layout.nodes() {
        let level = &mut levels[node.level];
        level.first = node.x.min(level.first);
        level.last = (node.x + node.width).max(level.last);
    }
    for at in 1..levels.len() {
        let before = levels[at - 1];
        let gap = levels[at].first.saturating_sub(before.last).min(GAP);
        levels[at].drawn = before.column(before.last) + gap;
    }
    levels
}

/// Where an edge goes, in pixels: at one height past the nodes of each level on its way.
fn way(layout: &LayoutIR<'_>, levels: &[Level], edge: &LayoutEdge<'_>) -> Vec<(usize, usize)> {
    let pixel = |x: usize, y: usize| (MARGIN + x * CELL.0, MARGIN + y * CELL.1 + CELL.1 / 4);
    let (Some(from), Some(to)) = (layout.node_by_id(edge.from_id), layout.node_by_id(edge.to_id)) else {
        return Vec::new();
    };
    let start = levels[from.level];
    let passed = levels.get(from.level + 1..to.level).unwrap_or_default();
    let mut points =
        vec![pixel(start.column(from.x + from.width), edge.from_y), pixel(start.column(start.last), edge.from_y)];
    let mut height = edge.from_y;
    for level in passed {
        match &edge.path {
            // A point ends a straight line, which may have passed several levels.
            EdgePath::MultiSegment { waypoints, .. } => {
                height = waypoints.iter().find(|(x, _)| *x >= level.first).map_or(edge.to_y, |(_, y)| *y);
            }
            EdgePath::SideChannel { channel_at, .. } => height = *channel_at,
            _ => {}
        }
        points.extend([pixel(level.drawn, height), pixel(level.column(level.last), height)]);
    }
    points.push(pixel(levels[to.level].column(to.x), edge.to_y));
    points
}

fn line(svg: &mut String, dag: &Dag, drawn: &Edge, points: &[(usize, usize)]) {
    let class = match drawn.kind {
        Link::Reads => "reads",
        Link::After => "after",
        Link::Overlap => "overlap",
    };
    let _ = write!(svg, "<path class=\"{class}\" marker-end=\"url(#arrow)\" d=\"M{} {}", points[0].0, points[0].1);
    for pair in points.windows(2).filter(|pair| pair[0] != pair[1]) {
        let [(x, y), (to_x, to_y)] = [pair[0], pair[1]];
        let half = usize::midpoint(x, to_x);
        let _ = write!(svg, "C{half} {y} {half} {to_y} {to_x} {to_y}");
    }
    let [from, to] = [drawn.from, drawn.to].map(|at| dag.nodes[at].name.as_str());
    let what = if drawn.labels.is_empty() { String::new() } else { format!(": {}", drawn.labels.join(", ")) };
    let _ = writeln!(svg, "\"><title>{}</title></path>", escaped(&format!("{from} → {to}{what}")));
}

fn boxed(svg: &mut String, at: usize, node: &Node, (x, y): (usize, usize), (width, height): (usize, usize)) {
    let about = about(node);
    let middle = x + width / 2;
    let round = if node.kind == Kind::Artifact { height / 2 } else { 6 };
    let line = if about.is_empty() { y + height / 2 + 5 } else { y + height / 2 - 2 };
    let _ = write!(
        svg,
        "<g class=\"{}\" data-node=\"{at}\"><title>{}</title><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{round}\"/>\
         <text x=\"{middle}\" y=\"{line}\">{}</text>",
        node.kind.class(),
        escaped(&title(node)),
        escaped(&node.name)
    );
    if !about.is_empty() {
        let _ = write!(svg, "<text class=\"about\" x=\"{middle}\" y=\"{}\">{}</text>", line + 15, escaped(&about));
    }
    svg.push_str("</g>\n");
}

/// What a node says when somebody points at it.
fn title(node: &Node) -> String {
    match node.kind {
        Kind::Step(state) if node.about.is_empty() => format!("{}: {}", node.id, state.name()),
        Kind::Step(state) => format!("{}: {} ({})", node.id, state.name(), node.about),
        Kind::Artifact => format!("{}: {}", node.id, node.about),
        Kind::Files => node.id.clone(),
    }
}

/// Its second line: of a step that runs, why.
fn about(node: &Node) -> String {
    let text = match node.kind {
        Kind::Step(_) if !node.about.is_empty() => node.about.as_str(),
        _ => node.state_or_place(),
    };
    if text.chars().count() <= ABOUT { text.to_owned() } else { text.chars().take(ABOUT - 1).chain(['…']).collect() }
}

/// Columns of a node.
fn width(node: &Node) -> usize {
    let small = (about(node).chars().count() * SMALL).div_ceil(100);
    node.name.chars().count().max(small) + 2 * PAD
}

/// For who does not see it.
fn summary(dag: &Dag) -> String {
    let steps: Vec<String> = dag
        .nodes
        .iter()
        .filter_map(|node| match node.kind {
            Kind::Step(state) => Some(format!("{} ({})", node.name, state.name())),
            Kind::Artifact | Kind::Files => None,
        })
        .collect();
    match steps.len() {
        number if number > NAMED => format!("Graph of {number} steps"),
        _ => format!("Graph of steps: {}", steps.join(", ")),
    }
}
