//! AiDb: an embedded, transactional LSM-tree key-value engine.

mod cache;
mod error;
mod iter;
mod key;
mod options;
mod sstable;
mod varint;

pub use cache::CacheStats;
pub use error::{Error, ErrorKind, Result};
pub use key::{KEY_BYTES_MAX, SeqNo};
pub use options::{Compression, KeyspaceOptions, TableOptions};
