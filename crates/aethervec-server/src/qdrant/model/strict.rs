//! What requests of a collection may ask for.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The rules that are kept here. One that is not known cannot be kept, and is refused.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StrictMode {
    pub(crate) enabled: Option<bool>,
    pub(crate) max_query_limit: Option<usize>,
    /// Whether a filter of points that are read may name fields without an index.
    pub(crate) unindexed_filtering_retrieve: Option<bool>,
    /// The same of points that are changed.
    pub(crate) unindexed_filtering_update: Option<bool>,
    pub(crate) search_max_hnsw_ef: Option<usize>,
    pub(crate) search_allow_exact: Option<bool>,
    pub(crate) search_max_oversampling: Option<f64>,
    pub(crate) upsert_max_batchsize: Option<usize>,
    pub(crate) search_max_batchsize: Option<usize>,
    pub(crate) max_points_count: Option<u64>,
    pub(crate) filter_max_conditions: Option<usize>,
    pub(crate) condition_max_size: Option<usize>,
    pub(crate) max_payload_index_count: Option<usize>,
    /// By the names of vectors, as the next one is.
    pub(crate) multivector_config: BTreeMap<String, StrictMultivector>,
    pub(crate) sparse_config: BTreeMap<String, StrictSparse>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StrictMultivector {
    pub(crate) max_vectors: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StrictSparse {
    pub(crate) max_length: Option<usize>,
}
