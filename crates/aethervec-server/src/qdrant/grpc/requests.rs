//! Changes to points.

use super::filter::{filter, optional};
use super::values::{id, ids, need, object};
use super::vectors::vectors;
use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::{
    DeletePayload, DeleteVectors, PointStruct, Selector, SetPayload, UpdateMode, UpdateOperation,
    UpdateVectors, Upsert, VectorsOfPoint,
};
use proto::points_selector::PointsSelectorOneOf;
use proto::points_update_operation::Operation;
use qdrant_client::qdrant as proto;
use std::collections::HashMap;

pub(super) fn upsert(
    points: Vec<proto::PointStruct>,
    update_filter: Option<proto::Filter>,
    update_mode: Option<i32>,
) -> Result<UpdateOperation> {
    let point = |point: proto::PointStruct| {
        Ok(PointStruct {
            id: id(need(point.id, "the ID of a point")?)?,
            vector: vectors(point.vectors)?,
            payload: (!point.payload.is_empty()).then(|| object(point.payload)),
        })
    };
    let points: Result<Vec<PointStruct>> = points.into_iter().map(point).collect();
    let mode = update_mode.unwrap_or_default();
    Ok(UpdateOperation::Upsert(Upsert {
        points: Some(points?),
        batch: None,
        update_filter: optional(update_filter)?,
        update_mode: match proto::UpdateMode::try_from(mode) {
            Ok(proto::UpdateMode::Upsert) => UpdateMode::Upsert,
            Ok(proto::UpdateMode::InsertOnly) => UpdateMode::InsertOnly,
            Ok(proto::UpdateMode::UpdateOnly) => UpdateMode::UpdateOnly,
            Err(_) => return Err(Failure::wrong(format!("update_mode {mode} is not known"))),
        },
    }))
}

/// Points by their ids or by a filter; nothing, if it is not there.
pub(super) fn selector(selector: Option<proto::PointsSelector>) -> Result<Selector> {
    let mut chosen = Selector::default();
    match selector.and_then(|selector| selector.points_selector_one_of) {
        Some(PointsSelectorOneOf::Points(points)) => chosen.points = Some(ids(points.ids)?),
        Some(PointsSelectorOneOf::Filter(wanted)) => chosen.filter = Some(filter(wanted)?),
        None => {}
    }
    Ok(chosen)
}

pub(super) fn set_payload(
    payload: HashMap<String, proto::Value>,
    points: Option<proto::PointsSelector>,
    key: Option<String>,
) -> Result<SetPayload> {
    Ok(SetPayload {
        payload: object(payload),
        selector: selector(points)?,
        key,
    })
}

pub(super) fn delete_payload(
    keys: Vec<String>,
    points: Option<proto::PointsSelector>,
) -> Result<UpdateOperation> {
    Ok(UpdateOperation::DeletePayload(DeletePayload {
        keys,
        selector: selector(points)?,
    }))
}

pub(super) fn update_vectors(
    points: Vec<proto::PointVectors>,
    update_filter: Option<proto::Filter>,
) -> Result<UpdateOperation> {
    let point = |point: proto::PointVectors| {
        Ok(VectorsOfPoint {
            id: id(need(point.id, "the ID of a point")?)?,
            vector: vectors(point.vectors)?,
        })
    };
    let points: Result<Vec<VectorsOfPoint>> = points.into_iter().map(point).collect();
    Ok(UpdateOperation::UpdateVectors(UpdateVectors {
        points: points?,
        update_filter: optional(update_filter)?,
    }))
}

pub(super) fn delete_vectors(
    points: Option<proto::PointsSelector>,
    names: Option<proto::VectorsSelector>,
) -> Result<UpdateOperation> {
    Ok(UpdateOperation::DeleteVectors(DeleteVectors {
        selector: selector(points)?,
        vector: names.unwrap_or_default().names,
    }))
}

/// One operation of a batch.
#[expect(
    deprecated,
    reason = "older clients send two operations in the old way"
)]
pub(super) fn operation(operation: proto::PointsUpdateOperation) -> Result<UpdateOperation> {
    match need(operation.operation, "an operation")? {
        Operation::Upsert(it) => upsert(it.points, it.update_filter, it.update_mode),
        Operation::DeleteDeprecated(points) => Ok(UpdateOperation::Delete(selector(Some(points))?)),
        Operation::DeletePoints(it) => Ok(UpdateOperation::Delete(selector(it.points)?)),
        Operation::SetPayload(it) => Ok(UpdateOperation::SetPayload(set_payload(
            it.payload,
            it.points_selector,
            it.key,
        )?)),
        Operation::OverwritePayload(it) => Ok(UpdateOperation::OverwritePayload(set_payload(
            it.payload,
            it.points_selector,
            it.key,
        )?)),
        Operation::DeletePayload(it) => delete_payload(it.keys, it.points_selector),
        Operation::ClearPayloadDeprecated(points) => {
            Ok(UpdateOperation::ClearPayload(selector(Some(points))?))
        }
        Operation::ClearPayload(it) => Ok(UpdateOperation::ClearPayload(selector(it.points)?)),
        Operation::UpdateVectors(it) => update_vectors(it.points, it.update_filter),
        Operation::DeleteVectors(it) => delete_vectors(it.points_selector, it.vectors),
    }
}
