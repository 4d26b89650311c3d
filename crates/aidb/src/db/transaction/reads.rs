//! What a serializable transaction has read: keys, and the parts of ranges that its iterators came past.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::conflicts::{Footprint, KeyRange};
use crate::keyspace::KeyspaceId;

/// See the head of this module.
#[derive(Debug, Default)]
pub(super) struct Reads {
    done: Footprint,
    /// Ranges of iterators that live: as far as anybody can tell, they read all of it.
    open: BTreeMap<u64, (KeyspaceId, KeyRange)>,
    opened: u64,
}

impl Reads {
    pub(super) fn add_point(&mut self, keyspace: KeyspaceId, key: &[u8]) {
        self.done.add_point(keyspace, Bytes::copy_from_slice(key));
    }

    /// Everything that was read, or may have been.
    pub(super) fn footprint(&self) -> Footprint {
        let mut footprint = self.done.clone();
        for (keyspace, range) in self.open.values() {
            footprint.add_range(*keyspace, range.clone());
        }
        footprint
    }
}

/// Follows an iterator of a transaction.
#[derive(Debug)]
pub(in crate::db) struct Track {
    reads: Arc<Mutex<Reads>>,
    id: u64,
    keyspace: KeyspaceId,
    range: KeyRange,
    /// Where the front began, last: a seek moves it.
    from: Bound<Bytes>,
    front: Option<Bytes>,
    back: Option<Bytes>,
    is_exhausted: bool,
}

impl Track {
    pub(super) fn new(reads: &Arc<Mutex<Reads>>, keyspace: KeyspaceId, range: KeyRange) -> Track {
        let mut open = reads.lock();
        open.opened += 1;
        let id = open.opened;
        open.open.insert(id, (keyspace, range.clone()));
        drop(open);
        Track {
            reads: Arc::clone(reads),
            id,
            keyspace,
            from: range.0.clone(),
            range,
            front: None,
            back: None,
            is_exhausted: false,
        }
    }

    /// The front gave `entry`, or found nothing more.
    pub(in crate::db) fn passed(&mut self, entry: Option<&Bytes>) {
        match entry {
            Some(key) => self.front = Some(key.clone()),
            None => self.is_exhausted = true,
        }
    }

    /// The back gave `entry`, or found nothing more.
    pub(in crate::db) fn passed_back(&mut self, entry: Option<&Bytes>) {
        match entry {
            Some(key) => self.back = Some(key.clone()),
            None => self.is_exhausted = true,
        }
    }

    /// The front moves to `key`.
    pub(in crate::db) fn sought(&mut self, key: &[u8]) {
        let mut reads = self.reads.lock();
        self.settle(&mut reads);
        self.from = match &self.range.0 {
            Bound::Included(lower) | Bound::Excluded(lower) if key <= &lower[..] => {
                self.range.0.clone()
            }
            _ => Bound::Included(Bytes::copy_from_slice(key)),
        };
        self.front = None;
        self.is_exhausted = false;
    }

    /// Writes down what was read since the last seek.
    fn settle(&self, reads: &mut Reads) {
        let done = &mut reads.done;
        if self.is_exhausted {
            let upper = self.range.1.clone();
            done.add_range(self.keyspace, (self.from.clone(), upper));
            return;
        }
        if let Some(front) = &self.front {
            let upper = Bound::Included(front.clone());
            done.add_range(self.keyspace, (self.from.clone(), upper));
        }
        if let Some(back) = &self.back {
            let lower = Bound::Included(back.clone());
            done.add_range(self.keyspace, (lower, self.range.1.clone()));
        }
    }
}

impl Drop for Track {
    fn drop(&mut self) {
        let mut reads = self.reads.lock();
        self.settle(&mut reads);
        reads.open.remove(&self.id);
    }
}
