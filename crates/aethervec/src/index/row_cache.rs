//! Rows of points that searches have found lately, kept as they are: getting one from here costs a tenth of looking it up in
//! the storage engine.
//!
//! A point never changes, and its number is never given again, so that no row here can be out of date; whether the point is
//! visible is another question. What was not asked for during the time in which half of the memory was filled anew is forgotten.

use crate::keyspace::CollectionId;
use aether_index::PointId;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::HashMap;

/// So many lookups can go on at once.
const SHARDS: usize = 16;

/// Memory that a row takes beside its own bytes, about.
const ENTRY_BYTES: usize = 96;

/// A cache for all collections of a database.
#[derive(Debug)]
pub(crate) struct RowCache {
    shards: [Mutex<Shard>; SHARDS],
    /// Memory for the younger rows of a shard.
    young_bytes_max: usize,
}

type Key = (CollectionId, PointId);

#[derive(Debug, Default)]
struct Shard {
    young: HashMap<Key, Bytes>,
    young_bytes: usize,
    /// Those that were young before.
    old: HashMap<Key, Bytes>,
}

impl RowCache {
    /// A cache that takes about so many bytes; none at all with 0.
    pub(crate) fn new(bytes: usize) -> RowCache {
        RowCache {
            shards: Default::default(),
            young_bytes_max: bytes / SHARDS / 2,
        }
    }

    /// The row of a point, if it is here.
    pub(crate) fn get(&self, collection: CollectionId, point: PointId) -> Option<Bytes> {
        let key = (collection, point);
        let mut shard = self.shard(point).lock();
        if let Some(row) = shard.young.get(&key) {
            return Some(row.clone());
        }
        let row = shard.old.remove(&key)?;
        shard.insert(key, row.clone(), self.young_bytes_max);
        Some(row)
    }

    /// Keeps a copy of the row of a point.
    pub(crate) fn insert(&self, collection: CollectionId, point: PointId, row: &[u8]) {
        if row.len() + ENTRY_BYTES <= self.young_bytes_max {
            let row = Bytes::copy_from_slice(row);
            let mut shard = self.shard(point).lock();
            shard.insert((collection, point), row, self.young_bytes_max);
        }
    }

    fn shard(&self, point: PointId) -> &Mutex<Shard> {
        // Neighbouring numbers are of one batch: the low bits spread them.
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits matter")]
        let shard = point.0 as usize % SHARDS;
        &self.shards[shard]
    }
}

impl Shard {
    fn insert(&mut self, key: Key, row: Bytes, young_bytes_max: usize) {
        let bytes = row.len() + ENTRY_BYTES;
        if self.young_bytes + bytes > young_bytes_max {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        if self.young.insert(key, row).is_none() {
            self.young_bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: [u8; 100] = [7; 100];

    #[test]
    fn what_is_asked_for_stays_and_memory_is_bounded() {
        let cache = RowCache::new(1 << 20);
        let collection = CollectionId(1);
        for point in (0..100_000).map(PointId) {
            cache.insert(collection, point, &ROW);
            if point.0 % 100 == 0 {
                cache.get(collection, PointId(0)).unwrap();
            }
        }
        assert!(cache.get(collection, PointId(99_999)).unwrap() == ROW[..]);
        assert!(cache.get(collection, PointId(1)).is_none());
        assert!(cache.get(CollectionId(2), PointId(0)).is_none());
        let rows = cache.shards.iter().map(|shard| {
            let shard = shard.lock();
            shard.young.len() + shard.old.len()
        });
        let rows: usize = rows.sum();
        assert!(rows > 1_000 && rows * (ROW.len() + ENTRY_BYTES) <= 1 << 20);
    }

    #[test]
    fn without_memory_nothing_is_kept() {
        let cache = RowCache::new(0);
        cache.insert(CollectionId(1), PointId(1), &ROW);
        assert!(cache.get(CollectionId(1), PointId(1)).is_none());
    }
}
