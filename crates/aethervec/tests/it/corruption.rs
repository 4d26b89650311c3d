//! Bytes of files change, files are cut short or go missing: there is an error that names the file, or the right answer.
//! Never a wrong answer, and never a panic.

use crate::common::{Docs, read_all, settle};
use aether_env::{MemoryStorage, Storage};
use aether_sim::SimStorage;
use aethervec::{
    AetherDB, CheckReport, DbOptions, Document, ErrorKind, HnswParams, IndexConfig, Metric,
    MultiField, MultiVector, Result, SearchRequest, SparseField, SparseVector, VectorValue,
};
use serde_json::json;

const DIM: usize = 4;

/// A database with documents, a saved graph and dead points, all of it in tables: the end of a log may be torn, and
/// what is damaged there counts as never written.
fn build() -> (MemoryStorage, Docs) {
    let storage = SimStorage::new(1);
    let options = aidb::Options {
        background_threads: 0,
        memtable_bytes: 64 << 10,
        ..aidb::Options::DEFAULT
    };
    let db = AetherDB::open_with(
        storage.env(),
        DbOptions {
            storage: options.clone(),
            ..DbOptions::WITHOUT_THREADS
        },
    )
    .unwrap();
    let index = IndexConfig::Hnsw(HnswParams {
        m: 6,
        ef_construction: 24,
    });
    let collection = db.create_collection("c", DIM, "l2", index).unwrap();
    collection
        .add_vector_field("words", SparseField::default())
        .unwrap();
    collection
        .add_vector_field("tokens", MultiField::new(2, Metric::Cosine))
        .unwrap();
    let mut rng = fastrand::Rng::with_seed(1);
    let mut documents = |count: u64| -> Vec<Document> {
        let vector = |rng: &mut fastrand::Rng| (0..DIM).map(|_| rng.f32()).collect::<Vec<f32>>();
        (0..count)
            .map(|id| {
                let vector = vector(&mut rng);
                let tokens = MultiVector::from_components(2, &vector).unwrap();
                let document = Document::new(vector, id)
                    .with_vector("tokens", tokens)
                    .with_payload(json!({ "id": id }));
                match u32::try_from(id) {
                    Ok(word) if word % 3 == 0 => {
                        document.with_vector("words", SparseVector::new([(word, 1.0)]))
                    }
                    _ => document,
                }
            })
            .collect()
    };
    collection.upsert_batch(documents(1_300)).unwrap();
    settle(&db);
    collection.checkpoint().unwrap();
    collection.upsert_batch(documents(50)).unwrap();
    collection.delete_batch(&[7.into(), 8.into()]).unwrap();
    let docs = read_all(&collection.view().unwrap());
    drop((collection, db));
    let raw = aidb::DB::open_with(storage.env(), options).unwrap();
    raw.flush().unwrap();
    raw.close().unwrap();
    (
        storage.memory().image(aether_env::CrashImage::KeepAll, 0),
        docs,
    )
}

/// What a user would do: every answer is right, or there is an error.
fn use_it(storage: &MemoryStorage, docs: &Docs) -> Result<(), (ErrorKind, String)> {
    let report = read_it(storage, docs).map_err(|error| (error.kind(), error.to_string()))?;
    match report.problems.first() {
        Some(problem) => Err((ErrorKind::Corruption, problem.to_string())),
        None => Ok(()),
    }
}

fn read_it(storage: &MemoryStorage, docs: &Docs) -> Result<CheckReport> {
    let env = SimStorage::on(storage.clone(), 0).env();
    let db = AetherDB::open_with(env, DbOptions::WITHOUT_THREADS)?;
    let collection = db.collection("c")?;
    for (id, (vector, payload)) in docs.iter().step_by(41) {
        let document = collection
            .get(id)?
            .expect("an acknowledged document is there");
        assert_eq!(
            (&document.vector().unwrap().to_f32(), &document.payload),
            (vector, payload)
        );
        let words = document.vectors.get("words");
        if let Some(VectorValue::Sparse(words)) = words {
            let hits = collection.search_with(SearchRequest {
                using: "words",
                ..SearchRequest::new(words, 1)
            })?;
            assert_eq!((&hits[0].id, hits[0].score), (id, 1.0));
        }
        let hits = collection.search_with(SearchRequest {
            exact: true,
            ..SearchRequest::new(vector, 1)
        })?;
        assert_eq!((&hits[0].id, hits[0].distance.0), (id, 0.0));
        // The graph may have lost its way, but what it finds exists.
        for hit in collection.search(vector, 5)? {
            assert!(docs.contains_key(&hit.id));
        }
    }
    db.check()
}

fn copy(storage: &MemoryStorage) -> MemoryStorage {
    storage.image(aether_env::CrashImage::KeepAll, 0)
}

#[test]
fn damaged_files_are_noticed() {
    let (storage, docs) = build();
    use_it(&copy(&storage), &docs).unwrap();
    let mut rng = fastrand::Rng::with_seed(5);
    let (mut noticed, mut harmless) = (0, 0);
    for file in storage.list().unwrap() {
        let bytes = storage.contents(&file.name).unwrap();
        if bytes.is_empty() {
            continue;
        }
        let last = bytes.len() - 1;
        let mut places = vec![0, 4, 8, 16, 24, last / 2, last];
        places.extend((0..9).map(|_| rng.usize(..=last)));
        for place in places.into_iter().filter(|place| *place <= last) {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1 << rng.u8(..8);
            let disk = copy(&storage);
            disk.replace(&file.name, damaged);
            match use_it(&disk, &docs) {
                Ok(()) => harmless += 1,
                Err((kind, text)) => {
                    // A flipped version number looks like a newer format.
                    assert!(
                        matches!(kind, ErrorKind::Corruption | ErrorKind::Invalid),
                        "{kind:?}: {text}"
                    );
                    noticed += 1;
                }
            }
        }
    }
    eprintln!("{noticed} changes were noticed, {harmless} hit nothing of importance");
    assert!(noticed > 5 * harmless);
}

#[test]
fn a_missing_or_short_file_is_named() {
    let (storage, docs) = build();
    for file in storage.list().unwrap() {
        // An empty log may go.
        if file.bytes < 1_000 {
            continue;
        }
        for short in [false, true] {
            let disk = copy(&storage);
            if short {
                let bytes = storage.contents(&file.name).unwrap();
                disk.replace(&file.name, bytes[..bytes.len() / 2].to_vec());
            } else {
                disk.delete(&file.name).unwrap();
            }
            let (_, error) = use_it(&disk, &docs).unwrap_err();
            assert!(error.contains(&file.name), "{}: {error}", file.name);
        }
    }
}

/// A graph is derived from the documents: without it they are all there, and it is built again.
#[test]
fn a_graph_that_cannot_be_opened_is_built_again() {
    for name in ["hnsw", "ivf"] {
        is_built_again(IndexConfig::new_with_default_config(name).unwrap());
    }
}

fn is_built_again(index: IndexConfig) {
    let storage = SimStorage::new(1);
    let open = || AetherDB::open_with(storage.env(), DbOptions::WITHOUT_THREADS).unwrap();
    let db = open();
    let collection = db.create_collection("c", DIM, "l2", index).unwrap();
    let before = storage.memory().list().unwrap();
    let vector = |id: u64| vec![id as f32, 0.0, 0.0, 1.0];
    collection
        .upsert_batch((0..1_100).map(|id| Document::new(vector(id), id)).collect())
        .unwrap();
    settle(&db);
    collection.checkpoint().unwrap();
    drop((collection, db));

    let mut new = storage.memory().list().unwrap();
    new.retain(|file| !before.contains(file));
    let graph = new
        .iter()
        .max_by_key(|file| file.bytes)
        .unwrap()
        .name
        .clone();
    let mut bytes = storage.memory().contents(&graph).unwrap();
    bytes[..64].fill(0);
    storage.memory().replace(&graph, bytes);

    let db = open();
    let collection = db.collection("c").unwrap();
    let damage = collection.index_status().damage.unwrap();
    assert!(damage.contains(&graph), "{damage}");
    assert_eq!(collection.count().unwrap(), 1_100);
    assert_eq!(collection.search(&vector(77), 1).unwrap()[0].id, 77.into());
    assert!(!db.check().unwrap().is_clean());
    settle(&db);
    assert_eq!(collection.index_status().indexed, 1_100);
    collection.checkpoint().unwrap();
    assert_eq!(collection.index_status().damage, None);
    settle(&db);
    let report = db.check().unwrap();
    assert!(report.is_clean(), "{:#?}", report.problems);
}
