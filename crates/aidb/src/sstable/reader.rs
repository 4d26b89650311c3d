//! Reads a table: finds the block of a key, and reads it through the cache.

use std::sync::Arc;

use aether_env::RandomFile;
use bytes::Bytes;

use crate::cache::Cache;
use crate::error::Result;
use crate::key::{SeqNo, ValueKind, seek_trailer, trailer_kind, trailer_seq};
use crate::range_deletes::RangeDeletes;
use crate::sync::Guard;

use super::block::{Block, Entry};
use super::format::{BlockHandle, FOOTER_BYTES, FileId, Footer, take_block};
use super::partition::Partition;
use super::partitions::{PartitionRef, Partitions};
use super::properties::Properties;
use super::source::Source;
use super::table_iter::TableIter;

/// A value up to this size is copied out of its block: that is cheaper than to share the block, and does not keep it
/// in memory.
const COPY_BYTES_MAX: usize = 256;

/// An open table. Shared by all who read it.
pub(crate) struct Reader {
    pub(super) source: Source,
    pub(super) partitions: Partitions,
    pub(super) range_deletes: Arc<RangeDeletes>,
    pub(super) properties: Properties,
}

/// A data block that may hold a key.
pub(super) struct Place<'a> {
    pub(super) partition: PartitionRef<'a>,
    pub(super) position: usize,
}

impl Reader {
    /// Opens the table in `file`: reads and checks everything but the data blocks, and of a large index and filter only
    /// what the memory budget has room for.
    ///
    /// # Errors
    /// `Corruption` when it is not the table `file_number` or damaged, `Invalid` when its format is a newer one.
    pub(crate) fn open(
        file: Arc<dyn RandomFile>,
        file_name: &str,
        file_number: u64,
        cache: Arc<Cache>,
    ) -> Result<Reader> {
        let length = file.len();
        let source = Source {
            file,
            id: FileId {
                name: file_name.to_owned(),
                number: file_number,
            },
        };
        let Some(footer_offset) = length.checked_sub(FOOTER_BYTES as u64) else {
            return Err(source.corruption(
                length,
                format_args!("{length} bytes are too few for a table"),
            ));
        };
        let mut footer = [0; FOOTER_BYTES];
        source.read_into(footer_offset, &mut footer)?;
        let footer = Footer::decode(&footer, footer_offset, &source.id)?;

        // The footer is checked: index, deleted ranges and properties stand one behind the other up to it.
        let start = footer.index.offset;
        let meta_bytes = usize::try_from(footer_offset - start).map_err(|_| {
            source.corruption(
                start,
                "the index does not fit in the memory of this machine",
            )
        })?;
        let meta = source.read(start, meta_bytes)?;
        let contents = |handle: BlockHandle| {
            let from = usize::try_from(handle.offset - start).unwrap_or(usize::MAX);
            let stored = meta.slice(from..from + handle.bytes as usize);
            take_block(&stored, handle.offset, &source.id)
        };
        let fault = |handle: BlockHandle| {
            let source = &source;
            move |detail: &'static str| source.corruption(handle.offset, detail)
        };
        let properties =
            Properties::decode(&contents(footer.properties)?).map_err(fault(footer.properties))?;
        let range_deletes = match footer.range_deletes.bytes {
            0 => RangeDeletes::default(),
            _ => RangeDeletes::decode(&contents(footer.range_deletes)?)
                .map_err(fault(footer.range_deletes))?,
        };
        if range_deletes.count() != properties.range_deletes {
            return Err(source.corruption(
                footer.range_deletes.offset,
                "the properties tell another number of range deletes",
            ));
        }
        let index = contents(footer.index)?;
        let partitions = Partitions::open(&index, footer.index, &source, cache)?;
        Ok(Reader {
            source,
            partitions,
            range_deletes: Arc::new(range_deletes),
            properties,
        })
    }

    /// The number of its file.
    pub(super) fn number(&self) -> u64 {
        self.source.id.number
    }

    /// What the table tells about itself.
    pub(crate) fn properties(&self) -> &Properties {
        &self.properties
    }

    /// The ranges that this table deletes.
    pub(crate) fn range_deletes(&self) -> &Arc<RangeDeletes> {
        &self.range_deletes
    }

    /// Memory that the open table holds beside the cache: its index, filter and deleted ranges.
    pub(crate) fn memory_bytes(&self) -> usize {
        let pinned = usize::try_from(self.partitions.pinned_bytes()).unwrap_or(usize::MAX);
        pinned.saturating_add(self.range_deletes.memory_bytes())
    }

    /// The one data block that may hold versions up to `trailer` of a key with this [`hash`](super::hash); none when
    /// the filter or the index tells that there are none.
    #[inline]
    pub(super) fn place(
        &self,
        user_key: &[u8],
        hash: u64,
        trailer: u64,
    ) -> Result<Option<Place<'_>>> {
        let index = self.partitions.find(user_key, trailer);
        if index >= self.partitions.len() {
            return Ok(None);
        }
        let partition = self.partitions.get(index, &self.source)?;
        if !partition.may_contain(hash) {
            return Ok(None);
        }
        let position = partition.find(user_key, trailer);
        Ok((position < partition.blocks()).then_some(Place {
            partition,
            position,
        }))
    }

    /// The newest version of `user_key`, whose [`hash`](super::hash) is given, with a sequence number up to `at`. Asks
    /// the filter first, and reads at most one data block.
    #[inline]
    pub(crate) fn get(
        &self,
        user_key: &[u8],
        hash: u64,
        at: SeqNo,
    ) -> Result<Option<(SeqNo, ValueKind, Bytes)>> {
        let trailer = seek_trailer(at);
        let Some(place) = self.place(user_key, hash, trailer)? else {
            return Ok(None);
        };
        let (partition, position) = (&place.partition, place.position);
        let cached = partition.cached(position);
        match &*cached {
            Some(block) => self.get_in(block, partition, position, (user_key, hash, trailer)),
            None => {
                let block = self.read_block(partition, position)?;
                partition.cache(position, &block);
                self.get_in(&block, partition, position, (user_key, hash, trailer))
            }
        }
    }

    /// Looks for a version in the block that may hold it.
    ///
    /// A block without an entry at or after the target ends before its separator, and the next one begins with a
    /// greater user key: versions of one key are separated exactly.
    #[inline]
    pub(super) fn get_in(
        &self,
        block: &Block,
        partition: &Partition,
        position: usize,
        (user_key, hash, trailer): (&[u8], u64, u64),
    ) -> Result<Option<(SeqNo, ValueKind, Bytes)>> {
        let found = block
            .get(user_key, hash, trailer)
            .map_err(|fault| self.fault(partition, position, fault))?;
        let Some(Entry { trailer, value, .. }) = found else {
            return Ok(None);
        };
        let kind =
            trailer_kind(trailer).ok_or_else(|| self.unknown_kind(partition, position, trailer))?;
        let value = if value.len() <= COPY_BYTES_MAX {
            Bytes::copy_from_slice(block.slice(value))
        } else {
            block.share(value)
        };
        Ok(Some((trailer_seq(trailer), kind, value)))
    }

    /// A cursor over all entries.
    pub(crate) fn iter(self: &Arc<Self>) -> TableIter {
        TableIter::new(Arc::clone(self), false)
    }

    /// A cursor for one pass from the front over many entries, as in a compaction: it reads ahead in large pieces
    /// and leaves the cache to others.
    pub(crate) fn iter_once(self: &Arc<Self>) -> TableIter {
        TableIter::new(Arc::clone(self), true)
    }

    /// Data block `position` of a partition, from the cache or the file.
    #[inline]
    pub(super) fn block(&self, partition: &Partition, position: usize) -> Result<Arc<Block>> {
        if let Some(block) = Guard::into_inner(partition.cached(position)) {
            return Ok(block);
        }
        let block = self.read_block(partition, position)?;
        partition.cache(position, &block);
        Ok(block)
    }

    /// Data block `position` of a partition, from the file.
    pub(super) fn read_block(&self, partition: &Partition, position: usize) -> Result<Arc<Block>> {
        let handle = partition.handle(position);
        let stored = self.source.read(handle.offset, handle.bytes as usize)?;
        self.decode_block(partition, position, &stored)
    }

    /// Checks and opens data block `position` of a partition, given as stored.
    pub(super) fn decode_block(
        &self,
        partition: &Partition,
        position: usize,
        stored: &Bytes,
    ) -> Result<Arc<Block>> {
        let offset = partition.handle(position).offset;
        let contents = take_block(stored, offset, &self.source.id)?;
        Block::new(contents)
            .map(Arc::new)
            .map_err(|fault| self.source.corruption(offset, fault))
    }

    /// The error for a fault in data block `position` of a partition.
    #[cold]
    pub(super) fn fault(
        &self,
        partition: &Partition,
        position: usize,
        detail: impl std::fmt::Display,
    ) -> crate::error::Error {
        self.source
            .corruption(partition.handle(position).offset, detail)
    }

    #[cold]
    pub(super) fn unknown_kind(
        &self,
        partition: &Partition,
        position: usize,
        trailer: u64,
    ) -> crate::error::Error {
        let kind = trailer & 0xff;
        self.fault(
            partition,
            position,
            format_args!("an entry of unknown kind {kind}"),
        )
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("file", &self.source.id)
            .field("properties", &self.properties)
            .finish_non_exhaustive()
    }
}
