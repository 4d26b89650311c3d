//! Makes durable what the lane has done, so that opening does not have to do it again.
//!
//! One commit registers the files of the approximate indexes that have changed, notes up to which point each of them holds
//! everything, and removes the entries of `pending` and the dead rows of `points` that all of them cover. A crash leaves all of it or
//! none.
//!
//! A collection without an approximate index has nothing to save: then only entries and dead rows are removed.

use crate::ann::{Ann, Family};
use crate::error::{Error, ErrorKind, Result};
use crate::index::core::{Core, Lane};
use crate::index::dense::DenseIndex;
use crate::index::drift;
use crate::index::field::{Field, Fields};
use crate::index::record::{AnnRecord, CollectionState};
use crate::keyspace::{self, PendingEntry};
use crate::payload;
use aidb::{Durability, WriteBatch};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Numbers that the approximate indexes went on, and points that were taken out, from which on they are saved …
const PROGRESS_MIN: u64 = 20_000;

/// … unless they are so large that this is less than one in so many of their points.
const PROGRESS_SHARE: u64 = 4;

/// The same of those that save each of their changes: only entries and rows are removed.
const PROGRESS_DRIFT: u64 = 4_096;

/// When closing, less progress than this is left to the next opening …
const PROGRESS_AT_CLOSE: u64 = 1_000;

/// … as is less than one in so many.
const PROGRESS_SHARE_AT_CLOSE: u64 = 64;

/// Without an approximate index, commits (or points that died in them) from which on their entries are removed.
const COVERED_MIN: usize = 1_024;

/// Keys removed in one commit.
const DELETES_PER_COMMIT: usize = 100_000;

/// Bytes gathered before they go to the file.
const BUFFER_BYTES: usize = 1 << 20;

/// Saves the approximate indexes, or removes what is settled, if it is time. False when it is not.
pub(crate) fn write_if_due(lane: &mut Lane, core: &Core) -> Result<bool> {
    let due = match points_in_anns(core) {
        Some(points) => {
            lane.progress >= PROGRESS_MIN.max(points / PROGRESS_SHARE).max(lane.retry_at)
        }
        None if has_drift(core) => lane.progress >= PROGRESS_DRIFT.max(lane.retry_at),
        None => lane.reaped.max(lane.reaped_points) >= COVERED_MIN,
    };
    if due {
        write(lane, core)?;
    }
    Ok(due)
}

/// Saves what is worth saving before the database is closed.
pub(crate) fn write_at_close(lane: &mut Lane, core: &Core) -> Result<()> {
    let worthwhile = match points_in_anns(core) {
        Some(points) => lane.progress >= PROGRESS_AT_CLOSE.max(points / PROGRESS_SHARE_AT_CLOSE),
        None => lane.reaped > 0,
    };
    if worthwhile {
        write(lane, core)
    } else {
        Ok(())
    }
}

/// How many points are in approximate indexes that are saved as a whole; `None` when there is none.
fn points_in_anns(core: &Core) -> Option<u64> {
    let fields = core.fields.load();
    let anns = fields
        .dense()
        .filter_map(|(_, index)| index.ann.load_full())
        .filter(|ann| ann.family() != Family::Drift);
    anns.map(|ann| ann.len() as u64).reduce(|a, b| a + b)
}

/// Whether there are indexes that save each of their changes.
fn has_drift(core: &Core) -> bool {
    let fields = core.fields.load();
    let mut anns = fields
        .dense()
        .filter_map(|(_, index)| index.ann.load_full());
    anns.any(|ann| ann.family() == Family::Drift)
}

/// Saves the approximate indexes that have changed, and removes everything that is settled then.
pub(crate) fn write(lane: &mut Lane, core: &Core) -> Result<()> {
    let written = write_all(lane, core, &core.fields.load_full());
    match &written {
        Ok(()) => lane.retry_at = 0,
        Err(_) => lane.retry_at = lane.progress + PROGRESS_MIN / 4,
    }
    written
}

/// An approximate index that is saved, or a saved one that is given up.
struct Saved<'a> {
    index: &'a DenseIndex,
    ann: Option<Arc<Ann>>,
}

fn write_all(lane: &mut Lane, core: &Core, fields: &Fields) -> Result<()> {
    let mut batch = WriteBatch::new();
    let mut saved = Vec::new();
    let mut applied = u64::MAX;
    for (field, index) in fields.dense() {
        let ann = index.ann.load_full();
        if ann.is_some() {
            applied = applied.min(index.applied());
        }
        if write_field(core, field, index, ann.as_deref(), &mut batch)? {
            saved.push(Saved { index, ann });
        }
    }
    let has_saved = saved.iter().any(|saved| saved.ann.is_some());
    let state = CollectionState {
        next: core.next.load(Ordering::Acquire),
        checkpoints: lane.checkpoints + u64::from(has_saved),
    };
    batch.put(
        &core.keyspaces.index,
        keyspace::state_key(core.id),
        state.encode(),
    );
    let settled = |entry: &PendingEntry| entry.end() <= applied;
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
        payload::remove_points(core, &entry.died, &mut batch);
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
    lane.checkpoints = state.checkpoints;
    lane.progress = 0;
    for Saved { index, ann } in saved {
        index.unsaved.store(0, Ordering::Release);
        index.saved.store(ann.is_some(), Ordering::Release);
        *index.damage.lock() = None;
    }
    Ok(())
}

/// Adds what a field has to save. False when its index, if it has one, is saved as it is.
fn write_field(
    core: &Core,
    field: &Field,
    index: &DenseIndex,
    ann: Option<&Ann>,
    batch: &mut WriteBatch,
) -> Result<bool> {
    let key = keyspace::ann_key(core.id, field.number);
    let Some(ann) = ann else {
        let damaged = index.damage.lock().is_some();
        if damaged {
            batch.detach(&core.keyspaces.index, key);
            batch.delete(&core.keyspaces.index, key);
        }
        return Ok(damaged);
    };
    let record = AnnRecord {
        applied: index.applied(),
        family: ann.family(),
    };
    batch.put(&core.keyspaces.index, key, record.encode());
    let is_new = !index.saved.load(Ordering::Acquire);
    if ann.family() == Family::Drift {
        // It saves each of its changes itself.
        if is_new {
            batch.detach(&core.keyspaces.index, key);
        }
        return Ok(is_new);
    }
    if is_new {
        drift::remove_rows(core, field.number, batch);
    }
    let changed = is_new || index.unsaved.load(Ordering::Acquire) > 0;
    if changed {
        batch.attach(&core.keyspaces.index, key, save(core, ann)?);
    }
    Ok(changed)
}

/// Removes what dropped fields have in `index`.
pub(crate) fn remove_left_over(core: &Core) -> Result<()> {
    let left_over = std::mem::take(&mut *core.left_over.lock());
    if left_over.is_empty() {
        return Ok(());
    }
    let mut batch = WriteBatch::new();
    for number in &left_over {
        let key = keyspace::ann_key(core.id, *number);
        batch.detach(&core.keyspaces.index, key);
        batch.delete(&core.keyspaces.index, key);
        drift::remove_rows(core, *number, &mut batch);
    }
    let removed = core.db.write(batch, Durability::Sync);
    if removed.is_err() {
        core.left_over.lock().extend(left_over);
    }
    removed?;
    Ok(())
}

fn save(core: &Core, ann: &Ann) -> Result<aidb::Attachment> {
    let failed = |error: std::io::Error| {
        let text = format!(
            "collection {:?}: the checkpoint of its {} could not be written: {error}",
            core.name,
            ann.family()
        );
        Error::with_source(ErrorKind::Io, text, error)
    };
    let mut file = std::io::BufWriter::with_capacity(BUFFER_BYTES, core.db.attachment_writer()?);
    ann.write_checkpoint(&mut file).map_err(failed)?;
    file.flush().map_err(failed)?;
    let file = file
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    Ok(file.finish()?)
}
