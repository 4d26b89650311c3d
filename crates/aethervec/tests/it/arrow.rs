//! A collection goes out as Arrow and Parquet and comes back as it was; what other programs have written comes in.

use crate::jsonl::{all, database, every_kind};
use aethervec::arrow::{
    ArrowBatches, ArrowColumns, ColumnKind, ExportOptions, ParquetBatches, RecordBatchReader,
};
use aethervec::{
    AetherDB, BinaryField, BinaryVector, Collection, CollectionSchema, CollectionView, DocId,
    Document, ErrorKind, IndexConfig, Metric, VectorValue,
};
use bytes::Bytes;
use serde_json::json;

const ZSTD_V1: &[u8] = include_bytes!("../data/zstd-v1.parquet");
const ZSTD_V2: &[u8] = include_bytes!("../data/zstd-v2.parquet");
const LZ4: &[u8] = include_bytes!("../data/lz4.arrow");

fn parquet(view: &CollectionView, options: &ExportOptions) -> Bytes {
    let mut file = Vec::new();
    let mut told = Vec::new();
    let documents = view.export_parquet(&mut file, options, |n| told.push(n));
    assert_eq!(told.last(), Some(&documents.unwrap()));
    Bytes::from(file)
}

fn arrow(view: &CollectionView, options: &ExportOptions) -> Vec<u8> {
    let mut file = Vec::new();
    view.export_arrow(&mut file, options, |_| {}).unwrap();
    file
}

fn assert_same(original: &Collection, copy: &Collection) {
    assert_eq!(copy.schema(), original.schema());
    let (expected, found) = (all(original), all(copy));
    for (expected, found) in expected.iter().zip(&found) {
        // Bit by bit: `==` takes 0 and -0 for the same.
        assert_eq!(format!("{expected:?}"), format!("{found:?}"));
    }
    assert_eq!(expected.len(), found.len());
    let declared = |collection: &Collection| -> Vec<_> {
        let indexes = collection.payload_indexes().into_iter();
        indexes.map(|index| (index.path, index.kind)).collect()
    };
    assert_eq!(declared(copy), declared(original));
}

#[test]
fn everything_comes_back_as_it_was() {
    let (_directory, db) = database();
    let original = every_kind(&db);
    let view = original.view().unwrap();
    let mut options = ExportOptions::default().with_column("lang", ColumnKind::Text);
    for batch_documents in [7, 1_000, 100_000] {
        options.batch_documents = batch_documents;
        let name = format!("parquet{batch_documents}");
        let file = parquet(&view, &options);
        let written = db.import_parquet(&name, file.clone(), |_| {}).unwrap();
        assert_eq!((written.inserted, written.replaced), (2_505, 0));
        assert_same(&original, &db.collection(&name).unwrap());
        let written = db.import_parquet(&name, file, |_| {}).unwrap();
        assert_eq!((written.inserted, written.replaced), (0, 2_505));

        let name = format!("arrow{batch_documents}");
        let file = arrow(&view, &options);
        db.import_arrow(&name, &file[..], |_| {}).unwrap();
        assert_same(&original, &db.collection(&name).unwrap());

        let name = format!("batches{batch_documents}");
        let batches = view.record_batches(&options).unwrap();
        db.import_record_batches(&name, batches, |_| {}).unwrap();
        assert_same(&original, &db.collection(&name).unwrap());
    }
}

#[test]
fn an_export_is_of_one_moment() {
    let (_directory, db) = database();
    let notes = db
        .create_collection("c", 1, "l2", IndexConfig::Flat)
        .unwrap();
    let note = |id: u64| Document::new([0.5], id);
    notes.upsert_batch((0..100).map(note).collect()).unwrap();
    let mut options = ExportOptions::default();
    options.batch_documents = 10;
    let mut batches = notes.view().unwrap().record_batches(&options).unwrap();
    let mut rows = batches.next().unwrap().unwrap().num_rows();
    notes.delete(50).unwrap();
    notes.upsert(note(1_000)).unwrap();
    rows += batches
        .map(|batch| batch.unwrap().num_rows())
        .sum::<usize>();
    assert_eq!(rows, 100);
}

#[test]
fn an_empty_collection_and_a_missing_end() {
    let (_directory, db) = database();
    let schema = CollectionSchema::default().with_field("bits", BinaryField { bits: 9 });
    let empty = db.create_collection_with("empty", schema).unwrap();
    let options = ExportOptions::default();
    let file = parquet(&empty.view().unwrap(), &options);
    db.import_parquet("parquet", file, |_| {}).unwrap();
    assert_same(&empty, &db.collection("parquet").unwrap());
    let file = arrow(&empty.view().unwrap(), &options);
    db.import_arrow("arrow", &file[..], |_| {}).unwrap();
    assert_same(&empty, &db.collection("arrow").unwrap());

    let full = every_kind(&db);
    let mut batches = full.view().unwrap().record_batches(&options).unwrap();
    let schema = batches.schema();
    let first = batches.next().unwrap();
    let short = arrow_array::RecordBatchIterator::new([first], schema);
    let error = db
        .import_record_batches("short", short, |_| {})
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the input ends after 1000 documents: its beginning promises 2505"
    );
}

#[test]
fn values_of_payloads_have_columns_of_their_own() {
    let (_directory, db) = database();
    let notes = db
        .create_collection("c", 1, "l2", IndexConfig::Flat)
        .unwrap();
    let note = |id: u64, payload| Document::new([0.5], id).with_payload(payload);
    let plain =
        json!({"lang": "en", "a": {"n": 7}, "x": 0.5, "ok": true, "at": "2026-11-21T02:40:00Z"});
    notes
        .upsert_batch(vec![
            note(1, plain.clone()),
            note(2, json!({"lang": ["en"], "a": {"n": 1.5}, "rest": 1})),
            note(3, json!({"lang": ["en", "de"], "ok": null})),
        ])
        .unwrap();
    let mut options = ExportOptions::default()
        .with_column("lang", ColumnKind::Text)
        .with_column("a.n", ColumnKind::Integer)
        .with_column("x", ColumnKind::Float)
        .with_column("ok", ColumnKind::Bool)
        .with_column("at", ColumnKind::Datetime);
    let view = notes.view().unwrap();
    let file = parquet(&view, &options);
    db.import_parquet("exact", file, |_| {}).unwrap();
    assert_same(&notes, &db.collection("exact").unwrap());

    options.payload = false;
    db.import_parquet("typed", parquet(&view, &options), |_| {})
        .unwrap();
    let typed = db.collection("typed").unwrap();
    let payload = |id: u64| typed.get(id).unwrap().unwrap().payload;
    assert_eq!(payload(1), Some(plain));
    assert_eq!(payload(2), Some(json!({"lang": "en"})));
    assert_eq!(payload(3), None);

    let twice = options.clone().with_column("x", ColumnKind::Text);
    let error = view.record_batches(&twice).unwrap_err().to_string();
    assert!(
        error.starts_with("columns: there would be two called \"x\""),
        "{error}"
    );
    options.batch_documents = 0;
    let error = view.record_batches(&options).unwrap_err().to_string();
    assert!(
        error.starts_with("batch_documents: 0 is out of range"),
        "{error}"
    );
    let error = "varchar".parse::<ColumnKind>().unwrap_err().to_string();
    assert!(
        error.contains("text, integer, float, bool, datetime"),
        "{error}"
    );
}

/// What `tests/data/parquet.py` has written: 700 rows.
fn assert_foreign(db: &AetherDB, name: &str, batches: impl RecordBatchReader) {
    let schema = CollectionSchema::new(2, Metric::L2Squared, IndexConfig::Flat)
        .with_field("bits", BinaryField { bits: 16 });
    let collection = db.create_collection_with(name, schema).unwrap();
    let columns = ArrowColumns::default()
        .with_id("key")
        .with_vector("", "embedding");
    assert_eq!(columns.left_out(&batches.schema()), ["blob"]);
    assert_eq!(
        ArrowColumns::dense_columns(&batches.schema()),
        ["embedding"]
    );
    for batch in batches {
        collection
            .upsert_record_batch(&batch.unwrap(), &columns)
            .unwrap();
    }
    assert_eq!(collection.count().unwrap(), 700);
    let first = collection.get("k0").unwrap().unwrap();
    let payload = json!({"color": "red", "day": "2026-01-01", "tags": ["a", "t0"], "size": {"w": 0, "h": 1.5}});
    assert_eq!(first.payload, Some(payload));
    assert_eq!(first.vectors.get("bits"), None);
    let last = collection.get("k699").unwrap().unwrap();
    assert_eq!(last.vector().unwrap().to_f32(), [699.0, 0.5]);
    let bits = BinaryVector::from_bytes([187, 0]);
    assert_eq!(last.vectors.get("bits"), Some(&VectorValue::Binary(bits)));
    let payload = json!({"color": "red", "tags": ["a", "t4"], "size": {"w": 699, "h": 1.5}});
    assert_eq!(last.payload, Some(payload));
}

#[test]
fn files_of_other_programs_come_in() {
    let (_directory, db) = database();
    for (name, file) in [("v1", ZSTD_V1), ("v2", ZSTD_V2)] {
        let batches = ParquetBatches::open(Bytes::from_static(file)).unwrap();
        assert_eq!(batches.rows(), 700);
        assert_foreign(&db, name, batches);
    }
    assert_foreign(&db, "lz4", ArrowBatches::open(LZ4).unwrap());
    for error in [
        db.import_parquet("x", Bytes::from_static(ZSTD_V1), |_| {}),
        db.import_arrow("x", LZ4, |_| {}),
    ] {
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let text = error.to_string();
        assert!(
            text.contains("does not say what the collection is"),
            "{text}"
        );
    }
}

#[test]
fn columns_that_are_not_what_they_should_be() {
    let (_directory, db) = database();
    let collection = db
        .create_collection("c", 2, "l2", IndexConfig::Flat)
        .unwrap();
    let batch = ArrowBatches::open(LZ4).unwrap().next().unwrap().unwrap();
    let error = |columns: &ArrowColumns| {
        let error = collection.upsert_record_batch(&batch, columns).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        error.to_string()
    };
    let numbered = ArrowColumns::default().numbered();
    for (columns, expected) in [
        (
            ArrowColumns::default(),
            "columns: there is no column of ids called \"id\": there are \"key\", ",
        ),
        (
            numbered.clone().with_vector("", "vektor"),
            "columns: there is no column \"vektor\": there are ",
        ),
        (
            numbered.clone().with_vector("", "key"),
            "row 0: column \"key\": Utf8 is no vector",
        ),
        (
            numbered.clone().with_vector("", "size"),
            "row 0: column \"size\": a sparse vector is a struct",
        ),
        (
            numbered.clone().with_vector("", "tags"),
            "row 0: column \"tags\": List",
        ),
        (
            numbered.clone().with_payload("key"),
            "row 0: column \"key\": it is not JSON",
        ),
        (
            numbered.clone().with_payload("tags"),
            "row 0: column \"tags\": a payload must be a JSON object",
        ),
        (
            ArrowColumns::default().with_id("size"),
            "row 0: column \"size\": {",
        ),
        (
            numbered.with_vector("x", "embedding"),
            "document 0 (id \"0\"): vector field \"x\" does not exist",
        ),
    ] {
        let found = error(&columns);
        assert!(found.starts_with(expected), "{found}");
    }
    assert_eq!(collection.count().unwrap(), 0);
    let numbered = ArrowColumns::default()
        .numbered()
        .with_vector("", "embedding")
        .with_vector("bits", "vector_bits");
    let documents = numbered.documents(&batch, 5).unwrap();
    assert_eq!(documents[0].id, DocId::U64(5));
}

#[test]
fn garbage_never_panics() {
    let (_directory, db) = database();
    let notes = db
        .create_collection("c", 2, "l2", IndexConfig::Flat)
        .unwrap();
    for id in ["a", "b"] {
        notes
            .upsert(Document::new([0.5, 1.0], id).with_payload(json!({"n": 1})))
            .unwrap();
    }
    let view = notes.view().unwrap();
    let options = ExportOptions::default().with_column("n", ColumnKind::Integer);
    let read_parquet = |bytes: &[u8]| match ParquetBatches::open(Bytes::copy_from_slice(bytes)) {
        Ok(batches) => batches.fold(0, |rows, batch| rows + batch.map_or(0, |b| b.num_rows())),
        Err(_) => 0,
    };
    let read_arrow = |bytes: &[u8]| match ArrowBatches::open(bytes) {
        Ok(batches) => batches
            .take(10)
            .fold(0, |rows, batch| rows + batch.map_or(0, |b| b.num_rows())),
        Err(_) => 0,
    };
    let zstd = ZSTD_V2.to_vec();
    let snappy = parquet(&view, &options).to_vec();
    let ipc = arrow(&view, &options);
    assert_eq!(
        (read_parquet(&zstd), read_parquet(&snappy), read_arrow(&ipc)),
        (700, 2, 2)
    );
    let rng = &mut fastrand::Rng::with_seed(9);
    for _ in 0..1_500 {
        for (good, read) in [
            (&zstd, &read_parquet as &dyn Fn(&[u8]) -> usize),
            (&snappy, &read_parquet),
            (&ipc, &read_arrow),
        ] {
            let mut bad = good.clone();
            match rng.u8(..3) {
                0 => bad.truncate(rng.usize(..good.len())),
                _ => {
                    for _ in 0..rng.usize(1..4) {
                        let at = rng.usize(..bad.len());
                        bad[at] = rng.u8(..);
                    }
                }
            }
            // Right or wrong, but an answer.
            read(&bad);
        }
    }
}
