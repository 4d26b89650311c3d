//! Transactions over several collections: reads of one moment with the own writes on top, and writes that are committed
//! together if nothing that they depend on was changed meanwhile.
//!
//! ```text
//! write    prepared and resolved on what the transaction sees; staged in an overlay for each collection (overlay.rs)
//! read     a view of the transaction's snapshot with the overlay on top (rows.rs): all that a view can be asked
//! commit   the writer locks of the collections, in the order of their numbers → the one way into the keyspaces
//!          (write/commit.rs) → without the locks: wait until it is durable
//! ```
//!
//! Conflicts are found by the storage engine, by keys of `docs`: those that are written and, when it is serializable, those
//! that are read; a search, a scroll or a count reads all of its collection. Nobody waits for anybody: of two that are in conflict,
//! the first to commit wins.

mod reads;
mod retry;

use crate::collection::Collection;
use crate::database::AetherDB;
use crate::document::Document;
use crate::error::{Error, ErrorKind, Result};
use crate::filter::Filter;
use crate::id::DocId;
use crate::index::core::Core;
use crate::inner::Inner;
use crate::keyspace::{self, CollectionId};
use crate::overlay::Overlay;
use crate::snapshot::DbSnapshot;
use crate::validate;
use crate::version::Change;
use crate::view::CollectionView;
use crate::write::{self, Outcome, Part, Patch, Prepared, Write};
use aidb::{Durability, Isolation, SeqNo, TransactionOptions};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// Reads and writes that are committed together, or not at all; see [`AetherDB::begin`]. Dropped, it is rolled back.
///
/// It reads the moment at which it was begun, and what it has written itself: gets, searches, scrolls and counts alike.
/// Nobody else sees anything of it before [`commit`](Transaction::commit).
///
/// ```
/// use aethervec::{AetherDB, Document, IndexConfig};
/// # let dir = tempfile::tempdir().unwrap();
/// let db = AetherDB::open(dir.path())?;
/// let notes = db.create_collection("notes", 2, "l2", IndexConfig::default())?;
/// let drafts = db.create_collection("drafts", 2, "l2", IndexConfig::default())?;
/// drafts.upsert(Document::new(vec![0.0, 1.0], "a"))?;
///
/// let mut txn = db.begin()?;
/// let draft = txn.get(&drafts, "a")?.expect("it was just written");
/// txn.upsert(&notes, draft)?;
/// txn.delete(&drafts, "a")?;
/// assert_eq!(txn.search(&notes, &[0.0, 1.0], 1)?[0].id.to_string(), "a");
/// assert_eq!((notes.count()?, drafts.count()?), (0, 1));
/// txn.commit()?;
/// assert_eq!((notes.count()?, drafts.count()?), (1, 0));
/// # Ok::<(), aethervec::Error>(())
/// ```
#[derive(Debug)]
pub struct Transaction {
    storage: aidb::Transaction,
    isolation: Isolation,
    /// What it sees of each collection that it has touched.
    views: BTreeMap<CollectionId, CollectionView>,
    snapshot: DbSnapshot,
    db: Arc<Inner>,
}

/// A place in a transaction to go back to; see [`Transaction::savepoint`].
#[derive(Clone, Debug)]
pub struct Savepoint(BTreeMap<CollectionId, Option<Arc<Overlay>>>);

impl AetherDB {
    /// Begins a transaction under [`Isolation::Snapshot`]: it commits if nobody else has written a document that it writes.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) when the database is closed.
    pub fn begin(&self) -> Result<Transaction> {
        self.begin_with(Isolation::Snapshot)
    }

    /// Begins a transaction.
    ///
    /// ```
    /// use aethervec::{AetherDB, Document, ErrorKind, IndexConfig, Isolation};
    /// # let dir = tempfile::tempdir().unwrap();
    /// let db = AetherDB::open(dir.path())?;
    /// let notes = db.create_collection("notes", 1, "l2", IndexConfig::default())?;
    ///
    /// // Each adds a note if there is none: one of them has to run again.
    /// let mut first = db.begin_with(Isolation::Serializable)?;
    /// let mut second = db.begin_with(Isolation::Serializable)?;
    /// for (txn, id) in [(&mut first, 1), (&mut second, 2)] {
    ///     assert_eq!(txn.count(&notes)?, 0);
    ///     txn.upsert(&notes, Document::new(vec![0.5], id))?;
    /// }
    /// first.commit()?;
    /// assert_eq!(second.commit().unwrap_err().kind(), ErrorKind::Conflict);
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`begin`](AetherDB::begin).
    pub fn begin_with(&self, isolation: Isolation) -> Result<Transaction> {
        self.inner.open()?;
        let db = Arc::clone(&self.inner);
        let storage = db.storage.begin(TransactionOptions::default())?;
        let now = keyspace::millis(db.storage.now());
        Ok(Transaction {
            isolation,
            views: BTreeMap::new(),
            snapshot: DbSnapshot::new(storage.snapshot().clone(), now, &db.pool),
            storage,
            db,
        })
    }
}

impl Transaction {
    /// The moment that it reads; its own writes come on top.
    pub fn snapshot(&self) -> &DbSnapshot {
        &self.snapshot
    }

    /// As [`Collection::upsert`]: [`Outcome::Inserted`] or [`Outcome::Replaced`].
    ///
    /// # Errors
    /// As [`apply_batch`](Transaction::apply_batch).
    pub fn upsert(&mut self, collection: &Collection, document: Document) -> Result<Outcome> {
        self.apply(collection, Write::upsert(document))
    }

    /// As [`Collection::patch`]. False when there is no such document.
    ///
    /// # Errors
    /// As [`apply_batch`](Transaction::apply_batch).
    pub fn patch(
        &mut self,
        collection: &Collection,
        id: impl Into<DocId>,
        patch: Patch,
    ) -> Result<bool> {
        let outcome = self.apply(collection, Write::patch(id, patch))?;
        Ok(outcome == Outcome::Patched)
    }

    /// As [`Collection::delete`]. False when there is no such document.
    ///
    /// # Errors
    /// As [`apply_batch`](Transaction::apply_batch).
    pub fn delete(&mut self, collection: &Collection, id: impl Into<DocId>) -> Result<bool> {
        let outcome = self.apply(collection, Write::delete(id))?;
        Ok(outcome == Outcome::Deleted)
    }

    /// As [`Collection::apply`].
    ///
    /// # Errors
    /// As [`apply_batch`](Transaction::apply_batch).
    pub fn apply(&mut self, collection: &Collection, write: Write) -> Result<Outcome> {
        let outcome = self.apply_batch(collection, vec![write])?.pop();
        Ok(outcome.expect("each write has an outcome"))
    }

    /// As [`Collection::apply_batch`], on what the transaction sees: conditions and outcomes are about that.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when a write does not suit the collection, or when the transaction
    /// would have more than [`TRANSACTION_DOCUMENTS_MAX`](crate::limits::TRANSACTION_DOCUMENTS_MAX) documents or
    /// [`TRANSACTION_BYTES_MAX`](crate::limits::TRANSACTION_BYTES_MAX) bytes; it is as it was before then.
    pub fn apply_batch(
        &mut self,
        collection: &Collection,
        writes: Vec<Write>,
    ) -> Result<Vec<Outcome>> {
        let prepared = Prepared::new(&collection.core, writes.into_iter())?;
        self.write(collection, prepared)
    }

    /// As [`Collection::patch_by`].
    ///
    /// # Errors
    /// As [`apply_batch`](Transaction::apply_batch).
    pub fn patch_by(
        &mut self,
        collection: &Collection,
        filter: &Filter,
        patch: Patch,
    ) -> Result<u64> {
        let ids = self.view(collection)?.ids_of(filter)?;
        let prepared = Prepared::patches(&collection.core, ids, filter, patch)?;
        Ok(applied(&self.write(collection, prepared)?))
    }

    /// As [`Collection::delete_by`].
    ///
    /// # Errors
    /// As [`apply_batch`](Transaction::apply_batch).
    pub fn delete_by(&mut self, collection: &Collection, filter: &Filter) -> Result<u64> {
        let ids = self.view(collection)?.ids_of(filter)?;
        let prepared = Prepared::deletes(&collection.core, ids, filter);
        Ok(applied(&self.write(collection, prepared)?))
    }

    /// This place in the transaction.
    ///
    /// ```
    /// # use aethervec::{AetherDB, Document, IndexConfig};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let db = AetherDB::open(dir.path())?;
    /// # let notes = db.create_collection("notes", 1, "l2", IndexConfig::default())?;
    /// let mut txn = db.begin()?;
    /// txn.upsert(&notes, Document::new(vec![1.0], "a"))?;
    /// let savepoint = txn.savepoint();
    /// txn.delete(&notes, "a")?;
    /// txn.rollback_to(&savepoint);
    /// assert_eq!(txn.count(&notes)?, 1);
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    pub fn savepoint(&self) -> Savepoint {
        let views = self.views.iter();
        Savepoint(
            views
                .map(|(id, view)| (*id, view.overlay.clone()))
                .collect(),
        )
    }

    /// Takes back all writes since `savepoint`, which must be of this transaction. What was read stays read.
    pub fn rollback_to(&mut self, savepoint: &Savepoint) {
        for (id, view) in &mut self.views {
            view.overlay = savepoint.0.get(id).cloned().flatten();
        }
    }

    /// Commits, and waits as [`DbOptions::durability`](crate::DbOptions::durability) says. The result is its place in the order
    /// of all writes; that of the moment that was read when nothing was written.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) when somebody else wrote what it depends on: nothing has changed
    /// then, and it may be run again from the beginning ([`AetherDB::transact`] does so).
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when a collection that it wrote to was dropped. After another error
    /// while waiting for durability it is visible, and may be gone after a crash.
    pub fn commit(self) -> Result<SeqNo> {
        let Transaction {
            storage,
            views,
            snapshot,
            db,
            ..
        } = self;
        db.open()?;
        let changed: Vec<(Arc<Core>, Vec<Change>)> = views
            .into_values()
            .filter_map(|view| Some((view.core, view.overlay?)))
            .map(|(core, overlay)| (core, Arc::unwrap_or_clone(overlay).into_changes()))
            .filter(|(_, changes)| !changes.is_empty())
            .collect();
        let commit = if changed.is_empty() {
            storage.submit_with(aidb::WriteBatch::new())?
        } else {
            submit(storage, &changed)?
        };
        drop(snapshot);
        db.pool.committed(changed.iter().map(|(core, _)| core));
        if db.durability == Durability::Sync {
            commit.wait_durable()?;
        }
        Ok(commit.seq())
    }

    /// Forgets all writes. Dropping does the same.
    pub fn rollback(self) {}

    fn write(&mut self, collection: &Collection, prepared: Prepared) -> Result<Vec<Outcome>> {
        if self.isolation == Isolation::Serializable {
            self.depend_on(collection, prepared.keys());
        }
        let view = self.view_of(collection)?;
        prepared.check_fields(&collection.core.fields.load_full())?;
        let resolved = write::resolve(view, prepared)?;
        self.check_size(&resolved.changes)?;
        let keys = resolved.changes.iter().map(|change| &change.key[..]);
        self.depend_on(collection, keys);
        let view = self.view_of(collection)?;
        let overlay = Arc::make_mut(view.overlay.get_or_insert_default());
        for change in resolved.changes {
            overlay.stage(change);
        }
        Ok(resolved.outcomes)
    }

    /// Fails if this would be too much with `changes`.
    fn check_size(&self, changes: &[Change]) -> Result<()> {
        let staged = || self.views.values().filter_map(|view| view.overlay.as_ref());
        let documents: usize = staged().map(|overlay| overlay.len()).sum();
        validate::transaction_documents(documents + changes.len())?;
        let bytes: usize = staged().map(|overlay| overlay.bytes()).sum();
        let new = changes.iter().filter_map(|change| change.new.as_ref());
        validate::transaction_bytes(bytes + new.map(|version| version.bytes()).sum::<usize>())
    }

    /// Somebody else's write of one of these documents is a conflict.
    fn depend_on<'k>(&mut self, collection: &Collection, keys: impl Iterator<Item = &'k [u8]>) {
        for key in keys {
            self.storage.guard(&collection.core.keyspaces.docs, key);
        }
    }

    /// What it sees of `collection`, without taking note of it.
    fn view_of(&mut self, collection: &Collection) -> Result<&mut CollectionView> {
        self.db.open()?;
        let core = &collection.core;
        if !Arc::ptr_eq(&collection.db, &self.db) {
            return Err(Error::invalid(format!(
                "collection {:?} is of another database (or of an earlier opening)",
                core.name
            )));
        }
        core.alive()?;
        Ok(match self.views.entry(core.id) {
            Entry::Occupied(view) => view.into_mut(),
            Entry::Vacant(none) => none.insert(CollectionView::at(core, &self.snapshot)?),
        })
    }
}

/// Brings `changed`, which is ordered by collection, to the storage engine.
fn submit(
    storage: aidb::Transaction,
    changed: &[(Arc<Core>, Vec<Change>)],
) -> Result<aidb::Commit> {
    let parts: Vec<Part<'_>> = changed
        .iter()
        .map(|(core, changes)| Part { core, changes })
        .collect();
    let _writers: Vec<_> = parts.iter().map(|part| part.core.writer.lock()).collect();
    parts.iter().try_for_each(check_fields)?;
    write::commit(&parts, |batch| storage.submit_with(batch))
}

/// Fails when a field was dropped for which there is a vector.
fn check_fields(part: &Part<'_>) -> Result<()> {
    let fields = part.core.fields.load();
    let versions = part.changes.iter().filter_map(|change| change.new.as_ref());
    let mut used = versions.flat_map(|version| &version.vectors);
    if used.all(|(number, _)| fields.by_number(*number).is_some()) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Conflict,
        format!(
            "collection {:?}: a vector field of a document that the transaction writes was dropped: begin the transaction again",
            part.core.name
        ),
    ))
}

fn applied(outcomes: &[Outcome]) -> u64 {
    outcomes
        .iter()
        .filter(|outcome| outcome.is_applied())
        .count() as u64
}
