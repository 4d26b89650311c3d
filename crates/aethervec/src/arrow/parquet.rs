//! Reading Parquet files as record batches, a row group at a time.

use super::pages::{OneChunk, pages};
use super::roles::ArrowColumns;
use super::{failed, guarded};
use crate::error::{Error, Result};
use ::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, RowGroups,
};
use ::parquet::arrow::{FieldLevels, ProjectionMask, parquet_to_arrow_field_levels};
use ::parquet::basic::Compression;
use ::parquet::column::page::PageIterator;
use ::parquet::errors::{ParquetError, Result as ParquetResult};
use ::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use ::parquet::file::reader::ChunkReader;
use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, Schema, SchemaRef};
use std::fmt;
use std::sync::Arc;

/// Rows of a record batch, at most.
const BATCH_ROWS: usize = 256;

/// The rows of a Parquet file, in order.
///
/// Files that are uncompressed or compressed with Snappy, gzip, LZ4 or Zstandard can be read. Memory is held for a few hundred rows
/// and the pages that they are in.
///
/// ```
/// use aethervec::arrow::{ArrowColumns, ExportOptions, ParquetBatches, RecordBatchReader};
/// use aethervec::{AetherDB, Document, IndexConfig};
/// # let dir = tempfile::tempdir().unwrap();
/// let db = AetherDB::open(dir.path())?;
/// let notes = db.create_collection("notes", 2, "cosine", IndexConfig::default())?;
/// # notes.upsert(Document::new([0.1, 0.2], "a"))?;
/// # let mut file = Vec::new();
/// # notes.view()?.export_parquet(&mut file, &ExportOptions::default(), |_| {})?;
/// # let file = bytes::Bytes::from(file);
/// // `file` is an open `std::fs::File`, or bytes.
/// for batch in ParquetBatches::open(file)? {
///     notes.upsert_record_batch(&batch?, &ArrowColumns::default())?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ParquetBatches<R: ChunkReader> {
    file: Arc<R>,
    metadata: Arc<ParquetMetaData>,
    levels: FieldLevels,
    schema: SchemaRef,
    next_group: usize,
    group: Option<ParquetRecordBatchReader>,
}

impl<R: ChunkReader + 'static> ParquetBatches<R> {
    /// Reads the end of `file`, where its schema is.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when it is no Parquet file, or a damaged one.
    pub fn open(file: R) -> Result<ParquetBatches<R>> {
        let opened = guarded(|| {
            let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())?;
            let levels = parquet_to_arrow_field_levels(
                metadata.parquet_schema(),
                ProjectionMask::all(),
                Some(metadata.schema().fields()),
            )?;
            Ok((metadata, levels))
        });
        let (metadata, levels) = opened.map_err(|error| failed(&error))?;
        Ok(ParquetBatches {
            file: Arc::new(file),
            metadata: Arc::clone(metadata.metadata()),
            schema: Arc::clone(metadata.schema()),
            levels,
            next_group: 0,
            group: None,
        })
    }

    /// The same without the columns that have no place in documents, which are then not read.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when a column that is left is compressed in a way that cannot be read.
    pub fn only(mut self, columns: &ArrowColumns) -> Result<ParquetBatches<R>> {
        let left_out = columns.left_out(&self.schema);
        let places: Vec<usize> = (0..self.schema.fields().len())
            .filter(|&place| !left_out.contains(&&self.schema.field(place).name()[..]))
            .collect();
        let description = self.metadata.file_metadata().schema_descr();
        let mask = ProjectionMask::roots(description, places.iter().copied());
        let levels = guarded(|| {
            let fields = self.schema.fields();
            Ok(parquet_to_arrow_field_levels(
                description,
                mask,
                Some(fields),
            )?)
        });
        self.levels = levels.map_err(|error| failed(&error))?;
        let schema = self.schema.project(&places);
        self.schema = Arc::new(schema.map_err(|error| failed(&error))?);
        self.check_compression()?;
        Ok(self)
    }

    /// How many rows there are, as the file says.
    pub fn rows(&self) -> u64 {
        u64::try_from(self.metadata.file_metadata().num_rows()).unwrap_or(0)
    }

    fn check_compression(&self) -> Result<()> {
        let used = |root: &str| self.schema.index_of(root).is_ok();
        for group in self.metadata.row_groups() {
            for chunk in group.columns() {
                let codec = match chunk.compression() {
                    Compression::BROTLI(_) => "brotli",
                    Compression::LZO => "lzo",
                    _ => continue,
                };
                let root = chunk
                    .column_path()
                    .parts()
                    .first()
                    .map_or("", String::as_str);
                if used(root) {
                    return Err(Error::invalid(format!(
                        "column {root:?} is compressed with {codec}, which cannot be read here: write the file with \
                         compression=\"zstd\" (or snappy, gzip, lz4, none)"
                    )));
                }
            }
        }
        Ok(())
    }

    fn read(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        loop {
            if let Some(group) = &mut self.group {
                if let Some(batch) = group.next() {
                    // The columns alone do not say what the file does of the whole.
                    let columns = batch?.columns().to_vec();
                    return RecordBatch::try_new(Arc::clone(&self.schema), columns).map(Some);
                }
                self.group = None;
            }
            if self.next_group == self.metadata.num_row_groups() {
                return Ok(None);
            }
            let group = Group {
                file: &self.file,
                metadata: &self.metadata,
                number: self.next_group,
            };
            self.next_group += 1;
            self.group = Some(ParquetRecordBatchReader::try_new_with_row_groups(
                &self.levels,
                &group,
                BATCH_ROWS,
                None,
            )?);
        }
    }
}

impl<R: ChunkReader + 'static> Iterator for ParquetBatches<R> {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = guarded(|| self.read());
        if batch.is_err() {
            self.group = None;
            self.next_group = self.metadata.num_row_groups();
        }
        batch.transpose()
    }
}

impl<R: ChunkReader + 'static> RecordBatchReader for ParquetBatches<R> {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl<R: ChunkReader> fmt::Debug for ParquetBatches<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParquetBatches")
            .field("schema", &self.schema)
            .field("next_group", &self.next_group)
            .finish_non_exhaustive()
    }
}

/// One row group of a file.
struct Group<'a, R> {
    file: &'a Arc<R>,
    metadata: &'a ParquetMetaData,
    number: usize,
}

impl<R: ChunkReader + 'static> RowGroups for Group<'_, R> {
    fn num_rows(&self) -> usize {
        usize::try_from(self.metadata.row_group(self.number).num_rows()).unwrap_or(0)
    }

    fn column_chunks(&self, column: usize) -> ParquetResult<Box<dyn PageIterator>> {
        let columns = self.metadata.row_group(self.number).columns();
        let chunk = columns.get(column).ok_or_else(|| {
            ParquetError::General(format!("row group {} has no column {column}", self.number))
        })?;
        let pages = pages(self.file, chunk, self.num_rows())?;
        Ok(Box::new(OneChunk(Some(pages))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.metadata.row_group(self.number)))
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.metadata
    }
}

/// Whether a file of this schema is an export of a whole collection, which says itself what the collection is.
pub fn is_export(schema: &Schema) -> bool {
    schema.metadata().contains_key(super::layout::KEY)
}
