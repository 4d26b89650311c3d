//! The codes of selected points side by side: a scan of them reads nothing else, in the order of the memory.
//!
//! ```text
//! codes    a row for each point, of whole cache lines
//! blocks   for each 32 points: what their distances need besides, one field after the other, and the slots of their nodes
//! ```

use super::code::{Codec, Factors, Key, Probe, ROWS};
use crate::Result;
use crate::memory::{Lines, NO_SLOT, Node};

/// A row begins on a multiple of this.
const ROW_UNIT: usize = 64;

/// Bytes that the copy of one selection may take: a scan of more takes longer than nearly all walks.
const BYTES_MAX: usize = 8 << 20;

/// Codes of some nodes as they were when they were copied; who is dead by now, only the nodes tell.
#[derive(Debug)]
pub(crate) struct Copied {
    codes: Lines,
    row_bytes: usize,
    blocks: Vec<Block>,
}

/// What is known of 32 points; those that are not there have no slot.
#[derive(Debug)]
struct Block {
    factors: Factors,
    slots: [u32; ROWS],
}

impl Copied {
    /// Bytes that the codes of so many points take; 0 when that is more than a copy may take.
    pub(super) fn bytes_for(points: usize, codec: &Codec) -> usize {
        let row_bytes = codec.coarse_bytes().next_multiple_of(ROW_UNIT);
        let block_bytes = ROWS * row_bytes + size_of::<Block>();
        let bytes = points.div_ceil(ROWS).saturating_mul(block_bytes);
        if bytes <= BYTES_MAX { bytes } else { 0 }
    }

    /// Room for the codes of so many points.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when there is no memory.
    pub(super) fn room_for(points: usize, codec: &Codec) -> Result<Copied> {
        let row_bytes = codec.coarse_bytes().next_multiple_of(ROW_UNIT);
        let blocks = points.div_ceil(ROWS);
        let mut codes = Lines::new();
        codes.set_len(blocks * ROWS * row_bytes)?;
        let none = || Block {
            factors: Factors::default(),
            slots: [NO_SLOT; ROWS],
        };
        let blocks = std::iter::repeat_with(none).take(blocks).collect();
        Ok(Copied {
            codes,
            row_bytes,
            blocks,
        })
    }

    /// Copies what is known of a node to one of the rows that there is room for.
    pub(super) fn put(&mut self, row: usize, node: &Node<'_>) {
        let (block, lane) = (&mut self.blocks[row / ROWS], row % ROWS);
        block.factors.put(lane, node.constants());
        block.slots[lane] = node.slot();
        let codes = node.codes();
        let row = &mut self.codes.as_bytes_mut()[row * self.row_bytes..];
        row[..codes.len()].copy_from_slice(codes);
    }

    /// Gives `found` the key and the slot of each point.
    pub(super) fn score(&self, codec: &Codec, probe: &Probe, mut found: impl FnMut(Key, u32)) {
        let rows = self.codes.as_bytes().chunks_exact(ROWS * self.row_bytes);
        for (block, rows) in self.blocks.iter().zip(rows) {
            let keys = codec.keys_of_rows(probe, (rows, self.row_bytes), &block.factors);
            let points = keys.into_iter().zip(block.slots);
            for (key, slot) in points.take_while(|&(_, slot)| slot != NO_SLOT) {
                found(key, slot);
            }
        }
    }
}
