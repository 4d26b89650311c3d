//! Random payloads and random filters: whatever indexes there are, what they say of a filter agrees with its meaning, and
//! counts and facets are those of the plain way.

use super::*;
use crate::collection::Collection;
use crate::document::Document;
use crate::filter::{
    Bounds, Filter, GeoBox, GeoPoint, GeoPolygon, Number, Range as FilterRange, Scalar, Test,
    TextMode, TextTest,
};
use crate::id::DocId;
use crate::timestamp::Timestamp;
use crate::view::CollectionView;
use crate::{AetherDB, DbOptions, IndexConfig, Uuid};
use aether_sim::SimStorage;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

const PATHS: [&str; 4] = ["a", "b.c", "a[]", "gone"];

const TEXTS: [&str; 14] = [
    "en",
    "de",
    "",
    "the quick brown fox",
    "The fox is quick; quick, I say",
    "Café au lait",
    "cafe",
    "2024-05-01",
    "2024-05-01T12:00:00Z",
    "2024-05-01T14:00:00+02:00",
    "1969-12-31T23:59:59.5Z",
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "6BA7B8109DAD11D180B400C04FD430C8",
    "urn:uuid:6ba7b811-9dad-11d1-80b4-00c04fd430c8",
];

fn text(rng: &mut fastrand::Rng) -> String {
    match rng.usize(..16) {
        14 => "x".repeat(300) + if rng.bool() { "a" } else { "b" },
        15 => format!("{}", rng.u8(..4)),
        known => TEXTS[known].to_owned(),
    }
}

fn number(rng: &mut fastrand::Rng) -> Value {
    match rng.u8(..12) {
        0 => json!(u64::MAX),
        1 => json!(i64::MIN),
        2 => json!((1i64 << 53) + 1),
        3 => json!(9_007_199_254_740_992.0),
        4 => json!(-0.0),
        5 => json!(1e300),
        6 => json!(rng.i8(-3..3)),
        7 => json!(f64::from(rng.i8(-6..6)) / 2.0),
        8 => json!(-1e-300),
        _ => json!(rng.u8(..5)),
    }
}

fn place(rng: &mut fastrand::Rng) -> GeoPoint {
    GeoPoint::new(
        f64::from(rng.i16(-90..=90)),
        f64::from(rng.i16(-180..=180)) + if rng.bool() { 0.0 } else { 0.5 - rng.f64() },
    )
}

fn value(rng: &mut fastrand::Rng, depth: usize) -> Value {
    match rng.u8(..14) {
        0 => Value::Null,
        1 => json!(rng.bool()),
        2..=4 => number(rng),
        5 | 6 => {
            let place = place(rng);
            json!({"lat": place.lat, "lon": place.lon.clamp(-180.0, 180.0)})
        }
        7 => json!({"lat": 1}),
        8 | 9 if depth > 0 => (0..rng.usize(..4)).map(|_| value(rng, depth - 1)).collect(),
        _ => json!(text(rng)),
    }
}

fn payload(rng: &mut fastrand::Rng) -> Option<Value> {
    let mut payload = serde_json::Map::new();
    if rng.u8(..8) > 0 {
        payload.insert("a".into(), value(rng, 2));
    }
    match rng.u8(..5) {
        0 => {}
        1 => drop(payload.insert("b".into(), value(rng, 1))),
        2 => drop(payload.insert("b".into(), json!([{"c": value(rng, 1)}]))),
        _ => drop(payload.insert("b".into(), json!({"c": value(rng, 1)}))),
    }
    (rng.u8(..10) > 0).then_some(Value::Object(payload))
}

fn scalar(rng: &mut fastrand::Rng) -> Scalar {
    match rng.u8(..10) {
        0 => Scalar::Bool(rng.bool()),
        1..=3 => Scalar::Number(Number::of(&number(rng)).unwrap()),
        4 => Scalar::Uuid(Uuid::parse_str(TEXTS[11 + rng.usize(..3)]).unwrap()),
        5 => Scalar::Datetime(TEXTS[8 + rng.usize(..3)].parse().unwrap()),
        _ => Scalar::Str(text(rng)),
    }
}

fn bounds<T>(rng: &mut fastrand::Rng, mut end: impl FnMut(&mut fastrand::Rng) -> T) -> Bounds<T> {
    let mut bound = |rng: &mut fastrand::Rng| match rng.u8(..5) {
        0 => Bound::Unbounded,
        1 | 2 => Bound::Excluded(end(rng)),
        _ => Bound::Included(end(rng)),
    };
    Bounds {
        lower: bound(rng),
        upper: bound(rng),
    }
}

fn test(rng: &mut fastrand::Rng) -> Test {
    let scalars = |rng: &mut fastrand::Rng| (0..rng.usize(..4)).map(|_| scalar(rng)).collect();
    match rng.u8(..16) {
        0 | 1 => Test::Eq(scalar(rng)),
        2 => Test::AnyOf(scalars(rng)),
        3 | 4 => Test::Except(scalars(rng)),
        5 | 6 => {
            let end = |rng: &mut fastrand::Rng| Number::of(&number(rng)).unwrap();
            Test::Range(FilterRange::Number(bounds(rng, end)))
        }
        7 => {
            let end = |rng: &mut fastrand::Rng| -> Timestamp {
                TEXTS[7 + rng.usize(..4)].parse().unwrap()
            };
            Test::Range(FilterRange::Datetime(bounds(rng, end)))
        }
        8 => Test::GeoRadius {
            center: place(rng),
            meters: rng.f64() * 9_000_000.0,
        },
        9 => Test::GeoBox(GeoBox {
            top_left: place(rng),
            bottom_right: place(rng),
        }),
        10 => Test::GeoPolygon(GeoPolygon {
            exterior: (0..4).map(|_| place(rng)).collect(),
            interiors: Vec::new(),
        }),
        11 => Test::Exists,
        12 => Test::Null,
        13 => Test::Empty,
        14 => Test::Len(bounds(rng, |rng| rng.u64(..4))),
        _ => {
            let words = [
                "quick", "fox", "the", "caf", "café", "CAFÉ au", "fox is", "q", "",
            ];
            let modes = [
                TextMode::All,
                TextMode::Any,
                TextMode::Phrase,
                TextMode::Prefix,
            ];
            Test::Text(TextTest {
                query: format!(
                    "{} {}",
                    rng.choice(words).unwrap(),
                    rng.choice(words).unwrap()
                ),
                mode: rng.choice(modes).unwrap(),
                fold: rng.bool(),
            })
        }
    }
}

fn filter(rng: &mut fastrand::Rng, depth: usize) -> Filter {
    let filters = |rng: &mut fastrand::Rng| {
        (0..rng.usize(..4))
            .map(|_| filter(rng, depth - 1))
            .collect::<Vec<_>>()
    };
    match rng.u8(..if depth == 0 { 4 } else { 10 }) {
        0 if rng.bool() => Filter::HasId(
            (0..rng.usize(..40))
                .map(|_| DocId::U64(rng.u64(..IDS)))
                .collect(),
        ),
        1 if rng.u8(..8) == 0 => Filter::HasVector(String::new()),
        2 if rng.u8(..8) == 0 => Filter::Nested {
            path: "b".into(),
            filter: Box::new(Filter::Field {
                path: "c".into(),
                test: test(rng),
            }),
        },
        4 => Filter::And(filters(rng)),
        5 => Filter::Or(filters(rng)),
        6 => Filter::Not(Box::new(filter(rng, depth - 1))),
        7 => Filter::AtLeast {
            min: rng.usize(..4),
            of: filters(rng),
        },
        _ => Filter::Field {
            path: rng.choice(PATHS).unwrap().into(),
            test: test(rng),
        },
    }
}

const IDS: u64 = 250;

type Docs = BTreeMap<u64, (bool, Option<Value>)>;

struct World {
    storage: SimStorage,
    db: AetherDB,
    collection: Collection,
    docs: Docs,
    rng: fastrand::Rng,
    exact: usize,
    asked: usize,
}

impl World {
    fn new(seed: u64) -> World {
        let storage = SimStorage::new(seed);
        let db = AetherDB::open_with(storage.env(), DbOptions::WITHOUT_THREADS).unwrap();
        let collection = db
            .create_collection("c", 1, "l2", IndexConfig::Flat)
            .unwrap();
        World {
            storage,
            db,
            collection,
            docs: Docs::new(),
            rng: fastrand::Rng::with_seed(seed),
            exact: 0,
            asked: 0,
        }
    }

    fn write(&mut self, count: usize) {
        let mut documents = Vec::new();
        for _ in 0..count {
            let id = self.rng.u64(..IDS);
            if self.rng.u8(..4) == 0 {
                self.collection
                    .upsert_batch(std::mem::take(&mut documents))
                    .unwrap();
                let found = self.docs.remove(&id).is_some();
                assert_eq!(self.collection.delete(id).unwrap(), found);
                continue;
            }
            let payload = payload(&mut self.rng);
            let vector = self.rng.u8(..5) > 0;
            let mut document = Document::new([0.5], id);
            if !vector {
                document.vectors = Default::default();
            }
            document.payload.clone_from(&payload);
            self.docs.insert(id, (vector, payload));
            documents.push(document);
            if self.rng.u8(..8) == 0 {
                self.collection
                    .upsert_batch(std::mem::take(&mut documents))
                    .unwrap();
            }
        }
        self.collection.upsert_batch(documents).unwrap();
    }

    fn index(&self, kind: PayloadIndexKind) {
        for path in PATHS {
            self.collection.create_payload_index(path, kind).unwrap();
        }
    }

    fn reopen(&mut self) {
        let elsewhere = SimStorage::new(0);
        self.db = AetherDB::open_with(elsewhere.env(), DbOptions::WITHOUT_THREADS).unwrap();
        self.collection = self
            .db
            .create_collection("c", 1, "l2", IndexConfig::Flat)
            .unwrap();
        self.db = AetherDB::open_with(self.storage.env(), DbOptions::WITHOUT_THREADS).unwrap();
        self.collection = self.db.collection("c").unwrap();
    }

    fn check(&self) {
        let report = self.db.check().unwrap();
        assert!(report.is_clean(), "{:#?}", report.problems);
    }

    fn ask(&mut self, view: &CollectionView, docs: &Docs, count: usize) {
        for _ in 0..count {
            let filter = filter(&mut self.rng, 2);
            let truth: BTreeSet<u64> = docs
                .iter()
                .filter(|(id, (vector, payload))| {
                    filter.matches(&DocId::U64(**id), payload.as_ref(), |_| *vector)
                })
                .map(|(id, _)| *id)
                .collect();
            let Candidates { visible, found } = view.candidates(&filter).unwrap().unwrap();
            assert_eq!(ids(view, &visible).len(), docs.len());
            assert!(ids(view, &found.sure).is_subset(&truth), "{filter:?}");
            assert!(ids(view, &found.upper()).is_superset(&truth), "{filter:?}");
            assert_eq!(
                ids(view, &view.matching(&filter).unwrap()),
                truth,
                "{filter:?}"
            );
            self.exact += usize::from(found.is_exact());
            self.asked += 1;
        }
        let path = self.rng.choice(PATHS).unwrap();
        let mut filter = filter(&mut self.rng, 1);
        while filter.validate().is_err() {
            filter = self::filter(&mut self.rng, 1);
        }
        let mut counts = BTreeMap::<String, u64>::new();
        for (id, (vector, payload)) in docs {
            if filter.matches(&DocId::U64(*id), payload.as_ref(), |_| *vector) {
                let mut values = BTreeSet::new();
                let payload = payload.clone().unwrap_or_default();
                crate::filter::Path::from(path).any_leaf(&payload, |value| {
                    values.extend(shown(value));
                    false
                });
                for value in values {
                    *counts.entry(value).or_default() += 1;
                }
            }
        }
        let request = FacetRequest {
            filter: Some(filter),
            limit: 1_000,
            ..FacetRequest::new(path)
        };
        let facets = view.facet(&request).unwrap();
        assert!(facets.is_sorted_by(|a, b| a.count >= b.count));
        let facets: BTreeMap<String, u64> = facets
            .into_iter()
            .map(|facet| (shown(&facet.value).unwrap(), facet.count))
            .collect();
        assert_eq!(facets, counts, "{request:?}");
    }
}

/// A scalar, the same for numbers that are worth the same.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Number(_) => {
            let number = Number::of(value).unwrap();
            let whole = number.as_i64().map(|number| number.to_string());
            Some(whole.unwrap_or_else(|| value.to_string()))
        }
        Value::Bool(_) | Value::String(_) => Some(value.to_string()),
        _ => None,
    }
}

fn ids(view: &CollectionView, points: &RoaringTreemap) -> BTreeSet<u64> {
    let mut ids = BTreeSet::new();
    view.each_document(points, |document| {
        let DocId::U64(id) = document.id else {
            panic!("all ids are numbers")
        };
        ids.insert(id);
        Ok(())
    })
    .unwrap();
    ids
}

fn live(seed: u64, kinds: &[PayloadIndexKind]) -> World {
    let mut world = World::new(seed);
    let late = kinds.len() / 2;
    kinds[..late].iter().for_each(|kind| world.index(*kind));
    world.write(300);
    kinds[late..].iter().for_each(|kind| world.index(*kind));
    let half_built = (world.collection.view().unwrap(), world.docs.clone());
    world.ask(&half_built.0, &half_built.1, 20);
    world.check();
    world.write(60);
    if world.rng.bool() {
        world.reopen();
    }
    let building = world.collection.view().unwrap();
    let before = world.docs.clone();
    world.ask(&building, &before, 10);
    world.collection.wait_payload_indexes().unwrap();
    world.check();
    for _ in 0..4 {
        world.write(60);
        let view = world.collection.view().unwrap();
        let docs = world.docs.clone();
        world.ask(&view, &docs, 60);
        world.write(30);
        while world.rng.u8(..3) > 0 {
            world.db.tick().unwrap();
        }
        world.ask(&view, &docs, 20);
        world.ask(&building, &before, 5);
    }
    world.check();
    world
}

#[test]
fn what_each_kind_of_index_says_agrees_with_the_meaning() {
    for kind in PayloadIndexKind::ALL {
        let world = live(10 + kind as u64, &[kind]);
        eprintln!("{kind}: {} of {} exact", world.exact, world.asked);
    }
}

#[test]
fn what_all_indexes_say_together_agrees_with_the_meaning() {
    for seed in 0..3 {
        let mut world = live(seed, &PayloadIndexKind::ALL);
        eprintln!("{} of {} exact", world.exact, world.asked);
        assert!(world.exact * 10 > world.asked * 5);
        world.reopen();
        let view = world.collection.view().unwrap();
        let docs = world.docs.clone();
        world.ask(&view, &docs, 100);
        world.check();
        for kind in PayloadIndexKind::ALL {
            assert!(world.collection.drop_payload_index("a", kind).unwrap());
            assert!(!world.collection.drop_payload_index("a", kind).unwrap());
        }
        world.ask(&view, &docs, 30);
        world.index(PayloadIndexKind::Keyword);
        world.collection.wait_payload_indexes().unwrap();
        world.ask(&view, &docs, 30);
        world.check();
    }
}

#[test]
fn the_dead_are_swept_out() {
    let mut world = World::new(5);
    for kind in PayloadIndexKind::ALL {
        world.index(kind);
    }
    for _ in 0..60 {
        world.write(400);
        let view = world.collection.view().unwrap();
        let docs = world.docs.clone();
        world.ask(&view, &docs, 2);
        drop(view);
        for _ in 0..20 {
            world.db.tick().unwrap();
        }
    }
    while world.db.tick().unwrap() {}
    let core = &world.collection.core;
    assert!(core.payload.visible.dead() < 6_000);
    world.check();
    for index in core.payload.indexes().iter() {
        let memory = index.load(core).unwrap().unwrap();
        let mut points = RoaringTreemap::new();
        memory.each(|_, point, _| {
            points.insert(point);
        });
        assert!(points.len() < 7_000, "{}: {}", index.kind, points.len());
    }
    world.reopen();
    world.check();
    let view = world.collection.view().unwrap();
    let docs = world.docs.clone();
    world.ask(&view, &docs, 100);
}
