//! `bench`: recall against exact search, and speed, over a range of search efforts.

use super::Stopwatch;
use super::collections::default_field;
use super::search::{percentile, read_queries, search};
use crate::args::Bench;
use crate::failure::{Failure, Outcome};
use crate::human;
use crate::interrupt::Polite;
use crate::progress::{Progress, Unit};
use crate::session::{Session, collection};
use aethervec::limits::{EF_MAX, SCROLL_LIMIT_MAX};
use aethervec::{Collection, DocId, SearchRequest};
use serde_json::json;
use std::collections::HashSet;
use std::time::Duration;

/// What is measured without `--ef`, as far as it is not below `k`.
const EFFORTS: [usize; 11] = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512];

/// A vector to search for.
struct Query {
    vector: Vec<f32>,
    /// The stored document that it comes from, and that does not count.
    itself: Option<DocId>,
    /// What an exact search finds.
    nearest: HashSet<DocId>,
}

/// One effort's figures.
#[derive(Clone, Copy, Debug)]
struct Figures {
    recall: f64,
    per_second: f64,
    p50: Duration,
    p99: Duration,
}

/// `aethervec bench`.
pub(crate) fn run(session: &Session, args: &Bench) -> Outcome {
    session.with_existing(|db| {
        let polite = Polite::begin();
        let collection = collection(db, &args.collection)?;
        let mut queries = match &args.queries {
            Some(path) => from_file(&read_queries(
                path,
                default_field(&collection)?.dim,
                args.limit,
            )?),
            None => sample(&collection, args.sample)?,
        };
        let exact = exact(&collection, &mut queries, args.k, &polite)?;
        report_exact(session, &collection, args, &exact, queries.len())?;
        let efforts = efforts(args);
        let progress = Progress::begin("measuring", Some(efforts.len() as u64), Unit::Items);
        let mut rows = vec![
            [
                "ef",
                &format!("recall@{}", args.k),
                "queries/s",
                "p50",
                "p99",
            ]
            .map(str::to_owned)
            .to_vec(),
        ];
        for (number, &ef) in efforts.iter().enumerate() {
            progress.message(format!("ef {ef}"));
            let figures = measure(&collection, &queries, args, ef, &polite)?;
            report(session, args, ef, figures);
            rows.push(vec![
                human::count(ef as u64),
                format!("{:.4}", figures.recall),
                human::rate(1, Duration::from_secs_f64(1.0 / figures.per_second))
                    .trim_end_matches("/s")
                    .to_owned(),
                human::duration(figures.p50),
                human::duration(figures.p99),
            ]);
            progress.set(number as u64 + 1);
        }
        drop(progress);
        session.out.table(&rows);
        Ok(())
    })
}

fn efforts(args: &Bench) -> Vec<usize> {
    match args.ef.is_empty() {
        true => EFFORTS
            .into_iter()
            .filter(|&ef| ef >= args.k)
            .chain((args.k > 512).then_some(args.k.min(EF_MAX)))
            .collect(),
        false => args.ef.clone(),
    }
}

fn from_file(vectors: &[Vec<f32>]) -> Vec<Query> {
    vectors
        .iter()
        .map(|vector| Query {
            vector: vector.clone(),
            itself: None,
            nearest: HashSet::new(),
        })
        .collect()
}

/// Stored documents, spread evenly over the order of ids.
fn sample(collection: &Collection, wanted: usize) -> Outcome<Vec<Query>> {
    let total = usize::try_from(collection.count()?).unwrap_or(usize::MAX);
    if total == 0 || wanted == 0 {
        return Err(Failure::invalid(format!(
            "{:?} has {total} documents, the sample {wanted}: nothing to measure",
            collection.name()
        )));
    }
    let step = total.div_ceil(wanted);
    let view = collection.view()?;
    let (mut queries, mut seen, mut after) = (Vec::new(), 0, None);
    loop {
        let page = view.scroll(aethervec::ScrollRequest {
            after,
            limit: SCROLL_LIMIT_MAX.min(1_000),
        })?;
        for document in page.documents {
            let vector = document.vector().filter(|_| seen % step == step / 2);
            if let Some(vector) = vector {
                queries.push(Query {
                    vector: vector.to_f32(),
                    itself: Some(document.id),
                    nearest: HashSet::new(),
                });
            }
            seen += 1;
        }
        after = page.next;
        if after.is_none() {
            return Ok(queries);
        }
    }
}

/// Fills in what each query should find, and says how long that took.
fn exact(
    collection: &Collection,
    queries: &mut [Query],
    k: usize,
    polite: &Polite,
) -> Outcome<Duration> {
    let progress = Progress::begin("exact", Some(queries.len() as u64), Unit::Items);
    let watch = Stopwatch::start();
    for (number, query) in queries.iter_mut().enumerate() {
        stop_if_asked(polite)?;
        let request = SearchRequest {
            exact: true,
            with_payload: false,
            ..SearchRequest::new(&query.vector, k)
        };
        let hits = search(collection, &request, query.itself.as_ref())?;
        query.nearest = hits.into_iter().map(|hit| hit.id).collect();
        progress.set(number as u64 + 1);
    }
    Ok(watch.elapsed())
}

fn measure(
    collection: &Collection,
    queries: &[Query],
    args: &Bench,
    ef: usize,
    polite: &Polite,
) -> Outcome<Figures> {
    let mut rounds = Vec::new();
    for _ in 0..args.rounds {
        stop_if_asked(polite)?;
        rounds.push(round(collection, queries, args.k, ef)?);
    }
    rounds.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    Ok(rounds[rounds.len() / 2])
}

fn round(collection: &Collection, queries: &[Query], k: usize, ef: usize) -> Outcome<Figures> {
    let (mut times, mut found, mut wanted) = (Vec::with_capacity(queries.len()), 0, 0);
    for query in queries {
        let request = SearchRequest {
            ef: Some(ef),
            with_payload: false,
            ..SearchRequest::new(&query.vector, k)
        };
        let watch = Stopwatch::start();
        let hits = search(collection, &request, query.itself.as_ref())?;
        times.push(watch.elapsed());
        found += hits
            .iter()
            .filter(|hit| query.nearest.contains(&hit.id))
            .count();
        wanted += query.nearest.len();
    }
    let total: Duration = times.iter().sum();
    times.sort_unstable();
    Ok(Figures {
        recall: found as f64 / (wanted.max(1)) as f64,
        per_second: queries.len() as f64 / total.as_secs_f64().max(1e-9),
        p50: percentile(&times, 0.50),
        p99: percentile(&times, 0.99),
    })
}

fn stop_if_asked(polite: &Polite) -> Outcome {
    if polite.requested() {
        Err(Failure::interrupted("stopped; nothing was changed"))
    } else {
        Ok(())
    }
}

fn report_exact(
    session: &Session,
    collection: &Collection,
    args: &Bench,
    took: &Duration,
    queries: usize,
) -> Outcome {
    let (documents, status) = (collection.count()?, collection.index_status());
    let what = if args.queries.is_some() {
        "queries"
    } else {
        "stored documents as queries, each without itself"
    };
    session.out.line(format!(
        "{}: {}, {} not indexed yet; {queries} {what}; exact search {}",
        collection.name(),
        human::counted(documents, "document"),
        human::count(status.pending),
        human::rate(queries as u64, *took)
    ));
    session.out.object(&json!({
        "collection": collection.name(),
        "documents": documents,
        "pending": status.pending,
        "queries": queries,
        "sampled": args.queries.is_none(),
        "exact_queries_per_second": queries as f64 / took.as_secs_f64().max(1e-9),
    }));
    Ok(())
}

fn report(session: &Session, args: &Bench, ef: usize, figures: Figures) {
    session.out.object(&json!({
        "ef": ef,
        "k": args.k,
        "recall": figures.recall,
        "queries_per_second": figures.per_second,
        "p50_ms": figures.p50.as_secs_f64() * 1e3,
        "p99_ms": figures.p99.as_secs_f64() * 1e3,
    }));
}
