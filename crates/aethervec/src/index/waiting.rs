//! Since when points wait for an index: how far it is behind.

use aidb::Timestamp;
use parking_lot::Mutex;
use std::collections::VecDeque;

/// Commits of so many microseconds count as one, as of the first.
const TOGETHER_US: u64 = 10_000;

/// More are not told apart: behind them the newest counts as old as the last of them.
const ARRIVALS_MAX: usize = 1 << 14;

/// Commits whose points may be in no index yet, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<VecDeque<Arrival>>);

/// Points that came at one time.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    /// Their numbers are below this one, and not below those of the arrival before.
    end: u64,
    at: Timestamp,
}

impl Waiting {
    /// Points below `end` have come by now.
    pub(crate) fn add(&self, end: u64, now: Timestamp) {
        let mut arrivals = self.0.lock();
        let is_full = arrivals.len() >= ARRIVALS_MAX;
        match arrivals.back_mut() {
            Some(last) if is_full || now.0 < last.at.0 + TOGETHER_US => last.end = end,
            _ => arrivals.push_back(Arrival { end, at: now }),
        }
    }

    /// When the oldest point came that is not below `applied`, about.
    pub(crate) fn oldest(&self, applied: u64) -> Option<Timestamp> {
        let mut arrivals = self.0.lock();
        while arrivals.front().is_some_and(|first| first.end <= applied) {
            arrivals.pop_front();
        }
        arrivals.front().map(|first| first.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::choice::ANN_POINTS_MIN;
    use crate::{AetherDB, DbOptions, Document, IndexConfig};
    use aether_env::{Env, ManualClock};
    use aether_index::IvfParams;
    use aether_sim::SimStorage;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn an_index_says_how_far_it_is_behind() {
        let clock = Arc::new(ManualClock::default());
        let env = Env {
            clock: Arc::clone(&clock) as Arc<_>,
            ..SimStorage::new(1).env()
        };
        let db = AetherDB::open_with(env, DbOptions::WITHOUT_THREADS).unwrap();
        let index = IndexConfig::Drift(IvfParams::DEFAULT);
        let docs = db.create_collection("docs", 8, "l2", index).unwrap();
        let put = |ids: std::ops::Range<u64>| {
            let document = |id| Document::new(vec![id as f32; 8], id);
            docs.upsert_batch(ids.map(document).collect()).unwrap();
        };
        let few = ANN_POINTS_MIN as u64;
        let second = Duration::from_secs(1);
        put(0..few - 1);
        clock.advance(second);
        assert_eq!(docs.index_status().staleness, Duration::ZERO, "no index");
        put(few - 1..few);
        clock.advance(second);
        put(few..few + 1);
        clock.advance(second);
        assert_eq!(docs.index_status().staleness, 2 * second);
        docs.wait_indexed(|_| ()).unwrap();
        let status = docs.index_status();
        assert_eq!(status.staleness, Duration::ZERO);
        let stats = status.dense[""].drift.unwrap();
        assert_eq!(stats.bytes_ingested, (few + 1) * 8 * 4);
        assert!(stats.bytes_written > stats.bytes_maintained);
    }

    #[test]
    fn the_oldest_that_waits_counts() {
        let waiting = Waiting::default();
        let at = |ms: u64| Timestamp(ms * 1_000);
        assert_eq!(waiting.oldest(0), None);
        waiting.add(10, at(100));
        waiting.add(20, at(109));
        waiting.add(30, at(110));
        assert_eq!(waiting.oldest(0), Some(at(100)));
        assert_eq!(waiting.oldest(19), Some(at(100)));
        assert_eq!(waiting.oldest(20), Some(at(110)));
        assert_eq!(waiting.oldest(u64::MAX), None);
    }

    #[test]
    fn memory_is_bounded() {
        let waiting = Waiting::default();
        for number in 0..3 * ARRIVALS_MAX as u64 {
            waiting.add(number + 1, Timestamp(number * TOGETHER_US));
        }
        assert_eq!(waiting.0.lock().len(), ARRIVALS_MAX);
        let last = waiting.oldest(2 * ARRIVALS_MAX as u64);
        assert_eq!(
            last,
            Some(Timestamp((ARRIVALS_MAX as u64 - 1) * TOGETHER_US))
        );
    }
}
