//! Puts from one caller and from several: with a sync each, beside what the disk itself allows; and without.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::data::{Random, Values, key};
use crate::engine::{Engine, Session};
use crate::measure::{Usage, report};

use super::{Latencies, Run, time_for};

/// `raw`, `sync1`, `sync16`.
pub fn commits(run: &Run) {
    let engine = run.open_empty();
    let values = run.values();
    raw(run, &values);
    for threads in [1, 16] {
        callers(run, &*engine, &values, threads, true);
    }
}

/// `put1`, `put4`.
pub fn unsynced(run: &Run) {
    let values = run.values();
    for threads in [1, 4] {
        callers(run, &*run.open_empty(), &values, threads, false);
    }
}

/// What a record appended to a file and synced takes, without any engine.
fn raw(run: &Run, values: &Values) {
    let path = run.directory().with_extension("raw");
    let mut file = std::fs::File::create(&path).expect("make a file");
    let start = Usage::now();
    let (count, latencies) = time_for(run.seconds / 2.0, 1, |i| {
        file.write_all(values.at(i)).expect("append");
        file.sync_data().expect("sync");
    });
    report("raw", count, start.spent(), Some(&latencies), json!({}));
    // The next run makes it anew.
    let _ = std::fs::remove_file(&path);
}

fn callers(run: &Run, engine: &dyn Engine, values: &Values, threads: u64, synced: bool) {
    let stop = AtomicBool::new(false);
    let mut latencies = Latencies::new();
    let mut commits = 0;
    let start = Usage::now();
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..threads)
            .map(|thread| {
                let stop = &stop;
                scope.spawn(move || caller(run, engine.session(synced), values, thread, stop))
            })
            .collect();
        std::thread::sleep(Duration::from_secs_f64(run.seconds));
        stop.store(true, Ordering::Relaxed);
        for caller in callers {
            let (count, own) = caller.join().expect("a caller");
            commits += count;
            latencies.join(&own);
        }
    });
    let phase = format!("{}{threads}", if synced { "sync" } else { "put" });
    report(&phase, commits, start.spent(), Some(&latencies), json!({}));
}

fn caller(
    run: &Run,
    mut session: Box<dyn Session + '_>,
    values: &Values,
    thread: u64,
    stop: &AtomicBool,
) -> (u64, Latencies) {
    let mut random = Random::new(thread * 977 + 5);
    let mut latencies = Latencies::new();
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let key = key(random.below(run.keys));
        let value = values.at(random.next());
        let start = std::time::Instant::now();
        session.put(&key, value);
        latencies.add(start.elapsed());
        count += 1;
    }
    (count, latencies)
}
