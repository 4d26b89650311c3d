//! Reading record batches in: whole collections, or documents into one that is there.

use super::layout::KEY;
use super::parquet::ParquetBatches;
use super::roles::ArrowColumns;
use super::{failed, guarded};
use crate::collection::Collection;
use crate::database::AetherDB;
use crate::document::{Document, Upserted};
use crate::error::{Error, ErrorKind, Result};
use crate::keyspace;
use crate::whole::{Header, Incoming};
use ::parquet::file::reader::ChunkReader;
use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_ipc::reader::StreamReader;
use arrow_schema::{ArrowError, SchemaRef};
use std::fmt;
use std::io::{Chain, Cursor, Read};

/// How an Arrow file begins; behind it is what a stream has from its beginning.
const FILE_MAGIC: &[u8; 8] = b"ARROW1\0\0";

/// The record batches of an Arrow file (Feather version 2) or stream, in order. Nothing but a batch at a time is in memory.
pub struct ArrowBatches<R: Read>(StreamReader<Chain<Cursor<Vec<u8>>, R>>);

impl<R: Read> ArrowBatches<R> {
    /// Reads the beginning of `input`, where the schema is.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when it is none, [`ErrorKind::Io`] when it cannot be read.
    pub fn open(mut input: R) -> Result<ArrowBatches<R>> {
        let mut word = || {
            let mut word = Vec::new();
            let mut bounded = input.by_ref().take(FILE_MAGIC.len() as u64);
            bounded.read_to_end(&mut word).map(|_| word)
        };
        let mut begin = || {
            let mut begin = word()?;
            if begin == FILE_MAGIC {
                begin = word()?;
                // Padding, of which there may be more.
                while begin == [0; FILE_MAGIC.len()] {
                    begin = word()?;
                }
            }
            Ok(begin)
        };
        let begin = begin().map_err(|error: std::io::Error| {
            let message = format!("it cannot be read: {error}");
            Error::with_source(ErrorKind::Io, message, error)
        })?;
        let input = Cursor::new(begin).chain(input);
        let opened = guarded(|| StreamReader::try_new(input, None));
        opened.map(ArrowBatches).map_err(|error| failed(&error))
    }
}

impl<R: Read> Iterator for ArrowBatches<R> {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        guarded(|| self.0.next().transpose()).transpose()
    }
}

impl<R: Read> RecordBatchReader for ArrowBatches<R> {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }
}

impl<R: Read> fmt::Debug for ArrowBatches<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ArrowBatches")
            .field(&self.0.schema())
            .finish()
    }
}

impl AetherDB {
    /// Reads what [`CollectionView::record_batches`](crate::CollectionView::record_batches) has given into the collection
    /// `name`, and calls `progress` with how many documents there are so far now and then.
    ///
    /// The collection is created as the schema of the batches says. If there is one already, it must have the same vector fields;
    /// documents with the same ids are replaced. Documents are durable and searchable commit by commit: after an error those before
    /// it may be there, and importing the same once more goes on from them.
    ///
    /// ```
    /// use aethervec::arrow::ExportOptions;
    /// use aethervec::{AetherDB, Document, IndexConfig};
    /// # let dir = tempfile::tempdir().unwrap();
    /// let db = AetherDB::open(dir.path())?;
    /// let notes = db.create_collection("notes", 2, "cosine", IndexConfig::default())?;
    /// notes.upsert(Document::new([0.1, 0.2], "a"))?;
    ///
    /// let batches = notes.view()?.record_batches(&ExportOptions::default())?;
    /// assert_eq!(db.import_record_batches("copy", batches, |_| {})?.inserted, 1);
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when a row is not acceptable (the message names it), when there are fewer rows than the schema promises,
    /// or when it does not say what the collection is: see [`Collection::upsert_record_batch`] for such batches.
    /// [`ErrorKind::Exists`] when there is another collection of this name, [`ErrorKind::Io`] when the batches cannot be read.
    pub fn import_record_batches(
        &self,
        name: &str,
        batches: impl RecordBatchReader,
        mut progress: impl FnMut(u64),
    ) -> Result<Upserted> {
        let schema = batches.schema();
        let header = schema.metadata().get(KEY).ok_or_else(|| {
            Error::invalid(
                "it does not say what the collection is, as an export does: create the collection, and upsert the batches",
            )
        })?;
        let mut incoming = Incoming::begin(self, name, Header::parse(header.as_bytes())?)?;
        let columns = ArrowColumns::default();
        for batch in batches {
            let batch = batch.map_err(|error| failed(&error))?;
            for document in columns.documents(&batch, incoming.read())? {
                let row = incoming.read();
                let bytes = vector_bytes(&document);
                let pushed = incoming.push(document, bytes);
                if pushed.map_err(|error| error.within(&format!("row {row}")))? {
                    progress(incoming.read());
                }
            }
        }
        progress(incoming.read());
        incoming.finish()
    }

    /// Reads what [`CollectionView::export_parquet`](crate::CollectionView::export_parquet) has written: `file` is an open
    /// [`std::fs::File`], or [`Bytes`](bytes::Bytes). See [`import_record_batches`](AetherDB::import_record_batches).
    ///
    /// # Errors
    /// As [`import_record_batches`](AetherDB::import_record_batches).
    pub fn import_parquet(
        &self,
        name: &str,
        file: impl ChunkReader + 'static,
        progress: impl FnMut(u64),
    ) -> Result<Upserted> {
        let batches = ParquetBatches::open(file)?.only(&ArrowColumns::default())?;
        self.import_record_batches(name, batches, progress)
    }

    /// Reads what [`CollectionView::export_arrow`](crate::CollectionView::export_arrow) has written, from its beginning to its
    /// end. See [`import_record_batches`](AetherDB::import_record_batches).
    ///
    /// # Errors
    /// As [`import_record_batches`](AetherDB::import_record_batches).
    pub fn import_arrow(
        &self,
        name: &str,
        input: impl Read,
        progress: impl FnMut(u64),
    ) -> Result<Upserted> {
        self.import_record_batches(name, ArrowBatches::open(input)?, progress)
    }
}

impl Collection {
    /// Writes the documents of a record batch, all or none, from wherever it comes; `columns` says which column has what.
    ///
    /// ```
    /// use aethervec::arrow::{ArrowColumns, ExportOptions};
    /// use aethervec::{AetherDB, Document, IndexConfig};
    /// # let dir = tempfile::tempdir().unwrap();
    /// let db = AetherDB::open(dir.path())?;
    /// let notes = db.create_collection("notes", 2, "cosine", IndexConfig::default())?;
    /// notes.upsert(Document::new([0.1, 0.2], "a"))?;
    ///
    /// let images = db.create_collection("images", 2, "l2", IndexConfig::default())?;
    /// for batch in notes.view()?.record_batches(&ExportOptions::default())? {
    ///     images.upsert_record_batch(&batch?, &ArrowColumns::default())?;
    /// }
    /// assert_eq!(images.count()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`upsert_batch`](Collection::upsert_batch); [`ErrorKind::Invalid`] also when a column is not what it should be: the message
    /// names row and column.
    pub fn upsert_record_batch(
        &self,
        batch: &RecordBatch,
        columns: &ArrowColumns,
    ) -> Result<Upserted> {
        self.upsert_batch(columns.documents(batch, 0)?)
    }
}

fn vector_bytes(document: &Document) -> usize {
    let vectors = document.vectors.iter();
    vectors
        .map(|(_, vector)| keyspace::vector_bytes(vector))
        .sum()
}
