//! Whole collections as JSON lines: streamed in and out, in memory for one batch.

use super::scope::{Answer, Moment, Scope};
use crate::error::ApiResult;
use crate::streams;
use crate::whole;
use crate::wire::documents::UpsertAnswer;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

/// What JSON lines are called.
const JSONL: &str = "application/x-ndjson";

#[utoipa::path(
    post, path = "/v1/collections/{collection}/import", tag = "whole",
    request_body(content = String, content_type = "application/x-ndjson"),
    responses((status = 200, body = UpsertAnswer)),
)]
pub(crate) async fn import(scope: Scope, body: Body) -> ApiResult<Answer> {
    let name = scope.path("collection");
    let (source, reader) = streams::incoming();
    let feed = async move {
        let mut chunks = body.into_data_stream();
        while let Some(chunk) = chunks.next().await {
            // A connection that is broken, or an import that has failed: the reader knows.
            let Ok(chunk) = chunk else { return };
            if !source.put(chunk).await {
                return;
            }
        }
        source.finish().await;
    };
    let import = whole::import(&scope.app, scope.tenant, scope.caller, name, reader);
    let (upserted, ()) = tokio::join!(import, feed);
    Answer::new(StatusCode::OK, &UpsertAnswer::from(upserted?))
}

#[utoipa::path(
    get, path = "/v1/collections/{collection}/export", tag = "whole",
    params(Moment),
    responses((status = 200, content_type = "application/x-ndjson", body = String)),
)]
pub(crate) async fn export(scope: Scope<Moment>) -> ApiResult<Response> {
    let name = scope.path("collection");
    let at = scope.params.at()?;
    let chunks = whole::export(&scope.app, scope.tenant, scope.caller, at, name).await?;
    let body = Body::from_stream(ReceiverStream::new(chunks));
    let jsonl = HeaderValue::from_static(JSONL);
    Ok(([(header::CONTENT_TYPE, jsonl)], body).into_response())
}
