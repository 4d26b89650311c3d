//! AiDb.

use std::sync::Arc;

use aidb::{
    Append, Compression, DB, Durability, Keyspace, KeyspaceOptions, Options, TableOptions,
    WriteBatch,
};

use crate::engine::{Engine, Key, Session, Settings};

pub struct AiDb {
    db: DB,
    keyspace: Keyspace,
}

pub fn open(settings: &Settings) -> AiDb {
    let options = Options {
        memtable_bytes: settings.write_buffer_bytes,
        // Beside the blocks: what two write buffers take in the others.
        memory_bytes: (settings.cache_bytes + 2 * settings.write_buffer_bytes) as u64,
        // The thread that flushes is not counted.
        background_threads: settings.background_threads.saturating_sub(1).max(1),
        durability: Durability::Buffered,
        ..Options::DEFAULT
    };
    let db = DB::open(&settings.directory, options).expect("open aidb");
    let mut table = TableOptions::DEFAULT;
    table.block_bytes = settings.block_bytes;
    table.filter_bits_per_key = 10;
    table.compression = Compression::None;
    let options = KeyspaceOptions {
        table,
        merge: Some(Arc::new(Append)),
        ..KeyspaceOptions::DEFAULT
    };
    let keyspace = db.keyspace("bench", options).expect("open the keyspace");
    AiDb { db, keyspace }
}

impl Engine for AiDb {
    fn session(&self, sync: bool) -> Box<dyn Session + '_> {
        let durability = if sync {
            Durability::Sync
        } else {
            Durability::Buffered
        };
        Box::new(Caller {
            engine: self,
            durability,
        })
    }

    fn compact(&self) {
        self.db.compact().expect("compact");
    }

    fn describe(&self) -> String {
        format!("aidb {}", env!("CARGO_PKG_VERSION"))
    }
}

struct Caller<'a> {
    engine: &'a AiDb,
    durability: Durability,
}

impl Session for Caller<'_> {
    fn put(&mut self, key: &Key, value: &[u8]) {
        if self.durability == Durability::Buffered {
            return self.engine.keyspace.put(key, value).expect("put");
        }
        let mut batch = WriteBatch::new();
        batch.put(&self.engine.keyspace, key, value);
        self.engine.db.write(batch, self.durability).expect("put");
    }

    fn batch(&mut self, entries: &[(Key, &[u8])]) {
        let bytes = entries.iter().map(|(_, value)| value.len() + 24).sum();
        let mut batch = WriteBatch::with_capacity(bytes);
        for (key, value) in entries {
            batch.put(&self.engine.keyspace, key, value);
        }
        self.engine
            .db
            .write(batch, self.durability)
            .expect("write a batch");
    }

    fn get(&mut self, key: &Key, see: &mut dyn FnMut(&[u8])) -> bool {
        match self.engine.keyspace.get(key).expect("get") {
            Some(value) => {
                see(&value);
                true
            }
            None => false,
        }
    }

    fn multi_get(&mut self, keys: &[Key], see: &mut dyn FnMut(&[u8])) -> usize {
        let values = self.engine.keyspace.multi_get(keys).expect("multi_get");
        values.into_iter().flatten().map(|value| see(&value)).count()
    }

    fn append(&mut self, key: &Key, tail: &[u8]) {
        self.engine.keyspace.merge(key, tail).expect("merge");
    }

    fn scan(&mut self, from: &Key, limit: usize, see: &mut dyn FnMut(&[u8], &[u8])) -> usize {
        let mut iter = self.engine.keyspace.range(&from[..]..);
        let mut entries = 0;
        while entries < limit {
            if !iter.advance().expect("iterate") {
                break;
            }
            see(iter.key(), iter.value());
            entries += 1;
        }
        entries
    }
}
