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
        .read(move |call| {
            let search: Search = body.parse()?;
            Ok(Found::from(call.search(&name, search.request())?))
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
        .read(move |call| {
            let SearchBatch { requests } = body.parse()?;
            let requests: Vec<_> = requests.iter().map(Search::request).collect();
            let hits = call.search_batch(&name, &requests)?;
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
        .read(move |call| {
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
        .read(move |call| {
            let request: QueryRequest = body.parse()?;
            Ok(Found::from(call.query(&name, &request)?))
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
        .read(move |call| {
            let QueryBatch { requests } = body.parse()?;
            Ok(FoundBatch::from(call.query_batch(&name, &requests)?))
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
        .read(move |call| {
            let request: GroupRequest = body.parse()?;
            Ok(Groups::from(call.query_groups(&name, &request)?))
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
        .read(move |call| {
            let request = FacetRequest::from(body.parse::<Facet>()?);
            Ok(Facets::from(call.facet(&name, &request)?))
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
        .read(move |call| {
            let request: MatrixRequest = body.parse_or_default()?;
            call.matrix(&name, &request)
        })
        .await
}
