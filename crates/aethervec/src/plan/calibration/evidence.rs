//! All samples together, and the curves that they give.

use super::curve::{Curve, least_effort, reached, surely};
use super::sample::Sample;
use super::{
    BEYOND, BEYOND_ALONE, EFFORTS, FILTERED_EFFORTS, HARDER_MIN, PEERS, SEARCH_COST_BUCKETS,
    SEARCH_COST_GRAPH, SEARCH_COST_POINTS, TOLERATED, efforts,
};
use crate::ann::Family;
use std::collections::VecDeque;

/// By how many of its standard deviations chance may have been kind over all queries, where each gets what those take that are as hard: for
/// most of them that is more than they need.
const SURE_GRAPH: f32 = 2.0;

/// The same where all get the same, mostly: with two, one time in forty less would be found than is asked for, and what is known is learned
/// anew all the time.
const SURE_BUCKETS: f32 = 3.0;

/// The latest samples.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    /// The newest one last.
    pub(super) samples: VecDeque<Sample>,
    /// Of the index of the newest one.
    pub(super) family: Option<Family>,
    /// How many that index had.
    pub(super) points: usize,
}

impl Evidence {
    /// The curve that costs least: a small first effort has to be repeated often, a great one is more than most need.
    pub(super) fn cheapest(&self, depth: usize, recall: f32) -> Curve {
        let search_cost = match self.family {
            Some(Family::Buckets) => SEARCH_COST_BUCKETS,
            Some(Family::Drift) => SEARCH_COST_BUCKETS + self.points / SEARCH_COST_POINTS,
            _ => SEARCH_COST_GRAPH,
        };
        let tried = efforts(self.points);
        let greatest = tried.last().copied().unwrap_or_default();
        let cost = |curve: &Curve| -> usize {
            let again = |need: Option<usize>| match need {
                Some(ef) if ef <= curve.first => 0,
                Some(ef) => search_cost + ef,
                None => greatest,
            };
            let steps = curve.steps.iter();
            steps.map(|&(_, need)| curve.first + again(need)).sum()
        };
        let stepped = (0..tried.len()).map(|first| self.curve_from(first, depth, recall));
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
            limit: beyond(BEYOND, &sorted, place),
            limit_alone: beyond(BEYOND_ALONE, &sorted, place),
            steps: steps.collect(),
            ..*stepped
        })
    }

    /// The samples, by how hard searches with one of [`EFFORTS`] find them.
    fn by_hardness(&self, effort: usize) -> Vec<&Sample> {
        let mut sorted: Vec<&Sample> = self.samples.iter().collect();
        sorted.sort_by(|a, b| a.hardness[effort].total_cmp(&b.hardness[effort]));
        sorted
    }

    fn curve_from(&self, first: usize, depth: usize, recall: f32) -> Curve {
        let sorted = self.by_hardness(first);
        let all = sorted.len();
        // By how much chance may have been kind: over all queries, and to a few.
        let chance = |count: usize| (count as f32).sqrt().recip();
        let sure = match self.family {
            Some(Family::Buckets | Family::Drift) => SURE_BUCKETS,
            _ => SURE_GRAPH,
        };
        let need = |peers: &[&Sample]| {
            let deviations = (sure * chance(all)).max(chance(peers.len()));
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
        let limit = match all.checked_sub(HARDER_MIN) {
            Some(place) if place < all => sorted[place].hardness[first],
            _ => f32::NEG_INFINITY,
        };
        Curve {
            depth,
            recall,
            first: EFFORTS[first],
            limit,
            limit_alone: limit,
            steps: sorted.iter().enumerate().map(step).collect(),
            typical: need(&sorted),
            filtered: std::array::from_fn(filtered),
        }
    }
}

/// How hard a query may be for which an effort suffices that is enough for all samples: somewhat harder than these are, which are few, by
/// a `part` of what the hardest is harder than the middle one. They are sorted by how hard searches with this effort find them.
fn beyond(part: f32, sorted: &[&Sample], effort: usize) -> f32 {
    let hardness = |place: usize| sorted.get(place).map(|sample| sample.hardness[effort]);
    let hardest = hardness(sorted.len().saturating_sub(1)).unwrap_or(f32::NEG_INFINITY);
    let middle = hardness(sorted.len() / 2).unwrap_or(hardest);
    hardest + part * (hardest - middle)
}
