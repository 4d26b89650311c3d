//! A search, step by step:
//!
//! 1. candidates from the delta first and from the graph second: a point moves in the other direction;
//! 2. their rows in `points`: the document's id, and the vector for the exact distance;
//! 3. their rows in `docs`: a point is visible exactly if its document's row names it;
//! 4. too few left: widen and begin again; in the end, compare with everything.

use crate::document::{Hit, SearchRequest};
use crate::error::Result;
use crate::id::DocId;
use crate::index::query::FieldQuery;
use crate::keyspace::{self, DocRow, PointRow};
use crate::limits;
use crate::validate;
use crate::vector::{QueryVector, Vectors};
use crate::view::CollectionView;
use aether_index::{Candidate, PointId, SearchParams};
use bytes::Bytes;

mod scan;

/// Search effort when none is asked for, at least.
const EF_DEFAULT: usize = 128;

/// Candidates beyond which comparing with everything is no worse than widening once more.
const FETCH_MAX: usize = 20_000;

impl CollectionView {
    /// The `k` documents nearest to `vector`, nearest first, with their payloads. Approximate in an HNSW collection.
    ///
    /// # Errors
    /// As [`search_with`](CollectionView::search_with).
    pub fn search<'a>(&self, vector: impl Into<QueryVector<'a>>, k: usize) -> Result<Vec<Hit>> {
        self.search_with(SearchRequest::new(vector, k))
    }

    /// The documents nearest to a query, nearest first; fewer than `k` only if there are not more.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when a field of the request is outside of its limits.
    pub fn search_with(&self, request: SearchRequest<'_>) -> Result<Vec<Hit>> {
        search(self, &request)
    }

    /// Answers several requests, the exact ones all in one pass over the documents.
    ///
    /// # Errors
    /// As [`search_with`](CollectionView::search_with); the message says which request it is about.
    pub fn search_batch(&self, requests: &[SearchRequest<'_>]) -> Result<Vec<Vec<Hit>>> {
        validate::range("requests", requests.len(), 0..=limits::SEARCH_BATCH_MAX)?;
        search_batch(self, requests)
    }
}

/// The query of a request; fails when the request is outside of its limits.
fn prepare<'a>(view: &CollectionView, request: &SearchRequest<'a>) -> Result<FieldQuery<'a>> {
    validate::range("k", request.k, 1..=limits::K_MAX)?;
    if let Some(ef) = request.ef {
        validate::range("ef", ef, 1..=limits::EF_MAX)?;
    }
    let core = &view.core;
    let fields = core.fields.load();
    FieldQuery::new(fields.get(request.using)?, core.kernels, request.vector)
}

/// What `request` asks for, nearest first.
fn search(view: &CollectionView, request: &SearchRequest<'_>) -> Result<Vec<Hit>> {
    let query = prepare(view, request)?;
    let found = if request.exact {
        scan::nearest(view, &query, request.k)?
    } else {
        walk(view, &query, request)?
    };
    to_hits(view, &query, request, found)
}

/// What each of `requests` asks for. All exact ones are answered by one scan.
fn search_batch(view: &CollectionView, requests: &[SearchRequest<'_>]) -> Result<Vec<Vec<Hit>>> {
    let mut queries = Vec::with_capacity(requests.len());
    for (position, request) in requests.iter().enumerate() {
        let query = prepare(view, request);
        queries.push(query.map_err(|error| error.within(&format!("request {position}")))?);
    }
    let all = || requests.iter().zip(&queries);
    let exact = all().filter(|(request, _)| request.exact);
    let mut scanned =
        scan::for_all(view, exact.map(|(request, query)| (query, request.k)))?.into_iter();
    let answer = |(request, query): (&SearchRequest<'_>, &FieldQuery<'_>)| {
        let found = if request.exact {
            scanned.next().unwrap_or_default()
        } else {
            walk(view, query, request)?
        };
        to_hits(view, query, request, found)
    };
    all().map(answer).collect()
}

fn to_hits(
    view: &CollectionView,
    query: &FieldQuery<'_>,
    request: &SearchRequest<'_>,
    found: Vec<Found>,
) -> Result<Vec<Hit>> {
    found
        .into_iter()
        .map(|found| found.into_hit(view, query, request))
        .collect()
}

/// A visible point, with what was read to know that.
#[derive(Clone, Debug)]
struct Found {
    candidate: Candidate,
    doc_key: Vec<u8>,
    doc_row: Bytes,
    point_row: Bytes,
}

impl Found {
    fn into_hit(
        self,
        view: &CollectionView,
        query: &FieldQuery<'_>,
        request: &SearchRequest<'_>,
    ) -> Result<Hit> {
        let payload = if request.with_payload {
            DocRow::parse(&self.doc_key, &self.doc_row)?.payload(&self.doc_key)?
        } else {
            None
        };
        let vectors = if request.with_vectors {
            let key = keyspace::point_key(view.core.id, self.candidate.point);
            view.core.fields.load().read(&key, &self.point_row)?
        } else {
            Vectors::new()
        };
        let id: DocId = keyspace::decode_doc_key(&self.doc_key)?;
        let distance = self.candidate.distance;
        Ok(Hit {
            id,
            distance,
            score: query.score(distance),
            payload,
            vectors,
        })
    }
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

/// Candidates beyond `k`: estimated distances may order the last ones wrongly, and some may turn out to be invisible.
fn slack(k: usize) -> usize {
    2 + k / 16
}

fn walk(
    view: &CollectionView,
    query: &FieldQuery<'_>,
    request: &SearchRequest<'_>,
) -> Result<Vec<Found>> {
    let k = request.k;
    let mut ef = request.ef.unwrap_or(EF_DEFAULT.max(2 * k)).max(k);
    let mut fetch = (k + slack(k)).min(ef);
    loop {
        let candidates = candidates(view, query, fetch, ef)?;
        let found = resolve(view, query, &candidates.nearest, k)?;
        if found.len() == k
            || candidates.all
            || view.documents_if_known()? == Some(found.len() as u64)
        {
            return Ok(found);
        }
        if fetch >= FETCH_MAX {
            return scan::nearest(view, query, k);
        }
        fetch = fetch.saturating_mul(4);
        ef = ef.max(fetch);
    }
}

struct Candidates {
    nearest: Vec<Candidate>,
    /// Whether these are all that may be visible.
    all: bool,
}

/// About `fetch` points that may be visible, nearest first.
fn candidates(
    view: &CollectionView,
    query: &FieldQuery<'_>,
    fetch: usize,
    ef: usize,
) -> Result<Candidates> {
    let core = &view.core;
    let may_see = |point: PointId| core.may_see(view, point);
    let staged = staged(view, query)?;
    let mut nearest = query.search_exact(fetch, may_see)?;
    let graph = query
        .as_dense()
        .and_then(|(index, query)| Some((index.graph.load_full()?, query)));
    let Some((graph, query)) = graph else {
        let all = nearest.len() < fetch;
        nearest.extend(staged);
        nearest.sort_unstable();
        return Ok(Candidates { nearest, all });
    };
    let all_are_visible = view.points_end == u64::MAX && core.deaths.len() == 0;
    let allowed: Option<&dyn Fn(PointId) -> bool> = if all_are_visible {
        None
    } else {
        Some(&may_see)
    };
    let params = SearchParams {
        k: fetch,
        ef,
        include_dead: false,
    };
    nearest.extend(
        core.with_scratch(|scratch| graph.search(query.vector(), params, allowed, scratch))?,
    );
    nearest.extend(staged);
    nearest.sort_unstable();
    // A point that moved between the two searches is in both answers, at slightly different distances.
    let mut seen = std::collections::HashSet::with_capacity(nearest.len());
    nearest.retain(|candidate| seen.insert(candidate.point));
    Ok(Candidates {
        nearest,
        all: false,
    })
}

/// The points that the reader's own transaction has staged.
fn staged(view: &CollectionView, query: &FieldQuery<'_>) -> Result<Vec<Candidate>> {
    let mut buffer = query.buffer();
    let mut staged = Vec::new();
    for (point, row) in view.staged_points() {
        let key = keyspace::point_key(view.core.id, point);
        let row = PointRow::parse(&key, row)?;
        let distance = query.distance_of(&key, &row, &mut buffer)?;
        staged.extend(distance.map(|distance| Candidate { point, distance }));
    }
    Ok(staged)
}

/// The `k` nearest of those candidates that are visible, by exact distance.
fn resolve(
    view: &CollectionView,
    query: &FieldQuery<'_>,
    candidates: &[Candidate],
    k: usize,
) -> Result<Vec<Found>> {
    let mut found = Vec::with_capacity(k + slack(k));
    for chunk in candidates.chunks(k + slack(k)) {
        resolve_chunk(view, query, chunk, k, &mut found)?;
        if found.len() >= k {
            break;
        }
    }
    found.sort_unstable();
    found.truncate(k);
    Ok(found)
}

/// Adds to `found` the visible ones of `candidates`, nearest first by exact distance, until there are `k`.
fn resolve_chunk(
    view: &CollectionView,
    query: &FieldQuery<'_>,
    candidates: &[Candidate],
    k: usize,
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
            if DocRow::parse(&point.doc_key, &doc_row)?.point == point.candidate.point {
                found.push(Found {
                    candidate: point.candidate,
                    doc_key: point.doc_key,
                    doc_row,
                    point_row: point.row,
                });
            }
        }
    }
    Ok(())
}

/// A point that is committed; whether its document still has it is not known yet.
struct Read {
    candidate: Candidate,
    doc_key: Vec<u8>,
    row: Bytes,
}

/// The rows of `candidates`, with exact distances. A point without a row is not committed at this snapshot.
fn read_points(
    view: &CollectionView,
    query: &FieldQuery<'_>,
    candidates: &[Candidate],
) -> Result<Vec<Read>> {
    let core = &view.core;
    let points: Vec<PointId> = candidates.iter().map(|candidate| candidate.point).collect();
    let rows = view.point_rows(&points)?;
    let mut buffer = query.buffer();
    let mut read = Vec::with_capacity(candidates.len());
    for (candidate, row) in candidates.iter().zip(rows) {
        let Some(row) = row else { continue };
        let key = keyspace::point_key(core.id, candidate.point);
        let parsed = PointRow::parse(&key, &row)?;
        if let Some(distance) = query.distance_of(&key, &parsed, &mut buffer)? {
            let candidate = Candidate {
                point: candidate.point,
                distance,
            };
            read.push(Read {
                candidate,
                doc_key: parsed.doc_key(core.id),
                row,
            });
        }
    }
    Ok(read)
}
