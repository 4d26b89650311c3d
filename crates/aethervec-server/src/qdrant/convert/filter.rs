//! Filters: the same algebra under other names.

use super::path;
use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::{self, Condition, Flag, Match, ValuesCount};
use aethervec::{
    Bounds, Filter, GeoBox, GeoPolygon, Number, Range, Scalar, Test, TextMode, TextTest, Timestamp,
};
use serde_json::Value;
use std::ops::Bound;

/// The engine's filter for `filter`.
pub(crate) fn filter(filter: model::Filter) -> Result<Filter> {
    clauses(
        filter.must,
        filter.should,
        filter.must_not,
        filter.min_should,
    )
}

fn clauses(
    must: Vec<Condition>,
    should: Vec<Condition>,
    must_not: Vec<Condition>,
    min_should: Option<model::MinShould>,
) -> Result<Filter> {
    let mut all = conditions(must)?;
    if !should.is_empty() {
        all.push(Filter::Or(conditions(should)?));
    }
    all.extend(conditions(must_not)?.into_iter().map(|filter| !filter));
    if let Some(some) = min_should {
        let of = conditions(some.conditions)?;
        all.push(Filter::at_least(some.min_count, of));
    }
    Ok(match <[Filter; 1]>::try_from(all) {
        Ok([one]) => one,
        Err(all) => Filter::And(all),
    })
}

fn conditions(conditions: Vec<Condition>) -> Result<Vec<Filter>> {
    conditions.into_iter().map(condition).collect()
}

/// The engine's filter for one condition.
pub(crate) fn condition(condition: Condition) -> Result<Filter> {
    if let Some(key) = condition.key.clone() {
        if let Some(test) = negated(&condition) {
            return Ok(!Filter::field(path(&key)?, test));
        }
        return Ok(Filter::field(path(&key)?, test(&key, condition)?));
    }
    if let Some(ids) = condition.has_id {
        return Ok(Filter::HasId(ids.into_iter().map(|id| id.0).collect()));
    }
    if let Some(name) = condition.has_vector {
        return Ok(Filter::has_vector(name));
    }
    if let Some(nested) = condition.nested {
        return Ok(Filter::nested(path(&nested.key)?, filter(nested.filter)?));
    }
    if condition.slice.is_some() {
        return Err(Failure::unsupported("a condition on a slice"));
    }
    match (condition.is_empty, condition.is_null) {
        (Some(Flag::Alone { key }), _) => return Ok(Filter::is_empty(path(&key)?)),
        (_, Some(Flag::Alone { key })) => return Ok(Filter::is_null(path(&key)?)),
        (None, None) => {}
        _ => return Err(Failure::wrong("a condition on a field needs its key")),
    }
    clauses(
        condition.must,
        condition.should,
        condition.must_not,
        condition.min_should,
    )
}

/// What a field must not be, as `is_empty: false` says.
fn negated(condition: &Condition) -> Option<Test> {
    match (&condition.is_empty, &condition.is_null) {
        (Some(Flag::OfField(false)), _) => Some(Test::Empty),
        (_, Some(Flag::OfField(false))) => Some(Test::Null),
        _ => None,
    }
}

/// What `condition` asks of the field `key`.
fn test(key: &str, condition: Condition) -> Result<Test> {
    if let Some(value) = condition.r#match {
        return matching(value);
    }
    if let Some(bounds) = condition.range {
        return range(&bounds).map(Test::Range);
    }
    if let Some(corners) = condition.geo_bounding_box {
        return Ok(Test::GeoBox(GeoBox {
            top_left: corners.top_left,
            bottom_right: corners.bottom_right,
        }));
    }
    if let Some(circle) = condition.geo_radius {
        return Ok(Test::GeoRadius {
            center: circle.center,
            meters: circle.radius,
        });
    }
    if let Some(polygon) = condition.geo_polygon {
        return Ok(Test::GeoPolygon(GeoPolygon::from(polygon)));
    }
    if let Some(count) = condition.values_count {
        return Ok(Test::Len(counts(&count)));
    }
    match (condition.is_empty, condition.is_null) {
        (Some(Flag::OfField(true)), _) => Ok(Test::Empty),
        (_, Some(Flag::OfField(true))) => Ok(Test::Null),
        _ => Err(Failure::wrong(format!(
            "the condition on `{key}` asks for nothing"
        ))),
    }
}

fn matching(value: Match) -> Result<Test> {
    let words = |query, mode| {
        let fold = false;
        Ok(Test::Text(TextTest { query, mode, fold }))
    };
    match value {
        Match { value: Some(v), .. } => scalar(&v).map(Test::Eq),
        Match { any: Some(v), .. } => scalars(&v).map(Test::AnyOf),
        Match {
            except: Some(v), ..
        } => scalars(&v).map(Test::Except),
        Match { text: Some(t), .. } => words(t, TextMode::All),
        Match {
            text_any: Some(t), ..
        } => words(t, TextMode::Any),
        Match {
            phrase: Some(t), ..
        } => words(t, TextMode::Phrase),
        Match {
            prefix: Some(_), ..
        } => Err(Failure::unsupported("a match by the prefix of a keyword")),
        Match {
            substring: Some(_), ..
        } => Err(Failure::unsupported("a match by a substring")),
        _ => Err(Failure::wrong("a match asks for nothing")),
    }
}

fn scalars(values: &[Value]) -> Result<Vec<Scalar>> {
    values.iter().map(scalar).collect()
}

fn scalar(value: &Value) -> Result<Scalar> {
    match value {
        Value::Bool(value) => Ok(Scalar::Bool(*value)),
        Value::String(text) => Ok(Scalar::Str(text.clone())),
        value => number(value)
            .map(Scalar::Number)
            .ok_or_else(|| Failure::wrong(format!("{value} is nothing that can be matched"))),
    }
}

fn number(value: &Value) -> Option<Number> {
    let integer = value.as_i64().map(Number::from);
    integer
        .or_else(|| value.as_u64().map(Number::from))
        .or_else(|| value.as_f64().map(Number::from))
}

/// The bounds of numbers, or of moments if they are strings.
fn range(range: &model::Range) -> Result<Range> {
    let given = [&range.gt, &range.gte, &range.lt, &range.lte];
    let lower = end(range.gt.as_ref(), range.gte.as_ref());
    let upper = end(range.lt.as_ref(), range.lte.as_ref());
    if given.into_iter().flatten().any(Value::is_string) {
        let moment = |value: &Value| match value.as_str() {
            Some(text) => moment(text).map_err(Failure::wrong),
            None => Err(Failure::wrong(format!("range: {value} names no moment"))),
        };
        return Ok(Range::Datetime(Bounds {
            lower: try_map(lower, moment)?,
            upper: try_map(upper, moment)?,
        }));
    }
    let number = |value: &Value| {
        number(value).ok_or_else(|| Failure::wrong(format!("range: {value} is no number")))
    };
    Ok(Range::Number(Bounds {
        lower: try_map(lower, number)?,
        upper: try_map(upper, number)?,
    }))
}

fn end<T>(excluded: Option<T>, included: Option<T>) -> Bound<T> {
    match (excluded, included) {
        (Some(value), _) => Bound::Excluded(value),
        (None, Some(value)) => Bound::Included(value),
        (None, None) => Bound::Unbounded,
    }
}

fn try_map<T, U>(bound: Bound<T>, map: impl Fn(T) -> Result<U>) -> Result<Bound<U>> {
    Ok(match bound {
        Bound::Included(value) => Bound::Included(map(value)?),
        Bound::Excluded(value) => Bound::Excluded(map(value)?),
        Bound::Unbounded => Bound::Unbounded,
    })
}

fn counts(count: &ValuesCount) -> Bounds<u64> {
    Bounds {
        lower: end(count.gt, count.gte),
        upper: end(count.lt, count.lte),
    }
}

/// The moment that `text` names.
pub(crate) fn moment(text: &str) -> Result<Timestamp, String> {
    text.parse()
        .map_err(|_| format!("{text:?} names no moment: it must be in RFC 3339"))
}
