//! Single puts without sync: `fillseq`, `fillrandom`, `overwrite`. The clock runs until the engine has nothing left to do.

use serde_json::json;

use crate::data::{Permutation, Random, key};
use crate::engine::Session;
use crate::measure::{Usage, disk_bytes, report, rounded, settle};

use super::{Run, time_each};

pub fn in_order(run: &Run) {
    let engine = run.open_empty();
    let values = run.values();
    puts(run, &mut *engine.session(false), "fillseq", |session, i| {
        session.put(&key(i), values.at(i));
    });
}

pub fn at_random(run: &Run) {
    let engine = run.open_empty();
    let (values, order) = (run.values(), Permutation::new(run.keys));
    let session = &mut *engine.session(false);
    puts(run, session, "fillrandom", |session, i| {
        session.put(&key(order.at(i)), values.at(i));
    });
    let mut random = Random::new(11);
    puts(run, session, "overwrite", |session, i| {
        session.put(&key(random.below(run.keys)), values.at(!i));
    });
}

/// Random puts of values that engines keep apart, each key once; then each key again, in another order.
pub fn large_values(run: &Run) {
    let run = &run.with(|settings| settings.separate_values = true);
    at_random(run);
}

fn puts(
    run: &Run,
    session: &mut dyn Session,
    phase: &str,
    mut put: impl FnMut(&mut dyn Session, u64),
) {
    let start = Usage::now();
    let latencies = time_each(run.keys, |i| put(session, i));
    let putting = start.spent();
    let settle_s = settle();
    let mut spent = start.spent();
    spent.wall_s = putting.wall_s + settle_s;
    let more = json!({
        "per_s_before_debt": (run.keys as f64 / putting.wall_s).round(),
        "cpu_share": rounded(putting.cpu_s / putting.wall_s),
        "settle_s": rounded(settle_s),
        "write_amplification": rounded(spent.written as f64 / run.live_bytes() as f64),
        "disk_ratio": rounded(disk_bytes(run.directory()) as f64 / run.live_bytes() as f64),
    });
    report(phase, run.keys, spent, Some(&latencies), more);
}
