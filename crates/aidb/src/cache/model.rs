//! Threads that fill and read the same slots, of which few fit, in all orders.

use std::sync::Arc;

use loom::thread;

use super::*;
use crate::sync::check;

struct Thing(usize);

impl Weigh for Thing {
    fn bytes(&self) -> usize {
        self.0
    }
}

const BYTES: [usize; 2] = [100, 200];

fn read(slots: &Arc<Slots<Thing>>, slot: usize) {
    match &*slots.get(slot) {
        Some(held) => assert_eq!(held.0, BYTES[slot]),
        None => slots.fill(slot, Arc::new(Thing(BYTES[slot]))),
    }
}

/// The bytes that are counted are those that are held, and not too many.
fn assert_count(cache: &Cache, slots: &Slots<Thing>) {
    let held = (0..2).filter_map(|slot| slots.get(slot).as_ref().map(|held| held.0 as u64 + 64));
    assert_eq!(cache.stats().bytes, held.sum::<u64>());
    assert!(cache.stats().bytes <= cache.cached_bytes_max());
}

fn check_reads(budget_bytes: u64, reads: [&'static [usize]; 2]) {
    check(3, move || {
        let cache = Arc::new(Cache::new(budget_bytes));
        let slots = Slots::new(Arc::clone(&cache), 2);
        let other = Arc::clone(&slots);
        let other = thread::spawn(move || reads[0].iter().for_each(|slot| read(&other, *slot)));
        reads[1].iter().for_each(|slot| read(&slots, *slot));
        other.join().unwrap();
        assert_count(&cache, &slots);
        drop(slots);
        assert_eq!(cache.stats().bytes, 0);
    });
}

#[test]
fn what_is_counted_is_what_is_held() {
    check_reads(1000, [&[0, 1], &[1, 0]]);
}

#[test]
fn what_is_counted_is_what_is_held_where_little_fits() {
    check_reads(300, [&[0, 1], &[1, 0]]);
}

#[test]
fn memtables_drive_out_what_is_just_filled() {
    check(3, || {
        let cache = Arc::new(Cache::new(300));
        let slots = Slots::new(Arc::clone(&cache), 2);
        let other = Arc::clone(&cache);
        let other = thread::spawn(move || other.set_memtable_bytes(200));
        read(&slots, 0);
        other.join().unwrap();
        cache.make_room();
        assert_count(&cache, &slots);
    });
}
