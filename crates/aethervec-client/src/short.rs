//! The short forms: vectors, and what is similar to them.

use crate::found::Hit;
use aethervec::DocId;
use aethervec_proto::v1;
use serde_json::Value;

/// A vector with an id, and what shall come back with it.
///
/// ```
/// use aethervec_client::Vector;
/// use serde_json::json;
///
/// let vector = Vector::new("a", [0.1, 0.2]).with_metadata(json!({"lang": "en"}));
/// assert_eq!(Vector::from((7, vec![0.5])).id.to_string(), "7");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Vector {
    /// What it is called.
    pub id: DocId,
    /// Its components.
    pub dimensions: Vec<f32>,
    /// A JSON object that comes back with it.
    pub metadata: Option<Value>,
}

/// How many vectors were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inserted {
    /// So many.
    pub count: u64,
}

/// What is similar to a vector.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Similar {
    /// The most similar first.
    pub vectors: Vec<SimilarVector>,
}

/// A vector that is similar.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SimilarVector {
    /// What it is called.
    pub id: DocId,
    /// How similar it is: the cosine, 1 for the same direction.
    pub similarity: f64,
    /// What was written with it.
    pub metadata: Option<Value>,
}

/// How far the index is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trained {
    /// Points in an index.
    pub indexed: u64,
    /// Points that are searched exactly.
    pub scanned: u64,
}

impl Vector {
    /// A vector without metadata.
    pub fn new(id: impl Into<DocId>, dimensions: impl Into<Vec<f32>>) -> Vector {
        Vector {
            id: id.into(),
            dimensions: dimensions.into(),
            metadata: None,
        }
    }

    /// The same with this JSON object.
    #[must_use]
    pub fn with_metadata(self, metadata: Value) -> Vector {
        Vector {
            metadata: Some(metadata),
            ..self
        }
    }
}

impl<I: Into<DocId>, D: Into<Vec<f32>>> From<(I, D)> for Vector {
    fn from((id, dimensions): (I, D)) -> Vector {
        Vector::new(id, dimensions)
    }
}

impl From<Vector> for v1::InsertVector {
    fn from(vector: Vector) -> v1::InsertVector {
        v1::InsertVector {
            id: Some(vector.id.into()),
            dimensions: vector.dimensions,
            metadata: vector.metadata.map(|metadata| metadata.to_string()),
        }
    }
}

impl From<Vec<Hit>> for Similar {
    fn from(hits: Vec<Hit>) -> Similar {
        let vectors = hits.into_iter().map(|hit| SimilarVector {
            id: hit.id,
            similarity: hit.score,
            metadata: hit.payload,
        });
        Similar {
            vectors: vectors.collect(),
        }
    }
}
