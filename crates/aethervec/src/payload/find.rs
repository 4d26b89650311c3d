//! From a filter to points: what the indexes know of it, and the rest by looking at documents.

use crate::error::Result;
use crate::filter::{Filter, Path, Test};
use crate::id::DocId;
use crate::keyspace::{self, DocRow, PointRow};
use crate::payload::found::Found;
use crate::view::CollectionView;
use aether_index::PointId;
use roaring::RoaringTreemap;
use serde_json::Value;
use std::cell::RefCell;

/// Documents looked at together.
const LOOK_POINTS: usize = 1_024;

/// If so many times the points to look at are all there are, reading all documents in their order is faster.
const LOOK_SHARE: u64 = 8;

/// What the indexes know of a filter, without looking at documents.
#[derive(Clone, Debug, Default)]
pub(crate) struct Candidates {
    /// The points that the view sees, exactly.
    pub(crate) visible: RoaringTreemap,
    /// For which of these the filter holds.
    pub(crate) found: Found,
}

impl CollectionView {
    /// What the indexes know of `filter`. `None` when the view is older than the opening of the database: then nothing is.
    ///
    /// Not to be called by a writer of the collection: an index may have to be read.
    pub(crate) fn candidates(&self, filter: &Filter) -> Result<Option<Candidates>> {
        let Some(mut visible) = self.core.visible_at(self.snapshot.seq()) else {
            return Ok(None);
        };
        for point in self.hidden_points() {
            visible.remove(point.0);
        }
        if !self.is_settled() {
            for point in self.ended_points()? {
                visible.remove(point.0);
            }
        }
        let mut found = self.find(filter, &visible)?;
        // No index knows what the reader's own transaction has staged.
        for (point, _) in self.staged_points() {
            visible.insert(point.0);
            found.unsure.insert(point.0);
        }
        Ok(Some(Candidates { visible, found }))
    }

    /// The points for which `filter` holds, exactly.
    pub(crate) fn matching(&self, filter: &Filter) -> Result<RoaringTreemap> {
        let found = match self.candidates(filter)? {
            Some(candidates) if candidates.found.is_exact() => return Ok(candidates.found.sure),
            Some(Candidates { visible, found })
                if found.unsure.len() * LOOK_SHARE < visible.len() =>
            {
                return Ok(found.sure | self.look_at(&found.unsure, filter)?);
            }
            Some(candidates) => Some(candidates.found),
            None => None,
        };
        self.look_at_all(filter, found)
    }

    /// Those of `points` for which `filter` holds. All of these are visible.
    fn look_at(&self, points: &RoaringTreemap, filter: &Filter) -> Result<RoaringTreemap> {
        let mut holding = RoaringTreemap::new();
        self.each_document(points, |document| {
            if document.satisfies(filter)? {
                holding.insert(document.point.0);
            }
            Ok(())
        })?;
        Ok(holding)
    }

    /// Reads all documents: those that are surely meant or surely not are passed over.
    fn look_at_all(&self, filter: &Filter, found: Option<Found>) -> Result<RoaringTreemap> {
        let mut holding = RoaringTreemap::new();
        let mut rows = self.all_docs(None);
        while let Some((key, value)) = rows.try_next()? {
            let row = DocRow::parse(&key, &value)?;
            let unsure = found
                .as_ref()
                .is_none_or(|found| found.unsure.contains(row.point.0));
            if unsure {
                let document = Looked {
                    view: self,
                    point: row.point,
                    id: keyspace::decode_doc_key(&key)?,
                    payload: row.payload(&key)?,
                };
                if document.satisfies(filter)? {
                    holding.insert(row.point.0);
                }
            }
        }
        Ok(found.map_or(RoaringTreemap::new(), |found| found.sure) | holding)
    }

    /// Calls `each` with the documents of `points`, all of which are visible.
    pub(crate) fn each_document(
        &self,
        points: &RoaringTreemap,
        mut each: impl FnMut(Looked<'_>) -> Result<()>,
    ) -> Result<()> {
        let core = &*self.core;
        let mut points = points.iter().map(PointId);
        loop {
            let part: Vec<PointId> = points.by_ref().take(LOOK_POINTS).collect();
            if part.is_empty() {
                return Ok(());
            }
            let point_rows = self.point_rows(&part)?;
            let (mut alive, mut doc_keys) = (Vec::new(), Vec::new());
            for (point, row) in part.into_iter().zip(point_rows) {
                if let Some(row) = row {
                    let key = keyspace::point_key(core.id, point);
                    let row = PointRow::parse(&key, &row)?;
                    alive.push((point, row.id(&key)?));
                    doc_keys.push(row.doc_key(core.id));
                }
            }
            let doc_rows = self.doc_rows(&doc_keys)?;
            for (((point, id), key), row) in alive.into_iter().zip(&doc_keys).zip(doc_rows) {
                let Some(row) = row else { continue };
                let row = DocRow::parse(key, &row)?;
                if row.point == point {
                    each(Looked {
                        view: self,
                        point,
                        id,
                        payload: row.payload(key)?,
                    })?;
                }
            }
        }
    }

    pub(super) fn find(&self, filter: &Filter, visible: &RoaringTreemap) -> Result<Found> {
        Ok(match filter {
            Filter::And(all) => {
                let mut found: Option<Found> = None;
                for filter in all {
                    let other = self.find(filter, visible)?;
                    let both = match found {
                        None => other,
                        Some(found) => found.and(&other),
                    };
                    if both.sure.is_empty() && both.is_exact() {
                        return Ok(both);
                    }
                    found = Some(both);
                }
                found.unwrap_or_else(|| Found::exactly(visible.clone()))
            }
            Filter::Or(any) => {
                let mut found = Found::default();
                for filter in any {
                    found = found.or(&self.find(filter, visible)?);
                }
                found
            }
            Filter::Not(filter) => self.find(filter, visible)?.not(visible),
            Filter::AtLeast { min, of } => {
                let found: Result<Vec<Found>> =
                    of.iter().map(|filter| self.find(filter, visible)).collect();
                Found::at_least(*min, &found?, visible)
            }
            Filter::Field { path, test } => self.find_values(path, test, visible)?,
            Filter::HasId(ids) => Found::exactly(self.points_of(ids)? & visible),
            Filter::Nested { path, filter } => self.find_nested(path, filter, visible)?,
            Filter::HasVector(field) => Found::exactly(self.points_with_vector(field)? & visible),
        })
    }

    pub(super) fn find_values(
        &self,
        path: &Path,
        test: &Test,
        visible: &RoaringTreemap,
    ) -> Result<Found> {
        let mut known: Option<Found> = None;
        for index in self.core.payload.indexes().iter() {
            if index.path != *path || !index.is_usable_at(self.snapshot.seq()) {
                continue;
            }
            if let Some(memory) = index.load(&self.core)?
                && let Some(other) = memory.find(test, visible)
            {
                let found = match known {
                    None => other,
                    Some(found) => found.refine(&other),
                };
                if found.is_exact() {
                    return Ok(found);
                }
                known = Some(found);
            }
        }
        Ok(known.unwrap_or_else(|| Found::unknown(visible)))
    }

    /// The points that have a vector in the field called `name`; dead ones may be among them. A vector's index has each point from before
    /// its commit until nobody sees it any more.
    fn points_with_vector(&self, name: &str) -> Result<RoaringTreemap> {
        let fields = self.core.fields.load();
        let Ok(field) = fields.get(name) else {
            return Ok(RoaringTreemap::new());
        };
        let points = field.index.points()?;
        Ok(points.into_iter().map(|point| point.0).collect())
    }

    /// Whether a point that the view sees has a vector in the field called `name`.
    fn has_vector(&self, point: PointId, name: &str) -> Result<bool> {
        let core = &*self.core;
        let Ok(field) = core.fields.load().get(name).map(|field| field.number) else {
            return Ok(false);
        };
        let key = keyspace::point_key(core.id, point);
        match self.point_row(point)? {
            Some(row) => Ok(PointRow::parse(&key, &row)?.field(&key, field)?.is_some()),
            None => Ok(false),
        }
    }

    /// The points of the documents called `ids`.
    fn points_of(&self, ids: &[DocId]) -> Result<RoaringTreemap> {
        let core = &*self.core;
        let mut keys = Vec::with_capacity(ids.len());
        for id in ids {
            let mut key = Vec::new();
            keyspace::doc_key(core.id, id, &mut key);
            keys.push(key);
        }
        let rows = self.doc_rows(&keys)?;
        let mut points = RoaringTreemap::new();
        for (key, row) in keys.iter().zip(rows) {
            if let Some(row) = row {
                points.insert(DocRow::parse(key, &row)?.point.0);
            }
        }
        Ok(points)
    }
}

/// A document that is looked at because no index knows enough of it.
pub(crate) struct Looked<'a> {
    view: &'a CollectionView,
    pub(crate) point: PointId,
    pub(crate) id: DocId,
    pub(crate) payload: Option<Value>,
}

impl Looked<'_> {
    fn satisfies(&self, filter: &Filter) -> Result<bool> {
        // A condition cannot fail, but reading can.
        let failed = RefCell::new(None);
        let has_vector = |field: &str| {
            self.view
                .has_vector(self.point, field)
                .unwrap_or_else(|error| {
                    failed.replace(Some(error));
                    false
                })
        };
        let holds = filter.matches(&self.id, self.payload.as_ref(), has_vector);
        failed.into_inner().map_or(Ok(holds), Err)
    }
}
