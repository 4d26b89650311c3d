//! A search, step by step:
//!
//! 1. candidates from the delta first and from the graph second: a point moves in the other direction;
//! 2. their rows in `points`: the document's id, and the vector for the exact distance;
//! 3. their rows in `docs`: a point is visible exactly if its document's row names it;
//! 4. too few left: widen and begin again; in the end, compare with everything.

use crate::document::{Hit, SearchRequest};
use crate::error::{Error, Result};
use crate::id::DocId;
use crate::index::query::FieldQuery;
use crate::keyspace::{self, DocRow, PointRow};
use crate::limits;
use crate::plan::explain::{self, Explanation, Trace};
use crate::plan::{self, Route, calibration};
use crate::validate;
use crate::vector::{QueryVector, Vectors};
use crate::view::CollectionView;
use aether_index::{Candidate, Hnsw, PointId, Scratch, SearchParams};
use allowed::Allowed;
use bytes::Bytes;
use roaring::RoaringTreemap;

mod allowed;
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

    /// Searches, and says how that was done and what it took.
    ///
    /// # Errors
    /// As [`search_with`](CollectionView::search_with).
    pub fn explain(&self, request: SearchRequest<'_>) -> Result<Explanation> {
        let begin = explain::start();
        let query = prepare(self, &request)?;
        let mut trace = Trace::on();
        let hits = nearest(self, &query, &request, &mut trace)?.len();
        Ok(Explanation {
            steps: trace.into_steps(),
            hits,
            took: begin.elapsed(),
        })
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
    if let Some(recall) = request.recall {
        validate::recall(recall)?;
        if request.ef.is_some() {
            return Err(Error::invalid("recall, ef: only one of them can be given"));
        }
    }
    let core = &view.core;
    let fields = core.fields.load();
    FieldQuery::new(fields.get(request.using)?, core.kernels, request.vector)
}

/// What `request` asks for, nearest first.
fn search(view: &CollectionView, request: &SearchRequest<'_>) -> Result<Vec<Hit>> {
    let query = prepare(view, request)?;
    let found = nearest(view, &query, request, &mut Trace::off())?;
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
    let in_one_pass = |request: &SearchRequest<'_>| request.exact && request.filter.is_none();
    let exact = all().filter(|(request, _)| in_one_pass(request));
    let mut scanned =
        scan::for_all(view, exact.map(|(request, query)| (query, request.k)))?.into_iter();
    let answer = |(request, query): (&SearchRequest<'_>, &FieldQuery<'_>)| {
        let found = if in_one_pass(request) {
            scanned.next().unwrap_or_default()
        } else {
            nearest(view, query, request, &mut Trace::off())?
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

/// The `k` nearest visible documents that satisfy `filter`, nearest first.
fn nearest(
    view: &CollectionView,
    query: &FieldQuery<'_>,
    request: &SearchRequest<'_>,
    trace: &mut Trace,
) -> Result<Vec<Found>> {
    let (k, filter) = (request.k, request.filter);
    let mut allowed = match filter {
        None => Allowed::all(),
        Some(filter) => trace.step(
            "filter",
            || Allowed::new(view, filter),
            Allowed::explanation,
        )?,
    };
    let Some(mut pace) = Pace::new(view, query, request, trace)? else {
        look(view, &mut allowed, trace)?;
        return exact(view, query, k, &allowed, trace);
    };
    loop {
        let candidates = candidates(view, query, &pace, &allowed, trace)?;
        let found = trace.step(
            "rows",
            || resolve(view, query, &candidates.nearest, k, &allowed),
            |found| (found.len() as u64, "visible, and by exact distance".into()),
        )?;
        if found.len() == k
            || candidates.all
            || (filter.is_none() && view.documents_if_known()? == Some(found.len() as u64))
        {
            return Ok(found);
        }
        look(view, &mut allowed, trace)?;
        if pace.fetch >= FETCH_MAX {
            return exact(view, query, k, &allowed, trace);
        }
        pace.widen();
    }
}

/// Many of the near ones do not satisfy the filter, and no index knows which: looks at the documents, once.
fn look(view: &CollectionView, allowed: &mut Allowed<'_>, trace: &mut Trace) -> Result<()> {
    if !allowed.is_unsure() {
        return Ok(());
    }
    *allowed = trace.step("look", || allowed.found_out(view), Allowed::explanation)?;
    Ok(())
}

fn exact(
    view: &CollectionView,
    query: &FieldQuery<'_>,
    k: usize,
    allowed: &Allowed<'_>,
    trace: &mut Trace,
) -> Result<Vec<Found>> {
    trace.step(
        "scan",
        || scan::nearest(view, query, k, allowed),
        |found| {
            (
                found.len() as u64,
                "exact: all rows that may be meant".into(),
            )
        },
    )
}

/// How far a search goes in one attempt.
struct Pace {
    fetch: usize,
    ef: usize,
    /// Compare the codes of everything.
    scan: bool,
}

impl Pace {
    /// `None`: by the vectors themselves, exactly.
    fn new(
        view: &CollectionView,
        query: &FieldQuery<'_>,
        request: &SearchRequest<'_>,
        trace: &mut Trace,
    ) -> Result<Option<Pace>> {
        let k = request.k;
        let (ef, scan) = match (request.recall, request.ef) {
            _ if request.exact => return Ok(None),
            (Some(recall), _) if recall >= 1.0 => return Ok(None),
            (Some(recall), _) => trace.step(
                "calibrate",
                || calibrated(view, query, k, recall),
                |(ef, scan)| (0, format!("recall {recall}: ef {ef}, scan {scan}")),
            )?,
            (None, Some(ef)) => (ef, false),
            (None, None) => (EF_DEFAULT.max(2 * k), false),
        };
        let ef = ef.max(k);
        Ok(Some(Pace {
            fetch: (k + slack(k)).min(ef),
            ef,
            scan,
        }))
    }

    fn widen(&mut self) {
        self.fetch = self.fetch.saturating_mul(4);
        self.ef = self.ef.max(self.fetch);
    }
}

/// The effort that gives `recall`, and whether it is to compare with everything.
fn calibrated(
    view: &CollectionView,
    query: &FieldQuery<'_>,
    k: usize,
    recall: f32,
) -> Result<(usize, bool)> {
    let graph = query
        .as_dense()
        .and_then(|(index, query)| Some((index, index.graph.load_full()?, query)));
    let Some((index, graph, query)) = graph else {
        return Ok((k, true));
    };
    match index.calibration.effort(graph.len(), k, recall) {
        calibration::Effort::Ef(ef) => Ok((ef, false)),
        calibration::Effort::Exact => Ok((k, true)),
        calibration::Effort::Sample => {
            let learn =
                |scratch: &mut Scratch| index.calibration.learn(&graph, query.vector(), scratch);
            view.core.with_scratch(learn)?;
            Ok((k, true))
        }
    }
}

struct Candidates {
    nearest: Vec<Candidate>,
    /// Whether these are all that may be visible.
    all: bool,
}

/// About as many points as the pace says that may be visible, nearest first.
fn candidates(
    view: &CollectionView,
    query: &FieldQuery<'_>,
    pace: &Pace,
    allowed: &Allowed<'_>,
    trace: &mut Trace,
) -> Result<Candidates> {
    let core = &view.core;
    let may_be_hit = |point: PointId| core.may_see(view, point) && allowed.may_be(point);
    let mut nearest = trace.step(
        "delta",
        || query.search_exact(pace.fetch, may_be_hit),
        |nearest| {
            (
                nearest.len() as u64,
                "points in no graph, all compared".into(),
            )
        },
    )?;
    let mut all = nearest.len() < pace.fetch;
    let graph = query
        .as_dense()
        .and_then(|(index, query)| Some((index.graph.load_full()?, query)));
    if let Some((graph, query)) = graph {
        let all_are_visible = view.points_end == u64::MAX && core.deaths.len() == 0;
        let everything = all_are_visible && allowed.points().is_none();
        let walk = InGraph {
            graph: &graph,
            query: query.vector(),
            points: allowed.points(),
            may_be_hit: (!everything).then_some(&may_be_hit),
        };
        let mut route = walk.route(pace);
        let found = trace.step(
            "graph",
            || {
                let (found, taken) =
                    core.with_scratch(|scratch| walk.find(pace, route, scratch))?;
                route = taken;
                Ok(found)
            },
            |found| {
                let Pace { fetch, ef, .. } = pace;
                let text = format!("fetch {fetch}, ef {ef}, of {} points", graph.len());
                (found.len() as u64, text)
            },
        )?;
        trace.tell(|| route.to_string());
        all &= route.is_scan() && found.len() < pace.fetch;
        nearest.extend(found);
    }
    nearest.extend(staged(view, query)?);
    nearest.sort_unstable();
    // A point that moved between the two searches is in both answers, at slightly different distances.
    let mut seen = std::collections::HashSet::with_capacity(nearest.len());
    nearest.retain(|candidate| seen.insert(candidate.point));
    Ok(Candidates { nearest, all })
}

/// A search of one graph.
struct InGraph<'a> {
    graph: &'a Hnsw,
    query: &'a [f32],
    /// The points that the filter allows; `None`: all.
    points: Option<&'a RoaringTreemap>,
    /// Whether a point is one of these and may be visible; `None`: each is.
    may_be_hit: Option<&'a dyn Fn(PointId) -> bool>,
}

impl InGraph<'_> {
    fn route(&self, pace: &Pace) -> Route {
        let allowed = self.points.map(RoaringTreemap::len);
        if pace.scan {
            plan::cheapest_scan(self.graph.len(), allowed)
        } else {
            plan::route(self.graph.len(), allowed, pace.ef)
        }
    }

    /// What is found by `route`, or by the way that was taken instead.
    fn find(
        &self,
        pace: &Pace,
        route: Route,
        scratch: &mut Scratch,
    ) -> Result<(Vec<Candidate>, Route)> {
        let &InGraph {
            graph,
            query,
            may_be_hit,
            ..
        } = self;
        let fetch = pace.fetch;
        let any = |_: PointId| true;
        let found = match route {
            Route::Walk { budget } => {
                let params = SearchParams {
                    k: fetch,
                    ef: pace.ef,
                    include_dead: false,
                };
                let found = match budget {
                    Some(budget) => {
                        graph.search_within(query, params, may_be_hit, budget, scratch)?
                    }
                    None => Some(graph.search(query, params, may_be_hit, scratch)?),
                };
                let Some(found) = found else {
                    // Few of the near ones are allowed: the filter has to do with the vectors.
                    let allowed = self.points.map(RoaringTreemap::len);
                    let scan = plan::cheapest_scan(graph.len(), allowed);
                    return self.find(pace, scan, scratch);
                };
                found
            }
            Route::ScanAllowed => {
                let allowed = self.points.into_iter().flatten().map(PointId);
                let hits =
                    allowed.filter(|&point| may_be_hit.is_none_or(|may_be_hit| may_be_hit(point)));
                graph.scan(query, fetch, hits, false, scratch)?
            }
            Route::ScanAll => {
                graph.scan_all(query, fetch, may_be_hit.unwrap_or(&any), false, scratch)?
            }
        };
        Ok((found, route))
    }
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

/// The `k` nearest of those candidates that are visible and allowed, by exact distance.
fn resolve(
    view: &CollectionView,
    query: &FieldQuery<'_>,
    candidates: &[Candidate],
    k: usize,
    allowed: &Allowed<'_>,
) -> Result<Vec<Found>> {
    let mut found = Vec::with_capacity(k + slack(k));
    for chunk in candidates.chunks(k + slack(k)) {
        resolve_chunk(view, query, chunk, k, allowed, &mut found)?;
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
            let hit = Found {
                candidate: point.candidate,
                doc_key: point.doc_key,
                doc_row,
                point_row: point.row,
            };
            if allowed.accepts(view, &hit)? {
                found.push(hit);
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
