//! Very many tenants with three documents each: how long the first request of one takes, and what an idle one costs.

use serde_json::json;

use crate::clock::now;
use crate::protocol::Result;
use crate::rest::Rest;
use crate::target::Target;
use crate::{Options, quantile};

/// Documents of a tenant.
const DOCUMENTS: usize = 3;
const DIM: usize = 384;

pub fn run(options: &Options) -> Result<()> {
    let dir = options.work.join("tenants");
    let target = Target::start(&dir)?;
    let mut rest = Rest::connect(target.http)?;
    let begin = now();
    for tenant in 0..options.count {
        rest.call("PUT", &format!("/v1/tenants/t{tenant}"), "")?;
        let collection = format!("/v1/tenants/t{tenant}/collections/notes");
        rest.json("PUT", &collection, &json!({"dim": DIM, "metric": "cosine"}))?;
        let document =
            |id: usize| json!({"id": id, "vector": vector(tenant, id), "payload": {"n": id}});
        let documents: Vec<_> = (0..DOCUMENTS).map(document).collect();
        let path = format!("{collection}/documents");
        rest.json("POST", &path, &json!({"documents": documents}))?;
    }
    let made_s = begin.elapsed().as_secs_f64();
    drop(rest);
    target.stop()?;

    let target = Target::start(&dir)?;
    let mut rest = Rest::connect(target.http)?;
    rest.call("GET", "/health", "")?;
    let empty = target.resident_bytes();
    let mut times = Vec::new();
    for tenant in 0..options.count {
        let path = format!("/v1/tenants/t{tenant}/collections/notes/search");
        let begin = now();
        let found = rest.json("POST", &path, &json!({"vector": vector(tenant, 1), "k": 1}))?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
        if found["hits"][0]["id"] != 1 {
            return Err(format!("tenant {tenant}: {found}").into());
        }
    }
    let idle_bytes = target.resident_bytes().saturating_sub(empty) / options.count as u64;
    times.sort_by(f64::total_cmp);
    let line = json!({
        "part": "tenants", "tenants": options.count, "documents": DOCUMENTS, "made_s": made_s,
        "idle_bytes": idle_bytes, "open_p50_ms": quantile(&times, 0.5), "open_p99_ms": quantile(&times, 0.99),
        "open_max_ms": quantile(&times, 1.0),
    });
    println!("{line}");
    target.stop()
}

/// A vector that no other document of the tenant has.
fn vector(tenant: usize, id: usize) -> Vec<f32> {
    (0..DIM)
        // By a prime that no number of tenants reaches: all vectors differ.
        .map(|i| ((tenant + 1) * (id + 2) * (i + 3) % 10_007) as f32 - 5_000.0)
        .collect()
}
