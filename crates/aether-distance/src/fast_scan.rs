//! Sums of table entries for 32 codes at once: the kernel of fast scans.
//!
//! A code is a row of groups of 4 bits; a query gives each group a table of 16 small numbers. What the code is worth to the
//! query is the sum, over its groups, of the entry that its 4 bits choose. 32 codes make a *block*, in which one shuffle of
//! bytes looks up 16 entries or more. Blocks and tables are whole lines, of four groups each:
//!
//! ```text
//! line of a block   64 bytes:  byte 4 l + g = bits of code l | bits of code 16 + l << 4,   l = 0..16, g = 0..4 of its groups
//! line of a table   64 bytes:  byte 16 g + j = the entry of group g for the bits j
//! ```
//!
//! The sums are exact integers, the same on every machine. (André, Kermarrec and Le Scouarnec 2015, "Cache locality is not
//! enough: high-performance nearest neighbor search with product quantization fast scan".)

use crate::kernel::{Isa, Kernels, check_lengths};
use crate::scalar;

/// Codes in a block.
pub const BLOCK_CODES: usize = 32;

/// Groups of 4 bits in a line of a block or of a table.
pub const LINE_GROUPS: usize = 4;

/// Lines whose entries add up to less than 2¹⁶: 256 groups. Longer codes are summed in parts.
pub(crate) const PART_LINES: usize = 64;

/// Four groups of a query's table, each 16 entries of 8 bits. Aligned, so that no load crosses a cache line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct TableLine(pub [u8; 64]);

impl Default for TableLine {
    fn default() -> TableLine {
        TableLine([0; 64])
    }
}

/// What a query makes of the sum of a code's table entries: the estimate `base + add + scale * (offset + step * sum)`, where
/// `add` and `scale` are the code's own ([`ScanFactors`]).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ScanFormula {
    /// What all estimates of this query have in common.
    pub base: f32,
    /// What a sum of 0 stands for.
    pub offset: f32,
    /// What one unit of an entry stands for.
    pub step: f32,
}

/// The factors of the codes of a block, in the order of the codes.
#[derive(Debug, Clone, Copy)]
pub struct ScanFactors<'a> {
    /// Added to each estimate.
    pub add: &'a [f32; BLOCK_CODES],
    /// What the query's value of each code is multiplied by.
    pub scale: &'a [f32; BLOCK_CODES],
}

impl Kernels {
    /// The sum of table entries of each code of a block.
    ///
    /// `codes`: one line per line of the table. Exact up to 65,535 lines.
    ///
    /// # Panics
    /// If `codes` has not 64 bytes per line of `table`.
    #[inline]
    pub fn fast_scan(self, codes: &[u8], table: &[TableLine]) -> [u32; BLOCK_CODES] {
        check_lengths(codes.len(), table.len() * 64);
        dispatch!(self.fast_scan(codes, table))
    }

    /// The estimate of each code of a block, and which of them are below `bound`: bit `i` for code `i`.
    ///
    /// The same sums as [`fast_scan`](Kernels::fast_scan); the floats behind them may differ in rounding from machine to
    /// machine. NaN is below nothing.
    ///
    /// # Panics
    /// If `codes` has not 64 bytes per line of `table`.
    #[inline]
    pub fn fast_scan_estimates(
        self,
        codes: &[u8],
        table: &[TableLine],
        formula: ScanFormula,
        factors: ScanFactors<'_>,
        bound: f32,
        out: &mut [f32; BLOCK_CODES],
    ) -> u32 {
        check_lengths(codes.len(), table.len() * 64);
        dispatch!(self.fast_scan_estimates(codes, table, formula, factors, bound, out))
    }

    /// The sum of the components of `query` whose bit is set: bit `i % 8` of byte `i / 8` stands for component `i`. Exact up
    /// to [`DIM_MAX`](crate::DIM_MAX) components.
    ///
    /// # Panics
    /// If `query` has not 8 components per byte of `bits`.
    #[inline]
    pub fn dot_bits_i8(self, bits: &[u8], query: &[i8]) -> i32 {
        check_lengths(bits.len() * 8, query.len());
        dispatch!(self.dot_bits_i8(bits, query))
    }
}

#[cfg(test)]
mod tests;
