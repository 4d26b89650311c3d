//! The gate between async requests and the synchronous engine.
//!
//! A request waits in a bounded queue for one of a bounded number of turns, then runs on a thread where it may block. Who does
//! not get into the queue, or whose deadline passes in it, is told at once: the engine never works for nobody.
//!
//! A turn that has begun is finished even if its caller has gone away, and keeps its place until then.
//!
//! Handing a call over to another thread and its result back takes about as long as a search. Reads that have been short lately
//! ([`Pace`]) therefore run where their request is, on a thread of the runtime.

use crate::error::{ApiError, ApiErrorKind, ApiResult};
use crate::observe::metrics::histogram::{Distribution, Histogram};
use crate::observe::request;
use crate::pace::Pace;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Bounds how many calls of the engine run at once, and how many wait. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    turns: Arc<Semaphore>,
    /// Calls that run at once, at most.
    running_max: usize,
    /// Calls that wait for a turn.
    waiting: AtomicUsize,
    waiting_max: usize,
    /// How long calls waited for their turn.
    waits: Histogram,
    refused: RefusedCounts,
}

/// Calls that were not begun.
#[derive(Debug, Default)]
struct RefusedCounts {
    full: AtomicU64,
    late: AtomicU64,
}

/// How many calls were not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The queue was full.
    pub(crate) full: u64,
    /// Their deadline passed.
    pub(crate) late: u64,
}

/// Threads of the runtime: as many as there are cores, and two at least, so that a read that takes longer than the last ones did
/// does not stop all connections.
pub fn runtime_threads() -> usize {
    std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2))
}

/// When nobody waits for an answer any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(Instant);

impl Deadline {
    /// So long from now.
    pub fn after(time: Duration) -> Deadline {
        Deadline(Instant::now() + time)
    }

    /// What is left; zero when it has passed.
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    fn passed() -> ApiError {
        ApiError::new(
            ApiErrorKind::Deadline,
            "the deadline passed before the request had its turn: send fewer at a time, or wait longer",
        )
    }
}

impl Gate {
    /// A gate for `running_max` calls at once, and `waiting_max` that wait.
    pub fn new(running_max: usize, waiting_max: usize) -> Gate {
        Gate(Arc::new(Inner {
            turns: Arc::new(Semaphore::new(running_max)),
            running_max,
            waiting: AtomicUsize::new(0),
            waiting_max,
            waits: Histogram::default(),
            refused: RefusedCounts::default(),
        }))
    }

    /// Runs `call` on a thread where it may block, when its turn has come.
    ///
    /// # Errors
    /// [`ApiErrorKind::Overloaded`] when the queue is full, [`ApiErrorKind::Deadline`] when `deadline` passes before the turn,
    /// [`ApiErrorKind::Internal`] when `call` panics. Else what `call` returns.
    pub async fn run<T, E>(
        &self,
        deadline: Deadline,
        call: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> ApiResult<T>
    where
        T: Send + 'static,
        E: Into<ApiError> + Send + 'static,
    {
        match self.start(deadline, call).await?.await {
            Ok(result) => result.map_err(Into::into),
            Err(_) => Err(panicked()),
        }
    }

    /// As [`run`](Gate::run), for a read of the present, which waits for nobody: where it is, if `pace` says that it is short.
    ///
    /// # Errors
    /// As [`run`](Gate::run).
    pub async fn run_read<T, E>(
        &self,
        deadline: Deadline,
        pace: &Arc<Pace>,
        read: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> ApiResult<T>
    where
        T: Send + 'static,
        E: Into<ApiError> + Send + 'static,
    {
        let timed = {
            let pace = Arc::clone(pace);
            move || {
                let begin = Instant::now();
                let result = read();
                pace.took(begin.elapsed());
                result
            }
        };
        let is_here = pace.is_short() && !deadline.left().is_zero();
        let turn = is_here.then(|| self.0.turns.try_acquire().ok()).flatten();
        let Some(turn) = turn else {
            return self.run(deadline, timed).await;
        };
        self.0.waits.observe(Duration::ZERO);
        let timed = || request::answering_here(request::current(), timed);
        let result = catch_unwind(AssertUnwindSafe(timed));
        drop(turn);
        match result {
            Ok(result) => result.map_err(Into::into),
            Err(_) => Err(panicked()),
        }
    }

    /// As [`run`](Gate::run), without waiting for the end.
    ///
    /// # Errors
    /// As [`run`](Gate::run), up to the beginning.
    pub async fn start<T: Send + 'static>(
        &self,
        deadline: Deadline,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> ApiResult<JoinHandle<T>> {
        let turn = self.counted_turn(deadline).await?;
        let request = request::current();
        Ok(tokio::task::spawn_blocking(move || {
            let result = request::answering_here(request, call);
            drop(turn);
            result
        }))
    }

    /// Calls that may run at once.
    pub fn turns(&self) -> usize {
        self.0.running_max
    }

    /// Calls that run now.
    pub fn running(&self) -> usize {
        self.0.running_max - self.0.turns.available_permits()
    }

    /// Calls that wait for their turn.
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Relaxed)
    }

    /// How many calls were not begun.
    pub(crate) fn refused(&self) -> Refused {
        let Inner { refused, .. } = &*self.0;
        Refused {
            full: refused.full.load(Ordering::Relaxed),
            late: refused.late.load(Ordering::Relaxed),
        }
    }

    /// How long calls waited for their turn; `None` before the first.
    pub(crate) fn waits(&self) -> Option<Distribution> {
        self.0.waits.read()
    }

    async fn counted_turn(&self, deadline: Deadline) -> ApiResult<OwnedSemaphorePermit> {
        let begin = Instant::now();
        let part = request::with_current(|request| {
            let trace = request.trace.as_ref();
            trace.map(|trace| trace.part("queue"))
        });
        let turn = self.turn(deadline).await;
        if let Some(part) = part.flatten() {
            part.end();
        }
        let Inner { waits, refused, .. } = &*self.0;
        match &turn {
            Ok(_) => waits.observe(begin.elapsed()),
            Err(error) if error.kind == ApiErrorKind::Overloaded => {
                refused.full.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => drop(refused.late.fetch_add(1, Ordering::Relaxed)),
        }
        turn
    }

    async fn turn(&self, deadline: Deadline) -> ApiResult<OwnedSemaphorePermit> {
        if deadline.left().is_zero() {
            return Err(Deadline::passed());
        }
        let turns = Arc::clone(&self.0.turns);
        if let Ok(turn) = Arc::clone(&turns).try_acquire_owned() {
            return Ok(turn);
        }
        let _waiting = Waiting::enter(&self.0)?;
        match tokio::time::timeout_at(deadline.0, turns.acquire_owned()).await {
            Ok(turn) => Ok(turn.expect("the semaphore is never closed")),
            Err(_) => Err(Deadline::passed()),
        }
    }
}

fn panicked() -> ApiError {
    ApiError::new(
        ApiErrorKind::Internal,
        "the request could not be answered: the log of the server says why",
    )
}

/// A place in the queue; given back when dropped, however the wait ends.
struct Waiting<'a>(&'a Inner);

impl Waiting<'_> {
    fn enter(inner: &Inner) -> ApiResult<Waiting<'_>> {
        let place = Waiting(inner);
        if inner.waiting.fetch_add(1, Ordering::Relaxed) >= inner.waiting_max {
            return Err(ApiError::new(
                ApiErrorKind::Overloaded,
                format!(
                    "{} requests wait already, as many as may: try again later",
                    inner.waiting_max
                ),
            ));
        }
        Ok(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const LONG: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn who_comes_when_the_queue_is_full_is_told_at_once() {
        let gate = Gate::new(1, 1);
        let (end, ended) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let gate = gate.clone();
            let call = move || ended.recv().map_err(|_| ApiError::invalid("nobody sends"));
            async move { gate.run(Deadline::after(LONG), call).await }
        });
        while gate.running() == 0 {
            tokio::task::yield_now().await;
        }
        let second = tokio::spawn({
            let gate = gate.clone();
            async move {
                gate.run(Deadline::after(LONG), || Ok::<_, ApiError>(2))
                    .await
            }
        });
        while gate.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        let third = gate
            .run(Deadline::after(LONG), || Ok::<_, ApiError>(3))
            .await;
        assert_eq!(third.unwrap_err().kind, ApiErrorKind::Overloaded);
        end.send(()).unwrap();
        assert!(first.await.unwrap().is_ok());
        assert_eq!(second.await.unwrap(), Ok(2));
        assert_eq!((gate.running(), gate.waiting()), (0, 0));
    }

    #[tokio::test]
    async fn what_is_too_late_does_not_run() {
        let gate = Gate::new(1, 1);
        let late = gate.run(Deadline::after(Duration::ZERO), || Ok::<_, ApiError>(1));
        assert_eq!(late.await.unwrap_err().kind, ApiErrorKind::Deadline);
    }

    #[tokio::test]
    async fn reads_run_where_they_are_once_they_are_known_to_be_short() {
        let gate = Gate::new(1, 1);
        let pace = Arc::new(Pace::default());
        let here = std::thread::current().id();
        let thread = || Ok::<_, ApiError>(std::thread::current().id());
        let first = gate.run_read(Deadline::after(LONG), &pace, thread).await;
        assert_ne!(first, Ok(here));
        for _ in 0..50 {
            pace.took(Duration::from_micros(20));
        }
        let short = gate.run_read(Deadline::after(LONG), &pace, thread).await;
        assert_eq!(short, Ok(here));
        let bad = || -> ApiResult<()> { panic!("on purpose") };
        let error = gate.run_read(Deadline::after(LONG), &pace, bad).await;
        assert_eq!(error.unwrap_err().kind, ApiErrorKind::Internal);
        assert_eq!(gate.running(), 0);
        let late = gate.run_read(Deadline::after(Duration::ZERO), &pace, thread);
        assert_eq!(late.await.unwrap_err().kind, ApiErrorKind::Deadline);
        pace.took(Duration::from_secs(1));
        let long = gate.run_read(Deadline::after(LONG), &pace, thread).await;
        assert_ne!(long, Ok(here));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_gives_its_turn_back() {
        let gate = Gate::new(1, 1);
        let call = || -> ApiResult<()> { panic!("on purpose") };
        let error = gate.run(Deadline::after(LONG), call).await.unwrap_err();
        assert_eq!(error.kind, ApiErrorKind::Internal);
        assert_eq!(
            gate.run(Deadline::after(LONG), || Ok::<_, ApiError>(1))
                .await,
            Ok(1)
        );
    }
}
