//! redb 4. Without sync: `Durability::None`, with one durable commit per 20,000 puts, because it keeps what it may not
//! reuse until then. A read transaction is kept for 64 reads.

use std::sync::RwLock;

use redb::{
    Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, Table, TableDefinition,
};

use crate::engine::{Engine, Key, Session, Settings};

const ENTRIES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("entries");
const PUTS_PER_DURABLE_COMMIT: usize = 20_000;
const READS_PER_TRANSACTION: usize = 64;

pub struct Redb {
    db: RwLock<Database>,
}

pub fn open(settings: &Settings) -> Redb {
    let db = Database::builder()
        .set_cache_size(settings.cache_bytes)
        .create(settings.directory.join("db.redb"))
        .expect("open redb");
    let txn = db.begin_write().expect("begin");
    txn.open_table(ENTRIES).expect("make the table");
    txn.commit().expect("commit");
    Redb {
        db: RwLock::new(db),
    }
}

impl Engine for Redb {
    fn session(&self, sync: bool) -> Box<dyn Session + '_> {
        Box::new(Caller {
            engine: self,
            sync,
            puts: 0,
            reading: None,
            reads: 0,
        })
    }

    fn compact(&self) {
        self.db.write().expect("lock").compact().expect("compact");
    }

    fn describe(&self) -> String {
        "redb 4.4.0: Durability::None, one durable commit per 20,000 puts".into()
    }
}

struct Caller<'a> {
    engine: &'a Redb,
    sync: bool,
    puts: usize,
    reading: Option<ReadOnlyTable<&'static [u8], &'static [u8]>>,
    reads: usize,
}

impl Caller<'_> {
    fn commit(&mut self, puts: usize, write: impl FnOnce(&mut Table<&[u8], &[u8]>)) {
        self.puts += puts;
        let db = self.engine.db.read().expect("lock");
        let mut txn = db.begin_write().expect("begin");
        let durable = self.sync || self.puts >= PUTS_PER_DURABLE_COMMIT;
        let durability = if durable {
            self.puts = 0;
            Durability::Immediate
        } else {
            Durability::None
        };
        txn.set_durability(durability).expect("set the durability");
        write(&mut txn.open_table(ENTRIES).expect("open the table"));
        txn.commit().expect("commit");
    }

    fn reading(&mut self) -> &ReadOnlyTable<&'static [u8], &'static [u8]> {
        self.reads += 1;
        if self.reads >= READS_PER_TRANSACTION {
            self.refresh();
        }
        let engine = self.engine;
        self.reading.get_or_insert_with(|| {
            let db = engine.db.read().expect("lock");
            let txn = db.begin_read().expect("begin");
            txn.open_table(ENTRIES).expect("open the table")
        })
    }
}

impl Session for Caller<'_> {
    fn put(&mut self, key: &Key, value: &[u8]) {
        self.commit(1, |table| {
            table.insert(&key[..], value).expect("insert");
        });
    }

    fn batch(&mut self, batch: &[(Key, &[u8])]) {
        self.commit(batch.len(), |table| {
            for (key, value) in batch {
                table.insert(&key[..], *value).expect("insert");
            }
        });
    }

    fn get(&mut self, key: &Key, see: &mut dyn FnMut(&[u8])) -> bool {
        match self.reading().get(&key[..]).expect("get") {
            Some(value) => {
                see(value.value());
                true
            }
            None => false,
        }
    }

    fn scan(&mut self, from: &Key, limit: usize, see: &mut dyn FnMut(&[u8], &[u8])) -> usize {
        let mut entries = 0;
        let range = ReadableTable::range(self.reading(), &from[..]..).expect("seek");
        for entry in range.take(limit) {
            let (key, value) = entry.expect("iterate");
            see(key.value(), value.value());
            entries += 1;
        }
        entries
    }

    fn refresh(&mut self) {
        self.reads = 0;
        self.reading = None;
    }
}
