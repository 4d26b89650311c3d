//! The longest that one put takes while puts come as fast as the engine takes them.

use serde_json::json;

use crate::data::{Permutation, key};
use crate::measure::{Usage, report};

use super::{Run, time_for};

/// `pause`: new keys in random order. `Run::keys` only shapes the order; they come around again after so many.
pub fn longest(run: &Run) {
    let engine = run.open_empty();
    let (values, order) = (run.values(), Permutation::new(run.keys));
    let session = &mut *engine.session(false);
    let start = Usage::now();
    let (count, latencies) = time_for(run.seconds, 1, |i| {
        session.put(&key(order.at(i % run.keys)), values.at(i));
    });
    report("pause", count, start.spent(), Some(&latencies), json!({}));
}
