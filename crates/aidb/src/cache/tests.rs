//! What stays, what goes, and that the count of bytes is right.

use std::sync::Arc;

use super::*;

struct Thing(usize);

impl Weigh for Thing {
    fn bytes(&self) -> usize {
        self.0
    }
}

/// Looks at a slot, and fills it when it is empty. True when it was there.
fn read(slots: &Arc<Slots<Thing>>, slot: usize, bytes: usize) -> bool {
    if slots.get(slot).is_some() {
        return true;
    }
    slots.fill(slot, Arc::new(Thing(bytes)));
    false
}

fn filled(slots: &Slots<Thing>, number: usize) -> usize {
    (0..number).filter(|&slot| slots.is_filled(slot)).count()
}

#[test]
fn a_scan_does_not_drive_out_what_is_used() {
    let cache = Arc::new(Cache::new(1 << 20));
    let (hot, cold) = (
        Slots::new(Arc::clone(&cache), 100),
        Slots::new(Arc::clone(&cache), 10_000),
    );
    for _ in 0..3 {
        (0..100).for_each(|slot| {
            read(&hot, slot, 4096);
        });
    }
    for slot in 0..10_000 {
        read(&cold, slot, 4096);
        // In between, what is hot is read now and then.
        if slot % 20 == 0 {
            read(&hot, slot / 20 % 100, 4096);
        }
    }
    assert!(filled(&hot, 100) >= 95, "{} of 100", filled(&hot, 100));
    let stats = cache.stats();
    assert!(
        stats.bytes <= 1 << 20 && stats.bytes > 900 << 10,
        "{stats:?}"
    );
    assert_eq!(stats.hits + stats.misses, 300 + 10_000 + 500);
}

#[test]
fn what_comes_back_soon_stays_longer() {
    let cache = Arc::new(Cache::new(100 * 1064));
    let slots = Slots::new(Arc::clone(&cache), 1000);
    for slot in 0..150 {
        read(&slots, slot, 1000);
    }
    let gone = (0..150).find(|&slot| !slots.is_filled(slot)).unwrap();
    assert!(!read(&slots, gone, 1000));
    for slot in 200..290 {
        read(&slots, slot, 1000);
    }
    assert!(slots.is_filled(gone));
}

#[test]
fn the_budget_holds_whatever_the_others_take() {
    let cache = Arc::new(Cache::new(100_000));
    let slots = Slots::new(Arc::clone(&cache), 500);
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..20_000 {
        match random.u8(..20) {
            0 => cache.set_memtable_bytes(random.u64(..120_000)),
            1 if cache.try_pin(2000) => {}
            2 if cache.pinned_bytes() > 0 => cache.unpin(2000),
            _ => {
                read(&slots, random.usize(..500), random.usize(1..5000));
            }
        }
        let others = cache.memtable_bytes.load(Ordering::Relaxed) + cache.pinned_bytes();
        assert!(cache.pinned_bytes() <= 25_000);
        assert!(cache.stats().bytes <= 100_000_u64.saturating_sub(others));
    }
}

#[test]
fn what_is_larger_than_the_budget_is_not_kept() {
    let cache = Arc::new(Cache::new(1000));
    let slots = Slots::new(Arc::clone(&cache), 2);
    read(&slots, 0, 100);
    read(&slots, 1, 5000);
    assert!(slots.is_filled(0) && !slots.is_filled(1));
    let none = Slots::new(Arc::new(Cache::new(0)), 1);
    assert!(!read(&none, 0, 1) && !read(&none, 0, 1));
}

#[test]
fn an_owner_that_goes_takes_everything_with_it() {
    let cache = Arc::new(Cache::new(1 << 30));
    for _ in 0..50 {
        let slots = Slots::new(Arc::clone(&cache), 1000);
        (0..1000).for_each(|slot| {
            read(&slots, slot, 100);
        });
        assert_eq!(cache.stats().bytes, 1000 * 164);
    }
    assert_eq!(cache.stats().bytes, 0);
    let queues = cache.queues.lock();
    assert!(queues.small.len() + queues.main.len() <= 2 * SWEEP_ENTRIES_MIN);
}

#[test]
fn the_count_is_right_after_many_threads() {
    let cache = Arc::new(Cache::new(200_000));
    let shared = Slots::new(Arc::clone(&cache), 300);
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (cache, shared) = (&cache, &shared);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                let mut own = Slots::new(Arc::clone(cache), 50);
                for _ in 0..20_000 {
                    match random.u8(..100) {
                        0 => own = Slots::new(Arc::clone(cache), 50),
                        1..20 => {
                            read(&own, random.usize(..50), 1500);
                        }
                        _ => {
                            read(shared, random.usize(..300), 1000);
                        }
                    }
                }
            });
        }
    });
    assert_eq!(cache.stats().bytes, filled(&shared, 300) as u64 * 1064);
    assert!(cache.stats().bytes <= 200_000);
}
