//! The approximate index of a dense field, of any family: a graph or buckets in memory, or buckets in the database. What they have in
//! common, and no more.

use crate::error::{Error, Result};
use crate::index::drift::DriftIndex;
use crate::index::matrix::Matrix;
use crate::index::record::AnnRecord;
use crate::schema::DenseField;
use aether_distance::{ElementType, VectorRef};
use aether_index::{
    BuildOptions, Candidate, CheckSummary, DriftScratch, DriftStats, Hnsw, HnswParams, Image, Ivf,
    IvfParams, IvfScratch, PointId, Scratch, SearchParams, Selection,
};
use std::fmt;
use std::io;

/// Dead points, as a share of all, from which on an index in memory is maintained: one in this many.
const CONSOLIDATE_SHARE: usize = 10;

/// The families of approximate indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// A navigable small-world graph.
    Graph,
    /// Buckets of codes of one bit per component.
    Buckets,
    /// Buckets in the database itself.
    Drift,
}

/// A family and the shape of an index of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Graph(HnswParams),
    Buckets(IvfParams),
    Drift(IvfParams),
}

/// An approximate index.
#[derive(Debug)]
pub(crate) enum Ann {
    Graph(Box<Hnsw>),
    Buckets(Box<Ivf>),
    Drift(Box<DriftIndex>),
}

/// Working memory of searches.
#[derive(Debug, Default)]
pub(crate) struct AnnScratch {
    graph: Scratch,
    buckets: IvfScratch,
    drift: DriftScratch,
}

impl AnnScratch {
    /// For `search` to search by itself, not for somebody: nobody counts that.
    pub(crate) fn try_out<T>(&mut self, search: impl FnOnce(&mut AnnScratch) -> T) -> T {
        self.drift.set_trial(true);
        let found = search(self);
        self.drift.set_trial(false);
        found
    }
}

impl Family {
    /// What plans call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Family::Graph => "graph",
            Family::Buckets => "buckets",
            Family::Drift => "drift",
        }
    }

    /// What it keeps of each vector.
    pub(crate) fn codes(self) -> &'static str {
        match self {
            Family::Graph => "4 bits per component, and behind them 16 (of bytes: 8)",
            Family::Buckets => "1 bit per component, and behind them the vectors as given",
            Family::Drift => "1 bit per component, and behind them 4",
        }
    }

    /// Candidates that are held in a search for the `k` nearest that asks for no effort: about 0.99 of them are found.
    pub(crate) fn effort(self, k: usize) -> usize {
        match self {
            Family::Graph => k.saturating_mul(2).max(128),
            Family::Buckets | Family::Drift => k.saturating_mul(6).max(256),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Shape {
    pub(crate) fn family(self) -> Family {
        match self {
            Shape::Graph(_) => Family::Graph,
            Shape::Buckets(_) => Family::Buckets,
            Shape::Drift(_) => Family::Drift,
        }
    }
}

impl Ann {
    /// An index in memory of `points`, whose vectors `vector` gives by their place in `points`.
    pub(crate) fn build<'v>(
        shape: Shape,
        spec: &DenseField,
        seed: u64,
        points: &[PointId],
        vector: impl Fn(usize) -> VectorRef<'v> + Sync,
        options: BuildOptions<'_>,
    ) -> aether_index::Result<Ann> {
        let kind = (spec.dim, spec.metric, spec.element);
        Ok(match shape {
            Shape::Graph(params) => {
                let graph = Hnsw::build(kind, params, seed, points, vector, options)?;
                Ann::Graph(Box::new(graph))
            }
            Shape::Buckets(params) => {
                let buckets = Ivf::build(kind, params, seed, points, vector, options)?;
                Ann::Buckets(Box::new(buckets))
            }
            Shape::Drift(_) => unreachable!("it is made in its keyspace (`index/successor.rs`)"),
        })
    }

    /// Opens a checkpoint in place.
    pub(crate) fn open(family: Family, image: Image) -> aether_index::Result<Ann> {
        Ok(match family {
            Family::Graph => Ann::Graph(Box::new(Hnsw::open(image)?)),
            Family::Buckets => Ann::Buckets(Box::new(Ivf::open(image)?)),
            Family::Drift => unreachable!("it has no checkpoint"),
        })
    }

    /// Reads all of a checkpoint, and compares every checksum.
    pub(crate) fn verify(family: Family, bytes: &[u8]) -> aether_index::Result<()> {
        match family {
            Family::Graph => aether_index::verify_checkpoint(bytes).map(drop),
            Family::Buckets => Ivf::verify_checkpoint(bytes).map(drop),
            Family::Drift => Ok(()),
        }
    }

    pub(crate) fn family(&self) -> Family {
        match self {
            Ann::Graph(_) => Family::Graph,
            Ann::Buckets(_) => Family::Buckets,
            Ann::Drift(_) => Family::Drift,
        }
    }

    /// Whether it has the vectors as they were given, or reads them, so that its distances are exact.
    pub(crate) fn keeps_vectors(&self) -> bool {
        match self {
            Ann::Graph(graph) => graph.element() == ElementType::U8,
            Ann::Buckets(_) | Ann::Drift(_) => true,
        }
    }

    /// Whether it is an index of vectors like those of `spec`.
    pub(crate) fn suits(&self, spec: &DenseField) -> bool {
        let kind = match self {
            Ann::Graph(graph) => (graph.dim(), graph.metric(), graph.element()),
            Ann::Buckets(buckets) => (buckets.dim(), buckets.metric(), buckets.element()),
            Ann::Drift(drift) => return drift.suits(spec),
        };
        kind == (spec.dim, spec.metric, spec.element)
    }

    /// Adds points with their vectors, those that are not here already, dead or alive. `record`: what is said of the index then, if it
    /// is one that saves each of its changes.
    pub(crate) fn insert(
        &self,
        points: &[PointId],
        vectors: &Matrix,
        record: Option<AnnRecord>,
    ) -> Result<()> {
        let insert = |(i, &point): (usize, &PointId)| {
            let inserted = match self {
                Ann::Graph(graph) => graph.insert(point, vectors.row(i))?,
                Ann::Buckets(buckets) => buckets.insert(point, vectors.row(i))?,
                Ann::Drift(_) => true,
            };
            if inserted || self.contains(point) {
                return Ok(());
            }
            Err(Error::corruption(format!(
                "the index does not take point {point}: it holds a dead one of that number"
            )))
        };
        match self {
            Ann::Drift(drift) => drift.append(points, vectors, record),
            Ann::Graph(_) | Ann::Buckets(_) => points.iter().enumerate().try_for_each(insert),
        }
    }

    /// Marks a point dead. False when it is not here or dead already.
    pub(crate) fn remove(&self, point: PointId) -> bool {
        match self {
            Ann::Graph(graph) => graph.remove(point),
            Ann::Buckets(buckets) => buckets.remove(point),
            Ann::Drift(drift) => drift.remove(point),
        }
    }

    /// Whether the point is here and alive.
    pub(crate) fn contains(&self, point: PointId) -> bool {
        match self {
            Ann::Graph(graph) => graph.contains(point),
            Ann::Buckets(buckets) => buckets.contains(point),
            Ann::Drift(drift) => drift.contains(point),
        }
    }

    /// Live points.
    pub(crate) fn len(&self) -> usize {
        match self {
            Ann::Graph(graph) => graph.len(),
            Ann::Buckets(buckets) => buckets.len(),
            Ann::Drift(drift) => drift.len(),
        }
    }

    /// Dead points that still take memory.
    pub(crate) fn dead(&self) -> usize {
        match self {
            Ann::Graph(graph) => graph.dead(),
            Ann::Buckets(buckets) => buckets.dead(),
            Ann::Drift(drift) => drift.dead(),
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        match self {
            Ann::Graph(graph) => graph.memory_bytes(),
            Ann::Buckets(buckets) => buckets.memory_bytes(),
            Ann::Drift(drift) => drift.memory_bytes(),
        }
    }

    /// All live points, in no order.
    pub(crate) fn points(&self) -> Result<Vec<PointId>> {
        match self {
            Ann::Graph(graph) => Ok(graph.points().collect()),
            Ann::Buckets(buckets) => Ok(buckets.points().collect()),
            Ann::Drift(drift) => drift.points(),
        }
    }

    /// The nearest points, nearest first: approximate. `None`: with so much of a budget it cannot be said.
    pub(crate) fn search_within(
        &self,
        query: &[f32],
        params: SearchParams,
        allowed: Option<&dyn Fn(PointId) -> bool>,
        budget: usize,
        scratch: &mut AnnScratch,
    ) -> Result<Option<Vec<Candidate>>> {
        match self {
            Ann::Graph(graph) => {
                Ok(graph.search_within(query, params, allowed, budget, &mut scratch.graph)?)
            }
            Ann::Buckets(buckets) => {
                Ok(buckets.search_within(query, params, allowed, budget, &mut scratch.buckets)?)
            }
            Ann::Drift(drift) => {
                drift.search_within(query, params, allowed, budget, &mut scratch.drift)
            }
        }
    }

    /// The nearest points, nearest first: approximate.
    pub(crate) fn search(
        &self,
        query: &[f32],
        params: SearchParams,
        allowed: Option<&dyn Fn(PointId) -> bool>,
        scratch: &mut AnnScratch,
    ) -> Result<Vec<Candidate>> {
        let found = self.search_within(query, params, allowed, usize::MAX, scratch)?;
        Ok(found.expect("a search without a budget comes to its end"))
    }

    /// Whether points can be looked up for many searches among them.
    pub(crate) fn selects(&self) -> bool {
        !matches!(self, Ann::Drift(_))
    }

    /// Looks those of `points` up that are here, for many searches among them.
    pub(crate) fn select(
        &self,
        points: impl Iterator<Item = PointId>,
    ) -> aether_index::Result<Selection> {
        match self {
            Ann::Graph(graph) => Ok(graph.select(points)),
            Ann::Buckets(buckets) => buckets.select(points),
            Ann::Drift(_) => unreachable!("nobody selects where `selects` says no"),
        }
    }

    /// Like [`search`](Ann::search), of the points of a selection. `None` when that is out of date.
    pub(crate) fn search_selected(
        &self,
        query: &[f32],
        params: SearchParams,
        selection: &Selection,
        scratch: &mut AnnScratch,
    ) -> aether_index::Result<Option<Vec<Candidate>>> {
        match self {
            Ann::Graph(graph) => {
                graph.search_selected(query, params, selection, &mut scratch.graph)
            }
            Ann::Buckets(buckets) => {
                buckets.search_selected(query, params, selection, &mut scratch.buckets)
            }
            Ann::Drift(_) => Ok(None),
        }
    }

    /// Like [`scan`](Ann::scan), of the points of a selection. `None` when that is out of date.
    pub(crate) fn scan_selected(
        &self,
        query: &[f32],
        k: usize,
        selection: &Selection,
        scratch: &mut AnnScratch,
    ) -> aether_index::Result<Option<Vec<Candidate>>> {
        match self {
            Ann::Graph(graph) => {
                // No walk takes less than a scan then, which is of copied codes where there are such.
                let params = SearchParams {
                    k,
                    ef: usize::MAX,
                    include_dead: false,
                };
                graph.search_selected(query, params, selection, &mut scratch.graph)
            }
            Ann::Buckets(buckets) => {
                buckets.scan_selected(query, k, selection, &mut scratch.buckets)
            }
            Ann::Drift(_) => Ok(None),
        }
    }

    /// The `k` nearest of `points` that are alive here, by comparing with each.
    pub(crate) fn scan(
        &self,
        query: &[f32],
        k: usize,
        points: impl Iterator<Item = PointId>,
        scratch: &mut AnnScratch,
    ) -> Result<Vec<Candidate>> {
        match self {
            Ann::Graph(graph) => Ok(graph.scan(query, k, points, false, &mut scratch.graph)?),
            Ann::Buckets(buckets) => {
                Ok(buckets.scan(query, k, points, false, &mut scratch.buckets)?)
            }
            Ann::Drift(drift) => drift.scan(query, k, points),
        }
    }

    /// The `k` nearest of all points that are alive and `allowed`, by comparing with each.
    pub(crate) fn scan_all(
        &self,
        query: &[f32],
        k: usize,
        allowed: &dyn Fn(PointId) -> bool,
        scratch: &mut AnnScratch,
    ) -> Result<Vec<Candidate>> {
        match self {
            Ann::Graph(graph) => {
                Ok(graph.scan_all(query, k, allowed, false, &mut scratch.graph)?)
            }
            Ann::Buckets(buckets) => {
                Ok(buckets.scan_all(query, k, allowed, false, &mut scratch.buckets)?)
            }
            Ann::Drift(drift) => drift.scan_all(query, k, allowed, &mut scratch.drift),
        }
    }

    /// A step of maintenance, which looks at about `budget` points. False when it is not needed.
    pub(crate) fn maintain(&self, budget: usize) -> Result<bool> {
        let dead = self.dead();
        let is_needed = dead > 0 && dead * CONSOLIDATE_SHARE >= self.len() + dead;
        match self {
            Ann::Drift(drift) => return drift.maintain(budget),
            _ if !is_needed => return Ok(false),
            Ann::Graph(graph) => graph.consolidate(budget)?,
            Ann::Buckets(buckets) => buckets.consolidate(budget)?,
        };
        Ok(true)
    }

    /// Reads everything to see that it is sound.
    pub(crate) fn check(&self) -> Result<CheckSummary> {
        match self {
            Ann::Graph(graph) => Ok(graph.check()?),
            Ann::Buckets(buckets) => Ok(buckets.check()?),
            Ann::Drift(drift) => drift.check(),
        }
    }

    /// Writes a checkpoint. Nobody inserts, removes or maintains meanwhile.
    pub(crate) fn write_checkpoint(&self, out: &mut dyn io::Write) -> io::Result<()> {
        match self {
            Ann::Graph(graph) => graph.write_checkpoint(out),
            Ann::Buckets(buckets) => buckets.write_checkpoint(out),
            Ann::Drift(_) => unreachable!("it saves each of its changes"),
        }
    }

    /// How buckets in the database are doing.
    pub(crate) fn drift_stats(&self) -> Option<DriftStats> {
        match self {
            Ann::Drift(drift) => Some(drift.stats()),
            Ann::Graph(_) | Ann::Buckets(_) => None,
        }
    }
}
