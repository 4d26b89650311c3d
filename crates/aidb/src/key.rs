//! Internal keys: a user key with the sequence number and kind of the write that made it.
//!
//! ```text
//! internal key = user key ++ trailer          trailer = 8 bytes, little endian: sequence number << 8 | kind
//! order        = user key ascending (bytewise), then trailer descending: the newest version comes first
//! ```
//!
//! Never here: files, blocks, what a snapshot may see. Knows nothing above it.

use std::cmp::Ordering;
use std::fmt;

/// The longest user key, in bytes.
pub const KEY_BYTES_MAX: usize = 65_535;

/// Bytes that an internal key has more than its user key.
pub(crate) const TRAILER_BYTES: usize = 8;

/// The place of a write in the order of all writes of a database. Later writes have greater numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeqNo(pub u64);

impl SeqNo {
    /// Before every write.
    pub const ZERO: SeqNo = SeqNo(0);
    /// The first of those that the writes of a transaction have while it is not committed: everybody who meets one
    /// sees it. No commit has such a number.
    pub(crate) const OWN: SeqNo = SeqNo(1 << 55);
    /// The greatest that fits beside a kind: 56 bits.
    pub const MAX: SeqNo = SeqNo((1 << 56) - 1);
}

impl fmt::Display for SeqNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a version of a key says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ValueKind {
    /// A tombstone: the key is gone, and the value is empty.
    Delete = 0,
    /// The key has this value.
    Put = 1,
    /// An operand for what older versions say: the keyspace's merge operator makes a value of them.
    Merge = 2,
    /// The key has a value, which is in a value file: the stored bytes say where.
    Pointer = 3,
    /// All keys from this one to the stored end key, which is excluded, are gone. Stands apart from the other kinds, in tables and memtables.
    RangeDelete = 4,
    /// The key has a value for some time: the moment of its end in milliseconds since 1970 as 8 bytes, little endian,
    /// then the value.
    Expiring = 5,
    /// The key has a value for some time: the moment of its end as in [`Expiring`](Self::Expiring), then where the
    /// value is, as in [`Pointer`](Self::Pointer).
    ExpiringPointer = 6,
}

impl ValueKind {
    /// The kind stored as `byte`; none for bytes that this build does not know.
    pub(crate) fn from_byte(byte: u8) -> Option<ValueKind> {
        match byte {
            0 => Some(ValueKind::Delete),
            1 => Some(ValueKind::Put),
            2 => Some(ValueKind::Merge),
            3 => Some(ValueKind::Pointer),
            4 => Some(ValueKind::RangeDelete),
            5 => Some(ValueKind::Expiring),
            6 => Some(ValueKind::ExpiringPointer),
            _ => None,
        }
    }
}

/// The trailer of a write.
pub(crate) fn trailer(seq: SeqNo, kind: ValueKind) -> u64 {
    debug_assert!(seq <= SeqNo::MAX, "sequence number beyond 56 bits");
    seq.0 << 8 | kind as u64
}

/// The trailer that stands before all versions with a sequence number up to `at`, and after all later ones.
pub(crate) fn seek_trailer(at: SeqNo) -> u64 {
    at.0 << 8 | 0xff
}

/// The trailer that stands before all versions of a key, and that no version has: where a range ends that does not
/// contain the key itself.
pub(crate) const EXCLUSIVE_TRAILER: u64 = u64::MAX;

/// The sequence number in a trailer.
pub(crate) fn trailer_seq(trailer: u64) -> SeqNo {
    SeqNo(trailer >> 8)
}

/// The kind in a trailer; none when this build does not know it.
pub(crate) fn trailer_kind(trailer: u64) -> Option<ValueKind> {
    ValueKind::from_byte(trailer.to_le_bytes()[0])
}

/// Replaces the contents of `buffer` by the internal key of `user_key` and `trailer`.
pub(crate) fn write_internal(buffer: &mut Vec<u8>, user_key: &[u8], trailer: u64) {
    buffer.clear();
    buffer.reserve(user_key.len() + TRAILER_BYTES);
    buffer.extend_from_slice(user_key);
    buffer.extend_from_slice(&trailer.to_le_bytes());
}

/// The internal key of a write.
#[cfg(test)]
pub(crate) fn internal_key(user_key: &[u8], seq: SeqNo, kind: ValueKind) -> Vec<u8> {
    let mut key = Vec::new();
    write_internal(&mut key, user_key, trailer(seq, kind));
    key
}

/// Where to seek for the newest version of `user_key` with a sequence number up to `at`.
#[cfg(test)]
pub(crate) fn seek_key(user_key: &[u8], at: SeqNo) -> Vec<u8> {
    let mut key = Vec::new();
    write_internal(&mut key, user_key, seek_trailer(at));
    key
}

/// An internal key as user key and trailer.
///
/// # Panics
/// When `internal` is shorter than a trailer: callers that hold bytes from outside check the length first.
pub(crate) fn split(internal: &[u8]) -> (&[u8], u64) {
    let (user_key, trailer) = internal
        .split_last_chunk::<TRAILER_BYTES>()
        .expect("an internal key has a trailer");
    (user_key, u64::from_le_bytes(*trailer))
}

/// The user key of an internal key. Panics as [`split`].
pub(crate) fn user_key(internal: &[u8]) -> &[u8] {
    split(internal).0
}

/// The order of user keys, bytewise. Mostly the first eight bytes decide.
#[inline]
pub(crate) fn compare_user(a: &[u8], b: &[u8]) -> Ordering {
    if let (Some(a), Some(b)) = (a.first_chunk::<8>(), b.first_chunk::<8>()) {
        let (a, b) = (u64::from_be_bytes(*a), u64::from_be_bytes(*b));
        if a != b {
            return a.cmp(&b);
        }
    }
    a.cmp(b)
}

/// The order of internal keys. Panics as [`split`].
#[inline]
pub(crate) fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let (a_user, a_trailer) = split(a);
    let (b_user, b_trailer) = split(b);
    compare_user(a_user, b_user).then_with(|| b_trailer.cmp(&a_trailer))
}

/// True when a range that ends with the internal key `largest`, included unless it has the
/// [`EXCLUSIVE_TRAILER`], ends before all
/// versions of `user_key`. Panics as [`split`].
pub(crate) fn ends_before(largest: &[u8], user_key: &[u8]) -> bool {
    let (last, trailer) = split(largest);
    match compare_user(last, user_key) {
        Ordering::Less => true,
        Ordering::Equal => trailer == EXCLUSIVE_TRAILER,
        Ordering::Greater => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_versions_come_first_and_a_prefix_before_its_extension() {
        let ordered = [
            internal_key(b"", SeqNo(9), ValueKind::Put),
            internal_key(b"a", SeqNo::MAX, ValueKind::Put),
            seek_key(b"a", SeqNo(7)),
            internal_key(b"a", SeqNo(7), ValueKind::Put),
            internal_key(b"a", SeqNo(7), ValueKind::Delete),
            internal_key(b"a", SeqNo(6), ValueKind::Put),
            internal_key(b"a\0", SeqNo(1), ValueKind::Put),
            internal_key(b"b", SeqNo(0), ValueKind::Delete),
        ];
        for (i, a) in ordered.iter().enumerate() {
            for (j, b) in ordered.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{i} {j}");
            }
        }
    }

    #[test]
    fn an_exclusive_end_excludes_its_key() {
        let exact = internal_key(b"m", SeqNo(3), ValueKind::Put);
        let mut end = Vec::new();
        write_internal(&mut end, b"m", EXCLUSIVE_TRAILER);
        for (largest, includes) in [(&end, false), (&exact, true)] {
            assert!(!ends_before(largest, b"l") && ends_before(largest, b"n"));
            assert_eq!(ends_before(largest, b"m"), !includes);
        }
        assert!(compare(&end, &exact).is_lt());
    }

    #[test]
    fn a_trailer_holds_both_parts() {
        let trailer = trailer(SeqNo(123_456), ValueKind::Put);
        assert_eq!(trailer_seq(trailer), SeqNo(123_456));
        assert_eq!(trailer_kind(trailer), Some(ValueKind::Put));
        assert_eq!(trailer_kind(7), None);
    }
}
