//! One server in the words of a cluster: a collection is one shard, and that is here.

use super::collection;
use crate::qdrant::error::Result;
use crate::qdrant::model::{
    CollectionClusterInfo, LocalShard, OptimizationsResponse, OptimizationsSummary, ReplicaState,
    ShardKeysResponse,
};
use aethervec::AetherDB;

/// Where a collection is.
pub(crate) fn of_collection(db: &AetherDB, name: &str) -> Result<CollectionClusterInfo> {
    let shard = LocalShard {
        shard_id: 0,
        points_count: collection(db, name)?.count()?,
        state: ReplicaState::Active,
    };
    Ok(CollectionClusterInfo {
        peer_id: 0,
        shard_count: 1,
        local_shards: vec![shard],
        remote_shards: [],
        shard_transfers: [],
    })
}

/// None, of a collection that there is.
pub(crate) fn shard_keys(db: &AetherDB, name: &str) -> Result<ShardKeysResponse> {
    collection(db, name)?;
    Ok(ShardKeysResponse { shard_keys: [] })
}

/// What waits to be indexed.
pub(crate) fn optimizations(db: &AetherDB, name: &str) -> Result<OptimizationsResponse> {
    let pending = collection(db, name)?.index_status().pending;
    let queued = u64::from(pending > 0);
    Ok(OptimizationsResponse {
        summary: OptimizationsSummary {
            queued_optimizations: queued,
            queued_segments: queued,
            queued_points: pending,
            idle_segments: 1 - queued,
        },
        running: [],
    })
}
