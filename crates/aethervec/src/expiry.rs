//! The end of documents: hidden at the instant, removed in the background.
//!
//! A document with an end has it in its row in `docs`, by which every reader knows whether it is still there
//! (`rows`), and a row in `expiry`, by which those that have ended are found in the order of their ends. Both come and go in
//! one batch with the document, so that a snapshot has the rows that fit what it sees, and a crash leaves nothing to mend.

use crate::error::Result;
use crate::index::core::Core;
use crate::keyspace;
use crate::view::CollectionView;
use aether_index::PointId;
use aidb::Snapshot;
use std::sync::atomic::{AtomicU64, Ordering};

/// When the next document of a collection ends.
#[derive(Debug)]
pub(crate) struct Expiries {
    /// No document that is there ends before this, in milliseconds since 1970; `u64::MAX`: none ends.
    first: AtomicU64,
}

impl Expiries {
    /// Nothing ends.
    pub(crate) fn new() -> Expiries {
        Expiries {
            first: AtomicU64::new(u64::MAX),
        }
    }

    /// What `snapshot`, which nobody has written after, says.
    pub(crate) fn read(&self, core: &Core, snapshot: &Snapshot) -> Result<()> {
        let prefix = keyspace::collection_prefix(core.id);
        let mut rows = snapshot.prefix(&core.keyspaces.expiry, prefix);
        let first = match rows.try_next()? {
            Some((key, _)) => keyspace::decode_expiry_key(&key)?.0,
            None => u64::MAX,
        };
        self.first.store(first, Ordering::Release);
        Ok(())
    }

    /// A document is about to come that ends at `expires`.
    pub(crate) fn will_end(&self, expires: u64) {
        self.first.fetch_min(expires, Ordering::AcqRel);
    }

    /// Whether a document may have ended at `now` that is not removed yet.
    pub(crate) fn may_have_ended(&self, now: u64) -> bool {
        self.first.load(Ordering::Acquire) <= now
    }
}

impl CollectionView {
    /// The points that have rows though their documents have ended for this reader. What its transaction has staged is not
    /// looked at.
    pub(crate) fn ended_points(&self) -> Result<Vec<PointId>> {
        let core = &self.core;
        let prefix = keyspace::collection_prefix(core.id);
        let mut rows = self.snapshot.prefix(&core.keyspaces.expiry, prefix);
        let mut points = Vec::new();
        while let Some((key, _)) = rows.try_next()? {
            let (expires, point) = keyspace::decode_expiry_key(&key)?;
            if expires > self.now {
                break;
            }
            points.push(point);
        }
        Ok(points)
    }
}
