//! Dot products with bits by AVX-512: 64 bits are a mask.

use std::arch::x86_64::*;

use super::{signed_bytes, signed_bytes_rest};

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
pub(super) fn dot_bits_i8(bits: &[u8], query: &[i8]) -> i32 {
    let ((masks, masks_rest), (query, query_rest)) =
        (bits.as_chunks::<8>(), query.as_chunks::<64>());
    let ones = _mm512_set1_epi8(1);
    let mut sum = _mm512_setzero_si512();
    for (mask, query) in masks.iter().zip(query) {
        let kept = _mm512_maskz_mov_epi8(u64::from_le_bytes(*mask), signed_bytes(query));
        sum = _mm512_dpbusd_epi32(sum, ones, kept);
    }
    if !masks_rest.is_empty() {
        let mut mask = [0; 8];
        mask[..masks_rest.len()].copy_from_slice(masks_rest);
        let kept = _mm512_maskz_mov_epi8(u64::from_le_bytes(mask), signed_bytes_rest(query_rest));
        sum = _mm512_dpbusd_epi32(sum, ones, kept);
    }
    _mm512_reduce_add_epi32(sum)
}
