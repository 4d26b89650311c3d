//! A query prepared for one vector field: exact distances to stored vectors.

use crate::error::{Error, Result};
use crate::index::dense::DenseIndex;
use crate::index::field::{Field, FieldIndex};
use crate::keyspace::{self, PointRow};
use crate::schema::{DenseField, VectorField};
use crate::validate;
use crate::vector::{BinaryVector, QueryVector, SparseVector, Vector, VectorValue};
use aether_distance::{Distance, Kernels, Metric, Query};
use aether_index::{BinaryRows, Candidate, MultiQuery, PointId, SparseRows};
use std::sync::Arc;

/// A field, and what its vectors are compared with.
#[derive(Clone, Debug)]
pub(crate) struct FieldQuery<'a> {
    pub(crate) field: Arc<Field>,
    vector: Prepared<'a>,
}

#[derive(Clone, Debug)]
enum Prepared<'a> {
    Dense(Query<'a>),
    Binary(&'a BinaryVector),
    Sparse(&'a SparseVector),
    Multi(MultiQuery<'a>),
}

impl<'a> FieldQuery<'a> {
    /// Fails when `vector` does not suit the field.
    pub(crate) fn new(
        field: &Arc<Field>,
        kernels: Kernels,
        vector: QueryVector<'a>,
    ) -> Result<FieldQuery<'a>> {
        let prepared = match (&field.spec, vector) {
            (VectorField::Dense(spec), QueryVector::Dense(vector)) => validate::query(spec, vector)
                .map(|()| Prepared::Dense(Query::new(kernels, spec.metric, vector))),
            (VectorField::Binary(spec), QueryVector::Binary(vector)) => {
                validate::binary(spec, vector).map(|()| Prepared::Binary(vector))
            }
            (VectorField::Sparse(_), QueryVector::Sparse(vector)) => {
                validate::sparse(vector).map(|()| Prepared::Sparse(vector))
            }
            (VectorField::Multi(spec), QueryVector::Multi(vectors)) => {
                validate::multi_query(spec, vectors).map(|components| {
                    Prepared::Multi(MultiQuery::new(spec.metric, spec.dim, components))
                })
            }
            (spec, vector) => Err(Error::invalid(format!(
                "vector: a {} one cannot be compared with those of a {} field",
                vector.kind(),
                spec.kind()
            ))),
        };
        match prepared {
            Ok(vector) => Ok(FieldQuery {
                field: Arc::clone(field),
                vector,
            }),
            Err(error) => Err(validate::in_field(error, &field.name)),
        }
    }

    /// Memory for a vector of the field.
    pub(crate) fn buffer(&self) -> VectorValue {
        match &self.field.spec {
            VectorField::Dense(spec) => VectorValue::Dense(keyspace::vector_buffer(spec.element)),
            // Whatever is read takes its place.
            _ => VectorValue::Dense(Vector::U8(Vec::new())),
        }
    }

    /// The exact distance to a vector of the field; `None` where no search is to find it.
    pub(crate) fn distance(&self, stored: &VectorValue) -> Option<Distance> {
        match (&self.vector, stored) {
            (Prepared::Dense(query), VectorValue::Dense(vector)) => {
                Some(query.distance(vector.as_ref()))
            }
            (Prepared::Binary(query), VectorValue::Binary(vector)) => {
                Some(BinaryRows::distance(query.as_bytes(), vector.as_bytes()))
            }
            (Prepared::Sparse(query), VectorValue::Sparse(vector)) => {
                SparseRows::distance(query.as_ref(), vector.as_ref())
            }
            (Prepared::Multi(query), VectorValue::Multi(vectors)) => {
                Some(query.distance(vectors.components().as_ref()))
            }
            _ => unreachable!("rows are decoded as the field's declaration says"),
        }
    }

    /// The exact distance to the vector in a row of `points`; `None` where there is none, or no search is to find it.
    pub(crate) fn distance_of(
        &self,
        key: &[u8],
        row: &PointRow<'_>,
        buffer: &mut VectorValue,
    ) -> Result<Option<Distance>> {
        let present = row.read(key, self.field.number, &self.field.spec, buffer)?;
        Ok(if present { self.distance(buffer) } else { None })
    }

    /// A distance as people know it.
    pub(crate) fn score(&self, distance: Distance) -> f32 {
        match &self.field.spec {
            VectorField::Dense(DenseField { metric, .. }) => match metric {
                Metric::L2Squared => distance.0.max(0.0).sqrt(),
                Metric::InnerProduct => -distance.0,
                Metric::Cosine => 1.0 - distance.0,
            },
            VectorField::Binary(_) => distance.0,
            VectorField::Sparse(_) | VectorField::Multi(_) => -distance.0,
        }
    }

    /// The index of the field with the query for it, if it is dense.
    pub(crate) fn as_dense(&self) -> Option<(&DenseIndex, &Query<'a>)> {
        match (&self.field.index, &self.vector) {
            (FieldIndex::Dense(index), Prepared::Dense(query)) => Some((index, query)),
            _ => None,
        }
    }

    /// The `k` nearest of the points that are searched exactly and are `allowed`: all points of the field, but for those
    /// in a graph or in buckets.
    pub(crate) fn search_exact(
        &self,
        k: usize,
        allowed: impl Fn(PointId) -> bool,
    ) -> Result<Vec<Candidate>> {
        match (&self.field.index, &self.vector) {
            (FieldIndex::Dense(index), Prepared::Dense(query)) => {
                Ok(index.delta.search(query.vector(), k, allowed)?)
            }
            (FieldIndex::Binary(index), Prepared::Binary(query)) => {
                Ok(index.search(&query.as_bytes(), k, allowed))
            }
            (FieldIndex::Sparse(index), Prepared::Sparse(query)) => {
                Ok(index.search(&query.as_ref(), k, allowed))
            }
            (FieldIndex::Multi(index), Prepared::Multi(query)) => {
                Ok(index.search(query, k, allowed))
            }
            _ => unreachable!("a query is made for its field"),
        }
    }
}
