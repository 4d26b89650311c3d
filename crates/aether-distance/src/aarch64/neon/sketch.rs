//! Sketches by NEON: 4 columns per step.

use std::arch::aarch64::*;

use super::{bytes, signed_bytes};
use crate::sketch::{SKETCH_COLUMNS, SKETCH_DIMS, SketchBlock};

/// Codes have 7 bits, so they are signed bytes too; two products of 127 and 128 fit 16 bits.
#[target_feature(enable = "neon")]
pub(super) fn best_sketches(
    blocks: &[SketchBlock],
    query: &[i8; SKETCH_DIMS],
) -> [u32; SKETCH_COLUMNS] {
    let (fours, _) = query.as_chunks::<4>();
    let query: [int8x16_t; SKETCH_DIMS / 4] =
        std::array::from_fn(|i| signed_bytes(&std::array::from_fn(|byte| fours[i][byte % 4])));
    let (mut best, mut at) = ([vdupq_n_s32(i32::MIN); 4], [vdupq_n_u32(0); 4]);
    for (number, block) in (0..).zip(blocks) {
        let (biases, _) = block.bias.as_chunks::<4>();
        for quarter in 0..4 {
            // SAFETY: the array has the 16 bytes that are read.
            let mut score = unsafe { vld1q_s32(biases[quarter].as_ptr()) };
            for (codes, query) in block.codes.iter().zip(query) {
                let (quarters, _) = codes.as_chunks::<16>();
                let codes = vreinterpretq_s8_u8(bytes(&quarters[quarter]));
                let low = vmull_s8(vget_low_s8(codes), vget_low_s8(query));
                let high = vmull_high_s8(codes, query);
                score = vpadalq_s16(score, vpaddq_s16(low, high));
            }
            let better = vcgtq_s32(score, best[quarter]);
            best[quarter] = vbslq_s32(better, score, best[quarter]);
            at[quarter] = vbslq_u32(better, vdupq_n_u32(number), at[quarter]);
        }
    }
    let mut out = [0; SKETCH_COLUMNS];
    let (quarters, _) = out.as_chunks_mut::<4>();
    for (quarter, at) in quarters.iter_mut().zip(at) {
        // SAFETY: the array has the 16 bytes that are written.
        unsafe { vst1q_u32(quarter.as_mut_ptr(), at) };
    }
    out
}
