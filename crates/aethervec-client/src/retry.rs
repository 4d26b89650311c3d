//! What is repeated, how often, and after which pauses.

use crate::error::Error;
use std::time::Duration;

/// How often a call is tried, and what lies between.
///
/// Pauses double from `pause_min` to `pause_max`; each is drawn at random from its upper half, so that clients which fail together
/// do not come back together. A server that says how long to wait is believed. A call never outlives its [timeout](crate::ConnectOptions::timeout).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often a call is made, at most; 1: it is never repeated.
    pub attempts_max: u32,
    /// The first pause.
    pub pause_min: Duration,
    /// The longest pause.
    pub pause_max: Duration,
}

impl Retry {
    /// Five times, within about two seconds.
    pub const DEFAULT: Retry = Retry {
        attempts_max: 5,
        pause_min: Duration::from_millis(50),
        pause_max: Duration::from_secs(2),
    };

    /// Each call is made once.
    pub const NEVER: Retry = Retry {
        attempts_max: 1,
        ..Retry::DEFAULT
    };
}

impl Default for Retry {
    fn default() -> Self {
        Retry::DEFAULT
    }
}

/// Which failures of a call may be followed by another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It changes nothing: all that may pass.
    Read,
    /// It writes: those after which nothing can have been written.
    Write,
}

impl Repeat {
    pub(crate) fn after(self, error: &Error) -> bool {
        match self {
            Repeat::Read => error.is_passing(),
            Repeat::Write => error.is_not_begun(),
        }
    }
}

/// The pauses between attempts.
#[derive(Debug)]
pub(crate) struct Pauses {
    left: u32,
    next: Duration,
    max: Duration,
}

impl Pauses {
    pub(crate) fn new(retry: Retry) -> Pauses {
        Pauses {
            left: retry.attempts_max.saturating_sub(1),
            next: retry.pause_min,
            max: retry.pause_max,
        }
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        let longest = self.next.min(self.max);
        self.next = longest.saturating_mul(2);
        Some(longest.mul_f64(0.5 + fastrand::f64() / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_maximum_and_end() {
        let retry = Retry {
            attempts_max: 6,
            pause_min: Duration::from_millis(10),
            pause_max: Duration::from_millis(50),
        };
        let pauses: Vec<u128> = Pauses::new(retry).map(|pause| pause.as_millis()).collect();
        let longest = [10, 20, 40, 50, 50];
        assert_eq!(pauses.len(), longest.len());
        for (pause, longest) in pauses.into_iter().zip(longest) {
            assert!((longest / 2..=longest).contains(&pause), "{pause}");
        }
        assert_eq!(Pauses::new(Retry::NEVER).count(), 0);
    }
}
