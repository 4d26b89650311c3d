//! From a request to a response: the calls, pages, and what hits carry.

use super::at::{At, Locate};
use super::cursor::{self, Cursor, Place};
use super::documents::Read;
use super::kinds::Query;
use super::ranking::Scored;
use super::request::{QueryHit, QueryRequest, QueryResponse};
use super::select::{PayloadSelector, VectorSelector};
use super::stage::{Evaluation, NoOthers, Others, Stage};
use super::validate;
use crate::collection::Collection;
use crate::database::AetherDB;
use crate::error::{Error, Result};
use crate::limits;
use crate::snapshot::DbSnapshot;
use crate::vector::Vectors;
use crate::view::CollectionView;
use serde_json::Value;
use std::sync::Arc;

impl CollectionView {
    /// Answers a request. It may not name other collections: ask the [`Collection`] for that.
    ///
    /// # Errors
    /// As [`Collection::query`].
    pub fn query(&self, request: &QueryRequest) -> Result<QueryResponse> {
        query(self, &NoOthers, request)
    }

    /// Answers several requests: all see this one state.
    ///
    /// # Errors
    /// As [`Collection::query`]; the message says which request it is about.
    pub fn query_batch(&self, requests: &[QueryRequest]) -> Result<Vec<QueryResponse>> {
        query_batch(self, &NoOthers, requests)
    }
}

impl Collection {
    /// Answers a request: all of its stages see one state of the database, in which everything written before is found.
    ///
    /// ```
    /// # use aethervec::{AetherDB, Document, IndexConfig};
    /// use aethervec::{Direction, Filter, Query, QueryRequest};
    /// use serde_json::json;
    ///
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let db = AetherDB::open(dir.path())?;
    /// # let notes = db.create_collection("notes", 1, "l2", IndexConfig::default())?;
    /// for year in 2015..2025 {
    ///     notes.upsert(Document::new(vec![year as f32], year).with_payload(json!({"year": year})))?;
    /// }
    /// let near = QueryRequest::new(Query::nearest([2018.2])).filter(Filter::gte("year", 2020)).limit(2);
    /// let hits = notes.query(&near)?.hits;
    /// assert_eq!(hits.iter().map(|hit| hit.id.to_string()).collect::<Vec<_>>(), ["2020", "2021"]);
    ///
    /// // Page by page, in the order of a field.
    /// let newest = QueryRequest::new(Query::order_by("year", Direction::Desc)).limit(4);
    /// let first = notes.query(&newest)?;
    /// let second = notes.query(&newest.clone().cursor(first.next))?;
    /// assert_eq!(second.hits[0].id.to_string(), "2020");
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the request is not acceptable: the message begins with the place in it, such as
    /// `prefetch[0].query.formula.sum[1]`. [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when it names a document, a vector
    /// field or a collection that is not there.
    pub fn query(&self, request: &QueryRequest) -> Result<QueryResponse> {
        let Some(past) = request.cursor.as_ref().and_then(|cursor| cursor.moment) else {
            let moment = self.moment();
            return query(&self.view_at(&moment)?, &moment, request);
        };
        let at = At::REQUEST.field("cursor");
        let moment = self.moment_at(past).at(&at)?;
        query(&self.at(&moment.snapshot).at(&at)?, &moment, request)
    }

    /// Answers several requests: all see one state of the database.
    ///
    /// # Errors
    /// As [`query`](Collection::query); the message says which request it is about.
    pub fn query_batch(&self, requests: &[QueryRequest]) -> Result<Vec<QueryResponse>> {
        let moment = self.moment();
        query_batch(&self.view_at(&moment)?, &moment, requests)
    }

    /// The present moment of the whole database.
    pub(super) fn moment(&self) -> Moment {
        let db = AetherDB {
            inner: Arc::clone(&self.db),
        };
        Moment {
            snapshot: db.snapshot(),
            db,
        }
    }
}

impl Collection {
    /// This collection, which is there, at a moment at which it was.
    pub(super) fn view_at(&self, moment: &Moment) -> Result<CollectionView> {
        self.db.open()?;
        CollectionView::at(&self.core, &moment.snapshot)
    }

    /// The moment that a cursor goes on at.
    fn moment_at(&self, past: cursor::Moment) -> Result<Moment> {
        let db = AetherDB {
            inner: Arc::clone(&self.db),
        };
        let snapshot = db.snapshot_at(past.seq, past.now).map_err(|error| {
            Error::new(
                error.kind(),
                format!(
                    "the moment of its page cannot be read any more: begin again, or go on in the present ({error})"
                ),
            )
        })?;
        Ok(Moment { db, snapshot })
    }
}

impl CollectionView {
    /// This moment, if it can be read again later.
    fn lasting_moment(&self) -> Option<cursor::Moment> {
        let lasts = self.core.keyspaces.keeps_past && self.overlay.is_none();
        lasts.then(|| cursor::Moment {
            seq: self.snapshot.seq(),
            now: self.now,
        })
    }
}

/// A database at one moment.
pub(super) struct Moment {
    db: AetherDB,
    pub(super) snapshot: DbSnapshot,
}

impl Others for Moment {
    fn collection(&self, name: &str) -> Result<CollectionView> {
        self.db.collection(name)?.at(&self.snapshot)
    }
}

fn query_batch(
    view: &CollectionView,
    others: &dyn Others,
    requests: &[QueryRequest],
) -> Result<Vec<QueryResponse>> {
    crate::validate::range("requests", requests.len(), 0..=limits::SEARCH_BATCH_MAX)?;
    let answer = |(position, request)| {
        query(view, others, request).map_err(|error| error.within(&format!("request {position}")))
    };
    requests.iter().enumerate().map(answer).collect()
}

fn query(
    view: &CollectionView,
    others: &dyn Others,
    request: &QueryRequest,
) -> Result<QueryResponse> {
    validate::request(request)?;
    let at = At::REQUEST;
    let keyed = matches!(request.query, None | Some(Query::OrderBy(_)));
    let place = request.cursor.as_ref().map(|cursor| &cursor.place);
    let before = match (place, keyed) {
        (None, _) | (Some(Place::After { .. }), true) => 0,
        (Some(Place::Offset(before)), false) => *before,
        _ => return Err(at.field("cursor").invalid("it is of another request")),
    };
    if let Some(seq) = request.cursor.as_ref().and_then(Cursor::seq)
        && seq != view.snapshot.seq()
    {
        return Err(at.field("cursor").invalid(
            "it is of another moment than what is read here: query the collection itself, or go on in the present",
        ));
    }
    let skip = before.saturating_add(request.offset);
    if skip >= limits::K_MAX {
        return Ok(QueryResponse::default());
    }
    let evaluation = Evaluation::new(view, others);
    // One more, to know whether there is a next page.
    let wanted = (skip + request.limit + 1).min(limits::K_MAX);
    let ranking = evaluation.stage(&Stage::of(request, wanted), &at)?;
    let more = ranking.hits.len() > skip + request.limit;
    let mut hits = ranking.hits;
    hits.truncate(skip + request.limit);
    hits.drain(..skip.min(hits.len()));
    let next = match (more, &request.query) {
        (false, _) => None,
        (true, None) => hits.last().map(|last| Place::After {
            id: last.id.clone(),
            value: None,
        }),
        (true, Some(Query::OrderBy(order))) => {
            let mut place = None;
            let last = hits.last().map(|last| &last.id);
            evaluation
                .documents
                .read(last, None, Read::Payload, |doc| {
                    place = Some(order.place(doc.id.clone(), &doc.payload()?));
                    Ok(())
                })?;
            place
        }
        (true, Some(_)) => Some(Place::Offset(skip + request.limit)),
    };
    let hits = evaluation.hits(hits, &request.with_payload, &request.with_vectors)?;
    let next = next.map(|place| Cursor::new(place, view.lasting_moment()));
    Ok(QueryResponse { hits, next })
}

impl Evaluation<'_> {
    /// The documents of `ranked`, with what is asked for.
    pub(super) fn hits(
        &self,
        ranked: Vec<Scored>,
        with_payload: &PayloadSelector,
        with_vectors: &VectorSelector,
    ) -> Result<Vec<QueryHit>> {
        let at = At::REQUEST;
        if let VectorSelector::Fields(names) = with_vectors {
            for (position, name) in names.iter().enumerate() {
                let known = self.documents.fields.get(name).map(drop);
                known.at(&at.item("with_vectors", position))?;
            }
        }
        let read = match with_vectors {
            VectorSelector::None => Read::Payload,
            VectorSelector::All | VectorSelector::Fields(_) => Read::PayloadAndVectors,
        };
        let mut hits = Vec::with_capacity(ranked.len());
        if read == Read::Payload && *with_payload == PayloadSelector::None {
            hits.extend(ranked.into_iter().map(|Scored { id, score }| QueryHit {
                id,
                score,
                payload: None,
                vectors: Vectors::new(),
            }));
            return Ok(hits);
        }
        let ids = ranked.iter().map(|hit| &hit.id);
        let mut scores = ranked.iter();
        self.documents.read(ids, None, read, |doc| {
            // Both go through the same documents in the same order.
            let scored = scores.find(|hit| hit.id == doc.id);
            hits.push(QueryHit {
                id: doc.id.clone(),
                score: scored.map_or(0.0, |hit| hit.score),
                payload: match doc.payload()? {
                    Value::Null => None,
                    payload => with_payload.select(payload),
                },
                vectors: match self.documents.point_row(doc) {
                    Some((key, row)) => with_vectors.select(self.documents.fields.read(&key, row)?),
                    None => Vectors::new(),
                },
            });
            Ok(())
        })?;
        Ok(hits)
    }
}
