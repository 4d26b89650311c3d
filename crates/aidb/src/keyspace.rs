//! What a keyspace is to the engine: a number, a name and options.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

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
    /// What the engine itself remembers: marks of time (snapshots/window.rs), prepared transactions (db/prepared.rs).
    pub(crate) const SYSTEM: KeyspaceId = KeyspaceId(u32::MAX);
    /// The default keyspace.
    pub(crate) const DEFAULT: KeyspaceId = KeyspaceId(1);

    /// True for those that are always there and belong to no user.
    pub(crate) fn is_own(self) -> bool {
        self == KeyspaceId::ATTACHMENTS || self == KeyspaceId::SYSTEM
    }
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
    /// Operator and filter are known once the keyspace was opened.
    pub(crate) options: KeyspaceOptions,
    /// The name of the merge operator that it was made with.
    pub(crate) operator: Option<String>,
}

impl KeyspaceRecord {
    /// A keyspace with `options`.
    pub(crate) fn new(id: KeyspaceId, name: &str, options: KeyspaceOptions) -> KeyspaceRecord {
        KeyspaceRecord {
            id,
            name: name.to_owned(),
            operator: options.merge.as_ref().map(|merge| merge.name().to_owned()),
            options,
        }
    }

    /// What of it is stored.
    pub(crate) fn stored(&self) -> KeyspaceRecord {
        KeyspaceRecord {
            options: KeyspaceOptions {
                merge: None,
                filter: None,
                ..self.options.clone()
            },
            ..self.clone()
        }
    }

    /// Refuses another operator than the one that made the operands of this keyspace.
    pub(crate) fn check_operator(&self, options: &KeyspaceOptions) -> Result<()> {
        let given = options.merge.as_ref().map(|merge| merge.name());
        let Some(stored) = self
            .operator
            .as_deref()
            .filter(|stored| Some(*stored) != given)
        else {
            return Ok(());
        };
        let name = &self.name;
        let found = given.map_or("none".to_owned(), |given| format!("{given:?}"));
        Err(Error::invalid(format!(
            "the keyspace {name:?} was made with the merge operator {stored:?}, and is opened with {found}: give \
             KeyspaceOptions::merge the operator {stored:?}"
        )))
    }
}

/// The keyspaces of a database.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keyspaces {
    by_name: BTreeMap<String, Arc<KeyspaceRecord>>,
    by_id: BTreeMap<KeyspaceId, Arc<KeyspaceRecord>>,
}

impl Keyspaces {
    /// Adds a keyspace, or puts `record` in the place of the one with its number.
    pub(crate) fn insert(&mut self, record: Arc<KeyspaceRecord>) {
        self.by_name
            .insert(record.name.clone(), Arc::clone(&record));
        self.by_id.insert(record.id, record);
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<&Arc<KeyspaceRecord>> {
        self.by_name.get(name)
    }

    pub(crate) fn by_id(&self, id: KeyspaceId) -> Option<&Arc<KeyspaceRecord>> {
        self.by_id.get(&id)
    }

    /// All of them, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<KeyspaceRecord>> {
        self.by_name.values()
    }

    /// A number that no keyspace has; none when there are none left.
    pub(crate) fn free_id(&self) -> Option<KeyspaceId> {
        let last = self
            .by_id
            .keys()
            .next_back()
            .map_or(KeyspaceId::DEFAULT.0, |id| id.0);
        Some(KeyspaceId(last.checked_add(1)?)).filter(|id| *id < KeyspaceId::SYSTEM)
    }
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
