//! How an index lives beside the keyspaces: what is in memory, how it is opened, how it follows the commits.
//!
//! ```text
//! commit ──► delta (exact, in memory) ──lane──► graph or buckets ──checkpoint──► attachment
//!    └─────► pending (one entry per commit) ──────────────────────removed with ──┘
//! ```
//!
//! Each vector field has an index of its own; one lane serves them all, and one checkpoint saves them all.
//!
//! A point is in the delta before its commit is visible, and in the graph or the buckets before it leaves the delta. A search
//! looks into the delta first and into these second, and so it misses nothing.

pub(crate) mod alive;
pub(crate) mod checkpoint;
pub(crate) mod core;
pub(crate) mod deaths;
pub(crate) mod dense;
pub(crate) mod drift;
pub(crate) mod field;
pub(crate) mod lane;
pub(crate) mod matrix;
pub(crate) mod open;
pub(crate) mod point_cache;
pub(crate) mod pool;
pub(crate) mod purge;
pub(crate) mod query;
pub(crate) mod record;
pub(crate) mod successor;
pub(crate) mod waiting;
