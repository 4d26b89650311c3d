//! A search that asks for a recall reaches it, on real vectors: without a filter and with one, which may have to do with the
//! vectors or not; and for queries of another kind than those from which the effort was learned.

use crate::common::{distance, matrix};
use aethervec::{
    AetherDB, Collection, CollectionSchema, DenseField, DocId, Document, ElementType, Filter,
    IndexConfig, Metric, PayloadIndexKind, SearchRequest, Vector,
};
use serde_json::json;
use std::collections::HashSet;

const K: usize = 10;

fn filled(
    db: &AetherDB,
    (metric, element, index): (Metric, ElementType, IndexConfig),
    base: &[Vector],
) -> Collection {
    let schema = CollectionSchema::of(DenseField {
        element,
        ..DenseField::new(base[0].dim(), metric, index)
    });
    let collection = db.create_collection_with("base", schema).unwrap();
    collection
        .create_payload_index("number", PayloadIndexKind::Integer)
        .unwrap();
    collection
        .create_payload_index("near", PayloadIndexKind::Integer)
        .unwrap();
    let near = nearness(metric, base);
    let documents = base.iter().zip(near).zip(0u64..);
    let documents = documents.map(|((vector, near), id)| {
        let payload = json!({ "number": id, "near": near });
        Document::new(vector.clone(), id).with_payload(payload)
    });
    for batch in documents.collect::<Vec<_>>().chunks(1000) {
        collection.upsert_batch(batch.to_vec()).unwrap();
    }
    collection.wait_indexed(|_| {}).unwrap();
    collection.wait_payload_indexes().unwrap();
    collection
}

/// Of each vector, how many others are nearer to the first one.
fn nearness(metric: Metric, base: &[Vector]) -> Vec<usize> {
    let floats: Vec<Vec<f32>> = base.iter().map(Vector::to_f32).collect();
    let from_first = floats.iter().map(|v| distance(metric, &floats[0], v));
    let from_first: Vec<f64> = from_first.collect();
    let mut order: Vec<usize> = (0..base.len()).collect();
    order.sort_by(|&a, &b| from_first[a].total_cmp(&from_first[b]));
    let mut ranks = vec![0; base.len()];
    for (rank, place) in order.into_iter().enumerate() {
        ranks[place] = rank;
    }
    ranks
}

fn asking<'a>(query: &'a [f32], recall: f32, filter: Option<&'a Filter>) -> SearchRequest<'a> {
    SearchRequest {
        filter,
        recall: Some(recall),
        with_payload: false,
        ..SearchRequest::new(query, K)
    }
}

/// The mean share of the exact answers that is found.
fn recall(collection: &Collection, queries: &[Vector], asked: f32, filter: Option<&Filter>) -> f64 {
    let (mut found, mut all) = (0, 0);
    for query in queries {
        let query = query.to_f32();
        let request = asking(&query, asked, filter);
        let exact = SearchRequest {
            recall: None,
            exact: true,
            ..request
        };
        let ids = |request| -> HashSet<DocId> {
            let hits = collection.search_with(request).unwrap();
            assert!(hits.is_sorted_by_key(|hit| hit.distance));
            hits.into_iter().map(|hit| hit.id).collect()
        };
        let truth = ids(exact);
        found += ids(request).intersection(&truth).count();
        all += truth.len();
    }
    found as f64 / all as f64
}

/// With each family of approximate indexes.
fn check(metric: Metric, element: ElementType, base: &str, kinds: &[&str]) {
    for (name, step) in [("hnsw", "graph"), ("ivf", "buckets")] {
        let index = IndexConfig::new_with_default_config(name).unwrap();
        check_index((metric, element, index), step, base, kinds);
    }
}

fn check_index(
    field: (Metric, ElementType, IndexConfig),
    family: &str,
    base: &str,
    kinds: &[&str],
) {
    let dir = tempfile::tempdir().unwrap();
    let db = AetherDB::open(dir.path()).unwrap();
    let collection = filled(&db, field, &matrix(base));
    let few = Filter::lt("number", 800);
    let most = Filter::gte("number", 2_000);
    let near = Filter::lt("near", 1_000);
    for kind in kinds {
        let queries = matrix(kind);
        for filter in [None, Some(&most), Some(&few), Some(&near)] {
            // With two hundred queries of a kind, what a filter on the vectors takes is not known to a fiftieth.
            let recalls: &[f32] = match filter == Some(&near) {
                true => &[0.8, 0.9, 0.95],
                false => &[0.8, 0.9, 0.95, 0.98],
            };
            for &asked in recalls {
                let reached = recall(&collection, &queries, asked, filter);
                let filter = filter.map(ToString::to_string);
                eprintln!("{family}, {kind}, {filter:?}: {reached:.4}, asked for {asked}");
                assert!(
                    reached >= f64::from(asked) - 0.01,
                    "{family}, {kind}, {filter:?}: {reached} instead of {asked}"
                );
            }
        }
        // Not by comparing with everything: most queries are of a known kind by now.
        let walks = queries.iter().filter(|query| {
            let query = query.to_f32();
            let plan = collection.explain(asking(&query, 0.9, None)).unwrap();
            let last = plan.steps.iter().rfind(|step| step.name == family);
            last.is_some_and(|step| step.detail.starts_with("search"))
        });
        let walks = walks.count();
        assert!(
            walks * 4 >= queries.len() * 3,
            "{family}, {kind}: {walks} walks"
        );
    }
}

#[test]
fn sentences_reach_it_and_headings_do_that_were_not_learned_from() {
    check(
        Metric::Cosine,
        ElementType::F16,
        "minilm-base.npy",
        &["minilm-query.npy", "minilm-headings.npy"],
    );
}

#[test]
fn images_reach_it() {
    check(
        Metric::L2Squared,
        ElementType::U8,
        "fashion-base.npy.gz",
        &["fashion-query.npy.gz"],
    );
}
