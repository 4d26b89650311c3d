//! The reading side of an import: records of a file with their ids and payload columns, in batches, on its own thread.

use crate::args::Import;
use crate::failure::{Failure, Outcome};
use crate::import::ids::Ids;
use crate::import::npy::NpyReader;
use crate::import::{self, Export, Fields, Format, Opened, Record, Shape, Source};
use crate::input::Input;
use crate::interrupt::Polite;
use aether_env::{Spawner, Threads};
use aethervec::DocId;
use serde_json::Value;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// Batches that are read ahead.
const BATCHES_AHEAD: usize = 2;
/// How often we look whether the user wants to stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A batch ends before its rows, once its vectors have so many bytes.
const BATCH_BYTES: usize = 16 << 20;

/// What the reader tells.
#[derive(Debug)]
pub(super) enum Message {
    /// First of all.
    Shape(Shape),
    /// Instead of all others: the file is an export of a whole collection.
    Export(Export),
    /// Records, in order, each with an id.
    Batch(Vec<Record>),
    /// The file is complete.
    End,
    /// The user wants to stop.
    Asked,
}

/// The reading thread. It ends when the file does, or when this is dropped.
#[derive(Debug)]
pub(super) struct Reader {
    messages: Receiver<Outcome<Message>>,
}

impl Reader {
    /// Starts to read what `args` name.
    pub(super) fn start(args: &Import) -> Outcome<Reader> {
        let (sender, messages) = sync_channel(BATCHES_AHEAD);
        let plan = Plan::new(args)?;
        let task = Box::new(move || {
            let last = match plan.read(&sender) {
                Ok(()) | Err(Stopped::NobodyListens) => Ok(Message::End),
                Err(Stopped::Failed(failure)) => Err(failure),
            };
            // Nobody listens any more when the import has ended early.
            drop(sender.send(last));
        });
        let spawned = Threads.spawn("import-reader", task);
        spawned.map_err(|error| {
            Failure::failed(format!("cannot start a thread to read the file: {error}"))
        })?;
        Ok(Reader { messages })
    }

    /// The next message; [`Message::Asked`] when the user wants to stop, however long the file makes us wait.
    pub(super) fn next(&self, polite: &Polite) -> Outcome<Message> {
        loop {
            if polite.requested() {
                return Ok(Message::Asked);
            }
            match self.messages.recv_timeout(LOOK_EVERY) {
                Ok(message) => return message,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::failed(
                        "the thread that reads the file has ended unexpectedly",
                    ));
                }
            }
        }
    }
}

/// Why reading ended early.
enum Stopped {
    Failed(Failure),
    NobodyListens,
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Stopped {
        Stopped::Failed(failure)
    }
}

/// What to read.
struct Plan {
    args: Import,
    format: Format,
    fields: Fields,
}

impl Plan {
    fn new(args: &Import) -> Outcome<Plan> {
        let format = match args.format {
            Some(format) => format,
            None if args.file.as_os_str() == "-" => {
                return Err(Failure::invalid("standard input has no name: say --format"));
            }
            None => Format::of(&args.file)?,
        };
        let fields = Fields {
            id: args.id_field.clone(),
            vector: args.vector_field.clone(),
            payload: args.payload_field.clone(),
            vector_columns: args.vector_columns.clone(),
            delimiter: args.delimiter,
        };
        Ok(Plan {
            args: args.clone(),
            format,
            fields,
        })
    }

    fn read(&self, sender: &SyncSender<Outcome<Message>>) -> Result<(), Stopped> {
        let send = |message| sender.send(Ok(message)).map_err(|_| Stopped::NobodyListens);
        let source = match import::open_any(&self.args.file, self.format, &self.fields)? {
            Opened::Export(export) => return send(Message::Export(export)),
            Opened::Records(source) => source,
        };
        let mut rows = Rows::open(self, source)?;
        send(Message::Shape(rows.source.shape()))?;
        for _ in 0..self.args.skip {
            if rows.next()?.is_none() {
                return Ok(());
            }
        }
        let mut left = self.args.limit.unwrap_or(u64::MAX);
        while left > 0 {
            let batch = rows.batch(left.min(u64::from(self.args.batch)))?;
            if batch.is_empty() {
                return Ok(());
            }
            left -= batch.len() as u64;
            send(Message::Batch(batch))?;
        }
        Ok(())
    }
}

/// Records, beside them ids and columns of other files.
struct Rows {
    source: Box<dyn Source>,
    ids: Option<Ids>,
    ids_name: String,
    columns: Vec<(String, NpyReader)>,
    next_id: u64,
}

impl Rows {
    fn open(plan: &Plan, source: Box<dyn Source>) -> Outcome<Rows> {
        let args = &plan.args;
        let ids = args.ids.as_deref().map(Ids::open).transpose()?;
        let ids_name = args
            .ids
            .as_ref()
            .map(|path| path.display().to_string())
            .unwrap_or_default();
        let mut columns = Vec::new();
        for (field, path) in &args.payload_npy {
            let column = NpyReader::new(Input::open(path)?)?;
            if let Some(rows) = source.shape().rows
                && rows != column.rows()
            {
                return Err(Failure::invalid(format!(
                    "{}: {} rows for {rows} vectors",
                    path.display(),
                    column.rows()
                )));
            }
            columns.push((field.clone(), column));
        }
        Ok(Rows {
            source,
            ids,
            ids_name,
            columns,
            next_id: args.first_id,
        })
    }

    fn batch(&mut self, rows_max: u64) -> Outcome<Vec<Record>> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while (batch.len() as u64) < rows_max && bytes < BATCH_BYTES {
            let Some(record) = self.next()? else { break };
            bytes += record.vector.dim() * record.vector.element().bytes();
            batch.push(record);
        }
        Ok(batch)
    }

    fn next(&mut self) -> Outcome<Option<Record>> {
        let Some(mut record) = self.source.next()? else {
            return self.check_ends().map(|()| None);
        };
        record.id = Some(self.id(&record)?);
        for (field, column) in &mut self.columns {
            let value = column.next_value()?;
            let value = value.ok_or_else(|| {
                Failure::invalid(format!(
                    "the array for payload field {field:?} ends before {}",
                    record.place
                ))
            })?;
            if !matches!(value, Value::Null) {
                record.payload.insert(field.clone(), value);
            }
        }
        Ok(Some(record))
    }

    /// The id of a file of ids, of the record itself, or its number, in this order.
    fn id(&mut self, record: &Record) -> Outcome<DocId> {
        if let Some(ids) = &mut self.ids {
            let id = ids.next()?;
            return id.ok_or_else(|| {
                Failure::invalid(format!(
                    "{}: ends before {} of the vectors",
                    self.ids_name, record.place
                ))
            });
        }
        let number = self.next_id;
        self.next_id = number
            .checked_add(1)
            .ok_or_else(|| Failure::invalid("the ids are used up: --first-id is too large"))?;
        Ok(record.id.clone().unwrap_or(DocId::U64(number)))
    }

    /// A file of ids that goes on behind the vectors belongs to other vectors.
    fn check_ends(&mut self) -> Outcome {
        let next = self.ids.as_mut().map_or(Ok(None), Ids::next)?;
        match next {
            Some(_) => Err(Failure::invalid(format!(
                "{}: has more ids than there are vectors",
                self.ids_name
            ))),
            None => Ok(()),
        }
    }
}
