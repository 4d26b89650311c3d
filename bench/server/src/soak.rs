//! Very many connections for a long time: no error, bounded latency, memory that does not grow.

use std::time::Duration;

use serde_json::json;

use crate::clock::now;
use crate::protocol::Result;
use crate::search::{close, connect};
use crate::set::{NAME, Set, request};
use crate::target::Target;
use crate::{Options, quantile, runtime};

/// How long a connection rests between two searches: a server that answers at once has 2,000 searches a second from 1,000.
const REST: Duration = Duration::from_millis(500);
/// How often memory is looked at.
const LOOK: Duration = Duration::from_secs(1);

pub fn run(options: &Options) -> Result<()> {
    let set = Set::read(options)?;
    let (db, collection) = set.open()?;
    let (ef, _) = set.effort(&collection)?;
    close(db, collection)?;
    let target = Target::start(&set.dir)?;
    let line = runtime(true)?.block_on(soak(options, &set, &target, ef))?;
    println!("{line}");
    target.stop()
}

async fn soak(
    options: &Options,
    set: &Set,
    target: &Target,
    ef: usize,
) -> Result<serde_json::Value> {
    let begin = now();
    let time = Duration::from_secs(options.seconds);
    let mut searchers = Vec::new();
    for connection in 0..options.connections {
        let client = connect(target).await?;
        let query = set.queries[connection % set.queries.len()].clone();
        searchers.push(tokio::spawn(async move {
            let remote = client.collection(NAME);
            let (mut times, mut errors) = (Vec::new(), 0);
            // Not all at the same moment.
            tokio::time::sleep(REST.mul_f64(connection as f64 * 0.618 % 1.0)).await;
            while begin.elapsed() < time {
                let began = now();
                match remote.search_with(request(&query, ef)).await {
                    Ok(_) => times.push(began.elapsed().as_secs_f64() * 1e3),
                    Err(_) => errors += 1,
                }
                tokio::time::sleep(REST).await;
            }
            (times, errors)
        }));
    }
    let mut resident = Vec::new();
    while begin.elapsed() < time {
        tokio::time::sleep(LOOK).await;
        resident.push(target.resident_bytes() as f64);
    }
    let (mut times, mut errors) = (Vec::new(), 0_u64);
    for searcher in searchers {
        let (more_times, more_errors) = searcher.await?;
        times.extend(more_times);
        errors += more_errors;
    }
    times.sort_by(f64::total_cmp);
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len().max(1) as f64;
    let third = (resident.len() / 3).max(1);
    let middle = mean(&resident[resident.len().min(third)..resident.len().min(2 * third)]);
    let last = mean(&resident[resident.len().min(2 * third)..]);
    Ok(json!({
        "part": "soak", "set": options.set, "connections": options.connections, "seconds": options.seconds,
        "searches": times.len(), "errors": errors,
        "p50_ms": quantile(&times, 0.5), "p99_ms": quantile(&times, 0.99), "max_ms": quantile(&times, 1.0),
        "resident_bytes": last, "resident_growth": last / middle - 1.0,
    }))
}
