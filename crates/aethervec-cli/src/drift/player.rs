//! Lets an index live through a scenario, and measures it at the end of each window.

use super::counted::Counted;
use super::distance;
use super::fixed::FixedBuckets;
use super::record::Record;
use super::scenario::{Asked, Batch, Scenario, Window};
use crate::commands::{Stopwatch, percentile};
use crate::failure::{Failure, Outcome};
use aether_env::Env;
use aethervec::{AetherDB, Collection, DbOptions, DocId, Document, IndexConfig, SearchRequest};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The index that is there for comparison: it has no upkeep.
pub(crate) const FIXED: &str = "fixed";

/// How often it is looked whether an index has anything left to do.
const SETTLE_LOOK: Duration = Duration::from_millis(1);

/// How often a query is timed. The middle one counts, for an interrupt takes about as long as a search, and hits one in a hundred.
const ROUNDS: usize = 3;

/// An index in the hands of a scenario.
pub(crate) trait Player {
    /// Adds and deletes points.
    fn apply(&mut self, scenario: &Scenario, batch: &Batch) -> Outcome;

    /// Waits until the index has taken over what was written, and has nothing else left to do.
    fn settle(&mut self) -> Outcome;

    /// Once, before anything is measured: learns from queries for its present contents what effort the wanted recall takes.
    fn tune(&mut self, scenario: &Scenario) -> Outcome;

    /// The points nearest to `query`, about.
    fn search(&mut self, query: &[f32], k: usize) -> Outcome<Vec<u32>>;

    /// What it tells of itself.
    fn told(&self) -> Told;
}

/// What an index tells of itself, since the beginning.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    buckets_scanned: Option<u64>,
    moves: Option<u64>,
    splits: Option<u64>,
    merges: Option<u64>,
    bytes_written: Option<u64>,
}

/// The index called `name`, empty: one that collections may have, in a database under `directory`, or [`FIXED`].
pub(crate) fn player(
    name: &str,
    scenario: &Scenario,
    recall: f32,
    directory: &Path,
) -> Outcome<Box<dyn Player>> {
    if name == FIXED {
        return Ok(Box::new(FixedPlayer::new(scenario, recall)));
    }
    let config = IndexConfig::new_with_default_config(name)?;
    let player = CollectionPlayer::new(config, scenario, recall, directory)?;
    Ok(Box::new(player))
}

/// Plays all of `scenario`; `watch` sees each record, and whether to go on is its answer.
pub(crate) fn play(
    player: &mut dyn Player,
    index: &str,
    scenario: &Scenario,
    watch: &mut dyn FnMut(Record) -> Outcome,
) -> Outcome {
    let mut alive = vec![false; scenario.vectors.len() / scenario.dimension];
    let mut ingested = 0;
    for (number, window) in scenario.windows.iter().enumerate() {
        let writing = Stopwatch::start();
        for batch in &window.batches {
            player.apply(scenario, batch)?;
        }
        let write_s = writing.elapsed().as_secs_f64();
        let settling = Stopwatch::start();
        player.settle()?;
        let settle_s = settling.elapsed().as_secs_f64();
        if number == 0 {
            player.tune(scenario)?;
        }
        for query in window.unmeasured.chunks_exact(scenario.dimension) {
            player.search(query, scenario.size.k)?;
        }
        // It may have learned from them.
        player.settle()?;
        let (mut added, mut deleted) = (0, 0);
        for batch in &window.batches {
            added += batch.added.len();
            deleted += batch.deleted.len();
            batch.added.clone().for_each(|id| alive[id as usize] = true);
            batch
                .deleted
                .iter()
                .for_each(|&id| alive[id as usize] = false);
        }
        ingested += added * scenario.dimension * size_of::<f32>();
        let before = player.told();
        let (found, times) = measure(player, scenario, &window.asked, &alive)?;
        let told = player.told();
        let scanned = told.buckets_scanned.zip(before.buckets_scanned);
        let micros = |share| percentile(&times, share).as_secs_f64() * 1e6;
        watch(Record {
            scenario: scenario.name.to_owned(),
            index: index.to_owned(),
            window: number,
            points: window.points,
            added,
            deleted,
            recall: found as f64 / wanted(scenario, window) as f64,
            p50_us: micros(0.5),
            p99_us: micros(0.99),
            buckets_scanned: scanned
                .map(|(all, before)| (all - before) as f64 / (ROUNDS * times.len()) as f64),
            moves: told.moves,
            splits: told.splits,
            merges: told.merges,
            write_amplification: told
                .bytes_written
                .map(|bytes| bytes as f64 / ingested as f64),
            write_s,
            settle_s,
        })?;
    }
    Ok(())
}

/// How many of the nearest points are found by all queries of `asked` the first time, and how long each takes, ascending.
fn measure(
    player: &mut dyn Player,
    scenario: &Scenario,
    asked: &Asked,
    alive: &[bool],
) -> Outcome<(usize, Vec<Duration>)> {
    let mut found = 0;
    let mut times = vec![[Duration::ZERO; ROUNDS]; asked.truth.len()];
    for round in 0..ROUNDS {
        for ((query, farthest), times) in scenario.queries(asked).zip(&mut times) {
            let watch = Stopwatch::start();
            let hits = player.search(query, scenario.size.k)?;
            times[round] = watch.elapsed();
            if round == 0 {
                let hits = hits.iter().filter(|&&id| alive[id as usize]);
                found += near(scenario, query, farthest, hits);
            }
        }
    }
    let middle = times.iter_mut().map(|times| {
        times.sort_unstable();
        times[ROUNDS / 2]
    });
    let mut middle: Vec<Duration> = middle.collect();
    middle.sort_unstable();
    Ok((found, middle))
}

/// How many of `hits` are at most as far as the last of the nearest.
fn near<'a>(
    scenario: &Scenario,
    query: &[f32],
    farthest: f32,
    hits: impl Iterator<Item = &'a u32>,
) -> usize {
    hits.filter(|&&id| distance(query, scenario.vector(id)) <= farthest)
        .count()
}

/// How many points all queries of a window should find.
fn wanted(scenario: &Scenario, window: &Window) -> usize {
    window.asked.truth.len() * scenario.size.k.min(window.points)
}

/// A collection of a database of its own, removed at the end.
struct CollectionPlayer {
    db: AetherDB,
    collection: Collection,
    recall: f32,
    written: Arc<AtomicU64>,
    directory: PathBuf,
}

impl CollectionPlayer {
    fn new(
        config: IndexConfig,
        scenario: &Scenario,
        recall: f32,
        directory: &Path,
    ) -> Outcome<CollectionPlayer> {
        let env = Env::local(directory).map_err(|error| Failure::failed(error.to_string()))?;
        let storage = Counted::new(Arc::clone(&env.storage));
        let written = storage.written();
        let storage = Arc::new(storage);
        let db = AetherDB::open_with(Env { storage, ..env }, DbOptions::DEFAULT)?;
        let metric = if scenario.size.unit { "cosine" } else { "l2" };
        let collection = db.create_collection("drift", scenario.dimension, metric, config)?;
        Ok(CollectionPlayer {
            db,
            collection,
            recall,
            written,
            directory: directory.to_owned(),
        })
    }
}

impl Player for CollectionPlayer {
    fn apply(&mut self, scenario: &Scenario, batch: &Batch) -> Outcome {
        let added = batch.added.clone();
        let documents = added.map(|id| Document::new(scenario.vector(id), u64::from(id)));
        self.collection.upsert_batch(documents.collect())?;
        let deleted = batch.deleted.iter();
        let deleted: Vec<DocId> = deleted.map(|&id| DocId::U64(u64::from(id))).collect();
        self.collection.delete_batch(&deleted)?;
        Ok(())
    }

    fn settle(&mut self) -> Outcome {
        self.collection.wait_indexed(|_| {})?;
        while self.collection.index_status().busy {
            std::thread::sleep(SETTLE_LOOK);
        }
        Ok(())
    }

    /// The first searches that ask for a recall are answered exactly.
    fn tune(&mut self, scenario: &Scenario) -> Outcome {
        for (query, _) in scenario.queries(&scenario.tuning) {
            self.search(query, scenario.size.k)?;
        }
        Ok(())
    }

    fn search(&mut self, query: &[f32], k: usize) -> Outcome<Vec<u32>> {
        let hits = self.collection.search_with(SearchRequest {
            recall: Some(self.recall),
            with_payload: false,
            ..SearchRequest::new(query, k)
        })?;
        let ids = hits.into_iter().filter_map(|hit| match hit.id {
            DocId::U64(id) => u32::try_from(id).ok(),
            _ => None,
        });
        Ok(ids.collect())
    }

    fn told(&self) -> Told {
        let status = self.collection.index_status();
        let drift = status.dense.get("").and_then(|dense| dense.drift.as_ref());
        Told {
            buckets_scanned: drift.map(|drift| drift.buckets_searched),
            moves: drift.map(|drift| drift.moves),
            splits: drift.map(|drift| drift.splits),
            merges: drift.map(|drift| drift.merges),
            bytes_written: Some(self.written.load(Ordering::Relaxed)),
        }
    }
}

impl Drop for CollectionPlayer {
    fn drop(&mut self) {
        // Of no use to anybody any more, whole or not.
        let _ = self.db.close();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

struct FixedPlayer {
    buckets: FixedBuckets,
    recall: f32,
    scanned: u64,
}

impl FixedPlayer {
    fn new(scenario: &Scenario, recall: f32) -> FixedPlayer {
        let first = scenario.windows.first();
        let points = first.map_or(0, |window| window.points);
        let vectors = &scenario.vectors[..points * scenario.dimension];
        FixedPlayer {
            buckets: FixedBuckets::train(vectors, scenario.dimension, scenario.size.seed),
            recall,
            scanned: 0,
        }
    }
}

impl Player for FixedPlayer {
    fn apply(&mut self, scenario: &Scenario, batch: &Batch) -> Outcome {
        for id in batch.added.clone() {
            self.buckets.insert(id, scenario.vector(id));
        }
        batch.deleted.iter().for_each(|&id| self.buckets.remove(id));
        Ok(())
    }

    fn settle(&mut self) -> Outcome {
        Ok(())
    }

    /// As many buckets as it takes now, and from now on.
    fn tune(&mut self, scenario: &Scenario) -> Outcome {
        let asked = &scenario.tuning;
        let all = scenario.windows.first();
        let all = all.map_or(0, |window| wanted(scenario, window));
        let enough = f64::from(self.recall) * all as f64;
        for probes in 1..=self.buckets.buckets() {
            self.buckets.probes = probes;
            let found = scenario.queries(asked).map(|(query, farthest)| {
                let hits = self.buckets.search(query, scenario.size.k);
                near(scenario, query, farthest, hits.iter())
            });
            if found.sum::<usize>() as f64 >= enough {
                break;
            }
        }
        Ok(())
    }

    fn search(&mut self, query: &[f32], k: usize) -> Outcome<Vec<u32>> {
        self.scanned += self.buckets.probes as u64;
        Ok(self.buckets.search(query, k))
    }

    fn told(&self) -> Told {
        Told {
            buckets_scanned: Some(self.scanned),
            ..Told::default()
        }
    }
}
