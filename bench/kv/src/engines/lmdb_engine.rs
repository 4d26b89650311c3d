//! LMDB through heed. Without sync: `MDB_NOSYNC`. With: the commit, then `mdb_env_sync`. A read transaction is kept
//! for 64 reads; the cache is the system's page cache.

use std::ops::Bound;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, RoTxn, RwTxn, WithoutTls};

use crate::engine::{Engine, Key, Session, Settings};

const READS_PER_TRANSACTION: usize = 64;

type Entries = Database<'static, Bytes, Bytes>;

pub struct Lmdb {
    env: Env<WithoutTls>,
    entries: Entries,
}

pub fn open(settings: &Settings) -> Lmdb {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(64 << 30).max_readers(64);
    // SAFETY: this process alone opens the directory, once, and never maps the file elsewhere.
    let env = unsafe {
        options.flags(EnvFlags::NO_SYNC | EnvFlags::NO_READ_AHEAD);
        options.open(&settings.directory).expect("open LMDB")
    };
    let txn = env.write_txn().expect("begin");
    let entries = env
        .create_databases_and_commit(txn, |options, txn| {
            options
                .create_database(txn, None)
                .map(CommitOrAbort::<_, ()>::Commit)
        })
        .expect("make the database")
        .unwrap_commit();
    Lmdb { env, entries }
}

impl Engine for Lmdb {
    fn session(&self, sync: bool) -> Box<dyn Session + '_> {
        Box::new(Caller {
            engine: self,
            sync,
            reading: None,
            reads: 0,
        })
    }

    fn describe(&self) -> String {
        "LMDB (heed 0.23): MDB_NOSYNC".into()
    }
}

struct Caller<'a> {
    engine: &'a Lmdb,
    sync: bool,
    reading: Option<RoTxn<'a, WithoutTls>>,
    reads: usize,
}

impl<'a> Caller<'a> {
    fn commit(&self, write: impl FnOnce(&mut RwTxn, &Entries)) {
        let mut txn = self.engine.env.write_txn().expect("begin");
        write(&mut txn, &self.engine.entries);
        txn.commit().expect("commit");
        if self.sync {
            self.engine.env.force_sync().expect("sync");
        }
    }

    fn reading(&mut self) -> &RoTxn<'a, WithoutTls> {
        self.reads += 1;
        if self.reads >= READS_PER_TRANSACTION {
            self.refresh();
        }
        let env = &self.engine.env;
        self.reading
            .get_or_insert_with(|| env.read_txn().expect("begin"))
    }
}

impl Session for Caller<'_> {
    fn put(&mut self, key: &Key, value: &[u8]) {
        self.commit(|txn, entries| entries.put(txn, &key[..], value).expect("put"));
    }

    fn batch(&mut self, batch: &[(Key, &[u8])]) {
        self.commit(|txn, entries| {
            for (key, value) in batch {
                entries.put(txn, &key[..], value).expect("put");
            }
        });
    }

    fn get(&mut self, key: &Key, see: &mut dyn FnMut(&[u8])) -> bool {
        let entries = self.engine.entries;
        match entries.get(self.reading(), &key[..]).expect("get") {
            Some(value) => {
                see(value);
                true
            }
            None => false,
        }
    }

    fn scan(&mut self, from: &Key, limit: usize, see: &mut dyn FnMut(&[u8], &[u8])) -> usize {
        let entries = self.engine.entries;
        let range = (Bound::Included(&from[..]), Bound::Unbounded);
        let mut seen = 0;
        for entry in entries
            .range(self.reading(), &range)
            .expect("seek")
            .take(limit)
        {
            let (key, value) = entry.expect("iterate");
            see(key, value);
            seen += 1;
        }
        seen
    }

    fn refresh(&mut self) {
        self.reads = 0;
        self.reading = None;
    }
}
