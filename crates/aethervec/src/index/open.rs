//! Opens a collection's indexes as the keyspaces say: the saved graph in place, and the rest into the delta.
//!
//! Reads the entries of `pending` and the rows of the points that are not in the saved graph: none of the others. A flat
//! or small collection has no graph, and so all of its points are read.

use crate::catalog::CollectionRecord;
use crate::error::{Error, ErrorKind, Result};
use crate::index::checkpoint::GraphRecord;
use crate::index::core::{Committed, Core, Newest};
use crate::keyspace::{self, CollectionId, Keyspaces, PendingEntry, PointRow};
use crate::schema::IndexConfig;
use aether_env::FileMap;
use aether_index::{Hnsw, Image, PointId};
use aidb::{DB, SeqNo, Snapshot};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Opens the collection. Nobody has written to it since the database was opened, so that no snapshot sees the points that
/// its pending entries call dead.
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
    let mut record = read_record(core.id, &core.keyspaces, snapshot)?.unwrap_or_default();
    let graph = match open_graph(core, snapshot, &record) {
        Ok(graph) => graph,
        // A graph is derived: without it everything is read, and it is built again.
        Err(error) if error.kind() == ErrorKind::Corruption => {
            *core.damage.get_mut() = Some(error.to_string());
            record.applied = 0;
            None
        }
        Err(error) => return Err(error),
    };
    let entries = read_pending(core.id, &core.keyspaces, snapshot)?;
    let next = entries
        .iter()
        .map(PendingEntry::end)
        .fold(record.next, u64::max);
    let died: HashSet<PointId> = entries
        .iter()
        .flat_map(|entry| &entry.died)
        .copied()
        .collect();
    refill(core, snapshot, record.applied, &died)?;

    let lane = core.lane.get_mut();
    if let Some(graph) = graph {
        lane.unsaved = died
            .iter()
            .map(|&point| u64::from(graph.remove(point)))
            .sum();
        core.graph.store(Some(Arc::new(graph)));
    }
    let committed = |entry| Committed {
        entry,
        seq: SeqNo::ZERO,
    };
    lane.entries = entries.into_iter().map(committed).collect();
    lane.reaped = lane.entries.len();
    lane.reaped_points = died.len();
    lane.applied = record.applied;
    lane.saved = record.applied;
    lane.committed = next;
    lane.checkpoints = record.checkpoints;
    core.progress.applied = record.applied.into();
    core.progress.checkpoints = record.checkpoints.into();
    core.next.store(next, Ordering::Release);
    // A document may lack a vector, so that no index knows them all.
    let mut rows = snapshot.prefix(&core.keyspaces.docs, keyspace::collection_prefix(core.id));
    let mut documents = 0;
    while rows.try_next()?.is_some() {
        documents += 1;
    }
    *core.newest.get_mut() = Newest {
        seq: SeqNo::ZERO,
        documents,
    };
    Ok(())
}

/// The record of a collection in `index`.
pub(crate) fn read_record(
    id: CollectionId,
    keyspaces: &Keyspaces,
    at: &Snapshot,
) -> Result<Option<GraphRecord>> {
    let key = keyspace::graph_key(id);
    at.get(&keyspaces.index, &key)?
        .map(|value| GraphRecord::decode(&key, &value))
        .transpose()
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

fn open_graph(core: &Core, snapshot: &Snapshot, record: &GraphRecord) -> Result<Option<Hnsw>> {
    if record.applied == 0 {
        return Ok(None);
    }
    if core.dense.index == IndexConfig::Flat {
        return Err(Error::corruption("a flat collection has a saved graph"));
    }
    let key = keyspace::graph_key(core.id);
    let file = snapshot
        .attachment(&core.keyspaces.index, &key)?
        .ok_or_else(|| Error::corruption("its record names a saved graph, and there is none"))?;
    let image = match file.map()? {
        FileMap::Mapped(map) => Image::from(map),
        FileMap::Copied(bytes) => Image::from(bytes),
    };
    let graph = Hnsw::open(image).map_err(|error| Error::from(error).within(&file.file_name()))?;
    let schema = &core.dense;
    if (graph.dim(), graph.metric(), graph.element()) != (schema.dim, schema.metric, schema.element)
    {
        return Err(Error::corruption(format!(
            "{}: it is the graph of a collection with another dim, metric or element",
            file.file_name()
        )));
    }
    Ok(Some(graph))
}

/// Fills the delta with the points from number `from` on, but for those that have `died`.
fn refill(core: &Core, snapshot: &Snapshot, from: u64, died: &HashSet<PointId>) -> Result<()> {
    let first = keyspace::point_key(core.id, PointId(from));
    let last = keyspace::point_key(core.id, PointId(u64::MAX));
    let mut rows = snapshot.range(&core.keyspaces.points, first..=last);
    let mut vector = keyspace::vector_buffer(core.dense.element);
    while let Some((key, value)) = rows.try_next()? {
        let point = PointId(keyspace::decode_number("points", &key)?);
        if !died.contains(&point)
            && PointRow::parse(&key, &value)?.dense(
                &key,
                core.number,
                core.dense.dim,
                &mut vector,
            )?
        {
            core.delta.insert(point, vector.as_ref())?;
        }
    }
    Ok(())
}
