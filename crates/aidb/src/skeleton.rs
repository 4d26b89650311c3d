//! The public interface, before its parts move in.
#![expect(missing_docs, missing_debug_implementations, clippy::unused_self, clippy::needless_pass_by_value, dead_code, reason = "filled in next")]
use crate::{Durability, KeyspaceOptions, Options, Result, SeqNo};
use aether_env::{Env, FileMap};
use bytes::Bytes;
use std::io;
use std::ops::RangeBounds;
use std::path::Path;

#[derive(Clone)]
pub struct DB;

impl DB {
    pub fn open(_path: impl AsRef<Path>, _options: Options) -> Result<DB> { todo!() }
    pub fn open_with(_env: Env, _options: Options) -> Result<DB> { todo!() }
    pub fn put(&self, _key: impl AsRef<[u8]>, _value: impl AsRef<[u8]>) -> Result<()> { todo!() }
    pub fn get(&self, _key: impl AsRef<[u8]>) -> Result<Option<Bytes>> { todo!() }
    pub fn delete(&self, _key: impl AsRef<[u8]>) -> Result<()> { todo!() }
    pub fn iter(&self) -> Iter { todo!() }
    pub fn range<K: AsRef<[u8]>>(&self, _range: impl RangeBounds<K>) -> Iter { todo!() }
    pub fn prefix(&self, _prefix: impl AsRef<[u8]>) -> Iter { todo!() }
    pub fn keyspace(&self, _name: &str, _options: KeyspaceOptions) -> Result<Keyspace> { todo!() }
    pub fn default_keyspace(&self) -> Keyspace { todo!() }
    pub fn keyspace_names(&self) -> Vec<String> { todo!() }
    pub fn write(&self, _batch: WriteBatch, _durability: Durability) -> Result<SeqNo> { todo!() }
    pub fn submit(&self, _batch: WriteBatch) -> Result<Commit> { todo!() }
    pub fn snapshot(&self) -> Snapshot { todo!() }
    pub fn watermark(&self) -> SeqNo { todo!() }
    pub fn last_seq(&self) -> SeqNo { todo!() }
    pub fn attachment_writer(&self) -> Result<AttachmentWriter> { todo!() }
    pub fn flush(&self) -> Result<()> { todo!() }
    pub fn compact(&self) -> Result<()> { todo!() }
    pub fn verify(&self) -> Result<VerifyReport> { todo!() }
    pub fn stats(&self) -> Stats { todo!() }
    pub fn tick(&self) -> Result<bool> { todo!() }
    pub fn close(&self) -> Result<()> { todo!() }
}

#[derive(Clone)]
pub struct Keyspace;
impl Keyspace {
    pub fn name(&self) -> &str { todo!() }
    pub fn put(&self, _key: impl AsRef<[u8]>, _value: impl AsRef<[u8]>) -> Result<()> { todo!() }
    pub fn get(&self, _key: impl AsRef<[u8]>) -> Result<Option<Bytes>> { todo!() }
    pub fn delete(&self, _key: impl AsRef<[u8]>) -> Result<()> { todo!() }
    pub fn iter(&self) -> Iter { todo!() }
    pub fn range<K: AsRef<[u8]>>(&self, _range: impl RangeBounds<K>) -> Iter { todo!() }
    pub fn prefix(&self, _prefix: impl AsRef<[u8]>) -> Iter { todo!() }
}

#[derive(Default)]
pub struct WriteBatch;
impl WriteBatch {
    pub fn new() -> WriteBatch { todo!() }
    pub fn put(&mut self, _keyspace: &Keyspace, _key: impl AsRef<[u8]>, _value: impl AsRef<[u8]>) { todo!() }
    pub fn delete(&mut self, _keyspace: &Keyspace, _key: impl AsRef<[u8]>) { todo!() }
    pub fn attach(&mut self, _keyspace: &Keyspace, _key: impl AsRef<[u8]>, _attachment: Attachment) { todo!() }
    pub fn detach(&mut self, _keyspace: &Keyspace, _key: impl AsRef<[u8]>) { todo!() }
    pub fn len(&self) -> usize { todo!() }
    pub fn bytes(&self) -> usize { todo!() }
    pub fn is_empty(&self) -> bool { todo!() }
}

pub struct Commit;
impl Commit {
    pub fn seq(&self) -> SeqNo { todo!() }
    pub fn wait_durable(&self) -> Result<()> { todo!() }
}

#[derive(Clone)]
pub struct Snapshot;
impl Snapshot {
    pub fn seq(&self) -> SeqNo { todo!() }
    pub fn get(&self, _keyspace: &Keyspace, _key: impl AsRef<[u8]>) -> Result<Option<Bytes>> { todo!() }
    pub fn multi_get<K: AsRef<[u8]>>(&self, _keyspace: &Keyspace, _keys: impl IntoIterator<Item = K>) -> Result<Vec<Option<Bytes>>> { todo!() }
    pub fn iter(&self, _keyspace: &Keyspace) -> Iter { todo!() }
    pub fn range<K: AsRef<[u8]>>(&self, _keyspace: &Keyspace, _range: impl RangeBounds<K>) -> Iter { todo!() }
    pub fn prefix(&self, _keyspace: &Keyspace, _prefix: impl AsRef<[u8]>) -> Iter { todo!() }
    pub fn attachment(&self, _keyspace: &Keyspace, _key: impl AsRef<[u8]>) -> Result<Option<AttachmentFile>> { todo!() }
}

pub struct Iter;
impl Iter {
    pub fn try_next(&mut self) -> Result<Option<(Bytes, Bytes)>> { todo!() }
    pub fn try_next_back(&mut self) -> Result<Option<(Bytes, Bytes)>> { todo!() }
    pub fn seek(&mut self, _key: impl AsRef<[u8]>) { todo!() }
    pub fn status(&self) -> Result<()> { todo!() }
}
impl Iterator for Iter {
    type Item = (Bytes, Bytes);
    fn next(&mut self) -> Option<(Bytes, Bytes)> { todo!() }
}
impl DoubleEndedIterator for Iter {
    fn next_back(&mut self) -> Option<(Bytes, Bytes)> { todo!() }
}

pub struct AttachmentWriter;
impl AttachmentWriter {
    pub fn finish(self) -> Result<Attachment> { todo!() }
}
impl io::Write for AttachmentWriter {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> { todo!() }
    fn flush(&mut self) -> io::Result<()> { todo!() }
}

pub struct Attachment;
impl Attachment {
    pub fn bytes(&self) -> u64 { todo!() }
    pub fn file_name(&self) -> String { todo!() }
}

#[derive(Clone)]
pub struct AttachmentFile;
impl AttachmentFile {
    pub fn bytes(&self) -> u64 { todo!() }
    pub fn file_name(&self) -> String { todo!() }
    pub fn map(&self) -> Result<FileMap> { todo!() }
    pub fn read_at(&self, _offset: u64, _buffer: &mut [u8]) -> Result<()> { todo!() }
    pub fn verify(&self) -> Result<()> { todo!() }
}

#[derive(Clone, Debug, Default)]
pub struct VerifyReport {
    pub tables: u64,
    pub entries: u64,
    pub log_records: u64,
    pub attachments: u64,
    pub bytes: u64,
    pub problems: Vec<Problem>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub file: String,
    pub message: String,
}

#[derive(Clone, Debug, Default)]
pub struct Stats {
    pub keyspaces: Vec<KeyspaceStats>,
    pub memtable_bytes: u64,
    pub sealed_memtables: u64,
    pub wal_bytes: u64,
    pub table_bytes: u64,
    pub cache: crate::CacheStats,
    pub writes: u64,
    pub bytes_logged: u64,
    pub syncs: u64,
    pub flushes: u64,
    pub bytes_flushed: u64,
    pub compactions: u64,
    pub bytes_compacted: u64,
    pub slowdowns: u64,
    pub stalls: u64,
    pub stall_micros: u64,
    pub attachments: u64,
    pub attachment_bytes: u64,
    pub snapshots: u64,
    pub background_error: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub struct KeyspaceStats {
    pub name: String,
    pub levels: Vec<LevelStats>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LevelStats {
    pub tables: u64,
    pub bytes: u64,
}
