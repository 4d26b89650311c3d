//! Where the points that a filter allows are in approximate indexes: looked up once they have been asked for twice.

use crate::ann::Ann;
use crate::error::Result;
use aether_index::{PointId, Selection};
use parking_lot::Mutex;
use roaring::RoaringTreemap;
use std::sync::{Arc, Weak};

/// Selections by index.
#[derive(Debug, Default)]
pub(super) struct Selections(Mutex<Vec<OfIndex>>);

#[derive(Debug)]
struct OfIndex {
    ann: Weak<Ann>,
    selection: Option<Arc<Selection>>,
    /// Searches until the points are looked up.
    wait: u32,
    /// How many these are the next time: an index that changes all the time is not worth the trouble.
    patience: u32,
}

impl Selections {
    /// The places of `points` in `ann`, if they are known or worth knowing by now; and whether they are known since now.
    pub(super) fn get(
        &self,
        ann: &Arc<Ann>,
        points: &RoaringTreemap,
    ) -> Result<(Option<Arc<Selection>>, bool)> {
        if !ann.selects() {
            return Ok((None, false));
        }
        let mut selections = self.0.lock();
        let Some(place) = selections.iter().position(|of| of.is_of(ann)) else {
            selections.retain(|of| of.ann.strong_count() > 0);
            selections.push(OfIndex {
                ann: Arc::downgrade(ann),
                selection: None,
                wait: 0,
                patience: 1,
            });
            return Ok((None, false));
        };
        let of = &mut selections[place];
        if of.selection.is_some() {
            return Ok((of.selection.clone(), false));
        }
        if of.wait > 0 {
            of.wait -= 1;
            return Ok((None, false));
        }
        let selection = Arc::new(ann.select(points.iter().map(PointId))?);
        of.selection = Some(Arc::clone(&selection));
        Ok((Some(selection), true))
    }

    /// About how many bytes they take.
    pub(super) fn memory_bytes(&self) -> usize {
        let selections = self.0.lock();
        let known = selections.iter().filter_map(|of| of.selection.as_ref());
        known.map(|selection| selection.memory_bytes()).sum()
    }

    /// The index has changed.
    pub(super) fn forget(&self, ann: &Arc<Ann>) {
        let mut selections = self.0.lock();
        if let Some(of) = selections.iter_mut().find(|of| of.is_of(ann)) {
            of.selection = None;
            of.wait = of.patience;
            of.patience = of.patience.saturating_mul(2);
        }
    }
}

impl OfIndex {
    fn is_of(&self, ann: &Arc<Ann>) -> bool {
        std::ptr::eq(self.ann.as_ptr(), Arc::as_ptr(ann))
    }
}
