//! What is accepted, and what is refused with which words.

use super::*;
use crate::schema::SparseField;
use crate::vector::{BinaryVector, MultiVector, SparseVector, Vector, VectorValue};
use aether_distance::{ElementType, Metric};
use half::f16;
use serde_json::json;

fn dense(metric: Metric, element: ElementType) -> DenseField {
    DenseField {
        element,
        ..DenseField::new(3, metric, IndexConfig::Flat)
    }
}

fn vector(field: &DenseField, vector: Vector) -> Result<Vector> {
    let stored = stored(&field.clone().into(), vector.into())?;
    Ok(stored.as_dense().unwrap().clone())
}

fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn names() {
    for good in ["a", "Übung 7", "...", "a.b", &"x".repeat(255)] {
        collection_name(good).unwrap();
    }
    for bad in [
        "",
        ".",
        "..",
        "a/b",
        "a\\b",
        "a\0b",
        "a\nb",
        &"x".repeat(256),
    ] {
        let text = message(collection_name(bad));
        assert!(text.starts_with("collection name: "), "{text}");
    }
    assert!(message(collection_name(&"é".repeat(200))).contains("400 bytes"));
}

#[test]
fn ids() {
    id(&DocId::from("x".repeat(1024))).unwrap();
    assert!(message(id(&DocId::from("x".repeat(1025)))).contains("1025 bytes: at most 1024"));
    assert!(message(id(&DocId::from(""))).contains("is empty"));
}

#[test]
fn vectors_are_converted_when_they_fit() {
    let l2 = |element| dense(Metric::L2Squared, element);
    let floats = || Vector::F32(vec![1.0, 2.0, 255.0]);
    assert_eq!(
        vector(&l2(ElementType::U8), floats()).unwrap(),
        Vector::U8(vec![1, 2, 255])
    );
    assert_eq!(
        vector(&l2(ElementType::F16), floats()).unwrap().to_f32(),
        [1.0, 2.0, 255.0]
    );
    assert_eq!(
        vector(&l2(ElementType::F32), Vector::U8(vec![0, 1, 2]))
            .unwrap()
            .to_f32(),
        [0.0, 1.0, 2.0]
    );
}

#[test]
fn bad_components_are_named() {
    let l2 = |element| dense(Metric::L2Squared, element);
    let check = |element, components: [f32; 3], text: &str| {
        assert_eq!(
            message(vector(&l2(element), Vector::F32(components.to_vec()))),
            text
        );
    };
    check(
        ElementType::F32,
        [0.0, f32::NAN, 0.0],
        "vector: component 1 is NaN: components must be finite",
    );
    check(
        ElementType::F16,
        [0.0, 0.0, f32::INFINITY],
        "vector: component 2 is inf: components must be finite",
    );
    check(
        ElementType::F32,
        [0.0, -2e16, 0.0],
        "vector: component 1 is -2e16: its magnitude may be at most 1e16",
    );
    check(
        ElementType::F16,
        [0.0, 65_520.0, 0.0],
        "vector: component 1 is 65520.0: an f16 field holds magnitudes up to 65504",
    );
    for value in [0.5, -1.0, 256.0] {
        let text =
            format!("vector: component 0 is {value:?}: a u8 field holds integers in 0..=255");
        check(ElementType::U8, [value, 0.0, 0.0], &text);
    }
    let halves = Vector::F16(vec![f16::ZERO, f16::ZERO, f16::NAN]);
    assert_eq!(
        message(vector(&l2(ElementType::F16), halves)),
        "vector: component 2 is NaN: components must be finite"
    );
    assert_eq!(
        message(vector(&l2(ElementType::F32), Vector::F32(vec![1.0; 4]))),
        "vector: it has 4 components: the field's dim is 3"
    );
}

#[test]
fn cosine_needs_a_direction() {
    for element in [ElementType::F32, ElementType::F16, ElementType::U8] {
        let cosine = dense(Metric::Cosine, element);
        assert!(message(vector(&cosine, Vector::F32(vec![0.0; 3]))).contains("cosine"));
        vector(&cosine, Vector::F32(vec![0.0, 0.0, 1.0])).unwrap();
    }
    // Zero once it is stored.
    assert!(
        message(vector(
            &dense(Metric::Cosine, ElementType::F16),
            Vector::F32(vec![1e-9; 3])
        ))
        .contains("zero")
    );
    assert!(message(query(&dense(Metric::Cosine, ElementType::F32), &[1e-30; 3])).contains("zero"));
    query(&dense(Metric::L2Squared, ElementType::F32), &[0.0; 3]).unwrap();
}

#[test]
fn vectors_of_other_kinds() {
    let refused = |field: VectorField, vector: VectorValue, text: &str| {
        assert_eq!(message(stored(&field, vector)), text);
    };
    let bits = || VectorField::from(BinaryField { bits: 12 });
    let binary = |bytes: &[u8]| VectorValue::from(BinaryVector::from_bytes(bytes));
    stored(&bits(), binary(&[0xff, 0xf0])).unwrap();
    refused(
        bits(),
        binary(&[1]),
        "vector: it has 1 bytes: the field's 12 bits take 2",
    );
    refused(
        bits(),
        binary(&[0, 8]),
        "vector: one of the last 4 bits is 1: the field has 12 bits",
    );
    let sparse = |components: &[(u32, f32)]| SparseVector::new(components.iter().copied()).into();
    let words = || VectorField::from(SparseField::default());
    stored(&words(), sparse(&[(u32::MAX, -1.0), (0, 0.5)])).unwrap();
    refused(
        words(),
        sparse(&[(7, 1.0), (3, 1.0), (7, 2.0)]),
        "vector: dimension 7 is given twice",
    );
    refused(
        words(),
        sparse(&[(7, 1.0), (8, f32::NAN)]),
        "vector: component 1 is NaN: components must be finite",
    );
    let last = u32::try_from(limits::SPARSE_COMPONENTS_MAX).unwrap();
    let many = (0..=last).map(|index| (index, 1.0));
    refused(
        words(),
        SparseVector::new(many).into(),
        "vector: it has 65536 components that are given: at most 65535 are allowed",
    );
    let tokens = |metric| VectorField::from(MultiField::new(2, metric));
    let multi = |rows: &[[f32; 2]]| VectorValue::from(MultiVector::new(rows).unwrap());
    stored(&tokens(Metric::Cosine), multi(&[[1.0, 0.0], [0.0, 2.0]])).unwrap();
    stored(&tokens(Metric::L2Squared), multi(&[[0.0, 0.0]])).unwrap();
    refused(
        tokens(Metric::Cosine),
        multi(&[]),
        "vectors: at least one is needed",
    );
    refused(
        tokens(Metric::Cosine),
        multi(&[[1.0, 0.0], [0.0, 0.0]]),
        "vector: it is zero (or nearly so): under cosine a vector needs a direction",
    );
    refused(
        tokens(Metric::Cosine),
        MultiVector::new([[1.0]]).unwrap().into(),
        "vector: it has 1 components: the field's dim is 2",
    );
    refused(
        tokens(Metric::Cosine),
        multi(&vec![[1.0, 0.0]; limits::MULTI_VECTORS_MAX + 1]),
        "vectors: 4097 vectors are given: at most 4096 are allowed",
    );
    refused(
        words(),
        vec![1.0].into(),
        "vector: it is dense: the field holds sparse ones",
    );
}

#[test]
fn schemas() {
    let fields = |count: usize| {
        (0..count).fold(CollectionSchema::default(), |schema, number| {
            schema.with_field(number.to_string(), SparseField::default())
        })
    };
    schema(&fields(limits::VECTOR_FIELDS_MAX)).unwrap();
    assert_eq!(
        message(schema(&fields(limits::VECTOR_FIELDS_MAX + 1))),
        "fields: there are 65: at most 64 are allowed"
    );
    let bad = |name: &str, spec: VectorField| message(field(name, &spec));
    assert_eq!(
        bad("a/b", SparseField::default().into()),
        "field name: \"a/b\" contains '/', which names may not"
    );
    assert_eq!(
        bad("x", BinaryField { bits: 0 }.into()),
        "field \"x\": bits: 0 is out of range: it must be 1..=65536"
    );
    assert_eq!(
        bad("", MultiField::new(65_536, Metric::Cosine).into()),
        "dim: 65536 is out of range: it must be 1..=65535"
    );
}

#[test]
fn payloads() {
    let nested = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }));
    let mut out = Vec::new();
    payload(&nested(limits::PAYLOAD_DEPTH_MAX), &mut out).unwrap();
    assert!(
        message(payload(&nested(limits::PAYLOAD_DEPTH_MAX + 1), &mut out)).contains("64 levels")
    );
    assert!(message(payload(&json!([1]), &mut out)).contains("an array is not a JSON object"));
    let large = json!({ "a": "x".repeat(limits::PAYLOAD_BYTES_MAX) });
    assert!(message(payload(&large, &mut out)).contains("at most 16777216"));
}
