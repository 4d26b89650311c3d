//! What is counted and timed, in the text format of Prometheus.
//!
//! One registry for all protocols; a family is registered once, when the server starts.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// The figures of a server.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Requests that were answered, by protocols of all kinds.
    pub requests: AtomicU64,
    /// Those of them that failed.
    pub failures: AtomicU64,
}

impl Metrics {
    /// All figures, as Prometheus reads them.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (name, help, counter) in [
            (
                "vector_db_requests_total",
                "Requests answered.",
                &self.requests,
            ),
            (
                "vector_db_request_failures_total",
                "Requests that failed.",
                &self.failures,
            ),
        ] {
            let value = counter.load(Ordering::Relaxed);
            // A string takes whatever is written.
            let _ = writeln!(
                text,
                "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}"
            );
        }
        text
    }
}
