//! The index of a dense field: an approximate one, and the points that are not in it yet.

use crate::ann::{Ann, AnnScratch, Family};
use crate::error::Result;
use crate::index::core::{DenseStatus, IndexStatus};
use crate::index::drift;
use crate::index::matrix::Matrix;
use crate::index::successor::{Successor, Wanted, build_points_max};
use crate::keyspace;
use crate::plan::calibration::Calibration;
use crate::plan::choice::{Choice, choose};
use crate::schema::DenseField;
use aether_distance::Metric;
use aether_index::{Flat, PointId};
use aidb::Timestamp;
use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Points moved into the approximate index in one step.
const APPLY_POINTS: usize = 256;

/// The same of one that saves each of its changes: what a commit costs is shared by more.
pub(crate) const APPEND_POINTS: usize = 8_192;

/// Points of its buckets that are looked at in one step of maintenance, about: more than come in one, for a split looks at twice as many
/// as it makes room for. With fewer, buckets become longer and longer under a load.
const MAINTAIN_POINTS: usize = 2 * APPEND_POINTS;

/// Bytes of vectors that wait for it, at most: writers wait for it, too, then.
const WAITING_BYTES_MAX: usize = 256 << 20;

/// The same while somebody searches: each search compares with all of them, which takes less than half as long as the buckets do.
const WAITING_BYTES_SEARCHED: usize = 256 << 10;

/// Somebody searches if the last search is no longer ago, in milliseconds.
const SEARCHED_LATELY: u64 = 1_000;

/// Numbers looked at in one step: not each belongs to a point that is still alive.
const APPLY_NUMBERS: u64 = 1 << 16;

/// Points looked at in one step of maintenance.
const CONSOLIDATE_POINTS: usize = 1_024;

/// Points in the delta from which on all are built of at once, rather than inserted into an index that there is …
const REBUILD_POINTS: usize = 10_000;

/// … which holds this many times fewer: building a graph costs three fifths of inserting, building buckets as much.
const REBUILD_GRAPH_SHARE: usize = 3;
const REBUILD_BUCKETS_SHARE: usize = 8;

/// The points of one dense field in memory. Only the collection's lane moves points, and changes the numbers.
#[derive(Debug)]
pub(crate) struct DenseIndex {
    pub(crate) spec: DenseField,
    /// Points that are not in the approximate index: all of them in a flat or small field.
    pub(crate) delta: Flat,
    /// The approximate index, once there are enough points for one.
    pub(crate) ann: ArcSwapOption<Ann>,
    /// Points below this number are in the approximate index, or dead, or have no vector here.
    pub(crate) applied: AtomicU64,
    /// Points put into the approximate index or taken out of it since it was saved.
    pub(crate) unsaved: AtomicU64,
    /// Whether one was saved that can be used.
    pub(crate) saved: AtomicBool,
    /// Why the saved one cannot be used, until another one is saved.
    pub(crate) damage: Mutex<Option<String>>,
    /// What recall the efforts of a search give.
    pub(crate) calibration: Calibration,
    /// What is to take the place of the approximate index. Only the lane begins and ends it.
    pub(crate) next: ArcSwapOption<Successor>,
    /// Points below this number were committed when the lane last waited for writes to pause.
    pub(crate) looked_at: AtomicU64,
    /// When the delta was searched last, in milliseconds.
    searched: AtomicU64,
}

impl DenseIndex {
    /// Without points.
    pub(crate) fn new(spec: &DenseField) -> Result<DenseIndex> {
        Ok(DenseIndex {
            delta: Flat::new(spec.dim, spec.metric, spec.element)?,
            spec: spec.clone(),
            ann: ArcSwapOption::empty(),
            applied: AtomicU64::new(0),
            unsaved: AtomicU64::new(0),
            saved: AtomicBool::new(false),
            damage: Mutex::default(),
            calibration: Calibration::default(),
            next: ArcSwapOption::empty(),
            looked_at: AtomicU64::new(0),
            searched: AtomicU64::new(0),
        })
    }

    /// Starts with an index that holds all points below `applied`, without those that have `died`.
    pub(crate) fn start_with<'a>(
        &self,
        ann: Ann,
        applied: u64,
        died: impl Iterator<Item = &'a PointId>,
    ) {
        let removed: u64 = died.map(|&point| u64::from(ann.remove(point))).sum();
        self.unsaved.store(removed, Ordering::Release);
        self.saved.store(true, Ordering::Release);
        self.applied.store(applied, Ordering::Release);
        self.ann.store(Some(Arc::new(ann)));
    }

    /// Points below this number are in the approximate index, or dead, or have no vector here.
    pub(crate) fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    /// Whether points move from the delta into an approximate index.
    pub(crate) fn wants_ann(&self) -> bool {
        self.choice().shape.is_some()
    }

    /// The index that is best for as many points as there are.
    pub(crate) fn choice(&self) -> Choice {
        let (family, points) = match &*self.ann.load() {
            Some(ann) => (Some(ann.family()), ann.len()),
            None => (None, 0),
        };
        choose(&self.spec, points + self.delta.len(), family)
    }

    /// Whether an index of another family is better by now.
    fn is_outgrown(&self) -> bool {
        let family = self.family();
        family.is_some() && self.choice().family() != family
    }

    /// The index that is to be built of what there is, if one is better than going on with the present one: because there
    /// is none, because another family is better by now, or because most points are not in it. Points below
    /// `committed` are committed.
    pub(crate) fn wanted(&self, committed: u64) -> Option<Wanted> {
        let shape = self.choice().shape?;
        let (applied, waiting) = (self.applied(), self.delta.len());
        let ann = self.ann.load();
        let takes_delta = applied < committed
            && !(ann.is_none() && shape.family() == Family::Drift)
            && ann.as_ref().is_none_or(|ann| {
                let most = build_points_max(self.spec.dim * self.spec.element.bytes());
                let taken = waiting.min(most.saturating_sub(ann.len()));
                let share = match (shape.family(), self.spec.metric) {
                    (Family::Graph, Metric::InnerProduct) => return false, // built by inserts
                    (Family::Graph, _) => REBUILD_GRAPH_SHARE,
                    (Family::Buckets, _) => REBUILD_BUCKETS_SHARE,
                    (Family::Drift, _) => return false, // appended to
                };
                taken >= REBUILD_POINTS && taken / share >= ann.len()
            });
        let outgrown = ann
            .as_ref()
            .is_some_and(|ann| ann.family() != shape.family());
        (takes_delta || outgrown).then_some(Wanted {
            shape,
            end: if takes_delta { committed } else { applied },
            takes_delta,
        })
    }

    /// Whether a point is here and alive, wherever.
    pub(crate) fn holds(&self, point: PointId) -> bool {
        // The lane moves points the other way: none is missed.
        self.delta.contains(point)
            || self
                .ann
                .load()
                .as_ref()
                .is_some_and(|ann| ann.contains(point))
    }

    /// The family of the approximate index, if there is one.
    pub(crate) fn family(&self) -> Option<Family> {
        self.ann.load().as_ref().map(|ann| ann.family())
    }

    /// Candidates that a search for `k` holds that asks for no effort and no recall.
    pub(crate) fn effort(&self, k: usize) -> usize {
        self.family().unwrap_or(Family::Graph).effort(k)
    }

    /// How vectors are found.
    pub(crate) fn status(&self) -> DenseStatus {
        let (family, choice) = (self.family(), self.choice());
        let next = choice.family().filter(|&next| Some(next) != family);
        let building = self.next.load_full();
        DenseStatus {
            building: building.map(|next| (next.done() as u64, next.points as u64)),
            family: family.map_or("scan", Family::name),
            next: next.map(Family::name),
            why: choice.why.to_string(),
            codes: family.map_or("the vectors as given", Family::codes),
            effort: self.effort(10),
            recall: self.calibration.measured(),
            drift: self.ann.load().as_ref().and_then(|ann| ann.drift_stats()),
        }
    }

    /// Points below this number are where they belong: in an approximate index, and in one of the best family.
    pub(crate) fn settled(&self) -> u64 {
        match self.is_outgrown() {
            true => {
                let next = self.next.load();
                let reached = next
                    .as_ref()
                    .map(|next| next.reached.load(Ordering::Acquire));
                reached.unwrap_or(0).min(self.applied().saturating_sub(1))
            }
            false => self.applied(),
        }
    }

    /// Puts an index that has all points below `reached` into the place of the present one.
    pub(crate) fn replace(&self, ann: Arc<Ann>, reached: u64) {
        self.unsaved.fetch_add(ann.len() as u64, Ordering::AcqRel);
        self.saved.store(false, Ordering::Release);
        // In the index first, out of the delta second: a search that looks in this order's reverse misses nothing.
        self.ann.store(Some(ann));
        self.calibration.forget();
        let mut moved = self.delta.points();
        moved.retain(|point| point.0 < reached);
        moved.sort_unstable();
        for point in moved {
            self.delta.remove(point);
        }
        self.next.store(None);
        self.applied.fetch_max(reached, Ordering::AcqRel);
    }

    /// Counts its points in.
    pub(crate) fn add_status(&self, status: &mut IndexStatus) {
        let scanned = self.delta.len() as u64;
        status.scanned += scanned;
        let mut pending = if self.wants_ann() { scanned } else { 0 };
        if self.is_outgrown() {
            pending += self.ann.load().as_ref().map_or(0, |ann| ann.len()) as u64;
        }
        if let Some(next) = self.next.load_full() {
            pending = pending.saturating_sub(next.done() as u64).max(1);
        }
        status.pending += pending;
        status.memory_bytes += self.delta.memory_bytes() as u64;
        if let Some(ann) = &*self.ann.load() {
            status.indexed += ann.len() as u64;
            status.dead += ann.dead() as u64;
            status.memory_bytes += ann.memory_bytes() as u64;
        }
        if let Some(damage) = &*self.damage.lock() {
            status.damage = Some(damage.clone());
        }
    }

    /// Takes a point out that no snapshot sees any more.
    pub(crate) fn reap(&self, point: PointId) {
        if let Some(next) = &*self.next.load() {
            next.reap(point);
        }
        match &*self.ann.load() {
            Some(ann) if point.0 < self.applied() => {
                let removed = u64::from(ann.remove(point));
                self.unsaved.fetch_add(removed, Ordering::AcqRel);
            }
            _ => {
                self.delta.remove(point);
            }
        }
    }

    /// Moves points below `committed` from the delta into the approximate index: how many numbers it went on. 0: there
    /// are none, or a successor takes them.
    pub(crate) fn apply(&self, committed: u64, closing: &AtomicBool) -> Result<u64> {
        let next = self.next.load_full();
        if self.applied() >= committed
            || !self.wants_ann()
            || next.is_some_and(|next| next.wanted.takes_delta)
        {
            return Ok(0);
        }
        let Some(ann) = self.ann.load_full() else {
            return Ok(0);
        };
        let most = match ann.family() {
            Family::Drift => APPEND_POINTS,
            Family::Graph | Family::Buckets => APPLY_POINTS,
        };
        // A copy, so that nobody waits for the insertion.
        let mut vectors = Matrix::new(self.spec.dim, self.spec.element);
        let mut moved = Vec::with_capacity(most);
        let first = self.applied();
        let mut number = first;
        let end = committed.min(number.saturating_add(APPLY_NUMBERS));
        while number < end && moved.len() < most && !closing.load(Ordering::Relaxed) {
            let point = PointId(number);
            let stored = self.delta.get(point, |stored| vectors.push(stored));
            moved.extend(stored.map(|()| point));
            number += 1;
        }
        ann.insert(&moved, &vectors, Some(drift::record(number)))?;
        // In the index first, out of the delta second: a search that looks in this order's reverse misses nothing.
        self.applied.store(number, Ordering::Release);
        self.calibration.applied(number, ann.len());
        self.unsaved.fetch_add(moved.len() as u64, Ordering::AcqRel);
        for &point in &moved {
            self.delta.remove(point);
        }
        Ok(number - first)
    }

    /// Whether so many vectors wait for an index that takes them one after the other that writers should wait, too: for searches would
    /// take long, or memory is not meant for them.
    pub(crate) fn is_crowded(&self, now: Timestamp) -> bool {
        let bytes = self.delta.len() * self.spec.dim * self.spec.element.bytes();
        if bytes <= WAITING_BYTES_SEARCHED || self.family() != Some(Family::Drift) {
            return false;
        }
        let last = self.searched.load(Ordering::Relaxed);
        let is_searched = keyspace::millis(now).saturating_sub(last) <= SEARCHED_LATELY;
        is_searched || bytes > WAITING_BYTES_MAX
    }

    /// Somebody searches the delta, at this time in milliseconds.
    pub(crate) fn note_search(&self, now: u64) {
        // Threads that search share the line, as long as nobody writes to it.
        if self.searched.load(Ordering::Relaxed) != now {
            self.searched.store(now, Ordering::Relaxed);
        }
    }

    /// Some of the vectors that are not in the approximate index.
    pub(crate) fn sample(&self) -> Matrix {
        let mut vectors = Matrix::new(self.spec.dim, self.spec.element);
        for point in self.delta.points().into_iter().take(APPEND_POINTS) {
            self.delta.get(point, |stored| vectors.push(stored));
        }
        vectors
    }

    /// Learns what effort searches take from a query that was asked. False when there is none.
    pub(crate) fn learn(&self, scratch: &mut AnnScratch) -> Result<bool> {
        let Some(offered) = self.calibration.take_offered() else {
            return Ok(false);
        };
        if let Some(ann) = self.ann.load_full() {
            self.calibration.learn_offered(&ann, &offered, scratch)?;
        }
        Ok(true)
    }

    /// Maintains the approximate index. False when that is not needed.
    pub(crate) fn maintain(&self) -> Result<bool> {
        match &*self.ann.load() {
            Some(ann) if ann.family() == Family::Drift => ann.maintain(MAINTAIN_POINTS),
            Some(ann) => ann.maintain(CONSOLIDATE_POINTS),
            None => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::choice::ANN_POINTS_MIN;
    use crate::{AetherDB, DbOptions, Document, IndexConfig};
    use aether_env::{Env, ManualClock};
    use aether_index::IvfParams;
    use aether_sim::SimStorage;
    use std::time::Duration;

    #[test]
    fn writers_wait_sooner_while_somebody_searches() {
        const DIM: usize = 1 << 10;
        let clock = Arc::new(ManualClock::default());
        let env = Env {
            clock: Arc::clone(&clock) as Arc<_>,
            ..SimStorage::new(1).env()
        };
        let db = AetherDB::open_with(env, DbOptions::WITHOUT_THREADS).unwrap();
        let index = IndexConfig::Drift(IvfParams::DEFAULT);
        let docs = db.create_collection("docs", DIM, "l2", index).unwrap();
        let put = |ids: std::ops::Range<u64>| {
            let document = |id| Document::new(vec![id as f32; DIM], id);
            docs.upsert_batch(ids.map(document).collect()).unwrap();
        };
        let is_crowded = || docs.core.is_crowded();
        let searched = || {
            docs.search(&[0.0; DIM], 1).unwrap();
            is_crowded()
        };
        let few = (WAITING_BYTES_SEARCHED / (4 * DIM)) as u64;
        put(0..ANN_POINTS_MIN as u64);
        assert!(!searched(), "there is no index that they could wait for");
        docs.wait_indexed(|_| ()).unwrap();
        put(0..few);
        assert!(!searched(), "they are few");
        put(few..few + 1);
        assert!(is_crowded());
        clock.advance(Duration::from_millis(SEARCHED_LATELY + 1));
        assert!(!is_crowded());
        assert!(searched());
        docs.wait_indexed(|_| ()).unwrap();
        assert!(!is_crowded());
    }
}
