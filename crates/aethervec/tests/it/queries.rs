//! Queries against a naive evaluator: random trees on small collections must find what a plain reading of the request finds.

use crate::common::for_seeds;
use crate::generate;
use crate::naive::{Docs, Model, Naive, scalars};
use crate::requests::{request, vector, vector_for};
use aether_env::{Env, MemoryStorage};
use aethervec::{
    AetherDB, BinaryField, CollectionSchema, Cursor, DbOptions, DenseField, DocId, Document,
    ErrorKind, FacetRequest, Filter, GroupRequest, IndexConfig, Input, MatrixRequest, Metric,
    MultiField, PayloadIndexKind, PayloadSelector, Query, QueryRequest, SparseField, VectorField,
    VectorSelector,
};
use fastrand::Rng;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Of the default field.
const DIM: usize = 4;

#[test]
fn trees_find_what_a_naive_evaluator_finds() {
    for_seeds(12, compare);
}

fn compare(seed: u64) {
    let random = &mut Rng::with_seed(seed);
    let metric = |random: &mut Rng| {
        *random
            .choice(&[Metric::Cosine, Metric::L2Squared, Metric::InnerProduct])
            .unwrap()
    };
    let dense = |dim, metric| DenseField::new(dim, metric, IndexConfig::Flat).into();
    let fields: BTreeMap<String, VectorField> = BTreeMap::from([
        (String::new(), dense(DIM, metric(random))),
        ("image".to_owned(), dense(3, metric(random))),
        ("print".to_owned(), BinaryField { bits: 21 }.into()),
        (
            "tokens".to_owned(),
            MultiField::new(2, metric(random)).into(),
        ),
        ("words".to_owned(), SparseField::default().into()),
    ]);
    let schema = CollectionSchema {
        fields: fields.clone(),
        ..CollectionSchema::default()
    };
    let env = Env::memory(MemoryStorage::new());
    let db = AetherDB::open_with(env, DbOptions::DEFAULT).unwrap();
    let collection = db.create_collection_with("c", schema).unwrap();
    let mut docs = Docs::new();
    for written in 0..random.usize(1..60) {
        let id = generate::id(random);
        let mut vectors = BTreeMap::new();
        for (name, field) in &fields {
            if random.u8(..10) > if name.is_empty() { 0 } else { 4 } {
                vectors.insert(name.clone(), vector_for(random, field));
            }
        }
        let payload = generate::payload(random);
        let mut document =
            Document::new(aethervec::Vectors::new(), id.clone()).with_payload(payload.clone());
        for (field, vector) in &vectors {
            document = document.with_vector(field, vector.clone());
        }
        collection.upsert(document).unwrap();
        let naive = Naive {
            written,
            vectors,
            payload,
        };
        docs.insert(id, naive);
    }
    if seed % 2 == 1 {
        let kinds = [
            ("lang", PayloadIndexKind::Keyword),
            ("tags", PayloadIndexKind::Keyword),
            ("year", PayloadIndexKind::Integer),
            ("price", PayloadIndexKind::Float),
            ("at", PayloadIndexKind::Datetime),
            ("loc", PayloadIndexKind::Geo),
            ("body", PayloadIndexKind::Text),
        ];
        for (path, kind) in kinds {
            collection.create_payload_index(path, kind).unwrap();
        }
        collection.wait_payload_indexes().unwrap();
    }
    let model = Model { docs, fields };
    let view = collection.view().unwrap();
    for _ in 0..40 {
        let request = request(random, &model);
        let json = serde_json::to_string(&request).unwrap();
        let again = QueryRequest::from_json(&json).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            serde_json::to_value(&again).unwrap(),
            serde_json::to_value(&request).unwrap()
        );
        let expected = model.stage(
            &request.prefetch,
            request.query.as_ref(),
            &request.using,
            request.filter.as_ref(),
            request.score_threshold,
            usize::MAX,
        );
        let expected: Vec<_> = expected.into_iter().skip(request.offset).collect();
        let response = view
            .query(&request)
            .unwrap_or_else(|error| panic!("{json}: {error}"));
        let found: Vec<(DocId, f64)> = response
            .hits
            .iter()
            .map(|hit| (hit.id.clone(), hit.score))
            .collect();
        same(
            &found,
            &expected[..expected.len().min(request.limit)],
            &json,
        );
        assert_eq!(
            response.next.is_some(),
            expected.len() > request.limit,
            "{json}"
        );
        for hit in response.hits {
            assert_eq!(hit.payload.as_ref(), Some(&model.docs[&hit.id].payload));
        }
        if !matches!(request.query, Some(Query::Mmr(_))) {
            pages(&view, &request, &expected, &json);
        }
    }
    wrong(random, &view, &model);
    counts(random, &view, &model);
    groups(random, &view, &model);
}

/// All pages together are the whole answer.
fn pages(
    view: &aethervec::CollectionView,
    request: &QueryRequest,
    expected: &[(DocId, f64)],
    json: &str,
) {
    let mut found = Vec::new();
    let mut request = request.clone();
    loop {
        let response = view.query(&request).unwrap();
        found.extend(response.hits.into_iter().map(|hit| (hit.id, hit.score)));
        let Some(next) = response.next else { break };
        let text = serde_json::to_string(&next).unwrap();
        let next: Cursor = serde_json::from_str(&text).unwrap();
        request = request.offset(0).cursor(next);
    }
    same(&found, expected, json);
}

fn same(found: &[(DocId, f64)], expected: &[(DocId, f64)], json: &str) {
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-5 * (1.0 + a.abs().max(b.abs()));
    assert!(
        found.len() == expected.len()
            && found
                .iter()
                .zip(expected)
                .all(|(a, b)| a.0 == b.0 && close(a.1, b.1)),
        "{json}\nfound    {found:?}\nexpected {expected:?}"
    );
}

/// Requests that somebody has mistyped are answered, or refused.
fn wrong(random: &mut Rng, view: &aethervec::CollectionView, model: &Model) {
    let pieces = [
        "0",
        "-1",
        "1e300",
        "null",
        "[]",
        "{}",
        "\"\"",
        "true",
        "\"image\"",
        "[1,2]",
        ",",
    ];
    for _ in 0..60 {
        let json = serde_json::to_string(&request(random, model)).unwrap();
        let mut tokens: Vec<&str> = json.split_inclusive([',', ':', '[', '{']).collect();
        let at = random.usize(..tokens.len());
        tokens[at] = random.choice(pieces).unwrap_or_default();
        if let Ok(request) = QueryRequest::from_json(&tokens.concat())
            && let Err(error) = view.query(&request)
        {
            assert!(
                [ErrorKind::Invalid, ErrorKind::NotFound].contains(&error.kind()),
                "{json}: {error}"
            );
        }
    }
}

fn counts(random: &mut Rng, view: &aethervec::CollectionView, model: &Model) {
    for _ in 0..20 {
        let filter = generate::filter(random, 3);
        let satisfying: Vec<&Naive> = model
            .docs
            .iter()
            .filter(|(id, doc)| doc.satisfies(id, Some(&filter)))
            .map(|(_, doc)| doc)
            .collect();
        assert_eq!(
            view.count_matching(&filter).unwrap(),
            satisfying.len() as u64,
            "{filter}"
        );
        for path in ["lang", "tags", "year", "ok", "missing"] {
            let mut expected: BTreeMap<String, u64> = BTreeMap::new();
            for doc in &satisfying {
                let values: BTreeSet<String> = scalars(&doc.payload, path)
                    .iter()
                    .map(Value::to_string)
                    .collect();
                for value in values {
                    *expected.entry(value).or_default() += 1;
                }
            }
            let facet = FacetRequest {
                filter: Some(filter.clone()),
                limit: 1_000,
                ..FacetRequest::new(path)
            };
            let found = view.facet(&facet).unwrap();
            assert!(found.is_sorted_by(|a, b| a.count >= b.count));
            let found: BTreeMap<String, u64> = found
                .into_iter()
                .map(|value| (value.value.to_string(), value.count))
                .collect();
            assert_eq!(found, expected, "{path} where {filter}");
        }
    }
}

fn groups(random: &mut Rng, view: &aethervec::CollectionView, model: &Model) {
    for _ in 0..10 {
        let query =
            QueryRequest::new(Query::nearest(vector(random, DIM))).limit(random.usize(1..5));
        let size = random.usize(1..4);
        let ranked = model.stage(&[], query.query.as_ref(), "", None, None, usize::MAX);
        let mut expected: Vec<(String, Vec<DocId>)> = Vec::new();
        for (id, _) in ranked {
            let mut values = scalars(&model.docs[&id].payload, "lang");
            values.dedup();
            for value in values {
                let value = value.to_string();
                let position = match expected.iter().position(|(known, _)| *known == value) {
                    Some(position) => position,
                    None if expected.len() == query.limit => continue,
                    None => {
                        expected.push((value, Vec::new()));
                        expected.len() - 1
                    }
                };
                if expected[position].1.len() < size {
                    expected[position].1.push(id.clone());
                }
            }
        }
        let request = GroupRequest::new(query, "lang").group_size(size);
        let found: Vec<(String, Vec<DocId>)> = view
            .query_groups(&request)
            .unwrap()
            .into_iter()
            .map(|group| {
                let ids = group.hits.into_iter().map(|hit| hit.id).collect();
                (group.value.to_string(), ids)
            })
            .collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn errors_name_the_place_in_the_request() {
    let dir = tempfile::tempdir().unwrap();
    let db = AetherDB::open(dir.path()).unwrap();
    let notes = db
        .create_collection("notes", 2, "l2", IndexConfig::default())
        .unwrap();
    notes
        .upsert(Document::new(vec![0.0, 1.0], "a").with_payload(json!({"n": 0, "s": "x"})))
        .unwrap();
    notes.upsert(Document::new(vec![0.0, 2.0], "c")).unwrap();
    let near = QueryRequest::new(Query::nearest([1.0, 2.0])).limit(1);
    let next = notes.query(&near).unwrap().next.unwrap();
    let of_another_request = format!("{{\"cursor\": \"{next}\"}}");
    for (request, kind, text) in [
        (
            r#"{"limit": 0}"#,
            ErrorKind::Invalid,
            "limit: 0 is out of range",
        ),
        (
            r#"{"offset": 10000}"#,
            ErrorKind::Invalid,
            "offset: 10000 and the limit of 10",
        ),
        (
            r#"{"query": {"nearest": [1]}}"#,
            ErrorKind::Invalid,
            "query.nearest: vector: it has 1 components",
        ),
        (
            r#"{"query": {"nearest": {"id": "b"}}}"#,
            ErrorKind::NotFound,
            "query.nearest: there is no document \"b\"",
        ),
        (
            r#"{"query": {"nearest": [1, 2]}, "using": "image"}"#,
            ErrorKind::NotFound,
            "query.nearest: ",
        ),
        (
            r#"{"query": {"rrf": {}}}"#,
            ErrorKind::Invalid,
            "query.rrf: there is nothing to fuse",
        ),
        (
            r#"{"prefetch": [{}], "query": {"rrf": {"weights": [1, 2]}}}"#,
            ErrorKind::Invalid,
            "query.rrf.weights: there are 2 for 1 prefetches",
        ),
        (
            r#"{"prefetch": [{}, {"prefetch": [{"limit": 0}]}]}"#,
            ErrorKind::Invalid,
            "prefetch[1].prefetch[0]: limit: 0 is out of range",
        ),
        (
            r#"{"query": {"formula": {"expression": {"sum": [1, {"ln": "n"}]}}}}"#,
            ErrorKind::Invalid,
            "query.formula.sum[1].ln: it comes to -inf for document \"a\"",
        ),
        (
            r#"{"query": {"formula": {"expression": {"sum": [1, "s"]}}}}"#,
            ErrorKind::Invalid,
            "query.formula.sum[1]: document \"a\" has no number at \"s\": give \"s\" a value in defaults",
        ),
        (
            r#"{"prefetch": [{"prefetch": [{}], "query": {"formula": {"expression": {"mult": ["$score[1]"]}}}}]}"#,
            ErrorKind::Invalid,
            "prefetch[0].query.formula.mult[0]: there is no score 1",
        ),
        (
            r#"{"query": {"recommend": {"negative": [[1, 2]]}}}"#,
            ErrorKind::Invalid,
            "query.recommend.positive: an example is needed",
        ),
        (
            r#"{"query": {"discover": {"target": [1, 2], "context": [{"positive": [1, 2], "negative": {"id": 5}}]}}}"#,
            ErrorKind::NotFound,
            "query.discover.context[0].negative: there is no document \"5\"",
        ),
        (
            r#"{"with_vectors": ["image"]}"#,
            ErrorKind::NotFound,
            "with_vectors[0]: ",
        ),
        (
            &of_another_request,
            ErrorKind::Invalid,
            "cursor: it is of another request",
        ),
        (
            r#"{"query": {"nearest": {"id": 1, "collection": "x"}}}"#,
            ErrorKind::NotFound,
            "query.nearest.collection: collection \"x\" does not exist",
        ),
    ] {
        let request =
            QueryRequest::from_json(request).unwrap_or_else(|error| panic!("{request}: {error}"));
        let error = notes.query(&request).unwrap_err();
        assert!(
            error.to_string().starts_with(text),
            "{error} does not begin with {text}"
        );
        assert_eq!(error.kind(), kind, "{error}");
    }
    for (json, text) in [
        (
            r#"{"query": {"nearst": [1]}}"#,
            "query, line 1, column 12: unknown variant `nearst`",
        ),
        (
            r#"{"query": {"formula": {"expression": {"summ": []}}}}"#,
            "query, line 1, column 39: unknown variant `summ`",
        ),
        (
            r#"{"query": {"nearest": {"id": 1, "x": 2}}}"#,
            "query, line 1, column 33: unknown field `x`",
        ),
        (
            r#"{"cursor": {"offset": 3}}"#,
            "query, line 1, column 11: invalid type: map",
        ),
        (
            r#"{"cursor": "MTI"}"#,
            "query, line 1, column 17: cursor: \"MTI\" is none",
        ),
    ] {
        let error = QueryRequest::from_json(json).unwrap_err().to_string();
        assert!(error.starts_with(text), "{error}");
    }
}

#[test]
fn lookups_and_inputs_reach_other_collections() {
    let dir = tempfile::tempdir().unwrap();
    let db = AetherDB::open(dir.path()).unwrap();
    let schema = || CollectionSchema::new(2, Metric::L2Squared, IndexConfig::Flat);
    let books = db.create_collection_with("books", schema()).unwrap();
    let chunks = db.create_collection_with("chunks", schema()).unwrap();
    for (id, title) in [("a", "First"), ("b", "Second")] {
        let payload = json!({"title": title, "text": "long"});
        books
            .upsert(Document::new(vec![5.0, 0.0], id).with_payload(payload))
            .unwrap();
    }
    for (id, book) in [(0, "a"), (1, "b"), (2, "a"), (3, "c")] {
        let payload = json!({"book": book, "secret": 1});
        chunks
            .upsert(Document::new(vec![id as f32, 0.0], id).with_payload(payload))
            .unwrap();
    }
    let near_b: Input = serde_json::from_value(json!({"id": "b", "collection": "books"})).unwrap();
    let query = QueryRequest::new(Query::nearest(near_b))
        .with_payload(PayloadSelector::Exclude(vec!["secret".into()]))
        .with_vectors(VectorSelector::All);
    let hits = chunks.query(&query).unwrap().hits;
    assert_eq!(hits[0].id, DocId::U64(3));
    assert_eq!(hits[0].payload, Some(json!({"book": "c"})));
    assert_eq!(hits[0].vectors.len(), 1);
    let mut request = GroupRequest::new(query.clone(), "book")
        .group_size(1)
        .lookup("books");
    if let Some(lookup) = &mut request.lookup {
        lookup.with_payload = PayloadSelector::Include(vec!["title".into()]);
    }
    let groups = chunks.query_groups(&request).unwrap();
    let titles: Vec<Option<Value>> = groups
        .into_iter()
        .map(|group| group.lookup.and_then(|document| document.payload))
        .collect();
    assert_eq!(
        titles,
        [
            None,
            Some(json!({"title": "First"})),
            Some(json!({"title": "Second"}))
        ]
    );
    let error = chunks.view().unwrap().query(&query).unwrap_err();
    assert!(
        error.to_string().contains("query the collection itself"),
        "{error}"
    );
}

#[test]
fn samples_and_matrices_repeat() {
    let dir = tempfile::tempdir().unwrap();
    let db = AetherDB::open(dir.path()).unwrap();
    let notes = db
        .create_collection("notes", 1, "l2", IndexConfig::Flat)
        .unwrap();
    notes
        .upsert_batch((0..100).map(|i| Document::new(vec![i as f32], i)).collect())
        .unwrap();
    let sample = |seed| {
        let request = QueryRequest::new(Query::sample(seed)).limit(10);
        let hits = notes.query(&request).unwrap().hits;
        hits.into_iter().map(|hit| hit.id).collect::<Vec<_>>()
    };
    assert_eq!(sample(1), sample(1));
    assert_ne!(sample(1), sample(2));
    let mut request = MatrixRequest::default();
    request.sample = 10;
    request.filter = Some(Filter::has_id((0..20u64).collect::<Vec<_>>()));
    let matrix = notes.matrix(&request).unwrap();
    assert_eq!(matrix, notes.matrix(&request).unwrap());
    assert_eq!((matrix.ids.len(), matrix.pairs.len()), (10, 30));
    for pair in matrix.pairs {
        let number = |at: usize| match matrix.ids[at] {
            DocId::U64(number) => number,
            _ => unreachable!("ids are numbers"),
        };
        assert_eq!(
            pair.score,
            number(pair.from).abs_diff(number(pair.to)) as f64
        );
    }
}
