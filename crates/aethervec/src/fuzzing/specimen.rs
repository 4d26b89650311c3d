//! A small database with all there is: fields and payload indexes of each kind, documents that end, what is not indexed yet.

use crate::{
    AetherDB, BinaryField, BinaryVector, Collection, CollectionSchema, DbOptions, DenseField,
    Document, IndexConfig, Metric, MultiField, MultiVector, PayloadIndexKind, Result, SparseField,
    SparseVector, Timestamp,
};
use aether_env::{Env, ManualClock, MemoryStorage, Spawner, Task};
use serde_json::json;
use std::sync::Arc;
use std::thread::JoinHandle;

/// What the collection is called.
pub(super) const NAME: &str = "c";

const DOCUMENTS: u64 = 24;

/// Takes no tasks: everything happens in its turn.
#[derive(Debug)]
struct Nobody;

impl Spawner for Nobody {
    fn spawn(&self, name: &str, _: Task) -> std::io::Result<JoinHandle<()>> {
        Err(std::io::Error::other(format!("no thread for {name}")))
    }
}

/// The same in every run.
pub(super) fn env(storage: &MemoryStorage) -> Env {
    Env {
        storage: Arc::new(storage.clone()),
        clock: Arc::new(ManualClock::default()),
        spawner: Arc::new(Nobody),
    }
}

/// Of the database, and of the engine below it.
pub(super) fn options() -> DbOptions {
    DbOptions {
        storage: aidb::Options {
            background_threads: 0,
            // A log takes as much.
            memtable_bytes: 64 << 10,
            ..aidb::Options::DEFAULT
        },
        ..DbOptions::WITHOUT_THREADS
    }
}

/// The database in `storage`, which is empty so far.
pub(super) fn build(storage: &MemoryStorage) -> Result<AetherDB> {
    let db = AetherDB::open_with(env(storage), options())?;
    let schema = CollectionSchema::new(2, Metric::L2Squared, IndexConfig::default())
        .with_field(
            "image",
            DenseField::new(3, Metric::Cosine, IndexConfig::Flat),
        )
        .with_field("print", BinaryField { bits: 12 })
        .with_field("words", SparseField::default())
        .with_field("tokens", MultiField::new(2, Metric::InnerProduct));
    let collection = db.create_collection_with(NAME, schema)?;
    collection.create_payload_index("n", PayloadIndexKind::Integer)?;
    collection.upsert_batch((0..DOCUMENTS).map(document).collect())?;
    for kind in PayloadIndexKind::ALL {
        collection.create_payload_index("v[]", kind)?;
    }
    while db.tick()? {}
    collection.upsert_batch((DOCUMENTS / 2..DOCUMENTS + 6).map(document).collect())?;
    collection.delete(1)?;
    Ok(db)
}

fn document(id: u64) -> Document {
    let (n, byte) = (id as f32, id.to_le_bytes()[0]);
    let word = u32::from(byte) % 5;
    let document = Document::new(vec![n, 1.0], id)
        .with_vector("print", BinaryVector::from_bytes([byte, byte << 4]))
        .with_payload(json!({
            "n": id % 4, "text": format!("the {id}th of several"),
            "v": [
                id, n / 4.0, "a word", byte < 12, "2024-05-01T12:00:00Z",
                "67e55044-10b1-426f-9247-bb680e5fe0c8", {"lat": n, "lon": 10}, null,
            ],
        }));
    match id % 3 {
        0 => document
            .with_vector("words", SparseVector::new([(word, 1.0), (9, n)]))
            .expiring_at(Timestamp::from_micros(1_000_000 * i64::from(byte) + 1)),
        1 => {
            let components = vec![n, 1.0, 0.5, 2.0];
            let tokens = MultiVector::from_components(2, components);
            document
                .with_vector("tokens", tokens.expect("four are two of two"))
                .with_vector("image", vec![n, 1.0, 2.0])
        }
        _ => document,
    }
}

/// Does what users do, in every way there is; errors are fine.
pub(super) fn use_all(db: &AetherDB) -> Result<()> {
    let report = db.check();
    let collection = db.collection(NAME)?;
    let _ = read(&collection);
    let _ = write(db, &collection);
    let _ = read(&collection);
    let _ = db.drop_collection(NAME);
    for _ in 0..20 {
        db.tick()?;
    }
    report?;
    db.close()
}

fn read(collection: &Collection) -> Result<()> {
    use crate::{FacetRequest, Filter, Query, QueryRequest, ScrollRequest, SearchRequest};
    let view = collection.view()?;
    let _ = view.count();
    let scroll = ScrollRequest {
        after: None,
        limit: 100,
    };
    let _ = view.scroll(scroll);
    let _ = view.get_batch(&[1.into(), 7.into()]);
    let _ = view.export_jsonl(std::io::sink(), |_| {});
    let tokens = MultiVector::from_components(2, vec![1.0, 2.0])?;
    let (print, words) = (
        BinaryVector::from_bytes([5, 16]),
        SparseVector::new([(2, 1.0)]),
    );
    for exact in [false, true] {
        let request = |using| SearchRequest {
            using,
            exact,
            with_vectors: true,
            ..SearchRequest::new(&[1.0, 2.0], 40)
        };
        let _ = view.search_with(request(""));
        for (using, query) in [
            ("image", (&[1.0, 2.0, 3.0]).into()),
            ("print", (&print).into()),
            ("words", (&words).into()),
            ("tokens", (&tokens).into()),
        ] {
            let request = SearchRequest {
                vector: query,
                ..request(using)
            };
            let _ = view.search_with(request);
        }
    }
    for text in [
        "n = 2 and v[] has words \"word\"",
        "v[] = \"a word\"",
        "v[] >= 3.5",
        "v[] = true or v[] is null",
    ] {
        if let Ok(filter) = Filter::parse(text) {
            let _ = view.count_matching(&filter);
            let request = SearchRequest {
                filter: Some(&filter),
                ..SearchRequest::new(&[1.0, 2.0], 5)
            };
            let _ = view.search_with(request);
        }
    }
    let _ = view.facet(&FacetRequest::new("v[]"));
    let _ = view.query(&QueryRequest::new(Query::text("v[]", "word")));
    Ok(())
}

fn write(db: &AetherDB, collection: &Collection) -> Result<()> {
    use crate::{Filter, Patch};
    let _ = collection.patch(7, Patch::new().set("n", 1).without_vector("words"));
    let _ = collection.upsert(document(DOCUMENTS + 9));
    let _ = collection.delete_by(&Filter::eq("n", 3));
    for _ in 0..20 {
        let _ = db.tick();
    }
    let _ = collection.checkpoint();
    let _ = collection.drop_vector_field("tokens");
    let _ = collection.drop_payload_index("v[]", PayloadIndexKind::Text);
    collection.delete(3).map(drop)
}
