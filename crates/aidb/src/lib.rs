//! AiDb: an embedded, transactional LSM-tree key-value engine.
//!
//! ```
//! use aidb::{DB, Options};
//!
//! # fn main() -> aidb::Result<()> {
//! # let directory = tempfile::tempdir().unwrap();
//! # let path = directory.path().join("data");
//! let db = DB::open(path, Options::default())?;
//! db.put("greeting", "hello")?;
//! assert_eq!(db.get("greeting")?.as_deref(), Some(&b"hello"[..]));
//!
//! let mut iter = db.iter();
//! while let Some((key, value)) = iter.next() {
//!     println!("{}: {}", key.escape_ascii(), value.escape_ascii());
//! }
//! iter.status()?;
//! db.delete("greeting")?;
//! # Ok(())
//! # }
//! ```
//!
//! A [`WriteBatch`] is committed as a whole, over any number of [`Keyspace`]s. A [`Snapshot`] reads one moment, also a past
//! one ([`DB::snapshot_at`]). A [`Transaction`] reads one moment and commits if nobody interfered. Writes
//! survive a power cut when the call returns, unless [`Durability::Buffered`] is asked for.
//!
//! The [`guide`] goes through everything with examples, from [getting started](guide::start) to [tuning](guide::tuning).
//!
//! # Floors
//! A module uses what stands below it.
//!
//! ```text
//! backup        numbered copies in another storage
//! db            handles; open, commit, read, close
//! background    flush, compact, collect: the only place that starts threads
//! engine        what the parts of an open database share
//! changes       what the state knows of writes after a moment
//! state         memtables and version as one value    source   what merging cursors go over
//! compaction    policy (pure) and merging        attachment   files that belong to keys
//! version       tables by level; the manifest    snapshots    who still reads    next_log     the log to come
//! memtable  wal  sstable  values  iter  cache    conflicts    who may not write what
//! files  keyspace  options  key  error  …        plain data
//! ```

mod attachment;
mod background;
mod backup;
mod batch;
mod bell;
mod cache;
mod changes;
mod checksum;
mod compaction;
mod compaction_filter;
mod conflicts;
mod db;
mod engine;
mod error;
mod file_name;
mod files;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
pub mod guide;
#[doc(hidden)]
pub mod inspect;
mod iter;
mod key;
mod keyspace;
mod lookup;
mod memtable;
mod merge_operator;
mod next_log;
mod options;
mod range_deletes;
mod signal;
mod snapshots;
mod source;
mod sstable;
mod state;
mod stats;
mod sync;
mod values;
mod varint;
mod version;
mod wal;

pub use aether_env::Timestamp;
pub use attachment::{Attachment, AttachmentFile, AttachmentWriter};
pub use backup::{Backup, Backups};
pub use batch::{BATCH_BYTES_MAX, WriteBatch};
pub use cache::CacheStats;
pub use compaction_filter::{CompactionFilter, Decision};
pub use db::{
    AsOf, Commit, DB, Isolation, Iter, Keyspace, PREPARED_NAME_BYTES_MAX, Problem, Retry,
    Savepoint, Snapshot, Transaction, TransactionOptions, VerifyReport,
};
pub use error::{Error, ErrorKind, Result};
pub use key::{KEY_BYTES_MAX, SeqNo};
pub use keyspace::{DEFAULT_KEYSPACE, KEYSPACE_NAME_BYTES_MAX};
pub use merge_operator::{Append, MergeFailure, MergeOperator};
pub use options::{Compression, Durability, KeyspaceOptions, Options, TableOptions};
pub use stats::{KeyspaceStats, LevelStats, LevelWork, PAUSE_BOUNDS_MICROS, Stats};
