//! Filters as JSON. Each filter is an object, and its keys say what it is:
//!
//! ```text
//! {"and": [FILTER, …]}   {"or": [FILTER, …]}   {"not": FILTER}   {"at_least": {"min": 2, "of": [FILTER, …]}}
//! {"field": PATH, TEST}  {"nested": {"path": PATH, "filter": FILTER}}
//! {"has_id": [ID, …]}    {"has_vector": NAME}
//! ```
//!
//! In place of an object there may be a string: the text form. What is not known is an error.

use super::{
    Bounds, Filter, GeoBox, GeoPoint, GeoPolygon, Number, Path, Range, Scalar, Test, TextMode,
    TextTest,
};
use crate::error::{Error, Result};
use crate::limits;
use crate::text::place;
use crate::timestamp::Timestamp;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::fmt;
use std::ops::Bound;
use uuid::Uuid;

impl Filter {
    /// The filter that `json` spells.
    ///
    /// ```
    /// use aethervec::Filter;
    ///
    /// let filter = Filter::from_json(r#"{"and": [{"field": "lang", "eq": "en"}, {"field": "year", "range": {"gte": 2020}}]}"#)?;
    /// assert_eq!(filter.to_string(), r#"lang = "en" and year >= 2020"#);
    ///
    /// let error = Filter::from_json(r#"{"field": "lang", "equals": "en"}"#).unwrap_err();
    /// assert!(error.to_string().starts_with("filter, line 1, column 19: unknown field `equals`"));
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid); the message shows the place.
    pub fn from_json(json: &str) -> Result<Filter> {
        check_len(json)?;
        let filter: Filter = serde_json::from_str(json)
            .map_err(|error| place::json_error("filter", json, &error))?;
        filter.validate()?;
        Ok(filter)
    }
}

/// Fails when `text`, the text or JSON of a filter, is too long.
pub(super) fn check_len(text: &str) -> Result<()> {
    if text.len() > limits::FILTER_TEXT_BYTES_MAX {
        return Err(Error::invalid(format!(
            "filter: it has {} bytes: at most {} are allowed",
            text.len(),
            limits::FILTER_TEXT_BYTES_MAX
        )));
    }
    Ok(())
}

/// What the keys of a filter can be.
#[derive(Clone, Copy, PartialEq, serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    And,
    Or,
    Not,
    AtLeast,
    Nested,
    HasId,
    HasVector,
    Field,
    Eq,
    Ne,
    AnyOf,
    NoneOf,
    Except,
    Range,
    GeoRadius,
    GeoBox,
    GeoPolygon,
    Text,
    TextAny,
    Phrase,
    Prefix,
    Fold,
    Exists,
    IsNull,
    IsEmpty,
    Len,
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Filter, D::Error> {
        deserializer.deserialize_any(FilterVisitor)
    }
}

struct FilterVisitor;

/// The keys of a filter on a field that were there so far.
#[derive(Default)]
struct FieldKeys {
    path: Option<Path>,
    /// The test, and whether it is negated.
    test: Option<(Test, bool)>,
    fold: Option<bool>,
}

impl<'de> Visitor<'de> for FilterVisitor {
    type Value = Filter;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a filter: an object such as {\"field\": \"lang\", \"eq\": \"en\"}, or a string such as \"year >= 2020\"",
        )
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Filter, E> {
        Filter::parse(text).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Filter, A::Error> {
        let Some(first) = map.next_key::<Key>()? else {
            return Err(de::Error::custom(
                "an empty object is no filter: expected one of and, or, not, at_least, nested, has_id, has_vector, field",
            ));
        };
        let whole = match first {
            Key::And => Filter::And(map.next_value()?),
            Key::Or => Filter::Or(map.next_value()?),
            Key::Not => Filter::Not(map.next_value()?),
            Key::AtLeast => {
                let AtLeastJson { min, of } = map.next_value()?;
                Filter::AtLeast { min, of }
            }
            Key::Nested => {
                let NestedJson { path, filter } = map.next_value()?;
                Filter::Nested { path, filter }
            }
            Key::HasId => Filter::HasId(map.next_value()?),
            Key::HasVector => Filter::HasVector(map.next_value()?),
            first => return field(first, map),
        };
        match map.next_key::<IgnoredAny>()? {
            None => Ok(whole),
            Some(_) => Err(de::Error::custom(
                "this filter is complete: connect it with others by {\"and\": […]}",
            )),
        }
    }
}

/// A filter on a field, whose first key is `key`.
fn field<'de, A: MapAccess<'de>>(mut key: Key, mut map: A) -> Result<Filter, A::Error> {
    let mut keys = FieldKeys::default();
    loop {
        match key {
            Key::Field if keys.path.is_none() => keys.path = Some(map.next_value()?),
            Key::Field => return Err(de::Error::duplicate_field("field")),
            Key::Fold => keys.fold = Some(map.next_value()?),
            key => {
                let test = test(key, &mut map)?;
                if keys.test.replace(test).is_some() {
                    return Err(de::Error::custom(
                        "a second test: connect several tests of a field by {\"and\": […]}",
                    ));
                }
            }
        }
        match map.next_key()? {
            Some(next) => key = next,
            None => return keys.into_filter(),
        }
    }
}

impl FieldKeys {
    fn into_filter<E: de::Error>(self) -> Result<Filter, E> {
        let path = self.path.ok_or_else(|| E::missing_field("field"))?;
        let Some((mut test, negated)) = self.test else {
            return Err(E::custom(
                "a field without a test: expected one of eq, ne, any_of, none_of, except, range, geo_radius, geo_box, geo_polygon, text, text_any, phrase, prefix, exists, is_null, is_empty, len",
            ));
        };
        match (&mut test, self.fold) {
            (Test::Text(text), Some(fold)) => text.fold = fold,
            (_, Some(_)) => {
                return Err(E::custom(
                    "fold belongs to text, text_any, phrase and prefix only",
                ));
            }
            _ => {}
        }
        let filter = Filter::Field { path, test };
        Ok(if negated {
            Filter::Not(Box::new(filter))
        } else {
            filter
        })
    }
}

/// The test that stands behind `key`, and whether it is negated.
fn test<'de, A: MapAccess<'de>>(key: Key, map: &mut A) -> Result<(Test, bool), A::Error> {
    let text = |map: &mut A, mode| {
        map.next_value().map(|query| {
            let fold = false;
            Test::Text(TextTest { query, mode, fold })
        })
    };
    let test = match key {
        Key::Eq => Test::Eq(map.next_value()?),
        Key::Ne => return Ok((Test::Eq(map.next_value()?), true)),
        Key::AnyOf => Test::AnyOf(map.next_value()?),
        Key::NoneOf => return Ok((Test::AnyOf(map.next_value()?), true)),
        Key::Except => Test::Except(map.next_value()?),
        Key::Range => Test::Range(map.next_value()?),
        Key::GeoRadius => {
            let RadiusJson { center, meters } = map.next_value()?;
            Test::GeoRadius { center, meters }
        }
        Key::GeoBox => Test::GeoBox(map.next_value::<GeoBox>()?),
        Key::GeoPolygon => Test::GeoPolygon(map.next_value::<GeoPolygon>()?),
        Key::Text => text(map, TextMode::All)?,
        Key::TextAny => text(map, TextMode::Any)?,
        Key::Phrase => text(map, TextMode::Phrase)?,
        Key::Prefix => text(map, TextMode::Prefix)?,
        Key::Exists => return Ok((Test::Exists, !map.next_value::<bool>()?)),
        Key::IsNull => return Ok((Test::Null, !map.next_value::<bool>()?)),
        Key::IsEmpty => return Ok((Test::Empty, !map.next_value::<bool>()?)),
        Key::Len => Test::Len(map.next_value::<EdgesJson<u64>>()?.bounds()?),
        Key::And
        | Key::Or
        | Key::Not
        | Key::AtLeast
        | Key::Nested
        | Key::HasId
        | Key::HasVector
        | Key::Field
        | Key::Fold => {
            return Err(de::Error::custom(
                "this does not go together with a field: connect filters by {\"and\": […]}",
            ));
        }
    };
    Ok((test, false))
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AtLeastJson<F> {
    pub(super) min: usize,
    pub(super) of: F,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NestedJson<P, F> {
    pub(super) path: P,
    pub(super) filter: F,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RadiusJson {
    pub(super) center: GeoPoint,
    pub(super) meters: f64,
}

/// The ends of a range.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EdgesJson<T> {
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub(super) gt: Option<T>,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub(super) gte: Option<T>,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub(super) lt: Option<T>,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub(super) lte: Option<T>,
}

fn none<T>() -> Option<T> {
    None
}

impl<T> EdgesJson<T> {
    fn bounds<E: de::Error>(self) -> Result<Bounds<T>, E> {
        let end = |open: Option<T>, closed: Option<T>, names: &str| match (open, closed) {
            (None, None) => Ok(Bound::Unbounded),
            (Some(open), None) => Ok(Bound::Excluded(open)),
            (None, Some(closed)) => Ok(Bound::Included(closed)),
            (Some(_), Some(_)) => Err(E::custom(format!("{names} cannot both be there"))),
        };
        Ok(Bounds {
            lower: end(self.gt, self.gte, "gt and gte")?,
            upper: end(self.lt, self.lte, "lt and lte")?,
        })
    }
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Range, D::Error> {
        let bounds: Bounds<Edge> = EdgesJson::deserialize(deserializer)?.bounds()?;
        Edge::range(bounds).ok_or_else(|| {
            de::Error::custom("both ends of a range must be numbers, or both must be datetimes")
        })
    }
}

/// An end of a range.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edge {
    Number(Number),
    Datetime(Timestamp),
}

impl Edge {
    /// The range with these ends, if both are of one kind.
    pub(super) fn range(bounds: Bounds<Edge>) -> Option<Range> {
        let number = |edge: &Edge| match edge {
            Edge::Number(number) => Some(*number),
            Edge::Datetime(_) => None,
        };
        let moment = |edge: &Edge| match edge {
            Edge::Datetime(moment) => Some(*moment),
            Edge::Number(_) => None,
        };
        let numbers = bounds.try_map(number).map(Range::Number);
        numbers.or_else(|| bounds.try_map(moment).map(Range::Datetime))
    }
}

impl<'de> Deserialize<'de> for Edge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Edge, D::Error> {
        struct EdgeVisitor;

        impl Visitor<'_> for EdgeVisitor {
            type Value = Edge;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a datetime in RFC 3339")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Edge, E> {
                Ok(Edge::Number(number.into()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Edge, E> {
                Ok(Edge::Number(number.into()))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Edge, E> {
                Ok(Edge::Number(number.into()))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Edge, E> {
                text.parse().map(Edge::Datetime).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(EdgeVisitor)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scalar, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum TypedKey {
    Uuid,
    Datetime,
}

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a boolean, a number, a string, {\"uuid\": …} or {\"datetime\": …}")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Scalar, E> {
        Err(E::custom(
            "null is no value to compare with: use {\"field\": …, \"is_null\": true}",
        ))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Scalar, E> {
        Ok(number.into())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Scalar, E> {
        Ok(number.into())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Scalar, E> {
        Ok(number.into())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Scalar, E> {
        Ok(text.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
        let expected = || de::Error::custom("expected {\"uuid\": …} or {\"datetime\": …}");
        let scalar = match map.next_key::<TypedKey>()?.ok_or_else(expected)? {
            TypedKey::Datetime => Scalar::Datetime(map.next_value()?),
            TypedKey::Uuid => {
                let text: String = map.next_value()?;
                Scalar::Uuid(parse_uuid(&text).map_err(de::Error::custom)?)
            }
        };
        match map.next_key::<IgnoredAny>()? {
            None => Ok(scalar),
            Some(_) => Err(expected()),
        }
    }
}

/// The UUID that `text` spells, or what is wrong.
pub(super) fn parse_uuid(text: &str) -> Result<Uuid, String> {
    Uuid::try_parse(text).map_err(|error| format!("{text:?} is no UUID: {error}"))
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Path, D::Error> {
        let text = String::deserialize(deserializer)?;
        Path::parse(&text).map_err(de::Error::custom)
    }
}
