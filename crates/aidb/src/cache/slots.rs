//! The slots of one owner: what is cached of it, each thing in its own place.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Cache;
use crate::sync::atomic::{AtomicU8, AtomicU32};
use crate::sync::{ArcSwapOption, Guard};

/// Hits of a slot that are counted until the queues look at it again.
const USES_MAX: u8 = 3;

/// What a filled slot takes beside its contents: the entry of a queue and the counts of an allocation.
const OVERHEAD_BYTES: usize = 64;

/// Something that is cached.
pub(crate) trait Weigh: Send + Sync + 'static {
    /// Memory held, in bytes.
    fn bytes(&self) -> usize;
}

/// Places for things that are cached. When it goes, they go with it.
pub(crate) struct Slots<T: Weigh> {
    cache: Arc<Cache>,
    slots: Box<[Slot<T>]>,
}

struct Slot<T> {
    held: ArcSwapOption<T>,
    /// The count of evictions when it was emptied last; 0 when it never was.
    emptied: AtomicU32,
    uses: AtomicU8,
}

/// Slots as the queues see them.
pub(super) trait Owner: Send + Sync {
    /// Takes one use of `slot` away, or all; false when there was none.
    fn take_use(&self, slot: u32, all: bool) -> bool;
    /// Empties `slot`.
    fn empty(&self, slot: u32, time: u32);
}

impl<T: Weigh> Slots<T> {
    /// `number` empty slots.
    pub(crate) fn new(cache: Arc<Cache>, number: usize) -> Arc<Slots<T>> {
        let slot = || Slot {
            held: ArcSwapOption::empty(),
            emptied: AtomicU32::new(0),
            uses: AtomicU8::new(0),
        };
        Arc::new(Slots {
            cache,
            slots: std::iter::repeat_with(slot).take(number).collect(),
        })
    }

    /// Memory that `number` empty slots take.
    pub(crate) fn bytes(number: usize) -> usize {
        number * size_of::<Slot<T>>()
    }

    /// What is in `slot`. Takes no lock, and writes nothing that other threads read once it was used a few times.
    #[inline]
    pub(crate) fn get(&self, slot: usize) -> Guard<Option<Arc<T>>> {
        let slot = &self.slots[slot];
        let held = slot.held.load();
        self.cache.count(held.is_some());
        let uses = slot.uses.load(Ordering::Relaxed);
        if uses < USES_MAX && held.is_some() {
            slot.uses.store(uses + 1, Ordering::Relaxed);
        }
        held
    }

    /// True when `slot` is filled; does not count as a use.
    #[cfg(test)]
    pub(crate) fn is_filled(&self, slot: usize) -> bool {
        self.slots[slot].held.load().is_some()
    }

    /// Fills `slot`, unless another thread has, and lets others go for it.
    pub(crate) fn fill(self: &Arc<Self>, slot: usize, held: Arc<T>) {
        let (Ok(number), Ok(bytes)) = (
            u32::try_from(slot),
            u32::try_from(held.bytes().saturating_add(OVERHEAD_BYTES)),
        ) else {
            return;
        };
        if u64::from(bytes) > self.cache.cached_bytes_max() {
            return;
        }
        let slot = &self.slots[slot];
        slot.uses.store(0, Ordering::Relaxed);
        let before = slot.held.compare_and_swap(&None::<Arc<T>>, Some(held));
        if before.is_none() {
            let emptied = slot.emptied.load(Ordering::Relaxed);
            let again = emptied > 0 && self.cache.is_recent(emptied);
            let weak = Arc::downgrade(self);
            self.cache.filled(weak, number, bytes, again);
        }
    }
}

fn charge<T: Weigh>(held: &T) -> u64 {
    held.bytes().saturating_add(OVERHEAD_BYTES) as u64
}

impl<T: Weigh> Owner for Slots<T> {
    fn take_use(&self, slot: u32, all: bool) -> bool {
        let uses = &self.slots[slot as usize].uses;
        let count = uses.load(Ordering::Relaxed);
        uses.store(
            if all { 0 } else { count.saturating_sub(1) },
            Ordering::Relaxed,
        );
        count > 0
    }

    fn empty(&self, slot: u32, time: u32) {
        let slot = &self.slots[slot as usize];
        slot.emptied.store(time, Ordering::Relaxed);
        if let Some(held) = slot.held.swap(None) {
            self.cache
                .cached_bytes
                .fetch_sub(charge(&*held), Ordering::Relaxed);
        }
    }
}

impl<T: Weigh> Drop for Slots<T> {
    fn drop(&mut self) {
        let held = self.slots.iter().map(|slot| slot.held.load());
        let bytes = held.map(|held| held.as_deref().map_or(0, charge)).sum();
        self.cache.cached_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl<T: Weigh> fmt::Debug for Slots<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots")
            .field("slots", &self.slots.len())
            .finish_non_exhaustive()
    }
}
