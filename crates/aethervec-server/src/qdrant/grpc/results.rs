//! What was found.

use super::values::{id_message, payload_message};
use super::vectors::vectors_message;
use crate::qdrant::model::{
    FacetHit, OrderValue, PointGroup, Record, ScoredPoint, UpdateResult, UpdateStatus,
};
use proto::group_id::Kind;
use qdrant_client::qdrant as proto;
use serde_json::Value;

pub(super) fn record(record: Record) -> proto::RetrievedPoint {
    proto::RetrievedPoint {
        id: Some(id_message(record.id)),
        payload: payload_message(record.payload),
        vectors: record.vector.map(vectors_message),
        shard_key: None,
        order_value: record.order_value.map(order_value),
    }
}

pub(super) fn scored(point: ScoredPoint) -> proto::ScoredPoint {
    proto::ScoredPoint {
        id: Some(id_message(point.id)),
        payload: payload_message(point.payload),
        score: point.score,
        version: point.version,
        vectors: point.vector.map(vectors_message),
        shard_key: None,
        order_value: point.order_value.map(order_value),
    }
}

pub(super) fn all_scored(points: Vec<ScoredPoint>) -> Vec<proto::ScoredPoint> {
    points.into_iter().map(scored).collect()
}

fn order_value(value: OrderValue) -> proto::OrderValue {
    use proto::order_value::Variant;
    proto::OrderValue {
        variant: Some(match value {
            OrderValue::Int(number) => Variant::Int(number),
            OrderValue::Float(number) => Variant::Float(number),
        }),
    }
}

pub(super) fn group(group: PointGroup) -> proto::PointGroup {
    let kind = match (&group.id, group.id.as_u64(), group.id.as_i64()) {
        (Value::String(text), ..) => Some(Kind::StringValue(text.clone())),
        (_, Some(number), _) => Some(Kind::UnsignedValue(number)),
        (_, None, number) => number.map(Kind::IntegerValue),
    };
    proto::PointGroup {
        id: Some(proto::GroupId { kind }),
        hits: all_scored(group.hits),
        lookup: group.lookup.map(record),
    }
}

pub(super) fn facet(hit: FacetHit) -> proto::FacetHit {
    use proto::facet_value::Variant;
    let variant = match (&hit.value, hit.value.as_i64(), hit.value.as_bool()) {
        (Value::String(text), ..) => Some(Variant::StringValue(text.clone())),
        (_, Some(number), _) => Some(Variant::IntegerValue(number)),
        (_, None, value) => value.map(Variant::BoolValue),
    };
    proto::FacetHit {
        value: Some(proto::FacetValue { variant }),
        count: hit.count,
    }
}

pub(super) fn update(result: UpdateResult) -> proto::UpdateResult {
    let status = match result.status {
        UpdateStatus::Acknowledged => proto::UpdateStatus::Acknowledged,
        UpdateStatus::Completed => proto::UpdateStatus::Completed,
    };
    proto::UpdateResult {
        operation_id: Some(result.operation_id),
        status: status.into(),
    }
}
