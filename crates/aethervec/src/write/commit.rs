//! The one way into the keyspaces: changes of one or several collections, all in one batch.
//!
//! 1. give out numbers for the new points;
//! 2. put them into the indexes, *before* they are visible: what an index offers is always a superset of what anybody sees;
//! 3. one batch: `docs`, `points`, `expiry`, `pending`, `filter` of each collection;
//! 4. under the counts of all of them, submit: from now on everybody sees it; stamp what died, tell the lanes.
//!
//! The caller holds the writer lock of each collection, taken in the order of their numbers. Nothing here waits for
//! durability. A failure takes the new points out of the indexes again.

use crate::error::Result;
use crate::index::core::{Committed, Core};
use crate::index::field::Fields;
use crate::keyspace::{self, PendingEntry};
use crate::payload::Staged;
use crate::version::Change;
use aether_index::PointId;
use aidb::{Commit, WriteBatch};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What is to become of one collection: its documents each once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    pub(crate) core: &'a Core,
    pub(crate) changes: &'a [Change],
}

/// Makes the changes of `parts` visible, all at once: `submit` takes the batch to the storage engine. The parts are ordered by
/// the number of their collection, each of which occurs once.
pub(crate) fn commit(
    parts: &[Part<'_>],
    submit: impl FnOnce(WriteBatch) -> aidb::Result<Commit>,
) -> Result<Commit> {
    let mut batch = WriteBatch::new();
    let mut entered = Entered::default();
    let mut entries = Vec::with_capacity(parts.len());
    for part in parts {
        part.core.alive()?;
        let entry = part.number();
        let staged = part.stage(&entry);
        part.encode(&entry, &mut batch);
        staged.put(part.core, &mut batch);
        entered.enter(part, &entry, staged)?;
        entries.push(entry);
    }
    // Held until everything that is counted by knows of the commit.
    let mut newest: Vec<_> = parts.iter().map(|part| part.core.newest.lock()).collect();
    let commit = submit(batch)?;
    entered.stay();
    for ((part, entry), newest) in parts.iter().zip(entries).zip(&mut newest) {
        newest.seq = commit.seq();
        newest.documents = newest.documents + entry.added - entry.died.len() as u64;
        part.core.deaths.stamp(&entry.died, commit.seq());
        part.core.payload.commit(commit.seq(), &entry);
        if entry.added > 0 {
            part.core.waiting.add(entry.end(), part.core.db.now());
        }
        part.core.incoming.lock().push(Committed {
            entry,
            seq: commit.seq(),
        });
    }
    Ok(commit)
}

impl Part<'_> {
    /// Gives out numbers: the new points have them in the order of the changes.
    fn number(&self) -> PendingEntry {
        let added = self.changes.iter().filter(|change| change.new.is_some());
        let added = added.count() as u64;
        let number = self.core.next.fetch_add(added.max(1), Ordering::AcqRel);
        let died = self.changes.iter().filter_map(|change| change.old);
        let mut died: Vec<PointId> = died.map(|old| old.point).collect();
        died.sort_unstable();
        PendingEntry {
            number,
            added,
            died,
        }
    }

    /// The changes with their new points.
    fn numbered(&self, entry: &PendingEntry) -> impl Iterator<Item = (&Change, Option<PointId>)> {
        let mut next = entry.number;
        self.changes.iter().map(move |change| {
            let point = change.new.is_some().then(|| {
                next += 1;
                PointId(next - 1)
            });
            (change, point)
        })
    }

    /// What the payload indexes get.
    fn stage(&self, entry: &PendingEntry) -> Staged {
        let points = entry.number..entry.number + entry.added;
        let mut staged = self.core.payload.stage(points);
        for (change, point) in self.numbered(entry) {
            if let (Some(version), Some(point)) = (&change.new, point) {
                staged.add(point, version.payload.as_ref());
            }
        }
        staged
    }

    fn encode(&self, entry: &PendingEntry, batch: &mut WriteBatch) {
        let Core { id, keyspaces, .. } = self.core;
        let mut value = Vec::new();
        let reads_rows = self.core.fields.load().read_rows();
        for (change, point) in self.numbered(entry) {
            if let Some(old) = change.old.filter(|old| old.expires != 0) {
                let key = keyspace::expiry_key(*id, old.expires, old.point);
                batch.delete(&keyspaces.expiry, key);
            }
            let (Some(version), Some(point)) = (&change.new, point) else {
                batch.delete(&keyspaces.docs, &change.key);
                continue;
            };
            keyspace::point_value(&change.id, &version.vectors, &mut value);
            batch.put(&keyspaces.points, keyspace::point_key(*id, point), &value);
            if reads_rows {
                // What was written lately is searched for soon.
                keyspaces.row_cache.insert(*id, point, value[..].into());
            }
            keyspace::doc_value(point, version.expires, &version.json, &mut value);
            batch.put(&keyspaces.docs, &change.key, &value);
            if version.expires != 0 {
                self.core.expiries.will_end(version.expires);
                let key = keyspace::expiry_key(*id, version.expires, point);
                batch.put(&keyspaces.expiry, key, []);
            }
        }
        entry.encode(&mut value);
        batch.put(
            &keyspaces.pending,
            keyspace::pending_key(*id, entry.number),
            &value,
        );
    }
}

/// Points that are in the indexes and not visible yet. They leave when it is dropped.
#[derive(Default)]
struct Entered<'a> {
    payloads: Vec<(&'a Core, Staged)>,
    points: Vec<(Arc<Fields>, PointId)>,
}

impl<'a> Entered<'a> {
    fn enter(&mut self, part: &Part<'a>, entry: &PendingEntry, staged: Staged) -> Result<()> {
        part.core.payload.enter(&staged);
        self.payloads.push((part.core, staged));
        let fields = part.core.fields.load_full();
        for (change, point) in part.numbered(entry) {
            if let (Some(version), Some(point)) = (&change.new, point) {
                fields.insert(point, &version.vectors)?;
                // What was written lately is searched for soon.
                part.core
                    .keyspaces
                    .id_cache
                    .insert(part.core.id, point, change.id.clone());
                self.points.push((Arc::clone(&fields), point));
            }
        }
        Ok(())
    }

    /// They are visible now.
    fn stay(&mut self) {
        self.payloads.clear();
        self.points.clear();
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        for (core, staged) in self.payloads.drain(..) {
            core.payload.withdraw(&staged);
        }
        for (fields, point) in self.points.drain(..) {
            fields.retract(point);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AetherDB, DocId, Document, IndexConfig};

    /// Buckets compare with rows: those of new points are not read from the files.
    #[test]
    fn rows_that_were_written_lately_are_in_memory() {
        let directory = tempfile::tempdir().unwrap();
        let db = AetherDB::open(directory.path()).unwrap();
        let index = IndexConfig::new_with_default_config("drift").unwrap();
        let collection = db.create_collection("vectors", 2, "l2", index).unwrap();
        let documents = |ids: std::ops::Range<u64>| -> Vec<Document> {
            let document = |id| Document::new(vec![id as f32, 1.0], id);
            ids.map(document).collect()
        };
        // There are no buckets before the first points are indexed.
        collection.upsert_batch(documents(0..2_000)).unwrap();
        collection.wait_indexed(|_| {}).unwrap();
        collection.upsert_batch(documents(2_000..2_040)).unwrap();
        let core = &collection.core;
        let end = core.next.load(Ordering::Acquire);
        for (point, id) in (end - 40..end).map(PointId).zip(2_000..) {
            let key = keyspace::point_key(core.id, point);
            let stored = core.keyspaces.points.get(key).unwrap().unwrap();
            let cached = core.keyspaces.row_cache.get(core.id, point).unwrap();
            assert_eq!(&cached[..], &stored[..], "{point}");
            let known = core.keyspaces.id_cache.get(core.id, point);
            assert_eq!(known, Some(DocId::U64(id)));
        }
    }
}
