//! A hierarchical navigable small world graph.
use std::io;

use aether_distance::{ElementType, Metric, VectorRef};

use crate::{Candidate, Image, PointId, Result};

/// The shape of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HnswParams {
    /// Links per node above layer 0 (layer 0 keeps twice as many). More: recall and memory rise.
    pub m: u16,
    /// Candidates held while inserting. More: recall rises, build time rises in proportion.
    pub ef_construction: u16,
}

impl HnswParams {
    /// What suits most data.
    pub const DEFAULT: HnswParams = HnswParams { m: 16, ef_construction: 200 };
}

/// What one search wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchParams {
    /// Points to return.
    pub k: usize,
    /// Candidates held while searching; at least `k` are. More: recall and time rise.
    pub ef: usize,
    /// Return also points that were removed and are still in the graph: for readers of old snapshots.
    pub include_dead: bool,
}

/// Working memory of searches: reuse it, one per thread.
#[derive(Debug, Default)]
pub struct Scratch {}

/// What one step of [`Hnsw::consolidate`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consolidation {
    /// Slots of dead points freed by this step.
    pub freed: usize,
    /// True when no dead point is left that was dead when the pass began.
    pub done: bool,
}

/// What [`Hnsw::check`] counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckSummary {
    /// Live points.
    pub live: usize,
    /// Dead points still in the graph.
    pub dead: usize,
    /// Live points that no path from the entry point reaches.
    pub unreachable: usize,
}

/// What [`verify_checkpoint`] counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointInfo {
    /// Points in the checkpoint, dead ones included.
    pub points: usize,
    /// Dead ones among them.
    pub dead: usize,
}

/// The graph.
#[derive(Debug)]
pub struct Hnsw {}

impl Hnsw {
    /// An empty graph.
    ///
    /// # Errors
    /// `Invalid` when `dim` or `params` are outside their limits.
    pub fn new(dim: usize, metric: Metric, element: ElementType, params: HnswParams, seed: u64) -> Result<Hnsw> {
        unimplemented!()
    }
    /// Codes of an L2 graph are of differences to `centre` (say, the mean of the first batch): do it before the first
    /// insert whenever metric is L2 and elements are not u8. Ignored for the other metrics and for u8.
    ///
    /// # Errors
    /// `Invalid` when the dimension differs or the graph is not empty.
    pub fn with_centre(self, centre: &[f32]) -> Result<Hnsw> {
        unimplemented!()
    }
    /// Opens a checkpoint in place.
    ///
    /// # Errors
    /// `Corruption`.
    pub fn open(image: Image) -> Result<Hnsw> {
        unimplemented!()
    }
    /// False when the graph has this point already.
    ///
    /// # Errors
    /// `Invalid` (dimension, element type), `Unavailable` (memory).
    pub fn insert(&self, point: PointId, vector: VectorRef<'_>) -> Result<bool> {
        unimplemented!()
    }
    /// Marks dead. False when it is not there, or dead already.
    pub fn remove(&self, point: PointId) -> bool {
        unimplemented!()
    }
    /// True when the point is here and live.
    pub fn contains(&self, point: PointId) -> bool {
        unimplemented!()
    }
    /// The `k` nearest of the live (or all) points that are `allowed`, nearest first.
    ///
    /// # Errors
    /// `Invalid` when the dimension differs.
    pub fn search(
        &self,
        query: &[f32],
        params: SearchParams,
        allowed: Option<&dyn Fn(PointId) -> bool>,
        scratch: &mut Scratch,
    ) -> Result<Vec<Candidate>> {
        unimplemented!()
    }
    /// Repairs links around dead nodes; looks at up to `budget` nodes.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn consolidate(&self, budget: usize) -> Result<Consolidation> {
        unimplemented!()
    }
    /// Live points.
    pub fn len(&self) -> usize {
        unimplemented!()
    }
    /// True without live points.
    pub fn is_empty(&self) -> bool {
        unimplemented!()
    }
    /// Dead points still in the graph.
    pub fn dead(&self) -> usize {
        unimplemented!()
    }
    /// Components of each vector.
    pub fn dim(&self) -> usize {
        unimplemented!()
    }
    /// The metric.
    pub fn metric(&self) -> Metric {
        unimplemented!()
    }
    /// The element type.
    pub fn element(&self) -> ElementType {
        unimplemented!()
    }
    /// The shape.
    pub fn params(&self) -> HnswParams {
        unimplemented!()
    }
    /// Bytes in use.
    pub fn memory_bytes(&self) -> usize {
        unimplemented!()
    }
    /// All live points, in no order.
    pub fn points(&self) -> impl Iterator<Item = PointId> + '_ {
        std::iter::empty()
    }
    /// Reads the whole graph: links in range, no dangling ones, ids found, reachability counted.
    ///
    /// # Errors
    /// `Corruption`.
    pub fn check(&self) -> Result<CheckSummary> {
        unimplemented!()
    }
    /// Writes a checkpoint while searches run (no insert, remove or consolidate meanwhile).
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_checkpoint(&self, out: &mut dyn io::Write) -> io::Result<()> {
        unimplemented!()
    }
}

/// Reads all of a checkpoint and compares all checksums.
///
/// # Errors
/// `Corruption`.
pub fn verify_checkpoint(bytes: &[u8]) -> Result<CheckpointInfo> {
    unimplemented!()
}
