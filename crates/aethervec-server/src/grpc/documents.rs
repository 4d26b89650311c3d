//! What several calls do with documents and collections.

use super::convert;
use crate::call::Call;
use crate::error::{ApiError, ApiResult};
use crate::proto::*;
use crate::short as short_forms;
use crate::wire::{ask, collection, documents, short};
use aethervec::{FacetRequest, GroupRequest, MatrixRequest, Write};

/// The collection that is meant, by the short forms.
pub(super) fn or_default(name: String) -> String {
    match name.is_empty() {
        true => short::DEFAULT_COLLECTION.to_owned(),
        false => name,
    }
}

pub(super) fn insert_short(call: &Call, message: InsertRequest) -> ApiResult<InsertResponse> {
    let vectors = message.vectors.into_iter().map(convert::short);
    let request = short::Vectors {
        collection: or_default(message.collection),
        vectors: vectors.collect::<ApiResult<_>>()?,
    };
    let written = short_forms::insert(call, request)?;
    Ok(InsertResponse {
        count: written.count as u64,
    })
}

pub(super) fn upsert(call: &Call, message: UpsertRequest) -> ApiResult<UpsertResponse> {
    let documents = message.documents.into_iter().enumerate();
    let writes = documents.map(|(number, document)| {
        let document = document
            .try_into()
            .map_err(|error| ApiError::invalid(format!("document {number}: {error}")))?;
        Ok(Write::upsert(document))
    });
    let writes = writes.collect::<ApiResult<Vec<Write>>>()?;
    let upserted = documents::UpsertAnswer::of(&call.apply(&message.collection, writes)?);
    Ok(UpsertResponse {
        inserted: upserted.inserted as u64,
        replaced: upserted.replaced as u64,
    })
}

pub(super) fn described(collection: &aethervec::Collection) -> ApiResult<CollectionResponse> {
    let described = collection::Described::of(collection)?;
    Ok(CollectionResponse {
        description: convert::to_json(&described)?,
    })
}

/// Groups, a facet, a matrix or an explanation.
pub(super) fn answer(
    call: &Call,
    name: &str,
    question: Option<ask_request::Question>,
) -> ApiResult<String> {
    use ask_request::Question;
    match question {
        Some(Question::Groups(text)) => {
            let request: GroupRequest = convert::json("groups", &text)?;
            let groups = call.query_groups(name, &request)?;
            convert::to_json(&ask::Groups::from(groups))
        }
        Some(Question::Facet(text)) => {
            let request: ask::Facet = convert::json("facet", &text)?;
            let counts = call.facet(name, &FacetRequest::from(request))?;
            convert::to_json(&ask::Facets::from(counts))
        }
        Some(Question::Matrix(text)) => {
            let request: MatrixRequest = convert::json("matrix", &text)?;
            convert::to_json(&call.matrix(name, &request)?)
        }
        Some(Question::Explain(text)) => {
            let search: ask::Search = convert::json("explain", &text)?;
            let explanation = call.view(name)?.explain(search.request())?;
            convert::to_json(&ask::Explained::from(explanation))
        }
        None => Err(ApiError::invalid(
            "question: one of groups, facet, matrix and explain has to be there",
        )),
    }
}
