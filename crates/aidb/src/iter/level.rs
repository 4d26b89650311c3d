//! Tables that do not overlap, as one source; each is opened when it is reached.
use bytes::Bytes;
use super::InternalIterator;
use crate::error::Result;

/// The tables of one level, in key order, not overlapping.
pub(crate) trait LevelTables {
    /// A cursor over one table.
    type Cursor: InternalIterator;
    /// How many tables there are.
    fn len(&self) -> usize;
    /// The first internal key of table `index`.
    fn smallest(&self, index: usize) -> &[u8];
    /// The last internal key of table `index`.
    fn largest(&self, index: usize) -> &[u8];
    /// Opens table `index`.
    fn open(&self, index: usize) -> Result<Self::Cursor>;
}

/// The entries of all tables of a level.
pub(crate) struct LevelIter<T: LevelTables> { tables: T }
impl<T: LevelTables> LevelIter<T> {
    /// A cursor over `tables`; opens none yet.
    pub(crate) fn new(tables: T) -> Self { LevelIter { tables } }
}
impl<T: LevelTables> InternalIterator for LevelIter<T> {
    fn seek_to_first(&mut self) { todo!() }
    fn seek_to_last(&mut self) { todo!() }
    fn seek(&mut self, _: &[u8]) { todo!() }
    fn seek_for_prev(&mut self, _: &[u8]) { todo!() }
    fn next(&mut self) { todo!() }
    fn prev(&mut self) { todo!() }
    fn valid(&self) -> bool { todo!() }
    fn key(&self) -> &[u8] { todo!() }
    fn value(&self) -> Bytes { todo!() }
    fn status(&self) -> Result<()> { todo!() }
}
