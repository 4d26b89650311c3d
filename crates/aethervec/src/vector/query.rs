//! What searches compare with.

use super::{BinaryVector, MultiVector, SparseVector};

/// What a search compares with: a vector of the kind that the field holds.
#[derive(Clone, Copy, Debug)]
pub enum QueryVector<'a> {
    /// For a dense field: needs no normalization.
    Dense(&'a [f32]),
    /// For a binary field.
    Binary(&'a BinaryVector),
    /// For a sparse field.
    Sparse(&'a SparseVector),
    /// For a field of several dense vectors.
    Multi(&'a MultiVector),
}

impl QueryVector<'_> {
    /// What the documentation calls its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            QueryVector::Dense(_) => "dense",
            QueryVector::Binary(_) => "binary",
            QueryVector::Sparse(_) => "sparse",
            QueryVector::Multi(_) => "multi",
        }
    }
}

impl<'a, V: AsRef<[f32]> + ?Sized> From<&'a V> for QueryVector<'a> {
    fn from(vector: &'a V) -> QueryVector<'a> {
        QueryVector::Dense(vector.as_ref())
    }
}

impl<'a> From<&'a BinaryVector> for QueryVector<'a> {
    fn from(vector: &'a BinaryVector) -> QueryVector<'a> {
        QueryVector::Binary(vector)
    }
}

impl<'a> From<&'a SparseVector> for QueryVector<'a> {
    fn from(vector: &'a SparseVector) -> QueryVector<'a> {
        QueryVector::Sparse(vector)
    }
}

impl<'a> From<&'a MultiVector> for QueryVector<'a> {
    fn from(vector: &'a MultiVector) -> QueryVector<'a> {
        QueryVector::Multi(vector)
    }
}
