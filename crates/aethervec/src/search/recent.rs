//! Filters that were asked for lately, and what is known of them: applications ask for the same few again and again.

use super::allowed::Known;
use crate::filter::Filter;
use aidb::SeqNo;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

/// Filters that are remembered, at most.
const FILTERS_MAX: usize = 64;

/// Bytes that they take, about, at most: eight of those whose points take most (`Hnsw::select` copies their codes).
const BYTES_MAX: usize = 64 << 20;

/// Bytes of points that a filter may take to be remembered.
const POINTS_BYTES_MAX: usize = 4 << 20;

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
        if filter.asks_for_vectors() || known.memory_bytes() > POINTS_BYTES_MAX {
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
        remembered.trim();
    }

    /// One of the filters takes more than before: forgets what is too much, and was asked for least lately.
    pub(super) fn trim(&self) {
        self.0.lock().trim();
    }
}

impl Remembered {
    fn trim(&mut self) {
        let mut bytes = 0;
        let kept = self.filters.iter().take_while(|(_, known)| {
            bytes += known.memory_bytes();
            bytes <= BYTES_MAX
        });
        let kept = kept.count().min(FILTERS_MAX);
        self.filters.truncate(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_that_take_too_much_are_forgotten() {
        let (recent, filter) = (RecentFilters::default(), |i: i64| Filter::eq("a", i));
        // Every other number: one bit each, in 490 parts of 8 KiB.
        let large = Arc::new(Known::exactly((0..490 << 16).step_by(2).collect()));
        let count = BYTES_MAX / large.memory_bytes();
        for i in 0..=count as i64 {
            recent.insert(SeqNo(7), &filter(i), &large);
        }
        assert!(recent.get(SeqNo(7), &filter(0)).is_none());
        assert!(
            recent.get(SeqNo(7), &filter(1)).is_some()
                && recent.get(SeqNo(6), &filter(1)).is_none()
        );
        // The one that was asked for last stays, and the next newer commit forgets all.
        recent.insert(SeqNo(7), &filter(0), &large);
        assert!(
            recent.get(SeqNo(7), &filter(1)).is_some()
                && recent.get(SeqNo(7), &filter(2)).is_none()
        );
        let larger = Arc::new(Known::exactly((0..520 << 16).step_by(2).collect()));
        recent.insert(SeqNo(8), &filter(0), &larger);
        assert!(recent.get(SeqNo(8), &filter(0)).is_none());
        recent.insert(SeqNo(8), &filter(0), &large);
        assert!(
            recent.get(SeqNo(7), &filter(1)).is_none()
                && recent.get(SeqNo(8), &filter(0)).is_some()
        );
    }
}
