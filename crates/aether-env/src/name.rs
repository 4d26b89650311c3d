//! Which names files may have, and how errors speak of a file.

use crate::storage::NAME_BYTES_MAX;
use std::fmt::Display;
use std::io;

/// Refuses names that are not flat: empty, hidden, over-long, or with any character that a path could read
/// differently (`/`, `\`, `:`, NUL, spaces, non-ASCII).
pub(crate) fn check(name: &str) -> io::Result<()> {
    let flat = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let problem = if name.is_empty() {
        "is empty"
    } else if name.len() > NAME_BYTES_MAX {
        "is too long"
    } else if name.starts_with('.') {
        "starts with '.'"
    } else if !name.bytes().all(flat) {
        "has a character other than ASCII letters, digits, '.', '_' and '-'"
    } else {
        return Ok(());
    };
    let shown: String = name.chars().take(80).collect();
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("file name {shown:?} {problem}"),
    ))
}

/// `error` with what was attempted, on which file, and where. Keeps the kind.
pub(crate) fn explain(
    error: &io::Error,
    attempt: &str,
    name: &str,
    location: impl Display,
) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("cannot {attempt} {name} in {location}: {error}"),
    )
}

/// A read of `wanted` bytes at `offset` reaches beyond the end of a file of `length` bytes.
pub(crate) fn beyond_end(
    name: &str,
    location: impl Display,
    offset: u64,
    wanted: usize,
    length: u64,
) -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        format!(
            "cannot read {wanted} bytes of {name} in {location} at byte {offset}: the file has {length} bytes"
        ),
    )
}

/// Another process, or another handle of this one, has the lock.
pub(crate) fn locked(name: &str, location: impl Display, holder: Option<u32>) -> io::Error {
    let holder = match holder {
        Some(pid) if pid == std::process::id() => format!("this process (pid {pid})"),
        Some(pid) => format!("the process with pid {pid}"),
        None => "another process".to_owned(),
    };
    io::Error::new(
        io::ErrorKind::WouldBlock,
        format!("{location} is in use by {holder}, which holds the lock {name}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_tricks_are_refused() {
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        for bad in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "/etc/passwd",
            "a\\b",
            "c:x",
            "a\0b",
            "a b",
            "ü",
            ".hidden",
            &long,
        ] {
            let error = check(bad).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{bad:?}");
        }
        for good in [
            "a",
            "000001.sst",
            "MANIFEST-12",
            "LOCK",
            "a..b",
            &"x".repeat(NAME_BYTES_MAX),
        ] {
            check(good).unwrap();
        }
    }
}
