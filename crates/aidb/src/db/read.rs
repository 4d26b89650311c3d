//! Reading: memtables, then tables, newest first, without a lock.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use crate::engine::Engine;
use crate::error::Result;
use crate::iter::{Covers, InternalIterator, MergeIter, RangeSource, View, VisibleIter};
use crate::key::{SeqNo, ValueKind};
use crate::keyspace::KeyspaceId;
use crate::lookup::{Lookup, Rules};
use crate::merge_operator::MergeOperator;
use crate::source::Source;
use crate::state::State;
use crate::values::ValueFiles;

/// A value up to this size is copied out of a memtable, so that it does not keep its whole batch in memory.
const COPY_BYTES_MAX: usize = 4096;

/// The writes of a transaction in one keyspace.
pub(super) struct OwnWrites {
    pub(super) cursor: Box<dyn InternalIterator + Send>,
    pub(super) ranges: Option<Box<dyn RangeSource>>,
}

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
        let mut lookup = Lookup::new(key, at);
        for memtable in state.memtables() {
            if memtable.look(keyspace, &mut lookup, || self.operator(keyspace)) {
                return Ok(self.settle(keyspace, lookup, &state)?.map(detached));
            }
        }
        if let Some(tree) = state.version.tree(keyspace) {
            tree.look(&mut lookup)?;
        }
        self.settle(keyspace, lookup, &state)
    }

    /// The values of `keys`, in their order, at a moment that a snapshot holds; `None`: now. Blocks that are not in
    /// memory are read together, and then values that stand apart from their keys.
    pub(super) fn get_many<K: AsRef<[u8]>>(
        &self,
        keyspace: KeyspaceId,
        keys: &[K],
        at: Option<SeqNo>,
    ) -> Result<Vec<Option<Bytes>>> {
        self.check_open()?;
        let state = self.state.load_full();
        // After the state, as in `get`.
        let at = at.unwrap_or_else(|| self.snapshots.visible());
        let mut values = vec![None; keys.len()];
        let (mut places, mut lookups) = (Vec::new(), Vec::new());
        for (place, key) in keys.iter().enumerate() {
            let mut lookup = Lookup::new(key.as_ref(), at);
            let mut memtables = state.memtables();
            if memtables
                .any(|memtable| memtable.look(keyspace, &mut lookup, || self.operator(keyspace)))
            {
                values[place] = self.settle(keyspace, lookup, &state)?.map(detached);
            } else {
                places.push(place);
                lookups.push(lookup);
            }
        }
        if let Some(tree) = state.version.tree(keyspace) {
            tree.look_many(&*self.files.storage, &mut lookups)?;
        }
        if lookups.iter().any(Lookup::is_apart) {
            let rules = self.rules(keyspace, state.version.values());
            rules.fetch(&*self.files.storage, &mut lookups)?;
        }
        for (place, lookup) in places.into_iter().zip(lookups) {
            values[place] = self.settle(keyspace, lookup, &state)?;
        }
        Ok(values)
    }

    /// What a lookup comes to.
    #[inline]
    fn settle(
        &self,
        keyspace: KeyspaceId,
        lookup: Lookup<'_>,
        state: &State,
    ) -> Result<Option<Bytes>> {
        let key = lookup.key();
        let values = state.version.values();
        match lookup.into_parts() {
            (None, operands) if operands.is_empty() => Ok(None),
            (Some((ValueKind::Put, value)), operands) if operands.is_empty() => Ok(Some(value)),
            (Some((ValueKind::Pointer, stored)), operands) if operands.is_empty() => {
                values.fetch(&stored, key).map(Some)
            }
            (base, operands) => self.rules(keyspace, values).settle(key, base, &operands),
        }
    }

    /// What the versions of `keyspace` mean that point into `values`.
    pub(crate) fn rules(&self, keyspace: KeyspaceId, values: &ValueFiles) -> Rules {
        let clock = Arc::clone(&self.env.clock);
        Rules::new(self.operator(keyspace), values.clone(), clock)
    }

    fn operator(&self, keyspace: KeyspaceId) -> Option<Arc<dyn MergeOperator>> {
        let keyspaces = self.keyspaces.load();
        keyspaces.by_id(keyspace)?.options.merge.clone()
    }

    /// The entries of `keyspace` between the bounds, at a moment that a snapshot holds; and the state that they are in.
    pub(super) fn visible(
        &self,
        keyspace: KeyspaceId,
        at: SeqNo,
        lower: Bound<Bytes>,
        upper: Bound<Bytes>,
    ) -> Result<(VisibleIter<MergeIter<Source>>, Arc<State>)> {
        self.visible_over(keyspace, None, at, lower, upper)
    }

    /// As [`Engine::visible`], with the writes of a transaction on top.
    pub(super) fn visible_over(
        &self,
        keyspace: KeyspaceId,
        own: Option<OwnWrites>,
        at: SeqNo,
        lower: Bound<Bytes>,
        upper: Bound<Bytes>,
    ) -> Result<(VisibleIter<MergeIter<Source>>, Arc<State>)> {
        let state = self.state.load_full();
        let entries = self.visible_in(&state, keyspace, own, at, (lower, upper))?;
        Ok((entries, state))
    }

    /// As [`Engine::visible_over`], in a state that holds what is visible at that moment.
    pub(super) fn visible_in(
        &self,
        state: &State,
        keyspace: KeyspaceId,
        own: Option<OwnWrites>,
        at: SeqNo,
        (lower, upper): (Bound<Bytes>, Bound<Bytes>),
    ) -> Result<VisibleIter<MergeIter<Source>>> {
        self.check_open()?;
        let mut cursors: Vec<Source> = Vec::new();
        let mut ranges: Vec<(usize, Box<dyn RangeSource>)> = Vec::new();
        if let Some(own) = own {
            ranges.extend(own.ranges.map(|source| (0, source)));
            cursors.push(Source::Own(own.cursor));
        }
        let memtables = state.memtables();
        for memtable in
            memtables.filter(|memtable| !memtable.is_empty() && memtable.may_hold(keyspace))
        {
            for set in memtable.range_deletes(keyspace) {
                ranges.push((cursors.len(), Box::new(set)));
            }
            cursors.push(Source::Memtable(memtable.iter(keyspace)));
        }
        if let Some(tree) = state.version.tree(keyspace) {
            let deletes = tree.range_deletes();
            ranges.extend(deletes.map(|(rank, source)| (cursors.len() + rank, source)));
            for cursor in tree.cursors() {
                cursors.push(Source::Run(cursor?));
            }
        }
        let view = View {
            at,
            rules: self.rules(keyspace, state.version.values()),
            covers: Covers::new(ranges, at),
        };
        let entries = MergeIter::new(cursors);
        Ok(VisibleIter::new(entries, view, lower, upper))
    }
}

fn detached(value: Bytes) -> Bytes {
    if value.len() <= COPY_BYTES_MAX {
        Bytes::copy_from_slice(&value)
    } else {
        value
    }
}
