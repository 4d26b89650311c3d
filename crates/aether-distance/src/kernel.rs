//! Which kernels this machine has, and the calls that go to them.
//!
//! [`Kernels`] is a proof as much as a choice: a value that holds an instruction set exists only after the CPU
//! was asked for it, so calling through it is safe everywhere.

use half::f16;

#[cfg(target_arch = "aarch64")]
use crate::aarch64::neon;
use crate::scalar;
#[cfg(target_arch = "x86_64")]
use crate::x86_64::{avx_vnni, avx2, avx512};

/// The most components for which every integer kernel is exact: `65_535 * 255²` is just below `2³²` and
/// `65_535 * 255 * 128` just below `2³¹`. Longer slices are safe, but integer sums wrap.
pub const DIM_MAX: usize = 65_535;

/// The kernels for one instruction set. `Copy`: detect once, keep it in the index, call through it.
///
/// All slices of one call have the same length; every method panics if they do not. They need no alignment.
/// Sums of squares may overflow to infinity but are never NaN for finite vectors; a dot product can be NaN only where the
/// sum of its terms' magnitudes overflows ([`Query`](crate::Query) gives such a pair an infinite distance).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernels(pub(crate) Isa);

/// An instruction set, with the token that proves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isa {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Token),
    #[cfg(target_arch = "x86_64")]
    AvxVnni(avx_vnni::Token),
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Token),
    #[cfg(target_arch = "aarch64")]
    Neon(neon::Token),
}

impl Kernels {
    /// The fastest kernels of this machine. Asks the CPU: call it once per index.
    pub fn detect() -> Kernels {
        let available = Kernels::available();
        available[available.len() - 1]
    }

    /// The portable kernels, which every machine has and against which all others are tested.
    pub const fn scalar() -> Kernels {
        Kernels(Isa::Scalar)
    }

    /// All kernels that this machine can run, the slowest first; never empty.
    pub fn available() -> Vec<Kernels> {
        let mut all = vec![Kernels::scalar()];
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(avx2::Token::new().map(|token| Kernels(Isa::Avx2(token))));
            all.extend(avx_vnni::Token::new().map(|token| Kernels(Isa::AvxVnni(token))));
            all.extend(avx512::Token::new().map(|token| Kernels(Isa::Avx512(token))));
        }
        #[cfg(target_arch = "aarch64")]
        all.extend(neon::Token::new().map(|token| Kernels(Isa::Neon(token))));
        all
    }

    /// For people: "scalar", "avx2", "avx-vnni", "avx512", "neon".
    pub fn name(self) -> &'static str {
        match self.0 {
            Isa::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Isa::AvxVnni(_) => "avx-vnni",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(_) => "avx512",
            #[cfg(target_arch = "aarch64")]
            Isa::Neon(_) => "neon",
        }
    }
}

/// One public method per kernel: checks the lengths, then goes to the instruction set.
macro_rules! kernels {
    ($($(#[$doc:meta])* fn $name:ident($first:ident: $first_type:ty $(, $vector:ident: $vector_type:ty)*; $($scalar:ident: f32),*) -> $result:ty;)*) => {
        impl Kernels {
            $(
                $(#[$doc])*
                #[inline]
                pub fn $name(self, $first: $first_type $(, $vector: $vector_type)* $(, $scalar: f32)*) -> $result {
                    $(check_lengths($first.len(), $vector.len());)*
                    dispatch!(self.$name($first $(, $vector)* $(, $scalar)*))
                }
            )*
        }
    };
}

kernels! {
    /// `Σ (a - b)²`.
    fn l2_f32(a: &[f32], b: &[f32];) -> f32;
    /// `Σ a * b`.
    fn dot_f32(a: &[f32], b: &[f32];) -> f32;
    /// `Σ (query - vector)²`.
    fn l2_f32_f16(query: &[f32], vector: &[f16];) -> f32;
    /// `Σ query * vector`.
    fn dot_f32_f16(query: &[f32], vector: &[f16];) -> f32;
    /// `Σ (query - vector)²`.
    fn l2_f32_u8(query: &[f32], vector: &[u8];) -> f32;
    /// `Σ query * vector`.
    fn dot_f32_u8(query: &[f32], vector: &[u8];) -> f32;
    /// `Σ (a - b)²`.
    fn l2_f16(a: &[f16], b: &[f16];) -> f32;
    /// `Σ a * b`.
    fn dot_f16(a: &[f16], b: &[f16];) -> f32;
    /// `Σ (a - b)²`, exact up to [`DIM_MAX`] components.
    fn l2_u8(a: &[u8], b: &[u8];) -> u32;
    /// `Σ a * b`, exact up to [`DIM_MAX`] components.
    fn dot_u8(a: &[u8], b: &[u8];) -> u32;
    /// `Σ codes * query`, exact up to [`DIM_MAX`] components.
    fn dot_u8_i8(codes: &[u8], query: &[i8];) -> i32;
    /// `Σ query * u16` with `u16 = 256 * hi + lo`: the dot product with two-level codes, for re-ranking.
    fn dot_f32_hilo(query: &[f32], hi: &[u8], lo: &[u8];) -> f32;
    /// `Σ (query - (offset + scale * u16))²` with `u16 = 256 * hi + lo`.
    fn l2_f32_hilo(query: &[f32], hi: &[u8], lo: &[u8]; offset: f32, scale: f32) -> f32;
}

impl Kernels {
    /// `Σ codes * query` of codes of 4 bits, exact up to [`DIM_MAX`] components. The kernel of graph traversal.
    ///
    /// `codes`: byte `i` has component `i` in its lower half, and in its upper half component `codes.len() + i`. `query`:
    /// twice as many components as `codes` has bytes.
    #[inline]
    pub fn dot_u4_i8(self, codes: &[u8], query: &[i8]) -> i32 {
        check_lengths(2 * codes.len(), query.len());
        dispatch!(self.dot_u4_i8(codes, query))
    }

    /// [`dot_u4_i8`](Kernels::dot_u4_i8) of four rows with one query: the query is read once and the four sums overlap.
    #[inline]
    pub fn dot_u4_i8_x4(self, codes: [&[u8]; 4], query: &[i8]) -> [i32; 4] {
        for row in codes {
            check_lengths(2 * row.len(), query.len());
        }
        dispatch!(self.dot_u4_i8_x4(codes, query))
    }
}

#[inline]
pub(crate) fn check_lengths(a: usize, b: usize) {
    if a != b {
        lengths_differ(a, b);
    }
}

#[cold]
#[inline(never)]
fn lengths_differ(a: usize, b: usize) -> ! {
    panic!("vectors of one distance have the same dimension: {a} and {b}")
}

#[cfg(test)]
mod tests;
