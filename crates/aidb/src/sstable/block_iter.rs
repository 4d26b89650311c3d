//! Goes through one data block in either direction. The current key is put together in a buffer.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::key::{TRAILER_BYTES, split};

use super::block::{Block, Fault, GROUP_ENTRIES};

/// Keys up to this length are copied as a whole word, however short they are.
const WORD_BYTES: usize = 16;

/// A cursor over one block. Keeps its buffer when it gets another block.
#[derive(Debug)]
pub(super) struct BlockIter {
    block: Option<Arc<Block>>,
    /// The current entry.
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
            block: None,
            at: 0,
            key: Vec::new(),
            key_bytes: 0,
            prefix: 0..0,
            key_end: 0,
            value: 0..0,
        }
    }

    /// Goes on with another block; stands nowhere then.
    pub(super) fn reset(&mut self, block: Arc<Block>) {
        self.block = Some(block);
        self.nowhere();
    }

    /// Lets go of its block; stands nowhere then.
    pub(super) fn clear(&mut self) {
        self.block = None;
        self.nowhere();
    }

    fn nowhere(&mut self) {
        self.key_bytes = 0;
        self.value = 0..0;
    }

    fn entries(&self) -> usize {
        self.block.as_ref().map_or(0, |block| block.entries())
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
        self.block
            .as_ref()
            .map_or(&[], |block| block.slice(self.value.clone()))
    }

    /// The value, sharing the memory of its block.
    #[inline]
    pub(super) fn value_bytes(&self) -> Bytes {
        self.block
            .as_ref()
            .map_or_else(Bytes::new, |block| block.share(self.value.clone()))
    }

    /// Goes to the first entry.
    pub(super) fn seek_to_first(&mut self) -> Result<(), Fault> {
        self.go_to(Some(0))
    }

    /// Goes to the last entry.
    pub(super) fn seek_to_last(&mut self) -> Result<(), Fault> {
        self.go_to(self.entries().checked_sub(1))
    }

    /// Goes to the first entry at or after the internal key `target`.
    pub(super) fn seek(&mut self, target: &[u8]) -> Result<(), Fault> {
        self.nowhere();
        let (user_key, trailer) = split(target);
        match &self.block {
            Some(block) => {
                let at = block.lower_bound(user_key, trailer)?;
                self.go_to(Some(at))
            }
            None => Ok(()),
        }
    }

    /// Goes to the next entry; to nowhere after the last.
    #[inline]
    pub(super) fn next(&mut self) -> Result<(), Fault> {
        if !self.valid() {
            return Ok(());
        }
        let next = self.at + 1;
        match &self.block {
            Some(block) if next < block.entries() && !next.is_multiple_of(GROUP_ENTRIES) => {
                let record = block.record(next);
                let suffix = self.key_end..record.key_end;
                let value = self.value.end..record.value_end;
                self.at = next;
                self.stand(suffix, value, record.trailer)
            }
            _ => self.go_to(Some(next)),
        }
    }

    /// Goes to the previous entry; to nowhere before the first.
    pub(super) fn prev(&mut self) -> Result<(), Fault> {
        let before = self.at.checked_sub(1).filter(|_| self.valid());
        self.go_to(before)
    }

    /// True when a point lookup with this hash of the current user key leads to the current entry.
    pub(super) fn is_found_by_hash(&self, hash: u64) -> Result<bool, Fault> {
        let (user_key, trailer) = split(self.key());
        let found = match &self.block {
            Some(block) => block.get(user_key, hash, trailer)?,
            None => None,
        };
        Ok(found.is_some_and(|entry| entry.trailer == trailer))
    }

    /// Goes to entry `at`; to nowhere when there is none.
    fn go_to(&mut self, at: Option<usize>) -> Result<(), Fault> {
        self.nowhere();
        let (Some(at), Some(block)) = (at.filter(|&at| at < self.entries()), &self.block) else {
            return Ok(());
        };
        let entry = block.entry(at)?;
        let prefix = entry.prefix.len();
        make_room(&mut self.key, prefix);
        self.key[..prefix].copy_from_slice(block.slice(entry.prefix.clone()));
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
        let Some(block) = &self.block else {
            return Ok(());
        };
        if let Err(what) = block.check(&self.prefix, &suffix, &value) {
            let fault = block.fault(self.at, what);
            self.nowhere();
            return Err(fault);
        }
        let (start, bytes) = (self.prefix.len(), suffix.len());
        make_room(&mut self.key, start + bytes);
        if bytes <= WORD_BYTES {
            self.key[start..start + WORD_BYTES].copy_from_slice(block.word(suffix.start));
        } else {
            self.key[start..start + bytes].copy_from_slice(block.slice(suffix.clone()));
        }
        self.key_bytes = start + bytes + TRAILER_BYTES;
        self.key[start + bytes..self.key_bytes].copy_from_slice(&trailer.to_le_bytes());
        self.key_end = suffix.end;
        self.value = value;
        Ok(())
    }
}

/// Makes the buffer long enough for a user key of `bytes`, its trailer and a word.
#[inline(always)]
fn make_room(key: &mut Vec<u8>, bytes: usize) {
    let needed = bytes + TRAILER_BYTES + WORD_BYTES;
    if key.len() < needed {
        key.resize(needed.next_power_of_two(), 0);
    }
}
