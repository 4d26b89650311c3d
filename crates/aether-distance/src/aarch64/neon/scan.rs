//! Fast scan by NEON: one group of 32 codes per step.

use std::arch::aarch64::*;

use super::bytes;
use crate::fast_scan::{BLOCK_CODES, PART_LINES, ScanFactors, ScanFormula, TableLine};

#[target_feature(enable = "neon")]
pub(super) fn fast_scan(codes: &[u8], table: &[TableLine]) -> [u32; BLOCK_CODES] {
    let mut out = [0; BLOCK_CODES];
    let (fours, _) = out.as_chunks_mut::<4>();
    for (four, sums) in fours.iter_mut().zip(sums(codes, table)) {
        // SAFETY: the array has the 16 bytes that are written.
        unsafe { vst1q_u32(four.as_mut_ptr(), sums) };
    }
    out
}

#[target_feature(enable = "neon")]
pub(super) fn fast_scan_estimates(
    codes: &[u8],
    table: &[TableLine],
    formula: ScanFormula,
    factors: ScanFactors<'_>,
    bound: f32,
    out: &mut [f32; BLOCK_CODES],
) -> u32 {
    let (base, offset, step) = (
        vdupq_n_f32(formula.base),
        vdupq_n_f32(formula.offset),
        vdupq_n_f32(formula.step),
    );
    let (adds, _) = factors.add.as_chunks::<4>();
    let (scales, _) = factors.scale.as_chunks::<4>();
    let (outs, _) = out.as_chunks_mut::<4>();
    let sums = sums(codes, table);
    // SAFETY: the array has the 16 bytes that are read.
    let bits = unsafe { vld1q_u32([1, 2, 4, 8].as_ptr()) };
    let mut below = 0;
    for i in 0..8 {
        let value = vfmaq_f32(offset, vcvtq_f32_u32(sums[i]), step);
        // SAFETY: the arrays have the 16 bytes that are read.
        let (add, scale) = unsafe { (vld1q_f32(adds[i].as_ptr()), vld1q_f32(scales[i].as_ptr())) };
        let estimate = vfmaq_f32(vaddq_f32(base, add), scale, value);
        // SAFETY: the array has the 16 bytes that are written.
        unsafe { vst1q_f32(outs[i].as_mut_ptr(), estimate) };
        let less = vcltq_f32(estimate, vdupq_n_f32(bound));
        below |= vaddvq_u32(vandq_u32(less, bits)) << (4 * i);
    }
    below
}

/// The sums of codes 0 to 3, 4 to 7, and so on.
#[inline]
#[target_feature(enable = "neon")]
fn sums(codes: &[u8], table: &[TableLine]) -> [uint32x4_t; 8] {
    let (lines, _) = codes.as_chunks::<64>();
    let mut totals = [vdupq_n_u32(0); 8];
    for (lines, table) in lines.chunks(PART_LINES).zip(table.chunks(PART_LINES)) {
        for (i, part) in sums_of_part(lines, table).into_iter().enumerate() {
            totals[2 * i] = vaddw_u16(totals[2 * i], vget_low_u16(part));
            totals[2 * i + 1] = vaddw_u16(totals[2 * i + 1], vget_high_u16(part));
        }
    }
    totals
}

/// The sums of codes 0 to 7, 8 to 15, and so on, of at most [`PART_LINES`] lines, whose sums fit in 16 bits.
#[inline]
#[target_feature(enable = "neon")]
fn sums_of_part(lines: &[[u8; 64]], table: &[TableLine]) -> [uint16x8_t; 4] {
    let low_bits = vdupq_n_u8(15);
    let mut sums = [vdupq_n_u16(0); 4];
    for (codes, entries) in lines.iter().zip(table) {
        // SAFETY: the array has the 64 bytes that are read. They come apart by groups.
        let uint8x16x4_t(a, b, c, d) = unsafe { vld4q_u8(codes.as_ptr()) };
        let (entries, _) = entries.0.as_chunks::<16>();
        for (codes, entries) in [a, b, c, d].into_iter().zip(entries) {
            let entries = bytes(entries);
            let low = vqtbl1q_u8(entries, vandq_u8(codes, low_bits));
            let high = vqtbl1q_u8(entries, vshrq_n_u8::<4>(codes));
            sums[0] = vaddw_u8(sums[0], vget_low_u8(low));
            sums[1] = vaddw_u8(sums[1], vget_high_u8(low));
            sums[2] = vaddw_u8(sums[2], vget_low_u8(high));
            sums[3] = vaddw_u8(sums[3], vget_high_u8(high));
        }
    }
    sums
}
