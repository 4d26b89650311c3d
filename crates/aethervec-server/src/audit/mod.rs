//! The audit log: who did what, where, and what came of it. A line of JSON for each request that changed something, tried what it
//! may not, or was not known; for reads, too, if `audit_reads` says so.
//!
//! ```text
//! Caller::allow ──► Record (of a request) ──► Audit::write, after the answer ──► queue ──► Writer (a thread) ──► file
//! ```
//!
//! A line names actions, tenants and collections; never ids of documents, payloads, vectors or secrets. A disk that fails does not stop
//! requests unless `audit_required` says so: lines that cannot be written are counted, the log of the server says so, and the first
//! line after it says how many are missing.

mod record;
mod writer;

pub use record::Record;

use crate::config::Config;
use crate::error::{ApiError, ApiErrorKind, ApiResult};
use aether_env::{Clock, Spawner, Threads};
use parking_lot::Mutex;
use serde::Serialize;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use writer::{Message, Target, Writer};

/// Lines that wait for the disk.
const QUEUE_MAX: usize = 16_384;

/// Writes the audit log, if there is one.
#[derive(Debug)]
pub struct Audit {
    sink: Option<Sink>,
    reads: bool,
    required: bool,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Sink {
    queue: SyncSender<Message>,
    health: Arc<Health>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// How the log is doing.
#[derive(Debug, Default)]
struct Health {
    /// Whether the last line could not be written.
    is_failing: AtomicBool,
    /// Lines that were not written.
    lost: AtomicU64,
}

/// What a request was, beside what its [`Record`] says.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// What ties it to other logs.
    pub(crate) id: &'a str,
    /// Which protocol.
    pub(crate) protocol: &'static str,
    /// The method, and the route as it is documented: without the names in it.
    pub(crate) route: &'a str,
    /// Where it came from.
    pub(crate) from: Option<SocketAddr>,
    /// Who called.
    pub(crate) caller: &'a str,
    /// Why nobody knows who called.
    pub(crate) reason: Option<&'static str>,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It was done.
    Ok,
    /// The caller may not do that, or is not known.
    Denied,
    /// Something else was wrong.
    Failed,
}

#[derive(Serialize)]
struct Line<'a> {
    at: String,
    id: &'a str,
    caller: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<SocketAddr>,
    protocol: &'static str,
    route: &'a str,
    #[serde(flatten)]
    record: record::Summary,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    ms: u64,
}

impl Audit {
    /// As `config` says.
    ///
    /// # Errors
    /// [`ApiErrorKind::Invalid`] when the file cannot be written.
    pub fn open(config: &Config, clock: Arc<dyn Clock>) -> ApiResult<Audit> {
        let sink = match &config.audit_log {
            None => None,
            Some(path) => Some(Sink::open(Target::of(path))?),
        };
        Ok(Audit {
            sink,
            reads: config.audit_reads,
            required: config.audit_required,
            clock,
        })
    }

    /// Whether anything is written at all.
    pub fn is_on(&self) -> bool {
        self.sink.is_some()
    }

    /// Lines that could not be written since the start.
    pub fn lost(&self) -> u64 {
        let health = self.sink.as_ref().map(|sink| &sink.health);
        health.map_or(0, |health| health.lost.load(Ordering::Relaxed))
    }

    /// Opens the file again, which somebody may have moved away.
    pub fn reopen(&self) {
        if let Some(sink) = &self.sink {
            sink.send(Message::Reopen);
        }
    }

    /// Whether requests may be served: not while nothing can be written that has to be.
    ///
    /// # Errors
    /// [`ApiErrorKind::Unavailable`] then.
    pub(crate) fn check(&self) -> ApiResult<()> {
        let failing = |sink: &Sink| sink.health.is_failing.load(Ordering::Relaxed);
        if self.required && self.sink.as_ref().is_some_and(failing) {
            return Err(ApiError::new(
                ApiErrorKind::Unavailable,
                "the audit log cannot be written: the log of the server says why",
            ));
        }
        Ok(())
    }

    /// Writes a line about a request, if it is one that is written about.
    pub(crate) fn write(
        &self,
        request: &Request<'_>,
        record: &Record,
        outcome: Outcome,
        took: Duration,
    ) {
        let Some(sink) = &self.sink else { return };
        let is_read = outcome == Outcome::Ok && !record.has_changed_something();
        if is_read && !self.reads {
            return;
        }
        let micros = i64::try_from(self.clock.now().0).unwrap_or(i64::MAX);
        let line = Line {
            at: aethervec::Timestamp::from_micros(micros).to_string(),
            id: request.id,
            caller: request.caller,
            from: request.from,
            protocol: request.protocol,
            route: request.route,
            record: record.summary(),
            outcome,
            reason: request.reason,
            ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        };
        let line = serde_json::to_string(&line).expect("it is made of texts and numbers");
        sink.send(Message::Line(line));
    }

    /// Writes what waits, and ends. Blocks.
    pub fn close(&self) {
        if let Some(sink) = &self.sink {
            // Waits for its place: what waits is not lost.
            let _ = sink.queue.send(Message::End);
            if let Some(writer) = sink.writer.lock().take() {
                // A panic there is in the log.
                let _ = writer.join();
            }
        }
    }
}

impl Sink {
    fn open(target: Target) -> ApiResult<Sink> {
        let health = Arc::new(Health::default());
        let (queue, messages) = sync_channel(QUEUE_MAX);
        let writer = Writer::open(target, Arc::clone(&health))?;
        let task = Box::new(move || writer.run(&messages));
        let writer = Threads.spawn("audit", task).map_err(|error| {
            ApiError::new(
                ApiErrorKind::Unavailable,
                format!("audit_log: its thread could not be started: {error}"),
            )
        })?;
        Ok(Sink {
            queue,
            health,
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Never waits: a disk that is slow must not stop requests.
    fn send(&self, message: Message) {
        let lost = match self.queue.try_send(message) {
            Ok(()) => return,
            Err(TrySendError::Full(message) | TrySendError::Disconnected(message)) => message,
        };
        if matches!(lost, Message::Line(_)) {
            self.health.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}
