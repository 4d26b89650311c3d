//! What open files need of their database: the storage, the block cache, and a place for files to be deleted.
//!
//! A file is deleted once the manifest no longer names it and its last reader is gone. That reader may be a user's
//! thread, so it only leaves the name here; a background task deletes it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aether_env::Storage;
use parking_lot::Mutex;

use crate::cache::Cache;

/// The files of one database, shared by all that read them.
pub(crate) struct Files {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) cache: Arc<Cache>,
    garbage: Mutex<Vec<String>>,
    /// Files that the manifest no longer names, and that are still read or wait to be deleted.
    leaving: Mutex<BTreeSet<String>>,
    /// After this, nothing may be deleted: somebody else may own the files.
    closed: AtomicBool,
}

impl Files {
    pub(crate) fn new(storage: Arc<dyn Storage>, cache: Arc<Cache>) -> Files {
        Files {
            storage,
            cache,
            garbage: Mutex::default(),
            leaving: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// Says that a file will be left to be deleted.
    pub(crate) fn will_discard(&self, name: String) {
        self.leaving.lock().insert(name);
    }

    /// Such a file is gone, or has another name.
    pub(crate) fn forget(&self, name: &str) {
        self.leaving.lock().remove(name);
    }

    /// Leaves a file to be deleted.
    pub(crate) fn discard(&self, name: String) {
        self.leaving.lock().insert(name.clone());
        self.garbage.lock().push(name);
    }

    /// Files that are there though the manifest does not name them any more.
    pub(crate) fn leaving(&self) -> BTreeSet<String> {
        self.leaving.lock().clone()
    }

    /// True when files wait to be deleted.
    pub(crate) fn has_garbage(&self) -> bool {
        !self.garbage.lock().is_empty()
    }

    /// Deletes what was left. What cannot be deleted now is deleted by the next open.
    pub(crate) fn delete_garbage(&self) {
        let names = std::mem::take(&mut *self.garbage.lock());
        for name in names {
            if self.closed.load(Ordering::Acquire) {
                return;
            }
            let _ = self.storage.delete(&name);
            self.leaving.lock().remove(&name);
        }
    }

    /// Ends all deleting.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files")
            .field("location", &self.storage.location())
            .finish_non_exhaustive()
    }
}
