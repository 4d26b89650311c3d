//! A storage that counts the bytes that are written to it: logs, tables, checkpoints, all of it.

use aether_env::{
    Draft, FileEntry, FileLock, FileRange, FileSync, LogFile, RandomFile, Storage, WritableFile,
};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what goes to another storage.
#[derive(Debug)]
pub(crate) struct Counted {
    inner: Arc<dyn Storage>,
    written: Arc<AtomicU64>,
}

impl Counted {
    pub(crate) fn new(inner: Arc<dyn Storage>) -> Counted {
        Counted {
            inner,
            written: Arc::default(),
        }
    }

    /// Bytes written so far, told at any time.
    pub(crate) fn written(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.written)
    }

    fn file<T>(&self, inner: T) -> CountedFile<T> {
        CountedFile {
            inner,
            written: Arc::clone(&self.written),
        }
    }
}

impl Storage for Counted {
    fn create(&self, name: &str) -> io::Result<Box<dyn WritableFile>> {
        Ok(Box::new(self.file(self.inner.create(name)?)))
    }

    fn create_log(&self, name: &str, capacity: u64) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(self.file(self.inner.create_log(name, capacity)?)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn RandomFile>> {
        self.inner.open(name)
    }

    fn read_batch(&self, reads: &mut [FileRange<'_>]) -> io::Result<()> {
        self.inner.read_batch(reads)
    }

    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.written
            .fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.inner.put_if_absent(name, bytes)
    }

    fn list(&self) -> io::Result<Vec<FileEntry>> {
        self.inner.list()
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.inner.delete(name)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.inner.sync_names()
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn FileLock>> {
        self.inner.lock(name)
    }

    fn link_from(&self, source: &dyn Storage, name: &str) -> io::Result<bool> {
        self.inner.link_from(source, name)
    }

    fn draft(&self, path: &Path) -> io::Result<Box<dyn Draft>> {
        self.inner.draft(path)
    }

    fn location(&self) -> String {
        self.inner.location()
    }
}

#[derive(Debug)]
struct CountedFile<T> {
    inner: T,
    written: Arc<AtomicU64>,
}

impl<T> CountedFile<T> {
    fn count(&self, bytes: &[u8]) {
        self.written
            .fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }
}

impl WritableFile for CountedFile<Box<dyn WritableFile>> {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.count(bytes);
        self.inner.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.inner.sync()
    }

    fn syncer(&self) -> io::Result<Arc<dyn FileSync>> {
        self.inner.syncer()
    }
}

impl LogFile for CountedFile<Box<dyn LogFile>> {
    fn reserved(&self) -> u64 {
        self.inner.reserved()
    }

    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        self.inner.reserve(bytes)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.count(bytes);
        self.inner.write_at(offset, bytes)
    }

    fn write_durably_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.count(bytes);
        self.inner.write_durably_at(offset, bytes)
    }

    fn rename(&mut self, name: &str) -> io::Result<()> {
        self.inner.rename(name)
    }

    fn finish(&mut self, bytes: u64) -> io::Result<()> {
        self.inner.finish(bytes)
    }

    fn syncer(&self) -> io::Result<Arc<dyn FileSync>> {
        self.inner.syncer()
    }
}
