//! What the instruction sets share: the list of kernels, the calls that a token allows, the loops over floats.
//!
//! The kernels are safe functions with `#[target_feature]`: they read through arrays cut by `as_chunks`, so the only
//! unsafe code of a module is its loads, each from an array of the right size, and the calls made by its token.

/// Calls a kernel of the instruction set that `$kernels` holds.
macro_rules! dispatch {
    ($kernels:ident.$name:ident($($argument:expr),*)) => {
        match $kernels.0 {
            Isa::Scalar => scalar::$name($($argument),*),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(token) => token.$name($($argument),*),
            #[cfg(target_arch = "x86_64")]
            Isa::AvxVnni(token) => token.$name($($argument),*),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(token) => token.$name($($argument),*),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon(token) => token.$name($($argument),*),
        }
    };
}

/// The kernels that read integers only, as `$then! { fn …; }`.
macro_rules! with_integer_kernels {
    ($then:ident) => {
        $then! {
            fn dot_u8_i8(codes: &[u8], query: &[i8]) -> i32;
            fn dot_u4_i8(codes: &[u8], query: &[i8]) -> i32;
            fn dot_u4_i8_x4(codes: [&[u8]; 4], query: &[i8]) -> [i32; 4];
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
            fn dot_bits_i8(bits: &[u8], query: &[i8]) -> i32;
            fn fast_scan(codes: &[u8], table: &[TableLine]) -> [u32; BLOCK_CODES];
            fn fast_scan_estimates(codes: &[u8], table: &[TableLine], formula: ScanFormula, factors: ScanFactors<'_>, bound: f32, out: &mut [f32; BLOCK_CODES]) -> u32;
            fn best_sketches(blocks: &[SketchBlock], query: &[i8; SKETCH_DIMS]) -> [u32; SKETCH_COLUMNS];
            fn rotate(vector: &mut [f32], factors: &[f32], window: usize) -> ();
            fn sign_table(values: &[f32], per_unit: f32, table: &mut [TableLine]) -> ();
            fn steps(values: &[f32], per_unit: f32, out: &mut [i8]) -> ();
            fn range(values: &[f32]) -> (f32, f32);
            fn centred_steps(values: &[f32], low: f32, per_unit: f32, out: &mut [i8]) -> ();
            fn whole_bytes(values: &[f32], out: &mut [u8]) -> bool;
            fn signed_sums(values: &[i8], signs: &[i8]) -> [i32; SKETCH_DIMS];
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

/// The kernels that the compiler vectorizes: the loops of `plain`, compiled for these features.
macro_rules! plain_kernels {
    ($features:literal) => {
        #[target_feature(enable = $features)]
        fn rotate(vector: &mut [f32], factors: &[f32], window: usize) {
            crate::plain::rotate(vector, factors, window);
        }

        #[target_feature(enable = $features)]
        fn sign_table(values: &[f32], per_unit: f32, table: &mut [TableLine]) {
            crate::plain::sign_table(values, per_unit, table);
        }

        #[target_feature(enable = $features)]
        fn steps(values: &[f32], per_unit: f32, out: &mut [i8]) {
            crate::plain::steps(values, per_unit, out);
        }

        #[target_feature(enable = $features)]
        fn range(values: &[f32]) -> (f32, f32) {
            crate::plain::range(values)
        }

        #[target_feature(enable = $features)]
        fn centred_steps(values: &[f32], low: f32, per_unit: f32, out: &mut [i8]) {
            crate::plain::centred_steps(values, low, per_unit, out);
        }

        #[target_feature(enable = $features)]
        fn whole_bytes(values: &[f32], out: &mut [u8]) -> bool {
            crate::plain::whole_bytes(values, out)
        }

        #[target_feature(enable = $features)]
        fn signed_sums(values: &[i8], signs: &[i8]) -> [i32; SKETCH_DIMS] {
            crate::plain::signed_sums(values, signs)
        }
    };
}

/// Kernels that are sums of floats, each given as what one register of each vector adds to a register of sums.
///
/// Four registers of sums hide the latency of the multiply-add. At the end the last full register of each vector is taken
/// once more, and only its new lanes are kept. Vectors shorter than one register are left to `scalar`.
macro_rules! float_kernels {
    ($features:literal, $lanes:literal,
     $($name:ident($first:ident: $first_load:ident $(, $other:ident: $other_load:ident)* $(; $($scalar:ident),*)?)
        = |$sum:ident| $step:expr;)*) => {
        $(
            #[target_feature(enable = $features)]
            fn $name($first: &[$first_load::Element] $(, $other: &[$other_load::Element])* $($(, $scalar: f32)*)?) -> f32 {
                let length = $first.len();
                let (Some($first) $(, Some($other))*) =
                    (Registers::<_, $lanes>::new($first, length) $(, Registers::<_, $lanes>::new($other, length))*)
                else {
                    return crate::scalar::$name($first $(, $other)* $($(, $scalar)*)?);
                };
                $($(let $scalar = splat($scalar);)*)?
                let mut sums = [zero(); 4];
                for i in 0..$first.fours.len() {
                    for j in 0..4 {
                        let $sum = sums[j];
                        let $first = $first_load::load(&$first.fours[i][j]);
                        $(let $other = $other_load::load(&$other.fours[i][j]);)*
                        sums[j] = $step;
                    }
                }
                for i in 0..$first.ones.len() {
                    let $sum = sums[0];
                    let $first = $first_load::load(&$first.ones[i]);
                    $(let $other = $other_load::load(&$other.ones[i]);)*
                    sums[0] = $step;
                }
                let rest = length % $lanes;
                if rest > 0 {
                    let $sum = zero();
                    let $first = $first_load::load($first.last);
                    $(let $other = $other_load::load($other.last);)*
                    sums[1] = add(sums[1], keep_last($step, rest));
                }
                sum_of(sums)
            }
        )*
    };
}

/// A vector cut into registers of `LANES` elements.
pub(crate) struct Registers<'a, T, const LANES: usize> {
    /// The full registers, as far as they make up groups of four.
    pub(crate) fours: &'a [[[T; LANES]; 4]],
    /// The full registers behind those.
    pub(crate) ones: &'a [[T; LANES]],
    /// The last `LANES` elements; they overlap the full registers unless those are all there is.
    pub(crate) last: &'a [T; LANES],
}

impl<'a, T, const LANES: usize> Registers<'a, T, LANES> {
    /// The first `length` elements of `vector`; none if they do not fill one register.
    #[inline]
    pub(crate) fn new(vector: &'a [T], length: usize) -> Option<Registers<'a, T, LANES>> {
        let vector = vector.get(..length)?;
        let last = vector.last_chunk()?;
        let (fours, ones) = vector.as_chunks().0.as_chunks();
        Some(Registers { fours, ones, last })
    }
}

/// Where a mask starts that keeps the last `rest` of up to 32 bytes: all zeros, then all ones.
pub(crate) static KEEP_LAST: [u8; 64] = {
    let mut mask = [0; 64];
    let mut i = 32;
    while i < 64 {
        mask[i] = u8::MAX;
        i += 1;
    }
    mask
};
