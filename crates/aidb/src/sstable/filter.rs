//! A blocked bloom filter over user keys: all bits of a key stand in one cache line.
//!
//! ```text
//! lines (64 bytes each) | bits set per key u8 | filter type u8 = 1
//! ```
//!
//! A key's hash is xxh3-64; its upper half picks the line, its lower half the bits (as RocksDB's FastLocalBloom).

use xxhash_rust::xxh3::xxh3_64;

/// Bits of a line.
const LINE_BITS: u64 = 512;

/// Bits set per key: the best number for 10 bits per key, less one because lines fill unevenly.
const PROBES: u8 = 6;

/// More than this many bits per key is worth nothing.
const PROBES_MAX: u8 = 16;

/// The one type of filter so far.
const BLOCKED_BLOOM: u8 = 1;

/// The hash of a user key that its tables are asked with.
#[inline]
pub(crate) fn hash(user_key: &[u8]) -> u64 {
    xxh3_64(user_key)
}

/// A line, where the hardware has one.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Line([u64; 8]);

impl Line {
    /// The words and bits of a key.
    #[inline]
    fn bits(hash: u64, probes: u8) -> impl Iterator<Item = (usize, u64)> {
        let mut bits = low_half(hash);
        (0..probes).map(move |_| {
            let bit = bits >> 23;
            bits = bits.wrapping_mul(0x9e37_79b9);
            ((bit >> 6) as usize, 1 << (bit & 63))
        })
    }
}

fn low_half(hash: u64) -> u32 {
    u32::try_from(hash & 0xffff_ffff).expect("half of a u64")
}

/// Tells which keys are surely not in a table.
#[derive(Debug)]
pub(super) struct Filter {
    lines: Box<[Line]>,
    probes: u8,
}

impl Filter {
    /// The filter block of keys with these hashes.
    pub(super) fn build(hashes: &[u64], bits_per_key: u32) -> Vec<u8> {
        let bits = hashes.len() as u64 * u64::from(bits_per_key);
        let lines =
            usize::try_from(bits.div_ceil(LINE_BITS)).expect("a table's keys fit in memory");
        let mut filter = Filter {
            lines: vec![Line::default(); lines.max(1)].into(),
            probes: PROBES,
        };
        for &hash in hashes {
            let line = filter.line(hash);
            Line::bits(hash, PROBES).for_each(|(word, bit)| filter.lines[line].0[word] |= bit);
        }
        let words = filter.lines.iter().flat_map(|line| line.0);
        let mut block: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        block.extend_from_slice(&[PROBES, BLOCKED_BLOOM]);
        block
    }

    /// Reads a filter block. None when its type is not known to this build: every key may then be there.
    pub(super) fn decode(block: &[u8]) -> Result<Option<Filter>, &'static str> {
        let Some((lines, &[probes, filter_type])) = block.split_last_chunk::<2>() else {
            return Err("a filter block is too short");
        };
        if filter_type != BLOCKED_BLOOM {
            return Ok(None);
        }
        if lines.is_empty() || lines.len() % 64 != 0 || probes == 0 || probes > PROBES_MAX {
            return Err("a filter block contradicts itself");
        }
        let line = |bytes: &[u8]| {
            let mut words = bytes
                .chunks_exact(8)
                .map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")));
            Line(std::array::from_fn(|_| words.next().unwrap_or_default()))
        };
        Ok(Some(Filter {
            lines: lines.chunks_exact(64).map(line).collect(),
            probes,
        }))
    }

    #[inline]
    fn line(&self, hash: u64) -> usize {
        // Less than the number of lines, and even: the upper half as a fraction of it.
        usize::try_from(((hash >> 32) * self.lines.len() as u64) >> 32).unwrap_or(0)
    }

    /// False when no key with this hash is in the table; about 1 in 100 others is true as well.
    #[inline]
    pub(super) fn may_contain(&self, hash: u64) -> bool {
        let line = &self.lines[self.line(hash)];
        Line::bits(hash, self.probes).all(|(word, bit)| line.0[word] & bit != 0)
    }

    /// Memory held, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(i: u64) -> u64 {
        hash(format!("key {i}").as_bytes())
    }

    #[test]
    fn finds_every_key_and_few_others() {
        for keys in [0, 1, 10, 1000, 100_000] {
            let hashes: Vec<u64> = (0..keys).map(key).collect();
            let filter = Filter::decode(&Filter::build(&hashes, 10))
                .unwrap()
                .unwrap();
            assert!(hashes.iter().all(|&hash| filter.may_contain(hash)));
            let wrong = (0..100_000)
                .filter(|i| filter.may_contain(key(keys + 1 + i)))
                .count();
            assert!(
                wrong < 1500,
                "{wrong} of 100000 strangers among {keys} keys"
            );
        }
    }

    #[test]
    fn refuses_or_ignores_what_it_does_not_know() {
        assert!(Filter::decode(&[]).is_err());
        assert!(Filter::decode(&[6, 1]).is_err());
        assert!(Filter::decode(&[0; 66]).unwrap().is_none());
        let mut block = vec![0; 64];
        block.extend([0, 1]);
        assert!(Filter::decode(&block).is_err());
        block[64] = 17;
        assert!(Filter::decode(&block).is_err());
    }
}
