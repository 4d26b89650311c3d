//! The order of a memtable: keyspace, user key, newest version first.
//!
//! Keyspace and the first bytes of the key make two integers, the *head*, which decides most comparisons.

use std::cmp::Ordering;

use crate::keyspace::KeyspaceId;

use super::writes::Write;

/// Bytes of a user key that stand in its head.
const HEAD_BYTES: usize = FIRST_BYTES + 16;

/// Those of them that stand in its first half, beside the keyspace.
const FIRST_BYTES: usize = 12;

/// Keyspace and the first bytes of a user key, ordered as they are. Short keys are padded with zeros.
///
/// The first half decides between most keys, and runs keep it by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Head(pub(super) u128, pub(super) u128);

impl Head {
    #[inline]
    pub(super) fn new(keyspace: KeyspaceId, user_key: &[u8]) -> Head {
        let (mut first, mut second) = ([0; 16], [0; 16]);
        first[..4].copy_from_slice(&keyspace.0.to_be_bytes());
        let (key, rest) = user_key.split_at(user_key.len().min(FIRST_BYTES));
        first[4..4 + key.len()].copy_from_slice(key);
        let rest = &rest[..rest.len().min(16)];
        second[..rest.len()].copy_from_slice(rest);
        Head(u128::from_be_bytes(first), u128::from_be_bytes(second))
    }

    #[inline]
    pub(super) fn keyspace(self) -> KeyspaceId {
        let [a, b, c, d, ..] = self.0.to_be_bytes();
        KeyspaceId(u32::from_be_bytes([a, b, c, d]))
    }
}

/// The order of two user keys with the same head.
///
/// Heads are padded, hence the lengths: of two keys that are equal so far, the shorter one is a prefix of the longer.
#[inline]
pub(super) fn compare_tails(a: &[u8], b: &[u8]) -> Ordering {
    let lengths = a.len().cmp(&b.len());
    // Most keys have no tail, and comparing slices of nothing takes longer than one would think: the processor stumbles
    // over their addresses.
    match (a.get(HEAD_BYTES..), b.get(HEAD_BYTES..)) {
        (Some(a), Some(b)) => a.cmp(b).then(lengths),
        _ => lengths,
    }
}

/// A place to look for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position<'a> {
    pub(super) head: Head,
    user_key: &'a [u8],
    trailer: u64,
}

impl Position<'_> {
    /// Of the version of `user_key` with `trailer`.
    pub(super) fn of(keyspace: KeyspaceId, user_key: &[u8], trailer: u64) -> Position<'_> {
        Position {
            head: Head::new(keyspace, user_key),
            user_key,
            trailer,
        }
    }

    /// Before all entries of `keyspace`.
    pub(super) fn first(keyspace: KeyspaceId) -> Position<'static> {
        Position::of(keyspace, &[], u64::MAX)
    }

    /// The order of this position and a write with the same head.
    pub(super) fn compare_to(&self, write: &Write) -> Ordering {
        compare_tails(self.user_key, &write.key).then_with(|| write.trailer.cmp(&self.trailer))
    }
}
