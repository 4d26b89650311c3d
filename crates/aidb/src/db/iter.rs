//! Iteration over visible entries.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::iter::{MergeIter, VisibleIter};
use crate::source::Source;
use crate::state::State;

use super::snapshot::Snapshot;
use super::transaction::Track;

/// Entries in key order, from both ends, as of one moment.
///
/// As an [`Iterator`] it gives plain pairs and ends at an error: ask [`Iter::status`] after the loop, or use
/// [`Iter::try_next`] in it.
pub struct Iter {
    entries: Option<VisibleIter<MergeIter<Source>>>,
    error: Option<Error>,
    // Behind the entries, so that it goes after them: their memory and files.
    _state: Option<Arc<State>>,
    _snapshot: Snapshot,
    /// Told where the iterator comes past.
    track: Option<Track>,
}

impl Iter {
    /// The same for a transaction that has to know what it read.
    pub(super) fn tracked(mut self, track: Option<Track>) -> Iter {
        self.track = track;
        self
    }

    pub(super) fn new(
        opened: Result<(VisibleIter<MergeIter<Source>>, Arc<State>)>,
        snapshot: Snapshot,
    ) -> Iter {
        match opened {
            Ok((entries, state)) => Iter {
                entries: Some(entries),
                error: None,
                _state: Some(state),
                _snapshot: snapshot,
                track: None,
            },
            Err(error) => Iter {
                entries: None,
                error: Some(error),
                _state: None,
                _snapshot: snapshot,
                track: None,
            },
        }
    }

    /// The next entry from the front; none at the end.
    ///
    /// # Errors
    /// When a file cannot be read; the iteration is over then.
    pub fn try_next(&mut self) -> Result<Option<(Bytes, Bytes)>> {
        let entry = self.step(VisibleIter::next)?;
        if let Some(track) = &mut self.track {
            track.passed(entry.as_ref().map(|(key, _)| key));
        }
        Ok(entry)
    }

    /// Goes to the next entry from the front; false at the end. Then [`Iter::key`] and [`Iter::value`] give it without
    /// a copy: the quickest way through many entries. Errors as [`Iter::try_next`].
    ///
    /// ```
    /// # fn sum(db: &aidb::DB) -> aidb::Result<usize> {
    /// let mut bytes = 0;
    /// let mut iter = db.iter();
    /// while iter.advance()? {
    ///     bytes += iter.key().len() + iter.value().len();
    /// }
    /// # Ok(bytes)
    /// # }
    /// ```
    #[inline]
    pub fn advance(&mut self) -> Result<bool> {
        if self.error.is_some() {
            self.status()?;
        }
        let Some(entries) = &mut self.entries else {
            return Ok(false);
        };
        entries
            .advance()
            .inspect_err(|error| self.error = Some(error.clone()))
    }

    /// The key that the last [`Iter::advance`] came to; empty before the first.
    #[inline]
    pub fn key(&self) -> &[u8] {
        self.entries.as_ref().map_or(&[], VisibleIter::key)
    }

    /// The value of [`Iter::key`]; empty unless the last call was an [`Iter::advance`] that came to an entry.
    #[inline]
    pub fn value(&self) -> &[u8] {
        self.entries.as_ref().map_or(&[], VisibleIter::value)
    }

    /// The next entry from the back; none when the front is met. Errors as [`Iter::try_next`].
    pub fn try_next_back(&mut self) -> Result<Option<(Bytes, Bytes)>> {
        let entry = self.step(VisibleIter::next_back)?;
        if let Some(track) = &mut self.track {
            track.passed_back(entry.as_ref().map(|(key, _)| key));
        }
        Ok(entry)
    }

    /// Moves the front: the next entry is the first one at or after `key`, within the bounds.
    pub fn seek(&mut self, key: impl AsRef<[u8]>) {
        if let Some(entries) = &mut self.entries {
            entries.seek(key.as_ref());
        }
        if let Some(track) = &mut self.track {
            track.sought(key.as_ref());
        }
    }

    /// The error that ended the iteration, if one did.
    pub fn status(&self) -> Result<()> {
        self.error.clone().map_or(Ok(()), Err)
    }

    fn step(
        &mut self,
        step: impl FnOnce(&mut VisibleIter<MergeIter<Source>>) -> Result<Option<(Bytes, Bytes)>>,
    ) -> Result<Option<(Bytes, Bytes)>> {
        self.status()?;
        let Some(entries) = &mut self.entries else {
            return Ok(None);
        };
        step(entries).inspect_err(|error| self.error = Some(error.clone()))
    }
}

impl Iterator for Iter {
    type Item = (Bytes, Bytes);

    fn next(&mut self) -> Option<(Bytes, Bytes)> {
        self.try_next().ok().flatten()
    }
}

impl DoubleEndedIterator for Iter {
    fn next_back(&mut self) -> Option<(Bytes, Bytes)> {
        self.try_next_back().ok().flatten()
    }
}

impl fmt::Debug for Iter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter")
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}
