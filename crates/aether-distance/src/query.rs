//! Exact distances from one query to stored vectors, under any metric.

use crate::kernel::Kernels;
use crate::metric::{Distance, Metric};
use crate::vector::VectorRef;

/// A query prepared for many exact distances: the kernels, the metric and, for cosine, the query's norm.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    kernels: Kernels,
    metric: Metric,
    vector: &'a [f32],
    norm: f32,
}

impl<'a> Query<'a> {
    /// `vector` needs no normalization under any metric.
    pub fn new(kernels: Kernels, metric: Metric, vector: &'a [f32]) -> Query<'a> {
        let norm = match metric {
            Metric::Cosine => kernels.dot_f32(vector, vector).sqrt(),
            Metric::L2Squared | Metric::InnerProduct => 1.0,
        };
        Query {
            kernels,
            metric,
            vector,
            norm,
        }
    }

    /// The query itself.
    pub fn vector(&self) -> &'a [f32] {
        self.vector
    }

    /// The exact distance to `other`; infinite where it is beyond the range of floats.
    ///
    /// # Panics
    /// If the dimensions differ.
    #[inline]
    pub fn distance(&self, other: VectorRef<'_>) -> Distance {
        let square = match self.metric {
            Metric::Cosine => other.square(self.kernels),
            Metric::L2Squared | Metric::InnerProduct => 0.0, // not used
        };
        self.distance_known(other, square)
    }

    /// The same for a vector whose [`square`](VectorRef::square) is known.
    ///
    /// # Panics
    /// If the dimensions differ.
    #[inline]
    pub fn distance_known(&self, other: VectorRef<'_>, square: f32) -> Distance {
        let distance = match self.metric {
            Metric::L2Squared => self.l2(other),
            Metric::InnerProduct => -self.dot(other),
            Metric::Cosine => {
                let norms = self.norm * square.sqrt();
                if norms > 0.0 {
                    1.0 - self.dot(other) / norms
                } else {
                    1.0
                }
            }
        };
        // NaN has a sign, and a negative one would be nearer than everything.
        if distance.is_nan() {
            Distance::INFINITE
        } else {
            Distance(distance)
        }
    }

    fn l2(&self, other: VectorRef<'_>) -> f32 {
        match other {
            VectorRef::F32(v) => self.kernels.l2_f32(self.vector, v),
            VectorRef::F16(v) => self.kernels.l2_f32_f16(self.vector, v),
            VectorRef::U8(v) => self.kernels.l2_f32_u8(self.vector, v),
        }
    }

    fn dot(&self, other: VectorRef<'_>) -> f32 {
        match other {
            VectorRef::F32(v) => self.kernels.dot_f32(self.vector, v),
            VectorRef::F16(v) => self.kernels.dot_f32_f16(self.vector, v),
            VectorRef::U8(v) => self.kernels.dot_f32_u8(self.vector, v),
        }
    }
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;

    fn distance(metric: Metric, query: &[f32], other: VectorRef<'_>) -> f32 {
        Query::new(Kernels::detect(), metric, query)
            .distance(other)
            .0
    }

    #[test]
    fn every_metric_on_every_element_type() {
        let query = [1.0, 2.0, 2.0];
        let halves = [4.0, 0.0, 3.0].map(f16::from_f32);
        for other in [
            VectorRef::F32(&[4.0, 0.0, 3.0]),
            VectorRef::F16(&halves),
            VectorRef::U8(&[4, 0, 3]),
        ] {
            assert_eq!(distance(Metric::L2Squared, &query, other), 14.0);
            assert_eq!(distance(Metric::InnerProduct, &query, other), -10.0);
            assert!((distance(Metric::Cosine, &query, other) - (1.0 - 10.0 / 15.0)).abs() < 1e-6);
        }
    }

    #[test]
    fn cosine_of_a_zero_vector_is_neither_near_nor_far() {
        assert_eq!(
            distance(Metric::Cosine, &[0.0, 0.0], VectorRef::F32(&[1.0, 0.0])),
            1.0
        );
        assert_eq!(
            distance(Metric::Cosine, &[1.0, 0.0], VectorRef::U8(&[0, 0])),
            1.0
        );
    }

    #[test]
    fn what_overflows_is_far_away() {
        let far = [f32::MAX; 40];
        let mixed: Vec<f32> = (0..40)
            .map(|i| if i % 3 == 0 { f32::MAX } else { f32::MIN })
            .collect();
        for metric in [Metric::L2Squared, Metric::InnerProduct, Metric::Cosine] {
            let found =
                Query::new(Kernels::detect(), metric, &far).distance(VectorRef::F32(&mixed));
            assert_eq!(found, Distance::INFINITE, "{metric}");
        }
    }
}
