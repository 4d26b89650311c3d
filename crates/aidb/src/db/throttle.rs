//! What a write pays before it begins: a short sleep when the background is behind (background/pace.rs), a wait when
//! there is no room at all, or, without threads, the background's work itself.

use std::time::Duration;

use crate::background::{self, Backlog};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::memtable;
use crate::state::State;

/// The longest that one write waits for flushes and compactions before it fails.
const STALL_MAX: Duration = Duration::from_secs(120);

/// How long a write waits for progress before it looks again.
const LOOK: Duration = Duration::from_secs(1);

impl Engine {
    /// Slows a write of `entries` in `bytes` down by as much as the background is behind, or makes it wait.
    pub(super) fn throttle(&self, bytes: usize, entries: u32) -> Result<()> {
        if self.options.background_threads == 0 {
            while self.is_full().is_some() && background::step(self)? {}
            return Ok(());
        }
        let cost = (bytes + memtable::ENTRY_OVERHEAD_BYTES * entries as usize) as u64;
        if self.pace.is_time(cost) {
            self.look();
        }
        if self.pace.is_limited() {
            let delay = self.pace.pay(cost, self.env.clock.elapsed());
            if !delay.is_zero() {
                self.counters.slowdowns.add(1);
                self.pause(delay);
            }
        }
        if self.is_full().is_some() {
            self.counters.stalls.add(1);
            self.wait_for_room()?;
        }
        Ok(())
    }

    /// Sets the speed of writers by the backlog of this moment.
    fn look(&self) {
        let (state, options) = (self.state.load(), &self.options);
        let now = self.env.clock.elapsed();
        self.pace.limit(background::speed(&Backlog {
            sealed: state.sealed.len(),
            sealed_max: options.sealed_memtables_max,
            active_bytes: state.active.bytes(),
            memtable_bytes: options.memtable_bytes,
            flush_seconds: self.pace.flush_seconds(options.memtable_bytes, now),
            level0_runs: state.level0_runs,
            level0_runs_max: options.level0_stop_runs,
            level0_room: self.pace.level0_room(),
            merge_seconds: self.pace.merge_seconds(),
        }));
    }

    fn wait_for_room(&self) -> Result<()> {
        let from = self.env.clock.elapsed();
        let mut is_retried = false;
        loop {
            let seen = self.progress.rings();
            let Some(why) = self.is_full() else {
                return Ok(());
            };
            self.check_open()?;
            if let Some(error) = self.trouble() {
                if is_retried {
                    return Err(Error::stalled(why, &error));
                }
                // The error may be old and its cause gone: the background tries again now.
                is_retried = true;
                *self.flush_error.lock() = None;
                *self.compaction_error.lock() = None;
                self.work.ring();
            }
            if self.env.clock.elapsed().saturating_sub(from) > STALL_MAX {
                let message = format!(
                    "{why}, and still do after {} s: write less",
                    STALL_MAX.as_secs()
                );
                return Err(Error::new(ErrorKind::Unavailable, message));
            }
            let before = self.env.clock.elapsed();
            self.progress.wait(seen, LOOK);
            let waited = self.env.clock.elapsed().saturating_sub(before);
            self.counters.pauses.add(waited);
            if waited >= LOOK {
                // A thread that could not be started may be by now.
                self.work.ring();
            }
        }
    }

    /// Why the background makes no progress, if that is so.
    fn trouble(&self) -> Option<Error> {
        let flush = self.flush_error.lock().clone();
        flush.or_else(|| self.compaction_error.lock().clone())
    }

    fn pause(&self, delay: Duration) {
        let seen = self.progress.rings();
        self.progress.wait(seen, delay);
        self.counters.pauses.add(delay);
    }

    /// Why nothing may be written now, if that is so.
    fn is_full(&self) -> Option<&'static str> {
        let state: &State = &self.state.load();
        let options = &self.options;
        if state.level0_runs >= options.level0_stop_runs {
            return Some("writes wait for level 0 to be compacted");
        }
        let is_full = state.active.bytes() >= options.memtable_bytes
            && state.sealed.len() >= options.sealed_memtables_max.max(1);
        is_full.then_some("writes wait for memtables to be flushed")
    }
}
