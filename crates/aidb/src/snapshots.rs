//! The sequence numbers that readers hold.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::compaction::Retention;
use crate::key::SeqNo;

/// The newest visible write, and the moments before it that are still read.
///
/// Taking a snapshot and asking who still reads take turns, so that a snapshot is either in the answer or not older
/// than its `visible`.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    visible: AtomicU64,
    /// Moment → how many hold it.
    live: Mutex<BTreeMap<SeqNo, usize>>,
}

impl Snapshots {
    /// The newest visible write.
    pub(crate) fn visible(&self) -> SeqNo {
        SeqNo(self.visible.load(Ordering::Acquire))
    }

    /// Makes all writes up to `seq` visible. Callers take turns.
    pub(crate) fn publish(&self, seq: SeqNo) {
        self.visible.store(seq.0, Ordering::Release);
    }

    /// Holds the present until it is released.
    pub(crate) fn acquire(&self) -> SeqNo {
        let mut live = self.live.lock();
        let seq = self.visible();
        *live.entry(seq).or_insert(0) += 1;
        seq
    }

    /// Ends one hold of `seq`.
    pub(crate) fn release(&self, seq: SeqNo) {
        let mut live = self.live.lock();
        if let Some(holders) = live.get_mut(&seq) {
            *holders -= 1;
            if *holders == 0 {
                live.remove(&seq);
            }
        }
    }

    /// Who may still read.
    pub(crate) fn retention(&self) -> Retention {
        let live = self.live.lock();
        Retention {
            snapshots: live.keys().copied().collect(),
            visible: self.visible(),
        }
    }

    /// The oldest moment that is still read.
    pub(crate) fn watermark(&self) -> SeqNo {
        let live = self.live.lock();
        live.keys()
            .next()
            .copied()
            .unwrap_or_else(|| self.visible())
    }

    /// How many holds there are.
    pub(crate) fn count(&self) -> usize {
        self.live.lock().values().sum()
    }
}
