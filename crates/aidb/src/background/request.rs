//! Compactions that somebody has asked for and waits for: the background threads help with them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::compaction::Plan;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::keyspace::KeyspaceId;

/// How long to wait for a helper before looking again.
const WAIT: Duration = Duration::from_millis(100);

/// Carries out a plan in a keyspace.
type CarryOut = fn(&Engine, KeyspaceId, &Plan) -> Result<()>;

/// What is asked for, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Requests(Mutex<VecDeque<Arc<Request>>>);

/// Plans of one keyspace that have no key in common. Whoever asks has the turn of the whole keyspace.
#[derive(Debug)]
struct Request {
    keyspace: KeyspaceId,
    progress: Mutex<Progress>,
}

#[derive(Debug)]
struct Progress {
    open: Vec<Plan>,
    under_way: usize,
    error: Option<Error>,
}

impl Request {
    /// Carries out one of the plans; false when all have been begun.
    fn step(&self, engine: &Engine, carry_out: CarryOut) -> bool {
        let plan = {
            let mut progress = self.progress.lock();
            let Some(plan) = progress.open.pop() else {
                return false;
            };
            progress.under_way += 1;
            plan
        };
        let done = carry_out(engine, self.keyspace, &plan);
        // Its tables go with it.
        drop(plan);
        engine.delete_garbage();
        let mut progress = self.progress.lock();
        progress.under_way -= 1;
        if let Err(error) = done {
            progress.open.clear();
            progress.error.get_or_insert(error);
        }
        drop(progress);
        engine.progress.ring();
        true
    }
}

/// Carries out `plans`, with the help of all who have time.
pub(super) fn carry_out_all(
    engine: &Engine,
    keyspace: KeyspaceId,
    plans: Vec<Plan>,
    carry_out: CarryOut,
) -> Result<()> {
    let request = Arc::new(Request {
        keyspace,
        progress: Mutex::new(Progress {
            open: plans,
            under_way: 0,
            error: None,
        }),
    });
    engine.requests.0.lock().push_back(Arc::clone(&request));
    engine.work.ring();
    while request.step(engine, carry_out) {}
    let mut requests = engine.requests.0.lock();
    requests.retain(|other| !Arc::ptr_eq(other, &request));
    drop(requests);
    loop {
        let seen = engine.progress.rings();
        let mut progress = request.progress.lock();
        if progress.under_way == 0 {
            return progress.error.take().map_or(Ok(()), Err);
        }
        drop(progress);
        engine.progress.wait(seen, WAIT);
    }
}

/// Does a piece of what is asked for; false when nothing is.
pub(super) fn help(engine: &Engine, carry_out: CarryOut) -> bool {
    let requests: Vec<_> = engine.requests.0.lock().iter().cloned().collect();
    requests
        .iter()
        .any(|request| request.step(engine, carry_out))
}
