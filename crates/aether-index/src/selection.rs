//! Points of an index that were looked up once, for many searches that allow only these.

use crate::hnsw::Copied;
use crate::ivf::Bucket;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Some points of one index: one bit for each of its places. Of use until the index changes (see [`Hnsw::select`] and
/// [`Ivf::select`]); then searches say so.
///
/// [`Hnsw::select`]: crate::Hnsw::select
/// [`Ivf::select`]: crate::Ivf::select
#[derive(Debug)]
pub struct Selection {
    version: u64,
    slots: Vec<u64>,
    len: usize,
    /// In an index of buckets, for each of these: how many of the points are in it.
    in_buckets: Vec<u32>,
    /// The same buckets with nothing but these points, where that is worth its memory.
    copies: Option<Vec<Bucket>>,
    /// In a graph, their codes side by side: copied when they are scanned for the first time, if there is memory.
    codes: OnceLock<Option<Copied>>,
    /// Bytes that this takes; 0: they are too many to be copied.
    codes_bytes: usize,
    /// In a graph, some of the points, from all over it.
    starts: Vec<u32>,
}

impl Selection {
    /// Without points, of an index in this state and with so many places.
    pub(crate) fn new(version: u64, bound: u32) -> Selection {
        Selection {
            version,
            slots: vec![0; (bound as usize).div_ceil(64)],
            len: 0,
            in_buckets: Vec::new(),
            copies: None,
            codes: OnceLock::new(),
            codes_bytes: 0,
            starts: Vec::new(),
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

    /// What is known of buckets.
    pub(crate) fn set_buckets(&mut self, in_buckets: Vec<u32>, copies: Option<Vec<Bucket>>) {
        self.in_buckets = in_buckets;
        self.copies = copies;
    }

    /// How many of the points are in a bucket.
    #[inline]
    pub(crate) fn in_bucket(&self, bucket: u32) -> u32 {
        self.in_buckets.get(bucket as usize).copied().unwrap_or(0)
    }

    /// All buckets with nothing but the points.
    pub(crate) fn copies(&self) -> Option<&[Bucket]> {
        self.copies.as_deref()
    }

    /// What is known in a graph.
    pub(crate) fn set_nodes(&mut self, codes_bytes: usize, starts: Vec<u32>) {
        self.codes_bytes = codes_bytes;
        self.starts = starts;
    }

    /// Whether the codes of the points are copied, or will be.
    pub(crate) fn has_codes(&self) -> bool {
        self.codes_bytes > 0
    }

    /// The codes of the points, which are copied now if they were not before.
    pub(crate) fn codes(&self, copy: impl FnOnce() -> Option<Copied>) -> Option<&Copied> {
        self.codes.get_or_init(copy).as_ref()
    }

    /// Where a walk among the points may begin.
    pub(crate) fn starts(&self) -> &[u32] {
        &self.starts
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

    /// Bytes that it takes, what searches will still copy included.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Selection>()
            + self.slots.capacity() * size_of::<u64>()
            + self.in_buckets.capacity() * size_of::<u32>()
            + self.starts.capacity() * size_of::<u32>()
            + self.codes_bytes
            + self.copies().map_or(0, |copies| {
                let heap: usize = copies.iter().map(Bucket::memory_bytes).sum();
                heap + size_of_val(copies)
            })
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
        selection.set_buckets(vec![0, 7], None);
        assert_eq!(
            [0, 1, 2].map(|bucket| selection.in_bucket(bucket)),
            [0, 7, 0]
        );
    }
}
