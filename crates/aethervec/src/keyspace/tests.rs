//! What is encoded is decoded to the same, and what is damaged to an error.

use super::*;
use serde_json::json;

const COLLECTION: CollectionId = CollectionId(0x0102_0304);

#[test]
fn document_keys_sort_as_ids_do() {
    let ids = [
        DocId::U64(0),
        DocId::U64(255),
        DocId::U64(256),
        DocId::Uuid(Uuid::from_u128(1)),
        DocId::Uuid(Uuid::from_u128(u128::MAX)),
        DocId::from("a"),
        DocId::from("ab"),
        DocId::from("b"),
    ];
    let keys: Vec<Vec<u8>> = ids
        .iter()
        .map(|id| encoded(|out| doc_key(COLLECTION, id, out)))
        .collect();
    assert!(ids.is_sorted() && keys.is_sorted());
    for (id, key) in ids.iter().zip(&keys) {
        assert_eq!(&decode_doc_key(key).unwrap(), id);
        assert_eq!(collection_of("docs", key).unwrap(), COLLECTION);
    }
}

#[test]
fn catalog_keys_round_trip() {
    let keys = [
        CatalogKey::Meta,
        CatalogKey::Collection("ü".to_owned()),
        CatalogKey::Dropped(COLLECTION),
    ];
    for key in keys {
        assert_eq!(CatalogKey::decode(&key.encode()).unwrap(), key);
    }
    for bad in [&[][..], &[0, 0], &[1, 0xff], &[2, 0, 0], &[9]] {
        assert!(CatalogKey::decode(bad).is_err());
    }
}

#[test]
fn rows_round_trip() {
    let key = point_key(COLLECTION, PointId(7));
    assert_eq!(decode_number("points", &key).unwrap(), 7);
    for vector in [
        Vector::F32(vec![1.5, -2.0, 0.0]),
        Vector::F16(vec![f16::from_f32(0.5), f16::MAX, f16::ZERO]),
        Vector::U8(vec![1, 2, 255]),
    ] {
        let row = encoded(|out| point_value(&DocId::from("x"), vector.as_ref(), out));
        let parsed = PointRow::parse(&key, &row, 3, vector.element()).unwrap();
        assert_eq!(parsed.id(&key).unwrap(), DocId::from("x"));
        let mut decoded = vector_buffer(vector.element());
        parsed.vector(&mut decoded);
        assert_eq!(decoded, vector);
        for end in 0..row.len() {
            assert!(PointRow::parse(&key, &row[..end], 3, vector.element()).is_err());
        }
    }
    let payload = json!({"a": 1});
    let value = encoded(|out| doc_value(PointId(9), payload.to_string().as_bytes(), out));
    assert_eq!(decode_doc_point(&key, &value).unwrap(), PointId(9));
    assert_eq!(decode_payload(&key, &value).unwrap(), Some(payload));
    assert!(decode_doc_point(&key, &value[..7]).is_err());
    assert!(decode_payload(&key, &value[..10]).is_err());
    assert_eq!(decode_payload(&key, &value[..8]).unwrap(), None);
}

#[test]
fn pending_entries_round_trip_and_bad_ones_are_errors() {
    let died = [0, 3, 4, u64::MAX].map(PointId).to_vec();
    for entry in [
        PendingEntry {
            number: 5,
            added: 1000,
            died,
        },
        PendingEntry {
            number: 0,
            added: 0,
            died: vec![PointId(1)],
        },
        PendingEntry {
            number: 9,
            added: 1,
            died: vec![],
        },
    ] {
        let key = pending_key(COLLECTION, entry.number);
        let value = encoded(|out| entry.encode(out));
        assert_eq!(PendingEntry::decode(&key, &value).unwrap(), entry);
        for end in 0..value.len() {
            assert!(PendingEntry::decode(&key, &value[..end]).is_err());
        }
        assert!(PendingEntry::decode(&key, &[&value[..], &[0]].concat()).is_err());
    }
    let key = pending_key(COLLECTION, 1);
    for bad in [&[0xff; 11][..], &[1, 0xff, 0xff, 0xff, 0xff, 0x0f, 1]] {
        let error = PendingEntry::decode(&key, bad).unwrap_err().to_string();
        assert!(
            error.starts_with("keyspace pending, key 010203040000000000000001: "),
            "{error}"
        );
    }
}

fn encoded(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = vec![1, 2, 3];
    write(&mut out);
    out
}
