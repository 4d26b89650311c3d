//! Ids, values of payloads, selectors: what many messages have.

use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::{PointId, WithPayload, WithVector};
use aethervec::{DocId, GeoPoint};
use proto::point_id::PointIdOptions;
use proto::value::Kind;
use qdrant_client::qdrant as proto;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// A part of a message that must be there.
pub(super) fn need<T>(part: Option<T>, what: &str) -> Result<T> {
    part.ok_or_else(|| Failure::wrong(format!("{what} is missing")))
}

/// A number of things, as this machine counts.
pub(super) fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

pub(super) fn id(id: proto::PointId) -> Result<PointId> {
    match need(id.point_id_options, "the ID of a point")? {
        PointIdOptions::Num(number) => Ok(PointId(number.into())),
        PointIdOptions::Uuid(text) => PointId::parse(&text).map_err(Failure::wrong),
    }
}

pub(super) fn ids(ids: Vec<proto::PointId>) -> Result<Vec<PointId>> {
    ids.into_iter().map(id).collect()
}

pub(super) fn id_message(id: PointId) -> proto::PointId {
    let options = match id.0 {
        DocId::U64(number) => PointIdOptions::Num(number),
        id => PointIdOptions::Uuid(id.to_string()),
    };
    proto::PointId {
        point_id_options: Some(options),
    }
}

pub(super) fn value(value: proto::Value) -> Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::from(value),
        Some(Kind::IntegerValue(number)) => Value::from(number),
        Some(Kind::DoubleValue(number)) => Value::from(number),
        Some(Kind::StringValue(text)) => Value::from(text),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(self::value).collect(),
        Some(Kind::StructValue(fields)) => Value::Object(object(fields.fields)),
    }
}

pub(super) fn object(fields: HashMap<String, proto::Value>) -> Map<String, Value> {
    let fields = fields.into_iter();
    fields.map(|(key, field)| (key, value(field))).collect()
}

pub(super) fn value_message(value: Value) -> proto::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(value),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => Kind::IntegerValue(number),
            (None, Some(number)) => Kind::DoubleValue(number),
            (None, None) => Kind::NullValue(0),
        },
        Value::String(text) => Kind::StringValue(text),
        Value::Array(values) => Kind::ListValue(proto::ListValue {
            values: values.into_iter().map(value_message).collect(),
        }),
        Value::Object(fields) => Kind::StructValue(proto::Struct {
            fields: object_message(fields),
        }),
    };
    proto::Value { kind: Some(kind) }
}

pub(super) fn object_message(fields: Map<String, Value>) -> HashMap<String, proto::Value> {
    let fields = fields.into_iter();
    fields
        .map(|(key, field)| (key, value_message(field)))
        .collect()
}

/// A payload, which is an object if it is there.
pub(super) fn payload_message(payload: Option<Value>) -> HashMap<String, proto::Value> {
    match payload {
        Some(Value::Object(fields)) => object_message(fields),
        _ => HashMap::new(),
    }
}

pub(super) fn place(point: proto::GeoPoint) -> GeoPoint {
    GeoPoint::new(point.lat, point.lon)
}

pub(super) fn with_payload(selector: Option<proto::WithPayloadSelector>) -> Option<WithPayload> {
    use proto::with_payload_selector::SelectorOptions::{Enable, Exclude, Include};
    Some(match selector?.selector_options? {
        Enable(all) => WithPayload::Enable(all),
        Include(keys) => WithPayload::include(keys.fields),
        Exclude(keys) => WithPayload::exclude(keys.fields),
    })
}

pub(super) fn with_vectors(selector: Option<proto::WithVectorsSelector>) -> Option<WithVector> {
    use proto::with_vectors_selector::SelectorOptions::{Enable, Include};
    Some(match selector?.selector_options? {
        Enable(all) => WithVector::Enable(all),
        Include(names) => WithVector::Names(names.names),
    })
}
