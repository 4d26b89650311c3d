//! Dot products with bits by AVX2: 32 bits become a mask of 32 bytes.

use std::arch::x86_64::*;

use super::{signed_bytes, sum_of_integers};
use crate::scalar;

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn dot_bits_i8(bits: &[u8], query: &[i8]) -> i32 {
    let ((masks, masks_rest), (query, query_rest)) =
        (bits.as_chunks::<4>(), query.as_chunks::<32>());
    let (byte_ones, pair_ones) = (_mm256_set1_epi8(1), _mm256_set1_epi16(1));
    let mut sum = _mm256_setzero_si256();
    for (mask, query) in masks.iter().zip(query) {
        let kept = _mm256_and_si256(mask_of_bits(*mask), signed_bytes(query));
        let pairs = _mm256_maddubs_epi16(byte_ones, kept);
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, pair_ones));
    }
    sum_of_integers([sum, _mm256_setzero_si256()]) + scalar::dot_bits_i8(masks_rest, query_rest)
}

/// A byte of ones for each bit that is set.
#[inline]
#[target_feature(enable = "avx2")]
fn mask_of_bits(bits: [u8; 4]) -> __m256i {
    let (first, second) = (0x0101_0101_0101_0101, 0x0202_0202_0202_0202);
    let (third, fourth) = (0x0303_0303_0303_0303, 0x8040_2010_0804_0201_u64);
    let bit = _mm256_set1_epi64x(fourth.cast_signed());
    let spread = _mm256_shuffle_epi8(
        _mm256_set1_epi32(i32::from_le_bytes(bits)),
        _mm256_setr_epi64x(0, first, second, third),
    );
    _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit)
}
