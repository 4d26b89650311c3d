//! What effort an approximate search needs for the recall that was asked for: measured on the queries themselves.
//!
//! 1. The first queries that ask for a recall are answered exactly, by comparing with everything; where that takes long, with a great
//!    effort. Each becomes a *sample*: how much of that answer an approximate search of every effort finds, and how *hard* the query is, which is the distance of the
//!    [`RANK`]th point that such a search finds. Queries far from all points need a greater effort, whether they are rare
//!    ones, or from another distribution than the data.
//! 2. A later query is searched for with a small effort first, which tells how hard it is. The samples that are about as hard
//!    tell the effort that it takes. If that is more, the search is repeated with it. Where one effort serves queries of all
//!    kinds, as it does in buckets, which look farther by themselves where much is near, that is the first one, and the only one.
//! 3. A query harder than nearly all samples gets more than any of these took. When there are many such queries, they are of
//!    another kind than before, and become samples. So does one query in [`SAMPLE_EVERY`].
//!
//! Points that come and go take what was learned with them: when a sixteenth of the points are newer than a sample, it is *out of date*, and
//! other queries take its place. While most are, efforts are those for a greater recall than was asked for.
//!
//! But for the first ones, which have to wait for it, queries are *offered*, and the lane learns from them in the background. When it
//! has nothing else to do, it does not wait for them: it learns again from the latest ones that were asked before, and then from
//! new ones, which may be of another kind; at last from some more of these, which make it surer.
//!
//! Under a filter there is one search only: the points that it allows tell nothing of how hard the query is. What that takes is
//! measured with filters that let some [`SHARES`] of the points through, and have nothing to do with the vectors (`trials`); how
//! much more a filter takes that does, is learned from the searches under it (`lessons`).

mod curve;
mod evidence;
mod recent;
mod sample;
mod samples;

use crate::ann::{Ann, AnnScratch};
use crate::error::Result;
use crate::filter::Filter;
use aether_index::Candidate;
pub(crate) use curve::Curve;
use parking_lot::Mutex;
pub(crate) use sample::hardness;
use sample::{Sample, share};
pub(crate) use samples::Offered;
use samples::Samples;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Efforts that are tried; the last ones only where there are many points, see [`efforts`].
const EFFORTS: [usize; 19] = [
    16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1_024, 1_536, 2_048, 3_072, 4_096, 6_144,
    8_192,
];

/// The efforts that are tried where all points can be compared instead.
const EFFORTS_OF_FEW: usize = 13;

/// Numbers of hits for which recall is measured. Another number is taken for the next larger one of these: fewer than
/// ten tell little, one query at a time.
const DEPTHS: [usize; 5] = [10, 20, 50, 100, 200];

/// The point whose distance tells how hard a query is: one that nearly every effort finds, and no chance duplicate.
pub(crate) const RANK: usize = 10;

/// Samples before the first decision.
const SAMPLES_MIN: usize = 64;

/// Points up to which a query may be compared with all of them before it is answered.
const INLINE_POINTS: usize = 200_000;

/// A search with this effort finds, among more points, what is taken for all that there is to find: twice the greatest that is tried.
const EFFORT_OF_TRUTH: usize = 16_384;

/// Candidates to each ten hits in a search of more, as long as nothing is known.
const UNLEARNED_EFFORT: usize = 384;

/// With fewer samples the lane learns from more queries when it has nothing else to do.
const SAMPLES_ENOUGH: usize = 192;

/// From so many at a time: they may be out of date soon.
const MORE_AT_ONCE: usize = 8;

/// Samples that are kept, the newest ones.
const SAMPLES_MAX: usize = 512;

/// From then on, one query of so many for each sample that there is becomes another one: that costs what some hundred queries
/// cost.
const SAMPLE_EVERY: u64 = 64;

/// A sample is out of date when one in so many of the points in the index are newer.
const RENEWED_SHARE: u64 = 16;

/// So much less recall than was asked for does no harm to the hardest queries where all have the same effort, nor under a filter if
/// chance has it so.
pub(super) const TOLERATED: f32 = 0.01;

/// Samples by which one query is judged: half of them less hard.
const PEERS: usize = 48;

/// With fewer harder samples than this, nothing is known of a query.
const HARDER_MIN: usize = 8;

/// Where the hard ones take no more than the others, the hardest sample may be exceeded by this part of what it is harder than the
/// middle one: a query in a hundred is harder than a hundred samples, and of the same kind.
const BEYOND: f32 = 0.5;

/// The same for one that is alone with that: to miss a little more of few queries harms less than to search twice for each of them.
const BEYOND_ALONE: f32 = 1.5;

/// A query is alone with it as long as such queries are no more than this share.
const ALONE: f32 = 0.1;

/// Of so many queries it is remembered how many were harder than all that is known.
const MEMORY: f32 = 32.0;

/// If more than this share of them were, these are queries of another kind.
const ANOTHER_KIND: f32 = 0.25;

/// How much more than any known query an unknown one gets.
const UNKNOWN_FACTOR: usize = 2;

/// Hits for which samples are tried under filters.
const FILTERED_DEPTH: usize = 10;

/// Efforts up to which they are: greater ones take as long as comparing with all that are allowed.
const FILTERED_EFFORTS: usize = 9;

/// What a search costs by itself, in candidates.
const SEARCH_COST_GRAPH: usize = 20;

/// The same for buckets: all of them are looked at.
const SEARCH_COST_BUCKETS: usize = 60;

/// So many points in buckets that are read from the storage engine cost one candidate more: of ten million a search for few candidates
/// takes nearly as long as one for thousands, and to search twice takes twice as long.
const SEARCH_COST_POINTS: usize = 1_024;

/// Recalls asked for of which the curves are kept.
const CURVES_MAX: usize = 16;

/// What is known about one approximate index.
#[derive(Debug, Default)]
pub(crate) struct Calibration {
    samples: Box<Mutex<Samples>>,
    /// Whether there are queries to learn from.
    is_offered: AtomicBool,
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

/// What to do for a query that asks for a recall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Search with this many candidates.
    Ef(usize),
    /// Compare with everything: no effort that was tried is enough, and the points are few.
    Exact,
    /// Compare with everything, and [learn](Calibration::learn) from the answer.
    Sample,
}

/// The efforts that are tried in an index of so many points.
fn efforts(points: usize) -> &'static [usize] {
    match points > INLINE_POINTS {
        true => &EFFORTS,
        false => &EFFORTS[..EFFORTS_OF_FEW],
    }
}

impl Calibration {
    /// What is known for queries that want `k` hits from an index of `points` points, with this recall. `None`: nothing yet;
    /// [`unlearned`](Calibration::unlearned) says what to do.
    pub(crate) fn curve(
        &self,
        points: usize,
        query: &[f32],
        (k, recall): (usize, f32),
    ) -> Option<Arc<Curve>> {
        let mut samples = self.samples.lock();
        if points > samples.points.saturating_mul(2) || points < samples.points / 2 {
            samples.resized(points);
        }
        samples.since += 1;
        samples.asked = Some((k, recall));
        let known = samples.evidence.samples.len();
        let waits = known < SAMPLES_MIN && points <= INLINE_POINTS;
        let is_due = samples.since >= SAMPLE_EVERY * known as u64 && samples.offered.is_empty();
        let is_due = is_due || samples.confirmed() + samples.offered.len() < SAMPLES_MIN;
        let at = samples.applied;
        samples.recent.hear(query, at, waits || is_due);
        if waits {
            return None;
        }
        if is_due {
            self.offer(&mut samples, query);
        }
        (known >= SAMPLES_MIN).then(|| samples.wary_curve(k, recall))
    }

    /// What a query takes as long as there is no curve.
    pub(crate) fn unlearned(points: usize, k: usize) -> Effort {
        match points <= INLINE_POINTS {
            true => Effort::Sample,
            false => Effort::Ef(UNLEARNED_EFFORT * k.div_ceil(DEPTHS[0])),
        }
    }

    /// Has the lane learn from a query.
    fn offer(&self, samples: &mut Samples, query: &[f32]) {
        let offered = Offered {
            query: query.into(),
            at: samples.applied,
            is_again: false,
        };
        samples.offered.push_back(offered);
        samples.since = 0;
        self.is_offered.store(true, Ordering::Release);
    }

    /// Whether there are queries to learn from.
    pub(crate) fn is_offered(&self) -> bool {
        self.is_offered.load(Ordering::Acquire)
    }

    /// A query to learn from, the oldest one.
    pub(crate) fn take_offered(&self) -> Option<Offered> {
        let mut samples = self.samples.lock();
        let offered = samples.offered.pop_front();
        self.is_offered
            .store(!samples.offered.is_empty(), Ordering::Release);
        offered
    }

    /// What a query takes for which a search with the curve's first effort has found points so far away.
    pub(crate) fn effort(&self, curve: &Curve, query: &[f32], hardness: f32, k: usize) -> Effort {
        let mut samples = self.samples.lock();
        let is_unknown = match curve.known(hardness, false) {
            Some(_) => 0.0,
            None => 1.0,
        };
        samples.unknown += (is_unknown - samples.unknown) / MEMORY;
        match curve.known(hardness, samples.unknown <= ALONE) {
            Some(need) => samples.enough(need, curve, k),
            None if samples.unknown > ANOTHER_KIND && samples.waits_for_other_kinds() => {
                Effort::Sample
            }
            None => {
                if samples.unknown > ANOTHER_KIND && samples.offered.len() < SAMPLES_MIN {
                    self.offer(&mut samples, query);
                }
                let greatest = curve.greatest().map(|ef| ef * UNKNOWN_FACTOR);
                samples.enough(greatest, curve, k)
            }
        }
    }

    /// What a query takes that wants `k` hits of the `allowed` points that a filter lets through, out of `points`; and whether it is
    /// to be [checked](Calibration::check).
    pub(crate) fn filtered(
        &self,
        (points, allowed): (usize, u64),
        query: &[f32],
        filter: &Filter,
        (k, recall): (usize, f32),
    ) -> (Effort, bool) {
        let Some(curve) = self.curve(points, query, (FILTERED_DEPTH, recall)) else {
            return (Calibration::unlearned(points, k), false);
        };
        let share = points as f64 / (allowed as f64).max(1.0);
        let Some(each) = curve.filtered_at(share.max(1.0)) else {
            return (self.samples.lock().enough(None, &curve, k), false);
        };
        let (factor, is_checked) = self.samples.lock().lessons.factor(filter, k, recall);
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
        self.samples.lock().lessons.learn(filter, k, recall, share);
    }

    /// What searches find that ask for a recall: none before there are samples enough to search by.
    pub(crate) fn measured(&self) -> Option<MeasuredRecall> {
        let mut samples = self.samples.lock();
        let (k, asked) = samples.asked?;
        let queries = samples.evidence.samples.len();
        if queries < SAMPLES_MIN {
            return None;
        }
        let curve = samples.curve(k, asked);
        let found = samples
            .evidence
            .samples
            .iter()
            .map(|sample| curve.finds(sample));
        Some(MeasuredRecall {
            asked,
            found: found.sum::<f32>() / queries as f32,
            queries,
        })
    }

    /// The index has got so many points by now, all in all, and `points` are in it.
    pub(crate) fn applied(&self, applied: u64, points: usize) {
        let is_changed = self.samples.lock().applied(applied, points);
        if is_changed {
            self.renew_curves();
        }
    }

    /// Forgets everything but the latest queries: another index has taken the place of the one from which it was learned.
    pub(crate) fn forget(&self) {
        self.samples.lock().forget();
    }

    /// Whether the lane is to learn again, from the latest queries, what a recall takes.
    pub(crate) fn is_behind(&self) -> bool {
        let samples = self.samples.lock();
        samples.due_again() > 0 || samples.offered.iter().any(|offered| offered.is_again)
    }

    /// Has the lane, which has nothing else to do, learn again from the latest queries, where what was learned before is out of date; and
    /// otherwise from more of those that are asked now, where they are few from which it has. False where there is nothing to learn.
    pub(crate) fn offer_again(&self) -> bool {
        let mut samples = self.samples.lock();
        let offered = samples.again().or_else(|| samples.more());
        let Some(offered) = offered else {
            return false;
        };
        samples.offered.extend(offered);
        self.is_offered.store(true, Ordering::Release);
        true
    }

    /// Takes a query that is asked now as a sample.
    pub(crate) fn learn(
        &self,
        ann: &Arc<Ann>,
        query: &[f32],
        scratch: &mut AnnScratch,
    ) -> Result<()> {
        self.learn_from(ann, query, |_| false, scratch)
    }

    /// Takes a query as a sample that was offered.
    pub(crate) fn learn_offered(
        &self,
        ann: &Arc<Ann>,
        offered: &Offered,
        scratch: &mut AnnScratch,
    ) -> Result<()> {
        // What was asked before the points changed may be of another kind than what is asked now, however long it has waited.
        let is_again = |samples: &Samples| offered.is_again || offered.at < samples.oldest;
        self.learn_from(ann, &offered.query, is_again, scratch)
    }

    fn learn_from(
        &self,
        ann: &Arc<Ann>,
        query: &[f32],
        is_again: impl Fn(&Samples) -> bool,
        scratch: &mut AnnScratch,
    ) -> Result<()> {
        let trials = self.samples.lock().trials.clone();
        let (sample, trials) =
            scratch.try_out(|scratch| Sample::of(ann, query, trials, scratch))?;
        let of = (ann.family(), ann.len());
        {
            let mut samples = self.samples.lock();
            let is_again = is_again(&samples);
            samples.add(Sample { is_again, ..sample }, of, trials);
            if !samples.are_unsaid() {
                return Ok(());
            }
        }
        self.renew_curves();
        Ok(())
    }

    /// Has the curves say what the samples say by now. Searches go on with what they said before: it takes milliseconds.
    fn renew_curves(&self) {
        let renewal = self.samples.lock().renewal();
        let renewal = renewal.made();
        self.samples.lock().renew(renewal);
    }
}

#[cfg(test)]
mod tests;
