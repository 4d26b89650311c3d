//! All limits of a database, in one place. Messages and documentation refer to these, prose repeats no number.

use aether_index::IvfParams;

/// Longest collection name, in bytes of UTF-8.
pub const COLLECTION_NAME_BYTES_MAX: usize = 255;

/// Most aliases of a database.
pub const ALIASES_MAX: usize = 10_000;

/// Most bytes of JSON that are kept with a collection as its metadata.
pub const METADATA_BYTES_MAX: usize = 256 << 10;

/// Longest string id of a document, in bytes of UTF-8.
pub const ID_BYTES_MAX: usize = 1_024;

/// Most components of a vector.
pub const DIM_MAX: usize = 65_535;

/// Most bits of a binary vector.
pub const BITS_MAX: usize = 65_536;

/// Most components of a sparse vector that are not 0.
pub const SPARSE_COMPONENTS_MAX: usize = 65_535;

/// Most vectors of a document in one field of several vectors.
pub const MULTI_VECTORS_MAX: usize = 4_096;

/// Most components of all vectors together that a document has in one field of several vectors.
pub const MULTI_COMPONENTS_MAX: usize = 4 << 20;

/// Most vector fields of a collection.
pub const VECTOR_FIELDS_MAX: usize = 64;

/// Longest name of a vector field, in bytes of UTF-8.
pub const VECTOR_FIELD_NAME_BYTES_MAX: usize = 255;

/// Largest magnitude of a component of a vector. Twice this value, squared and summed over [`DIM_MAX`] components,
/// is still a finite `f32`, so that no distance overflows.
pub const COMPONENT_ABS_MAX: f32 = 1e16;

/// Largest payload of a document, in bytes of JSON.
pub const PAYLOAD_BYTES_MAX: usize = 16 << 20;

/// Deepest nesting of a payload: the payload itself is level 1.
pub const PAYLOAD_DEPTH_MAX: usize = 64;

/// Most documents (or ids) in one call.
pub const BATCH_DOCUMENTS_MAX: usize = 100_000;

/// Most documents that a transaction, or a write by a filter, may change.
pub const TRANSACTION_DOCUMENTS_MAX: usize = 1_000_000;

/// Most bytes (vectors and payloads together) that a transaction may hold.
pub const TRANSACTION_BYTES_MAX: usize = 512 << 20;

/// Longest time that documents of a collection can be made to stay by default: for ever is told differently.
pub const TTL_MAX: std::time::Duration = std::time::Duration::from_secs(1_000 * 366 * 24 * 60 * 60);

/// Most bytes (vectors, ids and payloads together) in one call.
pub const BATCH_BYTES_MAX: usize = 256 << 20;

/// Longest line of an export, in bytes: a document as large as a call may be, its numbers written at length.
pub const JSONL_LINE_BYTES_MAX: usize = 4 * BATCH_BYTES_MAX + (1 << 20);

/// Most hits of one search.
pub const K_MAX: usize = 10_000;

/// Largest search effort.
pub const EF_MAX: usize = 100_000;

/// Most queries in one call.
pub const SEARCH_BATCH_MAX: usize = 10_000;

/// Most documents in one page of a scroll.
pub const SCROLL_LIMIT_MAX: usize = 10_000;

/// Fewest and most links per node of a graph.
pub const M_RANGE: std::ops::RangeInclusive<u16> = 2..=256;

/// Fewest and most candidates held while inserting into a graph.
pub const EF_CONSTRUCTION_RANGE: std::ops::RangeInclusive<u16> = 8..=4_096;

/// Fewest and most points of a bucket, about.
pub const BUCKET_POINTS_RANGE: std::ops::RangeInclusive<u16> =
    IvfParams::BUCKET_POINTS_MIN..=IvfParams::BUCKET_POINTS_MAX;

/// Deepest nesting of a filter: a single condition is level 1.
pub const FILTER_DEPTH_MAX: usize = 32;

/// Most conditions and connectives of a filter together.
pub const FILTER_NODES_MAX: usize = 10_000;

/// Most values, ids and corners of polygons in a filter together.
pub const FILTER_VALUES_MAX: usize = 1_000_000;

/// Longest text or JSON of a filter, in bytes.
pub const FILTER_TEXT_BYTES_MAX: usize = 4 << 20;

/// Longest path into a payload, in bytes.
pub const PATH_BYTES_MAX: usize = 1_024;

/// Most steps of a path into a payload.
pub const PATH_STEPS_MAX: usize = 64;

/// Longest text to look for in texts, in bytes.
pub const TEXT_QUERY_BYTES_MAX: usize = 64 << 10;

/// Of a longer word in a text only so many bytes count.
pub const WORD_BYTES_MAX: usize = 128;

/// Most payload indexes of a collection.
pub const PAYLOAD_INDEXES_MAX: usize = 1_000;

/// Most values of one facet.
pub const FACET_LIMIT_MAX: usize = 10_000;

/// Hits of a query that does not say how many.
pub const QUERY_LIMIT_DEFAULT: usize = 10;

/// Deepest nesting of prefetches: a request without any is level 1.
pub const QUERY_DEPTH_MAX: usize = 8;

/// Most stages of a request: itself, and its prefetches.
pub const QUERY_STAGES_MAX: usize = 64;

/// Most examples of a recommendation, a discovery or a context.
pub const QUERY_EXAMPLES_MAX: usize = 1_000;

/// Most documents that MMR chooses from.
pub const MMR_CANDIDATES_MAX: usize = 2_000;

/// Deepest nesting of a formula.
pub const FORMULA_DEPTH_MAX: usize = 32;

/// Most operands of a formula.
pub const FORMULA_NODES_MAX: usize = 1_000;

/// Most groups of a grouped query, and most hits of each.
pub const GROUPS_MAX: usize = 1_000;

/// Most documents of a distance matrix.
pub const MATRIX_SAMPLE_MAX: usize = 2_000;
