//! A small database in which one file at a time is replaced by the fuzzer's bytes.

use aether_env::{CrashImage, Env, MemoryStorage, Storage, Timestamp};
use aether_sim::SimStorage;
use aidb::{Append, DB, Durability, Keyspace, KeyspaceOptions, Options, Result, WriteBatch};
use std::io::Write;
use std::sync::Arc;

/// The database, and the file of it that is replaced.
pub struct Specimen {
    memory: MemoryStorage,
    file: String,
    /// What the file holds when it is undamaged.
    pub bytes: Vec<u8>,
}

impl Specimen {
    /// The database; replaced is the last file whose name `is_it`.
    pub fn new(is_it: impl Fn(&str) -> bool) -> Specimen {
        let storage = SimStorage::new(0);
        write(&storage).expect("an undamaged database works");
        let memory = storage.memory().image(CrashImage::KeepAll, 0);
        let mut names: Vec<String> =
            memory.list().expect("memory lists").into_iter().map(|file| file.name).collect();
        names.retain(|name| is_it(name));
        let file = names.into_iter().max().expect("there is such a file");
        let bytes = memory.contents(&file).expect("it was listed");
        Specimen { memory, file, bytes }
    }

    /// Opens the database with `bytes` in the file's place, and reads all of it.
    pub fn examine(&self, bytes: &[u8]) {
        let memory = self.memory.image(CrashImage::KeepAll, 0);
        memory.replace(&self.file, bytes.to_vec());
        let _ = read(Env::memory(memory));
    }
}

fn lists() -> KeyspaceOptions {
    KeyspaceOptions { merge: Some(Arc::new(Append)), ..KeyspaceOptions::default() }
}

fn options() -> Options {
    Options { background_threads: 0, create_if_missing: false, ..Options::default() }
}

fn write(storage: &SimStorage) -> Result<()> {
    let db = DB::open_with(storage.env(), Options { create_if_missing: true, ..options() })?;
    let other = db.keyspace("other", lists())?;
    for round in 0..3_u32 {
        let mut batch = WriteBatch::new();
        for i in 0..60_u32 {
            let key = format!("key{:04}", i * 7 + round);
            batch.put(&db.default_keyspace(), &key, format!("value {round} of {i}"));
            if i % 5 == round {
                batch.delete(&other, &key);
            } else {
                batch.put(&other, &key, [i.to_le_bytes(); 30].concat());
            }
            batch.merge(&other, &key[..6], format!("{i},"));
        }
        // The log is mostly other things: its large values go to a file of their own.
        batch.put(&db.default_keyspace(), format!("large{round}"), [7; 1_500]);
        batch.delete_range(&other, format!("key{:04}", round * 50)..format!("key{:04}", round * 50 + 30));
        batch.put_expiring(&other, "soon over", "value", Timestamp(u64::from(round)));
        let mut writer = db.attachment_writer()?;
        writer.write_all(b"an attachment").expect("memory is writable");
        batch.attach(&other, "graph", writer.finish()?);
        db.write(batch, Durability::Sync)?;
        if round < 2 {
            db.flush()?;
        }
    }
    db.put("in the log", "only")
}

fn read(env: Env) -> Result<()> {
    let db = DB::open_with(env, options())?;
    let keyspaces = [db.default_keyspace(), db.keyspace("other", lists())?];
    for keyspace in &keyspaces {
        let _ = read_keyspace(&db, keyspace);
    }
    let _ = db.verify();
    db.put("more", "still works")?;
    db.compact()?;
    db.close()
}

fn read_keyspace(db: &DB, keyspace: &Keyspace) -> Result<()> {
    let snapshot = db.snapshot();
    for round in 0..3 {
        let _ = snapshot.get(keyspace, format!("large{round}"));
    }
    for i in 0..20 {
        let _ = snapshot.get(keyspace, format!("key{:04}", i * 17));
    }
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

/// A target that fuzzes the file for which `$is_it` holds; an empty input becomes the undamaged file.
#[macro_export]
macro_rules! fuzz_file {
    ($is_it:expr) => {
        static SPECIMEN: std::sync::LazyLock<$crate::Specimen> =
            std::sync::LazyLock::new(|| $crate::Specimen::new($is_it));

        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| SPECIMEN.examine(bytes));

        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, _seed: u32| {
            let whole = &SPECIMEN.bytes;
            if size < 8 && whole.len() <= max_size {
                data[..whole.len()].copy_from_slice(whole);
                return whole.len();
            }
            libfuzzer_sys::fuzzer_mutate(data, size, max_size)
        });
    };
}
