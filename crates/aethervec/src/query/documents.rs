//! Documents as a query reads them: one by one in the order of ids, or some by their ids.

use crate::error::Result;
use crate::filter::Filter;
use crate::id::DocId;
use crate::index::field::Fields;
use crate::keyspace::{self, DocRow, PointRow};
use crate::view::CollectionView;
use aether_index::PointId;
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;

/// Documents that are read at a time.
const CHUNK: usize = 256;

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
    point: PointId,
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

    /// Calls `each` with all documents that satisfy `filter`, in the order of ids, until it says false. `after`: only those
    /// behind this one.
    pub(super) fn scan(
        &self,
        filter: Option<&Filter>,
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
                chunk.push(Doc {
                    id: keyspace::decode_doc_key(&key)?,
                    point: DocRow::parse(&key, &row)?.point,
                    key: key.to_vec(),
                    row,
                    point_row: None,
                });
            }
            let last = chunk.len() < CHUNK;
            self.satisfying(filter, read, &mut chunk)?;
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

    /// Calls `each` with those of the documents called `ids` that there are and that satisfy `filter`, in this order.
    pub(super) fn read<'i>(
        &self,
        ids: impl IntoIterator<Item = &'i DocId>,
        filter: Option<&Filter>,
        read: Read,
        mut each: impl FnMut(&Doc) -> Result<()>,
    ) -> Result<()> {
        let mut ids = ids.into_iter();
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
            self.satisfying(filter, read, &mut chunk)?;
            chunk.iter().try_for_each(&mut each)?;
        }
    }

    /// Leaves those of `docs` that satisfy `filter`, and reads what is asked for.
    fn satisfying(&self, filter: Option<&Filter>, read: Read, docs: &mut Vec<Doc>) -> Result<()> {
        let filter = filter.filter(|filter| !filter.holds_for_all());
        let early = filter.is_some_and(Filter::asks_for_vectors);
        if early {
            self.read_points(docs)?;
        }
        if let Some(filter) = filter {
            let mut outcome = Ok(());
            docs.retain(|doc| match self.satisfies(doc, filter) {
                Ok(satisfies) => satisfies,
                Err(error) => {
                    outcome = Err(error);
                    false
                }
            });
            outcome?;
        }
        if read == Read::PayloadAndVectors && !early {
            self.read_points(docs)?;
        }
        Ok(())
    }

    fn read_points(&self, docs: &mut [Doc]) -> Result<()> {
        let points: Vec<PointId> = docs.iter().map(|doc| doc.point).collect();
        let rows = self.view.point_rows(&points)?;
        for (doc, row) in docs.iter_mut().zip(rows) {
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
