//! Files for records that are written once each, in order, into space that is there before them.
//!
//! A log is the one kind of file that may be overwritten in place: when its records are not needed any more, it gets
//! another name and is written from the front again. That saves the file system the work of finding space, and a sync
//! that of recording it.

use crate::storage::{FileSync, WritableFile};
use std::fmt::Debug;
use std::io;
use std::sync::Arc;

/// A file that its one writer fills from the front; see [`crate::Storage::create_log`].
///
/// What was written survives the end of the process at once, and of the machine after a sync. A power cut keeps, of
/// what was not synced, any of the sectors of 512 bytes, in any order; the others have what they had before: zeros, or
/// the bytes of the log that the file was before it got its present name.
pub trait LogFile: Send + Debug {
    /// Bytes from the start of the file that may be written: their space is taken already. `u64::MAX` when space is
    /// found by writing.
    fn reserved(&self) -> u64;

    /// Takes space up to byte `bytes`; new bytes are zero. `StorageFull` when there is none: nothing has changed then,
    /// and writing below [`LogFile::reserved`] goes on.
    fn reserve(&mut self, bytes: u64) -> io::Result<()>;

    /// Writes `bytes` at `offset`, where the last write ended, or at 0. `InvalidInput` beyond [`LogFile::reserved`].
    /// After any other error it is unknown what was written, and the caller writes no more.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// As [`LogFile::write_at`], and durable on return; what else was written before may or may not become durable too.
    fn write_durably_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_at(offset, bytes)?;
        self.syncer()?.sync()
    }

    /// Gives the file the name `name`, durable with the next [`crate::Storage::sync_names`]; until then a crash may
    /// leave the old name, the new one, both or none. It may be written from the front again. `AlreadyExists` when the
    /// name is taken, `Unsupported` when this kind of file cannot be used again.
    fn rename(&mut self, name: &str) -> io::Result<()>;

    /// Cuts the file off after `bytes`: the rest of its space is free again, and it is written no more.
    fn finish(&mut self, bytes: u64) -> io::Result<()>;

    /// A handle that any thread may use to sync this file while writing goes on.
    fn syncer(&self) -> io::Result<Arc<dyn FileSync>>;
}

/// A log in a storage that can only append: it takes space as it grows, and is used once.
#[derive(Debug)]
pub(crate) struct AppendedLog {
    file: Box<dyn WritableFile>,
    written: u64,
}

impl AppendedLog {
    pub(crate) fn new(file: Box<dyn WritableFile>) -> AppendedLog {
        AppendedLog { file, written: 0 }
    }
}

impl LogFile for AppendedLog {
    fn reserved(&self) -> u64 {
        u64::MAX
    }

    fn reserve(&mut self, _bytes: u64) -> io::Result<()> {
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if offset != self.written {
            let text = format!(
                "the log ends at byte {}, and a write at {offset} was asked for",
                self.written
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        self.file.append(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn rename(&mut self, _name: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn finish(&mut self, _bytes: u64) -> io::Result<()> {
        Ok(())
    }

    fn syncer(&self) -> io::Result<Arc<dyn FileSync>> {
        self.file.syncer()
    }
}

/// The error of a write beyond what is reserved.
pub(crate) fn not_reserved(name: &str, offset: u64, bytes: usize, reserved: u64) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("cannot write {bytes} bytes at byte {offset} of {name}: {reserved} are reserved"),
    )
}

/// Whether `bytes` at `offset` are within `reserved`.
pub(crate) fn is_reserved(offset: u64, bytes: usize, reserved: u64) -> bool {
    offset
        .checked_add(bytes as u64)
        .is_some_and(|end| end <= reserved)
}
