//! What a keyspace is to the engine: a number, a name and options.

use std::fmt;

use crate::error::{Error, Result};
use crate::options::KeyspaceOptions;

/// The longest name of a keyspace, in bytes.
pub const KEYSPACE_NAME_BYTES_MAX: usize = 255;

/// The name of the keyspace that [`crate::DB::put`] and its like use.
pub const DEFAULT_KEYSPACE: &str = "default";

/// The number of a keyspace. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct KeyspaceId(pub(crate) u32);

impl KeyspaceId {
    /// The registry of attachments.
    pub(crate) const ATTACHMENTS: KeyspaceId = KeyspaceId(0);
    /// The default keyspace.
    pub(crate) const DEFAULT: KeyspaceId = KeyspaceId(1);
}

impl fmt::Display for KeyspaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A keyspace as the manifest keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyspaceRecord {
    pub(crate) id: KeyspaceId,
    pub(crate) name: String,
    pub(crate) options: KeyspaceOptions,
}

/// Refuses names that are empty or too long.
pub(crate) fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > KEYSPACE_NAME_BYTES_MAX {
        return Err(Error::invalid(format!(
            "a keyspace's name has 1 to {KEYSPACE_NAME_BYTES_MAX} bytes; this one has {}",
            name.len()
        )));
    }
    Ok(())
}
