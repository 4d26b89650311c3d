//! Filters that were asked for lately, and what is known of them: applications ask for the same few again and again.

use super::allowed::Known;
use crate::filter::Filter;
use aidb::SeqNo;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

/// Filters that are remembered, at most.
const FILTERS_MAX: usize = 64;

/// Bytes that they take, about, at most.
const BYTES_MAX: usize = 16 << 20;

/// What filters allow in one state of a collection. Points never change, and the state changes with each commit: what is
/// known of an older one is forgotten.
#[derive(Debug, Default)]
pub(crate) struct RecentFilters(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    /// The last commit of the state.
    version: SeqNo,
    /// The filters, the one that was asked for last first.
    filters: VecDeque<(Filter, Arc<Known>)>,
}

impl RecentFilters {
    /// What is known of `filter` in the state after the commit `version`.
    pub(super) fn get(&self, version: SeqNo, filter: &Filter) -> Option<Arc<Known>> {
        let mut remembered = self.0.lock();
        if remembered.version != version {
            return None;
        }
        let filters = &mut remembered.filters;
        let place = filters.iter().position(|(other, _)| other == filter)?;
        let found = filters.remove(place)?;
        let known = Arc::clone(&found.1);
        filters.push_front(found);
        Some(known)
    }

    /// Remembers what is known of `filter` in the state after the commit `version`.
    pub(super) fn insert(&self, version: SeqNo, filter: &Filter, known: &Arc<Known>) {
        // What a field has is no matter of commits to the collection.
        if filter.asks_for_vectors() || known.memory_bytes() > BYTES_MAX / 4 {
            return;
        }
        let mut remembered = self.0.lock();
        if version < remembered.version {
            return;
        }
        if version > remembered.version {
            *remembered = Remembered {
                version,
                ..Remembered::default()
            };
        }
        let filters = &mut remembered.filters;
        filters.push_front((filter.clone(), Arc::clone(known)));
        // They grow as they are used.
        let mut bytes = 0;
        let kept = filters.iter().take_while(|(_, known)| {
            bytes += known.memory_bytes();
            bytes <= BYTES_MAX
        });
        let kept = kept.count().min(FILTERS_MAX);
        filters.truncate(kept);
    }
}
