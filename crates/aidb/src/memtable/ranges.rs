//! The ranges that the writes of a memtable delete.
//!
//! Per keyspace a few sets, each at least about twice as large as the one after it: a new range is a set by itself, and
//! sets of about one size become one. So a reader asks a logarithmic number of sets, and an insertion costs little on
//! average. Readers hold sets; they never change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::key::SeqNo;
use crate::keyspace::KeyspaceId;
use crate::range_deletes::{RangeDelete, RangeDeletes};
use crate::sync::atomic::AtomicU64;
use crate::sync::{ArcSwap, Mutex};

/// Sets of one keyspace, the largest first.
type Sets = Vec<Arc<RangeDeletes>>;

/// See the head of this module.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    /// The number of the newest delete: with none, this is all that a reader looks at.
    last: AtomicU64,
    sets: ArcSwap<BTreeMap<KeyspaceId, Sets>>,
    turn: Mutex<()>,
}

impl Ranges {
    /// Adds a range. It is there for all who learn of its number later.
    pub(super) fn insert(&self, keyspace: KeyspaceId, delete: RangeDelete) {
        let _turn = self.turn.lock();
        let seq = delete.seq;
        let mut all = BTreeMap::clone(&self.sets.load());
        let sets = all.entry(keyspace).or_default();
        sets.push(Arc::new(RangeDeletes::new([delete])));
        while let [.., larger, last] = &sets[..]
            && larger.pieces().len() < 2 * last.pieces().len()
        {
            let united = RangeDeletes::union([&**larger, &**last]);
            sets.truncate(sets.len() - 2);
            sets.push(Arc::new(united));
        }
        self.sets.store(Arc::new(all));
        self.last.store(seq.0, Ordering::Release);
    }

    /// True when nothing was deleted.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.last() == SeqNo::ZERO
    }

    /// The number of the newest delete; zero when there is none.
    #[inline]
    pub(super) fn last(&self) -> SeqNo {
        SeqNo(self.last.load(Ordering::Acquire))
    }

    /// The newest delete of `user_key` up to `at`.
    #[cold]
    pub(super) fn covering_seq(
        &self,
        keyspace: KeyspaceId,
        user_key: &[u8],
        at: SeqNo,
    ) -> Option<SeqNo> {
        let all = self.sets.load();
        let sets = all.get(&keyspace)?.iter();
        sets.filter_map(|set| set.covering_seq(user_key, at)).max()
    }

    /// What is deleted in `keyspace`.
    pub(super) fn sets(&self, keyspace: KeyspaceId) -> Vec<Arc<RangeDeletes>> {
        if self.is_empty() {
            return Vec::new();
        }
        self.sets.load().get(&keyspace).cloned().unwrap_or_default()
    }

    /// The keyspaces in which something is deleted, ascending.
    pub(super) fn keyspaces(&self) -> Vec<KeyspaceId> {
        self.sets.load().keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_stay_few_and_say_what_their_ranges_say() {
        let ranges = Ranges::default();
        assert!(ranges.is_empty() && ranges.sets(KeyspaceId(1)).is_empty());
        let mut given = Vec::new();
        for number in 1..=500_u64 {
            let start = (number * 7919 % 1000) as u16;
            let delete = RangeDelete {
                start: start.to_be_bytes().to_vec().into(),
                end: (start + 5).to_be_bytes().to_vec().into(),
                seq: SeqNo(number),
            };
            given.push((start, number));
            ranges.insert(KeyspaceId(1), delete);
            assert!(ranges.sets(KeyspaceId(1)).len() <= 12);
        }
        for key in 0..1010_u16 {
            for at in [0, 17, 250, 499, 1000] {
                let holds = |start: u16| start <= key && key < start + 5;
                let expected = given
                    .iter()
                    .filter(|(start, seq)| holds(*start) && *seq <= at)
                    .map(|(_, seq)| SeqNo(*seq))
                    .max();
                let found = ranges.covering_seq(KeyspaceId(1), &key.to_be_bytes(), SeqNo(at));
                assert_eq!(found, expected, "{key} at {at}");
            }
        }
        assert_eq!(
            ranges.covering_seq(KeyspaceId(2), b"\0\0", SeqNo::MAX),
            None
        );
        assert_eq!(ranges.keyspaces(), [KeyspaceId(1)]);
    }
}
