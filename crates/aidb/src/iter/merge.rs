//! Many sorted sources as one.
use bytes::Bytes;
use super::InternalIterator;
use crate::error::Result;

/// The entries of all children in order.
pub(crate) struct MergeIter<I = Box<dyn InternalIterator + Send>> { children: Vec<I> }
impl<I: InternalIterator> MergeIter<I> {
    /// Merges `children`, given newest first.
    pub(crate) fn new(children: Vec<I>) -> Self { MergeIter { children } }
}
impl<I: InternalIterator> InternalIterator for MergeIter<I> {
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
