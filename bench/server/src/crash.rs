//! kill -9 under load: when it is back, and what is there then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aethervec_client::{DocId, Document};
use serde_json::json;

use crate::clock::now;
use crate::protocol::Result;
use crate::search::connect;
use crate::set::{K, NAME, Set};
use crate::target::Target;
use crate::{Options, runtime};

/// Connections that write at the same time; each writer's ids are apart.
const WRITERS: u64 = 8;
const IDS: u64 = 1 << 32;
/// Documents of a write.
const BATCH: u64 = 20;

pub fn run(options: &Options) -> Result<()> {
    let set = Arc::new(Set::read(options)?);
    let dir = options.work.join("crash");
    let target = Target::start(&dir)?;
    let runtime = runtime(true)?;
    let acknowledged = runtime.block_on(write(&set, &target, options.seconds))?;
    target.kill()?;
    // Writers that were cut off end with an error, which is what is expected of them.
    let begin = now();
    let target = Target::start(&dir)?;
    let (ready_s, missing) = runtime.block_on(async {
        let client = connect(&target).await?;
        let remote = client.collection(NAME);
        let hits = remote.search(&set.queries[0], K).await?;
        let ready_s = begin.elapsed().as_secs_f64();
        let mut missing = if hits.is_empty() { 1 } else { 0 };
        for (writer, written) in acknowledged.iter().enumerate() {
            let written = written.load(Ordering::SeqCst);
            for first in (0..written).step_by(1_000) {
                let ids = first..written.min(first + 1_000);
                let ids = ids.map(|id| DocId::U64(writer as u64 * IDS + id));
                let found = remote.get_batch(ids).await?;
                missing += found.iter().filter(|document| document.is_none()).count();
            }
        }
        Ok::<_, Box<dyn std::error::Error>>((ready_s, missing))
    })?;
    let written: u64 = acknowledged
        .iter()
        .map(|written| written.load(Ordering::SeqCst))
        .sum();
    let line = json!({
        "part": "crash", "set": options.set, "acknowledged": written, "missing": missing, "ready_s": ready_s,
    });
    println!("{line}");
    target.stop()
}

/// Writes for so long, and goes on in the background: how many documents each writer was told to be written.
async fn write(set: &Arc<Set>, target: &Target, seconds: u64) -> Result<Arc<Vec<AtomicU64>>> {
    let client = connect(target).await?;
    client.create_collection(NAME, set.schema()).await?;
    let acknowledged: Vec<AtomicU64> = (0..WRITERS).map(|_| AtomicU64::new(0)).collect();
    let acknowledged = Arc::new(acknowledged);
    for writer in 0..WRITERS {
        let remote = connect(target).await?.collection(NAME);
        let (set, acknowledged) = (Arc::clone(set), Arc::clone(&acknowledged));
        tokio::spawn(async move {
            for first in (0..).step_by(BATCH as usize) {
                let documents = (first..first + BATCH).map(|id| {
                    let row = (writer * 7_919 + id) as usize % set.base.rows();
                    Document::new(set.base.vector(row), writer * IDS + id)
                });
                if remote.upsert_batch(documents).await.is_err() {
                    return;
                }
                acknowledged[writer as usize].store(first + BATCH, Ordering::SeqCst);
            }
        });
    }
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    Ok(acknowledged)
}
