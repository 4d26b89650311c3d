//! Memory for keys and small values: copied side by side into chunks, so that a write allocates nothing of its own.
//!
//! A chunk goes when the last of its contents does.

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;

/// Bytes of the first chunk, which do for a memtable of a few writes; each further one has twice as many, up to so many that
/// chunks do not matter.
const CHUNK_BYTES_MIN: usize = 2 << 10;
const CHUNK_BYTES_MAX: usize = 64 << 10;

/// See the head of this module.
#[derive(Debug, Default)]
pub(super) struct Arena {
    chunk: Mutex<Chunk>,
}

#[derive(Debug, Default)]
struct Chunk {
    free: BytesMut,
    /// Bytes that it had when it was made.
    bytes: usize,
}

impl Chunk {
    #[cold]
    fn renew(&mut self, bytes_min: usize) {
        self.bytes = (2 * self.bytes).clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX);
        self.free = BytesMut::with_capacity(self.bytes.max(bytes_min));
    }
}

impl Arena {
    /// Copies of `key` and `value`.
    pub(super) fn copy(&self, key: &[u8], value: &[u8]) -> (Bytes, Bytes) {
        let bytes = key.len() + value.len();
        let mut chunk = self.chunk.lock();
        if chunk.free.capacity() - chunk.free.len() < bytes {
            chunk.renew(bytes);
        }
        chunk.free.extend_from_slice(key);
        chunk.free.extend_from_slice(value);
        let mut copy = chunk.free.split().freeze();
        if value.is_empty() {
            return (copy, Bytes::new());
        }
        let value = copy.split_off(key.len());
        (copy, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_stay_what_they_are() {
        let arena = Arena::default();
        let parts = |number: usize| {
            let key = number.to_le_bytes()[..number % 9].to_vec();
            (key, vec![number.to_le_bytes()[0]; number * 37 % 5_000])
        };
        let copies: Vec<_> = (0..2_000)
            .map(|number| {
                let (key, value) = parts(number);
                arena.copy(&key, &value)
            })
            .collect();
        for (number, (key, value)) in copies.into_iter().enumerate() {
            assert_eq!((key.to_vec(), value.to_vec()), parts(number));
        }
        let large = vec![7; CHUNK_BYTES_MAX * 2];
        assert_eq!(arena.copy(b"k", &large).1, large);
    }
}
