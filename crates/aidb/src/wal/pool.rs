//! Files of logs that are full, kept for the logs to come.
//!
//! A file whose pages have been written before is the cheapest to write and to sync. So a log that is not needed any
//! more is not deleted: it stays under its old name, which no manifest knows, until it gets the name of a new one.

use super::LogWriter;

/// Files that wait for a new log at most: one is being written and one is prepared beside them. With more, a time in which
/// flushes are late would cost space for ever.
const FREE_MAX: usize = 1;

/// See the head of this module.
#[derive(Debug, Default)]
pub(crate) struct LogPool {
    /// Written to the end, and still needed.
    full: Vec<LogWriter>,
    free: Vec<LogWriter>,
}

impl LogPool {
    /// `log` is appended to no more.
    pub(crate) fn fill(&mut self, log: LogWriter) {
        self.full.push(log);
    }

    /// The log `number` is not needed any more. True when its file is kept; else it can be deleted.
    pub(crate) fn release(&mut self, number: u64) -> bool {
        match self.take_full(number) {
            Some(log) if self.free.len() < FREE_MAX => {
                self.free.push(log);
                true
            }
            _ => false,
        }
    }

    /// The full log `number`, if this process wrote it and it is still needed.
    pub(crate) fn take_full(&mut self, number: u64) -> Option<LogWriter> {
        let place = self.full.iter().position(|log| log.number() == number)?;
        Some(self.full.swap_remove(place))
    }

    /// A file for a new log.
    pub(crate) fn take_free(&mut self) -> Option<LogWriter> {
        self.free.pop()
    }

    /// What all files take, about.
    pub(crate) fn file_bytes(&self) -> u64 {
        let all = self.full.iter().chain(&self.free);
        all.map(LogWriter::file_bytes).sum()
    }

    /// Lets all full logs end where their records do.
    pub(crate) fn finish(&mut self) {
        self.full.drain(..).for_each(LogWriter::finish);
    }
}
