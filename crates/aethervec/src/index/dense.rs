//! The index of a dense field: a graph, and the points that are not in it yet.

use crate::error::{Error, Result};
use crate::index::core::IndexStatus;
use crate::keyspace;
use crate::plan::calibration::Calibration;
use crate::schema::{DenseField, IndexConfig};
use aether_distance::{ElementType, Metric};
use aether_index::{Flat, Hnsw, PointId};
use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Points from which on a graph is better than comparing with all of them.
pub(crate) const GRAPH_POINTS_MIN: usize = 1_000;

/// Points moved into the graph in one step.
const APPLY_POINTS: usize = 256;

/// Numbers looked at in one step: not each belongs to a point that is still alive.
const APPLY_NUMBERS: u64 = 1 << 16;

/// Nodes mended in one step.
const CONSOLIDATE_NODES: usize = 1_024;

/// Dead nodes, as a share of all, from which on the graph is mended: one in this many.
const CONSOLIDATE_SHARE: usize = 10;

/// The points of one dense field in memory. Only the collection's lane moves points, and changes the numbers.
#[derive(Debug)]
pub(crate) struct DenseIndex {
    pub(crate) spec: DenseField,
    /// Points that are not in the graph: all of them in a flat or small field.
    pub(crate) delta: Flat,
    /// The graph, once there are enough points for one.
    pub(crate) graph: ArcSwapOption<Hnsw>,
    /// Points below this number are in the graph, or dead, or have no vector here.
    pub(crate) applied: AtomicU64,
    /// Points put into the graph or taken out of it since it was saved.
    pub(crate) unsaved: AtomicU64,
    /// Whether a graph was saved that can be used.
    pub(crate) saved: AtomicBool,
    /// Why the saved graph cannot be used, until another one is saved.
    pub(crate) damage: Mutex<Option<String>>,
    /// What recall the efforts of a search give.
    pub(crate) calibration: Calibration,
}

impl DenseIndex {
    /// Without points.
    pub(crate) fn new(spec: &DenseField) -> Result<DenseIndex> {
        Ok(DenseIndex {
            delta: Flat::new(spec.dim, spec.metric, spec.element)?,
            spec: spec.clone(),
            graph: ArcSwapOption::empty(),
            applied: AtomicU64::new(0),
            unsaved: AtomicU64::new(0),
            saved: AtomicBool::new(false),
            damage: Mutex::default(),
            calibration: Calibration::default(),
        })
    }

    /// Starts with a graph that holds all points below `applied`, without those that have `died`.
    pub(crate) fn start_with<'a>(
        &self,
        graph: Hnsw,
        applied: u64,
        died: impl Iterator<Item = &'a PointId>,
    ) {
        let removed: u64 = died.map(|&point| u64::from(graph.remove(point))).sum();
        self.unsaved.store(removed, Ordering::Release);
        self.saved.store(true, Ordering::Release);
        self.applied.store(applied, Ordering::Release);
        self.graph.store(Some(Arc::new(graph)));
    }

    /// Points below this number are in the graph, or dead, or have no vector here.
    pub(crate) fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    /// Whether points move from the delta into a graph.
    pub(crate) fn wants_graph(&self) -> bool {
        matches!(self.spec.index, IndexConfig::Hnsw(_))
            && (self.graph.load().is_some() || self.delta.len() >= GRAPH_POINTS_MIN)
    }

    /// Counts its points in.
    pub(crate) fn add_status(&self, status: &mut IndexStatus) {
        let scanned = self.delta.len() as u64;
        status.scanned += scanned;
        if self.wants_graph() {
            status.pending += scanned;
        }
        status.memory_bytes += self.delta.memory_bytes() as u64;
        if let Some(graph) = &*self.graph.load() {
            status.indexed += graph.len() as u64;
            status.dead += graph.dead() as u64;
            status.memory_bytes += graph.memory_bytes() as u64;
        }
        if let Some(damage) = &*self.damage.lock() {
            status.damage = Some(damage.clone());
        }
    }

    /// Takes a point out that no snapshot sees any more.
    pub(crate) fn reap(&self, point: PointId) {
        match &*self.graph.load() {
            Some(graph) if point.0 < self.applied() => {
                let removed = u64::from(graph.remove(point));
                self.unsaved.fetch_add(removed, Ordering::AcqRel);
            }
            _ => {
                self.delta.remove(point);
            }
        }
    }

    /// Moves points below `committed` from the delta into the graph: how many numbers it went on. 0: there are none.
    pub(crate) fn apply(&self, committed: u64, seed: u64, closing: &AtomicBool) -> Result<u64> {
        if self.applied() >= committed || !self.wants_graph() {
            return Ok(0);
        }
        let graph = self.ensure_graph(seed)?;
        let mut vector = keyspace::vector_buffer(self.spec.element);
        let mut moved = Vec::with_capacity(APPLY_POINTS);
        let first = self.applied();
        let mut number = first;
        let end = committed.min(number.saturating_add(APPLY_NUMBERS));
        while number < end && moved.len() < APPLY_POINTS && !closing.load(Ordering::Relaxed) {
            let point = PointId(number);
            // A copy, so that nobody waits for the graph.
            if self
                .delta
                .get(point, |stored| vector.clone_from_ref(stored))
                .is_some()
            {
                if !graph.insert(point, vector.as_ref())? && !graph.contains(point) {
                    let text = format!(
                        "the graph does not take point {point}: it holds a dead one of that number"
                    );
                    return Err(Error::corruption(text));
                }
                moved.push(point);
            }
            number += 1;
        }
        // In the graph first, out of the delta second: a search that looks in this order's reverse misses nothing.
        self.applied.store(number, Ordering::Release);
        self.unsaved.fetch_add(moved.len() as u64, Ordering::AcqRel);
        for &point in &moved {
            self.delta.remove(point);
        }
        Ok(number - first)
    }

    /// Mends the graph around dead nodes when they are too many. False when they are not.
    pub(crate) fn consolidate(&self) -> Result<bool> {
        let Some(graph) = self.graph.load_full() else {
            return Ok(false);
        };
        let dead = graph.dead();
        if dead == 0 || dead * CONSOLIDATE_SHARE < graph.len() + dead {
            return Ok(false);
        }
        graph.consolidate(CONSOLIDATE_NODES)?;
        Ok(true)
    }

    fn ensure_graph(&self, seed: u64) -> Result<Arc<Hnsw>> {
        if let Some(graph) = self.graph.load_full() {
            return Ok(graph);
        }
        let spec = &self.spec;
        let IndexConfig::Hnsw(params) = spec.index else {
            unreachable!("only HNSW fields want a graph")
        };
        let mut points = self.delta.points();
        points.sort_unstable();
        let mut graph = Hnsw::new(spec.dim, spec.metric, spec.element, params, seed)?;
        if spec.metric == Metric::L2Squared && spec.element != ElementType::U8 {
            points.truncate(GRAPH_POINTS_MIN);
            graph = graph.with_centre(&self.centre(&points))?;
        }
        // Numbers are given in ascending order: below the first of these nothing comes any more.
        let first = points.first().map_or(0, |point| point.0);
        self.applied.store(first, Ordering::Release);
        let graph = Arc::new(graph);
        self.graph.store(Some(Arc::clone(&graph)));
        Ok(graph)
    }

    /// The mean of `points`: codes of the differences to it are finer than codes of the vectors.
    fn centre(&self, points: &[PointId]) -> Vec<f32> {
        let mut sums = vec![0.0f64; self.spec.dim];
        let mut components = Vec::new();
        let mut found = 0.0;
        for &point in points {
            if self
                .delta
                .get(point, |vector| vector.to_f32(&mut components))
                .is_some()
            {
                sums.iter_mut()
                    .zip(&components)
                    .for_each(|(sum, &component)| *sum += f64::from(component));
                found += 1.0;
            }
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a mean of f32 is within their range"
        )]
        sums.into_iter()
            .map(|sum| (sum / f64::max(found, 1.0)) as f32)
            .collect()
    }
}
