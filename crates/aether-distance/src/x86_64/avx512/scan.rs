//! Fast scan by AVX-512: four groups of 32 codes per step.

use std::arch::x86_64::*;

use super::bytes;
use crate::fast_scan::{BLOCK_CODES, ScanFactors, ScanFormula, TableLine};

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
pub(super) fn fast_scan(codes: &[u8], table: &[TableLine]) -> [u32; BLOCK_CODES] {
    let mut out = [0; BLOCK_CODES];
    let (halves, _) = out.as_chunks_mut::<16>();
    for (half, sums) in halves.iter_mut().zip(sums(codes, table)) {
        // SAFETY: the array has the 64 bytes that are written.
        unsafe { _mm512_storeu_si512(half.as_mut_ptr().cast(), sums) };
    }
    out
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
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
///
/// A line of a table is one register: the number of a group and the bits of a code choose one of its 64 bytes. The four bytes
/// of a code are neighbours, so that one instruction adds them up.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
fn sums(codes: &[u8], table: &[TableLine]) -> [__m512i; 2] {
    let (lines, _) = codes.as_chunks::<64>();
    let ((line_pairs, line), (entry_pairs, entries)) = (
        lines.as_chunks::<2>(),
        table[..lines.len()].as_chunks::<2>(),
    );
    // Two sums of each, so that one addition need not wait for the other.
    let mut sums = [[_mm512_setzero_si512(); 2]; 2];
    for (lines, entries) in line_pairs.iter().zip(entry_pairs) {
        for i in 0..2 {
            sums[i] = with_line(sums[i], &lines[i], &entries[i]);
        }
    }
    for (line, entries) in line.iter().zip(entries) {
        sums[0] = with_line(sums[0], line, entries);
    }
    let [[low, high], [more_low, more_high]] = sums;
    [
        _mm512_add_epi32(low, more_low),
        _mm512_add_epi32(high, more_high),
    ]
}

/// The sums with what a line adds to them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
fn with_line([low, high]: [__m512i; 2], codes: &[u8; 64], entries: &TableLine) -> [__m512i; 2] {
    const AND_OR: i32 = 0b1110_1010;
    let (low_bits, ones) = (_mm512_set1_epi8(15), _mm512_set1_epi8(1));
    let groups = _mm512_set1_epi32(0x30_20_10_00);
    let (codes, entries) = (bytes(codes), bytes(&entries.0));
    let add = |sums, codes| {
        let places = _mm512_ternarylogic_epi32::<AND_OR>(codes, low_bits, groups);
        _mm512_dpbusd_epi32(sums, _mm512_permutexvar_epi8(places, entries), ones)
    };
    [add(low, codes), add(high, _mm512_srli_epi16::<4>(codes))]
}
