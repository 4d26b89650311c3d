//! The truth: each kernel as plain loops. Every other implementation is tested against these.
//!
//! Lengths are equal: [`Kernels`](crate::Kernels) has checked that. The float sums run in [`LANES`] partial sums, which
//! the compiler can vectorize and which lose less precision than one running sum.

use half::f16;

use crate::fast_scan::{BLOCK_CODES, LINE_GROUPS, ScanFactors, ScanFormula, TableLine};

pub(crate) use crate::plain::{
    centred_steps, range, rotate, sign_table, signed_sums, steps, whole_bytes,
};
use crate::sketch::{SKETCH_COLUMNS, SKETCH_DIMS, SketchBlock};

/// Partial sums kept by the float kernels.
const LANES: usize = 8;

pub(crate) fn l2_f32(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |x, y| (x - y) * (x - y))
}

pub(crate) fn dot_f32(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |x, y| x * y)
}

pub(crate) fn l2_f32_f16(query: &[f32], vector: &[f16]) -> f32 {
    sum(query, vector, |x, y| (x - y.to_f32()) * (x - y.to_f32()))
}

pub(crate) fn dot_f32_f16(query: &[f32], vector: &[f16]) -> f32 {
    sum(query, vector, |x, y| x * y.to_f32())
}

pub(crate) fn l2_f32_u8(query: &[f32], vector: &[u8]) -> f32 {
    sum(query, vector, |x, y| {
        (x - f32::from(y)) * (x - f32::from(y))
    })
}

pub(crate) fn dot_f32_u8(query: &[f32], vector: &[u8]) -> f32 {
    sum(query, vector, |x, y| x * f32::from(y))
}

pub(crate) fn l2_f16(a: &[f16], b: &[f16]) -> f32 {
    sum(a, b, |x, y| {
        (x.to_f32() - y.to_f32()) * (x.to_f32() - y.to_f32())
    })
}

pub(crate) fn dot_f16(a: &[f16], b: &[f16]) -> f32 {
    sum(a, b, |x, y| x.to_f32() * y.to_f32())
}

pub(crate) fn l2_u8(a: &[u8], b: &[u8]) -> u32 {
    a.iter()
        .zip(b)
        .map(|(&x, &y)| u32::from(x.abs_diff(y)).pow(2))
        .fold(0, u32::wrapping_add)
}

pub(crate) fn dot_u8(a: &[u8], b: &[u8]) -> u32 {
    a.iter()
        .zip(b)
        .map(|(&x, &y)| u32::from(x) * u32::from(y))
        .fold(0, u32::wrapping_add)
}

pub(crate) fn dot_u8_i8(codes: &[u8], query: &[i8]) -> i32 {
    codes
        .iter()
        .zip(query)
        .map(|(&x, &y)| i32::from(x) * i32::from(y))
        .fold(0, i32::wrapping_add)
}

pub(crate) fn dot_u4_i8(codes: &[u8], query: &[i8]) -> i32 {
    let (lower, upper) = query.split_at(codes.len());
    let products = |(&x, (&low, &high)): (&u8, (&i8, &i8))| {
        i32::from(x & 15) * i32::from(low) + i32::from(x >> 4) * i32::from(high)
    };
    let pairs = codes.iter().zip(lower.iter().zip(upper));
    pairs.map(products).fold(0, i32::wrapping_add)
}

pub(crate) fn dot_u4_i8_x4(codes: [&[u8]; 4], query: &[i8]) -> [i32; 4] {
    codes.map(|row| dot_u4_i8(row, query))
}

pub(crate) fn best_sketches(
    blocks: &[SketchBlock],
    query: &[i8; SKETCH_DIMS],
) -> [u32; SKETCH_COLUMNS] {
    let (mut best, mut at) = ([i32::MIN; SKETCH_COLUMNS], [0; SKETCH_COLUMNS]);
    for (number, block) in (0..).zip(blocks) {
        let mut scores = block.bias;
        for (line, query) in block.codes.iter().zip(query.as_chunks::<4>().0) {
            for (score, codes) in scores.iter_mut().zip(line.as_chunks::<4>().0) {
                for i in 0..4 {
                    *score += i32::from(codes[i]) * i32::from(query[i]);
                }
            }
        }
        for column in 0..SKETCH_COLUMNS {
            if scores[column] > best[column] {
                (best[column], at[column]) = (scores[column], number);
            }
        }
    }
    at
}

pub(crate) fn dot_f32_hilo(query: &[f32], hi: &[u8], lo: &[u8]) -> f32 {
    let (high, low) = (dot_f32_u8(query, hi), dot_f32_u8(query, lo));
    256.0 * high + low
}

pub(crate) fn l2_f32_hilo(query: &[f32], hi: &[u8], lo: &[u8], offset: f32, scale: f32) -> f32 {
    let mut sums = [0.0; LANES];
    for (i, ((&q, &hi), &lo)) in query.iter().zip(hi).zip(lo).enumerate() {
        let code = f32::from(u16::from(hi) << 8 | u16::from(lo));
        let difference = q - (offset + scale * code);
        sums[i % LANES] += difference * difference;
    }
    sums.iter().sum()
}

fn sum<A: Copy, B: Copy>(a: &[A], b: &[B], term: impl Fn(A, B) -> f32) -> f32 {
    let mut sums = [0.0; LANES];
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += term(a[lane], b[lane]);
        }
    }
    for (sum, (&a, &b)) in sums.iter_mut().zip(a_tail.iter().zip(b_tail)) {
        *sum += term(a, b);
    }
    sums.iter().sum()
}

pub(crate) fn dot_bits_i8(bits: &[u8], query: &[i8]) -> i32 {
    query
        .iter()
        .enumerate()
        .filter(|&(i, _)| bits[i / 8] >> (i % 8) & 1 == 1)
        .map(|(_, &component)| i32::from(component))
        .sum()
}

pub(crate) fn fast_scan(codes: &[u8], table: &[TableLine]) -> [u32; BLOCK_CODES] {
    let mut sums = [0; BLOCK_CODES];
    for (line, table) in codes.as_chunks::<64>().0.iter().zip(table) {
        for (lane, groups) in line.as_chunks::<LINE_GROUPS>().0.iter().enumerate() {
            for (bits, entries) in groups.iter().zip(table.0.as_chunks::<16>().0) {
                sums[lane] += u32::from(entries[usize::from(bits & 15)]);
                sums[16 + lane] += u32::from(entries[usize::from(bits >> 4)]);
            }
        }
    }
    sums
}

pub(crate) fn fast_scan_estimates(
    codes: &[u8],
    table: &[TableLine],
    formula: ScanFormula,
    factors: ScanFactors<'_>,
    bound: f32,
    out: &mut [f32; BLOCK_CODES],
) -> u32 {
    let sums = fast_scan(codes, table);
    let mut below = 0;
    for (i, sum) in sums.into_iter().enumerate() {
        let value = formula.offset + formula.step * sum as f32;
        out[i] = formula.base + factors.add[i] + factors.scale[i] * value;
        below |= u32::from(out[i] < bound) << i;
    }
    below
}
