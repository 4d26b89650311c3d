//! What all handles of a database share. It is closed when the last of them is gone.

use crate::catalog::CollectionRecord;
use crate::error::{Error, Result};
use crate::index::core::Core;
use crate::index::lane;
use crate::index::pool::Pool;
use crate::keyspace::Keyspaces;
use aidb::{DB, Durability};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What all handles of a database share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) storage: DB,
    pub(crate) keyspaces: Keyspaces,
    pub(crate) collections: Mutex<Collections>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) durability: Durability,
    pub(crate) closed: AtomicBool,
    pub(crate) location: String,
}

/// The catalog in memory.
#[derive(Debug)]
pub(crate) struct Collections {
    /// The number that the next one gets.
    pub(crate) next: u32,
    pub(crate) by_name: BTreeMap<String, Arc<Slot>>,
}

/// A collection of the catalog, opened when it is first used.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) record: CollectionRecord,
    pub(crate) state: Mutex<SlotState>,
}

/// Whether it is open.
#[derive(Debug)]
pub(crate) enum SlotState {
    Closed,
    Open(Arc<Core>),
    Dropped,
}

impl Inner {
    /// Fails when the database is closed.
    pub(crate) fn open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            Err(Error::closed())
        } else {
            Ok(())
        }
    }

    /// Ends background work, saves what is worth saving, closes the files. Once.
    pub(crate) fn close(&self) -> Result<()> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.pool.close();
        let slots: Vec<Arc<Slot>> = self.collections.lock().by_name.values().cloned().collect();
        let mut outcome = Ok(());
        for slot in slots {
            if let SlotState::Open(core) = &*slot.state.lock() {
                outcome = outcome.and(lane::finish(core));
            }
        }
        outcome.and(self.storage.close().map_err(Error::from))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Who wants to know calls `close`.
        drop(self.close());
    }
}
