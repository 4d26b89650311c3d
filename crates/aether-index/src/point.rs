//! What an index speaks of: points, and how near they are.

use std::cmp::Ordering;
use std::fmt;

use aether_distance::Distance;

/// The id of one version of a document's vector. An index never invents or reuses one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PointId(pub u64);

impl fmt::Display for PointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A point that a search found. Ordered by distance, ties by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Which point.
    pub point: PointId,
    /// How far from the query, in the index's metric.
    pub distance: Distance,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Candidate) -> Ordering {
        (self.distance, self.point).cmp(&(other.distance, other.point))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Candidate) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
