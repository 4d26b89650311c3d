//! Writes to all documents that satisfy a filter.

use crate::collection::Collection;
use crate::error::Result;
use crate::filter::Filter;
use crate::id::DocId;
use crate::validate;
use crate::view::CollectionView;
use crate::write::{Patch, Prepared};

impl Collection {
    /// Changes all documents that satisfy `filter`, in one commit: how many there were.
    ///
    /// They are looked for in the state at the call, and changed if they still satisfy the filter when they are written.
    /// [`Transaction::patch_by`](crate::Transaction::patch_by) says more: with it, a change in between is a conflict.
    ///
    /// ```
    /// # use aethervec::{AetherDB, Document, Filter, IndexConfig, Patch};
    /// # use serde_json::json;
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let db = AetherDB::open(dir.path())?;
    /// # let notes = db.create_collection("notes", 1, "l2", IndexConfig::Flat)?;
    /// let note = |id: u64| Document::new(vec![0.5], id).with_payload(json!({"year": 2000 + id}));
    /// notes.upsert_batch((0..30).map(note).collect())?;
    /// assert_eq!(notes.patch_by(&Filter::range("year", 2020..), Patch::new().set("new", true))?, 10);
    /// assert_eq!(notes.delete_by(&Filter::eq("new", true))?, 10);
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`upsert`](Collection::upsert). [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the filter is, or when there are more
    /// than [`TRANSACTION_DOCUMENTS_MAX`](crate::limits::TRANSACTION_DOCUMENTS_MAX).
    pub fn patch_by(&self, filter: &Filter, patch: Patch) -> Result<u64> {
        let ids = self.view()?.ids_of(filter)?;
        let prepared = Prepared::patches(&self.core, ids, filter, patch)?;
        Ok(self.write_prepared(prepared)?.changes.len() as u64)
    }

    /// Removes all documents that satisfy `filter`, in one commit: how many there were. See
    /// [`patch_by`](Collection::patch_by).
    ///
    /// # Errors
    /// As [`patch_by`](Collection::patch_by).
    pub fn delete_by(&self, filter: &Filter) -> Result<u64> {
        let ids = self.view()?.ids_of(filter)?;
        let prepared = Prepared::deletes(&self.core, ids, filter);
        Ok(self.write_prepared(prepared)?.changes.len() as u64)
    }
}

impl CollectionView {
    /// The documents that satisfy `filter`.
    pub(crate) fn ids_of(&self, filter: &Filter) -> Result<Vec<DocId>> {
        filter.validate()?;
        let points = self.matching(filter)?;
        let count = usize::try_from(points.len()).unwrap_or(usize::MAX);
        validate::transaction_documents(count)?;
        let mut ids = Vec::with_capacity(count);
        self.each_document(&points, |document| {
            ids.push(document.id);
            Ok(())
        })?;
        Ok(ids)
    }
}
