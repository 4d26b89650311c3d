//! Each limit of `aethervec::limits` is enforced where something comes in, with an error that names what it is about and the limit.

use aethervec::limits::*;
use aethervec::{
    AetherDB, BinaryField, BinaryVector, Collection, CollectionSchema, DenseField, DocId, Document,
    ErrorKind, FacetRequest, Filter, GroupRequest, HnswParams, IndexConfig, MatrixRequest, Metric,
    MultiField, MultiVector, Patch, Path, PayloadIndexKind, QueryRequest, Result, ScrollRequest,
    SearchRequest, SparseField, SparseVector, Write,
};
use serde_json::{Value, json};
use std::time::Duration;

struct Fixture {
    _directory: tempfile::TempDir,
    db: AetherDB,
    notes: Collection,
}

/// A collection with a field of each kind, and one document.
fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let db = AetherDB::open(directory.path()).unwrap();
    let schema = CollectionSchema::new(1, Metric::L2Squared, IndexConfig::Flat)
        .with_field("bits", BinaryField { bits: 8 })
        .with_field("words", SparseField::default())
        .with_field("tokens", MultiField::new(DIM_MAX, Metric::L2Squared))
        .with_field("token", MultiField::new(1, Metric::L2Squared));
    let notes = db.create_collection_with("notes", schema).unwrap();
    notes
        .upsert(Document::new([0.5], 1).with_payload(json!({"n": 1})))
        .unwrap();
    Fixture {
        _directory: directory,
        db,
        notes,
    }
}

/// It is refused, by words that name the limit.
#[track_caller]
fn refused<T: std::fmt::Debug>(what: &str, limit: impl ToString, result: Result<T>) {
    let error = result.expect_err(what);
    assert_eq!(error.kind(), ErrorKind::Invalid, "{what}: {error}");
    let text = error.to_string();
    assert!(
        text.contains(what) && text.contains(&limit.to_string()),
        "expected {what:?} and {}: {text}",
        limit.to_string()
    );
}

#[test]
fn of_schemas() {
    let Fixture { db, notes, .. } = fixture();
    let create = |schema| db.create_collection_with("x", schema);
    let long = |bytes: usize| "n".repeat(bytes);
    refused(
        "collection name",
        COLLECTION_NAME_BYTES_MAX,
        db.create_collection(
            &long(COLLECTION_NAME_BYTES_MAX + 1),
            1,
            "l2",
            IndexConfig::Flat,
        ),
    );
    db.create_collection(&long(COLLECTION_NAME_BYTES_MAX), 1, "l2", IndexConfig::Flat)
        .unwrap();
    refused(
        "field name",
        VECTOR_FIELD_NAME_BYTES_MAX,
        notes.add_vector_field(
            &long(VECTOR_FIELD_NAME_BYTES_MAX + 1),
            SparseField::default(),
        ),
    );
    let dense = |dim| DenseField::new(dim, Metric::L2Squared, IndexConfig::Flat);
    for dim in [0, DIM_MAX + 1] {
        refused("dim", DIM_MAX, create(CollectionSchema::of(dense(dim))));
        let multi = MultiField::new(dim, Metric::L2Squared);
        refused("dim", DIM_MAX, notes.add_vector_field("m", multi));
    }
    notes.add_vector_field("dense", dense(DIM_MAX)).unwrap();
    for bits in [0, BITS_MAX + 1] {
        refused(
            "bits",
            BITS_MAX,
            notes.add_vector_field("b", BinaryField { bits }),
        );
    }
    let bits = BinaryField { bits: BITS_MAX };
    notes.add_vector_field("many bits", bits).unwrap();
    let named = (0..=VECTOR_FIELDS_MAX).map(|number| format!("f{number}"));
    let many = named.fold(CollectionSchema::default(), |schema, name| {
        schema.with_field(name, SparseField::default())
    });
    refused("fields", VECTOR_FIELDS_MAX, create(many));
    let ttl = CollectionSchema {
        ttl: Some(TTL_MAX + Duration::from_secs(1)),
        ..CollectionSchema::default()
    };
    refused("ttl", format!("{TTL_MAX:?}"), create(ttl));
    refused(
        "ttl",
        format!("{TTL_MAX:?}"),
        notes.set_ttl(Some(Duration::ZERO)),
    );
    for m in [M_RANGE.start() - 1, M_RANGE.end() + 1] {
        let hnsw = IndexConfig::Hnsw(HnswParams {
            m,
            ..HnswParams::DEFAULT
        });
        refused(
            "index.m",
            M_RANGE.end(),
            db.create_collection("x", 1, "l2", hnsw),
        );
    }
    for ef_construction in [
        EF_CONSTRUCTION_RANGE.start() - 1,
        EF_CONSTRUCTION_RANGE.end() + 1,
    ] {
        let hnsw = IndexConfig::Hnsw(HnswParams {
            ef_construction,
            ..HnswParams::DEFAULT
        });
        let result = db.create_collection("x", 1, "l2", hnsw);
        refused("index.ef_construction", EF_CONSTRUCTION_RANGE.end(), result);
    }
    for number in 0..PAYLOAD_INDEXES_MAX {
        notes
            .create_payload_index(format!("p{number}"), PayloadIndexKind::Bool)
            .unwrap();
    }
    let one_more = notes.create_payload_index("more", PayloadIndexKind::Bool);
    refused("payload indexes", PAYLOAD_INDEXES_MAX, one_more);
}

#[test]
fn of_documents() {
    let Fixture { notes, .. } = fixture();
    let upsert = |document: Document| notes.upsert(document);
    let id = |bytes| DocId::from("i".repeat(bytes));
    refused(
        "id",
        ID_BYTES_MAX,
        upsert(Document::new([0.5], id(ID_BYTES_MAX + 1))),
    );
    upsert(Document::new([0.5], id(ID_BYTES_MAX))).unwrap();
    refused("id", ID_BYTES_MAX, notes.get(id(ID_BYTES_MAX + 1)));
    let components = |count: u32| SparseVector::new((0..count).map(|index| (index, 1.0)));
    let count = u32::try_from(SPARSE_COMPONENTS_MAX).unwrap();
    let words = |count| Document::new([0.5], 2).with_vector("words", components(count));
    refused("words", SPARSE_COMPONENTS_MAX, upsert(words(count + 1)));
    upsert(words(count)).unwrap();
    let token = |count| MultiVector::from_components(1, vec![1.0f32; count]).unwrap();
    let tokens = |count| Document::new([0.5], 2).with_vector("token", token(count));
    refused(
        "token",
        MULTI_VECTORS_MAX,
        upsert(tokens(MULTI_VECTORS_MAX + 1)),
    );
    upsert(tokens(MULTI_VECTORS_MAX)).unwrap();
    let vectors = MULTI_COMPONENTS_MAX / DIM_MAX + 1;
    let tokens = MultiVector::from_components(DIM_MAX, vec![1.0f32; vectors * DIM_MAX]).unwrap();
    let tokens = Document::new([0.5], 2).with_vector("tokens", tokens);
    refused("tokens", MULTI_COMPONENTS_MAX, upsert(tokens));
    refused(
        "vector",
        format!("{COMPONENT_ABS_MAX:?}"),
        upsert(Document::new([COMPONENT_ABS_MAX * 1.01], 2)),
    );
    upsert(Document::new([-COMPONENT_ABS_MAX], 2)).unwrap();
    let text = |bytes: usize| Document::new([0.5], 2).with_payload(json!({"t": "x".repeat(bytes)}));
    let frame = r#"{"t":""}"#.len();
    refused(
        "payload",
        PAYLOAD_BYTES_MAX,
        upsert(text(PAYLOAD_BYTES_MAX - frame + 1)),
    );
    upsert(text(PAYLOAD_BYTES_MAX - frame)).unwrap();
    let nested = |levels| (1..levels).fold(json!({}), |inner, _| json!({"a": inner}));
    let deep = |levels| Document::new([0.5], 3).with_payload(nested(levels));
    refused(
        "payload",
        PAYLOAD_DEPTH_MAX,
        upsert(deep(PAYLOAD_DEPTH_MAX + 1)),
    );
    upsert(deep(PAYLOAD_DEPTH_MAX)).unwrap();
    // A patch can make it too deep, too.
    let deeper = Patch::new().set("a", nested(PAYLOAD_DEPTH_MAX));
    refused("payload", PAYLOAD_DEPTH_MAX, notes.patch(3, deeper));
    let bits = BinaryVector::from_bytes([0, 0]);
    refused(
        "bits",
        1,
        upsert(Document::new([0.5], 2).with_vector("bits", bits)),
    );
}

#[test]
fn of_calls() {
    let Fixture { notes, .. } = fixture();
    let many = BATCH_DOCUMENTS_MAX + 1;
    let ids: Vec<DocId> = vec![DocId::U64(1); many];
    refused("batch", BATCH_DOCUMENTS_MAX, notes.get_batch(&ids));
    refused("batch", BATCH_DOCUMENTS_MAX, notes.delete_batch(&ids));
    let documents = vec![Document::new([0.5], 1); many];
    refused("batch", BATCH_DOCUMENTS_MAX, notes.upsert_batch(documents));
    let writes = vec![Write::delete(1); many];
    refused("batch", BATCH_DOCUMENTS_MAX, notes.apply_batch(writes));
    let large = json!({"t": "x".repeat(PAYLOAD_BYTES_MAX / 2)});
    let count = 2 * BATCH_BYTES_MAX / PAYLOAD_BYTES_MAX + 1;
    let large = (0..count).map(|id| Document::new([0.5], id as u64).with_payload(large.clone()));
    refused(
        "batch",
        BATCH_BYTES_MAX,
        notes.upsert_batch(large.collect()),
    );
    assert_eq!(notes.count().unwrap(), 1);

    for k in [0, K_MAX + 1] {
        refused("k", K_MAX, notes.search(&[0.5], k));
    }
    for ef in [0, EF_MAX + 1] {
        let request = SearchRequest {
            ef: Some(ef),
            ..SearchRequest::new(&[0.5], 1)
        };
        refused("ef", EF_MAX, notes.search_with(request));
    }
    let requests = vec![SearchRequest::new(&[0.5], 1); SEARCH_BATCH_MAX + 1];
    refused("requests", SEARCH_BATCH_MAX, notes.search_batch(&requests));
    let requests = vec![QueryRequest::default(); SEARCH_BATCH_MAX + 1];
    refused("requests", SEARCH_BATCH_MAX, notes.query_batch(&requests));
    for limit in [0, SCROLL_LIMIT_MAX + 1] {
        let request = ScrollRequest { after: None, limit };
        refused("limit", SCROLL_LIMIT_MAX, notes.scroll(request));
    }
    for limit in [0, FACET_LIMIT_MAX + 1] {
        let request = FacetRequest {
            path: Path::key("n"),
            filter: None,
            limit,
        };
        refused("limit", FACET_LIMIT_MAX, notes.facet(&request));
    }
}

#[test]
fn of_filters() {
    let Fixture { notes, .. } = fixture();
    let count = |filter: &Filter| notes.count_matching(filter);
    let one = || Filter::eq("n", 1);
    let deep = |levels| (1..levels).fold(one(), |inner, _| Filter::Not(Box::new(inner)));
    refused(
        "filter",
        FILTER_DEPTH_MAX,
        count(&deep(FILTER_DEPTH_MAX + 1)),
    );
    count(&deep(FILTER_DEPTH_MAX)).unwrap();
    let nodes = Filter::And(vec![one(); FILTER_NODES_MAX]);
    refused("filter", FILTER_NODES_MAX, count(&nodes));
    let values = Filter::has_id(0..=u64::try_from(FILTER_VALUES_MAX).unwrap());
    refused("filter", FILTER_VALUES_MAX, count(&values));
    let text = " ".repeat(FILTER_TEXT_BYTES_MAX + 1);
    refused("filter", FILTER_TEXT_BYTES_MAX, Filter::parse(&text));
    refused("filter", FILTER_TEXT_BYTES_MAX, Filter::from_json(&text));
    refused(
        "path",
        PATH_BYTES_MAX,
        Path::parse(&"p".repeat(PATH_BYTES_MAX + 1)),
    );
    Path::parse(&"p".repeat(PATH_BYTES_MAX)).unwrap();
    let steps = |count| vec!["p"; count].join(".");
    refused(
        "path",
        PATH_STEPS_MAX,
        Path::parse(&steps(PATH_STEPS_MAX + 1)),
    );
    Path::parse(&steps(PATH_STEPS_MAX)).unwrap();
    let words = Filter::text("n", "w".repeat(TEXT_QUERY_BYTES_MAX + 1));
    refused("text", TEXT_QUERY_BYTES_MAX, count(&words));
    // Of a longer word only the beginning counts: it is no error.
    let long = "w".repeat(WORD_BYTES_MAX);
    let payload = json!({"t": format!("{long}a")});
    notes
        .upsert(Document::new([0.5], 2).with_payload(payload))
        .unwrap();
    assert_eq!(count(&Filter::text("t", format!("{long}b"))).unwrap(), 1);
}

#[test]
fn of_queries() {
    let Fixture { notes, .. } = fixture();
    let query = |request: Value| {
        let request = QueryRequest::from_json(&request.to_string()).unwrap();
        notes.query(&request)
    };
    assert_eq!(QueryRequest::default().limit, QUERY_LIMIT_DEFAULT);
    refused("limit", K_MAX, query(json!({"limit": K_MAX + 1})));
    refused("offset", K_MAX, query(json!({"limit": 1, "offset": K_MAX})));
    let prefetch = |levels| (1..levels).fold(json!({}), |inner, _| json!({"prefetch": [inner]}));
    refused(
        "prefetch",
        QUERY_DEPTH_MAX,
        query(prefetch(QUERY_DEPTH_MAX + 1)),
    );
    query(prefetch(QUERY_DEPTH_MAX)).unwrap();
    let stages = |count| json!({"prefetch": vec![json!({}); count]});
    refused(
        "prefetch",
        QUERY_STAGES_MAX,
        query(stages(QUERY_STAGES_MAX)),
    );
    query(stages(QUERY_STAGES_MAX - 1)).unwrap();
    let examples = vec![json!([0.5]); QUERY_EXAMPLES_MAX + 1];
    let recommend = json!({"query": {"recommend": {"positive": examples}}});
    refused("examples", QUERY_EXAMPLES_MAX, query(recommend));
    let mmr = json!({"nearest": [0.5], "diversity": 0.5, "candidates": MMR_CANDIDATES_MAX + 1});
    refused(
        "candidates",
        MMR_CANDIDATES_MAX,
        query(json!({"query": {"mmr": mmr}})),
    );
    let formula =
        |expression: Value| query(json!({"query": {"formula": {"expression": expression}}}));
    let deep = (0..FORMULA_DEPTH_MAX).fold(json!(1), |inner, _| json!({"neg": inner}));
    refused("formula", FORMULA_DEPTH_MAX, formula(deep));
    let wide = json!({"sum": vec![1; FORMULA_NODES_MAX]});
    refused("formula", FORMULA_NODES_MAX, formula(wide));
    let words = "w".repeat(TEXT_QUERY_BYTES_MAX + 1);
    let text = json!({"query": {"text": {"path": "n", "words": words}}});
    refused("words", TEXT_QUERY_BYTES_MAX, query(text));

    let mut groups = GroupRequest::new(QueryRequest::default(), "n");
    groups.group_size = GROUPS_MAX + 1;
    refused("group_size", GROUPS_MAX, notes.query_groups(&groups));
    let mut matrix = MatrixRequest::default();
    matrix.sample = MATRIX_SAMPLE_MAX + 1;
    refused("sample", MATRIX_SAMPLE_MAX, notes.matrix(&matrix));
    let mut matrix = MatrixRequest::default();
    matrix.limit = MATRIX_SAMPLE_MAX + 1;
    refused("limit", MATRIX_SAMPLE_MAX, notes.matrix(&matrix));
}
