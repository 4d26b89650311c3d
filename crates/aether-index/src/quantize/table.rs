//! A query as tables: what each group of four signs, and each code, is worth to it.
//!
//! ```text
//! entry for the signs s of group g    round((|q|₁ + <q, s>) / step),  q: the four components of the rotated query
//! <query, signs>                      step * Σ entries - Σ |q|₁
//! ```
//! One step for all groups, the smallest with which every entry fits in 8 bits. What rounding adds to the error of an estimate is
//! about a hundredth of what the signs themselves leave open.

use aether_distance::{BLOCK_CODES, Kernels, LINE_GROUPS, ScanFactors, ScanFormula, TableLine};

use super::centred::{Factors, Steps};

/// Tables for scanning blocks of 32 codes.
#[derive(Debug)]
pub(super) struct ScanTable {
    pub(super) kernels: Kernels,
    pub(super) lines: Vec<TableLine>,
    pub(super) formula: ScanFormula,
}

impl Default for ScanTable {
    fn default() -> ScanTable {
        ScanTable {
            kernels: Kernels::scalar(),
            lines: Vec::new(),
            formula: ScanFormula::default(),
        }
    }
}

impl ScanTable {
    #[inline]
    pub(super) fn estimate32(
        &self,
        codes: &[u8],
        factors: ScanFactors<'_>,
        bound: f32,
        out: &mut [f32; BLOCK_CODES],
    ) -> u32 {
        self.kernels
            .fast_scan_estimates(codes, &self.lines, self.formula, factors, bound, out)
    }

    /// Makes the tables for codes that are signs of the components of `rotated`.
    fn fill_with_signs(&mut self, rotated: &[f32], base: f32) {
        let (groups, _) = rotated.as_chunks::<4>();
        let (mut total, mut largest) = (0.0, 0.0_f32);
        for [a, b, c, d] in groups {
            let sum = (a.abs() + b.abs()) + (c.abs() + d.abs());
            total += sum;
            largest = largest.max(sum);
        }
        let step = 2.0 * largest / 255.0;
        // No direction, or one beyond what floats can tell.
        let per_unit = if step.recip().is_finite() {
            step.recip()
        } else {
            0.0
        };
        self.formula = ScanFormula {
            base,
            offset: -total,
            step,
        };
        self.lines
            .resize(groups.len() / LINE_GROUPS, TableLine::default());
        self.kernels.sign_table(rotated, per_unit, &mut self.lines);
    }
}

/// One query, prepared for all codes of a [`RaBitQ`](super::RaBitQ) quantizer. Reusable: from the second query on nothing is
/// allocated.
#[derive(Debug, Default)]
pub struct QueryTable {
    scan: ScanTable,
    /// Minus the centre, rotated, padded.
    pub(super) rotated: Vec<f32>,
    steps: Steps,
    base: f32,
    norm: f32,
}

impl QueryTable {
    /// Estimates the distances of the 32 codes of a block, from their signs; tells by its bits which are below `bound`.
    ///
    /// `codes`: a block, [`RaBitQ::block_bytes`](super::RaBitQ::block_bytes) long. NaN is below nothing; with a bound of infinity
    /// everything finite is.
    ///
    /// # Panics
    /// If `codes` has another length.
    #[inline]
    pub fn estimate32(
        &self,
        codes: &[u8],
        factors: ScanFactors<'_>,
        bound: f32,
        out: &mut [f32; BLOCK_CODES],
    ) -> u32 {
        self.scan.estimate32(codes, factors, bound, out)
    }

    /// Estimates the distance of one code from all its bits, or from its signs alone.
    ///
    /// `planes`: those of a [`Code`](super::Code), all with [`Code::all_bits_factors`](super::Code::all_bits_factors), or the signs with
    /// [`Code::factors`](super::Code::factors).
    ///
    /// # Panics
    /// If `planes` is not one or more whole planes.
    pub fn estimate(&self, planes: &[u8], factors: Factors) -> f32 {
        self.base + factors.add + factors.scale * self.dot(planes)
    }

    /// `<query, code>`: a component whose bits are the number `u` stands for `u - (2^bits - 1) / 2`; for twice that, if it is one bit.
    fn dot(&self, planes: &[u8]) -> f32 {
        let plane_bytes = self.rotated.len() / 8;
        assert!(
            !planes.is_empty() && planes.len().is_multiple_of(plane_bytes),
            "{} bytes are no planes of {plane_bytes}",
            planes.len()
        );
        let (mut dot, mut levels) = (0_i64, 1_i64);
        for plane in planes.chunks_exact(plane_bytes) {
            dot = 2 * dot + i64::from(self.scan.kernels.dot_bits_i8(plane, &self.steps.steps));
            levels *= 2;
        }
        // Whole numbers: twice the value.
        let twice = 2 * dot - (levels - 1) * i64::from(self.steps.sum);
        let unit = if levels == 2 {
            self.steps.unit
        } else {
            0.5 * self.steps.unit
        };
        unit * twice as f32
    }

    /// `<query, levels - middle>` of a code of four bits per component: byte `i` has component `i` in its lower half, and in its
    /// upper half the one that comes half of all components after it.
    #[inline]
    pub(crate) fn dot_levels(&self, levels: &[u8], middle: f32) -> f32 {
        let dot = self.scan.kernels.dot_u4_i8(levels, &self.steps.steps);
        self.steps.unit * (dot as f32 - middle * self.steps.sum as f32)
    }

    /// The length of the centred query: what [`Factors::error`] is to be multiplied by.
    pub fn norm(&self) -> f32 {
        self.norm
    }

    /// What all estimates have in common: [`Factors::add`] and the dot product come on top.
    pub fn base(&self) -> f32 {
        self.base
    }

    /// The query minus the centre, rotated and padded: it compares with [`Code::rotated`](super::Code::rotated).
    pub fn rotated(&self) -> &[f32] {
        &self.rotated
    }

    /// Prepares a query that is centred, rotated and padded already, with a base of 0.
    pub(crate) fn prepare(&mut self, kernels: Kernels, rotated: &[f32]) {
        self.rotated.clear();
        self.rotated.extend_from_slice(rotated);
        self.fill(kernels, 0.0);
    }

    /// What is added to each estimate of [`estimate32`](QueryTable::estimate32) from now on.
    #[inline]
    pub(crate) fn set_base(&mut self, base: f32) {
        self.scan.formula.base = base;
    }

    /// Makes the tables of what stands in `rotated`.
    pub(super) fn fill(&mut self, kernels: Kernels, base: f32) {
        self.scan.kernels = kernels;
        self.scan.fill_with_signs(&self.rotated, base);
        self.steps.fill(kernels, &self.rotated);
        self.base = base;
        self.norm = kernels.dot_f32(&self.rotated, &self.rotated).sqrt();
    }
}
