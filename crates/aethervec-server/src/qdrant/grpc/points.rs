//! The service `Points`: for each method, what it may do, how its message is answered, and what the answer holds.

use super::call::{Answer, Service, about};
use super::queries;
use super::requests;
use super::results::{all_scored, facet, group, record, update};
use super::values::{count, id, id_message, ids, with_payload, with_vectors};
use super::{filter, indexes, schema};
use crate::auth::Action::{Manage, Read, Write};
use crate::qdrant::access::Access;
use crate::qdrant::error::Result;
use crate::qdrant::model::{
    CountRequest, FacetRequest, GroupsResult, MatrixPair, MatrixRequest, PointsRequest, QueryBatch,
    QueryRequest, QueryResponse, ScrollRequest, UpdateBatch, UpdateOperation, UpdateResult,
};
use crate::qdrant::service::{collections, points, queries as service, updates};
use proto::points_server::Points;
use qdrant_client::qdrant as proto;
use tonic::{Request, async_trait};

/// The service, from a table of its methods.
macro_rules! methods {
    ($(
        $method:ident($message:ident): $action:ident,
        |$db:ident, $name:ident, $it:ident| $work:expr,
        $found:ident => $answer:ident { $($fields:tt)* };
    )+) => {
        #[async_trait]
        impl Points for Service {
            $(async fn $method(
                &self,
                request: Request<proto::$message>,
            ) -> Answer<proto::$answer> {
                self.answer(
                    request,
                    |it| about($action, &it.collection_name).within(it.timeout),
                    |$db, mut $it| {
                        let $name = &std::mem::take(&mut $it.collection_name);
                        $work
                    },
                    |$found, time| proto::$answer { $($fields)*, time, usage: None },
                )
                .await
            })+
        }
    };
}

methods! {
    upsert(UpsertPoints): Write,
        |db, name, it| {
            let operation = requests::upsert(it.points, it.update_filter, it.update_mode)?;
            change(db, name, it.wait, operation)
        },
        done => PointsOperationResponse { result: Some(update(done)) };
    delete(DeletePoints): Write,
        |db, name, it| {
            let operation = UpdateOperation::Delete(requests::selector(it.points)?);
            change(db, name, it.wait, operation)
        },
        done => PointsOperationResponse { result: Some(update(done)) };
    update_vectors(UpdatePointVectors): Write,
        |db, name, it| {
            let operation = requests::update_vectors(it.points, it.update_filter)?;
            change(db, name, it.wait, operation)
        },
        done => PointsOperationResponse { result: Some(update(done)) };
    delete_vectors(DeletePointVectors): Write,
        |db, name, it| {
            let operation = requests::delete_vectors(it.points_selector, it.vectors)?;
            change(db, name, it.wait, operation)
        },
        done => PointsOperationResponse { result: Some(update(done)) };
    set_payload(SetPayloadPoints): Write,
        |db, name, it| {
            let new = requests::set_payload(it.payload, it.points_selector, it.key)?;
            change(db, name, it.wait, UpdateOperation::SetPayload(new))
        },
        done => PointsOperationResponse { result: Some(update(done)) };
    overwrite_payload(SetPayloadPoints): Write,
        |db, name, it| {
            let new = requests::set_payload(it.payload, it.points_selector, it.key)?;
            change(db, name, it.wait, UpdateOperation::OverwritePayload(new))
        },
        done => PointsOperationResponse { result: Some(update(done)) };
    delete_payload(DeletePayloadPoints): Write,
        |db, name, it| {
            let operation = requests::delete_payload(it.keys, it.points_selector)?;
            change(db, name, it.wait, operation)
        },
        done => PointsOperationResponse { result: Some(update(done)) };
    clear_payload(ClearPayloadPoints): Write,
        |db, name, it| {
            let operation = UpdateOperation::ClearPayload(requests::selector(it.points)?);
            change(db, name, it.wait, operation)
        },
        done => PointsOperationResponse { result: Some(update(done)) };
    update_batch(UpdateBatchPoints): Write,
        |db, name, it| {
            let operations = it.operations.into_iter().map(requests::operation);
            let operations = operations.collect::<Result<_>>()?;
            let wait = it.wait.unwrap_or(false).into();
            updates::batch(db, name, UpdateBatch { operations }, wait)
        },
        done => UpdateBatchResponse { result: done.into_iter().map(update).collect() };

    create_field_index(CreateFieldIndexCollection): Manage,
        |db, name, it| {
            let wait = it.wait.unwrap_or(false).into();
            collections::create_index(db, name, indexes::index(it)?, wait)
        },
        done => PointsOperationResponse { result: Some(update(done)) };
    delete_field_index(DeleteFieldIndexCollection): Manage,
        |db, name, it| {
            let wait = it.wait.unwrap_or(false).into();
            collections::delete_index(db, name, &it.field_name, wait)
        },
        done => PointsOperationResponse { result: Some(update(done)) };
    create_vector_name(CreateVectorNameRequest): Manage,
        |db, name, it| {
            let created = schema::new_vector(it.vector_config)?;
            collections::create_vector(db, name, &it.vector_name, created)
        },
        done => PointsOperationResponse { result: Some(update(done)) };
    delete_vector_name(DeleteVectorNameRequest): Manage,
        |db, name, it| collections::delete_vector(db, name, &it.vector_name),
        done => PointsOperationResponse { result: Some(update(done)) };

    get(GetPoints): Read,
        |db, name, it| {
            let wanted = PointsRequest {
                ids: ids(it.ids)?,
                with_payload: with_payload(it.with_payload),
                with_vector: with_vectors(it.with_vectors),
            };
            points::retrieve(db, name, wanted)
        },
        found => GetResponse { result: found.into_iter().map(record).collect() };
    scroll(ScrollPoints): Read,
        |db, name, it| {
            let wanted = ScrollRequest {
                offset: it.offset.map(id).transpose()?,
                limit: it.limit.map(|limit| limit as usize),
                filter: filter::optional(it.filter)?,
                with_payload: with_payload(it.with_payload),
                with_vector: with_vectors(it.with_vectors),
                order_by: it.order_by.map(queries::order_by).transpose()?,
            };
            points::scroll(db, name, wanted)
        },
        page => ScrollResponse {
            next_page_offset: page.next_page_offset.map(id_message),
            result: page.points.into_iter().map(record).collect()
        };
    count(CountPoints): Read,
        |db, name, it| {
            let filter = filter::optional(it.filter)?;
            points::count(db, name, CountRequest { filter })
        },
        found => CountResponse { result: Some(proto::CountResult { count: found.count }) };
    facet(FacetCounts): Read,
        |db, name, it| {
            let wanted = FacetRequest {
                key: it.key,
                filter: filter::optional(it.filter)?,
                limit: it.limit.map(count),
            };
            points::facet(db, name, wanted)
        },
        found => FacetResponse { hits: found.hits.into_iter().map(facet).collect() };

    query(QueryPoints): Read,
        |db, name, it| service::query(db, name, queries::query_request(it)?),
        found => QueryResponse { result: all_scored(found.points) };
    query_batch(QueryBatchPoints): Read,
        |db, name, it| {
            let searches = it.query_points.into_iter().map(queries::query_request);
            service::query_batch(db, name, batch(searches)?)
        },
        found => QueryBatchResponse { result: batches(found) };
    query_groups(QueryPointGroups): Read,
        |db, name, it| service::query_groups(db, name, queries::groups_request(it)?),
        found => QueryGroupsResponse { result: Some(groups(found)) };
    search_matrix_pairs(SearchMatrixPoints): Read,
        |db, name, it| service::matrix_pairs(db, name, matrix(it)?),
        found => SearchMatrixPairsResponse {
            result: Some(proto::SearchMatrixPairs {
                pairs: found.pairs.into_iter().map(pair).collect(),
            })
        };
    search_matrix_offsets(SearchMatrixPoints): Read,
        |db, name, it| service::matrix_offsets(db, name, matrix(it)?),
        found => SearchMatrixOffsetsResponse {
            result: Some(proto::SearchMatrixOffsets {
                offsets_row: found.offsets_row,
                offsets_col: found.offsets_col,
                scores: found.scores,
                ids: found.ids.into_iter().map(id_message).collect(),
            })
        };

    search(SearchPoints): Read,
        |db, name, it| service::query(db, name, queries::search(it)?),
        found => SearchResponse { result: all_scored(found.points) };
    search_batch(SearchBatchPoints): Read,
        |db, name, it| {
            let searches = it.search_points.into_iter().map(queries::search);
            service::query_batch(db, name, batch(searches)?)
        },
        found => SearchBatchResponse { result: batches(found) };
    search_groups(SearchPointGroups): Read,
        |db, name, it| service::query_groups(db, name, queries::search_groups(it)?),
        found => SearchGroupsResponse { result: Some(groups(found)) };
    recommend(RecommendPoints): Read,
        |db, name, it| service::query(db, name, queries::recommend(it)?),
        found => RecommendResponse { result: all_scored(found.points) };
    recommend_batch(RecommendBatchPoints): Read,
        |db, name, it| {
            let searches = it.recommend_points.into_iter().map(queries::recommend);
            service::query_batch(db, name, batch(searches)?)
        },
        found => RecommendBatchResponse { result: batches(found) };
    recommend_groups(RecommendPointGroups): Read,
        |db, name, it| service::query_groups(db, name, queries::recommend_groups(it)?),
        found => RecommendGroupsResponse { result: Some(groups(found)) };
    discover(DiscoverPoints): Read,
        |db, name, it| service::query(db, name, queries::discover(it)?),
        found => DiscoverResponse { result: all_scored(found.points) };
    discover_batch(DiscoverBatchPoints): Read,
        |db, name, it| {
            let searches = it.discover_points.into_iter().map(queries::discover);
            service::query_batch(db, name, batch(searches)?)
        },
        found => DiscoverBatchResponse { result: batches(found) };
}

fn change(
    db: &Access<'_>,
    name: &str,
    wait: Option<bool>,
    operation: UpdateOperation,
) -> Result<UpdateResult> {
    updates::update(db, name, operation, wait.unwrap_or(false).into())
}

fn batch(searches: impl Iterator<Item = Result<QueryRequest>>) -> Result<QueryBatch> {
    let searches = searches.collect::<Result<_>>()?;
    Ok(QueryBatch { searches })
}

fn matrix(request: proto::SearchMatrixPoints) -> Result<MatrixRequest> {
    Ok(MatrixRequest {
        filter: filter::optional(request.filter)?,
        sample: request.sample.map(count),
        limit: request.limit.map(count),
        using: request.using,
    })
}

fn pair(pair: MatrixPair) -> proto::SearchMatrixPair {
    proto::SearchMatrixPair {
        a: Some(id_message(pair.a)),
        b: Some(id_message(pair.b)),
        score: pair.score,
    }
}

fn batches(found: Vec<QueryResponse>) -> Vec<proto::BatchResult> {
    let batch = |found: QueryResponse| proto::BatchResult {
        result: all_scored(found.points),
    };
    found.into_iter().map(batch).collect()
}

fn groups(found: GroupsResult) -> proto::GroupsResult {
    proto::GroupsResult {
        groups: found.groups.into_iter().map(group).collect(),
    }
}
