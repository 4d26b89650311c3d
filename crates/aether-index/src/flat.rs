//! Exact search.
use aether_distance::{ElementType, Metric, VectorRef};

use crate::{Candidate, PointId, Result};

/// Every vector as given, compared one by one.
#[derive(Debug)]
pub struct Flat {}

impl Flat {
    /// An empty index.
    ///
    /// # Errors
    /// `Invalid` when `dim` is outside its limits.
    pub fn new(dim: usize, metric: Metric, element: ElementType) -> Result<Flat> {
        unimplemented!()
    }
    /// False when the point is here already.
    ///
    /// # Errors
    /// `Invalid` (dimension, element type), `Unavailable` (memory).
    pub fn insert(&self, point: PointId, vector: VectorRef<'_>) -> Result<bool> {
        unimplemented!()
    }
    /// False when it is not there.
    pub fn remove(&self, point: PointId) -> bool {
        unimplemented!()
    }
    /// The `k` nearest of the allowed points, nearest first.
    ///
    /// # Errors
    /// `Invalid` when the dimension differs.
    pub fn search(&self, query: &[f32], k: usize, allowed: impl Fn(PointId) -> bool) -> Result<Vec<Candidate>> {
        unimplemented!()
    }
    /// Calls `read` with the vector of `point`.
    pub fn get<R>(&self, point: PointId, read: impl FnOnce(VectorRef<'_>) -> R) -> Option<R> {
        unimplemented!()
    }
    /// True when it is here.
    pub fn contains(&self, point: PointId) -> bool {
        unimplemented!()
    }
    /// Points here.
    pub fn len(&self) -> usize {
        unimplemented!()
    }
    /// True without points.
    pub fn is_empty(&self) -> bool {
        unimplemented!()
    }
    /// Bytes in use.
    pub fn memory_bytes(&self) -> usize {
        unimplemented!()
    }
    /// All points, in no order.
    pub fn points(&self) -> Vec<PointId> {
        unimplemented!()
    }
}
