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
        Query { kernels, metric, vector, norm }
    }

    /// The query itself.
    pub fn vector(&self) -> &'a [f32] {
        self.vector
    }

    /// The exact distance to `other`.
    ///
    /// # Panics
    /// If the dimensions differ.
    #[inline]
    pub fn distance(&self, other: VectorRef<'_>) -> Distance {
        Distance(match self.metric {
            Metric::L2Squared => self.l2(other),
            Metric::InnerProduct => -self.dot(other),
            Metric::Cosine => {
                let norms = self.norm * self.norm_of(other);
                if norms > 0.0 { 1.0 - self.dot(other) / norms } else { 1.0 }
            }
        })
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

    fn norm_of(&self, other: VectorRef<'_>) -> f32 {
        match other {
            VectorRef::F32(v) => self.kernels.dot_f32(v, v).sqrt(),
            VectorRef::F16(v) => self.kernels.dot_f16(v, v).sqrt(),
            VectorRef::U8(v) => f64::from(self.kernels.dot_u8(v, v)).sqrt() as f32,
        }
    }
}
