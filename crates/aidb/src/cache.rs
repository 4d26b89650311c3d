//! The cache of table blocks, one for a whole database.
//!
//! Keyed by file number and offset. File numbers are never reused, so nothing has to be removed when a file goes.

use std::fmt;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::sstable::Block;

/// The bytes of memory that a cached block takes beside its contents: its slot, key and reference counts.
const BLOCK_OVERHEAD_BYTES: u64 = 128;

/// What to expect of a block when the cache makes room for its slots.
const BLOCK_BYTES_EXPECTED: u64 = 4096;

/// Blocks of tables in memory, up to a number of bytes. A hit takes a shared lock on one shard and copies nothing.
pub(crate) struct BlockCache {
    blocks: Cache<BlockKey, Block, ByBytes>,
}

/// Where a block stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct BlockKey {
    file_number: u64,
    offset: u64,
}

/// What a cache has done so far, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Blocks that were found.
    pub hits: u64,
    /// Blocks that had to be read from a file.
    pub misses: u64,
    /// Bytes of memory held.
    pub bytes: u64,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<BlockKey, Block> for ByBytes {
    fn weight(&self, _: &BlockKey, block: &Block) -> u64 {
        block.bytes() as u64 + BLOCK_OVERHEAD_BYTES
    }
}

impl BlockCache {
    /// A cache that holds up to `bytes`; 0 caches nothing.
    pub(crate) fn new(bytes: u64) -> BlockCache {
        let blocks_expected = usize::try_from(bytes / BLOCK_BYTES_EXPECTED).unwrap_or(usize::MAX);
        BlockCache {
            blocks: Cache::with_weighter(blocks_expected, bytes, ByBytes),
        }
    }

    /// The block of file `file_number` at `offset`, if it is here.
    pub(crate) fn get(&self, file_number: u64, offset: u64) -> Option<Block> {
        self.blocks.get(&BlockKey {
            file_number,
            offset,
        })
    }

    /// Keeps a block, and lets others go for it.
    pub(crate) fn insert(&self, file_number: u64, offset: u64, block: Block) {
        self.blocks.insert(
            BlockKey {
                file_number,
                offset,
            },
            block,
        );
    }

    /// Hits and misses so far, and the bytes held now.
    pub(crate) fn stats(&self) -> CacheStats {
        CacheStats {
            hits: self.blocks.hits(),
            misses: self.blocks.misses(),
            bytes: self.blocks.weight(),
        }
    }
}

impl fmt::Debug for BlockCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stats().fmt(f)
    }
}
