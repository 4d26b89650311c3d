//! Removes the keys of a dropped collection, with the marker in the catalog: as long as that is there, the next opening
//! tries again. One range of each keyspace, however many keys are in it; the engine's compactions give the space back.

use crate::error::Result;
use crate::index::core::Core;
use crate::index::open;
use crate::keyspace::{self, CatalogKey, CollectionId, Keyspaces};
use aidb::{DB, Durability, WriteBatch};
use std::sync::Arc;

/// The removal of one collection.
#[derive(Debug)]
pub(crate) struct Purge {
    id: CollectionId,
    db: DB,
    keyspaces: Keyspaces,
    /// The collection as it was open, until its last background step has ended.
    core: Option<Arc<Core>>,
    failures: u32,
}

/// After as many failures in a row the rest is left to the next opening.
const FAILURES_MAX: u32 = 3;

impl Purge {
    pub(crate) fn new(
        id: CollectionId,
        db: &DB,
        keyspaces: &Keyspaces,
        core: Option<Arc<Core>>,
    ) -> Purge {
        let (db, keyspaces) = (db.clone(), keyspaces.clone());
        Purge {
            id,
            db,
            keyspaces,
            core,
            failures: 0,
        }
    }

    /// Removes the keys. False when they are gone, or when it is left to the next opening.
    pub(crate) fn step(&mut self) -> bool {
        if let Some(core) = self.core.take() {
            // A step that had begun before the drop may still commit: wait for its end. Later ones do nothing.
            drop(core.lane.lock());
        }
        if self.remove().is_ok() {
            return false;
        }
        self.failures += 1;
        self.failures < FAILURES_MAX
    }

    fn remove(&self) -> Result<()> {
        let mut batch = WriteBatch::new();
        for keyspace in self.keyspaces.of_collections() {
            batch.delete_range(keyspace, keyspace::collection_range(self.id));
        }
        for field in open::read_saved(self.id, &self.keyspaces, &self.db.snapshot())? {
            let key = keyspace::ann_key(self.id, field);
            batch.detach(&self.keyspaces.index, key);
        }
        let [first, last] =
            [0, u16::MAX].map(|number| CatalogKey::PayloadIndex(self.id, number).encode());
        batch.delete_range(&self.keyspaces.catalog, first..=last);
        batch.delete(
            &self.keyspaces.catalog,
            CatalogKey::Dropped(self.id).encode(),
        );
        self.db.write(batch, Durability::Sync)?;
        Ok(())
    }
}
