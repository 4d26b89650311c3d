//! The Qdrant-compatible API. Its types stop here: what leaves this module is `aethervec`'s.

use crate::app::App;
use axum::Router;
use std::sync::Arc;

/// The routes of its REST port.
pub(crate) fn rest(_app: &Arc<App>) -> Router {
    Router::new()
}

/// The services of its gRPC port.
pub(crate) fn grpc(_app: &Arc<App>) -> Router {
    Router::new()
}
