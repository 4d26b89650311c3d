//! An index that is built of many points at once, to take the place of what there is: of a scan, of an index of the other
//! family, or of one that holds few of the points there are by now. Building so costs less than inserting the points one by one.
//!
//! 1. *Begin* (the lane): one is [wanted](DenseIndex::wanted). As long as writes come fast it waits for their end, but not for ever.
//! 2. *Build* (a thread of its own, which any number of builds share): the rows of `points` are read, and an index is made
//!    of them. Searches go on in the old one. New points go into that, too, or, if the successor takes in the delta, stay there.
//! 3. *Catch up* (the lane): what the old one got meanwhile is inserted, what died is removed.
//! 4. *Replace*: one pointer changes, and the next checkpoint replaces the saved index. A crash before that leaves the old one with
//!    the `pending` entries that belong to it, and it begins again.
//!
//! A build that is not wanted any more, or whose database is closed, ends in some hundredths of a second.

use crate::ann::{Ann, Family, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::index::core::Core;
use crate::index::dense::{APPEND_POINTS, DenseIndex};
use crate::index::drift::DriftIndex;
use crate::index::field::{Field, FieldIndex};
use crate::index::matrix::Matrix;
use crate::keyspace::{self, PointRow};
use crate::vector::{Vector, VectorValue};
use aether_index::{BuildOptions, IvfParams, PointId};
use aidb::Snapshot;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Points inserted in one step to catch up: more than come into the old index.
const FILL_POINTS: usize = 1_024;

/// Rows looked at in one step: not each has a vector in the field.
const FILL_ROWS: usize = 1 << 16;

/// Points in the delta from which on a build waits until writes pause …
const HURRIED_POINTS: usize = 10_000;

/// … but not for more of them than this: each search compares with all of them.
const WAITING_POINTS: usize = 100_000;

/// Bytes of the vectors that are built of at once, which are in memory twice meanwhile. What is more is inserted.
const BUILD_BYTES_MAX: usize = 1 << 30;

/// What one turn of a lane begins, and how.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    /// Asks steps to end early.
    pub(crate) closing: &'a AtomicBool,
    /// Whether somebody comes back in a moment if a step would rather wait.
    pub(crate) may_wait: bool,
    /// Builds that are to be run.
    pub(crate) builds: Vec<Build>,
}

/// How far a field is with what comes next for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Succession {
    /// On by so many numbers, or, when the index was replaced, so many points. 0: there is nothing to do.
    On(u64),
    /// To be looked at again in a moment.
    Waits,
}

/// An index that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) shape: Shape,
    /// Of the points below this number.
    pub(crate) end: u64,
    /// Whether those in the delta are among them. They stay there meanwhile.
    pub(crate) takes_delta: bool,
}

/// An index that is to take the place of what there is.
#[derive(Debug)]
pub(crate) struct Successor {
    pub(crate) wanted: Wanted,
    /// How many points it is made of, about, and how many of them are done.
    pub(crate) points: usize,
    done: AtomicUsize,
    /// Of the points below this number it has those that are alive. 0 until it is built.
    pub(crate) reached: AtomicU64,
    state: Mutex<State>,
    /// Points that left the indexes since it began.
    died: Mutex<Vec<PointId>>,
    cancelled: AtomicBool,
}

#[derive(Debug)]
enum State {
    Building,
    Built(Arc<Ann>),
    Failed(crate::error::Error),
}

/// The building of one, to be run by a thread that has the time.
#[derive(Debug)]
pub(crate) struct Build {
    pub(crate) core: Arc<Core>,
    field: Arc<Field>,
    next: Arc<Successor>,
    seed: u64,
}

impl Successor {
    pub(crate) fn family(&self) -> Family {
        self.wanted.shape.family()
    }

    /// Of its points, how many are done: not all before it has taken its place.
    pub(crate) fn done(&self) -> usize {
        self.done
            .load(Ordering::Relaxed)
            .min(self.points.saturating_sub(1))
    }

    /// A point leaves the indexes.
    pub(crate) fn reap(&self, point: PointId) {
        self.died.lock().push(point);
    }

    fn built(&self) -> Option<Arc<Ann>> {
        match &*self.state.lock() {
            State::Built(ann) => Some(Arc::clone(ann)),
            State::Building | State::Failed(_) => None,
        }
    }

    fn failure(&self) -> Result<()> {
        let mut state = self.state.lock();
        match std::mem::replace(&mut *state, State::Building) {
            State::Failed(error) => Err(error),
            other => {
                *state = other;
                Ok(())
            }
        }
    }
}

/// Goes on with the index that is to take the place of what a field has, if one is wanted. `committed`: points below this
/// number are committed.
pub(crate) fn step(
    core: &Arc<Core>,
    field: &Arc<Field>,
    index: &DenseIndex,
    (committed, seed): (u64, u64),
    turn: &mut Turn<'_>,
) -> Result<Succession> {
    let present = index.next.load_full();
    let wanted = match &present {
        Some(next) if next.wanted.takes_delta => index.wants_ann().then_some(next.wanted),
        _ => index.wanted(committed),
    };
    let family = wanted.map(|wanted| wanted.shape.family());
    let Some(next) = present else {
        let Some(wanted) = wanted else {
            return Ok(Succession::On(0));
        };
        let hurried = wanted.takes_delta && index.delta.len() >= HURRIED_POINTS;
        if hurried
            && turn.may_wait
            && !core.progress.is_watched()
            && index.delta.len() < WAITING_POINTS
            && index.looked_at.swap(committed, Ordering::AcqRel) != committed
        {
            return Ok(Succession::Waits);
        }
        turn.builds.push(begin(core, field, index, wanted, seed));
        return Ok(Succession::On(0));
    };
    if family != Some(next.family()) {
        next.cancelled.store(true, Ordering::Release);
        index.next.store(None);
        return Ok(Succession::On(0));
    }
    if let Err(error) = next.failure() {
        index.next.store(None);
        return Err(error);
    }
    let Some(ann) = next.built() else {
        return Ok(Succession::On(0));
    };
    let (first, end) = (next.reached.load(Ordering::Acquire), index.applied());
    let rows = Rows::new(core, field, index);
    let (mut points, mut vectors) = (Vec::new(), Matrix::new(index.spec.dim, index.spec.element));
    let reached = rows.each(first, end, FILL_POINTS, turn.closing, |point, vector| {
        points.push(point);
        vectors.push(vector.as_ref());
        Ok(())
    })?;
    ann.insert(&points, &vectors, None)?;
    next.reached.store(reached, Ordering::Release);
    if reached < end {
        return Ok(Succession::On(reached - first));
    }
    for point in next.died.lock().drain(..) {
        ann.remove(point);
    }
    let points = ann.len() as u64;
    index.replace(ann, reached);
    Ok(Succession::On(points.max(1)))
}

fn begin(
    core: &Arc<Core>,
    field: &Arc<Field>,
    index: &DenseIndex,
    wanted: Wanted,
    seed: u64,
) -> Build {
    let old = index.ann.load().as_ref().map_or(0, |ann| ann.len());
    let scanned = if wanted.takes_delta {
        index.delta.len()
    } else {
        0
    };
    let next = Arc::new(Successor {
        wanted,
        points: old + scanned,
        done: AtomicUsize::new(0),
        reached: AtomicU64::new(0),
        state: Mutex::new(State::Building),
        died: Mutex::default(),
        cancelled: AtomicBool::new(false),
    });
    index.next.store(Some(Arc::clone(&next)));
    Build {
        core: Arc::clone(core),
        field: Arc::clone(field),
        next,
        seed,
    }
}

impl Build {
    /// Runs to its end, or until it is called off. Then the lane has something to do.
    pub(crate) fn run(&self, threads: usize, closing: &AtomicBool) {
        let FieldIndex::Dense(index) = &self.field.index else {
            unreachable!("only dense fields have approximate indexes");
        };
        let state = match self.ann(index, threads, closing) {
            Ok(ann) => State::Built(Arc::new(ann)),
            Err(error) => State::Failed(error),
        };
        *self.next.state.lock() = state;
    }

    fn ann(&self, index: &DenseIndex, threads: usize, closing: &AtomicBool) -> Result<Ann> {
        let (next, spec) = (&*self.next, &index.spec);
        if let Shape::Drift(params) = next.wanted.shape {
            return self.drift(index, params, closing);
        }
        let mut points = Vec::with_capacity(next.points);
        let mut vectors = Matrix::new(spec.dim, spec.element);
        let rows = Rows::new(&self.core, &self.field, index);
        let most = build_points_max(spec.dim * spec.element.bytes());
        let (mut first, end) = (0, next.wanted.end);
        while first < end && points.len() < most && self.goes_on(closing) {
            let count = most - points.len();
            first = rows.each(first, end, count, closing, |point, vector| {
                points.push(point);
                vectors.push(vector.as_ref());
                Ok(())
            })?;
        }
        drop(rows);
        let progress = |done: usize, _: usize| {
            next.done.store(done, Ordering::Relaxed);
            self.goes_on(closing)
        };
        let options = BuildOptions {
            threads,
            progress: Some(&progress),
        };
        let vector = |i: usize| vectors.row(i);
        let ann = Ann::build(next.wanted.shape, spec, self.seed, &points, vector, options)?;
        next.reached.store(first, Ordering::Release);
        Ok(ann)
    }

    /// An index that is not made in memory: points are appended as they are read.
    fn drift(&self, index: &DenseIndex, params: IvfParams, closing: &AtomicBool) -> Result<Ann> {
        let (next, spec) = (&*self.next, &index.spec);
        let rows = Rows::new(&self.core, &self.field, index);
        let mut drift: Option<DriftIndex> = None;
        let (mut first, end) = (0, next.wanted.end);
        while first < end && self.goes_on(closing) {
            let (mut points, mut vectors) = (Vec::new(), Matrix::new(spec.dim, spec.element));
            first = rows.each(first, end, APPEND_POINTS, closing, |point, vector| {
                points.push(point);
                vectors.push(vector.as_ref());
                Ok(())
            })?;
            let drift = match &drift {
                Some(drift) => drift,
                None => {
                    let sample = (0..vectors.len()).map(|i| vectors.row(i));
                    let spec = (spec, params);
                    drift.insert(DriftIndex::create(
                        &self.core,
                        &self.field,
                        spec,
                        self.seed,
                        sample,
                    )?)
                }
            };
            drift.append(&points, &vectors, None)?;
            while drift.maintain(APPEND_POINTS)? && self.goes_on(closing) {}
            next.done.fetch_add(points.len(), Ordering::Relaxed);
        }
        next.reached.store(first, Ordering::Release);
        let drift = drift.ok_or_else(|| Error::new(ErrorKind::Unavailable, "it was called off"))?;
        Ok(Ann::Drift(Box::new(drift)))
    }

    fn goes_on(&self, closing: &AtomicBool) -> bool {
        let flags = [closing, &self.next.cancelled, &self.core.dropped];
        let field = self.core.fields.load();
        let field = field.by_number(self.field.number);
        !flags.iter().any(|flag| flag.load(Ordering::Acquire))
            && field.is_some_and(|field| Arc::ptr_eq(field, &self.field))
    }
}

/// How many vectors of so many bytes are built of at once.
pub(crate) fn build_points_max(vector_bytes: usize) -> usize {
    BUILD_BYTES_MAX / vector_bytes
}

/// The rows of the points that are alive in a field's indexes.
struct Rows<'a> {
    core: &'a Core,
    field: &'a Field,
    index: &'a DenseIndex,
    snapshot: Snapshot,
}

impl<'a> Rows<'a> {
    fn new(core: &'a Core, field: &'a Field, index: &'a DenseIndex) -> Rows<'a> {
        Rows {
            core,
            field,
            index,
            snapshot: core.db.snapshot(),
        }
    }

    /// Shows the vectors of up to `count` points with numbers from `first` to before `end`. Returns the number to go on with.
    fn each(
        &self,
        first: u64,
        end: u64,
        count: usize,
        closing: &AtomicBool,
        mut show: impl FnMut(PointId, Vector) -> Result<()>,
    ) -> Result<u64> {
        let (points, id) = (&self.core.keyspaces.points, self.core.id);
        let Some(last) = end.checked_sub(1).filter(|&last| first <= last) else {
            return Ok(first.max(end));
        };
        let [first_key, last_key] =
            [first, last].map(|number| keyspace::point_key(id, PointId(number)));
        let mut rows = self.snapshot.range(points, first_key..=last_key);
        let (mut shown, mut looked_at) = (0, 0);
        while let Some((key, value)) = rows.try_next()? {
            let point = PointId(keyspace::decode_number("points", &key)?);
            if shown == count || looked_at == FILL_ROWS || closing.load(Ordering::Relaxed) {
                return Ok(point.0);
            }
            looked_at += 1;
            let row = PointRow::parse(&key, &value)?;
            let vector = row.vector(&key, self.field.number, &self.field.spec)?;
            if let Some(VectorValue::Dense(vector)) = vector
                && self.index.holds(point)
            {
                show(point, vector)?;
                shown += 1;
            }
        }
        Ok(end)
    }
}
