//! What the server tells of itself: figures as text and as JSON, how it is, which queries were slow.

use super::scope::{Answer, Scope};
use crate::app::App;
use crate::auth::Action;
use crate::error::{ApiError, ApiErrorKind, ApiResult};
use crate::health::{self, FullReport, Report};
use crate::observe::metrics::gather::gather;
use crate::observe::metrics::sheet::{OPENMETRICS, Sheet};
use crate::observe::slow::SlowQueryList;
use crate::wire::language;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

#[utoipa::path(
    get, path = "/metrics", tag = "server",
    responses((status = 200, description = "All figures, as OpenMetrics text.", content_type = "application/openmetrics-text", body = String)),
)]
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> ApiResult<Response> {
    let text = sheet(app).await?.into_text();
    let kind = HeaderValue::from_static(OPENMETRICS);
    Ok(([(CONTENT_TYPE, kind)], text).into_response())
}

#[utoipa::path(
    get, path = "/v1/stats", tag = "server",
    responses((status = 200, description = "Each figure of GET /metrics, with its labels.", body = language::Figures)),
)]
pub(crate) async fn stats(scope: Scope) -> ApiResult<Answer> {
    scope.caller.observe()?;
    let sheet = sheet(scope.app).await?;
    Answer::new(StatusCode::OK, &sheet.to_json())
}

#[utoipa::path(
    get, path = "/v1/slow-queries", tag = "server",
    responses((status = 200, body = SlowQueryList)),
)]
pub(crate) async fn slow_queries(scope: Scope) -> ApiResult<Answer> {
    scope
        .caller
        .allow(Action::Administer, &scope.tenant, None)?;
    Answer::new(StatusCode::OK, &scope.app.observer.slow.list())
}

#[utoipa::path(
    get, path = "/readyz", tag = "server",
    responses(
        (status = 200, description = "The server can serve.", body = Report),
        (status = 503, description = "It cannot, and why.", body = Report),
    ),
)]
pub(crate) async fn health(State(app): State<Arc<App>>) -> Report {
    Report {
        status: app.health.state().await,
        version: env!("CARGO_PKG_VERSION"),
    }
}

#[utoipa::path(
    get, path = "/livez", tag = "server",
    responses((status = 200, description = "Whoever answers lives.", body = Report)),
)]
pub(crate) async fn live() -> Report {
    Report {
        status: health::State::Ok,
        version: env!("CARGO_PKG_VERSION"),
    }
}

#[utoipa::path(
    get, path = "/v1/health", tag = "server",
    responses((status = 200, description = "Also which databases could not be opened, and why.", body = FullReport)),
)]
pub(crate) async fn full_health(scope: Scope) -> ApiResult<Answer> {
    scope
        .caller
        .allow(Action::Administer, &scope.tenant, None)?;
    let report = scope.app.health.full_report(&scope.app.tenants).await;
    Answer::new(StatusCode::OK, &report)
}

/// All figures. They need no turn: a server under load has to tell how it is.
async fn sheet(app: Arc<App>) -> ApiResult<Sheet> {
    let sheet = tokio::task::spawn_blocking(move || gather(&app)).await;
    sheet.map_err(|_| {
        ApiError::new(
            ApiErrorKind::Internal,
            "the figures could not be gathered: the log of the server says why",
        )
    })
}
