//! A keyspace handle.

use std::fmt;
use std::ops::RangeBounds;
use std::sync::Arc;

use aether_env::Timestamp;
use bytes::Bytes;

use crate::batch::WriteBatch;
use crate::error::Result;
use crate::keyspace::{KeyspaceId, KeyspaceRecord};

use super::handle::DB;
use super::iter::Iter;

/// A named set of keys with options of its own. All keyspaces of a database share its log, its order of writes and
/// its memory. Clones are handles to the same one, and keep the database open.
#[derive(Clone)]
pub struct Keyspace {
    db: DB,
    record: Arc<KeyspaceRecord>,
}

impl Keyspace {
    pub(super) fn new(db: DB, record: Arc<KeyspaceRecord>) -> Keyspace {
        Keyspace { db, record }
    }

    pub(crate) fn id(&self) -> KeyspaceId {
        self.record.id
    }

    pub(crate) fn database_id(&self) -> u64 {
        self.db.engine().id
    }

    pub(crate) fn has_operator(&self) -> bool {
        self.record.options.merge.is_some()
    }

    /// When a value that is put now ends; none: never.
    #[inline]
    pub(crate) fn expiry(&self) -> Option<Timestamp> {
        let ttl = self.record.options.ttl?;
        let now = self.db.engine().env.clock.now();
        let micros = u64::try_from(ttl.as_micros()).unwrap_or(u64::MAX);
        Some(Timestamp(now.0.saturating_add(micros)))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.record.name
    }

    /// `key` has the value `value` from now on. Waits as [`Options::durability`](crate::Options::durability) says.
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        let (key, value) = (key.as_ref(), value.as_ref());
        let mut batch = WriteBatch::with_capacity(key.len() + value.len() + 24);
        batch.put(self, key, value);
        self.write(batch)
    }

    /// `key` has the value `value` until `expires_at`, to the millisecond, by the clock of the environment
    /// ([`aether_env::Env::clock`]); then it has none, also for snapshots. Compactions remove what is over. A merge on
    /// top of it stays when it ends. Waits as [`Options::durability`](crate::Options::durability) says.
    pub fn put_expiring(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        expires_at: Timestamp,
    ) -> Result<()> {
        let mut batch = WriteBatch::new();
        batch.put_expiring(self, key, value, expires_at);
        self.write(batch)
    }

    /// The value of `key` is from now on what [`KeyspaceOptions::merge`](crate::KeyspaceOptions::merge) makes of its value
    /// so far and `operand`. Reads nothing: it costs what a put of the operand costs. Waits as
    /// [`Options::durability`](crate::Options::durability) says.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the keyspace has no operator. One that can make no value
    /// of this operand is an error for whoever reads the key.
    pub fn merge(&self, key: impl AsRef<[u8]>, operand: impl AsRef<[u8]>) -> Result<()> {
        let (key, operand) = (key.as_ref(), operand.as_ref());
        let mut batch = WriteBatch::with_capacity(key.len() + operand.len() + 24);
        batch.merge(self, key, operand);
        self.write(batch)
    }

    /// The value of `key`.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>> {
        self.db.engine().get(self.record.id, key.as_ref(), None)
    }

    /// The values of `keys`, in their order and as of one moment; see [`Snapshot::multi_get`](crate::Snapshot::multi_get).
    pub fn multi_get<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<Option<Bytes>>> {
        let keys: Vec<K> = keys.into_iter().collect();
        self.db.engine().get_many(self.id(), &keys, None)
    }

    /// `key` has no value from now on. Waits as [`Options::durability`](crate::Options::durability) says.
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<()> {
        let mut batch = WriteBatch::new();
        batch.delete(self, key);
        self.write(batch)
    }

    /// No key in `range` has a value from now on. Costs the same however many there are. Attachments stay. Waits as
    /// [`Options::durability`](crate::Options::durability) says.
    pub fn delete_range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Result<()> {
        let mut batch = WriteBatch::new();
        batch.delete_range(self, range);
        self.write(batch)
    }

    /// All entries, as of now.
    pub fn iter(&self) -> Iter {
        self.db.snapshot().iter(self)
    }

    /// The entries with keys in `range`, as of now.
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Iter {
        self.db.snapshot().range(self, range)
    }

    /// The entries with keys that start with `prefix`, as of now.
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Iter {
        self.db.snapshot().prefix(self, prefix)
    }

    fn write(&self, batch: WriteBatch) -> Result<()> {
        self.db
            .write(batch, self.db.engine().options.durability)
            .map(|_| ())
    }
}

impl fmt::Debug for Keyspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keyspace").field(&self.record.name).finish()
    }
}
