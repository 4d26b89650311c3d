//! Writing a collection out: as record batches, and these into files.

use super::build::Building;
use super::failed;
use super::layout::{KEY, Layout};
use crate::error::{Error, Result};
use crate::filter::Path;
use crate::keyspace;
use crate::payload::PayloadIndexInfo;
use crate::view::CollectionView;
use crate::whole::{Header, not_written as io_failed};
use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::Compression;
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::schema::types::ColumnPath;
use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_ipc::writer::FileWriter;
use arrow_schema::{ArrowError, SchemaRef};
use std::io::{self, Write};
use std::str::FromStr;

/// A record batch ends before its documents are as many as they may be, once they take so many bytes.
const BATCH_BYTES: usize = 16 << 20;

/// A row group of a Parquet file ends once so many bytes wait to be written.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// How a collection is written as record batches.
///
/// ```
/// use aethervec::arrow::{ColumnKind, ExportOptions};
///
/// let options = ExportOptions::default()
///     .with_column("lang", ColumnKind::Text)
///     .with_column("author.born", ColumnKind::Integer);
/// assert_eq!((options.batch_documents, options.columns.len()), (1_000, 2));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ExportOptions {
    /// Documents in a record batch at most: 1 to [`BATCH_DOCUMENTS_MAX`](crate::limits::BATCH_DOCUMENTS_MAX). A batch of
    /// large documents has fewer.
    pub batch_documents: usize,
    /// Whether there is a column of the payloads as JSON. Without it, what no column of `columns` has is not written.
    pub payload: bool,
    /// Values of payloads that have a column of their own, beside that.
    pub columns: Vec<PayloadColumn>,
}

/// A column of one value of each payload. It is called like the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadColumn {
    /// Where the value is. A document for which it reaches several, or none, has a null.
    pub path: Path,
    /// What the value is. A document with another one has a null.
    pub kind: ColumnKind,
}

/// What the values of a [`PayloadColumn`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ColumnKind {
    /// Strings (Arrow's `Utf8`).
    Text,
    /// Whole numbers in the range of `i64` (`Int64`).
    Integer,
    /// Numbers (`Float64`).
    Float,
    /// `true` and `false` (`Boolean`).
    Bool,
    /// RFC 3339 (`Timestamp`, to the microsecond, in UTC).
    Datetime,
}

impl ColumnKind {
    const ALL: [(&'static str, ColumnKind); 5] = [
        ("text", ColumnKind::Text),
        ("integer", ColumnKind::Integer),
        ("float", ColumnKind::Float),
        ("bool", ColumnKind::Bool),
        ("datetime", ColumnKind::Datetime),
    ];
}

impl FromStr for ColumnKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<ColumnKind> {
        let found = ColumnKind::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, kind)| *kind).ok_or_else(|| {
            let names = ColumnKind::ALL.map(|(name, _)| name).join(", ");
            Error::invalid(format!(
                "column: {name:?} is no kind of values: it must be one of {names}"
            ))
        })
    }
}

impl Default for ExportOptions {
    fn default() -> Self {
        ExportOptions {
            batch_documents: 1_000,
            payload: true,
            columns: Vec::new(),
        }
    }
}

impl ExportOptions {
    /// The same with one more column of values.
    #[must_use]
    pub fn with_column(mut self, path: impl Into<Path>, kind: ColumnKind) -> ExportOptions {
        self.columns.push(PayloadColumn {
            path: path.into(),
            kind,
        });
        self
    }
}

/// The documents of one moment as record batches, ordered by id.
///
/// It is a [`RecordBatchReader`], which whatever speaks Arrow can read from.
#[derive(Debug)]
pub struct RecordBatches {
    view: CollectionView,
    layout: Layout,
    batch_documents: usize,
    /// The key of the last document that was given.
    after: Option<Vec<u8>>,
    ended: bool,
}

impl CollectionView {
    /// The whole collection as record batches: what `docs/formats/arrow.md` describes. All documents are those of this view's
    /// moment, which stays readable as long as the result lives; one batch at a time is held in memory.
    ///
    /// ```
    /// use aethervec::arrow::ExportOptions;
    /// use aethervec::{AetherDB, Document, IndexConfig};
    /// # let dir = tempfile::tempdir().unwrap();
    /// let db = AetherDB::open(dir.path())?;
    /// let notes = db.create_collection("notes", 2, "cosine", IndexConfig::default())?;
    /// notes.upsert_batch((0..2_500).map(|i| Document::new([0.5, 1.0], i)).collect())?;
    ///
    /// let batches = notes.view()?.record_batches(&ExportOptions::default())?;
    /// let rows: Vec<usize> = batches.map(|batch| batch.unwrap().num_rows()).collect();
    /// assert_eq!(rows, [1_000, 1_000, 500]);
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the options are not acceptable. The batches themselves fail with
    /// [`ArrowError::ExternalError`], which has an [`Error`] in it, when a row is damaged.
    pub fn record_batches(&self, options: &ExportOptions) -> Result<RecordBatches> {
        let indexes = self.core.payload.indexes();
        let indexes: Vec<PayloadIndexInfo> = indexes.iter().map(|index| index.info()).collect();
        let schema = &self.core.fields.load().schema;
        let header = Header::new(&self.core.name, self.count()?, schema, &indexes);
        Ok(RecordBatches {
            layout: Layout::new(header.to_json(), schema, self.has_other_ids()?, options)?,
            view: self.clone(),
            batch_documents: options.batch_documents,
            after: None,
            ended: false,
        })
    }

    /// Writes the whole collection as a Parquet file, compressed by Snappy. Returns how many documents there were, and calls
    /// `progress` with how many there are so far now and then. [`AetherDB::import_parquet`](crate::AetherDB::import_parquet)
    /// reads it again, exactly.
    ///
    /// Some 64 MiB wait in memory for the end of a row group.
    ///
    /// # Errors
    /// As [`export_jsonl`](CollectionView::export_jsonl); [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the options are not acceptable.
    pub fn export_parquet(
        &self,
        out: impl Write + Send,
        options: &ExportOptions,
        mut progress: impl FnMut(u64),
    ) -> Result<u64> {
        let batches = self.record_batches(options)?;
        let properties = properties(&batches.layout);
        let written = ArrowWriter::try_new(out, batches.schema(), Some(properties));
        let mut writer = written.map_err(|error| not_written(error.into()))?;
        let header = batches.layout.schema.metadata().get(KEY).cloned();
        writer.append_key_value_metadata(KeyValue::new(KEY.to_owned(), header));
        let mut documents = 0;
        for batch in batches {
            let batch = batch.map_err(|error| failed(&error))?;
            let mut write = || {
                writer.write(&batch)?;
                if writer.in_progress_size() >= ROW_GROUP_BYTES {
                    writer.flush()?;
                }
                Ok(())
            };
            write().map_err(|error: ParquetError| not_written(error.into()))?;
            documents += batch.num_rows() as u64;
            progress(documents);
        }
        progress(documents);
        writer.close().map_err(|error| not_written(error.into()))?;
        Ok(documents)
    }

    /// Writes the whole collection as an Arrow file (Feather version 2), uncompressed. Returns how many documents there were,
    /// and calls `progress` with how many there are so far now and then.
    /// [`AetherDB::import_arrow`](crate::AetherDB::import_arrow) reads it again, exactly.
    ///
    /// ```
    /// use aethervec::arrow::ExportOptions;
    /// use aethervec::{AetherDB, Document, IndexConfig};
    /// # let dir = tempfile::tempdir().unwrap();
    /// let db = AetherDB::open(dir.path())?;
    /// let notes = db.create_collection("notes", 2, "cosine", IndexConfig::default())?;
    /// notes.upsert(Document::new([0.1, 0.2], "a"))?;
    ///
    /// let mut file = Vec::new();
    /// assert_eq!(notes.view()?.export_arrow(&mut file, &ExportOptions::default(), |_| {})?, 1);
    /// db.import_arrow("copy", &file[..], |_| {})?;
    /// assert_eq!(db.collection("copy")?.get("a")?, notes.get("a")?);
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`export_parquet`](CollectionView::export_parquet).
    pub fn export_arrow(
        &self,
        out: impl Write,
        options: &ExportOptions,
        mut progress: impl FnMut(u64),
    ) -> Result<u64> {
        let batches = self.record_batches(options)?;
        let mut writer =
            FileWriter::try_new_buffered(out, &batches.schema()).map_err(not_written)?;
        let mut documents = 0;
        for batch in batches {
            let batch = batch.map_err(|error| failed(&error))?;
            writer.write(&batch).map_err(not_written)?;
            documents += batch.num_rows() as u64;
            progress(documents);
        }
        progress(documents);
        writer.finish().map_err(not_written)?;
        writer.flush().map_err(not_written)?;
        Ok(documents)
    }

    /// Whether a document may be called otherwise than by a number: those come behind all numbers.
    fn has_other_ids(&self) -> Result<bool> {
        if self.overlay.is_some() {
            return Ok(true);
        }
        let prefix = keyspace::collection_prefix(self.core.id);
        let mut rows = self.snapshot.prefix(&self.core.keyspaces.docs, prefix);
        match rows.try_next_back()? {
            Some((key, _)) => Ok(!matches!(
                keyspace::decode_doc_key(&key)?,
                crate::id::DocId::U64(_)
            )),
            None => Ok(false),
        }
    }
}

impl RecordBatches {
    fn read(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let external = |error: Error| ArrowError::from_external_error(Box::new(error));
        let mut building = Building::new(&self.layout);
        let mut bytes = 0;
        let mut rows = self.view.all_docs(self.after.take());
        let mut last = None;
        while building.rows() < self.batch_documents && bytes < BATCH_BYTES {
            let Some((key, row)) = rows.try_next().map_err(external)? else {
                self.ended = true;
                break;
            };
            let id = keyspace::decode_doc_key(&key).map_err(external)?;
            let document = self.view.document(id, &key, &row).map_err(external)?;
            bytes += building.push(&document);
            last = Some(key.to_vec());
        }
        self.after = last;
        if building.rows() == 0 {
            return Ok(None);
        }
        building.finish().map(Some)
    }
}

impl Iterator for RecordBatches {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let batch = self.read();
        self.ended |= batch.is_err();
        batch.transpose()
    }
}

impl RecordBatchReader for RecordBatches {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.layout.schema)
    }
}

/// How a Parquet file is written: vectors and whole payloads hardly repeat, so that dictionaries and bounds of them are lost effort.
fn properties(layout: &Layout) -> WriterProperties {
    let builder = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None);
    let columns = layout.columns.iter().map(|column| column.path.to_string());
    columns
        .map(|name| ColumnPath::new(vec![name]))
        .fold(builder, |builder, path| {
            builder
                .set_column_dictionary_enabled(path.clone(), true)
                .set_column_statistics_enabled(path, EnabledStatistics::Chunk)
        })
        .build()
}

fn not_written(error: ArrowError) -> Error {
    let source = match error {
        ArrowError::IoError(_, source) => source,
        ArrowError::ExternalError(source) => match source.downcast::<io::Error>() {
            Ok(source) => *source,
            Err(source) => io::Error::other(source),
        },
        other => io::Error::other(other.to_string()),
    };
    io_failed(source)
}
