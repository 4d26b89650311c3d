//! The latest queries: what was learned from others before the points changed is learned again from these, and, when there is time, what
//! is known is made surer.

use super::SAMPLES_MIN;
use std::collections::VecDeque;

/// Queries that are kept.
const RECENT_MAX: usize = 2 * SAMPLES_MIN;

/// One query in so many is kept.
const HEARD_EVERY: u64 = 4;

/// So often it is learned again from queries without a new one.
const UNASKED_MAX: usize = 4;

/// At most [`RECENT_MAX`] queries, the newest one last.
#[derive(Debug, Default)]
pub(super) struct Recent {
    queries: VecDeque<Heard>,
    heard: u64,
    /// How often it was learned again from them since the last one came.
    unasked: usize,
}

/// A query that was asked.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) query: Box<[f32]>,
    /// When: see [`Samples::applied`](super::samples::Samples::applied).
    pub(super) at: u64,
    /// Whether it is a sample, or is going to be one.
    is_sample: bool,
}

impl Recent {
    /// Somebody asks this, at such a time; `is_sample`: it is going to be one.
    pub(super) fn hear(&mut self, query: &[f32], at: u64, is_sample: bool) {
        self.unasked = 0;
        self.heard += 1;
        let is_full = self.queries.len() == RECENT_MAX;
        if is_full && !self.heard.is_multiple_of(HEARD_EVERY) {
            return;
        }
        let oldest = self.queries.pop_front_if(|_| is_full);
        let query = match oldest.map(|oldest| oldest.query) {
            Some(mut other) if other.len() == query.len() => {
                other.copy_from_slice(query);
                other
            }
            _ => query.into(),
        };
        self.queries.push_back(Heard {
            query,
            at,
            is_sample,
        });
    }

    /// Whether there are enough of them, asked not so long ago.
    pub(super) fn are_enough(&self) -> bool {
        self.queries.len() >= SAMPLES_MIN && self.unasked < UNASKED_MAX
    }

    /// The newest `count`, to learn from.
    pub(super) fn again(&mut self, count: usize) -> impl Iterator<Item = Box<[f32]>> {
        self.unasked += 1;
        let others = self.queries.len().saturating_sub(count);
        let newest = self.queries.iter().skip(others);
        newest.map(|heard| heard.query.clone())
    }

    /// Up to `count` that were asked since then and are no samples: now they are going to be.
    pub(super) fn more(&mut self, since: u64, count: usize) -> impl Iterator<Item = &Heard> {
        let newest = self.queries.iter_mut().rev();
        let others = newest.filter(move |heard| heard.at >= since && !heard.is_sample);
        others.take(count).map(|heard| {
            heard.is_sample = true;
            &*heard
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_queries_are_kept_until_nobody_asks_any_more() {
        let mut recent = Recent::default();
        for i in 0..RECENT_MAX {
            assert_eq!(recent.are_enough(), i >= SAMPLES_MIN);
            recent.hear(&[i as f32], 0, false);
        }
        let end = (RECENT_MAX as u64) * (1 + HEARD_EVERY);
        (RECENT_MAX as u64..end).for_each(|i| recent.hear(&[i as f32], 0, false));
        for _ in 0..UNASKED_MAX {
            assert!(recent.are_enough());
            let newest: Vec<f32> = recent.again(3).map(|query| query[0]).collect();
            assert_eq!(newest, [9, 5, 1].map(|back| (end - back) as f32));
        }
        assert!(!recent.are_enough());
        assert_eq!(recent.again(RECENT_MAX + 1).count(), RECENT_MAX);
        recent.hear(&[0.0], 0, false);
        assert!(recent.are_enough());
    }

    #[test]
    fn more_is_learned_once_and_from_what_is_asked_now() {
        let mut recent = Recent::default();
        for (query, at, is_sample) in [
            (1.0, 5, false),
            (2.0, 6, true),
            (3.0, 6, false),
            (4.0, 7, false),
        ] {
            recent.hear(&[query], at, is_sample);
        }
        let mut more = |since, count| -> Vec<f32> {
            let more = recent.more(since, count);
            more.map(|heard| heard.query[0]).collect()
        };
        assert_eq!(more(6, 1), [4.0]);
        assert_eq!(more(6, 8), [3.0]);
        assert!(more(6, 8).is_empty());
        assert_eq!(more(0, 8), [1.0]);
    }
}
