//! The write-ahead log: what is written before the memtable, and replayed at open. The bytes: docs/formats/wal.md.
//!
//! One log serves all keyspaces. A log is appended to by one writer, is never opened for writing again, and its
//! number is never used again; its file may become another log. Which logs count, and how far, stands in the manifest.
//!
//! Never here: locks and order of commits (db/write.rs), what a record means (batch.rs).

mod format;
mod group;
mod pool;
mod reader;
mod turn;
mod writer;

pub(crate) use format::{RECORD_HEADER_BYTES, payload_checksum};
pub(crate) use group::GroupSync;
pub(crate) use pool::LogPool;
pub(crate) use reader::{LogContents, Record, START_BYTES, each_record, read, read_start};
pub(crate) use writer::LogWriter;

/// A log as the manifest keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogRecord {
    pub(crate) number: u64,
    /// How much of it counts, once that is durable and final.
    pub(crate) sealed: Option<u64>,
}

/// Where something stands in the logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogPosition {
    /// The number of the log.
    pub(crate) log: u64,
    /// Bytes from the start of its file.
    pub(crate) offset: u64,
}

impl LogPosition {
    /// So many bytes further on.
    pub(crate) fn plus(self, bytes: usize) -> LogPosition {
        LogPosition {
            offset: self.offset + bytes as u64,
            ..self
        }
    }
}
