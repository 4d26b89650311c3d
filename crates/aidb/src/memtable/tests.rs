//! The memtable against a sorted map, alone and under readers.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::iter::InternalIterator;
use crate::wal::LogPosition;

fn entry<'a>(keyspace: u32, key: &'a [u8], value: &'a [u8]) -> Entry<'a> {
    Entry {
        kind: ValueKind::Put,
        keyspace: KeyspaceId(keyspace),
        key,
        value,
        position: LogPosition::default(),
    }
}

#[test]
fn a_read_sees_the_newest_version_up_to_its_moment() {
    let table = MemTable::new();
    table.insert(SeqNo(3), &entry(1, b"k", b"three"), None);
    table.insert(SeqNo(7), &entry(1, b"k", b"seven"), None);
    table.insert(SeqNo(8), &entry(2, b"k", b"other keyspace"), None);
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
                &entry(keyspace, &(number * 7 % 500).to_be_bytes(), b""),
                None,
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

/// Keyspace, user key, newest first: as a cursor goes. With what was written.
type Model = BTreeMap<(u32, Vec<u8>, Reverse<u64>), (ValueKind, Vec<u8>)>;

fn write(table: &MemTable, model: &mut Model, seq: u64, keyspace: u32, key: &[u8], is_put: bool) {
    let kind = if is_put {
        ValueKind::Put
    } else {
        ValueKind::Delete
    };
    let value = if is_put {
        seq.to_be_bytes().to_vec()
    } else {
        Vec::new()
    };
    let entry = Entry {
        kind,
        ..entry(keyspace, key, &value)
    };
    table.insert(SeqNo(seq), &entry, None);
    model.insert((keyspace, key.to_vec(), Reverse(seq)), (kind, value));
}

/// Short and long keys, many of them alike in their first bytes, some of them with many versions.
fn some_key(rng: &mut fastrand::Rng, keys: u32) -> Vec<u8> {
    let number = rng.u32(..keys);
    match number % 5 {
        0 => vec![0; number as usize % 40],
        1 => format!("a long and common beginning {number}").into_bytes(),
        2 => number.to_be_bytes().to_vec(),
        3 => [&[7; 11][..], &number.to_le_bytes()].concat(),
        _ => Vec::from(
            u64::from(number)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .to_be_bytes(),
        ),
    }
}

fn internal(model_key: &(u32, Vec<u8>, Reverse<u64>), kind: ValueKind) -> Vec<u8> {
    key::internal_key(&model_key.1, SeqNo(model_key.2.0), kind)
}

/// All of `table` in both directions, and `probes` random reads, seeks and walks from there.
fn check(table: &Arc<MemTable>, model: &Model, rng: &mut fastrand::Rng, keys: u32, probes: usize) {
    let last = table.last_seq().0;
    for keyspace in 0..5 {
        let expected: Vec<(Vec<u8>, &[u8])> = model
            .range(
                (keyspace, Vec::new(), Reverse(u64::MAX))
                    ..(keyspace + 1, Vec::new(), Reverse(u64::MAX)),
            )
            .map(|(key, (kind, value))| (internal(key, *kind), &value[..]))
            .collect();
        let mut cursor = table.iter(KeyspaceId(keyspace));
        cursor.seek_to_first();
        for (key, value) in &expected {
            assert_eq!((cursor.key(), &cursor.value()[..]), (&key[..], *value));
            cursor.next();
        }
        assert!(!cursor.valid());
        cursor.seek_to_last();
        for (key, value) in expected.iter().rev() {
            assert_eq!((cursor.key(), &cursor.value()[..]), (&key[..], *value));
            cursor.prev();
        }
        assert!(!cursor.valid());
        for _ in 0..probes {
            let user_key = some_key(rng, keys);
            let at = rng.u64(..last + 2);
            let newest = model
                .range(
                    (keyspace, user_key.clone(), Reverse(at))
                        ..=(keyspace, user_key.clone(), Reverse(0)),
                )
                .next()
                .map(|(key, (kind, value))| (SeqNo(key.2.0), *kind, Bytes::copy_from_slice(value)));
            assert_eq!(
                table.get(KeyspaceId(keyspace), &user_key, SeqNo(at)),
                newest
            );

            let target = key::seek_key(&user_key, SeqNo(at));
            let after = expected.partition_point(|(key, _)| key::compare(key, &target).is_lt());
            let mut place = if rng.bool() {
                cursor.seek(&target);
                Some(after)
            } else {
                cursor.seek_for_prev(&target);
                after.checked_sub(1)
            };
            for _ in 0..rng.u32(..200) {
                let Some((key, value)) = place.and_then(|place| expected.get(place)) else {
                    break;
                };
                assert_eq!((cursor.key(), &cursor.value()[..]), (&key[..], *value));
                if rng.u32(..3) > 0 {
                    cursor.next();
                    place = place.map(|place| place + 1);
                } else {
                    cursor.prev();
                    place = place.and_then(|place| place.checked_sub(1));
                }
            }
            let is_inside = place.is_some_and(|place| place < expected.len());
            assert_eq!(cursor.valid(), is_inside);
        }
    }
    let keyspaces: BTreeSet<u32> = model.keys().map(|key| key.0).collect();
    let found: Vec<u32> = table.keyspaces().iter().map(|found| found.0).collect();
    assert_eq!(found, Vec::from_iter(keyspaces));
}

#[test]
fn a_memtable_is_a_sorted_map() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    for writes in [1, 2, 30, 500, 5_000, 30_000] {
        for keys in [2, 100, 100_000] {
            let table = Arc::new(MemTable::new());
            let mut model = Model::new();
            let mut seq = 0;
            for number in 0..writes {
                seq += rng.u64(1..3);
                let (keyspace, key) = (rng.u32(1..4), some_key(&mut rng, keys));
                write(&table, &mut model, seq, keyspace, &key, rng.u32(..4) > 0);
                if rng.u32(..writes) < 3 && number < 2_000 {
                    check(&table, &model, &mut rng, keys, 5);
                }
                if rng.u32(..10) == 0 {
                    // Sorts what there is of a tail.
                    table.iter(KeyspaceId(1)).seek_to_first();
                }
            }
            check(&table, &model, &mut rng, keys, 100);
        }
    }
}

#[test]
fn sorted_and_reversed_writes_come_out_sorted() {
    for is_reversed in [false, true] {
        let table = Arc::new(MemTable::new());
        let mut model = Model::new();
        let mut rng = fastrand::Rng::with_seed(1);
        for number in 0..40_000_u32 {
            let key = if is_reversed { 40_000 - number } else { number };
            let seq = u64::from(number) + 1;
            write(&table, &mut model, seq, 1, &key.to_be_bytes(), true);
        }
        check(&table, &model, &mut rng, 100, 50);
    }
}

/// Runs are few for readers however many writes there are, and no write is lost in merging them.
#[test]
fn runs_stay_few() {
    let table = Arc::new(MemTable::new());
    let mut rng = fastrand::Rng::with_seed(1);
    let mut runs_max = 0;
    for seq in 1..=600_000_u64 {
        table.insert(SeqNo(seq), &entry(1, &rng.u64(..).to_be_bytes(), b""), None);
        if seq % 1009 == 0 {
            let runs = table.sorted.runs(&table.writes);
            let entries: usize = runs.iter().map(|run| run.len()).sum();
            assert_eq!(entries as u64, seq);
            runs_max = runs_max.max(runs.len());
        }
    }
    assert!(runs_max <= 28, "{runs_max} runs");
    table.settle();
    let sealed = 600_000 / SEAL_WRITES * SEAL_WRITES;
    let runs = table.sorted.runs(&table.writes);
    assert_eq!(runs[0].len(), sealed as usize);
}

/// A writer that publishes batches, and readers that must find each batch whole: by key, by walking forward and by
/// walking backward. Batch n gives all keys of a group the value n.
#[test]
fn readers_see_whole_batches_while_a_writer_writes() {
    const GROUPS: u64 = 50;
    const GROUP_KEYS: u64 = 7;
    const BATCHES: u64 = if cfg!(miri) { 10 } else { 20_000 };
    let table = Arc::new(MemTable::new());
    let visible = AtomicU64::new(0);
    let is_over = AtomicBool::new(false);
    let group_key = |group: u64, number: u64| format!("group {group:03} key {number}").into_bytes();
    // The newest batch of `group` up to the batch `last`.
    let newest = |group: u64, last: u64| (last > group).then(|| last - (last - 1 - group) % GROUPS);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for batch in 1..=BATCHES {
                let group = (batch - 1) % GROUPS;
                for number in 0..GROUP_KEYS {
                    let seq = (batch - 1) * GROUP_KEYS + number + 1;
                    let key = group_key(group, number);
                    table.insert(SeqNo(seq), &entry(1, &key, &batch.to_be_bytes()), None);
                    // Keys that nobody has had before, so that the index grows.
                    table.insert(SeqNo(seq), &entry(2, &seq.to_be_bytes(), b""), None);
                }
                visible.store(batch, Ordering::Release);
            }
            is_over.store(true, Ordering::Release);
        });
        for reader in 0..3_u64 {
            let (table, visible, is_over) = (&table, &visible, &is_over);
            scope.spawn(move || {
                let mut rng = fastrand::Rng::with_seed(reader);
                let mut is_last = false;
                while !is_last {
                    is_last = is_over.load(Ordering::Acquire);
                    let last = visible.load(Ordering::Acquire);
                    // Sometimes a moment long ago.
                    let last = if rng.bool() {
                        last
                    } else {
                        rng.u64(..last + 1)
                    };
                    let at = SeqNo(last * GROUP_KEYS);
                    let group = rng.u64(..GROUPS);
                    let expected = newest(group, last);
                    for number in 0..GROUP_KEYS {
                        let found = table.get(KeyspaceId(1), &group_key(group, number), at);
                        let found = found
                            .map(|(_, _, value)| u64::from_be_bytes(value[..].try_into().unwrap()));
                        assert_eq!(found, expected);
                    }
                    let mut cursor = table.iter(KeyspaceId(1));
                    for number in 0..GROUP_KEYS {
                        let key = group_key(group, number);
                        cursor.seek(&key::seek_key(&key, at));
                        let is_found = cursor.valid() && key::user_key(cursor.key()) == key;
                        let found = is_found
                            .then(|| u64::from_be_bytes(cursor.value()[..].try_into().unwrap()));
                        assert_eq!(found, expected);
                    }
                    if last > 0 {
                        let seq = rng.u64(1..=at.0);
                        assert!(table.get(KeyspaceId(2), &seq.to_be_bytes(), at).is_some());
                        let mut cursor = table.iter(KeyspaceId(2));
                        cursor.seek_for_prev(&key::seek_key(&seq.to_be_bytes(), SeqNo::ZERO));
                        let steps = seq.min(100);
                        for expected in (seq + 1 - steps..=seq).rev() {
                            assert_eq!(key::user_key(cursor.key()), expected.to_be_bytes());
                            cursor.prev();
                        }
                        assert_eq!(cursor.valid(), steps < seq);
                    }
                }
            });
        }
    });
}

/// What an open loads is found before anybody has sorted it, in order when somebody asks for that, and goes on with what
/// is written after it.
#[test]
fn loaded_writes_are_like_inserted_ones() {
    let mut rng = fastrand::Rng::with_seed(5);
    let writes: Vec<(u32, [u8; 2], [u8; 3])> = (0..10_000)
        .map(|_| {
            let key = rng.u16(..5_000).to_be_bytes();
            (rng.u32(1..3), key, [rng.u8(..); 3])
        })
        .collect();
    let (inserted, loaded) = (Arc::new(MemTable::new()), Arc::new(MemTable::new()));
    let memory: Vec<u8> = writes
        .iter()
        .flat_map(|(_, key, value)| [&key[..], value].concat())
        .collect();
    let memory = Bytes::from(memory);
    let entries: Vec<(SeqNo, Entry<'_>)> = (1..)
        .zip(writes.iter().zip(memory.chunks(5)))
        .map(|(seq, ((keyspace, ..), bytes))| {
            (SeqNo(seq), entry(*keyspace, &bytes[..2], &bytes[2..]))
        })
        .collect();
    let (old, new) = entries.split_at(9_000);
    old.chunks(512).for_each(|some| loaded.load(some, &memory));
    for (seq, entry) in &entries {
        inserted.insert(*seq, entry, None);
    }
    for (seq, entry) in new {
        loaded.insert(*seq, entry, None);
    }
    assert_eq!(loaded.bytes(), inserted.bytes());
    let contents = |table: &Arc<MemTable>, keyspace| {
        let mut cursor = table.iter(KeyspaceId(keyspace));
        cursor.seek_to_first();
        let mut contents = Vec::new();
        while cursor.valid() {
            contents.push((cursor.key().to_vec(), cursor.value().to_vec()));
            cursor.next();
        }
        contents
    };
    for keyspace in 1..3 {
        assert_eq!(contents(&loaded, keyspace), contents(&inserted, keyspace));
    }
    loaded.settle();
    for (seq, entry) in &entries {
        let found = loaded.get(entry.keyspace, entry.key, *seq).unwrap();
        assert_eq!((found.0, &found.2[..]), (*seq, entry.value));
    }
    for keyspace in 1..3 {
        assert_eq!(contents(&loaded, keyspace), contents(&inserted, keyspace));
    }
    assert!(loaded.may_hold(KeyspaceId(1)) && !loaded.may_hold(KeyspaceId::SYSTEM));
}
