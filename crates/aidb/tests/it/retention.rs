//! Past moments stay readable within the retention window, and no longer.

use aether_env::{Env, ManualClock, MemoryStorage};
use aidb::{DB, Durability, ErrorKind, Options, Timestamp, WriteBatch};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

const WINDOW: Duration = Duration::from_secs(1_000);

struct Bench {
    memory: MemoryStorage,
    clock: Arc<ManualClock>,
    options: Options,
}

impl Bench {
    fn new() -> Bench {
        let clock = Arc::new(ManualClock::default());
        clock.advance(Duration::from_secs(1_000_000));
        Bench {
            memory: MemoryStorage::new(),
            clock,
            options: Options {
                background_threads: 0,
                retention: WINDOW,
                ..Options::default()
            },
        }
    }

    fn open(&self) -> DB {
        let env = Env {
            clock: self.clock.clone(),
            ..Env::memory(self.memory.clone())
        };
        DB::open_with(env, self.options.clone()).unwrap()
    }

    fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn now(&self) -> Timestamp {
        aether_env::Clock::now(&*self.clock)
    }
}

fn value(db: &DB, moment: impl Into<aidb::AsOf>) -> Result<Option<Vec<u8>>, ErrorKind> {
    let snapshot = db.snapshot_at(moment).map_err(|error| error.kind())?;
    let found = snapshot.get(&db.default_keyspace(), "key").unwrap();
    Ok(found.map(|value| value.to_vec()))
}

fn text(value: &str) -> Result<Option<Vec<u8>>, ErrorKind> {
    Ok(Some(value.as_bytes().to_vec()))
}

#[test]
fn the_past_is_read_by_number_and_by_time_whatever_is_compacted_and_reopened() {
    let bench = Bench::new();
    let mut db = bench.open();
    let mut moments = vec![];
    for count in 0..50 {
        db.put("key", count.to_string()).unwrap();
        moments.push((db.last_seq(), bench.now(), count));
        bench.wait(10);
        match count % 4 {
            1 => db.flush().unwrap(),
            2 => db.compact().unwrap(),
            3 => {
                drop(db);
                db = bench.open();
            }
            _ => {}
        }
    }
    db.compact().unwrap();
    for (seq, time, count) in moments {
        assert_eq!(value(&db, seq), text(&count.to_string()));
        let known = if seq == db.last_seq() {
            bench.now()
        } else {
            time
        };
        assert_eq!(db.time_of(seq), Some(known));
        assert_eq!(value(&db, time), text(&count.to_string()), "{count}");
        let later = Timestamp(time.0 + 9_999_999);
        assert_eq!(value(&db, later), text(&count.to_string()));
    }
    assert_eq!(
        value(&db, Timestamp(bench.now().0 + 1)),
        Err(ErrorKind::Invalid)
    );
    assert_eq!(db.verify().unwrap().problems, []);
}

#[test]
fn what_is_older_goes_and_says_so() {
    let bench = Bench::new();
    let db = bench.open();
    db.put("key", "old").unwrap();
    let (old, old_time) = (db.last_seq(), bench.now());
    bench.wait(600);
    db.put("key", "middle").unwrap();
    let (middle, middle_time) = (db.last_seq(), bench.now());
    bench.wait(600);
    db.put("key", "new").unwrap();
    assert_eq!(value(&db, old), text("old"), "nothing has come by yet");
    // The moment of the window's begin, 200 seconds after `old` was written, still saw `old`.
    db.compact().unwrap();
    assert_eq!(value(&db, old), text("old"));
    bench.wait(500);
    db.compact().unwrap();
    assert_eq!(value(&db, old), Err(ErrorKind::NotFound));
    assert_eq!(value(&db, middle), text("middle"));
    assert_eq!(value(&db, middle_time), text("middle"));
    let held = db.snapshot_at(middle).unwrap();
    bench.wait(5_000);
    db.compact().unwrap();
    let found = held.get(&db.default_keyspace(), "key").unwrap();
    assert_eq!(found.as_deref(), Some(&b"middle"[..]), "it is held");
    drop(held);
    db.compact().unwrap();
    drop(db);
    let db = bench.open();
    for moment in [old, middle] {
        assert_eq!(value(&db, moment), Err(ErrorKind::NotFound));
    }
    assert_eq!(value(&db, old_time), Err(ErrorKind::NotFound));
    assert_eq!(value(&db, bench.now()), text("new"));
    assert_eq!(db.stats().keyspaces[0].levels[6].entries, 1);
}

#[test]
fn without_a_window_only_the_present_is_sure() {
    let mut bench = Bench::new();
    let db = bench.open();
    db.put("key", "old").unwrap();
    let old = db.last_seq();
    bench.wait(1);
    db.put("key", "new").unwrap();
    drop(db);
    bench.options.retention = Duration::ZERO;
    let db = bench.open();
    db.put("other", "write").unwrap();
    db.compact().unwrap();
    assert_eq!(value(&db, old), Err(ErrorKind::NotFound));
    assert_eq!(value(&db, db.last_seq()), text("new"));
    assert_eq!(value(&db, bench.now()), Err(ErrorKind::NotFound));
    drop(db);
    // Times from before the pause are not trusted: what was written in it has no marks.
    bench.options.retention = WINDOW;
    let db = bench.open();
    bench.wait(1);
    db.put("key", "newest").unwrap();
    assert_eq!(
        value(&db, Timestamp(bench.now().0 - 1)),
        Err(ErrorKind::NotFound)
    );
    assert_eq!(value(&db, bench.now()), text("newest"));
}

#[test]
fn attachments_stay_within_the_window() {
    let bench = Bench::new();
    let attach = |db: &DB, bytes: &[u8]| {
        let mut writer = db.attachment_writer().unwrap();
        writer.write_all(bytes).unwrap();
        let mut batch = WriteBatch::new();
        batch.attach(&db.default_keyspace(), "graph", writer.finish().unwrap());
        db.write(batch, Durability::Sync).unwrap()
    };
    let db = bench.open();
    let first = attach(&db, b"first");
    attach(&db, b"second");
    db.compact().unwrap();
    drop(db);
    let db = bench.open();
    let read = |db: &DB| {
        let snapshot = db.snapshot_at(first).ok()?;
        let file = snapshot.attachment(&db.default_keyspace(), "graph");
        Some(file.unwrap().unwrap().map().unwrap().to_vec())
    };
    assert_eq!(read(&db).as_deref(), Some(&b"first"[..]));
    assert_eq!(db.stats().attachments, 2);
    bench.wait(2_000);
    // Nothing but time has passed: whoever keeps house notices.
    while db.tick().unwrap() {}
    assert_eq!(db.stats().attachments, 1);
    assert_eq!(read(&db), None);
}

#[test]
fn marks_of_a_window_are_few() {
    let bench = Bench::new();
    let db = bench.open();
    for count in 0..5_000_u32 {
        db.put("key", count.to_be_bytes()).unwrap();
        bench.wait(1);
    }
    db.compact().unwrap();
    let kept = db
        .snapshot_at(Timestamp(bench.now().0 - 900_000_000))
        .unwrap();
    let found = kept.get(&db.default_keyspace(), "key").unwrap().unwrap();
    assert_eq!(found[..], 4_100_u32.to_be_bytes());
    let entries: u64 = db
        .stats()
        .keyspaces
        .iter()
        .flat_map(|keyspace| &keyspace.levels)
        .map(|level| level.entries)
        .sum();
    assert!((900..1_200).contains(&entries), "{entries}");
}
