//! NumPy arrays (`.npy`, versions 1 to 3): vectors, ids and payload columns.
//!
//! ```text
//! 93 'NUMPY'  major u8  minor u8  header length u16 LE (version 1) or u32 LE (2, 3)
//! header: a Python dictionary {'descr': '<f4', 'fortran_order': False, 'shape': (8000, 384), } and padding
//! rows in C order, little endian
//! ```

mod header;

use super::{Place, Record, Shape, Source};
use crate::failure::Outcome;
use crate::import::id_from_text;
use crate::input::{Fill, Input};
use aethervec::limits::DIM_MAX;
use aethervec::{DocId, ElementType, Vector};
use half::f16;
use header::Header;
use serde_json::{Map, Value};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Longest header that we read; NumPy itself refuses more than 10,000 by default.
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Longest fixed-width text element, in bytes.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// The element types that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dtype {
    Bool,
    Signed(usize),
    Unsigned(usize),
    Float(usize),
    /// `S`: so many bytes.
    Bytes(usize),
    /// `U`: so many UTF-32 characters.
    Unicode(usize),
}

impl Dtype {
    /// From NumPy's notation, such as `<f4`.
    fn parse(descr: &str) -> Result<Dtype, String> {
        let unsupported = || {
            format!(
                "dtype '{descr}' is not supported: use f2, f4, f8 or u1 for vectors, integers or text for ids"
            )
        };
        let mut chars = descr.chars();
        let (order, kind) = (
            chars.next().ok_or_else(unsupported)?,
            chars.next().ok_or_else(unsupported)?,
        );
        let size: usize = chars.as_str().parse().map_err(|_| unsupported())?;
        if order == '>' && size > 1 {
            return Err(format!(
                "dtype '{descr}' is big-endian: save it with .astype('<{kind}{size}')"
            ));
        }
        match (kind, size) {
            ('b', 1) => Ok(Dtype::Bool),
            ('i', 1 | 2 | 4 | 8) => Ok(Dtype::Signed(size)),
            ('u', 1 | 2 | 4 | 8) => Ok(Dtype::Unsigned(size)),
            ('f', 2 | 4 | 8) => Ok(Dtype::Float(size)),
            ('S', 1..=TEXT_BYTES_MAX) => Ok(Dtype::Bytes(size)),
            ('U', 1..) if size <= TEXT_BYTES_MAX / 4 => Ok(Dtype::Unicode(size)),
            _ => Err(unsupported()),
        }
    }

    fn item_bytes(self) -> usize {
        match self {
            Dtype::Bool => 1,
            Dtype::Signed(bytes)
            | Dtype::Unsigned(bytes)
            | Dtype::Float(bytes)
            | Dtype::Bytes(bytes) => bytes,
            Dtype::Unicode(chars) => 4 * chars,
        }
    }

    /// One element as JSON; `None` for a float that JSON does not have, or for text that is no Unicode.
    fn value(self, item: &[u8]) -> Option<Value> {
        match self {
            Dtype::Bool => Some(Value::Bool(item[0] != 0)),
            Dtype::Signed(bytes) => {
                let shift = 64 - 8 * u32::try_from(bytes).ok()?;
                // Sign extension: up to the top, and back down arithmetically.
                Some(Value::from(
                    i64::from_le_bytes(widened(item).to_le_bytes()) << shift >> shift,
                ))
            }
            Dtype::Unsigned(_) => Some(Value::from(widened(item))),
            Dtype::Float(2) => {
                Some(f64::from(f16::from_le_bytes(item.try_into().ok()?))).and_then(finite)
            }
            Dtype::Float(4) => finite(f64::from(f32::from_le_bytes(item.try_into().ok()?))),
            Dtype::Float(_) => finite(f64::from_le_bytes(item.try_into().ok()?)),
            Dtype::Bytes(_) => String::from_utf8(item.to_vec())
                .ok()
                .map(|text| Value::from(text.trim_end_matches('\0'))),
            Dtype::Unicode(_) => {
                let chars = item
                    .chunks_exact(4)
                    .map(|c| u32::try_from(widened(c)).ok().and_then(char::from_u32));
                let text: String = chars.collect::<Option<_>>()?;
                Some(Value::from(text.trim_end_matches('\0')))
            }
        }
    }
}

fn widened(item: &[u8]) -> u64 {
    item.iter()
        .rev()
        .fold(0, |wide, &byte| wide << 8 | u64::from(byte))
}

fn finite(number: f64) -> Option<Value> {
    serde_json::Number::from_f64(number).map(Value::Number)
}

/// An array of one or two dimensions, read row by row.
#[derive(Debug)]
pub(crate) struct NpyReader {
    input: Input,
    dtype: Dtype,
    rows: u64,
    /// `None` for an array of one dimension.
    columns: Option<usize>,
    next_row: u64,
    row: Vec<u8>,
}

impl NpyReader {
    /// Reads the header.
    pub(crate) fn new(mut input: Input) -> Outcome<NpyReader> {
        let mut start = [0; 8];
        input.fill_exactly(&mut start, "the magic number")?;
        if !start.starts_with(MAGIC) {
            return Err(input.invalid("not a NumPy file: it does not begin with \\x93NUMPY"));
        }
        let header_bytes = match start[6] {
            1 => {
                let mut length = [0; 2];
                input.fill_exactly(&mut length, "the header length")?;
                usize::from(u16::from_le_bytes(length))
            }
            2 | 3 => {
                let mut length = [0; 4];
                input.fill_exactly(&mut length, "the header length")?;
                usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX)
            }
            version => {
                return Err(input.invalid(format!(
                    "format version {version} is not known: versions 1 to 3 are"
                )));
            }
        };
        if header_bytes > HEADER_BYTES_MAX {
            return Err(input.invalid(format!(
                "header: {header_bytes} bytes are more than the limit of {HEADER_BYTES_MAX}"
            )));
        }
        let mut header = vec![0; header_bytes];
        input.fill_exactly(&mut header, "the header")?;
        let header = String::from_utf8_lossy(&header).into_owned();
        let header = Header::parse(&header)
            .map_err(|message| input.invalid(format!("header: {message}")))?;
        NpyReader::with_header(input, &header)
    }

    fn with_header(input: Input, header: &Header) -> Outcome<NpyReader> {
        let dtype = Dtype::parse(&header.descr).map_err(|message| input.invalid(message))?;
        let (rows, columns) = match header.shape[..] {
            [rows] => (rows, None),
            [rows, columns] => (rows, Some(columns)),
            _ => {
                return Err(input.invalid(format!(
                    "shape {:?}: an array of 1 or 2 dimensions is needed",
                    header.shape
                )));
            }
        };
        if header.fortran_order && columns.is_some() {
            return Err(
                input.invalid("the array is in Fortran order: save numpy.ascontiguousarray(array)")
            );
        }
        let columns = match columns {
            Some(columns) if columns == 0 || columns > DIM_MAX as u64 => {
                return Err(input.invalid(format!(
                    "shape {:?}: rows of {columns} numbers; 1 to {DIM_MAX} are possible",
                    header.shape
                )));
            }
            Some(columns) => usize::try_from(columns).ok(),
            None => None,
        };
        let row_bytes = columns.unwrap_or(1) * dtype.item_bytes();
        let promised = u128::from(rows) * row_bytes as u128;
        if let Some(present) = input
            .content_bytes()
            .map(|bytes| bytes.saturating_sub(input.offset()))
            && u128::from(present) != promised
        {
            let what = if u128::from(present) < promised {
                "truncated"
            } else {
                "too long"
            };
            return Err(input.invalid(format!(
                "{what}: shape {:?} of '{}' needs {promised} bytes after the header, the file has {present}",
                header.shape, header.descr
            )));
        }
        Ok(NpyReader {
            input,
            dtype,
            rows,
            columns,
            next_row: 0,
            row: vec![0; row_bytes],
        })
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// The next row; `None` behind the last one, where the file must end.
    fn next_row(&mut self) -> Outcome<Option<(u64, &[u8])>> {
        let number = self.next_row;
        if number == self.rows {
            let mut probe = [0; 1];
            return match self.input.fill(&mut probe, "data")? {
                Fill::End => Ok(None),
                Fill::Full => Err(self.input.invalid(format!(
                    "bytes follow the last row, at byte {}",
                    self.input.offset() - 1
                ))),
            };
        }
        self.input
            .fill_exactly(&mut self.row, &format!("row {number} of {}", self.rows))?;
        self.next_row += 1;
        Ok(Some((number, &self.row)))
    }

    /// The next element of an array of one dimension (or of one column), as JSON.
    pub(crate) fn next_value(&mut self) -> Outcome<Option<Value>> {
        if self.columns.is_some_and(|columns| columns != 1) {
            return Err(self.input.invalid(format!(
                "rows of {} numbers: one value per row is needed",
                self.columns.unwrap_or(1)
            )));
        }
        let dtype = self.dtype;
        let Some((number, item)) = self.next_row()? else {
            return Ok(None);
        };
        let value = dtype.value(item);
        value.map(Some).ok_or_else(|| {
            self.input
                .invalid(format!("row {number}: NaN, infinity or broken text"))
        })
    }

    /// The next element as a document id.
    pub(crate) fn next_id(&mut self) -> Outcome<Option<DocId>> {
        let Some(value) = self.next_value()? else {
            return Ok(None);
        };
        let id = match &value {
            Value::String(text) => Some(id_from_text(text)),
            other => other.as_u64().map(DocId::U64),
        };
        id.map(Some).ok_or_else(|| {
            self.input.invalid(format!(
                "row {}: {value} is no id: a number from 0, or text, is",
                self.next_row - 1
            ))
        })
    }

    /// The next row of integers, such as a list of true neighbours.
    pub(crate) fn next_integers(&mut self) -> Outcome<Option<Vec<u64>>> {
        let dtype = self.dtype;
        let Some((number, row)) = self.next_row()? else {
            return Ok(None);
        };
        let integers = row
            .chunks_exact(dtype.item_bytes())
            .map(|item| dtype.value(item).and_then(|value| value.as_u64()));
        let integers: Option<Vec<u64>> = integers.collect();
        integers.map(Some).ok_or_else(|| {
            self.input.invalid(format!(
                "row {number}: row numbers (integers from 0) are needed"
            ))
        })
    }
}

/// A NumPy array of vectors.
#[derive(Debug)]
pub(crate) struct NpyVectors {
    reader: NpyReader,
}

impl NpyVectors {
    /// Fails unless the array has two dimensions and a type that vectors may have.
    pub(crate) fn new(reader: NpyReader) -> Outcome<NpyVectors> {
        if reader.columns.is_none() {
            return Err(reader.input.invalid(format!(
                "shape ({},): vectors are rows of an array of 2 dimensions",
                reader.rows
            )));
        }
        if !matches!(reader.dtype, Dtype::Float(_) | Dtype::Unsigned(1)) {
            return Err(reader
                .input
                .invalid("vectors must be f2, f4, f8 or u1: save the array with .astype('<f4')"));
        }
        Ok(NpyVectors { reader })
    }
}

impl Source for NpyVectors {
    fn shape(&self) -> Shape {
        let element = match self.reader.dtype {
            Dtype::Float(2) => ElementType::F16,
            Dtype::Unsigned(_) => ElementType::U8,
            _ => ElementType::F32,
        };
        let bytes = self
            .reader
            .input
            .file_bytes()
            .map(|total| (total, self.reader.input.consumed()));
        Shape {
            rows: Some(self.reader.rows),
            element,
            bytes,
            left_out: Vec::new(),
        }
    }

    fn next(&mut self) -> Outcome<Option<Record>> {
        let dtype = self.reader.dtype;
        let Some((number, row)) = self.reader.next_row()? else {
            return Ok(None);
        };
        let vector = match dtype {
            Dtype::Float(2) => Vector::F16(
                row.as_chunks()
                    .0
                    .iter()
                    .map(|&b| f16::from_le_bytes(b))
                    .collect(),
            ),
            Dtype::Float(4) => Vector::F32(
                row.as_chunks()
                    .0
                    .iter()
                    .map(|&b| f32::from_le_bytes(b))
                    .collect(),
            ),
            Dtype::Float(_) => Vector::F32(
                row.as_chunks()
                    .0
                    .iter()
                    .map(|&b| narrowed(f64::from_le_bytes(b)))
                    .collect(),
            ),
            _ => Vector::U8(row.to_vec()),
        };
        Ok(Some(Record {
            place: Place::Row(number),
            id: None,
            vector,
            payload: Map::new(),
        }))
    }
}

/// To single precision; what is too large becomes infinite, and is then refused with its place.
#[expect(
    clippy::cast_possible_truncation,
    reason = "rounding is meant; overflow becomes infinity"
)]
fn narrowed(number: f64) -> f32 {
    number as f32
}

#[cfg(test)]
mod tests;
