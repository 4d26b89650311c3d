//! Working memory of searches: what was seen, what is near, what comes next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use super::code::{Key, Query};
use crate::order::{order, unorder};

/// Working memory of searches. Give the same one to each search of a thread: then searches allocate only their results.
/// Its size grows to one bit per point, and to what the largest `ef` needs.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) query: Query,
    pub(super) walk: Walk,
}

/// What one walk through one layer needs.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) visited: Visited,
    pub(super) front: Front,
    pub(super) ahead: Ahead,
    /// So many of the nearest are compared exactly at the end.
    pub(super) results: usize,
    /// Slots that are looked at once, whatever was visited.
    pub(super) batch: Vec<u32>,
    /// Slots of nodes that are stepped over.
    pub(super) over: Vec<u32>,
}

/// What a walk has asked from memory: the links of a node, and the codes of some of those visited.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    pub(super) linking: Option<u32>,
    pub(super) coming: Range<usize>,
}

/// What a walk has found, and where it may go on.
#[derive(Debug, Default)]
pub(super) struct Front {
    pub(super) pool: Pool,
    /// Nodes to expand, when not all of them count as results.
    pub(super) frontier: BinaryHeap<Reverse<u64>>,
}

/// A set of slots, one bit each.
#[derive(Debug, Default)]
pub(super) struct Visited {
    words: Vec<u64>,
    /// The slots, in the order in which they came.
    slots: Vec<u32>,
    bound: u32,
}

impl Visited {
    /// Empties the set, and makes room for slots below `bound`.
    pub(super) fn reset(&mut self, bound: u32) {
        if self.slots.len() * 4 > self.words.len() {
            self.words.fill(0);
        } else {
            for &slot in &self.slots {
                self.words[slot as usize / 64] = 0;
            }
        }
        self.slots.clear();
        self.words.resize((bound as usize).div_ceil(64), 0);
        self.bound = bound;
    }

    /// True the first time; false for slots that are there or out of bounds.
    #[inline]
    pub(super) fn insert(&mut self, slot: u32) -> bool {
        !self.extend(std::iter::once(slot), 1).is_empty()
    }

    /// Adds up to `most` slots; those that are new and in bounds are then [`slots`](Visited::slots) of this range.
    ///
    /// Whether a neighbour was met before is a coin toss: nothing here branches on it.
    #[inline]
    pub(super) fn extend(&mut self, slots: impl Iterator<Item = u32>, most: usize) -> Range<usize> {
        let start = self.slots.len();
        self.slots.resize(start + most, 0);
        let mut end = start;
        for slot in slots.take(most).filter(|&slot| slot < self.bound) {
            let word = &mut self.words[slot as usize / 64];
            let bit = 1 << (slot % 64);
            let is_new = *word & bit == 0;
            *word |= bit;
            self.slots[end] = slot;
            end += usize::from(is_new);
        }
        self.slots.truncate(end);
        start..end
    }

    pub(super) fn slots(&self) -> &[u32] {
        &self.slots
    }
}

/// A near slot: key, slot and whether it was expanded, in one number that sorts by key, then slot.
#[inline]
pub(super) fn pack(key: Key, slot: u32) -> u64 {
    u64::from(key) << 32 | u64::from(slot) << 1
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "takes the lower half")]
pub(super) fn slot_of(packed: u64) -> u32 {
    (packed as u32) >> 1
}

#[inline]
pub(super) fn key_of(packed: u64) -> Key {
    (packed >> 32) as u32
}

/// How far a walk looks: `least` to `most` candidates, and between the two all that are at most `stretch` times as far, by squared
/// distances, as the one of `rank`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Reach {
    /// At most `least`; 0: none.
    pub(super) rank: usize,
    pub(super) least: usize,
    pub(super) most: usize,
    /// At least 1.
    pub(super) stretch: f32,
}

impl Reach {
    /// So many candidates, however far they are.
    pub(super) fn fixed(count: usize) -> Reach {
        Reach {
            rank: 0,
            least: count,
            most: count,
            stretch: 1.0,
        }
    }
}

/// The nearest slots so far, sorted, within a reach.
#[derive(Debug, Default)]
pub(super) struct Pool {
    entries: Vec<u64>,
    reach: Reach,
    /// The stretched distance.
    stretched: u64,
    /// What lies behind it is too far.
    limit: u64,
    /// All entries before this one were expanded.
    cursor: usize,
}

const EXPANDED: u64 = 1;

const SLOT_MAX: u32 = u32::MAX >> 1;

impl Pool {
    pub(super) fn reset(&mut self, reach: Reach) {
        self.entries.clear();
        self.entries.reserve(reach.most + 1);
        self.reach = reach;
        self.stretched = 0;
        self.limit = if reach.most > 0 { u64::MAX } else { 0 };
        self.cursor = 0;
    }

    /// Whether an entry is near enough to be added.
    #[inline]
    pub(super) fn admits(&self, entry: u64) -> bool {
        entry <= self.limit
    }

    /// Whether it is full, or would be after `budget` comparisons if it goes on as it did in the first `compared`.
    pub(super) fn fills_within(&self, budget: usize, compared: usize) -> bool {
        compared <= budget
            && (self.entries.len() == self.reach.most
                || compared.saturating_mul(self.reach.most)
                    <= budget.saturating_mul(self.entries.len()))
    }

    pub(super) fn entries(&self) -> &[u64] {
        &self.entries
    }

    /// Adds a slot if it is near enough.
    #[inline]
    pub(super) fn push(&mut self, key: Key, slot: u32) {
        let entry = pack(key, slot);
        if !self.admits(entry) {
            return;
        }
        if self.entries.len() >= self.reach.most {
            self.entries.pop();
        }
        let at = self.entries.partition_point(|&other| other < entry);
        self.entries.insert(at, entry);
        self.cursor = self.cursor.min(at);
        self.tighten(at);
    }

    /// Brings the limit up to date with a new entry.
    #[inline]
    fn tighten(&mut self, at: usize) {
        let Reach {
            rank,
            least,
            most,
            stretch,
        } = self.reach;
        let entries = &self.entries;
        if entries.len() < least {
            return;
        }
        if rank > 0 && (at < rank || entries.len() == least) {
            let square = unorder(key_of(entries[rank - 1]));
            self.stretched = pack(order(square * stretch), SLOT_MAX);
        }
        let limit = entries[least - 1].max(self.stretched);
        self.limit = match entries.last() {
            Some(&last) if entries.len() == most => limit.min(last),
            _ => limit,
        };
    }

    /// The nearest slot that was not expanded, and marks it so.
    #[inline]
    pub(super) fn expand(&mut self) -> Option<u32> {
        let entry = self.entries[self.cursor..]
            .iter()
            .position(|entry| entry & EXPANDED == 0)?;
        let at = self.cursor + entry;
        let entry = self
            .entries
            .get_mut(at)
            .filter(|entry| **entry <= self.limit)?;
        *entry |= EXPANDED;
        self.cursor = at + 1;
        Some(slot_of(*entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pool_keeps_the_nearest_and_expands_them_in_order() {
        let mut pool = Pool::default();
        pool.reset(Reach::fixed(3));
        for (key, slot) in [(5, 50), (9, 90), (7, 70)] {
            pool.push(key, slot);
        }
        assert_eq!(pool.expand(), Some(50));
        pool.push(1, 10);
        assert!(pool.admits(pack(6, 0)) && !pool.admits(pack(8, 0)));
        assert_eq!(
            pool.entries()
                .iter()
                .map(|&e| slot_of(e))
                .collect::<Vec<_>>(),
            [10, 50, 70]
        );
        assert_eq!(
            [pool.expand(), pool.expand(), pool.expand()],
            [Some(10), Some(70), None]
        );
        pool.push(8, 80);
        assert_eq!(
            pool.entries()
                .iter()
                .map(|&entry| key_of(entry))
                .collect::<Vec<_>>(),
            [1, 5, 7]
        );
    }

    #[test]
    fn a_pool_keeps_what_is_near_enough() {
        let key = |square: f32| order(square);
        let reach = Reach {
            rank: 2,
            least: 3,
            most: 5,
            stretch: 2.0,
        };
        let mut pool = Pool::default();
        pool.reset(reach);
        let keys = |pool: &Pool| -> Vec<f32> {
            let entries = pool.entries().iter();
            entries.map(|&entry| unorder(key_of(entry))).collect()
        };
        for (square, slot) in [(1.0, 1), (2.0, 2), (9.0, 9)] {
            pool.push(key(square), slot);
        }
        // Three are there, however far; twice the distance of the second one is less.
        pool.push(key(9.5), 95);
        assert_eq!(keys(&pool), [1.0, 2.0, 9.0]);
        pool.push(key(4.0), 4);
        assert!(!pool.admits(pack(key(5.0), 0)) && pool.admits(pack(key(4.0), 0)));
        // What is not within reach any more is not expanded.
        assert_eq!(
            [pool.expand(), pool.expand(), pool.expand(), pool.expand()],
            [Some(1), Some(2), Some(4), None]
        );
        // Five at most.
        for slot in 10..20 {
            pool.push(key(3.0), slot);
        }
        assert_eq!(keys(&pool), [1.0, 2.0, 3.0, 3.0, 3.0]);
        // A nearer second one brings the limit nearer, but not below three.
        pool.push(key(0.5), 5);
        pool.push(key(0.25), 25);
        assert_eq!(keys(&pool)[..3], [0.25, 0.5, 1.0]);
        assert!(!pool.admits(pack(key(1.1), 0)) && pool.admits(pack(key(0.9), 0)));
    }

    #[test]
    fn visited_forgets_and_refuses_what_is_out_of_bounds() {
        let mut visited = Visited::default();
        for bound in [200, 1000, 70] {
            visited.reset(bound);
            assert!(!visited.insert(bound) && !visited.insert(u32::MAX));
            for slot in (0..bound).step_by(7) {
                assert!(visited.insert(slot) && !visited.insert(slot));
            }
            assert_eq!(
                visited.extend([0, 3, bound, 3, 5, 4].into_iter(), 5).len(),
                2
            );
            assert_eq!(visited.slots().last_chunk(), Some(&[3, 5]));
        }
    }
}
