//! Tenants, transactions and snapshots.

use aethervec::Isolation;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The names of tenants.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Tenants {
    pub(crate) tenants: Vec<String>,
}

/// A transaction to begin.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BeginTransaction {
    pub(crate) isolation: IsolationName,
}

/// What a transaction is safe from.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum IsolationName {
    /// It commits if nobody else has written a document that it writes.
    #[default]
    Snapshot,
    /// It commits if nobody else has written what it has read, either.
    Serializable,
}

/// A transaction that was begun, or a snapshot that is held.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Opened {
    /// What requests call it.
    pub(crate) id: String,
    /// The moment that it reads: its place in the order of all writes.
    pub(crate) seq: u64,
}

/// A transaction that was committed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Committed {
    /// Its place in the order of all writes.
    pub(crate) seq: u64,
}

/// A place in a transaction.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    pub(crate) savepoint: String,
}

impl From<IsolationName> for Isolation {
    fn from(isolation: IsolationName) -> Isolation {
        match isolation {
            IsolationName::Snapshot => Isolation::Snapshot,
            IsolationName::Serializable => Isolation::Serializable,
        }
    }
}
