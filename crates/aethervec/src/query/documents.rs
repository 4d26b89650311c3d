//! Documents as a query reads them: one by one in the order of ids, or some by their ids.

use crate::error::Result;
use crate::filter::Filter;
use crate::id::DocId;
use crate::index::field::Fields;
use crate::keyspace::{self, DocRow, PointRow};
use crate::payload::{Candidates, Found};
use crate::view::CollectionView;
use aether_index::PointId;
use bytes::Bytes;
use roaring::RoaringTreemap;
use serde_json::Value;
use std::sync::Arc;

/// Documents that are read at a time.
const CHUNK: usize = 256;

/// If so many times the documents that may satisfy a filter are all there are, they are read one by one; else all are.
const SELECTIVE: u64 = 8;

/// Of so many documents, all are read and sorted by id, to find the first ones; of more, documents are read in the order of ids.
const SORTED_MAX: u64 = 4_096;

/// A filter, and what the indexes know of it.
#[derive(Debug)]
pub(super) struct Wanted<'f> {
    filter: Option<&'f Filter>,
    /// For which points it holds; `None`: nothing is known.
    known: Option<Found>,
    /// The points to be read, if they are few.
    selective: Option<RoaringTreemap>,
}

/// Where all stages of a request read: one collection at one moment.
#[derive(Clone, Debug)]
pub(super) struct Documents<'a> {
    pub(super) view: &'a CollectionView,
    pub(super) fields: Arc<Fields>,
}

/// What is read of a document. Its payload is parsed when it is asked for.
#[derive(Debug)]
pub(super) struct Doc {
    pub(super) id: DocId,
    pub(super) point: PointId,
    key: Vec<u8>,
    row: Bytes,
    /// There when it was asked for.
    point_row: Option<Bytes>,
}

/// What is read of documents beside their payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    Payload,
    PayloadAndVectors,
}

impl Doc {
    /// Its payload; `null` if it has none.
    pub(super) fn payload(&self) -> Result<Value> {
        let payload = DocRow::parse(&self.key, &self.row)?.payload(&self.key)?;
        Ok(payload.unwrap_or(Value::Null))
    }
}

impl<'a> Documents<'a> {
    pub(super) fn new(view: &'a CollectionView) -> Documents<'a> {
        Documents {
            view,
            fields: view.core.fields.load_full(),
        }
    }

    /// Calls `each` with all documents that satisfy `filter`, in any order.
    pub(super) fn each(
        &self,
        filter: Option<&Filter>,
        read: Read,
        mut each: impl FnMut(&Doc) -> Result<()>,
    ) -> Result<()> {
        let wanted = self.wanted(filter)?;
        match &wanted.selective {
            Some(points) => self.each_of(points, &wanted, read, each),
            None => self.walk(&wanted, None, read, |doc| {
                each(doc)?;
                Ok(true)
            }),
        }
    }

    /// The first `k` documents that satisfy `filter`, in the order of ids. `after`: only those behind this one.
    pub(super) fn first_ids(
        &self,
        filter: Option<&Filter>,
        after: Option<&DocId>,
        k: usize,
    ) -> Result<Vec<DocId>> {
        let wanted = self.wanted(filter)?;
        let mut ids = Vec::new();
        match &wanted.selective {
            Some(points) if points.len() <= SORTED_MAX => {
                self.each_of(points, &wanted, Read::Payload, |doc| {
                    if after.is_none_or(|after| doc.id > *after) {
                        ids.push(doc.id.clone());
                    }
                    Ok(())
                })?;
                ids.sort_unstable();
                ids.truncate(k);
            }
            _ => self.walk(&wanted, after, Read::Payload, |doc| {
                ids.push(doc.id.clone());
                Ok(ids.len() < k)
            })?,
        }
        Ok(ids)
    }

    /// Calls `each` with all documents that are wanted, in the order of ids, until it says false. `after`: only those behind this one.
    fn walk(
        &self,
        wanted: &Wanted<'_>,
        after: Option<&DocId>,
        read: Read,
        mut each: impl FnMut(&Doc) -> Result<bool>,
    ) -> Result<()> {
        let mut rows = self.view.all_docs(after.map(|id| self.key(id)));
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            while chunk.len() < CHUNK
                && let Some((key, row)) = rows.try_next()?
            {
                let point = DocRow::parse(&key, &row)?.point;
                chunk.push(Doc {
                    id: keyspace::decode_doc_key(&key)?,
                    point,
                    key: key.to_vec(),
                    row,
                    point_row: None,
                });
            }
            let last = chunk.len() < CHUNK;
            self.satisfying(wanted, read, &mut chunk)?;
            for doc in &chunk {
                if !each(doc)? {
                    return Ok(());
                }
            }
            if last {
                return Ok(());
            }
        }
    }

    /// Calls `each` with the documents of `points` that are wanted.
    pub(super) fn each_of(
        &self,
        points: &RoaringTreemap,
        wanted: &Wanted<'_>,
        read: Read,
        mut each: impl FnMut(&Doc) -> Result<()>,
    ) -> Result<()> {
        let mut points = points.iter().map(PointId);
        loop {
            let part: Vec<PointId> = points.by_ref().take(CHUNK).collect();
            if part.is_empty() {
                return Ok(());
            }
            let rows = self.view.point_rows(&part)?;
            let (mut found, mut keys) = (Vec::new(), Vec::new());
            for (point, row) in part.into_iter().zip(rows) {
                let Some(row) = row else { continue };
                let key = keyspace::point_key(self.view.core.id, point);
                keys.push(PointRow::parse(&key, &row)?.doc_key(self.view.core.id));
                found.push((point, row));
            }
            let rows = self.view.doc_rows(&keys)?;
            let mut chunk = Vec::with_capacity(found.len());
            for (((point, point_row), key), row) in found.into_iter().zip(keys).zip(rows) {
                let Some(row) = row else { continue };
                if DocRow::parse(&key, &row)?.point == point {
                    chunk.push(Doc {
                        id: keyspace::decode_doc_key(&key)?,
                        point,
                        key,
                        row,
                        point_row: Some(point_row),
                    });
                }
            }
            self.satisfying(wanted, read, &mut chunk)?;
            chunk.iter().try_for_each(&mut each)?;
        }
    }

    /// What is known of `filter` before documents are read.
    pub(super) fn wanted<'f>(&self, filter: Option<&'f Filter>) -> Result<Wanted<'f>> {
        let filter = filter.filter(|filter| !filter.holds_for_all());
        let mut wanted = Wanted {
            filter,
            known: None,
            selective: None,
        };
        if let Some(filter) = filter
            && let Some(Candidates { visible, found }) = self.view.candidates(filter)?
        {
            if (found.sure.len() + found.unsure.len()) * SELECTIVE < visible.len() {
                wanted.selective = Some(found.upper());
            }
            wanted.known = Some(found);
        }
        Ok(wanted)
    }

    /// The points for which `filter` may hold, and what is known of it. `None` when nothing is known in memory, or when a transaction
    /// has documents that no index knows.
    pub(super) fn allowed<'f>(
        &self,
        filter: Option<&'f Filter>,
    ) -> Result<Option<(Wanted<'f>, RoaringTreemap)>> {
        if self.view.overlay.is_some() {
            return Ok(None);
        }
        let all = Filter::And(Vec::new());
        let Some(Candidates { found, .. }) = self.view.candidates(filter.unwrap_or(&all))? else {
            return Ok(None);
        };
        let allowed = found.upper();
        let wanted = Wanted {
            filter: filter.filter(|filter| !filter.holds_for_all()),
            known: Some(found),
            selective: None,
        };
        Ok(Some((wanted, allowed)))
    }

    /// Calls `each` with those of the documents called `ids` that there are and that satisfy `filter`, in this order.
    pub(super) fn read<'i>(
        &self,
        ids: impl IntoIterator<Item = &'i DocId>,
        filter: Option<&Filter>,
        read: Read,
        mut each: impl FnMut(&Doc) -> Result<()>,
    ) -> Result<()> {
        let mut ids = ids.into_iter();
        // There are few of them: asking the indexes first would cost more.
        let wanted = Wanted {
            filter: filter.filter(|filter| !filter.holds_for_all()),
            known: None,
            selective: None,
        };
        loop {
            let ids: Vec<&DocId> = ids.by_ref().take(CHUNK).collect();
            if ids.is_empty() {
                return Ok(());
            }
            let keys: Vec<Vec<u8>> = ids.iter().map(|id| self.key(id)).collect();
            let rows = self.view.doc_rows(&keys)?;
            let mut chunk = Vec::with_capacity(ids.len());
            for ((id, key), row) in ids.into_iter().zip(keys).zip(rows) {
                let Some(row) = row else { continue };
                chunk.push(Doc {
                    id: id.clone(),
                    point: DocRow::parse(&key, &row)?.point,
                    key,
                    row,
                    point_row: None,
                });
            }
            self.satisfying(&wanted, read, &mut chunk)?;
            chunk.iter().try_for_each(&mut each)?;
        }
    }

    /// Leaves those of `docs` that are wanted, and reads what is asked for.
    fn satisfying(&self, wanted: &Wanted<'_>, read: Read, docs: &mut Vec<Doc>) -> Result<()> {
        if let Some(known) = &wanted.known {
            let maybe = |point: u64| known.sure.contains(point) || known.unsure.contains(point);
            docs.retain(|doc| maybe(doc.point.0));
        }
        if let Some(filter) = wanted.filter {
            if filter.asks_for_vectors() {
                self.read_points(docs)?;
            }
            let mut outcome = Ok(());
            docs.retain(|doc| match self.holds(doc, filter, wanted) {
                Ok(holds) => holds,
                Err(error) => {
                    outcome = Err(error);
                    false
                }
            });
            outcome?;
        }
        if read == Read::PayloadAndVectors {
            self.read_points(docs)?;
        }
        Ok(())
    }

    fn holds(&self, doc: &Doc, filter: &Filter, wanted: &Wanted<'_>) -> Result<bool> {
        let sure = wanted.known.as_ref().map(|known| &known.sure);
        if sure.is_some_and(|sure| sure.contains(doc.point.0)) {
            return Ok(true);
        }
        self.satisfies(doc, filter)
    }

    /// Reads the rows in `points` of those that lack them.
    fn read_points(&self, docs: &mut [Doc]) -> Result<()> {
        let mut lacking: Vec<&mut Doc> = docs
            .iter_mut()
            .filter(|doc| doc.point_row.is_none())
            .collect();
        let points: Vec<PointId> = lacking.iter().map(|doc| doc.point).collect();
        let rows = self.view.point_rows(&points)?;
        for (doc, row) in lacking.iter_mut().zip(rows) {
            let Some(row) = row else {
                let what = format!("its point {} is missing", doc.point);
                return Err(keyspace::bad("docs", &doc.key, &what));
            };
            doc.point_row = Some(row);
        }
        Ok(())
    }

    /// Whether `doc` satisfies `filter`.
    pub(super) fn satisfies(&self, doc: &Doc, filter: &Filter) -> Result<bool> {
        let payload = doc.payload()?;
        Ok(filter.matches(&doc.id, Some(&payload), |name| self.has_vector(doc, name)))
    }

    /// Whether `doc`, whose vectors were read, has one in the field called `name`.
    fn has_vector(&self, doc: &Doc, name: &str) -> bool {
        let (Ok(field), Some((key, row))) = (self.fields.get(name), self.point_row(doc)) else {
            return false;
        };
        PointRow::parse(&key, row)
            .and_then(|row| row.field(&key, field.number))
            .is_ok_and(|vector| vector.is_some())
    }

    /// The row of `doc` in `points`, with its key, if it was read.
    pub(super) fn point_row<'d>(&self, doc: &'d Doc) -> Option<([u8; 12], &'d Bytes)> {
        let row = doc.point_row.as_ref()?;
        Some((keyspace::point_key(self.view.core.id, doc.point), row))
    }

    fn key(&self, id: &DocId) -> Vec<u8> {
        let mut key = Vec::new();
        keyspace::doc_key(self.view.core.id, id, &mut key);
        key
    }
}

impl Filter {
    /// Whether it says nothing.
    fn holds_for_all(&self) -> bool {
        matches!(self, Filter::And(all) if all.iter().all(Filter::holds_for_all))
    }

    /// Whether a document's vectors must be known.
    pub(crate) fn asks_for_vectors(&self) -> bool {
        match self {
            Filter::And(filters) | Filter::Or(filters) | Filter::AtLeast { of: filters, .. } => {
                filters.iter().any(Filter::asks_for_vectors)
            }
            Filter::Not(filter) | Filter::Nested { filter, .. } => filter.asks_for_vectors(),
            Filter::HasVector(_) => true,
            Filter::Field { .. } | Filter::HasId(_) => false,
        }
    }
}
