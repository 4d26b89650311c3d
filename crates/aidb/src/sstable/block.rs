//! A data block: up to a few dozen entries, found by binary search over restart points and a short scan.
//!
//! ```text
//! values        one behind the other, in the order of the entries
//! entries       shared, suffix bytes, value bytes (varints) | kind << 4 | n (1) | sequence number (n) | suffix
//! restarts      entry offset u32, value offset u32: where a key is stored whole, at least every 16 entries
//! tail          offset of the entries u32, number of restarts u32
//! ```
//!
//! Keys stand apart from values and close to the restart points, so that a search touches few cache lines. Everything is checked when it is used: a
//! block of arbitrary bytes gives a [`Fault`] or wrong entries, but no panic and no read outside.

use std::cmp::Ordering;

use bytes::Bytes;

use crate::key::KEY_BYTES_MAX;

/// What is wrong in a block, and at which byte of its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: u32,
    pub(super) what: &'static str,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (byte {} of the block)", self.what, self.at)
    }
}

/// The contents of a data block in memory. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    data: Bytes,
    entries_start: u32,
    restarts_start: u32,
    restarts: u32,
}

/// A place in a block: that of an entry and of its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) entry: u32,
    pub(super) value: u32,
}

/// A decoded entry. All offsets lie inside the block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// How many bytes of the previous user key this one begins with.
    pub(super) shared: usize,
    suffix_start: usize,
    suffix_end: usize,
    /// Sequence number and kind, as in an internal key.
    pub(super) trailer: u64,
    value_start: u32,
    /// Where the next entry would be, which is also where this one's suffix and value end.
    pub(super) next: Place,
}

impl Entry {
    /// Length of the user key.
    pub(super) fn key_bytes(&self) -> usize {
        self.shared + (self.suffix_end - self.suffix_start)
    }

    /// Where the value is in the block.
    pub(super) fn value(&self) -> (u32, u32) {
        (self.value_start, self.next.value)
    }
}

/// The first entry at or after a target.
pub(super) struct Found {
    pub(super) entry: Entry,
    /// Where the entry is.
    pub(super) place: Place,
    /// True when its user key is that of the target.
    pub(super) same_user_key: bool,
}

impl Block {
    /// Takes the contents of a data block.
    pub(super) fn new(data: Bytes) -> Result<Block, Fault> {
        let fault = |what| Fault { at: 0, what };
        let length = u32::try_from(data.len()).map_err(|_| fault("a block of 4 GiB or more"))?;
        let tail = data
            .last_chunk::<8>()
            .ok_or(fault("too short for a block"))?;
        let entries_start = u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]);
        let restarts = u32::from_le_bytes([tail[4], tail[5], tail[6], tail[7]]);
        let restarts_start = restarts
            .checked_mul(8)
            .and_then(|bytes| (length - 8).checked_sub(bytes))
            .ok_or(fault("more restart points than bytes"))?;
        if restarts == 0 || entries_start > restarts_start {
            return Err(fault("the tail of the block contradicts itself"));
        }
        Ok(Block {
            data,
            entries_start,
            restarts_start,
            restarts,
        })
    }

    /// A block without entries: where an iterator stands before it has one.
    pub(super) fn empty() -> Block {
        Block {
            data: Bytes::new(),
            entries_start: 0,
            restarts_start: 0,
            restarts: 0,
        }
    }

    /// Memory held, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.data.len()
    }

    /// Number of restart points.
    pub(super) fn restarts(&self) -> usize {
        self.restarts as usize
    }

    /// The end of the entries.
    pub(super) fn end(&self) -> u32 {
        self.restarts_start
    }

    /// The place of restart point `index`, which is less than their number.
    #[inline]
    pub(super) fn restart(&self, index: usize) -> Place {
        let at = self.restarts_start as usize + index * 8;
        let bytes: [u8; 8] = self.data[at..at + 8].try_into().expect("eight bytes");
        let both = u64::from_le_bytes(bytes);
        let [low, high] = [both & 0xffff_ffff, both >> 32]
            .map(|half| u32::try_from(half).expect("half of a u64"));
        Place {
            entry: low,
            value: high,
        }
    }

    /// Decodes the entry at `place`.
    #[inline(always)]
    pub(super) fn entry(&self, place: Place) -> Result<Entry, Fault> {
        self.decode(place).ok_or(Fault {
            at: place.entry,
            what: "an entry runs over its limits",
        })
    }

    #[inline(always)]
    fn decode(&self, place: Place) -> Option<Entry> {
        let data = &self.data[..];
        let keys = data.get(..self.restarts_start as usize)?;
        let mut at = place.entry as usize;
        let (shared, suffix_bytes, value_bytes) = match *keys.get(at..at + 3)? {
            [a, b, c] if (a | b | c) < 0x80 => {
                at += 3;
                (u32::from(a), u32::from(b), u32::from(c))
            }
            _ => (
                varint(keys, &mut at)?,
                varint(keys, &mut at)?,
                varint(keys, &mut at)?,
            ),
        };
        let version = *keys.get(at)?;
        let seq_bytes = usize::from(version & 0xf);
        if seq_bytes > 7 {
            return None;
        }
        // The tail of the block makes eight bytes readable behind any entry.
        let word = u64::from_le_bytes(data.get(at + 1..at + 9)?.try_into().ok()?);
        let seq = word & ((1 << (8 * seq_bytes)) - 1);
        let suffix_start = at + 1 + seq_bytes;
        let suffix_end = suffix_start.checked_add(suffix_bytes as usize)?;
        let value_end = place.value.checked_add(value_bytes)?;
        if suffix_end > keys.len()
            || value_end > self.entries_start
            || place.entry < self.entries_start
            || shared as usize + suffix_bytes as usize > KEY_BYTES_MAX
        {
            return None;
        }
        Some(Entry {
            shared: shared as usize,
            suffix_start,
            suffix_end,
            trailer: seq << 8 | u64::from(version >> 4),
            value_start: place.value,
            next: Place {
                entry: u32::try_from(suffix_end).ok()?,
                value: value_end,
            },
        })
    }

    /// The part of an entry's user key that it does not share with the previous one.
    #[inline]
    pub(super) fn suffix(&self, entry: &Entry) -> &[u8] {
        &self.data[entry.suffix_start..entry.suffix_end]
    }

    /// A value, sharing this block's memory.
    #[inline]
    pub(super) fn value(&self, (start, end): (u32, u32)) -> Bytes {
        self.data.slice(start as usize..end as usize)
    }

    /// The first entry that stands at or after (`user_key`, `trailer`), if this block has one. Its user key is the
    /// first `shared` bytes of `user_key` and its suffix.
    ///
    /// No key is put together on the way: while all keys so far stand before the target and the last has `matched`
    /// bytes in common with it, an entry that shares more with the last is before it too, one that shares less is
    /// after it, and only one that shares as much has to be compared, from there on.
    #[inline]
    pub(super) fn find(&self, user_key: &[u8], trailer: u64) -> Result<Option<Found>, Fault> {
        let mut place = self.restart(self.last_restart_before(user_key, trailer)?);
        let (mut matched, mut last_bytes) = (0, 0);
        while place.entry < self.restarts_start {
            let entry = self.entry(place)?;
            let shared = entry.shared;
            if shared > last_bytes {
                return Err(Fault {
                    at: place.entry,
                    what: "a key shares more than the previous one has",
                });
            }
            last_bytes = entry.key_bytes();
            // A restart point shares nothing by decree: compare it from its first byte.
            if shared == 0 || shared == matched {
                let (suffix, rest) = (self.suffix(&entry), &user_key[shared..]);
                let common = common_prefix(suffix, rest);
                matched = shared + common;
                match suffix.get(common).cmp(&rest.get(common)) {
                    Ordering::Less => {}
                    Ordering::Greater => {
                        return Ok(Some(Found {
                            entry,
                            place,
                            same_user_key: false,
                        }));
                    }
                    Ordering::Equal if entry.trailer <= trailer => {
                        return Ok(Some(Found {
                            entry,
                            place,
                            same_user_key: true,
                        }));
                    }
                    Ordering::Equal => {}
                }
            } else if shared < matched {
                return Ok(Some(Found {
                    entry,
                    place,
                    same_user_key: false,
                }));
            }
            place = entry.next;
        }
        Ok(None)
    }

    /// The last restart point whose key stands before the target; the first one when none does.
    #[inline]
    fn last_restart_before(&self, user_key: &[u8], trailer: u64) -> Result<usize, Fault> {
        let (mut low, mut high) = (0, self.restarts());
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            let entry = self.entry(self.restart(middle))?;
            let order = self
                .suffix(&entry)
                .cmp(user_key)
                .then_with(|| trailer.cmp(&entry.trailer));
            if order == Ordering::Less {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
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

/// A LEB128 integer of up to 32 bits.
#[inline]
fn varint(bytes: &[u8], at: &mut usize) -> Option<u32> {
    let mut value = 0_u64;
    for shift in [0, 7, 14, 21, 28] {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return u32::try_from(value).ok();
        }
    }
    None
}
