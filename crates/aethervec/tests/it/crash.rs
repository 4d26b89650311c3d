//! The power is cut at every single I/O of a scripted run. Whatever the disk then holds, the database opens, every
//! acknowledged write is there, none is half there, everything agrees with everything, and searches find what there is.

use crate::common::{Docs, close, nearest, read_all, settle};
use aether_env::{CrashImage, Env, ManualClock};
use aether_sim::SimStorage;
use aethervec::{
    AetherDB, CollectionSchema, DbOptions, DocId, Document, HnswParams, IndexConfig, IvfParams,
    Metric, Patch, Result, SearchRequest, Write,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const DIM: usize = 3;
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
    clock: Arc<ManualClock>,
    db: AetherDB,
    rng: fastrand::Rng,
    done: State,
    /// The state after the write that is under way.
    next: State,
    /// What all components of new vectors are shifted by.
    shift: u16,
    /// Documents that end when the clock goes on.
    ending: BTreeSet<(&'static str, DocId)>,
}

fn env(storage: &SimStorage, clock: &Arc<ManualClock>) -> Env {
    Env {
        clock: Arc::clone(clock) as Arc<_>,
        ..storage.env()
    }
}

impl Script {
    fn begin(storage: &SimStorage) -> Result<Script> {
        let clock = Arc::new(ManualClock::default());
        Ok(Script {
            storage: storage.clone(),
            db: AetherDB::open_with(env(storage, &clock), options())?,
            clock,
            rng: fastrand::Rng::with_seed(7),
            done: State::new(),
            next: State::new(),
            shift: 0,
            ending: BTreeSet::new(),
        })
    }

    fn play(&mut self, index: &IndexConfig) -> Result<()> {
        let (family, count) = match index {
            IndexConfig::Hnsw(_) => ("graph", 700),
            IndexConfig::Drift(_) => ("drift", 700),
            IndexConfig::Ivf(_) => ("buckets", 700),
            // Fewer than a thousand points are scanned at first.
            _ => ("buckets", 400),
        };
        self.create("near", index.clone())?;
        for _ in 0..3 {
            self.upsert("near", 0..1500, count)?;
        }
        self.ticks(6)?;
        self.checkpoint("near")?;
        self.delete("near", 60)?;
        self.upsert("near", 0..1500, 60)?;
        match index {
            IndexConfig::Auto(_) => self.grow_and_shrink()?,
            IndexConfig::Drift(_) => self.move_away()?,
            _ => {}
        }
        self.create("flat", IndexConfig::Flat)?;
        self.upsert("flat", 0..50, 30)?;
        self.ticks(3)?;
        self.checkpoint("near")?;
        self.delete("flat", 10)?;
        self.end("near", 30)?;
        self.transfer("near", "flat", 4)?;
        self.checkpoint("flat")?;
        self.drop_collection("flat")?;
        self.upsert("near", 2000..2050, 40)?;
        self.wait();
        self.ticks(12)?;
        self.patch("near", 25)?;
        self.end("near", 10)?;
        self.reopen()?;
        self.delete("near", 20)?;
        self.create("flat", IndexConfig::Flat)?;
        self.upsert("flat", 0..50, 5)?;
        self.wait();
        self.transfer("near", "flat", 3)?;
        self.ticks(20)?;
        self.checkpoint("near")?;
        let status = self.db.collection("near")?.index_status();
        assert_eq!(status.dense[""].family, family, "{status:?}");
        self.db.close()
    }

    /// Until a graph takes the place of buckets, and buckets that of the graph.
    fn grow_and_shrink(&mut self) -> Result<()> {
        self.becomes("scan", 6)?;
        self.upsert("near", 3000..30_000, 450)?;
        self.becomes("buckets", 8)?;
        self.checkpoint("near")?;
        self.upsert("near", 30_000..60_000, 450)?;
        self.becomes("graph", 8)?;
        self.checkpoint("near")?;
        self.delete("near", 1_200)?;
        self.becomes("buckets", 12)?;
        self.checkpoint("near")
    }

    /// Until the index has split and given up buckets, moved points, and taken dead ones out.
    fn move_away(&mut self) -> Result<()> {
        self.shift = 200;
        self.upsert("near", 0..1500, 300)?;
        self.ticks(2)?;
        self.delete_below("near", 150.0)?;
        self.ticks(3)?;
        let status = self.db.collection("near")?.index_status();
        if status.error.is_some() {
            // The power is gone, and this says so.
            self.checkpoint("near")?;
        }
        let drift = status.dense[""].drift.as_ref().expect("it is one");
        let counts = [drift.splits, drift.moves, drift.merges, drift.cleaned];
        assert!(counts.iter().all(|&count| count > 0), "{drift:?}");
        self.checkpoint("near")
    }

    fn becomes(&mut self, family: &str, ticks: usize) -> Result<()> {
        self.ticks(ticks)?;
        let status = self.db.collection("near")?.index_status();
        if status.error.is_some() {
            // The power is gone, and nothing can be built any more: this says so.
            self.checkpoint("near")?;
        }
        assert_eq!(status.dense[""].family, family, "{status:?}");
        Ok(())
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
        let (rng, shift) = (&mut self.rng, self.shift);
        let mut document = || {
            let vector = (0..DIM).map(|_| f32::from(shift + u16::from(rng.u8(..))));
            let vector: Vec<f32> = vector.collect();
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
        let ids = self.next[name].keys().take(count).cloned().collect();
        self.delete_all(name, ids)
    }

    /// Deletes the documents whose first component is less.
    fn delete_below(&mut self, name: &'static str, limit: f32) -> Result<()> {
        let below = self.next[name]
            .iter()
            .filter(|(_, (vector, _))| vector[0] < limit);
        let ids = below.map(|(id, _)| id.clone()).collect();
        self.delete_all(name, ids)
    }

    fn delete_all(&mut self, name: &'static str, ids: Vec<DocId>) -> Result<()> {
        let docs = self.next.get_mut(name).expect("it was created");
        docs.retain(|id, _| !ids.contains(id));
        self.db.collection(name)?.delete_batch(&ids)?;
        self.acknowledged();
        Ok(())
    }

    /// Moves documents to another collection.
    fn transfer(&mut self, from: &'static str, to: &'static str, count: usize) -> Result<()> {
        let source = self.next.get_mut(from).expect("it was created");
        let ids: Vec<DocId> = source.keys().rev().take(count).cloned().collect();
        for id in &ids {
            let document = self.next.get_mut(from).and_then(|docs| docs.remove(id));
            let target = self.next.get_mut(to).expect("it was created");
            target.insert(id.clone(), document.expect("it is one of them"));
        }
        let (from, to) = (self.db.collection(from)?, self.db.collection(to)?);
        let mut txn = self.db.begin()?;
        for id in ids {
            let document = txn.get(&from, id.clone())?.expect("it is one of them");
            txn.upsert(&to, document)?;
            txn.delete(&from, id)?;
        }
        txn.commit()?;
        self.acknowledged();
        Ok(())
    }

    /// Changes the payload of documents, and nothing else.
    fn patch(&mut self, name: &'static str, count: usize) -> Result<()> {
        let payload = serde_json::json!({"patched": count});
        let docs = self.next.get_mut(name).expect("it was created");
        let mut writes = Vec::new();
        for (id, (_, of)) in docs.iter_mut().take(count) {
            *of = Some(payload.clone());
            writes.push(Write::patch(
                id.clone(),
                Patch::new().merge(payload.clone()),
            ));
        }
        self.db.collection(name)?.apply_batch(writes)?;
        self.acknowledged();
        Ok(())
    }

    /// Has documents end when the clock goes on.
    fn end(&mut self, name: &'static str, count: usize) -> Result<()> {
        let ids: Vec<DocId> = self.next[name].keys().take(count).cloned().collect();
        let patch = Patch::new().expiring_in(Duration::from_secs(1));
        let writes = ids.iter().map(|id| Write::patch(id.clone(), patch.clone()));
        self.db.collection(name)?.apply_batch(writes.collect())?;
        self.ending.extend(ids.into_iter().map(|id| (name, id)));
        Ok(())
    }

    /// The clock goes on.
    fn wait(&mut self) {
        self.clock.advance(Duration::from_secs(1));
        for (name, id) in std::mem::take(&mut self.ending) {
            for state in [&mut self.done, &mut self.next] {
                state.get_mut(name).expect("it was created").remove(&id);
            }
        }
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
        self.db = AetherDB::open_with(env(&self.storage, &self.clock), options())?;
        Ok(())
    }
}

fn state_of(db: &AetherDB) -> State {
    let names = db.collections().into_iter().map(|info| info.name);
    let docs = |name: String| {
        let name: &'static str = if name == "near" { "near" } else { "flat" };
        (
            name,
            read_all(&db.collection(name).unwrap().view().unwrap()),
        )
    };
    names.map(docs).collect()
}

/// The database on this disk is whole, and in the state before or after the write that was under way.
fn inspect(storage: &SimStorage, script: &Script, what: &str) {
    let db = AetherDB::open_with(env(storage, &script.clock), options())
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

fn run_until_cut(index: &IndexConfig, cut: Option<u64>) -> (SimStorage, Option<Script>) {
    let storage = SimStorage::new(cut.unwrap_or(0));
    if let Some(cut) = cut {
        storage.power_cut_at(cut);
    }
    let Ok(mut script) = Script::begin(&storage) else {
        return (storage, None);
    };
    let played = script.play(index);
    assert!(played.is_ok() || storage.is_off(), "{played:?}");
    (storage, Some(script))
}

#[test]
fn a_power_cut_at_any_io_loses_nothing_acknowledged() {
    cut_at_every_io(&IndexConfig::Hnsw(HnswParams {
        m: 6,
        ef_construction: 24,
    }));
}

#[test]
fn nor_does_it_with_buckets() {
    cut_at_every_io(&IndexConfig::Ivf(IvfParams { bucket_points: 32 }));
}

#[test]
fn nor_does_it_with_buckets_in_the_database() {
    cut_at_every_io(&IndexConfig::Drift(IvfParams { bucket_points: 32 }));
}

#[test]
fn nor_while_one_index_takes_the_place_of_another() {
    cut_at_every_io(&IndexConfig::default());
}

fn cut_at_every_io(index: &IndexConfig) {
    let (storage, script) = run_until_cut(index, None);
    inspect(
        &SimStorage::on(storage.memory().image(CrashImage::LoseNames, 0), 0),
        &script.unwrap(),
        "no cut",
    );
    let ios = storage.io_count();
    let mut images = 0;
    for cut in 0..ios {
        let (storage, script) = run_until_cut(index, Some(cut));
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
    eprintln!("{index}: {ios} cuts, {images} images");
}
