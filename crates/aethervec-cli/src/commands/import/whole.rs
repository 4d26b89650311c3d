//! Importing what `export` has written: the file says itself what the collection is.

use super::super::Stopwatch;
use super::super::collections::described;
use super::super::info::status_json;
use crate::args::Import;
use crate::failure::{Failure, Outcome};
use crate::human;
use crate::import::Export;
use crate::progress::{Progress, Unit};
use crate::session::{Session, collection};
use aethervec::{AetherDB, Collection, IndexStatus, Upserted};
use serde_json::json;
use std::io::BufReader;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(super) fn run(session: &Session, args: &Import, export: Export) -> Outcome {
    if let Some(option) = given(args) {
        return Err(Failure::invalid(format!(
            "{}: it says itself what the collection is: {option} is not possible with it",
            export.name()
        )));
    }
    session.with(|db| {
        let watch = Stopwatch::start();
        let written = read(db, args, export)?;
        let took = watch.elapsed();
        let collection = collection(db, &args.collection)?;
        let status = if args.no_wait {
            collection.index_status()
        } else {
            wait(&collection)?
        };
        tell(session, &collection, written, took, &status)
    })
}

/// An option that has no meaning here, if there is one.
fn given(args: &Import) -> Option<&'static str> {
    let options = [
        ("--metric", args.metric.is_some()),
        ("--element", args.element.is_some()),
        ("--ids", args.ids.is_some()),
        ("--id-field", args.id_field.is_some()),
        ("--vector-field", args.vector_field.is_some()),
        ("--vector-columns", !args.vector_columns.is_empty()),
        ("--payload-field", args.payload_field.is_some()),
        ("--payload-npy", !args.payload_npy.is_empty()),
        ("--first-id", args.first_id != 0),
        ("--skip", args.skip != 0),
        ("--limit", args.limit.is_some()),
    ];
    let given = options.into_iter().find(|(_, given)| *given);
    given.map(|(option, _)| option)
}

fn read(db: &AetherDB, args: &Import, export: Export) -> Outcome<Upserted> {
    let name = export.name().to_owned();
    let into = &args.collection;
    let written = match export {
        Export::Jsonl(input) => {
            let bytes = input.file_bytes().map(|bytes| (bytes, input.consumed()));
            db.import_jsonl(into, BufReader::new(input), shown(bytes))
        }
        Export::Arrow {
            batches, progress, ..
        } => db.import_record_batches(into, batches, shown(progress)),
        Export::Parquet(_, batches) => {
            let progress = Progress::begin("importing", Some(batches.rows()), Unit::Items);
            db.import_record_batches(into, batches, |documents| progress.set(documents))
        }
    };
    written.map_err(|error| {
        let failure = Failure::from(error);
        Failure::new(failure.exit(), failure.kind(), format!("{name}: {failure}"))
    })
}

/// Shows how much of a file has been read; `bytes`: its length, and what has been read of it.
fn shown(bytes: Option<(u64, Arc<AtomicU64>)>) -> impl FnMut(u64) {
    let length = bytes.as_ref().map(|(length, _)| *length);
    let unit = length.map_or(Unit::Items, |_| Unit::Bytes);
    let progress = Progress::begin("importing", length, unit);
    move |documents| match &bytes {
        Some((_, consumed)) => {
            progress.set(consumed.load(Ordering::Relaxed));
            progress.message(human::counted(documents, "document"));
        }
        None => progress.set(documents),
    }
}

fn wait(collection: &Collection) -> Outcome<IndexStatus> {
    let total = collection.index_status().pending;
    let progress = Progress::begin("indexing", Some(total), Unit::Items);
    collection.wait_payload_indexes()?;
    let status =
        collection.wait_indexed(|status| progress.set(total.saturating_sub(status.pending)))?;
    Ok(status)
}

fn tell(
    session: &Session,
    collection: &Collection,
    written: Upserted,
    took: Duration,
    status: &IndexStatus,
) -> Outcome {
    let rows = (written.inserted + written.replaced) as u64;
    let mut object = described(collection.name(), &collection.schema());
    object["rows"] = json!(rows);
    object["inserted"] = json!(written.inserted);
    object["replaced"] = json!(written.replaced);
    object["documents"] = json!(collection.count()?);
    object["seconds"] = json!(took.as_secs_f64());
    object["index_status"] = status_json(status);
    session.out.object(&object);
    session.out.line(format!(
        "imported {} in {} ({}); {:?} has {}",
        human::counted(rows, "document"),
        human::duration(took),
        human::rate(rows, took),
        collection.name(),
        human::counted(collection.count()?, "document")
    ));
    Ok(())
}
