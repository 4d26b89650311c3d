//! Values apart from their keys: what they take on the disk, who keeps them, and what damage to them does.

use crate::batched::Batched;
use aether_env::{CrashImage, Env, MemoryStorage, Storage, Timestamp};
use aidb::{Append, DB, Durability, ErrorKind, KeyspaceOptions, Options, TableOptions, WriteBatch};
use std::sync::Arc;

const VALUE_BYTES: usize = 2_000;
const KEYS: u32 = 2_000;

fn options() -> Options {
    Options {
        memtable_bytes: 256 << 10,
        background_threads: 0,
        ..Options::default()
    }
}

fn open(storage: &MemoryStorage) -> DB {
    DB::open_with(Env::memory(storage.clone()), options()).unwrap()
}

fn key(number: u32) -> [u8; 4] {
    // All over the place.
    number.wrapping_mul(2_654_435_761).to_be_bytes()
}

fn value(number: u32, round: u32) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(u64::from(number) << 32 | u64::from(round));
    std::iter::repeat_with(|| random.u8(..))
        .take(VALUE_BYTES)
        .collect()
}

fn write_all(db: &DB, round: u32) {
    let keyspace = db.default_keyspace();
    for number in 0..KEYS {
        // Another order in each round.
        let number = (number * 7 + round * 131) % KEYS;
        let mut batch = WriteBatch::new();
        batch.put(&keyspace, key(number), value(number, round));
        db.write(batch, Durability::Buffered).unwrap();
    }
}

fn assert_round(db: &DB, round: u32) {
    for number in 0..KEYS {
        let found = db.get(key(number)).unwrap();
        assert!(
            found.as_deref() == Some(&value(number, round)[..]),
            "{number}"
        );
    }
    assert_eq!(db.verify().unwrap().problems, []);
}

/// Bytes of files, the spare room of logs left out.
fn disk_bytes(db: &DB) -> u64 {
    let stats = db.stats();
    stats.table_bytes + stats.value_file_bytes + stats.wal_bytes
}

#[expect(clippy::cast_precision_loss, reason = "a ratio")]
fn assert_space(db: &DB, most: f64) {
    let live = u64::from(KEYS) * (VALUE_BYTES + 4) as u64;
    let ratio = disk_bytes(db) as f64 / live as f64;
    assert!(
        ratio <= most,
        "{ratio} times the live data: {:?}",
        db.stats()
    );
}

#[test]
fn space_stays_bounded_when_all_is_overwritten_again_and_again() {
    let storage = MemoryStorage::new();
    let db = open(&storage);
    for round in 0..5 {
        write_all(&db, round);
        db.flush().unwrap();
        while db.tick().unwrap() {}
        assert_round(&db, round);
        assert_space(&db, 1.3);
    }
    db.compact().unwrap();
    assert_space(&db, 1.1);
    let report = db.verify().unwrap();
    assert_eq!(report.values, u64::from(KEYS));
    drop(db);
    assert_round(&open(&storage), 4);
}

/// With fewer flushes than it takes to compact level 0, nothing lay below it, and nothing was ever found out to be
/// overwritten.
#[test]
fn space_stays_bounded_when_all_data_are_a_few_memtables() {
    let storage = MemoryStorage::new();
    let options = Options {
        memtable_bytes: 1_500_000,
        ..options()
    };
    let db = DB::open_with(Env::memory(storage), options).unwrap();
    for round in 0..4 {
        write_all(&db, round);
        db.flush().unwrap();
        while db.tick().unwrap() {}
        assert_round(&db, round);
        assert_space(&db, 1.4);
    }
}

#[test]
fn values_are_written_once() {
    let storage = MemoryStorage::new();
    let db = open(&storage);
    write_all(&db, 0);
    db.flush().unwrap();
    while db.tick().unwrap() {}
    let stats = db.stats();
    let written = stats.bytes_logged + stats.bytes_flushed + stats.bytes_compacted;
    let put = u64::from(KEYS) * VALUE_BYTES as u64;
    assert!(written < put / 100 * 115, "{written} for {put}");
    assert_eq!(stats.value_files, db.verify().unwrap().value_files);
}

#[test]
fn a_snapshot_keeps_what_was_overwritten() {
    let storage = MemoryStorage::new();
    let db = open(&storage);
    write_all(&db, 0);
    let snapshot = db.snapshot();
    for round in 1..4 {
        write_all(&db, round);
    }
    db.flush().unwrap();
    db.compact().unwrap();
    let keyspace = db.default_keyspace();
    for number in 0..KEYS {
        let found = snapshot.get(&keyspace, key(number)).unwrap();
        assert!(found.as_deref() == Some(&value(number, 0)[..]), "{number}");
    }
    assert_round(&db, 3);
    drop(snapshot);
    db.compact().unwrap();
    assert_space(&db, 1.1);
    assert_round(&db, 3);
}

#[test]
fn what_counts_as_large_may_change_between_opens() {
    let storage = MemoryStorage::new();
    let expected = |number: u32| value(number, 7)[..(number as usize * 13) % VALUE_BYTES].to_vec();
    for (opening, separated_bytes_min) in (0_u32..).zip([1_024, 0, 1, usize::MAX, 500]) {
        let db = open(&storage);
        let table = TableOptions {
            separated_bytes_min,
            ..TableOptions::default()
        };
        let options = KeyspaceOptions {
            table,
            ..KeyspaceOptions::default()
        };
        let keyspace = db.keyspace("values", options).unwrap();
        for number in (opening..300).step_by(2) {
            keyspace.put(key(number), expected(number)).unwrap();
        }
        db.flush().unwrap();
        if opening % 2 == 1 {
            db.compact().unwrap();
        }
        for number in 1..300 {
            let found = keyspace.get(key(number)).unwrap();
            if opening > 0 {
                assert_eq!(found.as_deref(), Some(&expected(number)[..]), "{number}");
            }
        }
        assert_eq!(db.verify().unwrap().problems, []);
    }
}

/// A damaged value is an error for whoever reads it, which names the file and the key; all others stay readable.
#[test]
fn a_damaged_value_is_named_and_harms_no_other() {
    let storage = MemoryStorage::new();
    let db = open(&storage);
    write_all(&db, 0);
    write_all(&db, 1);
    db.flush().unwrap();
    while db.tick().unwrap() {}
    db.close().unwrap();
    let files = storage.list().unwrap();
    let is_values = |name: &str| name.ends_with(".wal") || name.ends_with(".val");
    let mut damaged_files = 0;
    for file in files.iter().filter(|file| is_values(&file.name)) {
        let image = storage.image(CrashImage::KeepAll, 0);
        let mut bytes = image.contents(&file.name).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        image.replace(&file.name, bytes);
        let Ok(db) = DB::open_with(Env::memory(image), options()) else {
            continue; // The log that is replayed.
        };
        let mut errors = Vec::new();
        for number in 0..KEYS {
            match db.get(key(number)) {
                Ok(found) => assert!(found.as_deref() == Some(&value(number, 1)[..])),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corruption);
                    assert!(error.to_string().contains(&file.name), "{error}");
                    errors.push(error);
                }
            }
        }
        assert!(errors.len() <= 1, "{errors:?}");
        let problems = db.verify().unwrap().problems;
        assert!(
            problems.iter().all(|problem| problem.file == file.name),
            "{problems:?}"
        );
        damaged_files += usize::from(!problems.is_empty());
    }
    assert!(damaged_files > 3, "{damaged_files}");
}

/// However many values a `multi_get` finds apart from their keys, it reads them in one batch, and gives what as many
/// single reads give: plain ones and expiring ones, alive or not, with operands on top or without, and some twice.
#[test]
fn values_of_many_keys_are_read_in_one_batch() {
    let storage = Batched::default();
    let mut env = Env::memory(storage.memory.clone());
    env.storage = Arc::new(storage.clone());
    let db = DB::open_with(env, options()).unwrap();
    let lists = KeyspaceOptions {
        merge: Some(Arc::new(Append)),
        ..KeyspaceOptions::default()
    };
    let keyspace = db.keyspace("lists", lists).unwrap();
    for number in 0..200 {
        let mut batch = WriteBatch::new();
        let end = if number % 8 == 1 { 1 } else { u64::MAX };
        match number % 4 {
            0 => batch.put(&keyspace, key(number), b"short"),
            1 => batch.put_expiring(&keyspace, key(number), value(number, 0), Timestamp(end)),
            _ => batch.put(&keyspace, key(number), value(number, 0)),
        };
        db.write(batch, Durability::Buffered).unwrap();
    }
    db.flush().unwrap();
    for number in (0..200).step_by(3) {
        keyspace.merge(key(number), "more").unwrap();
    }
    let keys: Vec<_> = (0..250).map(|number| key(number / 2 * 3)).collect();
    let single = || {
        keys.iter()
            .map(|key| keyspace.get(key).unwrap())
            .collect::<Vec<_>>()
    };
    for _ in 0..2 {
        let expected = single();
        storage.take();
        // The blocks are in the cache by now.
        assert!(keyspace.multi_get(&keys).unwrap() == expected);
        let large = expected
            .iter()
            .flatten()
            .filter(|value| value.len() >= VALUE_BYTES);
        assert_eq!(storage.take(), [large.count()]);
        db.flush().unwrap();
    }
}
