//! Builds the contents of a data block; the layout stands in [`super::block`].

use crate::key::trailer_seq;
use crate::varint;

use super::format::RESTART_INTERVAL;

/// A data block in the making. Buffers are kept from one block to the next.
#[derive(Debug, Default)]
pub(super) struct BlockBuilder {
    entries: Vec<u8>,
    values: Vec<u8>,
    restarts: Vec<(u32, u32)>,
    since_restart: usize,
}

impl BlockBuilder {
    /// Adds the entry after the last one. `shared`: how many bytes its user key has in common with that of the last
    /// entry added to any block of this table.
    #[inline]
    pub(super) fn add(&mut self, user_key: &[u8], shared: usize, trailer: u64, value: &[u8]) {
        let shared = if self.restarts.is_empty() || self.since_restart == RESTART_INTERVAL {
            self.restarts
                .push((offset(self.entries.len()), offset(self.values.len())));
            self.since_restart = 0;
            0
        } else {
            shared
        };
        self.since_restart += 1;
        varint::put(&mut self.entries, shared as u64);
        varint::put(&mut self.entries, (user_key.len() - shared) as u64);
        varint::put(&mut self.entries, value.len() as u64);
        let seq = trailer_seq(trailer).0;
        let seq_bytes = (64 - seq.leading_zeros()).div_ceil(8) as usize;
        let [kind, ..] = trailer.to_le_bytes();
        self.entries.push(
            kind << 4 | u8::try_from(seq_bytes).expect("a sequence number has at most 7 bytes"),
        );
        self.entries
            .extend_from_slice(&seq.to_le_bytes()[..seq_bytes]);
        self.entries.extend_from_slice(&user_key[shared..]);
        self.values.extend_from_slice(value);
    }

    /// What the contents would measure now.
    pub(super) fn bytes(&self) -> usize {
        self.entries.len() + self.values.len() + 8 * self.restarts.len() + 8
    }

    /// True when nothing was added since the last `finish`.
    pub(super) fn is_empty(&self) -> bool {
        self.restarts.is_empty()
    }

    /// The contents; the builder is then ready for the next block once [`clear`](Self::clear) is called.
    pub(super) fn finish(&mut self) -> &[u8] {
        let entries_start = offset(self.values.len());
        self.values.extend_from_slice(&self.entries);
        for &(entry, value) in &self.restarts {
            self.values
                .extend_from_slice(&(entries_start + entry).to_le_bytes());
            self.values.extend_from_slice(&value.to_le_bytes());
        }
        self.values.extend_from_slice(&entries_start.to_le_bytes());
        self.values
            .extend_from_slice(&offset(self.restarts.len()).to_le_bytes());
        &self.values
    }

    /// Forgets the contents and keeps the buffers.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.values.clear();
        self.restarts.clear();
        self.since_restart = 0;
    }
}

fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a block is shorter than 4 GiB")
}
