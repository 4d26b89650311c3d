//! AiDb: an embedded, transactional LSM-tree key-value engine.

mod cache;
mod error;
mod iter;
mod key;
mod options;
mod skeleton;
mod sstable;
mod varint;

pub use cache::CacheStats;
pub use error::{Error, ErrorKind, Result};
pub use key::{KEY_BYTES_MAX, SeqNo};
pub use options::{Compression, Durability, KeyspaceOptions, Options, TableOptions};
pub use skeleton::{
    Attachment, AttachmentFile, AttachmentWriter, Commit, DB, Iter, Keyspace, KeyspaceStats, LevelStats, Problem,
    Snapshot, Stats, VerifyReport, WriteBatch,
};
