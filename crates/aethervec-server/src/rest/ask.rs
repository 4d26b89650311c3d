//! Searches, queries, groups, facets, matrices, explanations.

use super::scope::{Answer, Body, Moment, Scope};
use crate::error::ApiResult;
use crate::wire::ask::{
    Explained, Facet, Facets, Found, FoundBatch, Groups, QueryBatch, Search, SearchBatch,
};
use crate::wire::language;
use aethervec::{FacetRequest, GroupRequest, MatrixRequest, QueryRequest};

#[utoipa::path(
    post, path = "/v1/collections/{collection}/search", tag = "queries",
    params(Moment),
    request_body = Search,
    responses((status = 200, body = Found)),
)]
pub(crate) async fn search(scope: Scope<Moment>, body: Body) -> ApiResult<Answer> {
    let name = scope.path("collection");
    scope
        .answer(move |call| {
            let search: Search = body.parse()?;
            let hits = call.read(
                &name,
                |collection| collection.search_with(search.request()),
                |view| view.search_with(search.request()),
            )?;
            Ok(Found::from(hits))
        })
        .await
}

#[utoipa::path(
    post, path = "/v1/collections/{collection}/search/batch", tag = "queries",
    params(Moment),
    request_body = SearchBatch,
    responses((status = 200, body = FoundBatch)),
)]
pub(crate) async fn search_batch(scope: Scope<Moment>, body: Body) -> ApiResult<Answer> {
    let name = scope.path("collection");
    scope
        .answer(move |call| {
            let SearchBatch { requests } = body.parse()?;
            let requests: Vec<_> = requests.iter().map(Search::request).collect();
            let hits = call.view(&name)?.search_batch(&requests)?;
            Ok(FoundBatch::from(hits))
        })
        .await
}

#[utoipa::path(
    post, path = "/v1/collections/{collection}/explain", tag = "queries",
    params(Moment),
    request_body = Search,
    responses((status = 200, body = Explained)),
)]
pub(crate) async fn explain(scope: Scope<Moment>, body: Body) -> ApiResult<Answer> {
    let name = scope.path("collection");
    scope
        .answer(move |call| {
            let search: Search = body.parse()?;
            let explanation = call.view(&name)?.explain(search.request())?;
            Ok(Explained::from(explanation))
        })
        .await
}

#[utoipa::path(
    post, path = "/v1/collections/{collection}/query", tag = "queries",
    params(Moment),
    request_body = language::Query,
    responses((status = 200, body = Found)),
)]
pub(crate) async fn query(scope: Scope<Moment>, body: Body) -> ApiResult<Answer> {
    let name = scope.path("collection");
    scope
        .answer(move |call| {
            let request: QueryRequest = body.parse()?;
            call.allow_reading(request.other_collections())?;
            let response = call.read(
                &name,
                |collection| collection.query(&request),
                |view| view.query(&request),
            )?;
            Ok(Found::from(response))
        })
        .await
}

#[utoipa::path(
    post, path = "/v1/collections/{collection}/query/batch", tag = "queries",
    params(Moment),
    request_body = QueryBatch,
    responses((status = 200, body = FoundBatch)),
)]
pub(crate) async fn query_batch(scope: Scope<Moment>, body: Body) -> ApiResult<Answer> {
    let name = scope.path("collection");
    scope
        .answer(move |call| {
            let QueryBatch { requests } = body.parse()?;
            let others = requests.iter().flat_map(QueryRequest::other_collections);
            call.allow_reading(others)?;
            let responses = call.read(
                &name,
                |collection| collection.query_batch(&requests),
                |view| view.query_batch(&requests),
            )?;
            Ok(FoundBatch::from(responses))
        })
        .await
}

#[utoipa::path(
    post, path = "/v1/collections/{collection}/query/groups", tag = "queries",
    params(Moment),
    request_body = language::GroupQuery,
    responses((status = 200, body = Groups)),
)]
pub(crate) async fn query_groups(scope: Scope<Moment>, body: Body) -> ApiResult<Answer> {
    let name = scope.path("collection");
    scope
        .answer(move |call| {
            let request: GroupRequest = body.parse()?;
            call.allow_reading(request.other_collections())?;
            let groups = call.read(
                &name,
                |collection| collection.query_groups(&request),
                |view| view.query_groups(&request),
            )?;
            Ok(Groups::from(groups))
        })
        .await
}

#[utoipa::path(
    post, path = "/v1/collections/{collection}/facet", tag = "queries",
    params(Moment),
    request_body = Facet,
    responses((status = 200, body = Facets)),
)]
pub(crate) async fn facet(scope: Scope<Moment>, body: Body) -> ApiResult<Answer> {
    let name = scope.path("collection");
    scope
        .answer(move |call| {
            let request = FacetRequest::from(body.parse::<Facet>()?);
            Ok(Facets::from(call.view(&name)?.facet(&request)?))
        })
        .await
}

#[utoipa::path(
    post, path = "/v1/collections/{collection}/matrix", tag = "queries",
    params(Moment),
    request_body = language::MatrixQuery,
    responses((status = 200, body = language::Matrix)),
)]
pub(crate) async fn matrix(scope: Scope<Moment>, body: Body) -> ApiResult<Answer> {
    let name = scope.path("collection");
    scope
        .answer(move |call| {
            let request: MatrixRequest = body.parse_or_default()?;
            Ok(call.view(&name)?.matrix(&request)?)
        })
        .await
}
