//! Compares a table with itself: checksums, order, separators, filters, properties.

use bytes::Bytes;

use crate::error::Result;
use crate::key::{self, SeqNo, ValueKind, split, trailer_kind, trailer_seq};

use super::block_iter::BlockIter;
use super::filter;
use super::format::BLOCK_TRAILER_BYTES;
use super::partition::Partition;
use super::properties::Properties;
use super::reader::Reader;

impl Reader {
    /// Reads the whole table and checks it against itself. Returns the number of entries. Leaves the cache of blocks
    /// alone.
    pub(crate) fn verify(&self) -> Result<u64> {
        let mut seen = Properties {
            min_seq: SeqNo::MAX,
            ..Properties::default()
        };
        let mut entries = BlockIter::new();
        for index in 0..self.partitions.len() {
            let partition = self.partitions.get(index, &self.source)?;
            for position in 0..partition.blocks() {
                if (partition.handle(position).bytes as usize) < BLOCK_TRAILER_BYTES {
                    return Err(self.fault(&partition, position, "a block is too short"));
                }
                entries.reset(self.read_block(&partition, position)?);
                self.verify_block((index, position), &partition, &mut entries, &mut seen)?;
                seen.data_blocks += 1;
            }
        }
        for range in self.range_deletes.iter() {
            seen.span(&range);
        }
        if seen.min_seq == SeqNo::MAX {
            seen.min_seq = SeqNo::ZERO;
        }
        seen.range_deletes = self.range_deletes.count();
        // What pointers mean is known above.
        seen.values.clone_from(&self.properties.values);
        if seen != self.properties {
            let detail = format_args!(
                "the properties {:?} do not agree with the entries {seen:?}",
                self.properties
            );
            return Err(self.source.corruption(0, detail));
        }
        Ok(seen.entries)
    }

    fn verify_block(
        &self,
        (index, position): (usize, usize),
        partition: &Partition,
        entries: &mut BlockIter,
        seen: &mut Properties,
    ) -> Result<()> {
        let damaged = |detail: &str| self.fault(partition, position, detail);
        entries
            .seek_to_first()
            .map_err(|fault| self.fault(partition, position, fault))?;
        while entries.valid() {
            let key = entries.key();
            let (user_key, trailer) = split(key);
            if seen.entries > 0 && key::compare(&seen.largest, key).is_ge() {
                return Err(damaged("keys do not ascend"));
            }
            let hash = filter::hash(user_key);
            if !partition.may_contain(hash) {
                return Err(damaged("the filter does not know a key"));
            }
            let kind = trailer_kind(trailer)
                .ok_or_else(|| self.unknown_kind(partition, position, trailer))?;
            if self.partitions.find(user_key, trailer) != index
                || partition.find(user_key, trailer) != position
            {
                return Err(damaged("the index does not lead to a key"));
            }
            if !entries
                .is_found_by_hash(hash)
                .map_err(|fault| self.fault(partition, position, fault))?
            {
                return Err(damaged("a key has the tag of another one"));
            }
            if seen.entries == 0 {
                seen.smallest = Bytes::copy_from_slice(key);
            }
            seen.largest = Bytes::copy_from_slice(key);
            seen.entries += 1;
            seen.tombstones += u64::from(kind == ValueKind::Delete);
            seen.merges += u64::from(kind == ValueKind::Merge);
            seen.key_bytes += user_key.len() as u64;
            seen.value_bytes += entries.value().len() as u64;
            seen.min_seq = seen.min_seq.min(trailer_seq(trailer));
            seen.max_seq = seen.max_seq.max(trailer_seq(trailer));
            entries
                .next()
                .map_err(|fault| self.fault(partition, position, fault))?;
        }
        Ok(())
    }
}
