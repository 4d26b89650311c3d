//! The retention window: past moments that stay readable, and the times at which they were the present.
//!
//! Now and then a batch takes a mark along: a key of the system keyspace that says at which time it was committed. So
//! marks are as durable as the batches, and there are at most [`MARKS`] of them in a window, however much is written.
//!
//! ```text
//! mark     key = 1, time u64 (big endian, microseconds)    value = granularity u64, writes of its batch before it u32
//! ```
//!
//! Between two marks time is known to one granularity: what is written later than that after a mark makes a mark.
//!
//! ```text
//! time ──── M1 ─ w w w ─┬──────────────── M2 ──
//!           └ at M1 ────┴ before M2 ──────┘        which moment a time between the marks stands for
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aether_env::{Clock, Timestamp};
use parking_lot::Mutex;

use crate::key::SeqNo;

/// Marks in a window, about.
const MARKS: u64 = 1024;

/// Marks that a batch removes besides adding its own.
const REMOVED_MAX: usize = 16;

/// The first byte of a mark's key.
const TAG: u8 = 1;

/// A time, and the batch that was committed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) time: Timestamp,
    /// Writes up to this much later may have made no mark.
    granularity: u64,
    /// Writes of the batch before the mark itself, which is its last.
    before: u32,
    pub(crate) seq: SeqNo,
}

impl Mark {
    /// The key of the mark in the system keyspace.
    pub(crate) fn key(&self) -> [u8; 9] {
        let mut key = [TAG; 9];
        key[1..].copy_from_slice(&self.time.0.to_be_bytes());
        key
    }

    /// Its value.
    pub(crate) fn value(&self) -> [u8; 12] {
        let mut value = [0; 12];
        value[..8].copy_from_slice(&self.granularity.to_le_bytes());
        value[8..].copy_from_slice(&self.before.to_le_bytes());
        value
    }

    /// The mark that `key` and `value` say, written at `seq`; none for what is no mark.
    pub(crate) fn decode(key: &[u8], value: &[u8], seq: SeqNo) -> Option<Mark> {
        let time: &[u8; 8] = key.strip_prefix(&[TAG])?.try_into().ok()?;
        let (granularity, before) = value.split_first_chunk::<8>()?;
        Some(Mark {
            time: Timestamp(u64::from_be_bytes(*time)),
            granularity: u64::from_le_bytes(*granularity),
            before: u32::from_le_bytes(before.try_into().ok()?),
            seq,
        })
    }

    /// The last write before the mark's batch.
    fn previous(&self) -> SeqNo {
        SeqNo(self.seq.0.saturating_sub(u64::from(self.before) + 1))
    }
}

/// See the head of this module.
#[derive(Debug)]
pub(crate) struct Window {
    /// Microseconds; 0: nothing is kept that nobody holds.
    retention: u64,
    clock: Arc<dyn Clock>,
    /// By number.
    marks: Mutex<VecDeque<Mark>>,
    /// When the next mark is made; [`u64::MAX`]: never.
    due: AtomicU64,
}

impl Window {
    /// Keeps `retention`.
    pub(crate) fn new(retention: Duration, clock: Arc<dyn Clock>) -> Window {
        let retention = u64::try_from(retention.as_micros()).unwrap_or(u64::MAX);
        Window {
            retention,
            clock,
            marks: Mutex::default(),
            due: AtomicU64::new(if retention > 0 { 0 } else { u64::MAX }),
        }
    }

    /// Goes on from marks that were made earlier.
    pub(crate) fn adopt(&self, mut marks: Vec<Mark>) {
        marks.sort_unstable_by_key(|mark| mark.seq);
        if !marks.is_empty() {
            // Without a window, old marks mislead: the first batch removes them.
            self.due.store(0, Ordering::Relaxed);
        }
        *self.marks.lock() = marks.into();
    }

    /// True when moments are kept that nobody holds.
    pub(crate) fn is_open(&self) -> bool {
        self.retention > 0
    }

    fn now(&self) -> u64 {
        self.clock.now().0
    }

    fn granularity(&self) -> u64 {
        (self.retention / MARKS).max(1)
    }

    /// What a batch has to take along that is committed now, after `before` writes of its own: marks to remove, and
    /// one to add. Nothing most of the time. The mark has no number yet.
    pub(crate) fn due(&self, before: u32) -> Option<Due> {
        let due = self.due.load(Ordering::Relaxed);
        if due == u64::MAX {
            return None;
        }
        let now = self.now();
        if now < due {
            return None;
        }
        let next = match self.retention {
            0 => u64::MAX,
            _ => now.saturating_add(self.granularity()).min(u64::MAX - 1),
        };
        self.due
            .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
            .ok()?;
        let mut marks = self.marks.lock();
        let removed: Vec<Mark> = if self.retention == 0 {
            marks.drain(..).collect()
        } else {
            let begin = now.saturating_sub(self.retention);
            // One stays before the window: it says what its first moment is.
            let outside = marks.partition_point(|mark| mark.time.0 <= begin);
            let count = outside.saturating_sub(1).min(REMOVED_MAX);
            marks.drain(..count).collect()
        };
        let latest = marks.back().map_or(0, |mark| mark.time.0 + 1);
        let removed_count = u32::try_from(removed.len()).unwrap_or(u32::MAX);
        let added = (self.retention > 0).then(|| Mark {
            time: Timestamp(now.max(latest)),
            granularity: self.granularity(),
            before: before.saturating_add(removed_count),
            seq: SeqNo::ZERO,
        });
        Some(Due { removed, added })
    }

    /// The batch was committed; `seq` is the number of its last write, the mark.
    pub(crate) fn marked(&self, due: Due, seq: SeqNo) {
        let Some(mut mark) = due.added else {
            return;
        };
        mark.seq = seq;
        let mut marks = self.marks.lock();
        let place = marks.partition_point(|each| each.seq < mark.seq);
        marks.insert(place, mark);
    }

    /// The batch was not committed: the next one makes a mark instead.
    pub(crate) fn not_marked(&self, due: Due) {
        let mut marks = self.marks.lock();
        due.removed
            .into_iter()
            .rev()
            .for_each(|mark| marks.push_front(mark));
        self.due.store(0, Ordering::Relaxed);
    }

    /// The first moment that is kept, given that nothing before `floor` is; none: only the present.
    pub(super) fn begin(&self, floor: SeqNo) -> Option<SeqNo> {
        if self.retention == 0 {
            return None;
        }
        let begin = self.now().saturating_sub(self.retention);
        match self.at(Timestamp(begin)) {
            Place::Before => Some(floor),
            Place::At(seq) => Some(seq),
            Place::Present => None,
        }
    }

    /// Which moment was the present at `time`.
    pub(crate) fn at(&self, time: Timestamp) -> Place {
        let marks = self.marks.lock();
        // A clock that was set back makes later marks seem earlier: times count from the latest one on.
        let mut latest = 0;
        let mut found: Option<(usize, u64)> = None;
        for (index, mark) in marks.iter().enumerate() {
            latest = latest.max(mark.time.0);
            if latest > time.0 {
                break;
            }
            found = Some((index, latest));
        }
        let Some((index, from)) = found else {
            return Place::Before;
        };
        if time.0 < from.saturating_add(marks[index].granularity) {
            return Place::At(marks[index].seq);
        }
        match marks.get(index + 1) {
            Some(next) => Place::At(next.previous()),
            None => Place::Present,
        }
    }

    /// A time at which `seq` may have been the newest write, as far as marks tell: that of the last one before it.
    pub(crate) fn time_of(&self, seq: SeqNo) -> Option<Timestamp> {
        let marks = self.marks.lock();
        // As in `at`: times count from the latest one on.
        let before = marks.iter().take_while(|mark| mark.seq <= seq);
        before.map(|mark| mark.time).max()
    }

    /// True when `time` is not yet.
    pub(crate) fn is_to_come(&self, time: Timestamp) -> bool {
        time.0 > self.now()
    }
}

/// Where a time is among the marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Before the first mark.
    Before,
    /// This was the newest write then.
    At(SeqNo),
    /// Nothing was written since.
    Present,
}

/// What a batch takes along; see [`Window::due`].
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) removed: Vec<Mark>,
    pub(crate) added: Option<Mark>,
}
