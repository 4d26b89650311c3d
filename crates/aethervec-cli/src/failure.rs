//! How a command fails: an exit code for scripts, a kind for programs, a text for people.

use std::fmt;

/// The exit codes of every command; `--help` documents them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// The command could not do its work: input or output failed, the database is in use or damaged.
    Failed = 1,
    /// The request itself is wrong: arguments, vectors, files to import.
    Invalid = 2,
    /// A database, collection or document that does not exist.
    NotFound = 3,
    /// `check` found damage.
    Damaged = 4,
    /// Ended by Ctrl-C.
    Interrupted = 130,
}

/// Why a command ends early.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    kind: &'static str,
    message: String,
}

/// The result of everything a command does.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure of any kind.
    pub(crate) fn new(exit: Exit, kind: &'static str, message: impl Into<String>) -> Failure {
        Failure {
            exit,
            kind,
            message: message.into(),
        }
    }

    /// The world did not cooperate.
    pub(crate) fn failed(message: impl Into<String>) -> Failure {
        Failure {
            exit: Exit::Failed,
            kind: "io",
            message: message.into(),
        }
    }

    /// The user has to mend the call or the file.
    pub(crate) fn invalid(message: impl Into<String>) -> Failure {
        Failure {
            exit: Exit::Invalid,
            kind: "invalid",
            message: message.into(),
        }
    }

    /// Something named does not exist.
    pub(crate) fn not_found(message: impl Into<String>) -> Failure {
        Failure {
            exit: Exit::NotFound,
            kind: "not_found",
            message: message.into(),
        }
    }

    /// `check` found damage.
    pub(crate) fn damaged(message: impl Into<String>) -> Failure {
        Failure {
            exit: Exit::Damaged,
            kind: "corruption",
            message: message.into(),
        }
    }

    /// Ctrl-C.
    pub(crate) fn interrupted(message: impl Into<String>) -> Failure {
        Failure {
            exit: Exit::Interrupted,
            kind: "interrupted",
            message: message.into(),
        }
    }

    /// A file that the user named could not be opened or read.
    pub(crate) fn file(name: &str, error: &std::io::Error) -> Failure {
        match error.kind() {
            std::io::ErrorKind::NotFound => Failure::not_found(format!("{name}: no such file")),
            // What a decompressor says about bytes that it cannot make sense of.
            std::io::ErrorKind::InvalidInput
            | std::io::ErrorKind::InvalidData
            | std::io::ErrorKind::UnexpectedEof => {
                Failure::invalid(format!("{name}: damaged or truncated: {error}"))
            }
            _ => Failure::failed(format!("{name}: {error}")),
        }
    }

    /// The process's exit code.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// What programs may branch on.
    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
