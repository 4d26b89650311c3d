//! What a server says of itself, and a cluster would; this is one server.

use serde::Serialize;

/// How a collection lies on the servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct CollectionClusterInfo {
    pub(crate) peer_id: u64,
    pub(crate) shard_count: u64,
    pub(crate) local_shards: Vec<LocalShard>,
    /// Always empty, as the next one is.
    pub(crate) remote_shards: [(); 0],
    pub(crate) shard_transfers: [(); 0],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LocalShard {
    pub(crate) shard_id: u32,
    pub(crate) points_count: u64,
    pub(crate) state: ReplicaState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum ReplicaState {
    Active,
}

/// The keys that shards were made for: none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ShardKeysResponse {
    pub(crate) shard_keys: [(); 0],
}

/// What is being optimized. Only what waits to be indexed is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct OptimizationsResponse {
    pub(crate) summary: OptimizationsSummary,
    pub(crate) running: [(); 0],
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct OptimizationsSummary {
    pub(crate) queued_optimizations: u64,
    pub(crate) queued_segments: u64,
    pub(crate) queued_points: u64,
    pub(crate) idle_segments: u64,
}

/// Whether servers work together: they do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub(crate) enum ClusterStatus {
    Disabled,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Telemetry {
    pub(crate) id: String,
    pub(crate) collections: CollectionsTelemetry,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct CollectionsTelemetry {
    pub(crate) number_of_collections: usize,
}

/// What somebody should look at: nothing that the dialect has words for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Issues {
    pub(crate) issues: [(); 0],
}
