//! What requests do, as far as rights and logs tell it apart.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a request is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Read documents, or what a collection is made of.
    Read,
    /// Write documents.
    Write,
    /// Create, change or drop collections.
    Manage,
    /// Create, list or drop tenants, and set their quotas.
    Administer,
    /// Read what the server counts, for all tenants.
    Observe,
}

impl Action {
    /// All of them.
    pub const ALL: [Action; 5] = [
        Action::Read,
        Action::Write,
        Action::Manage,
        Action::Administer,
        Action::Observe,
    ];

    /// Those that a tenant can be given for itself.
    pub const OF_A_TENANT: [Action; 3] = [Action::Read, Action::Write, Action::Manage];

    /// As it is spelled in files and tokens.
    pub fn name(self) -> &'static str {
        match self {
            Action::Read => "read",
            Action::Write => "write",
            Action::Manage => "manage",
            Action::Administer => "administer",
            Action::Observe => "observe",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
