//! Dot products with bits and with nibbles by NEON: 16 bits become a mask of 16 bytes.

use std::arch::aarch64::*;

use super::{bytes, signed_bytes};
use crate::scalar;

#[target_feature(enable = "neon")]
pub(super) fn dot_bits_i8(bits: &[u8], query: &[i8]) -> i32 {
    let ((masks, masks_rest), (query, query_rest)) =
        (bits.as_chunks::<2>(), query.as_chunks::<16>());
    let bit = bytes(&[1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128]);
    let mut sum = vdupq_n_s32(0);
    for (mask, query) in masks.iter().zip(query) {
        let spread = vcombine_u8(vdup_n_u8(mask[0]), vdup_n_u8(mask[1]));
        let mask = vreinterpretq_s8_u8(vtstq_u8(spread, bit));
        sum = vpadalq_s16(sum, vpaddlq_s8(vandq_s8(mask, signed_bytes(query))));
    }
    vaddvq_s32(sum) + scalar::dot_bits_i8(masks_rest, query_rest)
}

/// Sums of two products fit in 16 bits: `2 * 15 * 128`.
#[target_feature(enable = "neon")]
pub(super) fn dot_nibbles_i8(nibbles: &[u8], query: &[i8]) -> i32 {
    let (low, high) = query.split_at(nibbles.len());
    let (nibbles, nibbles_rest) = nibbles.as_chunks::<16>();
    let ((low, low_rest), (high, high_rest)) = (low.as_chunks::<16>(), high.as_chunks::<16>());
    let mut sum = vdupq_n_s32(0);
    for (nibbles, (low, high)) in nibbles.iter().zip(low.iter().zip(high)) {
        let nibbles = bytes(nibbles);
        let lower = vreinterpretq_s8_u8(vandq_u8(nibbles, vdupq_n_u8(15)));
        let upper = vreinterpretq_s8_u8(vshrq_n_u8::<4>(nibbles));
        let (low, high) = (signed_bytes(low), signed_bytes(high));
        let first = vmull_s8(vget_low_s8(lower), vget_low_s8(low));
        let second = vmull_s8(vget_high_s8(lower), vget_high_s8(low));
        let first = vmlal_s8(first, vget_low_s8(upper), vget_low_s8(high));
        let second = vmlal_s8(second, vget_high_s8(upper), vget_high_s8(high));
        sum = vpadalq_s16(vpadalq_s16(sum, first), second);
    }
    let rest = scalar::sum_of_nibbles(nibbles_rest, low_rest, high_rest);
    vaddvq_s32(sum) + rest
}
