//! Dot products with bits by NEON: 16 bits become a mask of 16 bytes.

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
