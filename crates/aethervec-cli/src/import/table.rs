//! Parquet and Arrow files: one column of lists of numbers is the vector, the others are id and payload.
//!
//! Columns that have no place in a payload (bytes, decimals, other vectors) are left out, and the import says so.

use super::{Export, Fields, Opened, Place, Record, Shape, Source};
use crate::failure::{Failure, Outcome};
use crate::input::{self, Input};
use aethervec::arrow::{
    ArrowBatches, ArrowColumns, ArrowError, DataType, ParquetBatches, RecordBatch,
    RecordBatchReader, Schema, is_export,
};
use aethervec::{ElementType, VectorValue};
use serde_json::{Map, Value};
use std::cell::Cell;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Once;

/// A table of vectors.
struct Table<B> {
    name: String,
    batches: B,
    columns: ArrowColumns,
    shape: Shape,
    /// Whether there is a column of ids.
    has_ids: bool,
    next_row: u64,
    ready: VecDeque<Record>,
}

/// Opens a Parquet file.
pub(super) fn parquet(path: &Path, fields: &Fields) -> Outcome<Opened> {
    let name = path.display().to_string();
    if path.as_os_str() == "-" {
        return Err(Failure::invalid(
            "parquet cannot be read from standard input: its index is at the end of the file",
        ));
    }
    let file = input::open_file(path)?;
    let invalid = |error: aethervec::Error| {
        Failure::invalid(format!("{name}: not a readable parquet file: {error}"))
    };
    let batches = quietly(|| ParquetBatches::open(file)).map_err(invalid)?;
    if is_export(&batches.schema()) {
        let batches = batches.only(&ArrowColumns::default()).map_err(invalid)?;
        return Ok(Opened::Export(Export::Parquet(name, Box::new(batches))));
    }
    let columns = columns(&name, &batches.schema(), fields)?;
    let left_out = left_out(&columns, &batches.schema());
    let rows = batches.rows();
    let batches = batches.only(&columns).map_err(invalid)?;
    let table = Table::new(name, batches, columns, Some(rows), left_out)?;
    Ok(Opened::Records(Box::new(table)))
}

/// Opens an Arrow file or stream.
pub(super) fn arrow(path: &Path, fields: &Fields) -> Outcome<Opened> {
    let input = Input::open(path)?;
    let name = input.name().to_owned();
    let progress = input.file_bytes().map(|bytes| (bytes, input.consumed()));
    let opened = quietly(|| ArrowBatches::open(input));
    let batches = opened
        .map_err(|error| Failure::invalid(format!("{name}: not a readable arrow file: {error}")))?;
    if is_export(&batches.schema()) {
        return Ok(Opened::Export(Export::Arrow {
            name,
            batches: Box::new(batches),
            progress,
        }));
    }
    let columns = columns(&name, &batches.schema(), fields)?;
    let left_out = left_out(&columns, &batches.schema());
    let mut table = Table::new(name, batches, columns, None, left_out)?;
    table.shape.bytes = progress;
    Ok(Opened::Records(Box::new(table)))
}

/// Which column is what.
fn columns(name: &str, schema: &Schema, fields: &Fields) -> Outcome<ArrowColumns> {
    let vector = vector_column(schema, fields)
        .map_err(|message| Failure::invalid(format!("{name}: {message}")))?;
    let mut columns = ArrowColumns::default().numbered().with_vector("", vector);
    columns.id.clone_from(&fields.id);
    columns.payload.clone_from(&fields.payload);
    let vectors = columns.vector_columns(schema).into_iter();
    let others: Vec<&str> = ArrowColumns::dense_columns(schema)
        .into_iter()
        .filter(|column| is_floats(schema, column))
        .chain(vectors.map(|(_, column)| column))
        .filter(|column| *column != vector)
        .collect();
    let columns = others.into_iter().fold(columns, ArrowColumns::without);
    Ok(columns)
}

/// The column of vectors: the one that was named, or `vector`, or the only one that there is.
fn vector_column<'s>(schema: &'s Schema, fields: &Fields) -> Result<&'s str, String> {
    let lists = ArrowColumns::dense_columns(schema);
    let wanted = fields.vector.as_deref().unwrap_or("vector");
    if let Some(found) = lists.iter().find(|column| **column == wanted) {
        return Ok(found);
    }
    let floats: Vec<&&str> = lists
        .iter()
        .filter(|column| is_floats(schema, column))
        .collect();
    match (&lists[..], &floats[..], &fields.vector) {
        ([only], _, None) => Ok(only),
        (_, [only], None) => Ok(only),
        ([], _, _) => Err("no column of lists of numbers, which a vector column is".to_owned()),
        _ => Err(format!(
            "no vector column `{wanted}`: name one of {} with --vector-field",
            lists.join(", ")
        )),
    }
}

/// What the lists of a column have for elements.
fn element<'s>(schema: &'s Schema, column: &str) -> Option<&'s DataType> {
    match schema.field_with_name(column).ok()?.data_type() {
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::FixedSizeList(element, _) => Some(element.data_type()),
        _ => None,
    }
}

fn is_floats(schema: &Schema, column: &str) -> bool {
    element(schema, column).is_some_and(DataType::is_floating)
}

fn left_out(columns: &ArrowColumns, schema: &Schema) -> Vec<String> {
    let left_out = columns.left_out(schema).into_iter();
    left_out.map(str::to_owned).collect()
}

impl<B: RecordBatchReader> Table<B> {
    fn new(
        name: String,
        batches: B,
        columns: ArrowColumns,
        rows: Option<u64>,
        left_out: Vec<String>,
    ) -> Outcome<Table<B>> {
        let schema = batches.schema();
        columns
            .check(&schema)
            .map_err(|error| Failure::invalid(format!("{name}: {error}")))?;
        let vector = columns.vectors.get("").map_or("", String::as_str);
        Ok(Table {
            has_ids: columns.has_ids(&schema),
            shape: Shape {
                rows,
                element: match element(&schema, vector) {
                    Some(DataType::Float16) => ElementType::F16,
                    Some(DataType::UInt8) => ElementType::U8,
                    _ => ElementType::F32,
                },
                bytes: None,
                left_out,
            },
            name,
            batches,
            columns,
            next_row: 0,
            ready: VecDeque::new(),
        })
    }

    fn take(&mut self, batch: Result<RecordBatch, ArrowError>) -> Outcome {
        let failed =
            |error: &dyn std::fmt::Display| Failure::invalid(format!("{}: {error}", self.name));
        let batch = batch.map_err(|error| failed(&error))?;
        let documents = self.columns.documents(&batch, self.next_row);
        for mut document in documents.map_err(|error| failed(&error))? {
            let place = Place::Row(self.next_row);
            let Some(VectorValue::Dense(vector)) = document.vectors.remove("") else {
                return Err(failed(&format!("{place}: the vector is null")));
            };
            let payload = match document.payload {
                Some(Value::Object(payload)) => payload,
                _ => Map::new(),
            };
            self.ready.push_back(Record {
                place,
                id: self.has_ids.then_some(document.id),
                vector,
                payload,
            });
            self.next_row += 1;
        }
        Ok(())
    }
}

impl<B: RecordBatchReader> Source for Table<B> {
    fn shape(&self) -> Shape {
        self.shape.clone()
    }

    fn next(&mut self) -> Outcome<Option<Record>> {
        while self.ready.is_empty() {
            let Some(batch) = quietly(|| self.batches.next()) else {
                return Ok(None);
            };
            self.take(batch)?;
        }
        Ok(self.ready.pop_front())
    }
}

thread_local! {
    /// Whether a panic of this thread is about to be caught.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Reads a part of a file. What the libraries assert of a forged file, aethervec takes for the file's error: it is not to be
/// reported as a bug of the program too.
fn quietly<T>(read: impl FnOnce() -> T) -> T {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                report(info)
            }
        }));
    });
    QUIET.set(true);
    let result = read();
    QUIET.set(false);
    result
}
