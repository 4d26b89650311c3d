//! Queries, groups, matrices, writes and documents as JSON, carried out on a small database.

use super::{Target, specimen};
use crate::document_json::DocumentSeed;
use crate::{AetherDB, CollectionView, GroupRequest, MatrixRequest, QueryRequest, Write};
use aether_env::MemoryStorage;
use serde::de::DeserializeSeed;

pub(super) fn target() -> Target {
    let db = specimen::build(&MemoryStorage::new()).expect("an undamaged database works");
    let view = db.collection(specimen::NAME).and_then(|of| of.view());
    let view = view.expect("the collection is there");
    Target::of(move |bytes| {
        if let Ok(text) = std::str::from_utf8(bytes) {
            ask(&view, text);
            write(&db, text);
            import(&db, text);
        }
    })
}

fn ask(view: &CollectionView, text: &str) {
    if let Ok(request) = QueryRequest::from_json(text) {
        let json = serde_json::to_string(&request).expect("requests always become JSON");
        let again = QueryRequest::from_json(&json).expect("it was just written");
        assert_eq!(again, request, "{json}");
        if let Ok(response) = view.query(&request) {
            assert!(response.hits.len() <= request.limit, "{json}");
        }
    }
    if let Ok(request) = serde_json::from_str::<GroupRequest>(text) {
        let _ = view.query_groups(&request);
    }
    if let Ok(request) = serde_json::from_str::<MatrixRequest>(text) {
        let _ = view.matrix(&request);
    }
}

/// In a transaction that does not commit: each input finds the same documents.
fn write(db: &AetherDB, text: &str) {
    let Ok(write) = Write::from_json(text) else {
        return;
    };
    let json = serde_json::to_string(&write).expect("writes always become JSON");
    let again = Write::from_json(&json).expect("it was just written");
    assert_eq!(again, write, "{json}");
    let collection = db.collection(specimen::NAME).expect("nobody drops it");
    let mut txn = db.begin().expect("nobody closes it");
    let _ = txn.apply(&collection, write);
    let _ = txn.count(&collection);
    txn.rollback();
}

/// The text as a document of the collection, and as a whole export.
fn import(db: &AetherDB, text: &str) {
    let collection = db.collection(specimen::NAME).expect("nobody drops it");
    let schema = collection.schema();
    let mut json = serde_json::Deserializer::from_str(text);
    if let Ok(document) = DocumentSeed(Some(&schema)).deserialize(&mut json) {
        let json = serde_json::to_string(&document).expect("documents always become JSON");
        let mut again = serde_json::Deserializer::from_str(&json);
        let again = DocumentSeed(Some(&schema)).deserialize(&mut again);
        assert_eq!(again.expect("it was just written"), document, "{json}");
    }
    if db.import_jsonl("imported", text.as_bytes(), |_| {}).is_ok() {
        let imported = db.collection("imported").expect("it was just imported");
        let _ = imported.scroll(crate::ScrollRequest::default());
    }
    let _ = db.drop_collection("imported");
}
