//! Collections as Arrow record batches, Arrow files and Parquet files, out and in; behind the feature `arrow`.
//! `docs/formats/arrow.md` describes the columns.
//!
//! ```text
//! view ──documents──► build ──record batches──► export     Parquet, Arrow file, or whoever reads batches
//! collection ◄──documents── rows ◄──record batches── import     the same; `parquet` reads files, `roles` finds the columns
//! ```
//!
//! Both directions hold one record batch in memory. What a file says about itself is a claim: an error names column and row,
//! and no length in it is trusted.
//!
//! ```
//! use aethervec::arrow::ExportOptions;
//! use aethervec::{AetherDB, Document, IndexConfig};
//! use serde_json::json;
//! # let dir = tempfile::tempdir().unwrap();
//! let db = AetherDB::open(dir.path())?;
//! let notes = db.create_collection("notes", 2, "cosine", IndexConfig::default())?;
//! notes.upsert(Document::new([0.1, 0.2], "a").with_payload(json!({"lang": "en"})))?;
//!
//! let mut file = Vec::new();
//! notes.view()?.export_parquet(&mut file, &ExportOptions::default(), |_| {})?;
//! db.import_parquet("copy", bytes::Bytes::from(file), |_| {})?;
//! assert_eq!(db.collection("copy")?.get("a")?, notes.get("a")?);
//! # Ok::<(), aethervec::Error>(())
//! ```

mod build;
mod export;
mod import;
mod json;
mod layout;
mod pages;
mod parquet;
mod roles;
mod rows;

pub use self::parquet::{ParquetBatches, is_export};
pub use export::{ColumnKind, ExportOptions, PayloadColumn, RecordBatches};
pub use import::ArrowBatches;
pub use roles::ArrowColumns;

pub use ::parquet::file::reader::ChunkReader;
pub use arrow_array::{RecordBatch, RecordBatchReader};
pub use arrow_schema::{ArrowError, DataType, Schema, SchemaRef};

use crate::error::{Error, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What Arrow or Parquet have to say, as an error of ours.
fn failed(error: &ArrowError) -> Error {
    match error {
        ArrowError::ExternalError(source) => match source.downcast_ref::<Error>() {
            Some(own) => Error::new(own.kind(), own.to_string()),
            None => Error::invalid(source.to_string()),
        },
        ArrowError::IoError(message, source)
            if source.kind() != std::io::ErrorKind::UnexpectedEof =>
        {
            Error::new(ErrorKind::Io, message.clone())
        }
        error => Error::invalid(error.to_string()),
    }
}

/// Does `work` on a file from outside. The libraries that read it assert some of what they find there: in a forged file that is
/// the file's error and no bug of the program.
fn guarded<T>(work: impl FnOnce() -> Result<T, ArrowError>) -> Result<T, ArrowError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(ArrowError::ParseError(
            "the file cannot be read: its parts contradict each other".to_owned(),
        ))
    })
}
