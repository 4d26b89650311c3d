//! Changes to points.

use super::{BatchVectors, Filter, PointId, PointStruct, PointVectors};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One of the eight kinds of changes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UpdateOperation {
    Upsert(Upsert),
    Delete(Selector),
    SetPayload(SetPayload),
    OverwritePayload(SetPayload),
    DeletePayload(DeletePayload),
    ClearPayload(Selector),
    UpdateVectors(UpdateVectors),
    DeleteVectors(DeleteVectors),
}

/// Several changes, one after the other.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct UpdateBatch {
    pub(crate) operations: Vec<UpdateOperation>,
}

/// Points to write: as a list, or as columns.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Upsert {
    pub(crate) points: Option<Vec<PointStruct>>,
    pub(crate) batch: Option<Batch>,
    /// Points that are there are replaced only if they satisfy this.
    pub(crate) update_filter: Option<Filter>,
    pub(crate) update_mode: UpdateMode,
}

/// Columns of points.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Batch {
    pub(crate) ids: Vec<PointId>,
    pub(crate) vectors: BatchVectors,
    #[serde(default)]
    pub(crate) payloads: Option<Vec<Option<Map<String, Value>>>>,
}

/// Which points an upsert writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UpdateMode {
    #[default]
    Upsert,
    InsertOnly,
    UpdateOnly,
}

/// Points by their ids, or by what they satisfy.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Selector {
    pub(crate) points: Option<Vec<PointId>>,
    pub(crate) filter: Option<Filter>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct SetPayload {
    pub(crate) payload: Map<String, Value>,
    #[serde(flatten)]
    pub(crate) selector: Selector,
    /// Where in the payload; nowhere: at its top.
    #[serde(default)]
    pub(crate) key: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct DeletePayload {
    pub(crate) keys: Vec<String>,
    #[serde(flatten)]
    pub(crate) selector: Selector,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct UpdateVectors {
    pub(crate) points: Vec<VectorsOfPoint>,
    #[serde(default)]
    pub(crate) update_filter: Option<Filter>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct VectorsOfPoint {
    pub(crate) id: PointId,
    pub(crate) vector: PointVectors,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct DeleteVectors {
    #[serde(flatten)]
    pub(crate) selector: Selector,
    /// Names of vectors.
    pub(crate) vector: Vec<String>,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct UpdateResult {
    pub(crate) operation_id: u64,
    pub(crate) status: UpdateStatus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UpdateStatus {
    /// For whoever does not wait. It is applied all the same.
    Acknowledged,
    Completed,
}
