//! Compaction: which tables to merge (policy.rs, level0.rs, span.rs: pure) and the merging (merge.rs).
//!
//! Never here: threads, locks, the manifest.

pub(crate) mod garbage;
mod level0;
mod merge;
mod output;
mod placement;
mod policy;
#[cfg(test)]
mod policy_tests;
mod reduce;
#[cfg(test)]
mod reduce_tests;
mod retention;
#[cfg(test)]
mod space_tests;
mod span;

pub(crate) use merge::{Merge, TableSink};
pub(crate) use placement::Placement;
pub(crate) use policy::{
    Level0Debt, Limits, Plan, cuts, debt, emptying, everything, first_piece_bytes, level0_debt,
    outline, plan,
};
pub(crate) use retention::Retention;
pub(crate) use span::Span;
