//! Several rankings become one.

use super::kinds::{Dbsf, Rrf};
use super::ranking::{Better, Ranking, Top};
use crate::id::DocId;
use std::collections::BTreeMap;

/// The best `k` by the sum of `weight / (k + rank)`.
pub(super) fn rrf(rrf: &Rrf, found: &[Ranking], k: usize) -> Ranking {
    let mut sums = BTreeMap::new();
    for (position, ranking) in found.iter().enumerate() {
        let weight = weight(&rrf.weights, position);
        for (rank, hit) in ranking.hits.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "ranks are small")]
            let rank = (rank + 1) as f64;
            *sums.entry(&hit.id).or_insert(0.0) += weight / (rrf.k + rank);
        }
    }
    best(sums, k)
}

/// The best `k` by the sum of scaled scores.
pub(super) fn dbsf(dbsf: &Dbsf, found: &[Ranking], k: usize) -> Ranking {
    let mut sums = BTreeMap::new();
    for (position, ranking) in found.iter().enumerate() {
        let weight = weight(&dbsf.weights, position);
        let better = ranking.better;
        let scores: Vec<f64> = ranking
            .hits
            .iter()
            .map(|hit| better.similarity(hit.score))
            .collect();
        let scale = Scale::of(&scores);
        for (hit, score) in ranking.hits.iter().zip(scores) {
            *sums.entry(&hit.id).or_insert(0.0) += weight * scale.apply(score);
        }
    }
    best(sums, k)
}

fn weight(weights: &[f64], position: usize) -> f64 {
    weights.get(position).copied().unwrap_or(1.0)
}

fn best(sums: BTreeMap<&DocId, f64>, k: usize) -> Ranking {
    let mut top = Top::new(k, Better::Greater);
    for (id, sum) in sums {
        top.offer(id.clone(), sum);
    }
    top.into_ranking()
}

/// Takes three deviations below the mean to 0 and three above it to 1.
struct Scale {
    low: f64,
    width: f64,
}

impl Scale {
    fn of(scores: &[f64]) -> Scale {
        #[expect(clippy::cast_precision_loss, reason = "a prefetch has few results")]
        let count = scores.len() as f64;
        let mean = scores.iter().sum::<f64>() / count;
        let squares: f64 = scores.iter().map(|score| (score - mean).powi(2)).sum();
        let deviation = if scores.len() > 1 {
            (squares / (count - 1.0)).sqrt()
        } else {
            0.0
        };
        Scale {
            low: mean - 3.0 * deviation,
            width: 6.0 * deviation,
        }
    }

    /// Equal scores are in the middle.
    fn apply(&self, score: f64) -> f64 {
        if self.width > 0.0 {
            (score - self.low) / self.width
        } else {
            0.5
        }
    }
}
