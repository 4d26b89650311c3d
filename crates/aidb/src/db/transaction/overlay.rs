//! A transaction's own writes as the newest run of its reads.
//!
//! They have numbers of their own, above those of all commits, in the order in which they were made: whoever reads
//! through a transaction sees them, and nobody else meets them.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use crate::batch;
use crate::error::Result;
use crate::iter::{InternalIterator, RangeSource, Window};
use crate::key::{self, SeqNo, ValueKind};
use crate::keyspace::KeyspaceId;
use crate::range_deletes::{RangeDelete, RangeDeletes};

/// The place of a write, in the order of internal keys: keyspace, key, inverted trailer.
type Place = (KeyspaceId, Bytes, u64);

/// See the head of this module.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    /// Shared with iterators; a write while one lives copies it.
    points: Arc<BTreeMap<Place, Bytes>>,
    /// As they came.
    deletes: Vec<(KeyspaceId, RangeDelete)>,
    writes: u64,
}

/// What the own writes say of a key.
pub(super) enum Own {
    /// Nothing.
    Nothing,
    /// This is its value, or that it has none.
    Value(Option<Bytes>),
    /// What it has is up to what was there before, too.
    Mixed,
}

/// The number of the write that was made after `before` others.
fn seq(before: u64) -> SeqNo {
    SeqNo(SeqNo::OWN.0 + before)
}

impl Overlay {
    /// Adds the writes of `entries`, a piece of a batch.
    pub(super) fn extend(&mut self, entries: &[u8]) {
        for write in batch::writes(entries) {
            let seq = seq(self.writes);
            self.writes += 1;
            let own = Bytes::copy_from_slice;
            if write.kind == ValueKind::RangeDelete {
                let (start, end) = (own(write.key), own(write.value));
                self.deletes
                    .push((write.keyspace, RangeDelete { start, end, seq }));
            } else {
                let place = (
                    write.keyspace,
                    own(write.key),
                    !key::trailer(seq, write.kind),
                );
                Arc::make_mut(&mut self.points).insert(place, own(write.value));
            }
        }
    }

    /// How many writes it holds.
    pub(super) fn writes(&self) -> u64 {
        self.writes
    }

    /// Forgets all but the first `writes`.
    pub(super) fn truncate(&mut self, writes: u64) {
        let first = seq(writes);
        Arc::make_mut(&mut self.points)
            .retain(|(_, _, inverted), _| key::trailer_seq(!inverted) < first);
        self.deletes.retain(|(_, delete)| delete.seq < first);
        self.writes = writes;
    }

    /// What it says of `user_key`.
    pub(super) fn get(&self, keyspace: KeyspaceId, user_key: &[u8]) -> Own {
        if self.writes == 0 {
            return Own::Nothing;
        }
        let key = Bytes::copy_from_slice(user_key);
        let newest = self
            .points
            .range((keyspace, key.clone(), 0)..=(keyspace, key, u64::MAX))
            .next();
        let is_covered = self.deletes.iter().any(|(of, delete)| {
            *of == keyspace && delete.start <= *user_key && delete.end > *user_key
        });
        let kind = newest.and_then(|((_, _, inverted), _)| key::trailer_kind(!inverted));
        match (kind, newest) {
            _ if is_covered => Own::Mixed,
            (None, _) => Own::Nothing,
            (Some(ValueKind::Put), Some((_, value))) => Own::Value(Some(value.clone())),
            (Some(ValueKind::Delete), _) => Own::Value(None),
            _ => Own::Mixed,
        }
    }

    /// A cursor over its writes in `keyspace`; none when there are none.
    pub(super) fn cursor(&self, keyspace: KeyspaceId) -> Option<OverlayIter> {
        (self.writes > 0).then(|| OverlayIter {
            points: Arc::clone(&self.points),
            keyspace,
            key: Vec::new(),
            at: None,
        })
    }

    /// The ranges that it deletes in `keyspace`; none when there are none.
    pub(super) fn ranges(&self, keyspace: KeyspaceId) -> Option<OverlayRanges> {
        let of = self.deletes.iter().filter(|(of, _)| *of == keyspace);
        let set = RangeDeletes::new(of.map(|(_, delete)| delete.clone()));
        (!set.is_empty()).then(|| OverlayRanges(Arc::new(set)))
    }
}

/// Deleted ranges that a transaction sees at any moment.
#[derive(Debug)]
pub(super) struct OverlayRanges(Arc<RangeDeletes>);

impl RangeSource for OverlayRanges {
    fn window(&self, user_key: &[u8], _at: SeqNo) -> Result<Window> {
        self.0.window(user_key, SeqNo::MAX)
    }
}

/// A cursor over the writes of one keyspace.
#[derive(Debug)]
pub(super) struct OverlayIter {
    points: Arc<BTreeMap<Place, Bytes>>,
    keyspace: KeyspaceId,
    /// The internal key of the current write.
    key: Vec<u8>,
    at: Option<Place>,
}

impl OverlayIter {
    fn go(&mut self, lower: Bound<Place>, upper: Bound<Place>, forward: bool) {
        let mut range = self.points.range((lower, upper));
        let found = if forward {
            range.next()
        } else {
            range.next_back()
        };
        self.at = match found {
            Some((place, _)) if place.0 == self.keyspace => {
                key::write_internal(&mut self.key, &place.1, !place.2);
                Some(place.clone())
            }
            _ => None,
        };
    }

    fn place(&self, target: &[u8]) -> Place {
        let (user_key, trailer) = key::split(target);
        (self.keyspace, Bytes::copy_from_slice(user_key), !trailer)
    }
}

impl InternalIterator for OverlayIter {
    fn seek_to_first(&mut self) {
        let first = (self.keyspace, Bytes::new(), 0);
        self.go(Bound::Included(first), Bound::Unbounded, true);
    }

    fn seek_to_last(&mut self) {
        let upper = match self.keyspace.0.checked_add(1) {
            Some(next) => Bound::Excluded((KeyspaceId(next), Bytes::new(), 0)),
            None => Bound::Unbounded,
        };
        self.go(Bound::Unbounded, upper, false);
    }

    fn seek(&mut self, target: &[u8]) {
        self.go(Bound::Included(self.place(target)), Bound::Unbounded, true);
    }

    fn seek_for_prev(&mut self, target: &[u8]) {
        self.go(Bound::Unbounded, Bound::Included(self.place(target)), false);
    }

    fn next(&mut self) {
        if let Some(at) = self.at.take() {
            self.go(Bound::Excluded(at), Bound::Unbounded, true);
        }
    }

    fn prev(&mut self) {
        if let Some(at) = self.at.take() {
            self.go(Bound::Unbounded, Bound::Excluded(at), false);
        }
    }

    fn valid(&self) -> bool {
        self.at.is_some()
    }

    fn key(&self) -> &[u8] {
        &self.key
    }

    fn value(&self) -> Bytes {
        let at = self.at.as_ref();
        at.and_then(|at| self.points.get(at))
            .cloned()
            .unwrap_or_default()
    }

    fn value_slice(&self) -> &[u8] {
        let at = self.at.as_ref();
        at.and_then(|at| self.points.get(at))
            .map_or(&[], |value| value)
    }

    fn status(&self) -> Result<()> {
        Ok(())
    }
}
