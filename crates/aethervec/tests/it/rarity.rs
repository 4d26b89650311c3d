//! Sparse fields whose queries are weighted by how rare a dimension is.

use aethervec::{
    AetherDB, CollectionSchema, CollectionView, Document, Filter, SearchRequest, SparseField,
    SparseVector,
};
use serde_json::json;

const COMMON: u32 = 1;
const RARE: u32 = 2;

/// The weight of a dimension that `with` of `all` documents have.
fn weight(all: f64, with: f64) -> f64 {
    (1.0 + (all - with + 0.5) / (with + 0.5)).ln()
}

fn words(components: &[(u32, f32)]) -> SparseVector {
    SparseVector::new(components.iter().copied())
}

/// The score of the document with the rare word for a query of both.
fn score(view: &CollectionView, filter: Option<&Filter>) -> f64 {
    let query = words(&[(COMMON, 1.0), (RARE, 2.0)]);
    let hits = view
        .search_with(SearchRequest {
            filter,
            ..SearchRequest::new(&query, 1)
        })
        .unwrap();
    f64::from(hits[0].score)
}

#[track_caller]
fn assert_near(score: f64, expected: f64) {
    assert!(
        (score - expected).abs() < 1e-4,
        "{score}, expected {expected}"
    );
}

#[test]
fn what_is_counted_is_what_the_reader_sees() {
    let folder = tempfile::tempdir().unwrap();
    let db = AetherDB::open(folder.path()).unwrap();
    let schema = CollectionSchema::default()
        .with_field("", SparseField { idf: true })
        .with_field("plain", SparseField::default());
    let notes = db.create_collection_with("notes", schema).unwrap();
    let common = |id: u64| {
        Document::new(words(&[(COMMON, 1.0)]), id).with_payload(json!({"odd": id % 2 == 1}))
    };
    notes
        .upsert_batch((1..=8).map(common).collect::<Vec<_>>())
        .unwrap();
    let rare = Document::new(words(&[(COMMON, 0.5), (RARE, 1.0)]), 9u64)
        .with_vector("plain", words(&[(RARE, 1.0)]))
        .with_payload(json!({"odd": true}));
    notes.upsert(rare).unwrap();
    // Without a vector in the field: not counted.
    notes
        .upsert(Document::new(
            aethervec::Vectors::new().with("plain", words(&[(COMMON, 1.0)])),
            10u64,
        ))
        .unwrap();
    let expected =
        |all: f64, common: f64, rare: f64| 0.5 * weight(all, common) + 2.0 * weight(all, rare);
    let before = db.snapshot();
    let now = || notes.view().unwrap();
    assert_near(score(&now(), None), expected(9.0, 9.0, 1.0));
    // A filter chooses what is found, not what is counted.
    let odd = Filter::eq("odd", true);
    assert_near(score(&now(), Some(&odd)), expected(9.0, 9.0, 1.0));

    // Updates take the old version out, deletes take everything out.
    notes
        .upsert(Document::new(words(&[(RARE, 0.1)]), 1u64))
        .unwrap();
    notes.delete(2u64).unwrap();
    notes.delete(3u64).unwrap();
    assert_near(score(&now(), None), expected(7.0, 6.0, 2.0));
    // The past counts as it was.
    let past = notes.at(&before).unwrap();
    assert_near(score(&past, None), expected(9.0, 9.0, 1.0));

    // The same after everything was read again.
    drop((past, before));
    db.close().unwrap();
    let db = AetherDB::open(folder.path()).unwrap();
    let notes = db.collection("notes").unwrap();
    assert_near(score(&notes.view().unwrap(), None), expected(7.0, 6.0, 2.0));
    // A field that does not say so weighs nothing.
    let query = words(&[(RARE, 3.0)]);
    let plain = SearchRequest {
        using: "plain",
        ..SearchRequest::new(&query, 1)
    };
    assert_near(f64::from(notes.search_with(plain).unwrap()[0].score), 3.0);
}
