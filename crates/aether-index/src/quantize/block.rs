//! Blocks of 32 codes, in the order in which fast scans read them: one code in, one code out.
//!
//! See [`Kernels::fast_scan`](aether_distance::Kernels::fast_scan) for the order. A code is a row of nibbles, two to a byte, the
//! first one low: four signs each here, or one number of a subspace each in a product quantizer.

use aether_distance::{BLOCK_CODES, LINE_GROUPS};

/// Puts `code` into lane `lane` of `block`; the other lanes stay as they are.
///
/// # Panics
/// If `lane` is not below 32 or `block` has not 32 bytes per byte of `code`.
pub fn pack(block: &mut [u8], lane: usize, code: &[u8]) {
    check(block.len(), lane, code.len());
    let (start, shift) = place(lane);
    for (line, bits) in block.as_chunks_mut::<64>().0.iter_mut().zip(code.chunks(2)) {
        let groups = bits.iter().flat_map(|bits| [bits & 15, bits >> 4]);
        for (byte, bits) in line[start..].iter_mut().zip(groups) {
            *byte = *byte & !(15 << shift) | bits << shift;
        }
    }
}

/// The inverse of [`pack`]: what lies in lane `lane` of `block`.
///
/// # Panics
/// As [`pack`].
pub fn unpack(block: &[u8], lane: usize, code: &mut [u8]) {
    check(block.len(), lane, code.len());
    let (start, shift) = place(lane);
    for (line, bits) in block.as_chunks::<64>().0.iter().zip(code.chunks_mut(2)) {
        let (pairs, _) = line[start..].as_chunks::<2>();
        for ([low, high], bits) in pairs.iter().zip(bits) {
            *bits = low >> shift & 15 | (high >> shift & 15) << 4;
        }
    }
}

/// At which byte of each line its groups begin, and behind how many bits of them it lies.
fn place(lane: usize) -> (usize, usize) {
    (lane % 16 * LINE_GROUPS, lane / 16 * 4)
}

fn check(block: usize, lane: usize, code: usize) {
    assert!(lane < BLOCK_CODES, "a block has 32 lanes, not {lane}");
    assert!(
        block == code * BLOCK_CODES,
        "a block of {block} bytes for codes of {code}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_independent() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut codes: Vec<[u8; 24]> = vec![[0; 24]; BLOCK_CODES];
        let mut block = [0; 24 * BLOCK_CODES];
        for _ in 0..500 {
            let lane = random.usize(..BLOCK_CODES);
            random.fill(&mut codes[lane]);
            pack(&mut block, lane, &codes[lane]);
            for (lane, code) in codes.iter().enumerate() {
                let mut found = [0; 24];
                unpack(&block, lane, &mut found);
                assert_eq!(&found, code, "lane {lane}");
            }
        }
    }
}
