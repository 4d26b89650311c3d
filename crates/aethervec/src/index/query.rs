//! A query prepared for one vector field: exact distances to stored vectors.

use crate::error::{Error, Result};
use crate::index::dense::DenseIndex;
use crate::index::field::{Field, FieldIndex};
use crate::keyspace::{self, PointRow};
use crate::schema::{DenseField, VectorField};
use crate::validate;
use crate::vector::{BinaryVector, QueryVector, SparseVector, Vector, VectorValue};
use crate::view::CollectionView;
use aether_distance::{Distance, Metric, Query};
use aether_index::{BinaryRows, Candidate, Exact, MultiQuery, PointId, SparseRows};
use std::borrow::Cow;
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
    Sparse(Cow<'a, SparseVector>),
    Multi(MultiQuery<'a>),
}

impl<'a> FieldQuery<'a> {
    /// What a reader searches for. Fails when `vector` does not suit the field.
    pub(crate) fn new(
        view: &CollectionView,
        field: &Arc<Field>,
        vector: QueryVector<'a>,
    ) -> Result<FieldQuery<'a>> {
        let mut query = FieldQuery::stored(view, field, vector)?;
        if let VectorField::Sparse(spec) = &field.spec
            && spec.idf
            && let FieldIndex::Sparse(index) = &field.index
            && let Prepared::Sparse(vector) = &mut query.vector
        {
            *vector = Cow::Owned(weighted(view, index, vector));
        }
        Ok(query)
    }

    /// A vector as it may be stored, compared with others that are. Fails when `vector` does not suit the field.
    pub(crate) fn stored(
        view: &CollectionView,
        field: &Arc<Field>,
        vector: QueryVector<'a>,
    ) -> Result<FieldQuery<'a>> {
        let kernels = view.core.kernels;
        let prepared = match (&field.spec, vector) {
            (VectorField::Dense(spec), QueryVector::Dense(vector)) => validate::query(spec, vector)
                .map(|()| Prepared::Dense(Query::new(kernels, spec.metric, vector))),
            (VectorField::Binary(spec), QueryVector::Binary(vector)) => {
                validate::binary(spec, vector).map(|()| Prepared::Binary(vector))
            }
            (VectorField::Sparse(_), QueryVector::Sparse(vector)) => {
                validate::sparse(vector).map(|()| Prepared::Sparse(Cow::Borrowed(vector)))
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
                SparseRows::distance(SparseVector::as_ref(query), vector.as_ref())
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
        let (number, spec) = (self.field.number, &self.field.spec);
        if let Prepared::Dense(query) = &self.vector {
            let vector = row.read_dense(key, number, spec, buffer)?;
            return Ok(vector.map(|vector| query.distance(vector)));
        }
        let present = row.read(key, number, spec, buffer)?;
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
                Ok(index.search(&SparseVector::as_ref(query), k, allowed))
            }
            (FieldIndex::Multi(index), Prepared::Multi(query)) => {
                Ok(index.search(query, k, allowed))
            }
            _ => unreachable!("a query is made for its field"),
        }
    }
}

/// `vector` with each component multiplied by how rare its dimension is in what `view` sees of the field.
fn weighted(
    view: &CollectionView,
    index: &Exact<SparseRows>,
    vector: &SparseVector,
) -> SparseVector {
    let seen = |point| view.core.may_see(view, point);
    let frequencies = index.frequencies(vector.indices(), seen);
    let components = vector.iter().zip(&frequencies.with);
    SparseVector::new(components.map(|((dimension, component), with)| {
        (dimension, component * rarity(frequencies.rows, *with))
    }))
}

/// How much a dimension counts in which `with` of `all` vectors have a component.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a weight of a component, which is an f32"
)]
fn rarity(all: u64, with: u64) -> f32 {
    let (all, with) = (all as f64, with as f64);
    (1.0 + (all - with + 0.5) / (with + 0.5)).ln() as f32
}
