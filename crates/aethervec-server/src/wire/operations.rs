//! Long operations.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What is to be done.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum BeginOperation {
    /// Read everything and compare: all checksums, each document with its vectors and its entries in indexes.
    Check {},
    /// Give the space of what was deleted back now, instead of bit by bit.
    Reclaim {},
    /// Wait until everything written is in the index of a collection.
    Index { collection: String },
}

/// An operation, and how far it is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) operation: BeginOperation,
    pub(crate) state: State,
    pub(crate) progress: Progress,
    /// What came of it: a report, or the error.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub(crate) result: Value,
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = OperationState)]
pub(crate) enum State {
    Running,
    Done,
    Failed,
    Cancelled,
}

/// How far an operation is; both are 0 where that is not known.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub(crate) struct Progress {
    pub(crate) done: u64,
    pub(crate) left: u64,
}

/// The operations of a tenant, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Operations {
    pub(crate) operations: Vec<Operation>,
}
