//! What the engine has done and what it holds: [`Stats`], and the same as text for a metrics system (prometheus.rs).

mod prometheus;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::cache::CacheStats;
use crate::version::LEVELS;

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
    /// How many of these sleeps and waits were up to each of [`PAUSE_BOUNDS_MICROS`], and not up to the one before; the
    /// last figure counts the longer ones.
    pub pauses: [u64; PAUSE_BOUNDS_MICROS.len() + 1],
    /// What compactions and flushes have read and written, by the level that they wrote to; all keyspaces.
    pub work: [LevelWork; LEVELS],
    /// Bytes that compactions still have to read and write, about, until no level exceeds its limits.
    pub compaction_debt_bytes: u64,
    /// Files that hold values apart from their keys.
    pub value_files: u64,
    /// Their bytes.
    pub value_file_bytes: u64,
    /// Of these, bytes that no table refers to any more.
    pub value_garbage_bytes: u64,
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

impl Stats {
    /// Bytes written to logs and tables for each byte that was logged, since the opening; 1 before anything was.
    #[expect(clippy::cast_precision_loss, reason = "a ratio, about")]
    pub fn write_amplification(&self) -> f64 {
        if self.bytes_logged == 0 {
            return 1.0;
        }
        let written = self.bytes_logged + self.bytes_flushed + self.bytes_compacted;
        written as f64 / self.bytes_logged as f64
    }

    /// Memory of memtables, cache, indexes and filters.
    pub fn memory_bytes(&self) -> u64 {
        self.memtable_bytes + self.table_memory_bytes + self.cache.bytes
    }
}

/// The upper bounds of the figures in [`Stats::pauses`], in microseconds.
pub const PAUSE_BOUNDS_MICROS: [u64; 6] = [500, 1_000, 5_000, 10_000, 100_000, 1_000_000];

/// What was done to fill a level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LevelWork {
    /// Bytes of tables that compactions into this level read. A flush reads none.
    pub bytes_read: u64,
    /// Bytes of tables that were written to this level: by flushes for level 0, else by compactions.
    pub bytes_written: u64,
    /// Bytes of tables that came here without being rewritten.
    pub bytes_moved: u64,
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
    /// The runs that they make: those that a read looks at. At most one below level 0.
    pub runs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their entries, old versions and tombstones included.
    pub entries: u64,
    /// Those that delete a key.
    pub tombstones: u64,
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
    pub(crate) work: [LevelCounters; LEVELS],
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

/// See [`LevelWork`].
#[derive(Debug, Default)]
pub(crate) struct LevelCounters {
    pub(crate) read: Counter,
    pub(crate) written: Counter,
    pub(crate) moved: Counter,
}

impl LevelCounters {
    pub(crate) fn get(&self) -> LevelWork {
        LevelWork {
            bytes_read: self.read.get(),
            bytes_written: self.written.get(),
            bytes_moved: self.moved.get(),
        }
    }
}

/// How long writers were held up.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    micros: Counter,
    longest_micros: AtomicU64,
    counts: [Counter; PAUSE_BOUNDS_MICROS.len() + 1],
}

impl Pauses {
    pub(crate) fn add(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.micros.add(micros);
        self.longest_micros.fetch_max(micros, Ordering::Relaxed);
        self.counts[PAUSE_BOUNDS_MICROS.partition_point(|bound| *bound < micros)].add(1);
    }

    pub(crate) fn micros(&self) -> u64 {
        self.micros.get()
    }

    pub(crate) fn longest_micros(&self) -> u64 {
        self.longest_micros.load(Ordering::Relaxed)
    }

    pub(crate) fn counts(&self) -> [u64; PAUSE_BOUNDS_MICROS.len() + 1] {
        std::array::from_fn(|place| self.counts[place].get())
    }
}
