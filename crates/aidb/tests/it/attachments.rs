//! Files that are registered by a key, and live as long as somebody can see them.

use aether_env::{Env, MemoryStorage, Storage};
use aidb::{DB, Durability, Keyspace, Options, WriteBatch};
use std::io::Write;

fn open(memory: &MemoryStorage) -> DB {
    let options = Options {
        background_threads: 0,
        ..Options::default()
    };
    DB::open_with(Env::memory(memory.clone()), options).unwrap()
}

fn attach(db: &DB, keyspace: &Keyspace, key: &str, bytes: &[u8]) -> String {
    let mut writer = db.attachment_writer().unwrap();
    writer.write_all(bytes).unwrap();
    let attachment = writer.finish().unwrap();
    let name = attachment.file_name();
    let mut batch = WriteBatch::new();
    batch.attach(keyspace, key, attachment);
    batch.put(keyspace, key, "registered with it");
    db.write(batch, Durability::Sync).unwrap();
    name
}

fn there(memory: &MemoryStorage, name: &str) -> bool {
    memory.list().unwrap().iter().any(|file| file.name == name)
}

#[test]
fn a_replaced_attachment_lives_while_a_snapshot_sees_it() {
    let memory = MemoryStorage::new();
    let db = open(&memory);
    let keyspace = db.default_keyspace();
    let first = attach(&db, &keyspace, "graph", b"first");
    let before = db.snapshot();
    let second = attach(&db, &keyspace, "graph", b"second");
    assert!(there(&memory, &first) && there(&memory, &second));
    let old = before.attachment(&keyspace, "graph").unwrap().unwrap();
    assert_eq!(old.map().unwrap()[..], *b"first");
    let new = db
        .snapshot()
        .attachment(&keyspace, "graph")
        .unwrap()
        .unwrap();
    assert_eq!((new.bytes(), new.file_name()), (6, second.clone()));
    drop(before);
    assert_eq!(
        old.map().unwrap()[..],
        *b"first",
        "an open attachment keeps its file"
    );
    old.verify().unwrap();
    drop(old);
    db.put("any", "write").unwrap();
    while db.tick().unwrap() {}
    assert!(!there(&memory, &first), "nobody can see it any more");
    assert_eq!(db.verify().unwrap().problems, []);
    let mut middle = [0; 3];
    new.read_at(2, &mut middle).unwrap();
    assert_eq!(&middle, b"con");
}

/// A flush made the replacement durable, and nobody looked again at what it had replaced.
#[test]
fn a_flush_that_makes_a_replacement_durable_frees_the_old_file() {
    let memory = MemoryStorage::new();
    let options = Options {
        background_threads: 0,
        memtable_bytes: 1 << 10,
        ..Options::default()
    };
    let db = DB::open_with(Env::memory(memory.clone()), options).unwrap();
    let keyspace = db.default_keyspace();
    let first = attach(&db, &keyspace, "graph", b"first");
    let attachment = db.attachment_writer().unwrap().finish().unwrap();
    let mut batch = WriteBatch::new();
    batch.attach(&keyspace, "graph", attachment);
    db.write(batch, Durability::Buffered).unwrap();
    while db.tick().unwrap() {}
    assert!(there(&memory, &first), "a power cut brings it back");
    let mut fill = WriteBatch::new();
    fill.put(&keyspace, "fill", [0; 2 << 10]);
    db.write(fill, Durability::Buffered).unwrap();
    let mut another = WriteBatch::new();
    another.put(&keyspace, "next memtable", []);
    db.write(another, Durability::Buffered).unwrap();
    while db.tick().unwrap() {}
    assert!(!there(&memory, &first));
}

#[test]
fn what_was_never_committed_is_removed() {
    let memory = MemoryStorage::new();
    let db = open(&memory);
    let mut abandoned = db.attachment_writer().unwrap();
    abandoned.write_all(&[1; 10_000]).unwrap();
    drop(abandoned);
    let mut finished = db.attachment_writer().unwrap();
    finished.write_all(&[2; 10_000]).unwrap();
    let finished = finished.finish().unwrap();
    let name = finished.file_name();
    assert!(there(&memory, &name));
    drop(finished);
    while db.tick().unwrap() {}
    assert!(!there(&memory, &name));
    assert_eq!(db.verify().unwrap().problems, []);
}

#[test]
fn detaching_removes_the_file_and_survives_opening_again() {
    let memory = MemoryStorage::new();
    let db = open(&memory);
    let keyspace = db.default_keyspace();
    let kept = attach(&db, &keyspace, "kept", b"kept");
    let gone = attach(&db, &keyspace, "gone", b"gone");
    let empty = attach(&db, &keyspace, "empty", b"");
    let mut batch = WriteBatch::new();
    batch.detach(&keyspace, "gone");
    batch.detach(&keyspace, "never there");
    db.write(batch, Durability::Sync).unwrap();
    drop((db, keyspace));
    let db = open(&memory);
    let keyspace = db.default_keyspace();
    assert!(there(&memory, &kept) && there(&memory, &empty) && !there(&memory, &gone));
    let snapshot = db.snapshot();
    assert_eq!(
        snapshot
            .attachment(&keyspace, "kept")
            .unwrap()
            .unwrap()
            .map()
            .unwrap()[..],
        *b"kept"
    );
    assert_eq!(
        snapshot
            .attachment(&keyspace, "empty")
            .unwrap()
            .unwrap()
            .bytes(),
        0
    );
    assert!(snapshot.attachment(&keyspace, "gone").unwrap().is_none());
    assert_eq!(
        db.get("gone").unwrap().as_deref(),
        Some(&b"registered with it"[..])
    );
    assert_eq!(db.stats().attachments, 2);
}

#[test]
fn a_damaged_attachment_is_found_by_verify_alone_and_by_name() {
    let memory = MemoryStorage::new();
    let db = open(&memory);
    let keyspace = db.default_keyspace();
    let name = attach(&db, &keyspace, "graph", &[7; 5_000]);
    drop((db, keyspace));
    let mut bytes = memory.contents(&name).unwrap();
    bytes[1_234] ^= 1;
    memory.replace(&name, bytes);
    let db = open(&memory);
    let file = db
        .snapshot()
        .attachment(&db.default_keyspace(), "graph")
        .unwrap()
        .unwrap();
    let error = file.verify().unwrap_err();
    assert!(error.to_string().contains(&name), "{error}");
    let problems = db.verify().unwrap().problems;
    assert!(
        problems.iter().any(|problem| problem.file == name),
        "{problems:?}"
    );
}
