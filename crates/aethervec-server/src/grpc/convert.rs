//! Between messages and what the engine knows.

use crate::error::{ApiError, ApiResult};
use crate::proto;
use aethervec::{
    DocId, Filter, QueryHit, QueryResponse, QueryVector, SearchRequest, Vector, VectorValue,
};

/// A filter: JSON if it begins like an object, else text.
pub(super) fn filter(text: &str) -> ApiResult<Filter> {
    let filter = if text.trim_start().starts_with('{') {
        Filter::from_json(text)
    } else {
        Filter::parse(text)
    };
    filter.map_err(|error| ApiError::invalid(format!("filter: {error}")))
}

/// What `json` spells; `field` names it in messages.
pub(super) fn json<T: serde::de::DeserializeOwned>(field: &str, json: &str) -> ApiResult<T> {
    serde_json::from_str(json).map_err(|error| ApiError::invalid(format!("{field}: {error}")))
}

/// `value` as JSON.
pub(super) fn to_json(value: &impl serde::Serialize) -> ApiResult<String> {
    serde_json::to_string(value).map_err(|error| {
        ApiError::new(
            crate::ApiErrorKind::Internal,
            format!("the answer cannot be written as JSON: {error}"),
        )
    })
}

/// A vector of the short forms, as a document.
pub(super) fn short(vector: proto::InsertVector) -> ApiResult<crate::wire::short::NewVector> {
    let metadata = vector.metadata.as_deref();
    Ok(crate::wire::short::NewVector {
        id: id(vector.id)?,
        dimensions: vector.dimensions,
        metadata: metadata.map(|text| json("metadata", text)).transpose()?,
    })
}

/// The id of a document.
pub(super) fn id(id: Option<proto::Id>) -> ApiResult<DocId> {
    Ok(id.unwrap_or_default().try_into()?)
}

/// A search, taken apart; [`Search::request`] is how the engine is asked.
#[derive(Debug)]
pub(super) struct Search {
    message: proto::SearchRequest,
    vector: VectorValue,
    filter: Option<Filter>,
}

impl Search {
    /// That of a message.
    pub(super) fn new(mut message: proto::SearchRequest) -> ApiResult<Search> {
        let value = message.vector.take().unwrap_or_default();
        Ok(Search {
            vector: value.try_into()?,
            filter: message.filter.as_deref().map(filter).transpose()?,
            message,
        })
    }

    /// As the engine is asked.
    pub(super) fn request(&self) -> SearchRequest<'_> {
        let message = &self.message;
        let vector = match &self.vector {
            VectorValue::Dense(Vector::F32(vector)) => QueryVector::Dense(vector),
            VectorValue::Dense(_) => QueryVector::Dense(&[]),
            VectorValue::Binary(vector) => QueryVector::Binary(vector),
            VectorValue::Sparse(vector) => QueryVector::Sparse(vector),
            VectorValue::Multi(vector) => QueryVector::Multi(vector),
        };
        SearchRequest {
            using: &message.using,
            filter: self.filter.as_ref(),
            recall: message.recall,
            ef: message.ef.map(|ef| ef as usize),
            exact: message.exact,
            with_payload: !message.without_payload,
            with_vectors: message.with_vectors,
            ..SearchRequest::new(vector, message.k.map_or(10, |k| k as usize))
        }
    }
}

/// What a search has found.
pub(super) fn to_hits(hits: Vec<aethervec::Hit>) -> ApiResult<proto::SearchResponse> {
    let hits = hits.into_iter().map(|hit| {
        Ok(proto::Hit {
            vectors: proto::Vector::by_field(hit.vectors),
            id: Some(hit.id.into()),
            score: f64::from(hit.score),
            distance: Some(hit.distance.0),
            payload: hit.payload.as_ref().map(to_json).transpose()?,
        })
    });
    Ok(proto::SearchResponse {
        hits: hits.collect::<ApiResult<_>>()?,
        next: String::new(),
    })
}

/// What a query has found.
pub(super) fn to_found(response: QueryResponse) -> ApiResult<proto::SearchResponse> {
    let hit = |hit: QueryHit| {
        Ok(proto::Hit {
            vectors: proto::Vector::by_field(hit.vectors),
            id: Some(hit.id.into()),
            score: hit.score,
            distance: None,
            payload: hit.payload.as_ref().map(to_json).transpose()?,
        })
    };
    let hits = response.hits.into_iter().map(hit);
    Ok(proto::SearchResponse {
        hits: hits.collect::<ApiResult<_>>()?,
        next: response
            .next
            .map_or(String::new(), |cursor| cursor.to_string()),
    })
}
