//! Collections with several vector fields, which come and go: random operations against plain maps, and what users do.

use crate::common::{close, for_seeds, settle};
use crate::vectors::{as_query, naive_distance, random_vector, stored};
use aether_sim::SimStorage;
use aethervec::{
    AetherDB, BinaryField, BinaryVector, Collection, CollectionSchema, CollectionView, DbOptions,
    DbSnapshot, DenseField, DocId, Document, ElementType, ErrorKind, HnswParams, IndexConfig,
    IvfParams, Metric, MultiField, MultiVector, QueryVector, ScrollRequest, SearchRequest,
    SparseField, SparseVector, VectorField, Vectors,
};
use std::collections::BTreeMap;

const STEPS: usize = 250;
const IDS: u64 = 3_000;

/// Documents as they should be.
type Docs = BTreeMap<DocId, Vectors>;

/// The fields that come and go in a random run: name and kinds.
fn candidates() -> Vec<(&'static str, VectorField)> {
    let graph = IndexConfig::Hnsw(HnswParams {
        m: 8,
        ef_construction: 40,
    });
    let buckets = IndexConfig::Ivf(IvfParams { bucket_points: 32 });
    let dense = |dim, metric, element, index| {
        VectorField::from(DenseField {
            element,
            ..DenseField::new(dim, metric, index)
        })
    };
    let (l2, cosine) = (Metric::L2Squared, Metric::Cosine);
    vec![
        ("", dense(6, l2, ElementType::F32, graph.clone())),
        ("", SparseField::default().into()),
        ("image", dense(4, cosine, ElementType::F16, graph)),
        ("image", dense(5, cosine, ElementType::F32, buckets)),
        ("image", dense(3, l2, ElementType::U8, IndexConfig::Flat)),
        ("print", BinaryField { bits: 75 }.into()),
        ("words", SparseField::default().into()),
        ("tokens", MultiField::new(3, cosine).into()),
        (
            "tokens",
            MultiField {
                element: ElementType::F16,
                ..MultiField::new(2, Metric::InnerProduct)
            }
            .into(),
        ),
    ]
}

fn open(storage: &SimStorage, threads: bool) -> AetherDB {
    let small = aidb::Options {
        memtable_bytes: 256 << 10,
        table_bytes: 128 << 10,
        ..aidb::Options::DEFAULT
    };
    if threads {
        let options = DbOptions {
            lane_threads: Some(2),
            storage: small,
            ..DbOptions::DEFAULT
        };
        return AetherDB::open_with(storage.threaded_env(), options).unwrap();
    }
    let options = DbOptions {
        storage: aidb::Options {
            background_threads: 0,
            ..small
        },
        ..DbOptions::WITHOUT_THREADS
    };
    AetherDB::open_with(storage.env(), options).unwrap()
}

struct World {
    rng: fastrand::Rng,
    storage: SimStorage,
    threads: bool,
    db: AetherDB,
    fields: BTreeMap<&'static str, VectorField>,
    docs: Docs,
    snapshots: Vec<(DbSnapshot, Docs)>,
    found: usize,
    wanted: usize,
}

impl World {
    fn new(seed: u64, threads: bool) -> World {
        let storage = SimStorage::new(seed);
        let db = open(&storage, threads);
        db.create_collection_with("fields", CollectionSchema::default())
            .unwrap();
        let mut world = World {
            rng: fastrand::Rng::with_seed(seed),
            storage,
            threads,
            db,
            fields: BTreeMap::new(),
            docs: Docs::new(),
            snapshots: Vec::new(),
            found: 0,
            wanted: 0,
        };
        for candidate in [0, 2, 4, 5, 6] {
            world.add_or_drop(candidate);
        }
        // Enough for a graph, or for buckets, soon.
        (0..4).for_each(|_| world.upsert(600));
        world
    }

    fn collection(&self) -> Collection {
        self.db.collection("fields").unwrap()
    }

    fn step(&mut self) {
        match self.rng.u8(..100) {
            0..25 => {
                let count = self.rng.usize(1..60);
                self.upsert(count);
            }
            25..35 => {
                let count = self.rng.usize(1..40);
                self.delete(count);
            }
            35..60 => {
                let view = self.collection().view().unwrap();
                self.search(&view, &self.docs.clone());
            }
            60..65 => self.read_all(&self.collection().view().unwrap(), &self.docs),
            65..69 => self.snapshots.push((self.db.snapshot(), self.docs.clone())),
            69..76 => self.check_snapshot(),
            76..79 => self.snapshots.clear(),
            79..83 => {
                let candidate = self.rng.usize(..candidates().len());
                self.add_or_drop(candidate);
            }
            83..87 => self.collection().checkpoint().unwrap(),
            87..90 => {
                self.collection().wait_indexed(|_| {}).unwrap();
            }
            90..93 => self.reopen(),
            93..95 => self.check(),
            _ => self.tick(),
        }
    }

    fn add_or_drop(&mut self, candidate: usize) {
        let (name, field) = candidates()[candidate].clone();
        let collection = self.collection();
        if self.fields.remove(name).is_none() {
            collection.add_vector_field(name, field.clone()).unwrap();
            let twice = collection.add_vector_field(name, SparseField::default());
            assert_eq!(twice.unwrap_err().kind(), ErrorKind::Exists);
            self.fields.insert(name, field);
        } else {
            collection.drop_vector_field(name).unwrap();
            let gone = collection.drop_vector_field(name).unwrap_err();
            assert_eq!(gone.kind(), ErrorKind::NotFound);
            let models = self.snapshots.iter_mut().map(|(_, docs)| docs);
            for docs in models.chain([&mut self.docs]) {
                docs.values_mut().for_each(|vectors| {
                    vectors.remove(name);
                });
            }
        }
        let schema = collection.schema();
        assert!(
            schema
                .fields
                .iter()
                .map(|(n, f)| (&n[..], f))
                .eq(self.fields.iter().map(|(n, f)| (*n, f)))
        );
        assert_eq!(self.db.describe("fields").unwrap().schema, *schema);
    }

    fn upsert(&mut self, count: usize) {
        let mut documents = Vec::new();
        for _ in 0..count {
            let id = DocId::U64(self.rng.u64(..IDS));
            let mut document = Document::new(Vectors::new(), id.clone());
            let mut kept = Vectors::new();
            for (name, field) in &self.fields {
                if self.rng.u8(..10) < 7 {
                    let vector = random_vector(&mut self.rng, field);
                    kept.insert(*name, stored(field, vector.clone()));
                    document.vectors.insert(*name, vector);
                }
            }
            self.docs.insert(id, kept);
            documents.push(document);
        }
        self.collection().upsert_batch(documents).unwrap();
    }

    fn delete(&mut self, count: usize) {
        let ids: Vec<DocId> = (0..count).map(|_| self.rng.u64(..IDS).into()).collect();
        let expected: Vec<bool> = ids
            .iter()
            .map(|id| self.docs.remove(id).is_some())
            .collect();
        assert_eq!(self.collection().delete_batch(&ids).unwrap(), expected);
    }

    fn search(&mut self, view: &CollectionView, docs: &Docs) {
        for (&name, field) in &self.fields.clone() {
            let query = random_vector(&mut self.rng, field);
            let k = self.rng.usize(1..20);
            let mut truth: Vec<f64> = docs
                .values()
                .filter_map(|vectors| naive_distance(field, &query, vectors.get(name)?))
                .collect();
            truth.sort_by(f64::total_cmp);
            truth.truncate(k);
            for exact in [true, false] {
                let request = SearchRequest {
                    using: name,
                    exact,
                    with_vectors: true,
                    ..SearchRequest::new(as_query(&query), k)
                };
                let hits = view.search_with(request).unwrap();
                assert_eq!(hits.len(), truth.len(), "{name:?} {field}, exact {exact}");
                for (hit, truth) in hits.iter().zip(&truth) {
                    assert_eq!(&hit.vectors, &docs[&hit.id]);
                    let vector = hit.vectors.get(name).unwrap();
                    let distance = naive_distance(field, &query, vector).unwrap();
                    assert!(
                        close(distance, f64::from(hit.distance.0)),
                        "{name:?}: {hit:?}"
                    );
                    let near = close(distance, *truth);
                    let graph = matches!(field, VectorField::Dense(_)) && !exact;
                    assert!(near || graph, "{name:?}: {distance} is not {truth}");
                    self.found += usize::from(near);
                    self.wanted += 1;
                }
            }
        }
        let missing = SearchRequest {
            using: "nowhere",
            ..SearchRequest::new(&[1.0], 1)
        };
        let error = view.search_with(missing).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    fn read_all(&self, view: &CollectionView, docs: &Docs) {
        let mut read = Docs::new();
        let mut after = None;
        loop {
            let page = view.scroll(ScrollRequest { after, limit: 700 }).unwrap();
            let documents = page.documents.into_iter();
            read.extend(documents.map(|document| (document.id, document.vectors)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert!(
            &read == docs,
            "{} documents, {} expected",
            read.len(),
            docs.len()
        );
        assert_eq!(view.count().unwrap(), docs.len() as u64);
    }

    fn check_snapshot(&mut self) {
        if self.snapshots.is_empty() {
            return;
        }
        let (snapshot, docs) = &self.snapshots[self.rng.usize(..self.snapshots.len())];
        let docs = docs.clone();
        let view = self.collection().at(snapshot).unwrap();
        self.read_all(&view, &docs);
        self.search(&view, &docs);
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

    fn tick(&mut self) {
        if !self.threads {
            for _ in 0..self.rng.u8(..12) {
                self.db.tick().unwrap();
            }
        }
    }
}

fn run(seed: u64, threads: bool) {
    let mut world = World::new(seed, threads);
    for _ in 0..STEPS {
        world.step();
    }
    world.check_snapshot();
    world.check();
    world.snapshots.clear();
    if !threads {
        settle(&world.db);
    }
    world.collection().wait_indexed(|_| {}).unwrap();
    world.collection().checkpoint().unwrap();
    world.check();
    world.reopen();
    world.check();
    world.read_all(&world.collection().view().unwrap(), &world.docs);
    let recall = world.found as f64 / world.wanted as f64;
    assert!(recall >= 0.97, "recall {recall}");
}

#[test]
fn without_threads_fields_agree_with_plain_maps() {
    for_seeds(4, |seed| run(seed, false));
}

#[test]
fn with_threads_fields_agree_with_plain_maps() {
    for_seeds(2, |seed| run(seed, true));
}

fn memory() -> (SimStorage, AetherDB) {
    let storage = SimStorage::new(1);
    let db = AetherDB::open_with(storage.env(), DbOptions::WITHOUT_THREADS).unwrap();
    (storage, db)
}

#[test]
fn a_dropped_field_is_gone_at_once_and_its_graph_soon() {
    let (storage, db) = memory();
    let schema = CollectionSchema::new(2, Metric::L2Squared, IndexConfig::default());
    let image = DenseField::new(2, Metric::L2Squared, IndexConfig::default());
    let schema = schema.with_field("image", image.clone());
    let collection = db.create_collection_with("c", schema).unwrap();
    let document = |i: u64| {
        let vector = vec![i as f32, 1.0];
        Document::new(vector.clone(), i).with_vector("image", vector)
    };
    collection
        .upsert_batch((0..1_200).map(document).collect())
        .unwrap();
    settle(&db);
    collection.checkpoint().unwrap();
    assert_eq!(collection.index_status().indexed, 2_400);

    let view = collection.view().unwrap();
    collection.drop_vector_field("image").unwrap();
    let request = SearchRequest {
        using: "image",
        ..SearchRequest::new(&[1.0, 1.0], 1)
    };
    let error = view.search_with(request).unwrap_err();
    assert_eq!(
        error.to_string(),
        "vector field \"image\" does not exist: there are \"\""
    );
    let refused = collection.upsert(document(1)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert_eq!(collection.get(7).unwrap().unwrap().vectors.len(), 1);
    assert_eq!(collection.index_status().indexed, 1_200);
    assert!(db.check().unwrap().is_clean());

    // Closed before the lane could remove its graph.
    db.close().unwrap();
    drop((collection, view, db));
    let db = AetherDB::open_with(storage.env(), DbOptions::WITHOUT_THREADS).unwrap();
    let collection = db.collection("c").unwrap();
    collection
        .add_vector_field("image", SparseField::default())
        .unwrap();
    assert_eq!(collection.get(7).unwrap().unwrap().vectors.len(), 1);
    settle(&db);
    assert!(db.check().unwrap().is_clean());
    let hits = collection.search(&[500.0, 1.0], 1).unwrap();
    assert_eq!(hits[0].id, 500.into());
}

#[test]
fn vectors_of_the_wrong_kind_are_refused() {
    let (_storage, db) = memory();
    let schema = CollectionSchema::new(2, Metric::Cosine, IndexConfig::Flat)
        .with_field("words", SparseField::default());
    let collection = db.create_collection_with("c", schema).unwrap();
    let refused = |document: Document, text: &str| {
        let error = collection.upsert(document).unwrap_err();
        assert_eq!(
            (error.kind(), &error.to_string()[..]),
            (ErrorKind::Invalid, text)
        );
    };
    refused(
        Document::new(SparseVector::default(), 1),
        "vector: it is sparse: the field holds dense ones",
    );
    refused(
        Document::new(vec![1.0, 0.0], 1).with_vector("words", vec![1.0]),
        "field \"words\": vector: it is dense: the field holds sparse ones",
    );
    refused(
        Document::new(vec![1.0, 0.0], 1).with_vector("word", vec![1.0]),
        "vector field \"word\" does not exist: there are \"\", \"words\"",
    );
    let request = SearchRequest {
        using: "words",
        ..SearchRequest::new(&[1.0, 0.0], 1)
    };
    assert_eq!(
        collection.search_with(request).unwrap_err().to_string(),
        "field \"words\": vector: a dense one cannot be compared with those of a sparse field"
    );
    let many = (0..65).fold(CollectionSchema::default(), |schema, i| {
        schema.with_field(format!("field {i}"), SparseField::default())
    });
    assert_eq!(
        db.create_collection_with("d", many)
            .unwrap_err()
            .to_string(),
        "fields: there are 65: at most 64 are allowed"
    );
    assert_eq!(collection.count().unwrap(), 0);
}

#[test]
fn scores_say_what_people_know() {
    let (_storage, db) = memory();
    let schema = CollectionSchema::of(BinaryField { bits: 8 })
        .with_field("words", SparseField::default())
        .with_field("tokens", MultiField::new(2, Metric::Cosine));
    let collection = db.create_collection_with("c", schema).unwrap();
    let tokens = MultiVector::new([[1.0, 0.0], [0.0, 2.0]]).unwrap();
    let document = Document::new(BinaryVector::from_bytes([0b1010_0000]), 1)
        .with_vector("words", SparseVector::new([(3, 0.5), (9, 2.0)]))
        .with_vector("tokens", tokens.clone());
    collection.upsert(document).unwrap();
    let score = |using, vector: QueryVector<'_>| {
        let request = SearchRequest {
            using,
            ..SearchRequest::new(vector, 1)
        };
        collection.search_with(request).unwrap()[0].score
    };
    let bits = BinaryVector::from_bits([true, true, true, true, false, false, false, false]);
    assert_eq!(score("", (&bits).into()), 2.0);
    let words = SparseVector::new([(9, 3.0), (10, 1.0)]);
    assert_eq!(score("words", (&words).into()), 6.0);
    assert_eq!(score("tokens", (&tokens).into()), 2.0);
}
