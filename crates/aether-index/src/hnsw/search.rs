//! Walks through the graph: down the upper layers to the nearest node, then outwards in layer 0.
//!
//! One step of a walk expands the nearest node that was not expanded: its links are asked from memory; then its unvisited
//! neighbours, all at once; and only then they are compared. These stages of three successive steps take turns, so that
//! memory works for two steps while the third computes; a step thus does not know yet what the two before it will find.
//! That costs a few steps more and saves most of the waiting.

use std::cmp::Reverse;
use std::ops::Range;

use super::code::{Key, Probe};
use super::graph::{Entry, Graph, linked};
use super::scratch::{Ahead, Front, Reach, Visited, Walk, pack, slot_of};
use crate::memory::{Node, Reader};

/// Nodes after which a walk with a budget begins to ask whether that will do.
const BUDGET_CHECK: usize = 256;

impl Graph {
    /// The nearest node that a greedy walk finds in the layers above `layer`, from `entry` down; for layer 0,
    /// from one that is known to be near.
    pub(super) fn descend<'r>(
        &self,
        reader: &'r Reader<'_>,
        probe: &Probe,
        entry: Entry,
        layer: u32,
        walk: &mut Walk,
    ) -> Option<(Key, Node<'r>)> {
        let start = (layer == 0).then(|| self.start(reader, probe, &mut walk.batch));
        let (mut nearest, top) = match start.flatten() {
            Some(start) => start,
            None => {
                let node = reader.node(entry.slot)?;
                ((self.codec.key(probe, &node), node), entry.level)
            }
        };
        for layer in (layer + 1..=top).rev() {
            while let Some(nearer) =
                self.nearest_neighbour(reader, probe, layer, nearest, &mut walk.batch)
            {
                nearest = nearer;
            }
        }
        Some(nearest)
    }

    /// The neighbour that is nearest, if it is nearer than the node.
    fn nearest_neighbour<'r>(
        &self,
        reader: &'r Reader<'_>,
        probe: &Probe,
        layer: u32,
        (key, node): (Key, Node<'r>),
        batch: &mut Vec<u32>,
    ) -> Option<(Key, Node<'r>)> {
        batch.clear();
        for slot in linked(self.links(&node, layer)) {
            reader.prefetch_codes(slot);
            batch.push(slot);
        }
        let mut best = (key, None);
        self.score(reader, probe, batch, |key, node| {
            if key < best.0 {
                best = (key, Some(node));
                // Its links come next, if no other one is nearer.
                self.upper.prefetch(node.upper());
            }
        });
        best.1.map(|node| (best.0, node))
    }

    /// Fills the pool with the nodes nearest to the probe in one layer, from those of `start` on.
    pub(super) fn walk(
        &self,
        reader: &Reader<'_>,
        probe: &Probe,
        layer: u32,
        start: (Key, u32),
        reach: Reach,
        walk: &mut Walk,
    ) {
        walk.begin(self.nodes.bound(), start.1, reach);
        walk.front.pool.push(start.0, start.1);
        let next = |front: &mut Front, _| front.pool.expand();
        self.roam(reader, probe, layer, walk, next, |front, key, node| {
            front.pool.push(key, node.slot());
        });
    }

    /// Like [`walk`](Graph::walk) in layer 0, but only nodes that count enter the pool; the walk passes through all.
    ///
    /// False, with a pool that is of no use, when more than `budget` nodes would have to be compared: when they have
    /// been, or as soon as the share of nodes that count says so.
    pub(super) fn walk_counting(
        &self,
        reader: &Reader<'_>,
        probe: &Probe,
        start: (Key, Node<'_>),
        (reach, budget): (Reach, Option<usize>),
        walk: &mut Walk,
        counts: impl Fn(&Node<'_>) -> bool,
    ) -> bool {
        let (key, node) = start;
        walk.begin(self.nodes.bound(), node.slot(), reach);
        let meet = |front: &mut Front, key, node: Node<'_>| {
            let near = pack(key, node.slot());
            if front.pool.admits(near) {
                front.frontier.push(Reverse(near));
                if counts(&node) {
                    front.pool.push(key, node.slot());
                }
            }
        };
        walk.front.frontier.clear();
        meet(&mut walk.front, key, node);
        let mut gives_up = false;
        let next = |front: &mut Front, compared: usize| {
            gives_up |= budget.is_some_and(|budget| {
                compared > budget.min(BUDGET_CHECK) && !front.pool.fills_within(budget, compared)
            });
            let Reverse(near) = front.frontier.pop().filter(|_| !gives_up)?;
            front.pool.admits(near).then(|| slot_of(near))
        };
        self.roam(reader, probe, 0, walk, next, meet);
        !gives_up
    }

    /// Expands the nodes that `next` gives, which is told how many were compared so far, until it has none; gives `meet`
    /// the key of each neighbour that was not visited.
    fn roam(
        &self,
        reader: &Reader<'_>,
        probe: &Probe,
        layer: u32,
        walk: &mut Walk,
        mut next: impl FnMut(&mut Front, usize) -> Option<u32>,
        mut meet: impl FnMut(&mut Front, Key, Node<'_>),
    ) {
        while self.step(reader, probe, layer, walk, &mut next, &mut meet) {}
    }

    /// One turn of [`walk`](Graph::walk) in layer 0, which the caller has begun; false at its end.
    pub(super) fn turn(&self, reader: &Reader<'_>, probe: &Probe, walk: &mut Walk) -> bool {
        let mut next = |front: &mut Front, _| front.pool.expand();
        let mut meet = |front: &mut Front, key, node: Node<'_>| front.pool.push(key, node.slot());
        self.step(reader, probe, 0, walk, &mut next, &mut meet)
    }

    /// One turn of the three stages; false when there is nothing left to do.
    #[inline]
    fn step(
        &self,
        reader: &Reader<'_>,
        probe: &Probe,
        layer: u32,
        walk: &mut Walk,
        next: &mut impl FnMut(&mut Front, usize) -> Option<u32>,
        meet: &mut impl FnMut(&mut Front, Key, Node<'_>),
    ) -> bool {
        let Walk {
            visited,
            front,
            ahead,
            results,
            ..
        } = walk;
        let chosen = next(front, visited.slots().len());
        if chosen.is_none() && ahead.linking.is_none() && ahead.coming.is_empty() {
            return false;
        }
        if let Some(slot) = chosen {
            reader.prefetch_links(slot);
        } else if ahead.linking.is_some() {
            // This looks like the end: what comes next is to compare the nearest exactly.
            for &entry in front.pool.entries().iter().take(*results) {
                reader.prefetch_fine(slot_of(entry), self.codec.fine_bytes());
            }
        }
        let coming = match ahead.linking {
            Some(slot) => self.collect(reader, slot, layer, visited),
            None => 0..0,
        };
        let here = std::mem::replace(&mut ahead.coming, coming);
        self.score(reader, probe, &visited.slots()[here], |key, node| {
            meet(front, key, node)
        });
        ahead.linking = chosen;
        true
    }

    /// Adds the nearest of the slots in `walk.batch` to the pool, whatever they are linked to.
    pub(super) fn score_batch(
        &self,
        reader: &Reader<'_>,
        probe: &Probe,
        walk: &mut Walk,
        counts: impl Fn(&Node<'_>) -> bool,
    ) {
        let Walk { front, batch, .. } = walk;
        let pool = &mut front.pool;
        self.score(reader, probe, batch, |key, node| {
            if pool.admits(pack(key, node.slot())) && counts(&node) {
                pool.push(key, node.slot());
            }
        });
    }

    /// The neighbours of a node that were not visited, a range of all that are; asks the memory for them.
    #[inline]
    fn collect(
        &self,
        reader: &Reader<'_>,
        slot: u32,
        layer: u32,
        visited: &mut Visited,
    ) -> Range<usize> {
        let Some(node) = reader.node(slot) else {
            return 0..0;
        };
        let links = self.links(&node, layer);
        let new = visited.extend(linked(links), links.len());
        for &slot in &visited.slots()[new.clone()] {
            reader.prefetch_codes(slot);
        }
        new
    }

    /// Gives `found` the key of each slot that holds a node.
    #[inline]
    pub(super) fn score<'r>(
        &self,
        reader: &'r Reader<'_>,
        probe: &Probe,
        slots: &[u32],
        mut found: impl FnMut(Key, Node<'r>),
    ) {
        let (fours, rest) = slots.as_chunks::<4>();
        for &four in fours {
            let [a, b, c, d] = four;
            let nodes = [
                reader.node(a),
                reader.node(b),
                reader.node(c),
                reader.node(d),
            ];
            if let [Some(a), Some(b), Some(c), Some(d)] = nodes {
                let nodes = [a, b, c, d];
                let keys = self.codec.keys(probe, &nodes);
                for (key, node) in keys.into_iter().zip(nodes) {
                    found(key, node);
                }
            } else {
                for node in nodes.into_iter().flatten() {
                    found(self.codec.key(probe, &node), node);
                }
            }
        }
        for node in rest.iter().filter_map(|&slot| reader.node(slot)) {
            found(self.codec.key(probe, &node), node);
        }
    }
}

impl Walk {
    pub(super) fn begin(&mut self, bound: u32, start: u32, reach: Reach) {
        self.ahead = Ahead::default();
        self.visited.reset(bound);
        self.visited.insert(start);
        self.front.pool.reset(reach);
    }
}
