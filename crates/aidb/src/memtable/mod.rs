//! Writes in memory: all keyspaces of one span of the log, in the order of internal keys.
//!
//! One writer at a time, any number of readers, no locks. Keys and small values are copied into memory of the table's
//! own, large values share that of the batches that brought them.
//!
//! ```text
//! arena    the bytes of keys and small values
//! writes   in the order in which they came; versions of a key are chained, newest first
//! index    key → its newest write: point reads look at nothing else
//! sorted   runs of writes in key order, for cursors; made behind the writes, a piece at a time
//! ranges   the deletes of ranges, which are in none of the others
//! folds    operands that readers have put together
//! ```
//!
//! A write is in `writes`, then in `index`, then counted, and only then may its sequence number become visible. So
//! whoever has seen a sequence number finds all writes up to it, and ignores later ones by their numbers.

mod arena;
mod cursor;
mod folds;
mod index;
mod look;
#[cfg(all(test, loom))]
mod model;
mod position;
mod ranges;
mod sorted;
#[cfg(test)]
mod tests;
mod writes;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;

use crate::batch::Entry;
use crate::key::{self, SeqNo, ValueKind};
use crate::keyspace::KeyspaceId;
use crate::range_deletes::{RangeDelete, RangeDeletes};

use arena::Arena;
pub(crate) use cursor::MemIter;
use folds::Folds;
use index::Index;
use position::Position;
use ranges::Ranges;
use sorted::{SEAL_WRITES, Sorted};
use writes::{WriteId, Writes};

/// What an entry takes beside its key and value: 128 as a write, 12 to 24 in the index, 36 in a run.
pub(crate) const ENTRY_OVERHEAD_BYTES: usize = 180;

/// A value from this size on shares its batch's memory, if that may be shared.
pub(crate) const SHARED_BYTES_MIN: usize = 1024;

/// The writes between two switches of the log, sorted.
pub(crate) struct MemTable {
    arena: Arena,
    writes: Writes,
    index: Index,
    sorted: Sorted,
    ranges: Ranges,
    folds: Folds,
    bytes: AtomicUsize,
    first_seq: AtomicU64,
    last_seq: AtomicU64,
    largest_value: AtomicUsize,
    /// It has entries of keyspaces that are the engine's own.
    has_own: AtomicBool,
    /// The first log whose writes are not here; 0 until the table is sealed.
    log_ceiling: AtomicU64,
}

impl MemTable {
    /// A memtable without entries.
    pub(crate) fn new() -> MemTable {
        MemTable {
            arena: Arena::default(),
            writes: Writes::new(),
            index: Index::new(),
            sorted: Sorted::default(),
            ranges: Ranges::default(),
            folds: Folds::default(),
            bytes: AtomicUsize::new(0),
            first_seq: AtomicU64::new(0),
            last_seq: AtomicU64::new(0),
            largest_value: AtomicUsize::new(0),
            has_own: AtomicBool::new(false),
            log_ceiling: AtomicU64::new(0),
        }
    }

    /// Adds a write. Callers take turns, in the order of sequence numbers.
    ///
    /// Now and then it also sorts, for a fraction of a millisecond.
    ///
    /// `shared`: the memory in which key and value are, when large parts of it may be kept.
    pub(crate) fn insert(&self, seq: SeqNo, entry: &Entry<'_>, shared: Option<&Bytes>) {
        let keep = || match shared {
            Some(shared) if entry.value.len() >= SHARED_BYTES_MIN => {
                let (key, _) = self.arena.copy(entry.key, &[]);
                (key, shared.slice_ref(entry.value))
            }
            _ => self.arena.copy(entry.key, entry.value),
        };
        if let Some(len) = self.add(seq, entry, keep)
            && len.is_multiple_of(SEAL_WRITES)
        {
            self.sorted.seal(&self.writes, len);
        }
    }

    /// Adds many writes at once, for readers that come later: sorts nothing. Keys and values stay where they are, in
    /// `memory`.
    pub(crate) fn load(&self, entries: &[(SeqNo, Entry<'_>)], memory: &Bytes) {
        let keys = entries.iter().map(|(_, entry)| (entry.keyspace, entry.key));
        self.index.fetch(keys);
        for (seq, entry) in entries {
            let keep = || (memory.slice_ref(entry.key), memory.slice_ref(entry.value));
            self.add(*seq, entry, keep);
        }
    }

    /// Adds a write, whose key and value `keep` puts into memory that may be kept; how many there are, unless it deletes
    /// a range.
    #[inline]
    fn add(
        &self,
        seq: SeqNo,
        entry: &Entry<'_>,
        keep: impl FnOnce() -> (Bytes, Bytes),
    ) -> Option<u32> {
        let bytes = entry.key.len() + entry.value.len() + ENTRY_OVERHEAD_BYTES;
        if entry.value.len() > self.largest_value.load(Ordering::Relaxed) {
            self.largest_value
                .fetch_max(entry.value.len(), Ordering::Relaxed);
        }
        if entry.keyspace.is_own() {
            self.has_own.store(true, Ordering::Relaxed);
        }
        let len = if entry.kind == ValueKind::RangeDelete {
            self.delete_range(seq, entry);
            None
        } else {
            Some(self.add_point(seq, entry, keep))
        };
        // Nobody else writes.
        let before = self.bytes.load(Ordering::Relaxed);
        if before == 0 {
            self.first_seq.store(seq.0, Ordering::Relaxed);
        }
        self.bytes.store(before + bytes, Ordering::Relaxed);
        self.last_seq.store(seq.0, Ordering::Relaxed);
        len
    }

    #[inline]
    fn add_point(
        &self,
        seq: SeqNo,
        entry: &Entry<'_>,
        keep: impl FnOnce() -> (Bytes, Bytes),
    ) -> u32 {
        let place = self.index.place(entry.keyspace, entry.key, |id| {
            self.writes.get(id).is_of(entry.keyspace, entry.key)
        });
        let trailer = key::trailer(seq, entry.kind);
        let id = self.writes.append(entry, keep(), trailer, place.newest);
        place.fill(id);
        self.writes.count(id)
    }

    #[cold]
    fn delete_range(&self, seq: SeqNo, entry: &Entry<'_>) {
        let delete = RangeDelete {
            start: Bytes::copy_from_slice(entry.key),
            end: Bytes::copy_from_slice(entry.value),
            seq,
        };
        self.ranges.insert(entry.keyspace, delete);
    }

    /// The number of the newest version of `user_key`, visible or not, without a look at deleted ranges.
    pub(crate) fn newest(&self, keyspace: KeyspaceId, user_key: &[u8]) -> Option<SeqNo> {
        let is_of = |id| self.writes.get(id).is_of(keyspace, user_key);
        let newest = self.index.newest(keyspace, user_key, is_of)?;
        Some(self.writes.get(newest).seq())
    }

    /// The writes after `since`, visible or not, in order and without deletes of ranges: keyspace, key and number.
    pub(crate) fn written_after(
        &self,
        since: SeqNo,
    ) -> impl ExactSizeIterator<Item = (KeyspaceId, &[u8], SeqNo)> {
        let written = |id| {
            let write = self.writes.get(WriteId(id));
            (write.keyspace, &write.key[..], write.seq())
        };
        self.writes.after(since).map(written)
    }

    /// The newest version of `user_key` up to `at`, without a look at deleted ranges.
    #[cfg(test)]
    pub(crate) fn get(
        &self,
        keyspace: KeyspaceId,
        user_key: &[u8],
        at: SeqNo,
    ) -> Option<(SeqNo, ValueKind, Bytes)> {
        let newest = self.index.newest(keyspace, user_key, |id| {
            self.writes.get(id).is_of(keyspace, user_key)
        })?;
        let (_, write) = self.writes.version(newest, at)?;
        Some((write.seq(), write.kind(), write.value.clone()))
    }

    /// True when ranges were deleted after `since`.
    pub(crate) fn deletes_ranges_after(&self, since: SeqNo) -> bool {
        self.ranges.last() > since
    }

    /// The ranges that are deleted in `keyspace`; a few sets.
    pub(crate) fn range_deletes(&self, keyspace: KeyspaceId) -> Vec<Arc<RangeDeletes>> {
        self.ranges.sets(keyspace)
    }

    /// How many writes it holds, deletes of ranges apart.
    pub(crate) fn points(&self) -> u32 {
        self.writes.len()
    }

    /// Memory taken, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed) + self.folds.bytes()
    }

    /// True when nothing was inserted.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes() == 0
    }

    /// The oldest sequence number inside; none when empty.
    pub(crate) fn first_seq(&self) -> Option<SeqNo> {
        let seq = self.first_seq.load(Ordering::Relaxed);
        (seq > 0).then_some(SeqNo(seq))
    }

    /// The newest sequence number inside; zero when empty.
    pub(crate) fn last_seq(&self) -> SeqNo {
        SeqNo(self.last_seq.load(Ordering::Relaxed))
    }

    /// Length of the longest value that was inserted.
    pub(crate) fn largest_value(&self) -> usize {
        self.largest_value.load(Ordering::Relaxed)
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
        found.extend(self.ranges.keyspaces());
        found.sort_unstable();
        found.dedup();
        found
    }

    /// False when it holds nothing of `keyspace`, which is one of the engine's own.
    pub(crate) fn may_hold(&self, keyspace: KeyspaceId) -> bool {
        !keyspace.is_own() || self.has_own.load(Ordering::Relaxed)
    }

    /// Makes walking over all of it cheap: for its flush, or after [`MemTable::load`].
    pub(crate) fn settle(&self) {
        self.sorted.settle(&self.writes);
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
