//! `import`: a thread reads and parses, this one writes.
//!
//! 1. The reader sends the file's `Shape`, then batches of records, and at last how it ended.
//! 2. The first batch tells the dimension: the collection is opened or created.
//! 3. Each batch is one commit, on disk before the next one begins. Ctrl-C stops between two of them.
//! 4. At the end we wait until the index has taken everything over, unless told not to.

mod rows;
mod whole;

use super::Stopwatch;
use super::collections::{default_field, described, field};
use super::info::status_json;
use crate::args::Import;
use crate::failure::{Failure, Outcome};
use crate::human;
use crate::import::{Place, Record, Shape};
use crate::interrupt::Polite;
use crate::progress::{Progress, Unit};
use crate::session::{Session, unknown_collection};
use aethervec::{
    AetherDB, Collection, CollectionSchema, Document, ErrorKind, IndexStatus, Upserted,
};
use rows::{Message, Reader};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How often we look how far the index is.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// `aethervec import`.
pub(crate) fn run(session: &Session, args: &Import) -> Outcome {
    let polite = Polite::begin();
    let reader = Reader::start(args)?;
    let shape = match reader.next(&polite)? {
        Message::Shape(shape) => shape,
        Message::Export(export) => {
            // Ctrl-C ends it at once: what is in stays, and importing again goes on.
            drop(polite);
            return whole::run(session, args, export);
        }
        _ => return Err(Failure::interrupted("stopped before the first row")),
    };
    for column in &shape.left_out {
        session.out.note(&format!(
            "column {column:?} is left out: it is nothing that a payload can hold"
        ));
    }
    // Whatever is wrong with the file's beginning is told before a database is touched.
    let first = reader.next(&polite)?;
    if args.metric.is_none() && !session.exists()? {
        return session.with_existing(|_| Ok(()));
    }
    session.with(|db| Importing::new(session, args, &polite, &shape).run(db, &reader, first))
}

/// One import under way.
struct Importing<'a> {
    session: &'a Session,
    args: &'a Import,
    polite: &'a Polite,
    shape: &'a Shape,
    watch: Stopwatch,
    rows: u64,
    written: Upserted,
}

/// Why the writing ended.
enum End {
    All,
    Asked,
    Broken(Failure),
}

impl<'a> Importing<'a> {
    fn new(
        session: &'a Session,
        args: &'a Import,
        polite: &'a Polite,
        shape: &'a Shape,
    ) -> Importing<'a> {
        let (rows, written) = (0, Upserted::default());
        Importing {
            session,
            args,
            polite,
            shape,
            watch: Stopwatch::start(),
            rows,
            written,
        }
    }

    fn run(mut self, db: &AetherDB, reader: &Reader, first: Message) -> Outcome {
        let dim = match &first {
            Message::Batch(records) => records.first().map(|record| record.vector.dim()),
            _ => None,
        };
        let collection = self.collection(db, dim)?;
        let end = self.write_all(&collection, reader, first);
        let seconds = self.watch.elapsed();
        if let End::Broken(failure) = end {
            return Err(failure.within_import(self.rows, self.args.skip));
        }
        self.tell_written(&collection, seconds)?;
        let status = if matches!(end, End::All) && !self.args.no_wait {
            self.wait(&collection)?
        } else {
            collection.index_status()
        };
        self.tell_result(&collection, seconds, &status)?;
        if matches!(end, End::All) && (status.pending == 0 || self.args.no_wait) {
            return Ok(());
        }
        Err(Failure::interrupted(match end {
            End::Asked => format!(
                "stopped after {}; continue with --skip {}",
                human::counted(self.rows, "row"),
                self.args.skip + self.rows
            ),
            _ => format!(
                "stopped waiting: all rows are in, {} will join the index when the database is open next",
                human::counted(status.pending, "vector")
            ),
        }))
    }

    fn collection(&self, db: &AetherDB, dim: Option<usize>) -> Outcome<Collection> {
        let name = &self.args.collection;
        let collection = match db.collection(name) {
            Ok(collection) => collection,
            Err(error) if error.kind() == ErrorKind::NotFound => self.create(db, dim)?,
            Err(error) => return Err(error.into()),
        };
        let expected = default_field(&collection)?.dim;
        match dim {
            Some(found) if found != expected => Err(Failure::invalid(format!(
                "{}: vectors of {found} components, but collection {name:?} has dim {expected}",
                self.args.file.display(),
            ))),
            _ => Ok(collection),
        }
    }

    fn create(&self, db: &AetherDB, dim: Option<usize>) -> Outcome<Collection> {
        let Some(metric) = self.args.metric else {
            let advice = "; to create it from this file, add --metric cosine, l2 or dot";
            return Err(Failure::not_found(format!(
                "{}{advice}",
                unknown_collection(db, &self.args.collection)
            )));
        };
        let dim = dim
            .ok_or_else(|| Failure::invalid(format!("{}: no vectors", self.args.file.display())))?;
        let element = self.args.element.map_or(self.shape.element, Into::into);
        let field = field(dim, metric.into(), element, &self.args.index)?;
        let schema = CollectionSchema::of(field.clone());
        let collection = db.create_collection_with(&self.args.collection, schema)?;
        let (metric, element, index) = (field.metric, field.element, field.index);
        self.session.out.line(format!(
            "created {:?}: dim {dim}, {metric}, {element}, {index}",
            self.args.collection
        ));
        Ok(collection)
    }

    fn write_all(&mut self, collection: &Collection, reader: &Reader, first: Message) -> End {
        let progress = self.progress();
        let mut message = first;
        loop {
            match message {
                Message::Batch(records) => {
                    if let Err(failure) = self.write(collection, records) {
                        return End::Broken(failure);
                    }
                    self.show(&progress);
                }
                Message::End => return End::All,
                Message::Asked => return End::Asked,
                Message::Shape(_) | Message::Export(_) => {}
            }
            message = match reader.next(self.polite) {
                Ok(message) => message,
                Err(failure) => return End::Broken(failure),
            };
        }
    }

    fn write(&mut self, collection: &Collection, records: Vec<Record>) -> Outcome {
        let rows = records.len() as u64;
        let places: Vec<Place> = records.iter().map(|record| record.place).collect();
        let documents: Vec<Document> = records.into_iter().map(document).collect::<Outcome<_>>()?;
        match collection.upsert_batch(documents.clone()) {
            Ok(written) => self.count(rows, written),
            // One by one, to find out which: what stands before it is good.
            Err(error) if error.kind() == ErrorKind::Invalid => {
                for (place, document) in places.into_iter().zip(documents) {
                    let written = collection
                        .upsert(document)
                        .map_err(|error| self.at(place, &error))?;
                    self.count(1, written);
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn count(&mut self, rows: u64, written: Upserted) {
        self.rows += rows;
        self.written.inserted += written.inserted;
        self.written.replaced += written.replaced;
    }

    fn at(&self, place: Place, error: &aethervec::Error) -> Failure {
        Failure::invalid(format!("{}: {place}: {error}", self.args.file.display()))
    }

    fn progress(&self) -> Progress {
        match (&self.shape.bytes, self.total_rows()) {
            (_, Some(rows)) => Progress::begin("importing", Some(rows), Unit::Items),
            (Some((bytes, _)), None) => Progress::begin("importing", Some(*bytes), Unit::Bytes),
            (None, None) => Progress::begin("importing", None, Unit::Items),
        }
    }

    /// How many rows will be imported, if the file says.
    fn total_rows(&self) -> Option<u64> {
        let rows = self.shape.rows?.saturating_sub(self.args.skip);
        Some(self.args.limit.map_or(rows, |limit| rows.min(limit)))
    }

    fn show(&self, progress: &Progress) {
        match (&self.shape.bytes, self.total_rows()) {
            (Some((_, consumed)), None) => {
                progress.set(consumed.load(Ordering::Relaxed));
                progress.message(human::counted(self.rows, "row"));
            }
            _ => progress.set(self.rows),
        }
    }

    fn tell_written(&self, collection: &Collection, took: Duration) -> Outcome {
        let replaced = match self.written.replaced as u64 {
            0 => String::new(),
            replaced => format!(", {} of them replaced", human::count(replaced)),
        };
        self.session.out.line(format!(
            "imported {} in {} ({}){replaced}; {:?} has {}",
            human::counted(self.rows, "row"),
            human::duration(took),
            human::rate(self.rows, took),
            collection.name(),
            human::counted(collection.count()?, "document")
        ));
        Ok(())
    }

    /// Until the index has everything, or the user has had enough.
    fn wait(&self, collection: &Collection) -> Outcome<IndexStatus> {
        let watch = Stopwatch::start();
        let total = collection.index_status().pending;
        let progress = Progress::begin("indexing", Some(total), Unit::Items);
        loop {
            let status = collection.index_status();
            if let Some(error) = status.error {
                return Err(Failure::failed(format!(
                    "the documents are in, but the index cannot keep up: {error}"
                )));
            }
            if status.pending == 0 {
                drop(progress);
                if total > 0 {
                    self.session.out.line(format!(
                        "indexed {} in {}",
                        human::count(total),
                        human::duration(watch.elapsed())
                    ));
                }
                return Ok(status);
            }
            if self.polite.requested() {
                return Ok(status);
            }
            progress.set(total.saturating_sub(status.pending));
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn tell_result(
        &self,
        collection: &Collection,
        took: Duration,
        status: &IndexStatus,
    ) -> Outcome {
        let mut object = described(collection.name(), &collection.schema());
        object["rows"] = json!(self.rows);
        object["left_out_columns"] = json!(self.shape.left_out);
        object["inserted"] = json!(self.written.inserted);
        object["replaced"] = json!(self.written.replaced);
        object["documents"] = json!(collection.count()?);
        object["seconds"] = json!(took.as_secs_f64());
        object["rows_per_second"] = json!(self.rows as f64 / took.as_secs_f64().max(1e-9));
        object["indexing_seconds"] = json!(self.watch.elapsed().saturating_sub(took).as_secs_f64());
        object["index_status"] = status_json(status);
        object["interrupted"] = json!(self.polite.requested());
        self.session.out.object(&object);
        Ok(())
    }
}

impl Failure {
    /// Adds what a failed import has left behind.
    fn within_import(self, rows: u64, skipped: u64) -> Failure {
        match rows {
            0 => self,
            rows => Failure::new(
                self.exit(),
                self.kind(),
                format!(
                    "{self}\n{} before it {} in; continue with --skip {}",
                    human::counted(rows, "row"),
                    if rows == 1 { "is" } else { "are" },
                    skipped + rows
                ),
            ),
        }
    }
}

fn document(record: Record) -> Outcome<Document> {
    let id = record
        .id
        .ok_or_else(|| Failure::failed(format!("{} has no id", record.place)))?;
    let document = Document::new(record.vector, id);
    Ok(if record.payload.is_empty() {
        document
    } else {
        document.with_payload(Value::Object(record.payload))
    })
}
