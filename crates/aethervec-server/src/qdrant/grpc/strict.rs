//! The rules of strict mode, which are kept as JSON.

use super::config::{Fields, flag, number};
use crate::qdrant::model::Object;
use proto::{
    StrictModeMultivector, StrictModeMultivectorConfig, StrictModeSparse, StrictModeSparseConfig,
};
use qdrant_client::qdrant as proto;
use serde_json::{Value, json};
use std::collections::HashMap;

/// The rules that a message has.
pub(super) fn rules(it: proto::StrictModeConfig) -> Object {
    let multi = it.multivector_config.map(|it| {
        let by_name = it.multivector_config.into_iter();
        let by_name = by_name.map(|(name, it)| (name, json!({"max_vectors": it.max_vectors})));
        by_name.collect::<Object>()
    });
    let sparse = it.sparse_config.map(|it| {
        let by_name = it.sparse_config.into_iter();
        let by_name = by_name.map(|(name, it)| (name, json!({"max_length": it.max_length})));
        by_name.collect::<Object>()
    });
    Fields::default()
        .with("enabled", it.enabled)
        .with("max_query_limit", it.max_query_limit)
        .with("max_timeout", it.max_timeout)
        .with(
            "unindexed_filtering_retrieve",
            it.unindexed_filtering_retrieve,
        )
        .with("unindexed_filtering_update", it.unindexed_filtering_update)
        .with("search_max_hnsw_ef", it.search_max_hnsw_ef)
        .with("search_allow_exact", it.search_allow_exact)
        .with("search_max_oversampling", it.search_max_oversampling)
        .with("upsert_max_batchsize", it.upsert_max_batchsize)
        .with("search_max_batchsize", it.search_max_batchsize)
        .with(
            "max_collection_vector_size_bytes",
            it.max_collection_vector_size_bytes,
        )
        .with(
            "max_collection_payload_size_bytes",
            it.max_collection_payload_size_bytes,
        )
        .with("read_rate_limit", it.read_rate_limit)
        .with("write_rate_limit", it.write_rate_limit)
        .with("max_points_count", it.max_points_count)
        .with("filter_max_conditions", it.filter_max_conditions)
        .with("condition_max_size", it.condition_max_size)
        .with("max_payload_index_count", it.max_payload_index_count)
        .with("multivector_config", multi)
        .with("sparse_config", sparse)
        .into_object()
}

/// The message that has these rules, which are those that the server keeps.
pub(super) fn message(rules: &Object) -> proto::StrictModeConfig {
    let small = |name: &str| number(rules, name).and_then(|number| u32::try_from(number).ok());
    #[expect(clippy::cast_possible_truncation, reason = "it came as an f32")]
    let oversampling = |value: &Value| value.as_f64().map(|times| times as f32);
    let multi = by_name(rules, "multivector_config", |rule| StrictModeMultivector {
        max_vectors: number(rule, "max_vectors"),
    });
    let sparse = by_name(rules, "sparse_config", |rule| StrictModeSparse {
        max_length: number(rule, "max_length"),
    });
    proto::StrictModeConfig {
        enabled: flag(rules, "enabled"),
        max_query_limit: small("max_query_limit"),
        unindexed_filtering_retrieve: flag(rules, "unindexed_filtering_retrieve"),
        unindexed_filtering_update: flag(rules, "unindexed_filtering_update"),
        search_max_hnsw_ef: small("search_max_hnsw_ef"),
        search_allow_exact: flag(rules, "search_allow_exact"),
        search_max_oversampling: rules.get("search_max_oversampling").and_then(oversampling),
        upsert_max_batchsize: number(rules, "upsert_max_batchsize"),
        search_max_batchsize: number(rules, "search_max_batchsize"),
        max_points_count: number(rules, "max_points_count"),
        filter_max_conditions: number(rules, "filter_max_conditions"),
        condition_max_size: number(rules, "condition_max_size"),
        max_payload_index_count: number(rules, "max_payload_index_count"),
        multivector_config: multi
            .map(|multivector_config| StrictModeMultivectorConfig { multivector_config }),
        sparse_config: sparse.map(|sparse_config| StrictModeSparseConfig { sparse_config }),
        ..proto::StrictModeConfig::default()
    }
}

/// The rules under `name`, of vectors by their names.
fn by_name<T>(
    rules: &Object,
    name: &str,
    read: impl Fn(&Object) -> T,
) -> Option<HashMap<String, T>> {
    let rules = rules.get(name)?.as_object()?.iter();
    let rules = rules.map(|(name, rule)| Some((name.clone(), read(rule.as_object()?))));
    rules.collect()
}
