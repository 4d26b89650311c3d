//! Sketches by AVX2: 8 columns per step.

use std::arch::x86_64::*;

use super::bytes;
use crate::sketch::{SKETCH_COLUMNS, SKETCH_DIMS, SketchBlock};

/// Codes have 7 bits: two products of 127 and 128 do not saturate the 16 bits of `vpmaddubsw`.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn best_sketches(
    blocks: &[SketchBlock],
    query: &[i8; SKETCH_DIMS],
) -> [u32; SKETCH_COLUMNS] {
    let (fours, _) = query.as_chunks::<4>();
    let query: [__m256i; SKETCH_DIMS / 4] = std::array::from_fn(|i| {
        _mm256_set1_epi32(i32::from_le_bytes(fours[i].map(i8::cast_unsigned)))
    });
    let ones = _mm256_set1_epi16(1);
    let (mut best, mut at) = (
        [_mm256_set1_epi32(i32::MIN); 2],
        [_mm256_setzero_si256(); 2],
    );
    let mut number = _mm256_setzero_si256();
    for block in blocks {
        let (biases, _) = block.bias.as_chunks::<8>();
        for half in 0..2 {
            // SAFETY: the array has the 32 bytes that are read.
            let mut score = unsafe { _mm256_loadu_si256(biases[half].as_ptr().cast()) };
            for (codes, query) in block.codes.iter().zip(query) {
                let (halves, _) = codes.as_chunks::<32>();
                let pairs = _mm256_maddubs_epi16(bytes(&halves[half]), query);
                score = _mm256_add_epi32(score, _mm256_madd_epi16(pairs, ones));
            }
            let better = _mm256_cmpgt_epi32(score, best[half]);
            best[half] = _mm256_blendv_epi8(best[half], score, better);
            at[half] = _mm256_blendv_epi8(at[half], number, better);
        }
        number = _mm256_add_epi32(number, _mm256_set1_epi32(1));
    }
    let mut out = [0; SKETCH_COLUMNS];
    let (halves, _) = out.as_chunks_mut::<8>();
    for (half, at) in halves.iter_mut().zip(at) {
        // SAFETY: the array has the 32 bytes that are written.
        unsafe { _mm256_storeu_si256(half.as_mut_ptr().cast(), at) };
    }
    out
}
