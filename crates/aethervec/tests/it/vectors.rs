//! Vectors of all kinds: random ones, the form in which they are stored, and how far they are apart, computed plainly.

use crate::common::distance;
use aethervec::{
    BinaryVector, ElementType, Metric, MultiVector, QueryVector, SparseVector, Vector, VectorField,
    VectorValue,
};
use std::collections::BTreeMap;

/// Small integers: exact in every element type, and never zero.
pub(crate) fn components(rng: &mut fastrand::Rng, count: usize) -> Vec<f32> {
    (0..count).map(|_| f32::from(rng.u8(1..))).collect()
}

/// A vector that suits `field`.
pub(crate) fn random_vector(rng: &mut fastrand::Rng, field: &VectorField) -> VectorValue {
    match field {
        VectorField::Dense(field) => components(rng, field.dim).into(),
        VectorField::Binary(field) => {
            BinaryVector::from_bits((0..field.bits).map(|_| rng.bool())).into()
        }
        VectorField::Sparse(_) => {
            let indices: std::collections::BTreeSet<u32> =
                (0..rng.usize(..8)).map(|_| rng.u32(..60)).collect();
            let values = components(rng, indices.len());
            SparseVector::new(indices.into_iter().zip(values)).into()
        }
        VectorField::Multi(field) => {
            let count = rng.usize(1..5);
            let components = components(rng, field.dim * count);
            MultiVector::from_components(field.dim, components)
                .unwrap()
                .into()
        }
        other => panic!("{other:?}"),
    }
}

/// In the types in which it is stored.
#[expect(
    clippy::cast_possible_truncation,
    reason = "casts of small whole numbers"
)]
pub(crate) fn stored(field: &VectorField, vector: VectorValue) -> VectorValue {
    let convert = |components: &Vector, element| match element {
        ElementType::F32 => Vector::F32(components.to_f32()),
        ElementType::F16 => {
            let halves = components
                .to_f32()
                .into_iter()
                .map(aethervec::f16::from_f32);
            Vector::F16(halves.collect())
        }
        ElementType::U8 => Vector::U8(components.to_f32().into_iter().map(|c| c as u8).collect()),
    };
    match (field, vector) {
        (VectorField::Dense(field), VectorValue::Dense(vector)) => {
            convert(&vector, field.element).into()
        }
        (VectorField::Multi(field), VectorValue::Multi(vectors)) => {
            let components = convert(vectors.components(), field.element);
            MultiVector::from_components(field.dim, components)
                .unwrap()
                .into()
        }
        (_, vector) => vector,
    }
}

/// The distance, computed plainly; `None` where a search is not to find the vector.
pub(crate) fn naive_distance(
    field: &VectorField,
    query: &VectorValue,
    vector: &VectorValue,
) -> Option<f64> {
    match (field, query, vector) {
        (VectorField::Dense(field), VectorValue::Dense(a), VectorValue::Dense(b)) => {
            Some(distance(field.metric, &b.to_f32(), &a.to_f32()))
        }
        (_, VectorValue::Binary(a), VectorValue::Binary(b)) => {
            let pairs = a.as_bytes().iter().zip(b.as_bytes());
            Some(f64::from(
                pairs.map(|(a, b)| (a ^ b).count_ones()).sum::<u32>(),
            ))
        }
        (_, VectorValue::Sparse(a), VectorValue::Sparse(b)) => {
            let b: BTreeMap<u32, f32> = b.iter().collect();
            let shared: Vec<f64> = a
                .iter()
                .filter_map(|(index, value)| Some(f64::from(value) * f64::from(*b.get(&index)?)))
                .collect();
            (!shared.is_empty()).then(|| -shared.iter().sum::<f64>())
        }
        (VectorField::Multi(field), VectorValue::Multi(a), VectorValue::Multi(b)) => {
            let (a, b) = (a.components().to_f32(), b.components().to_f32());
            let offset = if field.metric == Metric::Cosine {
                1.0
            } else {
                0.0
            };
            let nearest = |a: &[f32]| {
                b.chunks(field.dim)
                    .map(|b| distance(field.metric, a, b) - offset)
                    .fold(f64::INFINITY, f64::min)
            };
            Some(a.chunks(field.dim).map(nearest).sum())
        }
        other => panic!("{other:?}"),
    }
}

/// What a search for it is asked with.
pub(crate) fn as_query(vector: &VectorValue) -> QueryVector<'_> {
    match vector {
        VectorValue::Dense(Vector::F32(components)) => components.into(),
        VectorValue::Binary(vector) => vector.into(),
        VectorValue::Sparse(vector) => vector.into(),
        VectorValue::Multi(vectors) => vectors.into(),
        other => panic!("{other:?}"),
    }
}
