//! What flushes and compactions achieve by themselves: space, rewriting, and coming to rest.

use aether_env::{Env, MemoryStorage, Storage};
use aether_sim::SimStorage;
use aidb::{Compression, DB, Durability, Keyspace, KeyspaceOptions, Options, TableOptions};

const KEYS: u64 = 20_000;
const VALUE_BYTES: usize = 100;
const LIVE_BYTES: u64 = KEYS * (8 + VALUE_BYTES as u64);

/// A database that is large beside its memtables, as one of a few gigabytes is beside ordinary ones.
fn options(background_threads: usize) -> Options {
    Options {
        background_threads,
        durability: Durability::Buffered,
        memtable_bytes: 64 << 10,
        level_base_bytes: 1 << 20,
        table_bytes: 128 << 10,
        ..Options::default()
    }
}

fn open(storage: &MemoryStorage, background_threads: usize) -> (DB, Keyspace) {
    let db = DB::open_with(Env::memory(storage.clone()), options(background_threads)).unwrap();
    let table = TableOptions {
        compression: Compression::None,
        ..TableOptions::DEFAULT
    };
    let keyspace = db.keyspace(
        "k",
        KeyspaceOptions {
            table,
            ..KeyspaceOptions::DEFAULT
        },
    );
    (db.clone(), keyspace.unwrap())
}

fn key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

fn value(number: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(number);
    std::iter::repeat_with(|| random.u8(..))
        .take(VALUE_BYTES)
        .collect()
}

fn in_random_order() -> Vec<u64> {
    let mut keys: Vec<u64> = (0..KEYS).collect();
    fastrand::Rng::with_seed(7).shuffle(&mut keys);
    keys
}

fn rest(db: &DB) {
    while db.tick().unwrap() {}
}

fn table_bytes_on_disk(storage: &MemoryStorage) -> u64 {
    let files = storage.list().unwrap().into_iter();
    files
        .filter(|file| file.name.ends_with(".sst"))
        .map(|file| file.bytes)
        .sum()
}

#[expect(clippy::cast_precision_loss, reason = "a ratio")]
fn times_live(bytes: u64, live: u64) -> f64 {
    bytes as f64 / live as f64
}

#[test]
fn a_sequential_load_is_never_rewritten() {
    let storage = MemoryStorage::new();
    let (db, keyspace) = open(&storage, 0);
    for number in 0..KEYS {
        keyspace.put(key(number), value(number)).unwrap();
        db.tick().unwrap();
    }
    db.flush().unwrap();
    rest(&db);
    let stats = db.stats();
    assert_eq!(stats.bytes_compacted, 0, "{:?}", stats.work);
    assert!(
        stats
            .work
            .iter()
            .any(|work| work.bytes_moved > LIVE_BYTES / 2)
    );
    let amplification = stats.write_amplification();
    assert!(amplification < 2.1, "{amplification}");
}

#[test]
fn space_stays_bounded_while_everything_is_overwritten() {
    let storage = MemoryStorage::new();
    let (db, keyspace) = open(&storage, 0);
    for number in in_random_order() {
        keyspace.put(key(number), value(number)).unwrap();
        rest(&db);
    }
    let mut random = fastrand::Rng::with_seed(1);
    let mut most = 0;
    for number in 0..3 * KEYS {
        keyspace
            .put(key(random.u64(..KEYS)), value(number))
            .unwrap();
        rest(&db);
        most = most.max(table_bytes_on_disk(&storage));
    }
    let at_any_time = times_live(most, LIVE_BYTES);
    assert!(at_any_time < 1.3, "{at_any_time} times the live data");
    db.compact().unwrap();
    let after = times_live(table_bytes_on_disk(&storage), LIVE_BYTES);
    assert!(after < 1.07, "{after} times the live data");
    assert_eq!(keyspace.iter().count() as u64, KEYS);
}

/// The same with threads, whose compactions overlap each other and the writes.
#[test]
fn several_compactions_at_once_leave_what_one_would() {
    let storage = MemoryStorage::new();
    let (db, keyspace) = open(&storage, 4);
    let mut random = fastrand::Rng::with_seed(1);
    let mut newest = vec![0; usize::try_from(KEYS).unwrap()];
    for number in 1..4 * KEYS {
        let at = random.u64(..KEYS);
        newest[usize::try_from(at).unwrap()] = number;
        keyspace.put(key(at), value(number)).unwrap();
    }
    let expected = (0..KEYS).zip(&newest).filter(|(_, number)| **number > 0);
    let expected: Vec<_> = expected
        .map(|(at, number)| (key(at).to_vec(), value(*number)))
        .collect();
    let found = || {
        let entries = keyspace.iter();
        entries
            .map(|(key, value)| (key.to_vec(), value.to_vec()))
            .collect::<Vec<_>>()
    };
    assert!(found() == expected);
    db.compact().unwrap();
    assert!(found() == expected);
    assert_eq!(db.verify().unwrap().problems, []);
}

/// Nine keys of ten are deleted: without being asked, the engine gives their space back.
#[test]
fn space_of_deleted_keys_comes_back_by_itself() {
    let storage = MemoryStorage::new();
    let (db, keyspace) = open(&storage, 0);
    let keys = in_random_order();
    for number in &keys {
        keyspace.put(key(*number), value(*number)).unwrap();
        rest(&db);
    }
    for number in keys.iter().filter(|number| *number % 10 > 0) {
        keyspace.delete(key(*number)).unwrap();
        rest(&db);
    }
    // Less than two memtables of tombstones are left to be flushed, and less than their worth is not cleaned up.
    let bytes = times_live(table_bytes_on_disk(&storage), LIVE_BYTES);
    assert!(bytes < 0.25, "{bytes} of what it was");
    let entries: u64 = db
        .stats()
        .keyspaces
        .iter()
        .flat_map(|keyspace| &keyspace.levels)
        .map(|level| level.entries)
        .sum();
    assert!(entries < KEYS / 4, "a scan passes {entries} entries");
    assert_eq!(keyspace.iter().count() as u64, KEYS / 10);
}

#[test]
fn ticks_come_to_rest_when_all_is_done() {
    let storage = MemoryStorage::new();
    let (db, keyspace) = open(&storage, 0);
    for number in in_random_order() {
        keyspace.put(key(number), value(number)).unwrap();
    }
    let held = db.snapshot();
    rest(&db);
    drop(held);
    rest(&db);
    let stats = db.stats();
    assert_eq!(
        (stats.sealed_memtables, stats.compaction_debt_bytes),
        (0, 0)
    );
    assert_eq!((stats.flush_error, stats.compaction_error), (None, None));
    let runs = stats
        .keyspaces
        .iter()
        .map(|keyspace| keyspace.levels.first().map_or(0, |level| level.runs))
        .max();
    assert!(runs < Some(2 * options(0).level0_compact_runs as u64));
    assert_eq!(
        stats.table_bytes,
        table_bytes_on_disk(&storage),
        "nothing waits to be deleted"
    );
    assert!(!db.tick().unwrap());
}

/// The disk is full, and has room again: writers go on without opening the database anew, with threads and without.
#[test]
fn writes_go_on_when_there_is_room_again() {
    for threads in [0, 2] {
        let storage = SimStorage::new(3);
        let env = if threads == 0 {
            storage.env()
        } else {
            storage.threaded_env()
        };
        let db = DB::open_with(env, options(threads)).unwrap();
        for round in 0..3_u64 {
            storage.disk_full(400_000);
            let mut written = 0;
            let error = loop {
                match db.put(key(written), value(written + round)) {
                    Ok(()) => written += 1,
                    Err(error) => break error,
                }
            };
            assert!(error.is_disk_full(), "{error:?}");
            assert_eq!(
                db.iter().count() as u64,
                written.max(db.iter().count() as u64)
            );
            storage.free();
            for number in 0..500 {
                db.put(key(number), value(number)).unwrap();
            }
        }
        db.flush().unwrap();
        db.compact().unwrap();
        let stats = db.stats();
        assert_eq!((stats.flush_error, stats.compaction_error), (None, None));
        assert_eq!(db.verify().unwrap().problems, []);
    }
}

fn bytes_on_disk(storage: &MemoryStorage) -> u64 {
    let files = storage.list().unwrap().into_iter();
    files.map(|file| file.bytes).sum()
}

/// While writes come, logs and what is overwritten may take some memtables, however little is live. Then they need not.
#[test]
fn a_database_that_rests_takes_little_more_than_its_data() {
    let storage = MemoryStorage::new();
    let options = Options {
        memtable_bytes: 16 << 20,
        durability: Durability::Buffered,
        ..Options::default()
    };
    let db = DB::open_with(Env::memory(storage.clone()), options.clone()).unwrap();
    let table = TableOptions {
        compression: Compression::None,
        ..TableOptions::DEFAULT
    };
    let keyspace_options = KeyspaceOptions {
        table,
        ..KeyspaceOptions::DEFAULT
    };
    let keyspace = db.keyspace("k", keyspace_options.clone()).unwrap();
    // Values of both kinds: beside their keys, and apart from them.
    let large = |number: u64| value(number).repeat(12);
    let live = LIVE_BYTES + KEYS / 10 * (8 + 1_200);
    for round in 0..10 {
        for number in in_random_order() {
            keyspace.put(key(number), value(number + round)).unwrap();
            if number % 10 == 0 {
                keyspace
                    .put(key(KEYS + number), large(number + round))
                    .unwrap();
            }
        }
    }
    let most = times_live(bytes_on_disk(&storage), live);
    assert!(most > 3.0, "{most} times the live data: nothing to see");
    for number in 0.. {
        let now = times_live(bytes_on_disk(&storage), live);
        if now < 1.4 {
            break;
        }
        assert!(number < 600, "still {now} times the live data");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    keyspace.put(key(0), value(1)).unwrap();
    db.close().unwrap();
    let db = DB::open_with(Env::memory(storage), options).unwrap();
    let keyspace = db.keyspace("k", keyspace_options).unwrap();
    assert_eq!(keyspace.iter().count() as u64, KEYS + KEYS / 10);
    assert_eq!(keyspace.get(key(0)).unwrap().unwrap(), value(1));
    assert_eq!(keyspace.get(key(KEYS + 10)).unwrap().unwrap(), large(19));
    assert_eq!(db.verify().unwrap().problems, []);
}
