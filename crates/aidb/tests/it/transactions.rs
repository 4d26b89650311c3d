//! Transactions, one anomaly at a time (after Martin Kleppmann's Hermitage), and what a prepared one promises.

use aether_env::{CrashImage, Env, MemoryStorage};
use aidb::{
    Append, DB, Durability, Error, ErrorKind, Isolation, Keyspace, KeyspaceOptions, Options,
    Transaction, TransactionOptions,
};
use std::sync::Arc;

const BOTH: [Isolation; 2] = [Isolation::Snapshot, Isolation::Serializable];

fn open(memory: &MemoryStorage) -> DB {
    let options = Options {
        background_threads: 0,
        ..Options::default()
    };
    DB::open_with(Env::memory(memory.clone()), options).unwrap()
}

/// A database with x = 10 and y = 20.
fn fixture() -> (DB, Keyspace) {
    let db = open(&MemoryStorage::new());
    let keyspace = db.default_keyspace();
    keyspace.put("x", "10").unwrap();
    keyspace.put("y", "20").unwrap();
    (db, keyspace)
}

fn begin(db: &DB, isolation: Isolation) -> Transaction {
    db.begin(TransactionOptions { isolation }).unwrap()
}

fn get(txn: &Transaction, keyspace: &Keyspace, key: &str) -> Option<String> {
    let found = txn.get(keyspace, key).unwrap();
    found.map(|value| String::from_utf8(value.to_vec()).unwrap())
}

fn committed(db: &DB, key: &str) -> Option<String> {
    let found = db.get(key).unwrap();
    found.map(|value| String::from_utf8(value.to_vec()).unwrap())
}

#[track_caller]
fn assert_conflict(result: Result<impl std::fmt::Debug, Error>, key: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert!(
        error.to_string().contains(&format!("key {key} of")),
        "{error}"
    );
    assert!(error.to_string().contains("default"), "{error}");
}

fn commit(txn: Transaction) -> Result<(), Error> {
    txn.commit(Durability::Buffered).map(drop)
}

/// Whatever the path: by what memtables know, or by tables.
fn in_memory_and_in_tables(test: impl Fn(&dyn Fn(&DB))) {
    test(&|_| {});
    test(&|db| db.flush().unwrap());
    test(&|db| {
        // Very many writes in between.
        for part in 0..3_u32 {
            let mut batch = aidb::WriteBatch::new();
            for i in 0..40_000_u32 {
                batch.put(&db.default_keyspace(), format!("~{part}-{i}"), []);
            }
            db.write(batch, Durability::Buffered).unwrap();
        }
        db.compact().unwrap();
    });
}

#[test]
fn g0_dirty_writes_do_not_mix() {
    for isolation in BOTH {
        let (db, ks) = fixture();
        let (mut a, mut b) = (begin(&db, isolation), begin(&db, isolation));
        for key in ["x", "y"] {
            a.get_for_update(&ks, key).unwrap();
            b.get_for_update(&ks, key).unwrap();
            a.put(&ks, key, "a").unwrap();
            b.put(&ks, key, "b").unwrap();
        }
        commit(b).unwrap();
        assert_conflict(commit(a), "x");
        assert_eq!(committed(&db, "x").as_deref(), Some("b"));
        assert_eq!(committed(&db, "y").as_deref(), Some("b"));
    }
}

#[test]
fn g1a_g1b_g1c_nobody_reads_what_is_not_committed() {
    for isolation in BOTH {
        let (db, ks) = fixture();
        let (mut a, mut b) = (begin(&db, isolation), begin(&db, isolation));
        a.put(&ks, "x", "11").unwrap();
        b.put(&ks, "y", "22").unwrap();
        assert_eq!(get(&b, &ks, "x").as_deref(), Some("10"), "g1c, g1b");
        assert_eq!(get(&a, &ks, "y").as_deref(), Some("20"), "g1c");
        a.put(&ks, "x", "12").unwrap();
        a.rollback();
        assert_eq!(get(&b, &ks, "x").as_deref(), Some("10"), "g1a");
        commit(b).unwrap();
        assert_eq!(committed(&db, "x").as_deref(), Some("10"));
        assert_eq!(committed(&db, "y").as_deref(), Some("22"));
    }
}

#[test]
fn otv_and_pmp_one_moment_is_read() {
    for isolation in BOTH {
        let (db, ks) = fixture();
        let reader = begin(&db, isolation);
        assert_eq!(reader.prefix(&ks, "z").count(), 0);
        let mut writer = begin(&db, isolation);
        writer.put(&ks, "x", "11").unwrap();
        writer.put(&ks, "y", "19").unwrap();
        writer.put(&ks, "z", "30").unwrap();
        commit(writer).unwrap();
        db.compact().unwrap();
        assert_eq!(get(&reader, &ks, "x").as_deref(), Some("10"));
        assert_eq!(get(&reader, &ks, "y").as_deref(), Some("20"));
        assert_eq!(reader.prefix(&ks, "z").count(), 0, "no phantom");
        commit(reader).unwrap();
    }
}

#[test]
fn p4_no_update_is_lost() {
    in_memory_and_in_tables(|meanwhile| {
        for isolation in BOTH {
            let (db, ks) = fixture();
            let (mut a, mut b) = (begin(&db, isolation), begin(&db, isolation));
            assert_eq!(get(&a, &ks, "x"), get(&b, &ks, "x"));
            a.put(&ks, "x", "11").unwrap();
            b.put(&ks, "x", "12").unwrap();
            commit(a).unwrap();
            meanwhile(&db);
            assert_conflict(commit(b), "x");
            assert_eq!(committed(&db, "x").as_deref(), Some("11"));
        }
    });
}

#[test]
fn a_plain_write_is_a_conflict_too_and_a_flush_is_none() {
    in_memory_and_in_tables(|meanwhile| {
        let (db, ks) = fixture();
        let (mut a, mut b) = (begin(&db, BOTH[0]), begin(&db, BOTH[0]));
        a.put(&ks, "x", "11").unwrap();
        b.put(&ks, "other", "12").unwrap();
        ks.delete("x").unwrap();
        meanwhile(&db);
        assert_conflict(commit(a), "x");
        commit(b).unwrap();
        let mut c = begin(&db, BOTH[0]);
        c.put(&ks, "inside", "1").unwrap();
        ks.delete_range("i".."j").unwrap();
        meanwhile(&db);
        assert_conflict(commit(c), "inside");
        let mut d = begin(&db, BOTH[0]);
        d.delete_range(&ks, "a".."c").unwrap();
        ks.put("b", "2").unwrap();
        meanwhile(&db);
        assert_conflict(commit(d), "b");
    });
}

#[test]
fn g_single_no_read_skew() {
    for isolation in BOTH {
        let (db, ks) = fixture();
        let mut a = begin(&db, isolation);
        assert_eq!(get(&a, &ks, "x").as_deref(), Some("10"));
        let mut b = begin(&db, isolation);
        b.put(&ks, "x", "12").unwrap();
        b.put(&ks, "y", "18").unwrap();
        commit(b).unwrap();
        assert_eq!(get(&a, &ks, "y").as_deref(), Some("20"));
        a.delete(&ks, "y").unwrap();
        let key = if isolation == Isolation::Snapshot {
            "y"
        } else {
            "x"
        };
        assert_conflict(commit(a), key);
    }
}

#[test]
fn g2_item_write_skew_is_kept_out_by_serializable_alone() {
    for isolation in BOTH {
        let (db, ks) = fixture();
        let (mut a, mut b) = (begin(&db, isolation), begin(&db, isolation));
        for txn in [&a, &b] {
            txn.multi_get(&ks, ["x", "y"]).unwrap();
        }
        a.put(&ks, "x", "11").unwrap();
        b.put(&ks, "y", "21").unwrap();
        commit(a).unwrap();
        match isolation {
            Isolation::Snapshot => commit(b).unwrap(),
            _ => assert_conflict(commit(b), "x"),
        }
    }
    let (db, ks) = fixture();
    let (mut a, mut b) = (begin(&db, BOTH[0]), begin(&db, BOTH[0]));
    a.get_for_update(&ks, "y").unwrap();
    b.get_for_update(&ks, "x").unwrap();
    a.put(&ks, "x", "11").unwrap();
    b.put(&ks, "y", "21").unwrap();
    commit(a).unwrap();
    assert_conflict(commit(b), "x");
}

#[test]
fn g2_phantoms_are_kept_out_by_serializable_alone() {
    in_memory_and_in_tables(|meanwhile| {
        for isolation in BOTH {
            let (db, ks) = fixture();
            let (mut a, mut b) = (begin(&db, isolation), begin(&db, isolation));
            assert_eq!(a.range(&ks, "p".."q").count(), 0);
            assert_eq!(b.range(&ks, "p".."q").rev().count(), 0);
            a.put(&ks, "p1", "30").unwrap();
            b.put(&ks, "p2", "42").unwrap();
            commit(a).unwrap();
            meanwhile(&db);
            match isolation {
                Isolation::Snapshot => commit(b).unwrap(),
                _ => assert_conflict(commit(b), "p1"),
            }
        }
    });
}

#[test]
fn a_scan_depends_on_what_it_came_past_alone() {
    let (db, ks) = fixture();
    for key in ["a", "b", "c", "d"] {
        ks.put(key, "").unwrap();
    }
    let scan = |read: &dyn Fn(&mut aidb::Iter), key: &str| {
        let mut txn = begin(&db, Isolation::Serializable);
        let mut iter = txn.range(&ks, "a"..="d");
        read(&mut iter);
        drop(iter);
        txn.put(&ks, "result", "").unwrap();
        ks.put(key, "changed").unwrap();
        txn.commit(Durability::Buffered).is_ok()
    };
    let one = |iter: &mut aidb::Iter| drop(iter.next().unwrap());
    assert!(!scan(&one, "a") && scan(&one, "b") && scan(&one, "aa"));
    let back = |iter: &mut aidb::Iter| drop(iter.next_back().unwrap());
    assert!(!scan(&back, "d") && scan(&back, "c"));
    let sought = |iter: &mut aidb::Iter| {
        iter.next().unwrap();
        iter.seek("c");
        iter.next().unwrap();
    };
    assert!(!scan(&sought, "a") && !scan(&sought, "c") && scan(&sought, "b") && scan(&sought, "d"));
    let all = |iter: &mut aidb::Iter| assert!(iter.by_ref().count() > 4);
    assert!(!scan(&all, "cc") && scan(&all, "e"));
    // While the iterator lives, it may read everything.
    let mut txn = begin(&db, Isolation::Serializable);
    let mut iter = txn.iter(&ks);
    iter.next().unwrap();
    txn.put(&ks, "result", "").unwrap();
    ks.put("d", "changed").unwrap();
    assert_conflict(commit(txn), "d");
    drop(iter);
}

#[test]
fn own_writes_are_read_in_gets_and_scans_from_both_ends() {
    let db = open(&MemoryStorage::new());
    let options = KeyspaceOptions {
        merge: Some(Arc::new(Append)),
        ..KeyspaceOptions::default()
    };
    let ks = db.keyspace("lists", options).unwrap();
    for key in ["a", "b", "c", "d", "e"] {
        ks.put(key, key).unwrap();
    }
    let mut txn = begin(&db, Isolation::Snapshot);
    txn.put(&ks, "b", "own").unwrap();
    txn.delete(&ks, "c").unwrap();
    txn.merge(&ks, "d", "+").unwrap();
    txn.merge(&ks, "new", "x").unwrap();
    for count in 0..20 {
        ks.put("b", format!("newer {count}")).unwrap();
        ks.merge("new", "newer").unwrap();
        ks.put("f", "newer").unwrap();
        ks.delete_range("d".."e").unwrap();
    }
    let all = |txn: &Transaction| -> String {
        let show = |(key, value): (bytes::Bytes, bytes::Bytes)| {
            format!("{}={} ", key.escape_ascii(), value.escape_ascii())
        };
        let forward: Vec<String> = txn.iter(&ks).map(show).collect();
        let mut backward: Vec<String> = txn.iter(&ks).rev().map(show).collect();
        backward.reverse();
        assert_eq!(forward, backward);
        for (key, value) in txn.iter(&ks) {
            assert_eq!(txn.get(&ks, &key).unwrap(), Some(value));
        }
        forward.concat()
    };
    assert_eq!(all(&txn), "a=a b=own d=d+ e=e new=x ");
    assert_eq!(get(&txn, &ks, "c"), None);
    let savepoint = txn.savepoint();
    txn.delete_range(&ks, "a".."e").unwrap();
    txn.put(&ks, "aa", "again").unwrap();
    txn.merge(&ks, "d", "!").unwrap();
    assert_eq!(all(&txn), "aa=again d=! e=e new=x ");
    assert_eq!(get(&txn, &ks, "a"), None);
    txn.rollback_to(savepoint);
    assert_eq!(all(&txn), "a=a b=own d=d+ e=e new=x ");
    let mut iter = txn.prefix(&ks, "");
    assert_eq!(iter.next_back().unwrap().0, "new");
    iter.seek("b");
    assert_eq!(iter.next().unwrap().1, "own");
    drop(iter);
    let error = txn.put(&ks, vec![0; 70_000], "").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(all(&txn), "a=a b=own d=d+ e=e new=x ");
    assert_eq!(commit(txn).unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(db.snapshot().iter(&ks).count(), 6, "a, b, c, e, f, new");
}

#[test]
fn transact_runs_again_until_it_comes_through() {
    let db = open(&MemoryStorage::new());
    let ks = db.default_keyspace();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    db.transact(|txn| {
                        let count = get(txn, &ks, "count").map_or(0, |c| c.parse::<u32>().unwrap());
                        txn.put(&ks, "count", (count + 1).to_string())
                    })
                    .unwrap();
                }
            });
        }
    });
    assert_eq!(committed(&db, "count").as_deref(), Some("400"));
    let error = db.transact(|txn| {
        txn.put(&ks, "count", "no")?;
        txn.get(&open(&MemoryStorage::new()).default_keyspace(), "x")
    });
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(committed(&db, "count").as_deref(), Some("400"));
}

#[test]
fn a_prepared_transaction_survives_a_crash_and_keeps_its_keys() {
    for isolation in BOTH {
        let memory = MemoryStorage::new();
        let db = open(&memory);
        let ks = db.default_keyspace();
        ks.put("read", "before").unwrap();
        let mut txn = begin(&db, isolation);
        get(&txn, &ks, "read");
        txn.range(&ks, "s".."t").count();
        txn.put(&ks, "x", "promised").unwrap();
        txn.delete_range(&ks, "k".."l").unwrap();
        txn.prepare("one").unwrap();
        let db = open(&memory.image(CrashImage::LoseUnsynced, 0));
        let ks = db.default_keyspace();
        assert_eq!(db.prepared(), ["one"]);
        assert_eq!(committed(&db, "x"), None);
        assert_conflict(ks.put("x", "other"), "x");
        assert_conflict(ks.put("k5", "other"), "k5");
        assert_conflict(ks.delete_range("w".."z"), "x");
        let mut rival = begin(&db, isolation);
        rival.put(&ks, "x", "rival").unwrap();
        assert_conflict(commit(rival), "x");
        let mut rival = begin(&db, isolation);
        rival.put(&ks, "x", "rival").unwrap();
        assert_conflict(rival.prepare("two"), "x");
        let writes = [ks.put("read", "after"), ks.put("s1", "after")];
        let are_locked = writes.iter().all(Result::is_err);
        assert_eq!(are_locked, isolation == Isolation::Serializable);
        let mut same = begin(&db, isolation);
        same.put(&ks, "elsewhere", "").unwrap();
        assert_eq!(same.prepare("one").unwrap_err().kind(), ErrorKind::Invalid);
        db.compact().unwrap();
        assert!(db.commit_prepared("one").unwrap().is_some());
        assert_eq!(
            db.commit_prepared("one").unwrap(),
            None,
            "again does nothing"
        );
        assert!(!db.rollback_prepared("one").unwrap());
        assert_eq!(committed(&db, "x").as_deref(), Some("promised"));
        ks.put("x", "free again").unwrap();
        assert_eq!(db.prepared(), [""; 0]);
        let mut txn = begin(&db, isolation);
        txn.put(&ks, "x", "never").unwrap();
        txn.prepare("three").unwrap();
        assert!(db.rollback_prepared("three").unwrap());
        assert_eq!(committed(&db, "x").as_deref(), Some("free again"));
        assert_eq!(db.verify().unwrap().problems, []);
    }
}

#[test]
fn a_commit_of_a_prepared_transaction_is_a_conflict_for_others() {
    let (db, ks) = fixture();
    let mut txn = begin(&db, Isolation::Snapshot);
    txn.put(&ks, "x", "promised").unwrap();
    txn.prepare("one").unwrap();
    let mut other = begin(&db, Isolation::Snapshot);
    other.put(&ks, "x", "other").unwrap();
    db.commit_prepared("one").unwrap();
    assert_conflict(commit(other), "x");
}

#[test]
fn names_of_prepared_transactions_have_limits() {
    let (db, ks) = fixture();
    for name in [vec![], vec![b'n'; 256]] {
        let mut txn = begin(&db, Isolation::Snapshot);
        txn.put(&ks, "x", "").unwrap();
        assert_eq!(txn.prepare(name).unwrap_err().kind(), ErrorKind::Invalid);
    }
    assert_eq!(db.prepared(), [""; 0]);
}

#[test]
fn what_is_guarded_holds_and_what_comes_with_the_commit_is_not_looked_at() {
    in_memory_and_in_tables(|trim| {
        for isolation in BOTH {
            let (db, ks) = fixture();
            let line = |value: &str| {
                let mut batch = aidb::WriteBatch::new();
                batch.put(&ks, "line", value);
                batch
            };
            let mut by_key = begin(&db, isolation);
            by_key.guard(&ks, "x");
            let mut by_range = begin(&db, isolation);
            by_range.guard_range(&ks, "v".."y");
            let mut besides = begin(&db, isolation);
            besides.guard_range(&ks, "y"..="z");
            besides.put(&ks, "z", "1").unwrap();
            ks.put("x", "11").unwrap();
            ks.put("line", "first").unwrap();
            trim(&db);
            assert_conflict(by_key.submit_with(line("key")), "x");
            assert_conflict(by_range.submit_with(line("range")), "x");
            besides
                .submit_with(line("besides"))
                .unwrap()
                .wait_durable()
                .unwrap();
            assert_eq!(committed(&db, "line").as_deref(), Some("besides"));
            assert_eq!(committed(&db, "z").as_deref(), Some("1"));
        }
    });
}

#[test]
fn a_mistake_in_what_comes_with_the_commit_is_told() {
    let (db, _) = fixture();
    let (_, elsewhere) = fixture();
    let mut batch = aidb::WriteBatch::new();
    batch.put(&elsewhere, "x", "1");
    let mut txn = begin(&db, Isolation::Snapshot);
    txn.put(&db.default_keyspace(), "a", "1").unwrap();
    let error = txn.submit_with(batch).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert_eq!(committed(&db, "a"), None);
}
