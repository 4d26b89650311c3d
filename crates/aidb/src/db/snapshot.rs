//! Snapshots: a moment that stays readable.

use std::fmt;
use std::ops::{Bound, Deref, RangeBounds};
use std::sync::Arc;

use bytes::Bytes;

use crate::attachment::{self, AttachmentFile, AttachmentRecord};
use crate::engine::{Engine, Held};
use crate::error::{Error, ErrorKind, Result};
use crate::key::SeqNo;
use crate::keyspace::KeyspaceId;

use super::handle::DB;
use super::iter::Iter;
use super::keyspace::Keyspace;
use super::read::OwnWrites;

/// The database as it was when the snapshot was taken. Cheap; clones share the hold. What it can see stays on the disk
/// for as long as it lives.
#[derive(Clone)]
pub struct Snapshot(Arc<Hold>);

struct Hold {
    held: Held<Handle>,
}

/// A handle as what it is a handle of.
struct Handle(DB);

impl Deref for Handle {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        self.0.engine()
    }
}

impl Snapshot {
    pub(super) fn new(db: DB) -> Snapshot {
        let held = Held::new(Handle(db));
        Snapshot(Arc::new(Hold { held }))
    }

    /// The database at a past moment.
    pub(super) fn at(db: DB, seq: SeqNo) -> Result<Snapshot> {
        let held = Held::at(Handle(db), seq)?;
        Ok(Snapshot(Arc::new(Hold { held })))
    }

    /// The last write that it sees.
    pub fn seq(&self) -> SeqNo {
        self.0.held.seq()
    }

    /// The value of `key`.
    pub fn get(&self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> Result<Option<Bytes>> {
        self.check(keyspace)?;
        self.0
            .held
            .engine()
            .get(keyspace.id(), key.as_ref(), Some(self.seq()))
    }

    /// The values of `keys`, in their order. What is not in memory is read at once, as far as the storage can: many keys
    /// in one call are found several times quicker than one by one.
    pub fn multi_get<K: AsRef<[u8]>>(
        &self,
        keyspace: &Keyspace,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<Option<Bytes>>> {
        self.check(keyspace)?;
        let keys: Vec<K> = keys.into_iter().collect();
        let engine = self.0.held.engine();
        engine.get_many(keyspace.id(), &keys, Some(self.seq()))
    }

    /// All entries.
    pub fn iter(&self, keyspace: &Keyspace) -> Iter {
        self.entries(keyspace, Bound::Unbounded, Bound::Unbounded)
    }

    /// The entries with keys in `range`.
    pub fn range<K: AsRef<[u8]>>(&self, keyspace: &Keyspace, range: impl RangeBounds<K>) -> Iter {
        let own = |bound: Bound<&K>| bound.map(|key| Bytes::copy_from_slice(key.as_ref()));
        self.entries(keyspace, own(range.start_bound()), own(range.end_bound()))
    }

    /// The entries with keys that start with `prefix`.
    pub fn prefix(&self, keyspace: &Keyspace, prefix: impl AsRef<[u8]>) -> Iter {
        let prefix = prefix.as_ref();
        let upper = after_prefix(prefix).map_or(Bound::Unbounded, Bound::Excluded);
        self.entries(
            keyspace,
            Bound::Included(Bytes::copy_from_slice(prefix)),
            upper,
        )
    }

    /// The attachment of `key`. Its file stays for as long as the result lives.
    ///
    /// # Errors
    /// [`ErrorKind::Corruption`] when the file is missing or has another length.
    pub fn attachment(
        &self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
    ) -> Result<Option<AttachmentFile>> {
        self.check(keyspace)?;
        let engine = self.0.held.engine();
        let key = attachment::registry_key(keyspace.id(), key.as_ref());
        let Some(value) = engine.get(KeyspaceId::ATTACHMENTS, &key, Some(self.seq()))? else {
            return Ok(None);
        };
        let record = AttachmentRecord::decode(&value).ok_or_else(|| {
            let key = key.escape_ascii();
            Error::new(
                ErrorKind::Corruption,
                format!("the registered attachment of key {key} does not read back"),
            )
        })?;
        engine.attachments.open(record).map(Some)
    }

    fn entries(&self, keyspace: &Keyspace, lower: Bound<Bytes>, upper: Bound<Bytes>) -> Iter {
        self.entries_over(keyspace, None, lower, upper)
    }

    /// Entries with the writes of a transaction on top.
    pub(super) fn entries_over(
        &self,
        keyspace: &Keyspace,
        own: Option<OwnWrites>,
        lower: Bound<Bytes>,
        upper: Bound<Bytes>,
    ) -> Iter {
        let opened = self.check(keyspace).and_then(|()| {
            let engine = self.0.held.engine();
            engine.visible_over(keyspace.id(), own, self.seq(), lower, upper)
        });
        Iter::new(opened, self.clone())
    }

    pub(super) fn check(&self, keyspace: &Keyspace) -> Result<()> {
        if keyspace.database_id() == self.0.held.engine().id {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "the keyspace {} belongs to another database",
            keyspace.name()
        )))
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Snapshot").field(&self.seq()).finish()
    }
}

/// The first key after all keys that start with `prefix`; none when there is no such key.
pub(super) fn after_prefix(prefix: &[u8]) -> Option<Bytes> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut after = prefix[..=last].to_vec();
    after[last] += 1;
    Some(after.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_its_successor() {
        assert_eq!(after_prefix(b"abc").unwrap(), "abd");
        assert_eq!(after_prefix(b"a\xff\xff").unwrap(), "b");
        assert_eq!(after_prefix(b"\xff\xff"), None);
        assert_eq!(after_prefix(b""), None);
    }
}
