//! The vector fields of a collection, each with its index in memory.

use crate::catalog::CollectionRecord;
use crate::error::{Error, Result};
use crate::index::core::IndexStatus;
use crate::index::dense::DenseIndex;
use crate::keyspace::{FieldNumber, PointRow};
use crate::schema::{CollectionSchema, VectorField};
use crate::vector::{VectorValue, Vectors};
use aether_index::PointId;
use std::sync::Arc;

/// The vector fields as they are at one moment. When a field is added or dropped, another value takes this one's place;
/// the indexes of the fields that stay go along.
#[derive(Debug)]
pub(crate) struct Fields {
    pub(crate) schema: Arc<CollectionSchema>,
    /// Ordered by name, as in the schema.
    list: Vec<Arc<Field>>,
}

/// A vector field and its index.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) number: FieldNumber,
    pub(crate) name: String,
    pub(crate) spec: VectorField,
    pub(crate) index: FieldIndex,
}

/// What finds the points of a field.
#[derive(Debug)]
pub(crate) enum FieldIndex {
    Dense(DenseIndex),
}

impl Fields {
    /// The fields of `record`. An index that `before` has goes along; the others are empty.
    pub(crate) fn new(record: &CollectionRecord, before: Option<&Fields>) -> Result<Fields> {
        let field = |(name, spec): (&String, &VectorField)| {
            let number = record.number(name);
            let kept = before.and_then(|before| before.by_number(number));
            kept.map_or_else(
                || Field::new(number, name, spec).map(Arc::new),
                |kept| Ok(Arc::clone(kept)),
            )
        };
        Ok(Fields {
            schema: Arc::new(record.schema.clone()),
            list: record
                .schema
                .fields
                .iter()
                .map(field)
                .collect::<Result<_>>()?,
        })
    }

    /// The field called `name`.
    pub(crate) fn get(&self, name: &str) -> Result<&Arc<Field>> {
        let found = self.list.iter().find(|field| field.name == name);
        found.ok_or_else(|| {
            let known: Vec<String> = self.names().map(|name| format!("{name:?}")).collect();
            let known = match &known[..] {
                [] => "none".to_owned(),
                known => known.join(", "),
            };
            Error::not_found(format!(
                "vector field {name:?} does not exist: there are {known}"
            ))
        })
    }

    pub(crate) fn by_number(&self, number: FieldNumber) -> Option<&Arc<Field>> {
        self.list.iter().find(|field| field.number == number)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Field>> {
        self.list.iter()
    }

    /// The dense fields' indexes.
    pub(crate) fn dense(&self) -> impl Iterator<Item = (&Field, &DenseIndex)> {
        self.list.iter().map(|field| match &field.index {
            FieldIndex::Dense(index) => (&**field, index),
        })
    }

    /// The vectors of a point, from its row: of the fields that there are.
    pub(crate) fn read(&self, key: &[u8], row: &[u8]) -> Result<Vectors> {
        let row = PointRow::parse(key, row)?;
        let mut vectors = Vectors::new();
        for field in &self.list {
            if let Some(vector) = row.vector(key, field.number, &field.spec)? {
                vectors.insert(&field.name, vector);
            }
        }
        Ok(vectors)
    }

    /// Adds a point to the indexes of the fields that it has a vector for. It is in all of them, or in none.
    pub(crate) fn insert(
        &self,
        point: PointId,
        vectors: &[(FieldNumber, VectorValue)],
    ) -> Result<()> {
        let inserted = vectors.iter().try_for_each(|(number, vector)| {
            self.by_number(*number)
                .map_or(Ok(()), |field| field.index.insert(point, vector))
        });
        if inserted.is_err() {
            self.retract(point);
        }
        inserted
    }

    /// Takes a point out that was inserted and will not be committed.
    pub(crate) fn retract(&self, point: PointId) {
        for field in &self.list {
            field.index.retract(point);
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|field| &field.name[..])
    }
}

impl Field {
    fn new(number: FieldNumber, name: &str, spec: &VectorField) -> Result<Field> {
        Ok(Field {
            number,
            name: name.to_owned(),
            spec: spec.clone(),
            index: FieldIndex::new(spec)?,
        })
    }
}

impl FieldIndex {
    fn new(spec: &VectorField) -> Result<FieldIndex> {
        match spec {
            VectorField::Dense(spec) => Ok(FieldIndex::Dense(DenseIndex::new(spec)?)),
            other => Err(Error::invalid(format!(
                "a {} field cannot be searched",
                other.kind()
            ))),
        }
    }

    /// Points below this number are in a graph, or dead, or have no vector here.
    pub(crate) fn applied(&self) -> u64 {
        match self {
            FieldIndex::Dense(index) => index.applied(),
        }
    }

    /// Adds a point, which is found from now on.
    pub(crate) fn insert(&self, point: PointId, vector: &VectorValue) -> Result<()> {
        match (self, vector) {
            (FieldIndex::Dense(index), VectorValue::Dense(vector)) => {
                index.delta.insert(point, vector.as_ref())?;
                Ok(())
            }
            _ => unreachable!("vectors are validated to be of their field's kind"),
        }
    }

    /// Takes a point out that was inserted and will not be committed.
    fn retract(&self, point: PointId) {
        match self {
            FieldIndex::Dense(index) => {
                index.delta.remove(point);
            }
        }
    }

    /// Takes a point out that no snapshot sees any more. Only the lane calls this.
    pub(crate) fn reap(&self, point: PointId) {
        match self {
            FieldIndex::Dense(index) => index.reap(point),
        }
    }

    /// Counts its points in.
    pub(crate) fn add_status(&self, status: &mut IndexStatus) {
        match self {
            FieldIndex::Dense(index) => index.add_status(status),
        }
    }
}
