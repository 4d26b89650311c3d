//! Snapshots as users hold them: what waits for their end is told of it.

use crate::index::pool::Pool;
use aidb::{SeqNo, Snapshot};
use std::sync::Arc;

/// A state of the whole database that stays readable as long as this lives. Cheap to clone.
///
/// Deleted and replaced documents that it can see keep their place on disk and in the indexes until it ends.
#[derive(Clone, Debug)]
pub struct DbSnapshot(Arc<Held>);

#[derive(Debug)]
struct Held {
    /// `None` only while it is dropped.
    snapshot: Option<Snapshot>,
    now: u64,
    pool: Arc<Pool>,
}

impl DbSnapshot {
    /// `now`: the time of the snapshot, in milliseconds since 1970.
    pub(crate) fn new(snapshot: Snapshot, now: u64, pool: &Arc<Pool>) -> DbSnapshot {
        DbSnapshot(Arc::new(Held {
            snapshot: Some(snapshot),
            now,
            pool: Arc::clone(pool),
        }))
    }

    /// Its place in the order of all writes.
    pub fn seq(&self) -> SeqNo {
        self.storage().seq()
    }

    pub(crate) fn storage(&self) -> &Snapshot {
        self.0
            .snapshot
            .as_ref()
            .expect("it is there until the drop")
    }

    /// Its time, in milliseconds since 1970: what ends by then is not there.
    pub(crate) fn now(&self) -> u64 {
        self.0.now
    }

    pub(crate) fn is_of(&self, pool: &Arc<Pool>) -> bool {
        Arc::ptr_eq(&self.0.pool, pool)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.snapshot = None;
        self.pool.unpark();
    }
}
