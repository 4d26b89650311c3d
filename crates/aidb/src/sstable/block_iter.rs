//! Goes through one data block in either direction.
//!
//! Forward, the current key is put together in a buffer. Backward, the up to 16 keys from a restart point on are put
//! into the buffer at once and then handed out from the last to the first: each is decoded once either way.

use bytes::Bytes;

use crate::key::{TRAILER_BYTES, split};

use super::block::{Block, Entry, Fault, Place};
use super::format::RESTART_INTERVAL;

/// A cursor over one block. Keeps its buffers when it gets another block.
#[derive(Debug)]
pub(super) struct BlockIter {
    block: Block,
    /// Forward: the current internal key. Backward: those of the current restart interval up to the current one.
    keys: Vec<u8>,
    current: Option<Current>,
    /// Backward: the entries of the restart interval before the current one.
    earlier: Vec<Current>,
    /// Backward: the restart interval that `earlier` belongs to.
    interval: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    entry: u32,
    key_start: usize,
    key_end: usize,
    value: (u32, u32),
    next: Place,
}

impl BlockIter {
    /// A cursor that stands nowhere.
    pub(super) fn new() -> BlockIter {
        BlockIter {
            block: Block::empty(),
            keys: Vec::new(),
            current: None,
            earlier: Vec::new(),
            interval: None,
        }
    }

    /// Goes on with another block; stands nowhere then.
    pub(super) fn reset(&mut self, block: Block) {
        self.block = block;
        self.nowhere();
    }

    fn nowhere(&mut self) {
        self.current = None;
        self.earlier.clear();
        self.interval = None;
        self.keys.clear();
    }

    /// True when it stands on an entry.
    #[inline]
    pub(super) fn valid(&self) -> bool {
        self.current.is_some()
    }

    /// The internal key; empty when not valid.
    #[inline]
    pub(super) fn key(&self) -> &[u8] {
        self.current.map_or(&[], |current| {
            &self.keys[current.key_start..current.key_end]
        })
    }

    /// The value; empty when not valid.
    #[inline]
    pub(super) fn value(&self) -> Bytes {
        self.current
            .map_or_else(Bytes::new, |current| self.block.value(current.value))
    }

    /// Goes to the first entry.
    pub(super) fn seek_to_first(&mut self) -> Result<(), Fault> {
        self.nowhere();
        if self.block.restarts() == 0 {
            return Ok(());
        }
        self.forward_to(self.block.restart(0))
    }

    /// Goes to the last entry.
    pub(super) fn seek_to_last(&mut self) -> Result<(), Fault> {
        self.nowhere();
        match self.block.restarts().checked_sub(1) {
            Some(last) => self.load_interval(last, self.block.end()),
            None => Ok(()),
        }
    }

    /// Goes to the first entry at or after the internal key `target`.
    pub(super) fn seek(&mut self, target: &[u8]) -> Result<(), Fault> {
        self.nowhere();
        if self.block.restarts() == 0 {
            return Ok(());
        }
        let (user_key, trailer) = split(target);
        if let Some(found) = self.block.find(user_key, trailer)? {
            self.keys.extend_from_slice(&user_key[..found.entry.shared]);
            self.stand_on(found.place, &found.entry);
        }
        Ok(())
    }

    /// Goes to the next entry; to nowhere after the last.
    #[inline]
    pub(super) fn next(&mut self) -> Result<(), Fault> {
        let Some(current) = self.current else {
            return Ok(());
        };
        if self.interval.is_some() {
            self.turn_forward(current);
        }
        self.forward_to(current.next)
    }

    /// Goes to the previous entry; to nowhere before the first.
    pub(super) fn prev(&mut self) -> Result<(), Fault> {
        let Some(current) = self.current else {
            return Ok(());
        };
        if let Some(earlier) = self.earlier.pop() {
            self.current = Some(earlier);
            return Ok(());
        }
        let interval = match self.interval {
            Some(interval) => interval.checked_sub(1),
            None => self.last_interval_before(current.entry),
        };
        match interval {
            Some(interval) => self.load_interval(interval, current.entry),
            None => {
                self.nowhere();
                Ok(())
            }
        }
    }

    /// Keeps only the current key of an interval, where going forward expects it.
    fn turn_forward(&mut self, current: Current) {
        self.keys.truncate(current.key_end);
        self.keys.drain(..current.key_start);
        self.earlier.clear();
        self.interval = None;
    }

    /// Decodes the entry at `place`, the one behind the key in the buffer.
    #[inline]
    fn forward_to(&mut self, place: Place) -> Result<(), Fault> {
        if place.entry >= self.block.end() {
            self.nowhere();
            return Ok(());
        }
        let entry = self
            .block
            .entry(place)
            .inspect_err(|_| self.current = None)?;
        if entry.shared > self.keys.len().saturating_sub(TRAILER_BYTES) {
            self.current = None;
            return Err(Fault {
                at: place.entry,
                what: "a key shares more than the previous one has",
            });
        }
        self.keys.truncate(entry.shared);
        self.stand_on(place, &entry);
        Ok(())
    }

    /// Completes the key in the buffer, which holds its shared part, and stands on the entry.
    #[inline]
    fn stand_on(&mut self, place: Place, entry: &Entry) {
        self.keys.extend_from_slice(self.block.suffix(entry));
        self.keys.extend_from_slice(&entry.trailer.to_le_bytes());
        self.current = Some(Current {
            entry: place.entry,
            key_start: 0,
            key_end: self.keys.len(),
            value: entry.value(),
            next: entry.next,
        });
    }

    /// Puts the entries from restart point `interval` up to the entry at `end` in the buffers; stands on the last.
    fn load_interval(&mut self, interval: usize, end: u32) -> Result<(), Fault> {
        self.nowhere();
        let mut place = self.block.restart(interval);
        let mut last_start = 0;
        while place.entry < end {
            let entry = self.block.entry(place)?;
            let last_bytes = self.keys.len().saturating_sub(last_start + TRAILER_BYTES);
            if entry.shared > last_bytes || self.earlier.len() == RESTART_INTERVAL {
                let what = match self.earlier.len() {
                    RESTART_INTERVAL => "too many entries without a restart point",
                    _ => "a key shares more than the previous one has",
                };
                self.nowhere();
                return Err(Fault {
                    at: place.entry,
                    what,
                });
            }
            let key_start = self.keys.len();
            self.keys
                .extend_from_within(last_start..last_start + entry.shared);
            self.keys.extend_from_slice(self.block.suffix(&entry));
            self.keys.extend_from_slice(&entry.trailer.to_le_bytes());
            self.earlier.push(Current {
                entry: place.entry,
                key_start,
                key_end: self.keys.len(),
                value: entry.value(),
                next: entry.next,
            });
            last_start = key_start;
            place = entry.next;
        }
        if place.entry != end || self.earlier.is_empty() {
            self.nowhere();
            return Err(Fault {
                at: place.entry,
                what: "restart points and entries disagree",
            });
        }
        self.interval = Some(interval);
        self.current = self.earlier.pop();
        Ok(())
    }

    /// The last restart interval that begins before the entry at `entry`.
    fn last_interval_before(&self, entry: u32) -> Option<usize> {
        let (mut low, mut high) = (0, self.block.restarts());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.block.restart(middle).entry < entry {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low.checked_sub(1)
    }
}
