//! The moments that readers hold, and those that the retention window keeps readable.
//!
//! ```text
//! slots    who holds which moment, without a lock
//! crowd    holders that found all slots taken: a list behind a lock
//! window   which moments are kept though nobody holds them
//! ```
//!
//! The invariant: a moment that is held is either in the answer of [`Snapshots::retention`], or not older than its
//! `visible`. Whoever drops versions asks first.

mod slots;
mod window;

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::compaction::Retention;
use crate::error::{Error, ErrorKind, Result};
use crate::key::SeqNo;

use slots::{Held, SlotId, Slots, near};
pub(crate) use window::{Due, Mark, Place, Window};

/// The newest visible write, and the moments before it that are still read.
#[derive(Debug)]
pub(crate) struct Snapshots {
    slots: Slots,
    /// Moment → how many hold it. Held while somebody asks who reads, too.
    crowd: Mutex<BTreeMap<SeqNo, usize>>,
    window: Window,
}

/// A moment that is held until it is released.
#[derive(Debug)]
pub(crate) struct Moment {
    seq: SeqNo,
    /// None: in the crowd.
    slot: Option<SlotId>,
}

impl Moment {
    /// The last write that is visible at it.
    pub(crate) fn seq(&self) -> SeqNo {
        self.seq
    }
}

impl Snapshots {
    /// Everything up to `visible` can be seen, and moments from `floor` on are whole.
    pub(crate) fn new(visible: SeqNo, floor: SeqNo, window: Window) -> Snapshots {
        let slots = Slots::default();
        slots.publish(visible.0);
        slots.sweep(|_| floor.0, &mut Vec::new());
        Snapshots {
            slots,
            crowd: Mutex::default(),
            window,
        }
    }

    /// The newest visible write.
    #[inline]
    pub(crate) fn visible(&self) -> SeqNo {
        SeqNo(self.slots.visible())
    }

    /// Makes all writes up to `seq` visible. Callers take turns.
    pub(crate) fn publish(&self, seq: SeqNo) {
        self.slots.publish(seq.0);
    }

    /// What only moments before this one see may be gone.
    pub(crate) fn floor(&self) -> SeqNo {
        SeqNo(self.slots.floor())
    }

    /// The times of past moments.
    pub(crate) fn window(&self) -> &Window {
        &self.window
    }

    /// Holds the present until it is released.
    pub(crate) fn acquire(&self) -> Moment {
        if let Some((slot, seq)) = self.slots.hold_present(near()) {
            return Moment {
                seq: SeqNo(seq),
                slot: Some(slot),
            };
        }
        let mut crowd = self.crowd.lock();
        let seq = self.visible();
        *crowd.entry(seq).or_insert(0) += 1;
        Moment { seq, slot: None }
    }

    /// Holds a past moment until it is released.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when versions that it needs may be gone, [`ErrorKind::Invalid`] when it is to come.
    pub(crate) fn acquire_at(&self, seq: SeqNo) -> Result<Moment> {
        let visible = self.visible();
        if seq > visible {
            return Err(Error::invalid(format!(
                "the moment {seq} is to come: the newest write is {visible}"
            )));
        }
        let slot = match self.slots.hold(near(), seq.0) {
            Held::Slot(slot) => Some(slot),
            Held::TooLate => return Err(self.too_late(seq)),
            Held::Full => {
                let mut crowd = self.crowd.lock();
                if self.floor() > seq {
                    return Err(self.too_late(seq));
                }
                *crowd.entry(seq).or_insert(0) += 1;
                None
            }
        };
        Ok(Moment { seq, slot })
    }

    fn too_late(&self, seq: SeqNo) -> Error {
        let floor = self.floor();
        Error::new(
            ErrorKind::NotFound,
            format!(
                "the moment {seq} is outside of the retention window, which begins at {floor}: raise \
                 Options::retention to go further back"
            ),
        )
    }

    /// Ends a hold.
    pub(crate) fn release(&self, moment: &Moment) {
        if let Some(slot) = &moment.slot {
            self.slots.release(slot);
            return;
        }
        let mut crowd = self.crowd.lock();
        if let Some(holders) = crowd.get_mut(&moment.seq) {
            *holders -= 1;
            if *holders == 0 {
                crowd.remove(&moment.seq);
            }
        }
    }

    /// Who may still read: whatever none of them sees may go from now on.
    pub(crate) fn retention(&self) -> Retention {
        let crowd = self.crowd.lock();
        let mut held = Vec::new();
        let floor = self.slots.sweep(
            |visible| {
                self.window
                    .begin(self.floor())
                    .map_or(visible, |begin| begin.0)
            },
            &mut held,
        );
        let mut snapshots: Vec<SeqNo> = held.into_iter().map(SeqNo).collect();
        snapshots.extend(crowd.keys());
        snapshots.sort_unstable();
        snapshots.dedup();
        Retention {
            snapshots,
            visible: SeqNo(floor),
        }
    }

    /// The oldest moment that is still read.
    pub(crate) fn watermark(&self) -> SeqNo {
        self.retention().watermark()
    }

    /// How many holds there are.
    pub(crate) fn count(&self) -> usize {
        self.slots.taken() + self.crowd.lock().values().sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aether_env::ManualClock;
    use std::sync::Arc;
    use std::time::Duration;

    fn snapshots() -> Snapshots {
        Snapshots::new(
            SeqNo(10),
            SeqNo::ZERO,
            Window::new(Duration::ZERO, Arc::new(ManualClock::default())),
        )
    }

    #[test]
    fn more_holders_than_slots_are_all_seen() {
        let snapshots = snapshots();
        let held: Vec<Moment> = (10..1_000)
            .map(|seq| {
                snapshots.publish(SeqNo(seq));
                snapshots.acquire()
            })
            .collect();
        assert_eq!(snapshots.count(), 990);
        let expected: Vec<SeqNo> = held.iter().map(Moment::seq).collect();
        assert_eq!(snapshots.retention().snapshots, expected);
        assert_eq!(snapshots.watermark(), SeqNo(10));
        held.iter().for_each(|moment| snapshots.release(moment));
        assert_eq!(snapshots.count(), 0);
        assert_eq!(snapshots.watermark(), SeqNo(999));
    }

    #[test]
    fn the_past_can_be_held_until_somebody_drops_it() {
        let snapshots = snapshots();
        let early = snapshots.acquire_at(SeqNo(4)).unwrap();
        assert_eq!(snapshots.watermark(), SeqNo(4));
        let error = snapshots.acquire_at(SeqNo(5)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(snapshots.acquire_at(SeqNo(10)).is_ok());
        let error = snapshots.acquire_at(SeqNo(11)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        snapshots.release(&early);
    }
}
