//! The partitions of a table: pinned in memory as long as the budget allows it, else read through the cache.

use std::ops::Deref;
use std::sync::Arc;

use crate::sync::Guard;

use crate::cache::{Cache, Slots, Weigh};
use crate::error::Result;

use super::filter::Filter;
use super::format::{BlockHandle, take_block};
use super::partition::{Partition, PartitionHandle};
use super::separators::Separators;
use super::source::Source;

/// See the head of this module.
#[derive(Debug)]
pub(super) struct Partitions {
    separators: Separators,
    parts: Box<[Part]>,
    slots: Arc<Slots<Partition>>,
    cache: Arc<Cache>,
    pinned_bytes: u64,
}

#[derive(Debug)]
struct Part {
    handle: PartitionHandle,
    pinned: Option<Arc<Partition>>,
}

/// A partition for the time of a look at it.
pub(super) enum PartitionRef<'a> {
    Pinned(&'a Arc<Partition>),
    Cached(Guard<Option<Arc<Partition>>>),
    Read(Arc<Partition>),
}

impl Deref for PartitionRef<'_> {
    type Target = Arc<Partition>;

    #[inline]
    fn deref(&self) -> &Arc<Partition> {
        match self {
            PartitionRef::Pinned(partition) => partition,
            PartitionRef::Cached(guard) => guard.as_ref().expect("made of filled slots only"),
            PartitionRef::Read(partition) => partition,
        }
    }
}

impl Partitions {
    /// Reads the partition index `block`, which stands at `at`; and the partitions that may be pinned.
    pub(super) fn open(
        block: &[u8],
        at: BlockHandle,
        source: &Source,
        cache: Arc<Cache>,
    ) -> Result<Partitions> {
        let mut handles: Vec<PartitionHandle> = Vec::new();
        let separators = Separators::decode(block, |numbers| {
            let handle = PartitionHandle::of(numbers)
                .filter(|handle| {
                    let before = handles.last().map_or(0, |last| last.data_end);
                    before <= handle.data_start && handle.index.end() <= at.offset
                })
                .ok_or("a partition contradicts itself")?;
            handles.push(handle);
            Ok(())
        });
        let separators = separators.map_err(|detail| source.corruption(at.offset, detail))?;
        let mut partitions = Partitions {
            separators,
            slots: Slots::new(Arc::clone(&cache), handles.len()),
            parts: Box::default(),
            cache,
            pinned_bytes: 0,
        };
        let mut parts = Vec::with_capacity(handles.len());
        for handle in handles {
            let bytes = Partition::bytes_expected(handle.index.bytes, handle.filter.bytes);
            let pinned = if partitions.cache.try_pin(bytes) {
                partitions.pinned_bytes += bytes;
                let partition = partitions.read(&handle, source)?;
                let taken = partition.bytes() as u64;
                partitions.cache.repin(bytes, taken);
                partitions.pinned_bytes = partitions.pinned_bytes - bytes + taken;
                Some(partition)
            } else {
                None
            };
            parts.push(Part { handle, pinned });
        }
        partitions.parts = parts.into();
        Ok(partitions)
    }

    /// How many there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    /// The first partition that may hold an entry at or after the target; their number when none may.
    #[inline]
    pub(super) fn find(&self, user_key: &[u8], trailer: u64) -> usize {
        if self.parts.len() == 1 {
            return 0;
        }
        self.separators.find(user_key, trailer)
    }

    /// Partition `index`.
    #[inline]
    pub(super) fn get(&self, index: usize, source: &Source) -> Result<PartitionRef<'_>> {
        match &self.parts[index].pinned {
            Some(partition) => Ok(PartitionRef::Pinned(partition)),
            None => self.cached(index, source),
        }
    }

    fn cached(&self, index: usize, source: &Source) -> Result<PartitionRef<'_>> {
        let cached = self.slots.get(index);
        if cached.is_some() {
            return Ok(PartitionRef::Cached(cached));
        }
        let partition = self.read(&self.parts[index].handle, source)?;
        self.slots.fill(index, Arc::clone(&partition));
        Ok(PartitionRef::Read(partition))
    }

    fn read(&self, handle: &PartitionHandle, source: &Source) -> Result<Arc<Partition>> {
        let bytes = handle.filter.bytes as usize + handle.index.bytes as usize;
        let stored = source.read(handle.filter.offset, bytes)?;
        let (filter, index) = (
            stored.slice(..handle.filter.bytes as usize),
            stored.slice(handle.filter.bytes as usize..),
        );
        let fault = |at: BlockHandle| move |detail| source.corruption(at.offset, detail);
        let filter = match handle.filter.bytes {
            0 => None,
            _ => Filter::decode(&take_block(&filter, handle.filter.offset, &source.id)?)
                .map_err(fault(handle.filter))?,
        };
        let index = take_block(&index, handle.index.offset, &source.id)?;
        let partition = Partition::decode(&index, handle.data_start, filter, &self.cache)
            .map_err(fault(handle.index))?;
        if partition.data_end() != handle.data_end {
            return Err(source.corruption(
                handle.index.offset,
                "the index does not cover the data blocks",
            ));
        }
        Ok(Arc::new(partition))
    }

    /// Memory that stays taken for as long as the table is open.
    pub(super) fn pinned_bytes(&self) -> u64 {
        self.pinned_bytes
    }
}

impl Drop for Partitions {
    fn drop(&mut self) {
        self.cache.unpin(self.pinned_bytes);
    }
}
