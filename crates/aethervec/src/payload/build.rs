//! Building payload indexes, by the lane: one step adds some of the points that were there before the index, and commits
//! their rows together with how far it is.

use crate::error::Result;
use crate::index::core::Core;
use crate::keyspace::{self, DocRow, PointRow};
use crate::payload::declare;
use crate::payload::index::{Index, Phase, Span};
use crate::payload::rows;
use crate::payload::stage::Rows;
use aether_index::PointId;
use aidb::{Durability, WriteBatch};

/// Points looked at in one step …
const STEP_POINTS: usize = 1_024;

/// … unless their payloads have so many bytes.
const STEP_BYTES: usize = 8 << 20;

/// Does a step for one index that is not complete. False when all are.
pub(crate) fn step(core: &Core) -> Result<bool> {
    let Some((index, span)) = core.payload.to_build() else {
        return Ok(false);
    };
    let mut rows = Rows::default();
    let next = add_points(core, &index, span, &mut rows)?;
    let left = (next < span.end).then_some(Span { next, ..span });
    let mut batch = WriteBatch::new();
    rows.put(core, &mut batch);
    declare::put_record(
        core,
        index.number,
        &index.path,
        index.kind,
        left,
        &mut batch,
    );
    // Both or neither: a crash forgets whole steps at most.
    let seq = core.db.write(batch, Durability::Buffered)?;
    match left {
        Some(span) => *index.phase.write() = Phase::Building(span),
        None => index.complete(seq),
    }
    Ok(true)
}

/// Adds what documents have in some of the points. Returns the next one to look at.
fn add_points(core: &Core, index: &Index, span: Span, out: &mut Rows) -> Result<u64> {
    let snapshot = core.db.snapshot();
    let (mut points, mut keys) = (Vec::new(), Vec::new());
    let first = keyspace::point_key(core.id, PointId(span.next));
    let behind = keyspace::point_key(core.id, PointId(span.end));
    let mut rows = snapshot.range(&core.keyspaces.points, first..behind);
    while points.len() < STEP_POINTS
        && let Some((key, value)) = rows.try_next()?
    {
        points.push(PointId(keyspace::decode_number("points", &key)?));
        keys.push(PointRow::parse(&key, &value)?.doc_key(core.id));
    }
    let all = points.len() < STEP_POINTS;
    let mut bytes = 0;
    for ((point, key), row) in points
        .iter()
        .zip(&keys)
        .zip(snapshot.multi_get(&core.keyspaces.docs, &keys)?)
    {
        let Some(row) = row else { continue };
        let document = DocRow::parse(key, &row)?;
        // Of the versions of a document only the newest is seen by snapshots that are yet to come.
        if document.point != *point {
            continue;
        }
        let payload = rows::payload(document.payload)?;
        out.add(index.number, index.kind, &index.path, *point, &payload);
        bytes += document.payload.len();
        if bytes >= STEP_BYTES {
            return Ok(point.0 + 1);
        }
    }
    Ok(match points.last() {
        Some(last) if !all => last.0 + 1,
        _ => span.end,
    })
}
