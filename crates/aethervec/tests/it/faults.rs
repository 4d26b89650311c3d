//! A world that does not cooperate: what is open elsewhere, unusable, full, of a newer version, or closed.

use aether_env::Env;
use aether_sim::SimStorage;
use aethervec::{AetherDB, DbOptions, DocId, Document, Error, ErrorKind, IndexConfig};

#[test]
fn a_database_that_is_open_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let db = AetherDB::open(dir.path()).unwrap();
    let error = AetherDB::open(dir.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(
        error.to_string().contains(&std::process::id().to_string()),
        "{error}"
    );
    drop(db);
    AetherDB::open(dir.path()).unwrap();
}

#[test]
fn a_directory_that_cannot_be_used() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = AetherDB::open(file.path().join("db")).unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&file.path().display().to_string()),
        "{error}"
    );
    let dir = tempfile::tempdir().unwrap();
    let options = DbOptions {
        storage: aidb::Options {
            create_if_missing: false,
            ..aidb::Options::DEFAULT
        },
        ..DbOptions::DEFAULT
    };
    let error = AetherDB::open_with(Env::local(dir.path()).unwrap(), options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

#[test]
fn a_newer_format() {
    let storage = SimStorage::new(0);
    let raw = aidb::DB::open_with(
        storage.env(),
        aidb::Options {
            background_threads: 0,
            ..aidb::Options::DEFAULT
        },
    )
    .unwrap();
    let catalog = raw
        .keyspace("catalog", aidb::KeyspaceOptions::DEFAULT)
        .unwrap();
    catalog
        .put(
            [0],
            br#"{"format": 2, "next_collection": {"something": "new"}}"#,
        )
        .unwrap();
    raw.close().unwrap();
    drop((catalog, raw));
    let error = AetherDB::open_with(storage.env(), DbOptions::WITHOUT_THREADS).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        error.to_string(),
        "catalog, meta record: format 2 was written by a newer version: this one reads up to 1"
    );
}

#[test]
fn a_full_disk() {
    let storage = SimStorage::new(0);
    let db = AetherDB::open_with(storage.env(), DbOptions::WITHOUT_THREADS).unwrap();
    let collection = db
        .create_collection("c", 3, "l2", IndexConfig::default())
        .unwrap();
    let document = |id: u64| Document::new(vec![id as f32, 0.0, 0.0], id);
    collection.upsert(document(0)).unwrap();
    storage.disk_full(600);
    let mut acknowledged = 1;
    let error = loop {
        match collection.upsert(document(acknowledged)) {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 1_000, "the disk is full at last");
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    // Reads go on, and nothing is half there.
    assert_eq!(collection.count().unwrap(), acknowledged);
    assert_eq!(
        collection.search(&[0.0; 3], 1_000).unwrap().len() as u64,
        acknowledged
    );
    assert!(collection.get(acknowledged).unwrap().is_none());
    // There is room again.
    storage.free();
    collection.upsert(document(acknowledged)).unwrap();
    assert_eq!(collection.count().unwrap(), acknowledged + 1);
    let report = db.check().unwrap();
    assert!(report.is_clean(), "{:#?}", report.problems);
    drop((collection, db));
    let db = AetherDB::open_with(storage.env(), DbOptions::WITHOUT_THREADS).unwrap();
    assert_eq!(
        db.collection("c").unwrap().count().unwrap(),
        acknowledged + 1
    );
}

#[test]
fn a_full_disk_while_the_graph_is_saved() {
    for (index, names) in [("hnsw", "graph"), ("ivf", "buckets")] {
        full_disk_while_saved(index, names);
    }
}

fn full_disk_while_saved(index: &str, names: &str) {
    let index = IndexConfig::new_with_default_config(index).unwrap();
    let storage = SimStorage::new(0);
    let db = AetherDB::open_with(storage.env(), DbOptions::WITHOUT_THREADS).unwrap();
    let collection = db.create_collection("c", 3, "l2", index).unwrap();
    let document = |id: u64| Document::new(vec![id as f32, 1.0, 2.0], id);
    collection
        .upsert_batch((0..1_200).map(document).collect())
        .unwrap();
    collection.wait_indexed(|_| {}).unwrap();
    storage.disk_full(10_000);
    let error = collection.checkpoint().unwrap_err();
    assert!(error.to_string().contains(names), "{error}");
    assert_eq!(
        collection.search(&[7.0, 1.0, 2.0], 1).unwrap()[0].id,
        DocId::from(7)
    );
    storage.free();
    collection.checkpoint().unwrap();
    assert_eq!(collection.index_status().checkpoints, 1);
    let report = db.check().unwrap();
    assert!(report.is_clean(), "{:#?}", report.problems);
}

#[test]
fn a_closed_database() {
    let db = AetherDB::open_with(SimStorage::new(0).env(), DbOptions::WITHOUT_THREADS).unwrap();
    let collection = db
        .create_collection("c", 3, "l2", IndexConfig::default())
        .unwrap();
    db.close().unwrap();
    db.close().unwrap();
    let closed = |error: Error| assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    closed(collection.search(&[0.0; 3], 1).unwrap_err());
    closed(
        collection
            .upsert(Document::new(vec![0.0; 3], 1))
            .unwrap_err(),
    );
    closed(collection.count().unwrap_err());
    closed(
        db.create_collection("d", 3, "l2", IndexConfig::Flat)
            .unwrap_err(),
    );
    closed(db.check().unwrap_err());
}
