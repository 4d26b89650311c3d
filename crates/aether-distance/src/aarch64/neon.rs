//! NEON: 16 bytes or 4 floats at once; what remains at the end goes to the scalar kernels.

use std::arch::aarch64::*;
use std::arch::is_aarch64_feature_detected;

use half::f16;

use crate::scalar;

/// Proof that the CPU has NEON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token(());

/// Methods of `Token` that call the kernels of the same name.
macro_rules! token_methods {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        impl Token {
            $(
                #[inline]
                pub(crate) fn $name(self, $($argument: $type),*) -> $result {
                    // SAFETY: `self` proves NEON.
                    unsafe { $name($($argument),*) }
                }
            )*
        }
    };
}

token_methods! {
    fn l2_f32(a: &[f32], b: &[f32]) -> f32;
    fn dot_f32(a: &[f32], b: &[f32]) -> f32;
    fn l2_f32_u8(query: &[f32], vector: &[u8]) -> f32;
    fn dot_f32_u8(query: &[f32], vector: &[u8]) -> f32;
    fn l2_u8(a: &[u8], b: &[u8]) -> u32;
    fn dot_u8(a: &[u8], b: &[u8]) -> u32;
    fn dot_u8_i8(codes: &[u8], query: &[i8]) -> i32;
    fn dot_u8_i8_x4(codes: [&[u8]; 4], query: &[i8]) -> [i32; 4];
    fn dot_f32_hilo(query: &[f32], hi: &[u8], lo: &[u8]) -> f32;
    fn l2_f32_hilo(query: &[f32], hi: &[u8], lo: &[u8], offset: f32, scale: f32) -> f32;
}

impl Token {
    pub(crate) fn new() -> Option<Token> {
        is_aarch64_feature_detected!("neon").then_some(Token(()))
    }

    // The compiler has no stable half-float vectors for NEON yet: these widen one by one.

    pub(crate) fn l2_f32_f16(self, query: &[f32], vector: &[f16]) -> f32 {
        scalar::l2_f32_f16(query, vector)
    }

    pub(crate) fn dot_f32_f16(self, query: &[f32], vector: &[f16]) -> f32 {
        scalar::dot_f32_f16(query, vector)
    }

    pub(crate) fn l2_f16(self, a: &[f16], b: &[f16]) -> f32 {
        scalar::l2_f16(a, b)
    }

    pub(crate) fn dot_f16(self, a: &[f16], b: &[f16]) -> f32 {
        scalar::dot_f16(a, b)
    }
}

#[target_feature(enable = "neon")]
fn l2_f32(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let mut sums = [vdupq_n_f32(0.0); 4];
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        sums[i % 4] = add_square(sums[i % 4], floats(a), floats(b));
    }
    sum_of(sums) + scalar::l2_f32(a_rest, b_rest)
}

#[target_feature(enable = "neon")]
fn dot_f32(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let mut sums = [vdupq_n_f32(0.0); 4];
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        sums[i % 4] = vfmaq_f32(sums[i % 4], floats(a), floats(b));
    }
    sum_of(sums) + scalar::dot_f32(a_rest, b_rest)
}

#[target_feature(enable = "neon")]
fn l2_f32_u8(query: &[f32], vector: &[u8]) -> f32 {
    let ((query, query_rest), (vector, vector_rest)) =
        (query.as_chunks::<16>(), vector.as_chunks::<16>());
    let mut sums = [vdupq_n_f32(0.0); 4];
    for (query, vector) in query.iter().zip(vector) {
        let vector = widened(bytes(vector));
        for i in 0..4 {
            sums[i] = add_square(
                sums[i],
                floats(&query.as_chunks::<4>().0[i]),
                vcvtq_f32_u32(vector[i]),
            );
        }
    }
    sum_of(sums) + scalar::l2_f32_u8(query_rest, vector_rest)
}

#[target_feature(enable = "neon")]
fn dot_f32_u8(query: &[f32], vector: &[u8]) -> f32 {
    let ((query, query_rest), (vector, vector_rest)) =
        (query.as_chunks::<16>(), vector.as_chunks::<16>());
    let mut sums = [vdupq_n_f32(0.0); 4];
    for (query, vector) in query.iter().zip(vector) {
        let vector = widened(bytes(vector));
        for i in 0..4 {
            sums[i] = vfmaq_f32(
                sums[i],
                floats(&query.as_chunks::<4>().0[i]),
                vcvtq_f32_u32(vector[i]),
            );
        }
    }
    sum_of(sums) + scalar::dot_f32_u8(query_rest, vector_rest)
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
fn dot_u8_i8_x4(codes: [&[u8]; 4], query: &[i8]) -> [i32; 4] {
    codes.map(|row| dot_u8_i8(row, query))
}

#[target_feature(enable = "neon")]
fn dot_f32_hilo(query: &[f32], hi: &[u8], lo: &[u8]) -> f32 {
    256.0 * dot_f32_u8(query, hi) + dot_f32_u8(query, lo)
}

#[target_feature(enable = "neon")]
fn l2_f32_hilo(query: &[f32], hi: &[u8], lo: &[u8], offset: f32, scale: f32) -> f32 {
    let (query, query_rest) = query.as_chunks::<16>();
    let ((hi, hi_rest), (lo, lo_rest)) = (hi.as_chunks::<16>(), lo.as_chunks::<16>());
    let (offset_lanes, scale_lanes) = (vdupq_n_f32(offset), vdupq_n_f32(scale));
    let mut sums = [vdupq_n_f32(0.0); 4];
    for ((query, hi), lo) in query.iter().zip(hi).zip(lo) {
        let (hi, lo) = (widened(bytes(hi)), widened(bytes(lo)));
        for i in 0..4 {
            let code = vcvtq_f32_u32(vorrq_u32(vshlq_n_u32::<8>(hi[i]), lo[i]));
            let vector = vfmaq_f32(offset_lanes, scale_lanes, code);
            sums[i] = add_square(sums[i], floats(&query.as_chunks::<4>().0[i]), vector);
        }
    }
    sum_of(sums) + scalar::l2_f32_hilo(query_rest, hi_rest, lo_rest, offset, scale)
}

#[inline]
#[target_feature(enable = "neon")]
fn floats(chunk: &[f32; 4]) -> float32x4_t {
    // SAFETY: the array has the 16 bytes that are read.
    unsafe { vld1q_f32(chunk.as_ptr()) }
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

/// 16 bytes as four vectors of 32-bit integers, in order.
#[inline]
#[target_feature(enable = "neon")]
fn widened(bytes: uint8x16_t) -> [uint32x4_t; 4] {
    let (low, high) = (vmovl_u8(vget_low_u8(bytes)), vmovl_u8(vget_high_u8(bytes)));
    [
        vmovl_u16(vget_low_u16(low)),
        vmovl_u16(vget_high_u16(low)),
        vmovl_u16(vget_low_u16(high)),
        vmovl_u16(vget_high_u16(high)),
    ]
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
fn add_square(sum: float32x4_t, a: float32x4_t, b: float32x4_t) -> float32x4_t {
    let difference = vsubq_f32(a, b);
    vfmaq_f32(sum, difference, difference)
}

#[inline]
#[target_feature(enable = "neon")]
fn sum_of(sums: [float32x4_t; 4]) -> f32 {
    vaddvq_f32(vaddq_f32(
        vaddq_f32(sums[0], sums[1]),
        vaddq_f32(sums[2], sums[3]),
    ))
}
