//! What every handler begins with: who calls, for which tenant, until when; and how it answers.

use crate::app::App;
use crate::auth::Caller;
use crate::call::{At, Call};
use crate::engine::Deadline;
use crate::error::{ApiError, ApiErrorKind, ApiResult};
use crate::tenants::{Tenant, TenantName};
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use utoipa::IntoParams;

/// The header that names a tenant.
pub(crate) const TENANT_HEADER: &str = "aethervec-tenant";

/// The header that says how many milliseconds an answer is waited for.
pub(crate) const TIMEOUT_HEADER: &str = "aethervec-timeout-ms";

/// A request without its body. `P`: its parameters.
#[derive(Debug)]
pub(crate) struct Scope<P = Nothing> {
    pub(crate) app: Arc<App>,
    pub(crate) caller: Caller,
    pub(crate) tenant: TenantName,
    pub(crate) deadline: Deadline,
    pub(crate) params: P,
    path: Vec<(String, String)>,
}

/// No parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// Which state is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Moment {
    /// The transaction that the request is part of.
    transaction: Option<String>,
    /// The snapshot that is read.
    snapshot: Option<String>,
    /// The moment of the past that is read: a sequence number, or a time in RFC 3339.
    as_of: Option<String>,
}

/// The body of a request.
#[derive(Debug)]
pub(crate) struct Body(Bytes);

/// JSON, ready to be sent.
#[derive(Debug)]
pub(crate) struct Answer(StatusCode, Vec<u8>);

impl Moment {
    /// The state.
    pub(crate) fn at(&self) -> ApiResult<At> {
        At::parse(
            self.transaction.as_deref(),
            self.snapshot.as_deref(),
            self.as_of.as_deref(),
        )
    }
}

impl Scope<Moment> {
    /// Answers with what `work` makes of the state that the parameters name.
    pub(crate) async fn answer<T: Serialize + 'static>(
        self,
        work: impl FnOnce(&Call) -> ApiResult<T> + Send + 'static,
    ) -> ApiResult<Answer> {
        let at = self.params.at()?;
        self.run(at, StatusCode::OK, work).await
    }
}

impl Scope<Moment> {
    /// Answers with what `work` reads of the state that the parameters name.
    pub(crate) async fn read<T: Serialize + 'static>(
        self,
        work: impl FnOnce(&Call) -> ApiResult<T> + Send + 'static,
    ) -> ApiResult<Answer> {
        match self.params.at()? {
            At::Now => self.read_now(work).await,
            // A transaction may be at work for another request.
            at => self.run(at, StatusCode::OK, work).await,
        }
    }
}

impl<P> Scope<P> {
    /// The part of the path called `name`.
    pub(crate) fn path(&self, name: &str) -> String {
        let part = self.path.iter().find(|(known, _)| known == name);
        part.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// Answers with what `work` makes of the present.
    pub(crate) async fn now<T: Serialize + 'static>(
        self,
        work: impl FnOnce(&Call) -> ApiResult<T> + Send + 'static,
    ) -> ApiResult<Answer> {
        self.run(At::Now, StatusCode::OK, work).await
    }

    /// The same, for what is new afterwards.
    pub(crate) async fn created<T: Serialize + 'static>(
        self,
        work: impl FnOnce(&Call) -> ApiResult<T> + Send + 'static,
    ) -> ApiResult<Answer> {
        self.run(At::Now, StatusCode::CREATED, work).await
    }

    async fn run<T: Serialize + 'static>(
        self,
        at: At,
        status: StatusCode,
        work: impl FnOnce(&Call) -> ApiResult<T> + Send + 'static,
    ) -> ApiResult<Answer> {
        let answer = of_call(self.caller, at, status, work);
        self.app
            .with_tenant(self.tenant, self.deadline, answer)
            .await
    }

    /// Answers with what `work` reads of the present.
    pub(crate) async fn read_now<T: Serialize + 'static>(
        self,
        work: impl FnOnce(&Call) -> ApiResult<T> + Send + 'static,
    ) -> ApiResult<Answer> {
        let answer = of_call(self.caller, At::Now, StatusCode::OK, work);
        self.app
            .read_tenant(self.tenant, self.deadline, answer)
            .await
    }
}

/// What `work` makes of the call of `caller` at a state, ready to be sent.
fn of_call<T: Serialize + 'static>(
    caller: Caller,
    at: At,
    status: StatusCode,
    work: impl FnOnce(&Call) -> ApiResult<T>,
) -> impl FnOnce(&Arc<Tenant>) -> ApiResult<Answer> {
    move |tenant| {
        let call = Call {
            tenant: Arc::clone(tenant),
            caller,
            at,
        };
        Answer::new(status, &work(&call)?)
    }
}

impl<P: DeserializeOwned> FromRequestParts<Arc<App>> for Scope<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> ApiResult<Scope<P>> {
        let caller = parts.extensions.get::<Caller>().cloned();
        let caller = caller.ok_or_else(|| {
            ApiError::new(ApiErrorKind::Unauthenticated, "nobody knows who calls")
        })?;
        let path = RawPathParams::from_request_parts(parts, app)
            .await
            .map_err(|error| ApiError::invalid(format!("path: {error}")))?;
        let path: Vec<(String, String)> = path
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let named = path.iter().find(|(name, _)| name == "tenant");
        let tenant = match named {
            Some((_, name)) => TenantName::parse(name)?,
            None => tenant_of(&parts.headers, &caller)?,
        };
        caller.enter(&tenant)?;
        let Query(params) = Query::<P>::try_from_uri(&parts.uri)
            .map_err(|error| ApiError::invalid(format!("parameters: {error}")))?;
        Ok(Scope {
            deadline: deadline(app, &parts.headers)?,
            app: Arc::clone(app),
            caller,
            tenant,
            params,
            path,
        })
    }
}

/// The tenant that a header names, or that of the caller, or the default one.
pub(crate) fn tenant_of(headers: &HeaderMap, caller: &Caller) -> ApiResult<TenantName> {
    match text(headers, TENANT_HEADER)? {
        Some(name) => TenantName::parse(name),
        None => Ok(caller.tenant.clone().unwrap_or_default()),
    }
}

/// When nobody waits any more: as a header says, and no later than the configuration says.
fn deadline(app: &App, headers: &HeaderMap) -> ApiResult<Deadline> {
    let Some(text) = text(headers, TIMEOUT_HEADER)? else {
        return Ok(app.deadline());
    };
    let asked: u64 = text.parse().map_err(|_| {
        ApiError::invalid(format!(
            "{TIMEOUT_HEADER}: it must be a number of milliseconds"
        ))
    })?;
    let bounded = asked.min(app.config.request_timeout_ms);
    Ok(Deadline::after(Duration::from_millis(bounded)))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> ApiResult<Option<&'h str>> {
    let value = headers.get(name).map(HeaderValue::to_str).transpose();
    value.map_err(|_| ApiError::invalid(format!("{name}: it must be ASCII")))
}

impl Body {
    /// What it spells.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> ApiResult<T> {
        serde_json::from_slice(&self.0).map_err(|error| ApiError::invalid(format!("body: {error}")))
    }

    /// What it spells, or the default when there is none.
    pub(crate) fn parse_or_default<T: DeserializeOwned + Default>(&self) -> ApiResult<T> {
        if self.0.is_empty() {
            return Ok(T::default());
        }
        self.parse()
    }
}

impl FromRequest<Arc<App>> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> ApiResult<Body> {
        let is_json = says_json(request.headers());
        let bytes = Bytes::from_request(request, app).await.map_err(|error| {
            let kind = match error.status() {
                StatusCode::PAYLOAD_TOO_LARGE => ApiErrorKind::TooLarge,
                _ => ApiErrorKind::Invalid,
            };
            let limit = app.config.body_bytes_max;
            ApiError::new(kind, format!("body: {error} (body_bytes_max is {limit})"))
        })?;
        // A page in a browser can send other types anywhere without being asked.
        if !bytes.is_empty() && !is_json {
            return Err(ApiError::invalid(
                "content-type: it must be application/json",
            ));
        }
        Ok(Body(bytes))
    }
}

fn says_json(headers: &HeaderMap) -> bool {
    let essence = |value: &HeaderValue| {
        let value = value.to_str().ok()?;
        let essence = value.split(';').next()?.trim();
        Some(essence.eq_ignore_ascii_case("application/json"))
    };
    headers.get(CONTENT_TYPE).and_then(essence).unwrap_or(false)
}

impl Answer {
    /// `value` as JSON.
    pub(crate) fn new(status: StatusCode, value: &impl Serialize) -> ApiResult<Answer> {
        let json = serde_json::to_vec(value).map_err(|error| {
            ApiError::new(
                ApiErrorKind::Internal,
                format!("the answer cannot be written as JSON: {error}"),
            )
        })?;
        Ok(Answer(status, json))
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json");
        (self.0, [(CONTENT_TYPE, json)], self.1).into_response()
    }
}
