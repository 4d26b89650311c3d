//! The latest samples, and the curves that they give.

use super::curve::{Curve, least_effort, reached, surely};
use super::sample::Sample;
use super::{
    CURVES_MAX, DEPTHS, EFFORTS, FILTERED_EFFORTS, HARDER_MIN, HARDER_MIN_LEVEL, INLINE_POINTS,
    PEERS, RENEWED_SHARE, SAMPLES_MAX, SAMPLES_MIN, SEARCH_COST_BUCKETS, SEARCH_COST_GRAPH,
    TOLERATED,
};
use crate::ann::Family;
use crate::plan::lessons::Lessons;
use crate::plan::trials::Trials;
use std::collections::VecDeque;
use std::sync::Arc;

/// Of what may be missed, so much counts while most samples are out of date.
const WARY: f32 = 0.6;

#[derive(Debug, Default)]
pub(super) struct Samples {
    /// Points in the index when the oldest sample was taken.
    pub(super) points: usize,
    pub(super) newest: VecDeque<Sample>,
    /// Points that ever came into the index.
    pub(super) applied: u64,
    /// A sample that was taken when fewer points had come is out of date.
    pub(super) oldest: u64,
    /// Queries that are to become samples.
    pub(super) offered: VecDeque<Box<[f32]>>,
    /// Queries since the last one that became a sample.
    pub(super) since: u64,
    /// The share of queries lately that were harder than all that is known.
    pub(super) unknown: f32,
    /// Of the index of the newest sample.
    pub(super) family: Option<Family>,
    /// What the samples say, as far as somebody has asked.
    pub(super) curves: Vec<Arc<Curve>>,
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
        let outdated = self
            .newest
            .partition_point(|sample| sample.at < self.oldest);
        self.newest.len() - outdated
    }

    /// The index has got so many points by now, all in all, and `points` are in it. Samples that are out of date go, but for the last
    /// [`SAMPLES_MIN`], which go as others come.
    pub(super) fn applied(&mut self, applied: u64, points: usize) {
        let fresh = self.fresh();
        self.applied = applied;
        self.oldest = applied.saturating_sub(points as u64 / RENEWED_SHARE);
        if self.fresh() < fresh {
            self.forget_outdated();
        }
    }

    fn forget_outdated(&mut self) {
        let outdated = self.newest.len() - self.fresh();
        let surplus = self.newest.len().saturating_sub(SAMPLES_MIN);
        self.newest.drain(..outdated.min(surplus));
        self.curves.clear();
    }

    /// Whether a query unlike all others has to be answered exactly. Not by buckets, where twice the effort of the others does; and not
    /// where that takes long.
    pub(super) fn waits_for_other_kinds(&self) -> bool {
        self.points <= INLINE_POINTS
            && !matches!(self.family, Some(Family::Buckets | Family::Drift))
    }

    /// Takes what was learned from a query.
    pub(super) fn add(&mut self, sample: Sample, family: Family, trials: Arc<Trials>) {
        self.family = Some(family);
        if self.newest.len() == SAMPLES_MAX {
            self.newest.pop_front();
        }
        let at = self.applied;
        self.newest.push_back(Sample { at, ..sample });
        self.since = 0;
        self.forget_outdated();
        // From then on there are few of them.
        self.trials = Some(trials).filter(|_| self.newest.len() < SAMPLES_MIN);
    }

    /// What samples say for this recall: while most are out of date, for a greater one.
    pub(super) fn wary_curve(&mut self, k: usize, recall: f32) -> Arc<Curve> {
        let is_wary = self.fresh() * 2 < self.newest.len().min(SAMPLES_MIN);
        let recall = if is_wary {
            1.0 - (1.0 - recall) * WARY
        } else {
            recall
        };
        self.curve(k, recall)
    }

    pub(super) fn curve(&mut self, k: usize, recall: f32) -> Arc<Curve> {
        let depth = DEPTHS.iter().position(|&depth| k <= depth);
        let depth = depth.unwrap_or(DEPTHS.len() - 1);
        let same = |curve: &&Arc<Curve>| curve.depth == depth && curve.recall == recall;
        if let Some(known) = self.curves.iter().find(same) {
            return Arc::clone(known);
        }
        let curve = Arc::new(self.cheapest(depth, recall));
        if self.curves.len() == CURVES_MAX {
            self.curves.clear();
        }
        self.curves.push(Arc::clone(&curve));
        curve
    }

    /// The curve that costs least: a small first effort has to be repeated often, a great one is more than most need.
    fn cheapest(&self, depth: usize, recall: f32) -> Curve {
        let search_cost = match self.family {
            Some(Family::Buckets | Family::Drift) => SEARCH_COST_BUCKETS,
            _ => SEARCH_COST_GRAPH,
        };
        let cost = |curve: &Curve| -> usize {
            let again = |need: Option<usize>| match need {
                Some(ef) if ef <= curve.first => 0,
                Some(ef) => search_cost + ef,
                None => EFFORTS[EFFORTS.len() - 1],
            };
            let steps = curve.steps.iter();
            steps.map(|&(_, need)| curve.first + again(need)).sum()
        };
        let stepped = (0..EFFORTS.len()).map(|first| self.curve_from(first, depth, recall));
        let stepped = stepped.min_by_key(cost).expect("there are efforts");
        let level = self.level(&stepped);
        let level = level.filter(|level| cost(level) <= cost(&stepped));
        level.unwrap_or(stepped)
    }

    /// A curve like `stepped` that has the same effort for all queries: one that is enough for the harder ones, too. Buckets
    /// only: how far a walk through a graph has to go for queries that are unlike the samples, these do not tell.
    fn level(&self, stepped: &Curve) -> Option<Curve> {
        if self.family == Some(Family::Graph) {
            return None;
        }
        let Curve { depth, recall, .. } = *stepped;
        let typical = stepped.typical?;
        let place = EFFORTS.partition_point(|&ef| ef < typical);
        let place = place.min(EFFORTS.len() - 1);
        let sorted = self.by_hardness(place);
        let hardest = |part: usize, asked: f32| {
            let some = &sorted[sorted.len() - sorted.len().div_ceil(part)..];
            least_effort(reached(some, depth, 0.0), asked)
        };
        let first = typical
            .max(hardest(2, recall)?)
            .max(hardest(4, recall - TOLERATED)?);
        let steps = sorted
            .iter()
            .map(|sample| (sample.hardness[place], Some(first)));
        Some(Curve {
            first,
            harder_min: HARDER_MIN_LEVEL,
            steps: steps.collect(),
            ..*stepped
        })
    }

    /// The samples, by how hard searches with one of [`EFFORTS`] find them.
    fn by_hardness(&self, effort: usize) -> Vec<&Sample> {
        let mut sorted: Vec<&Sample> = self.newest.iter().collect();
        sorted.sort_by(|a, b| a.hardness[effort].total_cmp(&b.hardness[effort]));
        sorted
    }

    fn curve_from(&self, first: usize, depth: usize, recall: f32) -> Curve {
        let sorted = self.by_hardness(first);
        let all = sorted.len();
        // By how much chance may have been kind: over all queries, and to a few.
        let chance = |count: usize| (count as f32).sqrt().recip();
        let need = |peers: &[&Sample]| {
            let deviations = (2.0 * chance(all)).max(chance(peers.len()));
            least_effort(reached(peers, depth, deviations), recall)
        };
        let filtered = |place: usize| {
            let reached = (0..FILTERED_EFFORTS).map(|e| {
                let shares = || sorted.iter().map(|sample| sample.filtered[place][e]);
                surely(shares, chance(all))
            });
            least_effort(reached, recall)
        };
        let step = |(place, sample): (usize, &&Sample)| {
            // No more easier ones than there are harder ones: queries of another kind are not judged by the former kind.
            let harder = (all - place).min(PEERS / 2);
            let peers = &sorted[place.saturating_sub(harder)..place + harder];
            (sample.hardness[first], need(peers))
        };
        Curve {
            depth,
            recall,
            first: EFFORTS[first],
            harder_min: HARDER_MIN,
            steps: sorted.iter().enumerate().map(step).collect(),
            typical: need(&sorted),
            filtered: std::array::from_fn(filtered),
        }
    }
}
