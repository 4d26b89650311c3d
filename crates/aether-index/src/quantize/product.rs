//! Product quantization with 4 bits: groups of components, each replaced by the nearest of 16 centroids of its subspace.
//!
//! ```text
//! x' = x - centre, cut into subspaces of about equally many components
//! code       half a byte per subspace: the number of the centroid; the first subspace in the low half of the first byte
//! block      32 codes in the order of fast scans, as with the signs of RaBitQ: see the parent module
//! estimate   base + add + scale * Σ <q'[s], centroid of s>: one table entry per subspace, of 8 bits when scanning
//! ```
//! For when some bytes per vector are all there is; with a bit per component or more, RaBitQ is as good and needs no training.
//! Jégou, Douze and Schmid 2011, "Product quantization for nearest neighbor search"; how estimates follow is told in
//! [`centred`](super::centred).

use aether_distance::{
    BLOCK_CODES, LINE_GROUPS, Metric, ScanFactors, ScanFormula, TableLine, VectorRef,
};

use super::centred::{Centred, Factors, mean};
use super::table::ScanTable;
use crate::kmeans::Centroids;
use crate::work::Work;
use crate::{Error, Result};

/// Centroids of a subspace: what 4 bits can tell apart.
const CENTROIDS: usize = 16;

/// A quantizer, trained on a sample. Immutable.
#[derive(Debug, Clone)]
pub struct ProductQuantizer {
    centred: Centred,
    /// By subspace.
    codebook: Vec<Subspace>,
}

#[derive(Debug, Clone)]
struct Subspace {
    start: usize,
    /// Up to 16.
    centroids: Vec<Vec<f32>>,
}

/// One query, prepared for all codes of a [`ProductQuantizer`]. Reusable: from the second query on nothing is allocated.
#[derive(Debug, Default)]
pub struct ProductTable {
    scan: ScanTable,
    query: Vec<f32>,
    /// By subspace and centroid.
    dots: Vec<[f32; CENTROIDS]>,
    norm: f32,
}

impl ProductQuantizer {
    /// Trains on `sample`, of which some thousands are enough. The same sample and `seed` give the same codebook.
    ///
    /// `subspaces`: 1 to `dim`; a code has half a byte for each. About `sample * dim * 200` multiply-adds.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when `dim` is 0 or above [`DIM_MAX`](aether_distance::DIM_MAX), when
    /// `subspaces` is outside its limits, or when the sample is empty, not finite or of another dimension.
    pub fn train<'a>(
        metric: Metric,
        dim: usize,
        subspaces: usize,
        sample: impl IntoIterator<Item = VectorRef<'a>>,
        seed: u64,
    ) -> Result<ProductQuantizer> {
        super::check_dim(dim)?;
        if !(1..=dim).contains(&subspaces) {
            return Err(Error::invalid(format!(
                "{subspaces} subspaces of {dim} components, but must be 1 to {dim}"
            )));
        }
        let sample: Vec<_> = sample.into_iter().collect();
        super::check_sample(dim, &sample)?;
        let centred = Centred::new(metric, mean(metric, dim, sample.iter().copied()));
        let (mut rows, mut floats) = (Vec::with_capacity(sample.len() * dim), Vec::new());
        for &vector in &sample {
            centred.vector(vector, &mut floats);
            rows.extend_from_slice(&floats);
        }
        let work = Work::alone();
        let codebook = (0..subspaces).map(|subspace| {
            let (start, end) = (subspace * dim / subspaces, (subspace + 1) * dim / subspaces);
            let points: Vec<f32> = rows
                .chunks_exact(dim)
                .flat_map(|row| &row[start..end])
                .copied()
                .collect();
            let centroids = Centroids::fit(&points, end - start, CENTROIDS, seed, &work)?;
            let centroids = (0..centroids.len())
                .map(|i| centroids.row(i).to_vec())
                .collect();
            Ok(Subspace { start, centroids })
        });
        let codebook = codebook.collect::<Result<_>>()?;
        Ok(ProductQuantizer { centred, codebook })
    }

    /// Bytes of a code: half a byte per subspace, rounded up to 4 of them.
    pub fn code_bytes(&self) -> usize {
        self.codebook.len().next_multiple_of(LINE_GROUPS) / 2
    }

    /// Bytes of a block of 32 codes.
    pub fn block_bytes(&self) -> usize {
        self.code_bytes() * BLOCK_CODES
    }

    /// Writes the code of `vector`, to be [`pack`](super::pack)ed into blocks; `floats` is working memory. `16 * dim`
    /// multiply-adds.
    ///
    /// # Panics
    /// If the dimension is another one, or `code` has not [`code_bytes`](ProductQuantizer::code_bytes).
    pub fn encode(&self, vector: VectorRef<'_>, code: &mut [u8], floats: &mut Vec<f32>) -> Factors {
        let bytes = self.code_bytes();
        assert!(
            code.len() == bytes,
            "{} bytes for a code of {bytes}",
            code.len()
        );
        let terms = self.centred.vector(vector, floats);
        let (mut dot, mut norm) = (0.0, 0.0);
        code.fill(0);
        for (i, subspace) in self.codebook.iter().enumerate() {
            let (number, centroid) = subspace.nearest(floats);
            let part = subspace.part(floats);
            dot += part.iter().zip(centroid).map(|(x, c)| x * c).sum::<f32>();
            norm += centroid.iter().map(|c| c * c).sum::<f32>();
            code[i / 2] |= number << (i % 2 * 4);
        }
        terms.factors(dot, norm, floats.len())
    }

    /// Makes `table` that of `query`, which needs no normalization.
    ///
    /// # Panics
    /// If the dimension is another one.
    pub fn prepare(&self, query: &[f32], table: &mut ProductTable) {
        let kernels = self.centred.kernels;
        let base = self.centred.query(query, &mut table.query);
        table.norm = kernels.dot_f32(&table.query, &table.query).sqrt();
        table.dots.clear();
        table.dots.extend(self.codebook.iter().map(|subspace| {
            let part = subspace.part(&table.query);
            let mut dots = [0.0; CENTROIDS];
            for (dot, centroid) in dots.iter_mut().zip(&subspace.centroids) {
                *dot = kernels.dot_f32(part, centroid);
            }
            dots
        }));
        table.scan.kernels = kernels;
        table.scan.fill_with_values(&table.dots, base);
    }
}

impl Subspace {
    /// Its components of a vector.
    fn part<'a>(&self, vector: &'a [f32]) -> &'a [f32] {
        let length = self.centroids.first().map_or(0, Vec::len);
        &vector[self.start..self.start + length]
    }

    /// The nearest centroid of a vector's components, the first of equally near ones, and its number.
    fn nearest(&self, vector: &[f32]) -> (u8, &[f32]) {
        let part = self.part(vector);
        let mut best: (f32, u8, &[f32]) = (f32::INFINITY, 0, &self.centroids[0]);
        for (number, centroid) in (0..).zip(&self.centroids) {
            let differences = part.iter().zip(centroid).map(|(x, c)| (x - c) * (x - c));
            let square = differences.sum();
            if square < best.0 {
                best = (square, number, centroid);
            }
        }
        (best.1, best.2)
    }
}

impl ProductTable {
    /// Estimates the distances of the 32 codes of a block; tells by its bits which are below `bound`.
    ///
    /// `codes`: a block, [`block_bytes`](ProductQuantizer::block_bytes) long. NaN is below nothing.
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

    /// Estimates the distance of one code, without the rounding of entries to 8 bits.
    ///
    /// # Panics
    /// If `code` is shorter than the quantizer's codes.
    pub fn estimate(&self, code: &[u8], factors: Factors) -> f32 {
        let entries = self.dots.iter().enumerate();
        let dot: f32 = entries
            .map(|(i, dots)| dots[usize::from(code[i / 2] >> (i % 2 * 4) & 15)])
            .sum();
        self.scan.formula.base + factors.add + factors.scale * dot
    }

    /// The length of the centred query: what [`Factors::error`] is to be multiplied by.
    pub fn norm(&self) -> f32 {
        self.norm
    }
}

impl ScanTable {
    /// Makes the tables for codes whose groups stand for `values`.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cast of floats saturates"
    )]
    fn fill_with_values(&mut self, values: &[[f32; CENTROIDS]], base: f32) {
        let range = |values: &[f32; CENTROIDS]| {
            let first = values[0];
            values
                .iter()
                .fold((first, first), |(low, high), &x| (low.min(x), high.max(x)))
        };
        let ranges = values.iter().map(range);
        let (offset, largest) = ranges.fold((0.0, 0.0_f32), |(offset, largest), (low, high)| {
            (offset + low, largest.max(high - low))
        });
        let step = largest / 255.0;
        let per_unit = if step.recip().is_finite() {
            step.recip()
        } else {
            0.0
        };
        self.formula = ScanFormula { base, offset, step };
        self.lines.clear();
        self.lines.extend(values.chunks(LINE_GROUPS).map(|groups| {
            let mut line = TableLine::default();
            for (entries, values) in line.0.as_chunks_mut::<16>().0.iter_mut().zip(groups) {
                let (low, _) = range(values);
                *entries = values.map(|value| ((value - low) * per_unit + 0.5) as u8);
            }
            line
        }));
    }
}

#[cfg(test)]
mod tests;
