//! Which columns an export has. `docs/formats/arrow.md` is the description.

use super::export::{ColumnKind, ExportOptions, PayloadColumn};
use crate::error::{Error, Result};
use crate::limits;
use crate::schema::{CollectionSchema, DenseField, MultiField, VectorField};
use crate::validate;
use aether_distance::ElementType;
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The column of ids.
pub(super) const ID: &str = "id";
/// The column of the default field.
pub(super) const VECTOR: &str = "vector";
/// The column of payloads.
pub(super) const PAYLOAD: &str = "payload";
/// The column that says when documents end.
pub(super) const EXPIRES_AT: &str = "expires_at";
/// Under this key a schema says what the collection is, and a column which part of documents it has.
pub(super) const KEY: &str = "aethervec";

/// The columns of an export.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) schema: SchemaRef,
    /// Whether ids are texts: there are others than numbers.
    pub(super) text_ids: bool,
    /// The vector fields, in the order of their columns.
    pub(super) vectors: Vec<(String, VectorField)>,
    pub(super) payload: bool,
    pub(super) columns: Vec<PayloadColumn>,
}

/// Which part of documents a column has, as an export says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Id,
    /// Ids as [`id_text`](super::rows::id_text) writes them.
    TextId,
    Vector(String),
    Payload,
    Path(String),
    ExpiresAt,
}

impl Part {
    fn text(&self) -> String {
        match self {
            Part::Id => "id".to_owned(),
            Part::TextId => "id text".to_owned(),
            Part::Vector(field) => format!("vector {field}"),
            Part::Payload => "payload".to_owned(),
            Part::Path(path) => format!("path {path}"),
            Part::ExpiresAt => "expires_at".to_owned(),
        }
    }

    /// What the metadata of a column say.
    pub(super) fn of(field: &Field) -> Option<Part> {
        let text = field.metadata().get(KEY)?;
        Some(match text.split_once(' ').unwrap_or((text, "")) {
            ("id", "") => Part::Id,
            ("id", "text") => Part::TextId,
            ("vector", field) => Part::Vector(field.to_owned()),
            ("payload", "") => Part::Payload,
            ("path", path) => Part::Path(path.to_owned()),
            ("expires_at", "") => Part::ExpiresAt,
            _ => return None,
        })
    }
}

/// The column of a vector field.
pub(super) fn vector_column(field: &str) -> String {
    match field {
        "" => VECTOR.to_owned(),
        field => format!("{VECTOR}_{field}"),
    }
}

/// Datetimes: microseconds since 1970 in UTC.
pub(super) fn datetime() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The element of a list, never null.
pub(super) fn element(kind: DataType) -> FieldRef {
    Arc::new(Field::new("item", kind, false))
}

/// The two lists of a sparse vector.
pub(super) fn sparse_fields() -> Fields {
    Fields::from(vec![
        Field::new("indices", DataType::List(element(DataType::UInt32)), false),
        Field::new("values", DataType::List(element(DataType::Float32)), false),
    ])
}

/// A dense vector.
pub(super) fn dense(dim: usize, kind: ElementType) -> DataType {
    DataType::FixedSizeList(element(element_type(kind)), size(dim))
}

/// A dimension, as Arrow counts.
pub(super) fn size(dim: usize) -> i32 {
    i32::try_from(dim).expect("dimensions are validated to be small")
}

fn element_type(kind: ElementType) -> DataType {
    match kind {
        ElementType::F16 => DataType::Float16,
        ElementType::U8 => DataType::UInt8,
        _ => DataType::Float32,
    }
}

impl Layout {
    /// `header` says what the collection is.
    pub(super) fn new(
        header: String,
        schema: &CollectionSchema,
        text_ids: bool,
        options: &ExportOptions,
    ) -> Result<Layout> {
        validate::range(
            "batch_documents",
            options.batch_documents,
            1..=limits::BATCH_DOCUMENTS_MAX,
        )?;
        let (id, id_part) = if text_ids {
            (DataType::Utf8, Part::TextId)
        } else {
            (DataType::UInt64, Part::Id)
        };
        let mut fields = vec![column(ID, id, false, &id_part)];
        for (name, spec) in &schema.fields {
            let part = Part::Vector(name.clone());
            fields.push(column(&vector_column(name), vector_type(spec), true, &part));
        }
        if options.payload {
            fields.push(column(PAYLOAD, DataType::Utf8, true, &Part::Payload));
        }
        fields.push(column(EXPIRES_AT, datetime(), true, &Part::ExpiresAt));
        for PayloadColumn { path, kind } in &options.columns {
            path.validate()?;
            let name = path.to_string();
            let part = Part::Path(name.clone());
            fields.push(column(&name, kind.data_type(), true, &part));
        }
        let mut names = BTreeSet::new();
        if let Some(twice) = fields.iter().find(|field| !names.insert(field.name())) {
            return Err(Error::invalid(format!(
                "columns: there would be two called {:?}: leave that path out",
                twice.name()
            )));
        }
        let metadata = HashMap::from([(KEY.to_owned(), header)]);
        Ok(Layout {
            schema: Arc::new(Schema::new(fields).with_metadata(metadata)),
            text_ids,
            vectors: schema
                .fields
                .iter()
                .map(|(name, spec)| (name.clone(), spec.clone()))
                .collect(),
            payload: options.payload,
            columns: options.columns.clone(),
        })
    }
}

fn column(name: &str, kind: DataType, nullable: bool, part: &Part) -> Field {
    let metadata = HashMap::from([(KEY.to_owned(), part.text())]);
    Field::new(name, kind, nullable).with_metadata(metadata)
}

fn vector_type(spec: &VectorField) -> DataType {
    match spec {
        VectorField::Dense(DenseField { dim, element, .. }) => dense(*dim, *element),
        VectorField::Binary(field) => DataType::FixedSizeBinary(size(field.bits.div_ceil(8))),
        VectorField::Sparse(_) => DataType::Struct(sparse_fields()),
        VectorField::Multi(MultiField {
            dim, element: kind, ..
        }) => DataType::List(element(dense(*dim, *kind))),
    }
}

impl ColumnKind {
    fn data_type(self) -> DataType {
        match self {
            ColumnKind::Text => DataType::Utf8,
            ColumnKind::Integer => DataType::Int64,
            ColumnKind::Float => DataType::Float64,
            ColumnKind::Bool => DataType::Boolean,
            ColumnKind::Datetime => datetime(),
        }
    }
}
