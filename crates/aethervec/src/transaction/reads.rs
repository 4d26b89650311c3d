//! What a transaction reads: a view of its moment with its own writes on top.

use crate::collection::Collection;
use crate::document::{Document, Hit, ScrollPage, ScrollRequest, SearchRequest};
use crate::error::Result;
use crate::id::DocId;
use crate::keyspace;
use crate::query::{QueryRequest, QueryResponse};
use crate::transaction::Transaction;
use crate::vector::QueryVector;
use crate::view::CollectionView;
use aidb::Isolation;

impl Transaction {
    /// The collection as the transaction sees it now: for everything that a view can be asked. A serializable transaction depends
    /// on the whole collection then.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when the collection was dropped,
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when it is of another database.
    pub fn view(&mut self, collection: &Collection) -> Result<CollectionView> {
        let view = self.view_of(collection)?.clone();
        if self.isolation == Isolation::Serializable {
            let docs = &collection.core.keyspaces.docs;
            let range = keyspace::collection_range(collection.core.id);
            self.storage.guard_range(docs, range);
        }
        Ok(view)
    }

    /// As [`CollectionView::get`]. A serializable transaction depends on this document.
    ///
    /// # Errors
    /// As [`CollectionView::get_batch`] and [`view`](Transaction::view).
    pub fn get(
        &mut self,
        collection: &Collection,
        id: impl Into<DocId>,
    ) -> Result<Option<Document>> {
        Ok(self.get_batch(collection, &[id.into()])?.pop().flatten())
    }

    /// As [`CollectionView::get_batch`]. A serializable transaction depends on these documents.
    ///
    /// # Errors
    /// As [`CollectionView::get_batch`] and [`view`](Transaction::view).
    pub fn get_batch(
        &mut self,
        collection: &Collection,
        ids: &[DocId],
    ) -> Result<Vec<Option<Document>>> {
        let documents = self.view_of(collection)?.get_batch(ids)?;
        if self.isolation == Isolation::Serializable {
            self.depend_on_documents(collection, ids);
        }
        Ok(documents)
    }

    /// As [`CollectionView::get`]; and the transaction fails if somebody else writes the document before it is committed, under
    /// any isolation.
    ///
    /// ```
    /// # use aethervec::{AetherDB, Document, ErrorKind, IndexConfig, Patch};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let db = AetherDB::open(dir.path())?;
    /// # let notes = db.create_collection("notes", 1, "l2", IndexConfig::default())?;
    /// # notes.upsert_batch(vec![Document::new(vec![1.0], "a"), Document::new(vec![2.0], "b")])?;
    /// let mut txn = db.begin()?;
    /// if txn.get_for_update(&notes, "a")?.is_some() {
    ///     txn.delete(&notes, "b")?;
    /// }
    /// notes.delete("a")?;
    /// assert_eq!(txn.commit().unwrap_err().kind(), ErrorKind::Conflict);
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Transaction::get).
    pub fn get_for_update(
        &mut self,
        collection: &Collection,
        id: impl Into<DocId>,
    ) -> Result<Option<Document>> {
        let id = id.into();
        let document = self.view_of(collection)?.get(id.clone())?;
        self.depend_on_documents(collection, &[id]);
        Ok(document)
    }

    /// As [`CollectionView::count`].
    ///
    /// # Errors
    /// As [`view`](Transaction::view).
    pub fn count(&mut self, collection: &Collection) -> Result<u64> {
        self.view(collection)?.count()
    }

    /// As [`CollectionView::scroll`].
    ///
    /// # Errors
    /// As [`CollectionView::scroll`] and [`view`](Transaction::view).
    pub fn scroll(
        &mut self,
        collection: &Collection,
        request: ScrollRequest,
    ) -> Result<ScrollPage> {
        self.view(collection)?.scroll(request)
    }

    /// As [`CollectionView::search`].
    ///
    /// # Errors
    /// As [`CollectionView::search_with`] and [`view`](Transaction::view).
    pub fn search<'a>(
        &mut self,
        collection: &Collection,
        vector: impl Into<QueryVector<'a>>,
        k: usize,
    ) -> Result<Vec<Hit>> {
        self.view(collection)?.search(vector, k)
    }

    /// As [`CollectionView::search_with`].
    ///
    /// # Errors
    /// As [`CollectionView::search_with`] and [`view`](Transaction::view).
    pub fn search_with(
        &mut self,
        collection: &Collection,
        request: SearchRequest<'_>,
    ) -> Result<Vec<Hit>> {
        self.view(collection)?.search_with(request)
    }

    /// As [`CollectionView::query`].
    ///
    /// # Errors
    /// As [`CollectionView::query`] and [`view`](Transaction::view).
    pub fn query(
        &mut self,
        collection: &Collection,
        request: &QueryRequest,
    ) -> Result<QueryResponse> {
        self.view(collection)?.query(request)
    }

    fn depend_on_documents(&mut self, collection: &Collection, ids: &[DocId]) {
        let mut key = Vec::new();
        for id in ids {
            keyspace::doc_key(collection.core.id, id, &mut key);
            self.storage.guard(&collection.core.keyspaces.docs, &key);
        }
    }
}
