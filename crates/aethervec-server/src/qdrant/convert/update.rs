//! Changes to points, as writes of the engine.

use super::{filter, path, vectors};
use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::{
    Batch, BatchVectors, PointStruct, PointVectors, Selector, UpdateMode, UpdateOperation,
    UpdateVectors, Upsert, Vector, VectorsOfPoint,
};
use aethervec::{CollectionSchema, DocId, Document, Filter, Patch, Path, Write};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What an operation comes to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    Write(Vec<Write>),
    /// As [`Change::Write`]; a document that is not there is an error.
    WriteAll(Vec<Write>),
    PatchBy(Filter, Patch),
    DeleteBy(Filter),
}

/// Which points a change is about.
enum Chosen {
    Ids(Vec<DocId>),
    Filter(Filter),
}

/// The engine's change for `operation` on a collection with this schema.
pub(crate) fn change(schema: &CollectionSchema, operation: UpdateOperation) -> Result<Change> {
    match operation {
        UpdateOperation::Upsert(upsert) => self::upsert(schema, upsert).map(Change::Write),
        UpdateOperation::Delete(selector) => Ok(match chosen(selector)? {
            Chosen::Ids(ids) => Change::Write(ids.into_iter().map(Write::delete).collect()),
            Chosen::Filter(filter) => Change::DeleteBy(filter),
        }),
        UpdateOperation::SetPayload(set) => {
            let patched = set_payload(Patch::new(), set.payload, set.key.as_deref())?;
            patch(set.selector, &patched)
        }
        UpdateOperation::OverwritePayload(set) => {
            let patched = match &set.key {
                Some(key) => Patch::new().set(path(key)?, Value::Object(set.payload)),
                None => set_payload(Patch::new().clear(), set.payload, None)?,
            };
            patch(set.selector, &patched)
        }
        UpdateOperation::DeletePayload(delete) => {
            let mut deleted = Patch::new();
            for key in &delete.keys {
                deleted = deleted.delete(path(key)?);
            }
            patch(delete.selector, &deleted)
        }
        UpdateOperation::ClearPayload(selector) => patch(selector, &Patch::new().clear()),
        UpdateOperation::UpdateVectors(update) => update_vectors(schema, update),
        UpdateOperation::DeleteVectors(delete) => {
            let mut deleted = Patch::new();
            for name in delete.vector {
                vectors::field(schema, &name)?;
                deleted = deleted.without_vector(name);
            }
            Ok(match patch(delete.selector, &deleted)? {
                Change::WriteAll(writes) => Change::Write(writes),
                change => change,
            })
        }
    }
}

fn upsert(schema: &CollectionSchema, upsert: Upsert) -> Result<Vec<Write>> {
    let points = match (upsert.points, upsert.batch) {
        (Some(points), None) => points,
        (None, Some(batch)) => rows(batch)?,
        _ => return Err(Failure::format("expected either `points` or `batch`")),
    };
    let condition = upsert.update_filter.map(filter::filter).transpose()?;
    let mut writes = Vec::with_capacity(points.len());
    for point in points {
        let document = Document {
            payload: point.payload.map(Value::Object),
            ..Document::new(vectors::stored(schema, point.vector)?, point.id.0)
        };
        match (upsert.update_mode, &condition) {
            (UpdateMode::Upsert, None) => writes.push(Write::upsert(document)),
            (UpdateMode::InsertOnly, _) => writes.push(Write::upsert(document).if_absent()),
            (UpdateMode::UpdateOnly, None) => writes.push(Write::upsert(document).if_present()),
            (UpdateMode::UpdateOnly, Some(filter)) => {
                writes.push(Write::upsert(document).if_matches(filter.clone()));
            }
            // One that is there is replaced if it satisfies the filter; then one that is not there is inserted.
            (UpdateMode::Upsert, Some(filter)) => {
                writes.push(Write::upsert(document.clone()).if_matches(filter.clone()));
                writes.push(Write::upsert(document).if_absent());
            }
        }
    }
    Ok(writes)
}

fn update_vectors(schema: &CollectionSchema, update: UpdateVectors) -> Result<Change> {
    let condition = update.update_filter.map(filter::filter).transpose()?;
    let write = |point: VectorsOfPoint| {
        let mut patch = Patch::new();
        for (name, vector) in vectors::stored(schema, point.vector)? {
            patch = patch.with_vector(name, vector);
        }
        let write = Write::patch(point.id.0, patch);
        Ok(match &condition {
            Some(filter) => write.if_matches(filter.clone()),
            None => write,
        })
    };
    let writes = update.points.into_iter().map(write);
    Ok(Change::WriteAll(writes.collect::<Result<_>>()?))
}

/// The points of columns.
fn rows(batch: Batch) -> Result<Vec<PointStruct>> {
    let count = batch.ids.len();
    let same = |what: &str, found: usize| {
        if found == count {
            return Ok(());
        }
        Err(Failure::wrong(format!(
            "there are {count} ids and {found} {what}: each point needs one"
        )))
    };
    let vectors: Vec<PointVectors> = match batch.vectors {
        BatchVectors::Default(vectors) => vectors.into_iter().map(PointVectors::Default).collect(),
        BatchVectors::Named(columns) => {
            let mut points: Vec<BTreeMap<String, Vector>> = vec![BTreeMap::new(); count];
            for (name, column) in columns {
                same(&format!("vectors `{name}`"), column.len())?;
                for (point, vector) in points.iter_mut().zip(column) {
                    point.insert(name.clone(), vector);
                }
            }
            points.into_iter().map(PointVectors::Named).collect()
        }
    };
    same("vectors", vectors.len())?;
    let payloads = batch.payloads.unwrap_or_else(|| vec![None; count]);
    same("payloads", payloads.len())?;
    let points = batch.ids.into_iter().zip(vectors).zip(payloads);
    Ok(points
        .map(|((id, vector), payload)| PointStruct {
            id,
            vector,
            payload,
        })
        .collect())
}

fn chosen(selector: Selector) -> Result<Chosen> {
    let ids = |ids: Vec<crate::qdrant::model::PointId>| ids.into_iter().map(|id| id.0).collect();
    match (selector.points, selector.filter) {
        (Some(points), None) => Ok(Chosen::Ids(ids(points))),
        (None, Some(filter)) => filter::filter(filter).map(Chosen::Filter),
        (Some(points), Some(filter)) => {
            let named = Filter::HasId(ids(points));
            Ok(Chosen::Filter(named.and(filter::filter(filter)?)))
        }
        (None, None) => Err(Failure::wrong(
            "Either list of point ids or filter must be provided",
        )),
    }
}

fn patch(selector: Selector, patch: &Patch) -> Result<Change> {
    Ok(match chosen(selector)? {
        Chosen::Ids(ids) => {
            let writes = ids.into_iter().map(|id| Write::patch(id, patch.clone()));
            Change::WriteAll(writes.collect())
        }
        Chosen::Filter(filter) => Change::PatchBy(filter, patch.clone()),
    })
}

/// Each key of `payload` is set, at `at`; those that are `null` are deleted.
fn set_payload(mut patch: Patch, payload: Map<String, Value>, at: Option<&str>) -> Result<Patch> {
    for (key, value) in payload {
        let key = Path::key(key);
        let path = match at {
            Some(at) => path(&format!("{at}.{key}"))?,
            None => key,
        };
        patch = match value {
            Value::Null => patch.delete(path),
            value => patch.set(path, value),
        };
    }
    Ok(patch)
}
