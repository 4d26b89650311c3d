//! A bucket: the codes, factors and numbers of its points, 32 in a block, in one run of memory.
//!
//! ```text
//! block   codes of 32 points, interleaved · add f32 × 32 · scale f32 × 32 · slot u32 × 32 · id u64 × 32
//! ```
//!
//! Every part starts on a cache line. A lane of the last block without a point is infinitely far.

use aether_distance::{BLOCK_CODES, ScanFactors, prefetch};

use super::space::Code;
use crate::memory::{Lines, Part};
use crate::quantize::{pack, unpack};
use crate::{PointId, Result};

/// Bytes of one factor (or slot) of each lane.
const FACTOR_BYTES: usize = BLOCK_CODES * size_of::<f32>();

/// Bytes of the ids.
const ID_BYTES: usize = BLOCK_CODES * size_of::<u64>();

/// Some of the points, of which the centroid is the nearest one (or was, when they came).
#[derive(Debug)]
pub(crate) struct Bucket {
    /// Bytes of the codes of a block.
    code_bytes: usize,
    points: usize,
    lines: Lines,
}

/// 32 points of a bucket, or the last few.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block<'a> {
    pub(crate) codes: &'a [u8],
    pub(crate) factors: ScanFactors<'a>,
    pub(crate) slots: &'a [u32; BLOCK_CODES],
    pub(crate) ids: &'a [u64; BLOCK_CODES],
}

/// Bytes from one block to the next.
pub(crate) fn block_stride(code_bytes: usize) -> usize {
    code_bytes + 3 * FACTOR_BYTES + ID_BYTES
}

impl Bucket {
    /// Without points. `code_bytes`: of the codes of a block.
    pub(crate) fn new(code_bytes: usize) -> Bucket {
        Bucket {
            code_bytes,
            points: 0,
            lines: Lines::new(),
        }
    }

    /// The blocks of a checkpoint; `None` when `part` does not hold that many points.
    pub(crate) fn over(part: Part, points: usize, code_bytes: usize) -> Option<Bucket> {
        let lines = Lines::over(part)?;
        let blocks = points.div_ceil(BLOCK_CODES);
        (blocks.checked_mul(block_stride(code_bytes)) == Some(lines.len())).then_some(Bucket {
            code_bytes,
            points,
            lines,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.points
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.lines.capacity()
    }

    /// All blocks as they are written to a checkpoint, with `number` of each slot instead of it.
    pub(crate) fn to_bytes(&self, number: impl Fn(u32) -> u32) -> Vec<u8> {
        let mut bytes = self.lines.as_bytes().to_vec();
        for block in bytes.chunks_exact_mut(block_stride(self.code_bytes)) {
            let slots = &mut block[self.code_bytes + 2 * FACTOR_BYTES..][..FACTOR_BYTES];
            for slot in slots.as_chunks_mut::<4>().0 {
                *slot = number(u32::from_le_bytes(*slot)).to_le_bytes();
            }
        }
        bytes
    }

    /// Asks the memory for the first block.
    #[inline]
    pub(crate) fn prefetch(&self) {
        let bytes = self.lines.as_bytes();
        prefetch(&bytes[..bytes.len().min(block_stride(self.code_bytes))]);
    }

    pub(crate) fn blocks(&self) -> impl Iterator<Item = Block<'_>> {
        let strides = self
            .lines
            .as_bytes()
            .chunks_exact(block_stride(self.code_bytes));
        strides.map(|bytes| {
            let (codes, bytes) = bytes.split_at(self.code_bytes);
            let (add, bytes) = bytes.split_at(FACTOR_BYTES);
            let (scale, bytes) = bytes.split_at(FACTOR_BYTES);
            let (slots, ids) = bytes.split_at(FACTOR_BYTES);
            Block {
                codes,
                factors: ScanFactors {
                    add: bytemuck::from_bytes(add),
                    scale: bytemuck::from_bytes(scale),
                },
                slots: bytemuck::from_bytes(slots),
                ids: bytemuck::from_bytes(ids),
            }
        })
    }

    /// The slots of all points, in their order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = u32> {
        let lanes = self.blocks().flat_map(|block| block.slots.iter().copied());
        lanes.take(self.points)
    }

    /// Slot and id of all points, in their order.
    pub(crate) fn points(&self) -> impl Iterator<Item = (u32, PointId)> {
        let ids = self
            .blocks()
            .flat_map(|block| block.ids.iter().copied().map(PointId));
        self.slots().zip(ids)
    }

    /// Makes room for `points` more.
    pub(crate) fn reserve(&mut self, points: usize) -> Result<()> {
        let length = self.lines.len();
        let blocks = (self.points + points).div_ceil(BLOCK_CODES);
        self.lines.set_len(blocks * block_stride(self.code_bytes))?;
        self.lines.set_len(length)
    }

    /// Adds a point behind the others.
    pub(crate) fn push(&mut self, code: &Code, slot: u32, id: PointId) -> Result<()> {
        let (at, lane) = (self.points / BLOCK_CODES, self.points % BLOCK_CODES);
        if lane == 0 {
            self.lines
                .set_len((at + 1) * block_stride(self.code_bytes))?;
            let mut block = self.block_mut(at);
            block.add().fill(f32::INFINITY);
        }
        self.points += 1;
        self.set(self.points - 1, code, slot, id);
        Ok(())
    }

    /// Puts a point into the place of another.
    pub(crate) fn set(&mut self, i: usize, code: &Code, slot: u32, id: PointId) {
        let lane = i % BLOCK_CODES;
        let mut block = self.block_mut(i / BLOCK_CODES);
        pack(block.codes(), lane, &code.bits);
        block.add()[lane] = code.add;
        block.scale()[lane] = code.scale;
        block.slots()[lane] = slot;
        block.ids()[lane] = id.0;
    }

    /// The same with nothing but the points of which `stays`, given their slots, is true.
    pub(crate) fn copy_of(&self, stays: impl Fn(u32) -> bool) -> Result<Bucket> {
        let mut copy = Bucket::new(self.code_bytes);
        let mut code = Code {
            bits: vec![0; self.code_bytes / BLOCK_CODES],
            add: 0.0,
            scale: 0.0,
        };
        for (first, block) in (0..).step_by(BLOCK_CODES).zip(self.blocks()) {
            for lane in 0..BLOCK_CODES.min(self.points - first) {
                if stays(block.slots[lane]) {
                    unpack(block.codes, lane, &mut code.bits);
                    code.add = block.factors.add[lane];
                    code.scale = block.factors.scale[lane];
                    copy.push(&code, block.slots[lane], PointId(block.ids[lane]))?;
                }
            }
        }
        Ok(copy)
    }

    /// Takes all points out of which `goes`, given their slots, is true; the last ones move into their places.
    pub(crate) fn remove(&mut self, mut goes: impl FnMut(u32) -> bool) {
        let mut i = 0;
        while i < self.points {
            let slot = self.block_mut(i / BLOCK_CODES).slots()[i % BLOCK_CODES];
            if goes(slot) {
                self.swap_remove(i);
            } else {
                i += 1;
            }
        }
    }

    /// Takes a point out; the last one moves into its place.
    pub(crate) fn swap_remove(&mut self, i: usize) {
        let last = self.points - 1;
        let lane = last % BLOCK_CODES;
        let mut block = self.block_mut(last / BLOCK_CODES);
        let mut bits = vec![0; block.codes().len() / BLOCK_CODES];
        unpack(block.codes(), lane, &mut bits);
        let code = Code {
            bits,
            add: block.add()[lane],
            scale: block.scale()[lane],
        };
        let (slot, id) = (block.slots()[lane], block.ids()[lane]);
        block.add()[lane] = f32::INFINITY;
        if i < last {
            self.set(i, &code, slot, PointId(id));
        }
        self.points = last;
        let blocks = self.points.div_ceil(BLOCK_CODES);
        let fewer = self.lines.set_len(blocks * block_stride(self.code_bytes));
        fewer.expect("fewer bytes need no memory");
    }

    fn block_mut(&mut self, at: usize) -> BlockMut<'_> {
        let stride = block_stride(self.code_bytes);
        BlockMut {
            bytes: &mut self.lines.as_bytes_mut()[at * stride..][..stride],
            code_bytes: self.code_bytes,
        }
    }
}

/// A block that is being changed.
struct BlockMut<'a> {
    bytes: &'a mut [u8],
    code_bytes: usize,
}

impl BlockMut<'_> {
    fn codes(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.code_bytes]
    }

    fn add(&mut self) -> &mut [f32; BLOCK_CODES] {
        bytemuck::from_bytes_mut(&mut self.bytes[self.code_bytes..][..FACTOR_BYTES])
    }

    fn scale(&mut self) -> &mut [f32; BLOCK_CODES] {
        bytemuck::from_bytes_mut(&mut self.bytes[self.code_bytes + FACTOR_BYTES..][..FACTOR_BYTES])
    }

    fn slots(&mut self) -> &mut [u32; BLOCK_CODES] {
        bytemuck::from_bytes_mut(
            &mut self.bytes[self.code_bytes + 2 * FACTOR_BYTES..][..FACTOR_BYTES],
        )
    }

    fn ids(&mut self) -> &mut [u64; BLOCK_CODES] {
        bytemuck::from_bytes_mut(&mut self.bytes[self.code_bytes + 3 * FACTOR_BYTES..][..ID_BYTES])
    }
}
