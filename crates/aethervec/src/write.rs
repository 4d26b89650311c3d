//! A write, step by step:
//!
//! 1. validate everything, and bring vectors and payloads into the form in which they are stored;
//! 2. under the collection's writer lock: read the documents' old rows, give out point ids;
//! 3. one batch: `docs`, `points`, `pending`, `filter`; new points enter the delta and the payload indexes *before* the batch
//!    is visible;
//! 4. submit: from now on everybody sees it; stamp what died, tell the lane;
//! 5. without the lock: wait until it is durable.
//!
//! A failure before the end of 4 leaves nothing behind but unused numbers.

use crate::document::{Document, Upserted};
use crate::error::{Error, Result};
use crate::id::DocId;
use crate::index::core::{Committed, Core};
use crate::index::field::Fields;
use crate::keyspace::{self, DocRow, FieldNumber, PendingEntry};
use crate::validate;
use crate::vector::{VectorValue, Vectors};
use aether_index::PointId;
use aidb::{Commit, WriteBatch};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Documents that have passed validation, each id once.
#[derive(Debug)]
pub(crate) struct Prepared {
    documents: Vec<PreparedDocument>,
    /// The fields that vectors were checked against.
    fields: Arc<Fields>,
    /// The payloads as JSON, one behind the other.
    payloads: Vec<u8>,
}

/// A document that has passed validation.
#[derive(Debug)]
struct PreparedDocument {
    id: DocId,
    /// As they are stored, ordered by field.
    vectors: Vec<(FieldNumber, VectorValue)>,
    payload: Range<usize>,
}

impl Prepared {
    /// Validates `documents`. Of several with the same id the last one stays.
    pub(crate) fn new(core: &Core, documents: Vec<Document>) -> Result<Prepared> {
        validate::batch_len(documents.len())?;
        let superseded = superseded(&documents);
        let mut prepared = Prepared {
            documents: Vec::with_capacity(documents.len()),
            fields: core.fields.load_full(),
            payloads: Vec::new(),
        };
        let mut vector_bytes = 0;
        let single = documents.len() == 1;
        for (position, mut document) in documents.into_iter().enumerate() {
            let vectors = std::mem::take(&mut document.vectors);
            let (vectors, payload) = prepared.prepare(&document, vectors).map_err(|error| {
                if single {
                    error
                } else {
                    validate::in_document(error, position, &document)
                }
            })?;
            vector_bytes += vectors
                .iter()
                .map(|(_, vector)| keyspace::vector_bytes(vector))
                .sum::<usize>();
            validate::batch_bytes(vector_bytes + prepared.payloads.len())?;
            if superseded
                .get(position)
                .is_none_or(|superseded| !superseded)
            {
                prepared.documents.push(PreparedDocument {
                    id: document.id,
                    vectors,
                    payload,
                });
            }
        }
        Ok(prepared)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// Fails when a field that a document has a vector for was dropped since.
    fn check_fields(&self, now: &Arc<Fields>) -> Result<()> {
        if Arc::ptr_eq(&self.fields, now) {
            return Ok(());
        }
        let used = self.documents.iter().flat_map(|document| &document.vectors);
        for (number, _) in used {
            if let (Some(field), None) = (self.fields.by_number(*number), now.by_number(*number)) {
                return Err(Error::not_found(format!(
                    "vector field {:?} was dropped",
                    field.name
                )));
            }
        }
        Ok(())
    }

    fn prepare(
        &mut self,
        document: &Document,
        vectors: Vectors,
    ) -> Result<(Vec<(FieldNumber, VectorValue)>, Range<usize>)> {
        validate::id(&document.id)?;
        let stored = stored_vectors(&self.fields, vectors)?;
        let start = self.payloads.len();
        if let Some(payload) = &document.payload {
            validate::payload(payload, &mut self.payloads)?;
        }
        Ok((stored, start..self.payloads.len()))
    }
}

/// The vectors as they are stored, ordered by field; fails when one does not suit its field.
fn stored_vectors(fields: &Fields, vectors: Vectors) -> Result<Vec<(FieldNumber, VectorValue)>> {
    let mut stored = Vec::with_capacity(vectors.len());
    for (name, vector) in vectors {
        let field = fields
            .get(&name)
            .map_err(|error| Error::invalid(error.to_string()))?;
        let vector = validate::stored(&field.spec, vector)
            .map_err(|error| validate::in_field(error, &name))?;
        stored.push((field.number, vector));
    }
    stored.sort_unstable_by_key(|(number, _)| *number);
    Ok(stored)
}

/// Which documents have a later one with the same id; empty when none has.
fn superseded(documents: &[Document]) -> Vec<bool> {
    let mut last = HashMap::with_capacity(documents.len());
    let mut superseded = Vec::new();
    for (position, document) in documents.iter().enumerate() {
        if let Some(earlier) = last.insert(&document.id, position) {
            superseded.resize(documents.len(), false);
            superseded[earlier] = true;
        }
    }
    superseded
}

/// A write that is visible, and not yet known to be durable.
#[derive(Debug)]
pub(crate) struct Written<T> {
    pub(crate) outcome: T,
    /// `None`: there was nothing to write.
    pub(crate) commit: Option<Commit>,
}

/// Makes `prepared` visible.
pub(crate) fn upsert(core: &Core, prepared: &Prepared) -> Result<Written<Upserted>> {
    let keys = Keys::new(core, prepared.documents.iter().map(|document| &document.id));
    let writer = core.writer.lock();
    core.alive()?;
    let fields = core.fields.load_full();
    prepared.check_fields(&fields)?;
    let old = old_points(core, &keys)?;
    let added = prepared.documents.len() as u64;
    let first = core.next.fetch_add(added.max(1), Ordering::AcqRel);
    let points = || (first..).map(PointId);
    let mut staged = core.payload.stage(first..first + added);

    let mut batch = WriteBatch::new();
    let mut value = Vec::new();
    for ((document, point), key) in prepared.documents.iter().zip(points()).zip(keys.iter()) {
        keyspace::point_value(&document.id, &document.vectors, &mut value);
        batch.put(
            &core.keyspaces.points,
            keyspace::point_key(core.id, point),
            &value,
        );
        let payload = &prepared.payloads[document.payload.clone()];
        staged.add(point, payload)?;
        keyspace::doc_value(point, 0, payload, &mut value);
        batch.put(&core.keyspaces.docs, key, &value);
    }
    let replaced = old.iter().flatten().count();
    let entry = entry(first, added, old);
    put_entry(core, &entry, &mut batch, &mut value);
    staged.put(core, &mut batch);

    core.payload.enter(&staged);
    let mut in_delta = 0;
    let inserted = prepared
        .documents
        .iter()
        .zip(points())
        .try_for_each(|(document, point)| {
            fields.insert(point, &document.vectors)?;
            in_delta += 1;
            Ok(())
        });
    let committed = inserted.and_then(|()| commit(core, batch, entry));
    if committed.is_err() {
        core.payload.withdraw(&staged);
        points()
            .take(in_delta)
            .for_each(|point| fields.retract(point));
    }
    drop(writer);
    let outcome = Upserted {
        inserted: prepared.documents.len() - replaced,
        replaced,
    };
    Ok(Written {
        outcome,
        commit: Some(committed?),
    })
}

/// Makes the removal of `ids` visible: for each, whether there was such a document.
pub(crate) fn delete(core: &Core, ids: &[DocId]) -> Result<Written<Vec<bool>>> {
    validate::batch_len(ids.len())?;
    ids.iter().try_for_each(validate::id)?;
    let keys = Keys::new(core, ids.iter());
    let _writer = core.writer.lock();
    core.alive()?;
    let mut old = old_points(core, &keys)?;
    forget_repeated(ids, &mut old);
    let outcome: Vec<bool> = old.iter().map(Option::is_some).collect();
    if !outcome.contains(&true) {
        return Ok(Written {
            outcome,
            commit: None,
        });
    }
    let mut batch = WriteBatch::new();
    for (key, _) in keys.iter().zip(&outcome).filter(|(_, found)| **found) {
        batch.delete(&core.keyspaces.docs, key);
    }
    let number = core.next.fetch_add(1, Ordering::AcqRel);
    let entry = entry(number, 0, old);
    put_entry(core, &entry, &mut batch, &mut Vec::new());
    let commit = commit(core, batch, entry)?;
    Ok(Written {
        outcome,
        commit: Some(commit),
    })
}

/// The same id again in one call finds nothing any more.
fn forget_repeated(ids: &[DocId], old: &mut [Option<PointId>]) {
    let mut seen = std::collections::HashSet::with_capacity(ids.len());
    for (_, old) in ids.iter().zip(old).filter(|(id, _)| !seen.insert(*id)) {
        *old = None;
    }
}

/// The caller holds the writer lock.
fn commit(core: &Core, batch: WriteBatch, entry: PendingEntry) -> Result<Commit> {
    // Held until everything that is counted by knows of the commit.
    let mut newest = core.newest.lock();
    let commit = core.db.submit(batch)?;
    newest.seq = commit.seq();
    newest.documents = newest.documents + entry.added - entry.died.len() as u64;
    core.deaths.stamp(&entry.died, commit.seq());
    core.payload.commit(commit.seq(), &entry);
    drop(newest);
    core.incoming.lock().push(Committed {
        entry,
        seq: commit.seq(),
    });
    Ok(commit)
}

fn entry(number: u64, added: u64, old: Vec<Option<PointId>>) -> PendingEntry {
    let mut died: Vec<PointId> = old.into_iter().flatten().collect();
    died.sort_unstable();
    PendingEntry {
        number,
        added,
        died,
    }
}

fn put_entry(core: &Core, entry: &PendingEntry, batch: &mut WriteBatch, value: &mut Vec<u8>) {
    entry.encode(value);
    batch.put(
        &core.keyspaces.pending,
        keyspace::pending_key(core.id, entry.number),
        &*value,
    );
}

/// The points of the documents as they are now.
fn old_points(core: &Core, keys: &Keys) -> Result<Vec<Option<PointId>>> {
    let rows = core
        .db
        .snapshot()
        .multi_get(&core.keyspaces.docs, keys.iter())?;
    let point = |(key, row): (&[u8], Option<bytes::Bytes>)| {
        row.map(|row| Ok(DocRow::parse(key, &row)?.point))
            .transpose()
    };
    keys.iter().zip(rows).map(point).collect()
}

/// Keys of documents, one behind the other in one allocation.
struct Keys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Keys {
    fn new<'a>(core: &Core, ids: impl Iterator<Item = &'a DocId>) -> Keys {
        let mut keys = Keys {
            bytes: Vec::new(),
            ends: Vec::new(),
        };
        let mut key = Vec::new();
        for id in ids {
            keyspace::doc_key(core.id, id, &mut key);
            keys.bytes.extend_from_slice(&key);
            keys.ends.push(keys.bytes.len());
        }
        keys
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let key = &self.bytes[start..end];
            start = end;
            key
        })
    }
}
