//! Snapshots of collections, as the dialect tells of them.

use serde::{Deserialize, Serialize};

/// A snapshot that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct SnapshotDescription {
    pub(crate) name: String,
    /// Of the time of day in UTC, without a zone: `2026-01-01T12:00:00`.
    pub(crate) creation_time: String,
    /// In bytes.
    pub(crate) size: u64,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub(crate) checksum: String,
}

/// A collection is to become what a snapshot says.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RecoverSnapshot {
    /// An address that ends in the name of a snapshot of this server. Nothing is ever fetched from it.
    pub(crate) location: String,
    /// The SHA-256 that the snapshot must have.
    pub(crate) checksum: Option<String>,
    // Which copy wins says `priority`, and `api_key` is for where it is fetched from: there is one copy, and it is here.
}
