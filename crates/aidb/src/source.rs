//! What a merging cursor merges: memtables, runs and a transaction's writes, without a virtual call per step.

use bytes::Bytes;

use crate::error::Result;
use crate::iter::InternalIterator;
use crate::memtable::MemIter;
use crate::version::RunIter;

/// A cursor over one source of a keyspace's entries.
pub(crate) enum Source {
    Memtable(MemIter),
    Run(RunIter),
    /// The writes of a transaction.
    Own(Box<dyn InternalIterator + Send>),
}

/// The same call for whichever cursor it is.
macro_rules! each {
    ($of:expr, $cursor:ident => $call:expr) => {
        match $of {
            Source::Memtable($cursor) => $call,
            Source::Run($cursor) => $call,
            Source::Own($cursor) => $call,
        }
    };
}

impl InternalIterator for Source {
    fn seek_to_first(&mut self) {
        each!(self, cursor => cursor.seek_to_first());
    }
    fn seek_to_last(&mut self) {
        each!(self, cursor => cursor.seek_to_last());
    }
    fn seek(&mut self, target: &[u8]) {
        each!(self, cursor => cursor.seek(target));
    }
    fn seek_for_prev(&mut self, target: &[u8]) {
        each!(self, cursor => cursor.seek_for_prev(target));
    }
    #[inline]
    fn next(&mut self) {
        each!(self, cursor => cursor.next());
    }
    #[inline]
    fn prev(&mut self) {
        each!(self, cursor => cursor.prev());
    }
    #[inline]
    fn valid(&self) -> bool {
        each!(self, cursor => cursor.valid())
    }
    #[inline]
    fn key(&self) -> &[u8] {
        each!(self, cursor => cursor.key())
    }
    #[inline]
    fn value(&self) -> Bytes {
        each!(self, cursor => cursor.value())
    }
    #[inline]
    fn value_slice(&self) -> &[u8] {
        each!(self, cursor => cursor.value_slice())
    }
    fn status(&self) -> Result<()> {
        each!(self, cursor => cursor.status())
    }
}
