//! Copies of buckets in memory: so many bytes of them, whoever's they are.
//!
//! S3-FIFO (Yang et al. 2023, SOSP): what is new waits in a small queue, and only what is asked for again while it is there gets
//! into the main one, so that a scan of everything does not drive out what is needed all the time. What is asked for soon after it
//! was dropped goes into the main queue at once.

use std::collections::VecDeque;
use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed,
};
use std::sync::{Arc, Weak};

use aether_distance::prefetch_at;
use parking_lot::{Mutex, RwLock};

use super::record::Image;
use crate::Result;

/// The small queue has one in so many of all copies.
const SMALL_SHARE: usize = 10;

/// Visits that are counted, at most.
const VISITS_MAX: u8 = 3;

/// Memory for copies of buckets, for any number of indexes.
#[derive(Debug)]
pub struct ImageCache {
    bytes_max: usize,
    bytes: AtomicUsize,
    /// Copies dropped so far.
    dropped: AtomicU64,
    queues: Mutex<Queues>,
}

#[derive(Debug, Default)]
struct Queues {
    small: VecDeque<Weak<Slot>>,
    main: VecDeque<Weak<Slot>>,
}

/// The place for the copy of one bucket.
#[derive(Debug)]
pub(super) struct Slot {
    cache: Arc<ImageCache>,
    image: RwLock<Option<Arc<Image>>>,
    /// Where the copy is, or was: only to be asked from memory.
    address: AtomicPtr<Image>,
    visits: AtomicU8,
    /// How many copies had been dropped when this one was; 0: it was not.
    dropped_at: AtomicU64,
    /// The bucket is gone, but who began to search before that needs the copy.
    retired: AtomicBool,
}

impl ImageCache {
    /// Memory for about so many bytes; with 0 nothing is kept.
    pub fn new(bytes_max: usize) -> Arc<ImageCache> {
        Arc::new(ImageCache {
            bytes_max,
            bytes: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            queues: Mutex::default(),
        })
    }

    /// Bytes that all copies take.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    fn enqueue(&self, slot: &Arc<Slot>) {
        let mut queues = self.queues.lock();
        let dropped = self.dropped.load(Relaxed);
        let at = slot.dropped_at.swap(0, Relaxed);
        let is_missed = at > 0 && dropped - at < queues.main.len() as u64;
        match is_missed {
            true => queues.main.push_back(Arc::downgrade(slot)),
            false => queues.small.push_back(Arc::downgrade(slot)),
        }
        while self.bytes() > self.bytes_max && self.drop_one(&mut queues) {}
    }

    /// Goes on with one copy; false when there is none.
    fn drop_one(&self, queues: &mut Queues) -> bool {
        let all = queues.small.len() + queues.main.len();
        let from_small = queues.small.len() * SMALL_SHARE > all || queues.main.is_empty();
        let next = match from_small {
            true => queues.small.pop_front(),
            false => queues.main.pop_front(),
        };
        let Some(next) = next else {
            return false;
        };
        let Some(slot) = next.upgrade().filter(|slot| !slot.retired.load(Relaxed)) else {
            return true;
        };
        let visits = slot.visits.load(Relaxed);
        if visits > 0 {
            slot.visits
                .store(if from_small { 0 } else { visits - 1 }, Relaxed);
            queues.main.push_back(next);
        } else {
            let at = 1 + self.dropped.fetch_add(1, Relaxed);
            slot.dropped_at.store(at, Relaxed);
            slot.set(&mut slot.image.write(), None);
        }
        true
    }
}

impl Slot {
    /// Without a copy.
    pub(super) fn new(cache: &Arc<ImageCache>) -> Arc<Slot> {
        Arc::new(Slot {
            cache: Arc::clone(cache),
            image: RwLock::new(None),
            address: AtomicPtr::default(),
            visits: AtomicU8::new(0),
            dropped_at: AtomicU64::new(0),
            retired: AtomicBool::new(false),
        })
    }

    /// The copy, if it has at least so many records.
    pub(super) fn get(&self, records: u32) -> Option<Arc<Image>> {
        let image = self.image.read().clone();
        let image = image.filter(|image| image.records >= records)?;
        let visits = self.visits.load(Relaxed);
        if visits < VISITS_MAX {
            self.visits.store(visits + 1, Relaxed);
        }
        Some(image)
    }

    /// Asks memory for what the copy begins with.
    pub(super) fn fetch(&self) {
        prefetch_at(self.address.load(Relaxed).cast(), size_of::<Image>());
    }

    /// How warm the bucket is, see [`DriftStats::temperatures`](super::DriftStats::temperatures).
    pub(super) fn warmth(&self) -> usize {
        match (self.image.read().is_some(), self.visits.load(Relaxed)) {
            (false, _) => 0,
            (true, 0) => 1,
            (true, 1..VISITS_MAX) => 2,
            (true, _) => 3,
        }
    }

    /// Bytes that the copy takes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.image
            .read()
            .as_ref()
            .map_or(0, |image| image.memory_bytes())
    }

    /// Keeps a copy, unless there is one that has as much.
    pub(super) fn put(self: &Arc<Slot>, image: Arc<Image>) {
        let is_new = {
            let mut held = self.image.write();
            let has_as_much = |held: &Arc<Image>| held.records >= image.records;
            if held.as_ref().is_some_and(has_as_much) {
                return;
            }
            self.set(&mut held, Some(image)).is_none()
        };
        if is_new {
            self.cache.enqueue(self);
        }
    }

    /// Has the copy go along with its bucket, which had `before` records. A copy of another state is dropped.
    pub(super) fn append(
        &self,
        before: u32,
        append: impl FnOnce(&mut Image) -> Result<()>,
    ) -> Result<()> {
        let mut held = self.image.write();
        let Some(mut image) = self.set(&mut held, None) else {
            return Ok(());
        };
        if image.records != before {
            return Ok(());
        }
        match Arc::get_mut(&mut image) {
            Some(image) => append(image)?,
            None => {
                let mut copy = image.copy()?;
                append(&mut copy)?;
                image = Arc::new(copy);
            }
        }
        self.set(&mut held, Some(image));
        Ok(())
    }

    /// The bucket is about to go: this copy of it stays as long as somebody may look for it.
    pub(super) fn retire(&self, image: Arc<Image>) {
        self.retired.store(true, Relaxed);
        self.set(&mut self.image.write(), Some(image));
    }

    /// The bucket did not go.
    pub(super) fn reinstate(&self) {
        self.retired.store(false, Relaxed);
        self.set(&mut self.image.write(), None);
    }

    fn set(&self, held: &mut Option<Arc<Image>>, image: Option<Arc<Image>>) -> Option<Arc<Image>> {
        let bytes =
            |image: &Option<Arc<Image>>| image.as_ref().map_or(0, |image| image.memory_bytes());
        let (old, new) = (bytes(held), bytes(&image));
        self.cache.bytes.fetch_add(new, Relaxed);
        self.cache.bytes.fetch_sub(old, Relaxed);
        let address = image.as_ref().map_or(std::ptr::null(), Arc::as_ptr);
        self.address.store(address.cast_mut(), Relaxed);
        std::mem::replace(held, image)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let bytes = self.memory_bytes();
        self.cache.bytes.fetch_sub(bytes, Relaxed);
    }
}
