//! AVX2 with FMA and F16C: 32 bytes or 8 floats at once; at the end the last of them are taken once more, under a mask.

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::*;

use half::f16;

use crate::fast_scan::{BLOCK_CODES, ScanFactors, ScanFormula, TableLine};
use crate::scalar;
use crate::simd::{KEEP_LAST, Registers};
use crate::sketch::{SKETCH_COLUMNS, SKETCH_DIMS, SketchBlock};

mod bits;
mod scan;
mod sketch;

use bits::dot_bits_i8;
use scan::{fast_scan, fast_scan_estimates};
use sketch::best_sketches;

/// Proof that the CPU has what these kernels need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token(());

impl Token {
    pub(crate) fn new() -> Option<Token> {
        let found = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        found.then_some(Token(()))
    }
}

with_integer_kernels!(token_methods);
with_other_kernels!(token_methods);
plain_kernels!("avx2,fma,f16c");

/// Both sides are widened to 16 bits: `vpmaddubsw` would saturate at two products of 255 and 127.
#[target_feature(enable = "avx2,fma,f16c")]
fn dot_u8_i8(codes: &[u8], query: &[i8]) -> i32 {
    let ((codes_chunks, codes_rest), (query_chunks, _)) =
        (codes.as_chunks::<32>(), query.as_chunks::<32>());
    let (Some(codes_last), Some(query_last)) = (codes.last_chunk(), query.last_chunk()) else {
        return scalar::dot_u8_i8(codes, query);
    };
    let mut sums = [_mm256_setzero_si256(); 2];
    for (c, q) in codes_chunks.iter().zip(query_chunks) {
        sums = add_products_i8(sums, bytes(c), signed_bytes(q));
    }
    if !codes_rest.is_empty() {
        sums = add_products_i8(
            sums,
            keep_last_bytes(bytes(codes_last), codes_rest.len()),
            signed_bytes(query_last),
        );
    }
    sum_of_integers(sums)
}

#[target_feature(enable = "avx2,fma,f16c")]
fn dot_u4_i8(codes: &[u8], query: &[i8]) -> i32 {
    let (lower, upper) = query.split_at(codes.len());
    let ((codes, codes_rest), (lower, lower_rest), (upper, upper_rest)) = (
        codes.as_chunks::<32>(),
        lower.as_chunks::<32>(),
        upper.as_chunks::<32>(),
    );
    let low_bits = _mm256_set1_epi8(15);
    let mut sums = [_mm256_setzero_si256(); 2];
    for (codes, (lower, upper)) in codes.iter().zip(lower.iter().zip(upper)) {
        let codes = bytes(codes);
        let (low, high) = (
            _mm256_and_si256(codes, low_bits),
            _mm256_and_si256(_mm256_srli_epi16::<4>(codes), low_bits),
        );
        // Two products of 15 and 128 are far from what saturates 16 bits.
        let ones = _mm256_set1_epi16(1);
        let low = _mm256_maddubs_epi16(low, signed_bytes(lower));
        let high = _mm256_maddubs_epi16(high, signed_bytes(upper));
        sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(low, ones));
        sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(high, ones));
    }
    let rest =
        lower_rest
            .iter()
            .zip(upper_rest)
            .zip(codes_rest)
            .map(|((&lower, &upper), &code)| {
                i32::from(code & 15) * i32::from(lower) + i32::from(code >> 4) * i32::from(upper)
            });
    sum_of_integers(sums).wrapping_add(rest.sum())
}

#[target_feature(enable = "avx2,fma,f16c")]
fn dot_u4_i8_x4(codes: [&[u8]; 4], query: &[i8]) -> [i32; 4] {
    let [a, b, c, d] = codes;
    [
        dot_u4_i8(a, query),
        dot_u4_i8(b, query),
        dot_u4_i8(c, query),
        dot_u4_i8(d, query),
    ]
}

#[target_feature(enable = "avx2,fma,f16c")]
fn dot_u8(a: &[u8], b: &[u8]) -> u32 {
    let ((a_chunks, a_rest), (b_chunks, _)) = (a.as_chunks::<32>(), b.as_chunks::<32>());
    let (Some(a_last), Some(b_last)) = (a.last_chunk(), b.last_chunk()) else {
        return scalar::dot_u8(a, b);
    };
    let mut sums = [_mm256_setzero_si256(); 2];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        sums = add_products_u8(sums, bytes(a), bytes(b));
    }
    if !a_rest.is_empty() {
        sums = add_products_u8(
            sums,
            keep_last_bytes(bytes(a_last), a_rest.len()),
            bytes(b_last),
        );
    }
    sum_of_integers(sums).cast_unsigned()
}

#[target_feature(enable = "avx2,fma,f16c")]
fn l2_u8(a: &[u8], b: &[u8]) -> u32 {
    let ((a_chunks, a_rest), (b_chunks, _)) = (a.as_chunks::<32>(), b.as_chunks::<32>());
    let (Some(a_last), Some(b_last)) = (a.last_chunk(), b.last_chunk()) else {
        return scalar::l2_u8(a, b);
    };
    let mut sums = [_mm256_setzero_si256(); 2];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        let difference = difference_u8(bytes(a), bytes(b));
        sums = add_products_u8(sums, difference, difference);
    }
    if !a_rest.is_empty() {
        let difference = keep_last_bytes(difference_u8(bytes(a_last), bytes(b_last)), a_rest.len());
        sums = add_products_u8(sums, difference, difference);
    }
    sum_of_integers(sums).cast_unsigned()
}

float_kernels! {
    "avx2,fma,f16c", 8,
    l2_f32(a: floats, b: floats) = |sum| add_square(sum, a, b);
    dot_f32(a: floats, b: floats) = |sum| add_product(sum, a, b);
    l2_f32_f16(query: floats, vector: halves) = |sum| add_square(sum, query, vector);
    dot_f32_f16(query: floats, vector: halves) = |sum| add_product(sum, query, vector);
    l2_f32_u8(query: floats, vector: byte_floats) = |sum| add_square(sum, query, vector);
    dot_f32_u8(query: floats, vector: byte_floats) = |sum| add_product(sum, query, vector);
    l2_f16(a: halves, b: halves) = |sum| add_square(sum, a, b);
    dot_f16(a: halves, b: halves) = |sum| add_product(sum, a, b);
    dot_f32_hilo(query: floats, hi: byte_floats, lo: byte_floats) = |sum| add_product(sum, query, two_levels(hi, lo));
    l2_f32_hilo(query: floats, hi: byte_floats, lo: byte_floats; offset, scale)
        = |sum| add_square(sum, query, add_product(offset, scale, two_levels(hi, lo)));
}

/// 8 floats.
mod floats {
    use super::*;

    pub(super) type Element = f32;

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn load(chunk: &[f32; 8]) -> __m256 {
        // SAFETY: the array has the 32 bytes that are read.
        unsafe { _mm256_loadu_ps(chunk.as_ptr()) }
    }
}

/// 8 half floats, widened to floats.
mod halves {
    use super::*;

    pub(super) type Element = f16;

    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    pub(super) fn load(chunk: &[f16; 8]) -> __m256 {
        // SAFETY: the array has the 16 bytes that are read.
        _mm256_cvtph_ps(unsafe { _mm_loadu_si128(chunk.as_ptr().cast()) })
    }
}

/// 8 bytes, widened to floats.
mod byte_floats {
    use super::*;

    pub(super) type Element = u8;

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn load(chunk: &[u8; 8]) -> __m256 {
        // SAFETY: the array has the 8 bytes that are read.
        let bytes = unsafe { _mm_loadl_epi64(chunk.as_ptr().cast()) };
        _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes))
    }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn bytes(chunk: &[u8; 32]) -> __m256i {
    // SAFETY: the array has the 32 bytes that are read.
    unsafe { _mm256_loadu_si256(chunk.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn signed_bytes(chunk: &[i8; 32]) -> __m256i {
    // SAFETY: the array has the 32 bytes that are read.
    unsafe { _mm256_loadu_si256(chunk.as_ptr().cast()) }
}

/// The last `rest` bytes; zeros in the others.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn keep_last_bytes(lanes: __m256i, rest: usize) -> __m256i {
    match KEEP_LAST.get(rest..).and_then(<[u8]>::first_chunk) {
        Some(mask) => _mm256_and_si256(lanes, bytes(mask)),
        None => lanes,
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn add_products_i8(sums: [__m256i; 2], a: __m256i, b: __m256i) -> [__m256i; 2] {
    let low = _mm256_madd_epi16(
        _mm256_cvtepu8_epi16(_mm256_castsi256_si128(a)),
        _mm256_cvtepi8_epi16(_mm256_castsi256_si128(b)),
    );
    let high = _mm256_madd_epi16(
        _mm256_cvtepu8_epi16(_mm256_extracti128_si256::<1>(a)),
        _mm256_cvtepi8_epi16(_mm256_extracti128_si256::<1>(b)),
    );
    [
        _mm256_add_epi32(sums[0], low),
        _mm256_add_epi32(sums[1], high),
    ]
}

#[inline]
#[target_feature(enable = "avx2")]
fn add_products_u8(sums: [__m256i; 2], a: __m256i, b: __m256i) -> [__m256i; 2] {
    let zero = _mm256_setzero_si256();
    let low = _mm256_madd_epi16(_mm256_unpacklo_epi8(a, zero), _mm256_unpacklo_epi8(b, zero));
    let high = _mm256_madd_epi16(_mm256_unpackhi_epi8(a, zero), _mm256_unpackhi_epi8(b, zero));
    [
        _mm256_add_epi32(sums[0], low),
        _mm256_add_epi32(sums[1], high),
    ]
}

/// Differences of bytes, without their sign.
#[inline]
#[target_feature(enable = "avx2")]
fn difference_u8(a: __m256i, b: __m256i) -> __m256i {
    _mm256_or_si256(_mm256_subs_epu8(a, b), _mm256_subs_epu8(b, a))
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn sum_of_integers(sums: [__m256i; 2]) -> i32 {
    let sum = _mm256_add_epi32(sums[0], sums[1]);
    let four = _mm_add_epi32(
        _mm256_castsi256_si128(sum),
        _mm256_extracti128_si256::<1>(sum),
    );
    let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b01_00_11_10>(four));
    _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b10_11_00_01>(two)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn zero() -> __m256 {
    _mm256_setzero_ps()
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn splat(value: f32) -> __m256 {
    _mm256_set1_ps(value)
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(a: __m256, b: __m256) -> __m256 {
    _mm256_add_ps(a, b)
}

/// The last `rest` lanes; zeros in the others.
#[inline]
#[target_feature(enable = "avx2")]
fn keep_last(lanes: __m256, rest: usize) -> __m256 {
    _mm256_castsi256_ps(keep_last_bytes(_mm256_castps_si256(lanes), 4 * rest))
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn add_product(sum: __m256, a: __m256, b: __m256) -> __m256 {
    _mm256_fmadd_ps(a, b, sum)
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn add_square(sum: __m256, a: __m256, b: __m256) -> __m256 {
    let difference = _mm256_sub_ps(a, b);
    _mm256_fmadd_ps(difference, difference, sum)
}

/// `256 * hi + lo`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn two_levels(hi: __m256, lo: __m256) -> __m256 {
    _mm256_fmadd_ps(hi, _mm256_set1_ps(256.0), lo)
}

#[inline]
#[target_feature(enable = "avx2")]
fn sum_of(sums: [__m256; 4]) -> f32 {
    let [a, b, c, d] = sums;
    let sum = _mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d));
    let four = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps::<1>(sum));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
}
