//! The latest queries: what was learned from others before the points changed is learned again from these.

use super::SAMPLES_MIN;
use std::collections::VecDeque;

/// One query in so many is kept.
const HEARD_EVERY: u64 = 4;

/// So often it is learned again from queries without a new one.
const UNASKED_MAX: usize = 4;

/// At most [`SAMPLES_MIN`] queries, the newest one last.
#[derive(Debug, Default)]
pub(super) struct Recent {
    queries: VecDeque<Box<[f32]>>,
    heard: u64,
    /// How often it was learned again from them since the last one came.
    unasked: usize,
}

impl Recent {
    /// Somebody asks this.
    pub(super) fn hear(&mut self, query: &[f32]) {
        self.unasked = 0;
        self.heard += 1;
        if self.queries.len() < SAMPLES_MIN {
            return self.queries.push_back(query.into());
        }
        if self.heard.is_multiple_of(HEARD_EVERY)
            && let Some(mut oldest) = self.queries.pop_front()
        {
            match oldest.len() == query.len() {
                true => oldest.copy_from_slice(query),
                false => oldest = query.into(),
            }
            self.queries.push_back(oldest);
        }
    }

    /// Whether there are enough of them, asked not so long ago.
    pub(super) fn are_enough(&self) -> bool {
        self.queries.len() == SAMPLES_MIN && self.unasked < UNASKED_MAX
    }

    /// The newest `count`, to learn from.
    pub(super) fn again(&mut self, count: usize) -> impl Iterator<Item = Box<[f32]>> {
        self.unasked += 1;
        let others = self.queries.len().saturating_sub(count);
        self.queries.iter().skip(others).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_queries_are_kept_until_nobody_asks_any_more() {
        let mut recent = Recent::default();
        for i in 0..SAMPLES_MIN {
            assert!(!recent.are_enough());
            recent.hear(&[i as f32]);
        }
        let end = SAMPLES_MIN as u64 * (1 + HEARD_EVERY);
        (SAMPLES_MIN as u64..end).for_each(|i| recent.hear(&[i as f32]));
        for _ in 0..UNASKED_MAX {
            assert!(recent.are_enough());
            let newest: Vec<f32> = recent.again(3).map(|query| query[0]).collect();
            assert_eq!(newest, [9, 5, 1].map(|back| (end - back) as f32));
        }
        assert!(!recent.are_enough());
        assert_eq!(recent.again(SAMPLES_MIN + 1).count(), SAMPLES_MIN);
        recent.hear(&[0.0]);
        assert!(recent.are_enough());
    }
}
