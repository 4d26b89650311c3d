//! Transactions: reads of one moment, own writes included; writes that are committed together if nothing that they
//! depend on was changed meanwhile.
//!
//! ```text
//! reads     at the moment of the beginning, with the own writes (overlay.rs) as the newest run
//! commit    under the commit lock: is what it depends on unchanged? then the batch goes where all batches go
//! prepare   the same, but what goes there is the promise (prepared.rs)
//! ```
//!
//! What it depends on: under snapshot isolation what it writes, and what it read for an update; when serializable,
//! what it read. Nobody waits for anybody: of two that are in conflict, the first to commit wins.

mod overlay;
mod prepared;
mod reads;
mod retry;

use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use aether_env::Timestamp;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::batch::{self, Write, WriteBatch};
use crate::conflicts::{Footprint, KeyRange};
use crate::error::Result;
use crate::iter::InternalIterator;
use crate::key::{SeqNo, ValueKind};
use crate::keyspace::KeyspaceId;
use crate::options::Durability;

use super::admission::Claim;
use super::commit::Commit;
use super::handle::DB;
use super::iter::Iter;
use super::keyspace::Keyspace;
use super::read::OwnWrites;
use super::snapshot::{Snapshot, after_prefix};

use overlay::{Overlay, Own};
pub use prepared::PREPARED_NAME_BYTES_MAX;
pub(super) use prepared::adopt as adopt_prepared;
#[cfg(any(fuzzing, test))]
pub(crate) use prepared::examine_promise;
use reads::Reads;
pub(super) use reads::Track;
pub use retry::Retry;

/// What a transaction is kept from seeing of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isolation {
    /// It reads one moment, and commits if nobody else has written what it writes since then. Two transactions may
    /// each change what the other one only read (write skew): read with [`Transaction::get_for_update`] what a
    /// decision hangs on.
    #[default]
    Snapshot,
    /// It commits if nobody else has written what it read since then, ranges included: as if it had run alone at that
    /// moment. Costs memory for what is read, and more conflicts.
    Serializable,
}

/// How often a commit looks for conflicts, at most, before it takes the commit lock for the last look.
const CHECKS_MAX: usize = 4;

/// How a transaction is begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransactionOptions {
    /// What it is kept from seeing of others.
    pub isolation: Isolation,
}

/// Reads and writes that are committed together, or not at all; see [`DB::begin`]. Dropped, it is rolled back.
pub struct Transaction {
    snapshot: Snapshot,
    db: DB,
    isolation: Isolation,
    batch: WriteBatch,
    overlay: Overlay,
    for_update: Footprint,
    reads: Arc<Mutex<Reads>>,
}

/// A place in a transaction to go back to; see [`Transaction::savepoint`].
#[derive(Clone, Copy, Debug)]
pub struct Savepoint {
    bytes: usize,
    writes: u64,
}

impl DB {
    /// Begins a transaction: it reads the present, from now on.
    ///
    /// ```
    /// use aidb::{DB, Durability, ErrorKind, Options, TransactionOptions};
    ///
    /// # fn main() -> aidb::Result<()> {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let db = DB::open(directory.path(), Options::default())?;
    /// let accounts = db.default_keyspace();
    /// let mut first = db.begin(TransactionOptions::default())?;
    /// let mut second = db.begin(TransactionOptions::default())?;
    /// first.put(&accounts, "alice", "10")?;
    /// second.put(&accounts, "alice", "20")?;
    /// assert_eq!(first.get(&accounts, "alice")?.as_deref(), Some(&b"10"[..]));
    /// first.commit(Durability::Sync)?;
    /// let error = second.commit(Durability::Sync).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Conflict);
    /// # Ok(())
    /// # }
    /// ```
    pub fn begin(&self, options: TransactionOptions) -> Result<Transaction> {
        self.engine().check_open()?;
        Ok(Transaction {
            snapshot: self.snapshot(),
            db: self.clone(),
            isolation: options.isolation,
            batch: WriteBatch::new(),
            overlay: Overlay::default(),
            for_update: Footprint::default(),
            reads: Arc::default(),
        })
    }
}

impl Transaction {
    /// The moment that it reads; its own writes come on top.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The value of `key`.
    pub fn get(&self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> Result<Option<Bytes>> {
        let key = key.as_ref();
        self.note_read(keyspace, key);
        self.look(keyspace, key)
    }

    /// The values of `keys`, in their order.
    pub fn multi_get<K: AsRef<[u8]>>(
        &self,
        keyspace: &Keyspace,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<Option<Bytes>>> {
        let keys: Vec<K> = keys.into_iter().collect();
        if self.batch.is_empty() {
            keys.iter()
                .for_each(|key| self.note_read(keyspace, key.as_ref()));
            return self.snapshot.multi_get(keyspace, &keys);
        }
        keys.iter().map(|key| self.get(keyspace, key)).collect()
    }

    /// The value of `key`, on which something hangs: the transaction fails if somebody else writes the key before it
    /// is committed, under any isolation.
    pub fn get_for_update(
        &mut self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
    ) -> Result<Option<Bytes>> {
        let key = key.as_ref();
        self.for_update
            .add_point(keyspace.id(), Bytes::copy_from_slice(key));
        self.look(keyspace, key)
    }

    /// Makes the transaction depend on `key` as [`Transaction::get_for_update`] does, and reads nothing.
    pub fn guard(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>) {
        let key = Bytes::copy_from_slice(key.as_ref());
        self.for_update.add_point(keyspace.id(), key);
    }

    /// Makes the transaction depend on all keys in `range`, those that are not there included: it fails if somebody
    /// else writes one of them before it is committed, under any isolation. Reads nothing.
    pub fn guard_range<K: AsRef<[u8]>>(&mut self, keyspace: &Keyspace, range: impl RangeBounds<K>) {
        let own = |bound: Bound<&K>| bound.map(|key| Bytes::copy_from_slice(key.as_ref()));
        let range = (own(range.start_bound()), own(range.end_bound()));
        self.for_update.add_range(keyspace.id(), range);
    }

    /// All entries.
    pub fn iter(&self, keyspace: &Keyspace) -> Iter {
        self.entries(keyspace, (Bound::Unbounded, Bound::Unbounded))
    }

    /// The entries with keys in `range`.
    pub fn range<K: AsRef<[u8]>>(&self, keyspace: &Keyspace, range: impl RangeBounds<K>) -> Iter {
        let own = |bound: Bound<&K>| bound.map(|key| Bytes::copy_from_slice(key.as_ref()));
        self.entries(keyspace, (own(range.start_bound()), own(range.end_bound())))
    }

    /// The entries with keys that start with `prefix`.
    pub fn prefix(&self, keyspace: &Keyspace, prefix: impl AsRef<[u8]>) -> Iter {
        let prefix = prefix.as_ref();
        let upper = after_prefix(prefix).map_or(Bound::Unbounded, Bound::Excluded);
        let lower = Bound::Included(Bytes::copy_from_slice(prefix));
        self.entries(keyspace, (lower, upper))
    }

    /// `key` has the value `value`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for a key or value beyond the limits; nothing has changed
    /// then. So with the other writes.
    pub fn put(
        &mut self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<()> {
        self.write(|batch| batch.put(keyspace, key, value))
    }

    /// `key` has the value `value` until `expires_at`; see [`Keyspace::put_expiring`].
    pub fn put_expiring(
        &mut self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        expires_at: Timestamp,
    ) -> Result<()> {
        self.write(|batch| batch.put_expiring(keyspace, key, value, expires_at))
    }

    /// `key` has no value.
    pub fn delete(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> Result<()> {
        self.write(|batch| batch.delete(keyspace, key))
    }

    /// The value of `key` is what the keyspace's merge operator makes of its value so far and `operand`; see
    /// [`Keyspace::merge`].
    pub fn merge(
        &mut self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
        operand: impl AsRef<[u8]>,
    ) -> Result<()> {
        self.write(|batch| batch.merge(keyspace, key, operand))
    }

    /// No key in `range` has a value.
    pub fn delete_range<K: AsRef<[u8]>>(
        &mut self,
        keyspace: &Keyspace,
        range: impl RangeBounds<K>,
    ) -> Result<()> {
        self.write(|batch| batch.delete_range(keyspace, range))
    }

    /// This place in the transaction.
    pub fn savepoint(&self) -> Savepoint {
        Savepoint {
            bytes: self.batch.bytes(),
            writes: self.overlay.writes(),
        }
    }

    /// Takes back all writes since `savepoint`, which must be of this transaction, and not be behind one that was gone
    /// back to. What was read stays read.
    pub fn rollback_to(&mut self, savepoint: Savepoint) {
        let Ok(writes) = u32::try_from(savepoint.writes) else {
            return;
        };
        if savepoint.writes < self.overlay.writes() && savepoint.bytes <= self.batch.bytes() {
            self.batch.truncate(savepoint.bytes, writes);
            self.overlay.truncate(savepoint.writes);
        }
    }

    /// Commits, and waits as `durability` says: with [`Durability::Sync`], what it read is durable on return as well,
    /// also when it wrote nothing. The result is the number of the last write; the moment that was read
    /// when nothing was written.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) when somebody else wrote what it depends on: nothing has
    /// changed then, and it may be run again from the beginning ([`DB::transact`] does so). Else as [`DB::write`].
    pub fn commit(self, durability: Durability) -> Result<SeqNo> {
        let commit = self.submit_with(WriteBatch::new())?;
        if durability == Durability::Sync {
            commit.wait_durable()?;
        }
        Ok(commit.seq())
    }

    /// Commits its own writes and then those of `batch`, without waiting for their durability. What `batch` writes is not
    /// looked at for conflicts: it is for keys that nobody else writes, or whose order does not matter, and that can only be
    /// told when the transaction is complete. To hold for others, too, say [`Transaction::guard`].
    ///
    /// ```
    /// use aidb::{DB, Options, TransactionOptions, WriteBatch};
    ///
    /// # fn main() -> aidb::Result<()> {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let db = DB::open(directory.path(), Options::default())?;
    /// let stock = db.default_keyspace();
    /// let mut order = db.begin(TransactionOptions::default())?;
    /// order.guard(&stock, "screws");
    /// let mut line = WriteBatch::new();
    /// line.put(&stock, "order 17", "5 screws");
    /// order.submit_with(line)?.wait_durable()?;
    /// assert!(stock.get("order 17")?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Transaction::commit`].
    pub fn submit_with(mut self, batch: WriteBatch) -> Result<Commit> {
        let depends = self.depends();
        self.batch.append(batch);
        if let Some(mistake) = self.batch.take_mistake() {
            return Err(mistake);
        }
        if self.batch.is_empty() {
            return Ok(Commit::new(self.db, self.snapshot.seq()));
        }
        let since = self.check(&depends)?;
        let claim = Claim {
            unchanged: Some((&depends, since)),
            ..Claim::default()
        };
        // The snapshot lives on meanwhile: the tree answers only for moments that are held.
        let seq = self.db.engine().submit_as(self.batch, claim)?;
        Ok(Commit::new(self.db, seq))
    }

    /// Forgets all writes. Dropping does the same.
    pub fn rollback(self) {}

    /// What must not change until it commits.
    fn depends(&mut self) -> Footprint {
        let mut depends = std::mem::take(&mut self.for_update);
        match self.isolation {
            Isolation::Snapshot => add_touched(&mut depends, self.batch.payload()),
            Isolation::Serializable => depends.extend(&self.reads.lock().footprint()),
        }
        depends
    }

    /// Looks for conflicts before the commit lock is taken, as far as that would take long. The result: until when
    /// nothing is known to be changed.
    fn check(&self, depends: &Footprint) -> Result<SeqNo> {
        let engine = self.db.engine();
        let mut since = self.snapshot.seq();
        for _ in 0..CHECKS_MAX {
            let visible = engine.snapshots.visible();
            if engine.state.load().is_quick(depends, since, visible) {
                break;
            }
            engine.check_unchanged(depends, since, visible)?;
            since = visible;
        }
        Ok(since)
    }

    fn look(&self, keyspace: &Keyspace, key: &[u8]) -> Result<Option<Bytes>> {
        match self.overlay.get(keyspace.id(), key) {
            Own::Nothing => self.snapshot.get(keyspace, key),
            Own::Value(value) => {
                self.snapshot.check(keyspace)?;
                Ok(value)
            }
            Own::Mixed => {
                let key = Bytes::copy_from_slice(key);
                let only = (Bound::Included(key.clone()), Bound::Included(key));
                let found = self.open(keyspace, only).try_next()?;
                Ok(found.map(|(_, value)| value))
            }
        }
    }

    fn note_read(&self, keyspace: &Keyspace, key: &[u8]) {
        if self.isolation == Isolation::Serializable {
            self.reads.lock().add_point(keyspace.id(), key);
        }
    }

    fn entries(&self, keyspace: &Keyspace, range: KeyRange) -> Iter {
        let track = (self.isolation == Isolation::Serializable)
            .then(|| Track::new(&self.reads, keyspace.id(), range.clone()));
        self.open(keyspace, range).tracked(track)
    }

    fn open(&self, keyspace: &Keyspace, range: KeyRange) -> Iter {
        let id = keyspace.id();
        let own = self.overlay.cursor(id).map(|cursor| OwnWrites {
            cursor: Box::new(cursor) as Box<dyn InternalIterator + Send>,
            ranges: self.overlay.ranges(id).map(|set| Box::new(set) as _),
        });
        self.snapshot.entries_over(keyspace, own, range.0, range.1)
    }

    fn write(&mut self, write: impl FnOnce(&mut WriteBatch)) -> Result<()> {
        let before = self.batch.bytes();
        write(&mut self.batch);
        if let Some(mistake) = self.batch.take_mistake() {
            return Err(mistake);
        }
        self.overlay.extend(&self.batch.payload()[before..]);
        Ok(())
    }
}

/// Adds the keys and ranges that a batch writes.
fn add_touched(touched: &mut Footprint, payload: &[u8]) {
    for Write {
        kind,
        keyspace,
        key,
        value,
    } in batch::writes(payload)
    {
        let own = Bytes::copy_from_slice;
        match kind {
            ValueKind::RangeDelete => {
                let range = (Bound::Included(own(key)), Bound::Excluded(own(value)));
                touched.add_range(keyspace, range);
            }
            _ if keyspace == KeyspaceId::SYSTEM => {}
            _ => touched.add_point(keyspace, own(key)),
        }
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("isolation", &self.isolation)
            .field("seq", &self.snapshot.seq())
            .field("batch", &self.batch)
            .finish_non_exhaustive()
    }
}
