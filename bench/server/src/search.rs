//! Searches: how long one takes, and how many there are in a second.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aethervec::{AetherDB, Collection};
use aethervec_client::VectorDatabaseClient;
use serde_json::json;

use crate::clock::{cpu_seconds, now};
use crate::protocol::Result;
use crate::rest::Rest;
use crate::set::{K, NAME, Set, request};
use crate::target::Target;
use crate::{Options, quantile, runtime};

/// Searches before those that count.
const WARM: usize = 500;

pub fn latency(options: &Options) -> Result<()> {
    let set = Set::read(options)?;
    let (db, collection) = set.open()?;
    let (ef, recall) = set.effort(&collection)?;
    let embedded = timed(options, &set, |query| {
        collection.search_with(request(query, ef))?;
        Ok(())
    })?;
    close(db, collection)?;
    let target = Target::start(&set.dir)?;
    let runtime = runtime(false)?;
    let client = runtime.block_on(connect(&target))?;
    let remote = client.collection(NAME);
    let grpc = timed(options, &set, |query| {
        runtime.block_on(remote.search_with(request(query, ef)))?;
        Ok(())
    })?;
    drop(runtime);
    let mut rest = Rest::connect(target.http)?;
    let path = format!("/v1/collections/{NAME}/search");
    let bodies = set
        .queries
        .iter()
        .map(|query| json!({"vector": query, "k": K, "ef": ef}).to_string());
    let bodies: Vec<String> = bodies.collect();
    let mut next = bodies.iter().cycle();
    let rest = timed(options, &set, |_| {
        let body = next.next().ok_or("no queries")?;
        rest.call("POST", &path, body).map(drop)
    })?;
    for (way, times) in [("embedded", &embedded), ("grpc", &grpc), ("rest", &rest)] {
        let line = json!({
            "part": "latency", "set": options.set, "way": way, "ef": ef, "recall": recall, "searches": times.len(),
            "p50_us": quantile(times, 0.5), "p99_us": quantile(times, 0.99),
            "more_p50_us": quantile(times, 0.5) - quantile(&embedded, 0.5),
        });
        println!("{line}");
    }
    target.stop()
}

pub fn throughput(options: &Options) -> Result<()> {
    let set = Set::read(options)?;
    let (db, collection) = set.open()?;
    let (ef, recall) = set.effort(&collection)?;
    let cores = std::thread::available_parallelism()?.get();
    let cpu = cpu_seconds();
    let embedded = embedded(options, &set, &collection, ef, cores)?;
    let embedded_cpu = options.us_of_each(cpu_seconds() - cpu, embedded);
    close(db, collection)?;
    let target = Target::start(&set.dir)?;
    let (server_cpu, client_cpu) = (target.cpu_seconds(), cpu_seconds());
    let remote = runtime(true)?.block_on(remote(options, &set, &target, ef))?;
    let line = json!({
        "part": "throughput", "set": options.set, "ef": ef, "recall": recall, "connections": options.connections,
        "embedded_threads": cores, "embedded_qps": embedded, "embedded_cpu_us": embedded_cpu,
        "grpc_qps": remote, "share": remote / embedded,
        "server_cpu_us": options.us_of_each(target.cpu_seconds() - server_cpu, remote),
        "client_cpu_us": options.us_of_each(cpu_seconds() - client_cpu, remote),
    });
    println!("{line}");
    target.stop()
}

/// Microseconds of each search, sorted.
fn timed(
    options: &Options,
    set: &Set,
    mut search: impl FnMut(&[f32]) -> Result<()>,
) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    let mut queries = set.queries.iter().cycle();
    for query in queries.by_ref().take(WARM) {
        search(query)?;
    }
    let begin = now();
    while begin.elapsed() < Duration::from_secs(options.seconds) {
        let query = queries.next().ok_or("no queries")?;
        let begin = now();
        search(query)?;
        times.push(begin.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// Searches in a second, of so many threads together.
fn embedded(
    options: &Options,
    set: &Set,
    collection: &Collection,
    ef: usize,
    threads: usize,
) -> Result<f64> {
    let (count, ended) = (AtomicUsize::new(0), AtomicBool::new(false));
    let begin = now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (count, ended) = (&count, &ended);
            scope.spawn(move || {
                for query in set.queries.iter().cycle().skip(thread * 97) {
                    if ended.load(Ordering::Relaxed) {
                        break;
                    }
                    if collection.search_with(request(query, ef)).is_ok() {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        std::thread::sleep(Duration::from_secs(options.seconds));
        ended.store(true, Ordering::Relaxed);
    });
    Ok(count.into_inner() as f64 / begin.elapsed().as_secs_f64())
}

/// Searches in a second, of so many connections together, each of which waits for its answer.
async fn remote(options: &Options, set: &Set, target: &Target, ef: usize) -> Result<f64> {
    let begin = now();
    let mut searchers = Vec::new();
    for connection in 0..options.connections {
        let client = connect(target).await?;
        let queries = set.queries.clone();
        let seconds = options.seconds;
        searchers.push(tokio::spawn(async move {
            let remote = client.collection(NAME);
            let mut count = 0;
            for query in queries.iter().cycle().skip(connection * 97) {
                if begin.elapsed() >= Duration::from_secs(seconds) {
                    break;
                }
                remote.search_with(request(query, ef)).await?;
                count += 1;
            }
            Ok::<usize, aethervec_client::Error>(count)
        }));
    }
    let mut count = 0;
    for searcher in searchers {
        count += searcher.await??;
    }
    Ok(count as f64 / begin.elapsed().as_secs_f64())
}

/// A client with one connection.
pub async fn connect(target: &Target) -> Result<VectorDatabaseClient> {
    let options = VectorDatabaseClient::options(target.url()).connections(1);
    Ok(options.connect().await?)
}

pub fn close(db: AetherDB, collection: Collection) -> Result<()> {
    drop(collection);
    Ok(db.close()?)
}
