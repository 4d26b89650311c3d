//! The keys and ranges that a transaction depends on, or has locked.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use bytes::Bytes;

use crate::keyspace::KeyspaceId;

/// A range of keys.
pub(crate) type KeyRange = (Bound<Bytes>, Bound<Bytes>);

/// Keys and ranges, by keyspace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Footprint {
    pub(crate) points: BTreeMap<KeyspaceId, BTreeSet<Bytes>>,
    pub(crate) ranges: BTreeMap<KeyspaceId, Vec<KeyRange>>,
}

impl Footprint {
    pub(crate) fn add_point(&mut self, keyspace: KeyspaceId, key: Bytes) {
        self.points.entry(keyspace).or_default().insert(key);
    }

    /// Adds a range, unless nothing can be in it.
    pub(crate) fn add_range(&mut self, keyspace: KeyspaceId, range: KeyRange) {
        if !is_empty(as_slices(&range)) {
            self.ranges.entry(keyspace).or_default().push(range);
        }
    }

    /// How many keys it has, and how many ranges.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let points = self.points.values().map(BTreeSet::len).sum();
        let ranges = self.ranges.values().map(Vec::len).sum();
        (points, ranges)
    }

    pub(crate) fn extend(&mut self, other: &Footprint) {
        for (keyspace, keys) in &other.points {
            self.points
                .entry(*keyspace)
                .or_default()
                .extend(keys.iter().cloned());
        }
        for (keyspace, ranges) in &other.ranges {
            self.ranges
                .entry(*keyspace)
                .or_default()
                .extend(ranges.iter().cloned());
        }
    }

    /// True when `key` is one of its keys or in one of its ranges.
    pub(crate) fn has_point(&self, keyspace: KeyspaceId, key: &[u8]) -> bool {
        let is_point = |keys: &BTreeSet<Bytes>| keys.contains(key);
        let is_in = |ranges: &Vec<KeyRange>| ranges.iter().any(|range| contains(range, key));
        self.points.get(&keyspace).is_some_and(is_point)
            || self.ranges.get(&keyspace).is_some_and(is_in)
    }

    /// The first of its keys, or the start of one of its ranges, that `start` to `end` (excluded) meets.
    pub(crate) fn meets(&self, keyspace: KeyspaceId, start: &[u8], end: &[u8]) -> Option<Bytes> {
        let other = (Bound::Included(start), Bound::Excluded(end));
        if is_empty(other) {
            return None;
        }
        let point = self
            .points
            .get(&keyspace)
            .and_then(|keys| keys.range::<[u8], _>(other).next().cloned());
        point.or_else(|| {
            let ranges = self.ranges.get(&keyspace)?;
            let met = ranges.iter().find(|range| overlap(as_slices(range), other));
            met.map(|_| Bytes::copy_from_slice(start))
        })
    }
}

/// The bounds of a range, as slices.
fn as_slices(range: &KeyRange) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (
        range.0.as_ref().map(|key| &key[..]),
        range.1.as_ref().map(|key| &key[..]),
    )
}

/// True when `key` is in `range`.
pub(crate) fn contains(range: &KeyRange, key: &[u8]) -> bool {
    (match &range.0 {
        Bound::Included(lower) => key >= &lower[..],
        Bound::Excluded(lower) => key > &lower[..],
        Bound::Unbounded => true,
    }) && (match &range.1 {
        Bound::Included(upper) => key <= &upper[..],
        Bound::Excluded(upper) => key < &upper[..],
        Bound::Unbounded => true,
    })
}

/// True when no key can be in it: such bounds must not be asked of a map, either.
fn is_empty((lower, upper): (Bound<&[u8]>, Bound<&[u8]>)) -> bool {
    match (lower, upper) {
        (Bound::Unbounded, Bound::Excluded(upper)) => upper.is_empty(),
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(lower), Bound::Included(upper)) => lower > upper,
        (
            Bound::Excluded(lower) | Bound::Included(lower),
            Bound::Excluded(upper) | Bound::Included(upper),
        ) => lower >= upper,
    }
}

/// True unless one ends before the other begins. Neither is empty.
fn overlap(a: (Bound<&[u8]>, Bound<&[u8]>), b: (Bound<&[u8]>, Bound<&[u8]>)) -> bool {
    !is_empty((a.0, b.1)) && !is_empty((b.0, a.1))
}
