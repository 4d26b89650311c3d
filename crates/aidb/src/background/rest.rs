//! Rest: nobody writes any more, or little.
//!
//! Logs, level 0 and garbage in value files are let grow to a few memtables while writes come, since to keep them small would
//! cost more work than the space is worth, for a moment. When no more writes come, nothing is saved any longer by waiting:
//!
//! 1. what is in memory is flushed, and the files of logs that are kept for later go, if logs are large beside the data;
//! 2. compactions go on as if memtables were small (see [`limits_now`]).
//!
//! So a database that rests takes little more than its data, however small it is, and opens fast.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::compaction::Limits;
use crate::engine::Engine;
use crate::error::Result;

use super::compact;

/// A database rests when so much time has passed
pub(super) const QUIET: Duration = Duration::from_secs(1);

/// in which no more than this was written.
const QUIET_BYTES: u64 = 256 << 10;

/// Logs of a database that rests: at most one part in so many of its data,
const LOG_PART: u64 = 16;

/// or as much as this.
const LOG_BYTES: u64 = 4 << 20;

/// Compactions are made as if a memtable had one part in so many of the data, at most.
const MEMTABLE_PART: u64 = 64;

/// What is known of whether the database rests.
#[derive(Debug)]
pub(crate) struct Rest {
    last: Mutex<Look>,
    /// It rests, and its logs are small.
    is_settled: AtomicBool,
}

/// When something was written last, and what had been by then.
#[derive(Debug)]
struct Look {
    at: Duration,
    logged: u64,
}

impl Rest {
    /// Of a database that is opened `now`.
    pub(crate) fn new(now: Duration) -> Rest {
        Rest {
            last: Mutex::new(Look { at: now, logged: 0 }),
            is_settled: AtomicBool::new(false),
        }
    }

    /// True when there is nothing to do until somebody writes.
    pub(super) fn is_settled(&self) -> bool {
        self.is_settled.load(Ordering::Acquire)
    }

    /// Whether so much was `logged`, all in all, that the database does not rest `now`, or has not for long.
    fn is_disturbed(&self, now: Duration, logged: u64) -> bool {
        let mut last = self.last.lock();
        if logged > last.logged + QUIET_BYTES {
            *last = Look { at: now, logged };
            self.is_settled.store(false, Ordering::Release);
        }
        now.saturating_sub(last.at) < QUIET
    }
}

/// A unit of work, when the database rests: false when there is none to do. The flushing thread's.
pub(super) fn step(engine: &Engine) -> Result<bool> {
    let logged = engine.counters.bytes_logged.get();
    if engine.rest.is_disturbed(engine.env.clock.elapsed(), logged) || engine.rest.is_settled() {
        return Ok(false);
    }
    if log_file_bytes(engine) > (data_bytes(engine) / LOG_PART).max(LOG_BYTES) {
        if !engine.state.load().active.is_empty() && !engine.is_stopping() {
            // The one time that the background takes this lock: no writer is likely to wait for it.
            engine.rotate(&mut engine.log.lock());
            return Ok(true);
        }
        let _turn = engine.flush_turn.lock();
        engine.drop_unused_logs(false)?;
    }
    engine.rest.is_settled.store(true, Ordering::Release);
    engine.work.ring();
    Ok(true)
}

/// What the policy needs of the options, as things are: while the database rests, there is no reason to wait with compactions
/// until they are worth more.
pub(super) fn limits_now(engine: &Engine) -> Limits {
    let limits = compact::limits(engine);
    if !engine.rest.is_settled() {
        return limits;
    }
    Limits {
        memtable_bytes: limits
            .memtable_bytes
            .min(data_bytes(engine) / MEMTABLE_PART),
        ..limits
    }
}

/// What the files of logs take.
fn log_file_bytes(engine: &Engine) -> u64 {
    let current = {
        let log = engine.log.lock();
        log.current.as_ref().map_or(0, |log| log.file_bytes())
    };
    current + engine.log_pool.lock().file_bytes() + engine.next_log.file_bytes()
}

/// What is in tables, and in value files.
fn data_bytes(engine: &Engine) -> u64 {
    let state = engine.state.load();
    let tables = state.version.trees().flat_map(|(_, tree)| tree.levels());
    let tables = tables.flat_map(|run| run.iter());
    let tables: u64 = tables.map(|table| table.meta.info.bytes).sum();
    let values = state.version.values().iter();
    tables + values.map(|file| file.record.bytes).sum::<u64>()
}
