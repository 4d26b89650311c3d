//! The Qdrant-compatible API. Its types stop here: what leaves this module is `aethervec`'s.
//!
//! ```text
//! rest/ (JSON)   grpc/ (messages)     a protocol each: nothing is decided here
//!        ╲          ╱
//!         model/                      what the dialect talks about: one form for both
//!           │
//!        service/                     its operations, each once, on a database
//!           │
//!        convert/                     between its words and the engine's
//! ```
//!
//! `docs/qdrant-compatible.md` says what holds and what does not.

mod access;
mod convert;
mod error;
mod grpc;
mod model;
mod rest;
mod service;

use crate::app::App;
use crate::auth::Door;
use crate::error::ApiError;
use axum::Router;
use axum::response::Response;
use std::sync::Arc;
use tokio::time::Instant;

/// The version of the dialect: clients compare it with their own.
const VERSION: &str = "1.19.0";

/// Who may use its REST port.
pub(crate) const REST_DOOR: Door = Door {
    protocol: "qdrant-rest",
    open: &["/healthz", "/livez", "/readyz"],
    pages: &[],
    shape: refusal,
};

/// Who may use its gRPC port.
pub(crate) const GRPC_DOOR: Door = Door::grpc(
    "qdrant-grpc",
    &[
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/qdrant.Qdrant/HealthCheck",
    ],
);

fn refusal(error: ApiError) -> Response {
    error::Failure::from(error).into_response_after(Instant::now())
}

/// The routes of its REST port.
pub(crate) fn rest(app: &Arc<App>) -> Router {
    rest::router(app)
}

/// The services of its gRPC port.
pub(crate) fn grpc(app: &Arc<App>) -> Router {
    grpc::router(app)
}
