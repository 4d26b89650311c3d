//! Between the dialect and the engine. What the dialect says is judged here, once for both of its protocols.

mod filter;
mod info;
mod query;
mod results;
mod schema;
mod update;
mod vectors;

pub(crate) use filter::{condition, filter, moment};
pub(crate) use info::info;
pub(crate) use query::{Asked, Reader, payload_selector, vector_selector};
pub(crate) use results::{document_record, is_facet, is_group};
pub(crate) use schema::{
    Declared, extras, new_collection, new_field, new_index, new_sparse_field, strict_mode,
};
pub(crate) use update::{Change, change};

use crate::qdrant::error::{Failure, Result};
use aethervec::Path;

/// The path that a key of the dialect spells.
pub(crate) fn path(key: &str) -> Result<Path> {
    Ok(Path::parse(key)?)
}

/// Fails when `limit` is no number of results.
pub(crate) fn limit(limit: usize) -> Result<usize> {
    if limit > 0 {
        return Ok(limit);
    }
    Err(Failure::out_of_range("limit", limit, "1 or larger"))
}
