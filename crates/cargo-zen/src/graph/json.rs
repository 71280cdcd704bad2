//! The DAG for programs.

use serde_json::{Value, json};

use super::dag::{Dag, Kind, state};
use crate::json::{FORMAT, decision, reasons};

/// One message: `graph`.
pub(super) fn draw(dag: &Dag) -> String {
    let node = |at: usize| -> Value {
        let node = &dag.nodes[at];
        match node.kind {
            Kind::Step(made) => json!({
                "kind": "step", "id": node.id, "decision": decision(made), "state": state(made), "why": reasons(&node.why),
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
    let format = json!({ "reason": "zen-format", "version": FORMAT });
    format!("{format}\n{}\n", json!({ "reason": "graph", "nodes": nodes, "edges": edges }))
}
