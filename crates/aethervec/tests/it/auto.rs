//! An index that is chosen by itself: it grows from a scan to buckets to a graph, and shrinks again, and searches find what
//! there is all the time.

use crate::common::settle;
use aether_sim::SimStorage;
use aethervec::{
    AetherDB, AutoParams, Collection, DbOptions, Document, IndexConfig, SearchRequest,
};

/// In so many dimensions a graph is better from 2,000 points on.
const DIM: usize = 4;
const K: usize = 10;

fn open(storage: &SimStorage) -> AetherDB {
    AetherDB::open_with(storage.env(), DbOptions::WITHOUT_THREADS).unwrap()
}

fn write(collection: &Collection, rng: &mut fastrand::Rng, ids: std::ops::Range<u64>) {
    let mut vector = || (0..DIM).map(|_| rng.f32()).collect::<Vec<f32>>();
    let documents = ids.map(|id| Document::new(vector(), id)).collect();
    collection.upsert_batch(documents).unwrap();
}

/// Nearly all of the nearest are found, whatever the index is at the moment.
fn check_searches(collection: &Collection, rng: &mut fastrand::Rng) {
    let mut found = 0;
    for _ in 0..10 {
        let query: Vec<f32> = (0..DIM).map(|_| rng.f32()).collect();
        let exact = SearchRequest {
            exact: true,
            ..SearchRequest::new(&query, K)
        };
        let truth = collection.search_with(exact).unwrap();
        let hits = collection.search(&query, K).unwrap();
        assert_eq!(hits.len(), truth.len());
        found += hits.iter().filter(|hit| truth.contains(hit)).count();
    }
    assert!(found >= 95, "{found} of 100");
}

fn family(collection: &Collection) -> &'static str {
    collection.index_status().dense[""].family
}

/// Does all background work, and searches between the steps.
fn becomes(db: &AetherDB, collection: &Collection, rng: &mut fastrand::Rng, expected: &str) {
    while db.tick().unwrap() {
        check_searches(collection, rng);
    }
    let status = collection.index_status();
    assert_eq!(status.pending, 0, "{status:?}");
    assert_eq!(status.dense[""].family, expected, "{status:?}");
    assert_eq!(status.dense[""].next, None);
    let report = db.check().unwrap();
    assert!(report.is_clean(), "{:#?}", report.problems);
}

#[test]
fn it_grows_and_shrinks_and_is_found_again() {
    let storage = SimStorage::new(0);
    let db = open(&storage);
    let collection = db
        .create_collection("c", DIM, "l2", IndexConfig::default())
        .unwrap();
    let rng = &mut fastrand::Rng::with_seed(5);
    write(&collection, rng, 0..900);
    becomes(&db, &collection, rng, "scan");
    write(&collection, rng, 900..1_900);
    becomes(&db, &collection, rng, "buckets");
    collection.checkpoint().unwrap();

    // Writes and deletions go on while the graph is built.
    write(&collection, rng, 1_900..2_600);
    while collection.index_status().dense[""].building.is_none() {
        assert!(db.tick().unwrap());
    }
    assert_eq!(collection.index_status().dense[""].next, Some("graph"));
    assert_eq!(family(&collection), "buckets");
    write(&collection, rng, 2_000..2_800);
    let gone: Vec<_> = (0..100u64).map(Into::into).collect();
    collection.delete_batch(&gone).unwrap();
    becomes(&db, &collection, rng, "graph");
    assert_eq!(collection.count().unwrap(), 2_700);
    collection.checkpoint().unwrap();

    drop((collection, db));
    let db = open(&storage);
    let collection = db.collection("c").unwrap();
    assert_eq!(family(&collection), "graph");
    check_searches(&collection, rng);
    let gone: Vec<_> = (100..1_850u64).map(Into::into).collect();
    collection.delete_batch(&gone).unwrap();
    becomes(&db, &collection, rng, "buckets");
    // Not saved: it begins again.
    drop((collection, db));
    let db = open(&storage);
    let collection = db.collection("c").unwrap();
    check_searches(&collection, rng);
    write(&collection, rng, 2_800..2_801);
    becomes(&db, &collection, rng, "buckets");
    settle(&db);
    assert_eq!(collection.count().unwrap(), 951);
}

#[test]
fn whoever_waits_gets_the_index_that_is_best() {
    let db = open(&SimStorage::new(0));
    let collection = db
        .create_collection("c", DIM, "l2", IndexConfig::default())
        .unwrap();
    let rng = &mut fastrand::Rng::with_seed(6);
    write(&collection, rng, 0..1_500);
    collection.wait_indexed(|_| {}).unwrap();
    assert_eq!(family(&collection), "buckets");
    write(&collection, rng, 1_500..2_500);
    let status = collection.wait_indexed(|_| {}).unwrap();
    assert_eq!((status.pending, status.indexed), (0, 2_500));
    let dense = &status.dense[""];
    assert_eq!(
        (dense.family, &*dense.why),
        (
            "graph",
            "beyond 2000 vectors like these a graph is faster than buckets"
        )
    );
}

#[test]
fn memory_that_is_allowed_decides() {
    let db = open(&SimStorage::new(0));
    let index = IndexConfig::Auto(AutoParams {
        memory_bytes_max: Some(600_000),
    });
    let collection = db.create_collection("c", DIM, "l2", index).unwrap();
    let rng = &mut fastrand::Rng::with_seed(7);
    write(&collection, rng, 0..2_500);
    let status = collection.wait_indexed(|_| {}).unwrap();
    let dense = &status.dense[""];
    assert_eq!(dense.family, "buckets");
    assert!(dense.why.ends_with("and 600000 are allowed"), "{dense:?}");
    assert!(status.memory_bytes < 600_000, "{status:?}");
}

#[test]
fn what_memory_does_not_hold_goes_to_disk_and_comes_back() {
    let storage = SimStorage::new(0);
    let db = open(&storage);
    let index = IndexConfig::Auto(AutoParams {
        memory_bytes_max: Some(200_000),
    });
    let collection = db.create_collection("c", DIM, "l2", index).unwrap();
    let rng = &mut fastrand::Rng::with_seed(10);
    write(&collection, rng, 0..1_200);
    becomes(&db, &collection, rng, "buckets");
    write(&collection, rng, 1_200..2_500);
    becomes(&db, &collection, rng, "drift");
    let status = collection.wait_indexed(|_| {}).unwrap();
    let dense = &status.dense[""];
    assert!(dense.why.ends_with("and 200000 are allowed"), "{dense:?}");
    assert_eq!(dense.drift.unwrap().records, 2_500);
    while db.tick().unwrap() {}
    assert!(!collection.index_status().busy);
    write(&collection, rng, 2_499..2_500);
    assert!(collection.index_status().busy);
    while db.tick().unwrap() {}
    assert!(!collection.index_status().busy);
    collection.checkpoint().unwrap();
    drop((collection, db));

    let db = open(&storage);
    let collection = db.collection("c").unwrap();
    assert_eq!(family(&collection), "drift");
    check_searches(&collection, rng);
    let gone: Vec<_> = (0..2_000u64).map(Into::into).collect();
    collection.delete_batch(&gone).unwrap();
    becomes(&db, &collection, rng, "buckets");
    collection.checkpoint().unwrap();
    let report = db.check().unwrap();
    assert!(report.is_clean(), "{:#?}", report.problems);
}

#[test]
fn many_points_at_once_are_built_of_while_others_come_and_go() {
    const POINTS: u64 = 12_000;
    let dir = tempfile::tempdir().unwrap();
    let db = AetherDB::open(dir.path()).unwrap();
    let rng = &mut fastrand::Rng::with_seed(8);
    for name in ["hnsw", "ivf", "drift"] {
        let index = IndexConfig::new_with_default_config(name).unwrap();
        let collection = db.create_collection(name, DIM, "l2", index).unwrap();
        // A small index first, then more than it has.
        write(&collection, rng, 0..1_000);
        collection.wait_indexed(|_| {}).unwrap();
        for first in (1_000..POINTS).step_by(1_000) {
            write(&collection, rng, first..first + 1_000);
        }
        let mut gone = 0..0;
        collection
            .wait_indexed(|status| {
                if let Some((done, of)) = status.dense[""].building {
                    assert!(done < of && status.pending > 0, "{status:?}");
                }
                if gone.end < 500 {
                    gone = gone.end..gone.end + 100;
                    let ids: Vec<_> = gone.clone().map(Into::into).collect();
                    collection.delete_batch(&ids).unwrap();
                    write(&collection, rng, gone.start + 5_000..gone.end + 5_000);
                }
                check_searches(&collection, rng);
            })
            .unwrap();
        let status = collection.wait_indexed(|_| {}).unwrap();
        assert_eq!((status.pending, status.scanned), (0, 0), "{status:?}");
        assert_eq!(collection.count().unwrap(), POINTS - gone.end);
        check_searches(&collection, rng);
    }
    let report = db.check().unwrap();
    assert!(report.is_clean(), "{:#?}", report.problems);
}

#[test]
fn closing_ends_a_build_and_the_next_opening_begins_it_again() {
    const POINTS: u64 = 11_000;
    let dir = tempfile::tempdir().unwrap();
    let db = AetherDB::open(dir.path()).unwrap();
    let index = IndexConfig::new_with_default_config("hnsw").unwrap();
    let collection = db.create_collection("c", DIM, "l2", index).unwrap();
    let rng = &mut fastrand::Rng::with_seed(9);
    write(&collection, rng, 0..POINTS);
    while collection.index_status().dense[""].building.is_none() {
        std::thread::yield_now();
    }
    db.close().unwrap();
    drop((collection, db));

    let db = AetherDB::open(dir.path()).unwrap();
    let collection = db.collection("c").unwrap();
    check_searches(&collection, rng);
    let status = collection.wait_indexed(|_| {}).unwrap();
    assert_eq!((status.indexed, status.pending), (POINTS, 0));
    check_searches(&collection, rng);
}
