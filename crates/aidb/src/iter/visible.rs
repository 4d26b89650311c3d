//! What a snapshot sees.
use std::ops::Bound;
use bytes::Bytes;
use super::InternalIterator;
use crate::error::Result;
use crate::key::SeqNo;

/// User keys and values visible at a sequence number, within bounds, from both ends.
pub(crate) struct VisibleIter<I> { cursor: I, at: SeqNo, lower: Bound<Bytes>, upper: Bound<Bytes> }
impl<I: InternalIterator> VisibleIter<I> {
    /// Over the user keys of `cursor` from `lower` to `upper`, as of `at`.
    pub(crate) fn new(cursor: I, at: SeqNo, lower: Bound<Bytes>, upper: Bound<Bytes>) -> Self { VisibleIter { cursor, at, lower, upper } }
    /// The next entry from the front.
    pub(crate) fn next(&mut self) -> Result<Option<(Bytes, Bytes)>> { todo!() }
    /// The next entry from the back.
    pub(crate) fn next_back(&mut self) -> Result<Option<(Bytes, Bytes)>> { todo!() }
    /// Moves the front: `next` then gives the first entry at or after `user_key` (never before the lower bound).
    pub(crate) fn seek(&mut self, user_key: &[u8]) { todo!() }
}
