//! The space in which buckets live: vectors relative to a centre, rotated at random, and their codes of one bit per
//! component.
//!
//! Under cosine vectors are made unit vectors first, and then compared by squared Euclidean distance, which orders them in
//! the same way. With `q` and `x` such vectors, `c` the centroid of the bucket of `x`, `r = x - c` and `s` the signs of `r`
//! (a vector of +1 and -1),
//!
//! ```text
//! |q - x|² = |q - c|² + |r|² - 2 <q - c, r>     and     <y, r> ≈ <y, s> |r|² / <r, s>   for every y,
//! ```
//!
//! without bias, because the rotation makes every direction alike (RaBitQ: Gao and Long 2024). `<q - c, s>` is `<q, s>`,
//! for which one table serves all buckets, less `<c, s>`, which is known with the code. So the estimate of a distance is
//! `base + add + scale * <q, s>`: `base` of the bucket, `add` and `scale` of the code. Its error is about
//! `ERROR * |scale| * |q - c|`. Inner products leave the centre at 0 and estimate `-<q, c> - <q, r>` in the same way.

use aether_distance::{ElementType, Kernels, Metric, VectorRef};

use super::SQUARE_MAX;
use crate::quantize::{QueryTable, Rotation};
use crate::{Error, Result};

/// The standard deviation of an estimate, in units of `|scale| * |q - c|`: `sqrt(1 - a²)` for `a`, the cosine of the angle
/// between a vector and its signs, which is near `sqrt(2 / pi)` for all vectors of many components.
pub(crate) const ERROR: f32 = 0.603;

/// How vectors become codes.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) dim: usize,
    pub(crate) metric: Metric,
    pub(crate) element: ElementType,
    pub(crate) kernels: Kernels,
    rotation: Rotation,
    /// Taken from each vector before it is rotated; zeros under the inner product.
    pub(crate) centre: Vec<f32>,
}

/// The code of a vector in its bucket.
#[derive(Debug, Clone, Default)]
pub(crate) struct Code {
    /// The sign of component `i`: bit `i % 8` of byte `i / 8`.
    pub(crate) bits: Vec<u8>,
    pub(crate) add: f32,
    pub(crate) scale: f32,
}

/// A query in this space.
#[derive(Debug, Default)]
pub(crate) struct Query {
    floats: Vec<f32>,
    pub(crate) table: QueryTable,
}

/// What a bucket is to a query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outlook {
    /// What all estimates in the bucket have in common.
    pub(crate) base: f32,
    /// What errors are proportional to: `|q - c|`, or `|q|` for inner products.
    pub(crate) reach: f32,
}

impl Space {
    pub(crate) fn new(
        dim: usize,
        metric: Metric,
        element: ElementType,
        centre: Vec<f32>,
        seed: u64,
    ) -> Space {
        Space {
            dim,
            metric,
            element,
            kernels: Kernels::detect(),
            rotation: Rotation::new(dim, seed),
            centre,
        }
    }

    /// Whether a vector can be here.
    pub(crate) fn suits(&self, vector: &VectorRef<'_>, element: ElementType) -> Result<()> {
        self.check_dim(vector.dim())?;
        if vector.element() != element {
            let given = vector.element();
            return Err(Error::invalid(format!(
                "a vector of {given} for an index of {element}"
            )));
        }
        let square = vector.square(self.kernels);
        if square < SQUARE_MAX {
            Ok(())
        } else {
            Err(Error::invalid(format!(
                "the squared length of a vector is {square}, but must be below {SQUARE_MAX:e}"
            )))
        }
    }

    /// Whether a query can be asked.
    pub(crate) fn check_dim(&self, dim: usize) -> Result<()> {
        if dim != self.dim {
            let own = self.dim;
            return Err(Error::invalid(format!(
                "a vector of {dim} components for an index of {own}"
            )));
        }
        Ok(())
    }

    /// Components of rotated vectors, a multiple of 64.
    pub(crate) fn width(&self) -> usize {
        self.rotation.padded_dim()
    }

    /// Bytes of the codes of a block.
    pub(crate) fn code_bytes(&self) -> usize {
        self.width() / 8 * aether_distance::BLOCK_CODES
    }

    /// Appends a vector, rotated, to `rotated`. `floats` is working memory. Returns the inverse of the vector's length, 0
    /// for that of zeros.
    pub(crate) fn place(
        &self,
        vector: VectorRef<'_>,
        floats: &mut Vec<f32>,
        rotated: &mut Vec<f32>,
    ) -> f32 {
        vector.to_f32(floats);
        let inverse = self.centre(floats);
        let start = rotated.len();
        rotated.resize(start + self.width(), 0.0);
        rotated[start..][..self.dim].copy_from_slice(floats);
        self.rotation.apply(&mut rotated[start..]);
        inverse
    }

    fn centre(&self, floats: &mut [f32]) -> f32 {
        let square = self.kernels.dot_f32(floats, floats);
        let inverse = if square > 0.0 {
            square.sqrt().recip()
        } else {
            0.0
        };
        let factor = if self.metric == Metric::Cosine {
            inverse
        } else {
            1.0
        };
        for (x, centre) in floats.iter_mut().zip(&self.centre) {
            *x = *x * factor - centre;
        }
        inverse
    }

    /// The code of a rotated vector in the bucket of `centroid`. Also returns the squared distance of the two.
    pub(crate) fn encode(&self, rotated: &[f32], centroid: &[f32], code: &mut Code) -> f32 {
        // Eight sums side by side, which the compiler vectorizes.
        let (mut square, mut signs, mut along) = ([0.0; 8], [0.0; 8], [0.0; 8]);
        code.bits.clear();
        let (rotated, centroid) = (rotated.as_chunks::<8>().0, centroid.as_chunks::<8>().0);
        for (rotated, centroid) in rotated.iter().zip(centroid) {
            let residual: [f32; 8] = std::array::from_fn(|i| rotated[i] - centroid[i]);
            for i in 0..8 {
                square[i] += residual[i] * residual[i];
                signs[i] += residual[i].abs();
                along[i] += match residual[i] >= 0.0 {
                    true => centroid[i],
                    false => -centroid[i],
                };
            }
            let bits = (0..8).map(|i| u8::from(residual[i] >= 0.0) << i);
            code.bits.push(bits.sum());
        }
        let sum = |of: [f32; 8]| of.iter().sum::<f32>();
        let (square, signs, along) = (sum(square), sum(signs), sum(along));
        let factor = if signs > 0.0 { square / signs } else { 0.0 };
        (code.add, code.scale) = match self.metric {
            Metric::InnerProduct => (0.0, -factor),
            Metric::L2Squared | Metric::Cosine => (square + 2.0 * factor * along, -2.0 * factor),
        };
        square
    }

    /// Prepares a query.
    pub(crate) fn query(&self, vector: &[f32], query: &mut Query) {
        query.floats.clear();
        query.floats.extend_from_slice(vector);
        self.centre(&mut query.floats);
        query.floats.resize(self.width(), 0.0);
        self.rotation.apply(&mut query.floats);
        query.table.prepare(self.kernels, &query.floats);
    }

    /// Prepares a vector that is in this space already as a query.
    pub(crate) fn query_of(&self, rotated: &[f32], query: &mut Query) {
        query.table.prepare(self.kernels, rotated);
    }

    /// What estimates have in common in a bucket around the origin.
    pub(crate) fn base_of_origin(&self, query: &Query) -> f32 {
        match self.metric {
            Metric::InnerProduct => 0.0,
            Metric::L2Squared | Metric::Cosine => query.table.norm().powi(2),
        }
    }

    /// What the bucket of `centroid` is to a query.
    pub(crate) fn outlook(&self, query: &Query, centroid: &[f32]) -> Outlook {
        match self.metric {
            Metric::InnerProduct => Outlook {
                base: -self.kernels.dot_f32(query.table.rotated(), centroid),
                reach: query.table.norm(),
            },
            Metric::L2Squared | Metric::Cosine => {
                let base = self.kernels.l2_f32(query.table.rotated(), centroid);
                Outlook {
                    base,
                    reach: base.sqrt(),
                }
            }
        }
    }
}
