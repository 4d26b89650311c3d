//! Documents become the columns of a record batch.

use super::export::{ColumnKind, PayloadColumn};
use super::layout::{self, Layout};
use super::rows::id_text;
use crate::document::Document;
use crate::id::DocId;
use crate::schema::VectorField;
use crate::timestamp::Timestamp;
use crate::vector::{MultiVector, SparseVector, Vector, VectorValue};
use aether_distance::ElementType;
use arrow_array::builder::{
    BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
    UInt64Builder,
};
use arrow_array::{
    ArrayRef, FixedSizeBinaryArray, FixedSizeListArray, Float16Array, Float32Array, ListArray,
    RecordBatch, StructArray, UInt8Array, UInt32Array,
};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow_schema::ArrowError;
use half::f16;
use serde_json::Value;
use std::sync::Arc;

/// The columns of the next record batch.
pub(super) struct Building<'a> {
    layout: &'a Layout,
    rows: usize,
    numbers: UInt64Builder,
    texts: StringBuilder,
    vectors: Vec<Vectors>,
    payloads: StringBuilder,
    ends: TimestampMicrosecondBuilder,
    columns: Vec<Cells>,
}

impl<'a> Building<'a> {
    pub(super) fn new(layout: &'a Layout) -> Building<'a> {
        Building {
            layout,
            rows: 0,
            numbers: UInt64Builder::new(),
            texts: StringBuilder::new(),
            vectors: layout
                .vectors
                .iter()
                .map(|(_, spec)| Vectors::new(spec))
                .collect(),
            payloads: StringBuilder::new(),
            ends: TimestampMicrosecondBuilder::new().with_data_type(layout::datetime()),
            columns: layout.columns.iter().map(Cells::new).collect(),
        }
    }

    /// How many documents are in.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Adds a document: about how many bytes it takes.
    pub(super) fn push(&mut self, document: &Document) -> usize {
        match &document.id {
            DocId::U64(number) if !self.layout.text_ids => self.numbers.append_value(*number),
            id => self.texts.append_value(id_text(id)),
        }
        let mut bytes = 0;
        for ((name, _), column) in self.layout.vectors.iter().zip(&mut self.vectors) {
            bytes += column.push(document.vectors.get(name));
        }
        if self.layout.payload {
            let json = document.payload.as_ref().map(Value::to_string);
            bytes += json.as_ref().map_or(0, String::len);
            self.payloads.append_option(json);
        }
        self.ends
            .append_option(document.expires_at.map(Timestamp::as_micros));
        let columns = self.layout.columns.iter().zip(&mut self.columns);
        columns.for_each(|(column, cells)| {
            cells.push(column.value(document.payload.as_ref()).as_ref());
        });
        self.rows += 1;
        bytes
    }

    pub(super) fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.layout.schema.fields().len());
        columns.push(if self.layout.text_ids {
            Arc::new(self.texts.finish())
        } else {
            Arc::new(self.numbers.finish())
        });
        for column in self.vectors {
            columns.push(column.finish()?);
        }
        if self.layout.payload {
            columns.push(Arc::new(self.payloads.finish()));
        }
        columns.push(Arc::new(self.ends.finish()));
        columns.extend(self.columns.into_iter().map(Cells::finish));
        RecordBatch::try_new(Arc::clone(&self.layout.schema), columns)
    }
}

/// The vectors of one field.
struct Vectors {
    /// Whether each document has one.
    present: Vec<bool>,
    values: Values,
}

enum Values {
    Dense(usize, Components),
    Binary(usize, Vec<u8>),
    Sparse {
        counts: Vec<usize>,
        indices: Vec<u32>,
        values: Vec<f32>,
    },
    Multi {
        dim: usize,
        counts: Vec<usize>,
        components: Components,
    },
}

/// Components of dense vectors, one vector behind the other.
enum Components {
    F32(Vec<f32>),
    F16(Vec<f16>),
    U8(Vec<u8>),
}

impl Vectors {
    fn new(spec: &VectorField) -> Vectors {
        let values = match spec {
            VectorField::Dense(field) => Values::Dense(field.dim, Components::new(field.element)),
            VectorField::Binary(field) => Values::Binary(field.bits.div_ceil(8), Vec::new()),
            VectorField::Sparse(_) => Values::Sparse {
                counts: Vec::new(),
                indices: Vec::new(),
                values: Vec::new(),
            },
            VectorField::Multi(field) => Values::Multi {
                dim: field.dim,
                counts: Vec::new(),
                components: Components::new(field.element),
            },
        };
        Vectors {
            present: Vec::new(),
            values,
        }
    }

    /// Adds a vector: about how many bytes it takes.
    fn push(&mut self, vector: Option<&VectorValue>) -> usize {
        self.present.push(vector.is_some());
        match (&mut self.values, vector) {
            (Values::Dense(dim, components), None) => components.push_zeros(*dim),
            (Values::Dense(_, components), Some(VectorValue::Dense(vector))) => {
                components.push(vector)
            }
            (Values::Binary(bytes, bits), None) => {
                bits.resize(bits.len() + *bytes, 0);
                *bytes
            }
            (Values::Binary(_, bits), Some(VectorValue::Binary(vector))) => {
                bits.extend_from_slice(vector.as_bytes());
                vector.as_bytes().len()
            }
            (Values::Sparse { counts, .. } | Values::Multi { counts, .. }, None) => {
                counts.push(0);
                0
            }
            (
                Values::Sparse {
                    counts,
                    indices,
                    values,
                },
                Some(VectorValue::Sparse(vector)),
            ) => push_sparse(vector, counts, indices, values),
            (
                Values::Multi {
                    counts, components, ..
                },
                Some(VectorValue::Multi(vectors)),
            ) => push_multi(vectors, counts, components),
            _ => unreachable!("stored vectors are of their field's kind"),
        }
    }

    fn finish(self) -> Result<ArrayRef, ArrowError> {
        let nulls = Some(NullBuffer::from(self.present));
        Ok(match self.values {
            Values::Dense(dim, components) => Arc::new(components.finish(dim, nulls)?),
            Values::Binary(bytes, bits) => Arc::new(FixedSizeBinaryArray::try_new(
                layout::size(bytes),
                Buffer::from_vec(bits),
                nulls,
            )?),
            Values::Sparse {
                counts,
                indices,
                values,
            } => {
                let offsets = OffsetBuffer::<i32>::from_lengths(counts);
                let fields = layout::sparse_fields();
                let list = |kind: &arrow_schema::DataType, items: ArrayRef| {
                    let element = layout::element(kind.clone());
                    ListArray::try_new(element, offsets.clone(), items, None)
                };
                let indices: ArrayRef = Arc::new(UInt32Array::from(indices));
                let values: ArrayRef = Arc::new(Float32Array::from(values));
                let indices = list(&indices.data_type().clone(), indices)?;
                let values = list(&values.data_type().clone(), values)?;
                let lists: Vec<ArrayRef> = vec![Arc::new(indices), Arc::new(values)];
                Arc::new(StructArray::try_new(fields, lists, nulls)?)
            }
            Values::Multi {
                dim,
                counts,
                components,
            } => {
                let offsets = OffsetBuffer::<i32>::from_lengths(counts);
                let vectors = components.finish(dim, None)?;
                let element = layout::element(arrow_array::Array::data_type(&vectors).clone());
                Arc::new(ListArray::try_new(
                    element,
                    offsets,
                    Arc::new(vectors),
                    nulls,
                )?)
            }
        })
    }
}

fn push_sparse(
    vector: &SparseVector,
    counts: &mut Vec<usize>,
    indices: &mut Vec<u32>,
    values: &mut Vec<f32>,
) -> usize {
    counts.push(vector.len());
    indices.extend_from_slice(vector.indices());
    values.extend_from_slice(vector.values());
    vector.len() * 8
}

fn push_multi(
    vectors: &MultiVector,
    counts: &mut Vec<usize>,
    components: &mut Components,
) -> usize {
    counts.push(vectors.len());
    components.push(vectors.components())
}

impl Components {
    fn new(element: ElementType) -> Components {
        match element {
            ElementType::F16 => Components::F16(Vec::new()),
            ElementType::U8 => Components::U8(Vec::new()),
            _ => Components::F32(Vec::new()),
        }
    }

    fn push(&mut self, vector: &Vector) -> usize {
        match (self, vector) {
            (Components::F32(out), Vector::F32(components)) => out.extend_from_slice(components),
            (Components::F16(out), Vector::F16(components)) => out.extend_from_slice(components),
            (Components::U8(out), Vector::U8(components)) => out.extend_from_slice(components),
            _ => unreachable!("stored vectors have their field's element type"),
        }
        vector.dim() * vector.element().bytes()
    }

    fn push_zeros(&mut self, count: usize) -> usize {
        match self {
            Components::F32(out) => out.resize(out.len() + count, 0.0),
            Components::F16(out) => out.resize(out.len() + count, f16::ZERO),
            Components::U8(out) => out.resize(out.len() + count, 0),
        }
        count
    }

    fn finish(
        self,
        dim: usize,
        nulls: Option<NullBuffer>,
    ) -> Result<FixedSizeListArray, ArrowError> {
        let components: ArrayRef = match self {
            Components::F32(components) => Arc::new(Float32Array::from(components)),
            Components::F16(components) => Arc::new(Float16Array::from(components)),
            Components::U8(components) => Arc::new(UInt8Array::from(components)),
        };
        let element = layout::element(components.data_type().clone());
        FixedSizeListArray::try_new(element, layout::size(dim), components, nulls)
    }
}

/// The values of a typed column of payloads.
enum Cells {
    Text(StringBuilder),
    Integer(Int64Builder),
    Float(Float64Builder),
    Bool(BooleanBuilder),
    Datetime(TimestampMicrosecondBuilder),
}

impl Cells {
    fn new(column: &PayloadColumn) -> Cells {
        match column.kind {
            ColumnKind::Text => Cells::Text(StringBuilder::new()),
            ColumnKind::Integer => Cells::Integer(Int64Builder::new()),
            ColumnKind::Float => Cells::Float(Float64Builder::new()),
            ColumnKind::Bool => Cells::Bool(BooleanBuilder::new()),
            ColumnKind::Datetime => Cells::Datetime(
                TimestampMicrosecondBuilder::new().with_data_type(layout::datetime()),
            ),
        }
    }

    /// Adds `value`; null if it is of another type.
    fn push(&mut self, value: Option<&Value>) {
        match self {
            Cells::Text(cells) => cells.append_option(value.and_then(Value::as_str)),
            Cells::Integer(cells) => cells.append_option(value.and_then(Value::as_i64)),
            Cells::Float(cells) => cells.append_option(value.and_then(Value::as_f64)),
            Cells::Bool(cells) => cells.append_option(value.and_then(Value::as_bool)),
            Cells::Datetime(cells) => cells.append_option(
                value
                    .and_then(Value::as_str)
                    .and_then(Timestamp::parse)
                    .map(Timestamp::as_micros),
            ),
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Cells::Text(mut cells) => Arc::new(cells.finish()),
            Cells::Integer(mut cells) => Arc::new(cells.finish()),
            Cells::Float(mut cells) => Arc::new(cells.finish()),
            Cells::Bool(mut cells) => Arc::new(cells.finish()),
            Cells::Datetime(mut cells) => Arc::new(cells.finish()),
        }
    }
}

impl PayloadColumn {
    /// The value that the path reaches in `payload`, if it reaches exactly one.
    fn value(&self, payload: Option<&Value>) -> Option<Value> {
        let (mut found, mut several) = (None, false);
        self.path.any_leaf(payload?, |value| {
            several |= found.is_some();
            found = Some(value.clone());
            several
        });
        found.filter(|_| !several)
    }
}
