//! Why a call failed.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;
use tonic::{Code, ConnectError, Status, TimeoutExpired};

/// Why a call failed: [`kind`](Error::kind) says what can be done about it, the text what is wrong.
pub struct Error(Box<Repr>);

/// The result of every call.
pub type Result<T> = std::result::Result<T, Error>;

struct Repr {
    kind: ErrorKind,
    message: String,
    /// Whether it is sure that the server has not begun with the call.
    not_begun: bool,
    /// How long the server asks to wait.
    retry_after: Option<Duration>,
}

/// What can be done about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Mend the call.
    Invalid,
    /// Say who you are: [`ConnectOptions::api_key`](crate::ConnectOptions::api_key) or
    /// [`token`](crate::ConnectOptions::token).
    Unauthenticated,
    /// Ask for the right.
    Forbidden,
    /// Mend the call: what it names is not there.
    NotFound,
    /// Mend the call: what it would create is there already.
    Exists,
    /// Begin the transaction again: another one came first. [`transact`](crate::VectorDatabaseClient::transact) does.
    Conflict,
    /// Try again later, and less often: too much is under way.
    Overloaded,
    /// Delete something, or ask for more: the tenant stores as much as it may. To try again is of no use.
    Quota,
    /// The time was over. A write may have been made, or not.
    Deadline,
    /// The server cannot be reached, or the connection broke. A write may have been made, or not.
    Unavailable,
    /// This server does not do that.
    Unsupported,
    /// The operator of the server has to look.
    Internal,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error(Box::new(Repr {
            kind,
            message: message.into(),
            not_begun: false,
            retry_after: None,
        }))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Invalid, message)
    }

    pub(crate) fn deadline() -> Error {
        Error::new(ErrorKind::Deadline, "the server did not answer in time")
    }

    /// What can be done about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether it is sure that nothing came of the call: the server could not be reached, or has refused it unread.
    pub(crate) fn is_not_begun(&self) -> bool {
        self.0.not_begun
    }

    /// How long the server asks to wait before the call is made again.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether a call that changes nothing is worth repeating.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self.kind(), ErrorKind::Unavailable | ErrorKind::Overloaded)
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Error {
        let kind = match status.code() {
            // Not the server's word: the connection's.
            _ if comes_from(&status, |error| error.is::<TimeoutExpired>()) => ErrorKind::Deadline,
            _ if status.source().is_some() => ErrorKind::Unavailable,
            Code::InvalidArgument | Code::OutOfRange => ErrorKind::Invalid,
            Code::Unauthenticated => ErrorKind::Unauthenticated,
            Code::PermissionDenied => ErrorKind::Forbidden,
            Code::NotFound => ErrorKind::NotFound,
            Code::AlreadyExists => ErrorKind::Exists,
            Code::Aborted => ErrorKind::Conflict,
            Code::ResourceExhausted => ErrorKind::Overloaded,
            Code::FailedPrecondition => ErrorKind::Quota,
            Code::DeadlineExceeded | Code::Cancelled => ErrorKind::Deadline,
            Code::Unavailable => ErrorKind::Unavailable,
            Code::Unimplemented => ErrorKind::Unsupported,
            _ => ErrorKind::Internal,
        };
        let message = match status.source() {
            Some(source) => chain(source),
            None => status.message().to_owned(),
        };
        Error(Box::new(Repr {
            kind,
            message,
            not_begun: kind == ErrorKind::Overloaded || was_not_sent(&status),
            retry_after: retry_after(&status),
        }))
    }
}

impl From<tonic::transport::Error> for Error {
    fn from(error: tonic::transport::Error) -> Error {
        Error(Box::new(Repr {
            kind: ErrorKind::Unavailable,
            message: chain(&error),
            not_begun: true,
            retry_after: None,
        }))
    }
}

impl From<aethervec_proto::Malformed> for Error {
    fn from(malformed: aethervec_proto::Malformed) -> Error {
        unreadable(malformed)
    }
}

/// The answer of a server that this client does not understand.
pub(crate) fn unreadable(why: impl fmt::Display) -> Error {
    let message = format!("the answer cannot be read: {why}");
    Error::new(ErrorKind::Internal, message)
}

/// Whether the call never left: no connection could be made, or the one there was had ended before.
fn was_not_sent(status: &Status) -> bool {
    comes_from(status, |error| {
        let sent = error.downcast_ref::<hyper::Error>();
        error.is::<ConnectError>() || sent.is_some_and(hyper::Error::is_canceled)
    })
}

/// The seconds that the server says.
fn retry_after(status: &Status) -> Option<Duration> {
    let seconds = status.metadata().get("retry-after")?.to_str().ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}

/// Whether something that the status comes from is `such`.
fn comes_from(status: &Status, such: impl Fn(&(dyn std::error::Error + 'static)) -> bool) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if such(error) {
            return true;
        }
        source = error.source();
    }
    false
}

/// An error and what it comes from, each once.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = error.source();
    }
    text
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.0.message)
    }
}

impl std::error::Error for Error {}
