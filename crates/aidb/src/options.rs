//! What can be set: plain data, each field with what rises and what falls.

use std::sync::Arc;
use std::time::Duration;

use crate::compaction_filter::CompactionFilter;
use crate::error::{Error, Result};
use crate::merge_operator::MergeOperator;

/// How a keyspace is kept. Given when it is created, and again whenever it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyspaceOptions {
    /// How its tables are written. A change holds for tables written from then on.
    pub table: TableOptions,
    /// What makes values of the operands of [`Keyspace::merge`](crate::Keyspace::merge); none: nothing can be merged.
    /// Its name is stored, and the keyspace is only opened with an operator of that name.
    pub merge: Option<Arc<dyn MergeOperator>>,
    /// How long a value that is put stays, unless the put says otherwise; none: for ever. A change holds for puts from
    /// then on, by handles from then on. See [`Keyspace::put_expiring`](crate::Keyspace::put_expiring).
    pub ttl: Option<Duration>,
    /// What looks at values when they are compacted, and may remove them; none: nothing does. Not stored.
    pub filter: Option<Arc<dyn CompactionFilter>>,
}

impl KeyspaceOptions {
    /// What `Default` gives.
    pub const DEFAULT: KeyspaceOptions = KeyspaceOptions {
        table: TableOptions::DEFAULT,
        merge: None,
        ttl: None,
        filter: None,
    };
}

impl KeyspaceOptions {
    /// Refuses what cannot be stored.
    pub(crate) fn check(&self) -> Result<()> {
        let is_nameless = self
            .merge
            .as_ref()
            .is_some_and(|merge| merge.name().is_empty());
        if is_nameless {
            return Err(Error::invalid(
                "KeyspaceOptions::merge is an operator without a name: let MergeOperator::name give one",
            ));
        }
        Ok(())
    }
}

impl Default for KeyspaceOptions {
    fn default() -> Self {
        KeyspaceOptions::DEFAULT
    }
}

/// How sorted tables are written. Tables of different options can be read side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableOptions {
    /// A block is closed once it holds this many bytes. More: scans and compression gain, point reads from the
    /// disk lose, and less memory goes to indexes.
    pub block_bytes: usize,
    /// Bits of filter per key; 0 writes none. More: fewer blocks are read for missing keys, and memory rises.
    pub filter_bits_per_key: u32,
    /// How blocks are compressed.
    pub compression: Compression,
    /// How blocks of the last level are, where most data are and stay longest; none: as all others.
    pub compression_last: Option<Compression>,
    /// Values of this many bytes and more stand apart from their keys: written once, in the log, and moved only when
    /// much of a file has become garbage. 0: none do. Less: less is rewritten and compactions cost less; scans that
    /// read values cost more, since each takes a read of its own.
    pub separated_bytes_min: usize,
}

impl TableOptions {
    /// What `Default` gives.
    pub const DEFAULT: TableOptions = TableOptions {
        block_bytes: 4096,
        filter_bits_per_key: 10,
        compression: Compression::Lz4,
        compression_last: None,
        separated_bytes_min: 1024,
    };

    /// The same for tables of the last level.
    pub(crate) fn last(&self) -> TableOptions {
        TableOptions {
            compression: self.compression_last.unwrap_or(self.compression),
            ..self.clone()
        }
    }
}

impl Default for TableOptions {
    fn default() -> Self {
        TableOptions::DEFAULT
    }
}

/// How blocks are compressed. A block that hardly shrinks is stored as it is under any setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// Stored as they are.
    None,
    /// LZ4: fast, moderate.
    Lz4,
    /// Zstandard at its quickest level: a fifth to a quarter smaller than LZ4 where blocks are of text, and more with
    /// larger [`TableOptions::block_bytes`]; reading a block takes some ten times as long, writing some twenty times.
    Zstd,
}

/// How a database is kept and how much of the machine it uses. Holds for this opening; nothing of it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Makes the database when it does not exist yet.
    pub create_if_missing: bool,
    /// Writes gathered in memory, over all keyspaces, before they go to tables. More: fewer and larger tables, so
    /// less is rewritten later; memory and the time to open after a crash rise.
    pub memtable_bytes: usize,
    /// Full memtables that may wait for their flush before writers wait. Each takes `memtable_bytes`.
    pub sealed_memtables_max: usize,
    /// Memory for memtables, indexes and filters of tables, and cached blocks together: what the others do not take,
    /// blocks have. More: fewer reads from the disk. Memtables get at most three quarters of it: with less,
    /// `memtable_bytes` counts for less.
    pub memory_bytes: u64,
    /// Threads that compact, behind all others where processors are scarce; one more flushes. They are started when there is
    /// work, and end when there has been none for a second. 0: no threads at all; [`crate::DB::tick`] does the work, or a
    /// writer that has reached a limit.
    pub background_threads: usize,
    /// What [`crate::DB::put`] and [`crate::DB::delete`] wait for.
    pub durability: Durability,
    /// Runs of level 0 (one for each flush, or fewer when flushes follow each other in key order) at which they are
    /// merged into the level below; up to twice as many are left as long as they hold much less than what they would be
    /// merged with, and no more of them than may hide a small part of it. More: less rewriting, and more runs for reads to look at.
    pub level0_compact_runs: usize,
    /// Runs of level 0 at which writers wait; on the way there they are slowed down more and more. More: longer bursts
    /// at full speed, slower reads during them.
    pub level0_stop_runs: usize,
    /// Bytes of the first level below level 0 that holds anything, before it spills into the next one.
    pub level_base_bytes: u64,
    /// How many times larger each further level is. More: less space and fewer levels to read, more rewriting.
    pub level_ratio: u64,
    /// A table that compaction writes is closed once it has this many bytes; in small levels, sooner.
    pub table_bytes: u64,
    /// How far back [`crate::DB::snapshot_at`] can go, beyond what live snapshots hold. More: what was replaced or
    /// deleted within that time stays on the disk, scans read past it, and attachments stay as long. Besides, each
    /// thousandth of it costs one small write, if anything is written at all.
    pub retention: Duration,
}

/// Memtables are not made smaller than this for lack of memory.
const MEMTABLE_BYTES_FAIR_MIN: usize = 64 << 10;

impl Options {
    /// What `Default` gives.
    pub const DEFAULT: Options = Options {
        create_if_missing: true,
        memtable_bytes: 64 << 20,
        sealed_memtables_max: 2,
        memory_bytes: 256 << 20,
        background_threads: 1,
        durability: Durability::Sync,
        level0_compact_runs: 8,
        level0_stop_runs: 32,
        level_base_bytes: 2 << 30,
        level_ratio: 10,
        table_bytes: 64 << 20,
        retention: Duration::ZERO,
    };
}

impl Options {
    /// These options with memtables that fit the memory.
    pub(crate) fn fitted(mut self) -> Options {
        let memtables = self.sealed_memtables_max.saturating_add(1) as u64;
        let fair = usize::try_from(self.memory_bytes / 4 * 3 / memtables).unwrap_or(usize::MAX);
        self.memtable_bytes = self.memtable_bytes.min(fair.max(MEMTABLE_BYTES_FAIR_MIN));
        self
    }

    /// Refuses values with which nothing could be written.
    pub(crate) fn check(&self) -> Result<()> {
        let least = [
            ("memtable_bytes", self.memtable_bytes as u64, 1),
            ("sealed_memtables_max", self.sealed_memtables_max as u64, 1),
            ("level0_compact_runs", self.level0_compact_runs as u64, 1),
            ("level0_stop_runs", self.level0_stop_runs as u64, 1),
            ("level_base_bytes", self.level_base_bytes, 1),
            ("level_ratio", self.level_ratio, 2),
            ("table_bytes", self.table_bytes, 1),
        ];
        match least.into_iter().find(|(_, value, least)| value < least) {
            Some((field, value, least)) => Err(Error::invalid(format!(
                "Options::{field} is {value}; it must be at least {least}"
            ))),
            None => Ok(()),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Options::DEFAULT
    }
}

/// What a write waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// Until it survives a power cut. Writers that wait at the same time share one sync.
    #[default]
    Sync,
    /// Until the operating system has it: it survives the end of the process, not of the machine. A later `Sync`
    /// write makes it durable too.
    Buffered,
}
