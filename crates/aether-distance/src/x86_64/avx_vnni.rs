//! AVX-VNNI: the integer dot products of AVX2 by one instruction, for CPUs that have `vpdpbusd` but not AVX-512.

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::*;

use half::f16;

use crate::fast_scan::{BLOCK_CODES, ScanFactors, ScanFormula, TableLine};
use crate::scalar;
use crate::simd::Registers;
use crate::sketch::{SKETCH_COLUMNS, SKETCH_DIMS, SketchBlock};
use crate::x86_64::avx2::{self, bytes, keep_last_bytes, signed_bytes, sum_of_integers};

/// Proof that the CPU has what these kernels need: all of AVX2's, and AVX-VNNI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token(avx2::Token);

impl Token {
    pub(crate) fn new() -> Option<Token> {
        is_x86_feature_detected!("avxvnni")
            .then(avx2::Token::new)
            .flatten()
            .map(Token)
    }
}

with_integer_kernels!(token_methods);

/// The kernels that AVX-VNNI does not speed up.
macro_rules! avx2_methods {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        impl Token {
            $(
                #[inline]
                pub(crate) fn $name(self, $($argument: $type),*) -> $result {
                    self.0.$name($($argument),*)
                }
            )*
        }
    };
}

with_other_kernels!(avx2_methods);

#[target_feature(enable = "avx2,avxvnni")]
fn dot_u8_i8(codes: &[u8], query: &[i8]) -> i32 {
    let length = codes.len();
    let (Some(codes), Some(query)) = (
        Registers::<_, 32>::new(codes, length),
        Registers::<_, 32>::new(query, length),
    ) else {
        return scalar::dot_u8_i8(codes, query);
    };
    let mut sums = [_mm256_setzero_si256(); 4];
    for (c, q) in codes.fours.iter().zip(query.fours) {
        for i in 0..4 {
            sums[i] = _mm256_dpbusd_avx_epi32(sums[i], bytes(&c[i]), signed_bytes(&q[i]));
        }
    }
    for (c, q) in codes.ones.iter().zip(query.ones) {
        sums[0] = _mm256_dpbusd_avx_epi32(sums[0], bytes(c), signed_bytes(q));
    }
    let rest = length % 32;
    if rest > 0 {
        let codes = keep_last_bytes(bytes(codes.last), rest);
        sums[1] = _mm256_dpbusd_avx_epi32(sums[1], codes, signed_bytes(query.last));
    }
    sum_of_integers([
        _mm256_add_epi32(sums[0], sums[1]),
        _mm256_add_epi32(sums[2], sums[3]),
    ])
}

#[target_feature(enable = "avx2,avxvnni")]
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
        sums[0] = _mm256_dpbusd_avx_epi32(sums[0], low, signed_bytes(lower));
        sums[1] = _mm256_dpbusd_avx_epi32(sums[1], high, signed_bytes(upper));
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

#[target_feature(enable = "avx2,avxvnni")]
fn dot_u4_i8_x4(codes: [&[u8]; 4], query: &[i8]) -> [i32; 4] {
    let [a, b, c, d] = codes;
    [
        dot_u4_i8(a, query),
        dot_u4_i8(b, query),
        dot_u4_i8(c, query),
        dot_u4_i8(d, query),
    ]
}

/// `a * b = a * (b - 128) + 128 * a`: the first factor of `vpdpbusd` is unsigned, the second signed.
#[target_feature(enable = "avx2,avxvnni")]
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
    sum_of_integers([sums[0], _mm256_slli_epi32::<7>(sums[1])]).cast_unsigned()
}

#[inline]
#[target_feature(enable = "avx2,avxvnni")]
fn add_products_u8(sums: [__m256i; 2], a: __m256i, b: __m256i) -> [__m256i; 2] {
    let centred = _mm256_xor_si256(b, _mm256_set1_epi8(i8::MIN));
    [
        _mm256_dpbusd_avx_epi32(sums[0], a, centred),
        _mm256_dpbusd_avx_epi32(sums[1], a, _mm256_set1_epi8(1)),
    ]
}
