//! What each command does. One module per command; [`documents`], [`collections`] hold several small ones.

mod aidb;
mod bench;
mod check;
mod collections;
mod demo;
mod documents;
mod import;
mod info;
mod search;

use crate::args::{Cli, Command, Completions};
use crate::failure::Outcome;
use crate::output::Output;
use crate::session::Session;
use aether_env::{Clock, SystemClock};
use clap::CommandFactory;
use std::time::Duration;

/// Does what was asked.
pub(crate) fn run(cli: &Cli) -> Outcome {
    let session = Session::new(&cli.global);
    match &cli.command {
        Command::Create(args) => collections::create(&session, args),
        Command::Import(args) => import::run(&session, args),
        Command::Search(args) => search::run(&session, args),
        Command::Get(args) => documents::get(&session, args),
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
struct Stopwatch {
    clock: SystemClock,
}

impl Stopwatch {
    fn start() -> Stopwatch {
        Stopwatch {
            clock: SystemClock::new(),
        }
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }
}

/// A document (or hit) as JSON.
mod shown {
    use aethervec::{Document, Hit, Vector};
    use serde_json::{Map, Value, json};

    /// `{"id", "score", "distance", "payload"?, "vector"?}`.
    pub(super) fn hit(hit: &Hit) -> Value {
        let mut object = Map::new();
        object.insert("id".to_owned(), json!(hit.id));
        object.insert("score".to_owned(), json!(hit.score));
        object.insert("distance".to_owned(), json!(hit.distance.0));
        if let Some(payload) = &hit.payload {
            object.insert("payload".to_owned(), payload.clone());
        }
        if let Some(components) = hit.vector() {
            object.insert("vector".to_owned(), vector(components));
        }
        Value::Object(object)
    }

    /// `{"id", "vector"?, "payload"?}`: a line that `import` reads again.
    pub(super) fn document(document: &Document, with_vector: bool) -> Value {
        let mut object = Map::new();
        object.insert("id".to_owned(), json!(document.id));
        if let (true, Some(components)) = (with_vector, document.vector()) {
            object.insert("vector".to_owned(), vector(components));
        }
        if let Some(payload) = &document.payload {
            object.insert("payload".to_owned(), payload.clone());
        }
        Value::Object(object)
    }

    fn vector(vector: &Vector) -> Value {
        match vector {
            Vector::U8(components) => json!(components),
            other => json!(other.to_f32()),
        }
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
