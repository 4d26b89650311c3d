//! Which points have died, and when: a hint that saves looking up points that a search cannot see.
//!
//! A stamp is set after the commit that kills the point is visible, and removed once the point is out of every index.
//! In between a search may meet a dead point without a stamp, so the truth stays with `docs`.

use aether_index::PointId;
use aidb::SeqNo;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

const SHARDS: usize = 8;

/// Death stamps of one collection.
#[derive(Debug, Default)]
pub(crate) struct Deaths {
    shards: [RwLock<HashMap<u64, SeqNo>>; SHARDS],
    len: AtomicUsize,
}

impl Deaths {
    /// How many points have a stamp.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// Stamps `points` as dead for every snapshot from `at` on.
    pub(crate) fn stamp(&self, points: &[PointId], at: SeqNo) {
        for &point in points {
            self.shard(point).write().insert(point.0, at);
        }
        self.len.fetch_add(points.len(), Ordering::AcqRel);
    }

    /// Forgets the stamps of `points`, each of which has one.
    pub(crate) fn forget(&self, points: &[PointId]) {
        for &point in points {
            let mut shard = self.shard(point).write();
            shard.remove(&point.0);
            if shard.is_empty() {
                shard.shrink_to_fit();
            }
        }
        self.len.fetch_sub(points.len(), Ordering::AcqRel);
    }

    /// Whether `point` is known to be dead in a snapshot at `at`.
    pub(crate) fn dead_at(&self, point: PointId, at: SeqNo) -> bool {
        self.shard(point)
            .read()
            .get(&point.0)
            .is_some_and(|&died| died <= at)
    }

    /// Whether `point` is known to be dead, but not in a snapshot at `at`.
    pub(crate) fn dies_after(&self, point: PointId, at: SeqNo) -> bool {
        self.shard(point)
            .read()
            .get(&point.0)
            .is_some_and(|&died| died > at)
    }

    /// The points that are known to be dead, but not in a snapshot at `at`.
    pub(crate) fn after(&self, at: SeqNo) -> Vec<u64> {
        let mut points = Vec::new();
        if self.len() > 0 {
            for shard in &self.shards {
                let shard = shard.read();
                let later = shard.iter().filter(|&(_, &died)| died > at);
                points.extend(later.map(|(&point, _)| point));
            }
        }
        points
    }

    fn shard(&self, point: PointId) -> &RwLock<HashMap<u64, SeqNo>> {
        // Neighbouring ids are of one batch: the low bits spread them.
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits matter")]
        let shard = point.0 as usize % SHARDS;
        &self.shards[shard]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_holds_from_its_moment_on() {
        let deaths = Deaths::default();
        deaths.stamp(&[PointId(1), PointId(9)], SeqNo(5));
        assert!(!deaths.dead_at(PointId(1), SeqNo(4)));
        assert!(deaths.dead_at(PointId(1), SeqNo(5)));
        assert!(!deaths.dead_at(PointId(2), SeqNo(9)));
        assert!(deaths.dies_after(PointId(1), SeqNo(4)));
        assert!(!deaths.dies_after(PointId(1), SeqNo(5)));
        deaths.forget(&[PointId(1)]);
        assert!(!deaths.dead_at(PointId(1), SeqNo(5)));
        assert_eq!(deaths.len(), 1);
    }
}
