//! Payload indexes, and which points are visible: what filters, counts and facets are answered from.
//!
//! Everything here speaks of points, and is written to the keyspace `filter` in the batch of the commit that adds the points.
//! In memory the protocol is that of the delta: points are entered *before* their batch is submitted, and deaths are told
//! after it is visible, so that an index always offers a superset of what a snapshot sees. Which of these it sees exactly is
//! told by [`visible`].

mod answer;
mod audit;
mod bounds;
mod build;
mod declare;
mod facet;
mod find;
mod found;
mod geo;
mod index;
mod kind;
mod memory;
mod nested;
mod ordered;
mod posting;
pub(crate) mod rows;
mod score;
mod stage;
mod sweep;
mod text;
mod visible;
mod walk;

pub use declare::{LoadedPayloadIndex, PayloadIndexInfo, PayloadIndexState};
pub use facet::{FacetCount, FacetRequest};
pub use kind::PayloadIndexKind;

pub(crate) use audit::problems;
pub(crate) use build::step as build_step;
pub(crate) use rows::{all_points, remove_points};
pub(crate) use stage::Staged;
pub(crate) use sweep::step as sweep_step;
pub(crate) use walk::Ordinal;

use crate::error::Result;
use crate::index::core::Core;
use crate::keyspace::PendingEntry;
use aether_index::PointId;
use aidb::{SeqNo, Snapshot};
pub(crate) use find::Candidates;
pub(crate) use found::Found;
use index::{Index, Span};
use parking_lot::RwLock;
use roaring::RoaringTreemap;
use std::ops::Range;
use std::sync::Arc;
use sweep::Sweep;
use visible::Visible;

/// The payload indexes of a collection, and its visible points.
#[derive(Debug, Default)]
pub(crate) struct Payload {
    pub(crate) visible: Visible,
    /// Changed only under the writer lock.
    indexes: RwLock<Arc<Vec<Arc<Index>>>>,
    sweep: Sweep,
}

impl Payload {
    /// What the keyspaces say; `died` are points that wait to be purged, and `next` is the next number for a point.
    pub(crate) fn open<'a>(
        core: &Core,
        at: &Snapshot,
        died: impl IntoIterator<Item = &'a PointId>,
        next: u64,
    ) -> Result<Payload> {
        let mut live = all_points(core.id, &core.keyspaces, at)?;
        for point in died {
            live.remove(point.0);
        }
        let mut payload = Payload::default();
        payload.visible.open(live, next);
        *payload.indexes.get_mut() = Arc::new(declare::read_records(core.id, &core.keyspaces, at)?);
        Ok(payload)
    }

    /// Begins to gather what a commit adds. The caller holds the writer lock until it is committed.
    pub(crate) fn stage(&self, points: Range<u64>) -> Staged {
        Staged::new(points, self.indexes())
    }

    /// `staged` is about to be submitted.
    pub(crate) fn enter(&self, staged: &Staged) {
        self.visible.enter(staged.points.clone());
        for index in staged.indexes.iter() {
            index.enter(&staged.rows);
        }
    }

    /// `staged` was entered, but not committed after all. What the indexes have of it is never seen, and swept out with the
    /// dead.
    pub(crate) fn withdraw(&self, staged: &Staged) {
        self.visible.withdraw(staged.points.clone());
    }

    /// There was a commit at `seq`. The caller holds the lock of [`Newest`](crate::index::core::Newest) since before it was
    /// submitted.
    pub(crate) fn commit(&self, seq: SeqNo, entry: &PendingEntry) {
        let died = entry.died.iter().map(|point| point.0);
        self.visible.commit(seq, entry.end(), died);
    }

    /// All indexes, in the order of their declaration.
    pub(crate) fn indexes(&self) -> Arc<Vec<Arc<Index>>> {
        Arc::clone(&self.indexes.read())
    }

    fn add_index(&self, index: Arc<Index>) {
        let mut indexes = self.indexes.write();
        let mut changed = Vec::clone(&indexes);
        changed.push(index);
        *indexes = Arc::new(changed);
    }

    fn remove_index(&self, number: u16) {
        let mut indexes = self.indexes.write();
        let left = indexes.iter().filter(|index| index.number != number);
        *indexes = Arc::new(left.cloned().collect());
    }

    /// The first index that is not complete, and what is left to do for it.
    fn to_build(&self) -> Option<(Arc<Index>, Span)> {
        let indexes = self.indexes();
        indexes
            .iter()
            .find_map(|index| Some((Arc::clone(index), index.to_build()?)))
    }
}

impl Core {
    /// The points that a snapshot at `seq` sees, exactly. `None` when it is older than the opening of the database, of which
    /// nothing is known in memory.
    pub(crate) fn visible_at(&self, seq: SeqNo) -> Option<RoaringTreemap> {
        if seq < self.keyspaces.opened_at {
            return None;
        }
        // Every commit that the snapshot sees is told of completely once nobody is in the middle of one.
        drop(self.newest.lock());
        Some(self.payload.visible.at(seq, &self.deaths))
    }
}

#[cfg(test)]
mod tests;
