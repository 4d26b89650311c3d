//! What effort an approximate search needs for the recall that was asked for: measured on the queries themselves.
//!
//! 1. The first queries that ask for a recall are answered exactly, by comparing with everything. Each becomes a *sample*: how
//!    much of that answer an approximate search of every effort finds, and how *hard* the query is, which is the distance of the
//!    [`RANK`]th point that such a search finds. Queries far from all points need a greater effort, whether they are rare
//!    ones, or from another distribution than the data.
//! 2. A later query is searched for with a small effort first, which tells how hard it is. The samples that are about as hard
//!    tell the effort that it takes. If that is more, the search is repeated with it. Where one effort serves queries of all
//!    kinds, as it does in buckets, which look farther by themselves where much is near, that is the first one, and the only one.
//! 3. A query harder than nearly all samples gets more than any of these took. When there are many such queries, they are of
//!    another kind than before: they are answered exactly, and become samples. So does one query in [`SAMPLE_EVERY`].
//!
//! Points that come and go take what was learned with them: a sample counts until an eighth of the points are newer than it.
//!
//! Under a filter there is one search only: the points that it allows tell nothing of how hard the query is. What that takes is
//! measured with filters that let some [`SHARES`] of the points through, and have nothing to do with the vectors (`trials`); how
//! much more a filter takes that does, is learned from the searches under it (`lessons`).

use super::lessons::Lessons;
use super::trials::{SHARES, Trials, passes};
use crate::ann::{Ann, AnnScratch, Family};
use crate::error::Result;
use crate::filter::Filter;
use aether_index::{Candidate, SearchParams};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

/// Efforts that are tried.
const EFFORTS: [usize; 13] = [16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1_024];

/// Numbers of hits for which recall is measured. Another number is taken for the next larger one of these: fewer than
/// ten tell little, one query at a time.
const DEPTHS: [usize; 5] = [10, 20, 50, 100, 200];

/// The point whose distance tells how hard a query is: one that nearly every effort finds, and no chance duplicate.
pub(crate) const RANK: usize = 10;

/// Samples before the first decision.
const SAMPLES_MIN: usize = 64;

/// Samples that are kept, the newest ones.
const SAMPLES_MAX: usize = 512;

/// From then on, one query of so many for each sample that there is becomes another one: that costs what some hundred queries
/// cost, and the next one pays for new curves.
const SAMPLE_EVERY: u64 = 64;

/// A sample counts until one in so many of the points in the index are newer.
const RENEWED_SHARE: u64 = 8;

/// So much less recall than was asked for does no harm, if chance has it so.
pub(super) const TOLERATED: f32 = 0.01;

/// Samples by which one query is judged: half of them less hard.
const PEERS: usize = 48;

/// With fewer harder samples than this, nothing is known of a query.
const HARDER_MIN: usize = 8;

/// The same where the hard ones take no more than the others.
const HARDER_MIN_LEVEL: usize = 2;

/// Of so many queries it is remembered how many were harder than all that is known.
const MEMORY: f32 = 32.0;

/// If more than this share of them were, these are queries of another kind.
const ANOTHER_KIND: f32 = 0.25;

/// How much more than any known query an unknown one gets.
const UNKNOWN_FACTOR: usize = 2;

/// Hits for which that is done.
const FILTERED_DEPTH: usize = 10;

/// Efforts up to which that is done: greater ones take as long as comparing with all that are allowed.
const FILTERED_EFFORTS: usize = 9;

/// What a search costs by itself, in candidates.
const SEARCH_COST_GRAPH: usize = 20;

/// The same for buckets: all of them are looked at.
const SEARCH_COST_BUCKETS: usize = 60;

/// Recalls asked for of which the curves are kept.
const CURVES_MAX: usize = 16;

/// What is known about one approximate index.
#[derive(Debug, Default)]
pub(crate) struct Calibration(Box<Mutex<Samples>>);

#[derive(Debug, Default)]
struct Samples {
    /// Points in the index when the oldest sample was taken.
    points: usize,
    newest: VecDeque<Sample>,
    /// Points that ever came into the index.
    applied: u64,
    /// Queries since the last one that became a sample.
    since: u64,
    /// The share of queries lately that were harder than all that is known.
    unknown: f32,
    /// Of the index of the newest sample.
    family: Option<Family>,
    /// What the samples say, as far as somebody has asked.
    curves: Vec<Arc<Curve>>,
    /// For how many hits and which recall somebody has asked last.
    asked: Option<(usize, f32)>,
    /// The filters with which the last sample was tried.
    trials: Option<Arc<Trials>>,
    /// What is known of other filters.
    lessons: Lessons,
}

/// How well a recall that is asked for is kept: approximate searches compared with exact ones, for the same queries.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct MeasuredRecall {
    /// The recall that a search has asked for last.
    pub asked: f32,
    /// The mean share of the exact answers that such a search finds, 0 to 1; at least: between two efforts that were tried, that
    /// of the smaller one.
    pub found: f32,
    /// Of how many queries, the latest ones that were answered both ways.
    pub queries: usize,
}

/// What searches of every effort make of one query.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sample {
    /// See [`Samples::applied`].
    at: u64,
    hardness: [f32; EFFORTS.len()],
    /// For each depth: how much of the exact answer was found, 0 to 1.
    shares: [[f32; EFFORTS.len()]; DEPTHS.len()],
    /// The same under a filter, for each of [`SHARES`].
    filtered: [[f32; FILTERED_EFFORTS]; SHARES.len()],
}

/// What to do for a query that asks for a recall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Search with this many candidates.
    Ef(usize),
    /// Compare with everything: no effort that was tried is enough.
    Exact,
    /// Compare with everything, and [learn](Calibration::learn) from the answer.
    Sample,
}

/// The effort that queries take, by how hard they are, for one depth and recall.
#[derive(Debug, PartialEq)]
pub(crate) struct Curve {
    depth: usize,
    recall: f32,
    /// With this effort queries are searched for to see how hard they are.
    first: usize,
    /// With fewer harder samples than this, nothing is known of a query.
    harder_min: usize,
    /// Of each sample how hard it is, ascending, and the effort for a query that is as hard; `None` if none is enough.
    steps: Vec<(f32, Option<usize>)>,
    /// The effort with which all samples together reach the recall; `None` if none is enough.
    typical: Option<usize>,
    /// The same under a filter, for each of [`SHARES`], for [`FILTERED_DEPTH`] hits.
    filtered: [Option<usize>; SHARES.len()],
}

impl Calibration {
    /// What is known for queries that want `k` hits from an index of `points` points, with this recall. `None`: this one is to be
    /// a sample.
    pub(crate) fn curve(&self, points: usize, k: usize, recall: f32) -> Option<Arc<Curve>> {
        let mut samples = self.0.lock();
        if points > samples.points.saturating_mul(2) || points < samples.points / 2 {
            *samples = Samples {
                points,
                applied: samples.applied,
                lessons: std::mem::take(&mut samples.lessons),
                ..Samples::default()
            };
        }
        samples.since += 1;
        let known = samples.newest.len();
        let learns = known < SAMPLES_MIN || samples.since >= SAMPLE_EVERY * known as u64;
        samples.asked = Some((k, recall));
        (!learns).then(|| samples.curve(k, recall))
    }

    /// What a query takes for which a search with the curve's first effort has found points so far away.
    pub(crate) fn effort(&self, curve: &Curve, hardness: f32, k: usize) -> Effort {
        let known = curve.known(hardness);
        let mut samples = self.0.lock();
        let is_unknown = if known.is_none() { 1.0 } else { 0.0 };
        samples.unknown += (is_unknown - samples.unknown) / MEMORY;
        match known {
            Some(need) => need.map_or(Effort::Exact, |ef| Effort::Ef(curve.scaled(ef, k))),
            None if samples.unknown > ANOTHER_KIND => Effort::Sample,
            None => curve.greatest().map_or(Effort::Exact, |ef| {
                Effort::Ef(curve.scaled(ef * UNKNOWN_FACTOR, k))
            }),
        }
    }

    /// What a query takes that wants `k` hits of the `allowed` points that a filter lets through, out of `points`; and whether it is
    /// to be [checked](Calibration::check).
    pub(crate) fn filtered(
        &self,
        (points, allowed): (usize, u64),
        filter: &Filter,
        (k, recall): (usize, f32),
    ) -> (Effort, bool) {
        let Some(curve) = self.curve(points, FILTERED_DEPTH, recall) else {
            return (Effort::Sample, false);
        };
        let share = points as f64 / (allowed as f64).max(1.0);
        let Some(each) = curve.filtered_at(share.max(1.0)) else {
            return (Effort::Exact, false);
        };
        let (factor, is_checked) = self.0.lock().lessons.factor(filter, k, recall);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of candidates"
        )]
        let ef = (each * f64::from(factor) * k.div_ceil(FILTERED_DEPTH) as f64) as usize;
        (Effort::Ef(ef.max(k)), is_checked)
    }

    /// Learns what a search under a filter has `found`, nearest first, of the nearest that one of
    /// [`CHECK_EFFORT`](super::lessons::CHECK_EFFORT) times the effort finds.
    pub(crate) fn check(
        &self,
        filter: &Filter,
        (k, recall): (usize, f32),
        found: &[Candidate],
        nearest: &[Candidate],
    ) {
        let share = share(nearest, found, k);
        self.0.lock().lessons.learn(filter, k, recall, share);
    }

    /// What searches find that ask for a recall: none before there are samples enough to search by.
    pub(crate) fn measured(&self) -> Option<MeasuredRecall> {
        let mut samples = self.0.lock();
        let (k, asked) = samples.asked?;
        let queries = samples.newest.len();
        if queries < SAMPLES_MIN {
            return None;
        }
        let curve = samples.curve(k, asked);
        let found = samples.newest.iter().map(|sample| curve.finds(sample));
        Some(MeasuredRecall {
            asked,
            found: found.sum::<f32>() / queries as f32,
            queries,
        })
    }

    /// The index has got so many points by now, all in all, and `points` are in it: what was learned before one in [`RENEWED_SHARE`] of
    /// these came is forgotten.
    pub(crate) fn applied(&self, applied: u64, points: usize) {
        let mut samples = self.0.lock();
        samples.applied = applied;
        let oldest = applied.saturating_sub(points as u64 / RENEWED_SHARE);
        let known = samples.newest.len();
        while samples
            .newest
            .front()
            .is_some_and(|sample| sample.at < oldest)
        {
            samples.newest.pop_front();
        }
        if samples.newest.len() < known {
            samples.curves.clear();
        }
    }

    /// Forgets everything: another index has taken the place of the one from which it was learned.
    pub(crate) fn forget(&self) {
        *self.0.lock() = Samples::default();
    }

    /// Takes the query as a sample.
    pub(crate) fn learn(
        &self,
        ann: &Arc<Ann>,
        query: &[f32],
        scratch: &mut AnnScratch,
    ) -> Result<()> {
        let deepest = DEPTHS[DEPTHS.len() - 1];
        let truth = ann.scan_all(query, deepest, &|_| true, scratch)?;
        let mut sample = Sample::default();
        for (e, &ef) in EFFORTS.iter().enumerate() {
            let params = SearchParams {
                k: ef.min(deepest),
                ef,
                include_dead: false,
            };
            let found = ann.search(query, params, None, scratch)?;
            sample.hardness[e] = hardness(&found);
            for (d, &depth) in DEPTHS.iter().enumerate() {
                sample.shares[d][e] = share(&truth, &found, depth);
            }
        }
        let trials = self.try_filters(ann, query, &truth, &mut sample, scratch)?;
        let mut samples = self.0.lock();
        samples.family = Some(ann.family());
        sample.at = samples.applied;
        if samples.newest.len() == SAMPLES_MAX {
            samples.newest.pop_front();
        }
        samples.newest.push_back(sample);
        samples.since = 0;
        samples.curves.clear();
        // From then on there are few of them.
        samples.trials = Some(trials).filter(|_| samples.newest.len() < SAMPLES_MIN);
        Ok(())
    }

    /// Puts into `sample` what searches under filters find of the nearest points, which are `truth`. Returns the filters, for the next one.
    fn try_filters(
        &self,
        ann: &Arc<Ann>,
        query: &[f32],
        truth: &[Candidate],
        sample: &mut Sample,
        scratch: &mut AnnScratch,
    ) -> Result<Arc<Trials>> {
        let known = self.0.lock().trials.clone();
        let mut trials = match known.filter(|trials| trials.is_of(ann)) {
            Some(known) => known,
            None => Arc::new(Trials::new(ann)?),
        };
        for (place, share) in SHARES.into_iter().enumerate() {
            let of = truth.iter().filter(|near| passes(near.point, share));
            let truth: Vec<Candidate> = of.copied().collect();
            for (e, &ef) in EFFORTS[..FILTERED_EFFORTS].iter().enumerate() {
                let params = SearchParams {
                    k: FILTERED_DEPTH,
                    ef,
                    include_dead: false,
                };
                let mut found = trials.search(ann, place, query, params, scratch)?;
                if found.is_none() && ann.selects() {
                    trials = Arc::new(Trials::new(ann)?);
                    found = trials.search(ann, place, query, params, scratch)?;
                }
                // An index that changes all the time is asked of each point.
                let found = match found {
                    Some(found) => found,
                    None => {
                        let passes = |point| passes(point, share);
                        ann.search(query, params, Some(&passes), scratch)?
                    }
                };
                sample.filtered[place][e] = self::share(&truth, &found, FILTERED_DEPTH);
            }
        }
        Ok(trials)
    }
}

/// How hard a query is for which a search has found these, nearest first.
pub(crate) fn hardness(found: &[Candidate]) -> f32 {
    let at_rank = found.get(RANK - 1);
    at_rank.map_or(f32::INFINITY, |candidate| candidate.distance.0)
}

impl Samples {
    fn curve(&mut self, k: usize, recall: f32) -> Arc<Curve> {
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

impl Curve {
    /// With so many candidates a query is searched for first, for `k` hits.
    pub(crate) fn first(&self, k: usize) -> usize {
        self.scaled(self.first, k)
    }

    /// What a query takes that is so hard, if that is known.
    fn known(&self, hardness: f32) -> Option<Option<usize>> {
        let easier = self.steps.partition_point(|&(other, _)| other < hardness);
        let (_, need) = self.steps.get(easier)?;
        (easier + self.harder_min <= self.steps.len()).then_some(*need)
    }

    /// How much of its exact answer a search with this curve finds for the query of `sample`.
    fn finds(&self, sample: &Sample) -> f32 {
        let tried = |ef: usize| EFFORTS.partition_point(|&tried| tried <= ef).checked_sub(1);
        let first = tried(self.first).unwrap_or(0);
        let need = match self.known(sample.hardness[first]) {
            Some(need) => need,
            None => self.greatest().map(|ef| ef * UNKNOWN_FACTOR),
        };
        // Without an effort that is enough, the search compares with everything.
        need.map_or(1.0, |ef| {
            tried(ef.max(self.first)).map_or(0.0, |e| sample.shares[self.depth][e])
        })
    }

    /// The effort that it takes if one of `share` points is allowed; between those that were tried by the logarithm. `None`: no
    /// effort that was tried is enough.
    fn filtered_at(&self, share: f64) -> Option<f64> {
        let all = (1, self.typical);
        let tried = std::iter::once(all).chain(SHARES.into_iter().zip(self.filtered));
        let mut before: Option<(f64, Option<usize>)> = None;
        for (at, effort) in tried {
            let at = (at as f64).ln();
            if share.ln() <= at {
                let (from, less) = before.unwrap_or((at, effort));
                let (less, more) = (less? as f64, effort? as f64);
                let part = if at > from {
                    (share.ln() - from) / (at - from)
                } else {
                    1.0
                };
                return Some(less + part * (more - less));
            }
            before = Some((at, effort));
        }
        before?.1.map(|effort| effort as f64)
    }

    /// The greatest effort of all; `None` when none is enough for some.
    fn greatest(&self) -> Option<usize> {
        let needs = self.steps.iter().map(|&(_, need)| need);
        needs.collect::<Option<Vec<usize>>>()?.into_iter().max()
    }

    /// More hits than were tried: as many candidates to each as for the deepest.
    fn scaled(&self, ef: usize, k: usize) -> usize {
        (ef * k.div_ceil(DEPTHS[self.depth]).max(1)).max(k)
    }
}

/// The least effort with which so much is found as is asked for; between two that were tried, in proportion: twice the
/// effort never brings twice the gain.
fn least_effort(reached: impl Iterator<Item = f32>, asked: f32) -> Option<usize> {
    let mut below: Option<(usize, f32)> = None;
    for (reached, ef) in reached.zip(EFFORTS) {
        if reached >= asked {
            return Some(below.map_or(ef, |(less, share)| {
                let part = (asked - share) / (reached - share);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a part of the way between two efforts"
                )]
                let more = ((ef - less) as f32 * part).ceil() as usize;
                less + more
            }));
        }
        below = Some((ef, reached));
    }
    None
}

/// What searches of every effort find of the answers of `samples`, but for chance.
fn reached(samples: &[&Sample], depth: usize, deviations: f32) -> impl Iterator<Item = f32> {
    (0..EFFORTS.len()).map(move |e| {
        let shares = || samples.iter().map(|sample| sample.shares[depth][e]);
        surely(shares, deviations)
    })
}

/// The mean of some shares, less so many standard deviations as far as these are more than is tolerated.
fn surely<I: Iterator<Item = f32>>(shares: impl Fn() -> I, deviations: f32) -> f32 {
    let count = shares().count().max(1) as f32;
    let mean = shares().sum::<f32>() / count;
    let variance = shares().map(|share| (share - mean).powi(2)).sum::<f32>() / count;
    mean - (deviations * variance.sqrt() - TOLERATED).max(0.0)
}

/// How much of the first `depth` of `truth` was found.
fn share(truth: &[Candidate], found: &[Candidate], depth: usize) -> f32 {
    let truth = &truth[..truth.len().min(depth)];
    let Some(farthest) = truth.last() else {
        return 1.0;
    };
    // By distance: of several that are equally far, each is right.
    let hits = found
        .iter()
        .take(depth)
        .filter(|candidate| candidate.distance <= farthest.distance)
        .count();
    hits as f32 / truth.len() as f32
}

#[cfg(test)]
mod tests;
