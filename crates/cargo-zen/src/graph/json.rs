//! The DAG for programs.

use serde_json::{Value, json};

use super::dag::{Dag, Kind, State};
use crate::json::{lines, reasons};

/// One message: `graph`.
pub(super) fn draw(dag: &Dag) -> String {
    let node = |at: usize| -> Value {
        let node = &dag.nodes[at];
        match node.kind {
            Kind::Step(state) => json!({
                "kind": "step", "id": node.id, "decision": decision(state), "state": state.name(), "why": reasons(&node.why),
            }),
            Kind::Artifact => json!({ "kind": "artifact", "id": node.id, "place": node.about }),
            Kind::Files => json!({ "kind": "files", "id": node.id }),
        }
    };
    let nodes: Vec<Value> = (0..dag.nodes.len()).map(node).collect();
    let edges: Vec<Value> = dag
        .edges
        .iter()
        .map(|edge| {
            let [from, to] = [edge.from, edge.to].map(|at| &dag.nodes[at].id);
            json!({ "from": from, "to": to, "kind": edge.kind.name(), "labels": edge.labels })
        })
        .collect();
    lines(&[json!({ "reason": "graph", "nodes": nodes, "edges": edges })])
}

/// As plans have it: of what was, the decision that leads to it.
fn decision(state: State) -> &'static str {
    match state {
        State::Fresh => "fresh",
        State::Restorable | State::Restored => "restore",
        State::Stale | State::Ran | State::Failed | State::Skipped => "run",
        State::Maybe => "maybe",
    }
}
