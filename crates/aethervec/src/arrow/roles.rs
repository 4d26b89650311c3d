//! Which columns of record batches have which part of documents.

use super::json;
use super::layout::{EXPIRES_AT, ID, PAYLOAD, Part, VECTOR};
use super::rows::{self, is_list};
use crate::document::Document;
use crate::error::{Error, Result};
use crate::filter::Path;
use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema};
use std::collections::{BTreeMap, BTreeSet};

/// Which columns of record batches have which part of documents.
///
/// The columns of an [export](crate::CollectionView::record_batches) say themselves what they have. Of others, `id` is the id
/// (numbers, texts, or 16 bytes for a UUID), `vector` is the default field and `vector_words` the field `words`; a column that is
/// named here goes before these. All other columns become fields of the payload, if JSON has such values.
///
/// ```
/// use aethervec::arrow::ArrowColumns;
///
/// let columns = ArrowColumns::default().with_vector("", "embedding").with_payload("metadata");
/// assert_eq!(columns.vectors[""], "embedding");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArrowColumns {
    /// The column of ids.
    pub id: Option<String>,
    /// The column of each vector field: lists of numbers, lists of lists of numbers, bytes, or structs of the lists `indices`
    /// and `values`.
    pub vectors: BTreeMap<String, String>,
    /// The column of payloads: structs, or JSON objects as text. Other columns join what it has.
    pub payload: Option<String>,
    /// The column that says when documents end: timestamps, or RFC 3339.
    pub expires_at: Option<String>,
    /// Columns that are passed over.
    pub without: BTreeSet<String>,
    /// Whether documents are called by the numbers of their rows where there is no column of ids. Else that is an error.
    pub numbered: bool,
}

impl ArrowColumns {
    /// The same with ids from this column.
    #[must_use]
    pub fn with_id(mut self, column: impl Into<String>) -> ArrowColumns {
        self.id = Some(column.into());
        self
    }

    /// The same with the vectors of `field` from this column.
    #[must_use]
    pub fn with_vector(
        mut self,
        field: impl Into<String>,
        column: impl Into<String>,
    ) -> ArrowColumns {
        self.vectors.insert(field.into(), column.into());
        self
    }

    /// The same with payloads from this column.
    #[must_use]
    pub fn with_payload(mut self, column: impl Into<String>) -> ArrowColumns {
        self.payload = Some(column.into());
        self
    }

    /// The same without this column.
    #[must_use]
    pub fn without(mut self, column: impl Into<String>) -> ArrowColumns {
        self.without.insert(column.into());
        self
    }

    /// The same, with documents called by the numbers of their rows where there is no column of ids.
    #[must_use]
    pub fn numbered(mut self) -> ArrowColumns {
        self.numbered = true;
        self
    }

    /// The documents in `batch`. `first_row` is the number of its first row: errors name it.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when a column is not there or not what it should be; the message names
    /// row and column.
    pub fn documents(&self, batch: &RecordBatch, first_row: u64) -> Result<Vec<Document>> {
        let resolved = self.resolve(batch.schema_ref())?;
        rows::documents(&resolved, batch, first_row)
    }

    /// Fails when batches of this schema lack a column that is named here.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid); the message names the column, and those that there are.
    pub fn check(&self, schema: &Schema) -> Result<()> {
        self.resolve(schema).map(drop)
    }

    /// Whether batches of this schema have a column of ids.
    pub fn has_ids(&self, schema: &Schema) -> bool {
        self.resolve(schema)
            .is_ok_and(|resolved| resolved.id != IdColumn::None)
    }

    /// The columns that are lists of numbers, as dense vectors are.
    pub fn dense_columns(schema: &Schema) -> Vec<&str> {
        let fields = schema.fields().iter();
        let dense = fields.filter(|field| is_dense(field.data_type()));
        dense.map(|field| &field.name()[..]).collect()
    }

    /// The vector fields that batches of this schema have vectors for, each with its column.
    pub fn vector_columns<'s>(&self, schema: &'s Schema) -> Vec<(String, &'s str)> {
        let resolved = self.resolve(schema).unwrap_or_default();
        let vectors = resolved.vectors.into_iter();
        vectors
            .map(|(field, index)| (field, &schema.field(index).name()[..]))
            .collect()
    }

    /// The columns that have no place in a document, and those that are passed over.
    pub fn left_out<'s>(&self, schema: &'s Schema) -> Vec<&'s str> {
        let Ok(resolved) = self.resolve(schema) else {
            return Vec::new();
        };
        let unused = |index: &usize| !resolved.used.contains(index);
        let unused = (0..schema.fields().len()).filter(unused);
        unused
            .map(|index| &schema.field(index).name()[..])
            .collect()
    }

    /// Finds the columns in `schema`.
    pub(super) fn resolve(&self, schema: &Schema) -> Result<Resolved> {
        let mut resolved = Resolved::default();
        for (field, column) in &self.vectors {
            resolved
                .vectors
                .push((field.clone(), named(schema, column)?));
        }
        let named = |column: &Option<String>| {
            let column = column.as_ref();
            column.map(|column| named(schema, column)).transpose()
        };
        resolved.payload = named(&self.payload)?;
        resolved.expires_at = named(&self.expires_at)?;
        if let Some(index) = named(&self.id)? {
            resolved.id = IdColumn::Plain(index);
        }
        let given: Vec<usize> = resolved.given().collect();
        resolved.used.extend(&given);
        let fields = schema.fields().iter().enumerate();
        let fields = fields.filter(|(index, field)| {
            !given.contains(index) && !self.without.contains(field.name())
        });
        for (index, field) in fields {
            let part = Part::of(field).or_else(|| by_name(field.name(), field.data_type()));
            if resolved.take(part, index)? || resolved.join(field, index) {
                resolved.used.push(index);
            }
        }
        if resolved.payload.is_some() {
            // It has what these have.
            resolved.paths.clear();
        }
        if resolved.id == IdColumn::None && !self.numbered {
            return Err(Error::invalid(format!(
                "columns: there is no column of ids called {ID:?}: there are {}",
                names(schema)
            )));
        }
        Ok(resolved)
    }
}

/// The columns of a schema, by their places in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Resolved {
    pub(super) id: IdColumn,
    pub(super) vectors: Vec<(String, usize)>,
    pub(super) payload: Option<usize>,
    pub(super) expires_at: Option<usize>,
    /// Columns that become fields of the payload, by their names.
    pub(super) others: Vec<(String, usize)>,
    /// Columns of an export that have one value of each payload.
    pub(super) paths: Vec<(Path, usize)>,
    used: Vec<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum IdColumn {
    /// There is none.
    #[default]
    None,
    Plain(usize),
    /// As [`id_text`](super::rows::id_text) writes ids.
    Text(usize),
}

impl Resolved {
    /// The columns that were named by the caller.
    fn given(&self) -> impl Iterator<Item = usize> {
        let id = match self.id {
            IdColumn::Plain(index) => Some(index),
            _ => None,
        };
        let vectors = self.vectors.iter().map(|(_, index)| *index);
        vectors.chain(id).chain(self.payload).chain(self.expires_at)
    }

    /// Takes a column for `part`, unless another was named for it.
    fn take(&mut self, part: Option<Part>, index: usize) -> Result<bool> {
        match part {
            Some(Part::Id) if self.id == IdColumn::None => self.id = IdColumn::Plain(index),
            Some(Part::TextId) if self.id == IdColumn::None => self.id = IdColumn::Text(index),
            Some(Part::Payload) if self.payload.is_none() => self.payload = Some(index),
            Some(Part::ExpiresAt) if self.expires_at.is_none() => self.expires_at = Some(index),
            Some(Part::Path(path)) => self.paths.push((Path::parse(&path)?, index)),
            Some(Part::Vector(field)) if self.vectors.iter().all(|(known, _)| *known != field) => {
                self.vectors.push((field, index));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Makes a column a field of the payload, if it can be one.
    fn join(&mut self, field: &arrow_schema::Field, index: usize) -> bool {
        let joins = json::is_json(field.data_type());
        if joins {
            self.others.push((field.name().clone(), index));
        }
        joins
    }
}

/// What a column has that does not say it, by its name.
fn by_name(name: &str, kind: &DataType) -> Option<Part> {
    match name {
        ID => Some(Part::Id),
        VECTOR => Some(Part::Vector(String::new())),
        PAYLOAD if matches!(kind, DataType::Struct(_)) => Some(Part::Payload),
        EXPIRES_AT if matches!(kind, DataType::Timestamp(_, _)) => Some(Part::ExpiresAt),
        name => {
            let field = name.strip_prefix(VECTOR)?.strip_prefix('_')?;
            let is_vector = !field.is_empty() && (is_list(kind) || !json::is_json(kind));
            is_vector.then(|| Part::Vector(field.to_owned()))
        }
    }
}

fn is_dense(kind: &DataType) -> bool {
    match kind {
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::FixedSizeList(element, _) => {
            element.data_type().is_numeric() && !is_list(element.data_type())
        }
        _ => false,
    }
}

fn named(schema: &Schema, column: &str) -> Result<usize> {
    schema.index_of(column).map_err(|_| {
        Error::invalid(format!(
            "columns: there is no column {column:?}: there are {}",
            names(schema)
        ))
    })
}

fn names(schema: &Schema) -> String {
    let names: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| format!("{:?}", field.name()))
        .collect();
    names.join(", ")
}
