//! The vector fields of a collection, each with its index in memory.

use crate::ann::Family;
use crate::catalog::CollectionRecord;
use crate::error::{Error, Result};
use crate::index::core::IndexStatus;
use crate::index::dense::DenseIndex;
use crate::keyspace::{FieldNumber, PointRow};
use crate::schema::{BinaryField, CollectionSchema, MultiField, VectorField};
use crate::vector::{VectorValue, Vectors};
use aether_index::{BinaryRows, Exact, MultiRows, PointId, SparseRows};
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
    Binary(Exact<BinaryRows>),
    Sparse(Exact<SparseRows>),
    Multi(Exact<MultiRows>),
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
        // The default field is asked for most often, and comparing two empty names is slow: the processor stumbles over the
        // addresses of nothing.
        let is_called = |field: &&Arc<Field>| match name.is_empty() {
            true => field.name.is_empty(),
            false => field.name == name,
        };
        let found = self.list.iter().find(is_called);
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
    pub(crate) fn dense(&self) -> impl Iterator<Item = (&Arc<Field>, &DenseIndex)> {
        self.list.iter().filter_map(|field| match &field.index {
            FieldIndex::Dense(index) => Some((field, index)),
            _ => None,
        })
    }

    /// Whether searches read rows of points that are among the nearest.
    pub(crate) fn read_rows(&self) -> bool {
        self.dense()
            .any(|(_, index)| index.family() == Some(Family::Drift))
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

    /// The vectors of a point as they are stored, ordered by field, from its row: of the fields that there are.
    pub(crate) fn read_stored(
        &self,
        key: &[u8],
        row: &[u8],
    ) -> Result<Vec<(FieldNumber, VectorValue)>> {
        let row = PointRow::parse(key, row)?;
        let mut vectors = Vec::new();
        for field in &self.list {
            let vector = row.vector(key, field.number, &field.spec)?;
            vectors.extend(vector.map(|vector| (field.number, vector)));
        }
        vectors.sort_unstable_by_key(|(number, _)| *number);
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
        Ok(match spec {
            VectorField::Dense(spec) => FieldIndex::Dense(DenseIndex::new(spec)?),
            VectorField::Binary(BinaryField { bits }) => {
                FieldIndex::Binary(Exact::new(BinaryRows::new(bits.div_ceil(8))))
            }
            VectorField::Sparse(_) => FieldIndex::Sparse(Exact::new(SparseRows::default())),
            VectorField::Multi(MultiField { dim, .. }) => {
                FieldIndex::Multi(Exact::new(MultiRows::new(*dim)))
            }
        })
    }

    /// Counts its points in.
    pub(crate) fn add_status(&self, status: &mut IndexStatus) {
        let (points, bytes) = match self {
            FieldIndex::Dense(index) => return index.add_status(status),
            FieldIndex::Binary(index) => (index.len(), index.memory_bytes()),
            FieldIndex::Sparse(index) => (index.len(), index.memory_bytes()),
            FieldIndex::Multi(index) => (index.len(), index.memory_bytes()),
        };
        status.scanned += points as u64;
        status.memory_bytes += bytes as u64;
    }

    /// Points below this number are in an approximate index, or dead, or have no vector here.
    pub(crate) fn applied(&self) -> u64 {
        match self {
            FieldIndex::Dense(index) => index.applied(),
            _ => 0,
        }
    }

    /// Adds a point, which is found from now on.
    pub(crate) fn insert(&self, point: PointId, vector: &VectorValue) -> Result<()> {
        match (self, vector) {
            (FieldIndex::Dense(index), VectorValue::Dense(vector)) => {
                index.delta.insert(point, vector.as_ref())?
            }
            (FieldIndex::Binary(index), VectorValue::Binary(vector)) => {
                index.insert(point, vector.as_bytes())
            }
            (FieldIndex::Sparse(index), VectorValue::Sparse(vector)) => {
                index.insert(point, vector.as_ref())
            }
            (FieldIndex::Multi(index), VectorValue::Multi(vectors)) => {
                index.insert(point, vectors.components().as_ref())
            }
            _ => unreachable!("vectors are validated to be of their field's kind"),
        };
        Ok(())
    }

    /// Takes a point out that was inserted and will not be committed.
    fn retract(&self, point: PointId) {
        match self {
            FieldIndex::Dense(index) => {
                index.delta.remove(point);
            }
            exact => exact.reap(point),
        }
    }

    /// Takes a point out that no snapshot sees any more. Only the lane calls this.
    pub(crate) fn reap(&self, point: PointId) {
        match self {
            FieldIndex::Dense(index) => index.reap(point),
            FieldIndex::Binary(index) => {
                index.remove(point);
            }
            FieldIndex::Sparse(index) => {
                index.remove(point);
            }
            FieldIndex::Multi(index) => {
                index.remove(point);
            }
        }
    }

    /// All points, in no order.
    pub(crate) fn points(&self) -> Result<Vec<PointId>> {
        // The lane moves points the other way: none is missed.
        let mut points = self.scanned_points();
        if let FieldIndex::Dense(index) = self
            && let Some(ann) = &*index.ann.load()
        {
            points.extend(ann.points()?);
        }
        Ok(points)
    }

    /// All points that are searched exactly, in no order.
    pub(crate) fn scanned_points(&self) -> Vec<PointId> {
        match self {
            FieldIndex::Dense(index) => index.delta.points(),
            FieldIndex::Binary(index) => index.points(),
            FieldIndex::Sparse(index) => index.points(),
            FieldIndex::Multi(index) => index.points(),
        }
    }
}
