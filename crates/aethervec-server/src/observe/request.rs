//! What is known of a request while it is answered, on whatever thread that happens.
//!
//! A task has it while it answers, and hands it on to the thread on which the engine works; code below need not be told.

use super::Observer;
use super::metrics::{Metrics, TransactionEnd};
use super::operation::{Operation, Protocol};
use super::slow::Asked;
use super::traces::{self, Trace};
use crate::tenants::TenantName;
use aethervec::Outcome;
use axum::http::HeaderValue;
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::task::futures::TaskLocalFuture;
use tokio::time::Instant;

tokio::task_local! {
    static CURRENT: Arc<RequestContext>;
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct RequestContext {
    /// What it is called, here and in the logs of others.
    pub(crate) id: HeaderValue,
    pub(crate) protocol: Protocol,
    pub(crate) operation: Operation,
    pub(crate) observer: Arc<Observer>,
    /// Its trace, if it is sampled.
    pub(crate) trace: Option<Trace>,
    /// Whom it is for, once that is known.
    pub(crate) tenant: OnceLock<TenantName>,
    /// Nanoseconds that the engine has worked for it.
    engine_nanos: AtomicU64,
}

impl RequestContext {
    pub(crate) fn new(
        id: HeaderValue,
        protocol: Protocol,
        operation: Operation,
        observer: Arc<Observer>,
        trace: Option<Trace>,
    ) -> RequestContext {
        RequestContext {
            id,
            protocol,
            operation,
            observer,
            trace,
            tenant: OnceLock::new(),
            engine_nanos: AtomicU64::new(0),
        }
    }

    /// How long the engine has worked for it; `None` when it was not asked.
    pub(crate) fn engine_time(&self) -> Option<Duration> {
        match self.engine_nanos.load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }
}

/// The request that this task or thread answers.
pub(crate) fn current() -> Option<Arc<RequestContext>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// What the request that this task or thread answers is called.
pub(crate) fn id() -> Option<String> {
    with_current(|request| request.id.to_str().unwrap_or_default().to_owned())
}

/// What `look` sees of the request that this task or thread answers.
pub(crate) fn with_current<T>(look: impl FnOnce(&RequestContext) -> T) -> Option<T> {
    CURRENT.try_with(|request| look(request)).ok()
}

/// Answers `request` by `work`, a task.
pub(crate) fn answering<F: Future>(
    request: Arc<RequestContext>,
    work: F,
) -> TaskLocalFuture<Arc<RequestContext>, F> {
    CURRENT.scope(request, work)
}

/// Begins to answer `request`.
pub(crate) fn beginning<T>(request: &Arc<RequestContext>, begin: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(Arc::clone(request), begin)
}

/// Answers `request` by `work`, on this thread, where the engine works.
pub(crate) fn answering_here<T>(
    request: Option<Arc<RequestContext>>,
    work: impl FnOnce() -> T,
) -> T {
    let Some(request) = request else {
        return work();
    };
    let begin = Instant::now();
    let part = request.trace.as_ref().map(|trace| trace.part("engine"));
    let entered = part.as_ref().map(Trace::enter);
    let answer = CURRENT.sync_scope(Arc::clone(&request), work);
    drop(entered);
    if let Some(part) = part {
        part.end();
    }
    let nanos = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
    request.engine_nanos.fetch_add(nanos, Ordering::Relaxed);
    answer
}

/// The current request is for this tenant.
pub(crate) fn of_tenant(tenant: &TenantName) {
    // It says so once.
    with_current(|request| drop(request.tenant.set(tenant.clone())));
}

/// Does `work`, a query of `collection`. Should it be slow, or its request sampled, what it did is told, and what it looks like: as
/// `shape` says.
pub(crate) fn asking<T, E>(
    collection: &str,
    shape: impl FnOnce() -> Value,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let Some(request) = current() else {
        return work();
    };
    let slow = &request.observer.slow;
    if request.trace.is_none() && !slow.is_on() {
        return work();
    }
    let begin = Instant::now();
    let part = request.trace.as_ref().map(|trace| {
        let part = trace.part_of_thread("query");
        (part, traces::now())
    });
    let (answer, steps) = aethervec::record_steps(work);
    let took = begin.elapsed();
    let asked = Asked {
        collection,
        took,
        failed: answer.is_err(),
    };
    if let Some((part, begin)) = part {
        let shape = shape();
        part.tell("collection", collection.to_owned());
        part.tell("shape", shape.to_string());
        part.steps(begin, &steps);
        part.end();
        slow.note(&request, asked, steps, || shape);
    } else {
        slow.note(&request, asked, steps, shape);
    }
    answer
}

/// These writes were made for the current request.
pub(crate) fn applied(outcomes: &[Outcome]) {
    let written = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Outcome::Inserted | Outcome::Replaced));
    inserted(written.count());
}

/// So many documents were written for the current request.
pub(crate) fn inserted(documents: usize) {
    with_current(|request| {
        let metrics = &request.observer.metrics;
        metrics.inserted(request.protocol, documents);
    });
}

/// The current request begins a transaction.
pub(crate) fn transaction_begun() -> TransactionTimer {
    TransactionTimer {
        begun: Instant::now(),
        metrics: with_current(|request| Arc::clone(&request.observer.metrics)),
        end: TransactionEnd::Abandoned,
    }
}

/// Times a transaction. Dropped without [`end`](TransactionTimer::end), it was abandoned.
#[derive(Debug)]
pub(crate) struct TransactionTimer {
    begun: Instant,
    metrics: Option<Arc<Metrics>>,
    end: TransactionEnd,
}

impl TransactionTimer {
    /// It has ended so.
    pub(crate) fn end(mut self, end: TransactionEnd) {
        self.end = end;
    }
}

impl Drop for TransactionTimer {
    fn drop(&mut self) {
        if let Some(metrics) = &self.metrics {
            metrics.transaction_ended(self.end, self.begun.elapsed());
        }
    }
}
