//! AVX-512 with VNNI and VBMI: 64 bytes or 16 floats at once; what remains at the end is loaded under a mask.

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::*;

use half::f16;

use crate::fast_scan::{BLOCK_CODES, ScanFactors, ScanFormula, TableLine};
use crate::simd::Registers;
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
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni")
            && is_x86_feature_detected!("avx512vbmi");
        found.then_some(Token(()))
    }
}

with_integer_kernels!(token_methods);
with_other_kernels!(token_methods);
plain_kernels!("avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi");

/// `vpdpbusd` adds four products to each of 16 sums of 32 bits, without saturation on the way.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
fn dot_u8_i8(codes: &[u8], query: &[i8]) -> i32 {
    // Cut to the same length, so that one bound serves both; likewise below.
    let ((codes, codes_rest), (query, query_rest)) = (
        codes.as_chunks::<64>(),
        query[..codes.len()].as_chunks::<64>(),
    );
    let ((c_twos, c_ones), (q_twos, q_ones)) = (codes.as_chunks::<2>(), query.as_chunks::<2>());
    let mut sums = [_mm512_setzero_si512(); 2];
    for (c, q) in c_twos.iter().zip(q_twos) {
        sums[0] = _mm512_dpbusd_epi32(sums[0], bytes(&c[0]), signed_bytes(&q[0]));
        sums[1] = _mm512_dpbusd_epi32(sums[1], bytes(&c[1]), signed_bytes(&q[1]));
    }
    for (c, q) in c_ones.iter().zip(q_ones) {
        sums[0] = _mm512_dpbusd_epi32(sums[0], bytes(c), signed_bytes(q));
    }
    if !codes_rest.is_empty() {
        sums[1] = _mm512_dpbusd_epi32(
            sums[1],
            bytes_rest(codes_rest),
            signed_bytes_rest(query_rest),
        );
    }
    _mm512_reduce_add_epi32(_mm512_add_epi32(sums[0], sums[1]))
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
fn dot_u4_i8(codes: &[u8], query: &[i8]) -> i32 {
    _mm512_reduce_add_epi32(sums_u4_i8([codes], query)[0])
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
fn dot_u4_i8_x4(codes: [&[u8]; 4], query: &[i8]) -> [i32; 4] {
    sums_of_four(sums_u4_i8(codes, query))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
fn sums_u4_i8<const N: usize>(codes: [&[u8]; N], query: &[i8]) -> [__m512i; N] {
    let (lower, upper) = query.split_at(query.len() / 2);
    let ((lower, lower_rest), (upper, upper_rest)) =
        (lower.as_chunks::<64>(), upper.as_chunks::<64>());
    let rows = codes.map(|row| row[..query.len() / 2].as_chunks::<64>());
    let mut sums = [_mm512_setzero_si512(); N];
    for (i, (lower, upper)) in lower.iter().zip(upper).enumerate() {
        let (lower, upper) = (signed_bytes(lower), signed_bytes(upper));
        for (sum, row) in sums.iter_mut().zip(&rows) {
            *sum = add_products_u4(*sum, bytes(&row.0[i]), lower, upper);
        }
    }
    if !lower_rest.is_empty() {
        let (lower, upper) = (signed_bytes_rest(lower_rest), signed_bytes_rest(upper_rest));
        for (sum, row) in sums.iter_mut().zip(&rows) {
            *sum = add_products_u4(*sum, bytes_rest(row.1), lower, upper);
        }
    }
    sums
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
fn add_products_u4(sum: __m512i, codes: __m512i, lower: __m512i, upper: __m512i) -> __m512i {
    let low_bits = _mm512_set1_epi8(15);
    let sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(codes, low_bits), lower);
    let codes = _mm512_and_si512(_mm512_srli_epi16::<4>(codes), low_bits);
    _mm512_dpbusd_epi32(sum, codes, upper)
}

/// `a * b = a * (b - 128) + 128 * a`: the first factor of `vpdpbusd` is unsigned, the second signed.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
fn dot_u8(a: &[u8], b: &[u8]) -> u32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<64>(), b[..a.len()].as_chunks::<64>());
    let (ones, high_bits) = (_mm512_set1_epi8(1), _mm512_set1_epi8(i8::MIN));
    let (mut products, mut total) = (_mm512_setzero_si512(), _mm512_setzero_si512());
    for (a, b) in a.iter().zip(b) {
        let a = bytes(a);
        products = _mm512_dpbusd_epi32(products, a, _mm512_xor_si512(bytes(b), high_bits));
        total = _mm512_dpbusd_epi32(total, a, ones);
    }
    if !a_rest.is_empty() {
        let a = bytes_rest(a_rest);
        products =
            _mm512_dpbusd_epi32(products, a, _mm512_xor_si512(bytes_rest(b_rest), high_bits));
        total = _mm512_dpbusd_epi32(total, a, ones);
    }
    _mm512_reduce_add_epi32(_mm512_add_epi32(products, _mm512_slli_epi32::<7>(total)))
        .cast_unsigned()
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
fn l2_u8(a: &[u8], b: &[u8]) -> u32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<64>(), b[..a.len()].as_chunks::<64>());
    let mut sums = [_mm512_setzero_si512(); 2];
    for (a, b) in a.iter().zip(b) {
        sums = add_squares_u8(sums, bytes(a), bytes(b));
    }
    if !a_rest.is_empty() {
        sums = add_squares_u8(sums, bytes_rest(a_rest), bytes_rest(b_rest));
    }
    _mm512_reduce_add_epi32(_mm512_add_epi32(sums[0], sums[1])).cast_unsigned()
}

/// Differences of bytes fit 8 bits without their sign; their squares are summed as 16-bit pairs.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
fn add_squares_u8(sums: [__m512i; 2], a: __m512i, b: __m512i) -> [__m512i; 2] {
    let zero = _mm512_setzero_si512();
    let difference = _mm512_or_si512(_mm512_subs_epu8(a, b), _mm512_subs_epu8(b, a));
    let (low, high) = (
        _mm512_unpacklo_epi8(difference, zero),
        _mm512_unpackhi_epi8(difference, zero),
    );
    [
        _mm512_dpwssd_epi32(sums[0], low, low),
        _mm512_dpwssd_epi32(sums[1], high, high),
    ]
}

float_kernels! {
    "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi", 16,
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

/// 16 floats.
mod floats {
    use super::*;

    pub(super) type Element = f32;

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn load(chunk: &[f32; 16]) -> __m512 {
        // SAFETY: the array has the 64 bytes that are read.
        unsafe { _mm512_loadu_ps(chunk.as_ptr()) }
    }
}

/// 16 half floats, widened to floats.
mod halves {
    use super::*;

    pub(super) type Element = f16;

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn load(chunk: &[f16; 16]) -> __m512 {
        // SAFETY: the array has the 32 bytes that are read.
        _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(chunk.as_ptr().cast()) })
    }
}

/// 16 bytes, widened to floats.
mod byte_floats {
    use super::*;

    pub(super) type Element = u8;

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn load(chunk: &[u8; 16]) -> __m512 {
        // SAFETY: the array has the 16 bytes that are read.
        let bytes = unsafe { _mm_loadu_si128(chunk.as_ptr().cast()) };
        _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes))
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn bytes(chunk: &[u8; 64]) -> __m512i {
    // SAFETY: the array has the 64 bytes that are read.
    unsafe { _mm512_loadu_si512(chunk.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn signed_bytes(chunk: &[i8; 64]) -> __m512i {
    // SAFETY: the array has the 64 bytes that are read.
    unsafe { _mm512_loadu_si512(chunk.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn bytes_rest(rest: &[u8]) -> __m512i {
    // SAFETY: the mask keeps the load inside the slice.
    unsafe { _mm512_maskz_loadu_epi8(mask64(rest.len()), rest.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn signed_bytes_rest(rest: &[i8]) -> __m512i {
    // SAFETY: the mask keeps the load inside the slice.
    unsafe { _mm512_maskz_loadu_epi8(mask64(rest.len()), rest.as_ptr()) }
}

/// The lowest `length` of 64 lanes; all of them if `length` is larger.
#[inline]
fn mask64(length: usize) -> __mmask64 {
    if length < 64 {
        (1 << length) - 1
    } else {
        u64::MAX
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn zero() -> __m512 {
    _mm512_setzero_ps()
}

#[inline]
#[target_feature(enable = "avx512f")]
fn splat(value: f32) -> __m512 {
    _mm512_set1_ps(value)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add(a: __m512, b: __m512) -> __m512 {
    _mm512_add_ps(a, b)
}

/// The last `rest` lanes; zeros in the others.
#[inline]
#[target_feature(enable = "avx512f")]
fn keep_last(lanes: __m512, rest: usize) -> __m512 {
    let mask = if rest < 16 {
        !(u16::MAX >> rest)
    } else {
        u16::MAX
    };
    _mm512_maskz_mov_ps(mask, lanes)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add_product(sum: __m512, a: __m512, b: __m512) -> __m512 {
    _mm512_fmadd_ps(a, b, sum)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add_square(sum: __m512, a: __m512, b: __m512) -> __m512 {
    let difference = _mm512_sub_ps(a, b);
    _mm512_fmadd_ps(difference, difference, sum)
}

/// `256 * hi + lo`.
#[inline]
#[target_feature(enable = "avx512f")]
fn two_levels(hi: __m512, lo: __m512) -> __m512 {
    _mm512_fmadd_ps(hi, _mm512_set1_ps(256.0), lo)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn sum_of(sums: [__m512; 4]) -> f32 {
    let [a, b, c, d] = sums;
    _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d)))
}

/// Four sums of 16 lanes each, by one transposition instead of four reductions.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn sums_of_four(sums: [__m512i; 4]) -> [i32; 4] {
    let [a, b, c, d] = sums;
    let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    let abcd = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    let halved = _mm256_add_epi32(
        _mm512_castsi512_si256(abcd),
        _mm512_extracti64x4_epi64::<1>(abcd),
    );
    let quartered = _mm_add_epi32(
        _mm256_castsi256_si128(halved),
        _mm256_extracti128_si256::<1>(halved),
    );
    let mut out = [0; 4];
    // SAFETY: the array has the 16 bytes that are written.
    unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), quartered) };
    out
}
