//! Filters.

use super::values::{count, ids, need, place};
use crate::qdrant::error::Result;
use crate::qdrant::model::{
    Condition, Filter, Flag, GeoBoundingBox, GeoRadius, Match, MinShould, Nested, Polygon, Range,
    Ring, ValuesCount,
};
use aethervec::Timestamp;
use proto::condition::ConditionOneOf;
use proto::r#match::MatchValue;
use qdrant_client::qdrant as proto;
use serde_json::Value;

pub(super) fn filter(filter: proto::Filter) -> Result<Filter> {
    let min_should = filter.min_should.map(|some| -> Result<MinShould> {
        Ok(MinShould {
            conditions: conditions(some.conditions)?,
            min_count: count(some.min_count),
        })
    });
    Ok(Filter {
        must: conditions(filter.must)?,
        should: conditions(filter.should)?,
        must_not: conditions(filter.must_not)?,
        min_should: min_should.transpose()?,
    })
}

/// The same of a filter that need not be there.
pub(super) fn optional(filter: Option<proto::Filter>) -> Result<Option<Filter>> {
    filter.map(self::filter).transpose()
}

fn conditions(conditions: Vec<proto::Condition>) -> Result<Vec<Condition>> {
    conditions.into_iter().map(condition).collect()
}

pub(super) fn condition(condition: proto::Condition) -> Result<Condition> {
    let nothing = Condition::default();
    Ok(match need(condition.condition_one_of, "a condition")? {
        ConditionOneOf::Field(field) => self::field(field)?,
        ConditionOneOf::IsEmpty(empty) => Condition {
            is_empty: Some(Flag::Alone { key: empty.key }),
            ..nothing
        },
        ConditionOneOf::IsNull(null) => Condition {
            is_null: Some(Flag::Alone { key: null.key }),
            ..nothing
        },
        ConditionOneOf::HasId(has) => Condition {
            has_id: Some(ids(has.has_id)?),
            ..nothing
        },
        ConditionOneOf::HasVector(has) => Condition {
            has_vector: Some(has.has_vector),
            ..nothing
        },
        ConditionOneOf::Filter(inner) => filter(inner)?.into(),
        ConditionOneOf::Nested(nested) => Condition {
            nested: Some(Nested {
                key: nested.key,
                filter: filter(nested.filter.unwrap_or_default())?,
            }),
            ..nothing
        },
        ConditionOneOf::Slice(_) => Condition {
            slice: Some(Value::Null),
            ..nothing
        },
    })
}

fn field(field: proto::FieldCondition) -> Result<Condition> {
    let matching = field.r#match.and_then(|value| value.match_value);
    let range = match (field.range, field.datetime_range) {
        (Some(range), _) => Some(Range {
            gt: range.gt.map(Value::from),
            gte: range.gte.map(Value::from),
            lt: range.lt.map(Value::from),
            lte: range.lte.map(Value::from),
        }),
        (None, Some(range)) => Some(Range {
            gt: range.gt.as_ref().map(moment),
            gte: range.gte.as_ref().map(moment),
            lt: range.lt.as_ref().map(moment),
            lte: range.lte.as_ref().map(moment),
        }),
        (None, None) => None,
    };
    let corners = field
        .geo_bounding_box
        .map(|corners| -> Result<GeoBoundingBox> {
            Ok(GeoBoundingBox {
                top_left: place(need(corners.top_left, "top_left")?),
                bottom_right: place(need(corners.bottom_right, "bottom_right")?),
            })
        });
    let circle = field.geo_radius.map(|circle| -> Result<GeoRadius> {
        Ok(GeoRadius {
            center: place(need(circle.center, "center")?),
            radius: f64::from(circle.radius),
        })
    });
    let polygon = field.geo_polygon.map(|polygon| -> Result<Polygon> {
        let interiors = polygon.interiors.into_iter().map(ring);
        Ok(Polygon {
            exterior: ring(need(polygon.exterior, "exterior")?),
            interiors: Some(interiors.collect()),
        })
    });
    Ok(Condition {
        key: Some(field.key),
        r#match: matching.map(self::matching),
        range,
        geo_bounding_box: corners.transpose()?,
        geo_radius: circle.transpose()?,
        geo_polygon: polygon.transpose()?,
        values_count: field.values_count.map(|count| ValuesCount {
            gt: count.gt,
            gte: count.gte,
            lt: count.lt,
            lte: count.lte,
        }),
        is_empty: field.is_empty.map(Flag::OfField),
        is_null: field.is_null.map(Flag::OfField),
        ..Condition::default()
    })
}

fn ring(line: proto::GeoLineString) -> Ring {
    Ring {
        points: line.points.into_iter().map(place).collect(),
    }
}

fn matching(value: MatchValue) -> Match {
    let strings = |list: proto::RepeatedStrings| list.strings.into_iter().map(Value::from);
    let integers = |list: proto::RepeatedIntegers| list.integers.into_iter().map(Value::from);
    let mut wanted = Match::default();
    match value {
        MatchValue::Keyword(text) => wanted.value = Some(Value::from(text)),
        MatchValue::Integer(number) => wanted.value = Some(Value::from(number)),
        MatchValue::Boolean(value) => wanted.value = Some(Value::from(value)),
        MatchValue::Keywords(list) => wanted.any = Some(strings(list).collect()),
        MatchValue::Integers(list) => wanted.any = Some(integers(list).collect()),
        MatchValue::ExceptKeywords(list) => wanted.except = Some(strings(list).collect()),
        MatchValue::ExceptIntegers(list) => wanted.except = Some(integers(list).collect()),
        MatchValue::Text(text) => wanted.text = Some(text),
        MatchValue::TextAny(text) => wanted.text_any = Some(text),
        MatchValue::Phrase(text) => wanted.phrase = Some(text),
        MatchValue::Prefix(text) => wanted.prefix = Some(text),
        MatchValue::Substring(text) => wanted.substring = Some(text),
    }
    wanted
}

/// A moment, as the text that JSON has for it.
pub(super) fn moment(moment: &prost_types::Timestamp) -> Value {
    let micros = moment
        .seconds
        .saturating_mul(1_000_000)
        .saturating_add(i64::from(moment.nanos / 1_000));
    Value::from(Timestamp::from_micros(micros).to_string())
}
