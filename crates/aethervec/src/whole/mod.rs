//! A whole collection, out and in again: what the formats for it share. `jsonl` and `arrow` are these.

mod header;
mod incoming;

pub(crate) use header::Header;
pub(crate) use incoming::Incoming;

use crate::error::{Error, ErrorKind};
use std::io;

/// How many documents pass between two calls of a progress function, and at most in one commit.
pub(crate) const STEP_DOCUMENTS: u64 = 1_000;

/// A commit holds no more once its documents take so many bytes.
pub(crate) const STEP_BYTES: usize = 16 << 20;

/// Why an export came to an end.
pub(crate) fn not_written(error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull => ErrorKind::Unavailable,
        _ => ErrorKind::Io,
    };
    Error::with_source(
        kind,
        format!("the export could not be written: {error}"),
        error,
    )
}
