//! Kernels for x86_64.

pub(crate) mod avx2;
pub(crate) mod avx512;
