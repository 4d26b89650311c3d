//! Which slots hold dead points: one bit each.

use std::sync::OnceLock;
use std::sync::atomic::{
    AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

/// Slots of the first chunk of bits; each chunk has twice as many as the one before.
const FIRST: u32 = 1 << 16;

/// Chunks that it takes for all slots that there can be.
const CHUNKS: usize = 17;

/// A set of slots that threads read and change at any time.
#[derive(Debug)]
pub(super) struct DeadSet {
    chunks: [OnceLock<Box<[AtomicU64]>>; CHUNKS],
    len: AtomicUsize,
}

impl DeadSet {
    pub(super) fn new() -> DeadSet {
        DeadSet {
            chunks: [const { OnceLock::new() }; CHUNKS],
            len: AtomicUsize::new(0),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Acquire)
    }

    #[inline]
    pub(super) fn contains(&self, slot: u32) -> bool {
        let (chunk, word, bit) = place(slot);
        let word = self
            .chunks
            .get(chunk)
            .and_then(OnceLock::get)
            .and_then(|words| words.get(word));
        word.is_some_and(|word| word.load(Relaxed) & bit != 0)
    }

    /// False when it was there already.
    pub(super) fn insert(&self, slot: u32) -> bool {
        let (chunk, word, bit) = place(slot);
        let Some(words) = self.chunks.get(chunk) else {
            return false;
        };
        let words = words.get_or_init(|| {
            let words = (FIRST as usize) << chunk >> 6;
            (0..words).map(|_| AtomicU64::new(0)).collect()
        });
        let new = words[word].fetch_or(bit, Release) & bit == 0;
        if new {
            self.len.fetch_add(1, Release);
        }
        new
    }

    pub(super) fn remove(&self, slot: u32) {
        let (chunk, word, bit) = place(slot);
        let word = self
            .chunks
            .get(chunk)
            .and_then(OnceLock::get)
            .and_then(|words| words.get(word));
        if word.is_some_and(|word| word.fetch_and(!bit, Release) & bit != 0) {
            self.len.fetch_sub(1, Release);
        }
    }
}

/// Chunk, word and bit of a slot.
#[inline]
fn place(slot: u32) -> (usize, usize, u64) {
    let shifted = u64::from(slot) + u64::from(FIRST);
    let power = shifted.ilog2();
    let index = shifted - (1 << power);
    (
        (power - FIRST.ilog2()) as usize,
        (index / 64) as usize,
        1 << (index % 64),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_of_all_chunks_come_and_go() {
        let dead = DeadSet::new();
        let slots = [
            0,
            63,
            64,
            FIRST - 1,
            FIRST,
            3 * FIRST - 1,
            3 * FIRST,
            1_000_000,
        ];
        for slot in slots {
            assert!(!dead.contains(slot));
            assert!(dead.insert(slot) && !dead.insert(slot) && dead.contains(slot));
            assert!(!dead.contains(slot + 1) || slots.contains(&(slot + 1)));
        }
        assert_eq!(dead.len(), slots.len());
        for slot in slots {
            dead.remove(slot);
            dead.remove(slot);
            assert!(!dead.contains(slot));
        }
        assert_eq!(dead.len(), 0);
        assert!(!dead.contains(u32::MAX));
        dead.remove(u32::MAX);
    }
}
