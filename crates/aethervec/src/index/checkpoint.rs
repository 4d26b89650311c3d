//! Makes durable what the lane has done, so that opening does not have to do it again.
//!
//! One commit registers the graph's file, notes up to which point it holds everything, and removes the entries of
//! `pending` and the dead rows of `points` that it covers. A crash leaves all of it or none.
//!
//! A collection without a graph has nothing to save: then only entries and dead rows are removed.

use crate::error::{Error, ErrorKind, Result};
use crate::index::core::{Core, Lane};
use crate::keyspace::{self, PendingEntry};
use aether_index::Hnsw;
use aidb::{Durability, WriteBatch};
use std::io::Write as _;
use std::sync::atomic::Ordering;

/// Changes of a graph from which on it is saved …
const UNSAVED_POINTS_MIN: u64 = 20_000;

/// … unless it is so large that these are less than one in this many of its points.
const UNSAVED_SHARE: u64 = 4;

/// When closing, fewer changes than this are left to the next opening …
const UNSAVED_POINTS_AT_CLOSE: u64 = 1_000;

/// … as are fewer than one in this many.
const UNSAVED_SHARE_AT_CLOSE: u64 = 64;

/// Without a graph, commits (or points that died in them) from which on their entries are removed.
const COVERED_MIN: usize = 1_024;

/// Keys removed in one commit.
const DELETES_PER_COMMIT: usize = 100_000;

/// Bytes gathered before they go to the file.
const BUFFER_BYTES: usize = 1 << 20;

/// Saves the graph, or removes what is settled, if it is time. False when it is not.
pub(crate) fn write_if_due(lane: &mut Lane, core: &Core) -> Result<bool> {
    let due = match core.graph.load_full() {
        Some(graph) => {
            let share = graph.len() as u64 / UNSAVED_SHARE;
            lane.unsaved >= UNSAVED_POINTS_MIN.max(share).max(lane.retry_at)
        }
        None => lane.reaped.max(lane.reaped_points) >= COVERED_MIN,
    };
    if due {
        write(lane, core)?;
    }
    Ok(due)
}

/// Saves what is worth saving before the database is closed.
pub(crate) fn write_at_close(lane: &mut Lane, core: &Core) -> Result<()> {
    let worthwhile = match core.graph.load_full() {
        Some(graph) => {
            lane.unsaved >= UNSAVED_POINTS_AT_CLOSE.max(graph.len() as u64 / UNSAVED_SHARE_AT_CLOSE)
        }
        None => lane.reaped > 0,
    };
    if worthwhile {
        write(lane, core)
    } else {
        Ok(())
    }
}

/// Saves the graph, if there is one, and removes everything that is settled then.
pub(crate) fn write(lane: &mut Lane, core: &Core) -> Result<()> {
    let graph = core.graph.load_full();
    let written = write_all(lane, core, graph.as_deref());
    match &written {
        Ok(()) => lane.retry_at = 0,
        Err(_) => lane.retry_at = lane.unsaved + UNSAVED_POINTS_MIN / 4,
    }
    written
}

fn write_all(lane: &mut Lane, core: &Core, graph: Option<&Hnsw>) -> Result<()> {
    let key = keyspace::graph_key(core.id);
    let mut batch = WriteBatch::new();
    let mut record = GraphRecord {
        applied: lane.saved,
        next: core.next.load(Ordering::Acquire),
        checkpoints: lane.checkpoints,
    };
    if let Some(graph) = graph {
        record.applied = lane.applied;
        record.checkpoints += 1;
        batch.attach(&core.keyspaces.index, &key, save(core, graph)?);
    } else if core.damage.lock().is_some() {
        batch.detach(&core.keyspaces.index, &key);
    }
    batch.put(&core.keyspaces.index, &key, record.encode());
    let settled = |entry: &PendingEntry| graph.is_none() || entry.end() <= record.applied;
    let covered: Vec<&PendingEntry> = lane
        .entries
        .range(..lane.reaped)
        .map(|committed| &committed.entry)
        .filter(|entry| settled(entry))
        .collect();
    for entry in covered {
        for &point in &entry.died {
            batch.delete(&core.keyspaces.points, keyspace::point_key(core.id, point));
        }
        batch.delete(
            &core.keyspaces.pending,
            keyspace::pending_key(core.id, entry.number),
        );
        // The first commit says that the entries are covered; whether later ones come, does not matter then.
        if batch.len() >= DELETES_PER_COMMIT {
            core.db
                .write(std::mem::take(&mut batch), Durability::Sync)?;
        }
    }
    if !batch.is_empty() {
        core.db.write(batch, Durability::Sync)?;
    }
    lane.forget_settled(settled);
    *core.damage.lock() = None;
    lane.saved = record.applied;
    lane.checkpoints = record.checkpoints;
    if graph.is_some() {
        lane.unsaved = 0;
    }
    Ok(())
}

fn save(core: &Core, graph: &Hnsw) -> Result<aidb::Attachment> {
    let failed = |error: std::io::Error| {
        let text = format!(
            "collection {:?}: the checkpoint of its graph could not be written: {error}",
            core.name
        );
        Error::with_source(ErrorKind::Io, text, error)
    };
    let mut file = std::io::BufWriter::with_capacity(BUFFER_BYTES, core.db.attachment_writer()?);
    graph.write_checkpoint(&mut file).map_err(failed)?;
    file.flush().map_err(failed)?;
    let file = file
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    Ok(file.finish()?)
}

/// What `index` says about a collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GraphRecord {
    /// Points below this number are in the saved graph, or dead. 0: there is no saved graph.
    pub(crate) applied: u64,
    /// No number from here on was given when this was written.
    pub(crate) next: u64,
    /// Graphs saved so far.
    pub(crate) checkpoints: u64,
}

const RECORD_VERSION: u8 = 1;

impl GraphRecord {
    pub(crate) fn encode(&self) -> [u8; 25] {
        let mut bytes = [0; 25];
        bytes[0] = RECORD_VERSION;
        bytes[1..9].copy_from_slice(&self.applied.to_le_bytes());
        bytes[9..17].copy_from_slice(&self.next.to_le_bytes());
        bytes[17..].copy_from_slice(&self.checkpoints.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<GraphRecord> {
        let bad = |what: &str| Err(keyspace::bad("index", key, what));
        let Some((&version, numbers)) = value.split_first() else {
            return bad("its value is empty");
        };
        if version > RECORD_VERSION {
            return Err(Error::invalid(format!(
                "keyspace index: a record of format {version} was written by a newer version: this one reads up to {RECORD_VERSION}"
            )));
        }
        match numbers.as_chunks() {
            ([applied, next, checkpoints], []) if version == RECORD_VERSION => Ok(GraphRecord {
                applied: u64::from_le_bytes(*applied),
                next: u64::from_le_bytes(*next),
                checkpoints: u64::from_le_bytes(*checkpoints),
            }),
            _ => bad("its value is malformed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_round_trip_and_bad_ones_are_errors() {
        let record = GraphRecord {
            applied: 1,
            next: 2,
            checkpoints: u64::MAX,
        };
        let bytes = record.encode();
        assert_eq!(GraphRecord::decode(b"key", &bytes).unwrap(), record);
        for end in 0..bytes.len() {
            assert!(GraphRecord::decode(b"key", &bytes[..end]).is_err());
        }
        let newer = GraphRecord::decode(b"key", &[2]).unwrap_err().to_string();
        assert!(
            newer.contains("format 2") && newer.contains("newer"),
            "{newer}"
        );
    }
}
