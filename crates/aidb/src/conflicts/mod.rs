//! Who may not write what: conflicts between transactions, found when one commits.
//!
//! ```text
//! footprint   keys and ranges that a transaction depends on
//! locks       what prepared transactions have locked: nobody else may write it until they are resolved
//! ```
//!
//! Whether something of a footprint was written is a question for what was written: the memtables and tables
//! (changes.rs). Locks are asked by everybody who commits, under the commit lock; without a prepared transaction that
//! costs one load.

mod footprint;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::batch::{self, Write};
use crate::key::{SeqNo, ValueKind};
use crate::keyspace::KeyspaceId;

pub(crate) use footprint::{Footprint, KeyRange, contains};

/// Somebody else's write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clash {
    pub(crate) keyspace: KeyspaceId,
    pub(crate) key: Bytes,
    /// Its number; zero for one that a prepared transaction may still make.
    pub(crate) seq: SeqNo,
}

impl Clash {
    pub(crate) fn new(keyspace: KeyspaceId, key: &[u8], seq: SeqNo) -> Clash {
        let key = Bytes::copy_from_slice(key);
        Clash { keyspace, key, seq }
    }
}

/// What a write of a batch touches.
#[derive(Clone, Copy, Debug)]
enum Written<'a> {
    Point(KeyspaceId, &'a [u8]),
    /// From a key to another one, which is excluded.
    Range(KeyspaceId, &'a [u8], &'a [u8]),
    /// Nothing that a transaction can read.
    Own,
}

/// The writes of a batch, of `payload` as the log holds it.
fn written(payload: &[u8]) -> impl Iterator<Item = Written<'_>> {
    batch::writes(payload).map(|write| match write {
        Write { keyspace, .. } if keyspace.is_own() => Written::Own,
        Write {
            kind: ValueKind::RangeDelete,
            keyspace,
            key,
            value,
        } => Written::Range(keyspace, key, value),
        Write { keyspace, key, .. } => Written::Point(keyspace, key),
    })
}

/// See the head of this module.
#[derive(Debug, Default)]
pub(crate) struct Conflicts {
    /// How many transactions are prepared.
    prepared: AtomicUsize,
    /// By their names.
    locks: Mutex<BTreeMap<Bytes, Footprint>>,
}

impl Conflicts {
    /// Something that the batch `payload` writes though a prepared transaction other than `own` has locked it.
    pub(crate) fn locked(&self, payload: &[u8], own: Option<&[u8]>) -> Option<Clash> {
        if self.prepared.load(Ordering::SeqCst) == 0 {
            return None;
        }
        let locks = self.locks.lock();
        let mut others = locks
            .iter()
            .filter(|(id, _)| own != Some(&id[..]))
            .map(|(_, footprint)| footprint);
        others.find_map(|footprint| {
            written(payload).find_map(|write| match write {
                Written::Point(keyspace, key) => footprint
                    .has_point(keyspace, key)
                    .then(|| Clash::new(keyspace, key, SeqNo::ZERO)),
                Written::Range(keyspace, start, end) => footprint
                    .meets(keyspace, start, end)
                    .map(|key| Clash::new(keyspace, &key, SeqNo::ZERO)),
                Written::Own => None,
            })
        })
    }

    /// Locks what `footprint` covers for the prepared transaction `id`; false when there is one of that name.
    pub(crate) fn lock(&self, id: Bytes, footprint: Footprint) -> bool {
        let mut locks = self.locks.lock();
        if locks.contains_key(&id) {
            return false;
        }
        locks.insert(id, footprint);
        self.prepared.store(locks.len(), Ordering::SeqCst);
        true
    }

    /// The prepared transaction `id` is resolved; false when there is none.
    pub(crate) fn unlock(&self, id: &[u8]) -> bool {
        let mut locks = self.locks.lock();
        let was_there = locks.remove(id).is_some();
        self.prepared.store(locks.len(), Ordering::SeqCst);
        was_there
    }

    /// The names of the prepared transactions.
    pub(crate) fn prepared(&self) -> Vec<Bytes> {
        self.locks.lock().keys().cloned().collect()
    }
}
