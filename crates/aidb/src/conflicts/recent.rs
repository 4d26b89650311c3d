//! The index of recent writes: which keys were written last by which commit, exact and bounded.
//!
//! Commits are recorded in the order of their numbers while some transaction is live. The index knows from which
//! number on it is complete: a gap (nobody was live) or a full index starts it anew further up. For what lies before,
//! whoever asks looks into the tree (db/changes.rs).
//!
//! Two generations: when the newer one is full, the older one goes at once.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::key::SeqNo;
use crate::keyspace::KeyspaceId;

use super::footprint::{Footprint, as_slices};
use super::{Clash, Written};

/// Writes in a generation: with keys of 20 bytes, about 3 MiB.
const GENERATION_WRITES: usize = 32 << 10;

/// Keys and their newest numbers.
#[derive(Debug, Default)]
pub(crate) struct Generation {
    points: BTreeMap<KeyspaceId, BTreeMap<Box<[u8]>, SeqNo>>,
    /// Keyspace, start, end (excluded), number.
    ranges: Vec<(KeyspaceId, Bytes, Bytes, SeqNo)>,
    /// The last commit before it.
    after: SeqNo,
    writes: usize,
}

/// See the head of this module.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    older: Generation,
    newer: Generation,
    /// The number that the next commit has if none is missed.
    next: SeqNo,
}

impl Recent {
    /// True when every write after `since` and up to `last` is here.
    pub(super) fn covers(&self, since: SeqNo, last: SeqNo) -> bool {
        since >= last || self.older.after <= since && self.next > last
    }

    /// Adds the writes of the commit that begins at `first`. The result was in the index, and may take a while to be
    /// freed.
    pub(super) fn record<'a>(
        &mut self,
        first: SeqNo,
        writes: impl Iterator<Item = Written<'a>>,
    ) -> Option<Box<(Generation, Generation)>> {
        let mut garbage = None;
        // A number below `next` was given to a commit that failed, and is given again.
        if first > self.next || self.next == SeqNo::ZERO {
            let before = SeqNo(first.0 - 1);
            let older = std::mem::replace(&mut self.older, Generation::after(before));
            let newer = std::mem::replace(&mut self.newer, Generation::after(before));
            garbage = Some(Box::new((older, newer)));
        } else if self.newer.writes >= GENERATION_WRITES {
            let newer = std::mem::replace(&mut self.newer, Generation::after(SeqNo(first.0 - 1)));
            let older = std::mem::replace(&mut self.older, newer);
            garbage = Some(Box::new((older, Generation::default())));
        }
        let mut seq = first;
        for write in writes {
            self.newer.add(&write, seq);
            seq.0 += 1;
        }
        self.next = seq;
        garbage
    }

    /// Something of `footprint` that was written after `since`.
    pub(super) fn clash(&self, footprint: &Footprint, since: SeqNo) -> Option<Clash> {
        let generations = [&self.newer, &self.older];
        generations
            .into_iter()
            .find_map(|generation| generation.clash(footprint, since))
    }
}

impl Generation {
    fn after(after: SeqNo) -> Generation {
        Generation {
            after,
            ..Generation::default()
        }
    }

    fn add(&mut self, write: &Written<'_>, seq: SeqNo) {
        match *write {
            Written::Own => return,
            Written::Point(keyspace, key) => {
                let points = self.points.entry(keyspace).or_default();
                match points.get_mut(key) {
                    Some(newest) => *newest = seq,
                    None => drop(points.insert(key.into(), seq)),
                }
            }
            Written::Range(keyspace, start, end) => {
                let own = Bytes::copy_from_slice;
                self.ranges.push((keyspace, own(start), own(end), seq));
            }
        }
        self.writes += 1;
    }

    fn clash(&self, footprint: &Footprint, since: SeqNo) -> Option<Clash> {
        for (&keyspace, keys) in &footprint.points {
            let Some(points) = self.points.get(&keyspace) else {
                continue;
            };
            let clash = keys.iter().find_map(|key| {
                let seq = points.get(&key[..]).filter(|seq| **seq > since)?;
                Some(Clash::new(keyspace, key, *seq))
            });
            if clash.is_some() {
                return clash;
            }
        }
        for (&keyspace, ranges) in &footprint.ranges {
            let Some(points) = self.points.get(&keyspace) else {
                continue;
            };
            let mut written = ranges
                .iter()
                .flat_map(|range| points.range::<[u8], _>(as_slices(range)));
            if let Some((key, seq)) = written.find(|(_, seq)| **seq > since) {
                return Some(Clash::new(keyspace, key, *seq));
            }
        }
        self.ranges
            .iter()
            .filter(|(.., seq)| *seq > since)
            .find_map(|(keyspace, start, end, seq)| {
                let key = footprint.meets(*keyspace, start, end)?;
                Some(Clash::new(*keyspace, &key, *seq))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::Bound;

    const KEYSPACE: KeyspaceId = KeyspaceId(1);

    fn point(key: &'static [u8]) -> Written<'static> {
        Written::Point(KEYSPACE, key)
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

    #[test]
    fn it_knows_who_wrote_last_and_from_where_on_it_knows_that() {
        let mut recent = Recent::default();
        assert!(recent.covers(SeqNo(9), SeqNo(9)), "nothing is between");
        assert!(!recent.covers(SeqNo(8), SeqNo(9)));
        recent.record(SeqNo(10), [point(b"a"), point(b"b")].into_iter());
        recent.record(SeqNo(12), [point(b"a")].into_iter());
        assert!(recent.covers(SeqNo(9), SeqNo(12)) && !recent.covers(SeqNo(8), SeqNo(12)));
        let seq =
            |footprint: &Footprint, since| recent.clash(footprint, SeqNo(since)).map(|c| c.seq);
        assert_eq!(seq(&keys(&["a"]), 11), Some(SeqNo(12)));
        assert_eq!(seq(&keys(&["a", "c"]), 12), None);
        assert_eq!(seq(&keys(&["b"]), 10), Some(SeqNo(11)));
        assert_eq!(seq(&keys(&["b"]), 11), None);
        assert_eq!(seq(&keys(&["c"]), 0), None);
    }

    #[test]
    fn ranges_meet_points_and_ranges() {
        use Bound::{Excluded, Included, Unbounded};
        let mut recent = Recent::default();
        let deleted = Written::Range(KEYSPACE, b"m", b"p");
        recent.record(SeqNo(1), [point(b"c"), deleted].into_iter());
        let clash = |footprint: Footprint| recent.clash(&footprint, SeqNo::ZERO).map(|c| c.seq.0);
        assert_eq!(clash(range(Included("a"), Excluded("c"))), None);
        assert_eq!(clash(range(Included("a"), Included("c"))), Some(1));
        assert_eq!(clash(range(Excluded("c"), Excluded("m"))), None);
        assert_eq!(clash(range(Excluded("c"), Included("m"))), Some(2));
        assert_eq!(clash(range(Included("o"), Unbounded)), Some(2));
        assert_eq!(clash(range(Included("p"), Unbounded)), None);
        assert_eq!(clash(range(Unbounded, Excluded(""))), None);
        assert_eq!(clash(range(Included("x"), Included("a"))), None);
        assert_eq!(clash(keys(&["l", "p"])), None);
        assert_eq!(clash(keys(&["m"])), Some(2));
    }

    #[test]
    fn a_gap_starts_it_anew_and_a_number_that_is_given_again_does_not() {
        let mut recent = Recent::default();
        recent.record(SeqNo(5), [point(b"a")].into_iter());
        recent.record(SeqNo(5), [point(b"b")].into_iter());
        assert!(recent.covers(SeqNo(4), SeqNo(5)));
        recent.record(SeqNo(9), [point(b"c")].into_iter());
        assert!(!recent.covers(SeqNo(7), SeqNo(9)) && recent.covers(SeqNo(8), SeqNo(9)));
        assert!(recent.clash(&keys(&["a", "b"]), SeqNo::ZERO).is_none());
    }

    #[test]
    fn it_is_bounded() {
        let mut recent = Recent::default();
        for seq in 1..=200_000_u64 {
            let key = seq.to_be_bytes();
            recent.record(SeqNo(seq), std::iter::once(Written::Point(KEYSPACE, &key)));
        }
        assert!(recent.older.writes + recent.newer.writes <= 2 * GENERATION_WRITES);
        assert!(recent.covers(SeqNo(200_000 - GENERATION_WRITES as u64), SeqNo(200_000)));
        assert!(!recent.covers(SeqNo(1), SeqNo(200_000)));
    }
}
