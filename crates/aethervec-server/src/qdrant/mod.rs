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

mod convert;
mod error;
mod grpc;
mod model;
mod rest;
mod service;

use crate::app::App;
use axum::Router;
use std::sync::Arc;

/// The version of the dialect: clients compare it with their own.
const VERSION: &str = "1.19.0";

/// The routes of its REST port.
pub(crate) fn rest(app: &Arc<App>) -> Router {
    rest::router(app)
}

/// The services of its gRPC port.
pub(crate) fn grpc(app: &Arc<App>) -> Router {
    grpc::router(app)
}
