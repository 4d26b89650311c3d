//! The points that are nearest by their estimates.

use crate::order::{order, unorder};

/// Entries beyond the capacity, at least, before the farthest are dropped.
const SLACK: usize = 64;

/// A point that may be near.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Near {
    /// The estimate, and the slot behind it.
    packed: u64,
    /// One standard deviation of the estimate.
    pub(crate) error: f32,
}

impl Near {
    #[inline]
    pub(crate) fn new(estimate: f32, error: f32, slot: u32) -> Near {
        Near {
            packed: u64::from(order(estimate)) << 32 | u64::from(slot),
            error,
        }
    }

    #[inline]
    pub(crate) fn estimate(self) -> f32 {
        unorder((self.packed >> 32) as u32)
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "takes the lower half")]
    pub(crate) fn slot(self) -> u32 {
        self.packed as u32
    }
}

/// The nearest points so far, in no order: those with the `capacity` smallest estimates, and some more.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    entries: Vec<Near>,
    capacity: usize,
    bound: f32,
}

impl Pool {
    /// Empties it.
    pub(crate) fn reset(&mut self, capacity: usize) {
        self.entries.clear();
        self.capacity = capacity;
        self.bound = f32::INFINITY;
    }

    /// Farther points need not be added.
    #[inline]
    pub(crate) fn bound(&self) -> f32 {
        self.bound
    }

    /// Adds a point, whose estimate is below the bound.
    #[inline]
    pub(crate) fn push(&mut self, near: Near) {
        self.entries.push(near);
        if self.entries.len() >= 2 * self.capacity.max(SLACK) {
            self.tighten();
        }
    }

    /// Drops what is not among the nearest; the farthest of these is the bound from now on.
    pub(crate) fn tighten(&mut self) {
        if let Some(rest) = self.entries.len().checked_sub(self.capacity)
            && self.capacity > 0
        {
            if rest > 0 {
                self.sort_out(self.capacity);
                self.entries.truncate(self.capacity);
                self.bound = self.entries[self.capacity - 1].estimate();
            } else {
                let farthest = self.entries.iter().map(|near| near.estimate());
                self.bound = farthest.fold(f32::NEG_INFINITY, f32::max);
            }
        }
    }

    /// Sets the first bound, once there are enough points for one.
    #[inline]
    pub(crate) fn tighten_once(&mut self) {
        if self.bound == f32::INFINITY && self.entries.len() >= self.capacity {
            self.tighten();
        }
    }

    /// Whether there are as many points as it shall hold.
    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() >= self.capacity
    }

    /// All points, to estimate anew.
    pub(crate) fn entries_mut(&mut self) -> &mut [Near] {
        &mut self.entries
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Moves the `count` nearest to the start, the farthest of them last; returns them and the others.
    pub(crate) fn split(&mut self, count: usize) -> (&[Near], &[Near]) {
        if (1..self.entries.len()).contains(&count) {
            self.sort_out(count);
        }
        self.entries.split_at(count.min(self.entries.len()))
    }

    /// The same, to estimate them anew.
    pub(crate) fn split_mut(&mut self, count: usize) -> (&mut [Near], &mut [Near]) {
        let first = self.split(count).0.len();
        self.entries.split_at_mut(first)
    }

    fn sort_out(&mut self, count: usize) {
        let by_estimate = |near: &Near| near.packed;
        self.entries
            .select_nth_unstable_by_key(count - 1, by_estimate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_stay() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut pool = Pool::default();
        for (capacity, points) in [(1, 1000), (10, 5), (100, 10_000), (64, 64)] {
            pool.reset(capacity);
            let mut all = Vec::new();
            for slot in 0..points {
                let near = Near::new(random.f32(), 0.0, slot);
                all.push(near.estimate());
                if near.estimate() < pool.bound() {
                    pool.push(near);
                }
            }
            pool.tighten();
            all.sort_by(f32::total_cmp);
            all.truncate(capacity);
            let half = capacity / 2;
            let (first, rest) = pool.split(half);
            let mut found: Vec<f32> = first.iter().map(|near| near.estimate()).collect();
            found.sort_by(f32::total_cmp);
            assert_eq!(found, all[..half.min(all.len())]);
            found.extend(rest.iter().map(|near| near.estimate()));
            found.sort_by(f32::total_cmp);
            assert_eq!(found, all);
        }
    }
}
