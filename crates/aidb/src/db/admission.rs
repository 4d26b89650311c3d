//! What a commit goes through besides the log: conflicts with transactions, and marks of time.

use bytes::Bytes;

use crate::batch::{BatchParts, WriteBatch};
use crate::conflicts::{Clash, Footprint};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::key::SeqNo;
use crate::snapshots::Due;

/// What a transaction says of itself when it commits. Other writes say nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Claim<'a> {
    /// Nothing of this was written after that.
    pub(super) unchanged: Option<(&'a Footprint, SeqNo)>,
    /// The prepared transaction whose locks are its own.
    pub(super) own: Option<&'a [u8]>,
    /// What it locks when it is prepared.
    pub(super) lock: Option<Lock<'a>>,
}

/// What a transaction locks when it is prepared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lock<'a> {
    pub(super) name: &'a [u8],
    pub(super) locks: &'a Footprint,
    /// The batch that it will write.
    pub(super) writes: &'a [u8],
}

impl Engine {
    /// Logs `batch`, applies it and makes it visible. The result is the number of its last write.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when it writes what a prepared transaction has locked.
    pub(super) fn submit(&self, batch: WriteBatch) -> Result<SeqNo> {
        self.submit_as(batch, Claim::default())
    }

    /// As [`Engine::submit`], if `claim` holds.
    pub(super) fn submit_as(&self, batch: WriteBatch, claim: Claim<'_>) -> Result<SeqNo> {
        let mut is_locked = false;
        let submitted = self.submit_if(batch, |last, payload| {
            self.admit(last, payload, claim)?;
            is_locked = claim.lock.is_some();
            Ok(())
        });
        if let (Some(lock), Err(_), true) = (claim.lock, &submitted, is_locked) {
            self.conflicts.unlock(lock.name);
        }
        submitted
    }

    fn admit(&self, last: SeqNo, payload: &[u8], claim: Claim<'_>) -> Result<()> {
        let writes = claim.lock.map_or(payload, |lock| lock.writes);
        if let Some(clash) = self.conflicts.locked(writes, claim.own) {
            return Err(self.conflict(&clash));
        }
        if let Some((footprint, since)) = claim.unchanged {
            self.check_unchanged(footprint, since, last)?;
        }
        match claim.lock {
            Some(lock) => self.lock(lock),
            None => Ok(()),
        }
    }

    fn lock(&self, lock: Lock<'_>) -> Result<()> {
        let name = Bytes::copy_from_slice(lock.name);
        if self.conflicts.lock(name, lock.locks.clone()) {
            return Ok(());
        }
        let name = lock.name.escape_ascii();
        Err(Error::invalid(format!(
            "there is a prepared transaction {name} already: resolve it, or choose another name"
        )))
    }

    /// Nothing of `footprint` was written after `since` and up to `last`; all of that is visible.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when something was.
    pub(super) fn check_unchanged(
        &self,
        footprint: &Footprint,
        since: SeqNo,
        last: SeqNo,
    ) -> Result<()> {
        if since >= last {
            return Ok(());
        }
        let clash = self.state.load().clash(footprint, since)?;
        clash.map_or(Ok(()), |clash| Err(self.conflict(&clash)))
    }

    fn conflict(&self, clash: &Clash) -> Error {
        let keyspaces = self.keyspaces.load();
        let name = keyspaces
            .by_id(clash.keyspace)
            .map_or("?", |record| &record.name);
        let key = clash.key[..clash.key.len().min(100)].escape_ascii();
        let what = match clash.seq {
            SeqNo::ZERO => {
                "is locked by a prepared transaction: try again once that is resolved".to_owned()
            }
            seq => format!("was written by somebody else ({seq}): begin the transaction again"),
        };
        Error::new(
            ErrorKind::Conflict,
            format!("the key {key} of the keyspace {name} {what}"),
        )
    }

    /// Adds to a batch what the retention window wants to remember with it.
    pub(super) fn take_marks_along(&self, parts: &mut BatchParts) -> Option<Due> {
        let due = self.snapshots.window().due(parts.entries)?;
        for mark in &due.removed {
            parts.push_own(&mark.key(), None);
        }
        if let Some(mark) = &due.added {
            parts.push_own(&mark.key(), Some(&mark.value()));
        }
        Some(due)
    }

    /// Says what became of the batch that took `due` along.
    pub(super) fn settle_marks(&self, due: Option<Due>, committed: &Result<SeqNo>) {
        match (due, committed) {
            (Some(due), Ok(seq)) => self.snapshots.window().marked(due, *seq),
            (Some(due), Err(_)) => self.snapshots.window().not_marked(due),
            (None, _) => {}
        }
    }
}
