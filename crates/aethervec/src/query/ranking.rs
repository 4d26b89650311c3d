//! Documents in the order of a score.

use crate::id::DocId;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A document with its score.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scored {
    pub(super) id: DocId,
    pub(super) score: f64,
}

impl Scored {
    pub(super) fn new(id: DocId, score: f64) -> Scored {
        // A zero has no sign, so that equal scores are equal.
        Scored {
            id,
            score: score + 0.0,
        }
    }
}

/// Which scores are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Better {
    Greater,
    Smaller,
}

impl Better {
    /// `score`, or its negation: whichever is greater for what is better.
    pub(super) fn similarity(self, score: f64) -> f64 {
        match self {
            Better::Greater => score,
            Better::Smaller => -score,
        }
    }
}

/// What a stage has found, best first; of equal ones the one with the smaller id comes first, or those of a search as its index
/// has them: in the order in which they were written.
#[derive(Clone, Debug)]
pub(super) struct Ranking {
    pub(super) hits: Vec<Scored>,
    pub(super) better: Better,
}

/// The best documents of those that were offered.
#[derive(Debug)]
pub(super) struct Top {
    k: usize,
    better: Better,
    /// The worst on top.
    heap: BinaryHeap<Ranked>,
}

/// Greater is worse.
#[derive(Debug)]
struct Ranked {
    similarity: f64,
    hit: Scored,
}

impl Ord for Ranked {
    fn cmp(&self, other: &Ranked) -> Ordering {
        let by_score = other.similarity.total_cmp(&self.similarity);
        by_score.then_with(|| self.hit.id.cmp(&other.hit.id))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Ranked) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Ranked) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}

impl Top {
    pub(super) fn new(k: usize, better: Better) -> Top {
        Top {
            k,
            better,
            heap: BinaryHeap::new(),
        }
    }

    /// Keeps the document if it is one of the best so far.
    pub(super) fn offer(&mut self, id: DocId, score: f64) {
        let hit = Scored::new(id, score);
        self.heap.push(Ranked {
            similarity: self.better.similarity(hit.score) + 0.0,
            hit,
        });
        if self.heap.len() > self.k {
            self.heap.pop();
        }
    }

    pub(super) fn into_ranking(self) -> Ranking {
        let sorted = self.heap.into_sorted_vec();
        Ranking {
            hits: sorted.into_iter().map(|ranked| ranked.hit).collect(),
            better: self.better,
        }
    }
}
