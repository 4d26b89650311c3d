//! A hierarchical navigable small world graph (Malkov and Yashunin 2018), in memory, always open to writers.
//!
//! ```text
//! layer 2        o───────────────o          links: graph.rs      codes and distances: code.rs
//! layer 1    o───o───o───────────o───o      searching: search.rs, scratch.rs
//! layer 0  o─o─o─o─o─o─o─o─o─o─o─o─o─o─o    changing: insert.rs, select.rs, consolidate.rs
//! ```
//!
//! Any thread may search, insert and remove at any time. A search holds its slots: what it found is not freed or
//! overwritten before it ends. A removed point stays as a way to others until [`Hnsw::consolidate`] has led the links
//! around it. Nothing here trusts a slot number: a damaged checkpoint gives errors or bad answers, never a panic.

mod check;
mod checkpoint;
mod code;
mod consolidate;
mod format;
mod graph;
mod insert;
mod open;
mod params;
mod scratch;
mod search;
mod select;

use std::collections::BinaryHeap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use aether_distance::{DIM_MAX, ElementType, Kernels, Metric, VectorRef};
use parking_lot::Mutex;

pub use check::CheckSummary;
pub use checkpoint::{CheckpointInfo, verify_checkpoint};
pub use params::{HnswParams, SearchParams};
pub use scratch::Scratch;

use crate::memory::{Column, Lists, Node, Nodes, Reader, State};
use crate::points::PointMap;
use crate::{Candidate, Error, Image, PointId, Result};
use code::{Codec, Query};
use consolidate::Pass;
use graph::Graph;
use insert::Builder;
use scratch::{key_of, slot_of};

/// Points by their estimates that a scan keeps, beyond what `k` takes: their order is nearly the final one.
const SCAN_SLACK: usize = 32;

/// Points that a scan asks from memory at a time.
const SCAN_BATCH: usize = 32;

/// What one step of [`Hnsw::consolidate`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consolidation {
    /// Slots of dead points that this step freed.
    pub freed: usize,
    /// True when nothing that was dead as the pass began is left.
    pub done: bool,
}

/// A graph of points, of which searches find the nearest.
pub struct Hnsw {
    graph: Graph,
    points: PointMap,
    seed: u64,
    live: AtomicUsize,
    /// Dead and doomed nodes.
    dead: AtomicUsize,
    dead_slots: Mutex<Vec<u32>>,
    /// Held by who changes the entry point. Taken before a reader of the nodes.
    growth: Mutex<()>,
    pass: Mutex<Option<Pass>>,
    builders: Mutex<Vec<Builder>>,
}

impl Hnsw {
    /// An empty graph. With the same seed and the same inserts by one thread it becomes the same graph.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when `dim` is 0 or above [`DIM_MAX`], or a parameter is
    /// outside its limits.
    pub fn new(
        dim: usize,
        metric: Metric,
        element: ElementType,
        params: HnswParams,
        seed: u64,
    ) -> Result<Hnsw> {
        let codec = new_codec(dim, metric, element)?;
        let params = params.validate()?;
        let nodes = Nodes::new(graph::node_layout(&codec, params));
        let upper = Lists::new(Column::new(graph::upper_stride(params)), 0);
        let graph = Graph::new(params, codec, nodes, upper, None);
        Ok(Hnsw::assemble(
            graph,
            PointMap::new(None),
            seed,
            0,
            Vec::new(),
        ))
    }

    fn assemble(
        graph: Graph,
        points: PointMap,
        seed: u64,
        live: usize,
        dead_slots: Vec<u32>,
    ) -> Hnsw {
        Hnsw {
            graph,
            points,
            seed,
            live: AtomicUsize::new(live),
            dead: AtomicUsize::new(dead_slots.len()),
            dead_slots: Mutex::new(dead_slots),
            growth: Mutex::new(()),
            pass: Mutex::new(None),
            builders: Mutex::new(Vec::new()),
        }
    }

    /// Stores differences to `centre` (the mean of the first batch, say) instead of the vectors. Recommended for
    /// floats under L2: data far from the origin are otherwise told apart badly. Without effect on anything else.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the dimension differs, a component is not finite, or the
    /// graph has points already.
    pub fn with_centre(mut self, centre: &[f32]) -> Result<Hnsw> {
        self.check_dim(centre.len())?;
        if self.graph.nodes.bound() > 0 {
            return Err(Error::invalid(
                "a graph that has points cannot change its centre",
            ));
        }
        if let Some(i) = centre.iter().position(|x| !x.is_finite()) {
            return Err(Error::invalid(format!(
                "component {i} of the centre is {}",
                centre[i]
            )));
        }
        let codec = &mut self.graph.codec;
        if codec.metric == Metric::L2Squared && !codec.keeps_bytes() {
            codec.centre = centre.to_vec();
        }
        Ok(self)
    }

    /// Opens a checkpoint in place: time and memory do not depend on the number of points, but for a few bytes per
    /// dead one. Header and sizes are checked; for the rest see [`verify_checkpoint`].
    ///
    /// # Errors
    /// [`ErrorKind::Corruption`](crate::ErrorKind::Corruption) when this is not a whole checkpoint.
    pub fn open(image: Image) -> Result<Hnsw> {
        open::open(image)
    }

    /// Adds a point, searchable on return. False when the graph has it already, dead or alive. From several threads at
    /// once the graph depends on their timing; its quality does not.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when dimension or element type differ from the graph's,
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when there is no memory.
    pub fn insert(&self, point: PointId, vector: VectorRef<'_>) -> Result<bool> {
        self.check_dim(vector.dim())?;
        if vector.element() != self.element() {
            let (given, own) = (vector.element(), self.element());
            return Err(Error::invalid(format!(
                "a vector of {given} for an index of {own}"
            )));
        }
        let mut builder = self.builders.lock().pop().unwrap_or_default();
        let inserted = self.insert_with(point, vector, &mut builder);
        self.builders.lock().push(builder);
        inserted
    }

    /// Marks a point dead: it is no longer found, but still leads to others. False when it is not there or dead already.
    pub fn remove(&self, point: PointId) -> bool {
        let reader = self.graph.nodes.read();
        let Some(node) = self
            .points
            .find(point, &reader)
            .and_then(|slot| reader.node(slot))
        else {
            return false;
        };
        self.bury(&node)
    }

    /// Whether the point is here and alive.
    pub fn contains(&self, point: PointId) -> bool {
        let reader = self.graph.nodes.read();
        let node = self
            .points
            .find(point, &reader)
            .and_then(|slot| reader.node(slot));
        node.is_some_and(|node| node.state() == State::LIVE)
    }

    /// The nearest points, nearest first; fewer than `k` when the graph has no more that are allowed.
    ///
    /// `query`: `dim` floats, not normalized; not finite ones give arbitrary answers. Approximate: of all points that
    /// are alive (or dead and still in the graph, see [`SearchParams::include_dead`]) and `allowed`, which is asked
    /// only about points that the search meets and must not call this graph. Distances are computed from 16-bit
    /// codes (bytes: exactly).
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the dimension differs.
    pub fn search(
        &self,
        query: &[f32],
        params: SearchParams,
        allowed: Option<&dyn Fn(PointId) -> bool>,
        scratch: &mut Scratch,
    ) -> Result<Vec<Candidate>> {
        let found = self.search_at_most(query, params, allowed, None, scratch)?;
        Ok(found.expect("a search without a budget comes to its end"))
    }

    /// Like [`search`](Hnsw::search), but gives up, with `None`, when it would have to compare the query with more than
    /// about `budget` points: where few of those near it are `allowed`, [`scan`](Hnsw::scan) is faster.
    ///
    /// # Errors
    /// As [`search`](Hnsw::search).
    pub fn search_within(
        &self,
        query: &[f32],
        params: SearchParams,
        allowed: Option<&dyn Fn(PointId) -> bool>,
        budget: usize,
        scratch: &mut Scratch,
    ) -> Result<Option<Vec<Candidate>>> {
        self.search_at_most(query, params, allowed, Some(budget), scratch)
    }

    fn search_at_most(
        &self,
        query: &[f32],
        params: SearchParams,
        allowed: Option<&dyn Fn(PointId) -> bool>,
        budget: Option<usize>,
        scratch: &mut Scratch,
    ) -> Result<Option<Vec<Candidate>>> {
        self.check_dim(query.len())?;
        let reader = self.graph.nodes.read();
        let Scratch {
            query: prepared,
            walk,
        } = scratch;
        self.graph.codec.query(query, prepared);
        let graph = &self.graph;
        let entry = graph.entry().filter(|_| params.k > 0);
        let Some((key, start)) =
            entry.and_then(|entry| graph.descend(&reader, &prepared.probe, entry, 0, walk))
        else {
            return Ok(Some(Vec::new()));
        };
        let ef = params
            .ef
            .max(params.k)
            .min(self.graph.nodes.bound() as usize);
        let alive = |node: &Node<'_>| params.include_dead || node.state() == State::LIVE;
        let probe = &prepared.probe;
        let ended = match allowed {
            None if params.include_dead || self.dead() == 0 => {
                graph.walk(&reader, probe, 0, (key, start.slot()), ef, walk);
                true
            }
            None => graph.walk_counting(&reader, probe, (key, start), (ef, None), walk, alive),
            Some(allowed) => {
                let counts = |node: &Node<'_>| alive(node) && allowed(PointId(node.id()));
                graph.walk_counting(&reader, probe, (key, start), (ef, budget), walk, counts)
            }
        };
        Ok(ended.then(|| {
            self.rerank(
                &reader,
                prepared,
                walk.front.pool.entries(),
                params.k,
                alive,
            )
        }))
    }

    /// The `k` nearest of `points`, nearest first, by comparing with all of them that are here: for few of them, and
    /// for ground truth. Finds the nearest but for what the rounding to 16-bit codes changes (bytes: exactly).
    ///
    /// `query`: as for [`search`](Hnsw::search). O(points).
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the dimension differs.
    pub fn scan(
        &self,
        query: &[f32],
        k: usize,
        points: impl Iterator<Item = PointId>,
        include_dead: bool,
        scratch: &mut Scratch,
    ) -> Result<Vec<Candidate>> {
        let mut points = points.fuse();
        let mut batch = Vec::with_capacity(SCAN_BATCH);
        let next = |reader: &Reader<'_>, slots: &mut Vec<u32>| {
            batch.clear();
            batch.extend(points.by_ref().take(SCAN_BATCH));
            self.points.find_all(&batch, reader, slots);
            !batch.is_empty()
        };
        self.scan_slots(query, (k, include_dead), next, |_| true, scratch)
    }

    /// Like [`scan`](Hnsw::scan), of all points here that are `allowed`: in the order of the memory, which makes it
    /// the faster one when they are many.
    ///
    /// # Errors
    /// As [`scan`](Hnsw::scan).
    pub fn scan_all(
        &self,
        query: &[f32],
        k: usize,
        allowed: &dyn Fn(PointId) -> bool,
        include_dead: bool,
        scratch: &mut Scratch,
    ) -> Result<Vec<Candidate>> {
        let mut all = 0..self.graph.nodes.bound();
        let next = |_: &Reader<'_>, slots: &mut Vec<u32>| {
            slots.extend(all.by_ref().take(SCAN_BATCH));
            !slots.is_empty()
        };
        self.scan_slots(query, (k, include_dead), next, allowed, scratch)
    }

    /// Compares with what `next` adds to a list of slots, as long as it says that there was more.
    fn scan_slots(
        &self,
        query: &[f32],
        (k, include_dead): (usize, bool),
        mut next: impl FnMut(&Reader<'_>, &mut Vec<u32>) -> bool,
        allowed: impl Fn(PointId) -> bool,
        scratch: &mut Scratch,
    ) -> Result<Vec<Candidate>> {
        self.check_dim(query.len())?;
        if k == 0 {
            return Ok(Vec::new());
        }
        let reader = self.graph.nodes.read();
        let Scratch {
            query: prepared,
            walk,
        } = scratch;
        self.graph.codec.query(query, prepared);
        let alive = |node: &Node<'_>| include_dead || node.state() == State::LIVE;
        let counts = |node: &Node<'_>| alive(node) && allowed(PointId(node.id()));
        walk.front.pool.reset(k + k / 2 + SCAN_SLACK);
        walk.batch.clear();
        while next(&reader, &mut walk.batch) {
            self.graph
                .score_batch(&reader, &prepared.probe, walk, counts);
            walk.batch.clear();
        }
        Ok(self.rerank(&reader, prepared, walk.front.pool.entries(), k, alive))
    }

    /// The `k` nearest of a pool by distances from all that is stored, which takes about `k` of them: the rest is too
    /// far by its estimate.
    fn rerank(
        &self,
        reader: &Reader<'_>,
        query: &Query,
        near: &[u64],
        k: usize,
        alive: impl Fn(&Node<'_>) -> bool,
    ) -> Vec<Candidate> {
        let codec = &self.graph.codec;
        for &entry in near.iter().take(2 * k) {
            reader.prefetch_fine(slot_of(entry), codec.fine_bytes());
        }
        let mut nearest = BinaryHeap::with_capacity(k.min(near.len()));
        for &entry in near {
            // One that died while we searched may be in the pool.
            let Some(node) = reader.node(slot_of(entry)).filter(&alive) else {
                continue;
            };
            if nearest.len() < k {
                let distance = codec.distance(query, &node);
                nearest.push(Candidate {
                    point: PointId(node.id()),
                    distance,
                });
            } else if let Some(mut farthest) = nearest.peek_mut() {
                if codec.at_least(query, key_of(entry), &node) > farthest.distance {
                    break;
                }
                let candidate = Candidate {
                    point: PointId(node.id()),
                    distance: codec.distance(query, &node),
                };
                if candidate < *farthest {
                    *farthest = candidate;
                }
            }
        }
        nearest.into_sorted_vec()
    }

    /// One step of maintenance: repairs the links of up to `budget` nodes around points that are dead, and, once all
    /// are repaired, frees the slots of the dead, for later inserts. Searches and inserts go on meanwhile; the graph
    /// keeps its recall. Call until [`Consolidation::done`].
    ///
    /// # Errors
    /// None today; kept for what maintenance may come to need.
    pub fn consolidate(&self, budget: usize) -> Result<Consolidation> {
        self.step(u32::try_from(budget).unwrap_or(u32::MAX))
    }

    /// Live points.
    pub fn len(&self) -> usize {
        self.live.load(Relaxed)
    }

    /// True when no point is alive.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Dead points that are still in the graph.
    pub fn dead(&self) -> usize {
        self.dead.load(Relaxed)
    }

    /// Components of each vector.
    pub fn dim(&self) -> usize {
        self.graph.codec.dim
    }

    /// What "near" means here.
    pub fn metric(&self) -> Metric {
        self.graph.codec.metric
    }

    /// The element type of the vectors.
    pub fn element(&self) -> ElementType {
        self.graph.codec.element
    }

    /// The shape of the graph.
    pub fn params(&self) -> HnswParams {
        self.graph.params
    }

    /// Bytes that links, codes and ids take, mapped ones included.
    pub fn memory_bytes(&self) -> usize {
        let graph = &self.graph;
        graph.nodes.memory_bytes() + graph.upper.memory_bytes() + self.points.memory_bytes()
    }

    /// All live points, in no order.
    pub fn points(&self) -> impl Iterator<Item = PointId> + '_ {
        let reader = self.graph.nodes.read();
        let nodes = (0..self.graph.nodes.bound()).filter_map(|slot| reader.node(slot));
        let live = nodes.filter(|node| node.state() == State::LIVE);
        live.map(|node| PointId(node.id()))
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// Reads the whole graph: is every link, id and level what it should be, and how many points does no path reach?
    ///
    /// # Errors
    /// [`ErrorKind::Corruption`](crate::ErrorKind::Corruption), naming the first thing that is wrong.
    pub fn check(&self) -> Result<CheckSummary> {
        check::check(self)
    }

    /// Writes a checkpoint, with slots numbered anew along the graph, so that near nodes are near in the file. Searches
    /// may run meanwhile; inserts, removals and maintenance must not, or the checkpoint may have links to points that
    /// it does not have.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_checkpoint(&self, out: &mut dyn io::Write) -> io::Result<()> {
        checkpoint::write(self, out)
    }

    fn check_dim(&self, dim: usize) -> Result<()> {
        if dim != self.dim() {
            let own = self.dim();
            return Err(Error::invalid(format!(
                "a vector of {dim} components for an index of {own}"
            )));
        }
        Ok(())
    }

    /// Makes a live node a dead one; false when it is not alive.
    fn bury(&self, node: &Node<'_>) -> bool {
        let killed = node.kill();
        if killed {
            decrease(&self.live, 1);
            self.dead.fetch_add(1, Relaxed);
            self.dead_slots.lock().push(node.slot());
        }
        killed
    }
}

impl fmt::Debug for Hnsw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hnsw")
            .field("dim", &self.dim())
            .field("metric", &self.metric())
            .field("element", &self.element())
            .field("params", &self.params())
            .field("live", &self.len())
            .field("dead", &self.dead())
            .finish_non_exhaustive()
    }
}

/// Counts down, but never below 0: a damaged checkpoint may have counted wrong.
fn decrease(counter: &AtomicUsize, by: usize) {
    counter.update(Relaxed, Relaxed, |count| count.saturating_sub(by));
}

fn new_codec(dim: usize, metric: Metric, element: ElementType) -> Result<Codec> {
    if !(1..=DIM_MAX).contains(&dim) {
        return Err(Error::invalid(format!(
            "dimension is {dim}, but must be 1 to {DIM_MAX}"
        )));
    }
    Ok(Codec {
        dim,
        metric,
        element,
        kernels: Kernels::detect(),
        centre: Vec::new(),
    })
}
