//! The one error of all protocols. Each protocol gives it a shape of its own; the kind decides the status.

use crate::observe::request;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::fmt;
use std::time::Duration;
use tonic::Code;
use tonic::metadata::MetadataValue;

/// Why a request was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// What can be done about it.
    pub kind: ApiErrorKind,
    /// What is wrong: the field, the value and the limit. Never a secret, never a path of the machine.
    pub message: String,
    /// How long to wait before it is tried again, where that is known.
    pub retry_after: Option<Duration>,
}

/// The result of everything that answers a request.
pub type ApiResult<T> = Result<T, ApiError>;

/// What can be done about an [`ApiError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ApiErrorKind {
    /// Mend the request.
    Invalid,
    /// Say who you are.
    Unauthenticated,
    /// Ask for the right.
    Forbidden,
    /// Mend the request: what it names is not there.
    NotFound,
    /// Mend the request: what it would create is there already.
    Exists,
    /// Try again: another transaction came first.
    Conflict,
    /// Send less at a time.
    TooLarge,
    /// Try again later, and less often: too much is under way.
    Overloaded,
    /// Delete something, or ask for more: the tenant has as much as it may.
    Quota,
    /// Nobody waits for the answer any more.
    Deadline,
    /// Try again later.
    Unavailable,
    /// This server does not do that.
    Unsupported,
    /// The operator has to look: a damaged file, a failing disk, a bug.
    Internal,
}

impl ApiErrorKind {
    /// The status of HTTP.
    pub fn status(self) -> StatusCode {
        match self {
            ApiErrorKind::Invalid => StatusCode::BAD_REQUEST,
            ApiErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
            ApiErrorKind::Forbidden | ApiErrorKind::Quota => StatusCode::FORBIDDEN,
            ApiErrorKind::NotFound => StatusCode::NOT_FOUND,
            ApiErrorKind::Exists | ApiErrorKind::Conflict => StatusCode::CONFLICT,
            ApiErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ApiErrorKind::Overloaded => StatusCode::TOO_MANY_REQUESTS,
            ApiErrorKind::Deadline => StatusCode::GATEWAY_TIMEOUT,
            ApiErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ApiErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
            ApiErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The code of gRPC.
    pub fn code(self) -> Code {
        match self {
            ApiErrorKind::Invalid | ApiErrorKind::TooLarge => Code::InvalidArgument,
            ApiErrorKind::Unauthenticated => Code::Unauthenticated,
            ApiErrorKind::Forbidden => Code::PermissionDenied,
            ApiErrorKind::NotFound => Code::NotFound,
            ApiErrorKind::Exists => Code::AlreadyExists,
            ApiErrorKind::Conflict => Code::Aborted,
            ApiErrorKind::Overloaded => Code::ResourceExhausted,
            // Not a matter of time: nobody shall try again by itself.
            ApiErrorKind::Quota => Code::FailedPrecondition,
            ApiErrorKind::Deadline => Code::DeadlineExceeded,
            ApiErrorKind::Unavailable => Code::Unavailable,
            ApiErrorKind::Unsupported => Code::Unimplemented,
            ApiErrorKind::Internal => Code::Internal,
        }
    }

    /// What programs may branch on.
    pub fn name(self) -> &'static str {
        match self {
            ApiErrorKind::Invalid => "invalid",
            ApiErrorKind::Unauthenticated => "unauthenticated",
            ApiErrorKind::Forbidden => "forbidden",
            ApiErrorKind::NotFound => "not_found",
            ApiErrorKind::Exists => "exists",
            ApiErrorKind::Conflict => "conflict",
            ApiErrorKind::TooLarge => "too_large",
            ApiErrorKind::Overloaded => "overloaded",
            ApiErrorKind::Quota => "quota",
            ApiErrorKind::Deadline => "deadline",
            ApiErrorKind::Unavailable => "unavailable",
            ApiErrorKind::Unsupported => "unsupported",
            ApiErrorKind::Internal => "internal",
        }
    }
}

impl ApiError {
    /// An error of any kind.
    pub fn new(kind: ApiErrorKind, message: impl Into<String>) -> ApiError {
        ApiError {
            kind,
            message: message.into(),
            retry_after: None,
        }
    }

    /// The request has to be mended.
    pub fn invalid(message: impl Into<String>) -> ApiError {
        ApiError::new(ApiErrorKind::Invalid, message)
    }

    /// What the request names is not there.
    pub fn not_found(message: impl Into<String>) -> ApiError {
        ApiError::new(ApiErrorKind::NotFound, message)
    }
}

impl From<aethervec::Error> for ApiError {
    fn from(error: aethervec::Error) -> ApiError {
        use aethervec::ErrorKind;
        let kind = match error.kind() {
            ErrorKind::Invalid => ApiErrorKind::Invalid,
            ErrorKind::NotFound => ApiErrorKind::NotFound,
            ErrorKind::Exists => ApiErrorKind::Exists,
            ErrorKind::Conflict => ApiErrorKind::Conflict,
            ErrorKind::Unavailable | ErrorKind::Fenced | ErrorKind::Closed => {
                ApiErrorKind::Unavailable
            }
            _ => ApiErrorKind::Internal,
        };
        ApiError::new(kind, error.to_string())
    }
}

impl From<aethervec_proto::Malformed> for ApiError {
    fn from(malformed: aethervec_proto::Malformed) -> ApiError {
        ApiError::invalid(malformed.to_string())
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

/// The body of an error of the native REST API.
#[derive(Debug, Serialize)]
struct Body<'a> {
    error: Content<'a>,
}

#[derive(Debug, Serialize)]
struct Content<'a> {
    kind: ApiErrorKind,
    message: &'a str,
    /// What the request is called in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

/// The shape of the native REST API: `{"error": {"kind": "not_found", "message": "…", "request_id": "…"}}`.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Body {
            error: Content {
                kind: self.kind,
                message: &self.message,
                request_id: request::id(),
            },
        };
        let mut response = (self.kind.status(), axum::Json(body)).into_response();
        if let Some(wait) = wait(self.kind == ApiErrorKind::Overloaded, self.retry_after) {
            response.headers_mut().insert(RETRY_AFTER, wait);
        }
        if self.kind == ApiErrorKind::Unauthenticated {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// The shape of gRPC.
impl From<ApiError> for tonic::Status {
    fn from(error: ApiError) -> tonic::Status {
        let mut status = tonic::Status::new(error.kind.code(), error.message);
        if let Some(wait) = error.retry_after {
            let wait = MetadataValue::from(whole_seconds(wait));
            status.metadata_mut().insert("retry-after", wait);
        }
        status
    }
}

/// The header `retry-after`: that of who is overloaded says a second where nothing better is known.
pub(crate) fn wait(is_overloaded: bool, known: Option<Duration>) -> Option<HeaderValue> {
    let wait = known.or(is_overloaded.then_some(Duration::from_secs(1)));
    wait.map(|wait| HeaderValue::from(whole_seconds(wait)))
}

/// Rounded up: who comes back then is let in.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
