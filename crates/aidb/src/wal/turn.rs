//! Whose turn it is to sync, and whom a wave waits for: the decisions of group.rs, without locks, time and files.
//!
//! A sync takes as long for one write as for many. Those whom the last wave has woken are likely to come back with their
//! next write within microseconds, and would otherwise just miss the sync. So the open wave waits until as many have come
//! as are worth to wait for, and the one who makes it complete leads it: without a switch to another thread, and
//! without delay for a thread that is alone. When they do not come in time, the next waves wait for nobody: one, then
//! three, at most [`LOST_MAX`].

use crate::key::SeqNo;

/// The most waves in a row that wait for nobody.
const LOST_MAX: u32 = 127;

/// See the head of this module.
#[derive(Debug, Default)]
pub(super) struct Turn {
    pub(super) durable: SeqNo,
    /// The last closed wave.
    pub(super) wave: u64,
    /// The last write that a closed wave covers.
    pub(super) covered: SeqNo,
    /// The last closed wave is being synced.
    pub(super) is_led: bool,
    /// Somebody sees to it that the open wave is closed although it is not complete.
    pub(super) is_watched: bool,
    pub(super) syncs: u64,
    /// How many wait for the open wave.
    waiting: u32,
    /// How many waited for the last closed wave.
    size: u32,
    expected: u32,
    /// Waves that still wait for nobody.
    hasty: u32,
    /// How many waves waited for nobody after the last one that waited in vain.
    lost: u32,
}

impl Turn {
    /// Somebody begins to wait for `wave`: the open one, or the last closed one, which covers what is waited for.
    pub(super) fn join(&mut self, wave: u64) {
        if wave > self.wave {
            self.waiting += 1;
        } else {
            self.size += 1;
        }
    }

    /// How many it is worth to wait for: those of the last wave, and those who had missed it.
    pub(super) fn expected(&self) -> u32 {
        self.expected
    }

    /// True when the open wave may be closed without waiting for others.
    pub(super) fn is_complete(&self) -> bool {
        self.hasty > 0 || self.waiting >= self.expected
    }

    /// Closes the open wave, which covers all writes up to `covered`.
    pub(super) fn close(&mut self, covered: SeqNo) {
        if self.waiting >= self.expected {
            self.lost = 0;
            self.hasty = 0;
        } else if self.hasty > 0 {
            self.hasty -= 1;
        } else {
            self.lost = (2 * self.lost + 1).min(LOST_MAX);
            self.hasty = self.lost;
        }
        self.wave += 1;
        self.covered = covered;
        self.size = std::mem::take(&mut self.waiting).max(1);
        self.is_led = true;
        self.is_watched = false;
    }

    /// The sync of the last closed wave is over. True when somebody waits for the open one.
    pub(super) fn end(&mut self) -> bool {
        self.is_led = false;
        self.syncs += 1;
        self.expected = self.size + self.waiting;
        self.waiting > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `size` wait for the open wave, it is closed, and `late` come before its sync is over.
    fn wave(turn: &mut Turn, size: u32, late: u32) {
        (0..size).for_each(|_| turn.join(turn.wave + 1));
        turn.close(SeqNo::ZERO);
        (0..late).for_each(|_| turn.join(turn.wave + 1));
        assert_eq!(turn.end(), late > 0);
    }

    #[test]
    fn one_thread_waits_for_nobody() {
        let mut turn = Turn::default();
        for _ in 0..10 {
            wave(&mut turn, 0, 0);
            turn.join(turn.wave + 1);
            assert!(turn.is_complete());
        }
    }

    #[test]
    fn those_who_missed_a_wave_and_those_who_were_in_it_share_the_next() {
        let mut turn = Turn::default();
        wave(&mut turn, 1, 3);
        assert!(!turn.is_complete());
        turn.join(turn.wave + 1);
        assert!(turn.is_complete());
        turn.close(SeqNo::ZERO);
        // Covered, as its write was appended in time.
        turn.join(turn.wave);
        turn.end();
        assert_eq!(turn.expected(), 5);
    }

    #[test]
    fn after_waiting_in_vain_waves_wait_for_nobody_until_one_is_complete() {
        let mut turn = Turn::default();
        wave(&mut turn, 4, 0);
        let mut vain = Vec::new();
        for number in 0..1000 {
            if !turn.is_complete() {
                vain.push(number);
            }
            // Two threads in turns: whoever comes is alone.
            wave(&mut turn, 0, 1);
        }
        assert_eq!(vain[..5], [0, 2, 6, 14, 30]);
        assert!(
            vain.windows(2)
                .all(|pair| pair[1] - pair[0] <= LOST_MAX + 1)
        );
        wave(&mut turn, 1, 0);
        assert_eq!(turn.hasty, 0);
    }
}
