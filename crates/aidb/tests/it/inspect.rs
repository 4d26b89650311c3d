//! Files are told in readable form, and damaged ones as far as they go.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aidb::inspect::{self, Field, Item};
use aidb::{Append, DB, ErrorKind, KeyspaceOptions, Options};

/// A database with every kind of file and of write.
fn database(path: &Path) {
    let options = Options {
        background_threads: 0,
        ..Options::DEFAULT
    };
    let db = DB::open(path, options).unwrap();
    let lists = KeyspaceOptions {
        merge: Some(Arc::new(Append)),
        ..KeyspaceOptions::DEFAULT
    };
    let lists = db.keyspace("lists", lists).unwrap();
    for number in 0..500 {
        db.put(format!("key{number:03}"), format!("value{number}"))
            .unwrap();
    }
    lists.merge("list", "head").unwrap();
    db.default_keyspace()
        .delete_range("key100".."key200")
        .unwrap();
    db.flush().unwrap();
    db.delete("key001").unwrap();
    lists.merge("list", "tail").unwrap();
    let mut writer = db.attachment_writer().unwrap();
    std::io::Write::write_all(&mut writer, b"attached").unwrap();
    let mut batch = aidb::WriteBatch::new();
    batch.attach(&lists, "list", writer.finish().unwrap());
    db.write(batch, aidb::Durability::Sync).unwrap();
    db.close().unwrap();
}

fn files(path: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap() != "LOCK")
        .collect();
    files.sort();
    files
}

fn told(path: &Path) -> (Vec<Item>, aidb::Result<()>) {
    let mut items = Vec::new();
    let verdict = inspect::file(path, &mut |item| items.push(item));
    (items, verdict)
}

fn text(item: &Item, name: &str) -> String {
    let field = item.fields.iter().find(|(known, _)| *known == name);
    match field.map(|(_, field)| field) {
        Some(Field::Text(text)) => text.clone(),
        Some(Field::Number(number)) => number.to_string(),
        Some(Field::Bytes(bytes)) => bytes.escape_ascii().to_string(),
        None => String::new(),
    }
}

#[test]
fn every_file_of_a_database_is_told() {
    let directory = tempfile::tempdir().unwrap();
    database(directory.path());
    let mut counts = BTreeMap::new();
    for path in files(directory.path()) {
        let (items, verdict) = told(&path);
        verdict.unwrap();
        for item in &items {
            *counts.entry((item.what, text(item, "kind"))).or_insert(0) += 1;
        }
    }
    let count =
        |what: &'static str, kind: &str| counts.get(&(what, kind.to_owned())).copied().unwrap_or(0);
    assert!(count("table", "") >= 2, "{counts:?}");
    assert_eq!(count("range-delete", ""), 1, "{counts:?}");
    assert!((400..=500).contains(&count("entry", "put")), "{counts:?}");
    assert_eq!(
        (count("entry", "merge"), count("write", "merge")),
        (1, 1),
        "{counts:?}"
    );
    assert_eq!(count("write", "delete"), 1, "{counts:?}");
    assert_eq!(count("attachment", ""), 1, "{counts:?}");
    assert!(
        count("manifest", "") > 0 && count("keyspace", "") >= 2 && count("table-added", "") >= 2,
        "{counts:?}"
    );
}

#[test]
fn damage_is_named_and_never_told_as_right() {
    let directory = tempfile::tempdir().unwrap();
    database(directory.path());
    for path in files(directory.path()) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let whole = std::fs::read(&path).unwrap();
        let (right, _) = told(&path);
        let used = whole.iter().rposition(|byte| *byte != 0).unwrap_or(0);
        for position in (0..=used).step_by(used / 40 + 1) {
            let mut damaged = whole.clone();
            damaged[position] ^= 0x10;
            std::fs::write(&path, damaged).unwrap();
            let (items, verdict) = told(&path);
            match verdict {
                // The end of a log may be a torn write: it is told up to there.
                Ok(()) if name.ends_with(".wal") => assert!(items.len() <= right.len()),
                Ok(()) => assert!(
                    name.ends_with(".att") && items != right,
                    "{name} {position}"
                ),
                Err(error) => {
                    // A flipped version says that the file is a newer one.
                    let kinds = [ErrorKind::Corruption, ErrorKind::Invalid];
                    assert!(kinds.contains(&error.kind()), "{name} {position}: {error}");
                    assert!(
                        error.to_string().contains(name),
                        "{name} {position}: {error}"
                    );
                }
            }
        }
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let _ = told(&path);
        std::fs::write(&path, whole).unwrap();
    }
}

#[test]
fn other_files_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let kind = |name: &str| told(&directory.path().join(name)).1.unwrap_err().kind();
    assert_eq!(kind("LOCK"), ErrorKind::Invalid);
    assert_eq!(kind("notes.txt"), ErrorKind::Invalid);
    assert_eq!(kind("000001.sst"), ErrorKind::NotFound);
}
