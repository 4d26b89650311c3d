//! Compaction: which tables to merge (policy.rs, pure) and the merging (merge.rs).
//!
//! Never here: threads, locks, the manifest.

mod merge;
mod policy;

pub(crate) use merge::{Merge, Retention, TableSink};
pub(crate) use policy::{Limits, Plan, everything, plan};
