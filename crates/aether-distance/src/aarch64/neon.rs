//! NEON: 16 bytes or 16 floats at once; at the end the last of them are taken once more, under a
//! mask, or what remains goes to the scalar kernels.

use std::arch::aarch64::*;
use std::arch::is_aarch64_feature_detected;

use half::f16;

use crate::fast_scan::{BLOCK_CODES, ScanFactors, ScanFormula, TableLine};
use crate::scalar;
use crate::simd::{KEEP_LAST, Registers};
use crate::sketch::{SKETCH_COLUMNS, SKETCH_DIMS, SketchBlock};

mod bits;
mod scan;
mod sketch;

use bits::dot_bits_i8;
use scan::{fast_scan, fast_scan_estimates};
use sketch::best_sketches;

/// Proof that the CPU has NEON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token(());

impl Token {
    pub(crate) fn new() -> Option<Token> {
        is_aarch64_feature_detected!("neon").then_some(Token(()))
    }
}

with_integer_kernels!(token_methods);
with_other_kernels!(token_methods);
plain_kernels!("neon");

/// Both sides are widened to 16 bits; products of an unsigned and a signed byte need `i8mm`, which is not everywhere.
#[target_feature(enable = "neon")]
fn dot_u8_i8(codes: &[u8], query: &[i8]) -> i32 {
    let ((codes, codes_rest), (query, query_rest)) =
        (codes.as_chunks::<16>(), query.as_chunks::<16>());
    let mut sums = [vdupq_n_s32(0); 4];
    for (codes, query) in codes.iter().zip(query) {
        let (codes, query) = (bytes(codes), signed_bytes(query));
        let (c_low, c_high) = (vmovl_u8(vget_low_u8(codes)), vmovl_u8(vget_high_u8(codes)));
        let (c_low, c_high) = (vreinterpretq_s16_u16(c_low), vreinterpretq_s16_u16(c_high));
        let (q_low, q_high) = (vmovl_s8(vget_low_s8(query)), vmovl_s8(vget_high_s8(query)));
        sums[0] = vmlal_s16(sums[0], vget_low_s16(c_low), vget_low_s16(q_low));
        sums[1] = vmlal_s16(sums[1], vget_high_s16(c_low), vget_high_s16(q_low));
        sums[2] = vmlal_s16(sums[2], vget_low_s16(c_high), vget_low_s16(q_high));
        sums[3] = vmlal_s16(sums[3], vget_high_s16(c_high), vget_high_s16(q_high));
    }
    let sum = vaddq_s32(vaddq_s32(sums[0], sums[1]), vaddq_s32(sums[2], sums[3]));
    vaddvq_s32(sum).wrapping_add(scalar::dot_u8_i8(codes_rest, query_rest))
}

#[target_feature(enable = "neon")]
fn dot_u4_i8(codes: &[u8], query: &[i8]) -> i32 {
    let (lower, upper) = query.split_at(codes.len());
    let ((codes, codes_rest), (lower, lower_rest), (upper, upper_rest)) = (
        codes.as_chunks::<16>(),
        lower.as_chunks::<16>(),
        upper.as_chunks::<16>(),
    );
    let mut sums = [vdupq_n_s32(0); 2];
    for (codes, (lower, upper)) in codes.iter().zip(lower.iter().zip(upper)) {
        let codes = bytes(codes);
        sums[0] = add_products_u4(
            sums[0],
            vandq_u8(codes, vdupq_n_u8(15)),
            signed_bytes(lower),
        );
        sums[1] = add_products_u4(sums[1], vshrq_n_u8::<4>(codes), signed_bytes(upper));
    }
    let rest =
        lower_rest
            .iter()
            .zip(upper_rest)
            .zip(codes_rest)
            .map(|((&lower, &upper), &code)| {
                i32::from(code & 15) * i32::from(lower) + i32::from(code >> 4) * i32::from(upper)
            });
    vaddvq_s32(vaddq_s32(sums[0], sums[1])).wrapping_add(rest.sum())
}

#[target_feature(enable = "neon")]
fn dot_u4_i8_x4(codes: [&[u8]; 4], query: &[i8]) -> [i32; 4] {
    codes.map(|row| dot_u4_i8(row, query))
}

/// Four bits are a signed byte too; two of the products fit 16 bits.
#[inline]
#[target_feature(enable = "neon")]
fn add_products_u4(sum: int32x4_t, codes: uint8x16_t, query: int8x16_t) -> int32x4_t {
    let codes = vreinterpretq_s8_u8(codes);
    let products = vmull_s8(vget_low_s8(codes), vget_low_s8(query));
    vpadalq_s16(sum, vmlal_high_s8(products, codes, query))
}

#[target_feature(enable = "neon")]
fn l2_u8(a: &[u8], b: &[u8]) -> u32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let mut sum = vdupq_n_u32(0);
    for (a, b) in a.iter().zip(b) {
        let difference = vabdq_u8(bytes(a), bytes(b));
        sum = add_products_u8(sum, difference, difference);
    }
    vaddvq_u32(sum).wrapping_add(scalar::l2_u8(a_rest, b_rest))
}

#[target_feature(enable = "neon")]
fn dot_u8(a: &[u8], b: &[u8]) -> u32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let mut sum = vdupq_n_u32(0);
    for (a, b) in a.iter().zip(b) {
        sum = add_products_u8(sum, bytes(a), bytes(b));
    }
    vaddvq_u32(sum).wrapping_add(scalar::dot_u8(a_rest, b_rest))
}

float_kernels! {
    "neon", 16,
    l2_f32(a: floats, b: floats) = |sum| add_square(sum, a, b);
    dot_f32(a: floats, b: floats) = |sum| add_product(sum, a, b);
    l2_f32_f16(query: floats, vector: halves) = |sum| add_square(sum, query, vector);
    dot_f32_f16(query: floats, vector: halves) = |sum| add_product(sum, query, vector);
    l2_f32_u8(query: floats, vector: byte_floats) = |sum| add_square(sum, query, vector);
    dot_f32_u8(query: floats, vector: byte_floats) = |sum| add_product(sum, query, vector);
    l2_f16(a: halves, b: halves) = |sum| add_square(sum, a, b);
    dot_f16(a: halves, b: halves) = |sum| add_product(sum, a, b);
    dot_f32_hilo(query: floats, hi: byte_floats, lo: byte_floats) = |sum| add_product(sum, query, two_levels(hi, lo));
    l2_f32_hilo(query: floats, hi: byte_floats, lo: byte_floats; offset, scale)
        = |sum| add_square(sum, query, add_product(offset, scale, two_levels(hi, lo)));
}

/// 16 floats, in order.
type Floats = [float32x4_t; 4];

/// 16 floats.
mod floats {
    use super::*;

    pub(super) type Element = f32;

    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn load(chunk: &[f32; 16]) -> Floats {
        let (fours, _) = chunk.as_chunks::<4>();
        // SAFETY: the array has the 16 bytes that are read.
        [0, 1, 2, 3].map(|i| unsafe { vld1q_f32(fours[i].as_ptr()) })
    }
}

/// 16 half floats, widened to floats.
mod halves {
    use super::*;

    pub(super) type Element = f16;

    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn load(chunk: &[f16; 16]) -> Floats {
        let (fours, _) = chunk.as_chunks::<4>();
        // SAFETY: the array has the 8 bytes that are read.
        let bits = [0, 1, 2, 3].map(|i| unsafe { vld1_u16(fours[i].as_ptr().cast()) });
        bits.map(|bits| vcvt_f32_f16(vreinterpret_f16_u16(bits)))
    }
}

/// 16 bytes, widened to floats.
mod byte_floats {
    use super::*;

    pub(super) type Element = u8;

    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn load(chunk: &[u8; 16]) -> Floats {
        let bytes = bytes(chunk);
        let (low, high) = (vmovl_u8(vget_low_u8(bytes)), vmovl_u8(vget_high_u8(bytes)));
        [
            vcvtq_f32_u32(vmovl_u16(vget_low_u16(low))),
            vcvtq_f32_u32(vmovl_u16(vget_high_u16(low))),
            vcvtq_f32_u32(vmovl_u16(vget_low_u16(high))),
            vcvtq_f32_u32(vmovl_u16(vget_high_u16(high))),
        ]
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn bytes(chunk: &[u8; 16]) -> uint8x16_t {
    // SAFETY: the array has the 16 bytes that are read.
    unsafe { vld1q_u8(chunk.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
fn signed_bytes(chunk: &[i8; 16]) -> int8x16_t {
    // SAFETY: the array has the 16 bytes that are read.
    unsafe { vld1q_s8(chunk.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
fn add_products_u8(sum: uint32x4_t, a: uint8x16_t, b: uint8x16_t) -> uint32x4_t {
    let low = vmull_u8(vget_low_u8(a), vget_low_u8(b));
    let high = vmull_u8(vget_high_u8(a), vget_high_u8(b));
    vpadalq_u16(vpadalq_u16(sum, low), high)
}

#[inline]
#[target_feature(enable = "neon")]
fn zero() -> Floats {
    splat(0.0)
}

#[inline]
#[target_feature(enable = "neon")]
fn splat(value: f32) -> Floats {
    [vdupq_n_f32(value); 4]
}

#[inline]
#[target_feature(enable = "neon")]
fn add(a: Floats, b: Floats) -> Floats {
    [0, 1, 2, 3].map(|i| vaddq_f32(a[i], b[i]))
}

/// The last `rest` lanes; zeros in the others.
#[inline]
#[target_feature(enable = "neon")]
fn keep_last(lanes: Floats, rest: usize) -> Floats {
    [0, 1, 2, 3].map(|i| {
        // Of lanes 4i to 4i + 3, those from `16 - rest` on.
        let kept = (4 * i + 4 + rest).saturating_sub(16).min(4);
        match KEEP_LAST.get(16 + 4 * kept..).and_then(<[u8]>::first_chunk) {
            Some(mask) => {
                vreinterpretq_f32_u8(vandq_u8(vreinterpretq_u8_f32(lanes[i]), bytes(mask)))
            }
            None => lanes[i],
        }
    })
}

#[inline]
#[target_feature(enable = "neon")]
fn add_product(sum: Floats, a: Floats, b: Floats) -> Floats {
    [0, 1, 2, 3].map(|i| vfmaq_f32(sum[i], a[i], b[i]))
}

#[inline]
#[target_feature(enable = "neon")]
fn add_square(sum: Floats, a: Floats, b: Floats) -> Floats {
    let difference = [0, 1, 2, 3].map(|i| vsubq_f32(a[i], b[i]));
    add_product(sum, difference, difference)
}

/// `256 * hi + lo`.
#[inline]
#[target_feature(enable = "neon")]
fn two_levels(hi: Floats, lo: Floats) -> Floats {
    add_product(lo, hi, splat(256.0))
}

#[inline]
#[target_feature(enable = "neon")]
fn sum_of(sums: [Floats; 4]) -> f32 {
    let fours = sums.map(|[a, b, c, d]| vaddq_f32(vaddq_f32(a, b), vaddq_f32(c, d)));
    vaddvq_f32(vaddq_f32(
        vaddq_f32(fours[0], fours[1]),
        vaddq_f32(fours[2], fours[3]),
    ))
}
