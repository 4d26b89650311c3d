//! The short forms, for all protocols: vectors in, similar vectors out, in a collection that is made by its first use.

use crate::auth::Action;
use crate::call::Call;
use crate::error::{ApiError, ApiErrorKind, ApiResult};
use crate::observe::request::{self, asking};
use crate::observe::shape;
use crate::wire::short::{Similar, SimilarQuery, Vectors, Written};
use aethervec::{
    Collection, CollectionSchema, Document, ErrorKind, IndexConfig, Metric, SearchRequest, Write,
};

/// Writes vectors.
pub(crate) fn insert(call: &Call, request: Vectors) -> ApiResult<Written> {
    let dim = request
        .vectors
        .first()
        .map(|vector| vector.dimensions.len());
    let Some(dim) = dim else {
        return Ok(Written { count: 0 });
    };
    let collection = collection(call, &request.collection, dim)?;
    let documents = request.vectors.into_iter().map(Document::from);
    let writes: Vec<Write> = documents.map(Write::upsert).collect();
    let count = writes.len();
    call.tenant.room_for(&collection, &writes)?;
    request::applied(&collection.apply_batch(writes)?);
    Ok(Written { count })
}

/// What is similar to a vector. A collection that nobody has written to yet has nothing.
pub(crate) fn query(call: &Call, request: &SimilarQuery) -> ApiResult<Similar> {
    let collection = match call.collection(Action::Read, &request.collection) {
        Err(error) if error.kind == ApiErrorKind::NotFound => {
            return Ok(Similar {
                vectors: Vec::new(),
            });
        }
        collection => collection?,
    };
    let search = SearchRequest::new(&request.vector, request.k);
    let hits = asking(
        collection.name(),
        || shape::search(&search),
        || collection.search_with(search),
    );
    Ok(Similar::from(hits?))
}

/// The collection called `name`, made if it is missing and the caller may.
fn collection(call: &Call, name: &str, dim: usize) -> ApiResult<Collection> {
    match call.collection(Action::Write, name) {
        Err(error) if error.kind == ApiErrorKind::NotFound => {}
        collection => return collection,
    }
    call.caller
        .allow(Action::Manage, &call.tenant.name, Some(name))?;
    let schema = CollectionSchema::new(dim, Metric::Cosine, IndexConfig::default());
    match call.tenant.db.create_collection_with(name, schema) {
        // Somebody else was faster.
        Err(error) if error.kind() == ErrorKind::Exists => call.collection(Action::Write, name),
        created => created.map_err(ApiError::from),
    }
}
