//! How long counts and facets take: `cargo run --release --example facets [DOCUMENTS]`.
//!
//! Documents have a tag out of a thousand, some frequent and most rare, and a year. Each question is asked several times; the
//! median is told, and what the first one took, which reads the index.

use aether_env::{Clock, Env};
use aethervec::{
    AetherDB, Collection, DbOptions, Document, Durability, FacetRequest, Filter, IndexConfig,
    PayloadIndexKind,
};
use serde_json::json;
use std::io::Write as _;
use std::time::Duration;

const BATCH: u64 = 10_000;
const TIMES: usize = 21;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let documents = match std::env::args().nth(1) {
        Some(count) => count.parse()?,
        None => 1_000_000,
    };
    let directory = tempfile::tempdir()?;
    let env = Env::local(directory.path())?;
    let clock = env.clock.clone();
    let options = DbOptions {
        durability: Durability::Buffered,
        ..DbOptions::DEFAULT
    };
    let db = AetherDB::open_with(env, options.clone())?;
    let collection = db.create_collection("c", 1, "l2", IndexConfig::Flat)?;
    collection.create_payload_index("tag", PayloadIndexKind::Keyword)?;
    collection.create_payload_index("year", PayloadIndexKind::Integer)?;
    let start = clock.elapsed();
    let mut rng = fastrand::Rng::with_seed(1);
    for first in (0..documents).step_by(10_000) {
        let document = |id: u64| {
            let tag = format!("tag {}", rng.u32(..1_000) * rng.u32(..1_000) / 1_000);
            let payload = json!({"tag": tag, "year": 1960 + rng.u16(..65)});
            Document::new([0.5], id).with_payload(payload)
        };
        let batch = (first..documents.min(first + BATCH))
            .map(document)
            .collect();
        collection.upsert_batch(batch)?;
    }
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{documents} documents in {:?}",
        clock.elapsed() - start
    )?;
    drop(collection);
    db.close()?;
    drop(db);

    let db = AetherDB::open_with(Env::local(directory.path())?, options)?;
    let collection = db.collection("c")?;
    let tag = Filter::eq("tag", "tag 40");
    let years = Filter::range("year", 1980..2010);
    let both = tag.clone().and(years.clone());
    for (name, filter) in [("tag", &tag), ("years", &years), ("tag and years", &both)] {
        let (found, times) = measure(&*clock, || Ok(collection.count_matching(filter)?))?;
        writeln!(out, "count by {name}: {found} documents, {times}")?;
    }
    for (name, filter) in [("all", None), ("filtered by years", Some(years))] {
        let request = FacetRequest {
            filter,
            ..FacetRequest::new("tag")
        };
        let (found, times) = measure(&*clock, || facet(&collection, &request))?;
        writeln!(
            out,
            "facet of tags, {name}: {found} the most frequent, {times}"
        )?;
    }
    Ok(())
}

fn facet(
    collection: &Collection,
    request: &FacetRequest,
) -> Result<u64, Box<dyn std::error::Error>> {
    let facets = collection.facet(request)?;
    Ok(facets.first().map_or(0, |facet| facet.count))
}

/// What `work` returns, and how long it took: the first time, and the median of the others.
fn measure(
    clock: &dyn Clock,
    mut work: impl FnMut() -> Result<u64, Box<dyn std::error::Error>>,
) -> Result<(u64, String), Box<dyn std::error::Error>> {
    let mut times = Vec::new();
    let mut found = 0;
    for _ in 0..TIMES {
        let start = clock.elapsed();
        found = work()?;
        times.push(clock.elapsed() - start);
    }
    let first = times.remove(0);
    times.sort_unstable();
    let median: Duration = times[times.len() / 2];
    Ok((found, format!("first {first:?}, then {median:?}")))
}
