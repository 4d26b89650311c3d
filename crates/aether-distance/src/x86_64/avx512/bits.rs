//! Dot products with bits and with nibbles by AVX-512: 64 bits are a mask.

use std::arch::x86_64::*;

use super::{bytes, bytes_rest, signed_bytes, signed_bytes_rest};

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
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

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn dot_nibbles_i8(nibbles: &[u8], query: &[i8]) -> i32 {
    let (low, high) = query.split_at(nibbles.len());
    let (nibbles, nibbles_rest) = nibbles.as_chunks::<64>();
    let ((low, low_rest), (high, high_rest)) = (low.as_chunks::<64>(), high.as_chunks::<64>());
    let mut sums = [_mm512_setzero_si512(); 2];
    for (nibbles, (low, high)) in nibbles.iter().zip(low.iter().zip(high)) {
        sums = add_nibbles(sums, bytes(nibbles), signed_bytes(low), signed_bytes(high));
    }
    if !nibbles_rest.is_empty() {
        sums = add_nibbles(
            sums,
            bytes_rest(nibbles_rest),
            signed_bytes_rest(low_rest),
            signed_bytes_rest(high_rest),
        );
    }
    _mm512_reduce_add_epi32(_mm512_add_epi32(sums[0], sums[1]))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn add_nibbles(sums: [__m512i; 2], nibbles: __m512i, low: __m512i, high: __m512i) -> [__m512i; 2] {
    let low_bits = _mm512_set1_epi8(15);
    let upper = _mm512_and_si512(_mm512_srli_epi16::<4>(nibbles), low_bits);
    [
        _mm512_dpbusd_epi32(sums[0], _mm512_and_si512(nibbles, low_bits), low),
        _mm512_dpbusd_epi32(sums[1], upper, high),
    ]
}
