//! Kernels for x86_64: `avx2` (Haswell, Zen), `avx_vnni` (Alder Lake: the integer dot products of `avx2` in one
//! instruction) and `avx512` (Ice Lake, Zen 4 and later).
//!
//! The kernels are safe functions with `#[target_feature]`: they read through arrays cut by `as_chunks`, so the only
//! unsafe code is the loads, each from an array of the right size, and the calls that a token allows.

/// The kernels that read integers only, as `$then! { fn …; }`.
macro_rules! with_integer_kernels {
    ($then:ident) => {
        $then! {
            fn dot_u8_i8(codes: &[u8], query: &[i8]) -> i32;
            fn dot_u8_i8_x4(codes: [&[u8]; 4], query: &[i8]) -> [i32; 4];
            fn dot_u8(a: &[u8], b: &[u8]) -> u32;
        }
    };
}

/// All others, as `$then! { fn …; }`.
macro_rules! with_other_kernels {
    ($then:ident) => {
        $then! {
            fn l2_u8(a: &[u8], b: &[u8]) -> u32;
            fn l2_f32(a: &[f32], b: &[f32]) -> f32;
            fn dot_f32(a: &[f32], b: &[f32]) -> f32;
            fn l2_f32_f16(query: &[f32], vector: &[f16]) -> f32;
            fn dot_f32_f16(query: &[f32], vector: &[f16]) -> f32;
            fn l2_f32_u8(query: &[f32], vector: &[u8]) -> f32;
            fn dot_f32_u8(query: &[f32], vector: &[u8]) -> f32;
            fn l2_f16(a: &[f16], b: &[f16]) -> f32;
            fn dot_f16(a: &[f16], b: &[f16]) -> f32;
            fn dot_f32_hilo(query: &[f32], hi: &[u8], lo: &[u8]) -> f32;
            fn l2_f32_hilo(query: &[f32], hi: &[u8], lo: &[u8], offset: f32, scale: f32) -> f32;
        }
    };
}

/// Methods of `Token` that call the kernels of the same name in the module.
macro_rules! token_methods {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        impl Token {
            $(
                #[inline]
                pub(crate) fn $name(self, $($argument: $type),*) -> $result {
                    // SAFETY: `self` proves the CPU features that the kernel was compiled for.
                    unsafe { $name($($argument),*) }
                }
            )*
        }
    };
}

/// Kernels of two vectors that are summed as floats: `$name: load of a, load of b, step`, in the module's own vectors.
///
/// Four sums at once hide the latency of the multiply-add.
macro_rules! float_kernels {
    ($features:literal, $lanes:literal, $($name:ident: $a:ident, $b:ident, $step:ident;)*) => {
        $(
            #[target_feature(enable = $features)]
            fn $name(a: &[$a::Element], b: &[$b::Element]) -> f32 {
                let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<$lanes>(), b.as_chunks::<$lanes>());
                let ((a_fours, a_ones), (b_fours, b_ones)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
                let mut sums = [zero(); 4];
                for (a, b) in a_fours.iter().zip(b_fours) {
                    for i in 0..4 {
                        sums[i] = $step(sums[i], $a::load(&a[i]), $b::load(&b[i]));
                    }
                }
                for (i, (a, b)) in a_ones.iter().zip(b_ones).enumerate() {
                    sums[i] = $step(sums[i], $a::load(a), $b::load(b));
                }
                if !a_rest.is_empty() {
                    sums[3] = $step(sums[3], $a::load_rest(a_rest), $b::load_rest(b_rest));
                }
                sum_of(sums)
            }
        )*
    };
}

pub(crate) mod avx2;
pub(crate) mod avx512;
pub(crate) mod avx_vnni;
