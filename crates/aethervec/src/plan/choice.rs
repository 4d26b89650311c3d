//! Which index a dense field has: as its declaration says, or, if that leaves it open, by how many vectors there are and what
//! they are like. Pure; docs/decisions/0010 has the measurements.
//!
//! ```text
//! vectors   0 ─────── 1,000 ─────────────── points_max ────────────▶
//!             scan             buckets                    graph        unless a memory limit says otherwise
//! ```

use crate::ann::{Family, Shape};
use crate::schema::{AutoParams, DenseField, IndexConfig};
use aether_distance::ElementType;
use aether_index::{HnswParams, IvfParams};
use std::fmt;

/// Points from which on an approximate index is better than comparing with all of them.
pub(crate) const ANN_POINTS_MIN: usize = 1_000;

/// Points up to which buckets are chosen: about as fast as a graph without a filter, and far faster with one.
const BUCKETS_POINTS_MAX: usize = 100_000;

/// Fewer dimensions have fewer bits, which tell less: so many points of each.
const BUCKETS_POINTS_PER_DIMENSION: usize = 500;

/// A family stays until so many times fewer points would do for the other one.
const GROWN_BACK: usize = 2;

/// An index, and why it is this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// `None`: each search compares with everything.
    pub(crate) shape: Option<Shape>,
    pub(crate) why: Why,
}

/// Why an index is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Declared,
    /// Fewer points than this.
    Few(usize),
    /// No more points than this.
    Buckets(usize),
    /// More points than this.
    Graph(usize),
    /// The other family would take so many bytes, and only so many are to be taken.
    Memory(u64, u64),
    /// The smallest index in memory would take so many bytes, and only so many are to be taken.
    Disk(u64, u64),
}

impl Choice {
    pub(crate) fn family(&self) -> Option<Family> {
        self.shape.map(Shape::family)
    }
}

/// The index for `points` points of a field that has one of the family `now`.
pub(crate) fn choose(spec: &DenseField, points: usize, now: Option<Family>) -> Choice {
    let declared = |shape| Choice {
        shape,
        why: Why::Declared,
    };
    let chosen = match &spec.index {
        IndexConfig::Flat => declared(None),
        IndexConfig::Hnsw(params) => declared(Some(Shape::Graph(*params))),
        IndexConfig::Ivf(params) => declared(Some(Shape::Buckets(*params))),
        IndexConfig::Drift(params) => declared(Some(Shape::Drift(*params))),
        IndexConfig::Auto(params) => automatic(spec, params, points, now),
    };
    if now.is_none() && points < ANN_POINTS_MIN && chosen.shape.is_some() {
        return Choice {
            shape: None,
            why: Why::Few(ANN_POINTS_MIN),
        };
    }
    chosen
}

fn automatic(spec: &DenseField, params: &AutoParams, points: usize, now: Option<Family>) -> Choice {
    let max = buckets_points_max(spec);
    let stays = |family| if now == Some(family) { GROWN_BACK } else { 1 };
    let (best, other, why) = if points <= max / stays(Family::Graph) {
        (Family::Buckets, Family::Graph, Why::Buckets(max))
    } else {
        (Family::Graph, Family::Buckets, Why::Graph(max))
    };
    let bytes = |family| bytes_per_point(family, spec) * points as u64;
    let Some(limit) = params.memory_bytes_max else {
        return Choice {
            shape: Some(shape(best)),
            why,
        };
    };
    // What was too large comes back only when twice as much would do.
    let fits = |family| {
        let was_too_large = match now {
            Some(Family::Drift) => true,
            Some(present) => family == best && present != best,
            None => false,
        };
        let factor = if was_too_large { GROWN_BACK } else { 1 };
        bytes(family) * factor as u64 <= limit
    };
    let smaller = if bytes(other) < bytes(best) {
        other
    } else {
        best
    };
    let (family, why) = match [best, smaller].into_iter().find(|&family| fits(family)) {
        Some(family) if family == best => (best, why),
        Some(family) => (family, Why::Memory(bytes(best), limit)),
        None => (Family::Drift, Why::Disk(bytes(smaller), limit)),
    };
    Choice {
        shape: Some(shape(family)),
        why,
    }
}

/// Points up to which buckets are chosen for such vectors.
fn buckets_points_max(spec: &DenseField) -> usize {
    BUCKETS_POINTS_MAX.min(spec.dim * BUCKETS_POINTS_PER_DIMENSION)
}

fn shape(family: Family) -> Shape {
    match family {
        Family::Graph => Shape::Graph(HnswParams::DEFAULT),
        Family::Buckets => Shape::Buckets(IvfParams::DEFAULT),
        Family::Drift => Shape::Drift(IvfParams::DEFAULT),
    }
}

/// Memory for a point, about: codes, vectors, links and bookkeeping.
fn bytes_per_point(family: Family, spec: &DenseField) -> u64 {
    let components = spec.dim as u64;
    match family {
        Family::Graph => {
            let links = 8 * u64::from(HnswParams::DEFAULT.m);
            let fine = match spec.element {
                ElementType::U8 => components,
                ElementType::F16 | ElementType::F32 => 2 * components,
            };
            components / 2 + fine + links + 75
        }
        Family::Buckets => components * spec.element.bytes() as u64 + components / 8 + 95,
        // Copies of buckets take what they are given.
        Family::Drift => 4 * components / u64::from(IvfParams::DEFAULT.bucket_points) + 4,
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Declared => f.write_str("declared"),
            Why::Few(min) => write!(f, "fewer than {min} vectors: comparing with all is fast"),
            Why::Buckets(max) => write!(
                f,
                "up to {max} vectors like these buckets are as fast as a graph, and faster under filters"
            ),
            Why::Graph(max) => write!(
                f,
                "beyond {max} vectors like these a graph is faster than buckets"
            ),
            Why::Memory(bytes, limit) => write!(
                f,
                "what would be faster takes about {bytes} bytes, and {limit} are allowed"
            ),
            Why::Disk(bytes, limit) => write!(
                f,
                "an index in memory takes about {bytes} bytes or more, and {limit} are allowed"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aether_distance::Metric;

    fn auto(dim: usize, metric: Metric, memory_bytes_max: Option<u64>) -> DenseField {
        DenseField {
            element: ElementType::F16,
            ..DenseField::new(
                dim,
                metric,
                IndexConfig::Auto(AutoParams { memory_bytes_max }),
            )
        }
    }

    #[test]
    fn it_grows_from_a_scan_to_buckets_to_a_graph_and_back_again() {
        let spec = auto(384, Metric::Cosine, None);
        let mut now = None;
        let mut at = |points| {
            now = choose(&spec, points, now).family();
            now
        };
        assert_eq!(at(0), None);
        assert_eq!(at(999), None);
        assert_eq!(at(1_000), Some(Family::Buckets));
        assert_eq!(at(10), Some(Family::Buckets));
        assert_eq!(at(100_000), Some(Family::Buckets));
        assert_eq!(at(100_001), Some(Family::Graph));
        assert_eq!(at(50_001), Some(Family::Graph));
        assert_eq!(at(50_000), Some(Family::Buckets));
        assert_eq!(at(100_000), Some(Family::Buckets));
    }

    #[test]
    fn few_dimensions_are_for_graphs() {
        let plane = auto(2, Metric::L2Squared, None);
        assert_eq!(choose(&plane, 1_001, None).family(), Some(Family::Graph));
    }

    #[test]
    fn a_memory_limit_chooses_what_is_smaller() {
        // Buckets of these take about 1.7 KB for each, a graph 1.2.
        let spec = DenseField {
            element: ElementType::F32,
            ..auto(384, Metric::Cosine, Some(60_000_000))
        };
        let family = |points, now| choose(&spec, points, now).family();
        let (graph, buckets) = (Some(Family::Graph), Some(Family::Buckets));
        assert_eq!(family(30_000, buckets), buckets);
        assert_eq!(family(40_000, buckets), graph);
        assert_eq!(family(20_000, graph), graph);
        assert_eq!(family(17_000, graph), buckets);
        let why = choose(&spec, 40_000, buckets).why.to_string();
        assert!(why.ends_with("bytes, and 60000000 are allowed"), "{why}");
    }

    #[test]
    fn what_is_declared_stays() {
        for (index, family) in [
            (IndexConfig::Flat, None),
            (IndexConfig::Hnsw(HnswParams::DEFAULT), Some(Family::Graph)),
            (IndexConfig::Ivf(IvfParams::DEFAULT), Some(Family::Buckets)),
        ] {
            let spec = DenseField::new(8, Metric::Cosine, index);
            let choice = choose(&spec, 1_000_000, family);
            assert_eq!((choice.family(), choice.why), (family, Why::Declared));
        }
    }
}
