//! Parquet: one column of lists of numbers is the vector, scalar columns are id and payload.
//!
//! Columns are read side by side, a chunk of rows at a time, straight from the column readers. Columns that have no
//! place in a payload (binary, nested, decimal) are left out, and the import says so.

mod scalar;

use super::{Fields, Place, Record, Shape, Source, id_from_json};
use crate::failure::{Failure, Outcome};
use crate::input;
use aethervec::limits::DIM_MAX;
use aethervec::{DocId, ElementType, Vector};
use half::f16;
use parquet::basic::{Compression, ConvertedType, LogicalType, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;
use scalar::Scalar;
use serde_json::{Map, Value};
use std::cell::Cell;
use std::collections::VecDeque;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Once;

/// Rows that are decoded at a time.
const CHUNK_ROWS: usize = 256;

/// A table of vectors.
pub(crate) struct Parquet {
    name: String,
    file: SerializedFileReader<File>,
    columns: Columns,
    next_group: usize,
    /// Readers of the current row group: the vector first, then the scalars.
    readers: Vec<ColumnReader>,
    rows_left_in_group: u64,
    next_row: u64,
    ready: VecDeque<Record>,
}

/// Which column is what.
#[derive(Debug)]
struct Columns {
    vector: Column,
    numbers: Numbers,
    id: Option<usize>,
    scalars: Vec<(Column, Scalar)>,
    left_out: Vec<String>,
}

/// A leaf of the schema.
#[derive(Clone, Debug)]
struct Column {
    name: String,
    leaf: usize,
    definition_max: i16,
}

/// What the components of the vector column are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Numbers {
    F32,
    F64,
    F16,
    U8,
    I32,
    I64,
}

impl Parquet {
    /// Reads the footer and finds the columns.
    pub(crate) fn open(path: &Path, fields: &Fields) -> Outcome<Parquet> {
        let name = path.display().to_string();
        if path.as_os_str() == "-" {
            return Err(Failure::invalid(
                "parquet cannot be read from standard input: its index is at the end of the file",
            ));
        }
        let file = input::open_file(path)?;
        Parquet::from_file(name, file, fields)
    }

    fn from_file(name: String, file: File, fields: &Fields) -> Outcome<Parquet> {
        guarded(&name, || {
            let file = SerializedFileReader::new(file).map_err(|error| explain(&name, &error))?;
            let columns = Columns::find(&file, fields)
                .map_err(|message| Failure::invalid(format!("{name}: {message}")))?;
            check_compression(&name, &file, &columns)?;
            Ok(Parquet {
                name: name.clone(),
                file,
                columns,
                next_group: 0,
                readers: Vec::new(),
                rows_left_in_group: 0,
                next_row: 0,
                ready: VecDeque::new(),
            })
        })
    }

    /// Decodes the next rows; leaves `ready` empty at the end.
    fn read_chunk(&mut self) -> Outcome {
        while self.rows_left_in_group == 0 {
            if self.next_group == self.file.num_row_groups() {
                return Ok(());
            }
            self.open_group()
                .map_err(|error| explain(&self.name, &error))?;
        }
        let rows = usize::try_from(self.rows_left_in_group)
            .unwrap_or(usize::MAX)
            .min(CHUNK_ROWS);
        let first_row = self.next_row;
        let context = |column: &Column, error: String| {
            Failure::invalid(format!(
                "{}: rows from {first_row}: column `{}`: {error}",
                self.name, column.name
            ))
        };
        let (vector_reader, scalar_readers) = self
            .readers
            .split_first_mut()
            .ok_or_else(|| Failure::failed("no columns"))?;
        let lists = read_lists(
            vector_reader,
            &self.columns.vector,
            self.columns.numbers,
            rows,
        )
        .map_err(|error| context(&self.columns.vector, error))?;
        let mut cells = Vec::with_capacity(scalar_readers.len());
        for (reader, (column, kind)) in scalar_readers.iter_mut().zip(&self.columns.scalars) {
            let read = scalar::read(reader, *kind, column.definition_max, rows)
                .map_err(|error| error.to_string());
            let column_cells = read
                .and_then(|cells| same_length(cells, rows))
                .map_err(|error| context(column, error))?;
            cells.push(column_cells.into_iter());
        }
        for (row, vector) in (first_row..).zip(lists) {
            let record = assemble(
                &self.columns,
                Place::Row(row),
                vector,
                cells.iter_mut().map(Iterator::next),
            );
            self.ready.push_back(record.map_err(|message| {
                Failure::invalid(format!("{}: row {row}: {message}", self.name))
            })?);
        }
        self.next_row += rows as u64;
        self.rows_left_in_group -= rows as u64;
        Ok(())
    }

    fn open_group(&mut self) -> ParquetResult<()> {
        let group = self.file.get_row_group(self.next_group)?;
        self.next_group += 1;
        self.rows_left_in_group = u64::try_from(group.metadata().num_rows()).unwrap_or(0);
        let leaves = std::iter::once(&self.columns.vector)
            .chain(self.columns.scalars.iter().map(|(column, _)| column));
        self.readers = leaves
            .map(|column| group.get_column_reader(column.leaf))
            .collect::<ParquetResult<_>>()?;
        Ok(())
    }
}

impl Source for Parquet {
    fn shape(&self) -> Shape {
        let element = match self.columns.numbers {
            Numbers::F16 => ElementType::F16,
            Numbers::U8 => ElementType::U8,
            _ => ElementType::F32,
        };
        let rows = u64::try_from(self.file.metadata().file_metadata().num_rows()).ok();
        Shape {
            rows,
            element,
            bytes: None,
            left_out: self.columns.left_out.clone(),
        }
    }

    fn next(&mut self) -> Outcome<Option<Record>> {
        if self.ready.is_empty() {
            let name = self.name.clone();
            guarded(&name, || self.read_chunk())?;
        }
        Ok(self.ready.pop_front())
    }
}

impl Columns {
    fn find(file: &SerializedFileReader<File>, fields: &Fields) -> Result<Columns, String> {
        let schema = file.metadata().file_metadata().schema_descr();
        let (mut lists, mut scalars, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        for (leaf, description) in schema.columns().iter().enumerate() {
            let root = schema.get_column_root(leaf).name().to_owned();
            let column = Column {
                name: root,
                leaf,
                definition_max: description.max_def_level(),
            };
            match (
                description.max_rep_level(),
                numbers(description),
                Scalar::of(description),
            ) {
                (1, Some(numbers), _) if is_plain_list(description) => {
                    lists.push((column, numbers))
                }
                (0, _, Some(scalar)) if description.path().parts().len() == 1 => {
                    scalars.push((column, scalar))
                }
                _ if left_out.contains(&column.name) => {}
                _ => left_out.push(column.name),
            }
        }
        let vector = choose_vector(&lists, fields)?;
        left_out.extend(
            lists
                .iter()
                .filter(|(column, _)| column.leaf != vector.0.leaf)
                .map(|(column, _)| column.name.clone()),
        );
        let wanted = fields.id.as_deref().unwrap_or("id");
        let id = scalars.iter().position(|(column, _)| column.name == wanted);
        if id.is_none() && fields.id.is_some() {
            return Err(format!(
                "no column `{wanted}` of numbers or text: there are {}",
                names(&scalars)
            ));
        }
        Ok(Columns {
            vector: vector.0,
            numbers: vector.1,
            id,
            scalars,
            left_out,
        })
    }
}

fn choose_vector(
    lists: &[(Column, Numbers)],
    fields: &Fields,
) -> Result<(Column, Numbers), String> {
    let wanted = fields.vector.as_deref().unwrap_or("vector");
    if let Some(found) = lists.iter().find(|(column, _)| column.name == wanted) {
        return Ok(found.clone());
    }
    match (lists, &fields.vector) {
        ([only], None) => Ok(only.clone()),
        ([], _) => Err("no column of lists of numbers, which a vector column is".to_owned()),
        _ => Err(format!(
            "no vector column `{wanted}`: name one of {} with --vector-field",
            names(lists)
        )),
    }
}

fn names<T>(columns: &[(Column, T)]) -> String {
    columns
        .iter()
        .map(|(column, _)| column.name.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

/// `list.element`, or a repeated field: nothing but the list and its elements.
fn is_plain_list(description: &ColumnDescriptor) -> bool {
    description.path().parts().len() <= 3
}

fn numbers(description: &ColumnDescriptor) -> Option<Numbers> {
    match (description.physical_type(), description.logical_type_ref()) {
        (Physical::FLOAT, _) => Some(Numbers::F32),
        (Physical::DOUBLE, _) => Some(Numbers::F64),
        (Physical::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Float16)) => Some(Numbers::F16),
        (Physical::INT32, _) if description.converted_type() == ConvertedType::UINT_8 => {
            Some(Numbers::U8)
        }
        (Physical::INT32, _) if description.converted_type() != ConvertedType::DECIMAL => {
            Some(Numbers::I32)
        }
        (Physical::INT64, _) if description.converted_type() != ConvertedType::DECIMAL => {
            Some(Numbers::I64)
        }
        _ => None,
    }
}

fn check_compression(name: &str, file: &SerializedFileReader<File>, columns: &Columns) -> Outcome {
    let used: Vec<&Column> = std::iter::once(&columns.vector)
        .chain(columns.scalars.iter().map(|(column, _)| column))
        .collect();
    for group in file.metadata().row_groups() {
        for column in &used {
            let codec = group
                .columns()
                .get(column.leaf)
                .map_or(Compression::UNCOMPRESSED, |chunk| chunk.compression());
            let codec = match codec {
                Compression::ZSTD(_) => "zstd",
                Compression::BROTLI(_) => "brotli",
                Compression::LZO => "lzo",
                _ => continue,
            };
            return Err(Failure::invalid(format!(
                "{name}: column `{}` is compressed with {codec}, which cannot be read here: write the file with \
                 compression=\"snappy\" (or gzip, lz4, none)",
                column.name
            )));
        }
    }
    Ok(())
}

fn assemble(
    columns: &Columns,
    place: Place,
    vector: Vector,
    cells: impl Iterator<Item = Option<Value>>,
) -> Result<Record, String> {
    let mut id: Option<DocId> = None;
    let mut payload = Map::new();
    for (number, ((column, _), cell)) in columns.scalars.iter().zip(cells).enumerate() {
        let value = cell.unwrap_or(Value::Null);
        if Some(number) == columns.id {
            let parsed = id_from_json(&value);
            id = Some(parsed.ok_or_else(|| {
                format!(
                    "column `{}`: {value} is no id: a number from 0 or text is",
                    column.name
                )
            })?);
        } else if !value.is_null() {
            payload.insert(column.name.clone(), value);
        }
    }
    Ok(Record {
        place,
        id,
        vector,
        payload,
    })
}

fn read_lists(
    reader: &mut ColumnReader,
    column: &Column,
    numbers: Numbers,
    rows: usize,
) -> Result<Vec<Vector>, String> {
    let f32s = |values: &[f32]| Vector::F32(values.to_vec());
    match (reader, numbers) {
        (ColumnReader::FloatColumnReader(reader), _) => lists_of(reader, column, rows, f32s),
        (ColumnReader::DoubleColumnReader(reader), _) => lists_of(reader, column, rows, |values| {
            Vector::F32(
                values
                    .iter()
                    .map(|&value| super::npy::narrowed(value))
                    .collect(),
            )
        }),
        (ColumnReader::Int32ColumnReader(reader), Numbers::U8) => {
            lists_of(reader, column, rows, |values| {
                Vector::U8(
                    values
                        .iter()
                        .map(|&value| u8::try_from(value & 0xff).unwrap_or_default())
                        .collect(),
                )
            })
        }
        (ColumnReader::Int32ColumnReader(reader), _) => lists_of(reader, column, rows, |values| {
            Vector::F32(values.iter().map(|&value| value as f32).collect())
        }),
        (ColumnReader::Int64ColumnReader(reader), _) => lists_of(reader, column, rows, |values| {
            Vector::F32(values.iter().map(|&value| value as f32).collect())
        }),
        (ColumnReader::FixedLenByteArrayColumnReader(reader), _) => {
            lists_of(reader, column, rows, |values| {
                let half = |bytes: &[u8]| {
                    bytes
                        .first_chunk()
                        .map_or(f16::NAN, |&bytes| f16::from_le_bytes(bytes))
                };
                Vector::F16(values.iter().map(|value| half(value.data())).collect())
            })
        }
        _ => Err("not a column of numbers".to_owned()),
    }
}

/// The next `rows` lists, none of them null, empty, or with a null inside.
fn lists_of<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    column: &Column,
    rows: usize,
    vector: impl Fn(&[T::T]) -> Vector,
) -> Result<Vec<Vector>, String> {
    let (mut definitions, mut repetitions, mut values) = (Vec::new(), Vec::new(), Vec::new());
    reader
        .read_records(
            rows,
            Some(&mut definitions),
            Some(&mut repetitions),
            &mut values,
        )
        .map_err(|error| error.to_string())?;
    if definitions
        .iter()
        .any(|&level| level != column.definition_max)
    {
        return Err("a vector is null or empty, or has a null inside".to_owned());
    }
    if values.len() != repetitions.len() {
        return Err(format!(
            "{} values for {} places",
            values.len(),
            repetitions.len()
        ));
    }
    let mut starts: Vec<usize> = (0..repetitions.len())
        .filter(|&at| repetitions[at] == 0)
        .collect();
    starts.push(values.len());
    let lists: Vec<&[T::T]> = starts
        .windows(2)
        .map(|pair| &values[pair[0]..pair[1]])
        .collect();
    if let Some(long) = lists.iter().find(|list| list.len() > DIM_MAX) {
        return Err(format!(
            "a vector of {} numbers: at most {DIM_MAX} are possible",
            long.len()
        ));
    }
    same_length(lists.into_iter().map(vector).collect(), rows)
}

fn same_length<T>(cells: Vec<T>, rows: usize) -> Result<Vec<T>, String> {
    if cells.len() == rows {
        Ok(cells)
    } else {
        Err(format!(
            "{} values where {rows} rows are promised",
            cells.len()
        ))
    }
}

fn explain(name: &str, error: &ParquetError) -> Failure {
    Failure::invalid(format!("{name}: not a readable parquet file: {error}"))
}

thread_local! {
    /// Whether a panic of this thread is about to be caught by [`guarded`].
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// The parquet crate asserts some of what it reads (a negative offset, a missing dictionary): on a forged file that is
/// the file's error and no bug of the program.
fn guarded<T>(name: &str, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                report(info)
            }
        }));
    });
    GUARDED.set(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(false);
    result.unwrap_or_else(|_| {
        Err(Failure::invalid(format!(
            "{name}: not a readable parquet file: its parts contradict each other"
        )))
    })
}

#[cfg(test)]
mod tests;
