//! The one error type of this crate: the kind is the remedy, the text is the evidence.

use std::fmt;

/// What went wrong, in words that name the field, the value and the limit (or the file and the offset).
///
/// ```
/// use aethervec::{AetherDB, ErrorKind, IndexConfig};
/// # let dir = tempfile::tempdir().unwrap();
/// let db = AetherDB::open(dir.path())?;
/// let error = db.create_collection("notes", 0, "cosine", IndexConfig::Flat).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Invalid);
/// assert_eq!(error.to_string(), "dim: 0 is out of range: it must be 1..=65535");
/// # Ok::<(), aethervec::Error>(())
/// ```
pub struct Error(Box<Repr>);

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

struct Repr {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What can be done about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Mend the call: an argument is not acceptable. Nothing was changed.
    Invalid,
    /// Mend the call: what it names is not there.
    NotFound,
    /// Mend the call: what it would create is there already.
    Exists,
    /// Try again: another transaction came first.
    Conflict,
    /// Try again later: the disk is full, or the database is open elsewhere.
    Unavailable,
    /// Drop this handle and open again: a newer owner has taken over.
    Fenced,
    /// Drop this handle and open again: the database was closed.
    Closed,
    /// Restore the file or the record that the message names.
    Corruption,
    /// The operating system refused a read or a write; the message names the file.
    Io,
}

impl Error {
    /// What can be done about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error(Box::new(Repr {
            kind,
            message: message.into(),
            source: None,
        }))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Invalid, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::NotFound, message)
    }

    pub(crate) fn corruption(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Corruption, message)
    }

    pub(crate) fn closed() -> Error {
        Error::new(ErrorKind::Closed, "the database is closed: open it again")
    }

    /// The same error with `context: ` in front of its text.
    #[must_use]
    pub(crate) fn within(mut self, context: &str) -> Error {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    pub(crate) fn with_source(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Error {
        Error(Box::new(Repr {
            kind,
            message: message.into(),
            source: Some(Box::new(source)),
        }))
    }
}

impl From<aidb::Error> for Error {
    fn from(error: aidb::Error) -> Error {
        let kind = match error.kind() {
            aidb::ErrorKind::Invalid => ErrorKind::Invalid,
            aidb::ErrorKind::NotFound => ErrorKind::NotFound,
            aidb::ErrorKind::Conflict => ErrorKind::Conflict,
            aidb::ErrorKind::Unavailable => ErrorKind::Unavailable,
            aidb::ErrorKind::Fenced => ErrorKind::Fenced,
            aidb::ErrorKind::Closed => ErrorKind::Closed,
            aidb::ErrorKind::Corruption => ErrorKind::Corruption,
            _ => ErrorKind::Io,
        };
        Error(Box::new(Repr {
            kind,
            message: error.to_string(),
            source: Some(Box::new(error)),
        }))
    }
}

impl From<aether_index::Error> for Error {
    fn from(error: aether_index::Error) -> Error {
        let kind = match error.kind() {
            aether_index::ErrorKind::Invalid => ErrorKind::Invalid,
            aether_index::ErrorKind::Corruption => ErrorKind::Corruption,
            _ => ErrorKind::Unavailable,
        };
        Error(Box::new(Repr {
            kind,
            message: error.to_string(),
            source: Some(Box::new(error)),
        }))
    }
}

/// So that `?` works on what cannot fail.
impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Error {
        match never {}
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.0.message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0
            .source
            .as_ref()
            .map(|source| &**source as &(dyn std::error::Error + 'static))
    }
}
