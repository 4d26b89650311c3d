//! A layer around all routes of a protocol: what every request begins and ends with.

use super::operation::{Operation, Outcome, Protocol};
use super::request::{self, RequestContext};
use crate::app::App;
use crate::tenants::TenantName;
use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::Instant;
use tower::{Layer, Service};

/// The header that has the name of a request: taken over when it is well formed, and always in the answer.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Bytes that a name which somebody else has given may have.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// `router` with everything that is told of its requests.
pub(crate) fn watched(router: Router, protocol: Protocol, app: &Arc<App>) -> Router {
    router.layer(Watch {
        protocol,
        app: Arc::clone(app),
    })
}

#[derive(Clone, Debug)]
struct Watch {
    protocol: Protocol,
    app: Arc<App>,
}

/// A service that is watched.
#[derive(Clone, Debug)]
struct Watched<S> {
    watch: Watch,
    inner: S,
}

impl<S> Layer<S> for Watch {
    type Service = Watched<S>;

    fn layer(&self, inner: S) -> Watched<S> {
        Watched {
            watch: self.clone(),
            inner,
        }
    }
}

impl<S> Service<Request> for Watched<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let begin = Instant::now();
        let context = Arc::new(self.watch.begin(&request));
        let answer = request::beginning(&context, || self.inner.call(request));
        let watched = Arc::clone(&context);
        Box::pin(request::answering(context, async move {
            let mut response = answer.await?;
            let headers = response.headers_mut();
            headers.insert(REQUEST_ID, watched.id.clone());
            end(&watched, begin, &response);
            Ok(response)
        }))
    }
}

impl Watch {
    fn begin(&self, request: &Request) -> RequestContext {
        let path = request.uri().path();
        let route = match request.extensions().get::<MatchedPath>() {
            // The routes of gRPC are services: the call is in the path itself.
            Some(route) if !route.as_str().contains('*') => route.as_str(),
            _ => path,
        };
        let operation = Operation::of(self.protocol, request.method(), route);
        let observer = &self.app.observer;
        let trace = observer.traces.as_ref().and_then(|traces| {
            let name = format!("{} {}", self.protocol.name(), operation.name());
            traces.begin(name, request.headers())
        });
        let observer = Arc::clone(observer);
        let id = match request.headers().get(REQUEST_ID) {
            Some(id) if is_well_formed(id) => id.clone(),
            _ => observer.names.next(),
        };
        RequestContext::new(id, self.protocol, operation, observer, trace)
    }
}

/// Counts and logs what came of it.
fn end(context: &RequestContext, begin: Instant, response: &Response) {
    let RequestContext {
        protocol,
        operation,
        ..
    } = context;
    let outcome = Outcome::of(response.status(), response.headers());
    let took = begin.elapsed();
    let metrics = &context.observer.metrics;
    metrics.answered(*protocol, *operation, outcome, took, context.engine_time());
    if let Some(trace) = &context.trace {
        trace.answered(context, outcome);
    }
    tracing::debug!(
        target: "aethervec_server::access",
        tenant = context.tenant.get().map(TenantName::as_str),
        protocol = protocol.name(),
        operation = operation.name(),
        outcome = outcome.name(),
        status = response.status().as_u16(),
        took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        "answered"
    );
}

/// Whether an id can stand in logs and answers: 1 to [`REQUEST_ID_BYTES_MAX`] of `A-Z a-z 0-9 - _ . : / + =`.
fn is_well_formed(id: &HeaderValue) -> bool {
    let known = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    let bytes = id.as_bytes();
    (1..=REQUEST_ID_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(known)
}
