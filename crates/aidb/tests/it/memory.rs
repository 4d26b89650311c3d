//! One budget of memory: what the statistics tell stays within it, whatever is written and read.

use aether_env::{Env, MemoryStorage};
use aidb::{DB, Durability, KeyspaceOptions, Options, WriteBatch};

const KIB: u64 = 1 << 10;

/// A memtable is full with the batch that goes beyond its share: more than those of three memtables take here.
const BATCHES_BYTES: u64 = 3 * 8 * KIB;

fn key(number: u32) -> [u8; 8] {
    u64::from(number).to_be_bytes()
}

#[test]
fn all_memory_together_stays_within_the_budget() {
    // Blocks have little room, and indexes more than they may pin, in the smaller ones.
    for memory_bytes in [256 * KIB, 1024 * KIB, 4096 * KIB] {
        let options = Options {
            memory_bytes,
            memtable_bytes: 64 << 10,
            table_bytes: 128 * KIB,
            level_base_bytes: 256 * KIB,
            background_threads: 0,
            durability: Durability::Buffered,
            ..Options::DEFAULT
        };
        let db = DB::open_with(Env::memory(MemoryStorage::new()), options).unwrap();
        let keyspace = db.keyspace("numbers", KeyspaceOptions::DEFAULT).unwrap();
        let mut random = fastrand::Rng::with_seed(memory_bytes);
        for round in 0..400 {
            let mut batch = WriteBatch::new();
            for _ in 0..20 {
                let mut value = [0; 100];
                random.fill(&mut value);
                batch.put(&keyspace, key(random.u32(..20_000)), value);
            }
            db.write(batch, Durability::Buffered).unwrap();
            while random.bool() && db.tick().unwrap() {}
            for _ in 0..20 {
                keyspace.get(key(random.u32(..20_000))).unwrap();
            }
            let keys: Vec<_> = (0..20).map(|_| key(random.u32(..20_000))).collect();
            keyspace.multi_get(keys).unwrap();
            if round % 50 == 0 {
                let mut iter = keyspace.iter();
                while iter.advance().unwrap() {}
            }
            let stats = db.stats();
            assert!(
                stats.memory_bytes() <= memory_bytes + BATCHES_BYTES,
                "{} of {memory_bytes}: {stats:?}",
                stats.memory_bytes()
            );
        }
        let stats = db.stats();
        assert!(stats.cache.hits > 0 && stats.cache.misses > 0 && stats.cache.bytes > 0);
    }
}
