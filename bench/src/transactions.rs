//! What a transaction takes: 10 upserts in 3 collections, synced, against one synced write of the storage engine.
//!
//! One thread takes turns between the two, so that both meet the same disk. Then 16 threads commit transactions, and after
//! them 16 threads write batches of as many keys and bytes to the storage engine alone: what it leaves to win.

use std::path::Path;
use std::sync::Mutex;

use aethervec::{AetherDB, Collection, Document, Durability, IndexConfig};
use serde_json::{Value, json};

use crate::clock::now;
use crate::features::quantiles;
use crate::protocol::Result;

/// Upserts of a transaction in each of the collections.
const UPSERTS: [u64; 3] = [4, 3, 3];

const DIM: usize = 16;
const ROUNDS: usize = 300;
const THREADS: usize = 16;

/// What the one write of the storage engine holds, which stands for all others.
const SINGLE_BYTES: usize = 1_000;

pub fn measure(dir: &Path) -> Result<Value> {
    let storage = Storage::open(&dir.join("kv"))?;
    let database = AetherDB::open(dir.join("vectors"))?;
    let vectors = Vectors::create(&database)?;
    let (mut single, mut transactions) = (Vec::new(), Vec::new());
    for number in 0..ROUNDS {
        let begin = now();
        storage.put(number)?;
        single.push(begin.elapsed().as_secs_f64() * 1e6);
        let begin = now();
        vectors.transact(number)?;
        transactions.push(begin.elapsed().as_secs_f64() * 1e6);
    }
    let many = by_threads(&|number| vectors.transact(number))?;
    database.close()?;
    let many_batches = by_threads(&|number| storage.write(number))?;
    let mean_us = transactions.iter().sum::<f64>() / ROUNDS as f64;
    Ok(json!({
        "commit_p50_us": quantiles(&mut single).0, "transaction_p50_us": quantiles(&mut transactions).0,
        "one_thread_per_s": 1e6 / mean_us, "sixteen_threads_per_s": many, "storage_sixteen_threads_per_s": many_batches,
    }))
}

/// How often `work` is done in a second by all threads together; each time it gets another number.
fn by_threads(work: &(dyn Fn(usize) -> Result<()> + Sync)) -> Result<f64> {
    let failed = Mutex::new(None);
    let begin = now();
    std::thread::scope(|scope| {
        for thread in 1..=THREADS {
            let failed = &failed;
            scope.spawn(move || {
                let mut numbers = (0..ROUNDS).map(|round| thread * 1_000_000 + round);
                if let Err(error) = numbers.try_for_each(work) {
                    *failed.lock().expect("nobody panics") = Some(error.to_string());
                }
            });
        }
    });
    match failed.into_inner().expect("nobody panics") {
        Some(error) => Err(error.into()),
        None => Ok((THREADS * ROUNDS) as f64 / begin.elapsed().as_secs_f64()),
    }
}

struct Vectors<'a> {
    database: &'a AetherDB,
    collections: Vec<Collection>,
}

impl<'a> Vectors<'a> {
    fn create(database: &'a AetherDB) -> Result<Vectors<'a>> {
        let create = |i: usize| {
            database.create_collection(&format!("c{i}"), DIM, "l2", IndexConfig::default())
        };
        let collections = (0..UPSERTS.len()).map(create);
        Ok(Vectors {
            database,
            collections: collections.collect::<aethervec::Result<_>>()?,
        })
    }

    fn transact(&self, number: usize) -> Result<()> {
        let mut rng = fastrand::Rng::with_seed(number as u64);
        let mut transaction = self.database.begin()?;
        for (collection, upserts) in self.collections.iter().zip(UPSERTS) {
            for upsert in 0..upserts {
                let vector: Vec<f32> = (0..DIM).map(|_| rng.f32()).collect();
                transaction.upsert(
                    collection,
                    Document::new(vector, number as u64 * 16 + upsert),
                )?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

struct Storage {
    db: aidb::DB,
    keyspace: aidb::Keyspace,
}

impl Storage {
    fn open(dir: &Path) -> Result<Storage> {
        let db = aidb::DB::open(dir, aidb::Options::default())?;
        let keyspace = db.keyspace("default", aidb::KeyspaceOptions::DEFAULT)?;
        Ok(Storage { db, keyspace })
    }

    fn put(&self, number: usize) -> Result<()> {
        let mut batch = aidb::WriteBatch::new();
        batch.put(&self.keyspace, number.to_be_bytes(), [7; SINGLE_BYTES]);
        self.db.write(batch, Durability::Sync)?;
        Ok(())
    }

    /// A batch of as many keys as a transaction writes, and about as many bytes: for each document a row of its own and one of
    /// its point, which has the vector, and for each collection what its index has to do and a bitmap.
    fn write(&self, number: usize) -> Result<()> {
        let mut batch = aidb::WriteBatch::new();
        let mut put = |kind: u8, i: u64, value: &[u8]| {
            let mut key = vec![kind];
            key.extend((number as u64 * 16 + i).to_be_bytes());
            batch.put(&self.keyspace, key, value);
        };
        for i in 0..UPSERTS.iter().sum() {
            put(0, i, &[7; 16]);
            put(1, i, &[7; 16 + 4 * DIM]);
        }
        for i in 0..UPSERTS.len() as u64 {
            put(2, i, &[7; 16]);
            put(3, i, &[7; 16]);
        }
        self.db.write(batch, Durability::Sync)?;
        Ok(())
    }
}
