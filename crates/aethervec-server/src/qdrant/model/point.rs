//! Points as they are written and as they come back.

use super::{PointId, PointVectors};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A point as it is written.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct PointStruct {
    pub(crate) id: PointId,
    pub(crate) vector: PointVectors,
    #[serde(default)]
    pub(crate) payload: Option<Map<String, Value>>,
}

/// A point as it is read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Record {
    pub(crate) id: PointId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) payload: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) vector: Option<PointVectors>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) order_value: Option<OrderValue>,
}

/// A point that a query found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ScoredPoint {
    pub(crate) id: PointId,
    /// Always 0: points have no number of their own for each update.
    pub(crate) version: u64,
    pub(crate) score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) payload: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) vector: Option<PointVectors>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) order_value: Option<OrderValue>,
}

/// The value that a point was ordered by; of a moment its microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum OrderValue {
    Int(i64),
    Float(f64),
}

/// A page of points.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ScrollResult {
    pub(crate) points: Vec<Record>,
    /// The first point of the next page.
    pub(crate) next_page_offset: Option<PointId>,
}

/// What a query found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct QueryResponse {
    pub(crate) points: Vec<ScoredPoint>,
}

/// Points with the same value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct PointGroup {
    pub(crate) hits: Vec<ScoredPoint>,
    /// A string or a whole number.
    pub(crate) id: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lookup: Option<Record>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct GroupsResult {
    pub(crate) groups: Vec<PointGroup>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct CountResult {
    pub(crate) count: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct FacetHit {
    pub(crate) value: Value,
    pub(crate) count: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct FacetResponse {
    pub(crate) hits: Vec<FacetHit>,
}

/// Neighbours among a sample, as pairs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct MatrixPairs {
    pub(crate) pairs: Vec<MatrixPair>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct MatrixPair {
    pub(crate) a: PointId,
    pub(crate) b: PointId,
    pub(crate) score: f32,
}

/// Neighbours among a sample, as a sparse matrix.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct MatrixOffsets {
    pub(crate) offsets_row: Vec<u64>,
    pub(crate) offsets_col: Vec<u64>,
    pub(crate) scores: Vec<f32>,
    pub(crate) ids: Vec<PointId>,
}
