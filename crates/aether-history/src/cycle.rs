//! Cycles that a level forbids.
//!
//! Snapshot isolation allows a cycle if two anti-dependencies (rw) follow each other in it: walking along, whoever
//! stands on a node knows whether an rw led there, and may then not take another one. So the graph is doubled, and
//! every cycle in it is forbidden.

use std::collections::{BTreeMap, VecDeque};

use crate::graph::{Edge, Graph};
use crate::{Anomaly, Kind, Level};

/// A place on a walk: a transaction, and whether an rw led there.
type Place = (usize, bool);

/// One cycle of each knot of transactions that cannot be put in order.
pub(crate) fn find(graph: &Graph, level: Level) -> Vec<Anomaly> {
    let steps = |place: Place| -> Vec<(Place, Edge)> {
        let (node, after_rw) = place;
        let edges = graph.edges[node].iter();
        edges
            .filter(|(_, edge)| {
                level == Level::Serializable || !after_rw || *edge != Edge::ReadWrite
            })
            .map(|&(to, edge)| {
                let is_rw = level == Level::Snapshot && edge == Edge::ReadWrite;
                ((to, is_rw), edge)
            })
            .collect()
    };
    knots(graph.edges.len(), &steps)
        .into_iter()
        .map(|knot| shortest(&knot, &steps))
        .collect()
}

/// The strongly connected components with more than one place (Tarjan 1972, without recursion).
fn knots(nodes: usize, steps: &impl Fn(Place) -> Vec<(Place, Edge)>) -> Vec<Vec<Place>> {
    let mut knots = Vec::new();
    let mut order: BTreeMap<Place, usize> = BTreeMap::new();
    let mut lowest: BTreeMap<Place, usize> = BTreeMap::new();
    let mut open: Vec<Place> = Vec::new();
    let mut is_open: BTreeMap<Place, bool> = BTreeMap::new();
    for root in (0..nodes).flat_map(|node| [(node, false), (node, true)]) {
        if order.contains_key(&root) {
            continue;
        }
        let mut walk = vec![(root, steps(root), 0_usize)];
        while let Some((place, nexts, taken)) = walk.last_mut() {
            let place = *place;
            if *taken == 0 && !order.contains_key(&place) {
                let number = order.len();
                order.insert(place, number);
                lowest.insert(place, number);
                open.push(place);
                is_open.insert(place, true);
            }
            if let Some(&(next, _)) = nexts.get(*taken) {
                *taken += 1;
                if !order.contains_key(&next) {
                    walk.push((next, steps(next), 0));
                } else if is_open.get(&next) == Some(&true) {
                    let low = lowest[&place].min(order[&next]);
                    lowest.insert(place, low);
                }
                continue;
            }
            walk.pop();
            let low = lowest[&place];
            if let Some((above, ..)) = walk.last() {
                let above_low = lowest[above].min(low);
                lowest.insert(*above, above_low);
            }
            if low == order[&place] {
                let from = open.iter().rposition(|each| *each == place).unwrap_or(0);
                let knot = open.split_off(from);
                for each in &knot {
                    is_open.insert(*each, false);
                }
                if knot.len() > 1 {
                    knots.push(knot);
                }
            }
        }
    }
    knots
}

/// A shortest cycle through some place of `knot`.
fn shortest(knot: &[Place], steps: &impl Fn(Place) -> Vec<(Place, Edge)>) -> Anomaly {
    let mut best: Vec<(Place, Edge)> = Vec::new();
    // A large knot has many cycles: one through one of the first places will do.
    for &start in knot.iter().take(50) {
        let mut came: BTreeMap<Place, (Place, Edge)> = BTreeMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(place) = queue.pop_front() {
            for (next, edge) in steps(place) {
                if knot.contains(&next) && !came.contains_key(&next) {
                    came.insert(next, (place, edge));
                    queue.push_back(next);
                }
            }
            if came.contains_key(&start) {
                break;
            }
        }
        let mut cycle = Vec::new();
        let mut at = start;
        while let Some(&(before, edge)) = came.get(&at) {
            cycle.push((before, edge));
            at = before;
            if at == start {
                break;
            }
        }
        cycle.reverse();
        if !cycle.is_empty() && (best.is_empty() || cycle.len() < best.len()) {
            best = cycle;
        }
    }
    let edges: Vec<Edge> = best.iter().map(|(_, edge)| *edge).collect();
    let txns: Vec<usize> = best.iter().map(|((node, _), _)| *node).collect();
    let story: Vec<String> = best
        .iter()
        .map(|((node, _), edge)| format!("{node} –{}→", name(*edge)))
        .collect();
    let first = txns.first().map_or(String::new(), usize::to_string);
    Anomaly {
        kind: classify(&edges),
        story: format!("{} {first}", story.join(" ")),
        txns,
    }
}

fn name(edge: Edge) -> &'static str {
    match edge {
        Edge::WriteWrite => "ww",
        Edge::WriteRead => "wr",
        Edge::ReadWrite => "rw",
        Edge::RealTime => "rt",
    }
}

fn classify(edges: &[Edge]) -> Kind {
    let is_rw = |edge: &Edge| *edge == Edge::ReadWrite;
    let count = edges.iter().filter(|edge| is_rw(edge)).count();
    let neighbours = edges.iter().zip(edges.iter().cycle().skip(1));
    let is_adjacent = edges.len() > 1 && neighbours.into_iter().any(|(a, b)| is_rw(a) && is_rw(b));
    match count {
        0 if edges.contains(&Edge::WriteRead) => Kind::CircularFlow,
        0 => Kind::DirtyWrite,
        1 => Kind::ReadSkew,
        _ if is_adjacent => Kind::WriteSkew,
        _ => Kind::LongFork,
    }
}
