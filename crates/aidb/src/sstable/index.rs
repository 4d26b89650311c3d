//! Which data block holds a key: one separator per block, all in memory.
//!
//! ```text
//! prefix common to all separators (length, bytes) | number of data blocks
//! per block: rest of the separator's user key (length, bytes) | its trailer | bytes of the block    (varints)
//! ```
//!
//! A separator stands at or after the last entry of its block and before the first of the next one. Data blocks
//! stand one behind the other from the start of the file, so that lengths are enough to find them.

use std::cmp::Ordering;

use crate::varint;

use super::block::common_prefix;
use super::format::BlockHandle;

/// Collects separators while a table is written.
#[derive(Debug, Default)]
pub(super) struct IndexBuilder {
    keys: Vec<u8>,
    blocks: Vec<(usize, u64, u32)>,
}

impl IndexBuilder {
    /// Adds a block of `block_bytes` whose last entry is (`last`, `last_trailer`); `next`: the user key of the entry
    /// behind it, none at the end of the table.
    pub(super) fn add(
        &mut self,
        last: &[u8],
        last_trailer: u64,
        next: Option<&[u8]>,
        block_bytes: u32,
    ) {
        match next {
            // More versions of the same key follow: only the trailer separates.
            Some(next) if next == last => self.push(last, last_trailer, block_bytes),
            Some(next) => {
                // The shortest key that stands before `next` and not before `last`: what they share and one byte
                // more, when a byte fits between.
                let shared = common_prefix(last, next);
                match (last.get(shared), next.get(shared)) {
                    (Some(&from), Some(&to)) if from + 1 < to => {
                        self.push(&last[..shared], 0, block_bytes);
                        self.keys.push(from + 1);
                        if let Some(block) = self.blocks.last_mut() {
                            block.0 += 1;
                        }
                    }
                    _ => self.push(last, 0, block_bytes),
                }
            }
            None => self.push(last, 0, block_bytes),
        }
    }

    fn push(&mut self, user_key: &[u8], trailer: u64, block_bytes: u32) {
        self.keys.extend_from_slice(user_key);
        self.blocks.push((user_key.len(), trailer, block_bytes));
    }

    /// What the index block would measure now, about.
    pub(super) fn bytes(&self) -> usize {
        self.keys.len() + 8 * self.blocks.len()
    }

    /// Number of blocks so far.
    pub(super) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The index block.
    pub(super) fn finish(&self) -> Vec<u8> {
        let first = &self.keys[..self.blocks.first().map_or(0, |block| block.0)];
        let last = &self.keys[self.keys.len() - self.blocks.last().map_or(0, |block| block.0)..];
        let common = common_prefix(first, last);
        let mut block = Vec::with_capacity(self.bytes());
        varint::put_bytes(&mut block, &first[..common]);
        varint::put(&mut block, self.blocks.len() as u64);
        let mut at = 0;
        for &(key_bytes, trailer, block_bytes) in &self.blocks {
            varint::put_bytes(&mut block, &self.keys[at + common..at + key_bytes]);
            varint::put(&mut block, trailer);
            varint::put(&mut block, u64::from(block_bytes));
            at += key_bytes;
        }
        block
    }
}

/// The separators of a table as arrays for binary search.
#[derive(Debug)]
pub(super) struct Index {
    /// What every separator begins with; not repeated below.
    common: Box<[u8]>,
    /// The next 8 bytes of each separator as a number: most comparisons end here.
    heads: Box<[u64]>,
    /// The separators one behind the other.
    keys: Box<[u8]>,
    blocks: Box<[IndexEntry]>,
}

/// What is known of one data block, in half a cache line.
#[derive(Clone, Copy, Debug)]
struct IndexEntry {
    /// Where its separator is in `keys`.
    key_start: u32,
    key_end: u32,
    trailer: u64,
    offset: u64,
    bytes: u32,
}

impl Index {
    /// Reads an index block.
    pub(super) fn decode(mut block: &[u8]) -> Result<Index, &'static str> {
        let bytes = &mut block;
        if u32::try_from(bytes.len()).is_err() {
            return Err("an index of 4 GiB or more");
        }
        let short = "an index entry runs over the end of its block";
        let common = varint::take_bytes(bytes).ok_or(short)?.into();
        let blocks = varint::take(bytes).ok_or(short)?;
        // Every entry takes three bytes at least, so that a wrong number cannot ask for much memory.
        let blocks = usize::try_from(blocks)
            .ok()
            .filter(|&blocks| blocks <= bytes.len() / 3)
            .ok_or(short)?;
        let mut keys = Vec::with_capacity(bytes.len());
        let mut heads = Vec::with_capacity(blocks);
        let mut entries: Vec<IndexEntry> = Vec::with_capacity(blocks);
        let mut offset = 0;
        for _ in 0..blocks {
            let key = varint::take_bytes(bytes).ok_or(short)?;
            let [key_start, key_end] = [keys.len(), keys.len() + key.len()]
                .map(|at| u32::try_from(at).expect("shorter than its block"));
            keys.extend_from_slice(key);
            heads.push(head(key));
            let trailer = varint::take(bytes).ok_or(short)?;
            let block_bytes = varint::take(bytes)
                .and_then(|bytes| u32::try_from(bytes).ok())
                .ok_or(short)?;
            entries.push(IndexEntry {
                key_start,
                key_end,
                trailer,
                offset,
                bytes: block_bytes,
            });
            offset += u64::from(block_bytes);
        }
        if !bytes.is_empty() {
            return Err("bytes are left over behind the index");
        }
        Ok(Index {
            common,
            heads: heads.into(),
            keys: keys.into(),
            blocks: entries.into(),
        })
    }

    /// Number of data blocks.
    pub(super) fn blocks(&self) -> usize {
        self.heads.len()
    }

    /// Where data block `index` is.
    #[inline]
    pub(super) fn handle(&self, index: usize) -> BlockHandle {
        let block = &self.blocks[index];
        BlockHandle {
            offset: block.offset,
            bytes: block.bytes,
        }
    }

    /// The end of the data blocks in the file.
    pub(super) fn data_end(&self) -> u64 {
        self.blocks
            .last()
            .map_or(0, |block| block.offset + u64::from(block.bytes))
    }

    /// The first block that may hold an entry at or after the target; their number when none may.
    #[inline]
    pub(super) fn find(&self, user_key: &[u8], trailer: u64) -> usize {
        let Some(rest) = user_key.strip_prefix(&*self.common) else {
            return if *user_key < *self.common {
                0
            } else {
                self.blocks()
            };
        };
        let target = head(rest);
        let mut low = self.heads.partition_point(|&head| head < target);
        let mut high = low
            + self.heads[low..]
                .iter()
                .take(RUN_LENGTH)
                .take_while(|&&head| head == target)
                .count();
        if high - low == RUN_LENGTH {
            high = low + self.heads[low..].partition_point(|&head| head == target);
        }
        while low < high {
            let middle = low + (high - low) / 2;
            let block = &self.blocks[middle];
            let separator = &self.keys[block.key_start as usize..block.key_end as usize];
            let order = separator
                .cmp(rest)
                .then_with(|| trailer.cmp(&block.trailer));
            if order == Ordering::Less {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Memory held, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.common.len() + self.keys.len() + size_of_val(&*self.heads) + size_of_val(&*self.blocks)
    }
}

/// From this many equal heads on, their end is searched instead of counted.
const RUN_LENGTH: usize = 4;

/// The first 8 bytes as a number that orders as they do; missing ones count as 0.
#[inline]
fn head(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<8>() {
        Some(chunk) => u64::from_be_bytes(*chunk),
        None => {
            let mut chunk = [0; 8];
            chunk[..bytes.len()].copy_from_slice(bytes);
            u64::from_be_bytes(chunk)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_the_first_block_that_may_hold_a_key(
            mut keys in prop::collection::vec(("[ab]{0,12}", 0_u64..4), 1..40),
            targets in prop::collection::vec(("[abc]{0,13}", 0_u64..5), 1..40),
        ) {
            keys.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
            keys.dedup();
            let mut builder = IndexBuilder::default();
            for (i, (key, trailer)) in keys.iter().enumerate() {
                builder.add(key.as_bytes(), *trailer, keys.get(i + 1).map(|next| next.0.as_bytes()), 7);
            }
            let index = Index::decode(&builder.finish()).unwrap();
            prop_assert_eq!(index.blocks(), keys.len());
            prop_assert_eq!(index.data_end(), 7 * keys.len() as u64);
            let own = keys.iter().map(|(key, trailer)| (key.clone(), *trailer));
            for (key, trailer) in targets.into_iter().chain(own) {
                // Each key is a block of its own, so that the first at or after the target is in the first block
                // that may hold it, or in the next one when a separator stands between.
                let at = |(k, t): &(String, u64)| k.cmp(&key).then(trailer.cmp(t));
                let expected = keys.partition_point(|entry| at(entry) == Ordering::Less);
                let found = index.find(key.as_bytes(), trailer);
                prop_assert!(found == expected || found + 1 == expected, "{found} {expected}");
                if expected < keys.len() && at(&keys[expected]) == Ordering::Equal {
                    prop_assert_eq!(found, expected);
                }
            }
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(index) = Index::decode(&bytes) {
                index.find(b"abc", 5);
            }
        }
    }
}
