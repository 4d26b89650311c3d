//! Which of many short codes are nearest to a query: the kernel that chooses where a search of a graph begins.
//!
//! A *sketch* of a vector is [`SKETCH_DIMS`] sums of its components with signs, so many components each: a projection that keeps
//! distances, about (Charikar, Chen and Farach-Colton 2002, "Finding frequent items in data streams"; its use for distances is
//! Weinberger et al. 2009, arXiv 0902.2206). Sketches are stored as bytes, 16 to a *block*, one in each *column*:
//!
//! ```text
//! codes[l]   64 bytes:  byte 4 c + g = component 4 l + g of column c
//! ```

use crate::kernel::{Isa, Kernels, check_lengths};
use crate::scalar;

/// Components of a sketch.
pub const SKETCH_DIMS: usize = 16;

/// Sketches in a block.
pub const SKETCH_COLUMNS: usize = 16;

/// What an empty column scores: less than any other.
const EMPTY: i32 = i32::MIN / 2;

/// Sixteen sketches, and what is added to the score of each.
#[derive(Debug, Clone, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct SketchBlock {
    pub(crate) bias: [i32; SKETCH_COLUMNS],
    pub(crate) codes: [[u8; 4 * SKETCH_COLUMNS]; SKETCH_DIMS / 4],
}

impl Default for SketchBlock {
    fn default() -> SketchBlock {
        SketchBlock {
            bias: [EMPTY; SKETCH_COLUMNS],
            codes: [[0; 4 * SKETCH_COLUMNS]; SKETCH_DIMS / 4],
        }
    }
}

impl SketchBlock {
    /// Puts a sketch into a column; only the lower 7 bits of its components are kept. `bias`: within ± 2²⁹.
    ///
    /// # Panics
    /// If there is no such column.
    pub fn put(&mut self, column: usize, sketch: [u8; SKETCH_DIMS], bias: i32) {
        for (line, four) in self.codes.iter_mut().zip(sketch.as_chunks::<4>().0) {
            line.as_chunks_mut::<4>().0[column] = four.map(|code| code & 0x7f);
        }
        self.bias[column] = bias.clamp(EMPTY + 1, -(EMPTY + 1));
    }

    /// The sketch of a column, as it was put there.
    ///
    /// # Panics
    /// If there is no such column.
    pub fn get(&self, column: usize) -> [u8; SKETCH_DIMS] {
        std::array::from_fn(|i| self.codes[i / 4][4 * column + i % 4])
    }

    /// Empties a column.
    ///
    /// # Panics
    /// If there is no such column.
    pub fn clear(&mut self, column: usize) {
        self.put(column, [0; SKETCH_DIMS], 0);
        self.bias[column] = EMPTY;
    }
}

impl Kernels {
    /// For each column the number of the block where `bias + Σ sketch * query` is greatest, the first of them; 0 where all are empty.
    /// Exact, and the same on every machine.
    #[inline]
    pub fn best_sketches(
        self,
        blocks: &[SketchBlock],
        query: &[i8; SKETCH_DIMS],
    ) -> [u32; SKETCH_COLUMNS] {
        dispatch!(self.best_sketches(blocks, query))
    }

    /// Sums of `values` with `signs` (1 or -1): component `i` goes into sum `i % 16`. Exact up to [`DIM_MAX`](crate::DIM_MAX)
    /// components.
    ///
    /// # Panics
    /// If the lengths differ.
    #[inline]
    pub fn signed_sums(self, values: &[i8], signs: &[i8]) -> [i32; SKETCH_DIMS] {
        check_lengths(values.len(), signs.len());
        dispatch!(self.signed_sums(values, signs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_keep_what_is_put_there() {
        let mut block = SketchBlock::default();
        let empty = block.clone();
        let sketch = [
            0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120,
        ];
        block.put(3, sketch, -7);
        assert_eq!(block.get(3), sketch);
        assert_eq!((block.get(2), block.get(4)), ([0; 16], [0; 16]));
        block.clear(3);
        assert_eq!(block, empty);
    }

    #[test]
    fn the_best_are_found_in_each_column() {
        let mut random = fastrand::Rng::with_seed(16);
        for count in [0, 1, 2, 7, 100] {
            let mut blocks = vec![SketchBlock::default(); count];
            for (number, block) in blocks.iter_mut().enumerate() {
                for column in 0..SKETCH_COLUMNS {
                    if random.u8(..4) > 0 {
                        let sketch = std::array::from_fn(|_| random.u8(..));
                        block.put(column, sketch, random.i32(-30_000..=0) * 8);
                    }
                    if number % 5 == 4 && column % 3 == 0 {
                        block.clear(column);
                    }
                }
            }
            for extreme in [false, true] {
                let query = std::array::from_fn(|_| {
                    if extreme {
                        [i8::MIN, i8::MAX][usize::from(random.bool())]
                    } else {
                        random.i8(..)
                    }
                });
                let expected: [u32; SKETCH_COLUMNS] = std::array::from_fn(|column| {
                    let score = |block: &SketchBlock| {
                        let products = block.get(column).into_iter().zip(query);
                        let products = products.map(|(x, q)| i32::from(x) * i32::from(q));
                        block.bias[column] + products.sum::<i32>()
                    };
                    let scores: Vec<i32> = blocks.iter().map(score).collect();
                    let best = scores.iter().max();
                    let mut numbered = (0..).zip(&scores);
                    numbered
                        .find(|&(_, score)| Some(score) == best)
                        .map_or(0, |(at, _)| at)
                });
                for kernels in Kernels::available() {
                    let found = kernels.best_sketches(&blocks, &query);
                    assert_eq!(found, expected, "{} {count}", kernels.name());
                }
            }
        }
    }

    #[test]
    fn sums_are_exact() {
        let mut random = fastrand::Rng::with_seed(17);
        for dim in [0, 1, 15, 16, 17, 100, 784, 4096, crate::DIM_MAX] {
            for extreme in [false, true] {
                let values: Vec<i8> = (0..dim)
                    .map(|_| if extreme { i8::MIN } else { random.i8(..) })
                    .collect();
                let signs: Vec<i8> = (0..dim)
                    .map(|_| if extreme || random.bool() { 1 } else { -1 })
                    .collect();
                let mut expected = [0; SKETCH_DIMS];
                for (i, (&value, &sign)) in values.iter().zip(&signs).enumerate() {
                    expected[i % SKETCH_DIMS] += i32::from(value) * i32::from(sign);
                }
                for kernels in Kernels::available() {
                    let sums = kernels.signed_sums(&values, &signs);
                    assert_eq!(sums, expected, "{} {dim}", kernels.name());
                }
            }
        }
    }
}
