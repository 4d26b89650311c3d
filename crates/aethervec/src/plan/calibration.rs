//! What effort a graph search needs for the recall that was asked for: measured on the queries themselves.
//!
//! The first queries that ask for a recall are answered exactly, by comparing with everything. Each of them tells at the
//! same time how much of that answer a graph search of every effort finds. Once there are enough of these samples, later
//! queries use the least effort whose recall was high enough; now and then one of them is made a sample again, so that the
//! figures follow the data and the questions. Nothing is trained on guesses of what queries look like: those from another
//! distribution than the data need a very different effort.

use aether_index::{Candidate, Hnsw, Result, Scratch, SearchParams};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Efforts that are tried.
const EFFORTS: [usize; 13] = [16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1_024];

/// Numbers of hits for which recall is measured. Another number is taken for the next larger one of these.
const DEPTHS: [usize; 3] = [1, 10, 100];

/// Samples before the first decision.
const SAMPLES_MIN: usize = 64;

/// Samples that are kept, the newest ones.
const SAMPLES_MAX: usize = 256;

/// From then on, one query of so many becomes a sample.
const SAMPLE_EVERY: u64 = 1_024;

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
}

/// How much of the exact answer to one query was found: for each depth and effort the share, 0 to 1.
type Sample = [[f32; EFFORTS.len()]; DEPTHS.len()];

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

impl Calibration {
    /// What to do for a query that wants `k` hits from a graph of `points` points, with this recall.
    pub(crate) fn effort(&self, points: usize, k: usize, recall: f32) -> Effort {
        let asked = self.asked.fetch_add(1, Relaxed);
        let mut samples = self.samples.lock();
        if points > samples.points.saturating_mul(2) || points < samples.points / 2 {
            *samples = Samples {
                points,
                newest: VecDeque::new(),
            };
        }
        if samples.newest.len() < SAMPLES_MIN || asked.is_multiple_of(SAMPLE_EVERY) {
            return Effort::Sample;
        }
        samples.least_effort(k, recall)
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
            for (d, &depth) in DEPTHS.iter().enumerate() {
                let found = if depth > ef { &least } else { &found };
                sample[d][e] = share(&truth, found, depth);
            }
        }
        let mut samples = self.samples.lock();
        if samples.newest.len() == SAMPLES_MAX {
            samples.newest.pop_front();
        }
        samples.newest.push_back(sample);
        Ok(())
    }
}

impl Samples {
    fn least_effort(&self, k: usize, recall: f32) -> Effort {
        let d = DEPTHS
            .iter()
            .position(|&depth| k <= depth)
            .unwrap_or(DEPTHS.len() - 1);
        // More hits than were tried: as many candidates to each as for the deepest.
        let scale = |ef: usize| ef * k.div_ceil(DEPTHS[d]).max(1);
        (0..EFFORTS.len())
            .find(|&e| self.surely(d, e) >= recall)
            .map_or(Effort::Exact, |e| Effort::Ef(scale(EFFORTS[e]).max(k)))
    }

    /// The mean recall, less one standard error of that mean.
    fn surely(&self, d: usize, e: usize) -> f32 {
        let count = self.newest.len() as f32;
        let shares = || self.newest.iter().map(|sample| sample[d][e]);
        let mean = shares().sum::<f32>() / count;
        let variance = shares().map(|share| (share - mean).powi(2)).sum::<f32>() / count;
        mean - (variance / count).sqrt()
    }
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
mod tests {
    use super::*;
    use aether_distance::{ElementType, Metric, VectorRef};
    use aether_index::{HnswParams, PointId};

    fn graph(points: usize, rng: &mut fastrand::Rng) -> (Hnsw, Vec<Vec<f32>>) {
        let vectors: Vec<Vec<f32>> = (0..points)
            .map(|_| (0..24).map(|_| rng.f32() - 0.5).collect())
            .collect();
        let graph = Hnsw::new(
            24,
            Metric::L2Squared,
            ElementType::F32,
            HnswParams {
                m: 4,
                ef_construction: 40,
            },
            1,
        )
        .unwrap();
        for (i, vector) in vectors.iter().enumerate() {
            graph
                .insert(PointId(i as u64), VectorRef::F32(vector))
                .unwrap();
        }
        (graph, vectors)
    }

    #[test]
    fn the_recall_asked_for_is_reached() {
        let mut rng = fastrand::Rng::with_seed(11);
        let (graph, _) = graph(4_000, &mut rng);
        let calibration = Calibration::default();
        let mut scratch = Scratch::default();
        let mut query = || -> Vec<f32> { (0..24).map(|_| rng.f32() - 0.5).collect() };
        for _ in 0..SAMPLES_MIN {
            assert_eq!(calibration.effort(graph.len(), 10, 0.9), Effort::Sample);
            calibration.learn(&graph, &query(), &mut scratch).unwrap();
        }
        let queries: Vec<_> = (0..300).map(|_| query()).collect();
        let mut before = 0;
        for (k, recall) in [(10, 0.7), (10, 0.9), (10, 0.95), (100, 0.95), (1, 0.9)] {
            let Effort::Ef(ef) = calibration.effort(graph.len(), k, recall) else {
                panic!("recall {recall} can be reached");
            };
            let params = SearchParams {
                k,
                ef,
                include_dead: false,
            };
            let shares = queries.iter().map(|query| {
                let truth = graph
                    .scan_all(query, k, &|_| true, false, &mut scratch)
                    .unwrap();
                let found = graph.search(query, params, None, &mut scratch).unwrap();
                share(&truth, &found, k)
            });
            let mean = shares.sum::<f32>() / queries.len() as f32;
            assert!(
                mean >= recall - 0.03,
                "k {k}: {mean} instead of {recall} at ef {ef}"
            );
            if k == 10 {
                assert!(ef >= before, "more recall needs more effort");
                before = ef;
            }
        }
    }

    #[test]
    fn what_was_learned_on_a_much_smaller_graph_is_forgotten() {
        let mut rng = fastrand::Rng::with_seed(12);
        let (graph, vectors) = graph(300, &mut rng);
        let calibration = Calibration::default();
        let mut scratch = Scratch::default();
        assert_eq!(calibration.effort(300, 10, 0.9), Effort::Sample);
        for vector in &vectors[..SAMPLES_MIN] {
            calibration.learn(&graph, vector, &mut scratch).unwrap();
        }
        assert!(matches!(calibration.effort(500, 10, 0.9), Effort::Ef(_)));
        assert_eq!(calibration.effort(700, 10, 0.9), Effort::Sample);
    }

    #[test]
    fn what_no_effort_reaches_is_exact() {
        let poor: Sample = [[0.5; EFFORTS.len()]; DEPTHS.len()];
        let samples = Samples {
            points: 1,
            newest: VecDeque::from(vec![poor; 3]),
        };
        assert_eq!(samples.least_effort(10, 0.9), Effort::Exact);
        assert_eq!(samples.least_effort(10, 0.5), Effort::Ef(16));
        assert_eq!(samples.least_effort(250, 0.5), Effort::Ef(250));
    }
}
