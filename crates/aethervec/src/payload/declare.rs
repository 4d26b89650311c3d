//! Declaring payload indexes: the records of the catalog, and the calls that make and remove them.

use crate::catalog;
use crate::collection::Collection;
use crate::error::{Error, ErrorKind, Result};
use crate::filter::Path;
use crate::index::core::Core;
use crate::keyspace::{CatalogKey, CollectionId, Keyspaces};
use crate::limits;
use crate::payload::index::{Index, Phase, Span};
use crate::payload::kind::PayloadIndexKind;
use crate::payload::memory::Memory;
use crate::payload::rows;
use aidb::{Snapshot, WriteBatch};
use serde::{Deserialize, Serialize};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How often somebody who waits for an index looks up, at least.
const WAIT_STEP: Duration = Duration::from_millis(100);

/// A payload index of a collection, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PayloadIndexInfo {
    /// What it indexes.
    pub path: Path,
    /// What it keeps.
    pub kind: PayloadIndexKind,
    /// Whether filters use it.
    pub state: PayloadIndexState,
    /// How many different values (or words) it has and the bytes that they take, once it is in memory: its first use after
    /// opening reads it.
    pub loaded: Option<LoadedPayloadIndex>,
}

/// Whether filters use a payload index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadIndexState {
    /// Not yet: documents that were there before it are being added.
    Building {
        /// Numbers of points that are still to be looked at.
        left: u64,
    },
    /// They do.
    Ready,
}

/// What a payload index takes in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadedPayloadIndex {
    /// Different values, or words.
    pub values: usize,
    /// Bytes, about.
    pub bytes: usize,
}

impl Collection {
    /// Declares an index of what `path` reaches in payloads. It is built in the background, and used once it is complete;
    /// writes go on meanwhile, and a restart in the middle goes on where it was.
    ///
    /// Declaring what is declared already changes nothing. A path can have indexes of several kinds.
    ///
    /// ```
    /// # use aethervec::{AetherDB, Document, Filter, IndexConfig, PayloadIndexKind};
    /// # use serde_json::json;
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let db = AetherDB::open(dir.path())?;
    /// # let notes = db.create_collection("notes", 1, "l2", IndexConfig::default())?;
    /// notes.upsert(Document::new([0.5], "a").with_payload(json!({"lang": "en"})))?;
    /// notes.create_payload_index("lang", PayloadIndexKind::Keyword)?;
    /// notes.wait_payload_indexes()?;
    /// assert_eq!(notes.payload_indexes().len(), 1);
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when `path` is none, or when there are too many indexes already.
    pub fn create_payload_index(
        &self,
        path: impl Into<Path>,
        kind: PayloadIndexKind,
    ) -> Result<()> {
        self.db.open()?;
        let path = path.into();
        path.validate()?;
        create(&self.core, path, kind)?;
        self.db.pool.notify(&self.core);
        Ok(())
    }

    /// Removes an index. False when there is none of this kind for `path`.
    ///
    /// # Errors
    /// Those of the storage engine. The index is still there then, unless it was its durability that failed: then it is gone,
    /// and may be back after a crash.
    pub fn drop_payload_index(
        &self,
        path: impl Into<Path>,
        kind: PayloadIndexKind,
    ) -> Result<bool> {
        self.db.open()?;
        drop_index(&self.core, &path.into(), kind)
    }

    /// The payload indexes, in the order of their declaration.
    pub fn payload_indexes(&self) -> Vec<PayloadIndexInfo> {
        let indexes = self.core.payload.indexes();
        indexes.iter().map(|index| index.info()).collect()
    }

    /// Waits until all payload indexes are complete. There is no need to wait before filtering: what is not indexed yet is
    /// looked at.
    ///
    /// # Errors
    /// That of the background work, if it fails.
    pub fn wait_payload_indexes(&self) -> Result<()> {
        let core = &self.core;
        *core.progress.error.lock() = None;
        self.db.pool.notify(core);
        loop {
            self.db.open()?;
            core.alive()?;
            if core.payload.to_build().is_none() {
                return Ok(());
            }
            if self.db.pool.is_manual() {
                self.db.pool.step(core);
            }
            let mut error = core.progress.error.lock();
            if let Some(error) = &*error {
                return Err(Error::new(
                    error.kind(),
                    format!(
                        "collection {:?}: its payload indexes cannot be built: {error}",
                        core.name
                    ),
                ));
            }
            if !self.db.pool.is_manual() {
                core.progress.stepped.wait_for(&mut error, WAIT_STEP);
            }
        }
    }
}

fn create(core: &Core, path: Path, kind: PayloadIndexKind) -> Result<()> {
    // No commit may come between the declaration and the first that knows of it.
    let writer = core.writer.lock();
    core.alive()?;
    let indexes = core.payload.indexes();
    if indexes
        .iter()
        .any(|index| index.kind == kind && index.path == path)
    {
        return Ok(());
    }
    if indexes.len() >= limits::PAYLOAD_INDEXES_MAX {
        return Err(Error::invalid(format!(
            "collection {:?}: it has {} payload indexes, which is the limit: drop one first",
            core.name,
            indexes.len()
        )));
    }
    let number = (1..)
        .find(|number| indexes.iter().all(|index| index.number != *number))
        .expect("there are fewer indexes than numbers");
    let end = core.next.load(Ordering::Acquire);
    let span = (core.payload.visible.len() > 0).then_some(Span { next: 0, end });
    let mut batch = WriteBatch::new();
    put_record(core, number, &path, kind, span, &mut batch);
    let commit = core.db.submit(batch)?;
    let phase = match span {
        Some(span) => Phase::Building(span),
        None => Phase::Loaded(Memory::new(kind)),
    };
    let index = Index::new(number, path, kind, phase, commit.seq());
    core.payload.add_index(Arc::new(index));
    drop(writer);
    Ok(commit.wait_durable()?)
}

fn drop_index(core: &Core, path: &Path, kind: PayloadIndexKind) -> Result<bool> {
    // Neither the builder nor a commit may write to it afterwards.
    let lane = core.lane.lock();
    let indexes = core.payload.indexes();
    let Some(index) = indexes
        .iter()
        .find(|index| index.kind == kind && index.path == *path)
    else {
        return Ok(false);
    };
    let loading = index.loading.lock();
    let writer = core.writer.lock();
    core.alive()?;
    if matches!(&*index.phase.read(), Phase::Dropped) {
        return Ok(false);
    }
    let mut batch = WriteBatch::new();
    batch.delete(
        &core.keyspaces.catalog,
        CatalogKey::PayloadIndex(core.id, index.number).encode(),
    );
    let first = rows::index_prefix(core.id, index.number);
    let behind = rows::index_prefix(core.id, index.number + 1);
    batch.delete_range(
        &core.keyspaces.filter,
        (Bound::Included(first), Bound::Excluded(behind)),
    );
    let commit = core.db.submit(batch)?;
    *index.phase.write() = Phase::Dropped;
    core.payload.remove_index(index.number);
    drop((writer, loading, lane));
    commit.wait_durable()?;
    Ok(true)
}

impl Index {
    pub(crate) fn info(&self) -> PayloadIndexInfo {
        let phase = self.phase.read();
        let state = match &*phase {
            Phase::Building(span) => PayloadIndexState::Building {
                left: span.end - span.next,
            },
            _ => PayloadIndexState::Ready,
        };
        let loaded = match &*phase {
            Phase::Loaded(memory) => Some(LoadedPayloadIndex {
                values: memory.len(),
                bytes: memory.memory_bytes(),
            }),
            _ => None,
        };
        PayloadIndexInfo {
            path: self.path.clone(),
            kind: self.kind,
            state,
            loaded,
        }
    }
}

/// A payload index, as the catalog has it.
#[derive(Serialize, Deserialize)]
struct Record {
    format: u32,
    path: String,
    kind: String,
    /// The points that are still to be added, if there are any: from which number to which.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    building: Option<(u64, u64)>,
}

/// Writes the record of an index, with the points that are still to be added.
pub(crate) fn put_record(
    core: &Core,
    number: u16,
    path: &Path,
    kind: PayloadIndexKind,
    to_build: Option<Span>,
    batch: &mut WriteBatch,
) {
    let record = Record {
        format: catalog::FORMAT,
        path: path.to_string(),
        kind: kind.name().to_owned(),
        building: to_build.map(|span| (span.next, span.end)),
    };
    batch.put(
        &core.keyspaces.catalog,
        CatalogKey::PayloadIndex(core.id, number).encode(),
        catalog::json(&record),
    );
}

/// The payload indexes that the catalog has of a collection, in the order of their numbers.
pub(crate) fn read_records(
    id: CollectionId,
    keyspaces: &Keyspaces,
    at: &Snapshot,
) -> Result<Vec<Arc<Index>>> {
    let mut rows = at.prefix(&keyspaces.catalog, CatalogKey::payload_indexes_prefix(id));
    let mut indexes = Vec::new();
    while let Some((key, value)) = rows.try_next()? {
        let CatalogKey::PayloadIndex(_, number) = CatalogKey::decode(&key)? else {
            continue;
        };
        let index = read_record(number, &value, keyspaces)
            .map_err(|error| error.within(&format!("catalog, payload index {number}")))?;
        indexes.push(Arc::new(index));
    }
    Ok(indexes)
}

fn read_record(number: u16, value: &[u8], keyspaces: &Keyspaces) -> Result<Index> {
    let record: Record = catalog::parse(value)?;
    let corrupt = |error: Error| Error::new(ErrorKind::Corruption, error.to_string());
    let path = Path::parse(&record.path).map_err(corrupt)?;
    let kind = record.kind.parse().map_err(corrupt)?;
    let phase = match record.building {
        None => Phase::Stored,
        Some((next, end)) if next <= end => Phase::Building(Span { next, end }),
        Some((next, end)) => {
            return Err(Error::corruption(format!(
                "it is being built from point {next} to point {end}"
            )));
        }
    };
    Ok(Index::new(number, path, kind, phase, keyspaces.opened_at))
}
