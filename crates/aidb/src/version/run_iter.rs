//! A cursor over one run, whether it is one table or many, without a virtual call per step.

use std::sync::Arc;

use bytes::Bytes;

use super::tree::{Run, RunTables};
use crate::error::Result;
use crate::iter::{InternalIterator, LevelIter};
use crate::sstable::TableIter;

/// See the head of this module.
pub(crate) enum RunIter {
    One(TableIter),
    Many(LevelIter<RunTables>),
}

impl RunIter {
    /// Over the tables of `run`; `once`: in one pass from the front, which leaves the cache alone.
    pub(crate) fn new(run: &Run, once: bool) -> Result<RunIter> {
        match &run[..] {
            [table] if once => Ok(RunIter::One(table.reader()?.iter_once())),
            [table] => Ok(RunIter::One(table.reader()?.iter())),
            _ => Ok(RunIter::Many(LevelIter::new(RunTables {
                run: Arc::clone(run),
                once,
            }))),
        }
    }
}

/// The same call for whichever cursor it is.
macro_rules! each {
    ($of:expr, $cursor:ident => $call:expr) => {
        match $of {
            RunIter::One($cursor) => $call,
            RunIter::Many($cursor) => $call,
        }
    };
}

impl InternalIterator for RunIter {
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
