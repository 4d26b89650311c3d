//! What "near" means: the metrics, and the distance that they give.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// How two vectors are compared. Every metric gives a [`Distance`]: smaller is nearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Squared Euclidean distance, `Σ (a - b)²`; the root would not change the order.
    L2Squared,
    /// Inner product, negated: `-Σ a * b`.
    InnerProduct,
    /// `1 - cosine`: 0 for the same direction, 2 for the opposite one. A zero vector is at distance 1 from all.
    Cosine,
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Metric::L2Squared => "l2",
            Metric::InnerProduct => "dot",
            Metric::Cosine => "cosine",
        })
    }
}

impl FromStr for Metric {
    type Err = ParseMetricError;

    fn from_str(name: &str) -> Result<Metric, ParseMetricError> {
        match name {
            "l2" | "euclidean" => Ok(Metric::L2Squared),
            "dot" | "ip" | "inner_product" => Ok(Metric::InnerProduct),
            "cosine" | "cos" => Ok(Metric::Cosine),
            _ => Err(ParseMetricError(name.to_owned())),
        }
    }
}

/// A name that is no [`Metric`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseMetricError(String);

impl fmt::Display for ParseMetricError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unknown metric {:?}: use \"l2\" (or \"euclidean\"), \"dot\" (or \"ip\", \"inner_product\") or \"cosine\" (or \"cos\")",
            self.0
        )
    }
}

impl std::error::Error for ParseMetricError {}

/// A distance under some [`Metric`]: smaller is nearer. Totally ordered, as by [`f32::total_cmp`].
#[derive(Debug, Clone, Copy)]
pub struct Distance(pub f32);

impl Distance {
    /// Farther than everything finite.
    pub const INFINITE: Distance = Distance(f32::INFINITY);
}

impl Ord for Distance {
    #[inline]
    fn cmp(&self, other: &Distance) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Distance {
    #[inline]
    fn partial_cmp(&self, other: &Distance) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Distance {
    #[inline]
    fn eq(&self, other: &Distance) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Distance {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_aliases_are_known() {
        for metric in [Metric::L2Squared, Metric::InnerProduct, Metric::Cosine] {
            assert_eq!(metric.to_string().parse(), Ok(metric));
        }
        assert_eq!("euclidean".parse(), Ok(Metric::L2Squared));
        assert_eq!("ip".parse(), Ok(Metric::InnerProduct));
        assert_eq!("inner_product".parse(), Ok(Metric::InnerProduct));
        assert_eq!("cos".parse(), Ok(Metric::Cosine));
        let error = "manhattan".parse::<Metric>().unwrap_err().to_string();
        assert!(
            error.contains("manhattan") && error.contains("cosine"),
            "{error}"
        );
    }

    #[test]
    fn distances_are_totally_ordered() {
        let mut distances = [f32::NAN, 1.0, -2.0, f32::INFINITY, 0.0].map(Distance);
        distances.sort();
        assert_eq!(
            distances[..4],
            [-2.0, 0.0, 1.0, f32::INFINITY].map(Distance)
        );
        assert!(distances[4].0.is_nan());
    }
}
