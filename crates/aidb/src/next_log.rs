//! The log to come, made ahead of time, and logs that were made in vain.
//!
//! Logs are replayed by number. So a log that is begun has a higher one than all logs of sealed memtables, and than the
//! logs that were begun before it; one that was made in time, but offered too late, is not used.

use crate::wal::LogWriter;

/// See the head of this module.
#[derive(Debug, Default)]
pub(crate) struct NextLog {
    /// Its number is at least `least_number`.
    ready: Option<LogWriter>,
    /// A log that is begun from now on has at least this number. Never falls.
    least_number: u64,
    /// Logs in the manifest that hold no writes.
    pub(crate) unused: Vec<u64>,
}

impl NextLog {
    /// None is ready.
    pub(crate) fn new(unused: Vec<u64>) -> NextLog {
        NextLog {
            unused,
            ..NextLog::default()
        }
    }

    /// True when one is ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.is_some()
    }

    /// Keeps a log for later, if it does not come too late.
    pub(crate) fn offer(&mut self, log: LogWriter) {
        if self.ready.is_some() || log.number() < self.least_number {
            self.unused.push(log.number());
        } else {
            self.ready = Some(log);
        }
    }

    /// Takes the log that is ready, to begin it.
    pub(crate) fn take(&mut self) -> Option<LogWriter> {
        self.ready.take()
    }

    /// The log `number` is begun. One that became ready while it was made is too late if its number is less.
    pub(crate) fn begun(&mut self, number: u64) {
        self.least_number = number + 1;
        if let Some(late) = self.ready.take_if(|ready| ready.number() < number) {
            self.unused.push(late.number());
        }
    }

    /// Writes go on in a log that is not begun yet. The result is at most its number, and greater than those of all
    /// that were begun; `new_number` makes one.
    pub(crate) fn begin_span(&mut self, new_number: impl FnOnce() -> u64) -> u64 {
        let ready = self.ready.as_ref().map(LogWriter::number);
        let least = ready.unwrap_or_else(new_number);
        debug_assert!(least >= self.least_number, "{least} is given already");
        self.least_number = least;
        least
    }

    /// Takes the numbers of all logs that hold no writes, the one that is ready among them.
    pub(crate) fn take_all(&mut self) -> Vec<u64> {
        let ready = self.ready.take().map(|log| log.number());
        self.unused.extend(ready);
        std::mem::take(&mut self.unused)
    }
}
