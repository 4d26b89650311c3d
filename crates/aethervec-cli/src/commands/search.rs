//! `search`: by a vector, by a stored document, or by each vector of a file.

use super::collections::dense_field;
use super::{Stopwatch, shown};
use crate::args::ask::Search;
use crate::failure::{Failure, Outcome};
use crate::human;
use crate::import::csv::parse_vector;
use crate::import::ids::read_ground_truth;
use crate::import::{self, Fields, Format, id_from_text};
use crate::interrupt::Polite;
use crate::progress::{Progress, Unit};
use crate::session::{Session, collection};
use aethervec::limits::K_MAX;
use aethervec::{Collection, DocId, Hit, QueryVector, SearchRequest, VectorValue};
use serde_json::json;
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

/// Most queries that are held at a time.
const QUERIES_MAX: usize = 1_000_000;

/// `aethervec search`.
pub(crate) fn run(session: &Session, args: &Search) -> Outcome {
    session.with_existing(|db| {
        let collection = collection(db, &args.collection)?;
        if let Some(text) = &args.what.vector {
            let vector = parse_any_vector(text)
                .map_err(|message| Failure::invalid(format!("--vector: {message}")))?;
            single(session, &collection, args, &vector, None)
        } else if let Some(text) = &args.what.id {
            let id = id_from_text(text);
            let document = collection.get(&id)?;
            let document = document.ok_or_else(|| {
                Failure::not_found(format!("document {id} is not in {:?}", args.collection))
            })?;
            let vector = document.vectors.get(&args.using).ok_or_else(|| {
                let field = match &args.using[..] {
                    "" => "the default field".to_owned(),
                    name => format!("field {name:?}"),
                };
                Failure::invalid(format!("document {id} has no vector in {field}"))
            })?;
            single(session, &collection, args, vector, Some(&id))
        } else if let Some(path) = &args.what.queries {
            many(session, &collection, args, path)
        } else {
            Err(Failure::invalid(
                "one of --vector, --id and --queries is needed",
            ))
        }
    })
}

/// A vector of any kind, on a command line.
fn parse_any_vector(text: &str) -> Result<VectorValue, String> {
    let start = text.trim_start();
    let several = start
        .strip_prefix('[')
        .is_some_and(|rest| rest.trim_start().starts_with('['));
    if several || start.starts_with('{') {
        serde_json::from_str(text).map_err(|error| error.to_string())
    } else {
        parse_vector(text).map(VectorValue::from)
    }
}

fn single(
    session: &Session,
    collection: &Collection,
    args: &Search,
    vector: &VectorValue,
    itself: Option<&DocId>,
) -> Outcome {
    let components = match vector {
        VectorValue::Dense(vector) => vector.to_f32(),
        _ => Vec::new(),
    };
    let vector = match vector {
        VectorValue::Dense(_) => QueryVector::Dense(&components),
        VectorValue::Binary(vector) => QueryVector::Binary(vector),
        VectorValue::Sparse(vector) => QueryVector::Sparse(vector),
        VectorValue::Multi(vector) => QueryVector::Multi(vector),
    };
    let request = request(args, vector);
    if args.explain {
        return explain(session, collection, request);
    }
    let watch = Stopwatch::start();
    let hits = search(collection, &request, itself)?;
    let took = watch.elapsed();
    session.out.object(&json!({
        "collection": args.collection,
        "k": args.k,
        "hits": hits.iter().map(shown::hit).collect::<Vec<_>>(),
        "seconds": took.as_secs_f64(),
    }));
    let rows = hits.iter().map(|hit| shown::HitRow {
        id: &hit.id,
        score: f64::from(hit.score),
        payload: hit.payload.as_ref(),
    });
    shown::hits(session.out, rows, collection.count()?, took);
    Ok(())
}

/// How the search is done.
fn explain(session: &Session, collection: &Collection, request: SearchRequest<'_>) -> Outcome {
    let plan = collection.explain(request)?;
    let steps = plan.steps.iter().map(|step| {
        json!({
            "name": step.name,
            "detail": step.detail,
            "points": step.points,
            "seconds": step.took.as_secs_f64(),
        })
    });
    session.out.object(&json!({
        "collection": collection.name(),
        "k": request.k,
        "steps": steps.collect::<Vec<_>>(),
        "hits": plan.hits,
        "seconds": plan.took.as_secs_f64(),
    }));
    session.out.line(plan.to_string());
    Ok(())
}

/// What `args` ask for, for one query.
fn request<'a>(args: &'a Search, vector: impl Into<QueryVector<'a>>) -> SearchRequest<'a> {
    SearchRequest {
        using: &args.using,
        filter: args.filter.filter.as_ref(),
        recall: args.recall,
        ef: args.ef,
        exact: args.exact,
        with_payload: !args.no_payload,
        with_vectors: args.with_vector,
        ..SearchRequest::new(vector, args.k)
    }
}

/// The `k` nearest, without `itself`: one more is asked for where that is possible.
pub(crate) fn search(
    collection: &Collection,
    request: &SearchRequest<'_>,
    itself: Option<&DocId>,
) -> Outcome<Vec<Hit>> {
    let Some(itself) = itself else {
        return Ok(collection.search_with(*request)?);
    };
    let wider = SearchRequest {
        k: (request.k + 1).min(K_MAX),
        ..*request
    };
    let mut hits = collection.search_with(wider)?;
    hits.retain(|hit| hit.id != *itself);
    hits.truncate(request.k);
    Ok(hits)
}

fn many(session: &Session, collection: &Collection, args: &Search, path: &Path) -> Outcome {
    let queries = read_queries(path, dense_field(collection, &args.using)?.dim, usize::MAX)?;
    let truth = args
        .ground_truth
        .as_deref()
        .map(|path| ground_truth(path, queries.len(), args.k))
        .transpose()?;
    let polite = Polite::begin();
    // On a terminal the results themselves show how far it is.
    let progress = (!std::io::stdout().is_terminal())
        .then(|| Progress::begin("searching", Some(queries.len() as u64), Unit::Items));
    let (mut times, mut found, mut wanted) = (Vec::with_capacity(queries.len()), 0, 0);
    for (number, query) in queries.iter().enumerate() {
        if polite.requested() {
            return Err(Failure::interrupted(format!(
                "stopped after {} of {} queries",
                number,
                queries.len()
            )));
        }
        let watch = Stopwatch::start();
        let hits = collection.search_with(request(args, query))?;
        times.push(watch.elapsed());
        if let Some(truth) = &truth {
            let nearest = &truth[number][..args.k];
            found += hits
                .iter()
                .filter(|hit| matches!(hit.id, DocId::U64(row) if nearest.contains(&row)))
                .count();
            wanted += nearest.len();
        }
        session.out.object(
            &json!({"query": number, "hits": hits.iter().map(shown::hit).collect::<Vec<_>>()}),
        );
        let ids = hits
            .iter()
            .map(|hit| format!("{}:{:.4}", hit.id, hit.score));
        session
            .out
            .line(format!("{number}  {}", ids.collect::<Vec<_>>().join("  ")));
        if let Some(progress) = &progress {
            progress.set(number as u64 + 1);
        }
    }
    drop(progress);
    summary(
        session,
        args,
        &mut times,
        truth.map(|_| found as f64 / (wanted.max(1)) as f64),
    );
    Ok(())
}

fn summary(session: &Session, args: &Search, times: &mut [Duration], recall: Option<f64>) {
    let total: Duration = times.iter().sum();
    times.sort_unstable();
    let (p50, p99) = (percentile(times, 0.50), percentile(times, 0.99));
    session.out.object(&json!({"summary": {
        "queries": times.len(),
        "k": args.k,
        "seconds": total.as_secs_f64(),
        "queries_per_second": times.len() as f64 / total.as_secs_f64().max(1e-9),
        "p50_ms": p50.as_secs_f64() * 1e3,
        "p99_ms": p99.as_secs_f64() * 1e3,
        "recall": recall,
    }}));
    let recall = recall
        .map(|recall| format!("recall@{} {recall:.4}, ", args.k))
        .unwrap_or_default();
    session.out.line(session.out.dim(&format!(
        "{}: {recall}{}, p50 {}, p99 {}",
        if times.len() == 1 {
            "1 query".to_owned()
        } else {
            format!("{} queries", human::count(times.len() as u64))
        },
        human::rate(times.len() as u64, total),
        human::duration(p50),
        human::duration(p99)
    )));
}

/// The value below which the share `at` of `sorted` lies.
pub(crate) fn percentile(sorted: &[Duration], at: f64) -> Duration {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index: between 0 and the length"
    )]
    let position = (sorted.len() as f64 * at) as usize;
    sorted
        .get(position.min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

/// Up to `limit` vectors of a file, each of `dim` components.
pub(crate) fn read_queries(path: &Path, dim: usize, limit: usize) -> Outcome<Vec<Vec<f32>>> {
    let mut source = import::open(path, Format::of(path)?, &Fields::default())?;
    let mut queries = Vec::new();
    while queries.len() < limit.min(QUERIES_MAX)
        && let Some(record) = source.next()?
    {
        let found = record.vector.dim();
        if found != dim {
            return Err(Failure::invalid(format!(
                "{}: {}: {found} components, the collection's vectors have {dim}",
                path.display(),
                record.place
            )));
        }
        queries.push(record.vector.to_f32());
    }
    match queries.is_empty() {
        true => Err(Failure::invalid(format!("{}: no vectors", path.display()))),
        false => Ok(queries),
    }
}

fn ground_truth(path: &Path, queries: usize, k: usize) -> Outcome<Vec<Vec<u64>>> {
    let truth = read_ground_truth(path)?;
    let name = path.display();
    if truth.len() < queries {
        return Err(Failure::invalid(format!(
            "{name}: {} rows for {queries} queries",
            truth.len()
        )));
    }
    match truth.iter().position(|row| row.len() < k) {
        Some(row) => Err(Failure::invalid(format!(
            "{name}: row {row}: {} neighbours, -k {k} needs as many",
            truth[row].len()
        ))),
        None => Ok(truth),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_stay_inside() {
        let times: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 0.5), Duration::from_millis(51));
        assert_eq!(percentile(&times, 0.99), Duration::from_millis(100));
        assert_eq!(percentile(&times[..1], 0.99), Duration::from_millis(1));
        assert_eq!(percentile(&[], 0.5), Duration::ZERO);
    }
}
