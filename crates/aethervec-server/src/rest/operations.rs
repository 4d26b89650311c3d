//! Long operations: begun, watched, called off.

use super::scope::{Answer, Body, Scope};
use crate::auth::Action;
use crate::call::{At, Call, session_id};
use crate::error::ApiResult;
use crate::operations::Operations as Running;
use crate::tenants::Tenant;
use crate::wire::operations::{BeginOperation, Operation, Operations};
use axum::http::StatusCode;
use std::sync::Arc;

#[utoipa::path(
    post, path = "/v1/operations", tag = "operations",
    request_body = BeginOperation,
    responses((status = 202, body = Operation)),
)]
pub(crate) async fn begin(scope: Scope, body: Body) -> ApiResult<Answer> {
    let begin: BeginOperation = body.parse()?;
    scope.caller.allow(Action::Manage, &scope.tenant, None)?;
    let call = |caller| {
        move |tenant: &Arc<Tenant>| -> ApiResult<Call> {
            Ok(Call {
                tenant: Arc::clone(tenant),
                caller,
                at: At::Now,
            })
        }
    };
    let opened = scope
        .app
        .with_tenant(scope.tenant, scope.deadline, call(scope.caller));
    let operation = Running::begin(&scope.app, opened.await?, begin).await?;
    Answer::new(StatusCode::ACCEPTED, &operation)
}

#[utoipa::path(
    get, path = "/v1/operations", tag = "operations",
    responses((status = 200, body = Operations)),
)]
pub(crate) async fn list(scope: Scope) -> ApiResult<Answer> {
    scope.caller.allow(Action::Read, &scope.tenant, None)?;
    let operations = scope.app.operations.list(&scope.tenant);
    Answer::new(StatusCode::OK, &Operations { operations })
}

#[utoipa::path(
    get, path = "/v1/operations/{id}", tag = "operations",
    responses((status = 200, body = Operation)),
)]
pub(crate) async fn get(scope: Scope) -> ApiResult<Answer> {
    scope.caller.allow(Action::Read, &scope.tenant, None)?;
    let id = session_id("operation", &scope.path("id"))?;
    Answer::new(
        StatusCode::OK,
        &scope.app.operations.get(&scope.tenant, id)?,
    )
}

#[utoipa::path(
    delete, path = "/v1/operations/{id}", tag = "operations",
    responses((status = 202, body = Operation)),
)]
pub(crate) async fn cancel(scope: Scope) -> ApiResult<Answer> {
    scope.caller.allow(Action::Manage, &scope.tenant, None)?;
    let id = session_id("operation", &scope.path("id"))?;
    let operation = scope.app.operations.cancel(&scope.tenant, id)?;
    Answer::new(StatusCode::ACCEPTED, &operation)
}
