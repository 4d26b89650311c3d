//! Reading points without a vector: by id, page by page, counts.

use super::{collection, permit};
use crate::observe::request::asking;
use crate::observe::shape;
use crate::qdrant::convert::{self, Asked, Reader};
use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::{
    CountRequest, CountResult, FacetHit, FacetRequest, FacetResponse, PointId, PointsRequest,
    Record, ScrollRequest, ScrollResult,
};
use aethervec::{AetherDB, CollectionView, Cursor, DocId, QueryRequest, Uuid, limits};

const SCROLL_LIMIT_DEFAULT: usize = 10;
const FACET_LIMIT_DEFAULT: usize = 10;

/// Points that are read at a time: a page may be longer than a query.
const PAGE: usize = 1_000;

/// Those points that there are.
pub(crate) fn retrieve(db: &AetherDB, name: &str, request: PointsRequest) -> Result<Vec<Record>> {
    let collection = collection(db, name)?;
    let with_payload = convert::payload_selector(request.with_payload, true)?;
    let with_vectors = convert::vector_selector(request.with_vector);
    let mut ids: Vec<DocId> = request.ids.into_iter().map(|id| id.0).collect();
    ids.dedup();
    let documents = asking(name, || shape::get(&ids), || collection.get_batch(&ids))?;
    let documents = documents.into_iter().flatten();
    Ok(documents
        .map(|mut document| {
            document.payload = document
                .payload
                .and_then(|payload| with_payload.select(payload));
            if let aethervec::VectorSelector::Fields(names) = &with_vectors {
                let vectors = std::mem::take(&mut document.vectors).into_iter();
                document.vectors = vectors.filter(|(name, _)| names.contains(name)).collect();
            }
            convert::document_record(document, &with_payload, &with_vectors)
        })
        .collect())
}

pub(crate) fn get(db: &AetherDB, name: &str, id: PointId) -> Result<Record> {
    let missing = format!("Point with id {} does not exists!", id.0);
    let request = PointsRequest {
        ids: vec![id],
        with_payload: Some(crate::qdrant::model::WithPayload::Enable(true)),
        with_vector: Some(crate::qdrant::model::WithVector::Enable(true)),
    };
    retrieve(db, name, request)?
        .pop()
        .ok_or_else(|| Failure::not_found(missing))
}

/// A page of points, in the order of their ids or of a value.
pub(crate) fn scroll(db: &AetherDB, name: &str, request: ScrollRequest) -> Result<ScrollResult> {
    let collection = collection(db, name)?;
    permit(&collection, |strict| strict.scroll(&request))?;
    let limit = convert::limit(request.limit.unwrap_or(SCROLL_LIMIT_DEFAULT))?;
    let mut asked = Asked {
        is_scored: false,
        order_by: None,
        with_payload: convert::payload_selector(request.with_payload, true)?,
        with_vectors: convert::vector_selector(request.with_vector),
    };
    let view = collection.view()?;
    if let Some(order_by) = request.order_by {
        if request.offset.is_some() {
            return Err(Failure::wrong(
                "Cannot use an `offset` when using `order_by`. The alternative for paging is to use `order_by.start_from` and a filter to exclude the IDs that you've already seen for the `order_by.start_from` value",
            ));
        }
        let reader = Reader {
            schema: &collection.schema(),
            indexes: &collection.payload_indexes(),
        };
        let first = limit.min(limits::K_MAX);
        let query = reader.ordered(order_by, request.filter, first, &mut asked)?;
        let found = asking(name, || shape::of(&query), || view.query(&query))?;
        let hits = found.hits.into_iter();
        return Ok(ScrollResult {
            points: hits.map(|hit| asked.record(hit)).collect(),
            next_page_offset: None,
        });
    }
    let mut query = QueryRequest::default()
        .with_payload(asked.with_payload.clone())
        .with_vectors(asked.with_vectors.clone());
    query.filter = request.filter.map(convert::filter).transpose()?;
    query.cursor = request
        .offset
        .and_then(|id| before(&id.0))
        .map(Cursor::behind);
    query.limit = limit;
    asking(name, || shape::of(&query), || page(&view, &query, &asked))
}

/// What `query` finds without a vector, however many points it asks for.
fn page(view: &CollectionView, query: &QueryRequest, asked: &Asked) -> Result<ScrollResult> {
    let limit = query.limit;
    let mut query = query.clone();
    let mut points = Vec::new();
    while points.len() < limit {
        query.limit = PAGE.min(limit - points.len());
        let response = view.query(&query)?;
        points.extend(response.hits.into_iter().map(|hit| asked.record(hit)));
        query.cursor = response.next.map(Cursor::in_the_present);
        if query.cursor.is_none() {
            break;
        }
    }
    let next_page_offset = match query.cursor {
        None => None,
        Some(_) => {
            query = query.limit(1).with_payload(false).with_vectors(false);
            let next = view.query(&query)?.hits.pop();
            next.map(|hit| PointId(hit.id))
        }
    };
    Ok(ScrollResult {
        points,
        next_page_offset,
    })
}

/// The id directly before `id`, in the order of ids: numbers come before UUIDs.
fn before(id: &DocId) -> Option<DocId> {
    match id {
        DocId::U64(number) => number.checked_sub(1).map(DocId::U64),
        DocId::Uuid(uuid) => Some(match uuid.as_u128().checked_sub(1) {
            Some(number) => DocId::Uuid(Uuid::from_u128(number)),
            None => DocId::U64(u64::MAX),
        }),
        DocId::Str(_) => None,
    }
}

/// How many points there are: always exactly.
pub(crate) fn count(db: &AetherDB, name: &str, request: CountRequest) -> Result<CountResult> {
    let collection = collection(db, name)?;
    permit(&collection, |strict| strict.reads(request.filter.as_ref()))?;
    let filter = request.filter.map(convert::filter).transpose()?;
    let ask = || match &filter {
        None => collection.count(),
        Some(filter) => collection.view()?.count_matching(filter),
    };
    let count = asking(name, || shape::count(filter.as_ref()), ask)?;
    Ok(CountResult { count })
}

/// The most frequent values of a key: always exactly.
pub(crate) fn facet(db: &AetherDB, name: &str, request: FacetRequest) -> Result<FacetResponse> {
    let collection = collection(db, name)?;
    permit(&collection, |strict| strict.facet(&request))?;
    let facets = aethervec::FacetRequest {
        path: convert::path(&request.key)?,
        filter: request.filter.map(convert::filter).transpose()?,
        limit: convert::limit(request.limit.unwrap_or(FACET_LIMIT_DEFAULT))?,
    };
    let ask = || collection.view()?.facet(&facets);
    let counts = asking(name, || shape::facet(&facets), ask)?;
    let hits = counts
        .into_iter()
        .filter(|facet| convert::is_facet(&facet.value))
        .map(|facet| FacetHit {
            value: facet.value,
            count: facet.count,
        });
    Ok(FacetResponse {
        hits: hits.collect(),
    })
}
