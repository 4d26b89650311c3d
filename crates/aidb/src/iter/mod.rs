//! Iterators over internal keys, and the view of a snapshot on them.
//!
//! ```text
//! VisibleIter          user keys at a sequence number, within bounds, from both ends
//!   ├ Covers           the deleted ranges of all sources
//!   └ MergeIter        many sorted sources as one
//!       ├ memtables    (implemented beside the memtable)
//!       ├ tables       (implemented beside the table)
//!       └ LevelIter    tables that do not overlap, opened when reached
//! ```
//!
//! Never here: where the sources come from, and files.

mod covers;
mod level;
mod merge;
#[cfg(test)]
pub(crate) mod model;
#[cfg(test)]
mod tests;
mod visible;

pub(crate) use covers::{Covers, RangeSource, Window};
pub(crate) use level::{LevelIter, LevelTables};
pub(crate) use merge::MergeIter;
pub(crate) use visible::{View, VisibleIter, unknown_kind};

use bytes::Bytes;

use crate::error::Result;
use crate::wal::LogPosition;

/// A cursor over entries in the order of internal keys.
///
/// A new cursor is nowhere: seek first. After an error the cursor is not valid and [`status`](Self::status) tells
/// why, so that a loop over `valid` ends, and then asks.
pub(crate) trait InternalIterator {
    /// Goes to the first entry.
    fn seek_to_first(&mut self);
    /// Goes to the last entry.
    fn seek_to_last(&mut self);
    /// Goes to the first entry whose key is `target` or stands after it.
    fn seek(&mut self, target: &[u8]);
    /// Goes to the last entry whose key is `target` or stands before it.
    fn seek_for_prev(&mut self, target: &[u8]);
    /// Goes to the next entry. Only when valid.
    fn next(&mut self);
    /// Goes to the previous entry. Only when valid.
    fn prev(&mut self);
    /// Goes on past entries that are gone: those of sources with a rank (place among the sources, newest first) above
    /// `rank` that stand before `target`. Or to the next entry when the current one is not among them. Only when valid.
    fn skip(&mut self, rank: usize, target: &[u8]) {
        let _ = (rank, target);
        self.next();
    }
    /// The same backward, past entries that stand after `target`.
    fn skip_back(&mut self, rank: usize, target: &[u8]) {
        let _ = (rank, target);
        self.prev();
    }
    /// True when it stands on an entry.
    fn valid(&self) -> bool;
    /// The internal key. Only when valid.
    fn key(&self) -> &[u8];
    /// The value, which shares the memory of its block. Only when valid.
    fn value(&self) -> Bytes;
    /// The value for as long as the cursor stands there. Only when valid.
    fn value_slice(&self) -> &[u8];
    /// Where the value stands in the logs, for entries that came from there. Only when valid.
    fn position(&self) -> Option<LogPosition> {
        None
    }
    /// The error that ended the iteration, if one did.
    fn status(&self) -> Result<()>;
}

impl<I: InternalIterator + ?Sized> InternalIterator for Box<I> {
    fn seek_to_first(&mut self) {
        (**self).seek_to_first();
    }
    fn seek_to_last(&mut self) {
        (**self).seek_to_last();
    }
    fn seek(&mut self, target: &[u8]) {
        (**self).seek(target);
    }
    fn seek_for_prev(&mut self, target: &[u8]) {
        (**self).seek_for_prev(target);
    }
    fn next(&mut self) {
        (**self).next();
    }
    fn prev(&mut self) {
        (**self).prev();
    }
    fn valid(&self) -> bool {
        (**self).valid()
    }
    fn key(&self) -> &[u8] {
        (**self).key()
    }
    fn value(&self) -> Bytes {
        (**self).value()
    }
    fn value_slice(&self) -> &[u8] {
        (**self).value_slice()
    }
    fn position(&self) -> Option<LogPosition> {
        (**self).position()
    }
    fn status(&self) -> Result<()> {
        (**self).status()
    }
}
