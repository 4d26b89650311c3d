//! Goes through one data block in either direction. The current key is put together in a buffer.

use std::ops::Range;

use bytes::Bytes;

use crate::key::{TRAILER_BYTES, split};

use super::block::{Block, Fault, GROUP_ENTRIES};

/// Keys up to this length are copied as a whole word, however short they are.
const WORD_BYTES: usize = 16;

/// A cursor over one block. Keeps its buffer when it gets another block.
#[derive(Debug)]
pub(super) struct BlockIter {
    block: Block,
    /// The current entry; their number when it stands nowhere.
    at: usize,
    /// The current internal key, and more behind it.
    key: Vec<u8>,
    key_bytes: usize,
    /// What the keys of the current group begin with: where it is in the block. It is in front of `key`.
    prefix: Range<usize>,
    /// Where the key of the current entry ends in the block.
    key_end: usize,
    value: Range<usize>,
}

impl BlockIter {
    /// A cursor that stands nowhere.
    pub(super) fn new() -> BlockIter {
        BlockIter {
            block: Block::empty(),
            at: 0,
            key: Vec::new(),
            key_bytes: 0,
            prefix: 0..0,
            key_end: 0,
            value: 0..0,
        }
    }

    /// Goes on with another block; stands nowhere then.
    pub(super) fn reset(&mut self, block: Block) {
        self.block = block;
        self.nowhere();
    }

    fn nowhere(&mut self) {
        self.at = self.block.entries();
        self.key_bytes = 0;
        self.value = 0..0;
    }

    /// True when it stands on an entry.
    #[inline]
    pub(super) fn valid(&self) -> bool {
        self.key_bytes > 0
    }

    /// The internal key; empty when not valid.
    #[inline]
    pub(super) fn key(&self) -> &[u8] {
        &self.key[..self.key_bytes]
    }

    /// The value; empty when not valid.
    #[inline]
    pub(super) fn value(&self) -> &[u8] {
        self.block.slice(self.value.clone())
    }

    /// The value, sharing the memory of its block.
    #[inline]
    pub(super) fn value_bytes(&self) -> Bytes {
        self.block.share(self.value.clone())
    }

    /// Goes to the first entry.
    pub(super) fn seek_to_first(&mut self) -> Result<(), Fault> {
        self.go_to(Some(0))
    }

    /// Goes to the last entry.
    pub(super) fn seek_to_last(&mut self) -> Result<(), Fault> {
        self.go_to(self.block.entries().checked_sub(1))
    }

    /// Goes to the first entry at or after the internal key `target`.
    pub(super) fn seek(&mut self, target: &[u8]) -> Result<(), Fault> {
        self.nowhere();
        let (user_key, trailer) = split(target);
        let at = self.block.lower_bound(user_key, trailer)?;
        self.go_to(Some(at))
    }

    /// Goes to the next entry; to nowhere after the last.
    #[inline]
    pub(super) fn next(&mut self) -> Result<(), Fault> {
        let next = self.at + 1;
        if next >= self.block.entries() || next.is_multiple_of(GROUP_ENTRIES) {
            return self.go_to(Some(next));
        }
        let record = self.block.record(next);
        let (suffix, value) = (
            self.key_end..record.key_end,
            self.value.end..record.value_end,
        );
        self.at = next;
        self.stand(suffix, value, record.trailer)
    }

    /// Goes to the previous entry; to nowhere before the first.
    pub(super) fn prev(&mut self) -> Result<(), Fault> {
        let before = self.at.checked_sub(1).filter(|_| self.valid());
        self.go_to(before)
    }

    /// Goes to entry `at`; to nowhere when there is none.
    fn go_to(&mut self, at: Option<usize>) -> Result<(), Fault> {
        let Some(at) = at.filter(|&at| at < self.block.entries()) else {
            self.nowhere();
            return Ok(());
        };
        let entry = self.block.entry(at).inspect_err(|_| self.nowhere())?;
        self.make_room(entry.prefix.len());
        self.key[..entry.prefix.len()].copy_from_slice(self.block.slice(entry.prefix.clone()));
        self.prefix = entry.prefix;
        self.at = at;
        self.stand(entry.suffix, entry.value, entry.trailer)
    }

    /// Stands on entry `at`, whose prefix is in the buffer.
    #[inline(always)]
    fn stand(
        &mut self,
        suffix: Range<usize>,
        value: Range<usize>,
        trailer: u64,
    ) -> Result<(), Fault> {
        if let Err(what) = self.block.check(&self.prefix, &suffix, &value) {
            let fault = self.block.fault(self.at, what);
            self.nowhere();
            return Err(fault);
        }
        let (start, bytes) = (self.prefix.len(), suffix.len());
        self.make_room(start + bytes);
        if bytes <= WORD_BYTES {
            self.key[start..start + WORD_BYTES].copy_from_slice(self.block.word(suffix.start));
        } else {
            self.key[start..start + bytes].copy_from_slice(self.block.slice(suffix.clone()));
        }
        self.key_bytes = start + bytes + TRAILER_BYTES;
        self.key[start + bytes..self.key_bytes].copy_from_slice(&trailer.to_le_bytes());
        self.key_end = suffix.end;
        self.value = value;
        Ok(())
    }

    /// Makes the buffer long enough for a user key of `bytes`, its trailer and a word.
    #[inline(always)]
    fn make_room(&mut self, bytes: usize) {
        let needed = bytes + TRAILER_BYTES + WORD_BYTES;
        if self.key.len() < needed {
            self.key.resize(needed.next_power_of_two(), 0);
        }
    }
}
