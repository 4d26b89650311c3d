//! Goes through a table in either direction, block by block.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::iter::InternalIterator;
use crate::key::compare;

use super::block::{Block, Fault};
use super::block_iter::BlockIter;
use super::format::BlockHandle;
use super::reader::Reader;

/// What a cursor made for one pass reads at once.
const READ_AHEAD_BYTES: usize = 256 * 1024;

/// A cursor over a table. Keeps the table open.
#[derive(Debug)]
pub(crate) struct TableIter {
    table: Arc<Reader>,
    entries: BlockIter,
    /// The block that `entries` goes through; their number when it has none.
    position: usize,
    ahead: Option<ReadAhead>,
    error: Option<Error>,
}

/// A piece of the file, read in advance.
#[derive(Debug, Default)]
struct ReadAhead {
    offset: u64,
    bytes: Bytes,
}

impl ReadAhead {
    fn block(&mut self, table: &Reader, position: usize) -> Result<Block> {
        let handle = table.handle(position);
        if self.piece(handle).is_none() {
            let rest = usize::try_from(table.data_end() - handle.offset).unwrap_or(usize::MAX);
            self.bytes = table.read(
                handle.offset,
                READ_AHEAD_BYTES.max(handle.bytes as usize).min(rest),
            )?;
            self.offset = handle.offset;
        }
        let stored = self.piece(handle).unwrap_or_default();
        table.decode_block(position, &stored)
    }

    fn piece(&self, handle: BlockHandle) -> Option<Bytes> {
        let start = usize::try_from(handle.offset.checked_sub(self.offset)?).ok()?;
        let end = start.checked_add(handle.bytes as usize)?;
        (end <= self.bytes.len()).then(|| self.bytes.slice(start..end))
    }
}

impl TableIter {
    pub(super) fn new(table: Arc<Reader>, once: bool) -> TableIter {
        let position = table.blocks();
        let ahead = once.then(ReadAhead::default);
        TableIter {
            table,
            entries: BlockIter::new(),
            position,
            ahead,
            error: None,
        }
    }

    /// Makes block `position` the current one; none when there is no such block or it cannot be read.
    fn load(&mut self, position: Option<usize>) -> Option<&mut BlockIter> {
        let blocks = self.table.blocks();
        let Some(position) = position.filter(|&position| position < blocks) else {
            self.leave();
            return None;
        };
        if position != self.position {
            let block = match &mut self.ahead {
                Some(ahead) => ahead.block(&self.table, position),
                None => self.table.block(position),
            };
            match block {
                Ok(block) => {
                    self.position = position;
                    self.entries.reset(block);
                }
                Err(error) => {
                    self.leave();
                    self.error = Some(error);
                    return None;
                }
            }
        }
        Some(&mut self.entries)
    }

    fn leave(&mut self) {
        self.position = self.table.blocks();
        self.entries.reset(Block::empty());
    }

    /// Notes what went wrong in the current block.
    #[inline]
    fn check(&mut self, outcome: std::result::Result<(), Fault>) {
        if let Err(fault) = outcome {
            self.error = Some(self.table.fault(self.position, fault));
            self.leave();
        }
    }

    fn first_of(&mut self, position: Option<usize>) {
        if let Some(entries) = self.load(position) {
            let outcome = entries.seek_to_first();
            self.check(outcome);
        }
    }

    fn last_of(&mut self, position: Option<usize>) {
        if let Some(entries) = self.load(position) {
            let outcome = entries.seek_to_last();
            self.check(outcome);
        }
    }
}

impl InternalIterator for TableIter {
    fn seek_to_first(&mut self) {
        self.error = None;
        self.first_of(Some(0));
    }

    fn seek_to_last(&mut self) {
        self.error = None;
        self.last_of(self.table.blocks().checked_sub(1));
    }

    fn seek(&mut self, target: &[u8]) {
        self.error = None;
        let position = self.table.find_block(target);
        let Some(entries) = self.load(Some(position)) else {
            return;
        };
        let outcome = entries.seek(target);
        self.check(outcome);
        // A separator may stand after the last entry of its block.
        if self.error.is_none() && !self.entries.valid() {
            self.first_of(Some(position + 1));
        }
    }

    fn seek_for_prev(&mut self, target: &[u8]) {
        self.seek(target);
        if self.error.is_some() {
            return;
        }
        if !self.valid() {
            self.seek_to_last();
        } else if compare(self.key(), target).is_gt() {
            self.prev();
        }
    }

    #[inline]
    fn next(&mut self) {
        let outcome = self.entries.next();
        if outcome.is_err() {
            self.check(outcome);
        } else if !self.entries.valid() {
            self.first_of(Some(self.position + 1));
        }
    }

    fn prev(&mut self) {
        let outcome = self.entries.prev();
        if outcome.is_err() {
            self.check(outcome);
        } else if !self.entries.valid() {
            self.last_of(self.position.checked_sub(1));
        }
    }

    #[inline]
    fn valid(&self) -> bool {
        self.entries.valid()
    }

    #[inline]
    fn key(&self) -> &[u8] {
        self.entries.key()
    }

    #[inline]
    fn value(&self) -> Bytes {
        self.entries.value_bytes()
    }

    fn status(&self) -> Result<()> {
        self.error.clone().map_or(Ok(()), Err)
    }
}
