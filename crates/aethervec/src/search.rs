//! A search, step by step:
//!
//! 1. candidates from the delta first and from the graph second: a point moves in the other direction;
//! 2. their rows in `points`: the document's id, and the vector for the exact distance;
//! 3. their rows in `docs`: a point is visible exactly if its document's row names it;
//! 4. too few left: widen and begin again; in the end, compare with everything.

use crate::document::{Hit, SearchRequest};
use crate::error::{Error, Result};
use crate::id::DocId;
use crate::keyspace::{self, DocRow, PointRow};
use crate::limits;
use crate::validate;
use crate::vector::{QueryVector, Vector, Vectors};
use crate::view::CollectionView;
use aether_distance::{Distance, Metric, Query};
use aether_index::{Candidate, PointId, SearchParams};
use bytes::Bytes;
use std::collections::BinaryHeap;

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

/// Fails when the request is outside of its limits.
fn validate(view: &CollectionView, request: &SearchRequest<'_>) -> Result<()> {
    validate::range("k", request.k, 1..=limits::K_MAX)?;
    if let Some(ef) = request.ef {
        validate::range("ef", ef, 1..=limits::EF_MAX)?;
    }
    dense(view, request).map(|_| ())
}

/// The query of a search in a dense field; fails when it does not suit the field.
fn dense<'a>(view: &CollectionView, request: &SearchRequest<'a>) -> Result<&'a [f32]> {
    let QueryVector::Dense(vector) = request.vector else {
        return Err(Error::invalid(format!(
            "vector: a {} one cannot search a dense field",
            request.vector.kind()
        )));
    };
    validate::query(&view.core.dense, vector)?;
    Ok(vector)
}

/// What `request` asks for, nearest first.
fn search(view: &CollectionView, request: &SearchRequest<'_>) -> Result<Vec<Hit>> {
    validate(view, request)?;
    let query = prepare(view, request)?;
    let found = if request.exact {
        scan(view, &query, request.k)?
    } else {
        walk(view, &query, request)?
    };
    to_hits(view, request, found)
}

/// What each of `requests` asks for. All exact ones are answered by one scan.
fn search_batch(view: &CollectionView, requests: &[SearchRequest<'_>]) -> Result<Vec<Vec<Hit>>> {
    for (position, request) in requests.iter().enumerate() {
        validate(view, request).map_err(|error| error.within(&format!("request {position}")))?;
    }
    let exact: Vec<_> = requests.iter().filter(|request| request.exact).collect();
    let queries = exact
        .iter()
        .map(|request| Ok((prepare(view, request)?, request.k)))
        .collect::<Result<Vec<_>>>()?;
    let mut scanned = scan_for_all(view, queries.into_iter())?.into_iter();
    let answer = |request: &SearchRequest<'_>| {
        let found = if request.exact {
            scanned.next().unwrap_or_default()
        } else {
            walk(view, &prepare(view, request)?, request)?
        };
        to_hits(view, request, found)
    };
    requests.iter().map(answer).collect()
}

fn prepare<'a>(view: &CollectionView, request: &SearchRequest<'a>) -> Result<Query<'a>> {
    let vector = dense(view, request)?;
    Ok(Query::new(
        view.core.kernels,
        view.core.dense.metric,
        vector,
    ))
}

fn to_hits(
    view: &CollectionView,
    request: &SearchRequest<'_>,
    found: Vec<Found>,
) -> Result<Vec<Hit>> {
    found
        .into_iter()
        .map(|found| found.into_hit(view, request))
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
    fn into_hit(self, view: &CollectionView, request: &SearchRequest<'_>) -> Result<Hit> {
        let payload = if request.with_payload {
            DocRow::parse(&self.doc_key, &self.doc_row)?.payload(&self.doc_key)?
        } else {
            None
        };
        let vectors = if request.with_vectors {
            let key = keyspace::point_key(view.core.id, self.candidate.point);
            view.vectors(&key, &self.point_row)?
        } else {
            Vectors::new()
        };
        let id: DocId = keyspace::decode_doc_key(&self.doc_key)?;
        let distance = self.candidate.distance;
        Ok(Hit {
            id,
            distance,
            score: score(view.core.dense.metric, distance),
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

/// The distance as people know it.
fn score(metric: Metric, distance: Distance) -> f32 {
    match metric {
        Metric::L2Squared => distance.0.max(0.0).sqrt(),
        Metric::InnerProduct => -distance.0,
        Metric::Cosine => 1.0 - distance.0,
    }
}

/// Candidates beyond `k`: estimated distances may order the last ones wrongly, and some may turn out to be invisible.
fn slack(k: usize) -> usize {
    2 + k / 16
}

fn walk(
    view: &CollectionView,
    query: &Query<'_>,
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
            || view.documents_if_known() == Some(found.len() as u64)
        {
            return Ok(found);
        }
        if fetch >= FETCH_MAX {
            return scan(view, query, k);
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
    query: &Query<'_>,
    fetch: usize,
    ef: usize,
) -> Result<Candidates> {
    let core = &view.core;
    let may_see = |point: PointId| core.may_see(view, point);
    let mut nearest = core.delta.search(query.vector(), fetch, may_see)?;
    let Some(graph) = core.graph.load_full() else {
        let all = nearest.len() < fetch;
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
    nearest.sort_unstable();
    // A point that moved between the two searches is in both answers, at slightly different distances.
    let mut seen = std::collections::HashSet::with_capacity(nearest.len());
    nearest.retain(|candidate| seen.insert(candidate.point));
    Ok(Candidates {
        nearest,
        all: false,
    })
}

/// The `k` nearest of those candidates that are visible, by exact distance.
fn resolve(
    view: &CollectionView,
    query: &Query<'_>,
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
    query: &Query<'_>,
    candidates: &[Candidate],
    k: usize,
    found: &mut Vec<Found>,
) -> Result<()> {
    let core = &view.core;
    let mut read = read_points(view, query, candidates)?;
    read.sort_unstable_by_key(|point| point.candidate);
    let mut rest = read.into_iter();
    while found.len() < k && !rest.as_slice().is_empty() {
        // Each lookup costs about as much as fifty distances, and mostly all are visible: no more than are missing.
        let missing = (k - found.len()).min(rest.len());
        let doc_rows = view.snapshot.multi_get(
            &core.keyspaces.docs,
            rest.as_slice()[..missing]
                .iter()
                .map(|point| &point.doc_key),
        )?;
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
    query: &Query<'_>,
    candidates: &[Candidate],
) -> Result<Vec<Read>> {
    let core = &view.core;
    let keys: Vec<[u8; 12]> = candidates
        .iter()
        .map(|candidate| keyspace::point_key(core.id, candidate.point))
        .collect();
    let rows = view.snapshot.multi_get(&core.keyspaces.points, &keys)?;
    let mut decoder = Decoder::new(view);
    let mut read = Vec::with_capacity(candidates.len());
    for ((candidate, key), row) in candidates.iter().zip(&keys).zip(rows) {
        let Some(row) = row else { continue };
        let Some(doc_key) = decoder.decode(key, &row)?.map(|row| row.doc_key(core.id)) else {
            continue;
        };
        let distance = query.distance(decoder.vector.as_ref());
        let candidate = Candidate {
            point: candidate.point,
            distance,
        };
        read.push(Read {
            candidate,
            doc_key,
            row,
        });
    }
    Ok(read)
}

/// The `k` nearest visible points, by comparing with all.
fn scan(view: &CollectionView, query: &Query<'_>, k: usize) -> Result<Vec<Found>> {
    Ok(scan_for_all(view, std::iter::once((*query, k)))?
        .pop()
        .unwrap_or_default())
}

/// For each query the `k` nearest visible points, by comparing with all: reads `points` once, from the first to the last.
fn scan_for_all<'a>(
    view: &CollectionView,
    queries: impl Iterator<Item = (Query<'a>, usize)>,
) -> Result<Vec<Vec<Found>>> {
    let core = &view.core;
    let mut answers: Vec<Answer<'_>> = queries
        .map(|(query, k)| Answer {
            query,
            k,
            nearest: BinaryHeap::new(),
        })
        .collect();
    if answers.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows = view
        .snapshot
        .prefix(&core.keyspaces.points, keyspace::collection_prefix(core.id));
    let mut decoder = Decoder::new(view);
    while let Some((key, point_row)) = rows.try_next()? {
        let point = PointId(keyspace::decode_number("points", &key)?);
        if !core.may_see(view, point) {
            continue;
        }
        let Some(row) = decoder.decode(&key, &point_row)? else {
            continue;
        };
        let mut visible: Option<Found> = None;
        for answer in &mut answers {
            let distance = answer.query.distance(decoder.vector.as_ref());
            let candidate = Candidate { point, distance };
            if !answer.wants(&candidate) {
                continue;
            }
            // Looked up only for what is near enough for one of them.
            if visible.is_none() {
                visible = visible_point(view, candidate, row.doc_key(core.id), &point_row)?;
            }
            let Some(found) = &visible else { break };
            answer.add(Found {
                candidate,
                ..found.clone()
            });
        }
    }
    Ok(answers
        .into_iter()
        .map(|answer| answer.nearest.into_sorted_vec())
        .collect())
}

/// The point with its document, if the document's row names it.
fn visible_point(
    view: &CollectionView,
    candidate: Candidate,
    doc_key: Vec<u8>,
    point_row: &Bytes,
) -> Result<Option<Found>> {
    let Some(doc_row) = view.snapshot.get(&view.core.keyspaces.docs, &doc_key)? else {
        return Ok(None);
    };
    let visible = DocRow::parse(&doc_key, &doc_row)?.point == candidate.point;
    Ok(visible.then(|| Found {
        candidate,
        doc_key,
        doc_row,
        point_row: point_row.clone(),
    }))
}

/// What a scan has found for one query.
struct Answer<'a> {
    query: Query<'a>,
    k: usize,
    nearest: BinaryHeap<Found>,
}

impl Answer<'_> {
    fn wants(&self, candidate: &Candidate) -> bool {
        self.nearest.len() < self.k
            || self
                .nearest
                .peek()
                .is_some_and(|worst| *candidate < worst.candidate)
    }

    fn add(&mut self, found: Found) {
        self.nearest.push(found);
        if self.nearest.len() > self.k {
            self.nearest.pop();
        }
    }
}

/// Decodes rows of `points` into one buffer.
struct Decoder<'a> {
    view: &'a CollectionView,
    vector: Vector,
}

impl<'a> Decoder<'a> {
    fn new(view: &'a CollectionView) -> Decoder<'a> {
        Decoder {
            view,
            vector: keyspace::vector_buffer(view.core.dense.element),
        }
    }

    /// Reads the vector into [`Decoder::vector`]; `None` when there is none.
    fn decode<'r>(&mut self, key: &[u8], row: &'r [u8]) -> Result<Option<PointRow<'r>>> {
        let core = &self.view.core;
        let row = PointRow::parse(key, row)?;
        let found = row.dense(key, core.number, core.dense.dim, &mut self.vector)?;
        Ok(found.then_some(row))
    }
}
