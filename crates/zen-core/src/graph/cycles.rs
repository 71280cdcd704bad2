//! Cycles among numbered nodes, each as its whole path. Knows not what the nodes are.

use std::collections::{HashMap, VecDeque};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::DiGraph;

/// For each knot of nodes that reach each other, one cycle through its first node: indices into `edges`, head to tail.
/// Between two nodes the first edge counts. Sorted by that first node.
pub(super) fn cycles(edges: &[(u32, u32)]) -> Vec<Vec<usize>> {
    let graph = DiGraph::<(), ()>::from_edges(edges);
    let mut knot_of = vec![0; graph.node_count()];
    // Kosaraju's way has no recursion, so a long chain cannot overflow the stack.
    let knots = kosaraju_scc(&graph);
    for (knot, nodes) in knots.iter().enumerate() {
        for node in nodes {
            knot_of[node.index()] = knot;
        }
    }
    let mut inside: HashMap<usize, HashMap<u32, Vec<usize>>> = HashMap::new();
    for (at, (from, to)) in edges.iter().enumerate() {
        let knot = knot_of[*from as usize];
        if knot == knot_of[*to as usize] {
            inside.entry(knot).or_default().entry(*from).or_default().push(at);
        }
    }
    let mut found: Vec<_> = inside.into_values().filter_map(|out| shortest(edges, &out)).collect();
    found.sort_by_key(|cycle| cycle.first().map(|at| edges[*at].0));
    found
}

/// The shortest way from the first node back to itself.
fn shortest(edges: &[(u32, u32)], out: &HashMap<u32, Vec<usize>>) -> Option<Vec<usize>> {
    let start = *out.keys().min()?;
    let mut came_by: HashMap<u32, usize> = HashMap::new();
    let mut open = VecDeque::from([start]);
    while let Some(node) = open.pop_front() {
        for at in out.get(&node).into_iter().flatten() {
            let to = edges[*at].1;
            if came_by.contains_key(&to) {
                continue;
            }
            came_by.insert(to, *at);
            if to == start {
                let mut path = vec![*at];
                let mut from = edges[*at].0;
                while from != start {
                    let by = came_by[&from];
                    path.push(by);
                    from = edges[by].0;
                }
                path.reverse();
                return Some(path);
            }
            open.push_back(to);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_knot_once_by_its_first_node() {
        assert_eq!(cycles(&[(0, 1), (1, 2), (0, 2)]), Vec::<Vec<usize>>::new());
        assert_eq!(cycles(&[(0, 0)]), [[0]]);
        assert_eq!(cycles(&[(3, 1), (1, 2), (1, 0), (2, 3), (3, 1)]), [[1, 3, 0]]);
        assert_eq!(cycles(&[(0, 1), (1, 0), (1, 2), (2, 3), (3, 2)]), [[0, 1], [3, 4]]);
    }

    #[test]
    fn a_long_chain_is_no_trouble() {
        let mut chain: Vec<_> = (0..100_000).map(|node| (node, node + 1)).collect();
        assert!(cycles(&chain).is_empty());
        chain.push((100_000, 0));
        assert_eq!(cycles(&chain)[0].len(), 100_001);
    }
}
