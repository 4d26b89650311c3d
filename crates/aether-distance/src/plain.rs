//! Kernels as plain loops that a compiler vectorizes well: written once, compiled for each instruction set.
//!
//! No sum is reordered and nothing is contracted, so that the results are the same on every machine, to the last bit.

use crate::fast_scan::{LINE_GROUPS, TableLine};
use crate::kernel::{Isa, Kernels, check_lengths};
use crate::scalar;
use crate::sketch::SKETCH_DIMS;

/// Components that the first two stages of a transform mix, in registers.
const FIRST: usize = 4;

/// Bits behind the point of what becomes an entry of a table.
const FRACTION_BITS: u32 = 8;

/// So many numbers from -128 to 128 add up to one of 16 bits.
const SUMMED_IN_16_BITS: usize = 255;

impl Kernels {
    /// Multiplies and mixes the components of `vector`, in rounds: a rotation if the factors make it one.
    ///
    /// Round `r` multiplies by the components of row `r` of `factors`; takes the Hadamard transform, unscaled, of the first
    /// `window` components in even rounds and of the last ones in odd rounds; and, if the window is not everything, replaces
    /// components `i` and `i + half` by their sum and difference. `window * log2(window)` additions each.
    ///
    /// # Panics
    /// If `vector` has not an even number of components, if `factors` are not rows as long, or if `window` is not a power of two from
    /// 4 up to that length.
    #[inline]
    pub fn rotate(self, vector: &mut [f32], factors: &[f32], window: usize) {
        let dim = vector.len();
        assert!(
            window.is_power_of_two() && (FIRST..=dim).contains(&window),
            "a window of {window} of {dim} components"
        );
        assert!(
            dim.is_multiple_of(2) && factors.len().is_multiple_of(dim),
            "{} factors for {dim} components",
            factors.len()
        );
        dispatch!(self.rotate(vector, factors, window));
    }

    /// The table of a query for codes that are signs: the entry for the bits `b` of four components `x` is
    /// `Σ ±x + Σ |x|`, with `+` where the bit is set, times `per_unit`, rounded.
    ///
    /// # Panics
    /// If `table` has not one line for 16 values.
    #[inline]
    pub fn sign_table(self, values: &[f32], per_unit: f32, table: &mut [TableLine]) {
        check_lengths(values.len(), table.len() * 4 * LINE_GROUPS);
        dispatch!(self.sign_table(values, per_unit, table));
    }

    /// Each value times `per_unit`, rounded; these have to lie from -128 to 127.
    ///
    /// # Panics
    /// If the lengths differ.
    #[inline]
    pub fn steps(self, values: &[f32], per_unit: f32, out: &mut [i8]) {
        check_lengths(values.len(), out.len());
        dispatch!(self.steps(values, per_unit, out));
    }

    /// The least and the greatest of `values`; 0 twice if there are none, and any two of them if some are NaN.
    #[inline]
    pub fn range(self, values: &[f32]) -> (f32, f32) {
        dispatch!(self.range(values))
    }

    /// Each value less `low`, times `per_unit`, less 128, rounded; these have to lie from -128 to 127.
    ///
    /// # Panics
    /// If the lengths differ.
    #[inline]
    pub fn centred_steps(self, values: &[f32], low: f32, per_unit: f32, out: &mut [i8]) {
        check_lengths(values.len(), out.len());
        dispatch!(self.centred_steps(values, low, per_unit, out));
    }

    /// Writes `values` as bytes; false, with bytes that are of no use, unless all are whole numbers from 0 to 255.
    ///
    /// # Panics
    /// If the lengths differ.
    #[inline]
    pub fn whole_bytes(self, values: &[f32], out: &mut [u8]) -> bool {
        check_lengths(values.len(), out.len());
        dispatch!(self.whole_bytes(values, out))
    }
}

#[inline(always)]
pub(crate) fn rotate(vector: &mut [f32], factors: &[f32], window: usize) {
    let dim = vector.len();
    for (round, factors) in factors.chunks_exact(dim).enumerate() {
        for (component, factor) in vector.iter_mut().zip(factors) {
            *component *= factor;
        }
        let start = if round.is_multiple_of(2) {
            0
        } else {
            dim - window
        };
        hadamard(&mut vector[start..start + window]);
        if window < dim {
            let (first, second) = vector.split_at_mut(dim / 2);
            sums_and_differences(first, second);
        }
    }
}

#[inline(always)]
fn hadamard(window: &mut [f32]) {
    let (fours, _) = window.as_chunks_mut::<FIRST>();
    for four in fours {
        let [a, b, c, d] = *four;
        let (ab, a_b, cd, c_d) = (a + b, a - b, c + d, c - d);
        *four = [ab + cd, a_b + c_d, ab - cd, a_b - c_d];
    }
    let mut half = FIRST;
    while half < window.len() {
        for pair in window.chunks_exact_mut(2 * half) {
            let (first, second) = pair.split_at_mut(half);
            sums_and_differences(first, second);
        }
        half *= 2;
    }
}

#[inline(always)]
fn sums_and_differences(first: &mut [f32], second: &mut [f32]) {
    for (a, b) in first.iter_mut().zip(second) {
        (*a, *b) = (*a + *b, *a - *b);
    }
}

#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "an entry has 8 bits before the point"
)]
pub(crate) fn sign_table(values: &[f32], per_unit: f32, table: &mut [TableLine]) {
    let per_unit = per_unit * (1 << FRACTION_BITS) as f32;
    let (lines, _) = values.as_chunks::<{ 4 * LINE_GROUPS }>();
    for (line, values) in table.iter_mut().zip(lines) {
        let (groups, _) = values.as_chunks::<4>();
        for (entries, group) in line.0.as_chunks_mut::<16>().0.iter_mut().zip(groups) {
            let group = group.map(|x| rounded(x * per_unit) as i16);
            *entries = sums_of_signs(group).map(|sum| (sum >> FRACTION_BITS) as u8);
        }
    }
}

/// For each of the 16 combinations of signs the sum of the components with these signs, plus that of their magnitudes, plus one half.
#[inline(always)]
fn sums_of_signs(group: [i16; 4]) -> [u16; 16] {
    let mut sums = [1 << (FRACTION_BITS - 1); 16];
    for (bit, component) in group.into_iter().enumerate() {
        // What a component adds when its bit is 0, and when it is 1: nothing to one of them.
        let [unset, set] =
            [component.min(0), component.max(0)].map(|x| x.unsigned_abs().wrapping_mul(2));
        for (signs, sum) in sums.iter_mut().enumerate() {
            *sum = u16::wrapping_add(*sum, if signs >> bit & 1 == 1 { set } else { unset });
        }
    }
    sums
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the values fit")]
pub(crate) fn steps(values: &[f32], per_unit: f32, out: &mut [i8]) {
    for (step, value) in out.iter_mut().zip(values) {
        *step = rounded(value * per_unit) as i8;
    }
}

/// Extremes are taken in so many lanes: in one, each step would wait for the one before.
const LANES: usize = 64;

#[inline(always)]
pub(crate) fn range(values: &[f32]) -> (f32, f32) {
    let first = values.first().copied().unwrap_or(0.0);
    let (chunks, rest) = values.as_chunks::<LANES>();
    let (mut lows, mut highs) = ([first; LANES], [first; LANES]);
    for chunk in chunks {
        for i in 0..LANES {
            lows[i] = lower(lows[i], chunk[i]);
            highs[i] = higher(highs[i], chunk[i]);
        }
    }
    let low = lows.iter().chain(rest).copied().fold(first, lower);
    let high = highs.iter().chain(rest).copied().fold(first, higher);
    (low, high)
}

/// One instruction, other than `f32::min`, which has to care for NaN.
#[inline(always)]
fn lower(a: f32, b: f32) -> f32 {
    if b < a { b } else { a }
}

#[inline(always)]
fn higher(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the values fit")]
pub(crate) fn centred_steps(values: &[f32], low: f32, per_unit: f32, out: &mut [i8]) {
    for (step, value) in out.iter_mut().zip(values) {
        *step = rounded((value - low) * per_unit - 128.0) as i8;
    }
}

#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what does not fit is found out"
)]
pub(crate) fn whole_bytes(values: &[f32], out: &mut [u8]) -> bool {
    let mut are_whole = true;
    for (byte, &value) in out.iter_mut().zip(values) {
        *byte = rounded(value) as u8;
        // No way out before the end: that would be a branch for each of them.
        are_whole &= f32::from(*byte) == value;
    }
    are_whole
}

/// The nearest whole number, for values within ±2²²: their sum with 1.5 * 2²³ has it in its lowest bits.
#[inline(always)]
fn rounded(value: f32) -> i32 {
    const SHIFT: f32 = 12_582_912.0;
    (value + SHIFT)
        .to_bits()
        .wrapping_sub(SHIFT.to_bits())
        .cast_signed()
}

#[inline(always)]
pub(crate) fn signed_sums(values: &[i8], signs: &[i8]) -> [i32; SKETCH_DIMS] {
    let mut sums = [0; SKETCH_DIMS];
    let parts = values.chunks(SUMMED_IN_16_BITS * SKETCH_DIMS);
    for (values, signs) in parts.zip(signs.chunks(SUMMED_IN_16_BITS * SKETCH_DIMS)) {
        let (values, values_rest) = values.as_chunks::<SKETCH_DIMS>();
        let (signs, signs_rest) = signs.as_chunks::<SKETCH_DIMS>();
        let mut part = [0_i16; SKETCH_DIMS];
        for (values, signs) in values.iter().zip(signs) {
            for i in 0..SKETCH_DIMS {
                part[i] += i16::from(values[i]) * i16::from(signs[i]);
            }
        }
        for (sum, part) in sums.iter_mut().zip(part) {
            *sum += i32::from(part);
        }
        for ((sum, &value), &sign) in sums.iter_mut().zip(values_rest).zip(signs_rest) {
            *sum += i32::from(value) * i32::from(sign);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(n: usize, seed: u64) -> Vec<f32> {
        let mut random = fastrand::Rng::with_seed(seed);
        (0..n).map(|_| random.f32() - 0.5).collect()
    }

    #[test]
    fn rotations_are_hadamard_transforms() {
        for (dim, window) in [(16, 16), (64, 64), (96, 64), (130, 128)] {
            let (vector, factors) = (random(dim, 1), random(2 * dim, 2));
            let mut expected = vector.clone();
            for (round, factors) in factors.chunks(dim).enumerate() {
                expected
                    .iter_mut()
                    .zip(factors)
                    .for_each(|(x, factor)| *x *= factor);
                let start = round * (dim - window);
                let old = expected[start..start + window].to_vec();
                for i in 0..window {
                    let sign = |j: usize| {
                        if (i & j).count_ones().is_multiple_of(2) {
                            1.0
                        } else {
                            -1.0
                        }
                    };
                    expected[start + i] = (0..window).map(|j| sign(j) * old[j]).sum();
                }
                if window < dim {
                    for i in 0..dim / 2 {
                        let (a, b) = (expected[i], expected[dim / 2 + i]);
                        (expected[i], expected[dim / 2 + i]) = (a + b, a - b);
                    }
                }
            }
            let mut scalar_result = vector.clone();
            Kernels::scalar().rotate(&mut scalar_result, &factors, window);
            for (found, expected) in scalar_result.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-3, "{dim}: {found} {expected}");
            }
            for kernels in Kernels::available() {
                let mut found = vector.clone();
                kernels.rotate(&mut found, &factors, window);
                assert_eq!(found, scalar_result, "{dim} by {}", kernels.name());
            }
        }
    }

    #[test]
    fn entries_are_sums_of_signed_components() {
        let values = random(160, 3);
        let largest = values
            .chunks(4)
            .map(|group| group.iter().map(|x| x.abs()).sum::<f32>());
        let per_unit = 255.0 / (2.0 * largest.fold(0.0, f32::max));
        for kernels in Kernels::available() {
            let mut table = vec![TableLine::default(); 10];
            kernels.sign_table(&values, per_unit, &mut table);
            for (i, group) in values.chunks(4).enumerate() {
                for signs in 0..16 {
                    let term = |bit: usize| {
                        group[bit].abs()
                            + if signs >> bit & 1 == 1 {
                                group[bit]
                            } else {
                                -group[bit]
                            }
                    };
                    let expected = (0..4).map(term).sum::<f32>() * per_unit;
                    let found = f32::from(table[i / 4].0[16 * (i % 4) + signs]);
                    assert!(
                        (found - expected).abs() < 0.54,
                        "{}: {found} {expected}",
                        kernels.name()
                    );
                }
            }
        }
    }

    #[test]
    fn steps_are_rounded() {
        let values = [-127.9, -1.4, -0.6, 0.0, 0.4, 0.6, 1.5, 63.0, 126.7];
        for kernels in Kernels::available() {
            let mut steps = [0; 9];
            kernels.steps(&values, 1.0, &mut steps);
            assert_eq!(
                steps,
                [-128, -1, -1, 0, 0, 1, 2, 63, 127],
                "{}",
                kernels.name()
            );
        }
    }

    #[test]
    fn ranges_are_those_of_all_values() {
        for kernels in Kernels::available() {
            assert_eq!(kernels.range(&[]), (0.0, 0.0));
            for dim in [1, 2, 15, 64, 65, 100, 128, 200] {
                let values = random(dim, dim as u64);
                let low = values.iter().copied().fold(f32::INFINITY, f32::min);
                let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                assert_eq!(kernels.range(&values), (low, high), "{dim}");
            }
        }
    }

    #[test]
    fn ranges_become_256_steps() {
        let values = [-1.0, -0.996, 0.0, 0.5, 0.996, 1.0].repeat(9);
        for kernels in Kernels::available() {
            let mut steps = vec![0; values.len()];
            kernels.centred_steps(&values, -1.0, 127.5, &mut steps);
            let expected = [-128, -127, 0, 63, 126, 127].repeat(9);
            let near = |(&a, &b): (&i8, &i8)| a.abs_diff(b) <= 1;
            assert!(steps.iter().zip(&expected).all(near), "{steps:?}");
            assert_eq!((steps[0], steps[5]), (-128, 127));
        }
    }

    #[test]
    fn bytes_are_told_from_other_numbers() {
        let all: Vec<u8> = (0..=255).collect();
        let values: Vec<f32> = all.iter().copied().map(f32::from).collect();
        for kernels in Kernels::available() {
            let mut bytes = vec![7; 256];
            assert!(kernels.whole_bytes(&values, &mut bytes));
            assert_eq!(bytes, all);
            for other in [-1.0, 256.0, 0.5, 254.9, 1e9, f32::NAN, f32::INFINITY] {
                for place in [0, 77, 255] {
                    let mut values = values.clone();
                    values[place] = other;
                    assert!(!kernels.whole_bytes(&values, &mut bytes), "{other}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_finite_does_not_panic() {
        let values = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX].repeat(8);
        for kernels in Kernels::available() {
            for per_unit in [0.0, 1.0, f32::NAN] {
                kernels.centred_steps(&values, per_unit, per_unit, &mut [0; 32]);
                kernels.range(&values);
                kernels.sign_table(&values, per_unit, &mut [TableLine::default(); 2]);
                kernels.steps(&values, per_unit, &mut [0; 32]);
                kernels.rotate(&mut values.clone(), &values, 32);
            }
        }
    }
}
