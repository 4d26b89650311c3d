//! One family takes the place of the other: the lane builds the new index from the rows of `points`, a step at a time, while
//! searches go on in the old one, which takes new points meanwhile. When it has all that the old one has, it takes its place,
//! and the next checkpoint replaces the saved one. A crash before that leaves the old one, and it begins again.

use crate::ann::Ann;
use crate::error::Result;
use crate::index::core::Core;
use crate::index::dense::DenseIndex;
use crate::index::field::Field;
use crate::keyspace::{self, PointRow};
use crate::plan::choice::{ANN_POINTS_MIN, Choice};
use crate::vector::{Vector, VectorValue};
use aether_index::PointId;
use aidb::Snapshot;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Points put into the new index in one step: more than come into the old one.
const FILL_POINTS: usize = 1_024;

/// Rows looked at in one step: not each has a vector in the field.
const FILL_ROWS: usize = 1 << 16;

/// An index that is to take the place of another one.
#[derive(Debug)]
pub(crate) struct Successor {
    pub(crate) ann: Arc<Ann>,
    /// Of the points below this number it has those that are alive in the old one.
    pub(crate) reached: AtomicU64,
}

/// Goes on with the index that is to take the place of the field's present one, if another one is better by now. Returns how
/// many numbers it went on, or, when it has taken that place, how many points it holds. 0: there is nothing to do.
pub(crate) fn step(
    core: &Core,
    (field, index): (&Field, &DenseIndex),
    seed: u64,
    closing: &AtomicBool,
) -> Result<u64> {
    let Some((old, choice)) = index.outgrown() else {
        index.next.store(None);
        return Ok(0);
    };
    let rows = Rows {
        core,
        field,
        old: &old,
        snapshot: core.db.snapshot(),
    };
    let next = index.next.load_full();
    let next = next.filter(|next| Some(next.ann.family()) == choice.family());
    let next = match next {
        Some(next) => next,
        None => begin(index, choice, seed, &rows)?,
    };
    let (first, end) = (next.reached.load(Ordering::Acquire), index.applied());
    let reached = rows.each(first, end, FILL_POINTS, closing, |point, vector| {
        next.ann.insert(point, vector.as_ref())?;
        Ok(())
    })?;
    next.reached.store(reached, Ordering::Release);
    if reached < end {
        return Ok(reached - first);
    }
    index.replace(Arc::clone(&next.ann));
    index.next.store(None);
    Ok((next.ann.len() as u64).max(1))
}

fn begin(index: &DenseIndex, choice: Choice, seed: u64, rows: &Rows<'_>) -> Result<Arc<Successor>> {
    let shape = choice
        .shape
        .expect("an approximate index only gives way to another one");
    let mut some = Vec::new();
    let never = AtomicBool::new(false);
    rows.each(0, index.applied(), ANN_POINTS_MIN, &never, |_, vector| {
        some.push(vector);
        Ok(())
    })?;
    let ann = Ann::new(shape, &index.spec, seed, some.iter().map(Vector::as_ref))?;
    let next = Arc::new(Successor {
        ann: Arc::new(ann),
        reached: AtomicU64::new(0),
    });
    index.next.store(Some(Arc::clone(&next)));
    Ok(next)
}

/// The rows of the points that are alive in an index.
struct Rows<'a> {
    core: &'a Core,
    field: &'a Field,
    old: &'a Ann,
    snapshot: Snapshot,
}

impl Rows<'_> {
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
            return Ok(end);
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
                && self.old.contains(point)
            {
                show(point, vector)?;
                shown += 1;
            }
        }
        Ok(end)
    }
}
