//! Adding a node: find its neighbours layer by layer, link to them, and be linked by them.

use std::sync::atomic::Ordering::Relaxed;

use aether_distance::VectorRef;
use parking_lot::MutexGuard;

use super::Hnsw;
use super::code::{Key, Probe};
use super::graph::{Entry, Graph, LEVEL_MAX, linked, write_links};
use super::scratch::{Reach, Walk, key_of, pack, slot_of};
use super::select::Selection;
use crate::memory::{Constants, NO_SLOT, Node, Reader, State};
use crate::points::mix;
use crate::{Error, PointId, Result};

/// Working memory of one thread that changes the graph.
#[derive(Debug, Default)]
pub(super) struct Builder {
    pub(super) walk: Walk,
    pub(super) probe: Probe,
    pub(super) relink: Relink,
    selection: Selection,
    candidates: Vec<u64>,
    /// Layers and slots that shall link to the new node.
    neighbours: Vec<(u32, u32)>,
    floats: Vec<f32>,
}

/// Working memory for choosing anew the neighbours of a node.
#[derive(Debug, Default)]
pub(super) struct Relink {
    probe: Probe,
    pub(super) slots: Vec<u32>,
    candidates: Vec<u64>,
    pub(super) selection: Selection,
    /// Nodes that were cut off.
    lost: Vec<u32>,
}

/// What an insert holds: nobody frees slots, and nobody else raises the entry point while we do.
type Hold<'a> = (Option<MutexGuard<'a, ()>>, Reader<'a>, Option<Entry>);

impl Hnsw {
    pub(super) fn insert_with(
        &self,
        point: PointId,
        vector: VectorRef<'_>,
        builder: &mut Builder,
    ) -> Result<bool> {
        let (level, rank) = self.level_for(point);
        let (_growing, reader, entry) = self.hold(level);
        if self.points.find(point, &reader).is_some() {
            return Ok(false);
        }
        let slot = self.store(point, vector, level, &mut builder.floats)?;
        let Some(node) = reader.node(slot) else {
            return Err(Error::corruption(format!(
                "slot {slot} of a new point is not there"
            )));
        };
        self.live.fetch_add(1, Relaxed);
        if !self.points.insert(point, slot, &reader) {
            self.bury(&node); // another thread was faster
            return Ok(false);
        }
        self.graph.codec.probe(&builder.floats, &mut builder.probe);
        if let Some(entry) = entry {
            self.graph
                .link(&reader, &node, entry, level.min(entry.level), builder);
            let near = builder.walk.front.pool.entries();
            self.graph.learn_spread(&node, near);
            self.graph.spread.age();
        }
        if entry.is_none_or(|entry| level > entry.level) {
            self.graph.set_entry(Some(Entry { slot, level }));
        }
        self.graph.add_start(&node, rank, &builder.probe);
        self.version.change();
        Ok(true)
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "levels are small, and the cast saturates; takes the upper half of what is random"
    )]
    /// The highest layer of a point, and its rank among all points: the lower, the higher its layer. Both depend on its id and the seed
    /// only: not on the thread, the order or a restart.
    pub(super) fn level_for(&self, point: PointId) -> (u32, u32) {
        let random = mix(self
            .seed
            .wrapping_add(point.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let uniform = ((random >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        let level = -uniform.ln() / f64::from(self.graph.params.m).ln();
        ((level as u32).min(LEVEL_MAX), (random >> 32) as u32)
    }

    fn hold(&self, level: u32) -> Hold<'_> {
        let tops = |entry: Option<Entry>| entry.is_none_or(|entry| level > entry.level);
        loop {
            // In this order: who replaces the entry point takes the lock first, then waits for readers.
            let growing = tops(self.graph.entry()).then(|| self.growth.lock());
            let reader = self.graph.nodes.read();
            let entry = self.graph.entry();
            if growing.is_some() || !tops(entry) {
                return (growing, reader, entry);
            }
        }
    }

    /// Writes the codes of a new node and publishes it, without links.
    fn store(
        &self,
        point: PointId,
        vector: VectorRef<'_>,
        level: u32,
        floats: &mut Vec<f32>,
    ) -> Result<u32> {
        let mut claim = self.graph.nodes.claim()?;
        let upper = self.graph.claim_lists(level)?;
        let (coarse, fine) = claim.codes_mut();
        let constants: Constants = self.graph.codec.encode(vector, coarse, fine, floats);
        Ok(claim.publish(point.0, constants, upper))
    }
}

impl Graph {
    /// A chain of empty lists for the layers from 1 to `level`: the first one, or [`NO_SLOT`].
    pub(super) fn claim_lists(&self, level: u32) -> Result<u32> {
        let mut first = NO_SLOT;
        for _ in 0..level {
            match self.upper.claim() {
                Ok(list) => {
                    if let Some(next) = self.upper.get(list).last() {
                        next.store(first, Relaxed);
                    }
                    first = list;
                }
                Err(error) => {
                    self.release_lists(first);
                    return Err(error);
                }
            }
        }
        Ok(first)
    }

    /// Gives a chain of lists back.
    pub(super) fn release_lists(&self, first: u32) {
        let mut list = first;
        for _ in 0..LEVEL_MAX {
            let Some(next) = self.upper.get(list).last() else {
                return;
            };
            let next = next.load(Relaxed);
            self.upper.release(list);
            list = next;
        }
    }

    /// Links a new node in the layers up to `top`.
    ///
    /// First all of its own links, from the top down; only then links to it, from layer 0 up: a search that meets it
    /// in an upper layer must be able to go on below.
    pub(super) fn link(
        &self,
        reader: &Reader<'_>,
        node: &Node<'_>,
        entry: Entry,
        top: u32,
        builder: &mut Builder,
    ) {
        let start = self.descend(reader, &builder.probe, entry, top, &mut builder.walk);
        let Some((key, nearest)) = start else {
            return;
        };
        let mut start = (key, nearest.slot());
        builder.neighbours.clear();
        for layer in (0..=top).rev() {
            start = self.choose(reader, node, layer, start, builder);
        }
        for layer in 0..=top {
            for &(_, slot) in builder.neighbours.iter().filter(|&&(l, _)| l == layer) {
                self.link_in(reader, slot, node, layer, &mut builder.relink);
            }
        }
        let Builder {
            relink, candidates, ..
        } = builder;
        relink.lost.push(node.slot());
        self.adopt_lost(
            reader,
            candidates.iter().map(|&entry| slot_of(entry)),
            relink,
        );
    }

    /// Chooses the neighbours of a new node in one layer and links it to them; the nearest node found is where the layer
    /// below starts.
    fn choose(
        &self,
        reader: &Reader<'_>,
        node: &Node<'_>,
        layer: u32,
        start: (Key, u32),
        builder: &mut Builder,
    ) -> (Key, u32) {
        let Builder {
            walk,
            probe,
            selection,
            candidates,
            neighbours,
            ..
        } = builder;
        let ef = usize::from(self.params.ef_construction);
        self.walk(reader, probe, layer, start, Reach::fixed(ef), walk);
        let near = walk.front.pool.entries();
        let is_doomed = |entry: &&u64| {
            let near = reader.node(slot_of(**entry));
            near.is_none_or(|near| near.state() == State::DOOMED)
        };
        // No new link may lead to a doomed node. Where most are doomed they still lead to us: else the nodes that come
        // after us would not find us.
        candidates.clear();
        candidates.extend(near.iter().filter(|entry| !is_doomed(entry)));
        let limit = usize::from(self.params.m);
        selection.selected.clear();
        self.select(reader, node, candidates, limit, selection);
        self.link_out(node, layer, &selection.selected);
        neighbours.extend(selection.selected.iter().map(|&slot| (layer, slot)));
        if selection.selected.len() < limit / 2 {
            let doomed = near.iter().filter(is_doomed).take(limit / 2);
            neighbours.extend(doomed.map(|&entry| (layer, slot_of(entry))));
        }
        near.first()
            .map_or(start, |&entry| (key_of(entry), slot_of(entry)))
    }

    /// Gives a new node its links, before those that other threads have given it meanwhile.
    fn link_out(&self, node: &Node<'_>, layer: u32, selected: &[u32]) {
        let _lock = self.lock(node.slot());
        let links = self.links(node, layer);
        let mut slots = selected.to_vec();
        slots.extend(linked(links).filter(|slot| !selected.contains(slot)));
        write_links(links, &slots);
    }

    /// Adds a link from `slot` to `node`: in free space, or by choosing anew among all its neighbours.
    pub(super) fn link_in(
        &self,
        reader: &Reader<'_>,
        slot: u32,
        node: &Node<'_>,
        layer: u32,
        relink: &mut Relink,
    ) {
        let Some(owner) = reader
            .node(slot)
            .filter(|owner| owner.slot() != node.slot())
        else {
            return;
        };
        let _lock = self.lock(slot);
        let links = self.links(&owner, layer);
        relink.slots.clear();
        relink.slots.extend(linked(links));
        if relink.slots.contains(&node.slot()) {
            return;
        }
        if let Some(free) = links.get(relink.slots.len()) {
            return free.store(node.slot(), Relaxed);
        }
        relink.slots.push(node.slot());
        relink.selection.selected.clear();
        self.choose_anew(reader, &owner, layer, relink);
        if layer == 0 {
            relink.slots.pop();
            self.keep_orphans(reader, &owner, relink);
        }
        write_links(links, &relink.selection.selected);
    }

    /// Chooses neighbours of `owner` among `relink.slots`, besides those that are selected already.
    pub(super) fn choose_anew(
        &self,
        reader: &Reader<'_>,
        owner: &Node<'_>,
        layer: u32,
        relink: &mut Relink,
    ) {
        let Relink {
            probe,
            slots,
            candidates,
            selection,
            ..
        } = relink;
        for &slot in slots.iter() {
            reader.prefetch_codes(slot);
            reader.prefetch_fine(slot, self.codec.dim);
        }
        self.codec.probe_node(owner, probe);
        candidates.clear();
        self.score(reader, probe, slots, |key, node| {
            candidates.push(pack(key, node.slot()))
        });
        candidates.sort_unstable();
        self.select(reader, owner, candidates, self.links_max(layer), selection);
    }

    /// Selects also those neighbours that no other node would lead to, as long as a quarter of the list stays free; the
    /// others are lost.
    fn keep_orphans(&self, reader: &Reader<'_>, owner: &Node<'_>, relink: &mut Relink) {
        let Relink {
            slots,
            selection,
            lost,
            ..
        } = relink;
        let selected = &mut selection.selected;
        for &slot in slots.iter() {
            let dropped = reader.node(slot).filter(|_| !selected.contains(&slot));
            if dropped.is_none_or(|node| self.is_linked(reader, &node, owner.slot())) {
                continue;
            }
            if selected.len() < self.links_max(0) / 4 * 3 {
                selected.push(slot);
            } else {
                lost.push(slot);
            }
        }
    }

    /// Whether an older neighbour of `node` in layer 0, other than `except`, has a link to it. Older ones only: nodes
    /// that hold each other in a ring would be lost together.
    fn is_linked(&self, reader: &Reader<'_>, node: &Node<'_>, except: u32) -> bool {
        linked(node.links())
            .filter(|&slot| slot != except)
            .filter_map(|slot| reader.node(slot))
            .any(|other| leads_to(&other, node) && other.id() < node.id())
    }

    /// Makes nodes of `near` link to those that were cut off, if these still are.
    pub(super) fn adopt_lost(
        &self,
        reader: &Reader<'_>,
        near: impl Iterator<Item = u32> + Clone,
        relink: &mut Relink,
    ) {
        for orphan in relink.lost.drain(..).filter_map(|slot| reader.node(slot)) {
            if orphan.state() != State::DOOMED && !self.is_linked(reader, &orphan, NO_SLOT) {
                self.adopt(reader, &orphan, near.clone());
            }
        }
    }

    /// Makes the first older one of `near` that has room for a link lead to a node. Nobody gives a link up for it:
    /// under dot most nodes are short vectors that no query is near to, and would crowd the others out.
    fn adopt(&self, reader: &Reader<'_>, node: &Node<'_>, near: impl Iterator<Item = u32>) {
        let others = near.filter_map(|slot| reader.node(slot));
        for owner in others.filter(|owner| owner.id() < node.id()) {
            let lock = self.lock(owner.slot());
            let links = owner.links();
            let free = links.get(linked(links).count());
            if leads_to(&owner, node) || free.is_some() {
                if let Some(free) = free.filter(|_| !leads_to(&owner, node)) {
                    free.store(node.slot(), Relaxed);
                }
                drop(lock);
                return self.link_out(node, 0, &[owner.slot()]);
            }
        }
    }
}

/// Whether a node has a link to another in layer 0.
fn leads_to(node: &Node<'_>, other: &Node<'_>) -> bool {
    linked(node.links()).any(|slot| slot == other.slot())
}
