//! Kernels for x86_64: `avx2` (Haswell, Zen), `avx_vnni` (Alder Lake: the integer dot products of `avx2` in one
//! instruction) and `avx512` (Ice Lake, Zen 4 and later).

pub(crate) mod avx2;
pub(crate) mod avx512;
pub(crate) mod avx_vnni;
