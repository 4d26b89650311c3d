//! What a commit adds to the payload indexes: gathered while its batch is built, in the batch when it is submitted, and in
//! memory a moment before.

use crate::filter::Path;
use crate::index::core::Core;
use crate::payload::index::Index;
use crate::payload::kind::{self, PayloadIndexKind};
use crate::payload::memory::Memory;
use crate::payload::rows::{self, ALL_POINTS, Row, RowKey};
use aether_index::PointId;
use aidb::WriteBatch;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// What a commit adds to the payload indexes.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) points: Range<u64>,
    pub(crate) indexes: Arc<Vec<Arc<Index>>>,
    pub(crate) rows: Arc<Rows>,
}

/// Rows by index, term and chunk.
#[derive(Debug, Default)]
pub(crate) struct Rows(BTreeMap<(u16, Vec<u8>, u64), Row>);

impl Staged {
    /// `points` are going to be committed. The caller holds the writer lock until they are.
    pub(crate) fn new(points: Range<u64>, indexes: Arc<Vec<Arc<Index>>>) -> Staged {
        Staged {
            points,
            indexes,
            rows: Arc::default(),
        }
    }

    /// One of the points has this payload.
    pub(crate) fn add(&mut self, point: PointId, payload: Option<&Value>) {
        if self.indexes.is_empty() {
            return;
        }
        let payload = payload.unwrap_or(&Value::Null);
        let rows = Arc::get_mut(&mut self.rows).expect("nobody has it before it is entered");
        for index in self.indexes.iter() {
            rows.add(index.number, index.kind, &index.path, point, payload);
        }
    }

    /// Adds the rows to the batch of the commit.
    pub(crate) fn put(&self, core: &Core, batch: &mut WriteBatch) {
        let mut entries = Vec::new();
        let mut rest = self.points.clone();
        while !rest.is_empty() {
            let (chunk, first) = rows::split(rest.start);
            let end = rest.end.min((chunk + 1) << 16);
            let (_, last) = rows::split(end - 1);
            let key = RowKey {
                index: ALL_POINTS,
                term: &[],
                chunk,
            };
            put_row(core, key, &Row::of(first..=last), &mut entries, batch);
            rest.start = end;
        }
        self.rows.put(core, batch);
    }
}

/// Adds a row to a batch. `entries` is memory that is used again.
fn put_row(core: &Core, key: RowKey<'_>, row: &Row, entries: &mut Vec<u8>, batch: &mut WriteBatch) {
    entries.clear();
    row.encode(entries);
    batch.merge(&core.keyspaces.filter, key.encode(core.id), entries);
}

impl Rows {
    /// `point` has this payload.
    pub(crate) fn add(
        &mut self,
        index: u16,
        kind: PayloadIndexKind,
        path: &Path,
        point: PointId,
        payload: &Value,
    ) {
        kind::terms(kind, path, payload, |term, weight| {
            self.insert(index, term, point.0, weight);
        });
    }

    /// Adds the rows to a batch.
    pub(crate) fn put(&self, core: &Core, batch: &mut WriteBatch) {
        let mut entries = Vec::new();
        for ((index, term, chunk), row) in &self.0 {
            let key = RowKey {
                index: *index,
                term,
                chunk: *chunk,
            };
            put_row(core, key, row, &mut entries, batch);
        }
    }

    /// Adds what the index of this number has here to its memory.
    pub(crate) fn enter(&self, index: u16, memory: &mut Memory) {
        let from = (index, Vec::new(), 0);
        let own = self
            .0
            .range(from..)
            .take_while(|((number, ..), _)| *number == index);
        for ((_, term, chunk), row) in own {
            for (low, weight) in row.iter() {
                memory
                    .insert(term, chunk << 16 | u64::from(low), weight)
                    .expect("terms of a kind suit an index of that kind");
            }
        }
    }

    /// Calls `out` with each term, point and weight of all indexes.
    pub(crate) fn each(&self, mut out: impl FnMut(&[u8], u64, u32)) {
        for ((_, term, chunk), row) in &self.0 {
            for (low, weight) in row.iter() {
                out(term, chunk << 16 | u64::from(low), weight);
            }
        }
    }

    fn insert(&mut self, index: u16, term: &[u8], point: u64, weight: u32) {
        let (chunk, low) = rows::split(point);
        let row = self.0.entry((index, term.to_vec(), chunk)).or_default();
        row.add(low, weight);
    }
}
