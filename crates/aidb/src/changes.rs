//! What memtables and tables know of writes after a moment: whether a transaction has conflicts.
//!
//! ```text
//! key in a memtable     the number of its newest version; or all writes after the moment, when these are fewer than the keys
//! range in a memtable   all writes after the moment; or a cursor, when these are very many
//! in a table            a cursor, if the table has anything after the moment; there is none while the memtables have it all
//! ```
//!
//! Exact for as long as somebody holds the moment, or an earlier one: until then the newest version of a key stays,
//! tombstones included.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use crate::conflicts::{self, Clash, Footprint, KeyRange};
use crate::error::Result;
use crate::iter::{InternalIterator, MergeIter};
use crate::key::{self, SeqNo};
use crate::keyspace::KeyspaceId;
use crate::memtable::MemTable;
use crate::range_deletes::RangeDeletes;
use crate::source::Source;
use crate::state::State;
use crate::version::{RunIter, Table};

/// Looking up so many keys, or comparing so many writes with a range, takes less than a small commit.
const QUICK_STEPS: usize = 256;

/// Comparing writes with ranges one by one takes longer than a cursor from so many on.
const WALK_STEPS_MAX: usize = 1 << 16;

impl State {
    /// True when [`State::clash`] takes no longer than a small commit, with `last` as the last write.
    pub(crate) fn is_quick(&self, footprint: &Footprint, since: SeqNo, last: SeqNo) -> bool {
        let (points, ranges) = footprint.counts();
        let written = usize::try_from(last.0.saturating_sub(since.0)).unwrap_or(usize::MAX);
        written == 0
            || self.remembers(since)
                && points.min(written) <= QUICK_STEPS
                && ranges.saturating_mul(written) <= QUICK_STEPS
    }

    /// Something of `footprint` that was written after `since`.
    pub(crate) fn clash(&self, footprint: &Footprint, since: SeqNo) -> Result<Option<Clash>> {
        let keyspaces: BTreeSet<KeyspaceId> = footprint
            .points
            .keys()
            .chain(footprint.ranges.keys())
            .copied()
            .collect();
        for keyspace in keyspaces {
            let written = Written {
                state: self,
                keyspace,
                since,
            };
            let none = BTreeSet::new();
            let points = footprint.points.get(&keyspace).unwrap_or(&none);
            let ranges = footprint
                .ranges
                .get(&keyspace)
                .map_or(&[][..], |ranges| ranges);
            let clash = match written.point(points)? {
                None => written.in_ranges(ranges)?,
                clash => clash,
            };
            let clash = match clash {
                None => written.deleted(footprint)?,
                clash => clash,
            };
            if clash.is_some() {
                return Ok(clash);
            }
        }
        Ok(None)
    }

    /// True when all writes after `since` are in memtables.
    fn remembers(&self, since: SeqNo) -> bool {
        // They follow each other without a gap.
        let firsts = self.memtables().filter_map(|memtable| memtable.first_seq());
        firsts.min().is_some_and(|first| first.0 <= since.0 + 1)
    }
}

/// What was written in a keyspace after a moment.
struct Written<'a> {
    state: &'a State,
    keyspace: KeyspaceId,
    since: SeqNo,
}

impl<'a> Written<'a> {
    /// The write of one of `keys`.
    fn point(&self, keys: &BTreeSet<Bytes>) -> Result<Option<Clash>> {
        if keys.is_empty() {
            return Ok(None);
        }
        for memtable in self.memtables() {
            let written = memtable.written_after(self.since);
            let found = if keys.len() <= written.len() {
                keys.iter().find_map(|key| {
                    let newest = memtable.newest(self.keyspace, key)?;
                    (newest > self.since).then_some((&key[..], newest))
                })
            } else {
                self.own(written).find(|(key, _)| keys.contains(*key))
            };
            if let Some((key, seq)) = found {
                return Ok(Some(Clash::new(self.keyspace, key, seq)));
            }
        }
        let only = |key: &Bytes| (Bound::Included(key.clone()), Bound::Included(key.clone()));
        self.first_in(self.tables()?, keys.iter().map(only))
    }

    /// A write in one of `ranges`.
    fn in_ranges(&self, ranges: &[KeyRange]) -> Result<Option<Clash>> {
        if ranges.is_empty() {
            return Ok(None);
        }
        let mut cursors = self.tables()?;
        for memtable in self.memtables() {
            let written = memtable.written_after(self.since);
            if written.len().saturating_mul(ranges.len()) > WALK_STEPS_MAX {
                cursors.push(Source::Memtable(memtable.iter(self.keyspace)));
                continue;
            }
            let is_in = |key: &[u8]| ranges.iter().any(|range| conflicts::contains(range, key));
            if let Some((key, seq)) = self.own(written).find(|(key, _)| is_in(key)) {
                return Ok(Some(Clash::new(self.keyspace, key, seq)));
            }
        }
        self.first_in(cursors, ranges.iter().cloned())
    }

    /// Something of `footprint` that is in a deleted range.
    fn deleted(&self, footprint: &Footprint) -> Result<Option<Clash>> {
        let mut sets: Vec<Arc<RangeDeletes>> = self
            .memtables()
            .filter(|memtable| memtable.deletes_ranges_after(self.since))
            .flat_map(|memtable| memtable.range_deletes(self.keyspace))
            .collect();
        for table in self.newer_tables() {
            if table.meta.info.range_deletes > 0 {
                sets.push(Arc::clone(table.reader()?.range_deletes()));
            }
        }
        let mut deletes = sets.iter().flat_map(|set| set.iter());
        Ok(deletes.find_map(|delete| {
            let key = footprint
                .meets(self.keyspace, &delete.start, &delete.end)
                .filter(|_| delete.seq > self.since)?;
            Some(Clash::new(self.keyspace, &key, delete.seq))
        }))
    }

    /// The memtables that have writes after the moment.
    fn memtables(&self) -> impl Iterator<Item = &'a Arc<MemTable>> {
        let since = self.since;
        let memtables = self.state.memtables();
        memtables.filter(move |memtable| memtable.last_seq() > since)
    }

    /// Cursors over the tables that have writes after the moment.
    fn tables(&self) -> Result<Vec<Source>> {
        let cursor = |table: &Arc<Table>| Ok(Source::Run(RunIter::One(table.reader()?.iter())));
        self.newer_tables().map(cursor).collect()
    }

    fn newer_tables(&self) -> impl Iterator<Item = &'a Arc<Table>> {
        let since = self.since;
        let tree = self.state.version.tree(self.keyspace);
        let tree = tree.filter(|_| !self.state.remembers(since));
        let tables = tree.into_iter().flat_map(|tree| tree.tables());
        tables.filter(move |table| table.meta.info.max_seq > since)
    }

    /// Those of `writes` that are in the keyspace.
    fn own<'w>(
        &self,
        writes: impl Iterator<Item = (KeyspaceId, &'w [u8], SeqNo)>,
    ) -> impl Iterator<Item = (&'w [u8], SeqNo)> {
        let own = self.keyspace;
        writes.filter_map(move |(keyspace, key, seq)| (keyspace == own).then_some((key, seq)))
    }

    /// The first version in `cursors` that is after the moment and in one of `ranges`.
    fn first_in(
        &self,
        cursors: Vec<Source>,
        mut ranges: impl Iterator<Item = KeyRange>,
    ) -> Result<Option<Clash>> {
        if cursors.is_empty() {
            return Ok(None);
        }
        let mut changes = Changes {
            keyspace: self.keyspace,
            since: self.since,
            cursor: MergeIter::new(cursors),
            target: Vec::new(),
        };
        let clash = ranges.find_map(|range| changes.first_in(&range).transpose());
        clash.transpose()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Entry;
    use crate::key::ValueKind;
    use crate::version::Version;
    use crate::wal::LogPosition;

    const KEYSPACE: KeyspaceId = KeyspaceId(1);

    /// Writes from number 1 on, in one memtable after another: a key, or a deleted range.
    fn state(memtables: &[&[(&str, &str)]]) -> State {
        let mut state = State::new(Version::default());
        let mut seq = 0;
        for (number, writes) in memtables.iter().enumerate() {
            if number > 0 {
                state = state.rotated();
            }
            for (key, end) in *writes {
                seq += 1;
                let entry = Entry {
                    kind: match end.is_empty() {
                        true => ValueKind::Put,
                        false => ValueKind::RangeDelete,
                    },
                    keyspace: KEYSPACE,
                    key: key.as_bytes(),
                    value: end.as_bytes(),
                    position: LogPosition::default(),
                };
                state.active.insert(SeqNo(seq), &entry, None);
            }
        }
        state
    }

    fn keys(keys: &[&'static str]) -> Footprint {
        let mut footprint = Footprint::default();
        for key in keys {
            footprint.add_point(KEYSPACE, Bytes::from_static(key.as_bytes()));
        }
        footprint
    }

    fn range(lower: Bound<&'static str>, upper: Bound<&'static str>) -> Footprint {
        let mut footprint = Footprint::default();
        footprint.add_range(KEYSPACE, (lower.map(Bytes::from), upper.map(Bytes::from)));
        footprint
    }

    #[track_caller]
    fn assert_clash(state: &State, footprint: &Footprint, since: u64, expected: Option<u64>) {
        let clash = state.clash(footprint, SeqNo(since)).unwrap();
        assert_eq!(clash.map(|clash| clash.seq.0), expected);
    }

    #[test]
    fn a_key_was_written_last_by_its_newest_write() {
        for state in [
            state(&[&[("a", ""), ("b", ""), ("a", "")]]),
            state(&[&[("a", ""), ("b", "")], &[("a", "")], &[]]),
        ] {
            assert_clash(&state, &keys(&["a"]), 2, Some(3));
            assert_clash(&state, &keys(&["a", "c"]), 3, None);
            assert_clash(&state, &keys(&["b"]), 1, Some(2));
            assert_clash(&state, &keys(&["b"]), 2, None);
            assert_clash(&state, &keys(&["c"]), 0, None);
            // More keys than writes.
            assert_clash(&state, &keys(&["c", "d", "e", "f", "b"]), 1, Some(2));
            assert_clash(&state, &keys(&["c", "d", "e", "f", "b"]), 2, None);
        }
    }

    #[test]
    fn ranges_meet_points_and_ranges() {
        use Bound::{Excluded, Included, Unbounded};
        for state in [
            state(&[&[("c", ""), ("m", "p")]]),
            state(&[&[("c", "")], &[("m", "p")]]),
        ] {
            let assert = |footprint, expected| assert_clash(&state, &footprint, 0, expected);
            assert(range(Included("a"), Excluded("c")), None);
            assert(range(Included("a"), Included("c")), Some(1));
            assert(range(Excluded("c"), Excluded("m")), None);
            assert(range(Excluded("c"), Included("m")), Some(2));
            assert(range(Included("o"), Unbounded), Some(2));
            assert(range(Included("p"), Unbounded), None);
            assert(range(Unbounded, Excluded("")), None);
            assert(range(Included("x"), Included("a")), None);
            assert(keys(&["l", "p"]), None);
            assert(keys(&["m"]), Some(2));
            assert_clash(&state, &keys(&["m"]), 2, None);
        }
    }

    /// Ranges and writes that are too many to be compared one by one are found by cursors.
    #[test]
    fn many_writes_and_many_ranges() {
        let names: Vec<String> = (0..2_000).map(|i| format!("{i:04}")).collect();
        let writes: Vec<(&str, &str)> = names.iter().map(|name| (&name[..], "")).collect();
        let state = state(&[&writes]);
        let mut footprint = Footprint::default();
        for i in 0..100 {
            let bound = |name: String| Bound::Excluded(Bytes::from(name));
            let gap = (bound(format!("{i:04}")), bound(format!("{:04}", i + 1)));
            footprint.add_range(KEYSPACE, gap);
        }
        assert!(!state.is_quick(&footprint, SeqNo::ZERO, SeqNo(2_000)));
        assert_clash(&state, &footprint, 0, None);
        footprint.extend(&range(Bound::Included("1234"), Bound::Included("1234")));
        assert_clash(&state, &footprint, 0, Some(1_235));
        assert_clash(&state, &footprint, 1_235, None);
    }

    #[test]
    fn a_look_is_quick_where_memtables_reach_back_and_little_is_asked() {
        let state = state(&[&[("a", ""), ("b", "")], &[("c", "")]]);
        assert!(state.is_quick(&keys(&["a"]), SeqNo::ZERO, SeqNo(3)));
        let mut flushed = state.clone();
        flushed.sealed.clear();
        assert!(!flushed.is_quick(&keys(&["a"]), SeqNo(1), SeqNo(3)));
        assert!(flushed.is_quick(&keys(&["a"]), SeqNo(2), SeqNo(3)));
        assert!(flushed.is_quick(&keys(&["a"]), SeqNo(3), SeqNo(3)));
    }
}
