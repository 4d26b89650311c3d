//! A storage in memory that notes how many reads each batch of reads has.

use aether_env::{
    FileEntry, FileLock, FileRange, MemoryStorage, RandomFile, Storage, WritableFile,
};
use std::io;
use std::sync::{Arc, Mutex};

/// See the head of this module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batched {
    pub(crate) memory: MemoryStorage,
    batches: Arc<Mutex<Vec<usize>>>,
}

impl Batched {
    /// The sizes of all batches since the last call.
    pub(crate) fn take(&self) -> Vec<usize> {
        std::mem::take(&mut self.batches.lock().unwrap())
    }
}

impl Storage for Batched {
    fn create(&self, name: &str) -> io::Result<Box<dyn WritableFile>> {
        self.memory.create(name)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn RandomFile>> {
        self.memory.open(name)
    }

    fn read_batch(&self, reads: &mut [FileRange<'_>]) -> io::Result<()> {
        self.batches.lock().unwrap().push(reads.len());
        self.memory.read_batch(reads)
    }

    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.memory.put_if_absent(name, bytes)
    }

    fn list(&self) -> io::Result<Vec<FileEntry>> {
        self.memory.list()
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.memory.delete(name)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.memory.sync_names()
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn FileLock>> {
        self.memory.lock(name)
    }

    fn location(&self) -> String {
        self.memory.location()
    }
}
