//! A token bucket: so many requests a second, and as many at once after a pause.

use std::time::Duration;
use tokio::time::Instant;

/// Holds what may be asked at once. Its size is one second's worth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    tokens: f64,
    rate: f64,
    at: Instant,
}

impl Bucket {
    /// One that nobody has taken from.
    pub(super) fn full(now: Instant, rate: u32) -> Bucket {
        Bucket {
            tokens: f64::from(rate),
            rate: f64::from(rate),
            at: now,
        }
    }

    /// Takes one, at this rate: it may have changed.
    ///
    /// # Errors
    /// How long it takes until there is one.
    pub(super) fn take(&mut self, now: Instant, rate: u32) -> Result<(), Duration> {
        self.rate = f64::from(rate);
        self.fill(now);
        if self.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.tokens) / self.rate));
        }
        self.tokens -= 1.0;
        Ok(())
    }

    /// Whether it is as if nobody had ever taken from it.
    pub(super) fn is_full(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.tokens >= self.rate
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.tokens = (self.tokens + passed * self.rate).min(self.rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_holds_on_average_and_a_second_of_it_at_once() {
        let begin = Instant::now();
        let mut bucket = Bucket::full(begin, 10);
        let mut taken = 0;
        for millis in 0..=2_000 {
            let now = begin + Duration::from_millis(millis);
            taken += usize::from(bucket.take(now, 10).is_ok());
        }
        // A token may be a thousandth of a second late.
        assert!((29..=30).contains(&taken), "{taken}");
        let wait = bucket.take(begin + Duration::from_secs(2), 10).unwrap_err();
        assert!(wait <= Duration::from_millis(100), "{wait:?}");
        assert!(bucket.is_full(begin + Duration::from_secs(3)));
    }
}
