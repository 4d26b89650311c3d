//! The native API over HTTP: JSON in, JSON out. What is not known is an error.

use crate::app::App;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::sync::Arc;

/// All routes of the port.
pub(crate) fn router(app: &Arc<App>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/metrics", get(figures))
        .with_state(Arc::clone(app))
}

/// The routes of the metrics' own port.
pub(crate) fn metrics(app: &Arc<App>) -> Router {
    Router::new()
        .route("/metrics", get(figures))
        .with_state(Arc::clone(app))
}

async fn figures(State(app): State<Arc<App>>) -> String {
    app.metrics.render()
}

async fn health() -> Json<Value> {
    Json(json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
}
