//! The short forms: vectors and what is similar to them, in one collection that is made by its first use.

use super::language;
use aethervec::{DocId, Document, Hit};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The collection of requests that name none.
pub(crate) const DEFAULT_COLLECTION: &str = "vectors";

/// Vectors to write.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vectors {
    /// The collection; made if it is missing, with the dimensions of the first vector and the metric cosine.
    #[serde(default = "collection")]
    pub(crate) collection: String,
    pub(crate) vectors: Vec<NewVector>,
}

/// A vector and its id.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewVector {
    #[schema(value_type = language::DocId)]
    pub(crate) id: DocId,
    pub(crate) dimensions: Vec<f32>,
    /// What comes back with it.
    #[schema(value_type = Option<language::Payload>)]
    pub(crate) metadata: Option<Map<String, Value>>,
}

/// How many vectors were written.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Written {
    pub(crate) count: usize,
}

/// What is similar to a vector.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SimilarQuery {
    /// The collection.
    #[serde(default = "collection")]
    pub(crate) collection: String,
    pub(crate) vector: Vec<f32>,
    /// How many.
    #[serde(default = "k")]
    pub(crate) k: usize,
}

/// What is similar, the most similar first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Similar {
    pub(crate) vectors: Vec<SimilarVector>,
}

/// A vector that is similar.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SimilarVector {
    #[schema(value_type = language::DocId)]
    pub(crate) id: DocId,
    pub(crate) similarity: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<Value>,
}

fn collection() -> String {
    DEFAULT_COLLECTION.to_owned()
}

fn k() -> usize {
    10
}

impl From<NewVector> for Document {
    fn from(vector: NewVector) -> Document {
        Document {
            payload: vector.metadata.map(Value::Object),
            ..Document::new(vector.dimensions, vector.id)
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
