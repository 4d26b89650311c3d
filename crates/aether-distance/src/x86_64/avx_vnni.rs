//! AVX-VNNI: the integer dot products of AVX2 by one instruction, for CPUs that have `vpdpbusd` but not AVX-512.

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::*;

use half::f16;

use crate::simd::padded;
use crate::x86_64::avx2::{self, bytes, signed_bytes, sum_of_integers};

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
    let ((codes, codes_rest), (query, query_rest)) =
        (codes.as_chunks::<32>(), query.as_chunks::<32>());
    let mut sums = [_mm256_setzero_si256(); 4];
    for (i, (c, q)) in codes.iter().zip(query).enumerate() {
        sums[i % 4] = _mm256_dpbusd_avx_epi32(sums[i % 4], bytes(c), signed_bytes(q));
    }
    if !codes_rest.is_empty() {
        sums[3] = _mm256_dpbusd_avx_epi32(
            sums[3],
            bytes(&padded(codes_rest, 0)),
            signed_bytes(&padded(query_rest, 0)),
        );
    }
    sum_of_integers([
        _mm256_add_epi32(sums[0], sums[1]),
        _mm256_add_epi32(sums[2], sums[3]),
    ])
}

#[target_feature(enable = "avx2,avxvnni")]
fn dot_u8_i8_x4(codes: [&[u8]; 4], query: &[i8]) -> [i32; 4] {
    codes.map(|row| dot_u8_i8(row, query))
}

/// `a * b = a * (b - 128) + 128 * a`: the first factor of `vpdpbusd` is unsigned, the second signed.
#[target_feature(enable = "avx2,avxvnni")]
fn dot_u8(a: &[u8], b: &[u8]) -> u32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<32>(), b.as_chunks::<32>());
    let zero = _mm256_setzero_si256();
    let mut sums = [zero; 2];
    for (a, b) in a.iter().zip(b) {
        sums = add_products_u8(sums, bytes(a), bytes(b));
    }
    if !a_rest.is_empty() {
        sums = add_products_u8(sums, bytes(&padded(a_rest, 0)), bytes(&padded(b_rest, 0)));
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
