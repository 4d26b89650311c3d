//! Tenants, transactions over several requests, snapshots that are held.

use super::scope::{Answer, Body, Scope};
use crate::auth::Action;
use crate::call::session_id;
use crate::error::{ApiError, ApiResult};
use crate::tenants::TenantName;
use crate::wire::state::{BeginTransaction, Committed, Opened, Place, Tenants};
use aethervec::{SeqNo, Uuid};
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;

#[utoipa::path(
    get, path = "/v1/tenants", tag = "tenants",
    responses((status = 200, body = Tenants)),
)]
pub(crate) async fn list_tenants(scope: Scope) -> ApiResult<Answer> {
    scope
        .caller
        .allow(Action::Administer, &scope.tenant, None)?;
    let tenants = Arc::clone(&scope.app.tenants);
    let list = move || -> ApiResult<Answer> {
        let names = tenants.names()?;
        let tenants = names.iter().map(ToString::to_string).collect();
        Answer::new(StatusCode::OK, &Tenants { tenants })
    };
    scope.app.gate.run(scope.deadline, list).await
}

#[utoipa::path(
    put, path = "/v1/tenants/{name}", tag = "tenants",
    responses((status = 201), (status = 200, description = "It was there already.")),
)]
pub(crate) async fn create_tenant(scope: Scope) -> ApiResult<Answer> {
    let name = TenantName::parse(&scope.path("name"))?;
    scope.caller.allow(Action::Administer, &name, None)?;
    let tenants = Arc::clone(&scope.app.tenants);
    let create = move || -> ApiResult<Answer> {
        let status = match tenants.create(&name)? {
            true => StatusCode::CREATED,
            false => StatusCode::OK,
        };
        Answer::new(status, &json!({"tenant": name.as_str()}))
    };
    scope.app.gate.run(scope.deadline, create).await
}

#[utoipa::path(delete, path = "/v1/tenants/{name}", tag = "tenants", responses((status = 200)))]
pub(crate) async fn drop_tenant(scope: Scope) -> ApiResult<Answer> {
    let name = TenantName::parse(&scope.path("name"))?;
    scope.caller.allow(Action::Administer, &name, None)?;
    let tenants = Arc::clone(&scope.app.tenants);
    let remove = move || -> ApiResult<Answer> {
        tenants.remove(&name)?;
        Answer::new(StatusCode::OK, &json!({}))
    };
    scope.app.gate.run(scope.deadline, remove).await
}

#[utoipa::path(
    post, path = "/v1/transactions", tag = "transactions",
    request_body = BeginTransaction,
    responses((status = 201, body = Opened)),
)]
pub(crate) async fn begin(scope: Scope, body: Body) -> ApiResult<Answer> {
    scope
        .created(move |call| {
            let BeginTransaction { isolation } = body.parse_or_default()?;
            let (id, seq) = call.begin(isolation.into())?;
            Ok(opened(id, seq))
        })
        .await
}

#[utoipa::path(
    post, path = "/v1/transactions/{id}/commit", tag = "transactions",
    responses((status = 200, body = Committed)),
)]
pub(crate) async fn commit(scope: Scope) -> ApiResult<Answer> {
    let id = session_id("transaction", &scope.path("id"))?;
    scope
        .now(move |call| {
            let seq = call.commit(id)?;
            Ok(Committed { seq: seq.0 })
        })
        .await
}

#[utoipa::path(
    delete, path = "/v1/transactions/{id}", tag = "transactions",
    responses((status = 200)),
)]
pub(crate) async fn roll_back(scope: Scope) -> ApiResult<Answer> {
    let id = session_id("transaction", &scope.path("id"))?;
    scope.now(move |call| nothing(call.roll_back(id))).await
}

#[utoipa::path(
    post, path = "/v1/transactions/{id}/savepoints", tag = "transactions",
    request_body = Place,
    responses((status = 200)),
)]
pub(crate) async fn savepoint(scope: Scope, body: Body) -> ApiResult<Answer> {
    let id = session_id("transaction", &scope.path("id"))?;
    scope
        .now(move |call| {
            let Place { savepoint } = body.parse()?;
            nothing(call.savepoint(id, &savepoint))
        })
        .await
}

#[utoipa::path(
    post, path = "/v1/transactions/{id}/rollback", tag = "transactions",
    request_body = Place,
    responses((status = 200)),
)]
pub(crate) async fn roll_back_to(scope: Scope, body: Body) -> ApiResult<Answer> {
    let id = session_id("transaction", &scope.path("id"))?;
    scope
        .now(move |call| {
            let Place { savepoint } = body.parse()?;
            nothing(call.roll_back_to(id, &savepoint))
        })
        .await
}

#[utoipa::path(
    post, path = "/v1/snapshots", tag = "snapshots",
    responses((status = 201, body = Opened)),
)]
pub(crate) async fn hold(scope: Scope) -> ApiResult<Answer> {
    scope
        .created(|call| {
            let (id, seq) = call.hold()?;
            Ok(opened(id, seq))
        })
        .await
}

#[utoipa::path(delete, path = "/v1/snapshots/{id}", tag = "snapshots", responses((status = 200)))]
pub(crate) async fn release(scope: Scope) -> ApiResult<Answer> {
    let id = session_id("snapshot", &scope.path("id"))?;
    scope.now(move |call| nothing(call.release(id))).await
}

fn opened(id: Uuid, seq: SeqNo) -> Opened {
    Opened {
        id: id.to_string(),
        seq: seq.0,
    }
}

/// The answer that says no more than that it was done.
fn nothing(done: Result<(), ApiError>) -> ApiResult<Value> {
    done.map(|()| json!({}))
}
