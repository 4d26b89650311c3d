//! A hierarchical navigable small world graph (Malkov and Yashunin 2018), in memory, always open to writers.
//!
//! ```text
//! layer 2        o───────────────o          links: graph.rs      codes and distances: code.rs
//! layer 1    o───o───o───────────o───o      searching: query.rs, starts.rs, search.rs, spread.rs, selected.rs, filtered.rs, copied.rs, scratch.rs
//! layer 0  o─o─o─o─o─o─o─o─o─o─o─o─o─o─o    changing: insert.rs, select.rs, consolidate.rs
//! ```
//!
//! Any thread may search, insert and remove at any time. A search holds its slots: what it found is not freed or
//! overwritten before it ends. A removed point stays as a way to others until [`Hnsw::consolidate`] has led the links
//! around it. Nothing here trusts a slot number: a damaged checkpoint gives errors or bad answers, never a panic.

mod batch;
mod bulk;
mod check;
mod checkpoint;
mod code;
mod consolidate;
mod copied;
mod filtered;
mod format;
mod graph;
mod insert;
mod open;
mod params;
mod query;
mod scratch;
mod search;
mod select;
mod selected;
mod spread;
mod starts;

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use aether_distance::{DIM_MAX, ElementType, Kernels, Metric, VectorRef};
use parking_lot::Mutex;

pub use batch::BatchScratch;
pub use check::CheckSummary;
pub use checkpoint::{CheckpointInfo, verify_checkpoint};
pub use params::{HnswParams, SearchParams};
pub use scratch::Scratch;

pub(crate) use copied::Copied;

use crate::memory::{Column, Lists, Node, Nodes, State};
use crate::points::PointMap;
use crate::selection::Version;
use crate::{Error, Image, PointId, Result};
use code::Codec;
use consolidate::Pass;
use graph::Graph;
use insert::Builder;
use spread::Spread;
use starts::Starts;

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
    /// For who remembers where points are.
    version: Version,
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
        let starts = Starts::new(dim, params, None);
        let graph = Graph::new(params, codec, nodes, upper, None, Spread::default(), starts);
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
            version: Version::default(),
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
        self.check_vector(&vector)?;
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
        graph.nodes.memory_bytes()
            + graph.upper.memory_bytes()
            + graph.starts.memory_bytes()
            + self.points.memory_bytes()
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

    fn check_vector(&self, vector: &VectorRef<'_>) -> Result<()> {
        self.check_dim(vector.dim())?;
        if vector.element() != self.element() {
            let (given, own) = (vector.element(), self.element());
            return Err(Error::invalid(format!(
                "a vector of {given} for an index of {own}"
            )));
        }
        Ok(())
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
