//! What concurrent transactions see of each other, checked whole: who read and wrote what must fit the isolation level.

use crate::oracle::Setup;
use crate::seeds;
use aether_env::{CrashImage, Env, MemoryStorage};
use aether_history::{Begun, History, Level, Outcome, Recorder, Session, Txn, check};
use aether_sim::SimStorage;
use aidb::{
    Append, DB, Durability, ErrorKind, Isolation, Keyspace, KeyspaceOptions, Transaction,
    TransactionOptions, WriteBatch,
};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const CLIENTS: usize = 4;

/// Few, so that they meet.
const REGISTERS: u64 = 8;
const LISTS: u64 = 5;

struct Site {
    db: DB,
    registers: Keyspace,
    lists: Keyspace,
}

impl Site {
    fn open(env: Env, setup: &Setup) -> aidb::Result<Site> {
        let db = DB::open_with(env, setup.options.clone())?;
        let options = KeyspaceOptions {
            merge: Some(Arc::new(Append)),
            ..KeyspaceOptions::default()
        };
        Ok(Site {
            registers: db.default_keyspace(),
            lists: db.keyspace("lists", options)?,
            db,
        })
    }

    /// What a crash has left prepared: one way or the other.
    fn resolve(&self, random: &mut fastrand::Rng) {
        for name in self.db.prepared() {
            if random.bool() {
                self.db.commit_prepared(&name).unwrap().unwrap();
            } else {
                assert!(self.db.rollback_prepared(&name).unwrap());
            }
        }
    }
}

fn register(random: &mut fastrand::Rng) -> Vec<u8> {
    format!("r{}", random.u64(..REGISTERS)).into_bytes()
}

/// New lists in every round, so that none grows long.
fn list(random: &mut fastrand::Rng, round: u64) -> Vec<u8> {
    format!("l{round}-{}", random.u64(..LISTS)).into_bytes()
}

fn number(value: &[u8]) -> u64 {
    u64::from_le_bytes(value[..8].try_into().unwrap())
}

fn numbers(value: Option<bytes::Bytes>) -> Vec<u64> {
    let value = value.unwrap_or_default();
    value.chunks(8).map(number).collect()
}

/// A client in one round.
struct Client<'a> {
    site: &'a Site,
    recorder: &'a Recorder,
    session: Session<'a>,
    random: fastrand::Rng,
    isolation: Isolation,
    round: u64,
    prepared: u64,
}

impl Client<'_> {
    fn transaction(&mut self) {
        let mut begun = self.session.begin();
        if self.random.u8(..12) == 0 {
            return self.plain_batch(begun);
        }
        let options = TransactionOptions {
            isolation: self.isolation,
        };
        let Ok(mut txn) = self.site.db.begin(options) else {
            return begun.aborted();
        };
        let mut is_written = false;
        for _ in 0..self.random.usize(1..6) {
            match self.step(&mut begun, &mut txn) {
                Ok(wrote) => is_written |= wrote,
                Err(_) => return begun.aborted(),
            }
            if self.random.u8(..3) == 0 {
                std::thread::yield_now();
            }
        }
        match self.random.u8(..20) {
            0 => begun.aborted(),
            1 if is_written => self.in_two_phases(begun, txn),
            _ => match txn.commit(Durability::Sync) {
                Ok(seq) if is_written => begun.committed_at(seq.0),
                Ok(_) => begun.committed(),
                Err(error) if error.kind() == ErrorKind::Conflict => begun.aborted(),
                // Nobody knows.
                Err(_) => drop(begun),
            },
        }
    }

    /// True when it wrote something.
    fn step(&mut self, begun: &mut Begun<'_>, txn: &mut Transaction) -> aidb::Result<bool> {
        let (registers, lists) = (&self.site.registers, &self.site.lists);
        match self.random.u8(..12) {
            0..2 => {
                let key = register(&mut self.random);
                let found = match self.random.bool() {
                    true => txn.get(registers, &key)?,
                    false => txn.get_for_update(registers, &key)?,
                };
                begun.read(&key, found.as_deref().map(number));
                Ok(false)
            }
            2..5 => {
                let key = register(&mut self.random);
                if self.random.u8(..4) == 0 {
                    let savepoint = txn.savepoint();
                    txn.put(registers, &key, u64::MAX.to_le_bytes())?;
                    txn.delete_range(registers, "a".."z")?;
                    txn.rollback_to(savepoint);
                }
                let value = self.recorder.fresh_value();
                txn.put(registers, &key, value.to_le_bytes())?;
                begun.write(&key, value);
                Ok(true)
            }
            5..7 => {
                self.scan(begun, txn)?;
                Ok(false)
            }
            7..9 => {
                let key = list(&mut self.random, self.round);
                begun.read_list(&key, numbers(txn.get(lists, &key)?));
                Ok(false)
            }
            9..11 => {
                let key = list(&mut self.random, self.round);
                let value = self.recorder.fresh_value();
                txn.merge(lists, &key, value.to_le_bytes())?;
                begun.append(&key, value);
                Ok(true)
            }
            _ => {
                let key = list(&mut self.random, self.round);
                let mut all = txn.get(lists, &key)?.unwrap_or_default().to_vec();
                begun.read_list(&key, numbers(Some(all.clone().into())));
                let value = self.recorder.fresh_value();
                all.extend(value.to_le_bytes());
                txn.put(lists, &key, all)?;
                begun.append(&key, value);
                Ok(true)
            }
        }
    }

    /// Reads all registers at once, from either end.
    fn scan(&mut self, begun: &mut Begun<'_>, txn: &Transaction) -> aidb::Result<()> {
        let mut found = std::collections::BTreeMap::new();
        let mut iter = txn.prefix(&self.site.registers, "r");
        loop {
            let next = match self.random.bool() {
                true => iter.try_next()?,
                false => iter.try_next_back()?,
            };
            let Some((key, value)) = next else { break };
            found.insert(key.to_vec(), number(&value));
        }
        for register in 0..REGISTERS {
            let key = format!("r{register}").into_bytes();
            begun.read(&key, found.get(&key).copied());
        }
        Ok(())
    }

    /// Writes without a transaction.
    fn plain_batch(&mut self, mut begun: Begun<'_>) {
        let mut batch = WriteBatch::new();
        for _ in 0..self.random.usize(1..4) {
            let key = register(&mut self.random);
            let value = self.recorder.fresh_value();
            batch.put(&self.site.registers, &key, value.to_le_bytes());
            begun.write(&key, value);
        }
        match self.site.db.write(batch, Durability::Sync) {
            Ok(seq) => begun.committed_at(seq.0),
            Err(error) if error.kind() == ErrorKind::Conflict => begun.aborted(),
            Err(_) => drop(begun),
        }
    }

    fn in_two_phases(&mut self, begun: Begun<'_>, txn: Transaction) {
        self.prepared += 1;
        let thread = std::thread::current().id();
        let name = format!("{thread:?}-{}", self.prepared);
        match txn.prepare(&name) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Conflict => return begun.aborted(),
            Err(_) => return drop(begun),
        }
        std::thread::yield_now();
        if self.random.u8(..4) == 0 {
            match self.site.db.rollback_prepared(&name) {
                Ok(was_there) => {
                    assert!(was_there);
                    begun.aborted();
                }
                Err(_) => drop(begun),
            }
            return;
        }
        match self.site.db.commit_prepared(&name) {
            Ok(seq) => begun.committed_at(seq.unwrap().0),
            Err(_) => drop(begun),
        }
    }
}

/// All clients at once, with flushes and compactions beside them.
fn round(
    site: &Site,
    recorder: &Recorder,
    isolation: Isolation,
    seed: u64,
    round: u64,
    transactions: usize,
) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS as u64)
            .map(|client| {
                scope.spawn(move || {
                    let mut client = Client {
                        site,
                        recorder,
                        session: recorder.session(),
                        random: fastrand::Rng::with_seed(seed ^ client << 40 ^ round << 50),
                        isolation,
                        round,
                        prepared: 0,
                    };
                    for _ in 0..transactions {
                        client.transaction();
                    }
                })
            })
            .collect();
        let done = &done;
        scope.spawn(move || {
            while !done.load(Ordering::SeqCst) {
                let _ = site.db.flush();
                let _ = site.db.compact();
                std::thread::yield_now();
            }
        });
        let ended: Vec<_> = clients.into_iter().map(|client| client.join()).collect();
        done.store(true, Ordering::SeqCst);
        ended.into_iter().for_each(|result| result.unwrap());
    });
}

/// Reads everything in one transaction, so that every list is seen whole.
fn read_all(site: &Site, recorder: &Recorder) {
    let mut session = recorder.session();
    let mut begun = session.begin();
    let snapshot = site.db.snapshot();
    for register in 0..REGISTERS {
        let key = format!("r{register}").into_bytes();
        let found = snapshot.get(&site.registers, &key).unwrap();
        begun.read(&key, found.as_deref().map(number));
    }
    for (key, value) in snapshot.iter(&site.lists) {
        begun.read_list(&key, numbers(Some(value)));
    }
    begun.committed();
}

fn assert_holds(recorder: &Recorder, isolation: Isolation) {
    let level = match isolation {
        Isolation::Serializable => Level::Serializable,
        _ => Level::Snapshot,
    };
    let anomalies = check(&recorder.history(), level);
    assert!(anomalies.is_empty(), "{isolation:?}: {anomalies:#?}");
}

/// Gives what happened, for whoever wants to know more of it.
fn run(seed: u64, isolation: Isolation) -> History {
    let memory = MemoryStorage::new();
    let recorder = Recorder::new();
    let mut random = fastrand::Rng::with_seed(seed);
    for part in 0..2 {
        let setup = Setup::tiny(&mut random, usize::from(part == 1));
        let site = Site::open(Env::memory(memory.clone()), &setup).unwrap();
        round(&site, &recorder, isolation, seed, part, 150);
        read_all(&site, &recorder);
        assert_eq!(site.db.verify().unwrap().problems, []);
        assert_eq!(site.db.stats().snapshots, 0);
    }
    assert_holds(&recorder, isolation);
    recorder.history()
}

#[test]
fn snapshot_isolation_holds() {
    let is_skewed = Cell::new(false);
    seeds::for_each(4, |seed| {
        let history = run(seed, Isolation::Snapshot);
        let committed = |txn: &&Txn| matches!(txn.outcome, Outcome::Committed(Some(_)));
        let count = history.txns.iter().filter(committed).count();
        assert!(count > 200, "{count} transactions came through");
        is_skewed.set(is_skewed.get() || !check(&history, Level::Serializable).is_empty());
    });
    assert!(is_skewed.get(), "transactions did not meet");
}

#[test]
fn serializable_holds() {
    seeds::for_each(4, |seed| drop(run(seed, Isolation::Serializable)));
}

/// The power goes while transactions are under way, again and again; the history goes on with what is left.
#[test]
fn isolation_holds_over_power_cuts() {
    seeds::for_each(6, |seed| {
        let mut random = fastrand::Rng::with_seed(seed);
        let isolation = match seed % 2 {
            0 => Isolation::Snapshot,
            _ => Isolation::Serializable,
        };
        let recorder = Recorder::new();
        let mut memory = MemoryStorage::new();
        for part in 0..4 {
            let setup = Setup::tiny(&mut random, 1);
            let storage = SimStorage::on(memory, seed);
            storage.power_cut_at(random.u64(100..1_500));
            if let Ok(site) = Site::open(storage.threaded_env(), &setup) {
                round(&site, &recorder, isolation, seed, part, 60);
            }
            let image = random.choice(CrashImage::ALL).unwrap();
            memory = storage.memory().image(image, seed);
            let site = Site::open(Env::memory(memory.clone()), &setup).unwrap();
            site.resolve(&mut random);
            read_all(&site, &recorder);
            assert_eq!(site.db.verify().unwrap().problems, []);
        }
        assert_holds(&recorder, isolation);
    });
}
