//! Points of an index that were looked up once, for many searches that allow only these.

use std::sync::atomic::{AtomicU64, Ordering};

/// Some points of one index: one bit for each of its places. Of use until the index changes (see [`Hnsw::select`] and
/// [`Ivf::select`]); then searches say so.
///
/// [`Hnsw::select`]: crate::Hnsw::select
/// [`Ivf::select`]: crate::Ivf::select
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    version: u64,
    slots: Vec<u64>,
    len: usize,
    /// In an index of buckets: how many points of the selection each has.
    buckets: Vec<u32>,
}

impl Selection {
    /// Without points, of an index in this state and with so many places.
    pub(crate) fn new(version: u64, bound: u32) -> Selection {
        Selection {
            version,
            slots: vec![0; (bound as usize).div_ceil(64)],
            len: 0,
            buckets: Vec::new(),
        }
    }

    pub(crate) fn insert(&mut self, slot: u32) {
        if let Some(word) = self.slots.get_mut(slot as usize / 64) {
            let bit = 1 << (slot % 64);
            self.len += usize::from(*word & bit == 0);
            *word |= bit;
        }
    }

    #[inline]
    pub(crate) fn contains(&self, slot: u32) -> bool {
        let word = self.slots.get(slot as usize / 64);
        word.is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }

    /// The places of its points, ascending.
    pub(crate) fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        (0u32..)
            .step_by(64)
            .zip(&self.slots)
            .flat_map(|(first, &word)| {
                let mut rest = word;
                std::iter::from_fn(move || {
                    let bit = (rest != 0).then(|| rest.trailing_zeros())?;
                    rest &= rest - 1;
                    Some(first + bit)
                })
            })
    }

    /// The next bucket has so many of the points.
    pub(crate) fn push_bucket(&mut self, points: u32) {
        self.buckets.push(points);
    }

    /// How many of the points are in a bucket.
    #[inline]
    pub(crate) fn in_bucket(&self, bucket: u32) -> u32 {
        self.buckets.get(bucket as usize).copied().unwrap_or(0)
    }

    /// The state of the index for which it is right.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// How many points there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that it takes.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Selection>()
            + self.slots.capacity() * size_of::<u64>()
            + self.buckets.capacity() * size_of::<u32>()
    }
}

/// The state of an index: it changes after a point can be found that could not before, and before a place is given to
/// another point.
#[derive(Debug, Default)]
pub(crate) struct Version(AtomicU64);

impl Version {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn change(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_in() {
        let mut selection = Selection::new(3, 200);
        let slots = [0, 1, 63, 64, 130, 199];
        for slot in slots.into_iter().chain([64, 5_000]) {
            selection.insert(slot);
        }
        assert!(selection.slots().eq(slots));
        assert_eq!(selection.len(), slots.len());
        for slot in 0..300 {
            assert_eq!(selection.contains(slot), slots.contains(&slot));
        }
        selection.push_bucket(0);
        selection.push_bucket(7);
        assert_eq!(
            [0, 1, 2].map(|bucket| selection.in_bucket(bucket)),
            [0, 7, 0]
        );
    }
}
