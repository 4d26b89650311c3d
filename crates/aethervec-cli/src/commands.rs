//! What each command does. One module per command; [`documents`], [`collections`] hold several small ones.

mod aidb;
mod apply;
mod ask;
mod bench;
mod check;
mod client;
mod collections;
mod demo;
mod documents;
mod drift_sim;
mod export;
mod import;
mod index;
mod info;
mod key;
mod search;
mod serve;

use crate::args::{Cli, Command, Completions};
use crate::failure::Outcome;
use crate::output::Output;
use crate::session::Session;
use aether_env::{Clock, SystemClock};
use clap::CommandFactory;
use std::time::Duration;

pub(crate) use search::percentile;

/// Does what was asked.
pub(crate) fn run(cli: &Cli) -> Outcome {
    let session = Session::new(&cli.global);
    match &cli.command {
        Command::Create(args) => collections::create(&session, args),
        Command::Import(args) => import::run(&session, args),
        Command::Export(args) => export::run(&session, args),
        Command::Search(args) => search::run(&session, args),
        Command::Query(args) => ask::query(&session, args),
        Command::Count(args) => ask::count(&session, args),
        Command::Facet(args) => ask::facet(&session, args),
        Command::Index(args) => index::run(&session, args),
        Command::Get(args) => documents::get(&session, args),
        Command::Apply(args) => apply::run(&session, args),
        Command::Delete(args) => documents::delete(&session, args),
        Command::List(args) => match &args.collection {
            None => collections::list(&session),
            Some(collection) => documents::list(&session, collection, args),
        },
        Command::Drop(args) => collections::drop(&session, args),
        Command::Info(args) => info::run(&session, args),
        Command::Check(_) => check::run(&session),
        Command::Bench(args) => bench::run(&session, args),
        Command::Demo(args) => demo::run(&session, args),
        Command::DriftSim(args) => drift_sim::run(&session, args),
        Command::Serve(args) => serve::run(session.out, args),
        Command::Client(args) => client::run(session.out, args),
        Command::Config(args) => serve::config(session.out, args),
        Command::Health(args) => serve::health(session.out, args),
        Command::Key(args) => key::run(session.out, args),
        Command::Aidb(args) => aidb::run(&session, args),
        Command::Completions(args) => completions(session.out, args),
    }
}

fn completions(out: Output, args: &Completions) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "aethervec", &mut script);
    out.verbatim(&String::from_utf8_lossy(&script));
    Ok(())
}

/// Measures time from its creation.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    clock: SystemClock,
}

impl Stopwatch {
    pub(crate) fn start() -> Stopwatch {
        Stopwatch {
            clock: SystemClock::new(),
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }
}

/// A document (or hit) as JSON.
mod shown {
    use crate::human;
    use crate::output::Output;
    use aethervec::{DocId, Document, Hit, QueryHit, Vectors};
    use serde_json::{Map, Value, json};
    use std::time::Duration;

    /// `{"id", "score", "distance", "payload"?, "vector"?, "vectors"?}`.
    pub(super) fn hit(hit: &Hit) -> Value {
        let mut object = found(
            &hit.id,
            json!(hit.score),
            hit.payload.as_ref(),
            &hit.vectors,
        );
        object["distance"] = json!(hit.distance.0);
        object
    }

    /// `{"id", "score", "payload"?, "vector"?, "vectors"?}`.
    pub(super) fn query_hit(hit: &QueryHit) -> Value {
        found(
            &hit.id,
            json!(hit.score),
            hit.payload.as_ref(),
            &hit.vectors,
        )
    }

    fn found(id: &DocId, score: Value, payload: Option<&Value>, vectors: &Vectors) -> Value {
        let mut object = json!({"id": id, "score": score});
        if let Some(payload) = payload {
            object["payload"] = payload.clone();
        }
        if let Some(vector) = vectors.get("") {
            object["vector"] = json!(vector);
        }
        let named = vectors.iter().filter(|(field, _)| !field.is_empty());
        let named: Map<_, _> = named
            .map(|(field, vector)| (field.to_owned(), json!(vector)))
            .collect();
        if !named.is_empty() {
            object["vectors"] = Value::Object(named);
        }
        object
    }

    /// A document, as `export` writes it.
    pub(super) fn document(document: &Document, with_vector: bool) -> Value {
        let mut object = json!(document);
        if let (false, Some(object)) = (with_vector, object.as_object_mut()) {
            object.remove("vector");
            object.remove("vectors");
        }
        object
    }

    /// A hit, for people.
    pub(super) struct HitRow<'a> {
        pub(super) id: &'a DocId,
        pub(super) score: f64,
        pub(super) payload: Option<&'a Value>,
    }

    /// Hits as a table, and how long finding them among `documents` took.
    pub(super) fn hits<'a>(
        out: Output,
        hits: impl Iterator<Item = HitRow<'a>>,
        documents: u64,
        took: Duration,
    ) {
        let mut rows = vec![["", "id", "score", "payload"].map(str::to_owned).to_vec()];
        rows.extend(hits.enumerate().map(|(rank, hit)| {
            vec![
                (rank + 1).to_string(),
                hit.id.to_string(),
                format!("{:.4}", hit.score),
                payload_line(hit.payload, 100),
            ]
        }));
        let found = rows.len() - 1;
        match (found, documents) {
            (0, 0) => out.line("nothing found: the collection is empty"),
            (0, _) => out.line("nothing found"),
            _ => out.table(&rows),
        }
        let summary = format!(
            "{found} of {} in {}",
            human::counted(documents, "document"),
            human::duration(took)
        );
        out.line(out.dim(&summary));
    }

    /// A payload in at most `chars_max` characters of one line.
    pub(super) fn payload_line(payload: Option<&Value>, chars_max: usize) -> String {
        let text = payload.map(Value::to_string).unwrap_or_default();
        if text.chars().count() <= chars_max {
            return text;
        }
        let start: String = text.chars().take(chars_max.saturating_sub(1)).collect();
        format!("{start}…")
    }
}
