//! Checksums of everything on disk: xxh3-64, seeded where the same bytes elsewhere must not pass.
//!
//! A build for fuzzing has one checksum for all bytes: else hardly any input would reach what stands behind it.

use xxhash_rust::xxh3;

/// The checksum of `bytes`.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    if cfg!(fuzzing) {
        0
    } else {
        xxh3::xxh3_64(bytes)
    }
}

/// The checksum of `bytes` in the place that `seed` stands for.
pub(crate) fn checksum_seeded(bytes: &[u8], seed: u64) -> u64 {
    if cfg!(fuzzing) {
        0
    } else {
        xxh3::xxh3_64_with_seed(bytes, seed)
    }
}
