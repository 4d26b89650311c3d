//! Writes in memory: all keyspaces of one span of the log, in the order of internal keys.
//!
//! One writer at a time, any number of readers, no locks. Keys and values share the memory of the batches that
//! brought them. The order is (keyspace, user key, newest version first); a node carries the keyspace and the first
//! twelve bytes of the key as one integer, so that most comparisons touch no other memory.

use std::borrow::Borrow;
use std::cmp::{Ordering, Reverse};
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering as Atomic};

use bytes::Bytes;
use crossbeam_skiplist::SkipMap;
use crossbeam_skiplist::map::Entry as Node;

use crate::batch::Entry;
use crate::error::Result;
use crate::iter::InternalIterator;
use crate::key::{self, SeqNo, ValueKind};
use crate::keyspace::KeyspaceId;

/// What an entry takes beside its key and value: node, tower, reference counts.
const ENTRY_OVERHEAD_BYTES: usize = 136;

/// Bytes of a user key that stand in the integer of a [`Position`].
const HEAD_BYTES: usize = 12;

/// Entries that a cursor takes at once when it runs on in one direction.
const RUN_ENTRIES_MAX: usize = 64;

/// The writes between two switches of the log, sorted.
pub(crate) struct MemTable {
    entries: SkipMap<Key, Bytes>,
    bytes: AtomicUsize,
    last_seq: AtomicU64,
    /// The first log whose writes are not here; 0 until the table is sealed.
    log_ceiling: AtomicU64,
}

impl MemTable {
    /// A memtable without entries.
    pub(crate) fn new() -> MemTable {
        MemTable {
            entries: SkipMap::new(),
            bytes: AtomicUsize::new(0),
            last_seq: AtomicU64::new(0),
            log_ceiling: AtomicU64::new(0),
        }
    }

    /// Adds a write. Callers take turns, in the order of sequence numbers.
    pub(crate) fn insert(&self, seq: SeqNo, entry: Entry) {
        let bytes = entry.key.len() + entry.value.len() + ENTRY_OVERHEAD_BYTES;
        let key = Key {
            head: head(entry.keyspace, &entry.key),
            user_key: entry.key,
            trailer: key::trailer(seq, entry.kind),
        };
        self.entries.insert(key, entry.value);
        self.bytes.fetch_add(bytes, Atomic::Relaxed);
        self.last_seq.store(seq.0, Atomic::Relaxed);
    }

    /// The newest version of `user_key` up to `at`.
    pub(crate) fn get(
        &self,
        keyspace: KeyspaceId,
        user_key: &[u8],
        at: SeqNo,
    ) -> Option<(SeqNo, ValueKind, Bytes)> {
        let from = Probe {
            head: head(keyspace, user_key),
            user_key,
            trailer: key::seek_trailer(at),
        };
        let node = self
            .entries
            .lower_bound(Bound::Included(&from as &dyn Position))?;
        let found = node.key();
        if found.head != from.head || found.user_key != user_key {
            return None;
        }
        let kind = key::trailer_kind(found.trailer).expect("only known kinds are inserted");
        Some((key::trailer_seq(found.trailer), kind, node.value().clone()))
    }

    /// Memory taken, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Atomic::Relaxed)
    }

    /// True when nothing was inserted.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes() == 0
    }

    /// The newest sequence number inside; zero when empty.
    pub(crate) fn last_seq(&self) -> SeqNo {
        SeqNo(self.last_seq.load(Atomic::Relaxed))
    }

    /// Marks the end of its span: its writes are in logs with numbers below `log`.
    pub(crate) fn seal(&self, log: u64) {
        self.log_ceiling.store(log, Atomic::Release);
    }

    /// See [`MemTable::seal`].
    pub(crate) fn log_ceiling(&self) -> u64 {
        self.log_ceiling.load(Atomic::Acquire)
    }

    /// The keyspaces that have entries, ascending.
    pub(crate) fn keyspaces(&self) -> Vec<KeyspaceId> {
        let mut found = Vec::new();
        let mut next = Some(KeyspaceId(0));
        while let Some(from) = next {
            let probe = Probe {
                head: head(from, &[]),
                user_key: &[],
                trailer: u64::MAX,
            };
            let Some(node) = self
                .entries
                .lower_bound(Bound::Included(&probe as &dyn Position))
            else {
                break;
            };
            let keyspace = node.key().keyspace();
            found.push(keyspace);
            next = keyspace.0.checked_add(1).map(KeyspaceId);
        }
        found
    }

    /// A cursor over the entries of `keyspace`.
    pub(crate) fn iter(self: &Arc<Self>, keyspace: KeyspaceId) -> MemIter {
        MemIter {
            table: Arc::clone(self),
            keyspace,
            run: Vec::new(),
            at: 0,
            run_entries: 1,
            key: Vec::new(),
        }
    }
}

impl fmt::Debug for MemTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemTable")
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

/// Keyspace and the first bytes of the user key, ordered as they are.
fn head(keyspace: KeyspaceId, user_key: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    let taken = user_key.len().min(HEAD_BYTES);
    bytes[..4].copy_from_slice(&keyspace.0.to_be_bytes());
    bytes[4..4 + taken].copy_from_slice(&user_key[..taken]);
    u128::from_be_bytes(bytes)
}

/// A place in the order of a memtable, owned or borrowed.
trait Position {
    fn parts(&self) -> (u128, &[u8], u64);
}

#[derive(Clone)]
struct Key {
    head: u128,
    user_key: Bytes,
    trailer: u64,
}

impl Key {
    fn keyspace(&self) -> KeyspaceId {
        let [a, b, c, d, ..] = self.head.to_be_bytes();
        KeyspaceId(u32::from_be_bytes([a, b, c, d]))
    }
}

struct Probe<'a> {
    head: u128,
    user_key: &'a [u8],
    trailer: u64,
}

impl Position for Key {
    fn parts(&self) -> (u128, &[u8], u64) {
        (self.head, &self.user_key, self.trailer)
    }
}

impl Position for Probe<'_> {
    fn parts(&self) -> (u128, &[u8], u64) {
        (self.head, self.user_key, self.trailer)
    }
}

/// The head pads short keys with zeros, hence the lengths at the end: of two keys that are equal so far, the shorter
/// one is a prefix of the longer.
fn compare(a: (u128, &[u8], u64), b: (u128, &[u8], u64)) -> Ordering {
    fn tail(user_key: &[u8]) -> &[u8] {
        user_key.get(HEAD_BYTES..).unwrap_or_default()
    }
    a.0.cmp(&b.0)
        .then_with(|| tail(a.1).cmp(tail(b.1)))
        .then_with(|| a.1.len().cmp(&b.1.len()))
        .then_with(|| Reverse(a.2).cmp(&Reverse(b.2)))
}

impl<'a> Borrow<dyn Position + 'a> for Key {
    fn borrow(&self) -> &(dyn Position + 'a) {
        self
    }
}

impl PartialEq for dyn Position + '_ {
    fn eq(&self, other: &Self) -> bool {
        compare(self.parts(), other.parts()).is_eq()
    }
}

impl Eq for dyn Position + '_ {}

impl PartialOrd for dyn Position + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn Position + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self.parts(), other.parts())
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        compare(self.parts(), other.parts()).is_eq()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self.parts(), other.parts())
    }
}

/// The entries of one keyspace.
///
/// It holds a run of neighbours, so that most steps do not search. Entries that are inserted between them later are
/// newer than any snapshot that this cursor can serve.
pub(crate) struct MemIter {
    table: Arc<MemTable>,
    keyspace: KeyspaceId,
    run: Vec<(Key, Bytes)>,
    at: usize,
    /// Entries to take when the run is used up: doubles on the way.
    run_entries: usize,
    /// The internal key of the current entry.
    key: Vec<u8>,
}

impl MemIter {
    fn fill(&mut self, bound: Bound<Probe<'_>>, forward: bool) {
        let table = Arc::clone(&self.table);
        let bound = match &bound {
            Bound::Included(probe) => Bound::Included(probe as &dyn Position),
            Bound::Excluded(probe) => Bound::Excluded(probe as &dyn Position),
            Bound::Unbounded => Bound::Unbounded,
        };
        self.run.clear();
        let mut node = if forward {
            table.entries.lower_bound(bound)
        } else {
            table.entries.upper_bound(bound)
        };
        while let Some(current) = node.filter(|node| node.key().keyspace() == self.keyspace) {
            self.run
                .push((current.key().clone(), current.value().clone()));
            if self.run.len() == self.run_entries {
                break;
            }
            node = step(&current, forward);
        }
        if !forward {
            self.run.reverse();
        }
        self.at = if forward {
            0
        } else {
            self.run.len().saturating_sub(1)
        };
        self.run_entries = (self.run_entries * 2).min(RUN_ENTRIES_MAX);
        self.load();
    }

    fn load(&mut self) {
        if let Some((key, _)) = self.run.get(self.at) {
            key::write_internal(&mut self.key, &key.user_key, key.trailer);
        }
    }

    fn jump(&mut self, bound: Bound<Probe<'_>>, forward: bool) {
        self.run_entries = 1;
        self.fill(bound, forward);
    }

    /// Continues beyond the current run, which is not empty.
    fn run_on(&mut self, forward: bool) {
        let (edge, _) = self.run[self.at].clone();
        let probe = Probe {
            head: edge.head,
            user_key: &edge.user_key,
            trailer: edge.trailer,
        };
        self.fill(Bound::Excluded(probe), forward);
    }
}

fn step<'a>(node: &Node<'a, Key, Bytes>, forward: bool) -> Option<Node<'a, Key, Bytes>> {
    if forward { node.next() } else { node.prev() }
}

impl InternalIterator for MemIter {
    fn seek_to_first(&mut self) {
        let probe = Probe {
            head: head(self.keyspace, &[]),
            user_key: &[],
            trailer: u64::MAX,
        };
        self.jump(Bound::Included(probe), true);
    }

    fn seek_to_last(&mut self) {
        match self.keyspace.0.checked_add(1) {
            Some(next) => {
                let probe = Probe {
                    head: head(KeyspaceId(next), &[]),
                    user_key: &[],
                    trailer: u64::MAX,
                };
                self.jump(Bound::Excluded(probe), false);
            }
            None => self.jump(Bound::Unbounded, false),
        }
    }

    fn seek(&mut self, target: &[u8]) {
        let (user_key, trailer) = key::split(target);
        self.jump(
            Bound::Included(Probe {
                head: head(self.keyspace, user_key),
                user_key,
                trailer,
            }),
            true,
        );
    }

    fn seek_for_prev(&mut self, target: &[u8]) {
        let (user_key, trailer) = key::split(target);
        self.jump(
            Bound::Included(Probe {
                head: head(self.keyspace, user_key),
                user_key,
                trailer,
            }),
            false,
        );
    }

    fn next(&mut self) {
        if self.at + 1 < self.run.len() {
            self.at += 1;
            self.load();
        } else {
            self.run_on(true);
        }
    }

    fn prev(&mut self) {
        if self.at > 0 {
            self.at -= 1;
            self.load();
        } else {
            self.run_on(false);
        }
    }

    fn valid(&self) -> bool {
        self.at < self.run.len()
    }

    fn key(&self) -> &[u8] {
        &self.key
    }

    fn value(&self) -> Bytes {
        self.run[self.at].1.clone()
    }

    fn status(&self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(keyspace: u32, key: &[u8], value: &[u8]) -> Entry {
        Entry {
            kind: ValueKind::Put,
            keyspace: KeyspaceId(keyspace),
            key: Bytes::copy_from_slice(key),
            value: Bytes::copy_from_slice(value),
        }
    }

    #[test]
    fn positions_are_ordered_as_user_keys_are() {
        let keys: [&[u8]; 8] = [
            b"",
            b"\0",
            b"a",
            b"a\0",
            b"a\0\0",
            b"abcdefghijkl",
            b"abcdefghijkl\0",
            b"abcdefghijklm",
        ];
        for (i, a) in keys.iter().enumerate() {
            for (j, b) in keys.iter().enumerate() {
                let part = |key: &'static [u8]| (head(KeyspaceId(1), key), key, 0);
                assert_eq!(compare(part(a), part(b)), i.cmp(&j), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn a_read_sees_the_newest_version_up_to_its_moment() {
        let table = MemTable::new();
        table.insert(SeqNo(3), entry(1, b"k", b"three"));
        table.insert(SeqNo(7), entry(1, b"k", b"seven"));
        table.insert(SeqNo(8), entry(2, b"k", b"other keyspace"));
        let get = |at| {
            table
                .get(KeyspaceId(1), b"k", SeqNo(at))
                .map(|(_, _, value)| value)
        };
        assert_eq!(get(2), None);
        assert_eq!(get(6).unwrap(), "three");
        assert_eq!(get(9).unwrap(), "seven");
        assert_eq!(table.keyspaces(), [KeyspaceId(1), KeyspaceId(2)]);
    }

    #[test]
    fn a_cursor_walks_one_keyspace_in_both_directions() {
        let table = Arc::new(MemTable::new());
        for number in 0..500_u64 {
            for keyspace in 1..4 {
                table.insert(
                    SeqNo(number * 3 + u64::from(keyspace)),
                    entry(keyspace, &(number * 7 % 500).to_be_bytes(), b""),
                );
            }
        }
        let mut cursor = table.iter(KeyspaceId(2));
        cursor.seek_to_first();
        let mut seen = Vec::new();
        while cursor.valid() {
            seen.push(u64::from_be_bytes(
                key::user_key(cursor.key()).try_into().unwrap(),
            ));
            cursor.next();
        }
        assert_eq!(seen, (0..500).collect::<Vec<_>>());
        cursor.seek_to_last();
        for expected in (0..500).rev() {
            assert_eq!(key::user_key(cursor.key()), u64::to_be_bytes(expected));
            cursor.prev();
        }
        assert!(!cursor.valid());
        cursor.seek(&key::seek_key(&300_u64.to_be_bytes(), SeqNo::MAX));
        for _ in 0..10 {
            cursor.next();
        }
        for _ in 0..20 {
            cursor.prev();
        }
        assert_eq!(key::user_key(cursor.key()), 290_u64.to_be_bytes());
        cursor.seek_for_prev(&key::seek_key(&9_u64.to_be_bytes(), SeqNo::MAX));
        assert_eq!(key::user_key(cursor.key()), 8_u64.to_be_bytes());
    }
}
