//! What a tenant keeps between requests: transactions and snapshots.
//!
//! Each has a random id, which only its caller can use. One that nobody uses for a while is given up: a transaction is rolled
//! back, what a snapshot held becomes free.

use crate::error::{ApiError, ApiErrorKind, ApiResult};
use crate::observe::request::TransactionTimer;
use aethervec::{DbSnapshot, Savepoint, Transaction};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// Transactions of a tenant at a time, and as many snapshots.
pub const SESSIONS_MAX: usize = 1_024;

/// Savepoints of a transaction.
pub const SAVEPOINTS_MAX: usize = 1_024;

/// What a tenant keeps between requests.
#[derive(Debug)]
pub struct Sessions {
    /// Open transactions. `None` in one that is being ended.
    pub transactions: Table<Mutex<Option<OpenTransaction>>>,
    /// Snapshots that are held.
    pub snapshots: Table<DbSnapshot>,
}

/// A transaction, and the places in it that it can go back to.
#[derive(Debug)]
pub struct OpenTransaction {
    /// The transaction itself.
    pub transaction: Transaction,
    /// Savepoints by name.
    pub savepoints: BTreeMap<String, Savepoint>,
    /// Since when it is open.
    pub(crate) timer: TransactionTimer,
}

/// Things of one kind by their ids.
#[derive(Debug)]
pub struct Table<T> {
    /// What messages call one of them.
    kind: &'static str,
    idle: Duration,
    entries: Mutex<HashMap<Uuid, Entry<T>>>,
}

#[derive(Debug)]
struct Entry<T> {
    value: Arc<T>,
    owner: Arc<str>,
    used: Instant,
}

impl Sessions {
    /// None yet. They are given up after these times.
    pub fn new(transaction_idle: Duration, snapshot_idle: Duration) -> Sessions {
        Sessions {
            transactions: Table::new("transaction", transaction_idle),
            snapshots: Table::new("snapshot", snapshot_idle),
        }
    }

    /// Gives up what was not used for too long. True when nothing is left.
    pub fn give_up_idle(&self) -> bool {
        let transactions = self.transactions.give_up_idle();
        let snapshots = self.snapshots.give_up_idle();
        transactions && snapshots
    }

    /// Gives up everything.
    pub fn clear(&self) {
        self.transactions.entries.lock().clear();
        self.snapshots.entries.lock().clear();
    }
}

impl<T> Table<T> {
    fn new(kind: &'static str, idle: Duration) -> Table<T> {
        Table {
            kind,
            idle,
            entries: Mutex::default(),
        }
    }

    /// Keeps `value` for `owner`: its id.
    ///
    /// # Errors
    /// [`ApiErrorKind::Overloaded`] when there are too many.
    pub fn keep(&self, value: T, owner: &Arc<str>) -> ApiResult<Uuid> {
        let mut entries = self.entries.lock();
        if entries.len() >= SESSIONS_MAX {
            let kind = self.kind;
            return Err(ApiError::new(
                ApiErrorKind::Overloaded,
                format!("{kind}: {SESSIONS_MAX} are open, as many as may: end one first"),
            ));
        }
        let id = Uuid::new_v4();
        entries.insert(
            id,
            Entry {
                value: Arc::new(value),
                owner: Arc::clone(owner),
                used: Instant::now(),
            },
        );
        Ok(id)
    }

    /// The one called `id`, which is of `owner`.
    ///
    /// # Errors
    /// [`ApiErrorKind::NotFound`] when there is none.
    pub fn get(&self, id: Uuid, owner: &Arc<str>) -> ApiResult<Arc<T>> {
        let mut entries = self.entries.lock();
        let entry = entries.get_mut(&id).filter(|entry| entry.owner == *owner);
        let entry = entry.ok_or_else(|| self.not_found(id))?;
        entry.used = Instant::now();
        Ok(Arc::clone(&entry.value))
    }

    /// The one called `id`, which is not kept any more.
    ///
    /// # Errors
    /// [`ApiErrorKind::NotFound`] when there is none.
    pub fn take(&self, id: Uuid, owner: &Arc<str>) -> ApiResult<Arc<T>> {
        let mut entries = self.entries.lock();
        match entries.get(&id) {
            Some(entry) if entry.owner == *owner => {}
            _ => return Err(self.not_found(id)),
        }
        let entry = entries.remove(&id).expect("it was just seen");
        Ok(entry.value)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn give_up_idle(&self) -> bool {
        let mut entries = self.entries.lock();
        // One that a request holds is in use, however long that takes.
        entries.retain(|_, entry| {
            Arc::strong_count(&entry.value) > 1 || entry.used.elapsed() < self.idle
        });
        entries.is_empty()
    }

    fn not_found(&self, id: Uuid) -> ApiError {
        let (kind, idle) = (self.kind, self.idle.as_secs());
        ApiError::not_found(format!(
            "{kind} {id} does not exist: it has ended, or was not used for {idle} s"
        ))
    }
}
