//! Blocks that many lookups wait for, of any number of tables, read at once.
//!
//! Each block is read once, however many want it; near ones are read in one piece.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use aether_env::{FileRange, Storage};
use bytes::Bytes;

use crate::error::Result;
use crate::key::{SeqNo, ValueKind, seek_trailer};

use super::block::Block;
use super::partition::Partition;
use super::reader::Reader;

/// Blocks of one file with at most so many bytes between them are read in one piece: that costs less than a read.
const GAP_BYTES_MAX: u64 = 8 << 10;

/// No piece grows beyond this.
const PIECE_BYTES_MAX: u64 = 1 << 20;

/// File number and offset.
type BlockId = (u64, u64);

/// Blocks that were read for the lookups that wait.
#[derive(Default)]
pub(crate) struct Fetched(HashMap<BlockId, Arc<Block>>);

/// Blocks to be read, by place.
#[derive(Default)]
pub(crate) struct Wanted(BTreeMap<BlockId, WantedBlock>);

struct WantedBlock {
    table: Arc<Reader>,
    partition: Arc<Partition>,
    position: usize,
}

/// What a look into a table comes to.
pub(crate) enum Look {
    Absent,
    Found((SeqNo, ValueKind, Bytes)),
    /// The block is wanted now: look again once it was read.
    Waits,
}

impl Wanted {
    /// As [`Reader::get`], but for blocks that are neither cached nor in `fetched`: those are wanted then.
    pub(crate) fn look(
        &mut self,
        table: &Arc<Reader>,
        user_key: &[u8],
        hash: u64,
        at: SeqNo,
        fetched: &Fetched,
    ) -> Result<Look> {
        let trailer = seek_trailer(at);
        let Some(place) = table.place(user_key, hash, trailer)? else {
            return Ok(Look::Absent);
        };
        let (partition, position) = (&place.partition, place.position);
        let cached = partition.cached(position);
        let id = (table.number(), partition.handle(position).offset);
        let Some(block) = cached.as_ref().or_else(|| fetched.0.get(&id)) else {
            let partition = Arc::clone(partition);
            self.0.entry(id).or_insert_with(|| WantedBlock {
                table: Arc::clone(table),
                partition,
                position,
            });
            return Ok(Look::Waits);
        };
        let found = table.get_in(block, partition, position, (user_key, hash, trailer))?;
        Ok(found.map_or(Look::Absent, Look::Found))
    }

    /// Reads all blocks that are wanted, and caches them. `storage` has opened their tables.
    pub(crate) fn read(self, storage: &dyn Storage) -> Result<Fetched> {
        let blocks: Vec<WantedBlock> = self.0.into_values().collect();
        let pieces = pieces(&blocks);
        let mut buffers: Vec<Vec<u8>> = pieces
            .iter()
            .map(|piece| {
                let bytes = blocks[piece.end - 1].end() - blocks[piece.start].start();
                vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)]
            })
            .collect();
        let reads = pieces.iter().zip(&mut buffers);
        let mut reads: Vec<FileRange<'_>> = reads
            .map(|(piece, buffer)| FileRange {
                file: &*blocks[piece.start].table.source.file,
                offset: blocks[piece.start].start(),
                buffer,
            })
            .collect();
        if storage.read_batch(&mut reads).is_err() {
            // One by one, the error tells what it is about.
            for (piece, buffer) in pieces.iter().zip(&mut buffers) {
                let first = &blocks[piece.start];
                first.table.source.read_into(first.start(), buffer)?;
            }
        }
        let mut fetched = Fetched::default();
        for (piece, buffer) in pieces.into_iter().zip(buffers) {
            let (start, alone) = (blocks[piece.start].start(), piece.len() == 1);
            let buffer = Bytes::from(buffer);
            for wanted in &blocks[piece] {
                let from = usize::try_from(wanted.start() - start).unwrap_or(usize::MAX);
                let stored = buffer.slice(from..from + wanted.bytes());
                // Not with its neighbours: it may stay in the cache for longer than they.
                let stored = if alone {
                    stored
                } else {
                    Bytes::copy_from_slice(&stored)
                };
                let block =
                    wanted
                        .table
                        .decode_block(&wanted.partition, wanted.position, &stored)?;
                wanted.partition.cache(wanted.position, &block);
                let id = (wanted.table.number(), wanted.start());
                fetched.0.insert(id, block);
            }
        }
        Ok(fetched)
    }
}

impl WantedBlock {
    fn start(&self) -> u64 {
        self.partition.handle(self.position).offset
    }

    fn end(&self) -> u64 {
        self.partition.handle(self.position).end()
    }

    fn bytes(&self) -> usize {
        self.partition.handle(self.position).bytes as usize
    }
}

/// Which of `blocks`, sorted by file and offset, are read together.
fn pieces(blocks: &[WantedBlock]) -> Vec<Range<usize>> {
    let mut pieces: Vec<Range<usize>> = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        match pieces.last_mut() {
            Some(piece)
                if blocks[piece.start].table.number() == block.table.number()
                    && block.start().saturating_sub(blocks[index - 1].end()) <= GAP_BYTES_MAX
                    && block.end() - blocks[piece.start].start() <= PIECE_BYTES_MAX =>
            {
                piece.end = index + 1;
            }
            _ => pieces.push(index..index + 1),
        }
    }
    pieces
}
