//! The DAG as a picture: layered left to right, coloured by state, light and dark.

use std::fmt::Write as _;

use ascii_dag::ir::{EdgePath, LayoutEdge, LayoutIR};
use ascii_dag::{CustomNode, Direction, Graph, LayoutConfig, QUALITY};

use super::dag::{Dag, Edge, Kind, Link, Node};
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
/// Pixels around the picture.
const MARGIN: usize = 16;

const STYLE: &str = "\
svg{background:#fff;font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}\
rect{stroke-width:1.5}text{fill:#212529;text-anchor:middle}.about{font-size:11px;fill:#495057}\
path{fill:none;stroke:#868e96;stroke-width:1.5}.after{stroke-width:2.5}.overlap{stroke-dasharray:6 4}\
#arrow path,#arrow{fill:#868e96;stroke:none}\
.fresh rect{fill:#d3f9d8;stroke:#2f9e44}.restorable rect{fill:#d0ebff;stroke:#1971c2}\
.stale rect{fill:#ffe8cc;stroke:#e8590c}.maybe rect{fill:#fff3bf;stroke:#e67700}\
.restored rect{fill:#d0ebff;stroke:#1971c2}.ran rect{fill:#e5dbff;stroke:#6741d9}\
.failed rect{fill:#ffc9c9;stroke:#e03131}.skipped rect{fill:#e9ecef;stroke:#868e96}\
.artifact rect,.files rect{fill:#f8f9fa;stroke:#adb5bd}\
@media(prefers-color-scheme:dark){svg{background:#16181d}text{fill:#f1f3f5}.about{fill:#ced4da}\
path{stroke:#868e96}\
.fresh rect{fill:#173d22;stroke:#51cf66}.restorable rect{fill:#12344f;stroke:#4dabf7}\
.stale rect{fill:#4a2a10;stroke:#ff922b}.maybe rect{fill:#433510;stroke:#fcc419}\
.restored rect{fill:#12344f;stroke:#4dabf7}.ran rect{fill:#2b2350;stroke:#9775fa}\
.failed rect{fill:#4c1b1b;stroke:#ff8787}.skipped rect{fill:#2b3035;stroke:#868e96}\
.artifact rect,.files rect{fill:#25282e;stroke:#6c757d}}";

/// A whole SVG file.
pub(super) fn draw(dag: &Dag) -> String {
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
    let (width, height) = (layout.width() * CELL.0 + 2 * MARGIN, layout.height() * CELL.1 + 2 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
         aria-label=\"{}\">\n<style>{STYLE}</style>\n<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" \
         markerWidth=\"8\" markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>\n",
        escaped(&summary(dag))
    );
    let levels = levels(layout);
    for edge in layout.edges() {
        let Some(drawn) = dag.edges.get(edge.edge_index) else { continue };
        line(&mut svg, dag, drawn, &way(layout, &levels, edge));
    }
    for place in layout.nodes() {
        let Some(node) = dag.nodes.get(place.id) else { continue };
        let (x, y) = (MARGIN + place.x * CELL.0, MARGIN + place.y * CELL.1);
        let (width, height) = (place.width * CELL.0, ROWS * CELL.1 - CELL.1 / 2);
        boxed(&mut svg, node, (x, y), (width, height));
    }
    svg + "</svg>\n"
}

/// The first column of each level, and the one behind its last.
fn levels(layout: &LayoutIR<'_>) -> Vec<(usize, usize)> {
    let mut levels = vec![(usize::MAX, 0); layout.level_count()];
    for node in layout.nodes() {
        let (first, last) = &mut levels[node.level];
        *first = node.x.min(*first);
        *last = (node.x + node.width).max(*last);
    }
    levels
}

/// Where an edge goes, in pixels: at one height past the nodes of each level on its way.
fn way(layout: &LayoutIR<'_>, levels: &[(usize, usize)], edge: &LayoutEdge<'_>) -> Vec<(usize, usize)> {
    let pixel = |x: usize, y: usize| (MARGIN + x * CELL.0, MARGIN + y * CELL.1 + CELL.1 / 4);
    let (Some(from), Some(to)) = (layout.node_by_id(edge.from_id), layout.node_by_id(edge.to_id)) else {
        return Vec::new();
    };
    let passed = levels.get(from.level + 1..to.level).unwrap_or_default();
    let mut points = vec![pixel(from.x + from.width, edge.from_y), pixel(levels[from.level].1, edge.from_y)];
    let mut height = edge.from_y;
    for level in passed {
        match &edge.path {
            // A point ends a straight line, which may have passed several levels.
            EdgePath::MultiSegment { waypoints, .. } => {
                height = waypoints.iter().find(|(x, _)| *x >= level.0).map_or(edge.to_y, |(_, y)| *y);
            }
            EdgePath::SideChannel { channel_at, .. } => height = *channel_at,
            _ => {}
        }
        points.extend([pixel(level.0, height), pixel(level.1, height)]);
    }
    points.push(pixel(to.x, edge.to_y));
    points
}

fn line(svg: &mut String, dag: &Dag, drawn: &Edge, points: &[(usize, usize)]) {
    let class = match drawn.kind {
        Link::Reads => "reads",
        Link::After => "after",
        Link::Overlap => "overlap",
    };
    let _ = write!(svg, "<path class=\"{class}\" marker-end=\"url(#arrow)\" d=\"M{} {}", points[0].0, points[0].1);
    for pair in points.windows(2) {
        let [(x, y), (to_x, to_y)] = [pair[0], pair[1]];
        let half = usize::midpoint(x, to_x);
        let _ = write!(svg, "C{half} {y} {half} {to_y} {to_x} {to_y}");
    }
    let [from, to] = [drawn.from, drawn.to].map(|at| dag.nodes[at].name.as_str());
    let what = if drawn.labels.is_empty() { String::new() } else { format!(": {}", drawn.labels.join(", ")) };
    let _ = writeln!(svg, "\"><title>{}</title></path>", escaped(&format!("{from} → {to}{what}")));
}

fn boxed(svg: &mut String, node: &Node, (x, y): (usize, usize), (width, height): (usize, usize)) {
    let class = match node.kind {
        Kind::Step(state) => state.name(),
        Kind::Artifact => "artifact",
        Kind::Files => "files",
    };
    let about = about(node);
    let middle = x + width / 2;
    let round = if node.kind == Kind::Artifact { height / 2 } else { 6 };
    let line = if about.is_empty() { y + height / 2 + 5 } else { y + height / 2 - 2 };
    let _ = write!(
        svg,
        "<g class=\"{class}\"><title>{}</title><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{round}\"/>\
         <text x=\"{middle}\" y=\"{line}\">{}</text>",
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
    let steps = dag.nodes.iter().filter_map(|node| match node.kind {
        Kind::Step(state) => Some(format!("{} ({})", node.name, state.name())),
        Kind::Artifact | Kind::Files => None,
    });
    format!("Graph of steps: {}", steps.collect::<Vec<_>>().join(", "))
}
