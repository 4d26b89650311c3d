//! A write that is visible, and may be waited for.

use std::fmt;

use crate::error::Result;
use crate::key::SeqNo;

use super::handle::DB;

/// A committed batch; see [`DB::submit`]. Dropping it loses nothing: the batch is visible already.
#[must_use = "the batch is visible, and durable only once somebody waits for it or for a later one"]
pub struct Commit {
    db: DB,
    seq: SeqNo,
}

impl Commit {
    pub(super) fn new(db: DB, seq: SeqNo) -> Commit {
        Commit { db, seq }
    }

    /// The place of the batch's last write in the order of all writes. A snapshot sees the batch if its own number is
    /// at least this.
    pub fn seq(&self) -> SeqNo {
        self.seq
    }

    /// Waits until the batch, and all before it, survive a power cut. Shares a sync with all who wait meanwhile.
    ///
    /// # Errors
    /// When the sync failed: the batch is visible, whether it survives is unknown, and nothing can be written until
    /// the database is opened again.
    pub fn wait_durable(&self) -> Result<()> {
        let engine = self.db.engine();
        engine.group.wait(self.seq)?;
        engine.look_again();
        Ok(())
    }
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Commit").field(&self.seq).finish()
    }
}
