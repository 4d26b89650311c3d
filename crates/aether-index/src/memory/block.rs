//! Blocks of bytes that stay where they are, and checkpoints cut into parts.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

use memmap2::MmapMut;

/// Every block starts on a cache line.
pub(super) const LINE_BYTES: usize = 64;

/// From this size on blocks come straight from the operating system: zeroed lazily, in huge pages where it has them.
const MAP_BYTES_MIN: usize = 1 << 20;

/// Bytes that never move while the block lives. Only its address is shared: who may touch which bytes is up to its users.
pub(super) struct Block {
    base: NonNull<u8>,
    bytes: usize,
    owner: Owner,
}

enum Owner {
    Heap(Layout),
    Map(#[expect(dead_code, reason = "unmaps when dropped")] MmapMut),
}

// SAFETY: a block is an address and a length; freeing it from another thread is allowed by both allocators.
unsafe impl Send for Block {}
// SAFETY: a shared block gives out its address only; see the users for who reads and writes through it.
unsafe impl Sync for Block {}

impl Block {
    /// Zeroed bytes; `None` when there is no memory for them.
    pub(super) fn zeroed(bytes: usize) -> Option<Block> {
        if bytes < MAP_BYTES_MIN {
            return Block::heap(bytes);
        }
        let map = MmapMut::map_anon(bytes).ok()?;
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage); // a hint: some kernels have none
        Some(Block::map(map))
    }

    fn heap(bytes: usize) -> Option<Block> {
        let layout = Layout::from_size_align(bytes.max(1), LINE_BYTES).ok()?;
        // SAFETY: the layout is not of size zero.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Block {
            base,
            bytes,
            owner: Owner::Heap(layout),
        })
    }

    fn map(mut map: MmapMut) -> Block {
        let base = NonNull::new(map.as_mut_ptr()).unwrap_or(NonNull::dangling());
        Block {
            base,
            bytes: map.len(),
            owner: Owner::Map(map),
        }
    }

    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Owner::Heap(layout) = self.owner {
            // SAFETY: allocated in `heap` with this layout, and dropped once.
            unsafe { dealloc(self.base.as_ptr(), layout) }
        }
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({} bytes)", self.bytes)
    }
}

/// The bytes of a checkpoint: copied into memory, or mapped copy-on-write. A graph lives in it in place, so removals
/// and links write into these bytes; the file behind a mapping must neither see these writes nor change meanwhile.
#[derive(Debug)]
pub struct Image(Block);

impl From<Vec<u8>> for Image {
    fn from(bytes: Vec<u8>) -> Image {
        let Some(block) = Block::zeroed(bytes.len()) else {
            handle_alloc_error(Layout::for_value(bytes.as_slice()));
        };
        // SAFETY: the block is new, as long as `bytes`, and nobody else knows it.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), block.base.as_ptr(), bytes.len()) };
        Image(block)
    }
}

impl From<MmapMut> for Image {
    /// Use a private mapping (`MmapOptions::map_copy`): the graph writes into it.
    fn from(map: MmapMut) -> Image {
        Image(Block::map(map))
    }
}

impl Image {
    /// All bytes, as they are before the first part is cut off.
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: the block is that long and initialized; nobody writes before `split` takes the image.
        unsafe { std::slice::from_raw_parts(self.0.base.as_ptr(), self.0.bytes) }
    }

    /// Cuts consecutive parts of these lengths off, from `offset` on; `None` when the image is too short.
    pub(crate) fn split<const N: usize>(
        self,
        offset: usize,
        lengths: [usize; N],
    ) -> Option<[Part; N]> {
        let mut end = offset;
        let mut starts = [0; N];
        for (start, length) in starts.iter_mut().zip(lengths) {
            *start = end;
            end = end.checked_add(length)?;
        }
        if end > self.0.bytes {
            return None;
        }
        let block = Arc::new(self.0);
        Some(std::array::from_fn(|i| Part {
            block: block.clone(),
            start: starts[i],
            bytes: lengths[i],
        }))
    }
}

/// A range of a checkpoint that nobody else has.
#[derive(Debug)]
pub(crate) struct Part {
    block: Arc<Block>,
    start: usize,
    bytes: usize,
}

impl Part {
    /// The bytes, for parts that are only read.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        // SAFETY: `split` checked the range, and no other part has any of it. Writers (columns) take their part by
        // value, so while somebody can borrow this one there are none.
        unsafe { std::slice::from_raw_parts(self.base().as_ptr(), self.bytes) }
    }

    /// Cuts the first `bytes` of it off; `None` when it is too short.
    pub(crate) fn cut(&mut self, bytes: usize) -> Option<Part> {
        let rest = self.bytes.checked_sub(bytes)?;
        let first = Part {
            block: self.block.clone(),
            start: self.start,
            bytes,
        };
        self.start += bytes;
        self.bytes = rest;
        Some(first)
    }

    pub(super) fn base(&self) -> NonNull<u8> {
        // SAFETY: `split` and `cut` checked that the range lies inside the block.
        unsafe { self.block.base.add(self.start) }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
