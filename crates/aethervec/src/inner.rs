//! What all handles of a database share. It is closed when the last of them is gone.

use crate::catalog::CollectionRecord;
use crate::error::{Error, Result};
use crate::index::core::Core;
use crate::index::lane;
use crate::index::pool::Pool;
use crate::keyspace::{CatalogKey, Keyspaces};
use crate::schema::CollectionSchema;
use aidb::{DB, Durability, WriteBatch};
use parking_lot::{Mutex, RwLock};
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
    /// Alias → name of the collection, which is in `by_name`; no key is.
    pub(crate) aliases: BTreeMap<String, String>,
}

/// A collection of the catalog, opened when it is first used.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Changed only while the collections are locked.
    pub(crate) record: RwLock<CollectionRecord>,
    pub(crate) state: Mutex<SlotState>,
}

/// Whether it is open.
#[derive(Debug)]
pub(crate) enum SlotState {
    Closed,
    Open(Arc<Core>),
    Dropped,
}

impl Slot {
    /// What its documents may hold.
    pub(crate) fn schema(&self) -> CollectionSchema {
        self.record.read().schema.clone()
    }
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

    /// Changes what the catalog says about a collection: `change` the record, and then, once that is visible, `apply` it
    /// to `core`. No write of the collection comes in between. Returns when it is durable; should that fail, memory and
    /// catalog agree all the same.
    pub(crate) fn alter<T>(
        &self,
        core: &Core,
        change: impl FnOnce(&mut CollectionRecord) -> Result<T>,
        apply: impl FnOnce(T),
    ) -> Result<()> {
        self.open()?;
        let collections = self.collections.lock();
        let writer = core.writer.lock();
        core.alive()?;
        let slot = collections
            .by_name
            .get(&core.name)
            .expect("a collection that was not dropped is in the catalog");
        let mut record = slot.record.read().clone();
        let changed = change(&mut record)?;
        let mut batch = WriteBatch::new();
        batch.put(
            &self.keyspaces.catalog,
            CatalogKey::Collection(core.name.clone()).encode(),
            record.encode(),
        );
        let commit = self.storage.submit(batch)?;
        *slot.record.write() = record;
        apply(changed);
        drop((writer, collections));
        Ok(commit.wait_durable()?)
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
