//! Background work: flushes, compactions, the next log, and files to be deleted. The only place that starts threads.
//!
//! One thread flushes (and keeps house), `background_threads` threads compact, behind those of writers and readers. Without threads, [`step`] does one unit
//! of the same work, in the same order, when somebody calls.

mod claims;
mod collect;
mod compact;
mod flush;
mod pace;
mod request;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use aether_env::Task;

use crate::engine::Engine;
use crate::error::{Error, Result};

pub(crate) use claims::{Claims, hold_all, wait_for_all};
pub(crate) use collect::{adopt_attachments, collect_attachments};
pub(crate) use compact::{compact_everything, compaction_debt, level0_debt};
pub(crate) use flush::flush_sealed;
pub(crate) use pace::{Backlog, Pace, speed};
pub(crate) use request::Requests;

/// A thread without work looks again after this time, for what no ring announces.
const IDLE: Duration = Duration::from_secs(60);

/// The wait after a failure; it doubles with every further one. A disk that was full is noticed to have room again
/// within the longest of them.
const RETRY_MIN: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_millis(500);

/// Starts the threads that the options ask for.
pub(crate) fn start(engine: &Arc<Engine>) -> Result<Vec<JoinHandle<()>>> {
    let mut threads = Vec::new();
    if engine.options.background_threads == 0 {
        return Ok(threads);
    }
    let started = (|| -> io::Result<()> {
        let spawner = &engine.env.spawner;
        threads.push(spawner.spawn("aidb-flush", run(engine, flush::step))?);
        for number in 0..engine.options.background_threads {
            let name = format!("aidb-compact-{number}");
            threads.push(spawner.spawn_behind(&name, run(engine, compact::step))?);
        }
        Ok(())
    })();
    if let Err(error) = started {
        stop(engine, threads);
        return Err(Error::io("start a background thread", error));
    }
    Ok(threads)
}

/// Ends the threads, and waits for that. A flush under way is finished; a compaction is given up.
pub(crate) fn stop(engine: &Engine, threads: Vec<JoinHandle<()>>) {
    engine
        .stopping
        .store(true, std::sync::atomic::Ordering::Release);
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

/// Takes steps until the engine stops.
fn run(engine: &Arc<Engine>, step: fn(&Engine) -> Result<bool>) -> Task {
    let shared = Arc::clone(engine);
    Box::new(move || step_on(&shared, step))
}

fn step_on(engine: &Engine, step: fn(&Engine) -> Result<bool>) {
    let mut retry = RETRY_MIN;
    loop {
        // The rings first: a stop that comes between the two looks has rung after the first.
        let (seen, halts) = (engine.work.rings(), engine.halt.rings());
        if engine.is_stopping() {
            return;
        }
        match step(engine) {
            Ok(true) => retry = RETRY_MIN,
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
