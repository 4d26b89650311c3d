//! What is encoded is decoded to the same, and what is damaged to an error.

use super::*;
use crate::error::ErrorKind;
use crate::schema::{BinaryField, DenseField, IndexConfig, MultiField, SparseField, VectorField};
use crate::vector::{BinaryVector, MultiVector, SparseVector, Vector, VectorValue};
use aether_distance::Metric;
use half::f16;
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
        CatalogKey::Alias("ä".to_owned()),
    ];
    for key in keys {
        assert_eq!(CatalogKey::decode(&key.encode()).unwrap(), key);
    }
    for bad in [&[][..], &[0, 0], &[1, 0xff], &[2, 0, 0], &[4, 0xff], &[9]] {
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
        let field = FieldNumber(7);
        let vectors = [(field, VectorValue::Dense(vector.clone()))];
        let row = encoded(|out| point_value(&DocId::from("x"), &vectors, out));
        let parsed = PointRow::parse(&key, &row).unwrap();
        assert_eq!(parsed.id(&key).unwrap(), DocId::from("x"));
        let spec = |dim| {
            VectorField::Dense(DenseField {
                element: vector.element(),
                ..DenseField::new(dim, Metric::Cosine, IndexConfig::Flat)
            })
        };
        // Into the memory of a vector that may be of another type.
        let mut decoded = VectorValue::from(vec![9.0; 9]);
        let mut read = |field, dim| parsed.read(&key, field, &spec(dim), &mut decoded);
        assert!(read(field, 3).unwrap() && read(field, 3).unwrap());
        assert!(read(field, 4).is_err());
        assert!(!read(FieldNumber(6), 3).unwrap());
        assert_eq!(decoded, VectorValue::Dense(vector));
    }
    let payload = json!({"a": 1});
    let value = encoded(|out| doc_value(PointId(9), 77, payload.to_string().as_bytes(), out));
    let row = DocRow::parse(&key, &value).unwrap();
    assert_eq!((row.point, row.expires), (PointId(9), 77));
    assert_eq!(row.payload(&key).unwrap(), Some(payload));
    assert!(DocRow::parse(&key, &value[..15]).is_err());
    let payload = |end: usize| DocRow::parse(&key, &value[..end]).unwrap().payload(&key);
    assert!(payload(18).is_err());
    assert_eq!(payload(16).unwrap(), None);
}

#[test]
fn rows_hold_vectors_of_all_kinds() {
    let key = point_key(COLLECTION, PointId(7));
    let fields: [(VectorField, VectorValue); 4] = [
        (
            DenseField::new(2, Metric::Cosine, IndexConfig::Flat).into(),
            vec![1.0, 2.0].into(),
        ),
        (
            BinaryField { bits: 9 }.into(),
            BinaryVector::from_bits([true; 9]).into(),
        ),
        (
            SparseField::default().into(),
            SparseVector::new([(5, 1.5), (u32::MAX, -2.0)]).into(),
        ),
        (
            MultiField::new(3, Metric::Cosine).into(),
            MultiVector::new([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
                .unwrap()
                .into(),
        ),
    ];
    let vectors: Vec<(FieldNumber, VectorValue)> = (1..)
        .map(|number| FieldNumber(number * 100))
        .zip(fields.iter().map(|(_, vector)| vector.clone()))
        .collect();
    let row = encoded(|out| point_value(&DocId::from(3), &vectors, out));
    let parsed = PointRow::parse(&key, &row).unwrap();
    for ((number, vector), (spec, _)) in vectors.iter().zip(&fields) {
        let read = parsed.vector(&key, *number, spec).unwrap();
        assert_eq!(read.as_ref(), Some(vector));
        // The bytes of one kind are no vector of another one.
        let other = DenseField::new(9, Metric::Cosine, IndexConfig::Flat).into();
        let error = parsed.vector(&key, *number, &other).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corruption);
    }
    let absent = parsed.vector(&key, FieldNumber(1), &fields[0].0).unwrap();
    assert_eq!(absent, None);
    let ends: Vec<usize> = (0..row.len())
        .filter(|&end| {
            PointRow::parse(&key, &row[..end]).is_ok_and(|row| row.fields(&key).all(|f| f.is_ok()))
        })
        .collect();
    assert_eq!(ends.len(), 4, "only whole vectors are read: {ends:?}");
}

#[test]
fn floats_take_as_few_bytes_as_they_need() {
    let key = point_key(COLLECTION, PointId(7));
    let dense = VectorField::from(DenseField::new(64, Metric::L2Squared, IndexConfig::Flat));
    let multi = VectorField::from(MultiField::new(32, Metric::L2Squared));
    let bytes_of = |components: Vec<f32>| {
        let several = MultiVector::new(components.chunks(32)).unwrap();
        let vectors = [
            (FieldNumber(0), VectorValue::from(components)),
            (FieldNumber(u16::MAX), several.into()),
        ];
        let row = encoded(|out| point_value(&DocId::from("x"), &vectors, out));
        let parsed = PointRow::parse(&key, &row).unwrap();
        for ((number, vector), spec) in vectors.iter().zip([&dense, &multi]) {
            assert_eq!(
                parsed.vector(&key, *number, spec).unwrap().as_ref(),
                Some(vector)
            );
        }
        // No vector of other elements is stored like that.
        let other = DenseField {
            element: aether_distance::ElementType::F16,
            ..DenseField::new(64, Metric::L2Squared, IndexConfig::Flat)
        };
        assert!(parsed.vector(&key, FieldNumber(0), &other.into()).is_err());
        row.len() - 2 - 2
    };
    let numbers = || (0..64_u16).map(f32::from);
    assert_eq!(bytes_of(numbers().collect()), 2 * (3 + 1 + 64));
    assert_eq!(
        bytes_of(numbers().map(|x| x / -64.0).collect()),
        2 * (3 + 2 + 128)
    );
    let halves = numbers().map(|x| 1.0 + x / 1024.0);
    assert_eq!(bytes_of(halves.collect()), 2 * (3 + 2 + 128));
    assert_eq!(
        bytes_of(numbers().map(f32::sqrt).collect()),
        1 + 3 + 2 * (2 + 256)
    );
}

#[test]
fn rows_of_plain_vectors_are_what_they_always_were() {
    let key = point_key(COLLECTION, PointId(7));
    let spec = VectorField::from(DenseField::new(2, Metric::L2Squared, IndexConfig::Flat));
    let before = |field: &[u8], vector: &[u8]| {
        [
            &[2, 0, 3, b'x'],
            field,
            &[u8::try_from(vector.len()).unwrap()],
            vector,
        ]
        .concat()
    };
    let ones = [1.0_f32; 2].map(f32::to_le_bytes).concat();
    let row = before(&[0], &ones);
    let read = |row: &[u8]| PointRow::parse(&key, row)?.vector(&key, FieldNumber(0), &spec);
    assert_eq!(read(&row).unwrap(), Some(vec![1.0, 1.0].into()));
    // Of the forms there are (2^16 for each), the bytes are too many, or too few; others are not known.
    for form in 1..9 {
        let row = before(&[0x80, 0x80, form << 2], &ones);
        assert_eq!(read(&row).unwrap_err().kind(), ErrorKind::Corruption);
    }
}

#[test]
fn damaged_rows_are_errors_or_other_rows() {
    let key = point_key(COLLECTION, PointId(7));
    let specs = [
        VectorField::from(DenseField::new(2, Metric::Cosine, IndexConfig::Flat)),
        BinaryField { bits: 9 }.into(),
        SparseField::default().into(),
        MultiField::new(3, Metric::Cosine).into(),
    ];
    let vectors = [
        (FieldNumber(0), vec![1.0, 2.0].into()),
        (FieldNumber(1), BinaryVector::from_bits([true; 9]).into()),
        (FieldNumber(2), SparseVector::new([(5, 1.5)]).into()),
    ];
    let row = encoded(|out| point_value(&DocId::from("x"), &vectors, out));
    for position in 0..row.len() {
        for value in [0, 1, 2, 3, 8, 127, 128, 255] {
            let mut damaged = row.clone();
            damaged[position] = value;
            let Ok(parsed) = PointRow::parse(&key, &damaged) else {
                continue;
            };
            let _ = parsed.id(&key);
            for (number, spec) in (0..).map(FieldNumber).zip(&specs) {
                match parsed.vector(&key, number, spec) {
                    Ok(_) => {}
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Corruption),
                }
            }
        }
    }
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
