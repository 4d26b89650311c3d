//! A search, step by step:
//!
//! 1. how far it goes: by what was asked for, or by what the recall that was asked for takes (`pace`);
//! 2. candidates from the delta first and from the graph or the buckets second (`candidates`);
//! 3. those that are visible, as memory knows or as the rows say (`found`);
//! 4. too few left: widen and begin again; in the end, compare with everything (`scan`).

use crate::document::{Hit, SearchRequest};
use crate::error::{Error, Result};
use crate::index::query::FieldQuery;
use crate::limits;
use crate::plan::explain::{self, Explanation, Trace};
use crate::validate;
use crate::vector::QueryVector;
use crate::view::CollectionView;
use allowed::Allowed;
use candidates::candidates;
use found::{Found, into_hits, resolve};
use pace::Pace;

pub(crate) use recent::RecentFilters;

mod allowed;
mod candidates;
mod found;
mod pace;
mod recent;
mod scan;
mod selections;

/// Candidates beyond which comparing with everything is no worse than widening once more.
const FETCH_MAX: usize = 20_000;

impl CollectionView {
    /// The `k` documents nearest to `vector`, nearest first, with their payloads. Approximate where there is a graph or buckets.
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
    FieldQuery::new(view, fields.get(request.using)?, request.vector)
}

/// What `request` asks for, nearest first.
fn search(view: &CollectionView, request: &SearchRequest<'_>) -> Result<Vec<Hit>> {
    let query = prepare(view, request)?;
    let found = nearest(view, &query, request, &mut Trace::of_thread())?;
    into_hits(view, &query, request, found)
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
            nearest(view, query, request, &mut Trace::of_thread())?
        };
        into_hits(view, query, request, found)
    };
    all().map(answer).collect()
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
    let Some(mut pace) = Pace::new(view, query, request, &allowed, trace)? else {
        look(view, &mut allowed, trace)?;
        return exact(view, query, k, &allowed, trace);
    };
    loop {
        let candidates = candidates(view, query, &mut pace, &allowed, trace)?;
        let found = trace.step(
            "rows",
            || {
                resolve(
                    view,
                    query,
                    &candidates,
                    (k, request.with_vectors),
                    &allowed,
                )
            },
            |found| (found.len() as u64, "visible".into()),
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
