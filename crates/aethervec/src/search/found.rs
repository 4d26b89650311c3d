//! Candidates become hits: which of them the reader sees, and what hits carry.
//!
//! The truth is in the rows: a point is visible exactly if its document's row in `docs` names it. Of the newest state,
//! memory knows the same ([`CollectionView::sees_first`]): then the rows in `docs` are read only for payloads, and all of them,
//! or the ids of points where nothing else is needed, come from caches, if they were found lately.

use super::allowed::Allowed;
use super::candidates::Candidates;
use crate::document::{Hit, SearchRequest};
use crate::error::Result;
use crate::id::DocId;
use crate::index::query::FieldQuery;
use crate::keyspace::{self, DocRow, PointRow};
use crate::vector::Vectors;
use crate::view::CollectionView;
use aether_index::{Candidate, PointId};
use bytes::Bytes;

/// A visible point.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// At its exact distance.
    pub(super) candidate: Candidate,
    pub(super) id: DocId,
    /// `None`: it was not needed.
    pub(super) point_row: Option<Bytes>,
    /// Its document's row; `None`: it was not needed to know that the point is visible.
    pub(super) doc_row: Option<Bytes>,
}

impl PartialEq for Found {
    fn eq(&self, other: &Found) -> bool {
        self.candidate == other.candidate
    }
}

impl Eq for Found {}

impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Found) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Found {
    fn cmp(&self, other: &Found) -> std::cmp::Ordering {
        self.candidate.cmp(&other.candidate)
    }
}

/// Hits with what they are to carry.
pub(super) fn into_hits(
    view: &CollectionView,
    query: &FieldQuery<'_>,
    request: &SearchRequest<'_>,
    mut found: Vec<Found>,
) -> Result<Vec<Hit>> {
    if request.with_payload {
        read_documents(view, &mut found)?;
    }
    let hit = |found: Found| {
        let Found {
            candidate,
            id,
            point_row,
            doc_row,
        } = found;
        let payload = match doc_row {
            Some(row) if request.with_payload => {
                let key = view.doc_key(&id);
                DocRow::parse(&key, &row)?.payload(&key)?
            }
            _ => None,
        };
        let vectors = match point_row {
            Some(row) if request.with_vectors => {
                let key = keyspace::point_key(view.core.id, candidate.point);
                view.core.fields.load().read(&key, &row)?
            }
            _ => Vectors::new(),
        };
        let distance = candidate.distance;
        Ok(Hit {
            id,
            distance,
            score: query.score(distance),
            payload,
            vectors,
        })
    };
    found.into_iter().map(hit).collect()
}

/// Reads the rows of those documents that were not read yet: their points are visible.
fn read_documents(view: &CollectionView, found: &mut [Found]) -> Result<()> {
    let (cache, collection) = (&view.core.keyspaces.doc_cache, view.core.id);
    let mut unread = Vec::new();
    for found in found.iter_mut().filter(|found| found.doc_row.is_none()) {
        // Each version of a document has a point of its own: what names it is the same for ever.
        found.doc_row = cache.get(collection, found.candidate.point);
        if found.doc_row.is_none() {
            unread.push(found);
        }
    }
    if unread.is_empty() {
        return Ok(());
    }
    let keys = unread.iter().map(|found| view.doc_key(&found.id));
    let keys: Vec<Vec<u8>> = keys.collect();
    let rows = view.doc_rows(&keys)?;
    for (found, (key, row)) in unread.iter_mut().zip(keys.iter().zip(rows)) {
        let point = found.candidate.point;
        let row = row.ok_or_else(|| keyspace::bad("docs", key, "it is missing"))?;
        let named = DocRow::parse(key, &row)?.point;
        if named != point {
            let what = format!("it names point {named}, but {point} is alive");
            return Err(keyspace::bad("docs", key, &what));
        }
        let row = Bytes::copy_from_slice(&row);
        cache.insert(collection, point, row.clone());
        found.doc_row = Some(row);
    }
    Ok(())
}

/// Candidates beyond `k`: estimated distances may order the last ones wrongly, and some may turn out to be invisible.
pub(super) fn slack(k: usize) -> usize {
    2 + k / 16
}

/// The `k` nearest of those candidates that are visible and allowed; with their rows, if it `needs_rows`.
pub(super) fn resolve(
    view: &CollectionView,
    query: &FieldQuery<'_>,
    candidates: &Candidates,
    (k, needs_rows): (usize, bool),
    allowed: &Allowed<'_>,
) -> Result<Vec<Found>> {
    let Candidates { nearest, exact, .. } = candidates;
    let (enough, compare) = if *exact {
        (k, None)
    } else {
        (k + slack(k), Some(query))
    };
    if !allowed.is_unsure()
        && let Some(seen) = view.sees_first(enough, nearest)
    {
        if *exact && !needs_rows {
            return identify(view, &seen);
        }
        let mut found = compared(view, compare, &seen, needs_rows)?;
        found.sort_unstable();
        found.truncate(k);
        return Ok(found);
    }
    let mut found = Vec::with_capacity(k + slack(k));
    for chunk in nearest.chunks(k + slack(k)) {
        resolve_chunk(view, query, chunk, k, allowed, &mut found)?;
        if found.len() >= k {
            break;
        }
    }
    found.sort_unstable();
    found.truncate(k);
    Ok(found)
}

/// Candidates that are visible, in their order, with nothing but the ids of their documents.
fn identify(view: &CollectionView, seen: &[Candidate]) -> Result<Vec<Found>> {
    let points: Vec<PointId> = seen.iter().map(|candidate| candidate.point).collect();
    let ids = view.cached_ids(&points)?;
    let found = seen.iter().zip(ids).filter_map(|(&candidate, id)| {
        Some(Found {
            candidate,
            id: id?,
            point_row: None,
            doc_row: None,
        })
    });
    Ok(found.collect())
}

/// Candidates that are visible, at the exact distances of the `query`, or without one at those that they have; with their rows if it
/// `needs_rows`.
fn compared(
    view: &CollectionView,
    query: Option<&FieldQuery<'_>>,
    seen: &[Candidate],
    needs_rows: bool,
) -> Result<Vec<Found>> {
    let points: Vec<PointId> = seen.iter().map(|candidate| candidate.point).collect();
    let rows = view.cached_point_rows(&points)?;
    let mut buffer = query.map(FieldQuery::buffer);
    let mut found = Vec::with_capacity(seen.len());
    for (&Candidate { point, distance }, row) in seen.iter().zip(rows) {
        let Some(row) = row else { continue };
        let key = keyspace::point_key(view.core.id, point);
        let parsed = PointRow::parse(&key, &row)?;
        let distance = match query.zip(buffer.as_mut()) {
            Some((query, buffer)) => query.distance_of(&key, &parsed, buffer)?,
            None => Some(distance),
        };
        let id = parsed.id(&key)?;
        found.extend(distance.map(|distance| Found {
            candidate: Candidate { point, distance },
            id,
            point_row: needs_rows.then(|| Bytes::from_owner(row)),
            doc_row: None,
        }));
    }
    Ok(found)
}

/// Adds to `found` the visible ones of `candidates`, nearest first by exact distance, until there are `k`.
fn resolve_chunk(
    view: &CollectionView,
    query: &FieldQuery<'_>,
    candidates: &[Candidate],
    k: usize,
    allowed: &Allowed<'_>,
    found: &mut Vec<Found>,
) -> Result<()> {
    let mut read = read_points(view, query, candidates)?;
    read.sort_unstable_by_key(|point| point.candidate);
    let mut rest = read.into_iter();
    while found.len() < k && !rest.as_slice().is_empty() {
        // Each lookup costs about as much as fifty distances, and mostly all are visible: no more than are missing.
        let missing = (k - found.len()).min(rest.len());
        let keys = rest.as_slice()[..missing].iter();
        let keys: Vec<&[u8]> = keys.map(|point| &point.doc_key[..]).collect();
        let doc_rows = view.doc_rows(&keys)?;
        for (point, doc_row) in rest.by_ref().take(missing).zip(doc_rows) {
            let Some(doc_row) = doc_row else { continue };
            if DocRow::parse(&point.doc_key, &doc_row)?.point != point.candidate.point {
                continue;
            }
            let hit = point.found(Some(doc_row))?;
            if allowed.accepts(view, &hit)? {
                found.push(hit);
            }
        }
    }
    Ok(())
}

/// A point that is committed; whether its document still has it is not known yet.
pub(super) struct Read {
    pub(super) candidate: Candidate,
    pub(super) doc_key: Vec<u8>,
    pub(super) row: Bytes,
}

impl Read {
    /// It is visible, as `doc_row` says, or as is known without.
    pub(super) fn found(self, doc_row: Option<Bytes>) -> Result<Found> {
        Ok(Found {
            candidate: self.candidate,
            id: keyspace::decode_doc_key(&self.doc_key)?,
            point_row: Some(self.row),
            doc_row,
        })
    }
}

/// The rows of `candidates`, with distances to the vectors in them. A point without a row is not committed at this snapshot.
pub(super) fn read_points(
    view: &CollectionView,
    query: &FieldQuery<'_>,
    candidates: &[Candidate],
) -> Result<Vec<Read>> {
    let core = &view.core;
    let points: Vec<PointId> = candidates.iter().map(|candidate| candidate.point).collect();
    let rows = view.point_rows(&points)?;
    let mut buffer = query.buffer();
    let mut read = Vec::with_capacity(candidates.len());
    for (point, row) in points.into_iter().zip(rows) {
        let Some(row) = row else { continue };
        let key = keyspace::point_key(core.id, point);
        let parsed = PointRow::parse(&key, &row)?;
        if let Some(distance) = query.distance_of(&key, &parsed, &mut buffer)? {
            read.push(Read {
                candidate: Candidate { point, distance },
                doc_key: parsed.doc_key(core.id),
                row,
            });
        }
    }
    Ok(read)
}
