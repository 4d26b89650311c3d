//! Handlers of requests, made of operations: what stands in the tables of routes.

use super::call::{Call, Place};
use crate::auth::Action;
use crate::qdrant::access::Access;
use crate::qdrant::error::{Failure, Result};
use axum::body::Bytes;
use axum::response::Response;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::pin::Pin;
use tokio::time::Instant;

/// An operation that takes no body.
type Plain<T> = fn(&Access<'_>, &Place) -> Result<T>;

/// An operation that takes a body.
type WithBody<B, T> = fn(&Access<'_>, &Place, B) -> Result<T>;

/// An answer that is being made.
pub(super) type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

/// What the path says for `name`, which is in its route.
pub(super) fn part<'a>(at: &'a Place, name: &str) -> &'a str {
    at.get(name).unwrap_or_default()
}

/// A handler of requests without a body.
pub(super) fn plain<T: Serialize + 'static>(
    action: Action,
    work: Plain<T>,
) -> impl Fn(Call) -> Answer + Clone + Send + Sync + 'static {
    move |call| Box::pin(call.answer(action, work))
}

/// A handler that says that this is not done here.
pub(super) fn refused(
    what: &'static str,
) -> impl Fn() -> std::future::Ready<Response> + Clone + Send + Sync {
    move || std::future::ready(Failure::unsupported(what).into_response_after(Instant::now()))
}

/// A handler of requests with a body.
pub(super) fn with<B: DeserializeOwned + 'static, T: Serialize + 'static>(
    action: Action,
    work: WithBody<B, T>,
) -> impl Fn(Call, Bytes) -> Answer + Clone + Send + Sync + 'static {
    move |call, body| Box::pin(call.answer_body(action, body, work))
}

/// A handler of requests that take as long as a collection is large.
pub(super) fn at_length<T: Serialize + 'static>(
    action: Action,
    work: Plain<T>,
) -> impl Fn(Call) -> Answer + Clone + Send + Sync + 'static {
    move |call| Box::pin(call.answer_at_length(action, work))
}
