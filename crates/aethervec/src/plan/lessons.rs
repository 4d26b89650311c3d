//! How much more effort a search takes under one filter than under filters that have nothing to do with the vectors: learned from
//! the searches under it.
//!
//! What a filter lets through may lie together, far from a query: then much of it is about as near, and the same recall takes two or
//! three times the effort. Which filters are of that kind, and for which queries, nothing but their searches tells. So some of
//! them are made again with [`CHECK_EFFORT`] times the effort, and how much of that answer the first one had found corrects the
//! factor that belongs to the filter: by the less, the more checks there were before (Robbins and Monro 1951, "A stochastic
//! approximation method"). It begins with one that is enough for nearly all filters, and aims for more than is asked
//! for, by the more, the less is known. When the latest checks found too little, the filter is asked with queries of another kind than before: then it gets
//! more at once, and is learned anew.

use super::calibration::TOLERATED;
use crate::filter::Filter;
use std::collections::VecDeque;

/// So many times the effort does a search have that checks another one.
pub(crate) const CHECK_EFFORT: usize = 4;

/// So much less is to be missed than may be: the search that checks misses an eighth itself, and the next queries may be of another kind.
const MARGIN: f32 = 0.375;

/// With how much more effort than was measured a filter begins.
const FACTOR_FIRST: f32 = 2.0;

/// The standard deviation of the logarithm of the right factor, over filters.
const FACTOR_DEVIATION: f32 = 0.4;

/// The least and the greatest factor.
const FACTORS: (f32, f32) = (0.5, 8.0);

/// The standard deviation of what one query finds, against that of chance if all queries were alike.
const SPREAD: f32 = 2.0;

/// What is missed falls with about this power of the effort.
const POWER: f32 = 1.5;

/// By how many standard deviations of what is known more than asked for is aimed at.
const DEVIATIONS: f32 = 1.0;

/// Checks that count, at most: queries change.
const CHECKS_MAX: u32 = 64;

/// For so many checks that were made, one search more is not checked before the next one, ...
const CHECKS_PER_WAIT: u32 = 12;

/// ... up to so many.
const WAIT_MAX: u32 = 32;

/// About so many checks are the latest ones.
const LATEST: f32 = 8.0;

/// By how many standard deviations they may have found too little.
const LATEST_DEVIATIONS: f32 = 1.0;

/// If it is more, a filter gets so much more effort, ...
const FACTOR_MORE: f32 = 1.5;

/// ... and no more than so many of the checks before count.
const CHECKS_BEFORE: u32 = 8;

/// Filters that are remembered, each with what was asked for.
const LESSONS_MAX: usize = 64;

/// What is known of filters, the one that was asked for last first.
#[derive(Debug, Default)]
pub(super) struct Lessons(VecDeque<Lesson>);

#[derive(Debug)]
struct Lesson {
    filter: Filter,
    k: usize,
    recall: f32,
    factor: f32,
    checks: u32,
    /// By how much more was found than was aimed at, over the latest checks.
    lately: f32,
    /// Searches until the next check.
    wait: u32,
}

impl Lessons {
    /// How much more effort a search takes under this filter, and whether it is to be checked.
    pub(super) fn factor(&mut self, filter: &Filter, k: usize, recall: f32) -> (f32, bool) {
        let lesson = self.lesson(filter, k, recall);
        let is_checked = lesson.wait == 0;
        if is_checked {
            lesson.wait = (lesson.checks / CHECKS_PER_WAIT).min(WAIT_MAX);
        } else {
            lesson.wait -= 1;
        }
        (lesson.factor, is_checked)
    }

    /// Learns that a search under this filter had found such a share of what one of [`CHECK_EFFORT`] times the effort finds.
    pub(super) fn learn(&mut self, filter: &Filter, k: usize, recall: f32, found: f32) {
        self.lesson(filter, k, recall).learn(found);
    }

    fn lesson(&mut self, filter: &Filter, k: usize, recall: f32) -> &mut Lesson {
        let same =
            |lesson: &Lesson| lesson.k == k && lesson.recall == recall && lesson.filter == *filter;
        let place = self.0.iter().position(same);
        let lesson = place.and_then(|place| self.0.remove(place));
        self.0.truncate(LESSONS_MAX - 1);
        self.0.push_front(lesson.unwrap_or_else(|| Lesson {
            filter: filter.clone(),
            k,
            recall,
            factor: FACTOR_FIRST,
            checks: 0,
            lately: 0.0,
            // The first search is made before it is known where in the index the points are.
            wait: 1,
        }));
        &mut self.0[0]
    }
}

impl Lesson {
    fn learn(&mut self, found: f32) {
        let missed = (1.0 - self.recall).max(f32::EPSILON);
        // Of what one query finds, and by how much more it is with a little more effort.
        let deviation = SPREAD * (missed / self.k.max(1) as f32).sqrt();
        let slope = POWER * missed;
        // The first factor is worth as many checks as would tell as much.
        let before = self.checks.min(CHECKS_MAX) as f32;
        let known = before + (deviation / slope / FACTOR_DEVIATION).powi(2);
        let doubt = (DEVIATIONS * deviation / known.sqrt() - TOLERATED).max(0.0);
        let aim = self.recall + (MARGIN * missed + doubt).min(missed / 2.0);
        let mut change = ((aim - found) / slope / (known + 1.0)).exp();
        self.checks = self.checks.saturating_add(1);
        self.lately += (found - aim - self.lately) / LATEST;
        // The mean of so many, the older ones of which weigh less and less.
        let deviation_lately = deviation / (2.0 * LATEST - 1.0).sqrt();
        if self.lately < -LATEST_DEVIATIONS * deviation_lately {
            change *= FACTOR_MORE;
            self.checks = self.checks.min(CHECKS_BEFORE);
            self.lately = 0.0;
        }
        let (least, greatest) = FACTORS;
        self.factor = (self.factor * change).clamp(least, greatest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches that take `.0` times the effort that was measured for just as much as was asked for: `.1` of them; then others.
    type Phases<'a> = &'a [(f32, u16)];

    /// What they find on average in each phase, and how many of them are checked, over some runs.
    fn found(recall: f32, phases: Phases<'_>) -> Vec<(f32, f32)> {
        let rng = &mut fastrand::Rng::with_seed(23);
        let filter = Filter::eq("a", 1);
        let runs = 20;
        let mut means = vec![(0.0, 0.0); phases.len()];
        for _ in 0..runs {
            let mut lessons = Lessons::default();
            for (&(takes, searches), (found, checks)) in phases.iter().zip(&mut means) {
                for _ in 0..searches {
                    let (factor, is_checked) = lessons.factor(&filter, 10, recall);
                    let share = 1.0 - (1.0 - recall) * (takes / factor).powf(POWER);
                    *found += share / f32::from(searches * runs);
                    if is_checked {
                        *checks += 1.0 / f32::from(runs);
                        let hits = (0..10u8).filter(|_| rng.f32() < share).count();
                        lessons.learn(&filter, 10, recall, hits as f32 / 10.0);
                    }
                }
            }
        }
        means
    }

    #[test]
    fn filters_get_what_they_take_and_no_more() {
        for recall in [0.8, 0.9, 0.95, 0.98] {
            for takes in [0.7, 1.0, 2.0, 3.0] {
                let means = found(recall, &[(takes, 100), (takes, 2_000)]);
                let told = format!("{takes}: {means:?} instead of {recall}");
                let missed = 1.0 - recall;
                assert!(means[0].0 > recall - missed / 2.0, "{told}");
                assert!(means[1].0 > recall - TOLERATED, "{told}");
                assert!(means[1].0 < recall + 0.8 * missed, "{told}");
                assert!((20.0..60.0).contains(&means[0].1), "{told}");
                assert!((70.0..300.0).contains(&means[1].1), "{told}");
            }
        }
    }

    #[test]
    fn other_queries_get_what_they_take() {
        for recall in [0.9, 0.95, 0.98] {
            let means = found(recall, &[(1.0, 1_000), (1.6, 500)]);
            assert!(means[1].0 > recall - TOLERATED, "{means:?} of {recall}");
        }
    }

    #[test]
    fn a_filter_that_nobody_checked_gets_enough() {
        let mut lessons = Lessons::default();
        let filter = |i: i64| Filter::eq("a", i);
        assert_eq!(lessons.factor(&filter(0), 10, 0.9), (FACTOR_FIRST, false));
        assert_eq!(lessons.factor(&filter(0), 10, 0.9), (FACTOR_FIRST, true));
        lessons.learn(&filter(0), 10, 0.9, 0.5);
        assert!(lessons.factor(&filter(0), 10, 0.9).0 > FACTOR_FIRST);
        assert_eq!(lessons.factor(&filter(0), 10, 0.95).0, FACTOR_FIRST);
        assert_eq!(lessons.factor(&filter(1), 10, 0.9).0, FACTOR_FIRST);
        for i in 0..LESSONS_MAX as i64 {
            lessons.factor(&filter(2 + i), 10, 0.9);
        }
        assert_eq!(lessons.0.len(), LESSONS_MAX);
        assert_eq!(lessons.factor(&filter(0), 10, 0.9).0, FACTOR_FIRST);
    }

    #[test]
    fn strange_demands_are_met() {
        let (filter, mut lessons) = (Filter::eq("a", 1), Lessons::default());
        for recall in [f32::MIN_POSITIVE, 0.5, 0.999_999_9] {
            for k in [0, 1, 10_000] {
                for found in [0.0, 1.0] {
                    lessons.learn(&filter, k, recall, found);
                    let factor = lessons.factor(&filter, k, recall).0;
                    assert!((FACTORS.0..=FACTORS.1).contains(&factor), "{factor}");
                }
            }
        }
    }
}
