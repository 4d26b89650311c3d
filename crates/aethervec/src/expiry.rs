//! The end of documents: hidden at the instant, removed in the background.
//!
//! A document with an end has it in its row in `docs`, by which every reader knows whether it is still there
//! (`rows`), and a row in `expiry`, by which those that have ended are found in the order of their ends. Both come and go in
//! one batch with the document, so that a snapshot has the rows that fit what it sees, and a crash leaves nothing to mend.

use crate::error::Result;
use crate::index::core::Core;
use crate::keyspace::{self, DocRow, PointRow};
use crate::version::{Change, Old, has_ended};
use crate::view::CollectionView;
use crate::write::{self, Part};
use aether_index::PointId;
use aidb::Snapshot;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Documents removed in one commit.
const REMOVED_MAX: usize = 1_024;

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

    /// Whether a document ends that is there.
    pub(crate) fn are_there(&self) -> bool {
        self.first.load(Ordering::Acquire) != u64::MAX
    }

    /// Whether a document may have ended at `now` that is not removed yet.
    pub(crate) fn may_have_ended(&self, now: u64) -> bool {
        self.first.load(Ordering::Acquire) <= now
    }
}

/// Removes documents that have ended, some at a time. False when there are none. Only the lane calls this.
pub(crate) fn remove_ended(core: &Arc<Core>) -> Result<bool> {
    if !core.has_ended() {
        return Ok(false);
    }
    let _writer = core.writer.lock();
    let view = CollectionView::newest(core)?;
    let mut rows = view.expiry_rows();
    let mut changes = Vec::new();
    let mut first = u64::MAX;
    while let Some((key, _)) = rows.try_next()? {
        let (expires, point) = keyspace::decode_expiry_key(&key)?;
        if !has_ended(expires, view.now) || changes.len() == REMOVED_MAX {
            first = expires;
            break;
        }
        changes.push(removal(&view, &key, Old { point, expires })?);
    }
    if !changes.is_empty() {
        let part = Part {
            core,
            changes: &changes,
        };
        // Nobody waits: what is taken back by a power cut is hidden all the same, and removed again.
        drop(write::commit(&[part], |batch| core.db.submit(batch))?);
    }
    // While the writer lock is held nobody adds an earlier one.
    core.expiries.first.store(first, Ordering::Release);
    Ok(!changes.is_empty())
}

/// The removal of the document that has ended with `old`, by a key of `expiry`.
fn removal(view: &CollectionView, expiry_key: &[u8], old: Old) -> Result<Change> {
    let bad = |what: &str| keyspace::bad("expiry", expiry_key, what);
    let point_key = keyspace::point_key(view.core.id, old.point);
    let row = view.point_row(old.point)?;
    let row = row.ok_or_else(|| bad("its point is missing"))?;
    let row = PointRow::parse(&point_key, &row)?;
    let (id, key) = (row.id(&point_key)?, row.doc_key(view.core.id));
    let stored = view.stored_doc_rows(&[&key])?.pop().flatten();
    let stored = stored.ok_or_else(|| bad("its document is missing"))?;
    let stored = DocRow::parse(&key, &stored)?;
    if (stored.point, stored.expires) != (old.point, old.expires) {
        return Err(bad("its document has another version"));
    }
    Ok(Change {
        id,
        key,
        old: Some(old),
        new: None,
    })
}

impl CollectionView {
    /// The rows of documents that end, in the order of their ends, as they are in the snapshot.
    fn expiry_rows(&self) -> aidb::Iter {
        let prefix = keyspace::collection_prefix(self.core.id);
        self.snapshot.prefix(&self.core.keyspaces.expiry, prefix)
    }

    /// The points of documents that have rows in `docs` though they have ended for this reader. What its transaction has
    /// staged is not looked at.
    pub(crate) fn ended_points(&self) -> Result<Vec<PointId>> {
        let mut rows = self.expiry_rows();
        let mut ended = Vec::new();
        while let Some((key, _)) = rows.try_next()? {
            let (expires, point) = keyspace::decode_expiry_key(&key)?;
            if !has_ended(expires, self.now) {
                break;
            }
            ended.push(point);
        }
        Ok(ended)
    }
}
