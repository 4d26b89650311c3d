//! Filtered searches find what an exact one finds, whatever share of the documents a filter lets through, and whether it
//! has to do with the vectors or not; and a search that asks for a recall reaches it.

use crate::common::{distance, matrix};
use aethervec::{
    AetherDB, Collection, CollectionSchema, DenseField, DocId, Document, ElementType, Filter,
    IndexConfig, Metric, PayloadIndexKind, SearchRequest, Vector,
};
use serde_json::json;
use std::collections::HashSet;

const K: usize = 10;

struct Filled {
    _dir: tempfile::TempDir,
    _db: AetherDB,
    collection: Collection,
    base: Vec<Vector>,
    /// How near each vector is to the first one, as a rank: a filter that has to do with the vectors.
    ranks: Vec<usize>,
}

fn filled() -> Filled {
    let graph = IndexConfig::new_with_default_config("hnsw").unwrap();
    let base = matrix("minilm-base.npy");
    let first = base[0].to_f32();
    let mut by_distance: Vec<usize> = (0..base.len()).collect();
    let from_first = |i: &usize| distance(Metric::Cosine, &base[*i].to_f32(), &first);
    by_distance.sort_by(|a, b| from_first(a).total_cmp(&from_first(b)));
    let mut ranks = vec![0; base.len()];
    for (rank, &i) in by_distance.iter().enumerate() {
        ranks[i] = rank;
    }
    let dir = tempfile::tempdir().unwrap();
    let db = AetherDB::open(dir.path()).unwrap();
    let schema = CollectionSchema::of(DenseField {
        element: ElementType::F16,
        ..DenseField::new(base[0].dim(), Metric::Cosine, graph)
    });
    let collection = db.create_collection_with("base", schema).unwrap();
    let documents: Vec<Document> = base
        .iter()
        .zip(0u64..)
        .map(|(vector, id)| {
            let rank = ranks[usize::try_from(id).unwrap()];
            Document::new(vector.clone(), id).with_payload(
                // The same again where no index looks.
                json!({"number": id, "rank": rank, "plain": {"number": id, "rank": rank}}),
            )
        })
        .collect();
    for batch in documents.chunks(1000) {
        collection.upsert_batch(batch.to_vec()).unwrap();
    }
    for path in ["number", "rank"] {
        collection
            .create_payload_index(path, PayloadIndexKind::Integer)
            .unwrap();
    }
    collection.wait_payload_indexes().unwrap();
    collection.wait_indexed(|_| {}).unwrap();
    Filled {
        _dir: dir,
        _db: db,
        collection,
        base,
        ranks,
    }
}

fn ids(collection: &Collection, request: SearchRequest<'_>) -> Vec<DocId> {
    let hits = collection.search_with(request).unwrap();
    assert!(hits.is_sorted_by_key(|hit| hit.distance));
    hits.into_iter().map(|hit| hit.id).collect()
}

#[test]
fn every_share_of_the_documents_is_searched_well() {
    let Filled {
        collection,
        base,
        ranks,
        ..
    } = &filled();
    let queries = &matrix("minilm-query.npy")[..20];
    let total = base.len();
    for allowed in [
        1,
        7,
        total / 100,
        total / 10,
        total / 4,
        total / 2,
        total - 1,
    ] {
        for path in ["number", "rank", "plain.number", "plain.rank"] {
            let bound = i64::try_from(allowed).unwrap();
            let filter = Filter::lt(path, bound);
            let passes = |i: usize| match path.rsplit('.').next() {
                Some("rank") => ranks[i] < allowed,
                _ => i < allowed,
            };
            let (mut found, mut all) = (0, 0);
            for query in queries {
                let query = query.to_f32();
                let mut truth: Vec<(f64, usize)> = (0..total)
                    .filter(|&i| passes(i))
                    .map(|i| (distance(Metric::Cosine, &base[i].to_f32(), &query), i))
                    .collect();
                truth.sort_by(|a, b| a.0.total_cmp(&b.0));
                truth.truncate(K);
                let request = SearchRequest {
                    filter: Some(&filter),
                    with_payload: false,
                    ..SearchRequest::new(&query, K)
                };
                let exact = ids(
                    collection,
                    SearchRequest {
                        exact: true,
                        ..request
                    },
                );
                let truth: HashSet<DocId> = truth
                    .into_iter()
                    .map(|(_, i)| DocId::from(u64::try_from(i).unwrap()))
                    .collect();
                let right = exact.iter().filter(|id| truth.contains(id)).count();
                // Nearly equal distances may come in another order.
                assert!(
                    exact.len() == truth.len() && right + 1 >= truth.len(),
                    "{path} < {allowed}: {right} of {}",
                    truth.len()
                );
                let hits = ids(collection, request);
                assert_eq!(hits.len(), truth.len(), "{path} < {allowed}");
                found += hits.iter().filter(|id| truth.contains(id)).count();
                all += truth.len();
            }
            let recall = found as f64 / all as f64;
            assert!(recall >= 0.95, "{path} < {allowed}: recall {recall}");
        }
    }
    let nothing = Filter::eq("number", -1);
    let query = queries[0].to_f32();
    let request = SearchRequest {
        filter: Some(&nothing),
        ..SearchRequest::new(&query, K)
    };
    assert_eq!(collection.search_with(request).unwrap(), []);
}

#[test]
fn a_search_is_explained() {
    let Filled { collection, .. } = &filled();
    let query = matrix("minilm-query.npy")[0].to_f32();
    let names = |request| {
        let plan = collection.explain(request).unwrap();
        assert_eq!(plan.hits, K, "{plan}");
        let names: Vec<&str> = plan.steps.iter().map(|step| step.name).collect();
        (names, plan.to_string())
    };
    let plain = SearchRequest::new(&query, K);
    assert_eq!(names(plain).0, ["delta", "graph", "rows"]);
    let few = Filter::lt("number", 100);
    let (steps, text) = names(SearchRequest {
        filter: Some(&few),
        ..plain
    });
    assert_eq!(steps, ["filter", "delta", "graph", "rows"]);
    assert!(
        text.contains("100 points") && text.contains("scan of the allowed points"),
        "{text}"
    );
    let exact = SearchRequest {
        exact: true,
        ..plain
    };
    assert_eq!(names(exact).0, ["scan"]);
    let recall = SearchRequest {
        recall: Some(0.9),
        ..plain
    };
    assert_eq!(names(recall).0, ["calibrate", "delta", "graph", "rows"]);
}

#[test]
fn a_recall_is_a_share() {
    let dir = tempfile::tempdir().unwrap();
    let db = AetherDB::open(dir.path()).unwrap();
    let notes = db
        .create_collection("notes", 1, "l2", IndexConfig::default())
        .unwrap();
    let search = |recall, ef| {
        notes
            .search_with(SearchRequest {
                recall: Some(recall),
                ef,
                ..SearchRequest::new(&[0.0], 1)
            })
            .map_err(|error| error.to_string())
    };
    for bad in [0.0, -1.0, 1.5, f32::NAN] {
        let error = search(bad, None).unwrap_err();
        assert!(error.starts_with("recall: "), "{error}");
    }
    assert_eq!(
        search(0.9, Some(10)).unwrap_err(),
        "recall, ef: only one of them can be given"
    );
    assert_eq!(search(0.9, None).unwrap(), []);
}
