//! The short forms: `POST /vectors` and `POST /query`.

use super::scope::{Answer, Body, Scope};
use crate::error::ApiResult;
use crate::wire::short::{Similar, SimilarQuery, Vectors, Written};

#[utoipa::path(
    post, path = "/vectors", tag = "short",
    request_body = Vectors,
    responses((status = 200, body = Written)),
)]
pub(crate) async fn insert(scope: Scope, body: Body) -> ApiResult<Answer> {
    scope
        .now(move |call| crate::short::insert(call, body.parse::<Vectors>()?))
        .await
}

#[utoipa::path(
    post, path = "/query", tag = "short",
    request_body = SimilarQuery,
    responses((status = 200, body = Similar)),
)]
pub(crate) async fn query(scope: Scope, body: Body) -> ApiResult<Answer> {
    scope
        .read_now(move |call| crate::short::query(call, &body.parse::<SimilarQuery>()?))
        .await
}
