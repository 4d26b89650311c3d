//! Reading: memtables, then tables, newest first, without a lock.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use crate::engine::Engine;
use crate::error::Result;
use crate::iter::{InternalIterator, MergeIter, VisibleIter};
use crate::key::{SeqNo, ValueKind};
use crate::keyspace::KeyspaceId;
use crate::state::State;

/// A value up to this size is copied out of a memtable, so that it does not keep its whole batch in memory.
const COPY_BYTES_MAX: usize = 4096;

impl Engine {
    /// The value of `key` at a moment that a snapshot holds; `None`: now.
    pub(super) fn get(
        &self,
        keyspace: KeyspaceId,
        key: &[u8],
        at: Option<SeqNo>,
    ) -> Result<Option<Bytes>> {
        self.check_open()?;
        let state = self.state.load();
        // After the state: then no compaction that this state does not contain can have dropped what is visible at
        // this moment, and writes that this state lacks only make the answer the one of a moment ago.
        let at = at.unwrap_or_else(|| self.snapshots.visible());
        for memtable in state.memtables() {
            if let Some((_, kind, value)) = memtable.get(keyspace, key, at) {
                return Ok((kind == ValueKind::Put).then(|| detached(value)));
            }
        }
        match state.version.tree(keyspace) {
            Some(tree) => Ok(tree
                .get(key, at)?
                .and_then(|(_, kind, value)| (kind == ValueKind::Put).then_some(value))),
            None => Ok(None),
        }
    }

    /// The entries of `keyspace` between the bounds, at a moment that a snapshot holds; and the state that they are in.
    pub(super) fn visible(
        &self,
        keyspace: KeyspaceId,
        at: SeqNo,
        lower: Bound<Bytes>,
        upper: Bound<Bytes>,
    ) -> Result<(VisibleIter<MergeIter>, Arc<State>)> {
        self.check_open()?;
        let state = self.state.load_full();
        let mut cursors: Vec<Box<dyn InternalIterator + Send>> = Vec::new();
        for memtable in state.memtables().filter(|memtable| !memtable.is_empty()) {
            cursors.push(Box::new(memtable.iter(keyspace)));
        }
        if let Some(tree) = state.version.tree(keyspace) {
            cursors.extend(tree.cursors()?);
        }
        Ok((
            VisibleIter::new(MergeIter::new(cursors), at, lower, upper),
            state,
        ))
    }
}

fn detached(value: Bytes) -> Bytes {
    if value.len() <= COPY_BYTES_MAX {
        Bytes::copy_from_slice(&value)
    } else {
        value
    }
}
