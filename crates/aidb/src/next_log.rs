//! The log to come, made ahead of time, and logs that were made in vain.
//!
//! Logs are replayed by number. So a log that is begun has a higher one than all logs of sealed memtables, and than the
//! logs that were begun before it; one that was made in time, but offered too late, is not used.
//!
//! One at a time [begins](NextLog::begin) logs and spans (it holds the commit lock), and one at a time
//! [prepares](NextLog::prepare) them (it has the turn to flush); the two do not wait for each other.

use crate::error::Result;
use crate::sync::Mutex;
use crate::wal::LogWriter;

/// See the head of this module.
#[derive(Debug, Default)]
pub(crate) struct NextLog(Mutex<Logs>);

#[derive(Debug, Default)]
struct Logs {
    /// Its number is at least `least_number`.
    ready: Option<LogWriter>,
    /// A log that is begun from now on has at least this number. Never falls.
    least_number: u64,
    /// Logs in the manifest that hold no writes.
    unused: Vec<u64>,
}

impl NextLog {
    /// None is ready; the manifest has `unused` ones.
    pub(crate) fn new(unused: Vec<u64>) -> NextLog {
        NextLog(Mutex::new(Logs {
            unused,
            ..Logs::default()
        }))
    }

    /// Has the next log made, unless one is ready. False when nothing was to be done.
    pub(crate) fn prepare(&self, make: impl FnOnce() -> Result<LogWriter>) -> Result<bool> {
        if self.0.lock().ready.is_some() {
            return Ok(false);
        }
        self.offer(make()?);
        Ok(true)
    }

    /// Keeps a log for later, if it does not come too late.
    pub(crate) fn offer(&self, log: LogWriter) {
        let mut logs = self.0.lock();
        if logs.ready.is_some() || log.number() < logs.least_number {
            logs.unused.push(log.number());
        } else {
            logs.ready = Some(log);
        }
    }

    /// The log in which writes go on: the one that is ready, or else what `make` makes; `start` writes its beginning.
    pub(crate) fn begin(
        &self,
        make: impl FnOnce() -> Result<LogWriter>,
        start: impl FnOnce(&mut LogWriter) -> Result<()>,
    ) -> Result<LogWriter> {
        let ready = self.0.lock().ready.take();
        let mut next = match ready {
            Some(ready) => ready,
            None => make()?,
        };
        let started = start(&mut next);
        let mut logs = self.0.lock();
        if let Err(error) = started {
            logs.unused.push(next.number());
            return Err(error);
        }
        logs.begun(next.number());
        Ok(next)
    }

    /// Writes go on in a log that is not begun yet. The result is at most its number, and greater than those of all
    /// that were begun; `new_number` makes one.
    pub(crate) fn begin_span(&self, new_number: impl FnOnce() -> u64) -> u64 {
        let mut logs = self.0.lock();
        let ready = logs.ready.as_ref().map(LogWriter::number);
        let least = ready.unwrap_or_else(new_number);
        debug_assert!(least >= logs.least_number, "{least} is given already");
        logs.least_number = least;
        least
    }

    /// What the file of the one takes that is ready, about.
    pub(crate) fn file_bytes(&self) -> u64 {
        let logs = self.0.lock();
        logs.ready.as_ref().map_or(0, LogWriter::file_bytes)
    }

    /// The log `number`, which is in the manifest, holds no writes.
    pub(crate) fn add_unused(&self, number: u64) {
        self.0.lock().unused.push(number);
    }

    /// Logs in the manifest that hold no writes, but for the one that is ready.
    pub(crate) fn unused(&self) -> Vec<u64> {
        self.0.lock().unused.clone()
    }

    /// Takes the numbers of logs that hold no writes, to drop them from the manifest.
    pub(crate) fn take_unused(&self) -> Vec<u64> {
        std::mem::take(&mut self.0.lock().unused)
    }

    /// As [`NextLog::take_unused`], with the one that is ready.
    pub(crate) fn take_all(&self) -> Vec<u64> {
        let mut logs = self.0.lock();
        let ready = logs.ready.take().map(|log| log.number());
        logs.unused.extend(ready);
        std::mem::take(&mut logs.unused)
    }

    /// These could not be dropped from the manifest.
    pub(crate) fn give_back(&self, unused: Vec<u64>) {
        self.0.lock().unused.extend(unused);
    }
}

impl Logs {
    /// The log `number` is begun. One that became ready while it was made is too late if its number is less.
    fn begun(&mut self, number: u64) {
        self.least_number = number + 1;
        if let Some(late) = self.ready.take_if(|ready| ready.number() < number) {
            self.unused.push(late.number());
        }
    }
}

#[cfg(all(test, loom))]
mod model;
