//! Versions of documents on their way into the keyspaces, in the form in which they are stored.

use crate::id::DocId;
use crate::keyspace::{self, FieldNumber};
use crate::vector::VectorValue;
use aether_index::PointId;
use serde_json::Value;

/// What a document becomes.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    /// Ordered by field.
    pub(crate) vectors: Vec<(FieldNumber, VectorValue)>,
    pub(crate) payload: Option<Value>,
    /// The payload as JSON; empty for none.
    pub(crate) json: Vec<u8>,
    /// When it ends, in milliseconds since 1970; 0 for never.
    pub(crate) expires: u64,
}

impl Version {
    /// Whether it has a vector in this field.
    pub(crate) fn has_vector(&self, field: FieldNumber) -> bool {
        self.vectors.iter().any(|(number, _)| *number == field)
    }

    /// Bytes that it takes in the keyspaces, about.
    pub(crate) fn bytes(&self) -> usize {
        let vectors = self.vectors.iter();
        let vector_bytes: usize = vectors
            .map(|(_, vector)| keyspace::vector_bytes(vector))
            .sum();
        vector_bytes + self.json.len()
    }
}

/// The version that a change puts an end to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Old {
    pub(crate) point: PointId,
    /// As [`Version::expires`].
    pub(crate) expires: u64,
}

/// What is to become of one document.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) id: DocId,
    /// Its key in `docs`.
    pub(crate) key: Vec<u8>,
    /// Whether it has ended or not.
    pub(crate) old: Option<Old>,
    /// None: it is removed.
    pub(crate) new: Option<Version>,
}

/// Whether a document that ends at `expires` has ended at `now`; both in milliseconds since 1970, and 0 is never.
pub(crate) fn has_ended(expires: u64, now: u64) -> bool {
    expires != 0 && expires <= now
}
