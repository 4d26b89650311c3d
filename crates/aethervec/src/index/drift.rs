//! The family of indexes whose buckets are rows of the keyspace `buckets`: it needs memory for centroids, and as much for
//! copies of buckets as there is.
//!
//! Each change is a commit: that which appends points to buckets also says up to which point the index has everything, so that an
//! opening finds both or neither. None of them waits for the disk. What they follow is in the log before them, and what makes
//! them needed (the removal of `pending` entries) after them.
//!
//! Which points are alive is a bitmap in memory, and not stored: at the opening they are those that have a row. Records of others are
//! passed over, and taken out of their buckets in time.

use crate::ann::Family;
use crate::error::{Error, Result};
use crate::index::alive::{Alive, Table};
use crate::index::core::Core;
use crate::index::field::Field;
use crate::index::matrix::Matrix;
use crate::index::record::AnnRecord;
use crate::keyspace::{self, BucketKey, CollectionId, FieldNumber, Keyspaces, PointRow};
use crate::schema::{DenseField, VectorField};
use crate::vector::{Vector, VectorValue};
use aether_distance::{Metric, VectorRef};
use aether_index::{
    Candidate, CheckSummary, Drift, DriftScratch, DriftStats, IvfParams, PointId, Row,
    SearchParams, Store,
};
use aidb::{DB, Durability, Snapshot, WriteBatch};
use arc_swap::Guard;
use bytes::Bytes;
use roaring::RoaringTreemap;
use std::ops::Deref;
use std::sync::Arc;

/// An index of one field.
#[derive(Debug)]
pub(crate) struct DriftIndex {
    drift: Drift,
    rows: Rows,
}

/// The rows of an index, and those of its points.
#[derive(Debug)]
struct Rows {
    db: DB,
    keyspaces: Keyspaces,
    collection: CollectionId,
    field: FieldNumber,
    spec: VectorField,
    /// Points that are in buckets and alive. After an opening there may be some more, that have no vector in this field.
    alive: Alive,
}

/// What one call needs of the rows.
struct Access<'a> {
    rows: &'a Rows,
    /// Points that are alive.
    alive: Guard<Arc<Table>>,
    /// Whether vectors are kept in memory that are read: a search reads them again soon.
    keeps: bool,
    /// Whether no record is that of a dead point, so that none has to be looked up.
    all_alive: bool,
    /// Goes into each commit.
    record: Option<AnnRecord>,
}

impl Rows {
    fn new(core: &Core, field: &Field, alive: Alive) -> Rows {
        Rows {
            db: core.db.clone(),
            keyspaces: core.keyspaces.clone(),
            collection: core.id,
            field: field.number,
            spec: field.spec.clone(),
            alive,
        }
    }

    fn key(&self, key: BucketKey) -> Vec<u8> {
        key.encode(self.collection, self.field)
    }

    /// The rows of points as they are in `points`; none where a point has none.
    fn points(&self, points: &[PointId], keeps: bool) -> Result<Vec<Option<PointBytes>>> {
        let (cache, collection) = (&self.keyspaces.row_cache, self.collection);
        cache.fetch(collection, points);
        let cached = points
            .iter()
            .map(|&point| cache.get(collection, point).map(PointBytes::Cached));
        let mut rows: Vec<Option<PointBytes>> = cached.collect();
        let missing = points.iter().zip(&rows).filter(|(_, row)| row.is_none());
        let missing: Vec<PointId> = missing.map(|(&point, _)| point).collect();
        if missing.is_empty() {
            return Ok(rows);
        }
        let keys = missing
            .iter()
            .map(|&point| keyspace::point_key(collection, point));
        let read = self.keyspaces.points.multi_get(keys)?;
        let places = rows.iter_mut().filter(|row| row.is_none());
        for (place, (&point, row)) in places.zip(missing.iter().zip(read)) {
            let Some(row) = row else { continue };
            if keeps {
                cache.insert(collection, point, row[..].into());
            }
            *place = Some(PointBytes::Stored(row));
        }
        Ok(rows)
    }
}

/// The row of a point.
enum PointBytes {
    Cached(Arc<[u8]>),
    Stored(Bytes),
}

impl Deref for PointBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            PointBytes::Cached(row) => row,
            PointBytes::Stored(row) => row,
        }
    }
}

impl Store for Access<'_> {
    type Error = Error;
    type Body = Bytes;

    fn bodies(&self, buckets: &[u32]) -> Result<Vec<Option<Bytes>>> {
        let keys = buckets
            .iter()
            .map(|&bucket| self.rows.key(BucketKey::Body(bucket)));
        Ok(self.rows.keyspaces.buckets.multi_get(keys)?)
    }

    fn vectors(
        &self,
        points: &[PointId],
        show: &mut dyn FnMut(usize, VectorRef<'_>),
    ) -> Result<()> {
        let rows = self.rows;
        let mut vector = VectorValue::Dense(Vector::U8(Vec::new()));
        let found = rows.points(points, self.keeps)?;
        for (place, (&point, row)) in points.iter().zip(found).enumerate() {
            let Some(row) = row else { continue };
            let key = keyspace::point_key(rows.collection, point);
            let row = PointRow::parse(&key, &row)?;
            if let Some(vector) = row.read_dense(&key, rows.field, &rows.spec, &mut vector)? {
                show(place, vector);
            }
        }
        Ok(())
    }

    fn is_dead(&self, point: PointId) -> bool {
        !self.all_alive && !self.alive.contains(point)
    }

    fn commit(&self, rows: &[Row]) -> Result<()> {
        let Access {
            rows: to, record, ..
        } = self;
        let buckets = &to.keyspaces.buckets;
        let mut batch = WriteBatch::new();
        for row in rows {
            match row {
                Row::State(state) => batch.put(buckets, to.key(BucketKey::State), state),
                Row::Create(number, header, body) => {
                    batch.put(buckets, to.key(BucketKey::Header(*number)), header);
                    batch.put(buckets, to.key(BucketKey::Body(*number)), body);
                }
                Row::Append(number, header, body) => {
                    batch.merge(buckets, to.key(BucketKey::Header(*number)), header);
                    batch.merge(buckets, to.key(BucketKey::Body(*number)), body);
                }
                Row::Remove(number) => {
                    batch.delete(buckets, to.key(BucketKey::Header(*number)));
                    batch.delete(buckets, to.key(BucketKey::Body(*number)));
                }
                _ => unreachable!("all kinds of rows are known here"),
            }
        }
        if let Some(record) = record {
            let key = keyspace::ann_key(to.collection, to.field);
            batch.put(&to.keyspaces.index, key, record.encode());
        }
        to.db.write(batch, Durability::Buffered)?;
        Ok(())
    }
}

impl DriftIndex {
    /// An index without points in the place of whatever `buckets` has for the field. Codes will be of differences to the mean
    /// of `sample`.
    pub(crate) fn create<'v>(
        core: &Core,
        field: &Field,
        (spec, params): (&DenseField, IvfParams),
        seed: u64,
        sample: impl Iterator<Item = VectorRef<'v>>,
    ) -> Result<DriftIndex> {
        let centre = match spec.metric {
            Metric::InnerProduct => vec![0.0; spec.dim],
            Metric::L2Squared | Metric::Cosine => {
                aether_index::quantize::mean(spec.metric, spec.dim, sample)
            }
        };
        let kind = (spec.dim, spec.metric, spec.element);
        let cache = Arc::clone(&core.keyspaces.bucket_cache);
        let drift = Drift::new(kind, params, seed, centre, cache)?;
        let mut batch = WriteBatch::new();
        remove_rows(core, field.number, &mut batch);
        core.db.write(batch, Durability::Buffered)?;
        let rows = Rows::new(core, field, Alive::default());
        Ok(DriftIndex { drift, rows })
    }

    /// The index as it is stored. `alive`: all points that it may have and that have rows.
    pub(crate) fn open(
        core: &Core,
        snapshot: &Snapshot,
        field: &Field,
        (spec, params): (&DenseField, IvfParams),
        alive: &RoaringTreemap,
    ) -> Result<DriftIndex> {
        let rows = Rows::new(core, field, Alive::of(alive));
        let buckets = &core.keyspaces.buckets;
        let state = snapshot.get(buckets, rows.key(BucketKey::State))?;
        let state = state.ok_or_else(|| {
            Error::corruption("its record names an index in buckets, and there is none")
        })?;
        let mut headers = Vec::new();
        let mut stored = snapshot.prefix(buckets, BucketKey::headers_prefix(core.id, field.number));
        while let Some((key, header)) = stored.try_next()? {
            if let BucketKey::Header(number) = BucketKey::decode(&key)? {
                headers.push((number, header));
            }
        }
        let kind = (spec.dim, spec.metric, spec.element);
        let cache = Arc::clone(&core.keyspaces.bucket_cache);
        let drift = Drift::open(kind, params, &state, headers, cache)?;
        Ok(DriftIndex { drift, rows })
    }

    fn access(&self) -> Access<'_> {
        Access {
            rows: &self.rows,
            alive: self.rows.alive.table(),
            keeps: false,
            all_alive: false,
            record: None,
        }
    }

    /// For a search. While points come it may take dead ones for alive; who asks looks at what is found.
    fn reading(&self) -> Access<'_> {
        Access {
            keeps: true,
            all_alive: self.dead() == 0,
            ..self.access()
        }
    }

    /// Adds points, with their vectors. `record`: becomes what is said of the index, in the same commit.
    pub(crate) fn append(
        &self,
        points: &[PointId],
        vectors: &Matrix,
        record: Option<AnnRecord>,
    ) -> Result<()> {
        // First, so that the index finds them alive.
        self.rows.alive.insert(points);
        let access = Access {
            record,
            ..self.access()
        };
        let appended = self.drift.append(points, |i| vectors.row(i), &access);
        if appended.is_err() {
            for &point in points {
                self.remove(point);
            }
        }
        appended
    }

    /// Takes a point out. False when it is not here.
    pub(crate) fn remove(&self, point: PointId) -> bool {
        self.rows.alive.remove(point)
    }

    /// Whether a point is here and alive.
    pub(crate) fn contains(&self, point: PointId) -> bool {
        self.rows.alive.table().contains(point)
    }

    /// Records of points that are dead.
    pub(crate) fn dead(&self) -> usize {
        let records = usize::try_from(self.drift.records()).unwrap_or(usize::MAX);
        records.saturating_sub(self.len())
    }

    /// Points that are alive.
    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.rows.alive.len()).unwrap_or(usize::MAX)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.drift.memory_bytes() + self.rows.alive.memory_bytes()
    }

    pub(crate) fn stats(&self) -> DriftStats {
        self.drift.stats()
    }

    /// Whether it is an index of vectors like those of `spec`.
    pub(crate) fn suits(&self, spec: &DenseField) -> bool {
        let kind = (self.drift.dim(), self.drift.metric(), self.drift.element());
        kind == (spec.dim, spec.metric, spec.element)
    }

    /// All points that are alive, in no order. Reads all buckets.
    pub(crate) fn points(&self) -> Result<Vec<PointId>> {
        self.drift.points(&self.access())
    }

    pub(crate) fn search_within(
        &self,
        query: &[f32],
        params: SearchParams,
        allowed: Option<&dyn Fn(PointId) -> bool>,
        budget: usize,
        scratch: &mut DriftScratch,
    ) -> Result<Option<Vec<Candidate>>> {
        let access = self.reading();
        match (allowed, self.dead() > 0) {
            (_, false) => self
                .drift
                .search(query, params, allowed, budget, &access, scratch),
            (None, true) => {
                let alive = |point| !access.is_dead(point);
                self.drift
                    .search(query, params, Some(&alive), budget, &access, scratch)
            }
            (Some(allowed), true) => {
                let both = |point| !access.is_dead(point) && allowed(point);
                self.drift
                    .search(query, params, Some(&both), budget, &access, scratch)
            }
        }
    }

    /// The `k` nearest of `points` that are alive, by comparing with each.
    pub(crate) fn scan(
        &self,
        query: &[f32],
        k: usize,
        points: impl Iterator<Item = PointId>,
    ) -> Result<Vec<Candidate>> {
        let access = Access {
            all_alive: false,
            ..self.reading()
        };
        let points = points.filter(|&point| !access.is_dead(point));
        let points: Vec<PointId> = points.collect();
        self.drift.scan(query, k, &points, &access)
    }

    /// The `k` nearest of all points that are alive and `allowed`, by looking into all buckets.
    pub(crate) fn scan_all(
        &self,
        query: &[f32],
        k: usize,
        allowed: &dyn Fn(PointId) -> bool,
        scratch: &mut DriftScratch,
    ) -> Result<Vec<Candidate>> {
        let access = self.reading();
        let both = |point| !access.is_dead(point) && allowed(point);
        self.drift.scan_all(query, k, &both, &access, scratch)
    }

    /// A step of maintenance, which looks at about `budget` points. False when there is nothing to do.
    pub(crate) fn maintain(&self, budget: usize) -> Result<bool> {
        let dead = self.dead() as u64;
        let access = Access {
            all_alive: dead == 0,
            ..self.access()
        };
        self.drift.maintain(budget, dead, &access)
    }

    /// Reads everything to see that it is sound.
    pub(crate) fn check(&self) -> Result<CheckSummary> {
        let summary = self.drift.check(&self.access())?;
        Ok(CheckSummary {
            live: summary.alive.len(),
            dead: summary.dead,
            unreachable: 0,
        })
    }
}

/// Removes all that `buckets` has of a field.
pub(crate) fn remove_rows(core: &Core, field: FieldNumber, batch: &mut WriteBatch) {
    let range = BucketKey::range(core.id, field);
    batch.delete_range(&core.keyspaces.buckets, range);
}

/// What is said of an index that has all points below `applied`.
pub(crate) fn record(applied: u64) -> AnnRecord {
    AnnRecord {
        applied,
        family: Family::Drift,
    }
}
