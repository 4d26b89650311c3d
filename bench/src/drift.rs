//! Buckets that maintain themselves: how fast they take and find, and what becomes of them as the data move.
//!
//! - `cached DIR NAME DB ROWS QUERIES INDEX[,INDEX…]`: recall and queries a second by effort, everything in memory;
//! - `grow DB POINTS DIM`: points in batches as fast as they go, and until all of them are in the index; what the disk got;
//! - `window DB POINTS DIM WINDOWS`: a window of points slides over data that move, until all were replaced `WINDOWS` times; behind each
//!   window searches beside those of an index that is made of the same points then;
//! - `large DB POINTS DIM CACHE_MIB`: many points with little memory: building, unless `DB` is there, opening, searching.

use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aether_env::Env;
use aethervec::{
    AetherDB, Collection, CollectionSchema, DbOptions, DenseField, DocId, Document, Hit,
    IndexConfig, Metric, SearchRequest, Vector,
};
use serde_json::{Value, json};

use crate::clock::{Took, anonymous_bytes, now, resident_bytes};
use crate::data::{Matrix, metric};
use crate::features::{measured, quantiles, with_effort};
use crate::protocol::{Commands, Result, argument};

/// So long nobody writes before it is looked at what a database takes that rests.
const REST: Duration = Duration::from_secs(10);

const K: usize = 10;

/// The recall that searches ask for.
const RECALL: f32 = 0.95;

const EFFORTS: [usize; 16] = [
    10, 12, 16, 24, 32, 48, 64, 80, 96, 112, 128, 160, 192, 256, 384, 512,
];

/// Rounds that are timed.
const ROUNDS: usize = 5;

/// Queries by which indexes learn what a recall takes, in each window.
const LEARNING: usize = 1_000;

/// Queries of which recall is measured in each window.
const COMPARED: usize = 300;

/// Queries of which times are measured in each window.
const TIMED: usize = 4_000;

/// Documents of a batch.
const BATCH: usize = 1_000;

/// Clusters of synthetic points.
const CLUSTERS: usize = 256;

const SEED: u64 = 4_242;

#[derive(Default)]
pub struct Bench;

impl Commands for Bench {
    fn run(&mut self, command: &str, arguments: &[&str]) -> Result<Value> {
        let path = |position| argument::<PathBuf>(arguments, position, "DIR");
        let number = |position| argument::<usize>(arguments, position, "NUMBER");
        match command {
            "cached" => cached(
                (&path(0)?, &argument::<String>(arguments, 1, "NAME")?),
                &path(2)?,
                (number(3)?, number(4)?),
                &argument::<String>(arguments, 5, "INDEX")?,
            ),
            "grow" => grow(&path(0)?, number(1)?, number(2)?),
            "window" => window(&path(0)?, number(1)?, number(2)?, number(3)?),
            "large" => large(&path(0)?, number(1)?, number(2)?, number(3)?),
            _ => Err(format!("unknown command {command:?}").into()),
        }
    }
}

/// Points around centres that move.
struct Source {
    random: fastrand::Rng,
    centres: Vec<Vec<f32>>,
    directions: Vec<Vec<f32>>,
}

impl Source {
    fn new(dim: usize) -> Source {
        let mut random = fastrand::Rng::with_seed(SEED);
        let mut rows = |scale: f32| -> Vec<Vec<f32>> {
            let mut row = || (0..dim).map(|_| gauss(&mut random) * scale).collect();
            (0..CLUSTERS).map(|_| row()).collect()
        };
        let (centres, directions) = (rows(2.0), rows(1.0));
        Source {
            random,
            centres,
            directions,
        }
    }

    fn dim(&self) -> usize {
        self.centres[0].len()
    }

    /// A point, at a time that counts in distances between two centres, about.
    fn point(&mut self, time: f32) -> Vec<f32> {
        let cluster = self.random.usize(..CLUSTERS);
        let middle = self.centres[cluster].iter().zip(&self.directions[cluster]);
        let random = &mut self.random;
        middle
            .map(|(centre, direction)| centre + direction * time + gauss(random))
            .collect()
    }
}

/// A sum of uniform numbers, which is normal enough.
fn gauss(random: &mut fastrand::Rng) -> f32 {
    (0..6).map(|_| random.f32() - 0.5).sum::<f32>() * 1.414
}

fn collection(database: &AetherDB, dim: usize) -> Result<Collection> {
    let index = IndexConfig::new_with_default_config("drift")?;
    let schema = CollectionSchema::new(dim, Metric::L2Squared, index);
    Ok(database.create_collection_with("vectors", schema)?)
}

fn cached(
    (dir, name): (&Path, &str),
    db: &Path,
    (rows, queries): (usize, usize),
    indexes: &str,
) -> Result<Value> {
    let base = Matrix::read(dir, &format!("{name}_base"), rows)?;
    let queries = Matrix::read(dir, &format!("{name}_query"), queries)?.to_queries();
    let database = AetherDB::open(db)?;
    let (mut collections, mut ingests) = (Vec::new(), Vec::new());
    for index in indexes.split(',') {
        let schema = CollectionSchema::of(DenseField {
            element: base.element(),
            ..DenseField::new(
                base.dim(),
                metric(dir, name)?,
                IndexConfig::new_with_default_config(index)?,
            )
        });
        let collection = database.create_collection_with(index, schema)?;
        let (done, took) = Took::of(|| fill(&collection, &base));
        done?;
        collections.push(collection);
        ingests.push(took.to_json());
    }
    let truths = truths(&collections[0], &queries)?;
    let mut lines = vec![Vec::new(); collections.len()];
    for ef in EFFORTS {
        let found = interleaved(&collections, &queries, &truths, ef)?;
        for (line, found) in lines.iter_mut().zip(found) {
            line.push(found);
        }
    }
    let mut results = serde_json::Map::new();
    for (((index, collection), efforts), ingest) in
        indexes.split(',').zip(&collections).zip(lines).zip(ingests)
    {
        let status = collection.index_status();
        let result = json!({
            "ingest": ingest, "memory_mb": status.memory_bytes as f64 / 1e6,
            "qps_at_0.95": best(&efforts, 0.95), "qps_at_0.99": best(&efforts, 0.99), "efforts": efforts,
        });
        results.insert(index.to_owned(), result);
    }
    database.close()?;
    Ok(json!({"rows": base.rows(), "indexes": results}))
}

fn fill(collection: &Collection, base: &Matrix) -> Result<()> {
    for start in (0..base.rows()).step_by(BATCH) {
        let rows = start..base.rows().min(start + BATCH);
        let documents = rows.map(|row| Document::new(base.vector(row), row as u64));
        collection.upsert_batch(documents.collect())?;
    }
    collection.wait_indexed(|_| {})?;
    Ok(())
}

/// What is found by comparing with all.
fn truths(collection: &Collection, queries: &[Vec<f32>]) -> Result<Vec<HashSet<DocId>>> {
    let exact = |query| -> Result<HashSet<DocId>> {
        let request = SearchRequest {
            exact: true,
            ..SearchRequest::new(query, K)
        };
        Ok(ids(collection.search_with(request)?).collect())
    };
    queries.iter().map(|query| exact(query)).collect()
}

fn ids(hits: Vec<Hit>) -> impl Iterator<Item = DocId> {
    hits.into_iter().map(|hit| hit.id)
}

/// Recall and searches a second of each collection: the medians of rounds in which all of them take turns, so that what else
/// goes on concerns all alike. The first round only warms.
fn interleaved(
    collections: &[Collection],
    queries: &[Vec<f32>],
    truths: &[HashSet<DocId>],
    ef: usize,
) -> Result<Vec<Value>> {
    let mut rounds = vec![Vec::new(); collections.len()];
    let mut hits = vec![0; collections.len()];
    for round in 0..=ROUNDS {
        for (place, collection) in collections.iter().enumerate() {
            hits[place] = 0;
            let begin = now();
            let mut found = Vec::with_capacity(queries.len());
            for query in queries {
                let request = SearchRequest {
                    ef: Some(ef),
                    with_payload: false,
                    ..SearchRequest::new(query, K)
                };
                found.push(collection.search_with(request)?);
            }
            if round > 0 {
                rounds[place].push(begin.elapsed().as_secs_f64());
            }
            let right = found.into_iter().zip(truths);
            hits[place] += right
                .map(|(found, truth)| ids(found).filter(|id| truth.contains(id)).count())
                .sum::<usize>();
        }
    }
    let all: usize = truths.iter().map(HashSet::len).sum();
    let results = rounds.into_iter().zip(hits).map(|(mut rounds, hits)| {
        let qps = queries.len() as f64 / quantiles(&mut rounds).0;
        json!({"ef": ef, "recall": hits as f64 / all.max(1) as f64, "qps": qps})
    });
    Ok(results.collect())
}

/// The most searches a second of the efforts that reach a recall.
fn best(efforts: &[Value], recall: f64) -> Option<f64> {
    let enough = efforts
        .iter()
        .filter(|effort| effort["recall"].as_f64() >= Some(recall));
    enough
        .filter_map(|effort| effort["qps"].as_f64())
        .max_by(f64::total_cmp)
}

fn grow(db: &Path, points: usize, dim: usize) -> Result<Value> {
    let mut source = Source::new(dim);
    let database = AetherDB::open(db)?;
    let collection = collection(&database, dim)?;
    let batches: Vec<Vec<Vector>> = (0..points.div_ceil(BATCH))
        .map(|_| (0..BATCH).map(|_| source.point(0.0).into()).collect())
        .collect();
    let begin = now();
    let (mut id, mut scanned_max, mut slowest) = (0, 0, 0.0_f64);
    let (done, took) = Took::of(|| -> Result<f64> {
        for batch in batches {
            let documents = batch.into_iter().map(|vector| {
                id += 1;
                Document::new(vector, id)
            });
            let begin = now();
            collection.upsert_batch(documents.collect())?;
            slowest = slowest.max(begin.elapsed().as_secs_f64());
            scanned_max = scanned_max.max(collection.index_status().scanned);
        }
        let ingested = begin.elapsed().as_secs_f64();
        collection.wait_indexed(|_| {})?;
        Ok(ingested)
    });
    let ingested = done?;
    let rows = id as f64;
    let stats = database.stats().storage;
    let written = stats.bytes_logged + stats.bytes_flushed + stats.bytes_compacted;
    let raw = rows * dim as f64 * 4.0;
    let drift = format!("{:?}", collection.index_status().dense[""].drift);
    let queries: Vec<Vec<f32>> = (0..200).map(|_| source.point(0.0)).collect();
    let rest = || std::thread::sleep(Duration::from_secs(3));
    let ((), idle_p99, _) = searched_while(&collection, &queries, rest);
    let more: Vec<Vec<Vector>> = (0..points / 4 / BATCH)
        .map(|_| (0..BATCH).map(|_| source.point(0.0).into()).collect())
        .collect();
    let ingest = || -> Result<f64> {
        let (begin, first) = (now(), id);
        for batch in more {
            let documents = batch.into_iter().map(|vector| {
                id += 1;
                Document::new(vector, id)
            });
            collection.upsert_batch(documents.collect())?;
        }
        collection.wait_indexed(|_| {})?;
        Ok((id - first) as f64 / begin.elapsed().as_secs_f64())
    };
    let (busy_per_s, busy_p99, busy_searches) = searched_while(&collection, &queries, ingest);
    let busy_per_s = busy_per_s?;
    let mut efforts = Vec::new();
    // Few: the truth takes reading all vectors for each.
    for ef in [96, 256] {
        let found = with_effort(&collection, &queries[..50], ef)?;
        efforts
            .push(json!({"ef": ef, "recall": found.recall, "qps": found.qps, "p99_us": found.p99}));
    }
    database.close()?;
    Ok(json!({
        "points": rows, "into_delta_per_s": rows / ingested, "indexed_per_s": rows / took.wall_s,
        "cpu_us_per_point": took.cpu_s / rows * 1e6, "waiting_max": scanned_max, "slowest_batch_ms": slowest * 1e3,
        "written_per_raw": written as f64 / raw, "logged_per_raw": stats.bytes_logged as f64 / raw,
        "compacted_per_raw": stats.bytes_compacted as f64 / raw, "on_disk_per_raw": disk_bytes(db)? as f64 / raw,
        "resident_mb": resident_bytes() / 1_000_000, "idle_p99_us": idle_p99, "busy_p99_us": busy_p99,
        "busy_searches": busy_searches, "busy_indexed_per_s": busy_per_s, "drift": drift, "efforts": efforts,
    }))
}

fn window(db: &Path, points: usize, dim: usize, windows: usize) -> Result<Value> {
    let mut source = Source::new(dim);
    let database = AetherDB::open(db)?;
    let collection = collection(&database, dim)?;
    let mut newest = 0;
    let mut alive: VecDeque<(u64, Vec<f32>)> = VecDeque::new();
    let mut rounds = Vec::new();
    for round in 0..=windows {
        for step in 0..points.div_ceil(BATCH) {
            let time = round as f32 + (step * BATCH) as f32 / points as f32;
            alive.extend((newest..newest + BATCH as u64).map(|id| (id, source.point(time))));
            upsert(&collection, alive.range(alive.len() - BATCH..))?;
            newest += BATCH as u64;
            if alive.len() > points {
                let ids: Vec<DocId> = alive.drain(..BATCH).map(|(id, _)| id.into()).collect();
                collection.delete_batch(&ids)?;
            }
        }
        collection.wait_indexed(|_| {})?;
        let mut queries = (0..).map(|_| source.point(round as f32 + 0.5));
        let mut some = |count| queries.by_ref().take(count).collect::<Vec<_>>();
        learn(&collection, &some(LEARNING))?;
        let found = measured(&collection, &some(COMPARED), None, RECALL)?;
        let beside = db.with_extension("fresh");
        let times = beside_fresh(
            &collection,
            &beside,
            &alive,
            (&some(LEARNING), &some(TIMED)),
        )?;
        let stats = collection.index_status().dense[""].drift;
        rounds.push(json!({
            "round": round, "recall": found.recall, "times": times, "stats": format!("{stats:?}"),
            "on_disk_per_raw": disk_bytes(db)? as f64 / (points * dim * 4) as f64,
        }));
    }
    let stats = database.stats().storage;
    let written = stats.bytes_logged + stats.bytes_flushed + stats.bytes_compacted;
    let raw = newest as f64 * dim as f64 * 4.0;
    let raw_now = (points * dim * 4) as f64;
    std::thread::sleep(REST);
    let at_rest = disk_bytes(db)? as f64 / raw_now;
    database.reclaim()?;
    let reclaimed = disk_bytes(db)? as f64 / raw_now;
    let report = database.check()?;
    database.close()?;
    Ok(json!({
        "at_rest_per_raw": at_rest, "reclaimed_per_raw": reclaimed, "closed_per_raw": disk_bytes(db)? as f64 / raw_now,
        "rounds": rounds, "written_per_raw": written as f64 / raw, "problems": report.problems.len(),
    }))
}

fn upsert<'a>(
    collection: &Collection,
    points: impl Iterator<Item = &'a (u64, Vec<f32>)>,
) -> Result<()> {
    let documents = points.map(|(id, vector)| Document::new(&vector[..], *id));
    collection.upsert_batch(documents.collect())?;
    Ok(())
}

/// Searches that ask for a recall, and all that it takes in the background to know what it takes.
fn learn(collection: &Collection, queries: &[Vec<f32>]) -> Result<()> {
    for query in queries {
        search(collection, query)?;
    }
    while collection.index_status().busy {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn search(collection: &Collection, query: &[f32]) -> Result<Vec<Hit>> {
    Ok(collection.search_with(SearchRequest {
        recall: Some(RECALL),
        with_payload: false,
        ..SearchRequest::new(query, K)
    })?)
}

/// How long searches take in an index, and in one in `db` that is made of the same `points` now. Both are asked in turns, so that what else the
/// machine does concerns both alike.
fn beside_fresh(
    old: &Collection,
    db: &Path,
    points: &VecDeque<(u64, Vec<f32>)>,
    (learning, queries): (&[Vec<f32>], &[Vec<f32>]),
) -> Result<Value> {
    let database = AetherDB::open(db)?;
    let fresh = collection(&database, points[0].1.len())?;
    for start in (0..points.len()).step_by(BATCH) {
        let end = points.len().min(start + BATCH);
        upsert(&fresh, points.range(start..end))?;
    }
    fresh.wait_indexed(|_| {})?;
    let mut times = [Vec::new(), Vec::new()];
    for collection in [old, &fresh] {
        learn(collection, learning)?;
    }
    for (turn, query) in queries.iter().enumerate() {
        for place in [turn % 2, 1 - turn % 2] {
            let begin = now();
            search([old, &fresh][place], query)?;
            times[place].push(begin.elapsed().as_secs_f64() * 1e6);
        }
    }
    let [old, fresh] = times.map(|mut times| quantiles(&mut times));
    database.close()?;
    std::fs::remove_dir_all(db)?;
    Ok(json!({
        "p50_us": old.0, "p99_us": old.1, "fresh_p50_us": fresh.0, "fresh_p99_us": fresh.1,
    }))
}

fn large(db: &Path, points: usize, dim: usize, cache_mib: usize) -> Result<Value> {
    let options = DbOptions {
        bucket_cache_bytes: cache_mib << 20,
        ..DbOptions::DEFAULT
    };
    let mut source = Source::new(dim);
    let is_there = db.exists();
    let env = Env::local(db)?;
    let (database, opened) = Took::of(|| AetherDB::open_with(env, options));
    let database = database?;
    let built = match is_there {
        true => {
            // The queries are to be the same.
            (0..points).for_each(|_| drop(source.point(0.0)));
            Value::Null
        }
        false => built(&database, &mut source, points)?,
    };
    let queries: Vec<Vec<f32>> = (0..300).map(|_| source.point(0.0)).collect();
    let (learning, queries) = queries.split_at(100);
    let collection = database.collection("vectors")?;
    let mut peak = Peak::default();
    for query in learning {
        let request = SearchRequest {
            recall: Some(RECALL),
            ..SearchRequest::new(query, K)
        };
        collection.search_with(request)?;
        peak.look();
    }
    // It learns from them in the background.
    let (_, learned) = Took::of(|| {
        while collection.index_status().busy {
            std::thread::sleep(Duration::from_millis(10));
            peak.look();
        }
    });
    let efforts = [128, 256, 512, 1_024, 2_048, 4_096].map(|ef| (None, Some(ef)));
    let mut found = Vec::new();
    for (recall, ef) in efforts.into_iter().chain([(Some(RECALL), None)]) {
        let (mut took, mut hits) = (Vec::new(), Vec::new());
        for query in queries {
            let request = SearchRequest {
                recall,
                ef,
                ..SearchRequest::new(query, K)
            };
            let (one, time) = Took::of(|| collection.search_with(request));
            took.push(time.wall_s * 1e6);
            hits.push(one?);
            peak.look();
        }
        found.push((recall, ef, quantiles(&mut took), hits));
    }
    let (searched, engine_mb) = (peak.to_json(), database.stats().storage.memory_bytes());
    // Few: each reads all vectors.
    let compared = &queries[..40];
    let mut truths = Vec::new();
    for query in compared {
        let request = SearchRequest {
            exact: true,
            ..SearchRequest::new(query, K)
        };
        let truth = collection.search_with(request)?;
        truths.push(
            truth
                .into_iter()
                .map(|hit| hit.id)
                .collect::<HashSet<DocId>>(),
        );
        peak.look();
    }
    let searches = found.iter().map(|(recall, ef, (p50, p99), found)| {
        let both = found.iter().zip(&truths);
        let hits =
            both.flat_map(|(found, truth)| found.iter().filter(|hit| truth.contains(&hit.id)));
        let recall_found = hits.count() as f64 / (truths.len() * K) as f64;
        json!({"asked": recall, "ef": ef, "recall": recall_found, "p50_us": p50, "p99_us": p99})
    });
    let searches: Vec<Value> = searches.collect();
    let status = &collection.index_status().dense[""];
    let stats = format!("{:?} {:?}", status.drift, status.recall);
    let explained = collection.explain(SearchRequest {
        recall: Some(RECALL),
        ..SearchRequest::new(&queries[0], K)
    })?;
    database.close()?;
    Ok(json!({
        "built": built, "opened_s": opened.wall_s, "learned_s": learned.wall_s, "searches": searches,
        "peak": searched, "engine_mb": engine_mb / 1_000_000, "peak_with_truth": peak.to_json(), "stats": stats,
        "explained": format!("{explained:?}"),
        "on_disk_per_raw": disk_bytes(db)? as f64 / (points * dim * 4) as f64,
    }))
}

/// Builds what is searched then.
fn built(database: &AetherDB, source: &mut Source, points: usize) -> Result<Value> {
    let collection = collection(database, source.dim())?;
    let mut peak = Peak::default();
    let (done, took) = Took::of(|| -> Result<()> {
        for start in (0..points as u64).step_by(BATCH) {
            let documents: Vec<Document> = (start..start + BATCH as u64)
                .map(|id| Document::new(source.point(0.0), id))
                .collect();
            collection.upsert_batch(documents)?;
            peak.look();
        }
        collection.wait_indexed(|_| peak.look())?;
        Ok(())
    });
    done?;
    let engine_mb = database.stats().storage.memory_bytes() / 1_000_000;
    Ok(
        json!({"wall_s": took.wall_s, "cpu_s": took.cpu_s, "engine_mb": engine_mb, "peak": peak.to_json()}),
    )
}

/// The most memory that was seen.
#[derive(Default)]
struct Peak {
    resident: u64,
    anonymous: u64,
}

impl Peak {
    fn look(&mut self) {
        self.resident = self.resident.max(resident_bytes());
        self.anonymous = self.anonymous.max(anonymous_bytes());
    }

    fn to_json(&self) -> Value {
        json!({"resident_mb": self.resident / 1_000_000, "anonymous_mb": self.anonymous / 1_000_000})
    }
}

/// The 99th percentile of searches by one thread while `work` goes on, in microseconds, and how many there were.
fn searched_while<T>(
    collection: &Collection,
    queries: &[Vec<f32>],
    work: impl FnOnce() -> T,
) -> (T, f64, usize) {
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let search = scope.spawn(|| {
            let mut took = Vec::new();
            for query in queries.iter().cycle() {
                let request = SearchRequest {
                    ef: Some(96),
                    ..SearchRequest::new(query, K)
                };
                let begin = now();
                if ended.load(Ordering::Relaxed) || collection.search_with(request).is_err() {
                    break;
                }
                took.push(begin.elapsed().as_secs_f64() * 1e6);
            }
            let count = took.len();
            (quantiles(&mut took).1, count)
        });
        let done = work();
        ended.store(true, Ordering::Relaxed);
        let (p99, count) = search.join().expect("searches do not panic");
        (done, p99, count)
    })
}

/// Bytes of all files of a database.
fn disk_bytes(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += match metadata.is_dir() {
            true => disk_bytes(&entry.path())?,
            false => metadata.len(),
        };
    }
    Ok(bytes)
}
