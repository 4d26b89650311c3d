//! Reads: after a load in batches, with everything in the cache; and with nothing in any cache.

use serde_json::json;

use crate::data::{Random, key, missing_key};
use crate::engine::{Key, Session};
use crate::measure::{Spent, Usage, disk_bytes, evict, report, resident_bytes, rounded, settle};

use super::{Latencies, Run, load, time_for};

/// One get in so many brings a block of every place into the cache.
const WARM_STEP: usize = 16;
const SEEK_ENTRIES: usize = 51;
const KEYS_PER_MULTI_GET: usize = 64;
/// The page cache is emptied again after so many reads: they hardly meet a block twice.
const MULTI_GETS_PER_EVICTION: u64 = 32;
/// Reads of which one is timed: a clock costs as much as a fast read.
const TIMED: u64 = 16;

/// `batch` (puts of 1,000 at a time, debt included), then `get`, `missing`, `multi_get`, `seek`, `scan`.
pub fn hot(run: &Run) {
    let engine = run.open_empty();
    let session = &mut *engine.session(false);
    fill(run, session);
    warm(run, session);
    gets(run, session, "get", key);
    gets(run, session, "missing", missing_key);
    multi_gets(run, session);
    seeks(run, session);
    scan(session);
}

fn fill(run: &Run, session: &mut dyn Session) {
    let start = Usage::now();
    load(run, session);
    let loading = start.spent();
    let settle_s = settle();
    let mut spent = start.spent();
    spent.wall_s = loading.wall_s + settle_s;
    let more = json!({
        "per_s_before_debt": (run.keys as f64 / loading.wall_s).round(),
        "settle_s": rounded(settle_s),
        "write_amplification": rounded(spent.written as f64 / run.live_bytes() as f64),
        "disk_ratio": rounded(disk_bytes(run.directory()) as f64 / run.live_bytes() as f64),
    });
    report("batch", run.keys, spent, None, more);
}

/// Brings all blocks into the cache; also checks that all keys are there.
fn warm(run: &Run, session: &mut dyn Session) {
    session.refresh();
    for number in (0..run.keys).step_by(WARM_STEP) {
        assert!(
            session.get(&key(number), &mut |_| {}),
            "key {number} is missing"
        );
    }
}

fn gets(run: &Run, session: &mut dyn Session, phase: &str, key_of: fn(u64) -> Key) {
    let mut random = Random::new(23);
    let (mut found, mut sum) = (0, 0);
    let start = Usage::now();
    let (count, latencies) = time_for(run.seconds, TIMED, |_| {
        let key = key_of(random.below(run.keys));
        found += u64::from(session.get(&key, &mut |value| sum += u64::from(value[0])));
    });
    let spent = start.spent();
    let expected = if phase == "missing" { 0 } else { count };
    assert_eq!(found, expected, "{phase}");
    finish(phase, count, spent, &latencies, sum);
}

fn multi_gets(run: &Run, session: &mut dyn Session) {
    let mut random = Random::new(29);
    let (mut found, mut sum) = (0, 0);
    let start = Usage::now();
    let (count, latencies) = time_for(run.seconds / 2.0, 1, |_| {
        found += session.multi_get(&some_keys(run, &mut random), &mut |value| {
            sum += u64::from(value[0])
        });
    });
    let spent = start.spent();
    let keys = count * KEYS_PER_MULTI_GET as u64;
    assert_eq!(found as u64, keys, "multi_get");
    finish("multi_get", keys, spent, &latencies, sum);
}

fn some_keys(run: &Run, random: &mut Random) -> Vec<Key> {
    (0..KEYS_PER_MULTI_GET)
        .map(|_| key(random.below(run.keys)))
        .collect()
}

fn seeks(run: &Run, session: &mut dyn Session) {
    let mut random = Random::new(31);
    let (mut entries, mut sum) = (0, 0);
    let start = Usage::now();
    let (count, latencies) = time_for(run.seconds, 1, |_| {
        // So far from the end that there are always enough.
        let from = key(random.below(run.keys - SEEK_ENTRIES as u64));
        entries += session.scan(&from, SEEK_ENTRIES, &mut |key, value| {
            sum += u64::from(key[15]) + u64::from(value[0]);
        });
    });
    let spent = start.spent();
    assert_eq!(entries as u64, count * SEEK_ENTRIES as u64, "seek");
    finish("seek", count, spent, &latencies, sum);
}

/// Whole scans, so that blocks that only a scan reads come from the cache in most of them.
fn scan(session: &mut dyn Session) {
    let mut all = || {
        let mut sum = 0;
        let entries = session.scan(&[0; 16], usize::MAX, &mut |key, value| {
            sum += u64::from(key[15]) + u64::from(value[0]);
        });
        (entries as u64, sum)
    };
    all();
    let start = Usage::now();
    let (mut entries, mut sum) = (0, 0);
    for _ in 0..3 {
        let (more, part) = all();
        entries += more;
        sum += part;
    }
    finish("scan", entries, start.spent(), &Latencies::new(), sum);
}

/// Prints the line. The sum of the bytes seen goes with it, so that reading them cannot be optimised away.
fn finish(phase: &str, count: u64, spent: Spent, latencies: &Latencies, sum: u64) {
    let more = json!({
        "cpu_share": rounded(spent.cpu_s / spent.wall_s),
        "resident_bytes": resident_bytes(),
        "odd": sum % 2,
    });
    report(phase, count, spent, Some(latencies), more);
}

/// `multi_get.cold` and `get.cold`: a merged database, a small block cache, and the page cache emptied all the time.
pub fn cold(run: &Run) {
    let run = &run.with(|settings| settings.cache_bytes = 8 << 20);
    let loading = run.open_empty();
    load(run, &mut *loading.session(false));
    loading.compact();
    drop(loading);
    // Nothing is written any more: what an engine has for that must not serve as a cache.
    let run = &run.with(|settings| settings.write_buffer_bytes = 4 << 20);
    let engine = run.open();
    settle();
    evict(run.directory(), true);
    let session = &mut *engine.session(false);
    let mut random = Random::new(37);
    let mut batched = |random: &mut Random| {
        let keys = some_keys(run, random);
        assert_eq!(
            session.multi_get(&keys, &mut |_| {}),
            keys.len(),
            "cold multi_get"
        );
    };
    cold_phase(run, "multi_get.cold", &mut random, &mut batched);
    let mut single = |random: &mut Random| {
        for key in some_keys(run, random) {
            assert!(session.get(&key, &mut |_| {}), "cold get");
        }
    };
    cold_phase(run, "get.cold", &mut random, &mut single);
}

/// `read` gets 64 keys; only it is timed, not what empties the caches.
fn cold_phase(run: &Run, phase: &str, random: &mut Random, read: &mut dyn FnMut(&mut Random)) {
    let mut latencies = Latencies::new();
    let mut total = Spent::default();
    let mut count = 0;
    while total.wall_s < run.seconds {
        evict(run.directory(), false);
        for _ in 0..MULTI_GETS_PER_EVICTION {
            let start = Usage::now();
            read(random);
            let spent = start.spent();
            latencies.add(std::time::Duration::from_secs_f64(spent.wall_s));
            total.wall_s += spent.wall_s;
            total.cpu_s += spent.cpu_s;
            count += KEYS_PER_MULTI_GET as u64;
        }
    }
    report(phase, count, total, Some(&latencies), json!({}));
}
