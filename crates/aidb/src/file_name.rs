//! The names of a database's files: a number of six or more digits and an ending, or a word.
//!
//! Numbers come from one counter and are never used again, so that a name means one content for ever.

/// The lock file.
pub(crate) const LOCK: &str = "LOCK";

const LOG_ENDING: &str = "wal";
const TABLE_ENDING: &str = "sst";
const VALUES_ENDING: &str = "val";
const ATTACHMENT_ENDING: &str = "att";
const MANIFEST_START: &str = "MANIFEST-";

/// What a file is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A write-ahead log.
    Log(u64),
    /// A sorted table.
    Table(u64),
    /// Values that stand apart from their keys.
    Values(u64),
    /// An attachment.
    Attachment(u64),
    /// A manifest.
    Manifest(u64),
    /// The lock file.
    Lock,
    /// Not a name of ours.
    Foreign,
}

/// The write-ahead log `number`.
pub(crate) fn log(number: u64) -> String {
    format!("{number:06}.{LOG_ENDING}")
}

/// The sorted table `number`.
pub(crate) fn table(number: u64) -> String {
    format!("{number:06}.{TABLE_ENDING}")
}

/// The value file `number`, unless that is a log.
pub(crate) fn values(number: u64) -> String {
    format!("{number:06}.{VALUES_ENDING}")
}

/// The attachment `number`.
pub(crate) fn attachment(number: u64) -> String {
    format!("{number:06}.{ATTACHMENT_ENDING}")
}

/// The manifest `number`.
pub(crate) fn manifest(number: u64) -> String {
    format!("{MANIFEST_START}{number:06}")
}

/// What `name` names. Only names that this module could have made are ours.
pub(crate) fn parse(name: &str) -> FileKind {
    if name == LOCK {
        return FileKind::Lock;
    }
    let (digits, kind): (&str, fn(u64) -> FileKind) =
        match (name.strip_prefix(MANIFEST_START), name.split_once('.')) {
            (Some(digits), _) => (digits, FileKind::Manifest),
            (None, Some((digits, LOG_ENDING))) => (digits, FileKind::Log),
            (None, Some((digits, TABLE_ENDING))) => (digits, FileKind::Table),
            (None, Some((digits, VALUES_ENDING))) => (digits, FileKind::Values),
            (None, Some((digits, ATTACHMENT_ENDING))) => (digits, FileKind::Attachment),
            _ => return FileKind::Foreign,
        };
    match digits.parse::<u64>() {
        Ok(number) if digits == format!("{number:06}") => kind(number),
        _ => FileKind::Foreign,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_as_they_are_made() {
        for number in [0, 7, 999_999, 1_000_000, u64::MAX] {
            assert_eq!(parse(&log(number)), FileKind::Log(number));
            assert_eq!(parse(&table(number)), FileKind::Table(number));
            assert_eq!(parse(&values(number)), FileKind::Values(number));
            assert_eq!(parse(&attachment(number)), FileKind::Attachment(number));
            assert_eq!(parse(&manifest(number)), FileKind::Manifest(number));
        }
        assert_eq!(parse(LOCK), FileKind::Lock);
        for name in [
            "",
            "1.sst",
            "0000001.sst",
            "+00001.sst",
            "000001.sst.bak",
            "MANIFEST-",
            "x",
        ] {
            assert_eq!(parse(name), FileKind::Foreign, "{name}");
        }
    }
}
