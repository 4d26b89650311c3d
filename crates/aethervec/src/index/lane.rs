//! The background work of one collection, in order, one step of bounded size at a time:
//!
//! 1. take over what was committed;
//! 2. *reap*: points that no snapshot can see any more leave the indexes;
//! 3. write a checkpoint when one is due;
//! 4. *apply*: committed points move from the delta into the graph;
//! 5. *consolidate*: mend the graph around its dead nodes.
//!
//! Only here do points leave the delta and the graph. Everything done here is derived from the keyspaces: a crash loses
//! nothing but time.

use crate::error::{Error, Result};
use crate::index::checkpoint;
use crate::index::core::{Committed, Core, GRAPH_POINTS_MIN, Lane};
use crate::keyspace;
use crate::schema::IndexConfig;
use aether_distance::{ElementType, Metric};
use aether_index::{Hnsw, PointId};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Points moved into the graph in one step.
const APPLY_POINTS: usize = 256;

/// Numbers looked at in one step: not each belongs to a point that is still alive.
const APPLY_NUMBERS: u64 = 1 << 16;

/// Points reaped in one step, at least: a commit is reaped as a whole.
const REAP_POINTS: usize = 4_096;

/// Nodes mended in one step.
const CONSOLIDATE_NODES: usize = 1_024;

/// Dead nodes, as a share of all, from which on the graph is mended: one in this many.
const CONSOLIDATE_SHARE: usize = 10;

/// What a step leaves to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// More.
    More,
    /// Nothing before the next write.
    Idle,
    /// Nothing before a snapshot ends.
    Parked,
}

/// Does a step of `core`'s work. An error is kept in its status, and the work rests until the next write.
pub(crate) fn step(core: &Core, closing: &AtomicBool) -> Step {
    let mut lane = core.lane.lock();
    if core.dropped.load(Ordering::Acquire) || closing.load(Ordering::Acquire) {
        return Step::Idle;
    }
    let stepped = lane.step(core, closing);
    core.progress.applied.store(lane.applied, Ordering::Release);
    core.progress
        .checkpoints
        .store(lane.checkpoints, Ordering::Release);
    drop(lane);
    let mut error = core.progress.error.lock();
    let step = match stepped {
        Ok(step) => {
            *error = None;
            step
        }
        Err(failed) => {
            *error = Some(failed);
            Step::Idle
        }
    };
    core.progress.stepped.notify_all();
    step
}

/// Saves what is worth saving before the database is closed. No step may run any more.
pub(crate) fn finish(core: &Core) -> Result<()> {
    let mut lane = core.lane.lock();
    lane.settle(core);
    checkpoint::write_at_close(&mut lane, core)
}

/// Saves the index as it is now, unless the collection was dropped.
pub(crate) fn save(core: &Core) -> Result<()> {
    let mut lane = core.lane.lock();
    // Under the lock: what is dropped is not written to any more.
    core.alive()?;
    lane.settle(core);
    checkpoint::write(&mut lane, core)?;
    core.progress
        .checkpoints
        .store(lane.checkpoints, Ordering::Release);
    Ok(())
}

impl Lane {
    /// Takes over and reaps all that can be.
    fn settle(&mut self, core: &Core) {
        self.take_over(core);
        while self.reap(core) {}
    }

    fn step(&mut self, core: &Core, closing: &AtomicBool) -> Result<Step> {
        self.take_over(core);
        if self.reap(core) || checkpoint::write_if_due(self, core)? {
            return Ok(Step::More);
        }
        // By turns: where writes never end, the dead would pile up behind them.
        let applied = self.apply(core, closing)?;
        if consolidate(core)? || applied {
            return Ok(Step::More);
        }
        let waiting = self.reaped < self.entries.len();
        Ok(if waiting { Step::Parked } else { Step::Idle })
    }

    /// Takes over what was committed since the last step.
    fn take_over(&mut self, core: &Core) {
        for committed in core.incoming.lock().drain(..) {
            self.committed = self.committed.max(committed.entry.end());
            self.entries.push_back(committed);
        }
    }

    /// Takes points out of the indexes that no snapshot sees any more. False when there are none.
    fn reap(&mut self, core: &Core) -> bool {
        let watermark = core.db.watermark();
        let graph = core.graph.load();
        let mut reaped = 0;
        // Oldest first, so that what cannot be reaped yet ends the walk.
        let ready = self
            .entries
            .iter()
            .skip(self.reaped)
            .take_while(|committed| committed.seq <= watermark);
        for Committed { entry, .. } in ready {
            for &point in &entry.died {
                match graph.as_ref() {
                    Some(graph) if point.0 < self.applied => {
                        self.unsaved += u64::from(graph.remove(point));
                    }
                    _ => {
                        core.delta.remove(point);
                    }
                }
            }
            core.deaths.forget(&entry.died);
            self.reaped += 1;
            reaped += entry.died.len();
            if reaped >= REAP_POINTS {
                break;
            }
        }
        self.reaped_points += reaped;
        reaped > 0
    }

    /// Moves committed points from the delta into the graph. False when there are none.
    fn apply(&mut self, core: &Core, closing: &AtomicBool) -> Result<bool> {
        if self.applied >= self.committed || !core.wants_graph() {
            return Ok(false);
        }
        let graph = ensure_graph(core)?;
        let mut vector = keyspace::vector_buffer(core.dense.element);
        let mut moved = Vec::with_capacity(APPLY_POINTS);
        let mut number = self.applied;
        let end = self.committed.min(number.saturating_add(APPLY_NUMBERS));
        while number < end && moved.len() < APPLY_POINTS && !closing.load(Ordering::Relaxed) {
            let point = PointId(number);
            // A copy, so that nobody waits for the graph.
            if core
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
        self.applied = number;
        self.unsaved += moved.len() as u64;
        for &point in &moved {
            core.delta.remove(point);
        }
        Ok(true)
    }
}

fn ensure_graph(core: &Core) -> Result<Arc<Hnsw>> {
    if let Some(graph) = core.graph.load_full() {
        return Ok(graph);
    }
    let schema = &core.dense;
    let IndexConfig::Hnsw(params) = schema.index else {
        unreachable!("only HNSW collections want a graph")
    };
    // The seed only has to differ between collections.
    let seed = u64::from(core.id.0);
    let mut graph = Hnsw::new(schema.dim, schema.metric, schema.element, params, seed)?;
    if schema.metric == Metric::L2Squared && schema.element != ElementType::U8 {
        graph = graph.with_centre(&centre(core))?;
    }
    let graph = Arc::new(graph);
    core.graph.store(Some(Arc::clone(&graph)));
    Ok(graph)
}

/// The mean of the first points: codes of the differences to it are finer than codes of the vectors.
fn centre(core: &Core) -> Vec<f32> {
    let mut points = core.delta.points();
    points.sort_unstable();
    points.truncate(GRAPH_POINTS_MIN);
    let mut sums = vec![0.0f64; core.dense.dim];
    let mut components = Vec::new();
    let mut found = 0.0;
    for point in points {
        if core
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

/// Mends the graph around dead nodes when they are too many. False when they are not.
fn consolidate(core: &Core) -> Result<bool> {
    let Some(graph) = core.graph.load_full() else {
        return Ok(false);
    };
    let dead = graph.dead();
    if dead == 0 || dead * CONSOLIDATE_SHARE < graph.len() + dead {
        return Ok(false);
    }
    graph.consolidate(CONSOLIDATE_NODES)?;
    Ok(true)
}
