//! fjall 3.

use fjall::config::{
    BlockSizePolicy, BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry,
};
use fjall::{
    CompressionType, Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions,
    OwnedWriteBatch, PersistMode,
};

use crate::engine::{Engine, Key, Session, Settings};

pub struct Fjall {
    db: Database,
    keyspace: Keyspace,
}

pub fn open(settings: &Settings) -> Fjall {
    let db = Database::builder(&settings.directory)
        .cache_size(settings.cache_bytes as u64)
        .worker_threads(settings.background_threads)
        .journal_compression(CompressionType::None)
        .max_journaling_size(1 << 30)
        .open()
        .expect("open fjall");
    let wanted = settings.clone();
    let options = move || {
        let block_bytes = u32::try_from(wanted.block_bytes).expect("a block fits");
        let bloom = FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(10.0));
        let separation = KvSeparationOptions::default()
            .separation_threshold(1024)
            .compression(CompressionType::None);
        KeyspaceCreateOptions::default()
            .max_memtable_size(wanted.write_buffer_bytes as u64)
            .data_block_size_policy(BlockSizePolicy::all(block_bytes))
            .data_block_compression_policy(CompressionPolicy::all(CompressionType::None))
            .filter_policy(FilterPolicy::all(bloom))
            .with_kv_separation(wanted.separate_values.then_some(separation))
    };
    let keyspace = db.keyspace("default", options).expect("open the keyspace");
    Fjall { db, keyspace }
}

impl Engine for Fjall {
    fn session(&self, sync: bool) -> Box<dyn Session + '_> {
        Box::new(Caller { engine: self, sync })
    }

    fn compact(&self) {
        self.keyspace.rotate_memtable_and_wait().expect("flush");
        self.keyspace.major_compact().expect("compact");
    }

    fn describe(&self) -> String {
        "fjall 3.1.13: bloom 10, leveled, no compression".into()
    }
}

struct Caller<'a> {
    engine: &'a Fjall,
    sync: bool,
}

impl Session for Caller<'_> {
    fn put(&mut self, key: &Key, value: &[u8]) {
        self.engine
            .keyspace
            .insert(&key[..], value)
            .expect("insert");
        if self.sync {
            self.engine
                .db
                .persist(PersistMode::SyncData)
                .expect("persist");
        }
    }

    fn batch(&mut self, entries: &[(Key, &[u8])]) {
        let mode = if self.sync {
            PersistMode::SyncData
        } else {
            PersistMode::Buffer
        };
        let mut batch = OwnedWriteBatch::with_capacity(self.engine.db.clone(), entries.len())
            .durability(Some(mode));
        for (key, value) in entries {
            batch.insert(&self.engine.keyspace, &key[..], *value);
        }
        batch.commit().expect("commit a batch");
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

    fn scan(&mut self, from: &Key, limit: usize, see: &mut dyn FnMut(&[u8], &[u8])) -> usize {
        let mut entries = 0;
        for guard in self.engine.keyspace.range(&from[..]..).take(limit) {
            let (key, value) = guard.into_inner().expect("iterate");
            see(&key, &value);
            entries += 1;
        }
        entries
    }
}
