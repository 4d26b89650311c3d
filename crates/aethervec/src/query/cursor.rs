//! Where a page of hits ended, as a text that outlives whoever read the page.
//!
//! ```text
//! text    base64url of: JSON, checksum (4 bytes of XXH3)
//! JSON    {"o": 20}                      behind so many hits
//!         {"i": 7, "v": 2020}            behind this document, in the order of ids or of a value
//!         …, "s": 4711, "n": 1795228800123    at this moment: its sequence number, and the reader's time in milliseconds
//! ```

use crate::error::{Error, Result};
use crate::id::DocId;
use aidb::SeqNo;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use xxhash_rust::xxh3::xxh3_64;

const CHECKSUM_BYTES: usize = 4;

/// Where a page of hits ended, and of which state of the database: for the next page of the same request.
///
/// It is an opaque text (also in JSON), which may be kept, sent elsewhere, and used by another process or after a restart. While
/// [`DbOptions::retention`](crate::DbOptions::retention) keeps the past, it names the moment that the page was read at, and
/// [`Collection::query`](crate::Collection::query) goes on there: pages fit together, whatever is written meanwhile. Once that
/// moment has left the window, the next page is an error ([`ErrorKind::NotFound`](crate::ErrorKind::NotFound));
/// [`in_the_present`](Cursor::in_the_present) goes on all the same. Without retention it names no moment, and each page is of its
/// own present: documents that stay are neither left out nor repeated when pages are in the order of ids or of a field.
///
/// ```
/// use aethervec::{AetherDB, Cursor, DbOptions, Document, IndexConfig, QueryRequest};
/// use std::time::Duration;
/// # let dir = tempfile::tempdir().unwrap();
/// let env = aether_env::Env::local(dir.path())?;
/// let options = DbOptions { retention: Duration::from_secs(3_600), ..DbOptions::DEFAULT };
/// let db = AetherDB::open_with(env, options)?;
/// let notes = db.create_collection("notes", 1, "l2", IndexConfig::default())?;
/// notes.upsert_batch((0..5).map(|i| Document::new([0.5], i)).collect())?;
///
/// let request = QueryRequest::default().limit(3);
/// let token = notes.query(&request)?.next.unwrap().to_string();
/// notes.delete(4)?;
///
/// let cursor: Cursor = token.parse()?;
/// assert_eq!(notes.query(&request.clone().cursor(cursor.clone()))?.hits.len(), 2);
/// assert_eq!(notes.query(&request.cursor(cursor.in_the_present()))?.hits.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Cursor {
    pub(super) place: Place,
    pub(super) moment: Option<Moment>,
}

/// Behind what a page goes on.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    /// Behind so many hits.
    Offset(usize),
    /// Behind this document, in the order of ids or of a value.
    After {
        id: DocId,
        /// The value that it is ordered by.
        value: Option<Value>,
    },
}

/// A state of the database that can be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) seq: SeqNo,
    /// The reader's time, in milliseconds since 1970.
    pub(super) now: u64,
}

/// What stands in the text.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts<'a> {
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    offset: Option<usize>,
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, DocId>>,
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    value: Option<Cow<'a, Value>>,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    now: Option<u64>,
}

impl Cursor {
    pub(super) fn new(place: Place, moment: Option<Moment>) -> Cursor {
        Cursor { place, moment }
    }

    /// For the documents behind `id`, which needs not be one, in the order of ids: for a query without a query, in whatever state
    /// it is read from.
    pub fn behind(id: impl Into<DocId>) -> Cursor {
        let id = id.into();
        Cursor::new(Place::After { id, value: None }, None)
    }

    /// The sequence number of the moment that it goes on at, if it names one.
    pub fn seq(&self) -> Option<SeqNo> {
        self.moment.map(|moment| moment.seq)
    }

    /// The same place, in whatever state the next page is read from.
    #[must_use]
    pub fn in_the_present(self) -> Cursor {
        Cursor {
            moment: None,
            ..self
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Parts {
            seq: self.moment.map(|moment| moment.seq.0),
            now: self.moment.map(|moment| moment.now),
            ..Parts::default()
        };
        match &self.place {
            Place::Offset(offset) => parts.offset = Some(*offset),
            Place::After { id, value } => {
                parts.id = Some(Cow::Borrowed(id));
                parts.value = value.as_ref().map(Cow::Borrowed);
            }
        }
        let mut bytes = serde_json::to_vec(&parts).map_err(|_| fmt::Error)?;
        bytes.extend_from_slice(&checksum(&bytes));
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Cursor> {
        parse(text).ok_or_else(|| {
            let shown: String = text.chars().take(32).collect();
            Error::invalid(format!(
                "cursor: {shown:?} is none: hand back what came with the page before, as it is"
            ))
        })
    }
}

fn parse(text: &str) -> Option<Cursor> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    let (json, sum) = bytes.split_last_chunk::<CHECKSUM_BYTES>()?;
    if checksum(json) != *sum {
        return None;
    }
    let parts: Parts<'_> = serde_json::from_slice(json).ok()?;
    let place = match (parts.offset, parts.id) {
        (Some(offset), None) => Place::Offset(offset),
        (None, Some(id)) => Place::After {
            id: id.into_owned(),
            value: parts.value.map(Cow::into_owned),
        },
        _ => return None,
    };
    let moment = match (parts.seq, parts.now) {
        (Some(seq), Some(now)) => Some(Moment {
            seq: SeqNo(seq),
            now,
        }),
        (None, None) => None,
        _ => return None,
    };
    Some(Cursor { place, moment })
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let [a, b, c, d, ..] = xxh3_64(bytes).to_le_bytes();
    [a, b, c, d]
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Cursor, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_says_all_of_it() {
        let moment = Moment {
            seq: SeqNo(u64::MAX),
            now: 1_795_228_800_123,
        };
        for place in [
            Place::Offset(0),
            Place::Offset(10_000),
            Place::After {
                id: DocId::U64(7),
                value: None,
            },
            Place::After {
                id: DocId::from("67e55044-10b1-426f-9247-bb680e5fe0c8"),
                value: Some(json!("ä\"b")),
            },
            Place::After {
                id: DocId::from_text("67e55044-10b1-426f-9247-bb680e5fe0c8"),
                value: Some(json!(0.1)),
            },
        ] {
            for moment in [None, Some(moment)] {
                let cursor = Cursor::new(place.clone(), moment);
                let text = cursor.to_string();
                assert!(
                    text.bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
                );
                assert_eq!(text.parse::<Cursor>().unwrap(), cursor);
                let json = serde_json::to_string(&cursor).unwrap();
                assert_eq!(serde_json::from_str::<Cursor>(&json).unwrap(), cursor);
            }
        }
    }

    #[test]
    fn what_was_changed_is_refused() {
        let cursor = Cursor::new(Place::Offset(10), None);
        let text = cursor.to_string();
        for end in 0..text.len() {
            assert!(text[..end].parse::<Cursor>().is_err());
        }
        for at in 0..text.len() {
            let other = if &text[at..=at] == "A" { "B" } else { "A" };
            let mut changed = text.clone();
            changed.replace_range(at..=at, other);
            assert!(changed.parse::<Cursor>().is_err(), "{changed}");
        }
        let error = "what?".parse::<Cursor>().unwrap_err().to_string();
        assert!(error.starts_with("cursor: \"what?\" is none"), "{error}");
    }
}
