//! The ids of documents.

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use uuid::Uuid;

/// What a document is called: a number, a UUID or a string.
///
/// Ids of different kinds are different even when they look alike: `DocId::from(7)` is not `DocId::from("7")`.
/// In a scroll numbers come first, then UUIDs, then strings, each in their own order.
///
/// ```
/// use aethervec::DocId;
///
/// assert_eq!(DocId::from("my-doc").to_string(), "my-doc");
/// assert!(DocId::from(7) < DocId::from("7"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocId {
    /// A number.
    U64(u64),
    /// A UUID.
    Uuid(Uuid),
    /// A string of 1 to [`ID_BYTES_MAX`](crate::limits::ID_BYTES_MAX) bytes.
    Str(String),
}

impl DocId {
    /// The id that a person most likely meant by `text`: decimal digits without a leading zero are a number (if it fits
    /// 64 bits), a hyphenated UUID is a UUID, anything else is a string.
    ///
    /// ```
    /// use aethervec::DocId;
    ///
    /// assert_eq!(DocId::from_text("42"), DocId::U64(42));
    /// assert_eq!(DocId::from_text("042"), DocId::Str("042".to_owned()));
    /// assert!(matches!(DocId::from_text("67e55044-10b1-426f-9247-bb680e5fe0c8"), DocId::Uuid(_)));
    /// ```
    pub fn from_text(text: &str) -> DocId {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        if digits
            && (text == "0" || !text.starts_with('0'))
            && let Ok(number) = text.parse()
        {
            return DocId::U64(number);
        }
        uuid(text).map_or_else(|| DocId::Str(text.to_owned()), DocId::Uuid)
    }
}

impl fmt::Display for DocId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DocId::U64(number) => number.fmt(f),
            DocId::Uuid(uuid) => uuid.fmt(f),
            DocId::Str(text) => text.fmt(f),
        }
    }
}

/// A number is a JSON number; UUIDs and strings are JSON strings. A string that spells a UUID is `{"string": "…"}`, so that it
/// is told from the UUID.
impl Serialize for DocId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            DocId::U64(number) => serializer.serialize_u64(*number),
            DocId::Uuid(uuid) => serializer.collect_str(uuid),
            DocId::Str(string) if uuid(string).is_some() => IdObject {
                string: string.into(),
            }
            .serialize(serializer),
            DocId::Str(text) => serializer.serialize_str(text),
        }
    }
}

/// The id of a string that a UUID could be taken for.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct IdObject<'a> {
    string: Cow<'a, str>,
}

/// The UUID that `text` spells, if it is hyphenated.
fn uuid(text: &str) -> Option<Uuid> {
    (text.len() == 36)
        .then(|| Uuid::try_parse(text).ok())
        .flatten()
}

/// The reverse: a JSON number is a number, a string that spells a hyphenated UUID is a UUID, any other is a string.
impl<'de> Deserialize<'de> for DocId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DocId, D::Error> {
        deserializer.deserialize_any(IdVisitor)
    }
}

struct IdVisitor;

impl<'de> Visitor<'de> for IdVisitor {
    type Value = DocId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a document id: a number from 0 on, or a string")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<DocId, E> {
        Ok(DocId::U64(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<DocId, E> {
        Ok(uuid(text).map_or_else(|| DocId::Str(text.to_owned()), DocId::Uuid))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<DocId, A::Error> {
        let object = IdObject::deserialize(MapAccessDeserializer::new(map))?;
        Ok(DocId::Str(object.string.into_owned()))
    }
}

impl From<u64> for DocId {
    fn from(number: u64) -> DocId {
        DocId::U64(number)
    }
}

impl From<Uuid> for DocId {
    fn from(uuid: Uuid) -> DocId {
        DocId::Uuid(uuid)
    }
}

impl From<String> for DocId {
    fn from(text: String) -> DocId {
        DocId::Str(text)
    }
}

impl From<&str> for DocId {
    fn from(text: &str) -> DocId {
        DocId::Str(text.to_owned())
    }
}

impl From<&String> for DocId {
    fn from(text: &String) -> DocId {
        DocId::Str(text.clone())
    }
}

impl From<&DocId> for DocId {
    fn from(id: &DocId) -> DocId {
        id.clone()
    }
}
