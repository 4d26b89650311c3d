//! Goes through a table in either direction, block by block.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::iter::InternalIterator;
use crate::key::{compare, split};

use super::block::{Block, Fault};
use super::block_iter::BlockIter;
use super::format::BlockHandle;
use super::partition::Partition;
use super::reader::Reader;

/// What a cursor made for one pass reads at once.
const READ_AHEAD_BYTES: usize = 256 * 1024;

/// A cursor over a table. Keeps the table open.
#[derive(Debug)]
pub(crate) struct TableIter {
    table: Arc<Reader>,
    entries: BlockIter,
    /// The partition that `entries` goes through a block of, and its number.
    partition: Option<(usize, Arc<Partition>)>,
    /// The number of that block; none when `entries` has no block.
    position: Option<usize>,
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
    fn block(
        &mut self,
        table: &Reader,
        partition: &Partition,
        position: usize,
    ) -> Result<Arc<Block>> {
        let handle = partition.handle(position);
        if self.piece(handle).is_none() {
            let rest = usize::try_from(partition.data_end() - handle.offset).unwrap_or(usize::MAX);
            self.bytes = table.source.read(
                handle.offset,
                READ_AHEAD_BYTES.max(handle.bytes as usize).min(rest),
            )?;
            self.offset = handle.offset;
        }
        let stored = self.piece(handle).unwrap_or_default();
        table.decode_block(partition, position, &stored)
    }

    fn piece(&self, handle: BlockHandle) -> Option<Bytes> {
        let start = usize::try_from(handle.offset.checked_sub(self.offset)?).ok()?;
        let end = start.checked_add(handle.bytes as usize)?;
        (end <= self.bytes.len()).then(|| self.bytes.slice(start..end))
    }
}

/// Which block of a partition.
#[derive(Clone, Copy, Debug)]
enum Which {
    Number(usize),
    First,
    Last,
}

impl TableIter {
    pub(super) fn new(table: Arc<Reader>, once: bool) -> TableIter {
        TableIter {
            table,
            entries: BlockIter::new(),
            partition: None,
            position: None,
            ahead: once.then(ReadAhead::default),
            error: None,
        }
    }

    /// Partition `index`; none when there is no such one or it cannot be read.
    fn enter(&mut self, index: Option<usize>) -> Option<&Arc<Partition>> {
        let Some(index) = index.filter(|&index| index < self.table.partitions.len()) else {
            self.leave();
            return None;
        };
        if self
            .partition
            .as_ref()
            .is_none_or(|(held, _)| *held != index)
        {
            self.leave();
            match self.table.partitions.get(index, &self.table.source) {
                Ok(partition) => self.partition = Some((index, Arc::clone(&partition))),
                Err(error) => self.error = Some(error),
            }
        }
        self.partition.as_ref().map(|(_, partition)| partition)
    }

    /// Makes a block of partition `index` the current one; none when there is no such block or it cannot be read.
    fn load(&mut self, index: Option<usize>, which: Which) -> Option<&mut BlockIter> {
        let blocks = self.enter(index)?.blocks();
        let position = match which {
            Which::Number(position) => Some(position),
            Which::First => Some(0),
            Which::Last => blocks.checked_sub(1),
        };
        let Some(position) = position.filter(|&position| position < blocks) else {
            self.leave();
            return None;
        };
        if self.position != Some(position) {
            let (_, partition) = self.partition.as_ref()?;
            let block = match &mut self.ahead {
                Some(ahead) => ahead.block(&self.table, partition, position),
                None => self.table.block(partition, position),
            };
            match block {
                Ok(block) => {
                    self.position = Some(position);
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
        self.partition = None;
        self.position = None;
        self.entries.clear();
    }

    /// Notes what went wrong in the current block.
    #[inline]
    fn check(&mut self, outcome: std::result::Result<(), Fault>) {
        if let Err(fault) = outcome {
            self.fail(fault);
        }
    }

    #[cold]
    fn fail(&mut self, fault: Fault) {
        if let (Some((_, partition)), Some(position)) = (&self.partition, self.position) {
            self.error = Some(self.table.fault(partition, position, fault));
        }
        self.leave();
    }

    fn first_of(&mut self, index: Option<usize>, which: Which) {
        if let Some(entries) = self.load(index, which) {
            let outcome = entries.seek_to_first();
            self.check(outcome);
        }
    }

    fn last_of(&mut self, index: Option<usize>, which: Which) {
        if let Some(entries) = self.load(index, which) {
            let outcome = entries.seek_to_last();
            self.check(outcome);
        }
    }

    /// Goes on with the block behind the current one.
    fn next_block(&mut self) {
        let (Some((index, partition)), Some(position)) = (&self.partition, self.position) else {
            return;
        };
        let index = *index;
        if position + 1 < partition.blocks() {
            self.first_of(Some(index), Which::Number(position + 1));
        } else {
            self.first_of(Some(index + 1), Which::First);
        }
    }

    /// Goes on with the block before the current one.
    fn previous_block(&mut self) {
        let (Some((index, _)), Some(position)) = (&self.partition, self.position) else {
            return;
        };
        let index = *index;
        match position.checked_sub(1) {
            Some(position) => self.last_of(Some(index), Which::Number(position)),
            None => self.last_of(index.checked_sub(1), Which::Last),
        }
    }
}

impl InternalIterator for TableIter {
    fn seek_to_first(&mut self) {
        self.error = None;
        self.first_of(Some(0), Which::First);
    }

    fn seek_to_last(&mut self) {
        self.error = None;
        self.last_of(self.table.partitions.len().checked_sub(1), Which::Last);
    }

    fn seek(&mut self, target: &[u8]) {
        self.error = None;
        let (user_key, trailer) = split(target);
        let index = self.table.partitions.find(user_key, trailer);
        let Some(partition) = self.enter(Some(index)) else {
            return;
        };
        let position = partition.find(user_key, trailer);
        let Some(entries) = self.load(Some(index), Which::Number(position)) else {
            return;
        };
        let outcome = entries.seek(target);
        self.check(outcome);
        // A separator may stand after the last entry of its block.
        if self.error.is_none() && !self.entries.valid() {
            self.next_block();
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
        match self.entries.next() {
            Ok(()) if self.entries.valid() => {}
            Ok(()) => self.next_block(),
            Err(fault) => self.fail(fault),
        }
    }

    fn prev(&mut self) {
        match self.entries.prev() {
            Ok(()) if self.entries.valid() => {}
            Ok(()) => self.previous_block(),
            Err(fault) => self.fail(fault),
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

    #[inline]
    fn value_slice(&self) -> &[u8] {
        self.entries.value()
    }

    fn status(&self) -> Result<()> {
        self.error.clone().map_or(Ok(()), Err)
    }
}
