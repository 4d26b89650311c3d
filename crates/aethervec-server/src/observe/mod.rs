//! What a server tells of itself: figures, traces, logs.
//!
//! ```text
//! watch      a layer around every protocol: counts and times requests, names them, logs them
//!   │
//! request    what is known of a request while it is answered, on whatever thread that happens
//!   │
//! metrics/   the figures: counted where they are events (atomics), looked up when somebody asks where they are states
//! traces     what sampled requests did when, sent to a collector; collector: the way to it
//! slow       the queries that took too long; shape: what they look like, without what they say
//! names      what requests are called that come without a name
//! operation  protocols, operations and outcomes: the labels of all these, a closed set
//! ```
//!
//! A request that is neither sampled nor slow costs some atomic additions and two small allocations: no lock is taken.

mod collector;
pub(crate) mod metrics;
mod names;
pub(crate) mod operation;
pub(crate) mod request;
pub(crate) mod shape;
pub(crate) mod slow;
pub(crate) mod traces;
mod watch;

pub use metrics::Metrics;
pub(crate) use watch::watched;

use crate::config::Config;
use crate::error::ApiResult;
use names::Names;
use slow::SlowQueries;
use std::sync::Arc;
use std::time::Duration;
use traces::Traces;

/// What a server tells of itself.
#[derive(Debug)]
pub struct Observer {
    /// What is counted.
    pub metrics: Arc<Metrics>,
    pub(crate) slow: SlowQueries,
    names: Names,
    traces: Option<Traces>,
}

impl Observer {
    /// As `config` says. Called within a runtime.
    ///
    /// # Errors
    /// [`ApiErrorKind::Invalid`](crate::ApiErrorKind::Invalid) when settings cannot be.
    pub(crate) fn new(config: &Config) -> ApiResult<Observer> {
        Ok(Observer {
            metrics: Arc::default(),
            slow: SlowQueries::new(config.slow_query_ms.map(Duration::from_millis)),
            names: Names::new(),
            traces: Traces::new(config)?,
        })
    }

    /// Sends what is still to be sent. Blocks.
    pub(crate) fn close(&self) {
        if let Some(traces) = &self.traces {
            traces.close();
        }
    }
}
