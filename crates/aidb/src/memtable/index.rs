//! Which write of a key is its newest: a hash table that grows under its readers.
//!
//! ```text
//! hash     low bits: segment    high half: tag
//! segment  open addressing; the home of a key is given by the first bits of its tag, so that growing is one pass
//! slot     0: free    tag << 32 | write id + 1
//! ```
//!
//! Slots are only ever filled or given a newer write. A full segment is copied into a larger one, which then takes
//! its place; a reader of the old one misses only writes that were not visible when it began. Segments fill at about
//! the same time but grow one by one, so that no commit pays for all of them.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::keyspace::KeyspaceId;
use crate::sync::atomic::AtomicU64;
use crate::sync::{ArcSwap, Guard, unless_modelled};

use super::writes::WriteId;

const SEGMENTS: usize = unless_modelled(64, 1);

/// Slots of a segment with its first key.
const SLOTS_MIN: usize = unless_modelled(16, 4);

/// See the head of this module. One thread at a time changes it, any number read.
#[derive(Debug)]
pub(super) struct Index {
    /// Nobody outside can know which keys meet in a slot. It decides nothing that can be seen.
    seed: u64,
    segments: Box<[ArcSwap<Segment>]>,
}

impl Index {
    pub(super) fn new() -> Index {
        let empty = Arc::new(Segment::new(0));
        Index {
            seed: match cfg!(loom) {
                true => 0, // a model repeats itself
                false => RandomState::new().hash_one(0),
            },
            segments: std::iter::repeat_with(|| ArcSwap::new(Arc::clone(&empty)))
                .take(SEGMENTS)
                .collect(),
        }
    }

    /// The newest write of a key; `is_of` tells whether a write is one of this key.
    pub(super) fn newest(
        &self,
        keyspace: KeyspaceId,
        user_key: &[u8],
        is_of: impl Fn(WriteId) -> bool,
    ) -> Option<WriteId> {
        let hash = self.hash(keyspace, user_key);
        let segment = self.segment(hash).load();
        segment.find(tag(hash), is_of).1
    }

    /// Where the newest write of a key stands, or will stand.
    pub(super) fn place(
        &self,
        keyspace: KeyspaceId,
        user_key: &[u8],
        is_of: impl Fn(WriteId) -> bool,
    ) -> Place {
        let hash = self.hash(keyspace, user_key);
        let shared = self.segment(hash);
        let mut segment = shared.load();
        if segment.is_full() {
            shared.store(Arc::new(segment.grown()));
            segment = shared.load();
        }
        let (slot, newest) = segment.find(tag(hash), is_of);
        Place {
            segment,
            slot,
            tag: tag(hash),
            newest,
        }
    }

    /// Brings the slots of `keys` into the processor's cache: many at once, where [`Index::place`] waits for each.
    pub(super) fn fetch<'a>(&self, keys: impl Iterator<Item = (KeyspaceId, &'a [u8])>) {
        let segments: Vec<_> = self.segments.iter().map(ArcSwap::load_full).collect();
        let contents = keys.map(|(keyspace, user_key)| {
            let hash = self.hash(keyspace, user_key);
            segments[segment_of(hash)].home(tag(hash))
        });
        std::hint::black_box(contents.fold(0, |all, content| all | content));
    }

    fn hash(&self, keyspace: KeyspaceId, user_key: &[u8]) -> u64 {
        xxh3_64_with_seed(user_key, self.seed.wrapping_add(keyspace.0.into()))
    }

    fn segment(&self, hash: u64) -> &ArcSwap<Segment> {
        &self.segments[segment_of(hash)]
    }
}

fn segment_of(hash: u64) -> usize {
    let [low, ..] = hash.to_le_bytes();
    usize::from(low) % SEGMENTS
}

/// The upper half of a hash.
fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// A slot that is about to get a write.
pub(super) struct Place {
    segment: Guard<Arc<Segment>>,
    slot: usize,
    tag: u32,
    /// The write that stands there.
    pub(super) newest: Option<WriteId>,
}

impl Place {
    /// From now on `write` is the newest one of the key.
    pub(super) fn fill(self, write: WriteId) {
        if self.newest.is_none() {
            self.segment.used.fetch_add(1, Ordering::Relaxed);
        }
        let content = u64::from(self.tag) << 32 | (u64::from(write.0) + 1);
        self.segment.slots[self.slot].store(content, Ordering::Release);
    }
}

#[derive(Debug)]
struct Segment {
    /// A power of two of them, or none.
    slots: Box<[AtomicU64]>,
    used: AtomicU32,
}

impl Segment {
    fn new(slots: usize) -> Segment {
        Segment {
            slots: std::iter::repeat_with(|| AtomicU64::new(0))
                .take(slots)
                .collect(),
            used: AtomicU32::new(0),
        }
    }

    /// True when less than a third of the slots is free.
    fn is_full(&self) -> bool {
        self.used.load(Ordering::Relaxed) as usize * 3 >= self.slots.len() * 2
    }

    fn grown(&self) -> Segment {
        let grown = Segment::new((self.slots.len() * 2).max(SLOTS_MIN));
        for slot in &self.slots {
            let content = slot.load(Ordering::Relaxed);
            if content != 0 {
                let (free, _) = grown.find((content >> 32) as u32, |_| false);
                grown.slots[free].store(content, Ordering::Relaxed);
            }
        }
        grown
            .used
            .store(self.used.load(Ordering::Relaxed), Ordering::Relaxed);
        grown
    }

    /// Where the search for a tag begins.
    #[inline]
    fn first_slot(&self, tag: u32) -> usize {
        (u64::from(tag) << self.slots.len().trailing_zeros() >> 32) as usize
    }

    /// What stands there.
    #[inline]
    fn home(&self, tag: u32) -> u64 {
        if self.slots.is_empty() {
            return 0;
        }
        self.slots[self.first_slot(tag)].load(Ordering::Relaxed)
    }

    /// The slot of the key with `tag` for which `is_of` holds, and the write there; or the slot where it belongs.
    fn find(&self, tag: u32, is_of: impl Fn(WriteId) -> bool) -> (usize, Option<WriteId>) {
        if self.slots.is_empty() {
            return (0, None);
        }
        let mask = self.slots.len() - 1;
        let mut slot = self.first_slot(tag);
        loop {
            let content = self.slots[slot & mask].load(Ordering::Acquire);
            if content == 0 {
                return (slot & mask, None);
            }
            let (found, write) = ((content >> 32) as u32, content & u64::from(u32::MAX));
            let write = WriteId(u32::try_from(write - 1).expect("it has 32 bits"));
            if found == tag && is_of(write) {
                return (slot & mask, Some(write));
            }
            slot += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_newest_write_while_the_table_grows() {
        let index = Index::new();
        let keys: Vec<[u8; 4]> = (0..20_000_u32).map(u32::to_be_bytes).collect();
        let key_of = |write: WriteId| keys[write.0 as usize % keys.len()];
        for round in 0..2_u32 {
            for number in 0..20_000_u32 {
                let key = keys[number as usize];
                let place = index.place(KeyspaceId(1), &key, |write| key_of(write) == key);
                let before = (round == 1).then_some(WriteId(number));
                assert_eq!(place.newest, before);
                place.fill(WriteId(round * 20_000 + number));
            }
        }
        for number in 0..20_000_u32 {
            let key = keys[number as usize];
            let newest = index.newest(KeyspaceId(1), &key, |write| key_of(write) == key);
            assert_eq!(newest, Some(WriteId(20_000 + number)));
            let absent = index.newest(KeyspaceId(2), &key, |_| false);
            assert_eq!(absent, None);
        }
    }

    /// Keys whose hashes begin alike share a slot: they are told apart, and the search wraps around the end.
    #[test]
    fn keys_with_one_tag_stand_side_by_side() {
        let segment = Segment::new(16);
        for number in 0..10_u32 {
            let (slot, found) = segment.find(u32::MAX, |write| write.0 == number);
            assert_eq!((slot, found), ((15 + number as usize) % 16, None));
            segment.slots[slot].store(
                u64::from(u32::MAX) << 32 | u64::from(number + 1),
                Ordering::Relaxed,
            );
        }
        let grown = segment.grown();
        for number in 0..10_u32 {
            let (_, found) = grown.find(u32::MAX, |write| write.0 == number);
            assert_eq!(found, Some(WriteId(number)));
        }
    }
}
