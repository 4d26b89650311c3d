//! A collection as users hold it: writes, and reads of the newest state.

use crate::document::{Document, Hit, ScrollPage, ScrollRequest, SearchRequest, Upserted};
use crate::error::{Error, Result};
use crate::id::DocId;
use crate::index::core::{Core, IndexStatus};
use crate::index::lane;
use crate::inner::Inner;
use crate::plan::explain::Explanation;
use crate::schema::CollectionSchema;
use crate::snapshot::DbSnapshot;
use crate::vector::QueryVector;
use crate::view::CollectionView;
use crate::write::{self, Outcome, Patch, Prepared, Resolved, Write, Written};
use aidb::Durability;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How often somebody who waits for the index looks up, at least.
const WAIT_STEP: Duration = Duration::from_millis(100);

/// A handle of a collection: cheap to clone, and usable from any number of threads at once.
///
/// A write returns when it is visible to everybody and, unless [`DbOptions::durability`](crate::DbOptions::durability)
/// says otherwise, durable; it is all there or not at all. Each read takes its own snapshot; use [`at`](Collection::at) for
/// several reads of one state.
///
/// ```
/// use aethervec::{AetherDB, Document, IndexConfig};
/// use serde_json::json;
/// # let dir = tempfile::tempdir().unwrap();
/// let db = AetherDB::open(dir.path())?;
/// let notes = db.create_collection("notes", 3, "cosine", IndexConfig::default())?;
/// notes.upsert(Document::new(vec![1.0, 0.0, 0.0], "x").with_payload(json!({"axis": "x"})))?;
/// notes.upsert(Document::new(vec![0.0, 1.0, 0.0], "y"))?;
///
/// let hits = notes.search(&[0.9, 0.1, 0.0], 1)?;
/// assert_eq!(hits[0].id.to_string(), "x");
/// assert_eq!(hits[0].payload, Some(json!({"axis": "x"})));
/// # Ok::<(), aethervec::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Collection {
    pub(crate) core: Arc<Core>,
    pub(crate) db: Arc<Inner>,
}

impl Collection {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.core.name
    }

    /// What its documents may hold now.
    pub fn schema(&self) -> Arc<CollectionSchema> {
        Arc::clone(&self.core.fields.load().schema)
    }

    /// This handle: no lock is needed to read.
    ///
    /// # Errors
    /// Never.
    pub fn read(&self) -> Result<Collection, Infallible> {
        Ok(self.clone())
    }

    /// This handle: no lock is needed to write.
    ///
    /// # Errors
    /// Never.
    pub fn write(&self) -> Result<Collection, Infallible> {
        Ok(self.clone())
    }

    /// The collection as it was at `snapshot`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when the collection was dropped, or was not there yet at that moment (though one
    /// that was dropped since may have been called so), [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the snapshot is of another database.
    pub fn at(&self, snapshot: &DbSnapshot) -> Result<CollectionView> {
        self.db.open()?;
        if !snapshot.is_of(&self.db.pool) {
            return Err(Error::invalid(
                "snapshot: it was taken of another database (or of an earlier opening)",
            ));
        }
        let view = CollectionView::at(&self.core, snapshot)?;
        if view.is_of_this_collection()? {
            return Ok(view);
        }
        Err(Error::not_found(format!(
            "collection {:?} was not there yet at moment {}: it was created later, and what was dropped has no past",
            self.name(),
            snapshot.seq()
        )))
    }

    /// The collection as it is now, for several reads of one state.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when the collection was dropped.
    pub fn view(&self) -> Result<CollectionView> {
        self.db.open()?;
        if self.core.has_to_learn() {
            self.db.pool.committed([&self.core]);
        }
        CollectionView::newest(&self.core)
    }

    /// Writes a document, in place of the one with the same id if there is one.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the document does not suit the collection: nothing has changed
    /// then. After another error while waiting for durability the document is visible, and may be gone after a crash.
    pub fn upsert(&self, document: Document) -> Result<Upserted> {
        self.upsert_batch(vec![document])
    }

    /// Writes documents, all or none. Of several documents with the same id the last one wins.
    ///
    /// # Errors
    /// As [`upsert`](Collection::upsert); the message says which document it is about.
    pub fn upsert_batch(&self, documents: Vec<Document>) -> Result<Upserted> {
        let writes = documents.into_iter().map(Write::upsert);
        let resolved = self.write_all(writes)?;
        Ok(Upserted {
            inserted: resolved.changes.len() - resolved.were_there,
            replaced: resolved.were_there,
        })
    }

    /// Changes the document called `id`. False when there is none.
    ///
    /// ```
    /// # use aethervec::{AetherDB, Document, IndexConfig, Patch};
    /// # use serde_json::json;
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let db = AetherDB::open(dir.path())?;
    /// # let notes = db.create_collection("notes", 1, "l2", IndexConfig::Flat)?;
    /// notes.upsert(Document::new(vec![1.0], "a").with_payload(json!({"seen": 1})))?;
    /// assert!(notes.patch("a", Patch::new().set("seen", 2))?);
    /// assert_eq!(notes.get("a")?.unwrap().payload, Some(json!({"seen": 2})));
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`upsert`](Collection::upsert); also when the payload is no object afterwards, or too large.
    pub fn patch(&self, id: impl Into<DocId>, patch: Patch) -> Result<bool> {
        Ok(self.apply(Write::patch(id, patch))? == Outcome::Patched)
    }

    /// Makes a write if its condition holds, and says what came of it. See [`Write`].
    ///
    /// # Errors
    /// As [`upsert`](Collection::upsert).
    pub fn apply(&self, write: Write) -> Result<Outcome> {
        let outcome = self.apply_batch(vec![write])?.pop();
        Ok(outcome.expect("each write has an outcome"))
    }

    /// Makes writes, all of whose conditions hold, at one moment: for each, what came of it. One after the other: each sees what
    /// those before it have made of its document.
    ///
    /// # Errors
    /// As [`upsert`](Collection::upsert); the message says which write it is about, and none is made.
    pub fn apply_batch(&self, writes: Vec<Write>) -> Result<Vec<Outcome>> {
        Ok(self.write_all(writes.into_iter())?.outcomes)
    }

    /// Removes the document called `id`. False when there is none.
    ///
    /// # Errors
    /// As [`upsert`](Collection::upsert).
    pub fn delete(&self, id: impl Into<DocId>) -> Result<bool> {
        Ok(self.delete_batch(&[id.into()])? == [true])
    }

    /// Removes the documents called `ids`, all in one commit: for each, whether it was there.
    ///
    /// # Errors
    /// As [`upsert`](Collection::upsert).
    pub fn delete_batch(&self, ids: &[DocId]) -> Result<Vec<bool>> {
        let writes = ids.iter().map(|id| Write::delete(id.clone()));
        let outcomes = self.write_all(writes)?.outcomes.into_iter();
        Ok(outcomes
            .map(|outcome| outcome == Outcome::Deleted)
            .collect())
    }

    /// As [`CollectionView::get`], now.
    pub fn get(&self, id: impl Into<DocId>) -> Result<Option<Document>> {
        self.view()?.get(id)
    }

    /// As [`CollectionView::get_batch`], now.
    pub fn get_batch(&self, ids: &[DocId]) -> Result<Vec<Option<Document>>> {
        self.view()?.get_batch(ids)
    }

    /// As [`CollectionView::count`], now.
    pub fn count(&self) -> Result<u64> {
        self.db.open()?;
        self.core.alive()?;
        let documents = self.core.newest.lock().documents;
        if self.core.has_ended() {
            return self.view()?.count();
        }
        Ok(documents)
    }

    /// As [`CollectionView::scroll`], now: documents written between two pages may or may not appear.
    pub fn scroll(&self, request: ScrollRequest) -> Result<ScrollPage> {
        self.view()?.scroll(request)
    }

    /// As [`CollectionView::search`], now: everything written before is found.
    pub fn search<'a>(&self, vector: impl Into<QueryVector<'a>>, k: usize) -> Result<Vec<Hit>> {
        self.view()?.search(vector, k)
    }

    /// As [`CollectionView::search_with`], now.
    pub fn search_with(&self, request: SearchRequest<'_>) -> Result<Vec<Hit>> {
        self.view()?.search_with(request)
    }

    /// As [`CollectionView::explain`], now.
    pub fn explain(&self, request: SearchRequest<'_>) -> Result<Explanation> {
        self.view()?.explain(request)
    }

    /// As [`CollectionView::search_batch`], now: all requests see one state.
    pub fn search_batch(&self, requests: &[SearchRequest<'_>]) -> Result<Vec<Vec<Hit>>> {
        self.view()?.search_batch(requests)
    }

    /// Where the index stands.
    pub fn index_status(&self) -> IndexStatus {
        self.core.status()
    }

    /// Waits until everything written so far is in the index, calling `progress` now and then. There is no need to wait
    /// before searching: what is not in its index yet is found by an exact scan. Where searches have asked for a recall, it is
    /// known then what that takes, unless others go on writing.
    ///
    /// ```
    /// # use aethervec::{AetherDB, Document, IndexConfig};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let db = AetherDB::open(dir.path())?;
    /// # let notes = db.create_collection("notes", 1, "l2", IndexConfig::default())?;
    /// notes.upsert_batch((0..1500).map(|i| Document::new(vec![i as f32], i)).collect())?;
    /// let status = notes.wait_indexed(|status| eprintln!("{} to go", status.pending))?;
    /// assert_eq!((status.pending, status.indexed), (0, 1500));
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// That of the background work, if it fails.
    pub fn wait_indexed(&self, mut progress: impl FnMut(&IndexStatus)) -> Result<IndexStatus> {
        let core = &self.core;
        let goal = core.next.load(Ordering::Acquire);
        *core.progress.error.lock() = None;
        let _watch = core.progress.watch();
        self.db.pool.notify(core);
        loop {
            self.db.open()?;
            core.alive()?;
            // In this order: what has arrived is not pending any more.
            let has_arrived = core.applied() >= goal;
            let status = core.status();
            progress(&status);
            if status.pending == 0 || has_arrived {
                let is_last = core.next.load(Ordering::Acquire) == goal;
                if !is_last || !core.is_learning() {
                    // The step by which it has arrived has yet to take it from where it waited.
                    drop(core.lane.lock());
                    return Ok(core.status());
                }
                self.db.pool.notify(core);
            }
            if self.db.pool.is_manual() {
                self.db.pool.step(core);
            }
            let mut error = core.progress.error.lock();
            if let Some(error) = &*error {
                let text = format!(
                    "collection {:?}: the index cannot keep up: {error}",
                    core.name
                );
                return Err(Error::new(error.kind(), text));
            }
            if !self.db.pool.is_manual() {
                core.progress.stepped.wait_for(&mut error, WAIT_STEP);
            }
        }
    }

    /// Makes the present state of the index durable now, so that the next opening has nothing to redo. Happens by
    /// itself from time to time, and when the database is closed.
    ///
    /// # Errors
    /// When it cannot be written; what was there before holds then.
    pub fn checkpoint(&self) -> Result<()> {
        self.db.open()?;
        lane::save(&self.core)
    }

    /// Waits while so many vectors wait for an index that searches would take long, or memory is not meant for them. Not for an index
    /// that cannot go on.
    fn make_room(&self) -> Result<()> {
        while self.core.is_crowded() && !self.db.pool.is_manual() {
            self.db.open()?;
            self.core.alive()?;
            let mut error = self.core.progress.error.lock();
            if error.is_some() {
                break;
            }
            self.core.progress.stepped.wait_for(&mut error, WAIT_STEP);
        }
        Ok(())
    }

    fn write_all(&self, writes: impl ExactSizeIterator<Item = Write>) -> Result<Resolved> {
        self.db.open()?;
        self.make_room()?;
        self.write_prepared(Prepared::new(&self.core, writes)?)
    }

    pub(crate) fn write_prepared(&self, prepared: Prepared) -> Result<Resolved> {
        self.finish(write::write(&self.core, prepared)?)
    }

    fn finish(&self, written: Written) -> Result<Resolved> {
        if let Some(commit) = written.commit {
            self.db.pool.committed([&self.core]);
            if self.db.durability == Durability::Sync {
                commit.wait_durable()?;
            }
        }
        Ok(written.resolved)
    }
}
