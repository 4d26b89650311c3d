//! Bad input and other people's databases: typed errors that say what and where.

use aether_env::{Env, MemoryStorage};
use aidb::{DB, Durability, ErrorKind, KEY_BYTES_MAX, KeyspaceOptions, Options, WriteBatch};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

fn memory() -> DB {
    DB::open_with(Env::memory(MemoryStorage::new()), Options::default()).unwrap()
}

#[test]
fn a_database_that_is_open_names_the_process_that_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let db = DB::open(directory.path(), Options::default()).unwrap();
    let error = DB::open(directory.path(), Options::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let text = error.to_string();
    assert!(
        text.contains(&format!("pid {}", std::process::id())),
        "{text}"
    );
    let path = directory.path().canonicalize().unwrap();
    assert!(text.contains(&*path.to_string_lossy()), "{text}");
    db.put("a", "1").unwrap();
    drop(db);
    DB::open(directory.path(), Options::default()).unwrap();
}

/// This test runs itself in a second process, which holds the database until it is killed.
#[test]
fn the_lock_dies_with_the_process_that_had_it() {
    const HOLD: &str = "AETHER_HOLD_DATABASE";
    if let Some(path) = std::env::var_os(HOLD) {
        let db = DB::open(path, Options::default()).unwrap();
        db.put("child", "was here").unwrap();
        println!("ready");
        loop {
            std::thread::park();
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let test = "input::the_lock_dies_with_the_process_that_had_it";
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(HOLD, directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while !lines.next().unwrap().unwrap().ends_with("ready") {}
    let error = DB::open(directory.path(), Options::default()).unwrap_err();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.to_string().contains(&format!("pid {}", child.id())),
        "{error}"
    );
    let db = DB::open(directory.path(), Options::default()).unwrap();
    assert_eq!(db.get("child").unwrap().as_deref(), Some(&b"was here"[..]));
}

#[test]
fn closing_gives_the_lock_back() {
    let memory = MemoryStorage::new();
    let db = DB::open_with(Env::memory(memory.clone()), Options::default()).unwrap();
    let clone = db.clone();
    db.close().unwrap();
    db.close().unwrap();
    let second = DB::open_with(Env::memory(memory), Options::default()).unwrap();
    assert_eq!(clone.put("a", "1").unwrap_err().kind(), ErrorKind::Closed);
    second.put("a", "2").unwrap();
    drop((db, clone));
    second.put("a", "3").unwrap();
}

#[test]
fn directories_that_will_not_do_are_named() {
    let root = tempfile::tempdir().unwrap();
    let plain = root.path().join("plain-file");
    std::fs::write(&plain, b"").unwrap();
    let error = DB::open(&plain, Options::default()).unwrap_err();
    assert!(error.to_string().contains("plain-file"), "{error}");
    assert!(error.to_string().contains("not a directory"), "{error}");
    let options = Options {
        create_if_missing: false,
        ..Options::default()
    };
    let missing = root.path().join("not-here");
    let error = DB::open(&missing, options.clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("not-here"), "{error}");
    assert!(
        !missing.exists(),
        "looking for a database makes no directory"
    );
    let error = DB::open(root.path(), options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

#[test]
fn foreign_files_are_left_alone() {
    let root = tempfile::tempdir().unwrap();
    for name in ["notes.txt", "README", "my file", "photo.jpg"] {
        std::fs::write(root.path().join(name), name).unwrap();
    }
    for _ in 0..2 {
        let db = DB::open(root.path(), Options::default()).unwrap();
        db.put("a", "1").unwrap();
        db.flush().unwrap();
    }
    for name in ["notes.txt", "README", "my file", "photo.jpg"] {
        assert_eq!(
            std::fs::read_to_string(root.path().join(name)).unwrap(),
            name
        );
    }
}

#[test]
fn keys_have_a_limit_and_values_may_be_large() {
    let db = memory();
    let longest = vec![b'k'; KEY_BYTES_MAX];
    db.put(&longest, "value").unwrap();
    let too_long = vec![b'k'; KEY_BYTES_MAX + 1];
    let error = db.put(&too_long, "value").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error.to_string().contains("65535") || error.to_string().contains("65_535"),
        "{error}"
    );
    assert_eq!(db.get(&too_long).ok().flatten(), None);
    let mut batch = WriteBatch::new();
    batch.put(&db.default_keyspace(), "innocent", "1");
    batch.put(&db.default_keyspace(), &too_long, "2");
    assert_eq!(
        db.write(batch, Durability::Sync).unwrap_err().kind(),
        ErrorKind::Invalid
    );
    assert_eq!(db.get("innocent").unwrap(), None, "nothing is half applied");
    db.put("large", vec![7; 20 << 20]).unwrap();
    db.put("", "the empty key").unwrap();
    db.flush().unwrap();
    assert_eq!(db.get("large").unwrap().unwrap().len(), 20 << 20);
    assert_eq!(db.get("").unwrap().as_deref(), Some(&b"the empty key"[..]));
    assert_eq!(db.get(&longest).unwrap().as_deref(), Some(&b"value"[..]));
    assert_eq!(db.iter().next().unwrap().0.len(), 0);
}

#[test]
fn names_of_keyspaces_are_checked() {
    let db = memory();
    let long = "n".repeat(1_000);
    for name in ["", &long] {
        let error = db
            .keyspace(name, KeyspaceOptions::default())
            .map(drop)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{name:?}: {error}");
    }
    let keyspace = db.keyspace("docs", KeyspaceOptions::default()).unwrap();
    assert_eq!(keyspace.name(), "docs");
    keyspace.put("a", "1").unwrap();
    assert_eq!(db.get("a").unwrap(), None);
    let again = db.keyspace("docs", KeyspaceOptions::default()).unwrap();
    assert_eq!(again.get("a").unwrap().as_deref(), Some(&b"1"[..]));
}

#[test]
fn a_keyspace_of_another_database_is_refused() {
    let (one, other) = (memory(), memory());
    let foreign = other.keyspace("other", KeyspaceOptions::default()).unwrap();
    let mut batch = WriteBatch::new();
    batch.put(&foreign, "a", "1");
    let error = one.write(batch, Durability::Sync).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
}

#[test]
fn options_that_cannot_work_are_refused() {
    let broken = [
        (
            "memtable_bytes",
            Options {
                memtable_bytes: 0,
                ..Options::DEFAULT
            },
        ),
        (
            "level_ratio",
            Options {
                level_ratio: 0,
                ..Options::DEFAULT
            },
        ),
        (
            "table_bytes",
            Options {
                table_bytes: 0,
                ..Options::DEFAULT
            },
        ),
        (
            "level0_stop_runs",
            Options {
                level0_stop_runs: 0,
                ..Options::DEFAULT
            },
        ),
    ];
    for (field, options) in broken {
        let result = DB::open_with(Env::memory(MemoryStorage::new()), options);
        let error = result.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{field}: {error}");
        assert!(error.to_string().contains(field), "{error}");
    }
}

#[test]
fn the_last_change_of_a_key_in_a_batch_wins() {
    let db = memory();
    let keyspace = db.default_keyspace();
    let mut batch = WriteBatch::new();
    batch.put(&keyspace, "a", "1");
    batch.put(&keyspace, "a", "2");
    batch.delete(&keyspace, "b");
    batch.put(&keyspace, "b", "3");
    batch.put(&keyspace, "c", "4");
    batch.delete(&keyspace, "c");
    assert_eq!(batch.len(), 6);
    db.write(batch, Durability::Sync).unwrap();
    for _ in 0..2 {
        assert_eq!(db.get("a").unwrap().as_deref(), Some(&b"2"[..]));
        assert_eq!(db.get("b").unwrap().as_deref(), Some(&b"3"[..]));
        assert_eq!(db.get("c").unwrap(), None);
        assert_eq!(db.iter().count(), 2);
        assert_eq!(db.iter().rev().count(), 2);
        db.flush().unwrap();
    }
}
