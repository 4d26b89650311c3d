//! Which of many candidates become neighbours: those that lie in different directions.
//!
//! Malkov and Yashunin 2018, algorithm 4, without extending candidates and without keeping pruned ones. Unlike the
//! paper at most a quarter of the links go to exact duplicates of the node: a crowd of equal vectors would otherwise
//! link only to itself and be lost.

use aether_distance::Metric;

use super::code::{Key, Probe};
use super::graph::Graph;
use super::scratch::{key_of, slot_of};
use crate::memory::{Node, Reader};
use crate::order::{order, unorder};

/// Candidates that are compared with a neighbour at a time: few, since the limit may be reached before the next ones.
const CHUNK: usize = 16;

/// How far from the other neighbours one has to be, in squared distances from the node. The paper has 1. Somewhat less (as α does in DiskANN, Subramanya
/// et al. 2019) gives longer lists, and walks that take fewer steps: docs/decisions/0017 and 0018.
const APART: f32 = 0.88;

/// Working memory of a selection.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// One for each neighbour.
    probes: Vec<Probe>,
    /// The neighbours, nearest first.
    pub(super) selected: Vec<u32>,
}

impl Graph {
    /// Adds neighbours to those that are selected already, up to `limit`, from candidates that are sorted by distance
    /// from `owner`. One is added if it is nearer to `owner` than to every one selected before, or hardly farther.
    pub(super) fn select(
        &self,
        reader: &Reader<'_>,
        owner: &Node<'_>,
        candidates: &[u64],
        limit: usize,
        selection: &mut Selection,
    ) {
        let Selection { probes, selected } = selection;
        let mut probed = 0;
        for node in selected.iter().filter_map(|&slot| reader.node(slot)) {
            self.codec.probe_node(&node, place(probes, probed));
            probed += 1;
        }
        let mut duplicates = 0;
        let mut near: Vec<(Key, Node<'_>)> = Vec::with_capacity(CHUNK);
        for chunk in candidates.chunks(CHUNK) {
            if selected.len() >= limit {
                return;
            }
            near.clear();
            for &candidate in chunk {
                let node = reader.node(slot_of(candidate));
                let Some(node) = node.filter(|node| node.slot() != owner.slot()) else {
                    continue;
                };
                duplicates += usize::from(node.constants() == owner.constants());
                if node.constants() != owner.constants() || duplicates <= limit.div_ceil(4) {
                    near.push((self.least_apart(key_of(candidate)), node));
                }
            }
            for probe in &probes[..probed] {
                self.keep_apart(probe, &mut near, 0);
            }
            for (_, node) in &near {
                reader.prefetch_fine(node.slot(), self.codec.dim);
            }
            let mut next = 0;
            while let Some((_, node)) = near.get(next).filter(|_| selected.len() < limit) {
                let probe = place(probes, probed);
                self.codec.probe_node(node, probe);
                selected.push(node.slot());
                (probed, next) = (probed + 1, next + 1);
                self.keep_apart(probe, &mut near, next);
            }
        }
    }

    /// How far from all neighbours a candidate with this key has to be.
    fn least_apart(&self, key: Key) -> Key {
        match self.codec.metric {
            Metric::InnerProduct => key,
            Metric::L2Squared | Metric::Cosine => order(unorder(key) * APART),
        }
    }

    /// Drops those from `start` on that are nearer to the probe than they have to be.
    #[inline]
    fn keep_apart(&self, probe: &Probe, near: &mut Vec<(Key, Node<'_>)>, start: usize) {
        let (mut at, mut kept) = (start, start);
        while let Some(four) = near.get(at..at + 4) {
            let keys = self
                .codec
                .keys(probe, &[four[0].1, four[1].1, four[2].1, four[3].1]);
            for key in keys {
                near[kept] = near[at];
                kept += usize::from(key >= near[at].0);
                at += 1;
            }
        }
        while let Some(&(own, node)) = near.get(at) {
            near[kept] = (own, node);
            kept += usize::from(self.codec.key(probe, &node) >= own);
            at += 1;
        }
        near.truncate(kept);
    }
}

/// Working memory for one more.
fn place(probes: &mut Vec<Probe>, at: usize) -> &mut Probe {
    if at == probes.len() {
        probes.push(Probe::default());
    }
    &mut probes[at]
}
