//! Memtables and version as one value, replaced whole: what a reader takes at once, without a lock.

use std::sync::Arc;

use crate::error::Result;
use crate::iter::MergeIter;
use crate::keyspace::KeyspaceId;
use crate::memtable::MemTable;
use crate::source::Source;
use crate::version::Version;

/// Where all data of a database are, newest first: active memtable, sealed memtables, tables.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// Takes the writes.
    pub(crate) active: Arc<MemTable>,
    /// Wait for their flush; newest first.
    pub(crate) sealed: Vec<Arc<MemTable>>,
    pub(crate) version: Arc<Version>,
    /// The most runs that a keyspace has in level 0.
    pub(crate) level0_runs: usize,
}

impl State {
    /// A state with an empty active memtable.
    pub(crate) fn new(version: Version) -> State {
        let state = State {
            active: Arc::new(MemTable::new()),
            sealed: Vec::new(),
            version: Arc::new(Version::default()),
            level0_runs: 0,
        };
        state.with_version(version)
    }

    /// The same memtables over another version.
    pub(crate) fn with_version(&self, version: Version) -> State {
        let level0_runs = version
            .trees()
            .map(|(_, tree)| tree.level0_runs().len())
            .max()
            .unwrap_or(0);
        State {
            version: Arc::new(version),
            level0_runs,
            ..self.clone()
        }
    }

    /// The active memtable is sealed, and an empty one takes its place.
    pub(crate) fn rotated(&self) -> State {
        let mut sealed = vec![Arc::clone(&self.active)];
        sealed.extend(self.sealed.iter().cloned());
        State {
            active: Arc::new(MemTable::new()),
            sealed,
            ..self.clone()
        }
    }

    /// `flushed` is in the tables now.
    pub(crate) fn without(&self, flushed: &Arc<MemTable>) -> State {
        let mut state = self.clone();
        state.sealed.retain(|table| !Arc::ptr_eq(table, flushed));
        state
    }

    /// All versions of all keys of a keyspace that are still there, seen by somebody or not.
    pub(crate) fn versions(&self, keyspace: KeyspaceId) -> Result<MergeIter<Source>> {
        let mut cursors = Vec::new();
        let memtables = self.memtables();
        for memtable in memtables.filter(|memtable| memtable.may_hold(keyspace)) {
            cursors.push(Source::Memtable(memtable.iter(keyspace)));
        }
        if let Some(tree) = self.version.tree(keyspace) {
            for cursor in tree.cursors() {
                cursors.push(Source::Run(cursor?));
            }
        }
        Ok(MergeIter::new(cursors))
    }

    /// All memtables, newest first.
    pub(crate) fn memtables(&self) -> impl Iterator<Item = &Arc<MemTable>> {
        std::iter::once(&self.active).chain(&self.sealed)
    }
}
