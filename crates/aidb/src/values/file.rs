//! A value file of the current or an earlier version: what is known of it, and the file, opened when first needed.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use aether_env::RandomFile;
use bytes::Bytes;

use super::pointer::Pointer;
use super::walk::walk;
use crate::checksum::checksum;
use crate::error::{Error, Result};
use crate::file_name;
use crate::files::{Files, file_checksum};

/// What a value file was made as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueFileKind {
    /// A log that holds values which were flushed.
    Log,
    /// Values alone.
    Values,
}

/// What the manifest keeps of a value file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ValueFileRecord {
    pub(crate) number: u64,
    pub(crate) kind: ValueFileKind,
    /// How much of the file counts.
    pub(crate) bytes: u64,
}

impl ValueFileRecord {
    pub(crate) fn file_name(&self) -> String {
        match self.kind {
            ValueFileKind::Log => file_name::log(self.number),
            ValueFileKind::Values => file_name::values(self.number),
        }
    }
}

/// A value file; it is discarded with its last holder once it has been marked obsolete.
pub(crate) struct ValueFile {
    pub(crate) record: ValueFileRecord,
    files: Arc<Files>,
    file: OnceLock<Arc<dyn RandomFile>>,
    /// Of the whole contents, once somebody has asked.
    checksum: OnceLock<u64>,
    obsolete: AtomicBool,
}

impl ValueFile {
    pub(crate) fn new(record: ValueFileRecord, files: Arc<Files>) -> ValueFile {
        ValueFile {
            record,
            files,
            file: OnceLock::new(),
            checksum: OnceLock::new(),
            obsolete: AtomicBool::new(false),
        }
    }

    pub(crate) fn name(&self) -> String {
        self.record.file_name()
    }

    /// The value of `user_key`, which `pointer` leads to: one read of exactly its bytes.
    pub(crate) fn read(&self, pointer: &Pointer, user_key: &[u8]) -> Result<Bytes> {
        let file = self.file_with(pointer, user_key)?;
        let mut value = vec![0; pointer.length as usize];
        file.read_at(pointer.offset, &mut value)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => {
                    self.damaged(pointer, user_key, "the file ends before it")
                }
                _ => Error::io(
                    format_args!("read {} at byte {}", self.name(), pointer.offset),
                    error,
                ),
            })?;
        self.check(pointer, user_key, &value)?;
        Ok(value.into())
    }

    /// The file to read the value of `user_key` from, to which `pointer` leads: what it reads is yet to be
    /// [checked](ValueFile::check).
    pub(super) fn file_with(&self, pointer: &Pointer, user_key: &[u8]) -> Result<&dyn RandomFile> {
        if pointer.end() > self.record.bytes {
            let bytes = self.record.bytes;
            return Err(self.damaged(
                pointer,
                user_key,
                format_args!("only {bytes} bytes of this file count"),
            ));
        }
        Ok(&**self.open()?)
    }

    /// Refuses anything but the value of `user_key` that `pointer` leads to.
    pub(super) fn check(&self, pointer: &Pointer, user_key: &[u8], value: &[u8]) -> Result<()> {
        let (stored, computed) = (pointer.checksum, checksum(value));
        if stored == computed {
            return Ok(());
        }
        let detail = format_args!(
            "checksum mismatch: {stored:016x} is expected, and {computed:016x} was computed"
        );
        Err(self.damaged(pointer, user_key, detail))
    }

    /// Reads the file from front to back and checks it against itself; for a log, that is up to its owner.
    pub(crate) fn verify(&self) -> Result<()> {
        let file = self.open()?;
        walk(&**file, &self.name(), self.record.number, &mut |_| {})
    }

    /// The checksum of all that counts of the file. The first call reads it.
    pub(crate) fn checksum(&self) -> Result<u64> {
        if let Some(checksum) = self.checksum.get() {
            return Ok(*checksum);
        }
        let storage = &*self.files.storage;
        let computed = file_checksum(storage, &self.name(), self.record.bytes)?;
        Ok(*self.checksum.get_or_init(|| computed))
    }

    /// No version names it any more: the file goes with its last holder.
    pub(crate) fn mark_obsolete(&self) {
        self.files.will_discard(self.name());
        self.obsolete.store(true, Ordering::Release);
    }

    fn open(&self) -> Result<&Arc<dyn RandomFile>> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let name = self.name();
        let file = self
            .files
            .storage
            .open(&name)
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => Error::corruption(
                    &name,
                    0,
                    "the value file is missing, and the manifest needs it",
                ),
                _ => Error::io(format_args!("open {name}"), error),
            })?;
        let (found, expected) = (file.len(), self.record.bytes);
        // A log may have room behind its end.
        if found < expected || (found > expected && self.record.kind == ValueFileKind::Values) {
            let detail = format_args!("the file has {found} bytes, and {expected} are expected");
            return Err(Error::corruption(&name, found.min(expected), detail));
        }
        Ok(self.file.get_or_init(|| file))
    }

    #[cold]
    fn damaged(&self, pointer: &Pointer, user_key: &[u8], detail: impl fmt::Display) -> Error {
        let key = user_key[..user_key.len().min(100)].escape_ascii();
        let detail = format_args!(
            "the value of key {key} ({} bytes): {detail}",
            pointer.length
        );
        Error::corruption(&self.name(), pointer.offset, detail)
    }
}

impl Drop for ValueFile {
    fn drop(&mut self) {
        if self.obsolete.load(Ordering::Acquire) {
            self.files.discard(self.name());
        }
    }
}

impl fmt::Debug for ValueFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.record.fmt(f)
    }
}
