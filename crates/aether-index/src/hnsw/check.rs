//! Reading a whole graph to see that it is sound.

use std::collections::HashSet;

use super::Hnsw;
use super::graph::linked;
use crate::memory::{Node, Reader, State};
use crate::{Error, PointId, Result};

/// What [`Hnsw::check`] or [`Ivf::check`](crate::Ivf::check) counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckSummary {
    /// Live points.
    pub live: usize,
    /// Dead points that are still there.
    pub dead: usize,
    /// Live points of a graph that no path from the entry point reaches: searches cannot find them. Not damage; a few in ten
    /// thousand are usual after many removals, and while inserts run.
    pub unreachable: usize,
}

pub(super) fn check(hnsw: &Hnsw) -> Result<CheckSummary> {
    let reader = hnsw.graph.nodes.read();
    let mut summary = CheckSummary {
        live: 0,
        dead: 0,
        unreachable: 0,
    };
    for node in nodes(hnsw, &reader) {
        check_node(hnsw, &reader, &node)?;
        if node.state() == State::LIVE {
            summary.live += 1;
        } else {
            summary.dead += 1;
        }
    }
    let counted = (hnsw.len(), hnsw.dead());
    if counted != (summary.live, summary.dead) {
        let CheckSummary { live, dead, .. } = summary;
        let text = format!(
            "the graph holds {live} live and {dead} dead points, but counts {} and {}",
            counted.0, counted.1
        );
        return Err(Error::corruption(text));
    }
    let reached = reach(hnsw, &reader)?;
    let live = nodes(hnsw, &reader).filter(|node| node.state() == State::LIVE);
    summary.unreachable = live.filter(|node| !reached[node.slot() as usize]).count();
    Ok(summary)
}

fn nodes<'a>(hnsw: &Hnsw, reader: &'a Reader<'_>) -> impl Iterator<Item = Node<'a>> {
    (0..hnsw.graph.nodes.bound()).filter_map(|slot| reader.node(slot))
}

fn check_node(hnsw: &Hnsw, reader: &Reader<'_>, node: &Node<'_>) -> Result<()> {
    let point = PointId(node.id());
    let found = hnsw.points.find(point, reader);
    if found != Some(node.slot()) {
        return Err(Error::corruption(format!(
            "point {point} is in slot {}, but is looked for in {found:?}",
            node.slot()
        )));
    }
    for layer in 0..=hnsw.graph.level(node) {
        let mut seen = HashSet::new();
        for slot in linked(hnsw.graph.links(node, layer)) {
            let link = format!("point {point}: link to slot {slot} in layer {layer}");
            let Some(other) = reader.node(slot) else {
                return Err(Error::corruption(format!("{link}, where no point is")));
            };
            if slot == node.slot() || !seen.insert(slot) {
                return Err(Error::corruption(format!("{link}: to itself, or twice")));
            }
            if hnsw.graph.level(&other) < layer {
                return Err(Error::corruption(format!(
                    "{link}, but that point is in lower layers only"
                )));
            }
        }
    }
    Ok(())
}

/// For each slot whether searches can get there in layer 0.
fn reach(hnsw: &Hnsw, reader: &Reader<'_>) -> Result<Vec<bool>> {
    let mut reached = vec![false; hnsw.graph.nodes.bound() as usize];
    let Some(entry) = hnsw.graph.entry() else {
        return if hnsw.is_empty() {
            Ok(reached)
        } else {
            Err(Error::corruption("a graph with points has no entry point"))
        };
    };
    let level = reader.node(entry.slot).map(|node| hnsw.graph.level(&node));
    if level != Some(entry.level) {
        let text = format!(
            "the entry point, slot {}, has level {level:?}, not {}",
            entry.slot, entry.level
        );
        return Err(Error::corruption(text));
    }
    let mut next = vec![entry.slot];
    while let Some(slot) = next.pop() {
        match reached.get_mut(slot as usize) {
            Some(reached) if !*reached => *reached = true,
            _ => continue,
        }
        if let Some(node) = reader.node(slot) {
            next.extend(linked(node.links()));
        }
    }
    Ok(reached)
}
