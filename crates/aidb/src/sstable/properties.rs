//! What a table tells about itself.
//!
//! ```text
//! per property: tag | length | bytes (a number is a varint)          unknown tags are skipped
//! ```

use bytes::Bytes;

use crate::key::{self, SeqNo, TRAILER_BYTES, ValueKind};
use crate::range_deletes::RangeDelete;
use crate::varint;

/// The properties block of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Properties {
    /// Entries, tombstones included.
    pub(crate) entries: u64,
    /// Entries that delete.
    pub(crate) tombstones: u64,
    /// The least sequence number, range deletes included; that of an empty table is 0.
    pub(crate) min_seq: SeqNo,
    /// The greatest sequence number.
    pub(crate) max_seq: SeqNo,
    /// The first internal key, a range delete counting as one at its start; that of an empty table is empty.
    pub(crate) smallest: Bytes,
    /// The last internal key, a range delete counting as one before all entries of its end; see
    /// [`crate::key::EXCLUSIVE_TRAILER`].
    pub(crate) largest: Bytes,
    /// User keys as given, added up.
    pub(crate) key_bytes: u64,
    /// Values as given, added up.
    pub(crate) value_bytes: u64,
    /// Data blocks.
    pub(crate) data_blocks: u64,
    /// Entries that are merge operands.
    pub(crate) merges: u64,
    /// Deletes of ranges, each piece between two bounds counted by itself.
    pub(crate) range_deletes: u64,
    /// The value files that pointers of this table refer to, ascending, and how many bytes of each.
    pub(crate) values: Vec<(u64, u64)>,
}

/// Tags are never reused.
mod tag {
    pub(super) const ENTRIES: u64 = 1;
    pub(super) const TOMBSTONES: u64 = 2;
    pub(super) const MIN_SEQ: u64 = 3;
    pub(super) const MAX_SEQ: u64 = 4;
    pub(super) const SMALLEST: u64 = 5;
    pub(super) const LARGEST: u64 = 6;
    pub(super) const KEY_BYTES: u64 = 7;
    pub(super) const VALUE_BYTES: u64 = 8;
    pub(super) const DATA_BLOCKS: u64 = 9;
    pub(super) const MERGES: u64 = 10;
    pub(super) const RANGE_DELETES: u64 = 11;
    pub(super) const VALUES: u64 = 12;
}

impl Properties {
    /// Extends what the table spans by a deleted range.
    pub(super) fn span(&mut self, RangeDelete { start, end, seq }: &RangeDelete) {
        let first = self.smallest.is_empty();
        let mut key = Vec::new();
        key::write_internal(&mut key, start, key::trailer(*seq, ValueKind::RangeDelete));
        if first || key::compare(&key, &self.smallest).is_lt() {
            self.smallest = Bytes::copy_from_slice(&key);
        }
        key::write_internal(&mut key, end, key::EXCLUSIVE_TRAILER);
        if first || key::compare(&key, &self.largest).is_gt() {
            self.largest = key.into();
        }
        self.min_seq = self.min_seq.min(*seq);
        self.max_seq = self.max_seq.max(*seq);
    }

    /// The properties block.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut block = Vec::new();
        let numbers = [
            (tag::ENTRIES, self.entries),
            (tag::TOMBSTONES, self.tombstones),
            (tag::MIN_SEQ, self.min_seq.0),
            (tag::MAX_SEQ, self.max_seq.0),
            (tag::KEY_BYTES, self.key_bytes),
            (tag::VALUE_BYTES, self.value_bytes),
            (tag::DATA_BLOCKS, self.data_blocks),
            (tag::MERGES, self.merges),
            (tag::RANGE_DELETES, self.range_deletes),
        ];
        for (tag, number) in numbers {
            let mut value = Vec::new();
            varint::put(&mut value, number);
            varint::put(&mut block, tag);
            varint::put_bytes(&mut block, &value);
        }
        for (tag, key) in [
            (tag::SMALLEST, &self.smallest),
            (tag::LARGEST, &self.largest),
        ] {
            varint::put(&mut block, tag);
            varint::put_bytes(&mut block, key);
        }
        let mut values = Vec::new();
        for &(file, bytes) in &self.values {
            varint::put(&mut values, file);
            varint::put(&mut values, bytes);
        }
        varint::put(&mut block, tag::VALUES);
        varint::put_bytes(&mut block, &values);
        block
    }

    /// Reads a properties block.
    pub(super) fn decode(mut block: &[u8]) -> Result<Properties, &'static str> {
        let mut properties = Properties::default();
        while !block.is_empty() {
            let (tag, value) = varint::take(&mut block)
                .zip(varint::take_bytes(&mut block))
                .ok_or("a property runs over the end of its block")?;
            let number = || varint::take(&mut &*value).ok_or("a property is not a number");
            match tag {
                tag::ENTRIES => properties.entries = number()?,
                tag::TOMBSTONES => properties.tombstones = number()?,
                tag::MIN_SEQ => properties.min_seq = SeqNo(number()?),
                tag::MAX_SEQ => properties.max_seq = SeqNo(number()?),
                tag::SMALLEST => properties.smallest = Bytes::copy_from_slice(value),
                tag::LARGEST => properties.largest = Bytes::copy_from_slice(value),
                tag::KEY_BYTES => properties.key_bytes = number()?,
                tag::VALUE_BYTES => properties.value_bytes = number()?,
                tag::DATA_BLOCKS => properties.data_blocks = number()?,
                tag::MERGES => properties.merges = number()?,
                tag::RANGE_DELETES => properties.range_deletes = number()?,
                tag::VALUES => properties.values = decode_values(value)?,
                _ => {}
            }
        }
        let keys = [&properties.smallest, &properties.largest];
        let empty = properties.entries == 0 && properties.range_deletes == 0;
        if keys.iter().any(|key| {
            if empty {
                !key.is_empty()
            } else {
                key.len() < TRAILER_BYTES
            }
        }) {
            return Err("the smallest or largest key is missing");
        }
        Ok(properties)
    }
}

fn decode_values(mut bytes: &[u8]) -> Result<Vec<(u64, u64)>, &'static str> {
    let mut values: Vec<(u64, u64)> = Vec::new();
    while !bytes.is_empty() {
        let value = varint::take(&mut bytes)
            .zip(varint::take(&mut bytes))
            .ok_or("a value file runs over the end of its property")?;
        if values.last().is_some_and(|last| last.0 >= value.0) {
            return Err("value files out of order");
        }
        values.push(value);
    }
    Ok(values)
}
