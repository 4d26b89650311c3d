//! Blocks of 32 codes, in the order in which fast scans read them: one code in, one code out.
//!
//! See [`Kernels::fast_scan`](aether_distance::Kernels::fast_scan) for the order. A code is a row of nibbles, two to a byte, the
//! first one low: four signs each here, or one number of a subspace each in a product quantizer.

use aether_distance::{BLOCK_CODES, LINE_GROUPS};

/// The lower half of each of four bytes.
const NIBBLES: u32 = 0x0f0f_0f0f;

/// Puts `code` into lane `lane` of `block`; the other lanes stay as they are.
///
/// # Panics
/// If `lane` is not below 32, `code` has an odd number of bytes, or `block` has not 32 times as many.
pub fn pack(block: &mut [u8], lane: usize, code: &[u8]) {
    check(block.len(), lane, code.len());
    let (group, shift) = place(lane);
    let (lines, (pairs, _)) = (block.as_chunks_mut::<64>().0, code.as_chunks::<2>());
    for (line, &[first, second]) in lines.iter_mut().zip(pairs) {
        let groups = &mut line.as_chunks_mut::<LINE_GROUPS>().0[group];
        let bits = u32::from_le_bytes([first & 15, first >> 4, second & 15, second >> 4]);
        let others = u32::from_le_bytes(*groups) & !(NIBBLES << shift);
        *groups = (others | bits << shift).to_le_bytes();
    }
}

/// The inverse of [`pack`]: what lies in lane `lane` of `block`.
///
/// # Panics
/// As [`pack`].
pub fn unpack(block: &[u8], lane: usize, code: &mut [u8]) {
    check(block.len(), lane, code.len());
    let (group, shift) = place(lane);
    let (lines, (pairs, _)) = (block.as_chunks::<64>().0, code.as_chunks_mut::<2>());
    for (line, pair) in lines.iter().zip(pairs) {
        let groups = line.as_chunks::<LINE_GROUPS>().0[group];
        let bits = u32::from_le_bytes(groups) >> shift & NIBBLES;
        let [a, b, c, d] = bits.to_le_bytes();
        *pair = [a | b << 4, c | d << 4];
    }
}

/// Which four bytes of each line are its, and behind how many bits of them it lies.
fn place(lane: usize) -> (usize, usize) {
    (lane % 16, lane / 16 * 4)
}

fn check(block: usize, lane: usize, code: usize) {
    assert!(lane < BLOCK_CODES, "a block has 32 lanes, not {lane}");
    assert!(
        block == code * BLOCK_CODES && code.is_multiple_of(2),
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
