//! The rows that a reader sees: those of its snapshot, and on top of them what its transaction has staged, if it has one.
//!
//! This is the one place that knows of both, and of the end of documents: the row of a document that has ended by the time
//! of the reader is not there. So whatever asks `docs` whether a point is visible need know of neither.

use crate::error::Result;
use crate::filter::Filter;
use crate::id::DocId;
use crate::index::point_cache::{Cached, PointCache};
use crate::keyspace::{self, DocRow, FieldNumber, PointRow};
use crate::overlay::{self, Overlay};
use crate::version::has_ended;
use crate::view::CollectionView;
use aether_index::PointId;
use aidb::Iter;
use bytes::Bytes;
use std::cell::OnceCell;
use std::ops::Bound;
use std::sync::Arc;

impl CollectionView {
    /// The rows of documents, by their keys in `docs`.
    pub(crate) fn doc_rows<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Bytes>>> {
        let mut rows = self.stored_doc_rows(keys)?;
        for (key, row) in keys.iter().zip(&mut rows) {
            if let Some(found) = row
                && self.hides(key.as_ref(), found)?
            {
                *row = None;
            }
        }
        Ok(rows)
    }

    /// As [`CollectionView::doc_rows`], with those of documents that have ended and are not removed yet.
    pub(crate) fn stored_doc_rows<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Bytes>>> {
        let docs = &self.core.keyspaces.docs;
        let Some(overlay) = &self.overlay else {
            return Ok(self.snapshot.multi_get(docs, keys)?);
        };
        let staged: Vec<Option<Option<&Bytes>>> =
            keys.iter().map(|key| overlay.doc(key.as_ref())).collect();
        let others = keys.iter().zip(&staged);
        let others = others.filter_map(|(key, staged)| staged.is_none().then_some(key));
        let mut others = self.snapshot.multi_get(docs, others)?.into_iter();
        let row = |staged: Option<Option<&Bytes>>| match staged {
            Some(row) => row.cloned(),
            None => others.next().flatten(),
        };
        Ok(staged.into_iter().map(row).collect())
    }

    /// As [`CollectionView::doc_row`], also of a document that has ended and is not removed yet.
    pub(crate) fn stored_doc_row(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(
            match self.overlay.as_ref().and_then(|overlay| overlay.doc(key)) {
                Some(staged) => staged.cloned(),
                None => self.snapshot.get(&self.core.keyspaces.docs, key)?,
            },
        )
    }

    /// The row of a document.
    pub(crate) fn doc_row(&self, key: &[u8]) -> Result<Option<Bytes>> {
        match self.stored_doc_row(key)? {
            Some(row) if !self.hides(key, &row)? => Ok(Some(row)),
            _ => Ok(None),
        }
    }

    /// The rows of all documents behind the key `after`, or from the first on, in the order of their keys.
    pub(crate) fn all_docs(&self, after: Option<Vec<u8>>) -> DocRows<'_> {
        let prefix = keyspace::collection_prefix(self.core.id);
        let from = after.map_or(Bound::Included(prefix.to_vec()), Bound::Excluded);
        let upper = keyspace::collection_range(self.core.id).1;
        let range = (from.clone(), upper.map(|key| key.to_vec()));
        DocRows {
            stored: self.snapshot.range(&self.core.keyspaces.docs, range),
            ahead: None,
            staged: self.overlay.as_deref(),
            from: from.map(Bytes::from),
            view: self,
        }
    }

    /// The rows of points, whether they are visible or not.
    pub(crate) fn point_rows(&self, points: &[PointId]) -> Result<Vec<Option<Bytes>>> {
        let stored = points.iter().filter(|point| !overlay::is_staged(**point));
        let keys = stored.map(|point| keyspace::point_key(self.core.id, *point));
        let rows = self.snapshot.multi_get(&self.core.keyspaces.points, keys)?;
        let mut rows = rows.into_iter();
        let row = |point: &PointId| match &self.overlay {
            Some(overlay) if overlay::is_staged(*point) => overlay.point(*point).cloned(),
            _ => rows.next().flatten(),
        };
        Ok(points.iter().map(row).collect())
    }

    /// The rows of points that are visible, from the cache as far as it has them.
    pub(crate) fn cached_point_rows(&self, points: &[PointId]) -> Result<Vec<Option<Arc<[u8]>>>> {
        let cache = &self.core.keyspaces.row_cache;
        cache.fetch(self.core.id, points);
        self.cached(cache, points, |_, row| Ok(Arc::from(&row[..])))
    }

    /// The documents of points that are visible, from the cache as far as it has them.
    pub(crate) fn cached_ids(&self, points: &[PointId]) -> Result<Vec<Option<DocId>>> {
        let id = |point: PointId, row: Bytes| {
            let key = keyspace::point_key(self.core.id, point);
            PointRow::parse(&key, &row)?.id(&key)
        };
        self.cached(&self.core.keyspaces.id_cache, points, id)
    }

    /// What a cache has of points, and `of_row` makes of the rows of the others.
    fn cached<V: Cached>(
        &self,
        cache: &PointCache<V>,
        points: &[PointId],
        of_row: impl Fn(PointId, Bytes) -> Result<V>,
    ) -> Result<Vec<Option<V>>> {
        let cached = |point: &PointId| cache.get(self.core.id, *point);
        let mut values: Vec<Option<V>> = points.iter().map(cached).collect();
        let missing = points
            .iter()
            .zip(&values)
            .filter(|(_, value)| value.is_none());
        let missing: Vec<PointId> = missing.map(|(&point, _)| point).collect();
        if !missing.is_empty() {
            let places = values.iter_mut().filter(|value| value.is_none());
            let read = missing.iter().zip(self.point_rows(&missing)?);
            for (place, (&point, row)) in places.zip(read) {
                let Some(row) = row else { continue };
                let value = of_row(point, row)?;
                cache.insert(self.core.id, point, value.clone());
                *place = Some(value);
            }
        }
        Ok(values)
    }

    /// The row of a point, whether it is visible or not.
    pub(crate) fn point_row(&self, point: PointId) -> Result<Option<Bytes>> {
        if overlay::is_staged(point) {
            let staged = self.overlay.as_ref();
            return Ok(staged.and_then(|overlay| overlay.point(point).cloned()));
        }
        let key = keyspace::point_key(self.core.id, point);
        Ok(self.snapshot.get(&self.core.keyspaces.points, key)?)
    }

    /// The rows of all points, visible or not, in the order of their numbers.
    pub(crate) fn all_points(&self) -> PointRows {
        let prefix = keyspace::collection_prefix(self.core.id);
        PointRows {
            stored: self.snapshot.prefix(&self.core.keyspaces.points, prefix),
            staged: self.overlay.clone(),
            from: PointId(0),
        }
    }

    /// The points that the reader's own transaction has staged, with their rows: no index knows of them.
    pub(crate) fn staged_points(&self) -> impl Iterator<Item = (PointId, &Bytes)> {
        let overlay = self.overlay.iter();
        overlay.flat_map(|overlay| overlay.points_from(PointId(0)))
    }

    /// The points that are not visible to this reader only because its own transaction has put others in their place.
    pub(crate) fn hidden_points(&self) -> impl Iterator<Item = PointId> {
        self.overlay.iter().flat_map(|overlay| overlay.hidden())
    }

    /// Whether the document called `id`, with this row in `docs`, satisfies `filter`.
    pub(crate) fn satisfies(
        &self,
        filter: &Filter,
        id: &DocId,
        key: &[u8],
        row: &DocRow<'_>,
    ) -> Result<bool> {
        let payload = row.payload(key)?;
        let fields = self.core.fields.load();
        // Read only for the few filters that ask for it.
        let with_vector = OnceCell::new();
        let has_vector = |name: &str| {
            let numbers = with_vector
                .get_or_init(|| self.fields_of(key, row.point))
                .as_ref();
            let field = fields.get(name);
            field.is_ok_and(|field| numbers.is_ok_and(|numbers| numbers.contains(&field.number)))
        };
        let satisfies = filter.matches(id, payload.as_ref(), has_vector);
        with_vector.into_inner().transpose()?;
        Ok(satisfies)
    }

    /// The fields in which the document whose row names `point` has a vector.
    fn fields_of(&self, key: &[u8], point: PointId) -> Result<Vec<FieldNumber>> {
        let row = self.point_row(point)?;
        let row = row.ok_or_else(|| keyspace::missing_point(key, point))?;
        let key = keyspace::point_key(self.core.id, point);
        let row = PointRow::parse(&key, &row)?;
        row.fields(&key).map(|field| Ok(field?.0)).collect()
    }

    fn hides(&self, key: &[u8], row: &[u8]) -> Result<bool> {
        Ok(has_ended(DocRow::parse(key, row)?.expires, self.now))
    }
}

/// The documents of a collection, as one reader sees them: their keys and rows in `docs`.
pub(crate) struct DocRows<'a> {
    view: &'a CollectionView,
    stored: Iter,
    /// The next stored row, once it was looked at.
    ahead: Option<(Bytes, Bytes)>,
    staged: Option<&'a Overlay>,
    /// Where staged rows go on.
    from: Bound<Bytes>,
}

impl DocRows<'_> {
    /// The next one.
    pub(crate) fn try_next(&mut self) -> Result<Option<(Bytes, Bytes)>> {
        while let Some((key, row)) = self.next_row()? {
            if let Some(row) = row
                && !self.view.hides(&key, &row)?
            {
                return Ok(Some((key, row)));
            }
        }
        Ok(None)
    }

    /// The next key, and its row unless it is one that the transaction removes.
    fn next_row(&mut self) -> Result<Option<(Bytes, Option<Bytes>)>> {
        if self.ahead.is_none() {
            self.ahead = self.stored.try_next()?;
        }
        let from = self.from.as_ref().map(|key| &key[..]);
        let staged = self.staged.and_then(|overlay| overlay.next_doc(from));
        let Some((staged_key, staged_row)) = staged else {
            return Ok(self.ahead.take().map(|(key, row)| (key, Some(row))));
        };
        match self.ahead.take() {
            Some((key, row)) if key < *staged_key => {
                self.ahead = None;
                Ok(Some((key, Some(row))))
            }
            ahead => {
                // A row of the same key is overwritten.
                self.ahead = ahead.filter(|(key, _)| key != staged_key);
                self.from = Bound::Excluded(staged_key.clone());
                Ok(Some((staged_key.clone(), staged_row.cloned())))
            }
        }
    }
}

/// The points of a collection, as one reader sees them: their numbers and rows in `points`.
pub(crate) struct PointRows {
    stored: Iter,
    staged: Option<Arc<Overlay>>,
    /// Where staged points go on.
    from: PointId,
}

impl PointRows {
    /// The next one.
    pub(crate) fn try_next(&mut self) -> Result<Option<(PointId, Bytes)>> {
        if let Some((key, row)) = self.stored.try_next()? {
            return Ok(Some((
                PointId(keyspace::decode_number("points", &key)?),
                row,
            )));
        }
        // All staged ones have greater numbers.
        let staged = self.staged.as_ref();
        let next = staged.and_then(|overlay| overlay.points_from(self.from).next());
        Ok(next.map(|(point, row)| {
            self.from = PointId(point.0 + 1);
            (point, row.clone())
        }))
    }
}
