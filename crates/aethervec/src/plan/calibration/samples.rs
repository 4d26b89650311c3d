//! The latest samples, and the curves that they give.

use super::curve::Curve;
use super::evidence::Evidence;
use super::recent::Recent;
use super::sample::Sample;
use super::{
    CURVES_MAX, DEPTHS, EFFORT_OF_TRUTH, Effort, INLINE_POINTS, MORE_AT_ONCE, RENEWED_SHARE,
    SAMPLES_ENOUGH, SAMPLES_MAX, SAMPLES_MIN,
};
use crate::ann::Family;
use crate::plan::lessons::Lessons;
use crate::plan::trials::Trials;
use std::collections::VecDeque;
use std::sync::Arc;

/// Of what may be missed, so much counts while most samples are out of date, or their queries.
const WARY: f32 = 0.6;

/// And so much while they are out of date for long.
const WARIER: f32 = 0.2;

/// That is when one in so many of the points in the index are newer.
const OLD_SHARE: u64 = 3;

/// So often a curve is made anew without anybody having asked for it: more often than samples are out of date at a time, so that those
/// for the recall that is asked for then, and for that which is asked for otherwise, are both there.
pub(super) const IDLE_MAX: usize = 4 * SAMPLES_MIN;

/// The curves are made anew for so many samples at once, if as many are to be learned.
const UNSAID_MAX: usize = 8;

/// A query that is to become a sample.
#[derive(Debug)]
pub(crate) struct Offered {
    pub(super) query: Box<[f32]>,
    /// When it was offered: see [`Samples::applied`].
    pub(super) at: u64,
    /// See [`Sample::is_again`].
    pub(super) is_again: bool,
}

/// A curve that somebody has asked for.
#[derive(Debug)]
pub(super) struct Known {
    curve: Arc<Curve>,
    /// How often it was made anew since.
    idle: usize,
}

#[derive(Debug, Default)]
pub(super) struct Samples {
    /// Points in the index when the oldest sample was taken that is not out of date.
    pub(super) points: usize,
    pub(super) evidence: Evidence,
    /// How often that has changed.
    pub(super) changes: u64,
    /// Points that ever came into the index, or some more.
    pub(super) applied: u64,
    /// A sample that was taken when fewer points had come is out of date.
    pub(super) oldest: u64,
    /// Queries that are to become samples.
    pub(super) offered: VecDeque<Offered>,
    /// Queries to learn from again.
    pub(super) recent: Recent,
    /// Queries since the last one that became a sample.
    pub(super) since: u64,
    /// The share of queries lately that were harder than all that is known.
    pub(super) unknown: f32,
    /// What the samples say, or said before their last change: see [`renewal`](Samples::renewal).
    pub(super) curves: Vec<Known>,
    /// Samples that came since then.
    pub(super) unsaid: usize,
    /// For how many hits and which recall somebody has asked last.
    pub(super) asked: Option<(usize, f32)>,
    /// The filters with which the last sample was tried.
    pub(super) trials: Option<Arc<Trials>>,
    /// What is known of other filters.
    pub(super) lessons: Lessons,
}

impl Samples {
    /// Samples that are not out of date.
    pub(super) fn fresh(&self) -> usize {
        let samples = &self.evidence.samples;
        let outdated = samples.partition_point(|sample| sample.at < self.oldest);
        samples.len() - outdated
    }

    /// Those of them whose queries are not either.
    pub(super) fn confirmed(&self) -> usize {
        let newest = self.evidence.samples.iter().rev().take(self.fresh());
        newest.filter(|sample| !sample.is_again).count()
    }

    /// The index has got so many points by now, all in all, and `points` are in it. Samples that are out of date go, but for the last
    /// [`SAMPLES_MIN`], which go as others come. True when some have gone.
    pub(super) fn applied(&mut self, applied: u64, points: usize) -> bool {
        self.applied = self.applied.max(applied);
        let oldest = applied.saturating_sub(points as u64 / RENEWED_SHARE);
        self.oldest = self.oldest.max(oldest);
        self.forget_outdated()
    }

    /// True when some have gone.
    fn forget_outdated(&mut self) -> bool {
        let outdated = self.evidence.samples.len() - self.fresh();
        let surplus = self.evidence.samples.len().saturating_sub(SAMPLES_MIN);
        let gone = outdated.min(surplus);
        self.evidence.samples.drain(..gone);
        self.changes += u64::from(gone > 0);
        gone > 0
    }

    /// Forgets all that was learned; what there is to learn from stays.
    pub(super) fn forget(&mut self) {
        *self = Samples {
            changes: self.changes + 1,
            recent: std::mem::take(&mut self.recent),
            ..Samples::default()
        };
    }

    /// The index has got a quite different number of points: all samples are out of date. They are forgotten if there is nothing to learn
    /// from again.
    pub(super) fn resized(&mut self, points: usize) {
        if self.recent.are_enough() && self.evidence.samples.len() >= SAMPLES_MIN {
            self.applied += 1;
            self.oldest = self.applied;
            self.forget_outdated();
        } else {
            let (applied, lessons) = (self.applied, std::mem::take(&mut self.lessons));
            self.forget();
            (self.applied, self.lessons) = (applied, lessons);
        }
        self.points = points;
    }

    /// How many queries there are to learn from again, where too many samples are out of date, or forgotten.
    pub(super) fn due_again(&self) -> usize {
        match self.recent.are_enough() {
            true => SAMPLES_MIN.saturating_sub(self.fresh() + self.offered.len()),
            false => 0,
        }
    }

    /// Queries to learn from again, if too many samples are out of date.
    pub(super) fn again(&mut self) -> Option<Vec<Offered>> {
        let due = self.due_again();
        let at = self.applied;
        let again = (due > 0).then(|| self.recent.again(due))?;
        let offered = again.map(|query| Offered {
            query,
            at,
            is_again: true,
        });
        Some(offered.collect())
    }

    /// More queries of those that are asked now, if there are few samples.
    pub(super) fn more(&mut self) -> Option<Vec<Offered>> {
        let known = self.confirmed() + self.offered.len();
        let missing = SAMPLES_ENOUGH.saturating_sub(known).min(MORE_AT_ONCE);
        let more = self.recent.more(self.oldest, missing);
        let offered: Vec<Offered> = more
            .map(|heard| Offered {
                query: heard.query.clone(),
                at: heard.at,
                is_again: false,
            })
            .collect();
        (!offered.is_empty()).then_some(offered)
    }

    /// Whether a query unlike all others has to be answered exactly. Not by buckets, where twice the effort of the others does; and not
    /// where that takes long.
    pub(super) fn waits_for_other_kinds(&self) -> bool {
        self.points <= INLINE_POINTS
            && !matches!(self.evidence.family, Some(Family::Buckets | Family::Drift))
    }

    /// What a query takes that needs so much; `None`: more than was tried.
    pub(super) fn enough(&self, need: Option<usize>, curve: &Curve, k: usize) -> Effort {
        match need {
            Some(ef) => Effort::Ef(curve.scaled(ef, k)),
            None if self.points <= INLINE_POINTS => Effort::Exact,
            // To compare with all of so many takes seconds.
            None => Effort::Ef(curve.scaled(EFFORT_OF_TRUTH, k)),
        }
    }

    /// Takes what was learned from a query about an index of so many points.
    pub(super) fn add(
        &mut self,
        sample: Sample,
        (family, points): (Family, usize),
        trials: Arc<Trials>,
    ) {
        self.evidence.family = Some(family);
        self.evidence.points = points;
        if self.evidence.samples.len() == SAMPLES_MAX {
            self.evidence.samples.pop_front();
        }
        let at = self.applied;
        self.evidence.samples.push_back(Sample { at, ..sample });
        self.changes += 1;
        self.unsaid += 1;
        self.since = 0;
        self.forget_outdated();
        if self.fresh() > SAMPLES_MIN {
            let samples = &mut self.evidence.samples;
            let again = samples.iter().position(|sample| sample.is_again);
            again.and_then(|place| samples.remove(place));
        }
        if self.points == 0 || self.fresh() >= SAMPLES_MIN {
            self.points = self.points.max(points);
        }
        // From then on there are few of them.
        self.trials = Some(trials).filter(|_| self.evidence.samples.len() < SAMPLES_MIN);
    }

    /// What samples say for this recall: while most are out of date, or their queries, for a greater one.
    pub(super) fn wary_curve(&mut self, k: usize, recall: f32) -> Arc<Curve> {
        let is_wary = self.confirmed() * 2 < self.evidence.samples.len().min(SAMPLES_MIN);
        let [as_asked, wary, warier] = Samples::recalls(recall);
        let recall = match (is_wary, self.are_old()) {
            (true, true) => warier,
            (true, false) => wary,
            (false, _) => as_asked,
        };
        self.curve(k, recall)
    }

    /// The recalls for which efforts may be taken where this one is asked for.
    fn recalls(asked: f32) -> [f32; 3] {
        let for_less_missed = |share: f32| 1.0 - (1.0 - asked) * share;
        [asked, for_less_missed(WARY), for_less_missed(WARIER)]
    }

    /// Whether most of the samples that decide are long out of date: who learns has no time.
    fn are_old(&self) -> bool {
        let newest = self.evidence.samples.iter().rev();
        let mut middle = newest.skip(SAMPLES_MIN / 2);
        let old = self.applied.saturating_sub(self.points as u64 / OLD_SHARE);
        middle.next().is_some_and(|sample| sample.at < old)
    }

    pub(super) fn curve(&mut self, k: usize, recall: f32) -> Arc<Curve> {
        let depth = depth_of(k);
        let same = |known: &&mut Known| known.curve.depth == depth && known.curve.recall == recall;
        if let Some(known) = self.curves.iter_mut().find(same) {
            known.idle = 0;
            return Arc::clone(&known.curve);
        }
        let curve = Arc::new(self.evidence.cheapest(depth, recall));
        if self.curves.len() == CURVES_MAX {
            self.curves.clear();
        }
        self.curves.push(Known {
            curve: Arc::clone(&curve),
            idle: 0,
        });
        curve
    }

    /// Whether the curves are to be made anew: that takes longer than to learn, so it is done for some samples at once.
    pub(super) fn are_unsaid(&self) -> bool {
        self.offered.is_empty() || self.unsaid >= UNSAID_MAX
    }

    /// What it takes to make the curves anew without keeping searches waiting, and those that the next searches may ask for.
    pub(super) fn renewal(&mut self) -> Renewal {
        self.unsaid = 0;
        let lasting = self.curves.iter().filter(|known| known.idle < IDLE_MAX);
        let mut curves: Vec<(usize, f32, usize)> = lasting
            .map(|known| (known.curve.depth, known.curve.recall, known.idle + 1))
            .collect();
        if let Some((k, asked)) = self.asked
            && self.evidence.samples.len() >= SAMPLES_MIN
        {
            let depth = depth_of(k);
            for recall in Samples::recalls(asked) {
                let is_there = curves
                    .iter()
                    .any(|known| (known.0, known.1) == (depth, recall));
                curves.extend((!is_there).then_some((depth, recall, 0)));
            }
        }
        Renewal {
            changes: self.changes,
            evidence: self.evidence.clone(),
            curves,
        }
    }

    /// Takes over what was made anew, unless samples have come meanwhile: who has brought these will make them anew again.
    pub(super) fn renew(&mut self, (changes, curves): (u64, Vec<Known>)) {
        if self.changes == changes {
            self.curves = curves;
        }
    }
}

/// Where in [`DEPTHS`] searches for `k` hits belong.
fn depth_of(k: usize) -> usize {
    let depth = DEPTHS.iter().position(|&depth| k <= depth);
    depth.unwrap_or(DEPTHS.len() - 1)
}

/// Curves that are to be made anew, of samples as they were at one moment.
pub(super) struct Renewal {
    changes: u64,
    evidence: Evidence,
    /// Of each its depth, its recall, and how often it was made anew without anybody having asked for it.
    curves: Vec<(usize, f32, usize)>,
}

impl Renewal {
    /// What the samples say, after so many changes.
    pub(super) fn made(self) -> (u64, Vec<Known>) {
        let Renewal {
            changes,
            evidence,
            curves,
        } = self;
        let made = curves.into_iter().map(|(depth, recall, idle)| Known {
            curve: Arc::new(evidence.cheapest(depth, recall)),
            idle,
        });
        (changes, made.collect())
    }
}
