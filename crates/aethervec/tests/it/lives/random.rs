//! What happens in a life: random documents, writes, filters and schemas.

use super::state::{Change, Condition, Operation, PatchStep, State};
use crate::generate;
use crate::vectors::{random_vector, stored};
use aethervec::{
    BinaryField, DenseField, DocId, Document, ElementType, HnswParams, IndexConfig, IvfParams,
    Metric, MultiField, PayloadIndexKind, SparseField, Timestamp, VectorField, VectorValue,
    Vectors,
};
use fastrand::Rng;
use serde_json::json;

/// What vector fields there may be: the same name for different kinds, at different times.
pub(super) fn field(random: &mut Rng) -> (&'static str, VectorField) {
    let dense = |dim, metric, element, index| {
        VectorField::from(DenseField {
            element,
            ..DenseField::new(dim, metric, index)
        })
    };
    let graph = IndexConfig::Hnsw(HnswParams {
        m: 4,
        ef_construction: 16,
    });
    let drift = IndexConfig::Drift(IvfParams { bucket_points: 32 });
    let buckets = IndexConfig::Ivf(IvfParams { bucket_points: 32 });
    let (l2, cosine, dot) = (Metric::L2Squared, Metric::Cosine, Metric::InnerProduct);
    let halves = |field| MultiField {
        element: ElementType::F16,
        ..field
    };
    match random.u8(..10) {
        0 => ("", dense(3, l2, ElementType::F32, IndexConfig::Flat)),
        1 => ("", dense(2, dot, ElementType::U8, graph)),
        2 => ("", SparseField::default().into()),
        3 => ("image", dense(4, cosine, ElementType::F16, buckets)),
        9 => ("image", dense(4, l2, ElementType::F32, drift)),
        4 => ("image", BinaryField { bits: 19 }.into()),
        5 => ("text", SparseField::default().into()),
        6 => ("text", BinaryField { bits: 8 }.into()),
        7 => ("tokens", MultiField::new(2, cosine).into()),
        _ => ("tokens", halves(MultiField::new(3, l2)).into()),
    }
}

/// What payload indexes there may be, of the payloads that `generate` makes.
pub(super) fn index(random: &mut Rng) -> (&'static str, PayloadIndexKind) {
    const INDEXES: [(&str, PayloadIndexKind); 10] = [
        ("lang", PayloadIndexKind::Keyword),
        ("tags", PayloadIndexKind::Keyword),
        ("year", PayloadIndexKind::Integer),
        ("price", PayloadIndexKind::Float),
        ("ok", PayloadIndexKind::Bool),
        ("at", PayloadIndexKind::Datetime),
        ("uid", PayloadIndexKind::Uuid),
        ("loc", PayloadIndexKind::Geo),
        ("body", PayloadIndexKind::Text),
        ("body", PayloadIndexKind::FoldedText),
    ];
    INDEXES[random.usize(..INDEXES.len())]
}

/// A write of any kind, under any condition.
pub(super) fn operation(random: &mut Rng, state: &State, now: Timestamp) -> Operation {
    let id = generate::id(random);
    let condition = match random.u8(..8) {
        0 => Condition::Absent,
        1 => Condition::Present,
        2 => Condition::Matches(generate::filter(random, 2)),
        _ => Condition::None,
    };
    let change = match random.u8(..6) {
        0 => Change::Delete,
        1 | 2 => Change::Patch(patch(random, state, now)),
        _ => Change::Put(document(random, state, id.clone(), now)),
    };
    Operation {
        id,
        condition,
        change,
    }
}

pub(super) fn document(random: &mut Rng, state: &State, id: DocId, now: Timestamp) -> Document {
    let mut vectors = Vectors::new();
    for (name, field) in &state.schema.fields {
        if random.u8(..4) > 0 {
            vectors.insert(name, vector(random, field));
        }
    }
    let document = Document::new(vectors, id);
    let document = match random.u8(..6) {
        0 => document,
        _ => document.with_payload(generate::payload(random)),
    };
    match random.u8(..5) {
        0 => document.expiring_at(end(random, now)),
        _ => document,
    }
}

pub(super) fn patch(random: &mut Rng, state: &State, now: Timestamp) -> Vec<PatchStep> {
    let mut steps = Vec::new();
    for _ in 0..random.usize(1..4) {
        let year = json!(random.i64(2015..2025));
        let name = random.choice(state.schema.fields.keys()).cloned();
        let step = match (random.u8(..9), name) {
            (0, _) => PatchStep::Merge(json!({"year": year, "lang": null, "new": [1, {"a": 2}]})),
            (1, _) => PatchStep::Set("year", year),
            (2, _) => PatchStep::SetWithin("loc", "lat", json!(12.5)),
            (3, _) => PatchStep::Delete("tags"),
            (4, _) if random.u8(..4) == 0 => PatchStep::Clear,
            (5 | 6, Some(name)) => {
                let field = &state.schema.fields[&name];
                let vector = random.bool().then(|| vector(random, field));
                PatchStep::Vector(name, vector)
            }
            (7, _) => PatchStep::End(random.bool().then(|| end(random, now))),
            _ => PatchStep::Set("body", json!("rust and data")),
        };
        steps.push(step);
    }
    steps
}

/// As it is stored.
fn vector(random: &mut Rng, field: &VectorField) -> VectorValue {
    let vector = random_vector(random, field);
    stored(field, vector)
}

/// Soon, to the millisecond.
fn end(random: &mut Rng, now: Timestamp) -> Timestamp {
    Timestamp::from_micros(now.as_micros() + random.i64(1..4_000) * 1_000)
}
