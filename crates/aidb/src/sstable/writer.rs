//! Writes a table, entry by entry in ascending order.

use std::collections::BTreeMap;

use aether_env::WritableFile;
use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

use crate::error::{Error, Result};
use crate::key::{
    self, KEY_BYTES_MAX, SeqNo, TRAILER_BYTES, ValueKind, split, trailer_kind, trailer_seq,
};
use crate::options::TableOptions;
use crate::range_deletes::{BOUND_BYTES_MAX, RangeDelete, RangeDeletes};

use super::block::common_prefix;
use super::block_builder::BlockBuilder;
use super::codec::Codec;
use super::filter::{self, Filter};
use super::format::{self, BlockHandle, FileId, Footer};
use super::partition::PartitionHandle;
use super::properties::Properties;
use super::separators::SeparatorsBuilder;

/// Bytes that are gathered before they go to the file.
const WRITE_BYTES: usize = 256 * 1024;

/// After blocks that did not shrink, up to so many are not tried at all.
const SKIPPED_BLOCKS_MAX: u32 = 31;

/// Up to so many bytes of data blocks have one index and one filter, written at the end.
const WHOLE_BYTES: u64 = 64 << 20;

/// Beyond that, so many have an index and a filter of their own, written behind them.
const PARTITION_BYTES: u64 = 8 << 20;

/// What a finished table holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TableInfo {
    /// Length of the file.
    pub(crate) bytes: u64,
    /// xxh3-64 of the file: tells whether a copy is this very table.
    pub(crate) checksum: u64,
    /// Entries, tombstones included.
    pub(crate) entries: u64,
    /// Entries that delete.
    pub(crate) tombstones: u64,
    /// The first internal key, a range delete counting as one at its start; empty when there is nothing.
    pub(crate) smallest: Bytes,
    /// The last internal key. With [`key::EXCLUSIVE_TRAILER`] it is where a range ends, and not inside.
    pub(crate) largest: Bytes,
    /// The least sequence number.
    pub(crate) min_seq: SeqNo,
    /// The greatest sequence number.
    pub(crate) max_seq: SeqNo,
    /// Entries that are merge operands.
    pub(crate) merges: u64,
    /// Deletes of ranges, each piece between two bounds counted by itself.
    pub(crate) range_deletes: u64,
    /// The value files that pointers of this table refer to, ascending, and how many bytes of each.
    pub(crate) values: Vec<(u64, u64)>,
}

/// A table in the making. After an error, and when it is dropped before [`finish`](Self::finish), the file is
/// worthless and its owner deletes it.
pub(crate) struct Writer {
    file: Box<dyn WritableFile>,
    id: FileId,
    options: TableOptions,
    compressor: Option<Compressor>,
    block: BlockBuilder,
    /// Bytes not yet in the file, and where they will begin.
    pending: Vec<u8>,
    pending_offset: u64,
    hasher: Box<Xxh3>,
    /// The stretch of data blocks that is being written, and those before it whose index is not written yet.
    section: Section,
    sections: Vec<Section>,
    /// What is written of the index: per partition the numbers of [`PartitionHandle`].
    partitions: SeparatorsBuilder<{ PartitionHandle::NUMBERS }>,
    whole_bytes: u64,
    partition_bytes: u64,
    /// Length of a finished block whose separator waits for the next key.
    unindexed: Option<u32>,
    last_key: Vec<u8>,
    last_trailer: u64,
    last_hash: u64,
    range_deletes: Vec<RangeDelete>,
    values: BTreeMap<u64, u64>,
    properties: Properties,
}

/// A stretch of data blocks and what their index and filter are made of.
#[derive(Default)]
struct Section {
    data_start: u64,
    data_end: u64,
    index: SeparatorsBuilder<1>,
    hashes: Vec<u64>,
}

/// Tries to compress less often where it does not pay: vectors hardly shrink.
struct Compressor {
    codec: Codec,
    skip: u32,
    skip_after_failure: u32,
}

impl Compressor {
    /// The compressor, unless this block is to be stored as it is.
    fn next(&mut self) -> Option<&mut Codec> {
        match self.skip.checked_sub(1) {
            Some(less) => {
                self.skip = less;
                None
            }
            None => Some(&mut self.codec),
        }
    }

    fn tried(&mut self, kept: bool) {
        self.skip_after_failure = if kept {
            0
        } else {
            (self.skip_after_failure * 2 + 1).min(SKIPPED_BLOCKS_MAX)
        };
        self.skip = self.skip_after_failure;
    }
}

impl Writer {
    /// Writes a table to `file`, which is new and empty. `file_number` is never used again in this database.
    pub(crate) fn new(
        file: Box<dyn WritableFile>,
        file_name: &str,
        file_number: u64,
        options: &TableOptions,
    ) -> Writer {
        let compressor = Codec::new(options.compression).map(|codec| Compressor {
            codec,
            skip: 0,
            skip_after_failure: 0,
        });
        Writer {
            file,
            id: FileId {
                name: file_name.to_owned(),
                number: file_number,
            },
            options: options.clone(),
            compressor,
            block: BlockBuilder::default(),
            pending: Vec::with_capacity(WRITE_BYTES + WRITE_BYTES / 8),
            pending_offset: 0,
            hasher: Box::default(),
            section: Section::default(),
            sections: Vec::new(),
            partitions: SeparatorsBuilder::default(),
            whole_bytes: WHOLE_BYTES,
            partition_bytes: PARTITION_BYTES,
            unindexed: None,
            last_key: Vec::new(),
            last_trailer: 0,
            last_hash: 0,
            range_deletes: Vec::new(),
            values: BTreeMap::new(),
            properties: Properties {
                min_seq: SeqNo::MAX,
                ..Properties::default()
            },
        }
    }

    /// Lets tables have partitions at other sizes than they usually do.
    #[cfg(test)]
    pub(crate) fn partition_beyond(&mut self, whole_bytes: u64, partition_bytes: u64) {
        (self.whole_bytes, self.partition_bytes) = (whole_bytes, partition_bytes);
    }

    /// Adds an entry behind all others.
    ///
    /// # Panics
    /// When `internal_key` does not stand after the last one, or is longer than a key may be.
    pub(crate) fn add(&mut self, internal_key: &[u8], value: &[u8]) -> Result<()> {
        let (user_key, trailer) = split(internal_key);
        let shared = common_prefix(&self.last_key, user_key);
        let new_key = match (self.last_key.get(shared), user_key.get(shared)) {
            (None, None) => self.properties.entries == 0,
            (last, this) => {
                assert!(last < this, "keys of a table ascend");
                true
            }
        };
        assert!(
            new_key || trailer < self.last_trailer,
            "versions of a key descend"
        );
        assert!(
            user_key.len() <= KEY_BYTES_MAX,
            "a key is at most {KEY_BYTES_MAX} bytes long"
        );
        if let Some(block_bytes) = self.unindexed.take() {
            self.separate(Some(user_key), block_bytes)?;
        }
        if new_key {
            self.last_hash = filter::hash(user_key);
        }
        // Versions of one key may go on in the next section.
        let unfiltered = new_key || self.section.hashes.is_empty();
        if unfiltered && self.options.filter_bits_per_key > 0 {
            self.section.hashes.push(self.last_hash);
        }
        self.block
            .add(user_key, shared, self.last_hash, trailer, value);
        self.count(internal_key, trailer, value);
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(&user_key[shared..]);
        self.last_trailer = trailer;
        if self.block.bytes() >= self.options.block_bytes {
            self.finish_block()?;
        }
        Ok(())
    }

    /// Adds a range of user keys, from `start` to before `end`, of which everything older than `seq` is gone. In any
    /// order, before [`finish`](Self::finish).
    ///
    /// # Panics
    /// When the range is empty, or its keys are longer than keys may be.
    pub(crate) fn add_range_delete(&mut self, start: &[u8], end: &[u8], seq: SeqNo) {
        assert!(start < end, "a deleted range is not empty");
        assert!(
            start.len().max(end.len()) <= BOUND_BYTES_MAX,
            "a bound of a range is at most {BOUND_BYTES_MAX} bytes long"
        );
        self.range_deletes.push(RangeDelete {
            start: Bytes::copy_from_slice(start),
            end: Bytes::copy_from_slice(end),
            seq,
        });
    }

    /// Notes that an entry points to `bytes` of the value file `file`.
    pub(crate) fn add_value_bytes(&mut self, file: u64, bytes: u64) {
        *self.values.entry(file).or_insert(0) += bytes;
    }

    fn count(&mut self, internal_key: &[u8], trailer: u64, value: &[u8]) {
        let properties = &mut self.properties;
        if properties.entries == 0 {
            properties.smallest = Bytes::copy_from_slice(internal_key);
        }
        properties.entries += 1;
        let kind = trailer_kind(trailer);
        properties.tombstones += u64::from(kind == Some(ValueKind::Delete));
        properties.merges += u64::from(kind == Some(ValueKind::Merge));
        properties.key_bytes += (internal_key.len() - TRAILER_BYTES) as u64;
        properties.value_bytes += value.len() as u64;
        properties.min_seq = properties.min_seq.min(trailer_seq(trailer));
        properties.max_seq = properties.max_seq.max(trailer_seq(trailer));
    }

    /// What the file would measure now: what to look at when deciding whether a table is large enough.
    pub(crate) fn bytes_written(&self) -> u64 {
        let bits = u64::from(self.options.filter_bits_per_key);
        let pending = self.sections.iter().chain([&self.section]);
        let index_bytes: u64 = pending
            .map(|section| section.index.bytes() as u64 + section.hashes.len() as u64 * bits / 8)
            .sum();
        self.end() + self.block.bytes() as u64 + index_bytes
    }

    /// Ends the last block in the index; `next` is the user key behind it.
    fn separate(&mut self, next: Option<&[u8]>, block_bytes: u32) -> Result<()> {
        self.section.index.add(
            &self.last_key,
            self.last_trailer,
            next,
            [block_bytes.into()],
        );
        self.section.data_end = self.end();
        if self.section.data_end - self.section.data_start >= self.partition_bytes {
            self.finish_section()?;
        }
        Ok(())
    }

    /// Ends the current section, and writes what belongs behind it once the table is no longer a small one.
    fn finish_section(&mut self) -> Result<()> {
        self.sections.push(std::mem::take(&mut self.section));
        if self.end() > self.whole_bytes {
            self.write_sections()?;
        }
        self.section.data_start = self.end();
        Ok(())
    }

    /// Writes index and filter of the sections that lack them.
    fn write_sections(&mut self) -> Result<()> {
        for section in std::mem::take(&mut self.sections) {
            let filter = match self.options.filter_bits_per_key {
                0 => self.no_block(),
                bits => self.put_meta_block(&Filter::build(&section.hashes, bits)),
            };
            let index = self.put_meta_block(&section.index.finish());
            let (separator, trailer) = section.index.last().unwrap_or_default();
            let handle = PartitionHandle {
                data_start: section.data_start,
                data_end: section.data_end,
                filter,
                index,
            };
            self.partitions.push(separator, trailer, handle.numbers());
            if self.pending.len() >= WRITE_BYTES {
                self.write_pending()?;
            }
        }
        Ok(())
    }

    /// Index and filter of a small table: those of all its sections together.
    fn join_sections(&mut self) {
        let mut sections = self.sections.drain(..);
        let Some(mut whole) = sections.next() else {
            return;
        };
        for mut section in sections {
            whole.index.append(&mut section.index);
            whole.hashes.append(&mut section.hashes);
            whole.data_end = section.data_end;
        }
        self.sections.push(whole);
    }

    /// Entries so far.
    #[cfg(test)]
    pub(crate) fn entries(&self) -> u64 {
        self.properties.entries
    }

    fn end(&self) -> u64 {
        self.pending_offset + self.pending.len() as u64
    }

    fn finish_block(&mut self) -> Result<()> {
        let offset = self.end();
        let codec = self.compressor.as_mut().and_then(Compressor::next);
        let tried = codec.is_some();
        let (bytes, kept) = format::put_block(
            &mut self.pending,
            self.block.finish(),
            offset,
            &self.id,
            codec,
        );
        if let Some(compressor) = self.compressor.as_mut().filter(|_| tried) {
            compressor.tried(kept);
        }
        self.block.clear();
        self.unindexed = Some(bytes);
        self.properties.data_blocks += 1;
        if self.pending.len() >= WRITE_BYTES {
            self.write_pending()?;
        }
        Ok(())
    }

    fn write_pending(&mut self) -> Result<()> {
        self.hasher.update(&self.pending);
        self.file
            .append(&self.pending)
            .map_err(|error| Error::io(format_args!("append to {}", self.id.name), error))?;
        self.pending_offset = self.end();
        self.pending.clear();
        Ok(())
    }

    /// Writes the rest and makes the file durable; making its name durable is up to the caller.
    ///
    /// # Errors
    /// When the file could not be written or synced.
    pub(crate) fn finish(mut self) -> Result<TableInfo> {
        let deletes = RangeDeletes::new(std::mem::take(&mut self.range_deletes));
        if !self.block.is_empty() {
            self.finish_block()?;
        }
        if let Some(block_bytes) = self.unindexed.take() {
            self.separate(None, block_bytes)?;
        }
        if self.section.index.len() > 0 {
            self.sections.push(std::mem::take(&mut self.section));
        }
        if self.partitions.len() == 0 {
            self.join_sections();
        }
        self.write_sections()?;
        self.close_properties(&deletes);
        let contents = self.partitions.finish();
        let index = self.put_meta_block(&contents);
        let range_deletes = if deletes.is_empty() {
            self.no_block()
        } else {
            self.put_meta_block(&deletes.encode())
        };
        let contents = self.properties.encode();
        let properties = self.put_meta_block(&contents);
        let footer = Footer {
            index,
            range_deletes,
            properties,
        }
        .encode(self.end(), &self.id);
        self.pending.extend_from_slice(&footer);
        self.write_pending()?;
        self.file
            .sync()
            .map_err(|error| Error::io(format_args!("sync {}", self.id.name), error))?;
        Ok(TableInfo {
            bytes: self.end(),
            checksum: self.hasher.digest(),
            entries: self.properties.entries,
            tombstones: self.properties.tombstones,
            smallest: self.properties.smallest,
            largest: self.properties.largest,
            min_seq: self.properties.min_seq,
            max_seq: self.properties.max_seq,
            merges: self.properties.merges,
            range_deletes: self.properties.range_deletes,
            values: self.properties.values,
        })
    }

    fn close_properties(&mut self, deletes: &RangeDeletes) {
        let properties = &mut self.properties;
        properties.range_deletes = deletes.count();
        properties.values = std::mem::take(&mut self.values).into_iter().collect();
        if properties.entries > 0 {
            let mut largest = Vec::new();
            key::write_internal(&mut largest, &self.last_key, self.last_trailer);
            properties.largest = largest.into();
        }
        for delete in deletes.iter() {
            properties.span(&delete);
        }
        if properties.min_seq == SeqNo::MAX {
            properties.min_seq = SeqNo::ZERO;
        }
    }

    fn no_block(&self) -> BlockHandle {
        BlockHandle {
            offset: self.end(),
            bytes: 0,
        }
    }

    fn put_meta_block(&mut self, contents: &[u8]) -> BlockHandle {
        let offset = self.end();
        let codec = self
            .compressor
            .as_mut()
            .map(|compressor| &mut compressor.codec);
        let (bytes, _) = format::put_block(&mut self.pending, contents, offset, &self.id, codec);
        BlockHandle { offset, bytes }
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("file", &self.id)
            .field("properties", &self.properties)
            .finish_non_exhaustive()
    }
}
