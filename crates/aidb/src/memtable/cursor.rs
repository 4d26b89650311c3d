//! The cursor over a memtable: merges the sorted runs of one moment, a block at a time.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::Result;
use crate::iter::InternalIterator;
use crate::key;
use crate::keyspace::KeyspaceId;
use crate::wal::LogPosition;

use super::MemTable;
use super::position::{Head, Position};
use super::sorted::{self, Run};
use super::writes::WriteId;

/// Entries that are merged after a seek.
const BLOCK_ENTRIES_MIN: usize = 2;

/// Entries that are merged at once on the way.
const BLOCK_ENTRIES_MAX: usize = 64;

/// The entries of one keyspace that were there when the cursor was made: all that its snapshot can see, and maybe
/// newer ones.
#[derive(Debug)]
pub(crate) struct MemIter {
    table: Arc<MemTable>,
    keyspace: KeyspaceId,
    parts: Vec<Part>,
    /// Neighbours in the order of the table, so that most steps merge nothing.
    block: Vec<WriteId>,
    at: usize,
    /// How many to merge when the block is used up: doubles on the way.
    block_entries: usize,
    /// The internal key of the current entry.
    key: Vec<u8>,
}

/// A run, and which of its entries are in the block.
#[derive(Debug)]
struct Part {
    run: Arc<Run>,
    start: usize,
    end: usize,
}

impl Part {
    /// The entry after those in the block, or before them.
    #[inline]
    fn next(&self, forward: bool) -> Option<(Head, WriteId)> {
        let place = if forward {
            self.end
        } else {
            self.start.checked_sub(1)?
        };
        self.run.item(place)
    }

    #[inline]
    fn take(&mut self, forward: bool) {
        if forward {
            self.end += 1;
        } else {
            self.start -= 1;
        }
    }
}

impl MemIter {
    pub(super) fn new(table: Arc<MemTable>, keyspace: KeyspaceId) -> MemIter {
        let parts = table.sorted.runs(&table.writes).into_iter();
        MemIter {
            parts: parts
                .map(|run| Part {
                    run,
                    start: 0,
                    end: 0,
                })
                .collect(),
            table,
            keyspace,
            block: Vec::new(),
            at: 0,
            block_entries: BLOCK_ENTRIES_MIN,
            key: Vec::new(),
        }
    }

    /// Stands before the first entry at `target` or after it, or else behind the last one up to `target`.
    fn jump(&mut self, target: &Position<'_>, forward: bool) {
        for part in &mut self.parts {
            let place = if forward {
                part.run.before(&self.table.writes, target)
            } else {
                part.run.up_to(&self.table.writes, target)
            };
            (part.start, part.end) = (place, place);
        }
        self.block_entries = BLOCK_ENTRIES_MIN;
        self.fill(forward);
    }

    /// The block after the current one, or the one before it.
    fn fill(&mut self, forward: bool) {
        for part in &mut self.parts {
            if forward {
                part.start = part.end;
            } else {
                part.end = part.start;
            }
        }
        self.block.clear();
        while self.block.len() < self.block_entries && self.merge(forward) {}
        if forward {
            self.at = 0;
        } else {
            self.block.reverse();
            self.at = self.block.len().saturating_sub(1);
        }
        self.block_entries = (self.block_entries * 2).min(BLOCK_ENTRIES_MAX);
        self.touch();
        self.load();
    }

    /// Looks at all writes of the block, which lie anywhere in memory: so the processor waits for several at a time,
    /// and not for each of them when its turn comes.
    fn touch(&self) {
        if self.block.len() < BLOCK_ENTRIES_MAX {
            return;
        }
        let ends = self.block.iter().map(|&id| {
            let write = self.table.writes.get(id);
            write.key.first().unwrap_or(&0) ^ write.value.last().unwrap_or(&0)
        });
        std::hint::black_box(ends.fold(0, |all, end| all ^ end));
    }

    /// Takes entries of the part whose turn it is, until it is another one's. False at the end.
    fn merge(&mut self, forward: bool) -> bool {
        let writes = &self.table.writes;
        let keyspace = self.keyspace;
        let in_keyspace = |item: &(Head, WriteId)| item.0.keyspace() == keyspace;
        let is_sooner = |a, b| sorted::compare(writes, a, b).is_lt() == forward;
        let (mut first, mut second) = (None, None);
        for (place, part) in self.parts.iter().enumerate() {
            let Some(item) = part.next(forward).filter(in_keyspace) else {
                continue;
            };
            match first {
                Some((_, sooner)) if !is_sooner(item, sooner) => {
                    if second.is_none_or(|second| is_sooner(item, second)) {
                        second = Some(item);
                    }
                }
                _ => {
                    second = first.map(|(_, item)| item);
                    first = Some((place, item));
                }
            }
        }
        let Some((place, mut item)) = first.map(|(place, (_, id))| (place, id)) else {
            return false;
        };
        let part = &mut self.parts[place];
        loop {
            self.block.push(item);
            part.take(forward);
            if self.block.len() == self.block_entries {
                return true;
            }
            match part.next(forward).filter(in_keyspace) {
                Some(next) if second.is_none_or(|second| is_sooner(next, second)) => item = next.1,
                _ => return true,
            }
        }
    }

    fn load(&mut self) {
        if let Some(&id) = self.block.get(self.at) {
            let write = self.table.writes.get(id);
            key::write_internal(&mut self.key, &write.key, write.trailer);
        }
    }
}

impl MemIter {
    /// Length of the current entry's value.
    pub(crate) fn value_bytes(&self) -> usize {
        self.table.writes.get(self.block[self.at]).value.len()
    }
}

impl InternalIterator for MemIter {
    fn seek_to_first(&mut self) {
        self.jump(&Position::first(self.keyspace), true);
    }

    fn seek_to_last(&mut self) {
        for part in &mut self.parts {
            let place = match self.keyspace.0.checked_add(1) {
                Some(next) => part
                    .run
                    .before(&self.table.writes, &Position::first(KeyspaceId(next))),
                None => part.run.len(),
            };
            (part.start, part.end) = (place, place);
        }
        self.block_entries = BLOCK_ENTRIES_MIN;
        self.fill(false);
    }

    fn seek(&mut self, target: &[u8]) {
        let (user_key, trailer) = key::split(target);
        self.jump(&Position::of(self.keyspace, user_key, trailer), true);
    }

    fn seek_for_prev(&mut self, target: &[u8]) {
        let (user_key, trailer) = key::split(target);
        self.jump(&Position::of(self.keyspace, user_key, trailer), false);
    }

    fn next(&mut self) {
        if self.at + 1 < self.block.len() {
            self.at += 1;
            self.load();
        } else {
            self.fill(true);
        }
    }

    fn prev(&mut self) {
        if self.at > 0 {
            self.at -= 1;
            self.load();
        } else {
            self.fill(false);
        }
    }

    fn valid(&self) -> bool {
        self.at < self.block.len()
    }

    fn key(&self) -> &[u8] {
        &self.key
    }

    fn value(&self) -> Bytes {
        self.table.writes.get(self.block[self.at]).value.clone()
    }

    fn value_slice(&self) -> &[u8] {
        &self.table.writes.get(self.block[self.at]).value
    }

    fn position(&self) -> Option<LogPosition> {
        Some(self.table.writes.get(self.block[self.at]).position)
    }

    fn status(&self) -> Result<()> {
        Ok(())
    }
}
