//! Documents by an indexed field, at random, and by conditions on nested objects and vectors: with indexes the answers are those without.

use aethervec::{
    AetherDB, Collection, DenseField, Direction, DocId, Document, Filter, IndexConfig, Metric,
    PayloadIndexKind, Query, QueryRequest, ScrollRequest, SparseField, SparseVector,
};
use serde_json::{Value, json};

/// Two collections with the same documents: one has indexes.
struct Twins {
    _directory: tempfile::TempDir,
    indexed: Collection,
    plain: Collection,
}

impl Twins {
    fn new(indexes: &[(&str, PayloadIndexKind)]) -> Twins {
        let directory = tempfile::tempdir().unwrap();
        let db = AetherDB::open(directory.path()).unwrap();
        let create = |name| {
            db.create_collection(name, 1, "l2", IndexConfig::Flat)
                .unwrap()
        };
        let (indexed, plain) = (create("indexed"), create("plain"));
        for (path, kind) in indexes {
            indexed.create_payload_index(*path, *kind).unwrap();
        }
        Twins {
            _directory: directory,
            indexed,
            plain,
        }
    }

    fn write(&self, documents: Vec<Document>) {
        self.indexed.upsert_batch(documents.clone()).unwrap();
        self.plain.upsert_batch(documents).unwrap();
    }

    fn delete(&self, id: u64) {
        self.indexed.delete(id).unwrap();
        self.plain.delete(id).unwrap();
    }

    #[track_caller]
    fn agree(&self, request: &QueryRequest) -> usize {
        let answer = |collection: &Collection| {
            let hits = collection.query(request).unwrap().hits;
            let hits = hits.into_iter().map(|hit| (hit.id, hit.score));
            hits.collect::<Vec<_>>()
        };
        let found = answer(&self.indexed);
        assert_eq!(found, answer(&self.plain), "{request:?}");
        found.len()
    }

    #[track_caller]
    fn agree_on_pages(&self, request: &QueryRequest) {
        let mut request = request.clone();
        loop {
            self.agree(&request);
            let Some(next) = self.indexed.query(&request).unwrap().next else {
                return;
            };
            request = request.cursor(next);
        }
    }
}

fn payload(rng: &mut fastrand::Rng) -> Value {
    let n = match rng.u8(..10) {
        0 => Value::Null,
        1 => json!([rng.i64(-50..50), rng.i64(-50..50)]),
        2 => json!([]),
        _ => json!(rng.i64(-50..50)),
    };
    let at = format!("2026-0{}-{:02}T00:00:00Z", rng.u8(1..10), rng.u8(1..29));
    let mut payload =
        json!({"n": n, "x": f64::from(rng.i16(..)) / 8.0, "even": rng.bool(), "rank": rng.u32(..)});
    if rng.u8(..5) > 0 {
        payload["at"] = json!(at);
    }
    payload
}

#[test]
fn an_indexed_order_is_that_without_an_index() {
    let rng = &mut fastrand::Rng::with_seed(11);
    let twins = Twins::new(&[
        ("n", PayloadIndexKind::Integer),
        ("x", PayloadIndexKind::Float),
        ("rank", PayloadIndexKind::Integer),
        ("at", PayloadIndexKind::Datetime),
        ("even", PayloadIndexKind::Bool),
    ]);
    let note =
        |rng: &mut fastrand::Rng, id: u64| Document::new([0.5], id).with_payload(payload(rng));
    twins.write((0..3_000).map(|id| note(rng, id)).collect());
    for id in 0..300 {
        if rng.bool() {
            twins.delete(id * 7);
        } else {
            twins.write(vec![note(rng, id * 7)]);
        }
    }
    let orders = |path: &str| {
        [Direction::Asc, Direction::Desc]
            .map(|direction| QueryRequest::new(Query::order_by(path, direction)))
    };
    let mut requests: Vec<QueryRequest> = ["n", "x", "rank"].into_iter().flat_map(orders).collect();
    for direction in ["asc", "desc"] {
        let json = format!(
            r#"{{"query": {{"order_by": {{"path": "at", "direction": "{direction}", "datetime": true}}}}}}"#
        );
        requests.push(QueryRequest::from_json(&json).unwrap());
    }
    let filters = [
        Filter::eq("even", true),
        Filter::gte("rank", 1 << 31),
        Filter::lt("x", -4_000.0),
        Filter::eq("unknown", 1),
        Filter::has_id((0..900u64).collect::<Vec<_>>()),
        !Filter::is_null("n"),
    ];
    for request in requests {
        assert_eq!(twins.agree(&request), 10);
        twins.agree_on_pages(&request.clone().limit(500));
        for filter in &filters {
            twins.agree(&request.clone().filter(filter.clone()).limit(50));
        }
        twins.agree_on_pages(&request.filter(filters[0].clone()).limit(333));
    }
    // A value that the index does not know has its place, too.
    let words = Document::new([0.5], 5_000).with_payload(json!({"n": "many", "x": 0.1}));
    let large = Document::new([0.5], 5_001).with_payload(json!({"rank": u64::MAX, "x": true}));
    twins.write(vec![words, large]);
    for request in ["n", "x", "rank"].into_iter().flat_map(orders) {
        twins.agree(&request);
    }
}

#[test]
fn a_sample_is_drawn_alike_with_and_without_indexes() {
    let rng = &mut fastrand::Rng::with_seed(12);
    let twins = Twins::new(&[("even", PayloadIndexKind::Bool)]);
    let note =
        |rng: &mut fastrand::Rng, id: u64| Document::new([0.5], id).with_payload(payload(rng));
    twins.write((0..2_000).map(|id| note(rng, id)).collect());
    (0..500).for_each(|id| twins.delete(id));
    let mut drawn = vec![0; 2_000];
    for seed in 0..50 {
        let request = QueryRequest::new(Query::sample(seed)).limit(30);
        assert_eq!(twins.agree(&request), 30);
        for hit in twins.indexed.query(&request).unwrap().hits {
            let DocId::U64(id) = hit.id else {
                unreachable!("ids are numbers")
            };
            drawn[usize::try_from(id).unwrap()] += 1;
        }
        let even = request.clone().filter(Filter::eq("even", true));
        assert_eq!(twins.agree(&even), 30);
        // No index knows of it, and few documents have it.
        assert!(twins.agree(&request.filter(Filter::lt("rank", 20_000_000))) <= 30);
    }
    assert_eq!(drawn[..500].iter().sum::<u32>(), 0);
    assert!(drawn.iter().all(|&times| times < 10));
    assert!(drawn.iter().filter(|&&times| times > 0).count() > 800);
}

#[test]
fn nested_objects_and_vectors_are_found_as_without_indexes() {
    let rng = &mut fastrand::Rng::with_seed(13);
    let twins = Twins::new(&[
        ("items[].color", PayloadIndexKind::Keyword),
        ("items.color", PayloadIndexKind::Keyword),
        ("items[].price", PayloadIndexKind::Integer),
        ("groups[].items[].color", PayloadIndexKind::Keyword),
    ]);
    for collection in [&twins.indexed, &twins.plain] {
        let image = DenseField::new(1, Metric::L2Squared, IndexConfig::default());
        collection.add_vector_field("image", image).unwrap();
        collection
            .add_vector_field("words", SparseField::default())
            .unwrap();
    }
    let item = |rng: &mut fastrand::Rng| {
        let mut item = json!({"price": rng.i64(..9)});
        if rng.bool() {
            item["color"] = json!(rng.choice(["red", "green", "blue"]));
        }
        item
    };
    let mut documents = Vec::new();
    for id in 0..3_000_u64 {
        let items = match rng.u8(..6) {
            0 => item(rng),
            1 => json!([[item(rng)], item(rng)]),
            2 => json!([]),
            3 => Value::Null,
            _ => json!([item(rng), item(rng), "x"]),
        };
        let payload =
            json!({"items": items, "groups": [{"items": [item(rng)]}, {"items": item(rng)}]});
        let mut document = Document::new([0.5], id).with_payload(payload);
        if rng.bool() {
            document = document.with_vector("image", [1.0]);
        }
        if rng.u8(..20) == 0 {
            document = document.with_vector("words", SparseVector::new([(1, 1.0)]));
        }
        documents.push(document);
    }
    twins.write(documents);
    twins.indexed.wait_indexed(|_| {}).unwrap();
    (0..200).for_each(|id| twins.delete(id * 3));
    let page = ScrollRequest {
        after: None,
        limit: 10_000,
    };
    let documents = twins.plain.scroll(page).unwrap().documents;
    let red = || Filter::eq("color", "red");
    let cheap = || Filter::lt("price", 3);
    let filters = [
        Filter::nested("items", red()),
        Filter::nested("items", red().and(cheap())),
        Filter::nested("items", red().or(cheap())),
        Filter::nested("items", !red()),
        Filter::nested("items", Filter::exists("color").and(!red())),
        Filter::nested("items", Filter::is_empty("color")),
        Filter::nested(
            "items",
            Filter::at_least(2, [red(), cheap(), Filter::gte("price", 1)]),
        ),
        Filter::nested("items[]", red()),
        Filter::nested("groups[].items", red()),
        Filter::nested("groups", Filter::nested("items", red())),
        !Filter::nested("items", red()),
        Filter::nested("items", red().and(Filter::has_vector("words"))),
        Filter::has_vector("image"),
        Filter::has_vector("words").and(Filter::has_vector("image")),
        !Filter::has_vector("words"),
        Filter::has_vector("none"),
    ];
    for filter in filters {
        let expected = documents.iter().filter(|document| {
            let has_vector = |field: &str| document.vectors.get(field).is_some();
            filter.matches(&document.id, document.payload.as_ref(), has_vector)
        });
        let expected = expected.count() as u64;
        let found = twins.indexed.count_matching(&filter).unwrap();
        assert_eq!(found, expected, "{filter}");
        assert_eq!(twins.plain.count_matching(&filter).unwrap(), expected);
        twins.agree(&QueryRequest::default().filter(filter).limit(100));
    }
}
