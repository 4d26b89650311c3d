//! The one error type of this crate: the kind says what to do about it, the text what happened and where.

use std::fmt;
use std::io;
use std::sync::Arc;

/// Either a value or an [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong: [`kind`](Error::kind) is for programs, the text for people.
#[derive(Clone)]
pub struct Error(Box<Repr>);

#[derive(Clone)]
struct Repr {
    kind: ErrorKind,
    message: String,
    source: Option<Arc<io::Error>>,
}

/// What to do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Mend the call: an argument or option is outside its limits, or a file is of a newer format.
    Invalid,
    /// Mend the call: what it names does not exist.
    NotFound,
    /// Try the transaction again: somebody else wrote first.
    Conflict,
    /// Try later: the disk is full, or somebody else has the database open.
    Unavailable,
    /// Open again: a newer owner has taken over.
    Fenced,
    /// Open again: this handle is closed, or a failed sync has ended its writing.
    Closed,
    /// Restore the file that the message names.
    Corruption,
    /// The operating system refused a read or a write; the message names the file.
    Io,
}

impl Error {
    /// An error of `kind`; the message names the value, the limit and the remedy.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error(Box::new(Repr {
            kind,
            message: message.into(),
            source: None,
        }))
    }

    /// [`ErrorKind::Invalid`].
    pub(crate) fn invalid(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Invalid, message)
    }

    /// [`ErrorKind::Corruption`] of `file` at byte `offset`.
    pub(crate) fn corruption(file: &str, offset: u64, detail: impl fmt::Display) -> Error {
        let message = format!(
            "{file} is damaged at byte {offset}: {detail}; restore this file from a backup"
        );
        Error::new(ErrorKind::Corruption, message)
    }

    /// A table passes its checksums, and its keys are out of order all the same.
    #[cold]
    pub(crate) fn disordered(user_key: &[u8]) -> Error {
        let key = user_key[..user_key.len().min(100)].escape_ascii();
        let remedy = "DB::verify finds its name; restore that file from a backup";
        Error::new(
            ErrorKind::Corruption,
            format!("a table has the key {key} out of order: {remedy}"),
        )
    }

    /// A failed operation of the environment. `context` says what was done to which file ("append to 000007.wal").
    pub(crate) fn io(context: impl fmt::Display, source: io::Error) -> Error {
        let (kind, remedy) = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                (ErrorKind::Unavailable, "; free some space and try again")
            }
            io::ErrorKind::WouldBlock => (ErrorKind::Unavailable, ""),
            // The storage itself has found the bytes to be others than were written.
            io::ErrorKind::InvalidData => (ErrorKind::Corruption, ""),
            _ => (ErrorKind::Io, ""),
        };
        let message = format!("{context}: {source}{remedy}");
        Error(Box::new(Repr {
            kind,
            message,
            source: Some(Arc::new(source)),
        }))
    }

    /// A write that waits for background work which fails for `cause`; a full disk stays one.
    pub(crate) fn stalled(why: &str, cause: &Error) -> Error {
        let message = format!("{why}, and that fails: {cause}");
        Error(Box::new(Repr {
            kind: ErrorKind::Unavailable,
            message,
            source: cause.0.source.clone(),
        }))
    }

    /// What to do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// True when the cause is a full disk or quota: nothing is damaged, and writing goes on once there is room.
    pub fn is_disk_full(&self) -> bool {
        let source = self.0.source.as_deref().map(io::Error::kind);
        matches!(
            source,
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        )
    }
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

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_recognised_and_says_what_to_do() {
        let error = Error::io(
            "append to 000007.wal",
            io::Error::from(io::ErrorKind::StorageFull),
        );
        assert!(error.is_disk_full());
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(
            error.to_string().starts_with("append to 000007.wal: "),
            "{error}"
        );
        assert!(!Error::io("read", io::Error::from(io::ErrorKind::NotFound)).is_disk_full());
    }

    #[test]
    fn corruption_names_file_and_offset() {
        let error = Error::corruption("000042.sst", 8192, "checksum mismatch");
        assert_eq!(error.kind(), ErrorKind::Corruption);
        assert!(
            error.to_string().contains("000042.sst") && error.to_string().contains("8192"),
            "{error}"
        );
    }
}
