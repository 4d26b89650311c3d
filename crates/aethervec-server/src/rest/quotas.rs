//! What tenants may use.

use super::scope::{Answer, Body, Scope};
use crate::auth::Action;
use crate::error::ApiResult;
use crate::quotas::Quota;
use axum::http::StatusCode;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The quotas of a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Quotas {
    /// What is said of it alone.
    own: Quota,
    /// What holds: with the server's defaults for what is not said.
    holds: Quota,
}

#[utoipa::path(
    get, path = "/v1/quotas", tag = "tenants",
    responses((status = 200, body = Quotas)),
)]
pub(crate) async fn get(scope: Scope) -> ApiResult<Answer> {
    scope.caller.allow_within(Action::Read, &scope.tenant)?;
    answer(&scope)
}

#[utoipa::path(
    put, path = "/v1/quotas", tag = "tenants",
    request_body = Quota,
    responses((status = 200, body = Quotas)),
)]
pub(crate) async fn set(scope: Scope, body: Body) -> ApiResult<Answer> {
    scope
        .caller
        .allow(Action::Administer, &scope.tenant, None)?;
    let (quotas, tenant) = (Arc::clone(&scope.app.quotas), scope.tenant.clone());
    let set = move || quotas.set(&tenant, body.parse()?);
    scope.app.gate.run(scope.deadline, set).await?;
    answer(&scope)
}

fn answer(scope: &Scope) -> ApiResult<Answer> {
    let quotas = Quotas {
        own: scope.app.quotas.own_of(&scope.tenant),
        holds: scope.app.quotas.of(&scope.tenant),
    };
    Answer::new(StatusCode::OK, &quotas)
}
