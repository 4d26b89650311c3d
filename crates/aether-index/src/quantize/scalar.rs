//! Scalar quantization: each component by itself, in 256 or 16 equal steps over the range that it has in a sample.
//!
//! ```text
//! x[i] ≈ low[i] + step[i] * u[i]          u: 8 bits, or 4; what lies outside of the range goes to its end
//! 8 bits    byte i = u[i]
//! 4 bits    h = dim / 2, rounded up; byte i = u[i] | u[h + i] << 4
//! ```
//! Ranges are cut at percentiles: the few components beyond lose, all others win by smaller steps. A query multiplies its
//! components by the steps first, so that a distance is one integer dot product; see [`centred`](super::centred) for the rest, the centre
//! being the middle of the ranges.

use aether_distance::{Kernels, Metric, VectorRef};

use super::centred::{Centred, Factors, Steps, prepare};
use crate::Result;

/// Bits per component of a [`ScalarQuantizer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarBits {
    /// 16 steps, two components to a byte.
    Four,
    /// 256 steps.
    Eight,
}

impl ScalarBits {
    /// The last step.
    fn last(self) -> f32 {
        match self {
            ScalarBits::Four => 15.0,
            ScalarBits::Eight => 255.0,
        }
    }

    /// How much of a sample lies beyond each end of a range: coarse steps gain more from a small range.
    fn beyond(self) -> f32 {
        match self {
            ScalarBits::Four => 0.01,
            ScalarBits::Eight => 0.001,
        }
    }
}

/// A quantizer, trained on a sample. Immutable.
#[derive(Debug, Clone)]
pub struct ScalarQuantizer {
    /// The centre is the middle of each range.
    centred: Centred,
    bits: ScalarBits,
    /// Of each component, the length of a step.
    steps: Vec<f32>,
}

/// One query, prepared for all codes of a [`ScalarQuantizer`]. Reusable: from the second query on nothing is allocated.
#[derive(Debug)]
pub struct ScalarTable {
    kernels: Kernels,
    bits: ScalarBits,
    query: Vec<f32>,
    steps: Steps,
    base: f32,
    norm: f32,
}

impl ScalarQuantizer {
    /// Trains on `sample`, of which some thousands are enough; deterministic.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when `dim` is 0 or above [`DIM_MAX`](aether_distance::DIM_MAX), or when the sample is empty, not
    /// finite or of another dimension.
    pub fn train<'a>(
        metric: Metric,
        bits: ScalarBits,
        dim: usize,
        sample: impl IntoIterator<Item = VectorRef<'a>>,
    ) -> Result<ScalarQuantizer> {
        let columns = columns(metric, dim, sample)?;
        let (mut centre, mut steps) = (Vec::with_capacity(dim), Vec::with_capacity(dim));
        for mut column in columns {
            let (low, high) = range(&mut column, bits.beyond());
            centre.push(0.5 * low + 0.5 * high);
            steps.push((high - low) / bits.last());
        }
        Ok(ScalarQuantizer {
            centred: Centred::new(metric, centre),
            bits,
            steps,
        })
    }

    /// Bytes of a code.
    pub fn code_bytes(&self) -> usize {
        match self.bits {
            ScalarBits::Four => self.steps.len().div_ceil(2),
            ScalarBits::Eight => self.steps.len(),
        }
    }

    /// Writes the code of `vector`; `floats` is working memory.
    ///
    /// # Panics
    /// If the dimension is another one, or `code` has not [`code_bytes`](ScalarQuantizer::code_bytes).
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cast of floats saturates"
    )]
    pub fn encode(&self, vector: VectorRef<'_>, code: &mut [u8], floats: &mut Vec<f32>) -> Factors {
        let bytes = self.code_bytes();
        assert!(
            code.len() == bytes,
            "{} bytes for a code of {bytes}",
            code.len()
        );
        let terms = self.centred.vector(vector, floats);
        let (middle, last) = (0.5 * self.bits.last(), self.bits.last());
        let (mut dot, mut norm) = (0.0, 0.0);
        code.fill(0);
        for (i, (&x, &step)) in floats.iter().zip(&self.steps).enumerate() {
            let level = if step > 0.0 {
                (x / step + middle).clamp(0.0, last) + 0.5
            } else {
                0.0
            } as u8;
            let value = (f32::from(level) - middle) * step;
            dot += value * x;
            norm += value * value;
            if i < bytes {
                code[i] = level
            } else {
                code[i - bytes] |= level << 4
            }
        }
        terms.factors(dot, norm, self.steps.len())
    }

    /// Makes `table` that of `query`, which needs no normalization.
    ///
    /// # Panics
    /// If the dimension is another one.
    pub fn prepare(&self, query: &[f32], table: &mut ScalarTable) {
        table.kernels = self.centred.kernels;
        table.bits = self.bits;
        table.base = self.centred.query(query, &mut table.query);
        table.norm = table.kernels.dot_f32(&table.query, &table.query).sqrt();
        for (component, step) in table.query.iter_mut().zip(&self.steps) {
            *component *= step;
        }
        if self.bits == ScalarBits::Four {
            table.query.resize(2 * self.code_bytes(), 0.0);
        }
        table.steps.fill(table.kernels, &table.query);
    }
}

impl Default for ScalarTable {
    fn default() -> ScalarTable {
        ScalarTable {
            kernels: Kernels::scalar(),
            bits: ScalarBits::Eight,
            query: Vec::new(),
            steps: Steps::default(),
            base: 0.0,
            norm: 0.0,
        }
    }
}

impl ScalarTable {
    /// Estimates the distance of one code.
    ///
    /// # Panics
    /// If `code` has another length than the quantizer's codes.
    #[inline]
    pub fn estimate(&self, code: &[u8], factors: Factors) -> f32 {
        let dot = match self.bits {
            ScalarBits::Four => self.kernels.dot_u4_i8(code, &self.steps.steps),
            ScalarBits::Eight => self.kernels.dot_u8_i8(code, &self.steps.steps),
        };
        // Half steps come from the middle, so that this is exact in integers of twice the size.
        let last = match self.bits {
            ScalarBits::Four => 15,
            ScalarBits::Eight => 255,
        };
        let twice = 2 * i64::from(dot) - last * i64::from(self.steps.sum);
        self.base + factors.add + factors.scale * (0.5 * self.steps.unit * twice as f32)
    }

    /// The length of the centred query: what [`Factors::error`] is to be multiplied by.
    pub fn norm(&self) -> f32 {
        self.norm
    }
}

/// The components of the sample, of unit length under cosine: a column for each.
fn columns<'a>(
    metric: Metric,
    dim: usize,
    sample: impl IntoIterator<Item = VectorRef<'a>>,
) -> Result<Vec<Vec<f32>>> {
    super::check_dim(dim)?;
    let sample: Vec<_> = sample.into_iter().collect();
    super::check_sample(dim, &sample)?;
    let (kernels, mut floats) = (Kernels::detect(), Vec::new());
    let mut columns = vec![Vec::with_capacity(sample.len()); dim];
    for vector in sample {
        prepare(kernels, metric, vector, &mut floats);
        for (column, &component) in columns.iter_mut().zip(&floats) {
            column.push(component);
        }
    }
    Ok(columns)
}

/// The range that leaves the share `beyond` of `column` below it, and the same above it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a length is an index"
)]
fn range(column: &mut [f32], beyond: f32) -> (f32, f32) {
    let last = column.len() - 1;
    let cut = (last as f32 * beyond) as usize;
    let (_, &mut low, _) = column.select_nth_unstable_by(cut, f32::total_cmp);
    let (_, &mut high, _) = column.select_nth_unstable_by(last - cut, f32::total_cmp);
    (low, high)
}

#[cfg(test)]
mod tests;
