//! What memtables and tables know of writes after a moment: the answer of last resort to whether a transaction has
//! conflicts, when the index of recent writes does not reach back far enough.
//!
//! Exact for as long as somebody holds the moment: until then the newest version of a key stays, tombstones included.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use crate::conflicts::{Clash, Footprint, KeyRange};
use crate::error::Result;
use crate::iter::{InternalIterator, MergeIter};
use crate::key::{self, SeqNo};
use crate::keyspace::KeyspaceId;
use crate::range_deletes::RangeDeletes;
use crate::source::Source;
use crate::state::State;
use crate::version::RunIter;

impl State {
    /// Something of `footprint` that was written after `since`.
    pub(crate) fn clash(&self, footprint: &Footprint, since: SeqNo) -> Result<Option<Clash>> {
        let keyspaces: BTreeSet<KeyspaceId> = footprint
            .points
            .keys()
            .chain(footprint.ranges.keys())
            .copied()
            .collect();
        for keyspace in keyspaces {
            let mut changes = self.changes(keyspace, since)?;
            for key in footprint.points.get(&keyspace).into_iter().flatten() {
                let only = (Bound::Included(key.clone()), Bound::Included(key.clone()));
                if let Some(clash) = changes.first_in(&only)? {
                    return Ok(Some(clash));
                }
            }
            for range in footprint.ranges.get(&keyspace).into_iter().flatten() {
                if let Some(clash) = changes.first_in(range)? {
                    return Ok(Some(clash));
                }
            }
            if let Some(clash) = self.range_clash(keyspace, footprint, since)? {
                return Ok(Some(clash));
            }
        }
        Ok(None)
    }

    fn changes(&self, keyspace: KeyspaceId, since: SeqNo) -> Result<Changes> {
        let mut cursors = Vec::new();
        for memtable in self.memtables() {
            if memtable.last_seq() > since {
                cursors.push(Source::Memtable(memtable.iter(keyspace)));
            }
        }
        let tables = self.version.tree(keyspace).into_iter();
        for table in tables.flat_map(|tree| tree.tables()) {
            if table.meta.info.max_seq > since {
                cursors.push(Source::Run(RunIter::One(table.reader()?.iter())));
            }
        }
        Ok(Changes {
            keyspace,
            since,
            cursor: MergeIter::new(cursors),
            target: Vec::new(),
        })
    }

    fn range_clash(
        &self,
        keyspace: KeyspaceId,
        footprint: &Footprint,
        since: SeqNo,
    ) -> Result<Option<Clash>> {
        let mut sets: Vec<Arc<RangeDeletes>> = self
            .memtables()
            .flat_map(|memtable| memtable.range_deletes(keyspace))
            .collect();
        let tables = self.version.tree(keyspace).into_iter();
        for table in tables.flat_map(|tree| tree.tables()) {
            if table.meta.info.max_seq > since && table.meta.info.range_deletes > 0 {
                sets.push(Arc::clone(table.reader()?.range_deletes()));
            }
        }
        let mut deletes = sets.iter().flat_map(|set| set.iter());
        Ok(deletes.find_map(|delete| {
            let key = footprint
                .meets(keyspace, &delete.start, &delete.end)
                .filter(|_| delete.seq > since)?;
            Some(Clash::new(keyspace, &key, delete.seq))
        }))
    }
}

/// All versions in sources that hold some after a moment.
struct Changes {
    keyspace: KeyspaceId,
    since: SeqNo,
    cursor: MergeIter<Source>,
    target: Vec<u8>,
}

impl Changes {
    fn first_in(&mut self, (lower, upper): &KeyRange) -> Result<Option<Clash>> {
        match lower {
            Bound::Included(lower) => {
                key::write_internal(&mut self.target, lower, u64::MAX);
                self.cursor.seek(&self.target);
            }
            Bound::Excluded(lower) => {
                key::write_internal(&mut self.target, lower, 0);
                self.cursor.seek(&self.target);
            }
            Bound::Unbounded => self.cursor.seek_to_first(),
        }
        while self.cursor.valid() {
            let (user_key, trailer) = key::split(self.cursor.key());
            let is_behind = match upper {
                Bound::Included(upper) => user_key > &upper[..],
                Bound::Excluded(upper) => user_key >= &upper[..],
                Bound::Unbounded => false,
            };
            if is_behind {
                break;
            }
            let seq = key::trailer_seq(trailer);
            if seq > self.since {
                return Ok(Some(Clash::new(self.keyspace, user_key, seq)));
            }
            self.cursor.next();
        }
        self.cursor.status()?;
        Ok(None)
    }
}
