//! Running a transaction again after a conflict.

use crate::database::AetherDB;
use crate::error::{ErrorKind, Result};
use crate::transaction::Transaction;
use aidb::{Isolation, Retry};

impl AetherDB {
    /// Runs `work` in a transaction of snapshot isolation and commits it, as often as it takes; see
    /// [`transact_with`](AetherDB::transact_with).
    ///
    /// ```
    /// use aethervec::{AetherDB, Document, IndexConfig, Patch};
    /// use serde_json::json;
    /// # let dir = tempfile::tempdir().unwrap();
    /// let db = AetherDB::open(dir.path())?;
    /// let notes = db.create_collection("notes", 1, "l2", IndexConfig::default())?;
    /// notes.upsert(Document::new(vec![0.5], "a").with_payload(json!({"seen": 0})))?;
    ///
    /// let seen = db.transact(|txn| {
    ///     let payload = txn.get(&notes, "a")?.and_then(|note| note.payload);
    ///     let seen = payload.and_then(|payload| payload["seen"].as_u64()).unwrap_or(0) + 1;
    ///     txn.patch(&notes, "a", Patch::new().set("seen", seen))?;
    ///     Ok(seen)
    /// })?;
    /// assert_eq!(seen, 1);
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`transact_with`](AetherDB::transact_with).
    pub fn transact<T>(&self, work: impl FnMut(&mut Transaction) -> Result<T>) -> Result<T> {
        self.transact_with(Isolation::Snapshot, work)
    }

    /// Runs `work` in a transaction and commits it. After a conflict it is run again, from the beginning and on the then
    /// present, with growing pauses: `work` may be called many times, and what it does besides must not mind.
    ///
    /// # Errors
    /// What `work` returns, which rolls back. [`ErrorKind::Conflict`] after very many attempts. Else as
    /// [`Transaction::commit`].
    pub fn transact_with<T>(
        &self,
        isolation: Isolation,
        mut work: impl FnMut(&mut Transaction) -> Result<T>,
    ) -> Result<T> {
        let mut retry = Retry::new(self.inner.storage.last_seq().0);
        loop {
            let mut transaction = self.begin_with(isolation)?;
            let done =
                work(&mut transaction).and_then(|result| transaction.commit().map(|_| result));
            match done {
                Err(error) if error.kind() == ErrorKind::Conflict && retry.pause() => {}
                done => return done,
            }
        }
    }
}
