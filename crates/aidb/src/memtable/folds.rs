//! Operands that a reader has put together, kept for the next one.
//!
//! A list that grows by a merge at a time is read again and again: each reader would put the same operands together.
//! Every [`FOLD_VERSIONS`]th version of a key is a place for what all operands from there on come to, so that a reader
//! handles few versions by itself. Only what is below the newest place is kept.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::key::SeqNo;

use super::writes::WriteId;

/// Versions of a key between two places.
pub(super) const FOLD_VERSIONS: u32 = 16;

const SHARDS: usize = 16;

/// Consecutive operands as one.
#[derive(Clone, Debug)]
pub(super) struct Fold {
    pub(super) operand: Bytes,
    /// The oldest of them.
    pub(super) oldest: SeqNo,
    /// The version below it.
    pub(super) older: Option<WriteId>,
}

/// See the head of this module.
#[derive(Debug, Default)]
pub(super) struct Folds {
    shards: [Mutex<HashMap<u32, Fold>>; SHARDS],
    bytes: AtomicUsize,
}

impl Folds {
    /// What the operands from `newest` on come to, if a reader has left it.
    pub(super) fn get(&self, newest: WriteId) -> Option<Fold> {
        self.shard(newest).lock().get(&newest.0).cloned()
    }

    /// Leaves `fold` at `newest`; what is at `replaced` is part of it.
    pub(super) fn put(&self, newest: WriteId, fold: Fold, replaced: Option<WriteId>) {
        self.bytes.fetch_add(fold.operand.len(), Ordering::Relaxed);
        self.gone(self.shard(newest).lock().insert(newest.0, fold));
        if let Some(replaced) = replaced {
            self.gone(self.shard(replaced).lock().remove(&replaced.0));
        }
    }

    /// Memory that the operands take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn gone(&self, fold: Option<Fold>) {
        let bytes = fold.map_or(0, |fold| fold.operand.len());
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn shard(&self, id: WriteId) -> &Mutex<HashMap<u32, Fold>> {
        &self.shards[(id.0 / FOLD_VERSIONS) as usize % SHARDS]
    }
}
