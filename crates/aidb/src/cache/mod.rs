//! One budget of memory for a database: memtables, the indexes and filters of tables, and cached blocks.
//!
//! ```text
//! owner (an open table)    slots: one per block, empty or with the block      a hit looks at the slot, and nowhere else
//! Cache                    queues of filled slots: small → main → out         only a miss takes their lock
//! ```
//!
//! What is cached lives in slots of its owner, so that a hit needs no lock, no hash and no search. The queues decide
//! what goes: S3-FIFO (Yang et al. 2023). A block that comes in waits in a small queue and leaves again unless it is hit
//! meanwhile, so that a scan does not drive out what is used; one that comes back soon after it left goes into the
//! main queue. Memtables and pinned indexes are only counted: what they take, blocks must leave.

#[cfg(all(test, loom))]
mod model;
mod slots;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Weak;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use slots::Owner;
pub(crate) use slots::{Slots, Weigh};

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU32, AtomicU64 as Shared};

/// The share of the cache for blocks that came in last.
const SMALL_SHARE: u64 = 10;

/// Queues are looked through for slots of closed tables when they have grown to twice what was left last time.
const SWEEP_ENTRIES_MIN: usize = 4096;

/// Counters that threads share: more than threads read at the same time, usually.
const STRIPES: usize = 32;

/// See the head of this module.
pub(crate) struct Cache {
    /// The whole budget.
    budget_bytes: u64,
    memtable_bytes: AtomicU64,
    pinned_bytes: AtomicU64,
    /// Of all filled slots.
    cached_bytes: Shared,
    /// How many slots were emptied so far (it wraps), to tell how long ago one was.
    evictions: AtomicU32,
    queues: Mutex<Queues>,
    stripes: [Stripe; STRIPES],
}

/// What a cache has done so far, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Blocks that were found.
    pub hits: u64,
    /// Blocks that had to be read from a file.
    pub misses: u64,
    /// Bytes of memory held.
    pub bytes: u64,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe {
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Default)]
struct Queues {
    small: VecDeque<Queued>,
    small_bytes: u64,
    main: VecDeque<Queued>,
    sweep_at: usize,
}

/// A filled slot.
struct Queued {
    owner: Weak<dyn Owner>,
    slot: u32,
    bytes: u32,
}

impl Cache {
    /// A budget of `budget_bytes`. 0 caches nothing.
    pub(crate) fn new(budget_bytes: u64) -> Cache {
        Cache {
            budget_bytes,
            memtable_bytes: AtomicU64::new(0),
            pinned_bytes: AtomicU64::new(0),
            cached_bytes: Shared::new(0),
            evictions: AtomicU32::new(1),
            queues: Mutex::default(),
            stripes: Default::default(),
        }
    }

    /// Tells how much memory all memtables take; cached blocks make room for them.
    pub(crate) fn set_memtable_bytes(&self, bytes: u64) {
        self.memtable_bytes.store(bytes, Ordering::Relaxed);
        if self.cached_bytes.load(Ordering::Relaxed) > self.cached_bytes_max() {
            self.make_room();
        }
    }

    /// Takes `bytes` for as long as its owner lives, when not more than a quarter of the budget is taken so.
    pub(crate) fn try_pin(&self, bytes: u64) -> bool {
        let room = self.budget_bytes / 4;
        let pinned =
            self.pinned_bytes
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |pinned| {
                    pinned.checked_add(bytes).filter(|pinned| *pinned <= room)
                });
        self.make_room();
        pinned.is_ok()
    }

    /// What was pinned as `expected` bytes has turned out to take `taken`.
    pub(crate) fn repin(&self, expected: u64, taken: u64) {
        self.pinned_bytes.fetch_add(taken, Ordering::Relaxed);
        self.pinned_bytes.fetch_sub(expected, Ordering::Relaxed);
        self.make_room();
    }

    /// Gives back what [`try_pin`](Self::try_pin) took.
    pub(crate) fn unpin(&self, bytes: u64) {
        self.pinned_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes of indexes and filters that never leave.
    pub(crate) fn pinned_bytes(&self) -> u64 {
        self.pinned_bytes.load(Ordering::Relaxed)
    }

    /// Hits and misses so far, and the bytes cached now.
    pub(crate) fn stats(&self) -> CacheStats {
        let sum = |count: fn(&Stripe) -> &AtomicU64| {
            let counts = self.stripes.iter().map(count);
            counts.map(|count| count.load(Ordering::Relaxed)).sum()
        };
        CacheStats {
            hits: sum(|stripe| &stripe.hits),
            misses: sum(|stripe| &stripe.misses),
            bytes: self.cached_bytes.load(Ordering::Relaxed),
        }
    }

    /// How much may be cached now.
    fn cached_bytes_max(&self) -> u64 {
        let others = self.memtable_bytes.load(Ordering::Relaxed) + self.pinned_bytes();
        self.budget_bytes.saturating_sub(others)
    }

    /// Counts a look at a slot. Threads that share a stripe may lose a count.
    #[inline]
    fn count(&self, hit: bool) {
        let stripe = &self.stripes[stripe()];
        let count = if hit { &stripe.hits } else { &stripe.misses };
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Notes that a slot was filled. `again`: it had been emptied not long ago.
    fn filled(&self, owner: Weak<dyn Owner>, slot: u32, bytes: u32, again: bool) {
        self.cached_bytes.fetch_add(bytes.into(), Ordering::Relaxed);
        let queued = Queued { owner, slot, bytes };
        {
            let mut queues = self.queues.lock();
            if again {
                queues.main.push_back(queued);
            } else {
                queues.small_bytes += u64::from(bytes);
                queues.small.push_back(queued);
            }
            queues.sweep();
        }
        self.make_room();
    }

    /// Empties slots until the rest fits the budget.
    fn make_room(&self) {
        while self.cached_bytes.load(Ordering::Relaxed) > self.cached_bytes_max() {
            let Some(queued) = self
                .queues
                .lock()
                .next(self.cached_bytes_max() / SMALL_SHARE)
            else {
                return;
            };
            // Without the lock: what is dropped here may own slots itself.
            if let Some(owner) = queued.owner.upgrade() {
                let time = self.evictions.fetch_add(1, Ordering::Relaxed);
                owner.empty(queued.slot, time);
            }
        }
    }

    /// True when a slot that was emptied at `time` would still be known to a queue as long as the main one.
    fn is_recent(&self, time: u32) -> bool {
        let age = self.evictions.load(Ordering::Relaxed).wrapping_sub(time);
        age as usize <= self.queues.lock().main.len()
    }
}

impl Queues {
    /// Takes out the next slot to be emptied; none when there are no slots.
    fn next(&mut self, small_bytes_max: u64) -> Option<Queued> {
        loop {
            if self.small_bytes > small_bytes_max || self.main.is_empty() {
                let queued = self.small.pop_front()?;
                self.small_bytes -= u64::from(queued.bytes);
                match queued.owner.upgrade() {
                    Some(owner) if owner.take_use(queued.slot, true) => {
                        self.main.push_back(queued);
                    }
                    Some(_) => return Some(queued),
                    None => {}
                }
            } else {
                let queued = self.main.pop_front()?;
                match queued.owner.upgrade() {
                    Some(owner) if owner.take_use(queued.slot, false) => {
                        self.main.push_back(queued);
                    }
                    Some(_) => return Some(queued),
                    None => {}
                }
            }
        }
    }

    /// Forgets the slots of owners that are gone, now and then.
    fn sweep(&mut self) {
        let entries = self.small.len() + self.main.len();
        if entries < self.sweep_at.max(SWEEP_ENTRIES_MIN) {
            return;
        }
        let lives = |queued: &Queued| queued.owner.strong_count() > 0;
        self.small.retain(lives);
        self.main.retain(lives);
        self.small_bytes = self
            .small
            .iter()
            .map(|queued| u64::from(queued.bytes))
            .sum();
        self.sweep_at = 2 * (self.small.len() + self.main.len());
    }
}

/// The stripe of this thread.
#[inline]
fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static STRIPE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    let stripe = STRIPE.get();
    if stripe != usize::MAX {
        return stripe;
    }
    let stripe = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES;
    STRIPE.set(stripe);
    stripe
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stats().fmt(f)
    }
}
