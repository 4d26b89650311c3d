//! Each decoder of a key or a value is shown the bytes; what comes of them must become the same again.

use crate::catalog::CollectionRecord;
use crate::id::DocId;
use crate::index::record::{AnnRecord, CollectionState};
use crate::keyspace::{
    self, CatalogKey, CollectionId, DocRow, FieldNumber, PendingEntry, PointRow, doc_value,
    point_value,
};
use crate::payload::rows::{Row, RowKey};
use crate::schema::{BinaryField, DenseField, IndexConfig, MultiField, SparseField, VectorField};
use crate::vector::{Vector, VectorValue};
use aether_distance::{ElementType, Metric};

const ENCODED: &str = "it was just encoded";

/// The first byte is the length of a key.
pub(super) fn examine(bytes: &[u8]) {
    let Some((&key_bytes, rest)) = bytes.split_first() else {
        return;
    };
    let (key, value) = rest.split_at(rest.len().min(key_bytes.into()));
    catalog(key, value);
    documents(key, value);
    points(key, value);
    filter(key, value);
    if let Ok((expires, point)) = keyspace::decode_expiry_key(key) {
        let collection = keyspace::collection_of("expiry", key).expect("it is long enough");
        assert_eq!(keyspace::expiry_key(collection, expires, point), key);
    }
    floats(key, value);
    if let Ok(entry) = PendingEntry::decode(key, value) {
        let mut again = Vec::new();
        entry.encode(&mut again);
        assert_eq!(PendingEntry::decode(key, &again).expect(ENCODED), entry);
    }
    let _ = keyspace::decode_index_key(key);
    if let Ok(state) = CollectionState::decode(key, value) {
        assert_eq!(state.encode(), value);
    }
    if let Ok(record) = AnnRecord::decode(key, value) {
        assert_eq!(record.encode(), value);
    }
}

fn catalog(key: &[u8], value: &[u8]) {
    if let Ok(decoded) = CatalogKey::decode(key) {
        assert_eq!(decoded.encode(), key);
    }
    if let Ok(record) = CollectionRecord::decode("name", value) {
        let again = CollectionRecord::decode("name", &record.encode());
        assert_eq!(again.expect(ENCODED), record);
    }
}

fn documents(key: &[u8], value: &[u8]) {
    let _ = keyspace::decode_doc_key(key);
    if let Ok(row) = DocRow::parse(key, value) {
        let _ = row.payload(key);
        let mut again = Vec::new();
        doc_value(row.point, row.expires, row.payload, &mut again);
        assert_eq!(again, value);
    }
}

fn points(key: &[u8], value: &[u8]) {
    let Ok(row) = PointRow::parse(key, value) else {
        return;
    };
    let kinds = kinds();
    let mut vectors = Vec::new();
    let fields = row.fields(key).map_while(Result::ok).enumerate();
    for (position, (number, _)) in fields {
        let kind = &kinds[position % kinds.len()];
        if let Ok(Some(vector)) = row.vector(key, number, kind) {
            vectors.push((number, vector));
        }
    }
    if let Ok(id) = row.id(key) {
        let mut again = Vec::new();
        point_value(&id, &vectors, &mut again);
        let row = PointRow::parse(key, &again).expect(ENCODED);
        assert_eq!(row.id(key).expect(ENCODED), id);
        assert_eq!(row.fields(key).count(), vectors.len());
        let doc_key = row.doc_key(CollectionId(7));
        assert_eq!(keyspace::decode_doc_key(&doc_key).expect(ENCODED), id);
    }
}

/// As a vector that is written, and has to come back to the bit.
fn floats(key: &[u8], value: &[u8]) {
    let floats = value.as_chunks().0.iter();
    let floats: Vec<f32> = floats.map(|&four| f32::from_le_bytes(four)).collect();
    let field = DenseField::new(floats.len(), Metric::L2Squared, IndexConfig::Flat);
    let mut row = Vec::new();
    let vectors = [(FieldNumber(0), floats.into())];
    point_value(&DocId::U64(7), &vectors, &mut row);
    let row = PointRow::parse(key, &row).expect(ENCODED);
    let again = row.vector(key, FieldNumber(0), &field.into());
    let bits = |vector: &VectorValue| match vector {
        VectorValue::Dense(Vector::F32(floats)) => floats.iter().map(|c| c.to_bits()).collect(),
        _ => Vec::new(),
    };
    assert_eq!(
        again.expect(ENCODED).as_ref().map(bits),
        Some(bits(&vectors[0].1))
    );
}

/// Fields of each kind.
fn kinds() -> [VectorField; 6] {
    let dense = |element| DenseField {
        element,
        ..DenseField::new(3, Metric::Cosine, IndexConfig::Flat)
    };
    [
        dense(ElementType::F32).into(),
        dense(ElementType::F16).into(),
        dense(ElementType::U8).into(),
        BinaryField { bits: 12 }.into(),
        SparseField::default().into(),
        MultiField::new(2, Metric::L2Squared).into(),
    ]
}

fn filter(key: &[u8], value: &[u8]) {
    if let Ok(row) = RowKey::decode(key) {
        let collection = keyspace::collection_of("filter", key).expect("it is long enough");
        assert_eq!(row.encode(collection), key);
    }
    if let Ok(row) = Row::decode(key, value) {
        let mut again = Vec::new();
        row.encode(&mut again);
        assert_eq!(Row::decode(key, &again).expect(ENCODED), row);
    }
}
