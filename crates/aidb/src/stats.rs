//! What the engine has done and what it holds.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::cache::CacheStats;

/// A moment's figures; see [`DB::stats`](crate::DB::stats). Counts run from the opening of the database.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// The tables of each keyspace.
    pub keyspaces: Vec<KeyspaceStats>,
    /// Memory of all memtables.
    pub memtable_bytes: u64,
    /// Memtables that wait for their flush.
    pub sealed_memtables: u64,
    /// Bytes of the logs that an open would replay.
    pub wal_bytes: u64,
    /// Bytes of all tables.
    pub table_bytes: u64,
    /// Memory of the indexes and filters of the tables that have been read.
    pub table_memory_bytes: u64,
    /// The block cache.
    pub cache: CacheStats,
    /// Batches committed.
    pub commits: u64,
    /// Puts and deletes committed.
    pub writes: u64,
    /// Bytes written to logs.
    pub bytes_logged: u64,
    /// Syncs of logs for durable writes.
    pub syncs: u64,
    /// Memtables flushed.
    pub flushes: u64,
    /// Bytes of tables that flushes wrote.
    pub bytes_flushed: u64,
    /// Compactions, moves included.
    pub compactions: u64,
    /// Bytes of tables that compactions wrote.
    pub bytes_compacted: u64,
    /// Writes that were slowed down because flushes or compactions had fallen behind.
    pub slowdowns: u64,
    /// Writes that had to wait for a flush or a compaction.
    pub stalls: u64,
    /// Time that both took.
    pub stall_micros: u64,
    /// The longest time that a write slept or waited at once.
    pub longest_stall_micros: u64,
    /// Registered attachments, those included that only snapshots still reach.
    pub attachments: u64,
    /// Their bytes.
    pub attachment_bytes: u64,
    /// Live snapshots.
    pub snapshots: u64,
    /// The last failure of a flush, until one succeeds.
    pub flush_error: Option<String>,
    /// The last failure of a compaction, until one succeeds.
    pub compaction_error: Option<String>,
}

/// The tables of a keyspace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyspaceStats {
    /// Its name.
    pub name: String,
    /// Level 0 first.
    pub levels: Vec<LevelStats>,
}

/// The tables of a level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LevelStats {
    /// How many.
    pub tables: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their entries, old versions and tombstones included.
    pub entries: u64,
}

/// Running counts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: Counter,
    pub(crate) writes: Counter,
    pub(crate) bytes_logged: Counter,
    pub(crate) flushes: Counter,
    pub(crate) bytes_flushed: Counter,
    pub(crate) compactions: Counter,
    pub(crate) bytes_compacted: Counter,
    pub(crate) slowdowns: Counter,
    pub(crate) stalls: Counter,
    pub(crate) pauses: Pauses,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long writers were held up.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    micros: Counter,
    longest_micros: AtomicU64,
}

impl Pauses {
    pub(crate) fn add(&self, time: std::time::Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.micros.add(micros);
        self.longest_micros.fetch_max(micros, Ordering::Relaxed);
    }

    pub(crate) fn micros(&self) -> u64 {
        self.micros.get()
    }

    pub(crate) fn longest_micros(&self) -> u64 {
        self.longest_micros.load(Ordering::Relaxed)
    }
}
