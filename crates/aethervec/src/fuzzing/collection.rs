//! Rows of a small database are replaced by what the bytes say; then the database is used.
//!
//! ```text
//! replacement   keyspace u8, key, length u16, value
//! key           1 to 255: that row of the keyspace, counted around; or 0, length u8, key
//! ```

use super::{Target, specimen};
use crate::AetherDB;
use aether_env::{CrashImage, MemoryStorage};
use aidb::{DB, Durability, KeyspaceOptions, WriteBatch};
use std::sync::Arc;

const KEYSPACES: [&str; 7] = [
    "catalog", "docs", "points", "expiry", "pending", "index", "filter",
];

pub(super) fn target() -> Target {
    let storage = MemoryStorage::new();
    let db = specimen::build(&storage).expect("an undamaged database works");
    db.close().expect("memory is writable");
    drop(db);
    Target::of(move |bytes| {
        let copy = storage.image(CrashImage::KeepAll, 0);
        replace(&copy, bytes).expect("the engine takes any rows");
        if let Ok(db) = AetherDB::open_with(specimen::env(&copy), specimen::options()) {
            let _ = specimen::use_all(&db);
        }
    })
}

fn replace(storage: &MemoryStorage, bytes: &[u8]) -> aidb::Result<()> {
    let db = DB::open_with(specimen::env(storage), specimen::options().storage)?;
    let options = || KeyspaceOptions {
        merge: Some(Arc::new(aidb::Append)),
        ..KeyspaceOptions::DEFAULT
    };
    let mut batch = WriteBatch::new();
    let mut rest = bytes;
    while let Some((number, key, value)) = take_replacement(&mut rest) {
        let name = KEYSPACES[usize::from(number) % KEYSPACES.len()];
        let keyspace = match name {
            "filter" => db.keyspace(name, options())?,
            _ => db.keyspace(name, KeyspaceOptions::DEFAULT)?,
        };
        let rows = || keyspace.iter().map(|(key, _)| key.to_vec());
        let key = match key {
            Key::Row(row) => rows().nth(usize::from(row) % rows().count().max(1)),
            Key::Bytes(key) => Some(key.to_vec()),
        };
        if let Some(key) = key {
            batch.put(&keyspace, key, value);
        }
    }
    db.write(batch, Durability::Sync)?;
    Ok(())
}

enum Key<'a> {
    Row(u8),
    Bytes(&'a [u8]),
}

fn take_replacement<'a>(rest: &mut &'a [u8]) -> Option<(u8, Key<'a>, &'a [u8])> {
    let number = rest.split_off_first()?;
    let key = match rest.split_off_first()? {
        0 => {
            let bytes = usize::from(*rest.split_off_first()?);
            Key::Bytes(rest.split_off(..bytes.min(rest.len()))?)
        }
        row => Key::Row(*row),
    };
    let (bytes, behind) = rest.split_first_chunk()?;
    let bytes = usize::from(u16::from_le_bytes(*bytes)).min(behind.len());
    let (value, behind) = behind.split_at(bytes);
    *rest = behind;
    Some((*number, key, value))
}
