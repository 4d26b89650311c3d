//! What can be changed in the schema of a live collection: vector fields, how long documents stay, and what is kept with it.

use crate::collection::Collection;
use crate::error::{Error, ErrorKind, Result};
use crate::index::field::Fields;
use crate::schema::VectorField;
use crate::validate;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

impl Collection {
    /// Adds a vector field. Documents lack a vector there until they are written with one.
    ///
    /// ```
    /// use aethervec::{AetherDB, Document, IndexConfig, SearchRequest, SparseField, SparseVector};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let db = AetherDB::open(dir.path())?;
    /// let notes = db.create_collection("notes", 2, "cosine", IndexConfig::default())?;
    /// notes.upsert(Document::new(vec![1.0, 0.0], "a"))?;
    ///
    /// notes.add_vector_field("words", SparseField::default())?;
    /// let words = SparseVector::new([(17, 0.5), (4_711, 1.5)]);
    /// notes.upsert(Document::new(vec![0.0, 1.0], "b").with_vector("words", words.clone()))?;
    /// let request = SearchRequest { using: "words", ..SearchRequest::new(&words, 10) };
    /// assert_eq!(notes.search_with(request)?.len(), 1);
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] when the collection has a field of this name, [`ErrorKind::Invalid`] when it cannot have
    /// this one, or no more.
    pub fn add_vector_field(&self, name: &str, field: impl Into<VectorField>) -> Result<()> {
        let field = field.into();
        validate::field(name, &field)?;
        let core = &self.core;
        self.db.alter(
            core,
            |record| {
                if record.schema.fields.contains_key(name) {
                    return Err(Error::new(
                        ErrorKind::Exists,
                        format!("vector field {name:?} exists already"),
                    ));
                }
                record.add_field(name, field)?;
                validate::schema(&record.schema)?;
                Fields::new(record, Some(&core.fields.load()))
            },
            |fields| core.fields.store(Arc::new(fields)),
        )
    }

    /// Keeps this with the collection, in place of what was kept before: see [`CollectionSchema::metadata`](crate::CollectionSchema::metadata).
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when it is larger than [`METADATA_BYTES_MAX`](crate::limits::METADATA_BYTES_MAX).
    pub fn set_metadata(&self, metadata: Map<String, Value>) -> Result<()> {
        validate::metadata(&metadata)?;
        let core = &self.core;
        self.db.alter(
            core,
            |record| {
                record.schema.metadata = metadata;
                Fields::new(record, Some(&core.fields.load()))
            },
            |fields| core.fields.store(Arc::new(fields)),
        )
    }

    /// Documents that are written from now on and do not say themselves when they end stay for `ttl`; none: for ever. Those that
    /// are there already keep their end.
    ///
    /// ```
    /// use aethervec::{AetherDB, Document, IndexConfig};
    /// use std::time::Duration;
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let db = AetherDB::open(dir.path())?;
    /// let news = db.create_collection("news", 1, "l2", IndexConfig::default())?;
    /// news.set_ttl(Some(Duration::from_secs(24 * 60 * 60)))?;
    /// news.upsert(Document::new(vec![0.5], "today"))?;
    /// assert!(news.get("today")?.unwrap().expires_at.is_some());
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when it is shorter than a millisecond, or longer than [`TTL_MAX`](crate::limits::TTL_MAX).
    pub fn set_ttl(&self, ttl: Option<Duration>) -> Result<()> {
        let core = &self.core;
        self.db.alter(
            core,
            |record| {
                record.schema.ttl = ttl;
                validate::schema(&record.schema)?;
                Fields::new(record, Some(&core.fields.load()))
            },
            |fields| core.fields.store(Arc::new(fields)),
        )
    }

    /// Drops a vector field with the vectors of all documents in it. The documents stay, and are not found there any more.
    /// The vectors' space is given back as documents are replaced.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such field.
    pub fn drop_vector_field(&self, name: &str) -> Result<()> {
        let core = &self.core;
        self.db.alter(
            core,
            |record| {
                let number = core.fields.load().get(name)?.number;
                record.remove_field(name);
                let fields = Fields::new(record, Some(&core.fields.load()))?;
                Ok((fields, number))
            },
            |(fields, number)| {
                core.fields.store(Arc::new(fields));
                core.left_over.lock().push(number);
            },
        )?;
        self.db.pool.notify(core);
        Ok(())
    }
}
