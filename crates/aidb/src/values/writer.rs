//! Writes a `.val` file.

use aether_env::WritableFile;

use super::file::{ValueFileKind, ValueFileRecord};
use super::format::{HEADER_BYTES, header, record_header};
use super::pointer::Pointer;
use crate::error::{Error, Result};

/// Bytes that are gathered before they go to the file.
const WRITE_BYTES: usize = 256 * 1024;

/// A value file in the making. After an error, and when it is dropped before [`finish`](Self::finish), the file is
/// worthless and its owner deletes it.
#[derive(Debug)]
pub(crate) struct ValueWriter {
    file: Box<dyn WritableFile>,
    name: String,
    number: u64,
    /// Bytes not yet in the file, and where they will begin.
    pending: Vec<u8>,
    pending_offset: u64,
}

impl ValueWriter {
    /// Writes to `file`, which is new and empty. `number` is never used again in this database.
    pub(crate) fn new(file: Box<dyn WritableFile>, name: String, number: u64) -> ValueWriter {
        let mut pending = Vec::with_capacity(WRITE_BYTES + WRITE_BYTES / 8);
        pending.extend_from_slice(&header(number));
        ValueWriter {
            file,
            name,
            number,
            pending,
            pending_offset: 0,
        }
    }

    /// Appends `value`, whose checksum is known.
    pub(crate) fn add(&mut self, value: &[u8], length: u32, checksum: u64) -> Result<Pointer> {
        debug_assert_eq!(value.len(), length as usize, "the length is the value's");
        self.pending
            .extend_from_slice(&record_header(length, checksum));
        let offset = self.bytes();
        self.pending.extend_from_slice(value);
        if self.pending.len() >= WRITE_BYTES {
            self.write_pending()?;
        }
        Ok(Pointer {
            file: self.number,
            offset,
            length,
            checksum,
        })
    }

    /// What the file measures so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.pending_offset + self.pending.len() as u64
    }

    /// Writes the rest and makes the file durable; making its name durable is up to the caller.
    pub(crate) fn finish(mut self) -> Result<ValueFileRecord> {
        debug_assert!(
            self.bytes() > HEADER_BYTES as u64,
            "a value file is begun for a value"
        );
        self.write_pending()?;
        self.file
            .sync()
            .map_err(|error| Error::io(format_args!("sync {}", self.name), error))?;
        Ok(ValueFileRecord {
            number: self.number,
            kind: ValueFileKind::Values,
            bytes: self.bytes(),
        })
    }

    fn write_pending(&mut self) -> Result<()> {
        self.file
            .append(&self.pending)
            .map_err(|error| Error::io(format_args!("append to {}", self.name), error))?;
        self.pending_offset = self.bytes();
        self.pending.clear();
        Ok(())
    }
}
