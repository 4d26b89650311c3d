//! Checksums of everything on disk: xxh3-64, seeded where the same bytes elsewhere must not pass.
//!
//! A build for fuzzing has one checksum for all bytes, and so has a test that reads what fuzzers have found: else hardly
//! any input would reach what stands behind it.

use xxhash_rust::xxh3;

/// The checksum of `bytes`.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    if is_off() { 0 } else { xxh3::xxh3_64(bytes) }
}

/// The checksum of `bytes` in the place that `seed` stands for.
pub(crate) fn checksum_seeded(bytes: &[u8], seed: u64) -> u64 {
    if is_off() {
        0
    } else {
        xxh3::xxh3_64_with_seed(bytes, seed)
    }
}

#[cfg(not(test))]
fn is_off() -> bool {
    cfg!(fuzzing)
}

#[cfg(test)]
use tests::is_off;

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    thread_local! {
        static OFF: Cell<bool> = const { Cell::new(false) };
    }

    pub(super) fn is_off() -> bool {
        cfg!(fuzzing) || OFF.get()
    }

    /// All bytes have one checksum for this thread from now on.
    pub(crate) fn turn_off() {
        OFF.set(true);
    }
}
