//! How much of the disk a database takes while it is overwritten, and after a compaction.
//!
//! The write buffer is small beside the data (4 MiB to hundreds), as it is in a database that has grown: logs and
//! level 0, which depend on the buffer alone, would hide the rest otherwise. All engines have the same.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::data::{Random, key};
use crate::measure::{Usage, disk_bytes, only_measures, report, rounded, settle};

use super::{Run, load};

const WRITE_BUFFER_BYTES: usize = 4 << 20;
const SAMPLE_EVERY: Duration = Duration::from_millis(10);

/// `space`: `peak_ratio` while every key is overwritten once on average, `settled_ratio` when the engine has come to
/// rest, `compacted_ratio` after a compaction of everything; bytes on disk, logs included, ÷ keys and values.
pub fn amplification(run: &Run) {
    let run = &run.with(|settings| settings.write_buffer_bytes = WRITE_BUFFER_BYTES);
    let engine = run.open_empty();
    let session = &mut *engine.session(false);
    load(run, session);
    settle();
    let ratio = || rounded(disk_bytes(run.directory()) as f64 / run.live_bytes() as f64);
    let loaded_ratio = ratio();
    let (values, mut random) = (run.values(), Random::new(43));
    let done = AtomicBool::new(false);
    let start = Usage::now();
    let peak_ratio = std::thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut peak: f64 = 0.0;
            while !done.load(Ordering::Relaxed) {
                peak = peak.max(ratio());
                only_measures();
                std::thread::sleep(SAMPLE_EVERY);
            }
            peak
        });
        for i in 0..run.keys {
            session.put(&key(random.below(run.keys)), values.at(!i));
        }
        settle();
        done.store(true, Ordering::Relaxed);
        sampler.join().expect("the sampler")
    });
    let spent = start.spent();
    let settled_ratio = ratio();
    engine.compact();
    settle();
    let more = json!({
        "loaded_ratio": loaded_ratio,
        "peak_ratio": peak_ratio,
        "settled_ratio": settled_ratio,
        "compacted_ratio": ratio(),
        "write_amplification": rounded(spent.written as f64 / run.live_bytes() as f64),
    });
    report("space", run.keys, spent, None, more);
}
