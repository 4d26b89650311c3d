//! A partition: the filter and the index of a stretch of data blocks, and the places where those are cached.
//!
//! A small table has one partition, a large one many, so that no more of its index need be in memory than is used.

use std::sync::Arc;

use crate::sync::Guard;

use crate::cache::{Cache, Slots, Weigh};

use super::block::Block;
use super::filter::Filter;
use super::format::BlockHandle;
use super::separators::Separators;

/// Where a partition is in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PartitionHandle {
    /// Where its data blocks begin, and where they end.
    pub(super) data_start: u64,
    pub(super) data_end: u64,
    /// The filter, of length 0 when there is none, and the index behind it.
    pub(super) filter: BlockHandle,
    pub(super) index: BlockHandle,
}

impl PartitionHandle {
    /// How many numbers [`numbers`](Self::numbers) gives.
    pub(super) const NUMBERS: usize = 5;

    /// As stored beside the partition's separator.
    pub(super) fn numbers(&self) -> [u64; Self::NUMBERS] {
        [
            self.data_start,
            self.data_end,
            self.filter.offset,
            self.filter.bytes.into(),
            self.index.bytes.into(),
        ]
    }

    /// Reads what is stored; none when it contradicts itself.
    pub(super) fn of(numbers: [u64; Self::NUMBERS]) -> Option<PartitionHandle> {
        let [
            data_start,
            data_end,
            filter_offset,
            filter_bytes,
            index_bytes,
        ] = numbers;
        let filter = BlockHandle {
            offset: filter_offset,
            bytes: u32::try_from(filter_bytes).ok()?,
        };
        let index = BlockHandle {
            offset: filter.end(),
            bytes: u32::try_from(index_bytes).ok()?,
        };
        (data_start < data_end && data_end <= filter_offset).then_some(PartitionHandle {
            data_start,
            data_end,
            filter,
            index,
        })
    }
}

/// See the head of this module.
#[derive(Debug)]
pub(super) struct Partition {
    separators: Separators,
    /// Where each data block begins, and where the last one ends.
    offsets: Box<[u64]>,
    filter: Option<Filter>,
    slots: Arc<Slots<Block>>,
}

impl Partition {
    /// Reads the index block of a partition whose data blocks begin at `data_start`.
    pub(super) fn decode(
        index: &[u8],
        data_start: u64,
        filter: Option<Filter>,
        cache: &Arc<Cache>,
    ) -> Result<Partition, &'static str> {
        let mut offsets = vec![data_start];
        let mut end = data_start;
        let separators = Separators::decode(index, |[bytes]| {
            let bytes = u32::try_from(bytes).map_err(|_| "a block of 4 GiB or more")?;
            end = end
                .checked_add(bytes.into())
                .ok_or("a block beyond all files")?;
            offsets.push(end);
            Ok(())
        })?;
        Ok(Partition {
            slots: Slots::new(Arc::clone(cache), separators.len()),
            separators,
            offsets: offsets.into(),
            filter,
        })
    }

    /// Memory that a partition with an index block of `index_bytes` and a filter of `filter_bytes` takes, about.
    pub(super) fn bytes_expected(index_bytes: u32, filter_bytes: u32) -> u64 {
        // An index entry takes about a dozen bytes in the file, and 8 + 16 + 8 + 16 and its key here.
        u64::from(filter_bytes) + 4 * u64::from(index_bytes)
    }

    /// Number of data blocks.
    #[inline]
    pub(super) fn blocks(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Where data block `position` is.
    #[inline]
    pub(super) fn handle(&self, position: usize) -> BlockHandle {
        let [start, end] = [self.offsets[position], self.offsets[position + 1]];
        BlockHandle {
            offset: start,
            bytes: u32::try_from(end - start).expect("checked when it was read"),
        }
    }

    /// Where the data blocks end.
    pub(super) fn data_end(&self) -> u64 {
        self.offsets[self.offsets.len() - 1]
    }

    /// False when no data block has a key with this hash.
    #[inline]
    pub(super) fn may_contain(&self, hash: u64) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|filter| filter.may_contain(hash))
    }

    /// The first data block that may hold an entry at or after the target; their number when none may.
    #[inline]
    pub(super) fn find(&self, user_key: &[u8], trailer: u64) -> usize {
        self.separators.find(user_key, trailer)
    }

    /// Data block `position`, if it is cached.
    #[inline]
    pub(super) fn cached(&self, position: usize) -> Guard<Option<Arc<Block>>> {
        self.slots.get(position)
    }

    /// Caches data block `position`.
    pub(super) fn cache(&self, position: usize, block: &Arc<Block>) {
        self.slots.fill(position, Arc::clone(block));
    }
}

impl Weigh for Partition {
    fn bytes(&self) -> usize {
        self.separators.bytes()
            + size_of_val(&*self.offsets)
            + Slots::<Block>::bytes(self.blocks())
            + self.filter.as_ref().map_or(0, Filter::memory_bytes)
    }
}
