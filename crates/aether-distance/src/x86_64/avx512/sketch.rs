//! Sketches by AVX-512: 16 columns per step.

use std::arch::x86_64::*;

use super::bytes;
use crate::sketch::{SKETCH_COLUMNS, SKETCH_DIMS, SketchBlock};

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
pub(super) fn best_sketches(
    blocks: &[SketchBlock],
    query: &[i8; SKETCH_DIMS],
) -> [u32; SKETCH_COLUMNS] {
    let (fours, _) = query.as_chunks::<4>();
    let query: [__m512i; SKETCH_DIMS / 4] = std::array::from_fn(|i| {
        _mm512_set1_epi32(i32::from_le_bytes(fours[i].map(i8::cast_unsigned)))
    });
    let (mut best, mut at) = (_mm512_set1_epi32(i32::MIN), _mm512_setzero_si512());
    let mut number = _mm512_setzero_si512();
    for block in blocks {
        // SAFETY: the array has the 64 bytes that are read.
        let bias = unsafe { _mm512_loadu_si512(block.bias.as_ptr().cast()) };
        let mut sums = [bias, _mm512_setzero_si512()];
        for (i, (codes, query)) in block.codes.iter().zip(query).enumerate() {
            sums[i % 2] = _mm512_dpbusd_epi32(sums[i % 2], bytes(codes), query);
        }
        let score = _mm512_add_epi32(sums[0], sums[1]);
        let better = _mm512_cmpgt_epi32_mask(score, best);
        best = _mm512_mask_mov_epi32(best, better, score);
        at = _mm512_mask_mov_epi32(at, better, number);
        number = _mm512_add_epi32(number, _mm512_set1_epi32(1));
    }
    let mut out = [0; SKETCH_COLUMNS];
    // SAFETY: the array has the 64 bytes that are written.
    unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), at) };
    out
}
