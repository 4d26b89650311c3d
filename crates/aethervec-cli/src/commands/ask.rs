//! `query`, `count`, `facet`.

use super::{Stopwatch, shown};
use crate::args::ask::{Count, Facet, Query};
use crate::failure::{Failure, Outcome};
use crate::human;
use crate::input::Input;
use crate::session::{Session, collection};
use aethervec::{FacetRequest, Path, QueryRequest};
use serde_json::{Value, json};
use std::io::Read;

/// Longest file with a request.
const REQUEST_BYTES_MAX: u64 = 256 << 20;

/// `aethervec query`.
pub(crate) fn query(session: &Session, args: &Query) -> Outcome {
    let mut request = QueryRequest::from_json(&request_text(&args.request)?)?;
    if args.cursor.is_some() {
        request.cursor.clone_from(&args.cursor);
    }
    session.with_existing(|db| {
        let collection = collection(db, &args.collection)?;
        let watch = Stopwatch::start();
        let response = collection.query(&request)?;
        let took = watch.elapsed();
        session.out.object(&json!({
            "collection": args.collection,
            "hits": response.hits.iter().map(shown::query_hit).collect::<Vec<_>>(),
            "next": response.next,
            "seconds": took.as_secs_f64(),
        }));
        let rows = response.hits.iter().map(|hit| shown::HitRow {
            id: &hit.id,
            score: hit.score,
            payload: hit.payload.as_ref(),
        });
        shown::hits(session.out, rows, collection.count()?, took);
        if let Some(next) = &response.next {
            session.out.line(format!("more with --cursor {next}"));
        }
        Ok(())
    })
}

/// The request itself, or the contents of the file that it is in.
pub(super) fn request_text(argument: &str) -> Outcome<String> {
    if argument.trim_start().starts_with('{') {
        return Ok(argument.to_owned());
    }
    let input = Input::open(argument.as_ref())?;
    let name = input.name().to_owned();
    let mut text = String::new();
    input
        .take(REQUEST_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| Failure::file(&name, &error))?;
    if text.len() as u64 > REQUEST_BYTES_MAX {
        return Err(Failure::invalid(format!(
            "{name}: longer than {REQUEST_BYTES_MAX} bytes"
        )));
    }
    Ok(text)
}

/// `aethervec count`.
pub(crate) fn count(session: &Session, args: &Count) -> Outcome {
    session.with_existing(|db| {
        let collection = collection(db, &args.collection)?;
        let count = match &args.filter.filter {
            Some(filter) => collection.count_matching(filter)?,
            None => collection.count()?,
        };
        session
            .out
            .object(&json!({"collection": args.collection, "count": count}));
        session.out.line(human::count(count));
        Ok(())
    })
}

/// `aethervec facet`.
pub(crate) fn facet(session: &Session, args: &Facet) -> Outcome {
    session.with_existing(|db| {
        let collection = collection(db, &args.collection)?;
        let request = FacetRequest {
            path: Path::parse(&args.path)?,
            filter: args.filter.filter.clone(),
            limit: args.limit,
        };
        let counts = collection.facet(&request)?;
        let values = counts
            .iter()
            .map(|facet| json!({"value": facet.value, "count": facet.count}));
        session.out.object(&json!({
            "collection": args.collection,
            "path": request.path.to_string(),
            "values": values.collect::<Vec<_>>(),
        }));
        let mut rows = vec![["value", "documents"].map(str::to_owned).to_vec()];
        rows.extend(counts.iter().map(|facet| {
            let value = match &facet.value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            vec![value, human::count(facet.count)]
        }));
        match counts.len() {
            0 => session.out.line("no values"),
            _ => session.out.table(&rows),
        }
        Ok(())
    })
}
