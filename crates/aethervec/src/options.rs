//! What can be set when a database is opened.

use aidb::Durability;
use std::time::Duration;

/// How a database is used. Holds for this opening; nothing of it is stored.
///
/// ```
/// use aethervec::{AetherDB, DbOptions};
/// # let dir = tempfile::tempdir().unwrap();
/// let options = DbOptions { lane_threads: Some(2), ..DbOptions::DEFAULT };
/// let db = AetherDB::open_with(aether_env::Env::local(dir.path())?, options)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DbOptions {
    /// Threads that keep the indexes up to date, over all collections, while there is something to do. More: new documents move from the exact scan
    /// into their index sooner, if the machine has idle cores. `None`: half of the machine's, at least one. `Some(0)`:
    /// none at all; [`AetherDB::tick`](crate::AetherDB::tick) does the work.
    pub lane_threads: Option<usize>,
    /// What a write waits for.
    pub durability: Durability,
    /// How far back [`AetherDB::as_of`](crate::AetherDB::as_of) can go, beyond what live snapshots hold; the longer one of
    /// this and `storage.retention` holds. More: what was replaced or deleted within that time stays on disk and in the
    /// indexes as long.
    pub retention: Duration,
    /// Memory for the rows, ids and payloads of documents that searches have found lately, or that were written lately, over all
    /// collections: three quarters for rows. More: less is looked up for a search.
    pub row_cache_bytes: usize,
    /// Memory for copies of buckets of the family `drift`, over all collections. More: searches read fewer of them from the
    /// storage engine.
    pub bucket_cache_bytes: usize,
    /// How the storage engine is used.
    pub storage: aidb::Options,
}

impl DbOptions {
    /// What `Default` gives.
    pub const DEFAULT: DbOptions = DbOptions {
        lane_threads: None,
        durability: Durability::Sync,
        retention: Duration::ZERO,
        row_cache_bytes: 128 << 20,
        bucket_cache_bytes: 1 << 30,
        storage: aidb::Options::DEFAULT,
    };

    /// No threads at all: [`AetherDB::tick`](crate::AetherDB::tick) does all background work, so that a run on a
    /// simulated environment is deterministic.
    pub const WITHOUT_THREADS: DbOptions = DbOptions {
        lane_threads: Some(0),
        durability: Durability::Sync,
        retention: Duration::ZERO,
        row_cache_bytes: 128 << 20,
        bucket_cache_bytes: 1 << 30,
        storage: aidb::Options {
            background_threads: 0,
            ..aidb::Options::DEFAULT
        },
    };
}

impl Default for DbOptions {
    fn default() -> Self {
        DbOptions::DEFAULT
    }
}
