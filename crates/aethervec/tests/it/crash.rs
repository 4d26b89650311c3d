//! The power is cut at every single I/O of a scripted run. Whatever the disk then holds, the database opens, every
//! acknowledged write is there, none is half there, everything agrees with everything, and searches find what there is.

use crate::common::{Docs, close, nearest, read_all, settle};
use aether_env::CrashImage;
use aether_sim::SimStorage;
use aethervec::{
    AetherDB, CollectionSchema, DbOptions, DocId, Document, HnswParams, IndexConfig, Metric,
    Result, SearchRequest,
};
use std::collections::BTreeMap;

const DIM: usize = 4;
const METRIC: Metric = Metric::L2Squared;

/// Collections and their documents.
type State = BTreeMap<&'static str, Docs>;

fn options() -> DbOptions {
    let storage = aidb::Options {
        background_threads: 0,
        memtable_bytes: 48 << 10,
        table_bytes: 32 << 10,
        level_base_bytes: 64 << 10,
        ..aidb::Options::DEFAULT
    };
    DbOptions {
        storage,
        ..DbOptions::WITHOUT_THREADS
    }
}

/// A run of a fixed script: what is known to be durable, and what may be.
struct Script {
    storage: SimStorage,
    db: AetherDB,
    rng: fastrand::Rng,
    done: State,
    /// The state after the write that is under way.
    next: State,
}

impl Script {
    fn begin(storage: &SimStorage) -> Result<Script> {
        Ok(Script {
            storage: storage.clone(),
            db: AetherDB::open_with(storage.env(), options())?,
            rng: fastrand::Rng::with_seed(7),
            done: State::new(),
            next: State::new(),
        })
    }

    fn play(&mut self) -> Result<()> {
        self.create(
            "graph",
            IndexConfig::Hnsw(HnswParams {
                m: 6,
                ef_construction: 24,
            }),
        )?;
        for _ in 0..3 {
            self.upsert("graph", 0..1500, 400)?;
        }
        self.ticks(6)?;
        self.checkpoint("graph")?;
        self.delete("graph", 60)?;
        self.upsert("graph", 0..1500, 60)?;
        self.create("flat", IndexConfig::Flat)?;
        self.upsert("flat", 0..50, 30)?;
        self.ticks(3)?;
        self.checkpoint("graph")?;
        self.delete("flat", 10)?;
        self.checkpoint("flat")?;
        self.drop_collection("flat")?;
        self.upsert("graph", 2000..2050, 40)?;
        self.ticks(12)?;
        self.reopen()?;
        self.delete("graph", 20)?;
        self.create("flat", IndexConfig::Flat)?;
        self.upsert("flat", 0..50, 5)?;
        self.ticks(20)?;
        self.checkpoint("graph")?;
        self.db.close()
    }

    fn acknowledged(&mut self) {
        self.done.clone_from(&self.next);
    }

    fn create(&mut self, name: &'static str, index: IndexConfig) -> Result<()> {
        self.next.insert(name, Docs::new());
        self.db
            .create_collection_with(name, CollectionSchema::new(DIM, METRIC, index))?;
        self.acknowledged();
        Ok(())
    }

    fn drop_collection(&mut self, name: &'static str) -> Result<()> {
        self.next.remove(name);
        self.db.drop_collection(name)?;
        self.acknowledged();
        Ok(())
    }

    fn upsert(
        &mut self,
        name: &'static str,
        ids: std::ops::Range<u64>,
        count: usize,
    ) -> Result<()> {
        let rng = &mut self.rng;
        let mut document = || {
            let vector: Vec<f32> = (0..DIM).map(|_| f32::from(rng.u8(..))).collect();
            Document::new(vector, rng.u64(ids.clone()))
        };
        let documents: Vec<Document> = (0..count).map(|_| document()).collect();
        let docs = self.next.get_mut(name).expect("it was created");
        for document in &documents {
            docs.insert(
                document.id.clone(),
                (document.vector().unwrap().to_f32(), None),
            );
        }
        self.db.collection(name)?.upsert_batch(documents)?;
        self.acknowledged();
        Ok(())
    }

    fn delete(&mut self, name: &'static str, count: usize) -> Result<()> {
        let docs = self.next.get_mut(name).expect("it was created");
        let ids: Vec<DocId> = docs.keys().take(count).cloned().collect();
        docs.retain(|id, _| !ids.contains(id));
        self.db.collection(name)?.delete_batch(&ids)?;
        self.acknowledged();
        Ok(())
    }

    fn ticks(&mut self, count: usize) -> Result<()> {
        (0..count).try_for_each(|_| self.db.tick().map(drop))
    }

    fn checkpoint(&mut self, name: &str) -> Result<()> {
        self.db.collection(name)?.checkpoint()
    }

    fn reopen(&mut self) -> Result<()> {
        self.db.close()?;
        self.db = AetherDB::open_with(SimStorage::new(0).env(), options())?;
        self.db = AetherDB::open_with(self.storage.env(), options())?;
        Ok(())
    }
}

fn state_of(db: &AetherDB) -> State {
    let names = db.collections().into_iter().map(|info| info.name);
    let docs = |name: String| {
        let name: &'static str = if name == "graph" { "graph" } else { "flat" };
        (
            name,
            read_all(&db.collection(name).unwrap().view().unwrap()),
        )
    };
    names.map(docs).collect()
}

/// The database on this disk is whole, and in the state before or after the write that was under way.
fn inspect(storage: &SimStorage, script: &Script, what: &str) {
    let db = AetherDB::open_with(storage.env(), options())
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let state = state_of(&db);
    assert!(
        state == script.done || state == script.next,
        "{what}: neither the acknowledged state {} nor the next one {}, but {}",
        sizes(&script.done),
        sizes(&script.next),
        sizes(&state)
    );
    let report = db.check().unwrap();
    assert!(report.is_clean(), "{what}: {:#?}", report.problems);
    let rng = &mut fastrand::Rng::with_seed(3);
    for (name, docs) in &state {
        let collection = db.collection(name).unwrap();
        assert_eq!(collection.count().unwrap(), docs.len() as u64, "{what}");
        for _ in 0..3 {
            let query: Vec<f32> = (0..DIM).map(|_| f32::from(rng.u8(..))).collect();
            let truth = nearest(METRIC, docs, &query, 10);
            let exact = SearchRequest {
                exact: true,
                ..SearchRequest::new(&query, 10)
            };
            let hits = collection.search_with(exact).unwrap();
            assert_eq!(hits.len(), truth.len(), "{what}");
            assert!(
                hits.iter()
                    .zip(&truth)
                    .all(|(hit, d)| close(f64::from(hit.distance.0), *d)),
                "{what}"
            );
            let found = collection.search(&query, 10).unwrap();
            let near = found
                .iter()
                .zip(&truth)
                .filter(|(hit, d)| close(f64::from(hit.distance.0), **d))
                .count();
            assert!(
                found.len() == truth.len() && near * 10 >= truth.len() * 9,
                "{what}: {near} of {}",
                truth.len()
            );
        }
    }
    // And it goes on: what was left undone is finished, and nothing is left over.
    settle(&db);
    let report = db.check().unwrap();
    assert!(report.is_clean(), "{what}, settled: {:#?}", report.problems);
    db.close().unwrap();
}

fn sizes(state: &State) -> String {
    let sizes: Vec<String> = state
        .iter()
        .map(|(name, docs)| format!("{name}: {}", docs.len()))
        .collect();
    format!("({})", sizes.join(", "))
}

fn run_until_cut(cut: Option<u64>) -> (SimStorage, Option<Script>) {
    let storage = SimStorage::new(cut.unwrap_or(0));
    if let Some(cut) = cut {
        storage.power_cut_at(cut);
    }
    let Ok(mut script) = Script::begin(&storage) else {
        return (storage, None);
    };
    let played = script.play();
    assert!(played.is_ok() || storage.is_off(), "{played:?}");
    (storage, Some(script))
}

#[test]
fn a_power_cut_at_any_io_loses_nothing_acknowledged() {
    let (storage, script) = run_until_cut(None);
    inspect(
        &SimStorage::on(storage.memory().image(CrashImage::LoseNames, 0), 0),
        &script.unwrap(),
        "no cut",
    );
    let ios = storage.io_count();
    let mut images = 0;
    for cut in 0..ios {
        let (storage, script) = run_until_cut(Some(cut));
        for image in CrashImage::ALL {
            let what = format!("cut at {cut} of {ios}, {image:?}");
            let disk = SimStorage::on(storage.memory().image(image, cut), cut);
            match &script {
                Some(script) => inspect(&disk, script, &what),
                None => drop(
                    AetherDB::open_with(disk.env(), options())
                        .unwrap_or_else(|e| panic!("{what}: {e}")),
                ),
            }
            images += 1;
        }
    }
    eprintln!("{ios} cuts, {images} images");
}
