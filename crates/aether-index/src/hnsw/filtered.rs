//! Walks among selected nodes: neighbours that are not selected are stepped over, to those of theirs that are.
//!
//! A walk that passes through all nodes and keeps those that count looks at `1 / share` times as many. This one expands selected
//! nodes only, and compares only with such: a node's selected neighbours, and as many of the selected ones among the neighbours of its others
//! as it takes to have enough (ACORN-1: Patel et al. 2024, arXiv 2403.04871; there on graphs of higher degree). Which nodes are selected is
//! one bit for each, so that stepping over a node costs its links and no codes.
//!
//! It begins around the query, wherever an ordinary walk gets to, and at some selected nodes from all over: what is selected may lie elsewhere.
//! There it may find too few, or take longer than a scan of all that are selected: then it gives up.

use super::code::{Key, Probe};
use super::graph::{Graph, linked};
use super::scratch::{Reach, Visited, Walk, slot_of};
use crate::memory::{Node, Reader};
use crate::selection::Selection;

/// Nodes from which the walk begins: the nearest ones, selected or not.
const SEEDS: usize = 16;

impl Graph {
    /// Fills the pool with the selected nodes that count and are nearest to the probe, as far as steps over two links lead, from
    /// around `start` and from those with which the selection begins. False if these are fewer than `ef`, or it would compare with more than
    /// `budget` nodes; lists of links that are stepped over count as one each.
    pub(super) fn walk_selected(
        &self,
        reader: &Reader<'_>,
        probe: &Probe,
        start: (Key, u32),
        (ef, budget): (usize, usize),
        walk: &mut Walk,
        (selection, counts): (&Selection, impl Fn(&Node<'_>) -> bool),
    ) -> bool {
        self.walk(reader, probe, 0, start, Reach::fixed(SEEDS), walk);
        let Walk {
            visited,
            front,
            batch,
            over,
            ..
        } = walk;
        batch.clear();
        over.clear();
        visited.reset(self.nodes.bound());
        for &near in front.pool.entries() {
            let slot = slot_of(near);
            visited.insert(slot);
            let list = if selection.contains(slot) {
                &mut *batch
            } else {
                &mut *over
            };
            list.push(slot);
        }
        for &slot in selection.starts() {
            if visited.insert(slot) {
                reader.prefetch_codes(slot);
                batch.push(slot);
            }
        }
        let ef = ef.min(selection.len());
        front.pool.reset(Reach::fixed(ef));
        let mut cost = 0;
        // All around the start count as one step.
        let mut enough = SEEDS * self.links_max(0);
        loop {
            for &slot in over.iter() {
                if batch.len() >= enough {
                    break;
                }
                self.step_over(reader, slot, selection, visited, batch);
                cost += 1;
            }
            let pool = &mut front.pool;
            self.score(reader, probe, batch, |key, node| {
                if counts(&node) {
                    pool.push(key, node.slot());
                }
            });
            cost += batch.len();
            if cost > budget {
                return false;
            }
            let Some(slot) = pool.expand() else {
                return pool.entries().len() == ef;
            };
            batch.clear();
            over.clear();
            enough = usize::from(self.params.m);
            self.neighbours(reader, slot, selection, visited, (batch, over));
        }
    }

    /// The neighbours of a node that were not visited: those that are selected, and those that are not.
    fn neighbours(
        &self,
        reader: &Reader<'_>,
        slot: u32,
        selection: &Selection,
        visited: &mut Visited,
        (selected, others): (&mut Vec<u32>, &mut Vec<u32>),
    ) {
        let Some(node) = reader.node(slot) else {
            return;
        };
        let new = visited.extend(linked(node.links()), node.links().len());
        for &slot in &visited.slots()[new] {
            if selection.contains(slot) {
                reader.prefetch_codes(slot);
                selected.push(slot);
            } else {
                reader.prefetch_links(slot);
                others.push(slot);
            }
        }
    }

    /// Adds those neighbours of a node that are selected and were not visited. The others are not visited by this.
    fn step_over(
        &self,
        reader: &Reader<'_>,
        slot: u32,
        selection: &Selection,
        visited: &mut Visited,
        selected: &mut Vec<u32>,
    ) {
        let Some(node) = reader.node(slot) else {
            return;
        };
        let neighbours = linked(node.links()).filter(|&slot| selection.contains(slot));
        let new = visited.extend(neighbours, node.links().len());
        for &slot in &visited.slots()[new] {
            reader.prefetch_codes(slot);
            selected.push(slot);
        }
    }
}
