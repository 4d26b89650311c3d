//! Background work: flushes, compactions, the next log, and files to be deleted. The only place that starts threads.
//!
//! One thread flushes (and keeps house, and sees to it that a database rests with little more than its data: rest.rs),
//! `background_threads` threads compact, behind those of writers and readers. They are there only while there is something to do
//! (bell.rs). Without threads, [`step`] does one unit of the same work, in the same
//! order, when somebody calls.

mod claims;
mod collect;
mod compact;
mod flush;
mod pace;
mod request;
mod rest;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use aether_env::Task;

use crate::engine::Engine;
use crate::error::Result;

pub(crate) use claims::{Claims, hold_all, wait_for_all};
pub(crate) use collect::{adopt_attachments, collect_attachments};
pub(crate) use compact::{compact_everything, compaction_debt, level0_debt};
pub(crate) use flush::flush_sealed;
pub(crate) use pace::{Backlog, Pace, speed};
pub(crate) use request::Requests;
pub(crate) use rest::Rest;

/// A thread without work looks again after this time, for what no ring announces.
const IDLE: Duration = Duration::from_secs(60);

/// A thread that has found nothing to do, and need not look again by itself, leaves after this time.
const LINGER: Duration = Duration::from_secs(1);

/// The wait after a failure; it doubles with every further one. A disk that was full is noticed to have room again
/// within the longest of them.
const RETRY_MIN: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_millis(500);

/// Has the threads that the options ask for started whenever there is work, and now, if there may be some.
pub(crate) fn start(engine: &Arc<Engine>) {
    let compacting = engine.options.background_threads;
    if compacting == 0 {
        return;
    }
    // Not the engine itself, which has the bell.
    let weak = Arc::downgrade(engine);
    let start = move |worker: usize| {
        let engine = weak.upgrade().ok_or(io::ErrorKind::NotFound)?;
        let spawner = Arc::clone(&engine.env.spawner);
        match worker.checked_sub(1) {
            None => spawner.spawn("aidb-flush", run(engine, worker, flush_or_rest)),
            Some(number) => {
                let name = format!("aidb-compact-{number}");
                spawner.spawn_behind(&name, run(engine, worker, compact::step))
            }
        }
    };
    engine.work.hire(1 + compacting, Box::new(start));
    let state = engine.state.load();
    let has_tables = state.version.trees().next().is_some();
    if has_tables || !state.sealed.is_empty() || !is_idle(engine) {
        engine.work.ring();
    }
}

/// Ends the threads, and waits for that. A flush under way is finished; a compaction is given up.
pub(crate) fn stop(engine: &Engine) {
    engine
        .stopping
        .store(true, std::sync::atomic::Ordering::Release);
    let threads = engine.work.dismiss();
    engine.halt.ring();
    engine.work.ring();
    engine.progress.ring();
    for thread in threads {
        // A panic has been printed by the thread itself, and the state that it leaves is what a crash would leave.
        let _ = thread.join();
    }
}

/// Discards attachments that nobody can reach and logs kept for later, and deletes all discarded files.
pub(crate) fn clean_up(engine: &Engine) -> Result<()> {
    // Asked for: look, whether or not there is a reason to.
    engine.attachments.suspect();
    collect_attachments(engine)?;
    engine.drop_unused_logs(false)?;
    engine.delete_garbage();
    Ok(())
}

/// One unit of work, flushes first; false when there was none.
///
/// # Errors
/// When a flush has failed, after a compaction was tried all the same: it may be what frees the space for the flush.
pub(crate) fn step(engine: &Engine) -> Result<bool> {
    match flush::step(engine) {
        Ok(true) => Ok(true),
        Ok(false) => compact::step(engine),
        Err(error) => {
            // Its own error is kept where statistics show it.
            let _ = compact::step(engine);
            Err(error)
        }
    }
}

/// The flushing thread's unit of work. Only threads have a database rest: when it does depends on the time that passes.
fn flush_or_rest(engine: &Engine) -> Result<bool> {
    Ok(flush::step(engine)? || rest::step(engine)?)
}

/// Takes steps until the engine stops, or there have been none to take for a while.
fn run(engine: Arc<Engine>, worker: usize, step: fn(&Engine) -> Result<bool>) -> Task {
    Box::new(move || step_on(&engine, worker, step))
}

fn step_on(engine: &Engine, worker: usize, step: fn(&Engine) -> Result<bool>) {
    let mut retry = RETRY_MIN;
    loop {
        // The rings first: a stop that comes between the two looks has rung after the first.
        let (seen, halts) = (engine.work.rings(), engine.halt.rings());
        if engine.is_stopping() {
            return;
        }
        let idles = is_idle(engine);
        match step(engine) {
            Ok(true) => retry = RETRY_MIN,
            // What time brings about: that no more writes come, and that nobody reads any more what has been replaced.
            Ok(false) if worker == 0 && (!engine.rest.is_settled() || engine.has_garbage()) => {
                engine.work.wait(seen, rest::QUIET);
            }
            Ok(false) if idles && is_idle(engine) => {
                engine.work.wait(seen, LINGER);
                if engine.work.leave(worker, seen) {
                    return;
                }
            }
            Ok(false) => engine.work.wait(seen, IDLE),
            Err(_) => {
                // The error is kept where writers and statistics see it. A full disk may have room again soon.
                // Writers ring for work all the time: they do not hurry it.
                engine.halt.wait(halts, RETRY_MIN);
                engine.work.wait(seen, retry);
                retry = (retry * 2).min(RETRY_MAX);
            }
        }
    }
}

/// True when whatever there will be to do is rung for. Otherwise time alone, or the end of a reader, may make work.
fn is_idle(engine: &Engine) -> bool {
    engine.options.retention.is_zero() && engine.snapshots.count() == 0
}
