//! Whether payload indexes say what the documents say: for [`AetherDB::check`](crate::AetherDB::check).
//!
//! What an index has is summed up to one number whatever the order, so that it takes no memory: over what the documents should
//! have led to, what the keyspace has, and what is in memory.

use crate::error::Result;
use crate::index::core::Core;
use crate::keyspace::{self, DocRow};
use crate::payload::index::{Index, Phase, Span};
use crate::payload::rows::{self, Row, RowKey};
use crate::payload::stage::Rows;
use aidb::Snapshot;
use roaring::RoaringTreemap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What is said of some points: how many things, and their sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    terms: u64,
    sum: u64,
}

impl Sum {
    fn add(&mut self, term: &[u8], point: u64, weight: u32) {
        let mut hasher = DefaultHasher::new();
        (term, point, weight).hash(&mut hasher);
        self.terms += 1;
        self.sum = self.sum.wrapping_add(hasher.finish());
    }
}

/// What is wrong with the payload indexes; `alive` are the points of documents in the snapshot. The caller holds the lane.
pub(crate) fn problems(
    core: &Core,
    snapshot: &Snapshot,
    alive: &RoaringTreemap,
) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for index in core.payload.indexes().iter() {
        let name = format!(
            "payload index {:?} ({})",
            index.path.to_string(),
            index.kind
        );
        if !index.is_usable_at(snapshot.seq()) {
            continue;
        }
        let mut points = alive.clone();
        if let Some(Span { next, end }) = index.to_build() {
            points.remove_range(next..end);
        }
        let expected = of_documents(core, index, snapshot, &points)?;
        let stored = of_keyspace(core, index, snapshot, &points)?;
        if stored != expected {
            problems.push(format!(
                "{name}: the keyspace filter says {} things of living documents where {} are to be said: drop the index and create it again",
                stored.terms, expected.terms
            ));
        }
        if let Phase::Loaded(memory) = &*index.phase.read() {
            let mut loaded = Sum::default();
            memory.each(|term, point, weight| {
                if points.contains(point) {
                    loaded.add(term, point, weight);
                }
            });
            if loaded != expected {
                problems.push(format!(
                    "{name}: in memory it says {} things of living documents where {} are to be said",
                    loaded.terms, expected.terms
                ));
            }
        }
    }
    Ok(problems)
}

fn of_documents(
    core: &Core,
    index: &Index,
    snapshot: &Snapshot,
    points: &RoaringTreemap,
) -> Result<Sum> {
    let mut sum = Sum::default();
    let prefix = keyspace::collection_prefix(core.id);
    let mut documents = snapshot.prefix(&core.keyspaces.docs, prefix);
    while let Some((key, value)) = documents.try_next()? {
        // What cannot be decoded is told of elsewhere.
        let Ok(row) = DocRow::parse(&key, &value) else {
            continue;
        };
        if let (true, Ok(payload)) = (points.contains(row.point.0), rows::payload(row.payload)) {
            let mut rows = Rows::default();
            rows.add(index.number, index.kind, &index.path, row.point, &payload);
            rows.each(|term, point, weight| sum.add(term, point, weight));
        }
    }
    Ok(sum)
}

fn of_keyspace(
    core: &Core,
    index: &Index,
    snapshot: &Snapshot,
    points: &RoaringTreemap,
) -> Result<Sum> {
    let mut sum = Sum::default();
    let prefix = rows::index_prefix(core.id, index.number);
    let mut rows = snapshot.prefix(&core.keyspaces.filter, prefix);
    while let Some((key, value)) = rows.try_next()? {
        let RowKey { term, chunk, .. } = RowKey::decode(&key)?;
        for (low, weight) in Row::decode(&key, &value)?.iter() {
            let point = chunk << 16 | u64::from(low);
            if points.contains(point) {
                sum.add(term, point, weight);
            }
        }
    }
    Ok(sum)
}
