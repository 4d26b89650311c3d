//! Vectors of points and queries.
#![expect(
    deprecated,
    reason = "older clients send vectors in the fields that came before"
)]

use super::values::{id, need};
use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::{NO_INFERENCE, PointVectors, Vector, VectorInput};
use proto::vectors::VectorsOptions;
use qdrant_client::qdrant as proto;
use std::collections::BTreeMap;

pub(super) fn vector(vector: proto::Vector) -> Result<Vector> {
    use proto::vector::Vector::{Dense, Document, Image, MultiDense, Object, Sparse};
    match vector.vector {
        Some(Dense(dense)) => Ok(Vector::Dense(dense.data)),
        Some(Sparse(vector)) => sparse(vector),
        Some(MultiDense(multi)) => Ok(several(multi)),
        Some(Document(_) | Image(_) | Object(_)) => Err(Failure::unsupported(NO_INFERENCE)),
        None => match (vector.indices, vector.vectors_count) {
            (Some(indices), _) => Vector::sparse(indices.data, vector.data).map_err(Failure::wrong),
            (None, Some(count)) if count > 0 => {
                let dim = (vector.data.len() / count as usize).max(1);
                let rows = vector.data.chunks(dim);
                Ok(Vector::Multi(rows.map(<[f32]>::to_vec).collect()))
            }
            (None, _) => Ok(Vector::Dense(vector.data)),
        },
    }
}

fn sparse(vector: proto::SparseVector) -> Result<Vector> {
    Vector::sparse(vector.indices, vector.values).map_err(Failure::wrong)
}

fn several(vectors: proto::MultiDenseVector) -> Vector {
    let vectors = vectors.vectors.into_iter();
    Vector::Multi(vectors.map(|vector| vector.data).collect())
}

/// The vectors of a point; it may have none.
pub(super) fn vectors(vectors: Option<proto::Vectors>) -> Result<PointVectors> {
    match vectors.and_then(|vectors| vectors.vectors_options) {
        None => Ok(PointVectors::Named(BTreeMap::new())),
        Some(VectorsOptions::Vector(one)) => Ok(PointVectors::Default(vector(one)?)),
        Some(VectorsOptions::Vectors(named)) => {
            let named = named.vectors.into_iter();
            let named = named.map(|(name, one)| Ok((name, vector(one)?)));
            Ok(PointVectors::Named(named.collect::<Result<_>>()?))
        }
    }
}

/// A vector of a query.
pub(super) fn input(input: Option<proto::VectorInput>) -> Result<VectorInput> {
    use proto::vector_input::Variant::{Dense, Document, Id, Image, MultiDense, Object, Sparse};
    match need(input.and_then(|input| input.variant), "a vector")? {
        Id(point) => Ok(VectorInput::Id(id(point)?)),
        Dense(dense) => Ok(Vector::Dense(dense.data).into()),
        Sparse(vector) => Ok(sparse(vector)?.into()),
        MultiDense(multi) => Ok(several(multi).into()),
        Document(_) | Image(_) | Object(_) => Err(Failure::unsupported(NO_INFERENCE)),
    }
}

pub(super) fn inputs(inputs: Vec<proto::VectorInput>) -> Result<Vec<VectorInput>> {
    inputs.into_iter().map(|one| input(Some(one))).collect()
}

fn vector_message(vector: Vector) -> proto::VectorOutput {
    use proto::vector_output::Vector::{Dense, MultiDense, Sparse};
    let dense = |data| proto::DenseVector { data };
    proto::VectorOutput {
        vector: Some(match vector {
            Vector::Dense(data) => Dense(dense(data)),
            Vector::Sparse { indices, values } => Sparse(proto::SparseVector { values, indices }),
            Vector::Multi(vectors) => MultiDense(proto::MultiDenseVector {
                vectors: vectors.into_iter().map(dense).collect(),
            }),
        }),
        ..proto::VectorOutput::default()
    }
}

pub(super) fn vectors_message(vectors: PointVectors) -> proto::VectorsOutput {
    use proto::vectors_output::VectorsOptions;
    let options = match vectors {
        PointVectors::Default(vector) => VectorsOptions::Vector(vector_message(vector)),
        PointVectors::Named(vectors) => {
            let vectors = vectors.into_iter();
            let vectors = vectors.map(|(name, vector)| (name, vector_message(vector)));
            VectorsOptions::Vectors(proto::NamedVectorsOutput {
                vectors: vectors.collect(),
            })
        }
    };
    proto::VectorsOutput {
        vectors_options: Some(options),
    }
}
