//! Random operations on a database and on plain maps: everything that can be read must agree, and approximate searches
//! must find nearly all that exact ones find.

use crate::common::{Docs, close, default_vector, distance, for_seeds, nearest, read_all, settle};
use aether_sim::SimStorage;
use aethervec::{
    AetherDB, Collection, CollectionSchema, CollectionView, DbOptions, DbSnapshot, DenseField,
    DocId, Document, ElementType, ErrorKind, FacetRequest, Filter, HnswParams, IndexConfig,
    IvfParams, Metric, Outcome, Patch, PayloadIndexInfo, PayloadIndexKind, SearchRequest, Uuid,
    Write,
};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const DIM: usize = 8;
const IDS: u64 = 2_500;
const STEPS: usize = 160;
const K: usize = 10;

/// Every combination that behaves differently at least once.
const SHAPES: [(&str, Metric, ElementType, IndexConfig); 8] = [
    ("graph-l2", Metric::L2Squared, ElementType::F32, GRAPH),
    ("graph-cosine", Metric::Cosine, ElementType::F16, GRAPH),
    ("graph-bytes", Metric::L2Squared, ElementType::U8, GRAPH),
    (
        "buckets-dot",
        Metric::InnerProduct,
        ElementType::F16,
        BUCKETS,
    ),
    ("buckets-l2", Metric::L2Squared, ElementType::F32, BUCKETS),
    ("drift-l2", Metric::L2Squared, ElementType::F32, DRIFT),
    ("drift-cosine", Metric::Cosine, ElementType::U8, DRIFT),
    (
        "flat-dot",
        Metric::InnerProduct,
        ElementType::F32,
        IndexConfig::Flat,
    ),
];

const GRAPH: IndexConfig = IndexConfig::Hnsw(HnswParams {
    m: 12,
    ef_construction: 60,
});

const BUCKETS: IndexConfig = IndexConfig::Ivf(IvfParams { bucket_points: 32 });

const DRIFT: IndexConfig = IndexConfig::Drift(IvfParams { bucket_points: 32 });

type Model = BTreeMap<&'static str, Docs>;

struct World {
    rng: fastrand::Rng,
    storage: SimStorage,
    threads: bool,
    db: AetherDB,
    model: Model,
    snapshots: Vec<(DbSnapshot, Model)>,
    found: usize,
    wanted: usize,
}

fn open(storage: &SimStorage, threads: bool) -> AetherDB {
    // Small, so that everything is flushed and compacted all the time.
    let storage_options = aidb::Options {
        memtable_bytes: 256 << 10,
        table_bytes: 128 << 10,
        ..aidb::Options::DEFAULT
    };
    if threads {
        let options = DbOptions {
            lane_threads: Some(2),
            storage: storage_options,
            ..DbOptions::DEFAULT
        };
        AetherDB::open_with(storage.threaded_env(), options).unwrap()
    } else {
        let storage_options = aidb::Options {
            background_threads: 0,
            ..storage_options
        };
        let options = DbOptions {
            storage: storage_options,
            ..DbOptions::WITHOUT_THREADS
        };
        AetherDB::open_with(storage.env(), options).unwrap()
    }
}

fn schema(metric: Metric, element: ElementType, index: IndexConfig) -> CollectionSchema {
    CollectionSchema::of(DenseField {
        element,
        ..DenseField::new(DIM, metric, index)
    })
}

impl World {
    fn new(seed: u64, threads: bool) -> World {
        let storage = SimStorage::new(seed);
        let db = open(&storage, threads);
        let rng = fastrand::Rng::with_seed(seed);
        let mut world = World {
            rng,
            storage,
            threads,
            db,
            model: Model::new(),
            snapshots: Vec::new(),
            found: 0,
            wanted: 0,
        };
        for (name, metric, element, index) in SHAPES {
            world.create(name, metric, element, index);
        }
        world
    }

    fn create(
        &mut self,
        name: &'static str,
        metric: Metric,
        element: ElementType,
        index: IndexConfig,
    ) {
        self.db
            .create_collection_with(name, schema(metric, element, index))
            .unwrap();
        self.model.insert(name, Docs::new());
        // Enough for a graph, or for buckets, soon.
        for _ in 0..3 {
            self.upsert(name, 400);
        }
    }

    fn collection(&self, name: &str) -> Collection {
        self.db.collection(name).unwrap()
    }

    fn id(&mut self) -> DocId {
        let number = self.rng.u64(..IDS);
        match number % 3 {
            0 => DocId::U64(number),
            1 => DocId::Uuid(Uuid::from_u128(u128::from(number) << 70)),
            _ => DocId::Str(format!("document {number}")),
        }
    }

    /// Integers: exact in every element type.
    fn vector(&mut self) -> Vec<f32> {
        let mut vector: Vec<f32> = (0..DIM).map(|_| f32::from(self.rng.u8(..))).collect();
        vector[0] += f32::from(u8::from(vector.iter().all(|c| *c == 0.0)));
        vector
    }

    fn document(&mut self) -> Document {
        let document = Document::new(self.vector(), self.id());
        match self.rng.u8(..3) {
            0 => document,
            tag => {
                document.with_payload(json!({"tag": tag, "text": "x".repeat(self.rng.usize(..40))}))
            }
        }
    }

    fn upsert(&mut self, name: &'static str, count: usize) {
        let documents: Vec<Document> = (0..count).map(|_| self.document()).collect();
        let outcome = self
            .collection(name)
            .upsert_batch(documents.clone())
            .unwrap();
        let docs = self.model.get_mut(name).unwrap();
        let before = docs.len();
        let ids: std::collections::BTreeSet<_> = documents
            .iter()
            .map(|document| document.id.clone())
            .collect();
        for document in documents {
            docs.insert(
                document.id,
                (default_vector(&document.vectors), document.payload),
            );
        }
        assert_eq!(outcome.inserted, docs.len() - before);
        assert_eq!(outcome.inserted + outcome.replaced, ids.len());
    }

    fn delete(&mut self, name: &'static str, count: usize) {
        let ids: Vec<DocId> = (0..count).map(|_| self.id()).collect();
        let docs = self.model.get_mut(name).unwrap();
        let expected: Vec<bool> = ids.iter().map(|id| docs.remove(id).is_some()).collect();
        assert_eq!(self.collection(name).delete_batch(&ids).unwrap(), expected);
    }

    fn step(&mut self) {
        let name = SHAPES[self.rng.usize(..SHAPES.len())].0;
        match self.rng.u8(..100) {
            0..25 => {
                let count = self.rng.usize(1..60);
                self.upsert(name, count);
            }
            25..30 => self.upsert(name, 1),
            30..40 => {
                let count = self.rng.usize(1..80);
                self.delete(name, count);
            }
            40..60 => {
                let view = self.collection(name).view().unwrap();
                let docs = self.model[name].clone();
                self.search(name, &view, &docs);
            }
            60..68 => self.read_some(name),
            68..73 => {
                self.snapshots
                    .push((self.db.snapshot(), self.model.clone()));
            }
            73..80 => self.check_snapshot(name),
            80..84 if !self.snapshots.is_empty() => {
                let index = self.rng.usize(..self.snapshots.len());
                self.snapshots.swap_remove(index);
            }
            84..87 => self.collection(name).checkpoint().unwrap(),
            87..89 => {
                self.collection(name).wait_indexed(|_| {}).unwrap();
            }
            89..91 => self.drop_and_create(name),
            91..93 => self.reopen(),
            93..94 => self.toggle_index(name),
            94..95 => self.check(),
            95..97 => self.apply(name),
            97..98 => self.transact(),
            _ => self.tick(),
        }
    }

    /// Conditional writes and patches of any kind, in one batch.
    fn apply(&mut self, name: &'static str) {
        let mut writes = Vec::new();
        let mut expected = Vec::new();
        for _ in 0..self.rng.usize(1..30) {
            let (write, outcome) = self.write(name);
            writes.push(write);
            expected.push(outcome);
        }
        let outcomes = self.collection(name).apply_batch(writes).unwrap();
        assert_eq!(outcomes, expected);
    }

    /// A random write, which the model makes; and what should come of it.
    fn write(&mut self, name: &'static str) -> (Write, Outcome) {
        let document = self.document();
        let vector = self.vector();
        let tag = self.rng.u8(..4);
        let docs = self.model.get_mut(name).unwrap();
        let id = document.id.clone();
        let stored = (default_vector(&document.vectors), document.payload.clone());
        let is_there = docs.contains_key(&id);
        let has_tag = |docs: &Docs| {
            let payload = docs.get(&id).and_then(|(_, payload)| payload.as_ref());
            payload.is_some_and(|payload| payload["tag"] == tag)
        };
        match self.rng.u8(..6) {
            0 => {
                docs.entry(id).or_insert(stored);
                let outcome = [Outcome::Inserted, Outcome::Exists][usize::from(is_there)];
                (Write::upsert(document).if_absent(), outcome)
            }
            1 => {
                docs.entry(id).and_modify(|old| *old = stored);
                let outcome = [Outcome::NotFound, Outcome::Replaced][usize::from(is_there)];
                (Write::upsert(document).if_present(), outcome)
            }
            2 => {
                let write = Write::delete(id.clone()).if_matches(Filter::eq("tag", tag));
                let outcome = match (is_there, has_tag(docs)) {
                    (false, _) => Outcome::NotFound,
                    (true, false) => Outcome::NotMatched,
                    (true, true) => Outcome::Deleted,
                };
                if outcome == Outcome::Deleted {
                    docs.remove(&id);
                }
                (write, outcome)
            }
            3 => {
                docs.entry(id.clone())
                    .and_modify(|(old, _)| old.clone_from(&vector));
                let outcome = [Outcome::NotFound, Outcome::Patched][usize::from(is_there)];
                (
                    Write::patch(id, Patch::new().with_vector("", vector)),
                    outcome,
                )
            }
            _ => {
                docs.entry(id.clone()).and_modify(|(_, payload)| {
                    let payload = payload.get_or_insert_with(|| json!({}));
                    payload["tag"] = json!(tag);
                    payload.as_object_mut().unwrap().remove("text");
                });
                let patch = Patch::new().set("tag", tag).delete("text");
                let outcome = [Outcome::NotFound, Outcome::Patched][usize::from(is_there)];
                (Write::patch(id, patch), outcome)
            }
        }
    }

    /// A transaction over several collections: it sees its own writes, nobody else does before its commit, and it is all there
    /// or not at all.
    fn transact(&mut self) {
        let before = self.model.clone();
        let mut txn = self.db.begin().unwrap();
        for _ in 0..self.rng.usize(1..5) {
            let name = SHAPES[self.rng.usize(..SHAPES.len())].0;
            let collection = self.collection(name);
            if self.rng.u8(..4) == 0 {
                let (savepoint, model) = (txn.savepoint(), self.model.clone());
                let (write, _) = self.write(name);
                txn.apply(&collection, write).unwrap();
                txn.rollback_to(&savepoint);
                self.model = model;
            }
            for _ in 0..self.rng.usize(1..20) {
                let (write, outcome) = self.write(name);
                assert_eq!(txn.apply(&collection, write).unwrap(), outcome);
            }
            if self.rng.bool() {
                let filter = Filter::eq("tag", 2).and(Filter::is_empty("text"));
                let docs = self.model.get_mut(name).unwrap();
                let count = docs.len();
                docs.retain(|_, (_, payload)| {
                    let payload = payload.as_ref();
                    payload
                        .is_none_or(|payload| payload["tag"] != 2 || payload.get("text").is_some())
                });
                let removed = (count - docs.len()) as u64;
                assert_eq!(txn.delete_by(&collection, &filter).unwrap(), removed);
            }
            let docs = self.model[name].clone();
            let view = txn.view(&collection).unwrap();
            assert_eq!(read_all(&view), docs);
            assert_eq!(view.count().unwrap(), docs.len() as u64);
            self.search(name, &view, &docs);
        }
        if self.rng.u8(..3) == 0 {
            txn.rollback();
            self.model = before;
        } else {
            txn.commit().unwrap();
        }
        for (name, ..) in SHAPES {
            self.read_some(name);
        }
    }

    fn tick(&mut self) {
        if !self.threads {
            for _ in 0..self.rng.u8(..12) {
                self.db.tick().unwrap();
            }
        }
    }

    fn search(&mut self, name: &str, view: &CollectionView, docs: &Docs) {
        let metric = SHAPES.iter().find(|shape| shape.0 == name).unwrap().1;
        self.search_batch(view);
        let query = self.vector();
        let truth = nearest(metric, docs, &query, K);
        for exact in [true, false] {
            let request = SearchRequest {
                exact,
                with_vectors: true,
                ..SearchRequest::new(&query, K)
            };
            let hits = view.search_with(request).unwrap();
            assert_eq!(hits.len(), truth.len(), "{name}, exact {exact}");
            assert!(hits.is_sorted_by_key(|hit| hit.distance));
            for hit in &hits {
                let (vector, payload) = docs
                    .get(&hit.id)
                    .unwrap_or_else(|| panic!("{name}: {} is gone", hit.id));
                assert_eq!(&hit.vector().unwrap().to_f32(), vector);
                assert_eq!(&hit.payload, payload);
                assert!(
                    close(distance(metric, vector, &query), f64::from(hit.distance.0)),
                    "{name}: {hit:?}"
                );
            }
            let within = |limit: f64| {
                hits.iter()
                    .filter(|hit| f64::from(hit.distance.0) <= limit + 1e-5 * limit.abs())
                    .count()
            };
            if exact {
                for (hit, distance) in hits.iter().zip(&truth) {
                    assert!(
                        close(f64::from(hit.distance.0), *distance),
                        "{name}: {hit:?} instead of {distance}"
                    );
                }
            } else if let Some(&last) = truth.last() {
                self.found += within(last).min(truth.len());
                self.wanted += truth.len();
            }
        }
    }

    /// Together the answers are what each is alone.
    fn search_batch(&mut self, view: &CollectionView) {
        let queries: Vec<Vec<f32>> = (0..4).map(|_| self.vector()).collect();
        let request = |(i, query)| SearchRequest {
            exact: i % 3 != 1,
            ..SearchRequest::new(query, i + 1)
        };
        let requests: Vec<SearchRequest<'_>> = queries
            .iter()
            .map(Vec::as_slice)
            .enumerate()
            .map(request)
            .collect();
        let together = view.search_batch(&requests).unwrap();
        for (request, hits) in requests
            .into_iter()
            .zip(together)
            .filter(|(request, _)| request.exact)
        {
            assert_eq!(view.search_with(request).unwrap(), hits);
        }
    }

    fn read_some(&mut self, name: &str) {
        let ids: Vec<DocId> = (0..20).map(|_| self.id()).collect();
        let collection = self.collection(name);
        let docs = &self.model[name];
        let expected = |id: &DocId| {
            let (vector, payload) = docs.get(id)?.clone();
            Some((id.clone(), vector, payload))
        };
        let plain = |document: Option<Document>| {
            document.map(|d| (d.id, default_vector(&d.vectors), d.payload))
        };
        for (id, document) in ids.iter().zip(collection.get_batch(&ids).unwrap()) {
            assert_eq!(plain(document), expected(id));
        }
        assert_eq!(plain(collection.get(&ids[0]).unwrap()), expected(&ids[0]));
        assert_eq!(collection.count().unwrap(), docs.len() as u64);
        let view = collection.view().unwrap();
        assert_eq!(&read_all(&view), docs);
        World::count(&view, docs);
    }

    /// Declares a payload index, or removes it.
    fn toggle_index(&mut self, name: &str) {
        let collection = self.collection(name);
        let (path, kind) = match self.rng.u8(..3) {
            0 => ("tag", PayloadIndexKind::Integer),
            1 => ("tag", PayloadIndexKind::Float),
            _ => ("text", PayloadIndexKind::Keyword),
        };
        let dropped = collection.drop_payload_index(path, kind).unwrap();
        if !dropped {
            collection.create_payload_index(path, kind).unwrap();
        }
        let indexes = collection.payload_indexes();
        let is_there = |index: &PayloadIndexInfo| index.kind == kind && index.path == path.into();
        assert_eq!(indexes.iter().any(is_there), !dropped);
    }

    /// Counts with a filter, and facets, are what the documents come to.
    fn count(view: &CollectionView, docs: &Docs) {
        let payloads = || docs.values().filter_map(|(_, payload)| payload.as_ref());
        let tagged = |tag: u64| payloads().filter(|payload| payload["tag"] == tag).count() as u64;
        let ones = Filter::eq("tag", 1);
        assert_eq!(view.count_matching(&ones).unwrap(), tagged(1));
        let not_long = Filter::ne("text", "x".repeat(20)).and(ones.or(Filter::gt("tag", 1)));
        let expected = payloads().filter(|payload| payload["text"] != "x".repeat(20));
        let expected = expected.filter(|payload| payload["tag"].as_u64() >= Some(1));
        assert_eq!(
            view.count_matching(&not_long).unwrap(),
            expected.count() as u64
        );
        let facets = view.facet(&FacetRequest::new("tag")).unwrap();
        let facets: Vec<u64> = facets.into_iter().map(|facet| facet.count).collect();
        let tags: BTreeSet<u64> = payloads()
            .filter_map(|payload| payload["tag"].as_u64())
            .collect();
        let mut expected: Vec<u64> = tags.into_iter().map(tagged).collect();
        expected.sort_unstable();
        expected.reverse();
        expected.truncate(10);
        assert_eq!(facets, expected);
    }

    fn check_snapshot(&mut self, name: &'static str) {
        if self.snapshots.is_empty() {
            return;
        }
        let (snapshot, model) = &self.snapshots[self.rng.usize(..self.snapshots.len())];
        // A collection that was dropped and created again is another one: this one's past is empty.
        let Some(docs) = model.get(name).cloned() else {
            return;
        };
        let view = self.collection(name).at(snapshot).unwrap();
        assert_eq!(read_all(&view), docs);
        assert_eq!(view.count().unwrap(), docs.len() as u64);
        World::count(&view, &docs);
        self.search(name, &view, &docs);
    }

    fn drop_and_create(&mut self, name: &'static str) {
        let old = self.collection(name);
        self.db.drop_collection(name).unwrap();
        assert_eq!(
            self.db.collection(name).unwrap_err().kind(),
            ErrorKind::NotFound
        );
        assert_eq!(old.count().unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(
            old.upsert(self.document()).unwrap_err().kind(),
            ErrorKind::NotFound
        );
        for (_, model) in &mut self.snapshots {
            model.remove(name);
        }
        let (_, metric, element, index) = SHAPES.into_iter().find(|shape| shape.0 == name).unwrap();
        self.create(name, metric, element, index);
    }

    fn reopen(&mut self) {
        self.snapshots.clear();
        if self.rng.bool() {
            self.db.close().unwrap();
        }
        // The old handle has to be gone before the lock can be taken again.
        let elsewhere = SimStorage::new(0);
        self.db = open(&elsewhere, false);
        self.db = open(&self.storage, self.threads);
    }

    fn check(&self) {
        let report = self.db.check().unwrap();
        assert!(report.is_clean(), "{:#?}", report.problems);
    }
}

fn run(seed: u64, threads: bool) {
    let mut world = World::new(seed, threads);
    for _ in 0..STEPS {
        world.step();
    }
    for (name, ..) in SHAPES {
        world.read_some(name);
        world.check_snapshot(name);
    }
    world.check();
    world.snapshots.clear();
    if !threads {
        settle(&world.db);
    }
    for (name, ..) in SHAPES {
        let collection = world.collection(name);
        collection.wait_indexed(|_| {}).unwrap();
        collection.checkpoint().unwrap();
        let status = collection.index_status();
        assert_eq!(
            status.indexed + status.scanned,
            world.model[name].len() as u64,
            "{name}: {status:?}"
        );
    }
    world.check();
    world.reopen();
    world.check();
    for (name, ..) in SHAPES {
        world.read_some(name);
    }
    let recall = world.found as f64 / world.wanted as f64;
    eprintln!("recall {recall:.4} over {} neighbours", world.wanted);
    assert!(recall >= 0.95, "recall {recall}");
}

#[test]
fn without_threads_it_agrees_with_plain_maps() {
    for_seeds(4, |seed| run(seed, false));
}

#[test]
fn with_threads_it_agrees_with_plain_maps() {
    for_seeds(4, |seed| run(seed, true));
}
