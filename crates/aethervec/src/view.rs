//! A collection as one snapshot sees it: all reads.

use crate::catalog::CollectionRecord;
use crate::document::{Document, ScrollPage, ScrollRequest};
use crate::error::Result;
use crate::id::DocId;
use crate::index::core::{Core, Newest};
use crate::index::open;
use crate::keyspace::{self, CatalogKey, DocRow, PendingEntry};
use crate::limits;
use crate::overlay::{self, Overlay};
use crate::plan::explain::Trace;
use crate::snapshot::DbSnapshot;
use crate::timestamp::Timestamp;
use crate::validate;
use aether_index::{Candidate, PointId};
use aidb::{SeqNo, Snapshot};
use bytes::Bytes;
use std::sync::{Arc, OnceLock};

/// A collection as it was at the moment of a snapshot, whatever is written meanwhile. Cheap to clone.
///
/// ```
/// # use aethervec::{AetherDB, Document, IndexConfig};
/// # let dir = tempfile::tempdir().unwrap();
/// # let db = AetherDB::open(dir.path())?;
/// let notes = db.create_collection("notes", 2, "l2", IndexConfig::default())?;
/// notes.upsert(Document::new(vec![0.0, 1.0], "a"))?;
/// let before = notes.at(&db.snapshot())?;
/// notes.delete("a")?;
/// assert_eq!(before.search(&[0.0, 1.0], 1)?[0].id.to_string(), "a");
/// assert_eq!((before.count()?, notes.count()?), (1, 0));
/// # Ok::<(), aethervec::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CollectionView {
    pub(crate) core: Arc<Core>,
    pub(crate) snapshot: Snapshot,
    /// No point from this number on is visible. Looked for by the first search.
    points_end: OnceLock<u64>,
    /// The reader's time, in milliseconds since 1970: what ends by then is not there.
    pub(crate) now: u64,
    /// Whether this is the newest state, of which memory knows all, and nothing of it had ended.
    settled: bool,
    /// What the reader's own transaction has staged.
    pub(crate) overlay: Option<Arc<Overlay>>,
    /// Keeps a user's snapshot in being, so that its end is noticed.
    _held: Option<DbSnapshot>,
}

impl CollectionView {
    /// The newest state. Points that are committed later are told apart by looking them up.
    pub(crate) fn newest(core: &Arc<Core>) -> Result<CollectionView> {
        core.alive()?;
        let now = keyspace::millis(core.db.now());
        // Asked before the snapshot is taken: what ends later may be gone when somebody asks again.
        let settled = !core.expiries.may_have_ended(now);
        Ok(CollectionView {
            core: Arc::clone(core),
            snapshot: core.db.snapshot(),
            points_end: OnceLock::from(u64::MAX),
            now,
            settled,
            overlay: None,
            _held: None,
        })
    }

    /// The state at a user's snapshot.
    pub(crate) fn at(core: &Arc<Core>, held: &DbSnapshot) -> Result<CollectionView> {
        core.alive()?;
        let snapshot = held.storage().clone();
        let points_end = match snapshot.seq() < core.keyspaces.opened_at {
            true => OnceLock::from(stored_points_end(core, &snapshot)?),
            false => OnceLock::new(),
        };
        Ok(CollectionView {
            core: Arc::clone(core),
            snapshot,
            points_end,
            now: held.now(),
            settled: false,
            overlay: None,
            _held: Some(held.clone()),
        })
    }

    /// Whether the collection was there at this moment, and not another one of its name.
    pub(crate) fn is_of_this_collection(&self) -> Result<bool> {
        let name = &self.core.name;
        let key = CatalogKey::Collection(name.clone()).encode();
        let row = self.snapshot.get(&self.core.keyspaces.catalog, key)?;
        let record = row.map(|row| CollectionRecord::decode(name, &row));
        Ok(record
            .transpose()?
            .is_some_and(|record| record.id == self.core.id))
    }

    /// The document called `id`, if there is one.
    pub fn get(&self, id: impl Into<DocId>) -> Result<Option<Document>> {
        Ok(self.get_batch(&[id.into()])?.pop().flatten())
    }

    /// The documents called `ids`, in this order.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for an unacceptable id, or too many of them.
    pub fn get_batch(&self, ids: &[DocId]) -> Result<Vec<Option<Document>>> {
        validate::batch_len(ids.len())?;
        ids.iter().try_for_each(validate::id)?;
        Trace::of_thread().step(
            "rows",
            || self.documents(ids),
            |found| (found.iter().flatten().count() as u64, "by id".into()),
        )
    }

    fn documents(&self, ids: &[DocId]) -> Result<Vec<Option<Document>>> {
        let keys: Vec<Vec<u8>> = ids.iter().map(|id| self.doc_key(id)).collect();
        let rows = self.doc_rows(&keys)?;
        let found = ids.iter().zip(keys.iter().zip(rows));
        found
            .map(|(id, (key, row))| {
                row.map(|row| self.document(id.clone(), key, &row))
                    .transpose()
            })
            .collect()
    }

    /// How many documents there are. Counting at an older snapshot, or in a transaction that has written to the
    /// collection, reads all ids.
    pub fn count(&self) -> Result<u64> {
        let newest = *self.core.newest.lock();
        if let Some(documents) = self.documents_at(newest)? {
            return Ok(documents);
        }
        let mut rows = self.all_docs(None);
        let mut count = 0;
        while rows.try_next()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    /// A page of documents, ordered by id.
    ///
    /// ```
    /// # use aethervec::{AetherDB, Document, IndexConfig, ScrollRequest};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let db = AetherDB::open(dir.path())?;
    /// # let notes = db.create_collection("notes", 1, "l2", IndexConfig::Flat)?;
    /// notes.upsert_batch((0..5).map(|i| Document::new(vec![i as f32], i)).collect())?;
    /// let first = notes.scroll(ScrollRequest { after: None, limit: 3 })?;
    /// let second = notes.scroll(ScrollRequest { after: first.next, limit: 3 })?;
    /// assert_eq!((first.documents.len(), second.documents.len(), second.next), (3, 2, None));
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when `limit` is outside of its limits.
    pub fn scroll(&self, request: ScrollRequest) -> Result<ScrollPage> {
        validate::range("limit", request.limit, 1..=limits::SCROLL_LIMIT_MAX)?;
        Trace::of_thread().step(
            "rows",
            || self.page(request),
            |page| (page.documents.len() as u64, "in the order of ids".into()),
        )
    }

    fn page(&self, request: ScrollRequest) -> Result<ScrollPage> {
        let mut rows = self.all_docs(request.after.map(|id| self.doc_key(&id)));
        let mut documents = Vec::new();
        let mut more = false;
        while let Some((key, row)) = rows.try_next()? {
            if documents.len() == request.limit {
                more = true;
                break;
            }
            documents.push(self.document(keyspace::decode_doc_key(&key)?, &key, &row)?);
        }
        let next = documents
            .last()
            .filter(|_| more)
            .map(|document: &Document| document.id.clone());
        Ok(ScrollPage { documents, next })
    }

    /// How many documents there are, if that is known without counting.
    pub(crate) fn documents_if_known(&self) -> Result<Option<u64>> {
        // Nobody waits for a writer here.
        let newest = self.core.newest.try_lock().map(|newest| *newest);
        newest.map_or(Ok(None), |newest| self.documents_at(newest))
    }

    /// How many documents there are, if this is the newest state.
    fn documents_at(&self, newest: Newest) -> Result<Option<u64>> {
        if newest.seq > self.snapshot.seq() || self.overlay.is_some() {
            return Ok(None);
        }
        let mut documents = newest.documents;
        if self.core.expiries.may_have_ended(self.now) {
            documents = documents.saturating_sub(self.ended_points()?.len() as u64);
        }
        Ok(Some(documents))
    }

    /// Whether this is the newest state, and nothing of it has ended.
    pub(crate) fn is_settled(&self) -> bool {
        self.settled && !self.core.expiries.may_have_ended(self.now)
    }

    /// The last commit to the collection, if this is the newest state, of which nothing has ended and nothing is staged: what it
    /// is in another view of the same version is the same.
    pub(crate) fn version(&self) -> Option<SeqNo> {
        if !self.is_settled() || self.overlay.is_some() {
            return None;
        }
        let core = &*self.core;
        // Every commit that the snapshot sees is told of completely once nobody is in the middle of one.
        drop(core.newest.lock());
        Some(core.payload.visible.version(self.snapshot.seq()))
    }

    /// The first `k` of `candidates` that are visible; `None` when only the rows can tell.
    pub(crate) fn sees_first(&self, k: usize, candidates: &[Candidate]) -> Option<Vec<Candidate>> {
        let core = &*self.core;
        if !self.is_settled() {
            return None;
        }
        // Nobody waits for a writer here. If none is in the middle of a commit, all that the snapshot sees were told of.
        drop(core.newest.try_lock()?);
        let visible = &core.payload.visible;
        Some(visible.first(k, candidates, self.snapshot.seq(), &core.deaths))
    }

    /// The first number that no visible point has; the greatest there is when this is the newest state.
    pub(crate) fn points_end(&self) -> u64 {
        *self.points_end.get_or_init(|| {
            // Every commit that the snapshot sees is told of completely once nobody is in the middle of one.
            drop(self.core.newest.lock());
            self.core.payload.visible.end(self.snapshot.seq())
        })
    }

    pub(crate) fn doc_key(&self, id: &DocId) -> Vec<u8> {
        let mut key = Vec::new();
        keyspace::doc_key(self.core.id, id, &mut key);
        key
    }

    pub(crate) fn document(&self, id: DocId, key: &[u8], row: &Bytes) -> Result<Document> {
        let row = DocRow::parse(key, row)?;
        let point_key = keyspace::point_key(self.core.id, row.point);
        let point_row = self.point_row(row.point)?;
        let point_row = point_row.ok_or_else(|| keyspace::missing_point(key, row.point))?;
        Ok(Document {
            id,
            vectors: self.core.fields.load().read(&point_key, &point_row)?,
            payload: row.payload(key)?,
            expires_at: Timestamp::from_row(row.expires),
        })
    }
}

/// The first number that no point visible in `snapshot` has, which is older than the opening of the database.
fn stored_points_end(core: &Core, snapshot: &Snapshot) -> Result<u64> {
    let state = open::read_state(core.id, &core.keyspaces, snapshot)?.unwrap_or_default();
    let last = snapshot
        .prefix(
            &core.keyspaces.pending,
            keyspace::collection_prefix(core.id),
        )
        .try_next_back()?
        .map(|(key, value)| PendingEntry::decode(&key, &value))
        .transpose()?;
    Ok(last.map_or(0, |entry| entry.end()).max(state.next))
}

impl Core {
    /// Whether `point` may be visible to `view`: an index need not return the others.
    pub(crate) fn may_see(&self, view: &CollectionView, point: PointId) -> bool {
        overlay::is_staged(point)
            || point.0 < view.points_end()
                && (self.deaths.len() == 0 || !self.deaths.dead_at(point, view.snapshot.seq()))
    }
}
