//! Writes in memory: all keyspaces of one span of the log, in the order of internal keys.
//!
//! One writer at a time, any number of readers, no locks. Keys and values share the memory of the batches that
//! brought them.
//!
//! ```text
//! writes   in the order in which they came; versions of a key are chained, newest first
//! index    key → its newest write: point reads look at nothing else
//! sorted   runs of writes in key order, for cursors; made behind the writes, a piece at a time
//! ```
//!
//! A write is in `writes`, then in `index`, then counted, and only then may its sequence number become visible. So
//! whoever has seen a sequence number finds all writes up to it, and ignores later ones by their numbers.

mod cursor;
mod index;
mod position;
mod sorted;
#[cfg(test)]
mod tests;
mod writes;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;

use crate::batch::Entry;
use crate::key::{self, SeqNo, ValueKind};
use crate::keyspace::KeyspaceId;

pub(crate) use cursor::MemIter;
use index::Index;
use position::Position;
use sorted::{SEAL_WRITES, Sorted};
use writes::Writes;

/// What an entry takes beside its key and value: 104 as a write, 12 to 24 in the index, 36 in a run, and the share of
/// merges under way.
const ENTRY_OVERHEAD_BYTES: usize = 168;

/// The writes between two switches of the log, sorted.
pub(crate) struct MemTable {
    writes: Writes,
    index: Index,
    sorted: Sorted,
    bytes: AtomicUsize,
    last_seq: AtomicU64,
    /// The first log whose writes are not here; 0 until the table is sealed.
    log_ceiling: AtomicU64,
}

impl MemTable {
    /// A memtable without entries.
    pub(crate) fn new() -> MemTable {
        MemTable {
            writes: Writes::new(),
            index: Index::new(),
            sorted: Sorted::default(),
            bytes: AtomicUsize::new(0),
            last_seq: AtomicU64::new(0),
            log_ceiling: AtomicU64::new(0),
        }
    }

    /// Adds a write. Callers take turns, in the order of sequence numbers.
    ///
    /// Now and then it also sorts and merges for about a millisecond.
    pub(crate) fn insert(&self, seq: SeqNo, entry: Entry) {
        let bytes = entry.key.len() + entry.value.len() + ENTRY_OVERHEAD_BYTES;
        let place = self.index.place(entry.keyspace, &entry.key, |id| {
            self.writes.get(id).is_of(entry.keyspace, &entry.key)
        });
        let trailer = key::trailer(seq, entry.kind);
        let id = self.writes.append(entry, trailer, place.newest);
        place.fill(id);
        let len = self.writes.count(id);
        if len.is_multiple_of(SEAL_WRITES) {
            self.sorted.seal(&self.writes, len);
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.last_seq.store(seq.0, Ordering::Relaxed);
    }

    /// The newest version of `user_key` up to `at`.
    pub(crate) fn get(
        &self,
        keyspace: KeyspaceId,
        user_key: &[u8],
        at: SeqNo,
    ) -> Option<(SeqNo, ValueKind, Bytes)> {
        let newest = self.index.newest(keyspace, user_key, |id| {
            self.writes.get(id).is_of(keyspace, user_key)
        })?;
        let write = self.writes.version(newest, at)?;
        let kind = key::trailer_kind(write.trailer).expect("only known kinds are inserted");
        Some((write.seq(), kind, write.value.clone()))
    }

    /// Memory taken, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// True when nothing was inserted.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes() == 0
    }

    /// The newest sequence number inside; zero when empty.
    pub(crate) fn last_seq(&self) -> SeqNo {
        SeqNo(self.last_seq.load(Ordering::Relaxed))
    }

    /// Marks the end of its span: its writes are in logs with numbers below `log`.
    pub(crate) fn seal(&self, log: u64) {
        self.log_ceiling.store(log, Ordering::Release);
    }

    /// See [`MemTable::seal`].
    pub(crate) fn log_ceiling(&self) -> u64 {
        self.log_ceiling.load(Ordering::Acquire)
    }

    /// The keyspaces that have entries, ascending.
    pub(crate) fn keyspaces(&self) -> Vec<KeyspaceId> {
        let runs = self.sorted.runs(&self.writes);
        let mut found = Vec::new();
        let mut next = Some(KeyspaceId(0));
        while let Some(from) = next {
            let from = Position::first(from);
            let keyspaces = runs
                .iter()
                .filter_map(|run| run.item(run.before(&self.writes, &from)))
                .map(|(head, _)| head.keyspace());
            let Some(keyspace) = keyspaces.min() else {
                break;
            };
            found.push(keyspace);
            next = keyspace.0.checked_add(1).map(KeyspaceId);
        }
        found
    }

    /// A cursor over the entries of `keyspace`.
    pub(crate) fn iter(self: &Arc<Self>, keyspace: KeyspaceId) -> MemIter {
        MemIter::new(Arc::clone(self), keyspace)
    }
}

impl fmt::Debug for MemTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemTable")
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}
