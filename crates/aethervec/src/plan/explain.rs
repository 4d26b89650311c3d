//! What a search did, step by step, for people who want to know why it takes as long as it does.

use crate::error::Result;
use std::cell::RefCell;
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
    /// `filter`, `calibrate`, `few`, `delta`, `graph`, `buckets`, `rows`, `look` or `scan`; of a query also `stage`, behind the
    /// steps that were taken within it.
    pub name: &'static str,
    /// What was decided, and on what grounds.
    pub detail: String,
    /// How many points came out of it.
    pub points: u64,
    /// When it began, counted from the beginning of the whole.
    pub at: Duration,
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

thread_local! {
    /// The steps of this thread's searches, while somebody records them.
    static RECORDED: RefCell<Option<Steps>> = const { RefCell::new(None) };
}

/// Does `work`, and says what the searches, queries and reads of documents did that it made on this thread: in the order in which
/// their steps ended. That costs about a microsecond for each of them.
///
/// ```
/// # use aethervec::{AetherDB, Document, IndexConfig};
/// # let dir = tempfile::tempdir().unwrap();
/// # let db = AetherDB::open(dir.path())?;
/// # let notes = db.create_collection("notes", 1, "l2", IndexConfig::default())?;
/// notes.upsert(Document::new([1.0], "a"))?;
/// let (hits, steps) = aethervec::record_steps(|| notes.search(&[0.0], 1));
/// assert_eq!(hits?[0].id.to_string(), "a");
/// assert_eq!(steps.last().unwrap().name, "rows");
/// # Ok::<(), aethervec::Error>(())
/// ```
pub fn record_steps<T>(work: impl FnOnce() -> T) -> (T, Vec<Step>) {
    let mine = Recording(RECORDED.replace(Some(Steps::new())));
    let done = work();
    let steps = RECORDED.take().map(|recorded| recorded.steps);
    drop(mine);
    (done, steps.unwrap_or_default())
}

/// Puts back what was recorded around this, also after a panic.
struct Recording(Option<Steps>);

impl Drop for Recording {
    fn drop(&mut self) {
        RECORDED.set(self.0.take());
    }
}

/// Steps, and when the first of them could begin.
#[derive(Debug)]
pub(crate) struct Steps {
    begin: Instant,
    steps: Vec<Step>,
}

impl Steps {
    fn new() -> Steps {
        Steps {
            begin: start(),
            steps: Vec::new(),
        }
    }

    /// Notes the step `name`, which began at `begin` and has just ended.
    fn put(&mut self, name: &'static str, begin: Instant, (points, detail): (u64, String)) {
        self.steps.push(Step {
            name,
            detail,
            points,
            at: begin.saturating_duration_since(self.begin),
            took: begin.elapsed(),
        });
    }
}

/// Gathers steps, if somebody wants them.
#[derive(Debug)]
pub(crate) enum Trace {
    /// Nobody does.
    Off,
    /// Who asked for this search does.
    Own(Steps),
    /// Somebody records what this thread does.
    Thread,
}

impl Trace {
    /// For a search that is to be explained.
    pub(crate) fn on() -> Trace {
        Trace::Own(Steps::new())
    }

    /// For any other.
    pub(crate) fn of_thread() -> Trace {
        match RECORDED.with_borrow(Option::is_some) {
            true => Trace::Thread,
            false => Trace::Off,
        }
    }

    /// Does `work` as the step `name`, of which `tell` says how many points came out, and what was decided.
    pub(crate) fn step<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> Result<T>,
        tell: impl FnOnce(&T) -> (u64, String),
    ) -> Result<T> {
        if let Trace::Off = self {
            return work();
        }
        let begin = start();
        let done = work()?;
        let told = tell(&done);
        match self {
            Trace::Off => {}
            Trace::Own(steps) => steps.put(name, begin, told),
            Trace::Thread => RECORDED.with_borrow_mut(|recorded| {
                if let Some(steps) = recorded {
                    steps.put(name, begin, told);
                }
            }),
        }
        Ok(done)
    }

    /// Those of a search that was to be explained.
    pub(crate) fn into_steps(self) -> Vec<Step> {
        match self {
            Trace::Own(steps) => steps.steps,
            Trace::Off | Trace::Thread => Vec::new(),
        }
    }
}
