//! File formats that vectors come in, each a [`Source`] of records.
//!
//! Every parser here reads from front to back in bounded pieces. A header or a length in a file is a claim: nothing is
//! allocated on its word, and an error names the file, the row, line or byte, and the field.

pub(crate) mod csv;
pub(crate) mod ids;
pub(crate) mod jsonl;
pub(crate) mod npy;
mod table;
pub(crate) mod vecs;

use crate::failure::{Failure, Outcome};
use crate::input::Input;
use aethervec::arrow::{ArrowBatches, ParquetBatches};
use aethervec::{DocId, ElementType, Vector};
use clap::ValueEnum;
use serde_json::{Map, Value};
use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// One row of a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    /// Where it stands, for messages.
    pub(crate) place: Place,
    /// Its id, if the file has ids.
    pub(crate) id: Option<DocId>,
    /// Its vector, of the file's own element type.
    pub(crate) vector: Vector,
    /// Everything else.
    pub(crate) payload: Map<String, Value>,
}

/// Where in a file a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Of an array or a table: the first row is 0, as its id is.
    Row(u64),
    /// Of a text: the first line is 1.
    Line(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Row(row) => write!(f, "row {row}"),
            Place::Line(line) => write!(f, "line {line}"),
        }
    }
}

/// What a file says about itself before its first record is read.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// Number of records, where the format says.
    pub(crate) rows: Option<u64>,
    /// The type in which a new collection would store the vectors.
    pub(crate) element: ElementType,
    /// Length of the file as it is stored, and how much of it has been read.
    pub(crate) bytes: Option<(u64, Arc<AtomicU64>)>,
    /// Columns that will not be imported, and why.
    pub(crate) left_out: Vec<String>,
}

/// A file of records, read from front to back.
pub(crate) trait Source {
    /// What the file says about itself.
    fn shape(&self) -> Shape;

    /// The next record; `None` at the end of a file that is complete.
    fn next(&mut self) -> Outcome<Option<Record>>;
}

/// The formats that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// NumPy array: rows of f2, f4, f8 or u1
    Npy,
    /// Per vector: its dimension (i32), then that many f32
    Fvecs,
    /// Per vector: its dimension (i32), then that many bytes
    Bvecs,
    /// One JSON object per line
    Jsonl,
    /// Comma-separated values with a line of column names
    Csv,
    /// Apache Parquet: a column of lists of numbers, and others for id and payload
    Parquet,
    /// Apache Arrow, as a file (Feather) or a stream: the same columns
    Arrow,
}

impl Format {
    /// The format that the name of `path` promises; a final `.gz` is looked through.
    pub(crate) fn of(path: &Path) -> Outcome<Format> {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().to_lowercase())
            .unwrap_or_default();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
            "npy" => Ok(Format::Npy),
            "fvecs" => Ok(Format::Fvecs),
            "bvecs" => Ok(Format::Bvecs),
            "jsonl" | "ndjson" => Ok(Format::Jsonl),
            "csv" => Ok(Format::Csv),
            "parquet" => Ok(Format::Parquet),
            "arrow" | "arrows" | "feather" | "ipc" => Ok(Format::Arrow),
            _ => Err(Failure::invalid(format!(
                "{}: cannot tell the format from the name: say --format npy, fvecs, bvecs, jsonl, csv, parquet or arrow",
                path.display()
            ))),
        }
    }
}

/// Which fields or columns hold what, in formats that name them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    /// The id; without it `id`, if there is one.
    pub(crate) id: Option<String>,
    /// The vector; without it `vector`.
    pub(crate) vector: Option<String>,
    /// JSON lines: the object that becomes the payload; without it `payload`.
    pub(crate) payload: Option<String>,
    /// CSV: one column per component.
    pub(crate) vector_columns: Vec<String>,
    /// CSV: what separates columns.
    pub(crate) delimiter: Option<u8>,
}

/// How a file of JSON lines begins that is an export of a whole collection.
const EXPORT_BEGIN: &[u8] = b"{\"aethervec\":";

/// What a file turned out to be.
pub(crate) enum Opened {
    /// Records.
    Records(Box<dyn Source>),
    /// A whole collection, which `export` has written.
    Export(Export),
}

/// An export of a whole collection, opened.
pub(crate) enum Export {
    Jsonl(Input),
    Parquet(String, Box<ParquetBatches<File>>),
    Arrow {
        name: String,
        batches: Box<ArrowBatches<Input>>,
        /// Length of the file, and how much of it has been read.
        progress: Option<(u64, Arc<AtomicU64>)>,
    },
}

impl Export {
    /// What the user called it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Export::Jsonl(input) => input.name(),
            Export::Parquet(name, _) | Export::Arrow { name, .. } => name,
        }
    }
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Export").field(&self.name()).finish()
    }
}

/// Opens `path` as `format`, whatever it is.
pub(crate) fn open_any(path: &Path, format: Format, fields: &Fields) -> Outcome<Opened> {
    match format {
        Format::Parquet => table::parquet(path, fields),
        Format::Arrow => table::arrow(path, fields),
        Format::Jsonl => {
            let mut input = Input::open(path)?;
            Ok(if input.begins_with(EXPORT_BEGIN)? {
                Opened::Export(Export::Jsonl(input))
            } else {
                Opened::Records(Box::new(jsonl::JsonLines::new(input, fields)))
            })
        }
        format => open(path, format, fields).map(Opened::Records),
    }
}

/// Opens `path` as `format`, for its records.
pub(crate) fn open(path: &Path, format: Format, fields: &Fields) -> Outcome<Box<dyn Source>> {
    Ok(match format {
        Format::Npy => Box::new(npy::NpyVectors::new(npy::NpyReader::new(Input::open(
            path,
        )?)?)?),
        Format::Fvecs => Box::new(vecs::Vecs::fvecs(Input::open(path)?)),
        Format::Bvecs => Box::new(vecs::Vecs::bvecs(Input::open(path)?)),
        Format::Csv => Box::new(csv::Csv::new(Input::open(path)?, fields)?),
        Format::Jsonl => Box::new(jsonl::JsonLines::new(Input::open(path)?, fields)),
        Format::Parquet | Format::Arrow => match open_any(path, format, fields)? {
            Opened::Records(source) => source,
            Opened::Export(export) => {
                return Err(Failure::invalid(format!(
                    "{}: it is an export of a whole collection: import it",
                    export.name()
                )));
            }
        },
    })
}

/// An id written in JSON: a number, or a string that may be a UUID.
pub(crate) fn id_from_json(value: &Value) -> Option<DocId> {
    match value {
        Value::Number(number) => number.as_u64().map(DocId::U64),
        Value::String(text) => Some(match DocId::from_text(text) {
            // A string of digits stays a string: JSON has numbers for numbers.
            DocId::U64(_) => DocId::Str(text.clone()),
            id => id,
        }),
        _ => None,
    }
}

/// An id written on a command line or in a text file: JSON if it is quoted, else what it looks like.
pub(crate) fn id_from_text(text: &str) -> DocId {
    let quoted = text
        .starts_with('"')
        .then(|| serde_json::from_str::<String>(text).ok())
        .flatten();
    quoted.map_or_else(|| DocId::from_text(text), DocId::Str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_tell_formats() {
        assert_eq!(Format::of(Path::new("a/B.NPY.gz")).unwrap(), Format::Npy);
        assert_eq!(Format::of(Path::new("x.ndjson")).unwrap(), Format::Jsonl);
        let failure = Format::of(Path::new("x.txt")).unwrap_err();
        assert!(failure.to_string().contains("--format npy"), "{failure}");
    }

    #[test]
    fn ids_read_as_people_mean_them() {
        assert_eq!(id_from_text("42"), DocId::U64(42));
        assert_eq!(id_from_text("\"42\""), DocId::from("42"));
        assert_eq!(id_from_text("abc"), DocId::from("abc"));
        assert_eq!(id_from_text("\"abc"), DocId::from("\"abc"));
        assert_eq!(id_from_json(&json!(42)), Some(DocId::U64(42)));
        assert_eq!(id_from_json(&json!("42")), Some(DocId::from("42")));
        assert!(matches!(
            id_from_json(&json!("67e55044-10b1-426f-9247-bb680e5fe0c8")),
            Some(DocId::Uuid(_))
        ));
        assert_eq!(id_from_json(&json!(-1)), None);
        assert_eq!(id_from_json(&json!([1])), None);
    }
}
