//! Vectors: told by their shape in the dialect, declared by their field in the engine.

use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::{PointVectors, Vector};
use aethervec::{
    CollectionSchema, ElementType, Metric, MultiVector, SparseVector, VectorField, VectorValue,
    Vectors,
};
use std::collections::BTreeMap;

/// The field called `name`.
pub(crate) fn field<'s>(schema: &'s CollectionSchema, name: &str) -> Result<&'s VectorField> {
    schema.fields.get(name).ok_or_else(|| {
        if name.is_empty() {
            let names: Vec<&str> = schema.fields.keys().map(String::as_str).collect();
            Failure::wrong(format!(
                "Collection requires specified vector name in the request, available names: {}",
                names.join(", ")
            ))
        } else {
            Failure::wrong(format!("Not existing vector name error: {name}"))
        }
    })
}

/// The vectors of a point, as they are stored.
pub(crate) fn stored(schema: &CollectionSchema, vectors: PointVectors) -> Result<Vectors> {
    let value = |(name, vector): (String, Vector)| {
        let value = stored_value(&name, field(schema, &name)?, vector)?;
        Ok((name, value))
    };
    let vectors: Vec<(String, Vector)> = match vectors {
        PointVectors::Default(vector) => vec![(String::new(), vector)],
        PointVectors::Named(vectors) => vectors.into_iter().collect(),
    };
    vectors.into_iter().map(value).collect()
}

/// A vector as it is stored in `field`: under the cosine metric with length 1, as it is then also shown.
fn stored_value(name: &str, field: &VectorField, vector: Vector) -> Result<VectorValue> {
    let vector = match field {
        VectorField::Dense(dense) if dense.metric == Metric::Cosine => normalized(vector),
        VectorField::Multi(multi) if multi.metric == Metric::Cosine => normalized(vector),
        _ => vector,
    };
    match (field, value(name, field, vector)?) {
        (VectorField::Dense(dense), VectorValue::Dense(vector))
            if dense.element == ElementType::U8 =>
        {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a fraction is cut off, and what does not fit is the nearest byte"
            )]
            let bytes: Vec<u8> = vector.to_f32().into_iter().map(|c| c as u8).collect();
            Ok(VectorValue::Dense(bytes.into()))
        }
        (_, value) => Ok(value),
    }
}

/// A vector that suits `field`, by its shape.
pub(crate) fn value(name: &str, field: &VectorField, vector: Vector) -> Result<VectorValue> {
    match (field, vector) {
        (VectorField::Dense(dense), Vector::Dense(components)) => {
            if components.len() == dense.dim {
                return Ok(VectorValue::Dense(components.into()));
            }
            Err(Failure::wrong(format!(
                "Vector dimension error: expected dim: {}, got {}",
                dense.dim,
                components.len()
            )))
        }
        (VectorField::Sparse(_), Vector::Sparse { indices, values }) => Ok(VectorValue::Sparse(
            SparseVector::new(indices.into_iter().zip(values)),
        )),
        (VectorField::Multi(_), Vector::Multi(vectors)) => {
            Ok(VectorValue::Multi(MultiVector::new(vectors)?))
        }
        (VectorField::Multi(_), Vector::Dense(components)) => {
            Ok(VectorValue::Multi(MultiVector::new([components])?))
        }
        (field, _) => Err(Failure::wrong(format!(
            "Conversion between sparse, dense and multi vectors is not possible: vector `{name}` is {}",
            field.kind()
        ))),
    }
}

fn normalized(vector: Vector) -> Vector {
    let normalize = |mut components: Vec<f32>| {
        let squares: f64 = components.iter().map(|c| f64::from(*c).powi(2)).sum();
        let length = squares.sqrt();
        if length > 0.0 {
            for component in &mut components {
                #[expect(clippy::cast_possible_truncation, reason = "the nearest f32 is wanted")]
                let shortened = (f64::from(*component) / length) as f32;
                *component = shortened;
            }
        }
        components
    };
    match vector {
        Vector::Dense(components) => Vector::Dense(normalize(components)),
        Vector::Multi(vectors) => Vector::Multi(vectors.into_iter().map(normalize).collect()),
        sparse @ Vector::Sparse { .. } => sparse,
    }
}

/// The vectors of a document, as they are shown: without a name if there is one and it has none. Those of bits, which the
/// dialect does not have, are left out.
pub(crate) fn shown(vectors: Vectors) -> PointVectors {
    let shown = |(name, value)| Some((name, shown_value(value)?));
    let mut vectors: BTreeMap<String, Vector> = vectors.into_iter().filter_map(shown).collect();
    match vectors.remove("") {
        Some(vector) if vectors.is_empty() => PointVectors::Default(vector),
        Some(vector) => {
            vectors.insert(String::new(), vector);
            PointVectors::Named(vectors)
        }
        None => PointVectors::Named(vectors),
    }
}

fn shown_value(value: VectorValue) -> Option<Vector> {
    match value {
        VectorValue::Dense(vector) => Some(Vector::Dense(vector.to_f32())),
        VectorValue::Sparse(vector) => Some(Vector::Sparse {
            indices: vector.indices().to_vec(),
            values: vector.values().to_vec(),
        }),
        VectorValue::Multi(vectors) => {
            let components = vectors.components().to_f32();
            let rows = components.chunks_exact(vectors.dim().max(1));
            Some(Vector::Multi(rows.map(<[f32]>::to_vec).collect()))
        }
        VectorValue::Binary(_) => None,
    }
}
