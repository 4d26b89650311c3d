//! Which of many candidates become neighbours: those that lie in different directions.
//!
//! Malkov and Yashunin 2018, algorithm 4, without extending candidates and without keeping pruned ones. Unlike the
//! paper at most a quarter of the links go to exact duplicates of the node: a crowd of equal vectors would otherwise
//! link only to itself and be lost.

use super::code::Probe;
use super::graph::Graph;
use super::scratch::{key_of, slot_of};
use crate::memory::{Node, Reader};

/// Working memory of a selection.
#[derive(Debug, Default)]
pub(super) struct Selection {
    probe: Probe,
    /// The neighbours, nearest first.
    pub(super) selected: Vec<u32>,
}

impl Graph {
    /// Selects at most `limit` neighbours of `owner` from candidates that are sorted by distance from it. One is taken
    /// if it is nearer to `owner` than to every one taken before.
    pub(super) fn select(
        &self,
        reader: &Reader<'_>,
        owner: &Node<'_>,
        candidates: &[u64],
        limit: usize,
        selection: &mut Selection,
    ) {
        let Selection { probe, selected } = selection;
        selected.clear();
        let mut nodes: Vec<Node<'_>> = Vec::with_capacity(limit);
        let mut duplicates = 0;
        for &candidate in candidates {
            if nodes.len() >= limit {
                break;
            }
            let Some(node) = reader
                .node(slot_of(candidate))
                .filter(|node| node.slot() != owner.slot())
            else {
                continue;
            };
            if node.constants() == owner.constants() {
                duplicates += 1;
                if duplicates > limit.div_ceil(4) {
                    continue;
                }
            }
            if nodes.is_empty() || self.is_apart(&node, key_of(candidate), &nodes, probe) {
                nodes.push(node);
                selected.push(node.slot());
            }
        }
    }

    /// True if none of `others` is nearer to `node` than `key`.
    fn is_apart(&self, node: &Node<'_>, key: u32, others: &[Node<'_>], probe: &mut Probe) -> bool {
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
