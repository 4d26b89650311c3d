//! Queries that took too long: counted all, the newest kept, and logged as often as is good.

use super::request::RequestContext;
use crate::wire::ask::Step;
use aether_env::{Clock as _, SystemClock};
use aethervec::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;
use utoipa::ToSchema;

/// Queries that are kept, the newest ones.
const KEPT_MAX: usize = 256;

/// Lines of the log in [`LOGGED_TIME`], at most: when everything is slow, the log must not make it slower.
const LOGGED_MAX: usize = 10;

/// See [`LOGGED_MAX`].
const LOGGED_TIME: Duration = Duration::from_secs(1);

/// Steps of a query that are told; one with many stages has more.
const STEPS_MAX: usize = 64;

/// The queries of a server that took too long.
#[derive(Debug)]
pub(crate) struct SlowQueries {
    /// From when on a query is slow; `None`: never.
    threshold: Option<Duration>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The newest last.
    queries: VecDeque<SlowQuery>,
    /// When the lines of the log were begun to be counted, and how many there were since.
    logged: Option<(Instant, usize)>,
    /// Lines that were left out since the last one.
    left_out: u64,
}

/// A query that took too long.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SlowQuery {
    /// When it ended.
    #[schema(format = DateTime)]
    time: String,
    /// The name of its request.
    request_id: String,
    tenant: String,
    collection: String,
    protocol: &'static str,
    operation: &'static str,
    /// Microseconds that it took.
    took_us: u64,
    /// What it looks like: fields, operators, limits; no vectors and no values.
    shape: Value,
    /// What was done, and how long that took.
    steps: Vec<Step>,
    /// Whether it failed in the end.
    failed: bool,
}

/// The newest queries that took too long.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SlowQueryList {
    /// From how many milliseconds on a query is slow; null: none is.
    pub(crate) slow_query_ms: Option<u64>,
    /// The newest first.
    pub(crate) queries: Vec<SlowQuery>,
}

/// What is known of a query that has ended.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) collection: &'a str,
    pub(crate) took: Duration,
    pub(crate) failed: bool,
}

impl SlowQueries {
    pub(crate) fn new(threshold: Option<Duration>) -> SlowQueries {
        SlowQueries {
            threshold,
            kept: Mutex::default(),
        }
    }

    /// Whether any query can be slow.
    pub(crate) fn is_on(&self) -> bool {
        self.threshold.is_some()
    }

    /// Notes a query if it was slow; only then `shape` is asked what it looks like.
    pub(crate) fn note(
        &self,
        request: &RequestContext,
        asked: Asked<'_>,
        steps: Vec<aethervec::Step>,
        shape: impl FnOnce() -> Value,
    ) {
        if self
            .threshold
            .is_none_or(|threshold| asked.took < threshold)
        {
            return;
        }
        let RequestContext {
            protocol,
            operation,
            ..
        } = *request;
        request.observer.metrics.slow(protocol, operation);
        let steps = steps.into_iter().take(STEPS_MAX).map(Step::from).collect();
        let query = SlowQuery::new(request, asked, steps, shape());
        let mut kept = self.kept.lock();
        if let Some(left_out) = kept.may_log() {
            query.log(left_out);
        }
        if kept.queries.len() == KEPT_MAX {
            kept.queries.pop_front();
        }
        kept.queries.push_back(query);
    }

    /// Those that are kept.
    pub(crate) fn list(&self) -> SlowQueryList {
        let kept = self.kept.lock();
        SlowQueryList {
            slow_query_ms: self.threshold.map(|threshold| micros(threshold) / 1_000),
            queries: kept.queries.iter().rev().cloned().collect(),
        }
    }
}

impl Kept {
    /// Whether there is room in the log: then how many lines were left out before this one.
    fn may_log(&mut self) -> Option<u64> {
        let now = Instant::now();
        let counted = self.logged;
        let (begin, lines) = counted
            .filter(|(begin, _)| now.duration_since(*begin) < LOGGED_TIME)
            .unwrap_or((now, 0));
        self.logged = Some((begin, lines + 1));
        if lines < LOGGED_MAX {
            return Some(std::mem::take(&mut self.left_out));
        }
        self.left_out += 1;
        None
    }
}

impl SlowQuery {
    fn new(
        request: &RequestContext,
        asked: Asked<'_>,
        steps: Vec<Step>,
        shape: Value,
    ) -> SlowQuery {
        let tenant = request.tenant.get();
        let now = i64::try_from(SystemClock::new().now().0).unwrap_or(i64::MAX);
        SlowQuery {
            time: Timestamp::from_micros(now).to_string(),
            request_id: request.id.to_str().unwrap_or_default().to_owned(),
            tenant: tenant.map(ToString::to_string).unwrap_or_default(),
            collection: asked.collection.to_owned(),
            protocol: request.protocol.name(),
            operation: request.operation.name(),
            took_us: micros(asked.took),
            shape,
            steps,
            failed: asked.failed,
        }
    }

    fn log(&self, left_out: u64) {
        let steps: Vec<String> = self.steps.iter().map(ToString::to_string).collect();
        tracing::warn!(
            target: "aethervec_server::slow",
            tenant = self.tenant,
            collection = self.collection,
            protocol = self.protocol,
            operation = self.operation,
            took_us = self.took_us,
            shape = %self.shape,
            plan = steps.join("; "),
            failed = self.failed,
            left_out,
            "a slow query"
        );
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
