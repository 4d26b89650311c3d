//! RaBitQ: the rotated vector as one to eight bits per component, with an unbiased estimate and its error.
//!
//! ```text
//! x' = R (x - centre)      R: a random rotation, x of unit length under cosine
//! v  = the code of x'      per component one of 2^bits equally spaced values, symmetric to 0; with one bit: -1 or 1
//! ```
//! Nothing is trained but the centre; how estimates follow is told in [`centred`](super::centred). Gao and Long 2024, "RaBitQ" (arXiv
//! 2405.12497); with more bits Gao et al. 2024 (arXiv 2409.09913), but here the spacing of the values is the best of a few.

use aether_distance::{BLOCK_CODES, Metric, VectorRef};

use super::centred::{Centred, Factors};
use super::rotation::Rotation;
use super::table::QueryTable;
use crate::{Error, Result};

/// The most bits per component.
pub const BITS_MAX: u32 = 8;

/// A quantizer. Immutable: its centre, metric, bits and seed are all that it depends on.
#[derive(Debug, Clone)]
pub struct RaBitQ {
    centred: Centred,
    bits: u32,
    rotation: Rotation,
}

/// The code of one vector, and working memory for making it: reusable.
#[derive(Debug, Clone, Default)]
pub struct Code {
    rotated: Vec<f32>,
    levels: Vec<u8>,
    planes: Vec<u8>,
    plane_bytes: usize,
    one_bit: Factors,
    all_bits: Factors,
}

impl Code {
    /// The sign of each component: bit `i % 8` of byte `i / 8` is set when component `i` of the rotated vector is not negative.
    pub fn signs(&self) -> &[u8] {
        &self.planes[..self.plane_bytes]
    }

    /// All bits as planes, the highest first: the signs, then as many bytes for the next bit of each component, and so on.
    pub fn planes(&self) -> &[u8] {
        &self.planes
    }

    /// The factors of estimates from the signs alone.
    pub fn factors(&self) -> Factors {
        self.one_bit
    }

    /// The factors of estimates from all bits.
    pub fn all_bits_factors(&self) -> Factors {
        self.all_bits
    }

    /// The vector minus the centre, rotated and padded.
    pub fn rotated(&self) -> &[f32] {
        &self.rotated
    }
}

impl RaBitQ {
    /// A quantizer of vectors of as many components as `centre` has.
    ///
    /// `centre`: best the mean of the vectors (of unit length each, under cosine); the nearer it is to them, the better the
    /// estimates. `bits` per component: 1 to [`BITS_MAX`]; each bit about halves the error. The same `seed` gives the same codes.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the dimension or `bits` are outside their limits, or when the centre
    /// is not finite.
    pub fn new(metric: Metric, bits: u32, centre: Vec<f32>, seed: u64) -> Result<RaBitQ> {
        let dim = centre.len();
        super::check_dim(dim)?;
        if !(1..=BITS_MAX).contains(&bits) {
            return Err(Error::invalid(format!(
                "{bits} bits per component, but must be 1 to {BITS_MAX}"
            )));
        }
        if !VectorRef::F32(&centre).is_finite() {
            return Err(Error::invalid("the centre of a quantizer has to be finite"));
        }
        Ok(RaBitQ {
            centred: Centred::new(metric, centre),
            bits,
            rotation: Rotation::new(dim, seed),
        })
    }

    /// How estimates compare vectors.
    pub fn metric(&self) -> Metric {
        self.centred.metric
    }

    /// Bits per component.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// What is subtracted from each vector.
    pub fn centre(&self) -> &[f32] {
        &self.centred.centre
    }

    /// What turns vectors, and pads them.
    pub fn rotation(&self) -> &Rotation {
        &self.rotation
    }

    /// Bytes of the signs of one code.
    pub fn plane_bytes(&self) -> usize {
        self.rotation.padded_dim() / 8
    }

    /// Bytes of a block of 32 codes, signs only.
    pub fn block_bytes(&self) -> usize {
        self.plane_bytes() * BLOCK_CODES
    }

    /// Makes `code` that of `vector`. Costs a rotation, and with more than one bit a dozen passes over the components.
    ///
    /// # Panics
    /// If the dimension is another one.
    pub fn encode(&self, vector: VectorRef<'_>, code: &mut Code) {
        let terms = self.centred.vector(vector, &mut code.rotated);
        self.rotate(&mut code.rotated);
        let dim = self.rotation.padded_dim();
        let sum = code.rotated.iter().map(|x| x.abs()).sum();
        code.one_bit = terms.factors(sum, dim as f32, dim);
        code.plane_bytes = self.plane_bytes();
        code.planes.clear();
        if self.bits == 1 {
            push_plane(&mut code.planes, &code.rotated, |x| x >= 0.0);
            code.all_bits = code.one_bit;
            return;
        }
        let (dot, norm) = choose_levels(&code.rotated, self.bits, &mut code.levels);
        code.all_bits = terms.factors(dot, norm, dim);
        for bit in (0..self.bits).rev() {
            push_plane(&mut code.planes, &code.levels, |level| {
                level >> bit & 1 == 1
            });
        }
    }

    /// Makes `table` that of `query`, which needs no normalization. Costs a rotation and 16 entries per 4 components.
    ///
    /// # Panics
    /// If the dimension is another one.
    pub fn prepare(&self, query: &[f32], table: &mut QueryTable) {
        let base = self.centred.query(query, &mut table.rotated);
        self.rotate(&mut table.rotated);
        table.fill(self.centred.kernels, base);
    }

    fn rotate(&self, vector: &mut Vec<f32>) {
        vector.resize(self.rotation.padded_dim(), 0.0);
        self.rotation.apply(vector);
    }
}

/// `x` rounded down, for `x` from 0 to 2²²; without the call that `floor` is on a CPU whose rounding instruction is not assumed.
fn whole(x: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0; // 1.5 * 2²³: a sum with it has no bits behind the point
    (x - 0.5 + SHIFT) - SHIFT
}

/// Appends a bit per component.
fn push_plane<T: Copy>(planes: &mut Vec<u8>, components: &[T], bit: impl Fn(T) -> bool) {
    let (eights, _) = components.as_chunks::<8>();
    planes.extend(eights.iter().map(|eight| {
        let bits = eight
            .iter()
            .enumerate()
            .map(|(i, &component)| u8::from(bit(component)) << i);
        bits.fold(0, |byte, bit| byte | bit)
    }));
}

/// The levels of the components with the spacing that gives the best cosine with `rotated`; `<v, rotated>` and |v|² of the code
/// `v = level - (2^bits - 1) / 2`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast of floats saturates"
)]
fn choose_levels(rotated: &[f32], bits: u32, levels: &mut Vec<u8>) -> (f32, f32) {
    // Magnitudes have half of the levels: 0.5, 1.5, ... spacings.
    let half = (1_u32 << (bits - 1)) as f32;
    let largest = rotated
        .iter()
        .fold(0.0_f32, |largest, x| largest.max(x.abs()));
    let magnitude = |x: f32, per_unit: f32| whole((x.abs() * per_unit).min(half - 0.5));
    let mut best = (0.0, 1.0, 0.0);
    // Spacings with which the largest component is at the last level, or up to 2.5 times beyond it.
    for tenths in 10..=25_u8 {
        let per_unit = if largest > 0.0 {
            half * f32::from(tenths) / (10.0 * largest)
        } else {
            0.0
        };
        let (mut dot, mut norm) = (0.0_f32, 0.0_f32);
        for &x in rotated {
            let value = magnitude(x, per_unit) + 0.5;
            dot += value * x.abs();
            norm += value * value;
        }
        if dot * dot * best.1 >= best.0 * best.0 * norm {
            best = (dot, norm, per_unit);
        }
    }
    let (dot, norm, per_unit) = best;
    levels.clear();
    levels.extend(rotated.iter().map(|&x| {
        let magnitude = magnitude(x, per_unit);
        let level = if x >= 0.0 {
            half + magnitude
        } else {
            half - 1.0 - magnitude
        };
        level as u8
    }));
    (dot, norm)
}

#[cfg(test)]
mod tests;
