//! Fast scan by AVX-512: four groups of 32 codes per step.

use std::arch::x86_64::*;

use super::bytes;
use crate::fast_scan::{BLOCK_CODES, PART_LINES, ScanFactors, ScanFormula, TableLine};

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn fast_scan(codes: &[u8], table: &[TableLine]) -> [u32; BLOCK_CODES] {
    let mut out = [0; BLOCK_CODES];
    let (halves, _) = out.as_chunks_mut::<16>();
    for (half, sums) in halves.iter_mut().zip(sums(codes, table)) {
        // SAFETY: the array has the 64 bytes that are written.
        unsafe { _mm512_storeu_si512(half.as_mut_ptr().cast(), sums) };
    }
    out
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn fast_scan_estimates(
    codes: &[u8],
    table: &[TableLine],
    formula: ScanFormula,
    factors: ScanFactors<'_>,
    bound: f32,
    out: &mut [f32; BLOCK_CODES],
) -> u32 {
    let (base, offset, step) = (
        _mm512_set1_ps(formula.base),
        _mm512_set1_ps(formula.offset),
        _mm512_set1_ps(formula.step),
    );
    let (adds, _) = factors.add.as_chunks::<16>();
    let (scales, _) = factors.scale.as_chunks::<16>();
    let (outs, _) = out.as_chunks_mut::<16>();
    let sums = sums(codes, table);
    let mut below = [0; 2];
    for i in 0..2 {
        let value = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[i]), step, offset);
        // SAFETY: the arrays have the 64 bytes that are read.
        let (add, scale) = unsafe {
            (
                _mm512_loadu_ps(adds[i].as_ptr()),
                _mm512_loadu_ps(scales[i].as_ptr()),
            )
        };
        let estimate = _mm512_fmadd_ps(scale, value, _mm512_add_ps(base, add));
        // SAFETY: the array has the 64 bytes that are written.
        unsafe { _mm512_storeu_ps(outs[i].as_mut_ptr(), estimate) };
        below[i] = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(estimate, _mm512_set1_ps(bound));
    }
    u32::from(below[1]) << 16 | u32::from(below[0])
}

/// The sums of codes 0 to 15 and of codes 16 to 31.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn sums(codes: &[u8], table: &[TableLine]) -> [__m512i; 2] {
    let (lines, _) = codes.as_chunks::<64>();
    let (lines, more_lines) = lines.split_at(lines.len().min(PART_LINES));
    let (first, more) = table.split_at(table.len().min(PART_LINES));
    let mut totals = sums_of_part(lines, first);
    for (lines, table) in more_lines.chunks(PART_LINES).zip(more.chunks(PART_LINES)) {
        let [low, high] = sums_of_part(lines, table);
        totals = [
            _mm512_add_epi32(totals[0], low),
            _mm512_add_epi32(totals[1], high),
        ];
    }
    totals
}

/// As `sums`, of at most [`PART_LINES`] lines, whose sums fit in 16 bits.
///
/// Bytes are added up as pairs: `all` takes both bytes of a pair at once and wraps, `odd` the upper byte alone, so that
/// `all - (odd << 8)` is the sum of the lower bytes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn sums_of_part(lines: &[[u8; 64]], table: &[TableLine]) -> [__m512i; 2] {
    let low_bits = _mm512_set1_epi8(15);
    let [mut low_all, mut low_odd, mut high_all, mut high_odd] = [_mm512_setzero_si512(); 4];
    for (codes, entries) in lines.iter().zip(table) {
        let (codes, entries) = (bytes(codes), bytes(&entries.0));
        let low = _mm512_shuffle_epi8(entries, _mm512_and_si512(codes, low_bits));
        let upper = _mm512_and_si512(_mm512_srli_epi16::<4>(codes), low_bits);
        let high = _mm512_shuffle_epi8(entries, upper);
        low_all = _mm512_add_epi16(low_all, low);
        low_odd = _mm512_add_epi16(low_odd, _mm512_srli_epi16::<8>(low));
        high_all = _mm512_add_epi16(high_all, high);
        high_odd = _mm512_add_epi16(high_odd, _mm512_srli_epi16::<8>(high));
    }
    [in_order(low_all, low_odd), in_order(high_all, high_odd)]
}

/// The sums of 16 codes, of those of four groups each: `all` and `odd` as above.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn in_order(all: __m512i, odd: __m512i) -> __m512i {
    let even = _mm512_sub_epi16(all, _mm512_slli_epi16::<8>(odd));
    let (even, odd) = (sum_of_quarters(even), sum_of_quarters(odd));
    _mm512_cvtepu16_epi32(_mm256_set_m128i(
        _mm_unpackhi_epi16(even, odd),
        _mm_unpacklo_epi16(even, odd),
    ))
}

/// The sum of the four quarters, each one group's.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn sum_of_quarters(quarters: __m512i) -> __m128i {
    let halves = _mm256_add_epi16(
        _mm512_castsi512_si256(quarters),
        _mm512_extracti64x4_epi64::<1>(quarters),
    );
    _mm_add_epi16(
        _mm256_castsi256_si128(halves),
        _mm256_extracti128_si256::<1>(halves),
    )
}
