//! Whole indexes on real and random vectors, against exact search.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(
    clippy::print_stdout,
    reason = "the harness shows it when a test fails"
)]

mod bulk;
mod checkpoint;
mod churn;
mod concurrent;
mod data;
mod drift;
mod ivf;
mod ivf_checkpoint;
mod numbers;
mod quantize;
mod recall;
mod selected;
