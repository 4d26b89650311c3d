use std::sync::Arc;
use aether_env::{RandomFile, WritableFile};
use bytes::Bytes;
use crate::cache::BlockCache;
use crate::error::Result;
use crate::iter::InternalIterator;
use crate::key::{SeqNo, ValueKind};
use crate::options::TableOptions;

#[derive(Clone, Debug)]
pub(crate) struct Block;
impl Block { pub(crate) fn bytes(&self) -> usize { 0 } }
/// What a finished table holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableInfo { pub(crate) bytes: u64, pub(crate) entries: u64, pub(crate) tombstones: u64, pub(crate) smallest: Bytes, pub(crate) largest: Bytes, pub(crate) min_seq: SeqNo, pub(crate) max_seq: SeqNo }
pub(crate) struct Properties { pub(crate) entries: u64 }
pub(crate) struct Writer;
impl Writer {
    pub(crate) fn new(_file: Box<dyn WritableFile>, _file_name: &str, _file_number: u64, _options: &TableOptions) -> Writer { todo!() }
    pub(crate) fn add(&mut self, _internal_key: &[u8], _value: &[u8]) -> Result<()> { todo!() }
    pub(crate) fn bytes_written(&self) -> u64 { todo!() }
    pub(crate) fn entries(&self) -> u64 { todo!() }
    pub(crate) fn finish(self) -> Result<TableInfo> { todo!() }
}
#[derive(Debug)]
pub(crate) struct Reader;
impl Reader {
    pub(crate) fn open(_file: Arc<dyn RandomFile>, _file_name: &str, _file_number: u64, _cache: Arc<BlockCache>) -> Result<Reader> { todo!() }
    pub(crate) fn properties(&self) -> &Properties { todo!() }
    pub(crate) fn may_contain(&self, _user_key: &[u8]) -> bool { todo!() }
    /// The newest version of `user_key` up to `at` (checks the filter first).
    pub(crate) fn get(&self, _user_key: &[u8], _at: SeqNo) -> Result<Option<(SeqNo, ValueKind, Bytes)>> { todo!() }
    pub(crate) fn iter(self: &Arc<Self>) -> TableIter { todo!() }
    /// For one pass over everything (compaction): reads ahead and leaves the cache alone.
    pub(crate) fn iter_once(self: &Arc<Self>) -> TableIter { todo!() }
    pub(crate) fn verify(&self) -> Result<u64> { todo!() }
}
#[derive(Debug)]
pub(crate) struct TableIter;
impl InternalIterator for TableIter {
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
