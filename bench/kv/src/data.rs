//! Keys, values and random numbers: the same for every engine.

use crate::engine::Key;

const POOL_BYTES: usize = 1 << 20;

/// A key from its number: 8 bytes big-endian, so that numbers and keys have one order, then 8 bytes that depend on it.
pub fn key(number: u64) -> Key {
    with_tail(number, mix(number ^ 0x00ab_cdef))
}

/// A key that nobody writes, between two that are written.
pub fn missing_key(number: u64) -> Key {
    with_tail(number, !mix(number ^ 0x00ab_cdef))
}

fn with_tail(number: u64, tail: u64) -> Key {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key[8..].copy_from_slice(&tail.to_be_bytes());
    key
}

/// A bijection on 64-bit numbers that looks random (the finisher of splitmix64).
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// splitmix64.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(bound);
        u64::try_from(wide >> 64).expect("below the bound")
    }
}

/// A random order of `0..n`: four rounds of a Feistel network, walked until the number is in the range.
#[derive(Debug)]
pub struct Permutation {
    n: u64,
    half_bits: u32,
}

impl Permutation {
    pub fn new(n: u64) -> Permutation {
        let bits = 64 - (n.max(2) - 1).leading_zeros();
        Permutation {
            n,
            half_bits: bits.div_ceil(2),
        }
    }

    /// The `i`-th number.
    pub fn at(&self, i: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let mut x = i;
        loop {
            let (mut left, mut right) = (x >> self.half_bits, x & mask);
            for round in 0..4 {
                (left, right) = (right, left ^ (mix(right ^ (round << 56) ^ 0x51ed) & mask));
            }
            x = (left << self.half_bits) | right;
            if x < self.n {
                return x;
            }
        }
    }
}

/// Values that do not compress: slices of a random pool.
#[derive(Debug)]
pub struct Values {
    pool: Vec<u8>,
    bytes: usize,
}

impl Values {
    /// Values of `bytes` bytes.
    pub fn new(bytes: usize) -> Values {
        let mut random = Random::new(7);
        let words = (POOL_BYTES + bytes).div_ceil(8);
        let pool = (0..words)
            .flat_map(|_| random.next().to_le_bytes())
            .collect();
        Values { pool, bytes }
    }

    /// The value with a number; others have the same, but rarely.
    pub fn at(&self, number: u64) -> &[u8] {
        let start = usize::try_from(mix(number)).expect("64 bits") % POOL_BYTES;
        &self.pool[start..start + self.bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permutation_has_each_number_once() {
        for n in [1, 2, 3, 1000, 65_537] {
            let mut seen = vec![false; usize::try_from(n).unwrap()];
            for i in 0..n {
                let at = usize::try_from(Permutation::new(n).at(i)).unwrap();
                assert!(!std::mem::replace(&mut seen[at], true), "{n}: {at} twice");
            }
        }
    }

    #[test]
    fn a_missing_key_lies_behind_its_present_neighbour_or_before_it_and_is_never_present() {
        for number in 0..1000 {
            assert_ne!(key(number), missing_key(number));
            assert!(missing_key(number) < key(number + 1));
        }
    }
}
