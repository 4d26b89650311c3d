//! A data block: entries whose parts stand apart, each found by its number without reading the others.
//!
//! ```text
//! values     one behind the other
//! keys       per group of 16 entries: what all its user keys begin with; then the rest of each key
//! tags       one byte per entry: part of the hash of its user key
//! records    per entry: end of its key (1, 2 or 4) | end of its value (0, 1, 2 or 4) | sequence number - least (0 to 7) | kind (0 or 1)
//! prefixes   per group: length of what its keys begin with, u16
//! tail       see `Tail`
//! ```
//!
//! A point lookup reads tags, and the record and key of the entry whose tag is right: others only by chance. Ends count
//! from the start of their area. Values of one length need no ends. Everything is checked when it is used: a block of
//! arbitrary bytes gives a [`Fault`] or wrong entries, but no panic and no read outside.

use std::cmp::Ordering;
use std::ops::Range;

use bytes::Bytes;

use crate::cache::Weigh;
use crate::key::KEY_BYTES_MAX;

/// Entries that share one stored prefix.
pub(super) const GROUP_ENTRIES: usize = 16;

/// Stands for the kind in the tail when entries have different ones.
pub(super) const KINDS_DIFFER: u8 = 0xff;

/// What is wrong in a block, and at which byte of its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) what: &'static str,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (byte {} of the block)", self.what, self.at)
    }
}

/// The last bytes of a block: what is needed to read the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) entries: u32,
    pub(super) keys_start: u32,
    pub(super) tags_start: u32,
    /// The length of each value when `value_end_bytes` is 0.
    pub(super) value_bytes: u32,
    pub(super) least_seq: u64,
    /// The kind of all entries, or [`KINDS_DIFFER`].
    pub(super) kind: u8,
    pub(super) key_end_bytes: u8,
    pub(super) value_end_bytes: u8,
    pub(super) seq_bytes: u8,
}

/// Length of a tail. Not less than 16, so that whole words can be read wherever a record or a key begins.
pub(super) const TAIL_BYTES: usize = 28;

impl Tail {
    pub(super) fn encode(&self) -> [u8; TAIL_BYTES] {
        let mut bytes = [0; TAIL_BYTES];
        let numbers = [
            self.entries,
            self.keys_start,
            self.tags_start,
            self.value_bytes,
        ];
        for (to, number) in bytes.chunks_exact_mut(4).zip(numbers) {
            to.copy_from_slice(&number.to_le_bytes());
        }
        bytes[16..24].copy_from_slice(&self.least_seq.to_le_bytes());
        bytes[24..].copy_from_slice(&[
            self.kind,
            self.key_end_bytes,
            self.value_end_bytes,
            self.seq_bytes,
        ]);
        bytes
    }

    fn decode(bytes: &[u8; TAIL_BYTES]) -> Tail {
        let number =
            |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        Tail {
            entries: number(0),
            keys_start: number(4),
            tags_start: number(8),
            value_bytes: number(12),
            least_seq: u64::from(number(20)) << 32 | u64::from(number(16)),
            kind: bytes[24],
            key_end_bytes: bytes[25],
            value_end_bytes: bytes[26],
            seq_bytes: bytes[27],
        }
    }

    /// Length of a record.
    pub(super) fn record_bytes(&self) -> usize {
        let kind = u8::from(self.kind == KINDS_DIFFER);
        usize::from(self.key_end_bytes + self.value_end_bytes + self.seq_bytes + kind)
    }
}

/// The contents of a data block in memory. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    data: Bytes,
    entries: usize,
    keys_start: usize,
    tags_start: usize,
    records_start: usize,
    prefixes_start: usize,
    record_bytes: usize,
    value_bytes: usize,
    key_end: Field,
    value_end: Field,
    seq: Field,
    kind: Field,
    least_seq: u64,
    /// What `kind` lacks: the kind of all entries, or nothing.
    common_kind: u64,
}

/// Where in a record a number stands.
#[derive(Clone, Copy, Debug, Default)]
struct Field {
    at: usize,
    mask: u64,
}

impl Field {
    fn new(at: &mut usize, bytes: u8) -> Field {
        let field = Field {
            at: *at,
            mask: (1 << (8 * bytes)) - 1,
        };
        *at += usize::from(bytes);
        field
    }
}

/// What a block knows of an entry beside its key's prefix and where it begins.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Record {
    pub(super) key_end: usize,
    pub(super) value_end: usize,
    /// Sequence number and kind, as in an internal key.
    pub(super) trailer: u64,
}

/// An entry: where its parts are in the block. The key is the prefix and the suffix.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) prefix: Range<usize>,
    pub(super) suffix: Range<usize>,
    pub(super) trailer: u64,
    pub(super) value: Range<usize>,
}

impl Block {
    /// Takes the contents of a data block.
    pub(super) fn new(data: Bytes) -> Result<Block, Fault> {
        let fault = |what| Fault { at: 0, what };
        let tail = data
            .last_chunk::<TAIL_BYTES>()
            .ok_or(fault("too short for a block"))?;
        let tail = Tail::decode(tail);
        let entries = tail.entries as usize;
        let [keys_start, tags_start] = [tail.keys_start, tail.tags_start].map(|at| at as usize);
        let widths = [tail.key_end_bytes, tail.value_end_bytes, tail.seq_bytes];
        if entries == 0 || keys_start > tags_start || widths.into_iter().any(|bytes| bytes > 7) {
            return Err(fault("the tail of the block contradicts itself"));
        }
        let record_bytes = tail.record_bytes();
        let records_start = tags_start.saturating_add(entries);
        let prefixes_start = records_start.saturating_add(entries.saturating_mul(record_bytes));
        let end = prefixes_start.saturating_add(2 * entries.div_ceil(GROUP_ENTRIES));
        if end != data.len() - TAIL_BYTES {
            return Err(fault("the parts of the block do not add up"));
        }
        let mut at = 0;
        let [key_end, value_end, seq] = widths.map(|bytes| Field::new(&mut at, bytes));
        let differ = tail.kind == KINDS_DIFFER;
        Ok(Block {
            data,
            entries,
            keys_start,
            tags_start,
            records_start,
            prefixes_start,
            record_bytes,
            value_bytes: tail.value_bytes as usize,
            key_end,
            value_end,
            seq,
            kind: Field::new(&mut at, u8::from(differ)),
            least_seq: tail.least_seq,
            common_kind: if differ { 0 } else { u64::from(tail.kind) },
        })
    }

    /// Number of entries.
    #[inline]
    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    /// The record of entry `index`. Its ends may be anywhere: see [`key_part`](Self::key_part) and
    /// [`value`](Self::value).
    #[inline(always)]
    pub(super) fn record(&self, index: usize) -> Record {
        let at = self.records_start + index * self.record_bytes;
        let field = |field: Field| {
            // The tail is longer than a word, so that one can be read wherever a record begins.
            let word = self.data[at + field.at..].first_chunk::<8>();
            word.map_or(0, |word| u64::from_le_bytes(*word) & field.mask)
        };
        let value_end = if self.value_end.mask == 0 {
            (index + 1).wrapping_mul(self.value_bytes)
        } else {
            index_of(field(self.value_end))
        };
        let kind = if self.kind.mask == 0 {
            self.common_kind
        } else {
            field(self.kind)
        };
        Record {
            key_end: index_of(field(self.key_end)).wrapping_add(self.keys_start),
            value_end,
            trailer: self.least_seq.wrapping_add(field(self.seq)) << 8 | kind,
        }
    }

    /// Where what the keys of group `index` begin with is.
    #[inline]
    pub(super) fn prefix(&self, index: usize) -> Range<usize> {
        let start = match (index * GROUP_ENTRIES).checked_sub(1) {
            Some(last) => self.record(last).key_end,
            None => self.keys_start,
        };
        let at = self.prefixes_start + 2 * index;
        let bytes = u16::from_le_bytes([self.data[at], self.data[at + 1]]);
        start..start.wrapping_add(bytes.into())
    }

    /// Entry `index`, which is less than their number; its ranges are inside the block.
    #[inline]
    pub(super) fn entry(&self, index: usize) -> Result<Entry, Fault> {
        let record = self.record(index);
        let prefix = self.prefix(index / GROUP_ENTRIES);
        let before = index.checked_sub(1).map(|before| self.record(before));
        let suffix_start = match before {
            Some(before) if !index.is_multiple_of(GROUP_ENTRIES) => before.key_end,
            _ => prefix.end,
        };
        let value_start = before.map_or(0, |before| before.value_end);
        let entry = Entry {
            prefix,
            suffix: suffix_start..record.key_end,
            trailer: record.trailer,
            value: value_start..record.value_end,
        };
        self.check(&entry.prefix, &entry.suffix, &entry.value)
            .map_err(|what| self.fault(index, what))?;
        Ok(entry)
    }

    /// Refuses ranges that are not inside the areas where they belong.
    #[inline(always)]
    pub(super) fn check(
        &self,
        prefix: &Range<usize>,
        suffix: &Range<usize>,
        value: &Range<usize>,
    ) -> Result<(), &'static str> {
        let inside = self.keys_start <= prefix.start
            && prefix.start <= prefix.end
            && prefix.end <= suffix.start
            && suffix.start <= suffix.end
            && suffix.end <= self.tags_start
            && value.start <= value.end
            && value.end <= self.keys_start;
        if !inside || prefix.len() + suffix.len() > KEY_BYTES_MAX {
            return Err("an entry runs over its limits");
        }
        Ok(())
    }

    #[cold]
    pub(super) fn fault(&self, index: usize, what: &'static str) -> Fault {
        Fault {
            at: self.records_start + index * self.record_bytes,
            what,
        }
    }

    /// A part of the contents.
    #[inline]
    pub(super) fn slice(&self, range: Range<usize>) -> &[u8] {
        &self.data[range]
    }

    /// At least 16 bytes from `at` on, which is in the keys: behind them there are always more.
    #[inline(always)]
    pub(super) fn word(&self, at: usize) -> &[u8; 16] {
        self.data[at..]
            .first_chunk()
            .expect("the tail is behind the keys")
    }

    /// A part of the contents, sharing their memory.
    #[inline]
    pub(super) fn share(&self, range: Range<usize>) -> Bytes {
        self.data.slice(range)
    }

    /// The first entry of `user_key` with a trailer up to `trailer`, if this block has one. `hash` is that of the key.
    #[inline]
    pub(super) fn get(
        &self,
        user_key: &[u8],
        hash: u64,
        trailer: u64,
    ) -> Result<Option<Entry>, Fault> {
        let tags = &self.data[self.tags_start..self.records_start];
        let tag = tag(hash);
        let pattern = u64::from(tag).wrapping_mul(ONES);
        let words = tags.chunks_exact(8);
        let rest = words.remainder();
        for (number, word) in words.enumerate() {
            let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
            // A zero byte of `differ` is an equal tag; bytes above one may look like one too, and are compared.
            let differ = word ^ pattern;
            let mut equal = differ.wrapping_sub(ONES) & !differ & (ONES << 7);
            while equal != 0 {
                let index = 8 * number + equal.trailing_zeros() as usize / 8;
                if let Some(entry) = self.is(index, user_key, trailer)? {
                    return Ok(Some(entry));
                }
                equal &= equal - 1;
            }
        }
        for (number, _) in rest.iter().enumerate().filter(|(_, found)| **found == tag) {
            let index = tags.len() - rest.len() + number;
            if let Some(entry) = self.is(index, user_key, trailer)? {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// Entry `index` when it is of `user_key` and not newer than `trailer`.
    #[inline]
    fn is(&self, index: usize, user_key: &[u8], trailer: u64) -> Result<Option<Entry>, Fault> {
        let entry = self.entry(index)?;
        let is = entry.trailer <= trailer
            && user_key.len() == entry.prefix.len() + entry.suffix.len()
            && user_key.starts_with(&self.data[entry.prefix.clone()])
            && user_key.ends_with(&self.data[entry.suffix.clone()]);
        Ok(is.then_some(entry))
    }

    /// The number of the first entry that stands at or after (`user_key`, `trailer`); that of all when none does.
    #[inline]
    pub(super) fn lower_bound(&self, user_key: &[u8], trailer: u64) -> Result<usize, Fault> {
        let (mut low, mut high) = (0, self.entries.div_ceil(GROUP_ENTRIES));
        // The last group that begins before the target; the first one when none does.
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            if self.compare(middle * GROUP_ENTRIES, user_key, trailer)? == Ordering::Less {
                low = middle;
            } else {
                high = middle;
            }
        }
        let (mut low, mut high) = (
            low * GROUP_ENTRIES,
            self.entries.min((low + 1) * GROUP_ENTRIES),
        );
        while low < high {
            let middle = low + (high - low) / 2;
            if self.compare(middle, user_key, trailer)? == Ordering::Less {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// Where entry `index` stands in relation to (`user_key`, `trailer`).
    #[inline]
    fn compare(&self, index: usize, user_key: &[u8], trailer: u64) -> Result<Ordering, Fault> {
        let entry = self.entry(index)?;
        let (prefix, suffix) = (
            &self.data[entry.prefix.clone()],
            &self.data[entry.suffix.clone()],
        );
        let order = match user_key.split_at_checked(prefix.len()) {
            Some((start, rest)) => prefix.cmp(start).then_with(|| suffix.cmp(rest)),
            None => prefix.cmp(user_key).then(Ordering::Greater),
        };
        Ok(order.then_with(|| trailer.cmp(&entry.trailer)))
    }
}

impl Weigh for Block {
    fn bytes(&self) -> usize {
        self.data.len() + size_of::<Block>()
    }
}

/// A byte of 1 in every place.
const ONES: u64 = 0x0101_0101_0101_0101;

/// The part of a user key's hash that its entries carry.
#[inline]
pub(super) fn tag(hash: u64) -> u8 {
    hash.to_le_bytes()[6]
}

/// A number as an index; one that does not fit lies outside of any block.
#[inline(always)]
fn index_of(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// How many bytes `a` and `b` begin with in common.
#[inline]
pub(super) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let mut common = 0;
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        let [a, b] = [a, b].map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")));
        if a != b {
            return common + (a ^ b).trailing_zeros() as usize / 8;
        }
        common += 8;
    }
    common
        + a[common..]
            .iter()
            .zip(&b[common..])
            .take_while(|(a, b)| a == b)
            .count()
}
