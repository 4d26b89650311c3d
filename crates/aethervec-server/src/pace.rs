//! How long reads took lately: whether the next one is worth another thread.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How long the reads of a tenant took lately: a moving average, in microseconds.
#[derive(Debug)]
pub struct Pace(AtomicU32);

impl Pace {
    /// What takes longer than this is worth another thread.
    const SHORT_US: u32 = 200;

    /// The newest read counts one part of so many.
    const PARTS: u32 = 8;

    /// Whether the next read will be short, as far as one can tell.
    pub fn is_short(&self) -> bool {
        self.0.load(Ordering::Relaxed) <= Pace::SHORT_US
    }

    /// A read took so long.
    pub fn took(&self, time: Duration) {
        let newest = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        let before = self.0.load(Ordering::Relaxed);
        let mean = before - before / Pace::PARTS + newest / Pace::PARTS;
        // Of two that end together one may be forgotten.
        self.0.store(mean, Ordering::Relaxed);
    }
}

/// Nobody knows yet: as if they were long.
impl Default for Pace {
    fn default() -> Self {
        Pace(AtomicU32::new(4 * Pace::SHORT_US))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_fast_after_some_short_reads_and_slow_after_a_long_one() {
        let pace = Pace::default();
        assert!(!pace.is_short());
        for _ in 0..20 {
            pace.took(Duration::from_micros(30));
        }
        assert!(pace.is_short());
        pace.took(Duration::from_millis(10));
        assert!(!pace.is_short());
        pace.took(Duration::MAX);
        pace.took(Duration::MAX);
        assert!(!pace.is_short());
    }
}
