//! Fast scan by AVX2: two groups of 32 codes per step.

use std::arch::x86_64::*;

use super::bytes;
use crate::fast_scan::{BLOCK_CODES, PART_LINES, ScanFactors, ScanFormula, TableLine};

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn fast_scan(codes: &[u8], table: &[TableLine]) -> [u32; BLOCK_CODES] {
    let mut out = [0; BLOCK_CODES];
    let (quarters, _) = out.as_chunks_mut::<8>();
    for (quarter, sums) in quarters.iter_mut().zip(sums(codes, table)) {
        // SAFETY: the array has the 32 bytes that are written.
        unsafe { _mm256_storeu_si256(quarter.as_mut_ptr().cast(), sums) };
    }
    out
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn fast_scan_estimates(
    codes: &[u8],
    table: &[TableLine],
    formula: ScanFormula,
    factors: ScanFactors<'_>,
    bound: f32,
    out: &mut [f32; BLOCK_CODES],
) -> u32 {
    let (base, offset, step) = (
        _mm256_set1_ps(formula.base),
        _mm256_set1_ps(formula.offset),
        _mm256_set1_ps(formula.step),
    );
    let (adds, _) = factors.add.as_chunks::<8>();
    let (scales, _) = factors.scale.as_chunks::<8>();
    let (outs, _) = out.as_chunks_mut::<8>();
    let sums = sums(codes, table);
    let mut below = 0;
    for i in 0..4 {
        let value = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[i]), step, offset);
        // SAFETY: the arrays have the 32 bytes that are read.
        let (add, scale) = unsafe {
            (
                _mm256_loadu_ps(adds[i].as_ptr()),
                _mm256_loadu_ps(scales[i].as_ptr()),
            )
        };
        let estimate = _mm256_fmadd_ps(scale, value, _mm256_add_ps(base, add));
        // SAFETY: the array has the 32 bytes that are written.
        unsafe { _mm256_storeu_ps(outs[i].as_mut_ptr(), estimate) };
        let less = _mm256_cmp_ps::<_CMP_LT_OQ>(estimate, _mm256_set1_ps(bound));
        below |= _mm256_movemask_ps(less).cast_unsigned() << (8 * i);
    }
    below
}

/// The sums of codes 0 to 7, 8 to 15, and so on.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn sums(codes: &[u8], table: &[TableLine]) -> [__m256i; 4] {
    let (lines, _) = codes.as_chunks::<64>();
    let mut totals = [_mm256_setzero_si256(); 4];
    for (lines, table) in lines.chunks(PART_LINES).zip(table.chunks(PART_LINES)) {
        let part = sums_of_part(lines, table);
        for (total, part) in totals.iter_mut().zip(part) {
            *total = _mm256_add_epi32(*total, part);
        }
    }
    totals
}

/// As `sums`, of at most [`PART_LINES`] lines, whose sums fit in 16 bits.
///
/// Bytes are added up as pairs: `all` takes both bytes of a pair at once and wraps, `odd` the upper byte alone, so that
/// `all - (odd << 8)` is the sum of the lower bytes.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn sums_of_part(lines: &[[u8; 64]], table: &[TableLine]) -> [__m256i; 4] {
    let low_bits = _mm256_set1_epi8(15);
    let mut all = [_mm256_setzero_si256(); 2];
    let mut odd = [_mm256_setzero_si256(); 2];
    for (codes, entries) in lines.iter().zip(table) {
        let (entries, _) = entries.0.as_chunks::<32>();
        for (codes, entries) in by_groups(codes).into_iter().zip(entries) {
            let entries = bytes(entries);
            let halves = [codes, _mm256_srli_epi16::<4>(codes)];
            for i in 0..2 {
                let found = _mm256_shuffle_epi8(entries, _mm256_and_si256(halves[i], low_bits));
                all[i] = _mm256_add_epi16(all[i], found);
                odd[i] = _mm256_add_epi16(odd[i], _mm256_srli_epi16::<8>(found));
            }
        }
    }
    let [low, high] = [0, 1].map(|i| {
        let even = _mm256_sub_epi16(all[i], _mm256_slli_epi16::<8>(odd[i]));
        let (even, odd) = (sum_of_halves(even), sum_of_halves(odd[i]));
        [
            _mm256_cvtepu16_epi32(_mm_unpacklo_epi16(even, odd)),
            _mm256_cvtepu16_epi32(_mm_unpackhi_epi16(even, odd)),
        ]
    });
    [low[0], low[1], high[0], high[1]]
}

/// The bytes of a line by their groups, 0 and 1, 2 and 3: those of all codes side by side.
#[inline]
#[target_feature(enable = "avx2")]
fn by_groups(line: &[u8; 64]) -> [__m256i; 2] {
    // Of four codes with four groups each, the same group side by side.
    let turn = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15,
    ));
    let (halves, _) = line.as_chunks::<32>();
    let [left, right] = [0, 1].map(|i| _mm256_shuffle_epi8(bytes(&halves[i]), turn));
    // Each quarter has codes 0 to 3 | 4 to 7 of the first half, and then 8 to 11 | 12 to 15 of the second.
    let pairs = [
        _mm256_unpacklo_epi32(left, right),
        _mm256_unpackhi_epi32(left, right),
    ];
    // To [0..4, 4..8, 8..12, 12..16] of one group in each half.
    let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    pairs.map(|pair| _mm256_permutevar8x32_epi32(pair, order))
}

/// The sum of the two halves, each of every other group.
#[inline]
#[target_feature(enable = "avx2")]
fn sum_of_halves(halves: __m256i) -> __m128i {
    _mm_add_epi16(
        _mm256_castsi256_si128(halves),
        _mm256_extracti128_si256::<1>(halves),
    )
}
