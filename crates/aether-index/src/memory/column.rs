//! Records of one size, found by slot in a few instructions, growing without moving.
//!
//! ```text
//! slots:  [ those of the checkpoint ][ FIRST ][ 2 FIRST ][ 4 FIRST ] …
//!           one Part                   block 0  block 1    block 2
//! ```

use std::ptr::NonNull;
use std::sync::OnceLock;

use parking_lot::Mutex;

use super::block::{Block, LINE_BYTES, Part};
use crate::pages::{PAGE, in_page, paged};
use crate::{Error, Result};

/// No slot: the end of a list of links.
pub(crate) const NO_SLOT: u32 = u32::MAX;

/// The most slots; one bit of 32 is left to pools.
pub(crate) const SLOTS_MAX: u32 = 1 << 31;

/// Records in the first block: few, so that a small collection takes little memory.
const FIRST: u32 = 4;

/// Blocks that it takes to reach `SLOTS_MAX`, and one for what the checkpoint shifts.
const BLOCKS: usize = 31;

/// Memory for records of `stride` bytes; what is in them is up to the owner.
#[derive(Debug)]
pub(crate) struct Column {
    stride: usize,
    /// The records of the checkpoint and how many they are.
    image: Option<Part>,
    image_base: *const u8,
    image_slots: u32,
    /// How records lie in the pages of the checkpoint, if they do not cross from one to the next.
    pages: Option<Pages>,
    blocks: [OnceLock<Block>; BLOCKS],
    growing: Mutex<()>,
}

// SAFETY: `image_base` is the address of `image`, which may be shared; see `Block`.
unsafe impl Send for Column {}
// SAFETY: as above.
unsafe impl Sync for Column {}

impl Column {
    /// An empty column; records are `stride` bytes apart, a multiple of 4.
    pub(crate) fn new(stride: usize) -> Column {
        assert!(stride.is_multiple_of(4), "records start on a multiple of 4");
        Column {
            stride,
            image: None,
            image_base: std::ptr::null(),
            image_slots: 0,
            pages: None,
            blocks: [const { OnceLock::new() }; BLOCKS],
            growing: Mutex::new(()),
        }
    }

    /// A column whose first `slots` records are in a checkpoint; `None` when `part` is too short for them.
    pub(crate) fn over(part: Part, slots: u32, stride: usize) -> Option<Column> {
        let mut column = Column::new(stride);
        let bytes = (slots as usize).checked_mul(stride)?;
        let aligned = (part.base().as_ptr() as usize).is_multiple_of(LINE_BYTES);
        if bytes > part.bytes() || slots > SLOTS_MAX || !aligned {
            return None;
        }
        column.image_base = part.base().as_ptr();
        column.image_slots = slots;
        column.image = Some(part);
        Some(column)
    }

    /// The same with records that do not cross from one page to the next, unless they are longer than one.
    pub(crate) fn over_pages(part: Part, slots: u32, stride: usize) -> Option<Column> {
        let enough = paged(slots as usize, stride)? <= part.bytes();
        let mut column = Column::over(part, slots, stride).filter(|_| enough)?;
        column.pages = Pages::of(stride);
        Some(column)
    }

    /// Whether some of the records lie in a checkpoint.
    pub(super) fn is_opened(&self) -> bool {
        self.image.is_some()
    }

    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// The address of a record, if there is memory for it; `stride` bytes may be touched there.
    #[inline]
    pub(super) fn address(&self, slot: u32) -> Option<NonNull<u8>> {
        if slot < self.image_slots {
            let skipped = self.pages.map_or(0, |pages| pages.skipped(slot));
            // SAFETY: `over` checked that the part holds `image_slots` records, `over_pages` that it does with what they skip.
            let address = unsafe { self.image_base.add(slot as usize * self.stride + skipped) };
            return NonNull::new(address.cast_mut());
        }
        let (block, index) = place(slot - self.image_slots)?;
        let base = self.blocks[block].get()?.base();
        // SAFETY: block `b` has room for `FIRST << b` records, and `place` gives an index below that.
        Some(unsafe { base.add(index * self.stride) })
    }

    /// Makes room for `slot`.
    pub(super) fn reserve(&self, slot: u32) -> Result<()> {
        let Some(above) = slot.checked_sub(self.image_slots) else {
            return Ok(());
        };
        let (block, _) = place(above)
            .filter(|_| slot < SLOTS_MAX)
            .ok_or_else(|| Error::unavailable(format!("an index has at most {SLOTS_MAX} slots")))?;
        if self.blocks[block].get().is_some() {
            return Ok(());
        }
        let _growing = self.growing.lock();
        if self.blocks[block].get().is_none() {
            let bytes = ((FIRST as usize) << block).checked_mul(self.stride);
            let new = bytes.and_then(Block::zeroed).ok_or_else(|| {
                Error::unavailable(format!(
                    "no memory for {} more vectors",
                    u64::from(FIRST) << block
                ))
            })?;
            let _ = self.blocks[block].set(new); // only we set it: `growing` is held
        }
        Ok(())
    }
}

/// Records in pages: as many as fit in each, and what is left skipped.
#[derive(Debug, Clone, Copy)]
struct Pages {
    /// Records per page, as the inverse times 2⁶⁴, rounded up: exact for slots, which have 32 bits.
    inverse: u128,
    /// Bytes at the end of each page.
    left: usize,
}

impl Pages {
    /// `None` when nothing is skipped.
    fn of(stride: usize) -> Option<Pages> {
        let in_page = in_page(stride);
        let left = PAGE % stride.max(1);
        (in_page > 0 && left > 0).then(|| Pages {
            inverse: (1_u128 << 64).div_ceil(u128::from(in_page)),
            left,
        })
    }

    /// Bytes at the ends of the pages before that of a slot.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a page's number is at most the slot's"
    )]
    fn skipped(self, slot: u32) -> usize {
        ((u128::from(slot) * self.inverse) >> 64) as usize * self.left
    }
}

/// The block of a slot that is not in the checkpoint, and its index there.
#[inline]
fn place(slot: u32) -> Option<(usize, usize)> {
    let shifted = slot.checked_add(FIRST)?;
    let power = shifted.ilog2();
    let block = (power - FIRST.ilog2()) as usize;
    (block < BLOCKS).then_some((block, (shifted - (1 << power)) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_fill_blocks_without_gap_or_overlap() {
        let mut expected = (0, 0);
        for slot in 0..10_000 {
            if expected.1 == (FIRST as usize) << expected.0 {
                expected = (expected.0 + 1, 0);
            }
            assert_eq!(place(slot), Some(expected));
            expected.1 += 1;
        }
        assert!(place(SLOTS_MAX - 1).is_some());
        assert_eq!(place(u32::MAX), None);
    }

    #[test]
    fn addresses_hold_still_and_apart() {
        let column = Column::new(64);
        assert!(column.address(0).is_none());
        let mut last = None;
        for slot in 0..1000 {
            column.reserve(slot).unwrap();
            let address = column.address(slot).unwrap().as_ptr() as usize;
            assert_eq!(address % LINE_BYTES, 0);
            assert_ne!(last, Some(address));
            last = Some(address);
        }
        assert!(column.address(NO_SLOT).is_none());
    }
}
