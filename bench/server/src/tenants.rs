//! Very many tenants with three documents each: how long one takes to be made, how long its first request takes, and what it
//! costs while it is idle: after it was made, after it was opened again, and once it is closed.

use std::time::Duration;

use serde_json::json;

use crate::clock::now;
use crate::protocol::Result;
use crate::rest::Rest;
use crate::target::Target;
use crate::{Options, quantile};

/// Documents of a tenant.
const DOCUMENTS: usize = 3;
const DIM: usize = 384;

/// Seconds after which the server closes a tenant: more than all of them together take to be opened.
const IDLE_S: u64 = 30;

pub fn run(options: &Options) -> Result<()> {
    let dir = options.work.join("tenants");
    let mut tenants = Tenants::start(&dir, options.count, None)?;
    let made = tenants.each(make)?;
    let made_bytes = tenants.bytes_of_each()?;
    tenants.target.stop()?;

    let mut tenants = Tenants::start(&dir, options.count, Some(IDLE_S))?;
    let opened = tenants.each(search)?;
    if tenants.open()? != options.count {
        return Err(format!("some were closed already: they took longer than {IDLE_S} s").into());
    }
    let idle_bytes = tenants.bytes_of_each()?;
    while tenants.open()? > 0 {
        std::thread::sleep(Duration::from_secs(1));
    }
    let line = json!({
        "part": "tenants", "tenants": options.count, "documents": DOCUMENTS,
        "made_s": made.iter().sum::<f64>() / 1e3, "made_p50_ms": quantile(&made, 0.5), "made_p99_ms": quantile(&made, 0.99),
        "made_idle_bytes": made_bytes, "idle_bytes": idle_bytes, "closed_bytes": tenants.bytes_of_each()?,
        "open_p50_ms": quantile(&opened, 0.5), "open_p99_ms": quantile(&opened, 0.99), "open_max_ms": quantile(&opened, 1.0),
    });
    println!("{line}");
    tenants.target.stop()
}

/// A server, none of whose tenants was used when it was started.
struct Tenants {
    target: Target,
    rest: Rest,
    count: usize,
    /// Its memory then.
    empty_bytes: u64,
}

impl Tenants {
    fn start(dir: &std::path::Path, count: usize, idle_s: Option<u64>) -> Result<Tenants> {
        let target = Target::start_with(dir, idle_s)?;
        let mut rest = Rest::connect(target.http)?;
        rest.call("GET", "/metrics", "")?;
        Ok(Tenants {
            empty_bytes: target.resident_bytes(),
            target,
            rest,
            count,
        })
    }

    /// Does `this` with each of them: the milliseconds that it took, sorted.
    fn each(&mut self, this: fn(&mut Rest, usize) -> Result<()>) -> Result<Vec<f64>> {
        let mut times = Vec::new();
        for tenant in 0..self.count {
            let begin = now();
            this(&mut self.rest, tenant)?;
            times.push(begin.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        Ok(times)
    }

    /// How many are open.
    fn open(&mut self) -> Result<usize> {
        let metrics = String::from_utf8(self.rest.call("GET", "/metrics", "")?)?;
        let open = metrics
            .lines()
            .find_map(|line| line.strip_prefix("vector_db_tenants_open "));
        Ok(open.ok_or("no metric of open tenants")?.parse()?)
    }

    /// What each of them takes, on the average.
    fn bytes_of_each(&self) -> Result<u64> {
        let more = self
            .target
            .resident_bytes()
            .saturating_sub(self.empty_bytes);
        Ok(more / u64::try_from(self.count)?)
    }
}

fn make(rest: &mut Rest, tenant: usize) -> Result<()> {
    rest.call("PUT", &format!("/v1/tenants/t{tenant}"), "")?;
    let collection = format!("/v1/tenants/t{tenant}/collections/notes");
    rest.json("PUT", &collection, &json!({"dim": DIM, "metric": "cosine"}))?;
    let document =
        |id: usize| json!({"id": id, "vector": vector(tenant, id), "payload": {"n": id}});
    let documents: Vec<_> = (0..DOCUMENTS).map(document).collect();
    let path = format!("{collection}/documents");
    rest.json("POST", &path, &json!({"documents": documents}))?;
    Ok(())
}

fn search(rest: &mut Rest, tenant: usize) -> Result<()> {
    let path = format!("/v1/tenants/t{tenant}/collections/notes/search");
    let found = rest.json("POST", &path, &json!({"vector": vector(tenant, 1), "k": 1}))?;
    match found["hits"][0]["id"] == 1 {
        true => Ok(()),
        false => Err(format!("tenant {tenant}: {found}").into()),
    }
}

/// A vector that no other document of the tenant has.
fn vector(tenant: usize, id: usize) -> Vec<f32> {
    (0..DIM)
        // By a prime that no number of tenants reaches: all vectors differ.
        .map(|i| ((tenant + 1) * (id + 2) * (i + 3) % 10_007) as f32 - 5_000.0)
        .collect()
}
