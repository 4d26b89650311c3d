//! The ids of points.

use aethervec::{DocId, Uuid};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};
use std::fmt;

/// The id of a point: a number or a UUID. A document that was written by another API may be called by a string, which is shown as it
/// is; none can be asked for here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PointId(pub(crate) DocId);

impl PointId {
    /// The UUID that `text` spells, with hyphens or without.
    pub(crate) fn parse(text: &str) -> Result<PointId, String> {
        match Uuid::try_parse(text) {
            Ok(uuid) => Ok(PointId(DocId::Uuid(uuid))),
            Err(_) => Err(format!(
                "value {text} is not a valid point ID, valid values are either an unsigned integer or a UUID"
            )),
        }
    }
}

impl Serialize for PointId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            DocId::U64(number) => serializer.serialize_u64(*number),
            id => serializer.collect_str(id),
        }
    }
}

impl<'de> Deserialize<'de> for PointId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PointId, D::Error> {
        struct IdVisitor;

        impl Visitor<'_> for IdVisitor {
            type Value = PointId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a point ID: an unsigned integer or a UUID")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<PointId, E> {
                Ok(PointId(DocId::U64(number)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<PointId, E> {
                PointId::parse(text).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(IdVisitor)
    }
}
