//! The value files of a version.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::file::{ValueFile, ValueFileRecord};
use super::pointer::Pointer;
use crate::error::{Error, ErrorKind, Result};
use crate::files::Files;

/// All files that the tables of a version point into. Immutable; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct ValueFiles(Arc<BTreeMap<u64, Arc<ValueFile>>>);

impl ValueFiles {
    /// The files of `records`; those that are in this set already are shared with it.
    pub(crate) fn with<'a>(
        &self,
        records: impl Iterator<Item = &'a ValueFileRecord>,
        files: &Arc<Files>,
    ) -> ValueFiles {
        let file = |record: &ValueFileRecord| {
            let known = self
                .0
                .get(&record.number)
                .filter(|file| file.record == *record);
            known
                .cloned()
                .unwrap_or_else(|| Arc::new(ValueFile::new(*record, Arc::clone(files))))
        };
        ValueFiles(Arc::new(
            records
                .map(|record| (record.number, file(record)))
                .collect(),
        ))
    }

    /// File `number`.
    pub(crate) fn get(&self, number: u64) -> Option<&Arc<ValueFile>> {
        self.0.get(&number)
    }

    /// All files, by their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<ValueFile>> {
        self.0.values()
    }

    /// The value of `user_key` for the encoded pointer that a table holds in its place.
    ///
    /// # Errors
    /// [`ErrorKind::Corruption`] when it does not read back as what was written.
    pub(crate) fn fetch(&self, pointer: &[u8], user_key: &[u8]) -> Result<Bytes> {
        let pointer = Pointer::decode(pointer).ok_or_else(|| no_pointer(user_key))?;
        self.read(&pointer, user_key)
    }

    /// As [`ValueFiles::fetch`], for a decoded pointer.
    pub(crate) fn read(&self, pointer: &Pointer, user_key: &[u8]) -> Result<Bytes> {
        self.file_of(pointer, user_key)?.read(pointer, user_key)
    }

    /// The file that holds the value of `user_key`.
    pub(super) fn file_of(&self, pointer: &Pointer, user_key: &[u8]) -> Result<&Arc<ValueFile>> {
        self.get(pointer.file)
            .ok_or_else(|| unknown_file(pointer, user_key))
    }
}

/// The error for a table whose checksums are right, and that holds no pointer where one should be.
#[cold]
pub(crate) fn no_pointer(user_key: &[u8]) -> Error {
    let key = user_key[..user_key.len().min(100)].escape_ascii();
    let message = format!(
        "a table does not say where the value of key {key} is: DB::verify finds its name; restore that file from a backup"
    );
    Error::new(ErrorKind::Corruption, message)
}

#[cold]
fn unknown_file(pointer: &Pointer, user_key: &[u8]) -> Error {
    let key = user_key[..user_key.len().min(100)].escape_ascii();
    let message = format!(
        "a table says that the value of key {key} is in value file {}, which the manifest does not name: DB::verify \
         finds the table's name; restore that file from a backup",
        pointer.file
    );
    Error::new(ErrorKind::Corruption, message)
}
