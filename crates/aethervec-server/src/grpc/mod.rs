//! The native API over gRPC.

use crate::app::App;
use axum::Router;
use std::sync::Arc;

/// All services of the port.
pub(crate) fn router(_app: &Arc<App>) -> Router {
    Router::new()
}
