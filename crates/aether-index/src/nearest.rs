//! The nearest points of those that were compared.

use std::collections::BinaryHeap;

use aether_distance::Distance;

use crate::Candidate;

/// The `k` nearest points so far.
#[derive(Debug)]
pub(crate) struct Nearest {
    k: usize,
    heap: BinaryHeap<Candidate>,
}

impl Nearest {
    /// None yet; about `points` are expected.
    pub(crate) fn new(k: usize, points: usize) -> Nearest {
        Nearest {
            k,
            heap: BinaryHeap::with_capacity(k.min(points) + 1),
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, candidate: Candidate) {
        if self.heap.len() < self.k {
            self.heap.push(candidate);
        } else if let Some(mut farthest) = self.heap.peek_mut()
            && candidate < *farthest
        {
            *farthest = candidate;
        }
    }

    /// Nothing farther is among the nearest.
    pub(crate) fn farthest(&self) -> Distance {
        let full = self.heap.len() == self.k;
        let farthest = self.heap.peek().filter(|_| full);
        farthest.map_or(Distance::INFINITE, |candidate| candidate.distance)
    }

    /// Nearest first.
    pub(crate) fn into_sorted(self) -> Vec<Candidate> {
        self.heap.into_sorted_vec()
    }
}
