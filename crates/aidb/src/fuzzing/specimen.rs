//! A small database and a backup of it, in which one file at a time is replaced by any bytes.

use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::thread::JoinHandle;

use aether_env::{CrashImage, Env, ManualClock, MemoryStorage, Spawner, Storage, Task, Timestamp};

use crate::{
    Append, Backups, DB, Durability, Keyspace, KeyspaceOptions, Options, Result,
    TransactionOptions, WriteBatch,
};

/// The files, and which of them is replaced.
pub(super) struct Specimen {
    database: MemoryStorage,
    backups: MemoryStorage,
    file: String,
}

impl Specimen {
    /// Replaced is the last file whose name `is_it`.
    pub(super) fn new(is_it: fn(&str) -> bool) -> Specimen {
        let database = MemoryStorage::new();
        let backups = MemoryStorage::new();
        write(&database, &backups).expect("an undamaged database works");
        let names = [&database, &backups].map(|storage| storage.list().expect("memory lists"));
        let names = names.into_iter().flatten().map(|file| file.name);
        let file = names.filter(|name| is_it(name)).max();
        Specimen {
            database,
            backups,
            file: file.expect("there is such a file"),
        }
    }

    /// The file as it was written.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let contents = [&self.database, &self.backups].map(|storage| storage.contents(&self.file));
        contents
            .into_iter()
            .find_map(std::io::Result::ok)
            .expect("it was listed")
    }

    /// Reads all that there is with `bytes` in the file's place.
    pub(super) fn examine(&self, bytes: &[u8]) {
        for storage in [&self.database, &self.backups] {
            let copy = storage.image(CrashImage::KeepAll, 0);
            if copy.contents(&self.file).is_err() {
                continue;
            }
            copy.replace(&self.file, bytes.to_vec());
            if std::ptr::eq(storage, &self.database) {
                let file = copy.open(&self.file).expect("it was just put there");
                let _ = crate::inspect::tell_all(file, &self.file, &mut |_| {});
                let _ = read(&copy);
            } else {
                let _ = restore(&copy);
            }
        }
    }
}

/// Takes no tasks: everything happens in its turn.
#[derive(Debug)]
struct Nobody;

impl Spawner for Nobody {
    fn spawn(&self, name: &str, _: Task) -> std::io::Result<JoinHandle<()>> {
        Err(std::io::Error::other(format!("no thread for {name}")))
    }
}

/// The same in every run.
fn env(storage: &MemoryStorage) -> Env {
    Env {
        storage: Arc::new(storage.clone()),
        clock: Arc::new(ManualClock::default()),
        spawner: Arc::new(Nobody),
    }
}

fn lists() -> KeyspaceOptions {
    KeyspaceOptions {
        merge: Some(Arc::new(Append)),
        ..KeyspaceOptions::default()
    }
}

fn options() -> Options {
    Options {
        background_threads: 0,
        // A log takes as much.
        memtable_bytes: 64 << 10,
        create_if_missing: false,
        ..Options::default()
    }
}

fn write(storage: &MemoryStorage, backups: &MemoryStorage) -> Result<()> {
    let create = Options {
        create_if_missing: true,
        ..options()
    };
    let db = DB::open_with(env(storage), create)?;
    let other = db.keyspace("other", lists())?;
    for round in 0..2 {
        write_round(&db, &other, round)?;
        db.flush()?;
    }
    Backups::open(Arc::new(backups.clone()))?.create(&db)?;
    write_round(&db, &other, 2)?;
    let mut transaction = db.begin(TransactionOptions::default())?;
    transaction.get_for_update(&other, "key0007")?;
    transaction.put(&other, "prepared", "perhaps")?;
    transaction.prepare("a promise")?;
    db.put("in the log", "only")
}

fn write_round(db: &DB, other: &Keyspace, round: u32) -> Result<()> {
    let keyspace = db.default_keyspace();
    let mut batch = WriteBatch::new();
    for i in 0..60_u32 {
        let key = format!("key{:04}", i * 7 + round);
        batch.put(&keyspace, &key, format!("value {round} of {i}"));
        if i % 5 == round {
            batch.delete(other, &key);
        } else {
            batch.put(other, &key, [i.to_le_bytes(); 30].concat());
        }
        batch.merge(other, &key[..6], format!("{i},"));
    }
    // The log is mostly other things: its large values go to a file of their own.
    batch.put(&keyspace, large(round), [7; 1_500]);
    let (start, end) = (round * 50, round * 50 + 30);
    batch.delete_range(other, format!("key{start:04}")..format!("key{end:04}"));
    batch.put_expiring(other, "soon over", "value", Timestamp(round.into()));
    let mut writer = db.attachment_writer()?;
    writer
        .write_all(b"an attachment")
        .expect("memory is writable");
    batch.attach(other, "graph", writer.finish()?);
    db.write(batch, Durability::Sync)?;
    Ok(())
}

fn large(round: u32) -> String {
    format!("large{round}")
}

fn read(storage: &MemoryStorage) -> Result<()> {
    let db = DB::open_with(env(storage), options())?;
    let keyspaces = [db.default_keyspace(), db.keyspace("other", lists())?];
    for keyspace in &keyspaces {
        let _ = read_keyspace(&db, keyspace);
    }
    let _ = db.verify();
    db.stats();
    db.put("more", "still works")?;
    for name in db.prepared() {
        let _ = db.commit_prepared(name);
    }
    db.compact()?;
    db.close()
}

fn read_keyspace(db: &DB, keyspace: &Keyspace) -> Result<()> {
    let snapshot = db.snapshot();
    let keys = (0..20).map(|i| format!("key{:04}", i * 17));
    let keys: Vec<String> = keys.chain((0..3).map(large)).collect();
    for key in &keys {
        let _ = snapshot.get(keyspace, key);
    }
    let _ = snapshot.multi_get(keyspace, &keys);
    if let Ok(Some(attachment)) = snapshot.attachment(keyspace, "graph") {
        let _ = attachment.verify();
        let _ = attachment.map();
    }
    snapshot.iter(keyspace).for_each(drop);
    snapshot.iter(keyspace).rev().for_each(drop);
    let mut range = snapshot.range(keyspace, "key0003".."key0300");
    range.seek("key0100");
    while range.try_next()?.is_some() {
        range.try_next_back()?;
    }
    Ok(())
}

fn restore(storage: &MemoryStorage) -> Result<()> {
    let backups = Backups::open(Arc::new(storage.clone()))?;
    for backup in backups.list()? {
        let _ = backups.verify(backup.number);
        let restored = MemoryStorage::new();
        if backups.restore(backup.number, &restored).is_ok() {
            let _ = read(&restored);
        }
    }
    backups.prune(1)
}

impl fmt::Debug for Specimen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Specimen")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}
