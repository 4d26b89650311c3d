//! Removes the keys of a dropped collection, step by step. The marker in the catalog goes last: as long as it is there,
//! the next opening goes on.

use crate::error::Result;
use crate::index::core::Core;
use crate::keyspace::{self, CatalogKey, CollectionId, Keyspaces};
use aidb::{DB, Durability, Keyspace, WriteBatch};
use bytes::Bytes;
use std::ops::Bound;
use std::sync::Arc;

/// Keys removed in one step.
const STEP_KEYS: usize = 4_096;

/// The removal of one collection.
#[derive(Debug)]
pub(crate) struct Purge {
    id: CollectionId,
    db: DB,
    keyspaces: Keyspaces,
    /// The collection as it was open, until its last background step has ended.
    core: Option<Arc<Core>>,
    /// Which of the keyspaces is next, and the last key removed from it: what lies before are tombstones.
    keyspace: usize,
    after: Option<Bytes>,
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
            keyspace: 0,
            after: None,
            failures: 0,
        }
    }

    /// Removes some keys. False when all are gone, or when it is left to the next opening.
    pub(crate) fn step(&mut self) -> bool {
        if let Some(core) = self.core.take() {
            // A step that had begun before the drop may still commit: wait for its end. Later ones do nothing.
            drop(core.lane.lock());
        }
        match self.remove_some() {
            Ok(more) => {
                self.failures = 0;
                more
            }
            Err(_) => {
                self.failures += 1;
                self.failures < FAILURES_MAX
            }
        }
    }

    fn remove_some(&mut self) -> Result<bool> {
        let of_collections = self.keyspaces.of_collections();
        let Some(&keyspace) = of_collections.get(self.keyspace) else {
            let mut batch = WriteBatch::new();
            batch.delete(
                &self.keyspaces.catalog,
                CatalogKey::Dropped(self.id).encode(),
            );
            self.db.write(batch, Durability::Sync)?;
            return Ok(false);
        };
        let keys = self.some_keys(keyspace)?;
        let mut batch = WriteBatch::new();
        for key in &keys {
            batch.delete(keyspace, key);
        }
        if keyspace.name() == self.keyspaces.index.name() {
            batch.detach(keyspace, keyspace::graph_key(self.id));
        }
        if !batch.is_empty() {
            self.db.write(batch, Durability::Buffered)?;
        }
        self.after = keys.last().cloned();
        if keys.len() < STEP_KEYS {
            self.keyspace += 1;
            self.after = None;
        }
        Ok(true)
    }

    fn some_keys(&self, keyspace: &Keyspace) -> Result<Vec<Bytes>> {
        let prefix = keyspace::collection_prefix(self.id);
        let from = match &self.after {
            Some(after) => Bound::Excluded(after.as_ref()),
            None => Bound::Included(&prefix[..]),
        };
        let mut rows = keyspace.range::<&[u8]>((from, Bound::Unbounded));
        let mut keys = Vec::new();
        while keys.len() < STEP_KEYS
            && let Some((key, _)) = rows.try_next()?
            && key.starts_with(&prefix)
        {
            keys.push(key);
        }
        Ok(keys)
    }
}
