//! What a search did, step by step, for people who want to know why it takes as long as it does.

use crate::error::Result;
use std::fmt;
use std::time::{Duration, Instant};

/// How a search was answered.
///
/// ```
/// # use aethervec::{AetherDB, Document, Filter, IndexConfig, SearchRequest};
/// # use serde_json::json;
/// # let dir = tempfile::tempdir().unwrap();
/// # let db = AetherDB::open(dir.path())?;
/// # let notes = db.create_collection("notes", 1, "l2", IndexConfig::default())?;
/// notes.upsert(Document::new([1.0], "a").with_payload(json!({"lang": "en"})))?;
/// let english = Filter::eq("lang", "en");
/// let plan = notes.explain(SearchRequest { filter: Some(&english), ..SearchRequest::new(&[0.0], 3) })?;
/// assert_eq!((plan.hits, plan.steps[0].name), (1, "filter"));
/// println!("{plan}");
/// # Ok::<(), aethervec::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// What was done, in this order.
    pub steps: Vec<Step>,
    /// How many documents were found.
    pub hits: usize,
    /// How long it took altogether.
    pub took: Duration,
}

/// A step of a search.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// `filter`, `calibrate`, `few`, `delta`, `graph`, `buckets`, `rows`, `look` or `scan`.
    pub name: &'static str,
    /// What was decided, and on what grounds.
    pub detail: String,
    /// How many points came out of it.
    pub points: u64,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            let micros = step.took.as_micros();
            writeln!(
                f,
                "{:<9} {:>9} points {micros:>9} µs  {}",
                step.name, step.points, step.detail
            )?;
        }
        let micros = self.took.as_micros();
        write!(f, "{:<9} {:>9} hits   {micros:>9} µs", "total", self.hits)
    }
}

/// When something began, to tell people how long it took: nothing is decided by it.
#[expect(
    clippy::disallowed_methods,
    reason = "an explanation tells what the real time was"
)]
pub(crate) fn start() -> Instant {
    Instant::now()
}

/// Gathers steps, if somebody wants them.
#[derive(Debug, Default)]
pub(crate) struct Trace(Option<Vec<Step>>);

impl Trace {
    /// Nobody does.
    pub(crate) fn off() -> Trace {
        Trace(None)
    }

    /// Somebody does.
    pub(crate) fn on() -> Trace {
        Trace(Some(Vec::new()))
    }

    /// Does `work` as the step `name`, of which `tell` says how many points came out, and what was decided.
    pub(crate) fn step<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> Result<T>,
        tell: impl FnOnce(&T) -> (u64, String),
    ) -> Result<T> {
        let Some(steps) = &mut self.0 else {
            return work();
        };
        let begin = start();
        let done = work()?;
        let took = begin.elapsed();
        let (points, detail) = tell(&done);
        steps.push(Step {
            name,
            detail,
            points,
            took,
        });
        Ok(done)
    }

    pub(crate) fn into_steps(self) -> Vec<Step> {
        self.0.unwrap_or_default()
    }
}
