//! Points in the order of an indexed number or moment, a part at a time.

use crate::error::Result;
use crate::filter::{Number, Path};
use crate::payload::index::Index;
use crate::payload::kind::{
    Mark, PayloadIndexKind, float_key, float_of, float_of_key, integer_key, integer_of_key,
};
use crate::payload::memory::{Memory, Values};
use crate::timestamp::Timestamp;
use crate::view::CollectionView;
use roaring::RoaringTreemap;
use std::ops::Bound;
use std::sync::Arc;

/// An indexed value that points are ordered by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ordinal {
    Number(Number),
    Datetime(Timestamp),
}

/// A walk over an index from one end, or from a value on.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    view: &'a CollectionView,
    index: Arc<Index>,
    descending: bool,
    /// The key that comes next, or those behind one.
    from: Bound<u64>,
}

/// A part of a walk.
#[derive(Debug)]
pub(crate) struct Part {
    /// All points with one of its values.
    pub(crate) points: RoaringTreemap,
    /// The value that comes first.
    pub(crate) first: Ordinal,
}

impl CollectionView {
    /// A walk by the values at `path`: numbers, or moments if `datetime` says so. It begins with `from`. `None` when no index
    /// knows all of these values that points of `visible` have.
    pub(crate) fn walk(
        &self,
        path: &Path,
        datetime: bool,
        descending: bool,
        from: Option<Ordinal>,
        visible: &RoaringTreemap,
    ) -> Result<Option<Walk<'_>>> {
        for index in self.core.payload.indexes().iter() {
            let suits = match index.kind {
                PayloadIndexKind::Integer | PayloadIndexKind::Float => !datetime,
                PayloadIndexKind::Datetime => datetime,
                _ => false,
            };
            if !suits || index.path != *path || !index.is_usable_at(self.snapshot.seq()) {
                continue;
            }
            let knows_all = match index.load(&self.core)? {
                // What is no moment has no place in the order of moments.
                Some(memory) => datetime || memory.marked(Mark::Other).is_disjoint(visible),
                None => false,
            };
            let from = match from {
                None => Some(Bound::Unbounded),
                Some(from) => key_of(index.kind, from).map(Bound::Included),
            };
            if let (true, Some(from)) = (knows_all, from) {
                return Ok(Some(Walk {
                    view: self,
                    index: Arc::clone(index),
                    descending,
                    from,
                }));
            }
        }
        Ok(None)
    }
}

impl Walk<'_> {
    /// The next values with their points, so many points or more unless there are none left. `None` at the end, and when the index
    /// was dropped meanwhile.
    pub(crate) fn next(&mut self, points_min: u64) -> Result<Option<Part>> {
        let Some(memory) = self.index.load(&self.view.core)? else {
            return Ok(None);
        };
        let Memory {
            values: Values::Numbers(values),
            kind,
            ..
        } = &*memory
        else {
            return Ok(None);
        };
        let mut points = RoaringTreemap::new();
        let mut keys: Option<(u64, u64)> = None;
        let mut take = |(key, posting): &(u64, crate::payload::posting::Posting)| {
            posting.union_into(&mut points);
            keys = Some((keys.map_or(*key, |(first, _)| first), *key));
            points.len() < points_min
        };
        if self.descending {
            values.descend(self.from).all(&mut take);
        } else {
            values.range((self.from, Bound::Unbounded)).all(&mut take);
        }
        Ok(keys.map(|(first, last)| {
            self.from = Bound::Excluded(last);
            Part {
                points,
                first: ordinal(*kind, first),
            }
        }))
    }
}

/// The key of `value` in an index, if it has one there.
fn key_of(kind: PayloadIndexKind, value: Ordinal) -> Option<u64> {
    match (kind, value) {
        (PayloadIndexKind::Integer, Ordinal::Number(number)) => number.as_i64().map(integer_key),
        (PayloadIndexKind::Float, Ordinal::Number(number)) => float_of(number).map(float_key),
        (PayloadIndexKind::Datetime, Ordinal::Datetime(moment)) => {
            Some(integer_key(moment.as_micros()))
        }
        _ => None,
    }
}

fn ordinal(kind: PayloadIndexKind, key: u64) -> Ordinal {
    match kind {
        PayloadIndexKind::Integer => Ordinal::Number(Number::from(integer_of_key(key))),
        PayloadIndexKind::Datetime => {
            Ordinal::Datetime(Timestamp::from_micros(integer_of_key(key)))
        }
        _ => Ordinal::Number(Number::from(float_of_key(key))),
    }
}
