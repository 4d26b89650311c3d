//! What the instruction sets share: the list of kernels, the calls that a token allows, the loops over floats.
//!
//! The kernels are safe functions with `#[target_feature]`: they read through arrays cut by `as_chunks`, so the only
//! unsafe code of a module is its loads, each from an array of the right size, and the calls made by its token.

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

/// The kernels of two-level codes, in the module's own vectors.
macro_rules! hilo_kernels {
    ($features:literal, $lanes:literal) => {
        #[target_feature(enable = $features)]
        fn dot_f32_hilo(query: &[f32], hi: &[u8], lo: &[u8]) -> f32 {
            let (query, query_rest) = query.as_chunks::<$lanes>();
            let ((hi, hi_rest), (lo, lo_rest)) =
                (hi.as_chunks::<$lanes>(), lo.as_chunks::<$lanes>());
            let mut sums = [zero(); 4];
            for (i, ((q, hi), lo)) in query.iter().zip(hi).zip(lo).enumerate() {
                let code = two_levels(byte_floats::load(hi), byte_floats::load(lo));
                sums[i % 4] = add_product(sums[i % 4], floats::load(q), code);
            }
            if !query_rest.is_empty() {
                let code = two_levels(
                    byte_floats::load_rest(hi_rest),
                    byte_floats::load_rest(lo_rest),
                );
                sums[3] = add_product(sums[3], floats::load_rest(query_rest), code);
            }
            sum_of(sums)
        }

        #[target_feature(enable = $features)]
        fn l2_f32_hilo(query: &[f32], hi: &[u8], lo: &[u8], offset: f32, scale: f32) -> f32 {
            let (query, query_rest) = query.as_chunks::<$lanes>();
            let ((hi, hi_rest), (lo, lo_rest)) =
                (hi.as_chunks::<$lanes>(), lo.as_chunks::<$lanes>());
            let (offset_lanes, scale_lanes) = (splat(offset), splat(scale));
            let mut sums = [zero(); 4];
            for (i, ((q, hi), lo)) in query.iter().zip(hi).zip(lo).enumerate() {
                let code = two_levels(byte_floats::load(hi), byte_floats::load(lo));
                let vector = add_product(offset_lanes, scale_lanes, code);
                sums[i % 4] = add_square(sums[i % 4], floats::load(q), vector);
            }
            if !query_rest.is_empty() {
                let code = two_levels(
                    byte_floats::load_rest(hi_rest),
                    byte_floats::load_rest(lo_rest),
                );
                let vector = add_product(offset_lanes, scale_lanes, code);
                // Behind the end a code of 0 stands for `offset`, so the query does too.
                let query = floats::load(&padded(query_rest, offset));
                sums[3] = add_square(sums[3], query, vector);
            }
            sum_of(sums)
        }
    };
}

/// `rest`, which is shorter than `N`, and `filling` behind it.
#[inline]
pub(crate) fn padded<T: Copy, const N: usize>(rest: &[T], filling: T) -> [T; N] {
    let mut out = [filling; N];
    out[..rest.len()].copy_from_slice(rest);
    out
}
