//! The file of a table and its identity: where stored blocks come from.

use std::sync::Arc;

use aether_env::RandomFile;
use bytes::Bytes;

use crate::error::{Error, Result};

use super::format::FileId;

/// An open file.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) file: Arc<dyn RandomFile>,
    pub(super) id: FileId,
}

impl Source {
    /// Fills `buffer` from `offset`.
    pub(super) fn read_into(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.file
            .read_at(offset, buffer)
            .map_err(|error| self.read_error(offset, error))
    }

    /// Bytes of the file.
    pub(super) fn read(&self, offset: u64, bytes: usize) -> Result<Bytes> {
        let mut buffer = vec![0; bytes];
        self.read_into(offset, &mut buffer)?;
        Ok(buffer.into())
    }

    /// The error for damage at `offset`.
    pub(super) fn corruption(&self, offset: u64, detail: impl std::fmt::Display) -> Error {
        self.id.corruption(offset, detail)
    }

    /// The error for a read that failed.
    #[cold]
    pub(super) fn read_error(&self, offset: u64, error: std::io::Error) -> Error {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                self.corruption(offset, "the file ends here, and more was expected")
            }
            _ => Error::io(
                format_args!("read {} at byte {offset}", self.id.name),
                error,
            ),
        }
    }
}
