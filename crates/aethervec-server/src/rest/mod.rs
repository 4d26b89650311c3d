//! The native API over HTTP: JSON in, JSON out. What is not known is an error.
//!
//! Paths under `/v1` are also there under `/v1/tenants/TENANT`; without it, a tenant is named by a header or by who calls.

mod ask;
mod collections;
mod documents;
mod figures;
mod openapi;
mod operations;
mod quotas;
mod scope;
mod short;
mod state;
mod whole;

pub(crate) use scope::TENANT_HEADER;

use crate::app::App;
use crate::auth::Door;
use crate::console;
use crate::error::{ApiError, ApiErrorKind};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, patch, post, put};
use std::sync::Arc;

/// Who may use them.
pub(crate) const DOOR: Door = Door::HTTP;

/// All routes of the port.
pub(crate) fn router(app: &Arc<App>) -> Router {
    Router::new()
        .route("/health", get(figures::health))
        .route("/readyz", get(figures::health))
        .route("/livez", get(figures::live))
        .route("/metrics", get(figures::metrics))
        .route("/vectors", post(short::insert))
        .route("/query", post(short::query))
        .route("/v1/health", get(figures::full_health))
        .route("/v1/stats", get(figures::stats))
        .route("/v1/slow-queries", get(figures::slow_queries))
        .route("/v1/tenants", get(state::list_tenants))
        .route(
            "/v1/tenants/{name}",
            put(state::create_tenant).delete(state::drop_tenant),
        )
        .nest("/v1", tenant())
        .nest("/v1/tenants/{tenant}", tenant())
        .merge(openapi::router())
        .merge(console::router())
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(DefaultBodyLimit::max(app.config.body_bytes_max))
        .with_state(Arc::clone(app))
}

/// The routes of the metrics' own port.
pub(crate) fn metrics(app: &Arc<App>) -> Router {
    Router::new()
        .route("/metrics", get(figures::metrics))
        .with_state(Arc::clone(app))
}

/// What there is for each tenant.
fn tenant() -> Router<Arc<App>> {
    Router::new()
        .route("/collections", get(collections::list))
        .nest("/collections/{collection}", collection())
        .route(
            "/aliases",
            get(collections::list_aliases).post(collections::change_aliases),
        )
        .route("/quotas", get(quotas::get).put(quotas::set))
        .route("/transactions", post(state::begin))
        .route("/transactions/{id}", delete(state::roll_back))
        .route("/transactions/{id}/commit", post(state::commit))
        .route("/transactions/{id}/savepoints", post(state::savepoint))
        .route("/transactions/{id}/rollback", post(state::roll_back_to))
        .route("/operations", get(operations::list).post(operations::begin))
        .route(
            "/operations/{id}",
            get(operations::get).delete(operations::cancel),
        )
        .route("/snapshots", post(state::hold))
        .route("/snapshots/{id}", delete(state::release))
}

/// What there is for each collection.
fn collection() -> Router<Arc<App>> {
    Router::new()
        .route(
            "/",
            put(collections::create)
                .get(collections::describe)
                .patch(collections::change)
                .delete(collections::drop_collection),
        )
        .route(
            "/fields",
            post(collections::add_field).delete(collections::drop_field),
        )
        .route(
            "/indexes",
            get(collections::list_indexes)
                .post(collections::create_index)
                .delete(collections::drop_index),
        )
        .route("/documents", post(documents::upsert))
        .route(
            "/documents/{id}",
            get(documents::get)
                .merge(patch(documents::patch))
                .delete(documents::delete_one),
        )
        .route("/writes", post(documents::write))
        .route("/patch", post(documents::patch_by))
        .route("/delete", post(documents::delete))
        .route("/get", post(documents::get_batch))
        .route("/scroll", post(documents::scroll))
        .route("/count", post(documents::count))
        .route("/search", post(ask::search))
        .route("/search/batch", post(ask::search_batch))
        .route("/explain", post(ask::explain))
        .route("/query", post(ask::query))
        .route("/query/batch", post(ask::query_batch))
        .route("/query/groups", post(ask::query_groups))
        .route("/facet", post(ask::facet))
        .route("/matrix", post(ask::matrix))
        .route(
            "/import",
            post(whole::import).layer(DefaultBodyLimit::disable()),
        )
        .route("/export", get(whole::export))
}

async fn unknown(request: axum::extract::Request) -> ApiError {
    let path: String = request.uri().path().chars().take(256).collect();
    ApiError::new(
        ApiErrorKind::NotFound,
        format!(
            "{} {path:?} is not known: GET /openapi.json says what is",
            request.method()
        ),
    )
}
