//! What a version of a key can say beside a value: operands, deleted ranges, values with an end; and compaction filters.

use aether_env::{Env, ManualClock, MemoryStorage, Timestamp};
use aidb::{
    Append, CompactionFilter, DB, Decision, Durability, ErrorKind, Keyspace, KeyspaceOptions,
    MergeFailure, MergeOperator, Options, WriteBatch,
};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

fn options() -> Options {
    Options {
        background_threads: 0,
        durability: Durability::Buffered,
        ..Options::DEFAULT
    }
}

fn lists() -> KeyspaceOptions {
    KeyspaceOptions {
        merge: Some(Arc::new(Append)),
        ..KeyspaceOptions::DEFAULT
    }
}

fn memory() -> DB {
    DB::open_with(Env::memory(MemoryStorage::new()), options()).unwrap()
}

/// What a key has, by a get and by both directions of an iterator, which must agree.
#[track_caller]
fn value_of(keyspace: &Keyspace, key: &str) -> Option<String> {
    let text = |value: bytes::Bytes| String::from_utf8(value.to_vec()).unwrap();
    let found = keyspace.get(key).unwrap().map(text);
    let only = || keyspace.range(key..=key);
    assert_eq!(only().next().map(|(_, value)| text(value)), found);
    assert_eq!(only().next_back().map(|(_, value)| text(value)), found);
    found
}

/// Sums of numbers in text; fails for anything else.
#[derive(Debug)]
struct Sum;

impl Sum {
    fn add(parts: &[&[u8]]) -> Result<Vec<u8>, MergeFailure> {
        let mut sum = 0_u64;
        for part in parts {
            sum += std::str::from_utf8(part)?.parse::<u64>()?;
        }
        Ok(sum.to_string().into_bytes())
    }
}

impl MergeOperator for Sum {
    fn name(&self) -> &str {
        "sum"
    }

    fn full(
        &self,
        _key: &[u8],
        base: Option<&[u8]>,
        operands: &[&[u8]],
    ) -> Result<Vec<u8>, MergeFailure> {
        Sum::add(&[base.as_slice(), operands].concat())
    }

    fn partial(&self, _key: &[u8], operands: &[&[u8]]) -> Option<Vec<u8>> {
        Sum::add(operands).ok()
    }
}

#[test]
fn operands_make_a_value_wherever_they_are() {
    let db = memory();
    let counts = KeyspaceOptions {
        merge: Some(Arc::new(Sum)),
        ..KeyspaceOptions::DEFAULT
    };
    let counts = db.keyspace("counts", counts).unwrap();
    counts.put("a", "100").unwrap();
    let mut sum = 100;
    let mut snapshots = Vec::new();
    for round in 0..40 {
        for _ in 0..7 {
            counts.merge("a", round.to_string()).unwrap();
            sum += round;
        }
        assert_eq!(value_of(&counts, "a"), Some(sum.to_string()));
        match round % 10 {
            3 => db.flush().unwrap(),
            6 => snapshots.push((db.snapshot(), sum)),
            9 => db.compact().unwrap(),
            _ => {}
        }
        for (snapshot, sum) in &snapshots {
            let found = snapshot.get(&counts, "a").unwrap().unwrap();
            assert_eq!(found, sum.to_string());
        }
    }
    drop(snapshots);
    counts.merge("b", "5").unwrap();
    db.compact().unwrap();
    assert_eq!(value_of(&counts, "b"), Some("5".to_owned()));
    let tables = db
        .stats()
        .keyspaces
        .into_iter()
        .find(|k| k.name == "counts")
        .unwrap()
        .levels;
    let entries: u64 = tables.iter().map(|level| level.entries).sum();
    assert_eq!(entries, 2, "all operands became values");
}

#[test]
fn an_operator_that_fails_is_an_error_of_the_read_and_loses_nothing() {
    let env = MemoryStorage::new();
    let counts = || KeyspaceOptions {
        merge: Some(Arc::new(Sum)),
        ..KeyspaceOptions::DEFAULT
    };
    let db = DB::open_with(Env::memory(env.clone()), options()).unwrap();
    let keyspace = db.keyspace("counts", counts()).unwrap();
    keyspace.put("good", "1").unwrap();
    keyspace.put("bad", "1").unwrap();
    keyspace.merge("bad", "no number").unwrap();
    keyspace.merge("bad", "2").unwrap();
    for round in 0..4 {
        let error = keyspace.get("bad").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let text = error.to_string();
        assert!(text.contains("sum") && text.contains("bad"), "{text}");
        assert!(text.contains("invalid digit"), "{text}");
        let mut iter = keyspace.iter();
        assert_eq!(iter.next(), None);
        assert!(iter.status().unwrap_err().to_string().contains("bad"));
        assert_eq!(keyspace.get("good").unwrap().unwrap(), "1");
        match round {
            0 => db.flush().unwrap(),
            1 => db.compact().unwrap(),
            _ => keyspace.merge("bad", "3").unwrap(),
        }
    }
    keyspace.put("bad", "7").unwrap();
    keyspace.merge("bad", "3").unwrap();
    assert_eq!(value_of(&keyspace, "bad"), Some("10".to_owned()));
}

#[test]
fn a_keyspace_is_opened_with_the_operator_that_it_was_made_with() {
    let storage = MemoryStorage::new();
    let open = || DB::open_with(Env::memory(storage.clone()), options()).unwrap();
    let db = open();
    let plain = db.keyspace("plain", KeyspaceOptions::DEFAULT).unwrap();
    let error = plain.merge("a", "x").unwrap_err();
    assert!(error.to_string().contains("plain"), "{error}");
    assert_eq!(plain.get("a").unwrap(), None);
    let keyspace = db.keyspace("lists", lists()).unwrap();
    keyspace.merge("a", "x").unwrap();
    drop((plain, keyspace, db));

    let db = open();
    let other = KeyspaceOptions {
        merge: Some(Arc::new(Sum)),
        ..KeyspaceOptions::DEFAULT
    };
    for (options, given) in [(KeyspaceOptions::DEFAULT, "none"), (other, "\"sum\"")] {
        let error = db.keyspace("lists", options).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let text = error.to_string();
        for part in ["\"lists\"", "\"append\"", given] {
            assert!(text.contains(part), "{text}");
        }
    }
    // Nobody has given the operator yet: operands stay as they are.
    db.compact().unwrap();
    let keyspace = db.keyspace("lists", lists()).unwrap();
    keyspace.merge("a", "y").unwrap();
    assert_eq!(value_of(&keyspace, "a"), Some("xy".to_owned()));
    db.compact().unwrap();
    assert_eq!(value_of(&keyspace, "a"), Some("xy".to_owned()));
}

#[test]
fn a_deleted_range_hides_what_is_older_and_nothing_else() {
    let db = memory();
    let keyspace = db.default_keyspace();
    for key in ["a", "b", "c", "d", "e"] {
        keyspace.put(key, "1").unwrap();
    }
    let before = db.snapshot();
    keyspace.delete_range("b".."d").unwrap();
    keyspace.put("c", "2").unwrap();
    keyspace.delete_range("x".."b").unwrap();
    keyspace.delete_range("c".."c").unwrap();
    let keys = |iter: aidb::Iter| -> Vec<bytes::Bytes> { iter.map(|(key, _)| key).collect() };
    for round in 0..3 {
        assert_eq!(keys(keyspace.iter()), ["a", "c", "d", "e"]);
        assert_eq!(value_of(&keyspace, "b"), None);
        assert_eq!(value_of(&keyspace, "c"), Some("2".to_owned()));
        assert_eq!(keys(before.iter(&keyspace)), ["a", "b", "c", "d", "e"]);
        match round {
            0 => db.flush().unwrap(),
            _ => db.compact().unwrap(),
        }
    }
    drop(before);
    keyspace.delete_range::<&str>(..).unwrap();
    assert_eq!(keyspace.iter().count(), 0);
    db.compact().unwrap();
    assert_eq!(db.stats().table_bytes, 0, "nothing is left of it");
}

/// Blocks that a read has looked at.
fn blocks_of(db: &DB, read: impl FnOnce()) -> u64 {
    let looks = || {
        let cache = db.stats().cache;
        cache.hits + cache.misses
    };
    let before = looks();
    read();
    looks() - before
}

#[test]
fn a_deleted_range_is_stepped_over_and_not_gone_through() {
    let db = memory();
    let keyspace = db.default_keyspace();
    let fill = || {
        for first in (0..100_000_u32).step_by(1_000) {
            let mut batch = WriteBatch::new();
            for number in first..first + 1_000 {
                batch.put(&keyspace, number.to_be_bytes(), [7; 100]);
            }
            db.write(batch, Durability::Buffered).unwrap();
        }
    };
    let all = 0_u32.to_be_bytes()..100_000_u32.to_be_bytes();
    fill();
    keyspace.put([0xff], "last").unwrap();
    db.compact().unwrap();
    fill();
    db.flush().unwrap();
    fill();
    keyspace.delete_range(all.clone()).unwrap();
    keyspace.put(500_u32.to_be_bytes(), "new").unwrap();
    for round in 0..3 {
        let blocks = blocks_of(&db, || {
            let mut iter = keyspace.iter();
            assert_eq!(iter.next().unwrap().1, "new");
            assert_eq!(iter.next().unwrap().1, "last");
            assert_eq!(iter.next(), None);
            let mut iter = keyspace.iter().rev();
            assert_eq!(iter.next().unwrap().1, "last");
            assert_eq!(iter.next().unwrap().1, "new");
            assert_eq!(iter.next(), None);
        });
        assert!(blocks < 100, "{blocks} blocks in round {round}");
        match round {
            0 => db.flush().unwrap(),
            _ => db.compact().unwrap(),
        }
    }
    assert!(db.stats().table_bytes < 10_000);
}

/// A queue: written at its end, deleted at its head. Once the background is through, nothing of the past is in the way.
#[test]
fn a_head_of_tombstones_is_gone_after_the_background_work() {
    let db = memory();
    let keyspace = db.default_keyspace();
    for first in (0..200_000_u32).step_by(1_000) {
        let mut batch = WriteBatch::new();
        for number in first..first + 1_000 {
            batch.put(&keyspace, number.to_be_bytes(), [7; 20]);
        }
        db.write(batch, Durability::Buffered).unwrap();
    }
    db.flush().unwrap();
    while db.tick().unwrap() {}
    for first in (0..199_000_u32).step_by(1_000) {
        let mut batch = WriteBatch::new();
        for number in first..first + 1_000 {
            batch.delete(&keyspace, number.to_be_bytes());
        }
        db.write(batch, Durability::Buffered).unwrap();
    }
    db.flush().unwrap();
    while db.tick().unwrap() {}
    let blocks = blocks_of(&db, || {
        let first = keyspace.iter().next().unwrap().0;
        assert_eq!(first, 199_000_u32.to_be_bytes()[..]);
    });
    assert!(blocks < 20, "{blocks} blocks");
}

/// Tables end in the middle of deleted ranges, level by level, while snapshots hold what was there.
#[test]
fn deleted_ranges_are_cut_with_the_tables() {
    let small = Options {
        memtable_bytes: 1 << 13,
        table_bytes: 1 << 11,
        level_base_bytes: 1 << 12,
        level_ratio: 2,
        ..options()
    };
    let db = DB::open_with(Env::memory(MemoryStorage::new()), small).unwrap();
    let keyspace = db.default_keyspace();
    let mut map = std::collections::BTreeMap::new();
    let mut random = fastrand::Rng::with_seed(9);
    let mut held = Vec::new();
    for round in 0..60_u32 {
        for _ in 0..100 {
            let key = random.u16(..2_000);
            keyspace.put(key.to_be_bytes(), round.to_string()).unwrap();
            map.insert(key, round.to_string());
        }
        let (start, length) = (random.u16(..2_000), random.u16(..500));
        keyspace
            .delete_range(start.to_be_bytes()..(start + length).to_be_bytes())
            .unwrap();
        map.retain(|key, _| *key < start || *key >= start + length);
        if round % 7 == 0 {
            held.push((db.snapshot(), map.clone()));
        }
        if round % 20 == 19 {
            held.remove(0);
        }
        db.tick().unwrap();
        let now = (db.snapshot(), map.clone());
        for (snapshot, map) in held.iter().chain([&now]) {
            let found = snapshot
                .iter(&keyspace)
                .map(|(key, value)| (key.to_vec(), value.to_vec()));
            let expected = map
                .iter()
                .map(|(key, value)| (key.to_be_bytes().to_vec(), value.clone().into_bytes()));
            assert!(found.eq(expected), "round {round}");
        }
        assert_eq!(db.verify().unwrap().problems, []);
    }
    held.clear();
    db.compact().unwrap();
    assert_eq!(keyspace.iter().count(), map.len());
}

#[test]
fn a_value_ends_when_its_time_is_over() {
    let clock = Arc::new(ManualClock::default());
    let env = || Env {
        clock: Arc::clone(&clock) as Arc<dyn aether_env::Clock>,
        ..Env::memory(MemoryStorage::new())
    };
    let db = DB::open_with(env(), options()).unwrap();
    let minute = KeyspaceOptions {
        ttl: Some(Duration::from_secs(60)),
        ..lists()
    };
    let sessions = db.keyspace("sessions", minute).unwrap();
    let at = |seconds: u64| Timestamp(seconds * 1_000_000);
    sessions.put("default", "a").unwrap();
    sessions.put_expiring("short", "b", at(10)).unwrap();
    sessions.put_expiring("list", "old", at(10)).unwrap();
    sessions.merge("list", "+1").unwrap();
    let snapshot = db.snapshot();
    for stage in 0..3 {
        assert_eq!(value_of(&sessions, "default"), Some("a".to_owned()));
        assert_eq!(value_of(&sessions, "short"), Some("b".to_owned()));
        assert_eq!(value_of(&sessions, "list"), Some("old+1".to_owned()));
        match stage {
            0 => db.flush().unwrap(),
            _ => db.compact().unwrap(),
        }
    }
    clock.advance(Duration::from_millis(9_999));
    assert_eq!(value_of(&sessions, "short"), Some("b".to_owned()));
    clock.advance(Duration::from_millis(1));
    for stage in 0..3 {
        assert_eq!(value_of(&sessions, "default"), Some("a".to_owned()));
        assert_eq!(value_of(&sessions, "short"), None);
        assert_eq!(snapshot.get(&sessions, "short").unwrap(), None);
        assert_eq!(
            value_of(&sessions, "list"),
            Some("+1".to_owned()),
            "what is written later stays"
        );
        assert_eq!(sessions.iter().count(), 2);
        match stage {
            0 => db.flush().unwrap(),
            _ => db.compact().unwrap(),
        }
    }
    drop(snapshot);
    clock.advance(Duration::from_secs(50));
    assert_eq!(value_of(&sessions, "default"), None);
    sessions.merge("list", "+2").unwrap();
    sessions.delete("list").unwrap();
    db.compact().unwrap();
    assert_eq!(db.stats().table_bytes, 0, "all of it is gone");
}

/// Removes what begins with "x", and shortens what begins with "y".
#[derive(Debug)]
struct Cut;

impl CompactionFilter for Cut {
    fn name(&self) -> &str {
        "cut"
    }

    fn filter(&self, key: &[u8], value: &[u8]) -> Decision {
        match key.first() {
            Some(b'x') => Decision::Remove,
            Some(b'y') if value.len() > 1 => Decision::Replace(value[..1].to_vec()),
            _ => Decision::Keep,
        }
    }
}

#[test]
fn a_filter_has_a_say_in_what_no_snapshot_sees() {
    let db = memory();
    let filtered = KeyspaceOptions {
        filter: Some(Arc::new(Cut)),
        ..lists()
    };
    let keyspace = db.keyspace("filtered", filtered).unwrap();
    for key in ["a", "x1", "x2", "y"] {
        keyspace.put(key, "value").unwrap();
    }
    keyspace.merge("x3", "value").unwrap();
    let snapshot = db.snapshot();
    db.compact().unwrap();
    assert_eq!(keyspace.iter().count(), 5, "a snapshot sees all of it");
    keyspace.put("x2", "newer").unwrap();
    db.compact().unwrap();
    assert_eq!(
        value_of(&keyspace, "x2"),
        None,
        "no snapshot sees the newer one"
    );
    assert_eq!(snapshot.get(&keyspace, "x2").unwrap().unwrap(), "value");
    drop(snapshot);
    db.compact().unwrap();
    let left: Vec<_> = keyspace.iter().collect();
    assert_eq!(
        left,
        [("a".into(), "value".into()), ("y".into(), "v".into())]
    );
}

#[test]
fn all_kinds_in_one_batch_come_in_order() {
    let storage = MemoryStorage::new();
    let db = DB::open_with(Env::memory(storage.clone()), options()).unwrap();
    let keyspace = db.keyspace("lists", lists()).unwrap();
    let mut batch = WriteBatch::new();
    batch.merge(&keyspace, "a", "1");
    batch.put(&keyspace, "b", "1");
    batch.delete_range(&keyspace, "a".."c");
    batch.merge(&keyspace, "a", "2");
    batch.merge(&keyspace, "a", "3");
    batch.put_expiring(&keyspace, "c", "3", Timestamp(u64::MAX));
    batch.merge(&keyspace, "c", "4");
    assert_eq!(batch.len(), 7);
    db.write(batch, Durability::Sync).unwrap();
    let expected = [("a", Some("23")), ("b", None), ("c", Some("34"))];
    let check = |keyspace: &Keyspace| {
        for (key, value) in expected {
            assert_eq!(value_of(keyspace, key).as_deref(), value);
        }
    };
    check(&keyspace);
    let image = storage.image(aether_env::CrashImage::LoseUnsynced, 0);
    let db = DB::open_with(Env::memory(image), options()).unwrap();
    check(&db.keyspace("lists", lists()).unwrap());
    db.compact().unwrap();
    check(&db.keyspace("lists", lists()).unwrap());
}

#[test]
fn bounds_of_ranges_may_be_as_long_as_keys() {
    let db = memory();
    let keyspace = db.default_keyspace();
    let longest = vec![0xff; aidb::KEY_BYTES_MAX];
    keyspace.put(&longest, "1").unwrap();
    keyspace
        .delete_range(longest.clone()..=longest.clone())
        .unwrap();
    assert_eq!(keyspace.get(&longest).unwrap(), None);
    keyspace.put(&longest, "2").unwrap();
    keyspace
        .delete_range((Bound::Excluded(longest.clone()), Bound::Unbounded))
        .unwrap();
    db.flush().unwrap();
    assert_eq!(keyspace.get(&longest).unwrap().unwrap(), "2");
    let too_long = vec![1; aidb::KEY_BYTES_MAX + 1];
    let error = keyspace
        .delete_range(too_long.clone()..=too_long)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    keyspace.delete_range::<Vec<u8>>(..).unwrap();
    db.compact().unwrap();
    assert_eq!(db.stats().table_bytes, 0);
}
