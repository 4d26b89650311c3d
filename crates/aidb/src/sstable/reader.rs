//! Reads a table: index, filter and properties stay in memory, data blocks come through the cache.

use std::sync::Arc;

use aether_env::RandomFile;
use bytes::Bytes;

use crate::cache::BlockCache;
use crate::error::{Error, Result};
use crate::key::{SeqNo, ValueKind, seek_trailer, split, trailer_kind, trailer_seq};
use crate::range_deletes::RangeDeletes;

use super::block::Block;
use super::block_iter::BlockIter;
use super::filter::{self, Filter};
use super::format::{BLOCK_TRAILER_BYTES, BlockHandle, FOOTER_BYTES, FileId, Footer, take_block};
use super::index::Index;
use super::properties::Properties;
use super::table_iter::TableIter;

/// An open table. Shared by all who read it.
pub(crate) struct Reader {
    file: Arc<dyn RandomFile>,
    id: FileId,
    cache: Arc<BlockCache>,
    index: Index,
    filter: Option<Filter>,
    range_deletes: Arc<RangeDeletes>,
    properties: Properties,
}

impl Reader {
    /// Opens the table in `file`: reads and checks everything but the data blocks.
    ///
    /// # Errors
    /// `Corruption` when it is not the table `file_number` or damaged, `Invalid` when its format is a newer one.
    pub(crate) fn open(
        file: Arc<dyn RandomFile>,
        file_name: &str,
        file_number: u64,
        cache: Arc<BlockCache>,
    ) -> Result<Reader> {
        let id = FileId {
            name: file_name.to_owned(),
            number: file_number,
        };
        let length = file.len();
        let Some(footer_offset) = length.checked_sub(FOOTER_BYTES as u64) else {
            return Err(id.corruption(
                length,
                format_args!("{length} bytes are too few for a table"),
            ));
        };
        let mut footer = [0; FOOTER_BYTES];
        read(&*file, &id, footer_offset, &mut footer)?;
        let footer = Footer::decode(&footer, footer_offset, &id)?;

        // The footer is checked: filter, index and properties stand one behind the other up to it.
        let start = footer.filter.offset;
        let meta_bytes = usize::try_from(footer_offset - start).map_err(|_| {
            id.corruption(
                start,
                "the index does not fit in the memory of this machine",
            )
        })?;
        let mut meta = vec![0; meta_bytes];
        read(&*file, &id, start, &mut meta)?;
        let meta = Bytes::from(meta);
        let contents = |handle: BlockHandle| {
            let from = usize::try_from(handle.offset - start).unwrap_or(usize::MAX);
            let stored = meta.slice(from..from + handle.bytes as usize);
            take_block(&stored, handle.offset, &id)
        };
        let fault = |handle: BlockHandle| {
            let id = &id;
            move |detail: &'static str| id.corruption(handle.offset, detail)
        };
        let filter = match footer.filter.bytes {
            0 => None,
            _ => Filter::decode(&contents(footer.filter)?).map_err(fault(footer.filter))?,
        };
        let index = Index::decode(&contents(footer.index)?).map_err(fault(footer.index))?;
        let properties =
            Properties::decode(&contents(footer.properties)?).map_err(fault(footer.properties))?;
        let range_deletes = match footer.range_deletes.bytes {
            0 => RangeDeletes::default(),
            _ => RangeDeletes::decode(&contents(footer.range_deletes)?)
                .map_err(fault(footer.range_deletes))?,
        };
        if range_deletes.count() != properties.range_deletes {
            return Err(id.corruption(
                footer.range_deletes.offset,
                "the properties tell another number of range deletes",
            ));
        }
        if index.data_end() != start || index.blocks() as u64 != properties.data_blocks {
            return Err(id.corruption(
                footer.index.offset,
                "the index does not cover the data blocks",
            ));
        }
        Ok(Reader {
            file,
            id,
            cache,
            index,
            filter,
            range_deletes: Arc::new(range_deletes),
            properties,
        })
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
        self.index.memory_bytes()
            + self.filter.as_ref().map_or(0, Filter::memory_bytes)
            + self.range_deletes.memory_bytes()
    }

    /// False when the table surely has no version of a user key with this [`hash`](super::hash).
    #[inline]
    pub(crate) fn may_contain(&self, hash: u64) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|filter| filter.may_contain(hash))
    }

    /// The newest version of `user_key`, whose [`hash`](super::hash) this is, with a sequence number up to `at`. Asks the filter first, and reads at most
    /// one block. The value shares the block's memory.
    pub(crate) fn get(
        &self,
        user_key: &[u8],
        hash: u64,
        at: SeqNo,
    ) -> Result<Option<(SeqNo, ValueKind, Bytes)>> {
        if !self.may_contain(hash) {
            return Ok(None);
        }
        let trailer = seek_trailer(at);
        let position = self.index.find(user_key, trailer);
        if position == self.index.blocks() {
            return Ok(None);
        }
        // A block without an entry at or after the target ends before its separator, and the next one begins
        // with a greater user key: versions of one key are separated exactly.
        let block = self.block(position)?;
        let found = block
            .get(user_key, hash, trailer)
            .map_err(|fault| self.fault(position, fault))?;
        let Some(found) = found else {
            return Ok(None);
        };
        let trailer = found.trailer;
        let kind = trailer_kind(trailer).ok_or_else(|| self.unknown_kind(position, trailer))?;
        Ok(Some((trailer_seq(trailer), kind, block.share(found.value))))
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

    /// Number of data blocks.
    pub(super) fn blocks(&self) -> usize {
        self.index.blocks()
    }

    /// The first data block that may hold an entry at or after the internal key `target`.
    pub(super) fn find_block(&self, target: &[u8]) -> usize {
        let (user_key, trailer) = split(target);
        self.index.find(user_key, trailer)
    }

    /// Where data block `position` is.
    pub(super) fn handle(&self, position: usize) -> BlockHandle {
        self.index.handle(position)
    }

    /// The end of the data blocks in the file.
    pub(super) fn data_end(&self) -> u64 {
        self.index.data_end()
    }

    /// Data block `position`, from the cache or the file.
    #[inline]
    pub(super) fn block(&self, position: usize) -> Result<Block> {
        let handle = self.index.handle(position);
        if let Some(block) = self.cache.get(self.id.number, handle.offset) {
            return Ok(block);
        }
        let block =
            self.decode_block(position, &self.read(handle.offset, handle.bytes as usize)?)?;
        self.cache
            .insert(self.id.number, handle.offset, block.clone());
        Ok(block)
    }

    /// Bytes of the file; the range lies in the data blocks.
    pub(super) fn read(&self, offset: u64, bytes: usize) -> Result<Bytes> {
        let mut buffer = vec![0; bytes];
        read(&*self.file, &self.id, offset, &mut buffer)?;
        Ok(buffer.into())
    }

    /// Checks and opens data block `position`, given as stored.
    pub(super) fn decode_block(&self, position: usize, stored: &Bytes) -> Result<Block> {
        let contents = take_block(stored, self.handle(position).offset, &self.id)?;
        Block::new(contents).map_err(|fault| self.fault(position, fault))
    }

    /// The error for a fault in data block `position`.
    #[cold]
    pub(super) fn fault(&self, position: usize, detail: impl std::fmt::Display) -> Error {
        self.id.corruption(self.handle(position).offset, detail)
    }

    #[cold]
    fn unknown_kind(&self, position: usize, trailer: u64) -> Error {
        self.fault(
            position,
            format_args!("an entry of unknown kind {}", trailer & 0xff),
        )
    }

    /// Reads the whole table and checks it against itself: checksums, order, separators, filter, properties.
    /// Returns the number of entries. Leaves the cache alone.
    pub(crate) fn verify(&self) -> Result<u64> {
        let mut seen = Properties {
            min_seq: SeqNo::MAX,
            ..Properties::default()
        };
        let mut entries = BlockIter::new();
        for position in 0..self.blocks() {
            let handle = self.handle(position);
            if (handle.bytes as usize) < BLOCK_TRAILER_BYTES {
                return Err(self.fault(position, "a block is too short"));
            }
            let block =
                self.decode_block(position, &self.read(handle.offset, handle.bytes as usize)?)?;
            entries.reset(block);
            self.verify_block(position, &mut entries, &mut seen)?;
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
        seen.data_blocks = self.blocks() as u64;
        if seen != self.properties {
            let detail = format_args!(
                "the properties {:?} do not agree with the entries {seen:?}",
                self.properties
            );
            return Err(self.id.corruption(self.data_end(), detail));
        }
        Ok(seen.entries)
    }

    fn verify_block(
        &self,
        position: usize,
        entries: &mut BlockIter,
        seen: &mut Properties,
    ) -> Result<()> {
        entries
            .seek_to_first()
            .map_err(|fault| self.fault(position, fault))?;
        let mut last = 0;
        while entries.valid() {
            let key = entries.key();
            let (user_key, trailer) = split(key);
            if seen.entries > 0 && crate::key::compare(&seen.largest, key).is_ge() {
                return Err(self.fault(position, "keys do not ascend"));
            }
            if !self.may_contain(filter::hash(user_key)) {
                return Err(self.fault(position, "the filter does not know a key"));
            }
            let kind = trailer_kind(trailer).ok_or_else(|| self.unknown_kind(position, trailer))?;
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
            if self.index.find(user_key, trailer) != position {
                return Err(self.fault(position, "the index does not lead to a key"));
            }
            last += 1;
            entries
                .next()
                .map_err(|fault| self.fault(position, fault))?;
        }
        if last == 0 {
            return Err(self.fault(position, "a block without entries"));
        }
        Ok(())
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("file", &self.id)
            .field("properties", &self.properties)
            .finish_non_exhaustive()
    }
}

fn read(file: &dyn RandomFile, id: &FileId, offset: u64, buffer: &mut [u8]) -> Result<()> {
    file.read_at(offset, buffer)
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                id.corruption(offset, "the file ends here, and more was expected")
            }
            _ => Error::io(format_args!("read {} at byte {offset}", id.name), error),
        })
}
