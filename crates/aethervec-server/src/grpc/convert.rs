//! Between messages and what the engine knows.

use crate::error::{ApiError, ApiResult};
use crate::proto;
use aethervec::{
    BinaryVector, DocId, Document, Filter, MultiVector, QueryHit, QueryResponse, QueryVector,
    SearchRequest, SparseVector, Uuid, Vector, VectorValue, Vectors,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

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

/// The id of a document.
pub(super) fn id(id: Option<proto::Id>) -> ApiResult<DocId> {
    use proto::id::Kind;
    match id.and_then(|id| id.kind) {
        Some(Kind::Number(number)) => Ok(DocId::U64(number)),
        Some(Kind::Text(text)) => Ok(DocId::Str(text)),
        Some(Kind::Uuid(text)) => match Uuid::parse_str(&text) {
            Ok(uuid) => Ok(DocId::Uuid(uuid)),
            Err(error) => Err(ApiError::invalid(format!("id: uuid: {error}"))),
        },
        None => Err(ApiError::invalid("id: it is missing")),
    }
}

/// The message of an id.
pub(super) fn to_id(id: DocId) -> proto::Id {
    use proto::id::Kind;
    let kind = match id {
        DocId::U64(number) => Kind::Number(number),
        DocId::Uuid(uuid) => Kind::Uuid(uuid.to_string()),
        DocId::Str(text) => Kind::Text(text),
    };
    proto::Id { kind: Some(kind) }
}

/// A vector of any kind.
pub(super) fn vector(vector: proto::Vector) -> ApiResult<VectorValue> {
    use proto::vector::Kind;
    match vector.kind {
        Some(Kind::Dense(dense)) => Ok(VectorValue::from(dense.components)),
        Some(Kind::Sparse(proto::SparseVector { indices, values })) => {
            if indices.len() != values.len() {
                return Err(ApiError::invalid(format!(
                    "vector: {} indices for {} values",
                    indices.len(),
                    values.len()
                )));
            }
            let components = indices.into_iter().zip(values);
            Ok(VectorValue::Sparse(SparseVector::new(components)))
        }
        Some(Kind::Bits(bits)) => Ok(VectorValue::Binary(BinaryVector::from_bytes(bits))),
        Some(Kind::Multi(proto::MultiVector { dim, components })) => {
            let multi = MultiVector::from_components(dim as usize, Vector::F32(components))?;
            Ok(VectorValue::Multi(multi))
        }
        None => Err(ApiError::invalid("vector: it is missing")),
    }
}

/// The message of a vector.
pub(super) fn to_vector(vector: &VectorValue) -> proto::Vector {
    use proto::vector::Kind;
    let kind = match vector {
        VectorValue::Dense(vector) => Kind::Dense(proto::DenseVector {
            components: vector.to_f32(),
        }),
        VectorValue::Sparse(vector) => Kind::Sparse(proto::SparseVector {
            indices: vector.indices().to_vec(),
            values: vector.values().to_vec(),
        }),
        VectorValue::Binary(vector) => Kind::Bits(vector.as_bytes().to_vec().into()),
        VectorValue::Multi(vector) => Kind::Multi(proto::MultiVector {
            dim: u32::try_from(vector.dim()).unwrap_or(u32::MAX),
            components: vector.components().to_f32(),
        }),
    };
    proto::Vector { kind: Some(kind) }
}

fn to_vectors(vectors: &Vectors) -> BTreeMap<String, proto::Vector> {
    let vectors = vectors.iter();
    vectors
        .map(|(field, vector)| (field.to_owned(), to_vector(vector)))
        .collect()
}

/// A document.
pub(super) fn document(document: proto::Document) -> ApiResult<Document> {
    let mut vectors = Vectors::new();
    for (field, value) in document.vectors {
        let value = vector(value)
            .map_err(|error| ApiError::invalid(format!("vectors: {field:?}: {}", error.message)))?;
        vectors.insert(field, value);
    }
    let expires_at = document.expires_at.map(|text| text.parse()).transpose();
    Ok(Document {
        id: id(document.id)?,
        vectors,
        payload: payload("payload", document.payload)?,
        expires_at: expires_at
            .map_err(|error| ApiError::invalid(format!("expires_at: {error}")))?,
    })
}

/// The message of a document.
pub(super) fn to_document(document: Document) -> ApiResult<proto::Document> {
    Ok(proto::Document {
        vectors: to_vectors(&document.vectors),
        id: Some(to_id(document.id)),
        payload: document.payload.as_ref().map(to_json).transpose()?,
        expires_at: document.expires_at.map(|moment| moment.to_string()),
    })
}

/// A vector of the short forms, as a document.
pub(super) fn short(vector: proto::InsertVector) -> ApiResult<crate::wire::short::Vector> {
    let metadata = vector.metadata.as_deref();
    Ok(crate::wire::short::Vector {
        id: id(vector.id)?,
        dimensions: vector.dimensions,
        metadata: metadata.map(|text| json("metadata", text)).transpose()?,
    })
}

fn payload(field: &str, text: Option<String>) -> ApiResult<Option<Value>> {
    let object = text.map(|text| json::<Map<String, Value>>(field, &text));
    Ok(object.transpose()?.map(Value::Object))
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
            vector: vector(value)?,
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
            vectors: to_vectors(&hit.vectors),
            id: Some(to_id(hit.id)),
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
            vectors: to_vectors(&hit.vectors),
            id: Some(to_id(hit.id)),
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
