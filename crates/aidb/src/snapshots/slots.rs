//! Who holds which moment: one word for each holder, written by it alone, read by whoever drops versions.
//!
//! ```text
//! holder     slot ← present   ── fence ──   is that still the present?  else slot ← present, and again
//! holder     slot ← seq       ── fence ──   is seq not below the floor? else slot ← free: too late
//! dropper    present, floor ← …   ── fence ──   all slots
//! ```
//!
//! Between a holder's fence and a dropper's, one comes first. If the holder's does, the dropper sees the slot. If the
//! dropper's does, the holder sees the dropper's present, or its floor: then the moment that it ends up with is not
//! older than what the dropper keeps. So no moment that is held is ever missing from the answer.
//!
//! A word per holder on a cache line of its own: taking a snapshot touches nothing that another thread writes.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

/// How many may hold a moment in a slot at once.
const SLOTS: usize = 128;

/// An atomic word: the machine's, or one of a model checker.
pub(super) trait Word {
    fn new(value: u64) -> Self;
    /// Acquires.
    fn load(&self) -> u64;
    /// Releases.
    fn store(&self, value: u64);
    /// Writes `value` if nothing but 0 is there.
    fn claim(&self, value: u64) -> bool;
    /// Sequentially consistent.
    fn fence();
}

impl Word for AtomicU64 {
    fn new(value: u64) -> AtomicU64 {
        AtomicU64::new(value)
    }

    #[inline]
    fn load(&self) -> u64 {
        self.load(Ordering::Acquire)
    }

    #[inline]
    fn store(&self, value: u64) {
        self.store(value, Ordering::Release);
    }

    #[inline]
    fn claim(&self, value: u64) -> bool {
        self.load(Ordering::Relaxed) == 0
            && self
                .compare_exchange(0, value, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }

    #[inline]
    fn fence() {
        fence(Ordering::SeqCst);
    }
}

/// A word that shares its cache line with no other.
#[derive(Debug)]
#[repr(align(128))]
struct Line<W>(W);

/// See the head of this module. Numbers are kept one higher: 0 is a free slot.
#[derive(Debug)]
pub(super) struct Slots<W = AtomicU64> {
    /// The newest visible write.
    visible: Line<W>,
    /// What only moments before this one see may be gone.
    floor: Line<W>,
    slots: Box<[Line<W>]>,
}

/// A slot that was claimed.
#[derive(Debug)]
pub(super) struct SlotId(usize);

/// What [`Slots::hold`] came to.
#[derive(Debug)]
pub(super) enum Held {
    Slot(SlotId),
    TooLate,
    Full,
}

impl Default for Slots {
    fn default() -> Slots {
        Slots::new(SLOTS)
    }
}

impl<W: Word> Slots<W> {
    pub(super) fn new(slots: usize) -> Slots<W> {
        let line = || Line(W::new(0));
        Slots {
            visible: line(),
            floor: line(),
            slots: std::iter::repeat_with(line).take(slots).collect(),
        }
    }

    #[inline]
    pub(super) fn visible(&self) -> u64 {
        self.visible.0.load()
    }

    /// Callers take turns.
    #[inline]
    pub(super) fn publish(&self, seq: u64) {
        self.visible.0.store(seq);
    }

    pub(super) fn floor(&self) -> u64 {
        self.floor.0.load()
    }

    /// Holds the present, in the first free slot from `near` on; none when all are taken.
    pub(super) fn hold_present(&self, near: usize) -> Option<(SlotId, u64)> {
        let mut seq = self.visible();
        let id = self.claim(near, seq)?;
        loop {
            W::fence();
            let now = self.visible();
            if now == seq {
                return Some((id, seq));
            }
            seq = now;
            self.slots[id.0].0.store(seq + 1);
        }
    }

    /// Holds a moment that is not after the present.
    pub(super) fn hold(&self, near: usize, seq: u64) -> Held {
        let Some(id) = self.claim(near, seq) else {
            return Held::Full;
        };
        W::fence();
        if self.floor() <= seq {
            return Held::Slot(id);
        }
        self.release(&id);
        Held::TooLate
    }

    pub(super) fn release(&self, id: &SlotId) {
        self.slots[id.0].0.store(0);
    }

    /// Raises the floor to `keep` (of the present), then gives the moments that are held. Callers take turns. A
    /// holder that is not in `held` is at or after the floor that is the result.
    pub(super) fn sweep(&self, keep: impl FnOnce(u64) -> u64, held: &mut Vec<u64>) -> u64 {
        let visible = self.visible();
        let floor = keep(visible).min(visible).max(self.floor());
        self.floor.0.store(floor);
        W::fence();
        held.extend(
            self.slots
                .iter()
                .filter_map(|slot| slot.0.load().checked_sub(1)),
        );
        floor
    }

    /// How many slots are taken.
    pub(super) fn taken(&self) -> usize {
        self.slots.iter().filter(|slot| slot.0.load() != 0).count()
    }

    fn claim(&self, near: usize, seq: u64) -> Option<SlotId> {
        let count = self.slots.len();
        (0..count)
            .map(|step| (near + step) % count)
            .find(|index| self.slots[*index].0.claim(seq + 1))
            .map(SlotId)
    }
}

/// Where this thread looks first: far from the others.
pub(super) fn near() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NEAR: Cell<Option<usize>> = const { Cell::new(None) };
    }
    NEAR.with(|near| {
        let place = near.get().unwrap_or_else(|| {
            // Eight neighbours for the snapshots that one thread holds at a time.
            THREADS.fetch_add(1, Ordering::Relaxed).wrapping_mul(8)
        });
        near.set(Some(place));
        place
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicU64 as ModelWord;

    impl Word for ModelWord {
        fn new(value: u64) -> ModelWord {
            ModelWord::new(value)
        }

        fn load(&self) -> u64 {
            self.load(Ordering::Acquire)
        }

        fn store(&self, value: u64) {
            self.store(value, Ordering::Release);
        }

        fn claim(&self, value: u64) -> bool {
            self.compare_exchange(0, value, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        }

        fn fence() {
            loom::sync::atomic::fence(Ordering::SeqCst);
        }
    }

    type Model = Slots<ModelWord>;

    /// A holder, a writer and a dropper in every order, with the reorderings that the memory model allows: whoever
    /// holds a moment below the dropper's floor is in the dropper's list.
    fn check(hold: impl Fn(&Model) -> Option<(SlotId, u64)> + Send + Sync + Copy + 'static) {
        loom::model(move || {
            let slots = Arc::new(Model::new(2));
            slots.publish(1);
            let writer = {
                let slots = Arc::clone(&slots);
                loom::thread::spawn(move || slots.publish(2))
            };
            let dropper = {
                let slots = Arc::clone(&slots);
                loom::thread::spawn(move || {
                    let mut held = Vec::new();
                    let floor = slots.sweep(|visible| visible, &mut held);
                    (floor, held)
                })
            };
            // Kept to the end: a release may not hide it from the dropper.
            let mine = hold(&slots);
            writer.join().unwrap();
            let (floor, held) = dropper.join().unwrap();
            if let Some((_, seq)) = mine {
                assert!(
                    seq >= floor || held.contains(&seq),
                    "{seq} is read, and the dropper kept {floor} and {held:?}"
                );
            }
        });
    }

    #[test]
    fn a_held_present_is_never_overlooked() {
        check(|slots| slots.hold_present(0));
    }

    #[test]
    fn a_held_past_is_never_overlooked() {
        check(|slots| match slots.hold(1, 1) {
            Held::Slot(id) => Some((id, 1)),
            Held::TooLate => None,
            Held::Full => unreachable!("nobody else holds"),
        });
    }

    #[test]
    fn two_holders_have_two_slots() {
        loom::model(|| {
            let slots = Arc::new(Model::new(2));
            let other = {
                let slots = Arc::clone(&slots);
                loom::thread::spawn(move || slots.hold_present(0).unwrap().0.0)
            };
            let mine = slots.hold_present(0).unwrap().0.0;
            assert_ne!(other.join().unwrap(), mine);
            assert_eq!(slots.taken(), 2);
        });
    }
}
