//! A child process is killed at a random moment of a mixed load, again and again. After each reopening every
//! acknowledged batch is there, no batch is half there, and everything agrees.

use crate::common::{Docs, close, nearest, read_all};
use aether_env::Env;
use aethervec::{
    AetherDB, Collection, DbOptions, DocId, Document, HnswParams, IndexConfig, IvfParams, Metric,
    SearchRequest,
};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const ROUNDS: usize = 150;
const DIM: usize = 6;
const IDS: u64 = 2_000;

const CHILD_PATH: &str = "AETHERVEC_KILL_TEST_PATH";
const CHILD_FIRST: &str = "AETHERVEC_KILL_TEST_FIRST";

fn open(path: &Path) -> AetherDB {
    // Small, so that a kill meets flushes and compactions too.
    let storage = aidb::Options {
        memtable_bytes: 128 << 10,
        table_bytes: 64 << 10,
        ..aidb::Options::DEFAULT
    };
    AetherDB::open_with(
        Env::local(path).unwrap(),
        DbOptions {
            storage,
            ..DbOptions::DEFAULT
        },
    )
    .unwrap()
}

/// Batch number `number`: what is written and what is deleted.
enum Batch {
    Upsert(Vec<Document>),
    Delete(Vec<DocId>),
}

fn batch(number: u64) -> Batch {
    let mut rng = fastrand::Rng::with_seed(number);
    if number % 4 == 3 {
        return Batch::Delete(
            (0..rng.u8(1..30))
                .map(|_| DocId::U64(rng.u64(..IDS)))
                .collect(),
        );
    }
    let mut document = || {
        let vector: Vec<f32> = (0..DIM).map(|_| f32::from(rng.u8(..))).collect();
        Document::new(vector, rng.u64(..IDS))
    };
    Batch::Upsert((0..50).map(|_| document()).collect())
}

fn apply(docs: &mut Docs, number: u64) {
    match batch(number) {
        Batch::Upsert(documents) => {
            for document in documents {
                let vector = document.vector().unwrap().to_f32();
                docs.insert(document.id, (vector, None));
            }
        }
        Batch::Delete(ids) => docs.retain(|id, _| !ids.contains(id)),
    }
}

fn write(collection: &Collection, number: u64) {
    match batch(number) {
        Batch::Upsert(documents) => drop(collection.upsert_batch(documents).unwrap()),
        Batch::Delete(ids) => drop(collection.delete_batch(&ids).unwrap()),
    }
    if number % 40 == 20 {
        collection.checkpoint().unwrap();
    }
}

/// The child: writes batches until it is killed, and says which are acknowledged.
#[test]
fn child() {
    let (Ok(path), Ok(first)) = (std::env::var(CHILD_PATH), std::env::var(CHILD_FIRST)) else {
        return;
    };
    let db = open(Path::new(&path));
    let collection = db.collection("load").unwrap();
    let mut out = std::io::stdout().lock();
    for number in first.parse::<u64>().unwrap().. {
        write(&collection, number);
        writeln!(out, "\nacknowledged {number}").unwrap();
        out.flush().unwrap();
    }
}

/// Runs a child for a while, and returns how many batches are acknowledged altogether.
fn run_child(path: &Path, first: u64, lifetime: Duration) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["kill::child", "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD_PATH, path)
        .env(CHILD_FIRST, first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let last = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let numbers = out.lines().map_while(Result::ok).filter_map(|line| {
                line.strip_prefix("acknowledged ")
                    .and_then(|number| number.parse::<u64>().ok())
            });
            numbers.last()
        });
        std::thread::sleep(lifetime);
        child.kill().unwrap();
        reader.join().unwrap()
    });
    let status = child.wait().unwrap();
    assert!(
        status.code().is_none(),
        "the child ended by itself: {status}"
    );
    last.map_or(first, |last| last + 1)
}

fn inspect(db: &AetherDB, docs: &Docs, rng: &mut fastrand::Rng) {
    let report = db.check().unwrap();
    assert!(report.is_clean(), "{:#?}", report.problems);
    let collection = db.collection("load").unwrap();
    let (mut found, mut wanted) = (0, 0);
    for _ in 0..10 {
        let query: Vec<f32> = (0..DIM).map(|_| f32::from(rng.u8(..))).collect();
        let truth = nearest(Metric::L2Squared, docs, &query, 10);
        let exact = SearchRequest {
            exact: true,
            ..SearchRequest::new(&query, 10)
        };
        let hits = collection.search_with(exact).unwrap();
        assert_eq!(hits.len(), truth.len());
        assert!(
            hits.iter()
                .zip(&truth)
                .all(|(hit, d)| close(f64::from(hit.distance.0), *d))
        );
        let limit = truth.last().copied().unwrap_or_default();
        let approximate = collection.search(&query, 10).unwrap();
        found += approximate
            .iter()
            .filter(|hit| f64::from(hit.distance.0) <= limit * (1.0 + 1e-6))
            .count();
        wanted += truth.len();
    }
    assert!(found * 100 >= wanted * 95, "{found} of {wanted}");
}

#[test]
fn a_kill_at_any_moment_loses_nothing_acknowledged() {
    kill_again_and_again(IndexConfig::Hnsw(HnswParams {
        m: 8,
        ef_construction: 40,
    }));
}

#[test]
fn nor_does_it_with_buckets_in_the_database() {
    kill_again_and_again(IndexConfig::Drift(IvfParams { bucket_points: 32 }));
}

fn kill_again_and_again(index: IndexConfig) {
    let mut rng = fastrand::Rng::new();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let db = open(path);
    db.create_collection("load", DIM, "l2", index).unwrap();
    db.close().unwrap();
    drop(db);

    let mut docs = Docs::new();
    let mut next = 0;
    for round in 0..ROUNDS {
        let acknowledged = run_child(path, next, Duration::from_millis(rng.u64(5..120)));
        (next..acknowledged).for_each(|number| apply(&mut docs, number));
        next = acknowledged;
        let db = open(path);
        let there = read_all(&db.collection("load").unwrap().view().unwrap());
        if there != docs {
            // The batch that was under way may be there, as a whole.
            apply(&mut docs, next);
            next += 1;
            assert!(
                there == docs,
                "round {round}: neither {acknowledged} batches nor one more"
            );
        }
        inspect(&db, &docs, &mut rng);
        // Sometimes it is closed properly, and sometimes the next child finds what the kill has left.
        if round % 2 == 0 {
            db.close().unwrap();
        } else {
            drop(db);
        }
    }
    eprintln!("{ROUNDS} kills, {next} batches, {} documents", docs.len());
    assert!(next > ROUNDS as u64 / 2, "the children do get to write");
}
