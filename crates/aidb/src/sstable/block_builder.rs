//! Builds the contents of a data block; the layout stands in [`super::block`].

use crate::key::trailer_seq;

use super::block::{GROUP_ENTRIES, KINDS_DIFFER, TAIL_BYTES, Tail, tag};

/// A data block in the making. Buffers are kept from one block to the next.
#[derive(Debug, Default)]
pub(super) struct BlockBuilder {
    values: Vec<u8>,
    keys: Vec<u8>,
    tags: Vec<u8>,
    entries: Vec<Added>,
    prefixes: Vec<u16>,
    /// The whole keys of the last group, what they begin with, and where each ends.
    group: Vec<u8>,
    group_prefix: usize,
    group_ends: Vec<usize>,
    shape: Shape,
}

#[derive(Clone, Copy, Debug)]
struct Added {
    key_end: u32,
    value_end: u32,
    trailer: u64,
}

/// What the entries have in common.
#[derive(Debug)]
struct Shape {
    least_seq: u64,
    greatest_seq: u64,
    kind: Option<u8>,
    /// The length of all values, as long as they have one.
    value_bytes: Option<usize>,
}

impl Default for Shape {
    fn default() -> Self {
        Shape {
            least_seq: u64::MAX,
            greatest_seq: 0,
            kind: None,
            value_bytes: None,
        }
    }
}

impl BlockBuilder {
    /// Adds the entry after the last one. `shared`: how many bytes its user key has in common with that of the last
    /// entry; `hash`: that of the user key.
    #[inline]
    pub(super) fn add(
        &mut self,
        user_key: &[u8],
        shared: usize,
        hash: u64,
        trailer: u64,
        value: &[u8],
    ) {
        if self.group_ends.len() == GROUP_ENTRIES {
            self.finish_group();
        }
        self.group_prefix = if self.group_ends.is_empty() {
            user_key.len()
        } else {
            self.group_prefix.min(shared)
        };
        self.group.extend_from_slice(user_key);
        self.group_ends.push(self.group.len());
        self.tags.push(tag(hash));
        self.shape
            .add(trailer, value.len(), self.entries.is_empty());
        self.values.extend_from_slice(value);
        self.entries.push(Added {
            key_end: 0,
            value_end: offset(self.values.len()),
            trailer,
        });
    }

    /// Stores what the keys of the group begin with, and the rest of each.
    fn finish_group(&mut self) {
        let first = self.entries.len() - self.group_ends.len();
        let prefix = self.group_prefix;
        self.prefixes
            .push(u16::try_from(prefix).expect("a key has at most 65,535 bytes"));
        self.keys.extend_from_slice(&self.group[..prefix]);
        let mut start = 0;
        for (entry, &end) in self.entries[first..].iter_mut().zip(&self.group_ends) {
            self.keys
                .extend_from_slice(&self.group[start + prefix..end]);
            entry.key_end = offset(self.keys.len());
            start = end;
        }
        self.group.clear();
        self.group_ends.clear();
    }

    /// What the contents would measure now, about.
    pub(super) fn bytes(&self) -> usize {
        let group = self
            .group
            .len()
            .saturating_sub(self.group_ends.len().saturating_sub(1) * self.group_prefix);
        // A tag and a record: two ends of two bytes each, and three for the sequence number.
        self.values.len() + self.keys.len() + group + 8 * self.entries.len() + TAIL_BYTES
    }

    /// True when nothing was added since the last `finish`.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The contents; the builder is then ready for the next block once [`clear`](Self::clear) is called.
    pub(super) fn finish(&mut self) -> &[u8] {
        if !self.group_ends.is_empty() {
            self.finish_group();
        }
        let keys_start = offset(self.values.len());
        let value_bytes = self.shape.value_bytes.map(offset);
        let tail = Tail {
            entries: offset(self.entries.len()),
            keys_start,
            tags_start: offset(self.values.len() + self.keys.len()),
            value_bytes: value_bytes.unwrap_or(0),
            least_seq: self.shape.least_seq,
            kind: self.shape.kind.unwrap_or(KINDS_DIFFER),
            key_end_bytes: width(self.keys.len() as u64),
            value_end_bytes: if value_bytes.is_some() {
                0
            } else {
                width(self.values.len() as u64)
            },
            seq_bytes: width(self.shape.greatest_seq.saturating_sub(self.shape.least_seq)),
        };
        self.values.extend_from_slice(&self.keys);
        self.values.extend_from_slice(&self.tags);
        self.put_records(&tail);
        for prefix in &self.prefixes {
            self.values.extend_from_slice(&prefix.to_le_bytes());
        }
        self.values.extend_from_slice(&tail.encode());
        &self.values
    }

    fn put_records(&mut self, tail: &Tail) {
        let bytes = tail.record_bytes();
        let value_at = 8 * u32::from(tail.key_end_bytes);
        let seq_at = value_at + 8 * u32::from(tail.value_end_bytes);
        let kind_at = seq_at + 8 * u32::from(tail.seq_bytes);
        for entry in &self.entries {
            let mut record = u128::from(entry.key_end);
            if tail.value_end_bytes > 0 {
                record |= u128::from(entry.value_end) << value_at;
            }
            record |= u128::from(trailer_seq(entry.trailer).0 - tail.least_seq) << seq_at;
            if tail.kind == KINDS_DIFFER {
                record |= u128::from(entry.trailer & 0xff) << kind_at;
            }
            self.values
                .extend_from_slice(&record.to_le_bytes()[..bytes]);
        }
    }

    /// Forgets the contents and keeps the buffers.
    pub(super) fn clear(&mut self) {
        self.values.clear();
        self.keys.clear();
        self.tags.clear();
        self.entries.clear();
        self.prefixes.clear();
        self.shape = Shape::default();
    }
}

impl Shape {
    #[inline]
    fn add(&mut self, trailer: u64, value_bytes: usize, first: bool) {
        let seq = trailer_seq(trailer).0;
        self.least_seq = self.least_seq.min(seq);
        self.greatest_seq = self.greatest_seq.max(seq);
        let [kind, ..] = trailer.to_le_bytes();
        if first {
            self.kind = Some(kind);
            self.value_bytes = Some(value_bytes);
        } else {
            self.kind = self.kind.filter(|common| *common == kind);
            self.value_bytes = self.value_bytes.filter(|common| *common == value_bytes);
        }
    }
}

/// The bytes that numbers up to `greatest` need.
fn width(greatest: u64) -> u8 {
    u8::try_from((64 - greatest.leading_zeros()).div_ceil(8)).expect("a number has 64 bits")
}

fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a block is shorter than 4 GiB")
}
