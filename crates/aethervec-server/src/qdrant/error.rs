//! Why a request failed, as the dialect tells it.

use crate::error::{ApiError, ApiErrorKind};
use aethervec::ErrorKind;
use std::time::Duration;

/// A failure: its kind decides the status, its message is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) message: String,
    /// How long to wait before it is tried again, where that is known.
    pub(crate) retry_after: Option<Duration>,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The request makes no sense.
    BadRequest,
    /// Nobody knows who calls.
    Unauthenticated,
    /// The caller may not do this.
    Forbidden,
    /// The tenant has as much as it may.
    Quota,
    /// What it names is not there.
    NotFound,
    /// What it would create is there already.
    Exists,
    /// A number is outside of its limits.
    Unprocessable,
    /// The request is too large.
    TooLarge,
    /// Known to the dialect, and not done here.
    Unsupported,
    /// Too much is going on.
    Busy,
    /// It took too long.
    Timeout,
    /// Try again later.
    Unavailable,
    /// It is not the caller's fault.
    Internal,
}

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    fn new(kind: Kind, message: String) -> Failure {
        Failure {
            kind,
            message,
            retry_after: None,
        }
    }

    /// An argument makes no sense.
    pub(crate) fn wrong(message: impl std::fmt::Display) -> Failure {
        Failure::new(Kind::BadRequest, format!("Wrong input: {message}"))
    }

    /// The body is not what the route takes.
    pub(crate) fn format(message: impl std::fmt::Display) -> Failure {
        Failure::new(
            Kind::BadRequest,
            format!("Format error in JSON body: {message}"),
        )
    }

    pub(crate) fn not_found(message: impl std::fmt::Display) -> Failure {
        Failure::new(Kind::NotFound, format!("Not found: {message}"))
    }

    pub(crate) fn no_collection(name: &str) -> Failure {
        Failure::not_found(format!("Collection `{name}` doesn't exist!"))
    }

    pub(crate) fn exists(message: impl std::fmt::Display) -> Failure {
        Failure::new(Kind::Exists, format!("Wrong input: {message}"))
    }

    /// A field is outside of its limits.
    pub(crate) fn out_of_range(field: &str, value: impl std::fmt::Display, must: &str) -> Failure {
        Failure::new(
            Kind::Unprocessable,
            format!(
                "Validation error in JSON body: [{field}: value {value} invalid, must be {must}]"
            ),
        )
    }

    /// The strict mode of the collection does not allow it.
    pub(crate) fn strict(error: impl std::fmt::Display, help: impl std::fmt::Display) -> Failure {
        Failure::new(
            Kind::BadRequest,
            format!("Bad request: {error}. Help: {help}"),
        )
    }

    /// The dialect knows this, and it is not done here.
    pub(crate) fn unsupported(what: impl std::fmt::Display) -> Failure {
        Failure::new(
            Kind::Unsupported,
            format!("Wrong input: {what} is not supported by this server"),
        )
    }

    pub(crate) fn internal(message: impl std::fmt::Display) -> Failure {
        Failure::new(Kind::Internal, format!("Service internal error: {message}"))
    }
}

impl From<aethervec::Error> for Failure {
    fn from(error: aethervec::Error) -> Failure {
        match error.kind() {
            ErrorKind::Invalid => Failure::wrong(error),
            ErrorKind::NotFound => Failure::not_found(error),
            ErrorKind::Exists => Failure::exists(error),
            ErrorKind::Conflict | ErrorKind::Unavailable | ErrorKind::Closed => {
                Failure::new(Kind::Unavailable, format!("Service unavailable: {error}"))
            }
            _ => Failure::internal(error),
        }
    }
}

/// What goes wrong before and after the engine: the gate, tenants, rights.
impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Failure {
        let kind = match error.kind {
            ApiErrorKind::Invalid => Kind::BadRequest,
            ApiErrorKind::Unauthenticated => Kind::Unauthenticated,
            ApiErrorKind::Forbidden => Kind::Forbidden,
            ApiErrorKind::Quota => Kind::Quota,
            ApiErrorKind::NotFound => Kind::NotFound,
            ApiErrorKind::Exists => Kind::Exists,
            ApiErrorKind::TooLarge => Kind::TooLarge,
            ApiErrorKind::Overloaded => Kind::Busy,
            ApiErrorKind::Deadline => Kind::Timeout,
            ApiErrorKind::Conflict | ApiErrorKind::Unavailable => Kind::Unavailable,
            ApiErrorKind::Unsupported => Kind::Unsupported,
            ApiErrorKind::Internal => Kind::Internal,
        };
        Failure {
            retry_after: error.retry_after,
            ..Failure::new(kind, error.message)
        }
    }
}
