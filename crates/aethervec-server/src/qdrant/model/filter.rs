//! Filters.

use super::{PointId, one_or_many};
use aethervec::{GeoPoint, GeoPolygon};
use serde::Deserialize;
use serde_json::Value;

/// Which points count: all of `must`, none of `must_not`, one of `should`, some of `min_should`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Filter {
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) must: Vec<Condition>,
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) should: Vec<Condition>,
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) must_not: Vec<Condition>,
    pub(crate) min_should: Option<MinShould>,
}

/// At least `min_count` of the conditions.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(crate) struct MinShould {
    pub(crate) conditions: Vec<Condition>,
    pub(crate) min_count: usize,
}

/// A condition. JSON tells its kind by its fields alone, so all of them are here: those of one kind are there.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Condition {
    pub(crate) key: Option<String>,
    pub(crate) r#match: Option<Match>,
    pub(crate) range: Option<Range>,
    pub(crate) geo_bounding_box: Option<GeoBoundingBox>,
    pub(crate) geo_radius: Option<GeoRadius>,
    pub(crate) geo_polygon: Option<Polygon>,
    pub(crate) values_count: Option<ValuesCount>,
    pub(crate) is_empty: Option<Flag>,
    pub(crate) is_null: Option<Flag>,
    pub(crate) has_id: Option<Vec<PointId>>,
    pub(crate) has_vector: Option<String>,
    pub(crate) nested: Option<Nested>,
    pub(crate) slice: Option<Value>,
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) must: Vec<Condition>,
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) should: Vec<Condition>,
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) must_not: Vec<Condition>,
    pub(crate) min_should: Option<MinShould>,
}

impl Condition {
    /// The key of the field that it is about, if it is about one.
    pub(crate) fn field(&self) -> Option<&str> {
        let flags = [&self.is_empty, &self.is_null];
        let alone = flags.into_iter().find_map(|flag| match flag {
            Some(Flag::Alone { key }) => Some(key),
            _ => None,
        });
        self.key.as_ref().or(alone).map(String::as_str)
    }
}

impl From<Filter> for Condition {
    fn from(filter: Filter) -> Condition {
        Condition {
            must: filter.must,
            should: filter.should,
            must_not: filter.must_not,
            min_should: filter.min_should,
            ..Condition::default()
        }
    }
}

/// A condition by itself, `{"is_empty": {"key": "a"}}`, or one of a field, `{"key": "a", "is_empty": true}`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Flag {
    OfField(bool),
    Alone { key: String },
}

/// What a value must equal, or a text must have.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Match {
    pub(crate) value: Option<Value>,
    pub(crate) text: Option<String>,
    pub(crate) text_any: Option<String>,
    pub(crate) phrase: Option<String>,
    pub(crate) prefix: Option<String>,
    pub(crate) substring: Option<String>,
    pub(crate) any: Option<Vec<Value>>,
    pub(crate) except: Option<Vec<Value>>,
}

/// Bounds: numbers, or strings that name moments.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Range {
    pub(crate) gt: Option<Value>,
    pub(crate) gte: Option<Value>,
    pub(crate) lt: Option<Value>,
    pub(crate) lte: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct GeoBoundingBox {
    pub(crate) top_left: GeoPoint,
    pub(crate) bottom_right: GeoPoint,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct GeoRadius {
    pub(crate) center: GeoPoint,
    /// In meters.
    pub(crate) radius: f64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Polygon {
    pub(crate) exterior: Ring,
    #[serde(default)]
    pub(crate) interiors: Option<Vec<Ring>>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Ring {
    pub(crate) points: Vec<GeoPoint>,
}

impl From<Polygon> for GeoPolygon {
    fn from(polygon: Polygon) -> GeoPolygon {
        let interiors = polygon.interiors.unwrap_or_default().into_iter();
        GeoPolygon {
            exterior: polygon.exterior.points,
            interiors: interiors.map(|ring| ring.points).collect(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ValuesCount {
    pub(crate) gt: Option<u64>,
    pub(crate) gte: Option<u64>,
    pub(crate) lt: Option<u64>,
    pub(crate) lte: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Nested {
    pub(crate) key: String,
    pub(crate) filter: Filter,
}
