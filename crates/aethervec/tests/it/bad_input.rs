//! Bad input: each error names the field, the value and the limit, and nothing has changed.

use aether_sim::SimStorage;
use aethervec::{
    AetherDB, Collection, CollectionSchema, DbOptions, DenseField, DocId, Document, ElementType,
    Error, ErrorKind, HnswParams, IndexConfig, Metric, ScrollRequest, SearchRequest, f16, limits,
};
use serde_json::{Value, json};
use std::fmt::Debug;

fn memory() -> AetherDB {
    AetherDB::open_with(SimStorage::new(0).env(), DbOptions::WITHOUT_THREADS).unwrap()
}

fn collection(metric: &str) -> (AetherDB, Collection) {
    let db = memory();
    let collection = db
        .create_collection("c", 3, metric, IndexConfig::default())
        .unwrap();
    collection
        .upsert(Document::new(vec![1.0, 2.0, 3.0], "there"))
        .unwrap();
    (db, collection)
}

#[track_caller]
fn refused<T: Debug>(result: Result<T, Error>, message: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert_eq!(error.to_string(), message);
}

/// Only the first document is there, with its first vector.
#[track_caller]
fn unchanged(collection: &Collection) {
    assert_eq!(collection.count().unwrap(), 1);
    assert_eq!(
        collection
            .get("there")
            .unwrap()
            .unwrap()
            .vector()
            .unwrap()
            .to_f32(),
        [1.0, 2.0, 3.0]
    );
}

#[test]
fn wrong_dimension() {
    let (_db, collection) = collection("l2");
    refused(
        collection.upsert(Document::new(vec![1.0; 4], "there")),
        "vector: it has 4 components: the field's dim is 3",
    );
    refused(
        collection.search(&[1.0; 2], 1),
        "vector: it has 2 components: the field's dim is 3",
    );
    refused(
        collection.search(&[], 1),
        "vector: it has 0 components: the field's dim is 3",
    );
    unchanged(&collection);
}

#[test]
fn dimensions_out_of_range() {
    let db = memory();
    let create = |dim| db.create_collection("c", dim, "l2", IndexConfig::default());
    refused(create(0), "dim: 0 is out of range: it must be 1..=65535");
    refused(
        create(65_536),
        "dim: 65536 is out of range: it must be 1..=65535",
    );
    create(65_535)
        .unwrap()
        .upsert(Document::new(vec![1.0; 65_535], 1))
        .unwrap();
    assert_eq!(
        db.collection("c")
            .unwrap()
            .search(&vec![0.0; 65_535], 1)
            .unwrap()[0]
            .distance
            .0,
        65_535.0
    );
}

#[test]
fn nan_and_infinity() {
    let (_db, collection) = collection("l2");
    let with = |value| Document::new(vec![0.0, value, 0.0], "there");
    refused(
        collection.upsert(with(f32::NAN)),
        "vector: component 1 is NaN: components must be finite",
    );
    refused(
        collection.upsert(with(f32::INFINITY)),
        "vector: component 1 is inf: components must be finite",
    );
    refused(
        collection.upsert(with(f32::NEG_INFINITY)),
        "vector: component 1 is -inf: components must be finite",
    );
    refused(
        collection.upsert(with(1e17)),
        "vector: component 1 is 1e17: its magnitude may be at most 1e16",
    );
    refused(
        collection.upsert(Document::new(
            vec![f16::ONE, f16::ONE, f16::INFINITY],
            "there",
        )),
        "vector: component 2 is inf: components must be finite",
    );
    refused(
        collection.search(&[f32::NAN, 0.0, 0.0], 1),
        "vector: component 0 is NaN: components must be finite",
    );
    refused(
        collection.upsert_batch(vec![
            Document::new(vec![0.0; 3], "a"),
            Document::new(vec![f32::NAN; 3], "b"),
        ]),
        "document 1 (id \"b\"): vector: component 0 is NaN: components must be finite",
    );
    unchanged(&collection);
}

#[test]
fn the_largest_components_have_finite_distances() {
    for metric in ["l2", "dot", "cosine"] {
        let (_db, collection) = collection(metric);
        let largest = limits::COMPONENT_ABS_MAX;
        collection
            .upsert(Document::new(vec![largest; 3], "large"))
            .unwrap();
        for hit in collection.search(&[-largest; 3], 2).unwrap() {
            assert!(
                hit.distance.0.is_finite() && hit.score.is_finite(),
                "{metric}: {hit:?}"
            );
        }
    }
}

#[test]
fn zero_vector_under_cosine() {
    let (_db, collection) = collection("cosine");
    let message = "vector: it is zero (or nearly so): under cosine a vector needs a direction";
    refused(
        collection.upsert(Document::new(vec![0.0; 3], "there")),
        message,
    );
    refused(collection.search(&[0.0; 3], 1), message);
    unchanged(&collection);
}

#[test]
fn components_that_do_not_fit_the_element_type() {
    let db = memory();
    let create = |name, element| {
        let schema = CollectionSchema::of(DenseField {
            element,
            ..DenseField::new(2, Metric::L2Squared, IndexConfig::Flat)
        });
        db.create_collection_with(name, schema).unwrap()
    };
    let halves = create("halves", ElementType::F16);
    refused(
        halves.upsert(Document::new(vec![0.0, 70_000.0], 1)),
        "vector: component 1 is 70000.0: an f16 field holds magnitudes up to 65504",
    );
    let bytes = create("bytes", ElementType::U8);
    for value in [256.0, -1.0, 0.5] {
        refused(
            bytes.upsert(Document::new(vec![value, 0.0], 1)),
            &format!("vector: component 0 is {value:?}: a u8 field holds integers in 0..=255"),
        );
    }
    assert_eq!((halves.count().unwrap(), bytes.count().unwrap()), (0, 0));
}

#[test]
fn k_and_effort() {
    let (_db, collection) = collection("l2");
    refused(
        collection.search(&[0.0; 3], 0),
        "k: 0 is out of range: it must be 1..=10000",
    );
    refused(
        collection.search(&[0.0; 3], 10_001),
        "k: 10001 is out of range: it must be 1..=10000",
    );
    refused(
        collection.search(&[0.0; 3], usize::MAX),
        "k: 18446744073709551615 is out of range: it must be 1..=10000",
    );
    let with_ef = |ef| SearchRequest {
        ef: Some(ef),
        ..SearchRequest::new(&[0.0; 3], 1)
    };
    refused(
        collection.search_with(with_ef(0)),
        "ef: 0 is out of range: it must be 1..=100000",
    );
    refused(
        collection.search_batch(&[with_ef(1), with_ef(200_000)]),
        "request 1: ef: 200000 is out of range: it must be 1..=100000",
    );
    assert_eq!(
        collection.search(&[0.0; 3], limits::K_MAX).unwrap().len(),
        1
    );
    let scroll = |limit| collection.scroll(ScrollRequest { after: None, limit });
    refused(scroll(0), "limit: 0 is out of range: it must be 1..=10000");
    refused(
        scroll(10_001),
        "limit: 10001 is out of range: it must be 1..=10000",
    );
}

#[test]
fn unknown_metric_index_and_parameters() {
    let db = memory();
    refused(
        db.create_collection("c", 3, "manhattan", IndexConfig::default()),
        "metric: \"manhattan\" is not known: it must be one of cosine, l2, dot",
    );
    refused(
        IndexConfig::new_with_default_config("btree"),
        "index: \"btree\" is not known: it must be one of auto, hnsw, ivf, drift, flat",
    );
    let with = |m, ef_construction| {
        db.create_collection(
            "c",
            3,
            "l2",
            IndexConfig::Hnsw(HnswParams { m, ef_construction }),
        )
    };
    refused(
        with(1, 200),
        "index.m: 1 is out of range: it must be 2..=256",
    );
    refused(
        with(16, 9_999),
        "index.ef_construction: 9999 is out of range: it must be 8..=4096",
    );
    assert!(db.collections().is_empty());
}

#[test]
fn names() {
    let db = memory();
    let create = |name: &str| db.create_collection(name, 3, "l2", IndexConfig::default());
    refused(create(""), "collection name: \"\" is empty");
    refused(create(".."), "collection name: \"..\" is a path");
    refused(create("."), "collection name: \".\" is a path");
    refused(
        create("a/b"),
        "collection name: \"a/b\" contains '/', which names may not",
    );
    refused(
        create("a\\b"),
        "collection name: \"a\\\\b\" contains '\\\\', which names may not",
    );
    refused(
        create("a\0"),
        "collection name: \"a\\0\" contains '\\0', which names may not",
    );
    refused(
        create("a\n"),
        "collection name: \"a\\n\" contains '\\n', which names may not",
    );
    let long = "n".repeat(256);
    refused(
        create(&long),
        &format!(
            "collection name: \"{}\"… has 256 bytes: at most 255 are allowed",
            &long[..32]
        ),
    );
    refused(
        db.drop_collection("../x"),
        "collection name: \"../x\" contains '/', which names may not",
    );
    create(&long[..255]).unwrap();
    create("größer als …").unwrap();
    assert_eq!(
        create("größer als …").unwrap_err().kind(),
        ErrorKind::Exists
    );
    let missing = db.collection("missing").unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert_eq!(missing.to_string(), "collection \"missing\" does not exist");
    assert_eq!(
        db.describe("missing").unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        db.drop_collection("missing").unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[test]
fn ids() {
    let (_db, collection) = collection("l2");
    let message = "id: \"\" is empty: at least 1 byte is needed";
    refused(collection.upsert(Document::new(vec![0.0; 3], "")), message);
    refused(collection.get(""), message);
    refused(collection.delete(""), message);
    let long = "i".repeat(1_025);
    let message = format!(
        "id: \"{}\"… has 1025 bytes: at most 1024 are allowed",
        &long[..32]
    );
    refused(
        collection.upsert(Document::new(vec![0.0; 3], long.as_str())),
        &message,
    );
    refused(
        collection.delete_batch(&["there".into(), long.into()]),
        &format!("document 1: {message}"),
    );
    unchanged(&collection);
}

#[test]
fn of_duplicate_ids_in_one_batch_the_last_one_wins() {
    let (_db, collection) = collection("l2");
    let at = |x: f32, id: &str| Document::new(vec![x, 0.0, 0.0], id);
    let outcome = collection
        .upsert_batch(vec![
            at(1.0, "a"),
            at(2.0, "b"),
            at(3.0, "a"),
            at(4.0, "there"),
            at(5.0, "a"),
        ])
        .unwrap();
    assert_eq!((outcome.inserted, outcome.replaced), (2, 1));
    assert_eq!(collection.count().unwrap(), 3);
    assert_eq!(
        collection
            .get("a")
            .unwrap()
            .unwrap()
            .vector()
            .unwrap()
            .to_f32(),
        [5.0, 0.0, 0.0]
    );
    let hits = collection.search(&[1.0, 0.0, 0.0], 10).unwrap();
    let ids: Vec<DocId> = hits.into_iter().map(|hit| hit.id).collect();
    assert_eq!(ids, ["b", "there", "a"].map(DocId::from));
    let ids = ["a", "a", "nobody"].map(DocId::from);
    assert_eq!(collection.delete_batch(&ids).unwrap(), [true, false, false]);
    // Also the one that loses has to be acceptable.
    refused(
        collection.upsert_batch(vec![Document::new(vec![f32::NAN; 3], "x"), at(1.0, "x")]),
        "document 0 (id \"x\"): vector: component 0 is NaN: components must be finite",
    );
}

#[test]
fn payloads() {
    let (_db, collection) = collection("l2");
    let with = |payload: Value| {
        collection.upsert(Document::new(vec![0.0; 3], "there").with_payload(payload))
    };
    refused(
        with(json!("text")),
        "payload: a string is not a JSON object",
    );
    refused(with(Value::Null), "payload: null is not a JSON object");
    let nested = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({ "a": [inner] }));
    refused(
        with(nested(34)),
        "payload: it is nested deeper than 64 levels, which is the limit",
    );
    refused(
        with(json!({ "a": "x".repeat(limits::PAYLOAD_BYTES_MAX) })),
        "payload: it has 16777224 bytes as JSON: at most 16777216 are allowed",
    );
    unchanged(&collection);
    with(nested(32)).unwrap();
    assert_eq!(
        collection.get("there").unwrap().unwrap().payload,
        Some(nested(32))
    );
}

#[test]
fn batches_that_are_too_large() {
    let db = memory();
    let collection = db
        .create_collection("c", 1, "l2", IndexConfig::Flat)
        .unwrap();
    let documents = (0..=limits::BATCH_DOCUMENTS_MAX as u64)
        .map(|id| Document::new(vec![0.0], id))
        .collect();
    refused(
        collection.upsert_batch(documents),
        "batch: it has 100001 documents: at most 100000 are allowed in one call",
    );
    let wide = db
        .create_collection("wide", 65_535, "l2", IndexConfig::Flat)
        .unwrap();
    let document = |id| Document::new(vec![0.0; 65_535], id);
    let error = wide
        .upsert_batch((0..1_200u64).map(document).collect())
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("bytes or more: at most 268435456 are allowed in one call"),
        "{error}"
    );
    assert_eq!((collection.count().unwrap(), wide.count().unwrap()), (0, 0));
    assert_eq!(collection.upsert_batch(Vec::new()).unwrap().inserted, 0);
}

#[test]
fn a_snapshot_of_another_database() {
    let (_db, collection) = collection("l2");
    let other = memory();
    refused(
        collection.at(&other.snapshot()),
        "snapshot: it was taken of another database (or of an earlier opening)",
    );
}
