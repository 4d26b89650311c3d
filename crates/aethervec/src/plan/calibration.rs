//! What effort a graph search needs for the recall that was asked for: measured on the queries themselves.
//!
//! 1. The first queries that ask for a recall are answered exactly, by comparing with everything. Each becomes a *sample*: how
//!    much of that answer a graph search of every effort finds, and how *hard* the query is, which is the distance of the
//!    [`RANK`]th point that such a search finds. Queries far from all points need a greater effort, whether they are rare
//!    ones, or from another distribution than the data.
//! 2. A later query is searched for with a small effort first, which tells how hard it is. The samples that are as hard, or
//!    a little harder, tell the effort that it takes. If that is more, the search is repeated with it.
//! 3. A query harder than nearly all samples is answered exactly, and becomes a sample, and so does one in
//!    [`SAMPLE_EVERY`]. So the figures follow the data and the questions.

use aether_index::{Candidate, Hnsw, Result, Scratch, SearchParams};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Efforts that are tried.
const EFFORTS: [usize; 13] = [16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1_024];

/// Numbers of hits for which recall is measured. Another number is taken for the next larger one of these.
const DEPTHS: [usize; 3] = [1, 10, 100];

/// The point whose distance tells how hard a query is: one that nearly every effort finds, and no chance duplicate.
pub(crate) const RANK: usize = 10;

/// Samples before the first decision.
const SAMPLES_MIN: usize = 64;

/// Samples that are kept, the newest ones.
const SAMPLES_MAX: usize = 512;

/// From then on, one query of so many becomes a sample.
const SAMPLE_EVERY: u64 = 512;

/// Samples by which one query is judged: those that are as hard as it, or next harder.
const PEERS: usize = 48;

/// With fewer samples than this that are at least as hard, nothing is known of a query.
const PEERS_MIN: usize = 8;

/// By how much the recall may be below what was asked, in the opinion of the samples; so much again is left to chance.
const TOLERANCE: f32 = 0.005;

/// Recalls asked for of which the curves are kept.
const CURVES_MAX: usize = 16;

/// What is known about one graph.
#[derive(Debug, Default)]
pub(crate) struct Calibration {
    samples: Mutex<Samples>,
    /// Queries that asked.
    asked: AtomicU64,
}

#[derive(Debug, Default)]
struct Samples {
    /// Points in the graph when the oldest sample was taken.
    points: usize,
    newest: VecDeque<Sample>,
    /// What they say, as far as somebody has asked.
    curves: Vec<Arc<Curve>>,
}

/// What searches of every effort make of one query.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sample {
    hardness: [f32; EFFORTS.len()],
    /// For each depth: how much of the exact answer was found, 0 to 1.
    shares: [[f32; EFFORTS.len()]; DEPTHS.len()],
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
    /// With this effort queries are searched for to see how hard they are: one of [`EFFORTS`].
    first: usize,
    /// Of each sample how hard it is, ascending, and what a query as hard takes: one of [`EFFORTS`], or `None` if none is enough.
    steps: Vec<(f32, Option<usize>)>,
}

impl Calibration {
    /// What is known for queries that want `k` hits from a graph of `points` points, with this recall. `None`: this one is to be
    /// a sample.
    pub(crate) fn curve(&self, points: usize, k: usize, recall: f32) -> Option<Arc<Curve>> {
        let asked = self.asked.fetch_add(1, Relaxed);
        let mut samples = self.samples.lock();
        if points > samples.points.saturating_mul(2) || points < samples.points / 2 {
            *samples = Samples {
                points,
                ..Samples::default()
            };
        }
        if samples.newest.len() < SAMPLES_MIN || asked % SAMPLE_EVERY == SAMPLE_EVERY - 1 {
            return None;
        }
        Some(samples.curve(k, recall))
    }

    /// Takes the query as a sample.
    pub(crate) fn learn(&self, graph: &Hnsw, query: &[f32], scratch: &mut Scratch) -> Result<()> {
        let deepest = DEPTHS[DEPTHS.len() - 1];
        let truth = graph.scan_all(query, deepest, &|_| true, false, scratch)?;
        let mut search = |k, ef| {
            let params = SearchParams {
                k,
                ef,
                include_dead: false,
            };
            graph.search(query, params, None, scratch)
        };
        // An effort below the number of hits is raised to it.
        let least = search(deepest, deepest)?;
        let mut sample = Sample::default();
        for (e, &ef) in EFFORTS.iter().enumerate() {
            let found = search(ef.min(deepest), ef)?;
            sample.hardness[e] = hardness(&found);
            for (d, &depth) in DEPTHS.iter().enumerate() {
                let found = if depth > ef { &least } else { &found };
                sample.shares[d][e] = share(&truth, found, depth);
            }
        }
        let mut samples = self.samples.lock();
        if samples.newest.len() == SAMPLES_MAX {
            samples.newest.pop_front();
        }
        samples.newest.push_back(sample);
        samples.curves.clear();
        Ok(())
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

    /// The curve whose first effort costs least: a small one has to be repeated often, a great one is more than most need.
    fn cheapest(&self, depth: usize, recall: f32) -> Curve {
        let cost = |curve: &Curve| -> usize {
            let again = |need: Option<usize>| match need {
                Some(need) if need <= curve.first => 0,
                Some(need) => EFFORTS[need],
                None => EFFORTS[EFFORTS.len() - 1],
            };
            let first = EFFORTS[curve.first] * curve.steps.len();
            first
                + curve
                    .steps
                    .iter()
                    .map(|&(_, need)| again(need))
                    .sum::<usize>()
        };
        let curves = (0..EFFORTS.len()).map(|first| self.curve_from(first, depth, recall));
        curves.min_by_key(cost).expect("there are efforts")
    }

    fn curve_from(&self, first: usize, depth: usize, recall: f32) -> Curve {
        let mut sorted: Vec<&Sample> = self.newest.iter().collect();
        sorted.sort_by(|a, b| a.hardness[first].total_cmp(&b.hardness[first]));
        let need = |from: usize| {
            let peers = &sorted[from..sorted.len().min(from + PEERS)];
            (0..EFFORTS.len()).find(|&e| {
                let shares = || peers.iter().map(|sample| sample.shares[depth][e]);
                surely(shares) >= recall - TOLERANCE
            })
        };
        let step = |(place, sample): (usize, &&Sample)| (sample.hardness[first], need(place));
        Curve {
            depth,
            recall,
            first,
            steps: sorted.iter().enumerate().map(step).collect(),
        }
    }
}

impl Curve {
    /// With so many candidates a query is searched for first, for `k` hits.
    pub(crate) fn first(&self, k: usize) -> usize {
        self.scaled(self.first, k)
    }

    /// What a query takes for which that search has found points so far away.
    pub(crate) fn effort(&self, hardness: f32, k: usize) -> Effort {
        let easier = self.steps.partition_point(|&(other, _)| other < hardness);
        match self.steps.get(easier) {
            Some(&(_, need)) if easier + PEERS_MIN <= self.steps.len() => {
                need.map_or(Effort::Exact, |e| Effort::Ef(self.scaled(e, k)))
            }
            _ => Effort::Sample,
        }
    }

    /// More hits than were tried: as many candidates to each as for the deepest.
    fn scaled(&self, e: usize, k: usize) -> usize {
        (EFFORTS[e] * k.div_ceil(DEPTHS[self.depth]).max(1)).max(k)
    }
}

/// The mean of some shares, less one standard error of that mean.
fn surely<I: Iterator<Item = f32>>(shares: impl Fn() -> I) -> f32 {
    let count = shares().count().max(1) as f32;
    let mean = shares().sum::<f32>() / count;
    let variance = shares().map(|share| (share - mean).powi(2)).sum::<f32>() / count;
    mean - (variance / count).sqrt()
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
