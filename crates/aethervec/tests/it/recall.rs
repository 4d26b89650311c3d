//! Recall on real vectors, against exact search; the truth of exact search is checked by plain arithmetic.

use crate::common::{close, distance, matrix};
use aethervec::{
    AetherDB, Collection, CollectionSchema, DenseField, Document, ElementType, IndexConfig, Metric,
    SearchRequest, Vector,
};
use std::collections::HashSet;

const K: usize = 10;

fn filled(db: &AetherDB, schema: CollectionSchema, base: &[Vector]) -> Collection {
    let collection = db.create_collection_with("base", schema).unwrap();
    let documents: Vec<Document> = base
        .iter()
        .zip(0u64..)
        .map(|(v, id)| Document::new(v.clone(), id))
        .collect();
    for batch in documents.chunks(1000) {
        collection.upsert_batch(batch.to_vec()).unwrap();
    }
    collection
}

/// The share of the true nearest neighbours that are found.
fn recall(collection: &Collection, queries: &[Vector], ef: Option<usize>) -> f64 {
    let mut found = 0;
    for query in queries {
        let query = query.to_f32();
        let exact = SearchRequest {
            exact: true,
            with_payload: false,
            ..SearchRequest::new(&query, K)
        };
        let approximate = SearchRequest {
            exact: false,
            ef,
            ..exact
        };
        let truth: HashSet<_> = collection
            .search_with(exact)
            .unwrap()
            .into_iter()
            .map(|hit| hit.id)
            .collect();
        let hits = collection.search_with(approximate).unwrap();
        assert!(hits.is_sorted_by_key(|hit| hit.distance));
        found += hits.iter().filter(|hit| truth.contains(&hit.id)).count();
    }
    found as f64 / (K * queries.len()) as f64
}

/// With each family of approximate indexes.
fn check(metric: Metric, element: ElementType, base: &str, queries: &str) {
    for name in ["hnsw", "ivf", "drift"] {
        let index = IndexConfig::new_with_default_config(name).unwrap();
        check_index(metric, element, index, (base, queries));
    }
}

fn check_index(
    metric: Metric,
    element: ElementType,
    index: IndexConfig,
    (base, queries): (&str, &str),
) {
    let name = index.name();
    let (base, queries) = (matrix(base), matrix(queries));
    let queries = &queries[..100];
    let dir = tempfile::tempdir().unwrap();
    let db = AetherDB::open(dir.path()).unwrap();
    let dim = base[0].dim();
    let schema = CollectionSchema::of(DenseField {
        element,
        ..DenseField::new(dim, metric, index)
    });
    let collection = filled(&db, schema, &base);

    let query = queries[0].to_f32();
    let mut distances: Vec<f64> = base
        .iter()
        .map(|v| distance(metric, &v.to_f32(), &query))
        .collect();
    distances.sort_by(f64::total_cmp);
    let exact = collection
        .search_with(SearchRequest {
            exact: true,
            ..SearchRequest::new(&query, K)
        })
        .unwrap();
    for (hit, distance) in exact.iter().zip(&distances) {
        assert!(
            close(f64::from(hit.distance.0), *distance),
            "{hit:?} is at {distance}"
        );
    }

    let status = collection.wait_indexed(|_| {}).unwrap();
    assert_eq!((status.pending, status.indexed), (0, base.len() as u64));
    let before = recall(&collection, queries, None);
    eprintln!(
        "{name} {metric} {element}: recall@{K} {before:.4} by default, {:.4} at ef 32",
        recall(&collection, queries, Some(32))
    );
    assert!(before >= 0.95, "{name}: recall {before}");

    // What is deleted is not found, and what stays is found as well as before.
    let deleted: Vec<_> = (0..base.len() as u64)
        .filter(|id| id % 3 == 0)
        .map(Into::into)
        .collect();
    assert!(
        collection
            .delete_batch(&deleted)
            .unwrap()
            .iter()
            .all(|found| *found)
    );
    collection.wait_indexed(|_| {}).unwrap();
    collection.checkpoint().unwrap();
    let after = recall(&collection, queries, None);
    eprintln!("{name} {metric} {element}: recall@{K} {after:.4} after a third was deleted");
    assert!(after >= 0.95, "{name}: recall {after}");
    let report = db.check().unwrap();
    assert!(report.is_clean(), "{:#?}", report.problems);

    // The same index after opening it again.
    drop(collection);
    db.close().unwrap();
    drop(db);
    let db = AetherDB::open(dir.path()).unwrap();
    let collection = db.collection("base").unwrap();
    let status = collection.index_status();
    assert_eq!(
        (status.pending, status.indexed),
        (0, (base.len() - deleted.len()) as u64)
    );
    let reopened = recall(&collection, queries, None);
    assert!(reopened >= 0.95, "{name}: recall {reopened}");
    let report = db.check().unwrap();
    assert!(report.is_clean(), "{:?}", report.problems);
}

#[test]
fn sentences_under_cosine() {
    check(
        Metric::Cosine,
        ElementType::F16,
        "minilm-base.npy",
        "minilm-query.npy",
    );
}

#[test]
fn images_under_l2() {
    check(
        Metric::L2Squared,
        ElementType::U8,
        "fashion-base.npy.gz",
        "fashion-query.npy.gz",
    );
}

#[test]
fn equal_and_short_vectors_are_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let db = AetherDB::open(dir.path()).unwrap();
    let rng = &mut fastrand::Rng::with_seed(11);
    // In one dimension there are two directions: half of the vectors are equal, and so is the other half.
    for ((metric, dim), index) in [("cosine", 1), ("dot", 1), ("dot", 8)]
        .into_iter()
        .flat_map(|shape| ["hnsw", "ivf", "drift"].map(|index| (shape, index)))
    {
        let name = format!("{metric}-{dim}-{index}");
        let index = IndexConfig::new_with_default_config(index).unwrap();
        let collection = db.create_collection(&name, dim, metric, index).unwrap();
        let mut vector = || (0..dim).map(|_| rng.f32() - 0.5).collect::<Vec<f32>>();
        let query = vector();
        let documents = (0..2_500u64)
            .map(|id| Document::new(vector(), id))
            .collect();
        collection.upsert_batch(documents).unwrap();
        collection.wait_indexed(|_| {}).unwrap();
        let hits = collection.search(&query, 2_500).unwrap();
        assert_eq!(hits.len(), 2_500, "{name}: few paths, no fewer hits");
    }
    let report = db.check().unwrap();
    assert!(report.is_clean(), "{:#?}", report.problems);
}

#[test]
fn the_dead_do_not_pile_up_while_writes_go_on() {
    for name in ["hnsw", "ivf", "drift"] {
        the_dead_do_not_pile_up(&IndexConfig::new_with_default_config(name).unwrap());
    }
}

fn the_dead_do_not_pile_up(index: &IndexConfig) {
    let dir = tempfile::tempdir().unwrap();
    let db = AetherDB::open(dir.path()).unwrap();
    let collection = db
        .create_collection("churn", 8, "l2", index.clone())
        .unwrap();
    let rng = &mut fastrand::Rng::with_seed(12);
    let write = |rng: &mut fastrand::Rng, count: u64| {
        let mut vector = || (0..8).map(|_| rng.f32()).collect::<Vec<f32>>();
        let documents = (0..count).map(|id| Document::new(vector(), id)).collect();
        collection.upsert_batch(documents).unwrap();
    };
    write(rng, 2_000);
    collection.wait_indexed(|_| {}).unwrap();
    for _ in 0..40 {
        // The lane always has something to apply.
        write(rng, 1_000);
        while collection.index_status().scanned > 3_000 {
            std::thread::yield_now();
        }
    }
    let status = collection.index_status();
    assert!(status.dead < 8_000, "{status:?}");
}
