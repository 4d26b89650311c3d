//! Filters become JSON, in the form that `json` reads.

use super::json::{AtLeastJson, EdgesJson, NestedJson, RadiusJson};
use super::{Bounds, Filter, Path, Range, Scalar, Test, TextMode};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::ops::Bound;

impl<T: Copy> From<&Bounds<T>> for EdgesJson<T> {
    fn from(bounds: &Bounds<T>) -> EdgesJson<T> {
        let open = |bound: Bound<T>| match bound {
            Bound::Excluded(value) => Some(value),
            _ => None,
        };
        let closed = |bound: Bound<T>| match bound {
            Bound::Included(value) => Some(value),
            _ => None,
        };
        EdgesJson {
            gt: open(bounds.lower),
            gte: closed(bounds.lower),
            lt: open(bounds.upper),
            lte: closed(bounds.upper),
        }
    }
}

impl Serialize for Range {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Range::Number(bounds) => EdgesJson::from(bounds).serialize(serializer),
            Range::Datetime(bounds) => EdgesJson::from(bounds).serialize(serializer),
        }
    }
}

/// A boolean, a number and a string are themselves; the others are `{"uuid": …}` and `{"datetime": …}`.
impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Scalar::Bool(value) => serializer.serialize_bool(*value),
            Scalar::Number(number) => number.serialize(serializer),
            Scalar::Str(text) => serializer.serialize_str(text),
            Scalar::Uuid(uuid) => one(serializer, "uuid", &uuid.to_string()),
            Scalar::Datetime(moment) => one(serializer, "datetime", moment),
        }
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Filter::And(filters) => one(serializer, "and", filters),
            Filter::Or(filters) => one(serializer, "or", filters),
            Filter::Not(filter) => one(serializer, "not", filter),
            Filter::AtLeast { min, of } => {
                let min = *min;
                one(serializer, "at_least", &AtLeastJson { min, of })
            }
            Filter::Nested { path, filter } => {
                one(serializer, "nested", &NestedJson { path, filter })
            }
            Filter::HasId(ids) => one(serializer, "has_id", ids),
            Filter::HasVector(name) => one(serializer, "has_vector", name),
            Filter::Field { path, test } => write_field(serializer, path, test),
        }
    }
}

fn write_field<S: Serializer>(serializer: S, path: &Path, test: &Test) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("field", path)?;
    match test {
        Test::Eq(scalar) => map.serialize_entry("eq", scalar)?,
        Test::AnyOf(scalars) => map.serialize_entry("any_of", scalars)?,
        Test::Except(scalars) => map.serialize_entry("except", scalars)?,
        Test::Range(range) => map.serialize_entry("range", range)?,
        Test::GeoRadius { center, meters } => {
            let (center, meters) = (*center, *meters);
            map.serialize_entry("geo_radius", &RadiusJson { center, meters })?;
        }
        Test::GeoBox(corners) => map.serialize_entry("geo_box", corners)?,
        Test::GeoPolygon(polygon) => map.serialize_entry("geo_polygon", polygon)?,
        Test::Text(text) => {
            let key = match text.mode {
                TextMode::All => "text",
                TextMode::Any => "text_any",
                TextMode::Phrase => "phrase",
                TextMode::Prefix => "prefix",
            };
            map.serialize_entry(key, &text.query)?;
            if text.fold {
                map.serialize_entry("fold", &true)?;
            }
        }
        Test::Exists => map.serialize_entry("exists", &true)?,
        Test::Null => map.serialize_entry("is_null", &true)?,
        Test::Empty => map.serialize_entry("is_empty", &true)?,
        Test::Len(bounds) => map.serialize_entry("len", &EdgesJson::from(bounds))?,
    }
    map.end()
}

/// An object with one key.
fn one<S: Serializer, T: Serialize + ?Sized>(
    serializer: S,
    key: &str,
    value: &T,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(key, value)?;
    map.end()
}
