//! A writer and its readers in all orders, with so few writes that the sealing, the merging and the growing of everything
//! happen between them.

use loom::sync::atomic::AtomicU64;
use loom::thread;

use super::*;
use crate::iter::InternalIterator;
use crate::sync::check;
use crate::wal::LogPosition;

const KEYSPACE: KeyspaceId = KeyspaceId(1);

/// The key of each write; the first one has the number 1.
const WRITES: [&[u8]; 5] = [b"a", b"b", b"a", b"c", b"b"];

/// A memtable, and the newest write that may be seen.
struct Shared {
    table: Arc<MemTable>,
    visible: AtomicU64,
}

impl Shared {
    fn new() -> Arc<Shared> {
        Arc::new(Shared {
            table: Arc::new(MemTable::new()),
            visible: AtomicU64::new(0),
        })
    }

    fn write(&self, kind: ValueKind, key: &[u8], value: &[u8], seq: u64) {
        let entry = Entry {
            kind,
            keyspace: KEYSPACE,
            key,
            value,
            position: LogPosition::default(),
        };
        self.table.insert(SeqNo(seq), &entry, None);
        self.visible.store(seq, Ordering::Release);
    }

    fn write_all(&self, writes: usize) {
        for (seq, key) in (1..).zip(&WRITES[..writes]) {
            self.write(ValueKind::Put, key, b"", seq);
        }
    }

    fn visible(&self) -> u64 {
        self.visible.load(Ordering::Acquire)
    }

    fn assert_keys(&self) {
        let visible = self.visible();
        for key in [b"a", b"b", b"c"] {
            let found = self.table.get(KEYSPACE, key, SeqNo(visible));
            let newest = (1..=visible).zip(WRITES).filter(|(_, each)| each == key);
            let newest = newest.map(|(seq, _)| SeqNo(seq)).last();
            assert_eq!(found.map(|(seq, _, _)| seq), newest);
        }
    }

    fn assert_order(&self) {
        let visible = self.visible();
        let mut cursor = self.table.iter(KEYSPACE);
        let mut found = Vec::new();
        cursor.seek_to_first();
        while cursor.valid() {
            let (key, trailer) = key::split(cursor.key());
            found.push((key.to_vec(), u64::MAX - key::trailer_seq(trailer).0));
            cursor.next();
        }
        assert!(found.is_sorted_by(|a, b| a < b), "{found:?}");
        let is_there = |seq: u64| {
            let key = WRITES[usize::try_from(seq - 1).unwrap()];
            found.contains(&(key.to_vec(), u64::MAX - seq))
        };
        assert!((1..=visible).all(is_there), "{found:?} of {visible}");
    }
}

#[test]
fn whoever_sees_a_number_finds_the_newest_writes_up_to_it() {
    check(3, || {
        let shared = Shared::new();
        let writer = Arc::clone(&shared);
        let writer = thread::spawn(move || writer.write_all(5));
        shared.assert_keys();
        writer.join().unwrap();
        shared.assert_keys();
    });
}

#[test]
fn whoever_sees_a_number_walks_over_all_writes_up_to_it_once() {
    check(3, || {
        let shared = Shared::new();
        let writer = Arc::clone(&shared);
        let writer = thread::spawn(move || writer.write_all(5));
        shared.assert_order();
        writer.join().unwrap();
        shared.assert_order();
    });
}

/// Readers merge for one another, and put their tails in each other's place.
#[test]
fn readers_agree_on_the_order() {
    check(2, || {
        let shared = Shared::new();
        shared.write_all(1);
        let threads = [true, false].map(|writes| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || match writes {
                true => (2..=5).zip(&WRITES[1..]).for_each(|(seq, key)| {
                    shared.write(ValueKind::Put, key, b"", seq);
                }),
                false => shared.assert_order(),
            })
        });
        shared.assert_order();
        for thread in threads {
            thread.join().unwrap();
        }
        shared.table.settle();
        shared.assert_order();
    });
}

#[test]
fn whoever_sees_a_number_knows_of_the_ranges_deleted_up_to_it() {
    check(3, || {
        let shared = Shared::new();
        let writer = Arc::clone(&shared);
        let writer = thread::spawn(move || {
            writer.write(ValueKind::RangeDelete, b"a", b"b", 1);
            writer.write(ValueKind::RangeDelete, b"a", b"c", 2);
        });
        let visible = shared.visible();
        for (key, from) in [(b"a", 1), (b"b", 2)] {
            let mut lookup = crate::lookup::Lookup::new(key, SeqNo(visible));
            shared.table.look(KEYSPACE, &mut lookup, || None);
            assert_eq!(lookup.is_settled(), visible >= from);
        }
        writer.join().unwrap();
    });
}
