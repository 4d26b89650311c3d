//! Filters that have nothing to do with the vectors, with which searches are tried to see what filters take.
//!
//! They are tried as searches under filters are made, among points that were looked up before: those look into buckets that have few of
//! the points less often than into others, and so find less with the same effort than searches that ask of each point.

use crate::ann::{Ann, AnnScratch};
use crate::error::Result;
use aether_index::{Candidate, PointId, SearchParams, Selection};
use std::sync::{Arc, Weak};

/// Of so many points one is let through.
pub(super) const SHARES: [u64; 2] = [2, 10];

/// The points of one index that each of the filters lets through.
#[derive(Debug)]
pub(super) struct Trials {
    ann: Weak<Ann>,
    selections: Vec<Selection>,
}

impl Trials {
    /// Looks all points up, where that is possible.
    pub(super) fn new(ann: &Arc<Ann>) -> Result<Trials> {
        let mut selections = Vec::new();
        if ann.selects() {
            let points = ann.points()?;
            for share in SHARES {
                let some = points.iter().copied();
                selections.push(ann.select(some.filter(|&point| passes(point, share)))?);
            }
        }
        Ok(Trials {
            ann: Arc::downgrade(ann),
            selections,
        })
    }

    pub(super) fn is_of(&self, ann: &Arc<Ann>) -> bool {
        std::ptr::eq(self.ann.as_ptr(), Arc::as_ptr(ann))
    }

    /// What a search finds of the points that the filter in this place of [`SHARES`] lets through. `None` when the index has changed, or
    /// points are not looked up in such a one.
    pub(super) fn search(
        &self,
        ann: &Ann,
        place: usize,
        query: &[f32],
        params: SearchParams,
        scratch: &mut AnnScratch,
    ) -> Result<Option<Vec<Candidate>>> {
        match self.selections.get(place) {
            Some(some) => Ok(ann.search_selected(query, params, some, scratch)?),
            None => Ok(None),
        }
    }
}

/// Any function of the number that has nothing to do with what is near.
pub(super) fn passes(point: PointId, share: u64) -> bool {
    (point.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32).is_multiple_of(share)
}
