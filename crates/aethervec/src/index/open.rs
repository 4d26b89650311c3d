//! Opens a collection's indexes as the keyspaces say: the saved ones in place, and the rest into the deltas.
//!
//! Reads the entries of `pending` and the rows of the points that are not in every saved index: none of the others. Where a
//! field has no saved index, because it is flat or small or not dense, all points are read.

use crate::ann::{Ann, Family};
use crate::catalog::CollectionRecord;
use crate::error::{Error, ErrorKind, Result};
use crate::index::core::{Committed, Core, Newest};
use crate::index::dense::DenseIndex;
use crate::index::drift::DriftIndex;
use crate::index::field::{Field, Fields};
use crate::index::record::{AnnRecord, CollectionState};
use crate::keyspace::{self, CollectionId, FieldNumber, Keyspaces, PendingEntry, PointRow};
use crate::payload::{self, Payload};
use crate::schema::{DenseField, IndexConfig};
use aether_env::FileMap;
use aether_index::{Image, IvfParams, PointId};
use aidb::{DB, Snapshot};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Opens the collection. Nobody has written to it since the database was opened: only a snapshot of the time before that
/// sees the points that its pending entries call dead.
pub(crate) fn open(
    record: &CollectionRecord,
    name: &str,
    db: &DB,
    keyspaces: &Keyspaces,
) -> Result<Core> {
    let mut core = Core::new(record, name, db, keyspaces)?;
    let snapshot = db.snapshot();
    load(&mut core, &snapshot).map_err(|error| error.within(&format!("collection {name:?}")))?;
    Ok(core)
}

fn load(core: &mut Core, snapshot: &Snapshot) -> Result<()> {
    let state = read_state(core.id, &core.keyspaces, snapshot)?.unwrap_or_default();
    let entries = read_pending(core.id, &core.keyspaces, snapshot)?;
    let next = entries
        .iter()
        .map(PendingEntry::end)
        .fold(state.next, u64::max);
    let died: HashSet<PointId> = entries
        .iter()
        .flat_map(|entry| &entry.died)
        .copied()
        .collect();
    // Asking makes sure that nobody goes back further from now on.
    let opened_at = core.keyspaces.opened_at;
    let past = core.db.watermark() < opened_at;
    let gone = if past { HashSet::new() } else { died.clone() };
    let fields = core.fields.load_full();
    for (field, index) in fields.dense() {
        open_field(core, snapshot, field, index, &gone)?;
    }
    refill(core, &fields, snapshot, &gone)?;
    *core.left_over.get_mut() = read_saved(core.id, &core.keyspaces, snapshot)?
        .into_iter()
        .filter(|&number| fields.by_number(number).is_none())
        .collect();

    core.expiries.read(core, snapshot)?;
    let lane = core.lane.get_mut();
    let committed = |entry| Committed {
        entry,
        seq: opened_at,
    };
    lane.entries = entries.into_iter().map(committed).collect();
    if past {
        let died: Vec<PointId> = died.iter().copied().collect();
        core.deaths.stamp(&died, opened_at);
    } else {
        lane.reaped = lane.entries.len();
        lane.reaped_points = died.len();
        lane.progress = died.len() as u64;
    }
    lane.committed = next;
    core.waiting.add(next, core.db.now());
    lane.checkpoints = state.checkpoints;
    core.progress.checkpoints = state.checkpoints.into();
    core.next.store(next, Ordering::Release);
    core.payload = Payload::open(core, snapshot, &died, next)?;
    // Each document has exactly one point that is alive.
    let documents = core.payload.visible.len();
    *core.newest.get_mut() = Newest {
        seq: opened_at,
        documents,
    };
    Ok(())
}

/// The state of a collection in `index`.
pub(crate) fn read_state(
    id: CollectionId,
    keyspaces: &Keyspaces,
    at: &Snapshot,
) -> Result<Option<CollectionState>> {
    let key = keyspace::state_key(id);
    at.get(&keyspaces.index, key)?
        .map(|value| CollectionState::decode(&key, &value))
        .transpose()
}

/// The record of a field's saved index, if there is one.
pub(crate) fn read_ann(
    id: CollectionId,
    field: FieldNumber,
    keyspaces: &Keyspaces,
    at: &Snapshot,
) -> Result<Option<AnnRecord>> {
    let key = keyspace::ann_key(id, field);
    at.get(&keyspaces.index, key)?
        .map(|value| AnnRecord::decode(&key, &value))
        .transpose()
}

/// The fields that have a saved index, those that were dropped included.
pub(crate) fn read_saved(
    id: CollectionId,
    keyspaces: &Keyspaces,
    at: &Snapshot,
) -> Result<Vec<FieldNumber>> {
    let mut rows = at.prefix(&keyspaces.index, keyspace::collection_prefix(id));
    let mut saved = Vec::new();
    while let Some((key, _)) = rows.try_next()? {
        saved.extend(keyspace::decode_index_key(&key)?);
    }
    Ok(saved)
}

/// All entries of a collection in `pending`, oldest first.
pub(crate) fn read_pending(
    id: CollectionId,
    keyspaces: &Keyspaces,
    at: &Snapshot,
) -> Result<Vec<PendingEntry>> {
    let mut rows = at.prefix(&keyspaces.pending, keyspace::collection_prefix(id));
    let mut entries = Vec::new();
    while let Some((key, value)) = rows.try_next()? {
        entries.push(PendingEntry::decode(&key, &value)?);
    }
    Ok(entries)
}

/// Starts a field with its saved index, if it has one.
fn open_field(
    core: &Core,
    snapshot: &Snapshot,
    field: &Field,
    index: &DenseIndex,
    died: &HashSet<PointId>,
) -> Result<()> {
    let Some(record) = read_ann(core.id, field.number, &core.keyspaces, snapshot)? else {
        return Ok(());
    };
    match open_ann(core, snapshot, field, &index.spec, record) {
        Ok(ann) => {
            index.start_with(ann, record.applied, died.iter());
            Ok(())
        }
        // It is derived: without it everything is read, and it is built again.
        Err(error) if error.kind() == ErrorKind::Corruption => {
            *index.damage.lock() = Some(error.to_string());
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn open_ann(
    core: &Core,
    snapshot: &Snapshot,
    field: &Field,
    spec: &DenseField,
    AnnRecord { family, applied }: AnnRecord,
) -> Result<Ann> {
    let belongs = match spec.index {
        IndexConfig::Flat => false,
        IndexConfig::Hnsw(_) => family == Family::Graph,
        IndexConfig::Ivf(_) => family == Family::Buckets,
        IndexConfig::Drift(_) => family == Family::Drift,
        IndexConfig::Auto(_) => true,
    };
    if !belongs {
        return Err(Error::corruption(format!(
            "a field whose index is {} has a saved one of {family}",
            spec.index.name()
        )));
    }
    if family == Family::Drift {
        let params = match spec.index {
            IndexConfig::Drift(params) => params,
            _ => IvfParams::DEFAULT,
        };
        let mut alive = payload::all_points(core.id, &core.keyspaces, snapshot)?;
        alive.remove_range(applied..);
        let drift = DriftIndex::open(core, snapshot, field, (spec, params), &alive)?;
        return Ok(Ann::Drift(Box::new(drift)));
    }
    let key = keyspace::ann_key(core.id, field.number);
    let file = snapshot
        .attachment(&core.keyspaces.index, key)?
        .ok_or_else(|| Error::corruption("its record names a saved index, and there is none"))?;
    let image = match file.map()? {
        FileMap::Mapped(map) => Image::from(map),
        FileMap::Copied(bytes) => Image::from(bytes),
    };
    let ann =
        Ann::open(family, image).map_err(|error| Error::from(error).within(&file.file_name()))?;
    if !ann.suits(spec) {
        return Err(Error::corruption(format!(
            "{}: it is the index of a field with another dim, metric or element",
            file.file_name()
        )));
    }
    Ok(ann)
}

/// Puts the points that are in no saved index, and that have not `died`, into the indexes.
fn refill(
    core: &Core,
    fields: &Fields,
    snapshot: &Snapshot,
    died: &HashSet<PointId>,
) -> Result<()> {
    let starts: Vec<(&Arc<Field>, u64)> = fields
        .iter()
        .map(|field| (field, field.index.applied()))
        .collect();
    let Some(from) = starts.iter().map(|&(_, start)| start).min() else {
        return Ok(());
    };
    let first = keyspace::point_key(core.id, PointId(from));
    let last = keyspace::point_key(core.id, PointId(u64::MAX));
    let mut rows = snapshot.range(&core.keyspaces.points, first..=last);
    while let Some((key, value)) = rows.try_next()? {
        let point = PointId(keyspace::decode_number("points", &key)?);
        if died.contains(&point) {
            continue;
        }
        let row = PointRow::parse(&key, &value)?;
        for (field, _) in starts.iter().filter(|&&(_, start)| start <= point.0) {
            if let Some(vector) = row.vector(&key, field.number, &field.spec)? {
                field.index.insert(point, &vector)?;
            }
        }
    }
    Ok(())
}
