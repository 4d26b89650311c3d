//! What is known of points that searches have found lately, their rows or their documents' ids: getting it from here costs a
//! tenth of looking it up in the storage engine.
//!
//! A point never changes, and its number is never given again, so that nothing here can be out of date; whether the point is
//! visible is another question. What was not asked for during the time in which half of the memory was filled anew is forgotten.

use crate::id::DocId;
use crate::keyspace::CollectionId;
use aether_distance::prefetch;
use aether_index::PointId;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::IntoIter;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// So many lookups can go on at once.
const SHARDS: usize = 16;

/// Memory that a value takes beside its own bytes, about.
const ENTRY_BYTES: usize = 96;

/// Values that are forgotten with each that comes: they are gone before the next ones die.
const DYING: usize = 4;

/// With so many values in a shard, room is made for as many as there are going to be, if they are all like these: to move more of them to
/// another place would keep a search waiting for up to a millisecond. A small database takes no such room.
const FEW: usize = 256;

/// A cache for all collections of a database.
#[derive(Debug)]
pub(crate) struct PointCache<V> {
    shards: [Mutex<Shard<V>>; SHARDS],
    /// Memory for the younger values of a shard.
    young_bytes_max: usize,
}

type Key = (CollectionId, PointId);

type Values<V> = HashMap<Key, V, BuildHasherDefault<KeyHasher>>;

#[derive(Debug)]
struct Shard<V> {
    young: Values<V>,
    young_bytes: usize,
    /// Those that were young before.
    old: Values<V>,
    /// Those that were old before, which are forgotten a few at a time: all at once they would keep a search waiting for a millisecond.
    dying: IntoIter<Key, V>,
}

/// Numbers that nobody outside chooses need no more than to be spread.
#[derive(Debug, Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(byte.into());
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 32;
    }
}

/// What a cache can keep.
pub(crate) trait Cached: Clone {
    /// Bytes that it takes besides itself.
    fn held_bytes(&self) -> usize;
}

impl Cached for Arc<[u8]> {
    fn held_bytes(&self) -> usize {
        self.len()
    }
}

impl Cached for Bytes {
    fn held_bytes(&self) -> usize {
        self.len()
    }
}

impl Cached for DocId {
    fn held_bytes(&self) -> usize {
        match self {
            DocId::Str(id) => id.capacity(),
            DocId::U64(_) | DocId::Uuid(_) => 0,
        }
    }
}

impl<V: Cached> PointCache<V> {
    /// A cache that takes about so many bytes; none at all with 0.
    pub(crate) fn new(bytes: usize) -> PointCache<V> {
        let shard = || Shard {
            young: Values::default(),
            young_bytes: 0,
            old: Values::default(),
            dying: Values::default().into_iter(),
        };
        PointCache {
            shards: std::array::from_fn(|_| Mutex::new(shard())),
            young_bytes_max: bytes / SHARDS / 2,
        }
    }

    /// What is known of a point, if it is here.
    pub(crate) fn get(&self, collection: CollectionId, point: PointId) -> Option<V> {
        let key = (collection, point);
        let mut shard = self.shard(point).lock();
        if let Some(value) = shard.young.get(&key) {
            return Some(value.clone());
        }
        let value = shard.old.remove(&key)?;
        shard.insert(key, value.clone(), self.young_bytes_max);
        Some(value)
    }

    /// Keeps what is known of a point.
    pub(crate) fn insert(&self, collection: CollectionId, point: PointId, value: V) {
        if value.held_bytes() + ENTRY_BYTES <= self.young_bytes_max {
            let mut shard = self.shard(point).lock();
            shard.insert((collection, point), value, self.young_bytes_max);
        }
    }

    fn shard(&self, point: PointId) -> &Mutex<Shard<V>> {
        // Neighbouring numbers are of one batch: the low bits spread them.
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits matter")]
        let shard = point.0 as usize % SHARDS;
        &self.shards[shard]
    }
}

impl PointCache<Arc<[u8]>> {
    /// Asks memory for the rows of points, all at once: to [get](PointCache::get) one is to count a reader where the row begins, and
    /// each would be waited for. It does not count as getting them.
    pub(crate) fn fetch(&self, collection: CollectionId, points: &[PointId]) {
        for &point in points {
            let key = (collection, point);
            let shard = self.shard(point).lock();
            if let Some(row) = shard.young.get(&key).or_else(|| shard.old.get(&key)) {
                prefetch(row);
            }
        }
    }
}

impl<V: Cached> Shard<V> {
    fn insert(&mut self, key: Key, value: V, young_bytes_max: usize) {
        let bytes = value.held_bytes() + ENTRY_BYTES;
        self.dying.by_ref().take(DYING).for_each(drop);
        if self.young.len() == FEW {
            let all = young_bytes_max / (self.young_bytes / FEW).max(1);
            self.young.reserve(all.saturating_sub(FEW));
        }
        if self.young_bytes + bytes > young_bytes_max {
            let young = Values::with_capacity_and_hasher(self.young.len(), Default::default());
            let young = std::mem::replace(&mut self.young, young);
            self.dying = std::mem::replace(&mut self.old, young).into_iter();
            self.young_bytes = 0;
        }
        if self.young.insert(key, value).is_none() {
            self.young_bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Bytes = Bytes::from_static(&[7; 100]);

    #[test]
    fn what_is_asked_for_stays_and_memory_is_bounded() {
        let cache = PointCache::new(1 << 20);
        let collection = CollectionId(1);
        for point in (0..100_000).map(PointId) {
            cache.insert(collection, point, ROW);
            if point.0 % 100 == 0 {
                cache.get(collection, PointId(0)).unwrap();
            }
        }
        assert!(cache.get(collection, PointId(99_999)).unwrap() == ROW);
        assert!(cache.get(collection, PointId(1)).is_none());
        assert!(cache.get(CollectionId(2), PointId(0)).is_none());
        let bytes = |rows: usize| rows * (ROW.len() + ENTRY_BYTES);
        let (mut rows, mut dying) = (0, 0);
        for shard in &cache.shards {
            let shard = shard.lock();
            rows += shard.young.len() + shard.old.len();
            dying += shard.dying.len();
        }
        assert!(rows > 1_000 && bytes(rows) <= 1 << 20);
        assert!(bytes(dying) <= 1 << 19);
    }

    #[test]
    fn what_is_forgotten_goes_a_few_at_a_time() {
        let cache = PointCache::new(1 << 20);
        let shard = |read: &dyn Fn(&Shard<Bytes>) -> usize| read(&cache.shards[0].lock());
        let (mut before, mut most) = (0, 0);
        for point in (0..10_000).map(|i| PointId(i * SHARDS as u64)) {
            cache.insert(CollectionId(1), point, ROW);
            let now = shard(&|shard| shard.dying.len());
            assert!(now + DYING >= before, "{before} to {now}");
            (before, most) = (now, most.max(now));
        }
        assert!(most > 10 * DYING);
    }

    #[test]
    fn few_take_little_room_and_many_are_not_moved() {
        let cache = PointCache::new(16 << 20);
        let room = || {
            let shard = cache.shards[0].lock();
            (shard.young.len(), shard.young.capacity())
        };
        let (mut before, mut most) = (room(), 0);
        for point in (0..10_000).map(|i| PointId(i * SHARDS as u64)) {
            cache.insert(CollectionId(1), point, ROW);
            let now = room();
            assert!(now.0 >= FEW || now.1 < 4 * FEW || most > FEW, "{now:?}");
            assert!(before.0 <= FEW || now.0 < before.0 || now.1 == before.1);
            (before, most) = (now, most.max(now.0));
        }
        assert!(most > 2_000, "{most}");
    }

    #[test]
    fn without_memory_nothing_is_kept() {
        let cache = PointCache::new(0);
        cache.insert(CollectionId(1), PointId(1), DocId::U64(7));
        assert!(cache.get(CollectionId(1), PointId(1)).is_none());
    }
}
