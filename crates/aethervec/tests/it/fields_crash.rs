//! The power is cut at every single I/O of a run in which vector fields come and go. Each change of the fields and each
//! write is there or not, as a whole, and the graphs of dropped fields go away.

use crate::common::{close, distance, settle};
use aether_env::CrashImage;
use aether_sim::SimStorage;
use aethervec::{
    AetherDB, BinaryField, BinaryVector, Collection, CollectionSchema, DbOptions, DenseField,
    DocId, Document, HnswParams, IndexConfig, Metric, Result, ScrollRequest, SearchRequest,
    SparseField, SparseVector, VectorField, Vectors,
};
use std::collections::BTreeMap;

const METRIC: Metric = Metric::L2Squared;

/// What is in the collection.
#[derive(Clone, Debug, Default, PartialEq)]
struct State {
    fields: BTreeMap<String, VectorField>,
    docs: BTreeMap<DocId, Vectors>,
}

/// A run of a fixed script: what is known to be durable, and what may be.
struct Script {
    storage: SimStorage,
    db: AetherDB,
    rng: fastrand::Rng,
    done: State,
    /// The state after the change that is under way.
    next: State,
}

fn options() -> DbOptions {
    let storage = aidb::Options {
        background_threads: 0,
        memtable_bytes: 96 << 10,
        table_bytes: 64 << 10,
        ..aidb::Options::DEFAULT
    };
    DbOptions {
        storage,
        ..DbOptions::WITHOUT_THREADS
    }
}

fn dense() -> VectorField {
    let params = HnswParams {
        m: 4,
        ef_construction: 12,
    };
    DenseField::new(2, METRIC, IndexConfig::Hnsw(params)).into()
}

impl Script {
    fn play(&mut self) -> Result<()> {
        self.add("", dense())?;
        self.upsert(0..1_100)?;
        self.ticks(6)?;
        self.add("image", dense())?;
        self.add("words", SparseField::default().into())?;
        self.upsert(0..1_100)?;
        self.ticks(8)?;
        self.collection()?.checkpoint()?;
        self.upsert(1_000..1_020)?;
        self.drop_field("image")?;
        self.upsert(1_010..1_030)?;
        self.ticks(2)?;
        self.add("image", BinaryField { bits: 16 }.into())?;
        self.upsert(1_020..1_040)?;
        self.collection()?.checkpoint()?;
        self.reopen()?;
        self.drop_field("words")?;
        self.drop_field("")?;
        self.reopen()?;
        self.upsert(1_030..1_050)?;
        self.ticks(10)?;
        self.db.close()
    }

    fn collection(&self) -> Result<Collection> {
        self.db.collection("c")
    }

    fn acknowledged(&mut self) {
        self.done.clone_from(&self.next);
    }

    fn add(&mut self, name: &str, field: VectorField) -> Result<()> {
        self.next.fields.insert(name.to_owned(), field.clone());
        self.collection()?.add_vector_field(name, field)?;
        self.acknowledged();
        Ok(())
    }

    fn drop_field(&mut self, name: &str) -> Result<()> {
        self.next.fields.remove(name);
        for vectors in self.next.docs.values_mut() {
            vectors.remove(name);
        }
        self.collection()?.drop_vector_field(name)?;
        self.acknowledged();
        Ok(())
    }

    fn upsert(&mut self, ids: std::ops::Range<u64>) -> Result<()> {
        let mut documents = Vec::new();
        for id in ids {
            let mut document = Document::new(Vectors::new(), id);
            for (name, field) in &self.next.fields {
                let number = self.rng.u16(..);
                let [a, b] = number.to_le_bytes();
                document.vectors = match field {
                    VectorField::Dense(_) => document
                        .vectors
                        .with(name, vec![f32::from(a), f32::from(b)]),
                    VectorField::Binary(_) => document
                        .vectors
                        .with(name, BinaryVector::from_bytes([a, b])),
                    // Not all documents have one.
                    _ if id % 3 == 0 => document
                        .vectors
                        .with(name, SparseVector::new([(u32::from(a), 1.0)])),
                    _ => document.vectors,
                };
            }
            self.next.docs.insert(id.into(), document.vectors.clone());
            documents.push(document);
        }
        self.collection()?.upsert_batch(documents)?;
        self.acknowledged();
        Ok(())
    }

    fn ticks(&mut self, count: usize) -> Result<()> {
        (0..count).try_for_each(|_| self.db.tick().map(drop))
    }

    fn reopen(&mut self) -> Result<()> {
        self.db.close()?;
        self.db = AetherDB::open_with(SimStorage::new(0).env(), options())?;
        self.db = AetherDB::open_with(self.storage.env(), options())?;
        Ok(())
    }
}

fn begin(storage: &SimStorage) -> Result<Script> {
    let db = AetherDB::open_with(storage.env(), options())?;
    db.create_collection_with("c", CollectionSchema::default())?;
    Ok(Script {
        storage: storage.clone(),
        db,
        rng: fastrand::Rng::with_seed(7),
        done: State::default(),
        next: State::default(),
    })
}

fn state_of(collection: &Collection) -> State {
    let request = ScrollRequest {
        limit: 5_000,
        ..ScrollRequest::default()
    };
    let documents = collection.scroll(request).unwrap().documents.into_iter();
    State {
        fields: collection.schema().fields.clone(),
        docs: documents
            .map(|document| (document.id, document.vectors))
            .collect(),
    }
}

/// The database on this disk is whole, and in the state before or after the change that was under way.
fn inspect(storage: &SimStorage, script: &Script, what: &str) {
    let db = AetherDB::open_with(storage.env(), options())
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let collection = db.collection("c").unwrap();
    let state = state_of(&collection);
    assert!(
        state == script.done || state == script.next,
        "{what}: neither the acknowledged state nor the next one"
    );
    let report = db.check().unwrap();
    assert!(report.is_clean(), "{what}: {:#?}", report.problems);
    for (name, field) in &state.fields {
        if let VectorField::Dense(_) = field {
            find_the_nearest(&collection, &state, name, what);
        }
    }
    // And it goes on: what was left undone is finished, and nothing is left over.
    settle(&db);
    let report = db.check().unwrap();
    assert!(report.is_clean(), "{what}, settled: {:#?}", report.problems);
    assert!(state_of(&collection) == state, "{what}, settled");
    db.close().unwrap();
}

fn find_the_nearest(collection: &Collection, state: &State, field: &str, what: &str) {
    let query = [100.0, 50.0];
    let vectors = state.docs.values().filter_map(|vectors| vectors.get(field));
    let mut truth: Vec<f64> = vectors
        .map(|vector| distance(METRIC, &vector.as_dense().unwrap().to_f32(), &query))
        .collect();
    truth.sort_by(f64::total_cmp);
    truth.truncate(10);
    let request = SearchRequest {
        using: field,
        ..SearchRequest::new(&query, 10)
    };
    let hits = collection.search_with(request).unwrap();
    assert_eq!(hits.len(), truth.len(), "{what}");
    let near = hits
        .iter()
        .zip(&truth)
        .filter(|(hit, truth)| close(f64::from(hit.distance.0), **truth))
        .count();
    assert!(near * 10 >= truth.len() * 9, "{what}: {near}");
}

fn run_until_cut(cut: Option<u64>) -> (SimStorage, Option<Script>) {
    let storage = SimStorage::new(cut.unwrap_or(0));
    if let Some(cut) = cut {
        storage.power_cut_at(cut);
    }
    let Ok(mut script) = begin(&storage) else {
        return (storage, None);
    };
    let played = script.play();
    assert!(played.is_ok() || storage.is_off(), "{played:?}");
    (storage, Some(script))
}

#[test]
fn a_power_cut_at_any_io_leaves_the_fields_whole() {
    let (storage, script) = run_until_cut(None);
    let script = script.unwrap();
    assert_eq!(script.done.fields.len(), 1);
    let whole = SimStorage::on(storage.memory().image(CrashImage::LoseNames, 0), 0);
    inspect(&whole, &script, "no cut");
    let ios = storage.io_count();
    for cut in 0..ios {
        let (storage, script) = run_until_cut(Some(cut));
        let Some(script) = script else { continue };
        for image in CrashImage::ALL {
            let what = format!("cut at {cut} of {ios}, {image:?}");
            let disk = SimStorage::on(storage.memory().image(image, cut), cut);
            inspect(&disk, &script, &what);
        }
    }
    eprintln!("{ios} cuts");
}
