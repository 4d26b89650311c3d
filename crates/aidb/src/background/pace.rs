//! How fast writers may go, so that flushes and compactions keep up and nobody ever has to be stopped.
//!
//! ```text
//! room     what may still be written before writers would have to wait
//! seconds  until the background has made more of it, at the speed that it has shown
//! speed    room / seconds: so the room is used up just when there is new room
//! ```
//!
//! There is such a limit for memtables, which wait for their flush, and one for runs and bytes of level 0, which wait to be
//! merged. Each write pays its share at once: the debt is paid per byte, in microseconds, from the moment on when
//! going on at full speed would end in a stop.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::compaction::Level0Debt;

/// Payments are gathered until they are worth a sleep.
const SLEEP_MIN: Duration = Duration::from_micros(500);

/// The longest sleep of one write; the rest is left to the next ones.
const SLEEP_MAX: Duration = Duration::from_millis(5);

/// Bytes of writes between two looks at the backlog.
const LOOK_BYTES: u64 = 64 << 10;

/// What a flush that should be done by now still takes at least, as a share of what it has taken.
const OVERRUN: f64 = 0.25;

/// A speed before anything has been measured.
const SPEED_GUESS: f64 = 64e6;

/// Writers are not slowed down below this many bytes per second: then they rather wait.
const SPEED_MIN: f64 = 1e6;

/// How far behind the background is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backlog {
    pub(crate) sealed: usize,
    pub(crate) sealed_max: usize,
    /// Of the memtable that takes the writes.
    pub(crate) active_bytes: usize,
    pub(crate) memtable_bytes: usize,
    /// Until the oldest sealed memtable is flushed.
    pub(crate) flush_seconds: f64,
    pub(crate) level0_runs: usize,
    pub(crate) level0_runs_max: usize,
    /// What may still be added to level 0 before it takes too much space.
    pub(crate) level0_room: u64,
    /// Until level 0 is within its limits; 0 when it is.
    pub(crate) merge_seconds: f64,
}

/// The bytes per second (as memtables count them) that writers may write; none: as many as they can.
#[expect(clippy::cast_precision_loss, reason = "a speed, about")]
pub(crate) fn speed(backlog: &Backlog) -> Option<f64> {
    let memtable = backlog.memtable_bytes as f64;
    let active_room = (memtable - backlog.active_bytes as f64).max(0.0);
    let queue_room = backlog.sealed_max.saturating_sub(backlog.sealed) as f64;
    let flush = (backlog.sealed > 0)
        .then(|| (queue_room * memtable + active_room) / backlog.flush_seconds.max(1e-3));
    let runs = backlog.level0_runs + backlog.sealed;
    let runs_room = backlog.level0_runs_max.saturating_sub(runs + 1) as f64;
    let level0_room = (runs_room * memtable).min(backlog.level0_room as f64);
    let merge =
        (backlog.merge_seconds > 0.0).then(|| (level0_room + active_room) / backlog.merge_seconds);
    [flush, merge]
        .into_iter()
        .flatten()
        .min_by(f64::total_cmp)
        .map(|speed| speed.max(SPEED_MIN))
}

/// What the background has shown, and what writers owe.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    flushing: Speed,
    merging: Speed,
    /// When the flush under way began, in nanoseconds and one more; 0 when there is none.
    flush_began: AtomicU64,
    /// What has to be merged until level 0 is within its limits,
    level0_debt: AtomicU64,
    /// and what may be added to it meanwhile.
    level0_room: AtomicU64,
    /// The speed as it was found last, in bytes per second; 0 for no limit.
    limit: AtomicU64,
    /// Bytes since that look.
    unseen: AtomicU64,
    /// When all writes so far are paid for, in nanoseconds.
    paid: AtomicU64,
}

/// A speed as a running mean.
#[derive(Debug, Default)]
struct Speed(AtomicU64);

impl Speed {
    fn get(&self) -> f64 {
        match self.0.load(Ordering::Relaxed) {
            0 => SPEED_GUESS,
            bits => f64::from_bits(bits),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a speed, about")]
    fn note(&self, bytes: u64, took: Duration) {
        if took.is_zero() {
            return;
        }
        let speed = (bytes as f64 / took.as_secs_f64()).max(SPEED_MIN);
        let mean = match self.0.load(Ordering::Relaxed) {
            0 => speed,
            bits => f64::from_bits(bits) * 0.7 + speed * 0.3,
        };
        self.0.store(mean.to_bits(), Ordering::Relaxed);
    }
}

impl Pace {
    /// A flush begins at `now`.
    pub(crate) fn flush_begins(&self, now: Duration) {
        self.flush_began.store(nanos(now) + 1, Ordering::Relaxed);
    }

    /// It has ended, and `bytes` of a memtable are in tables.
    pub(crate) fn flush_ends(&self, now: Duration, bytes: u64) {
        let began = self.flush_began.swap(0, Ordering::Relaxed);
        if let Some(began) = began.checked_sub(1).filter(|_| bytes > 0) {
            let took = now.saturating_sub(Duration::from_nanos(began));
            self.flushing.note(bytes, took);
        }
    }

    /// A compaction has read `bytes`.
    pub(crate) fn merged(&self, bytes: u64, took: Duration) {
        self.merging.note(bytes, took);
    }

    /// The tree has changed.
    pub(crate) fn owes(&self, debt: Level0Debt) {
        self.level0_debt.store(debt.bytes, Ordering::Relaxed);
        self.level0_room.store(debt.room, Ordering::Relaxed);
    }

    /// What may still be added to level 0.
    pub(crate) fn level0_room(&self) -> u64 {
        self.level0_room.load(Ordering::Relaxed)
    }

    /// Until a memtable of `bytes` is flushed, counted from the beginning of the flush that is under way. One that takes
    /// longer than expected will take longer still: so writers grow slower and slower, and do not run into a stop.
    #[expect(clippy::cast_precision_loss, reason = "a time, about")]
    pub(crate) fn flush_seconds(&self, bytes: usize, now: Duration) -> f64 {
        let began = self.flush_began.load(Ordering::Relaxed).checked_sub(1);
        let since = began.map_or(Duration::ZERO, |began| {
            now.saturating_sub(Duration::from_nanos(began))
        });
        let (expected, since) = (bytes as f64 / self.flushing.get(), since.as_secs_f64());
        (expected - since).max(OVERRUN * expected.max(since))
    }

    /// Until level 0 is within its limits.
    #[expect(clippy::cast_precision_loss, reason = "a time, about")]
    pub(crate) fn merge_seconds(&self) -> f64 {
        self.level0_debt.load(Ordering::Relaxed) as f64 / self.merging.get()
    }

    /// True when `bytes` more are so many that the backlog should be looked at.
    pub(crate) fn is_time(&self, bytes: u64) -> bool {
        let unseen = self.unseen.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if unseen < LOOK_BYTES {
            return false;
        }
        self.unseen.store(0, Ordering::Relaxed);
        true
    }

    /// Sets the speed.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a speed, about"
    )]
    pub(crate) fn limit(&self, speed: Option<f64>) {
        let speed = speed.map_or(0, |speed| (speed as u64).max(1));
        self.limit.store(speed, Ordering::Relaxed);
    }

    /// True when writers have to pay.
    #[inline]
    pub(crate) fn is_limited(&self) -> bool {
        self.limit.load(Ordering::Relaxed) > 0
    }

    /// How long a write of `bytes` at `now` has to sleep; zero when it owes too little yet.
    pub(crate) fn pay(&self, bytes: u64, now: Duration) -> Duration {
        let speed = self.limit.load(Ordering::Relaxed);
        if speed == 0 {
            return Duration::ZERO;
        }
        let now = nanos(now);
        let price = u128::from(bytes) * 1_000_000_000 / u128::from(speed);
        let price = u64::try_from(price).unwrap_or(u64::MAX);
        // What was not used of the past is lost, but for the time between two sleeps.
        let least = now.saturating_sub(nanos(SLEEP_MIN));
        let mut until = 0;
        let _ = self
            .paid
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |paid| {
                until = paid.max(least).saturating_add(price);
                Some(until)
            });
        let owed = Duration::from_nanos(until.saturating_sub(now));
        if owed < SLEEP_MIN {
            Duration::ZERO
        } else {
            owed.min(SLEEP_MAX)
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn backlog() -> Backlog {
        Backlog {
            sealed: 0,
            sealed_max: 2,
            active_bytes: 32 * MIB,
            memtable_bytes: 64 * MIB,
            flush_seconds: 0.5,
            level0_runs: 8,
            level0_runs_max: 32,
            level0_room: u64::MAX,
            merge_seconds: 0.0,
        }
    }

    #[test]
    fn whoever_is_not_behind_sets_no_limit() {
        assert_eq!(speed(&backlog()), None);
        let one = Backlog {
            sealed: 1,
            ..backlog()
        };
        assert!(speed(&one).unwrap() > 150e6, "{:?}", speed(&one));
    }

    #[test]
    fn the_nearer_the_stop_the_slower_and_never_faster() {
        let speed = |backlog| speed(&backlog).unwrap();
        let mut last = f64::MAX;
        for active in 0..=64 {
            let now = speed(Backlog {
                sealed: 2,
                active_bytes: active * MIB,
                ..backlog()
            });
            assert!(now <= last && now >= SPEED_MIN);
            last = now;
        }
        assert_eq!(last, SPEED_MIN);
        last = f64::MAX;
        for runs in 8..40 {
            let now = speed(Backlog {
                level0_runs: runs,
                merge_seconds: 5.0,
                ..backlog()
            });
            assert!(now <= last && now >= SPEED_MIN);
            last = now;
        }
        assert!(last < 10e6, "{last}");
        last = f64::MAX;
        for room in (0..=128).rev() {
            let now = speed(Backlog {
                level0_room: room * MIB as u64,
                merge_seconds: 5.0,
                ..backlog()
            });
            assert!(now <= last && now >= SPEED_MIN);
            last = now;
        }
        assert!(last < 10e6, "{last}");
    }

    /// A writer that pays what it is told is as fast as the limit says, and never sleeps long.
    #[test]
    fn payments_add_up() {
        let pace = Pace::default();
        pace.limit(Some(10e6));
        let (mut now, mut slept) = (Duration::from_secs(1), Duration::ZERO);
        for _ in 0..100_000 {
            now += Duration::from_micros(1);
            let sleep = pace.pay(200, now);
            assert!(sleep.is_zero() || (SLEEP_MIN..=SLEEP_MAX).contains(&sleep));
            now += sleep;
            slept += sleep;
        }
        // 20 MB at 10 MB/s, of which the writes themselves take 0.1 s.
        assert!(
            slept > Duration::from_millis(1_880) && slept < Duration::from_millis(1_920),
            "{slept:?}"
        );
        pace.limit(None);
        assert!(!pace.is_limited());
        assert_eq!(pace.pay(1 << 30, now), Duration::ZERO);
    }

    #[test]
    fn a_speed_follows_what_is_measured() {
        let pace = Pace::default();
        let second = Duration::from_secs(1);
        pace.flush_begins(second);
        let guess = pace.flush_seconds(64_000_000, second);
        assert!((guess - 1.0).abs() < 0.01, "{guess}");
        for _ in 0..30 {
            pace.flush_begins(second);
            pace.flush_ends(2 * second, 200_000_000);
        }
        pace.flush_begins(second);
        let half_way = pace.flush_seconds(200_000_000, second + second / 2);
        assert!((half_way - 0.5).abs() < 0.01, "{half_way}");
        let overdue = pace.flush_seconds(200_000_000, 4 * second);
        assert!(overdue > 0.7, "{overdue}");
    }
}
