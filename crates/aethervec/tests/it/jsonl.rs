//! A collection goes out as JSON lines and comes back as it was.

use aethervec::{
    AetherDB, BinaryField, BinaryVector, CollectionSchema, DenseField, DocId, Document,
    ElementType, ErrorKind, Filter, IndexConfig, Metric, MultiField, MultiVector, PayloadIndexKind,
    ScrollRequest, SparseField, SparseVector, Timestamp, Uuid, Vector, f16,
};
use serde_json::json;
use std::time::Duration;

const KEY: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

pub(crate) fn database() -> (tempfile::TempDir, AetherDB) {
    let directory = tempfile::tempdir().unwrap();
    let db = AetherDB::open(directory.path()).unwrap();
    (directory, db)
}

fn dense(dim: usize, element: ElementType) -> DenseField {
    DenseField {
        element,
        ..DenseField::new(dim, Metric::L2Squared, IndexConfig::Flat)
    }
}

/// A collection with a field of each kind, and documents that have vectors in some of them.
#[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
pub(crate) fn every_kind(db: &AetherDB) -> aethervec::Collection {
    let schema = CollectionSchema {
        ttl: Some(Duration::from_secs(1_000_000)),
        ..CollectionSchema::of(dense(5, ElementType::F32))
    }
    .with_field("half", dense(5, ElementType::F16))
    .with_field("bytes", dense(5, ElementType::U8))
    .with_field("print", BinaryField { bits: 12 })
    .with_field("words", SparseField::default())
    .with_field(
        "tokens",
        MultiField {
            element: ElementType::F16,
            ..MultiField::new(2, Metric::Cosine)
        },
    );
    let collection = db.create_collection_with("c", schema).unwrap();
    collection
        .create_payload_index("lang", PayloadIndexKind::Keyword)
        .unwrap();
    collection
        .create_payload_index("a.\"b c\"[]", PayloadIndexKind::Float)
        .unwrap();
    let mut rng = fastrand::Rng::with_seed(7);
    let mut any = move || loop {
        // All magnitudes, down to the subnormal ones.
        let number = f32::from_bits(rng.u32(..));
        if number.abs() <= aethervec::limits::COMPONENT_ABS_MAX {
            return number;
        }
    };
    let end: Timestamp = "2100-01-01T00:00:00.123Z".parse().unwrap();
    let mut documents = Vec::new();
    for id in 0..2_500_u64 {
        let floats: Vec<f32> = (0..5).map(|_| any()).collect();
        let halves: Vec<f16> = (0..5)
            .map(|i| f16::from_bits((id * 5 + i) as u16))
            .collect();
        let bytes: Vec<u8> = (0..5).map(|i| (id * 7 + i) as u8).collect();
        let mut document = Document::new(Vector::F32(floats), id);
        if id % 2 == 0 {
            document = document
                .with_vector("half", halves)
                .with_vector("bytes", bytes)
                .with_payload(json!({"lang": "en", "x": 0.1 + id as f64, "s": "\u{2028}\n\"é"}));
        }
        if id % 3 == 0 {
            let words = SparseVector::new([(u32::MAX, any()), (id as u32, any())]);
            let tokens = MultiVector::new([[0.5, -0.0], [any().clamp(-9.0, 9.0), 1.0]]).unwrap();
            document = document
                .with_vector("words", words)
                .with_vector("print", BinaryVector::from_bytes([id as u8, 0xa0]))
                .with_vector("tokens", tokens)
                .expiring_at(end);
        }
        documents.push(document);
    }
    for id in [
        DocId::from(KEY),
        DocId::from(Uuid::parse_str(KEY).unwrap()),
        DocId::from("7"),
        DocId::from("\u{0}é"),
        DocId::from(u64::MAX),
    ] {
        documents.push(Document::new(aethervec::Vectors::new(), id));
    }
    collection.upsert_batch(documents).unwrap();
    collection
}

pub(crate) fn all(collection: &aethervec::Collection) -> Vec<Document> {
    let request = ScrollRequest {
        after: None,
        limit: 10_000,
    };
    collection.scroll(request).unwrap().documents
}

fn export(collection: &aethervec::Collection) -> Vec<u8> {
    let mut file = Vec::new();
    let mut told = Vec::new();
    let view = collection.view().unwrap();
    let documents = view.export_jsonl(&mut file, |n| told.push(n)).unwrap();
    assert_eq!(told.last(), Some(&documents));
    file
}

#[test]
fn everything_comes_back_as_it_was() {
    let (_directory, db) = database();
    let original = every_kind(&db);
    let file = export(&original);
    let mut told = Vec::new();
    let written = db
        .import_jsonl("copy", &file[..], |n| told.push(n))
        .unwrap();
    assert_eq!((written.inserted, written.replaced), (2_505, 0));
    assert_eq!(told, [1_000, 2_000, 2_505]);
    let copy = db.collection("copy").unwrap();
    assert_eq!(copy.schema(), original.schema());
    let (expected, found) = (all(&original), all(&copy));
    for (expected, found) in expected.iter().zip(&found) {
        // Bit by bit: `==` takes 0 and -0 for the same.
        assert_eq!(format!("{expected:?}"), format!("{found:?}"));
    }
    assert_eq!(expected, found);
    let declared = |collection: &aethervec::Collection| -> Vec<_> {
        let indexes = collection.payload_indexes().into_iter();
        indexes.map(|index| (index.path, index.kind)).collect()
    };
    assert_eq!(declared(&copy), declared(&original));
    assert_eq!(
        copy.count_matching(&Filter::eq("lang", "en")).unwrap(),
        1_250
    );
    assert_eq!(file, {
        let again = String::from_utf8(export(&copy)).unwrap();
        again.replacen("\"copy\"", "\"c\"", 1).into_bytes()
    });
    // Once more into the same: everything is replaced.
    let written = db.import_jsonl("copy", &file[..], |_| {}).unwrap();
    assert_eq!((written.inserted, written.replaced), (0, 2_505));
    assert_eq!(all(&copy), expected);
}

#[test]
fn an_export_is_of_one_moment() {
    let (_directory, db) = database();
    let collection = db
        .create_collection("c", 1, "l2", IndexConfig::Flat)
        .unwrap();
    let empty = export(&collection);
    collection.upsert(Document::new([1.0], "a")).unwrap();
    let before = collection.at(&db.snapshot()).unwrap();
    collection.delete("a").unwrap();
    collection.upsert(Document::new([2.0], "b")).unwrap();
    let mut file = Vec::new();
    assert_eq!(before.export_jsonl(&mut file, |_| {}).unwrap(), 1);
    db.import_jsonl("then", &file[..], |_| {}).unwrap();
    let then = db.collection("then").unwrap();
    assert!(then.get("a").unwrap().is_some() && then.get("b").unwrap().is_none());
    db.import_jsonl("empty", &empty[..], |_| {}).unwrap();
    assert_eq!(db.collection("empty").unwrap().count().unwrap(), 0);
}

#[test]
fn errors_name_the_line() {
    let (_directory, db) = database();
    let head = r#"{"aethervec":1,"collection":"c","documents":2,"fields":{"":{"kind":"dense","dim":1,"metric":"l2","element":"f32","index":{"kind":"flat"}},"w":{"kind":"sparse"}}}"#;
    let mut number = 0;
    let mut error = |text: String| {
        number += 1;
        let error = db
            .import_jsonl(&format!("c{number}"), text.as_bytes(), |_| {})
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        error.to_string()
    };
    assert_eq!(
        error(String::new()),
        "the input is empty: nothing to import"
    );
    assert!(error("{\"id\": 1}\n".into()).starts_with("line 1: it does not say what"));
    assert!(error("{\"aethervec\": 2, \"colour\": 1}".into()).contains("a newer version"));
    assert!(error(head.replace("flat", "tree")).starts_with("line 1: index \"tree\""));
    assert!(
        error(head.replace("\"dim\":1", "\"dim\":0")).contains("line 1: dim: 0 is out of range")
    );
    let cases = [
        (
            r#"{"id": 1, "vector": [1, "a"]}"#,
            "line 3: column 27: invalid type",
        ),
        (
            r#"{"vector": [1]}"#,
            "line 3: column 15: missing field `id`",
        ),
        (
            r#"{"id": 1, "title": "x"}"#,
            "unknown field `title`, expected one of",
        ),
        (
            r#"{"id": 1, "vector": [1, 2]}"#,
            "line 3: vector: it has 2 components",
        ),
        (
            r#"{"id": 1, "vectors": {"x": [1]}}"#,
            "no vector field \"x\"",
        ),
        (
            r#"{"id": 1, "vectors": {"w": {"indices": [1], "values": []}}}"#,
            "1 indices for 0 values",
        ),
        (r#"{"id": 1, "payload": 3}"#, "line 3"),
        (r#"{"id": 1, "expires_at": "soon"}"#, "line 3"),
        ("{\"id\": 1} x", "trailing characters"),
        ("\u{7f}", "line 3"),
        (
            r#"{"id": 1}"#,
            "line 4: the input ends after 1 documents: its beginning promises 2",
        ),
    ];
    for (line, expected) in cases {
        let found = error(format!("{head}\n\n{line}\n"));
        assert!(found.contains(expected), "{line}: {found}");
    }
    db.create_collection("taken", 3, "l2", IndexConfig::Flat)
        .unwrap();
    let taken = db
        .import_jsonl("taken", head.as_bytes(), |_| {})
        .unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::Exists);
}
