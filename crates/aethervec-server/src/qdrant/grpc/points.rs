//! The service `Points`.

use super::call::{About, Answer, Service, about};
use super::queries;
use super::requests;
use super::results::{all_scored, facet, group, record, update};
use super::values::{count, id, id_message, ids, with_payload, with_vectors};
use super::{filter, indexes};
use crate::auth::Action::{Manage, Read, Write};
use crate::qdrant::access::Access;
use crate::qdrant::error::Result;
use crate::qdrant::model::{
    CountRequest, FacetRequest, GroupsRequest, GroupsResult, MatrixRequest, PointsRequest,
    QueryBatch, QueryRequest, QueryResponse, ScrollRequest, UpdateBatch, UpdateOperation,
    UpdateResult,
};
use crate::qdrant::service::{collections, points, queries as service, updates};
use proto::points_server::Points;
use qdrant_client::qdrant as proto;
use tonic::{Request, async_trait};

/// What a message must have so that it can be answered: where, and how long.
macro_rules! addressed {
    ($action:expr) => {
        |it| about($action, &it.collection_name).within(it.timeout)
    };
}

fn updated(result: UpdateResult, time: f64) -> proto::PointsOperationResponse {
    proto::PointsOperationResponse {
        result: Some(update(result)),
        time,
        usage: None,
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

impl Service {
    /// Makes the change that `operation` reads from a message.
    async fn change<M: Send + 'static>(
        &self,
        request: Request<M>,
        at: impl FnOnce(&M) -> About<'_>,
        address: impl FnOnce(&mut M) -> (String, Option<bool>) + Send + 'static,
        operation: impl FnOnce(M) -> Result<UpdateOperation> + Send + 'static,
    ) -> Answer<proto::PointsOperationResponse> {
        let work = |db: &Access<'_>, mut message: M| {
            let (name, wait) = address(&mut message);
            let wait = wait.unwrap_or(false).into();
            updates::update(db, &name, operation(message)?, wait)
        };
        self.answer(request, at, work, updated).await
    }
}

/// The collection of a change, and whether its client waits.
macro_rules! address {
    () => {
        |it| (std::mem::take(&mut it.collection_name), it.wait)
    };
}

#[async_trait]
impl Points for Service {
    async fn upsert(
        &self,
        request: Request<proto::UpsertPoints>,
    ) -> Answer<proto::PointsOperationResponse> {
        let operation =
            |it: proto::UpsertPoints| requests::upsert(it.points, it.update_filter, it.update_mode);
        self.change(request, addressed!(Write), address!(), operation)
            .await
    }

    async fn delete(
        &self,
        request: Request<proto::DeletePoints>,
    ) -> Answer<proto::PointsOperationResponse> {
        let operation =
            |it: proto::DeletePoints| requests::selector(it.points).map(UpdateOperation::Delete);
        self.change(request, addressed!(Write), address!(), operation)
            .await
    }

    async fn get(&self, request: Request<proto::GetPoints>) -> Answer<proto::GetResponse> {
        self.answer(
            request,
            addressed!(Read),
            |db, it| {
                let wanted = PointsRequest {
                    ids: ids(it.ids)?,
                    with_payload: with_payload(it.with_payload),
                    with_vector: with_vectors(it.with_vectors),
                };
                points::retrieve(db, &it.collection_name, wanted)
            },
            |found, time| proto::GetResponse {
                result: found.into_iter().map(record).collect(),
                time,
                usage: None,
            },
        )
        .await
    }

    async fn update_vectors(
        &self,
        request: Request<proto::UpdatePointVectors>,
    ) -> Answer<proto::PointsOperationResponse> {
        let operation =
            |it: proto::UpdatePointVectors| requests::update_vectors(it.points, it.update_filter);
        self.change(request, addressed!(Write), address!(), operation)
            .await
    }

    async fn delete_vectors(
        &self,
        request: Request<proto::DeletePointVectors>,
    ) -> Answer<proto::PointsOperationResponse> {
        let operation = |it: proto::DeletePointVectors| {
            requests::delete_vectors(it.points_selector, it.vectors)
        };
        self.change(request, addressed!(Write), address!(), operation)
            .await
    }

    async fn set_payload(
        &self,
        request: Request<proto::SetPayloadPoints>,
    ) -> Answer<proto::PointsOperationResponse> {
        let operation = |it: proto::SetPayloadPoints| {
            requests::set_payload(it.payload, it.points_selector, it.key)
                .map(UpdateOperation::SetPayload)
        };
        self.change(request, addressed!(Write), address!(), operation)
            .await
    }

    async fn overwrite_payload(
        &self,
        request: Request<proto::SetPayloadPoints>,
    ) -> Answer<proto::PointsOperationResponse> {
        let operation = |it: proto::SetPayloadPoints| {
            requests::set_payload(it.payload, it.points_selector, it.key)
                .map(UpdateOperation::OverwritePayload)
        };
        self.change(request, addressed!(Write), address!(), operation)
            .await
    }

    async fn delete_payload(
        &self,
        request: Request<proto::DeletePayloadPoints>,
    ) -> Answer<proto::PointsOperationResponse> {
        let operation =
            |it: proto::DeletePayloadPoints| requests::delete_payload(it.keys, it.points_selector);
        self.change(request, addressed!(Write), address!(), operation)
            .await
    }

    async fn clear_payload(
        &self,
        request: Request<proto::ClearPayloadPoints>,
    ) -> Answer<proto::PointsOperationResponse> {
        let operation = |it: proto::ClearPayloadPoints| {
            requests::selector(it.points).map(UpdateOperation::ClearPayload)
        };
        self.change(request, addressed!(Write), address!(), operation)
            .await
    }

    async fn create_field_index(
        &self,
        request: Request<proto::CreateFieldIndexCollection>,
    ) -> Answer<proto::PointsOperationResponse> {
        self.answer(
            request,
            addressed!(Manage),
            |db, it| {
                let wait = it.wait.unwrap_or(false).into();
                let name = it.collection_name.clone();
                collections::create_index(db, &name, indexes::index(it)?, wait)
            },
            updated,
        )
        .await
    }

    async fn delete_field_index(
        &self,
        request: Request<proto::DeleteFieldIndexCollection>,
    ) -> Answer<proto::PointsOperationResponse> {
        self.answer(
            request,
            addressed!(Manage),
            |db, it| {
                let wait = it.wait.unwrap_or(false).into();
                collections::delete_index(db, &it.collection_name, &it.field_name, wait)
            },
            updated,
        )
        .await
    }

    async fn create_vector_name(
        &self,
        request: Request<proto::CreateVectorNameRequest>,
    ) -> Answer<proto::PointsOperationResponse> {
        self.answer(
            request,
            addressed!(Manage),
            |db, it| {
                let created = super::collections::new_vector(it.vector_config)?;
                collections::create_vector(db, &it.collection_name, &it.vector_name, created)
            },
            updated,
        )
        .await
    }

    async fn delete_vector_name(
        &self,
        request: Request<proto::DeleteVectorNameRequest>,
    ) -> Answer<proto::PointsOperationResponse> {
        self.answer(
            request,
            addressed!(Manage),
            |db, it| collections::delete_vector(db, &it.collection_name, &it.vector_name),
            updated,
        )
        .await
    }

    async fn search(&self, request: Request<proto::SearchPoints>) -> Answer<proto::SearchResponse> {
        self.answer(
            request,
            addressed!(Read),
            |db, mut it| {
                let name = std::mem::take(&mut it.collection_name);
                service::query(db, &name, queries::search(it)?)
            },
            |found, time| proto::SearchResponse {
                result: all_scored(found.points),
                time,
                usage: None,
            },
        )
        .await
    }

    async fn search_batch(
        &self,
        request: Request<proto::SearchBatchPoints>,
    ) -> Answer<proto::SearchBatchResponse> {
        self.answer(
            request,
            addressed!(Read),
            |db, it| {
                let searches = it.search_points.into_iter().map(queries::search);
                service::query_batch(db, &it.collection_name, batch(searches)?)
            },
            |found, time| proto::SearchBatchResponse {
                result: batches(found),
                time,
                usage: None,
            },
        )
        .await
    }

    async fn search_groups(
        &self,
        request: Request<proto::SearchPointGroups>,
    ) -> Answer<proto::SearchGroupsResponse> {
        self.answer(
            request,
            addressed!(Read),
            |db, mut it| {
                let name = std::mem::take(&mut it.collection_name);
                service::query_groups(db, &name, queries::search_groups(it)?)
            },
            |found, time| proto::SearchGroupsResponse {
                result: Some(groups(found)),
                time,
                usage: None,
            },
        )
        .await
    }

    async fn scroll(&self, request: Request<proto::ScrollPoints>) -> Answer<proto::ScrollResponse> {
        self.answer(
            request,
            addressed!(Read),
            |db, it| {
                let wanted = ScrollRequest {
                    offset: it.offset.map(id).transpose()?,
                    limit: it.limit.map(|limit| limit as usize),
                    filter: filter::optional(it.filter)?,
                    with_payload: with_payload(it.with_payload),
                    with_vector: with_vectors(it.with_vectors),
                    order_by: it.order_by.map(queries::order_by).transpose()?,
                };
                points::scroll(db, &it.collection_name, wanted)
            },
            |page, time| proto::ScrollResponse {
                next_page_offset: page.next_page_offset.map(id_message),
                result: page.points.into_iter().map(record).collect(),
                time,
                usage: None,
            },
        )
        .await
    }

    async fn recommend(
        &self,
        request: Request<proto::RecommendPoints>,
    ) -> Answer<proto::RecommendResponse> {
        self.answer(
            request,
            addressed!(Read),
            |db, mut it| {
                let name = std::mem::take(&mut it.collection_name);
                service::query(db, &name, queries::recommend(it)?)
            },
            |found, time| proto::RecommendResponse {
                result: all_scored(found.points),
                time,
                usage: None,
            },
        )
        .await
    }

    async fn recommend_batch(
        &self,
        request: Request<proto::RecommendBatchPoints>,
    ) -> Answer<proto::RecommendBatchResponse> {
        self.answer(
            request,
            addressed!(Read),
            |db, it| {
                let searches = it.recommend_points.into_iter().map(queries::recommend);
                service::query_batch(db, &it.collection_name, batch(searches)?)
            },
            |found, time| proto::RecommendBatchResponse {
                result: batches(found),
                time,
                usage: None,
            },
        )
        .await
    }

    async fn recommend_groups(
        &self,
        request: Request<proto::RecommendPointGroups>,
    ) -> Answer<proto::RecommendGroupsResponse> {
        self.answer(
            request,
            addressed!(Read),
            |db, mut it| {
                let name = std::mem::take(&mut it.collection_name);
                service::query_groups(db, &name, queries::recommend_groups(it)?)
            },
            |found, time| proto::RecommendGroupsResponse {
                result: Some(groups(found)),
                time,
                usage: None,
            },
        )
        .await
    }

    async fn discover(
        &self,
        request: Request<proto::DiscoverPoints>,
    ) -> Answer<proto::DiscoverResponse> {
        self.answer(
            request,
            addressed!(Read),
            |db, mut it| {
                let name = std::mem::take(&mut it.collection_name);
                service::query(db, &name, queries::discover(it)?)
            },
            |found, time| proto::DiscoverResponse {
                result: all_scored(found.points),
                time,
                usage: None,
            },
        )
        .await
    }

    async fn discover_batch(
        &self,
        request: Request<proto::DiscoverBatchPoints>,
    ) -> Answer<proto::DiscoverBatchResponse> {
        self.answer(
            request,
            addressed!(Read),
            |db, it| {
                let searches = it.discover_points.into_iter().map(queries::discover);
                service::query_batch(db, &it.collection_name, batch(searches)?)
            },
            |found, time| proto::DiscoverBatchResponse {
                result: batches(found),
                time,
                usage: None,
            },
        )
        .await
    }

    async fn count(&self, request: Request<proto::CountPoints>) -> Answer<proto::CountResponse> {
        self.answer(
            request,
            addressed!(Read),
            |db, it| {
                let filter = filter::optional(it.filter)?;
                points::count(db, &it.collection_name, CountRequest { filter })
            },
            |counted, time| proto::CountResponse {
                result: Some(proto::CountResult {
                    count: counted.count,
                }),
                time,
                usage: None,
            },
        )
        .await
    }

    async fn update_batch(
        &self,
        request: Request<proto::UpdateBatchPoints>,
    ) -> Answer<proto::UpdateBatchResponse> {
        self.answer(
            request,
            addressed!(Write),
            |db, it| {
                let operations = it.operations.into_iter().map(requests::operation);
                let operations = operations.collect::<Result<_>>()?;
                let wait = it.wait.unwrap_or(false).into();
                updates::batch(db, &it.collection_name, UpdateBatch { operations }, wait)
            },
            |results, time| proto::UpdateBatchResponse {
                result: results.into_iter().map(update).collect(),
                time,
                usage: None,
            },
        )
        .await
    }

    async fn query(&self, request: Request<proto::QueryPoints>) -> Answer<proto::QueryResponse> {
        self.answer(
            request,
            addressed!(Read),
            |db, mut it| {
                let name = std::mem::take(&mut it.collection_name);
                service::query(db, &name, queries::query_request(it)?)
            },
            |found, time| proto::QueryResponse {
                result: all_scored(found.points),
                time,
                usage: None,
            },
        )
        .await
    }

    async fn query_batch(
        &self,
        request: Request<proto::QueryBatchPoints>,
    ) -> Answer<proto::QueryBatchResponse> {
        self.answer(
            request,
            addressed!(Read),
            |db, it| {
                let searches = it.query_points.into_iter().map(queries::query_request);
                service::query_batch(db, &it.collection_name, batch(searches)?)
            },
            |found, time| proto::QueryBatchResponse {
                result: batches(found),
                time,
                usage: None,
            },
        )
        .await
    }

    async fn query_groups(
        &self,
        request: Request<proto::QueryPointGroups>,
    ) -> Answer<proto::QueryGroupsResponse> {
        self.answer(
            request,
            addressed!(Read),
            |db, mut it| {
                let name = std::mem::take(&mut it.collection_name);
                let wanted: GroupsRequest = queries::groups_request(it)?;
                service::query_groups(db, &name, wanted)
            },
            |found, time| proto::QueryGroupsResponse {
                result: Some(groups(found)),
                time,
                usage: None,
            },
        )
        .await
    }

    async fn facet(&self, request: Request<proto::FacetCounts>) -> Answer<proto::FacetResponse> {
        self.answer(
            request,
            addressed!(Read),
            |db, it| {
                let wanted = FacetRequest {
                    key: it.key,
                    filter: filter::optional(it.filter)?,
                    limit: it.limit.map(count),
                };
                points::facet(db, &it.collection_name, wanted)
            },
            |found, time| proto::FacetResponse {
                hits: found.hits.into_iter().map(facet).collect(),
                time,
                usage: None,
            },
        )
        .await
    }

    async fn search_matrix_pairs(
        &self,
        request: Request<proto::SearchMatrixPoints>,
    ) -> Answer<proto::SearchMatrixPairsResponse> {
        self.answer(
            request,
            addressed!(Read),
            |db, mut it| {
                let name = std::mem::take(&mut it.collection_name);
                service::matrix_pairs(db, &name, matrix(it)?)
            },
            |found, time| {
                let pairs = found.pairs.into_iter().map(|pair| proto::SearchMatrixPair {
                    a: Some(id_message(pair.a)),
                    b: Some(id_message(pair.b)),
                    score: pair.score,
                });
                proto::SearchMatrixPairsResponse {
                    result: Some(proto::SearchMatrixPairs {
                        pairs: pairs.collect(),
                    }),
                    time,
                    usage: None,
                }
            },
        )
        .await
    }

    async fn search_matrix_offsets(
        &self,
        request: Request<proto::SearchMatrixPoints>,
    ) -> Answer<proto::SearchMatrixOffsetsResponse> {
        self.answer(
            request,
            addressed!(Read),
            |db, mut it| {
                let name = std::mem::take(&mut it.collection_name);
                service::matrix_offsets(db, &name, matrix(it)?)
            },
            |found, time| proto::SearchMatrixOffsetsResponse {
                result: Some(proto::SearchMatrixOffsets {
                    offsets_row: found.offsets_row,
                    offsets_col: found.offsets_col,
                    scores: found.scores,
                    ids: found.ids.into_iter().map(id_message).collect(),
                }),
                time,
                usage: None,
            },
        )
        .await
    }
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
