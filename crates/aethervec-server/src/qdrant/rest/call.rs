//! From a request to an operation and back: who calls, where, with what body; the answer's envelope.
//!
//! Bodies are read, and answers written, on the engine's side of the gate: both can be large.

use crate::app::{App, Turn};
use crate::auth::{Action, Caller};
use crate::engine::Deadline;
use crate::qdrant::access::Access;
use crate::qdrant::error::{Failure, Kind, Result};
use crate::qdrant::service::updates::Wait;
use crate::tenants::Tenant;
use axum::body::Bytes;
use axum::extract::{FromRequestParts, Query, RawPathParams};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A request without its body.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) app: Arc<App>,
    pub(super) caller: Caller,
    pub(super) place: Place,
    timeout: Option<Duration>,
    pub(super) begin: Instant,
}

/// What a request says beside its body.
#[derive(Debug)]
pub(super) struct Place {
    /// The parts of the path that stand for something.
    names: Vec<(String, String)>,
    pub(super) wait: Wait,
}

/// What stands behind the `?`. Consistency and ordering are tolerated: there is one state, and one order of writes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Options {
    wait: Option<bool>,
    /// In seconds.
    timeout: Option<u64>,
}

#[derive(Serialize)]
struct Success<T> {
    result: T,
    status: &'static str,
    time: f64,
}

#[derive(Serialize)]
struct Failed<'a> {
    status: Status<'a>,
    time: f64,
}

#[derive(Serialize)]
struct Status<'a> {
    error: &'a str,
}

impl FromRequestParts<Arc<App>> for Call {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Call, Response> {
        let begin = Instant::now();
        let refuse = |failure: Failure| failure.into_response_after(begin);
        let names = RawPathParams::from_request_parts(parts, app)
            .await
            .map_err(|error| refuse(Failure::wrong(error)))?;
        let Query(options) = Query::<Options>::try_from_uri(&parts.uri)
            .map_err(|error| refuse(Failure::wrong(error)))?;
        let caller = parts.extensions.get::<Caller>().cloned();
        Ok(Call {
            app: Arc::clone(app),
            caller: caller.unwrap_or_else(Caller::nobody),
            place: Place {
                names: names
                    .iter()
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
                wait: options.wait.unwrap_or(false).into(),
            },
            timeout: options.timeout.map(Duration::from_secs),
            begin,
        })
    }
}

impl Place {
    /// The collection that the path names.
    pub(super) fn collection(&self) -> &str {
        self.get("name").unwrap_or_default()
    }

    /// What stands in the path for `name`.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut names = self.names.iter();
        names
            .find(|(other, _)| other == name)
            .map(|(_, value)| &value[..])
    }
}

impl Call {
    /// Answers a request without a body.
    pub(super) async fn answer<T: Serialize>(
        self,
        action: Action,
        work: impl FnOnce(&Access<'_>, &Place) -> Result<T> + Send + 'static,
    ) -> Response {
        self.answer_in(Turn::of(action), action, work).await
    }

    /// Answers a request that takes as long as a collection is large.
    pub(super) async fn answer_at_length<T: Serialize>(
        self,
        action: Action,
        work: impl FnOnce(&Access<'_>, &Place) -> Result<T> + Send + 'static,
    ) -> Response {
        self.answer_in(Turn::Long, action, work).await
    }

    async fn answer_in<T: Serialize>(
        self,
        turn: Turn,
        action: Action,
        work: impl FnOnce(&Access<'_>, &Place) -> Result<T> + Send + 'static,
    ) -> Response {
        let Call {
            app,
            caller,
            place,
            timeout,
            begin,
        } = self;
        let tenant = caller.tenant.clone().unwrap_or_default();
        if let Err(error) = caller.allow_within(action, &tenant) {
            return Failure::from(error).into_response_after(begin);
        }
        let deadline = timeout.map_or_else(|| app.deadline(), Deadline::after);
        let answer = move |tenant: &Arc<Tenant>| {
            let access = Access::new(tenant, &caller, action, place.get("name"));
            let answer = access.and_then(|access| work(&access, &place));
            let answer = answer.and_then(|result| {
                serde_json::to_vec(&Success {
                    result,
                    status: "ok",
                    time: begin.elapsed().as_secs_f64(),
                })
                .map_err(Failure::internal)
            });
            Ok::<_, crate::ApiError>(answer)
        };
        let answered = app.in_turn(turn, tenant, deadline, answer).await;
        match answered.map_err(Failure::from).and_then(|answer| answer) {
            Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
            Err(failure) => failure.into_response_after(begin),
        }
    }

    /// Answers a request with a body of JSON.
    pub(super) async fn answer_body<B: DeserializeOwned, T: Serialize>(
        self,
        action: Action,
        body: Bytes,
        work: impl FnOnce(&Access<'_>, &Place, B) -> Result<T> + Send + 'static,
    ) -> Response {
        self.answer(action, move |db, place| {
            let request = serde_json::from_slice(&body).map_err(Failure::format)?;
            work(db, place, request)
        })
        .await
    }
}

impl Failure {
    /// The answer to a request that began at `begin`.
    pub(in crate::qdrant) fn into_response_after(self, begin: Instant) -> Response {
        let body = Failed {
            status: Status {
                error: &self.message,
            },
            time: begin.elapsed().as_secs_f64(),
        };
        let mut response = (self.kind.status(), axum::Json(body)).into_response();
        if let Some(wait) = crate::error::wait(self.kind == Kind::Busy, self.retry_after) {
            response.headers_mut().insert(header::RETRY_AFTER, wait);
        }
        response
    }
}

impl Kind {
    fn status(self) -> StatusCode {
        match self {
            Kind::BadRequest => StatusCode::BAD_REQUEST,
            Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
            Kind::Forbidden | Kind::Quota => StatusCode::FORBIDDEN,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Exists => StatusCode::CONFLICT,
            Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
            Kind::Unsupported => StatusCode::NOT_IMPLEMENTED,
            Kind::Busy => StatusCode::TOO_MANY_REQUESTS,
            Kind::Timeout => StatusCode::REQUEST_TIMEOUT,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}
