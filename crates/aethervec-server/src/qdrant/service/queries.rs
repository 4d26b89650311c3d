//! Queries: alone, several at one moment, in groups, and distances among a sample.

use super::{collection, permit};
use crate::observe::request::asking;
use crate::observe::shape;
use crate::qdrant::access::Access;
use crate::qdrant::convert::{self, Asked, Reader};
use crate::qdrant::error::Result;
use crate::qdrant::model::{
    GroupsRequest, GroupsResult, MatrixOffsets, MatrixPair, MatrixPairs, MatrixRequest, PointGroup,
    PointId, QueryBatch, QueryRequest, QueryResponse, WithLookup,
};
use aethervec::{AetherDB, Collection, Matrix, PayloadSelector, VectorSelector};

/// The points that a query finds.
pub(crate) fn query(db: &Access<'_>, name: &str, request: QueryRequest) -> Result<QueryResponse> {
    let collection = collection(db, name)?;
    permit(&collection, |strict| strict.query(&request))?;
    let (request, asked) = reader(&collection, |reader| reader.query(request))?;
    db.allow_reading(request.other_collections())?;
    let response = asking(name, || shape::of(&request), || collection.query(&request))?;
    Ok(shown(response, &asked))
}

/// The points that each of several queries finds, all in one state.
pub(crate) fn query_batch(
    db: &Access<'_>,
    name: &str,
    batch: QueryBatch,
) -> Result<Vec<QueryResponse>> {
    let collection = collection(db, name)?;
    permit(&collection, |strict| strict.query_batch(&batch.searches))?;
    let converted: Vec<(aethervec::QueryRequest, Asked)> = reader(&collection, |reader| {
        let requests = batch.searches.into_iter();
        requests.map(|request| reader.query(request)).collect()
    })?;
    let (requests, asked): (Vec<_>, Vec<_>) = converted.into_iter().unzip();
    for request in &requests {
        db.allow_reading(request.other_collections())?;
    }
    let ask = || collection.query_batch(&requests);
    let responses = asking(name, || shape::of_several(&requests, shape::of), ask)?;
    let answered = responses.into_iter().zip(&asked);
    Ok(answered
        .map(|(response, asked)| shown(response, asked))
        .collect())
}

/// The points that a query finds, in groups.
pub(crate) fn query_groups(
    db: &Access<'_>,
    name: &str,
    request: GroupsRequest,
) -> Result<GroupsResult> {
    let collection = collection(db, name)?;
    if let Some(
        WithLookup::Name(other)
        | WithLookup::Lookup {
            collection: other, ..
        },
    ) = &request.with_lookup
    {
        db.allow_reading([other.as_str()])?;
        super::collection(db, other)?;
    }
    permit(&collection, |strict| strict.groups(&request))?;
    let (request, asked) = reader(&collection, |reader| reader.groups(request))?;
    db.allow_reading(request.other_collections())?;
    let (with_payload, with_vectors) = match &request.lookup {
        Some(lookup) => (lookup.with_payload.clone(), lookup.with_vectors.clone()),
        None => (PayloadSelector::None, VectorSelector::None),
    };
    let ask = || collection.query_groups(&request);
    let groups = asking(name, || shape::of(&request), ask)?;
    let groups = groups
        .into_iter()
        .filter(|group| convert::is_group(&group.value))
        .map(|group| PointGroup {
            id: group.value,
            hits: group
                .hits
                .into_iter()
                .map(|hit| asked.scored(hit))
                .collect(),
            lookup: group
                .lookup
                .map(|document| convert::document_record(document, &with_payload, &with_vectors)),
        });
    Ok(GroupsResult {
        groups: groups.collect(),
    })
}

/// How near the points of a sample are to each other, as pairs.
pub(crate) fn matrix_pairs(
    db: &AetherDB,
    name: &str,
    request: MatrixRequest,
) -> Result<MatrixPairs> {
    let matrix = matrix(db, name, request)?;
    let id = |position: usize| PointId(matrix.ids[position].clone());
    let pairs = matrix.pairs.iter().map(|pair| MatrixPair {
        a: id(pair.from),
        b: id(pair.to),
        score: narrow(pair.score),
    });
    Ok(MatrixPairs {
        pairs: pairs.collect(),
    })
}

/// The same as a sparse matrix.
pub(crate) fn matrix_offsets(
    db: &AetherDB,
    name: &str,
    request: MatrixRequest,
) -> Result<MatrixOffsets> {
    let matrix = matrix(db, name, request)?;
    let pairs = matrix.pairs.iter();
    Ok(MatrixOffsets {
        offsets_row: pairs.clone().map(|pair| pair.from as u64).collect(),
        offsets_col: pairs.clone().map(|pair| pair.to as u64).collect(),
        scores: pairs.map(|pair| narrow(pair.score)).collect(),
        ids: matrix.ids.into_iter().map(PointId).collect(),
    })
}

fn matrix(db: &AetherDB, name: &str, request: MatrixRequest) -> Result<Matrix> {
    const SAMPLE_DEFAULT: usize = 10;
    const LIMIT_DEFAULT: usize = 3;
    let collection = collection(db, name)?;
    permit(&collection, |strict| strict.matrix(&request))?;
    let mut wanted = aethervec::MatrixRequest::default();
    wanted.using = request.using.unwrap_or_default();
    wanted.filter = request.filter.map(convert::filter).transpose()?;
    wanted.sample = request.sample.unwrap_or(SAMPLE_DEFAULT);
    wanted.limit = request.limit.unwrap_or(LIMIT_DEFAULT);
    let ask = || collection.matrix(&wanted);
    Ok(asking(name, || shape::of(&wanted), ask)?)
}

fn reader<T>(collection: &Collection, convert: impl FnOnce(Reader<'_>) -> Result<T>) -> Result<T> {
    convert(Reader {
        schema: &collection.schema(),
        indexes: &collection.payload_indexes(),
    })
}

fn shown(response: aethervec::QueryResponse, asked: &Asked) -> QueryResponse {
    let hits = response.hits.into_iter();
    QueryResponse {
        points: hits.map(|hit| asked.scored(hit)).collect(),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "scores of the dialect are f32"
)]
fn narrow(score: f64) -> f32 {
    score as f32
}
