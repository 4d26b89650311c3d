//! Collections: how they are declared, changed and described.
//!
//! What only says how Qdrant lays out its files and threads is kept as it came, to be shown again: such objects are JSON here.

use super::one_or_many;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// An object whose fields are kept as they are.
pub(crate) type Object = Map<String, Value>;

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct CreateCollection {
    pub(crate) vectors: Option<VectorsConfig>,
    pub(crate) sparse_vectors: Option<BTreeMap<String, Option<Object>>>,
    pub(crate) shard_number: Option<u32>,
    pub(crate) sharding_method: Option<String>,
    pub(crate) replication_factor: Option<u32>,
    pub(crate) write_consistency_factor: Option<u32>,
    pub(crate) on_disk_payload: Option<bool>,
    pub(crate) payload: Option<Object>,
    pub(crate) hnsw_config: Option<Object>,
    pub(crate) wal_config: Option<Object>,
    pub(crate) optimizers_config: Option<Object>,
    pub(crate) quantization_config: Option<Value>,
    pub(crate) strict_mode_config: Option<Object>,
    pub(crate) metadata: Option<Object>,
}

/// One vector without a name, or several by name.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Object")]
pub(crate) enum VectorsConfig {
    Single(VectorParams),
    Named(BTreeMap<String, VectorParams>),
}

impl TryFrom<Object> for VectorsConfig {
    type Error = serde_json::Error;

    fn try_from(object: Object) -> Result<VectorsConfig, serde_json::Error> {
        let is_single = object.get("size").is_some_and(Value::is_number);
        let value = Value::Object(object);
        if is_single {
            serde_json::from_value(value).map(VectorsConfig::Single)
        } else {
            serde_json::from_value(value).map(VectorsConfig::Named)
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct VectorParams {
    pub(crate) size: usize,
    pub(crate) distance: Distance,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hnsw_config: Option<Object>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) quantization_config: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) on_disk: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) datatype: Option<Datatype>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) multivector_config: Option<Object>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) memory: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Distance {
    Cosine,
    Euclid,
    Dot,
    Manhattan,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Datatype {
    Float32,
    Float16,
    Uint8,
    Turbo4,
    Turbo8,
    Turbo16,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct UpdateCollection {
    /// Of vectors by name; the one without a name is called `""`.
    pub(crate) vectors: Option<BTreeMap<String, Object>>,
    pub(crate) sparse_vectors: Option<BTreeMap<String, Object>>,
    pub(crate) optimizers_config: Option<Object>,
    pub(crate) params: Option<Object>,
    pub(crate) hnsw_config: Option<Object>,
    pub(crate) quantization_config: Option<Value>,
    pub(crate) strict_mode_config: Option<Object>,
    pub(crate) metadata: Option<Object>,
}

/// Adds a vector to a collection.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct CreateVectorName {
    #[serde(default)]
    pub(crate) dense: Option<VectorParams>,
    #[serde(default)]
    pub(crate) sparse: Option<Object>,
}

/// Declares an index of a payload key.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct CreateFieldIndex {
    pub(crate) field_name: String,
    #[serde(default)]
    pub(crate) field_schema: Option<FieldSchema>,
}

/// The type of an index, or an object that names it under `type` and says more.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum FieldSchema {
    Type(String),
    Params(Object),
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct ChangeAliases {
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) actions: Vec<AliasAction>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::enum_variant_names, reason = "requests call them so")]
pub(crate) enum AliasAction {
    CreateAlias {
        collection_name: String,
        alias_name: String,
    },
    DeleteAlias {
        alias_name: String,
    },
    RenameAlias {
        old_alias_name: String,
        new_alias_name: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct CollectionDescription {
    pub(crate) name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct CollectionsResponse {
    pub(crate) collections: Vec<CollectionDescription>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct AliasDescription {
    pub(crate) alias_name: String,
    pub(crate) collection_name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct AliasesResponse {
    pub(crate) aliases: Vec<AliasDescription>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Exists {
    pub(crate) exists: bool,
}

/// What there is to know about a collection.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct CollectionInfo {
    pub(crate) status: CollectionStatus,
    pub(crate) optimizer_status: OptimizerStatus,
    pub(crate) indexed_vectors_count: u64,
    pub(crate) points_count: u64,
    /// Always 1: a collection is not divided.
    pub(crate) segments_count: u64,
    pub(crate) config: CollectionConfig,
    pub(crate) payload_schema: BTreeMap<String, PayloadSchema>,
    pub(crate) update_queue: UpdateQueue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CollectionStatus {
    /// All indexes are complete.
    Green,
    /// Something is still to be indexed.
    Yellow,
    /// Indexing has failed.
    Red,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OptimizerStatus {
    Ok,
    Error(String),
}

/// Writes that wait to be indexed. All of them are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct UpdateQueue {
    pub(crate) length: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct CollectionConfig {
    pub(crate) params: CollectionParams,
    pub(crate) hnsw_config: Object,
    pub(crate) optimizer_config: Object,
    pub(crate) wal_config: Object,
    pub(crate) quantization_config: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) strict_mode_config: Option<Object>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) metadata: Object,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct CollectionParams {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) vectors: Option<VectorsInfo>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) sparse_vectors: BTreeMap<String, Object>,
    pub(crate) shard_number: u32,
    pub(crate) replication_factor: u32,
    pub(crate) write_consistency_factor: u32,
    pub(crate) on_disk_payload: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum VectorsInfo {
    Single(VectorParams),
    Named(BTreeMap<String, VectorParams>),
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct PayloadSchema {
    pub(crate) data_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) params: Option<Object>,
    pub(crate) points: u64,
}
