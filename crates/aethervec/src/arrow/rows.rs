//! Rows of record batches become documents.

use super::json;
use super::roles::{IdColumn, Resolved};
use crate::document::Document;
use crate::error::{Error, Result};
use crate::id::DocId;
use crate::timestamp::Timestamp;
use crate::vector::{BinaryVector, MultiVector, SparseVector, Vector, VectorValue, Vectors};
use crate::write;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use serde_json::{Map, Value};
use uuid::Uuid;

/// An id as text, from which [`id_of_text`] reads the same id: a string that could be taken for a number or a UUID is in quotes.
pub(super) fn id_text(id: &DocId) -> String {
    match id {
        DocId::Str(text) if text.starts_with('"') || DocId::from_text(text) != *id => {
            Value::from(text.as_str()).to_string()
        }
        id => id.to_string(),
    }
}

fn id_of_text(text: &str) -> DocId {
    let quoted = text.starts_with('"').then(|| serde_json::from_str(text));
    match quoted {
        Some(Ok(text)) => DocId::Str(text),
        _ => DocId::from_text(text),
    }
}

/// The documents of a batch whose columns are `columns`; `first_row`: the number of its first row, for errors and as an id.
pub(super) fn documents(
    columns: &Resolved,
    batch: &RecordBatch,
    first_row: u64,
) -> Result<Vec<Document>> {
    (0..batch.num_rows())
        .map(|row| {
            let number = first_row + row as u64;
            document(columns, batch, row, number)
                .map_err(|error| error.within(&format!("row {number}")))
        })
        .collect()
}

fn document(columns: &Resolved, batch: &RecordBatch, row: usize, number: u64) -> Result<Document> {
    let column = |index: usize| Cell {
        name: batch.schema_ref().field(index).name(),
        array: batch.column(index),
        row,
    };
    let id = match columns.id {
        IdColumn::None => DocId::U64(number),
        IdColumn::Plain(index) => column(index).id()?,
        IdColumn::Text(index) => column(index).text_id()?,
    };
    let mut vectors = Vectors::new();
    for (field, index) in &columns.vectors {
        if let Some(vector) = column(*index).vector()? {
            vectors.insert(field, vector);
        }
    }
    let mut payload = match columns.payload {
        Some(index) => column(index).payload()?,
        None => None,
    };
    for (key, index) in &columns.others {
        if let Some(value) = json::value(batch.column(*index), row) {
            let object = payload.get_or_insert_with(Map::new);
            object.insert(key.clone(), value);
        }
    }
    let mut payload = payload.map(Value::Object);
    for (path, index) in &columns.paths {
        if let Some(value) = json::value(batch.column(*index), row) {
            let payload = payload.get_or_insert_with(|| Value::Object(Map::new()));
            write::set(payload, path.steps(), &value);
        }
    }
    let expires_at = match columns.expires_at {
        Some(index) => column(index).moment()?,
        None => None,
    };
    Ok(Document {
        id,
        vectors,
        payload,
        expires_at,
    })
}

/// A value of a column.
struct Cell<'a> {
    name: &'a str,
    array: &'a ArrayRef,
    row: usize,
}

impl Cell<'_> {
    fn invalid(&self, what: &str) -> Error {
        Error::invalid(format!("column {:?}: {what}", self.name))
    }

    fn id(&self) -> Result<DocId> {
        let value = json::value(self.array, self.row).unwrap_or(Value::Null);
        let id = match &value {
            Value::Number(number) => number.as_u64().map(DocId::U64),
            Value::String(text) => Some(match DocId::from_text(text) {
                // A text of digits stays a text: there are numbers for numbers.
                DocId::U64(_) => DocId::Str(text.clone()),
                id => id,
            }),
            _ => None,
        };
        id.ok_or_else(|| {
            self.invalid(&format!(
                "{value} is no id: a number from 0 on or a text is"
            ))
        })
    }

    fn text_id(&self) -> Result<DocId> {
        match json::value(self.array, self.row) {
            Some(Value::String(text)) => Ok(id_of_text(&text)),
            _ => Err(self.invalid("an id must be a text here")),
        }
    }

    fn payload(&self) -> Result<Option<Map<String, Value>>> {
        let value = match json::value(self.array, self.row) {
            Some(Value::String(text)) => Some(
                serde_json::from_str(&text)
                    .map_err(|error| self.invalid(&format!("it is not JSON: {error}")))?,
            ),
            other => other,
        };
        match value {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(_) => Err(self.invalid("a payload must be a JSON object")),
        }
    }

    fn moment(&self) -> Result<Option<Timestamp>> {
        match json::value(self.array, self.row) {
            None => Ok(None),
            Some(Value::String(text)) => text
                .parse()
                .map(Some)
                .map_err(|error: Error| self.invalid(&error.to_string())),
            Some(value) => Err(self.invalid(&format!("{value} is no moment"))),
        }
    }

    fn vector(&self) -> Result<Option<VectorValue>> {
        if self.array.is_null(self.row) {
            return Ok(None);
        }
        if let DataType::Struct(_) = self.array.data_type() {
            return self.sparse().map(VectorValue::Sparse).map(Some);
        }
        if let Some(bytes) = bytes(self.array, self.row) {
            return Ok(Some(VectorValue::Binary(BinaryVector::from_bytes(bytes))));
        }
        let elements = list(self.array, self.row).ok_or_else(|| self.no_vector())?;
        if is_list(elements.data_type()) {
            return self.multi(&elements).map(VectorValue::Multi).map(Some);
        }
        self.dense(&elements).map(VectorValue::Dense).map(Some)
    }

    fn no_vector(&self) -> Error {
        self.invalid(&format!(
            "{} is no vector: a list of numbers, lists of numbers, bytes, or a struct of indices and values is",
            self.array.data_type()
        ))
    }

    fn dense(&self, elements: &ArrayRef) -> Result<Vector> {
        if elements.null_count() > 0 {
            return Err(self.invalid("a vector has a null inside"));
        }
        components(elements).ok_or_else(|| self.no_vector())
    }

    fn multi(&self, vectors: &ArrayRef) -> Result<MultiVector> {
        let mut dim = None;
        let mut all: Option<Vector> = None;
        for row in 0..vectors.len() {
            let elements = list(vectors, row)
                .filter(|_| !vectors.is_null(row))
                .ok_or_else(|| self.invalid("one of several vectors is null"))?;
            let vector = self.dense(&elements)?;
            if *dim.get_or_insert(vector.dim()) != vector.dim() {
                return Err(self.invalid("several vectors of one document differ in length"));
            }
            match (&mut all, vector) {
                (None, vector) => all = Some(vector),
                (Some(Vector::F32(all)), Vector::F32(more)) => all.extend(more),
                (Some(Vector::F16(all)), Vector::F16(more)) => all.extend(more),
                (Some(Vector::U8(all)), Vector::U8(more)) => all.extend(more),
                _ => unreachable!("the lists of one column have one type"),
            }
        }
        let all = all.unwrap_or(Vector::F32(Vec::new()));
        MultiVector::from_components(dim.unwrap_or_default(), all)
            .map_err(|error| self.invalid(&error.to_string()))
    }

    fn sparse(&self) -> Result<SparseVector> {
        let parts = self.array.as_struct();
        let part = |name: &str| {
            let column = parts.column_by_name(name)?;
            list(column, self.row).filter(|list| list.null_count() == 0)
        };
        let expected =
            || self.invalid("a sparse vector is a struct of two lists, indices and values");
        let (indices, values) = (
            part("indices").ok_or_else(expected)?,
            part("values").ok_or_else(expected)?,
        );
        if indices.len() != values.len() {
            return Err(self.invalid(&format!(
                "a sparse vector has {} indices for {} values",
                indices.len(),
                values.len()
            )));
        }
        let values = components(&values).ok_or_else(expected)?.to_f32();
        let index = |row| json::value(&indices, row)?.as_u64()?.try_into().ok();
        let indices: Option<Vec<u32>> = (0..indices.len()).map(index).collect();
        let indices = indices
            .ok_or_else(|| self.invalid("an index of a sparse vector is no number of 32 bits"))?;
        Ok(SparseVector::new(indices.into_iter().zip(values)))
    }
}

/// Whether values of this type are lists.
pub(super) fn is_list(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _)
    )
}

/// The elements of a list.
fn list(array: &ArrayRef, row: usize) -> Option<ArrayRef> {
    match array.data_type() {
        DataType::List(_) => Some(array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => Some(array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(_, _) => Some(array.as_fixed_size_list().value(row)),
        _ => None,
    }
}

fn bytes(array: &ArrayRef, row: usize) -> Option<&[u8]> {
    match array.data_type() {
        DataType::FixedSizeBinary(_) => Some(array.as_fixed_size_binary().value(row)),
        DataType::Binary => Some(array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => Some(array.as_binary::<i64>().value(row)),
        _ => None,
    }
}

/// Numbers as components of the nearest type: bytes and 16-bit floats stay what they are, all others become `f32`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the nearest f32 is wanted"
)]
fn components(array: &ArrayRef) -> Option<Vector> {
    macro_rules! f32s {
        ($kind:ty) => {
            Vector::F32(
                array
                    .as_primitive::<$kind>()
                    .values()
                    .iter()
                    .map(|&number| number as f32)
                    .collect(),
            )
        };
    }
    Some(match array.data_type() {
        DataType::Float32 => Vector::F32(array.as_primitive::<Float32Type>().values().to_vec()),
        DataType::Float16 => Vector::F16(array.as_primitive::<Float16Type>().values().to_vec()),
        DataType::UInt8 => Vector::U8(array.as_primitive::<UInt8Type>().values().to_vec()),
        DataType::Float64 => f32s!(Float64Type),
        DataType::Int8 => f32s!(Int8Type),
        DataType::Int16 => f32s!(Int16Type),
        DataType::Int32 => f32s!(Int32Type),
        DataType::Int64 => f32s!(Int64Type),
        DataType::UInt16 => f32s!(UInt16Type),
        DataType::UInt32 => f32s!(UInt32Type),
        DataType::UInt64 => f32s!(UInt64Type),
        _ => return None,
    })
}

/// The UUID of 16 bytes.
pub(super) fn uuid(bytes: &[u8]) -> Option<Uuid> {
    Uuid::from_slice(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_from_its_text() {
        for (id, text) in [
            (DocId::U64(42), "42"),
            (DocId::from("42"), "\"42\""),
            (DocId::from("042"), "042"),
            (DocId::from("a"), "a"),
            (DocId::from("\"a\""), "\"\\\"a\\\"\""),
            (DocId::from("\"a"), "\"\\\"a\""),
            (
                DocId::from("67e55044-10b1-426f-9247-bb680e5fe0c8"),
                "\"67e55044-10b1-426f-9247-bb680e5fe0c8\"",
            ),
            (
                DocId::from_text("67e55044-10b1-426f-9247-bb680e5fe0c8"),
                "67e55044-10b1-426f-9247-bb680e5fe0c8",
            ),
        ] {
            assert_eq!(id_text(&id), text);
            assert_eq!(id_of_text(text), id);
        }
    }
}
