//! Maintenance: links around dead nodes are repaired in place, then the slots of the dead are freed.
//!
//! 1. The nodes that are dead now become *doomed*. From here on no new link leads to them.
//! 2. Every other node with a link to a doomed one chooses its neighbours anew, among its own and those of its doomed
//!    neighbours (as FreshDiskANN does; Singh et al. 2021, arXiv 2105.09613); one that loses many, among those that a search
//!    finds. Searches still pass through the doomed.
//! 3. No link leads to the doomed any more. If searches enter at one, they get another entry point; then, while no
//!    search runs, the slots are freed.
//!
//! A pass is done in steps, so that it can share a thread with other work.

use super::graph::{Entry, LEVEL_MAX, linked, write_links};
use super::insert::{Builder, Relink};
use super::scratch::{Reach, slot_of};
use super::{Consolidation, Hnsw, decrease};
use crate::memory::{NO_SLOT, Node, Reader, State};
use crate::{PointId, Result};

/// Slots freed while searches wait once.
const FREED_AT_ONCE: usize = 1024;

/// Nodes repaired before waiting writers get their turn.
const REPAIRED_AT_ONCE: u32 = 64;

/// A node that loses more than this part of what it keeps looks for neighbours by a search.
const LOST_PART: usize = 8;

/// A pass in progress.
#[derive(Debug)]
pub(super) struct Pass {
    doomed: Vec<u32>,
    /// Nodes below this are repaired.
    cursor: u32,
    end: u32,
}

impl Hnsw {
    pub(super) fn step(&self, budget: u32) -> Result<Consolidation> {
        let mut slot = self.pass.lock();
        let Some(mut pass) = slot.take().or_else(|| self.doom()) else {
            return Ok(Consolidation {
                freed: 0,
                done: true,
            });
        };
        let until = pass.cursor.saturating_add(budget.max(1)).min(pass.end);
        let mut builder = self.builders.lock().pop().unwrap_or_default();
        while pass.cursor < until {
            let next = (pass.cursor + REPAIRED_AT_ONCE).min(until);
            let reader = self.graph.nodes.read();
            for slot in pass.cursor..next {
                self.repair(&reader, slot, &mut builder);
            }
            pass.cursor = next;
        }
        self.builders.lock().push(builder);
        if pass.cursor < pass.end {
            *slot = Some(pass);
            return Ok(Consolidation {
                freed: 0,
                done: false,
            });
        }
        self.replace_entry();
        Ok(Consolidation {
            freed: self.free(&pass.doomed),
            done: true,
        })
    }

    /// Begins a pass over the nodes that are dead now.
    fn doom(&self) -> Option<Pass> {
        let exclusive = self.graph.nodes.exclusive(); // no insert has half chosen a dead node as neighbour
        let mut doomed = std::mem::take(&mut *self.dead_slots.lock());
        doomed.retain(|&slot| exclusive.node(slot).is_some_and(|node| node.doom()));
        (!doomed.is_empty()).then(|| Pass {
            doomed,
            cursor: 0,
            end: self.graph.nodes.bound(),
        })
    }

    /// Gives a node other neighbours in place of its doomed ones.
    fn repair(&self, reader: &Reader<'_>, slot: u32, builder: &mut Builder) {
        let Some(node) = reader
            .node(slot)
            .filter(|node| node.state() != State::DOOMED)
        else {
            return;
        };
        let layers = 1 + self.graph.level(&node);
        for layer in 0..layers {
            let is_doomed = |slot: u32| {
                reader
                    .node(slot)
                    .is_none_or(|node| node.state() == State::DOOMED)
            };
            if linked(self.graph.links(&node, layer)).any(is_doomed) {
                self.repair_layer(reader, &node, layer, builder);
            }
        }
    }

    /// The neighbours that stay are kept: to choose among them anew would leave fewer, and recall would sink a little
    /// with each pass. Those of the doomed neighbours fill the free places, and link back.
    fn repair_layer(
        &self,
        reader: &Reader<'_>,
        node: &Node<'_>,
        layer: u32,
        builder: &mut Builder,
    ) {
        let graph = &self.graph;
        let lock = graph.lock(node.slot());
        let lost = self.collect_staying(reader, node, layer, builder);
        let kept = builder.relink.selection.selected.len();
        if layer == 0 && lost * LOST_PART > kept {
            self.search_anew(reader, node, builder);
        }
        let Builder { relink, .. } = builder;
        graph.choose_anew(reader, node, layer, relink);
        write_links(graph.links(node, layer), &relink.selection.selected);
        drop(lock);
        let new = relink.selection.selected.split_off(kept);
        for slot in new {
            graph.link_in(reader, slot, node, layer, relink);
        }
        graph.adopt_lost(reader, linked(node.links()), relink);
    }

    /// Selects the neighbours of `node` that stay, and finds others in their place: the neighbours of its doomed ones,
    /// and where there are few, those that are doomed neighbours away. Returns how many neighbours are doomed.
    fn collect_staying(
        &self,
        reader: &Reader<'_>,
        node: &Node<'_>,
        layer: u32,
        builder: &mut Builder,
    ) -> usize {
        let graph = &self.graph;
        let Builder { walk, relink, .. } = builder;
        let Relink {
            slots, selection, ..
        } = relink;
        walk.visited.reset(graph.nodes.bound());
        walk.visited.insert(node.slot());
        let doomed = &mut walk.batch;
        doomed.clear();
        let mut visit = |from: &Node<'_>, doomed: &mut Vec<u32>, staying: &mut Vec<u32>| {
            for slot in linked(graph.links(from, layer)).filter(|&slot| walk.visited.insert(slot)) {
                match reader.node(slot).map(|node| node.state()) {
                    Some(State::DOOMED) => doomed.push(slot),
                    Some(_) => staying.push(slot),
                    None => {}
                }
            }
        };
        selection.selected.clear();
        slots.clear();
        visit(node, doomed, &mut selection.selected);
        let (neighbours, enough) = (doomed.len(), graph.links_max(layer));
        let mut next = 0;
        while let Some(&slot) = doomed
            .get(next)
            .filter(|_| next < neighbours || slots.len() < enough)
        {
            if let Some(through) = reader.node(slot) {
                visit(&through, doomed, slots);
            }
            next += 1;
        }
        neighbours
    }

    /// Finds others for a node that loses many of its neighbours as if it were new: where whole regions die, the neighbours
    /// of the doomed ones are all to one side of it.
    fn search_anew(&self, reader: &Reader<'_>, node: &Node<'_>, builder: &mut Builder) {
        let graph = &self.graph;
        let Builder {
            walk,
            probe,
            relink,
            ..
        } = builder;
        graph.codec.probe_node(node, probe);
        let start = (graph.codec.key(probe, node), *node);
        let ef = usize::from(graph.params.ef_construction);
        let stays = |found: &Node<'_>| found.state() != State::DOOMED;
        graph.walk_counting(reader, probe, start, (Reach::fixed(ef), None), walk, stays);
        let found = walk.front.pool.entries().iter().map(|&near| slot_of(near));
        let selected = &relink.selection.selected;
        let new = |slot: &u32| *slot != node.slot() && !selected.contains(slot);
        relink.slots.clear();
        relink.slots.extend(found.filter(new));
    }

    /// If searches enter at a doomed node, makes them enter at the highest other one.
    fn replace_entry(&self) {
        let _growing = self.growth.lock();
        let reader = self.graph.nodes.read();
        let stays = |slot: u32| {
            reader
                .node(slot)
                .filter(|node| node.state() != State::DOOMED)
        };
        if self
            .graph
            .entry()
            .is_none_or(|entry| stays(entry.slot).is_some())
        {
            return;
        }
        // A node that another thread is about to link leads nowhere yet: only if there is no other will it do.
        let all = (0..self.graph.nodes.bound()).filter_map(stays);
        let highest = all
            .map(|node| (!is_alone(&node), self.graph.level(&node), node.slot()))
            .max();
        let entry = highest.map(|(_, level, slot)| Entry {
            slot,
            level: level.min(LEVEL_MAX),
        });
        self.graph.set_entry(entry);
    }

    fn free(&self, doomed: &[u32]) -> usize {
        let mut freed = 0;
        for slots in doomed.chunks(FREED_AT_ONCE) {
            let mut exclusive = self.graph.nodes.exclusive();
            self.version.change();
            for &slot in slots {
                let Some(node) = exclusive.node(slot) else {
                    continue;
                };
                self.points.forget(PointId(node.id()), slot);
                self.graph.release_lists(node.upper());
                if node.upper() != NO_SLOT {
                    self.graph.starts.remove(slot);
                }
                freed += usize::from(exclusive.free(slot));
            }
        }
        decrease(&self.dead, freed);
        freed
    }
}

fn is_alone(node: &Node<'_>) -> bool {
    linked(node.links()).next().is_none()
}
