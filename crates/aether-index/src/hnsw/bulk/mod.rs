//! Building from many points at once: candidates for links come from buckets, not from walks.
//!
//! 1. k-means parts the points; those of a part are stored side by side, which makes walks faster, too;
//! 2. some of them, with all that belong to upper layers, are inserted one by one (`grow`): these find the links between
//!    what is far apart, which the next step does not see;
//! 3. each point is compared, by codes of one bit, with the points of the parts around it; the best of these become its
//!    candidates, among which it selects its neighbours in layer 0 as in an insert (layer.rs, candidates.rs);
//! 4. these link back: a node that gets more links than it may have selects among them;
//! 5. a node that no path reaches is linked from the nearest one that has room.
//!
//! Only the second step takes one thread. In the others every node's links are written by one thread, from what the step
//! before left: so the graph depends on the seed, not on the number of threads.

mod candidates;
mod layer;

use std::collections::HashSet;
use std::sync::atomic::Ordering::Relaxed;

use aether_distance::{ElementType, Metric, VectorRef};

use super::code::Probe;
use super::graph::{Entry, linked, write_links};
use super::insert::{Builder, Relink};
use super::scratch::{Reach, Walk, slot_of};
use super::select::Selection;
use super::{Hnsw, HnswParams};
use crate::ivf::{SQUARE_MAX, Space};
use crate::memory::Reader;
use crate::partition::numbers_of;
use crate::points::mix;
use crate::work::{BuildOptions, Work};
use crate::{PointId, Result, quantize};
use candidates::Finder;
use layer::Layer;

/// The most vectors that a centre is the mean of.
const SAMPLE_MAX: usize = 1_000;

/// Nodes that a thread links back at a time.
const BACK_NODES: usize = 1_024;

/// One point in so many is inserted by itself, besides those of upper layers. Where the data are clouds far apart, without
/// these some clouds would be hard to find.
const GROWN: u64 = 16;

/// Steps of work on each point, once it has a part: it is linked (which takes longest), and linked back.
const STEPS_OF_LINKS: usize = 6;
const STEPS_OF_BACK: usize = 1;
const STEPS: usize = STEPS_OF_LINKS + STEPS_OF_BACK;

/// Nodes that are looked at between two questions whether the work is to go on.
const REACHED_AT_ONCE: u32 = 1 << 14;

impl Hnsw {
    /// A graph of `points`, whose vectors `vector` gives by their place in `points`, built as `options` say. It depends on
    /// the seed, not on the number of threads. Takes about half the time of inserting them one by one, and searches are a
    /// little faster, too; later points are inserted as ever. A point that comes twice counts once.
    ///
    /// Work grows about in proportion to the number of points. Until it is done it takes, besides what the graph takes,
    /// some 150 bytes and one bit per component for each of them. Under the inner product, where what is near has
    /// nothing to do with buckets, points are inserted one by one.
    ///
    /// # Errors
    /// As [`new`](Hnsw::new) and [`insert`](Hnsw::insert); [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    pub fn build<'v>(
        (dim, metric, element): (usize, Metric, ElementType),
        params: HnswParams,
        seed: u64,
        points: &[PointId],
        vector: impl Fn(usize) -> VectorRef<'v> + Sync,
        options: BuildOptions<'_>,
    ) -> Result<Hnsw> {
        let hnsw = Hnsw::new(dim, metric, element, params, seed)?;
        for i in 0..points.len() {
            hnsw.check_vector(&vector(i))?;
        }
        let mut seen = HashSet::with_capacity(points.len());
        let mut numbers = numbers_of(points)?;
        numbers.retain(|&i| seen.insert(points[i as usize]));
        drop(seen);
        let kernels = hnsw.graph.codec.kernels;
        let fits = |i: u32| vector(i as usize).square(kernels) < SQUARE_MAX;
        let (parted, single): (Vec<u32>, Vec<u32>) = numbers
            .into_iter()
            .partition(|&i| metric != Metric::InnerProduct && fits(i));
        let sample = SAMPLE_MAX.min(parted.len());
        let sample = (0..sample).map(|i| parted[i * parted.len() / sample] as usize);
        let centre = quantize::mean(metric, dim, sample.map(&vector));
        let hnsw = hnsw.with_centre(&centre)?;
        let all = parted.len() + single.len();
        let work = Work::new(options, all, all * STEPS + layer::part_steps(parted.len()));
        if !parted.is_empty() {
            let bulk = Bulk {
                hnsw: &hnsw,
                reader: hnsw.graph.nodes.read(),
                space: Space::new(dim, metric, element, centre, seed),
                points,
                vector: &vector,
                slots: vec![0; points.len()],
                work: &work,
            };
            bulk.build(&parted)?;
        }
        let mut builder = Builder::default();
        for i in single {
            hnsw.insert_with(points[i as usize], vector(i as usize), &mut builder)?;
            work.advance(STEPS)?;
        }
        Ok(hnsw)
    }
}

/// A graph that is being built.
struct Bulk<'a, V> {
    hnsw: &'a Hnsw,
    reader: Reader<'a>,
    space: Space,
    points: &'a [PointId],
    vector: &'a V,
    /// Where each point is stored.
    slots: Vec<u32>,
    work: &'a Work<'a>,
}

impl<'v, V: Fn(usize) -> VectorRef<'v> + Sync> Bulk<'_, V> {
    /// Of the points of these numbers.
    fn build(mut self, numbers: &[u32]) -> Result<()> {
        let parts = self.part(numbers)?;
        self.store(&parts.members)?;
        self.grow(numbers)?;
        let layer = self.code(parts)?;
        self.link(&layer)?;
        self.link_back(numbers)?;
        self.reach_all()
    }

    /// Inserts the points of upper layers, and some others, as if they were all: one by one.
    fn grow(&self, numbers: &[u32]) -> Result<()> {
        let graph = &self.hnsw.graph;
        let mut builder = Builder::default();
        for &number in numbers {
            let ((level, rank), entry) = (self.level_of(number), graph.entry());
            let is_grown = mix(self.points[number as usize].0).is_multiple_of(GROWN);
            if level == 0 && !is_grown && entry.is_some() {
                continue;
            }
            self.work.advance(0)?;
            let Some(node) = self.reader.node(self.slots[number as usize]) else {
                continue;
            };
            graph.codec.probe_node(&node, &mut builder.probe);
            if let Some(entry) = entry {
                let top = level.min(entry.level);
                graph.link(&self.reader, &node, entry, top, &mut builder);
            }
            if entry.is_none_or(|entry| level > entry.level) {
                let slot = node.slot();
                graph.set_entry(Some(Entry { slot, level }));
            }
            graph.add_start(&node, rank, &builder.probe);
        }
        Ok(())
    }

    fn level_of(&self, number: u32) -> (u32, u32) {
        self.hnsw.level_for(self.points[number as usize])
    }

    /// Stores all points, those of a part side by side.
    fn store(&mut self, parts: &[Vec<u32>]) -> Result<()> {
        let graph = &self.hnsw.graph;
        let mut claims = Vec::with_capacity(parts.len());
        for part in parts {
            let mut of_part = Vec::with_capacity(part.len());
            for &number in part {
                let upper = graph.claim_lists(self.level_of(number).0)?;
                of_part.push((number, graph.nodes.claim()?, upper));
            }
            claims.push(of_part);
        }
        let stored = self
            .work
            .map(claims.into_iter(), Vec::new, |floats, claims| {
                self.work.advance(0)?;
                let stored = claims.into_iter().map(|(number, mut claim, upper)| {
                    let (coarse, fine) = claim.codes_mut();
                    let vector = (self.vector)(number as usize);
                    let constants = graph.codec.encode(vector, coarse, fine, floats);
                    let id = self.points[number as usize].0;
                    (number, claim.publish(id, constants, upper))
                });
                Ok(stored.collect::<Vec<_>>())
            })?;
        for (number, slot) in stored.into_iter().flatten() {
            let point = self.points[number as usize];
            self.slots[number as usize] = slot;
            self.hnsw.points.insert(point, slot, &self.reader);
            self.hnsw.live.fetch_add(1, Relaxed);
        }
        Ok(())
    }

    /// Gives all points the links that they select themselves, before those that they have.
    fn link(&self, layer: &Layer) -> Result<()> {
        let (graph, params) = (&self.hnsw.graph, self.hnsw.params());
        let (limit, ef) = (usize::from(params.m), usize::from(params.ef_construction));
        let memory = <(Finder, Selection)>::default;
        self.work
            .map(layer.parts(), memory, |(finder, selection), part| {
                let vectors = part.members.iter().map(|&i| (self.vector)(i as usize));
                finder.begin(&self.space, layer, part, vectors);
                for (member, &number) in part.members.iter().enumerate() {
                    let slot = self.slots[number as usize];
                    let Some(node) = self.reader.node(slot) else {
                        continue;
                    };
                    finder.estimate(&self.space, layer, part, (member, slot), ef);
                    let candidates = finder.candidates(graph, &self.reader, &node);
                    graph.learn_spread(&node, candidates);
                    selection.selected.clear();
                    graph.select(&self.reader, &node, candidates, limit, selection);
                    let (links, selected) = (node.links(), &mut selection.selected);
                    let count = selected.len();
                    for slot in linked(links) {
                        if !selected[..count].contains(&slot) {
                            selected.push(slot);
                        }
                    }
                    write_links(links, selected);
                }
                self.work.advance(part.members.len() * STEPS_OF_LINKS)
            })?;
        Ok(())
    }

    /// Makes all points link back to those who link to them.
    fn link_back(&self, members: &[u32]) -> Result<()> {
        let graph = &self.hnsw.graph;
        let mut slots: Vec<u32> = members.iter().map(|&i| self.slots[i as usize]).collect();
        slots.sort_unstable();
        let links = |slot| {
            let node = self.reader.node(slot);
            let links = node.map_or(&[][..], |node| node.links());
            linked(links)
        };
        let back = Reverse::of(&slots, graph.nodes.bound(), links, self.work)?;
        let (turns, most) = (slots.chunks(BACK_NODES), graph.links_max(0));
        self.work.map(turns, Relink::default, |relink, slots| {
            for node in slots.iter().filter_map(|&slot| self.reader.node(slot)) {
                let links = node.links();
                relink.slots.clear();
                relink.slots.extend(linked(links));
                let own = relink.slots.len();
                for &slot in back.to(node.slot()) {
                    if !relink.slots[..own].contains(&slot) {
                        relink.slots.push(slot);
                    }
                }
                if relink.slots.len() <= most {
                    write_links(links, &relink.slots);
                } else {
                    relink.selection.selected.clear();
                    graph.choose_anew(&self.reader, &node, 0, relink);
                    write_links(links, &relink.selection.selected);
                }
            }
            self.work.advance(slots.len() * STEPS_OF_BACK)
        })?;
        Ok(())
    }

    /// Makes every node one that a path leads to.
    fn reach_all(&self) -> Result<()> {
        let graph = &self.hnsw.graph;
        let Some(entry) = graph.entry() else {
            return Ok(());
        };
        let mut looked_at = 0_u32;
        let mut reached = vec![false; graph.nodes.bound() as usize];
        let (mut next, mut walk, mut probe) = (vec![entry.slot], Walk::default(), Probe::default());
        for lost in 0..graph.nodes.bound() {
            while let Some(slot) = next.pop() {
                looked_at = looked_at.wrapping_add(1);
                if looked_at.is_multiple_of(REACHED_AT_ONCE) {
                    self.work.advance(0)?;
                }
                let is_new = !std::mem::replace(&mut reached[slot as usize], true);
                if let Some(node) = self.reader.node(slot).filter(|_| is_new) {
                    next.extend(linked(node.links()).filter(|&slot| !reached[slot as usize]));
                }
            }
            let node = self.reader.node(lost);
            let Some(node) = node.filter(|_| !reached[lost as usize]) else {
                continue;
            };
            graph.codec.probe_node(&node, &mut probe);
            let from_above = graph.descend(&self.reader, &probe, entry, 0, &mut walk);
            // What is not reached in layer 0 may be in upper ones: then the walk does not leave it.
            let from_entry = graph.descend(&self.reader, &probe, entry, entry.level, &mut walk);
            let starts = [from_above, from_entry].into_iter().flatten();
            let mut rooms = starts.filter_map(|(key, start)| {
                let ef = usize::from(graph.params.ef_construction);
                let (start, reach) = ((key, start.slot()), Reach::fixed(ef));
                graph.walk(&self.reader, &probe, 0, start, reach, &mut walk);
                let near = walk.front.pool.entries().iter().map(|&near| slot_of(near));
                let near = near.filter(|&near| near != lost && reached[near as usize]);
                let mut near = near.filter_map(|near| self.reader.node(near));
                near.find_map(|near| near.links().get(linked(near.links()).count()))
            });
            if let Some(room) = rooms.next() {
                room.store(lost, Relaxed);
                next.push(lost);
            }
        }
        Ok(())
    }
}

/// Links in reverse: which slots link to each one.
struct Reverse {
    /// Where those to each slot begin, and where the last ones end.
    starts: Vec<usize>,
    from: Vec<u32>,
}

impl Reverse {
    /// Of the links of `slots`, which are below `bound`, as they all are.
    fn of<I: Iterator<Item = u32>>(
        slots: &[u32],
        bound: u32,
        links: impl Fn(u32) -> I,
        work: &Work<'_>,
    ) -> Result<Reverse> {
        let mut starts = vec![0; bound as usize + 1];
        for slots in slots.chunks(BACK_NODES) {
            work.advance(0)?;
            for to in slots.iter().flat_map(|&slot| links(slot)) {
                starts[to as usize + 1] += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let (mut next, mut from) = (starts.clone(), vec![0; sum]);
        for slots in slots.chunks(BACK_NODES) {
            work.advance(0)?;
            for &slot in slots {
                for to in links(slot) {
                    from[next[to as usize]] = slot;
                    next[to as usize] += 1;
                }
            }
        }
        Ok(Reverse { starts, from })
    }

    fn to(&self, slot: u32) -> &[u32] {
        let slot = slot as usize;
        &self.from[self.starts[slot]..self.starts[slot + 1]]
    }
}
