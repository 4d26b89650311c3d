//! How often something took how long, without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of the classes, in microseconds: a search in memory takes tens of them, one that waits for a disk seconds.
pub(crate) const BOUNDS_MICROS: [u64; 20] = [
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000,
    500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000,
];

/// Counts by duration, and their sum.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// Those up to each bound and not up to the one before; the last are the longer ones.
    counts: [AtomicU64; BOUNDS_MICROS.len() + 1],
    nanos: AtomicU64,
}

/// A histogram at a moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Distribution {
    /// In seconds.
    pub(crate) sum: f64,
    pub(crate) count: u64,
    /// Upper bound in seconds, and how many were up to it and not up to the one before.
    pub(crate) buckets: Vec<(f64, u64)>,
}

impl Histogram {
    /// Once more, and it took `time`.
    pub(crate) fn observe(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let class = BOUNDS_MICROS.partition_point(|bound| bound * 1_000 < nanos);
        self.counts[class].fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// The present state; `None` when there is nothing in it.
    pub(crate) fn read(&self) -> Option<Distribution> {
        let counts = self
            .counts
            .each_ref()
            .map(|count| count.load(Ordering::Relaxed));
        let distribution = Distribution::new(
            &BOUNDS_MICROS,
            &counts,
            Duration::from_nanos(self.nanos.load(Ordering::Relaxed)),
        );
        Some(distribution).filter(|distribution| distribution.count > 0)
    }
}

impl Distribution {
    /// That of `counts` by `bounds` in microseconds; there is one more count than there are bounds.
    pub(crate) fn new(bounds: &[u64], counts: &[u64], sum: Duration) -> Distribution {
        let bounds = bounds
            .iter()
            .map(|bound| Duration::from_micros(*bound).as_secs_f64());
        let bounds = bounds.chain([f64::INFINITY]);
        Distribution {
            sum: sum.as_secs_f64(),
            count: counts.iter().sum(),
            buckets: bounds.zip(counts.iter().copied()).collect(),
        }
    }

    /// Adds one with the same bounds.
    pub(super) fn add(&mut self, other: &Distribution) {
        self.sum += other.sum;
        self.count += other.count;
        for ((_, count), (_, more)) in self.buckets.iter_mut().zip(&other.buckets) {
            *count += more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_in_the_class_of_its_bound() {
        let histogram = Histogram::default();
        assert_eq!(histogram.read(), None);
        for micros in [0, 10, 11, 25, 40_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let read = histogram.read().unwrap();
        assert_eq!(
            read.buckets[..3],
            [(10e-6, 2), (25e-6, 2), (50e-6, 0)],
            "{read:?}"
        );
        assert_eq!(read.buckets[20], (f64::INFINITY, 1));
        assert_eq!(read.count, 5);
        assert!((read.sum - 40.000_046).abs() < 1e-9);
    }
}
