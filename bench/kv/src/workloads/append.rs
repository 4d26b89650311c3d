//! Lists that grow: 64 bytes are appended to one of many, in random order, until they have 16 KB on average; then lists
//! are read.

use serde_json::json;

use crate::data::{Random, key};
use crate::measure::{Usage, disk_bytes, report, rounded, settle};

use super::{Run, time_each, time_for};

const LIST_BYTES: u64 = 16_000;
/// Engines that read the whole list to append to it get as far as they come in this time, per second of `Run::seconds`.
const SECONDS: f64 = 5.0;

/// `append` and `list`. `Run::keys` is the number of appends.
pub fn lists(run: &Run) {
    let engine = run.open_empty();
    let values = run.values();
    let lists = (run.keys * run.value_bytes as u64 / LIST_BYTES).max(1);
    let session = &mut *engine.session(false);
    let mut random = Random::new(41);
    let start = Usage::now();
    let limit = run.seconds * SECONDS;
    let mut appends = 0;
    let latencies = time_each(run.keys, |i| {
        if i % 1024 != 0 || start.spent().wall_s < limit {
            session.append(&key(random.below(lists)), values.at(i));
            appends += 1;
        }
    });
    let appending = start.spent();
    let settle_s = settle();
    let mut spent = start.spent();
    spent.wall_s = appending.wall_s + settle_s;
    let bytes = appends * run.value_bytes as u64;
    let more = json!({
        "per_s_before_debt": (appends as f64 / appending.wall_s).round(),
        "settle_s": rounded(settle_s),
        "write_amplification": rounded(spent.written as f64 / run.bytes_of(appends) as f64),
        "mean_list_bytes": bytes / lists,
        "disk_ratio": rounded(disk_bytes(run.directory()) as f64 / (bytes + lists * 16) as f64),
    });
    report("append", appends, spent, Some(&latencies), more);

    session.refresh();
    let mut total = 0;
    for number in 0..lists {
        session.get(&key(number), &mut |list| total += list.len() as u64);
    }
    assert_eq!(total, bytes, "bytes in all lists");
    let mut read = 0;
    let start = Usage::now();
    let (count, latencies) = time_for(run.seconds, 1, |_| {
        session.get(&key(random.below(lists)), &mut |list| {
            read += list.len() as u64
        });
    });
    let spent = start.spent();
    let more = json!({ "mb_per_s": rounded(read as f64 / 1e6 / spent.wall_s) });
    report("list", count, spent, Some(&latencies), more);
}
