//! From dot products to distances: the formulas that all quantizers share.
//!
//! Everything is computed relative to a centre, with `x' = x - centre` and `q' = q - centre`:
//!
//! ```text
//!             distance =  base            + add                   + times * -<q', x'>
//! L2                      |q'|²             |x'|²                   2
//! cosine                  |q'|² / 2         |x'|² / 2               1      (both of unit length before the centre is subtracted)
//! dot                     -<q, centre>      -<x', centre>           1
//! ```
//! A code `v` points in about the direction of `x'`. `<q', x'> ≈ <q', v> * |x'|² / <v, x'>` is exact for `q' = x'` and unbiased when
//! what `v` misses of `x'` has no preferred direction. Its error is about normal then, with the standard deviation
//! `|q'| |x'| sqrt((1 - ρ²) / (ρ² (d - 1)))`, where ρ is the cosine of `v` and `x'` (Gao and Long 2024, arXiv 2405.12497, theorem 3.2).

use aether_distance::{Kernels, Metric, VectorRef};

/// How much the rounding of a query adds to the variance of an estimate, relative to that of codes that miss everything.
const ROUNDING: f32 = 1e-4;

/// What turns the dot product of a query and a code into a distance.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Factors {
    /// Added to each estimate. Infinite for vectors whose squared length overflows.
    pub add: f32,
    /// What the dot product is multiplied by; never positive.
    pub scale: f32,
    /// One standard deviation of the estimate, divided by the length of the centred query: `estimate - z * error * norm` is a
    /// lower bound that holds as often as a normal variable is above `-z` (1.9: 97 %).
    pub error: f32,
}

/// The metric and the centre.
#[derive(Debug, Clone)]
pub(super) struct Centred {
    pub(super) kernels: Kernels,
    pub(super) metric: Metric,
    pub(super) centre: Vec<f32>,
}

/// What the distances to one vector have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    add: f32,
    times: f32,
    /// |x'|²
    square: f32,
}

impl Centred {
    pub(super) fn new(metric: Metric, centre: Vec<f32>) -> Centred {
        let kernels = Kernels::detect();
        Centred {
            kernels,
            metric,
            centre,
        }
    }

    /// Replaces `floats` by `x'`.
    ///
    /// # Panics
    /// If the dimension is not the centre's.
    pub(super) fn vector(&self, vector: VectorRef<'_>, floats: &mut Vec<f32>) -> Terms {
        let is_zero = self.subtract(vector, floats);
        let square = self.kernels.dot_f32(floats, floats);
        let (add, times) = match self.metric {
            Metric::L2Squared => (square, 2.0),
            // A vector of zeros is at distance 1 from all.
            Metric::Cosine if is_zero => (0.5 * square + 0.5, 1.0),
            Metric::Cosine => (0.5 * square, 1.0),
            Metric::InnerProduct => (-self.kernels.dot_f32(floats, &self.centre), 1.0),
        };
        Terms { add, times, square }
    }

    /// Replaces `floats` by `q'`; gives `base`.
    ///
    /// # Panics
    /// If the dimension is not the centre's.
    pub(super) fn query(&self, query: &[f32], floats: &mut Vec<f32>) -> f32 {
        let is_zero = self.subtract(VectorRef::F32(query), floats);
        let square = || self.kernels.dot_f32(floats, floats);
        match self.metric {
            Metric::L2Squared => square(),
            Metric::Cosine if is_zero => 0.5 * square() + 0.5,
            Metric::Cosine => 0.5 * square(),
            Metric::InnerProduct => -self.kernels.dot_f32(query, &self.centre),
        }
    }

    /// True if `vector` is all zeros and that matters.
    fn subtract(&self, vector: VectorRef<'_>, floats: &mut Vec<f32>) -> bool {
        let (dim, own) = (vector.dim(), self.centre.len());
        assert!(
            dim == own,
            "a vector of {dim} components for a quantizer of {own}"
        );
        let is_zero = prepare(self.kernels, self.metric, vector, floats);
        for (component, centre) in floats.iter_mut().zip(&self.centre) {
            *component -= centre;
        }
        is_zero
    }
}

impl Terms {
    /// The factors of a code `v` of `dim` components: `dot` = `<v, x'>`, `norm` = |v|².
    pub(super) fn factors(self, dot: f32, norm: f32, dim: usize) -> Factors {
        let Terms { add, times, square } = self;
        if !(square.is_finite() && add.is_finite()) {
            return Factors {
                add: f32::INFINITY,
                scale: 0.0,
                error: 0.0,
            };
        }
        let missed = (square / dot * (norm / dot) - 1.0).max(0.0); // 1 / ρ² - 1
        let others = dim.saturating_sub(1).max(1) as f32;
        let error = times * (square * (missed + ROUNDING) / others).sqrt();
        // The centre itself has no direction, and needs none.
        let finite = |factor: f32| if factor.is_finite() { factor } else { 0.0 };
        Factors {
            add,
            scale: finite(-times * square / dot).min(0.0),
            error: finite(error),
        }
    }
}

/// `vector` as floats, of unit length under cosine; true if it is all zeros then.
pub(super) fn prepare(
    kernels: Kernels,
    metric: Metric,
    vector: VectorRef<'_>,
    floats: &mut Vec<f32>,
) -> bool {
    vector.to_f32(floats);
    if metric != Metric::Cosine {
        return false;
    }
    let norm = kernels.dot_f32(floats, floats).sqrt();
    if norm > 0.0 && norm.is_finite() {
        let scale = norm.recip();
        floats.iter_mut().for_each(|component| *component *= scale);
    }
    norm == 0.0
}

/// The mean of `vectors` (of unit length each, under cosine): the best centre. Zeros if there are none. A sample of some thousands is
/// enough.
///
/// # Panics
/// If a vector has not `dim` components.
pub fn mean<'a>(
    metric: Metric,
    dim: usize,
    vectors: impl IntoIterator<Item = VectorRef<'a>>,
) -> Vec<f32> {
    let kernels = Kernels::detect();
    let (mut sums, mut count, mut floats) = (vec![0.0_f64; dim], 0_u64, Vec::new());
    for vector in vectors {
        assert!(
            vector.dim() == dim,
            "a vector of {} components among those of {dim}",
            vector.dim()
        );
        prepare(kernels, metric, vector, &mut floats);
        for (sum, &component) in sums.iter_mut().zip(&floats) {
            *sum += f64::from(component);
        }
        count += 1;
    }
    let means = sums.into_iter().map(|sum| sum / count.max(1) as f64);
    means.map(rounded).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a mean of floats is in their range"
)]
fn rounded(mean: f64) -> f32 {
    mean as f32
}

/// A query in whole steps, for dot products with codes of bytes or bits.
#[derive(Debug, Clone, Default)]
pub(super) struct Steps {
    /// The query is about `unit` times these.
    pub(super) steps: Vec<i8>,
    pub(super) unit: f32,
    pub(super) sum: i32,
}

impl Steps {
    pub(super) fn fill(&mut self, kernels: Kernels, values: &[f32]) {
        let largest = values
            .iter()
            .fold(0.0_f32, |largest, x| largest.max(x.abs()));
        self.unit = largest / 127.0;
        let per_unit = self.unit.recip();
        let per_unit = if per_unit.is_finite() { per_unit } else { 0.0 };
        self.steps.resize(values.len(), 0);
        kernels.steps(values, per_unit, &mut self.steps);
        self.sum = self.steps.iter().map(|&step| i32::from(step)).sum();
    }
}
