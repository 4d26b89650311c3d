//! Which of many candidates become neighbours: those that lie in different directions.
//!
//! Malkov and Yashunin 2018, algorithm 4, without extending candidates and without keeping pruned ones. Unlike the
//! paper at most a quarter of the links go to exact duplicates of the node: a crowd of equal vectors would otherwise
//! link only to itself and be lost.

use super::code::Probe;
use super::graph::Graph;
use super::scratch::{key_of, slot_of};
use crate::memory::{Node, Reader};

/// Candidates that the memory is asked for ahead of the one at hand.
const AHEAD: usize = 4;

/// Working memory of a selection.
#[derive(Debug, Default)]
pub(super) struct Selection {
    probe: Probe,
    /// The neighbours, nearest first.
    pub(super) selected: Vec<u32>,
}

impl Graph {
    /// Adds neighbours to those that are selected already, up to `limit`, from candidates that are sorted by distance
    /// from `owner`. One is added if it is nearer to `owner` than to every one selected before.
    pub(super) fn select(
        &self,
        reader: &Reader<'_>,
        owner: &Node<'_>,
        candidates: &[u64],
        limit: usize,
        selection: &mut Selection,
    ) {
        let Selection { probe, selected } = selection;
        let mut nodes: Vec<Node<'_>> = Vec::with_capacity(limit);
        nodes.extend(selected.iter().filter_map(|&slot| reader.node(slot)));
        let mut duplicates = 0;
        for (i, &candidate) in candidates.iter().enumerate() {
            if let Some(&ahead) = candidates.get(i + AHEAD) {
                reader.prefetch_fine(slot_of(ahead), self.codec.dim);
            }
            if nodes.len() >= limit {
                break;
            }
            let node = reader.node(slot_of(candidate));
            let Some(node) = node.filter(|node| node.slot() != owner.slot()) else {
                continue;
            };
            if node.constants() == owner.constants() {
                duplicates += 1;
                if duplicates > limit.div_ceil(4) {
                    continue;
                }
            }
            if self.is_apart(&node, key_of(candidate), &nodes, probe) {
                nodes.push(node);
                selected.push(node.slot());
            }
        }
    }

    /// True if none of `others` is nearer to `node` than `key`.
    #[inline]
    fn is_apart(&self, node: &Node<'_>, key: u32, others: &[Node<'_>], probe: &mut Probe) -> bool {
        if others.is_empty() {
            return true;
        }
        self.codec.probe_node(node, probe);
        let (fours, rest) = others.as_chunks::<4>();
        fours.iter().all(|four| {
            self.codec
                .keys(probe, four)
                .iter()
                .all(|&other| other >= key)
        }) && rest.iter().all(|other| self.codec.key(probe, other) >= key)
    }
}
