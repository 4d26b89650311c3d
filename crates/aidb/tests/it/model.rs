//! Random operations on a database and on plain maps agree.

use crate::backups::Copies;
use crate::encryption::encrypted;
use crate::oracle::{
    Change, KEYSPACES, Map, Setup, State, World, assert_entry, collect, random_batch, random_key,
    random_operand, random_range, random_value,
};
use crate::seeds;
use aether_env::{Clock, Env, ManualClock, MemoryStorage, Timestamp};
use aether_sim::SimStorage;
use aidb::{
    Durability, ErrorKind, Isolation, Iter, SeqNo, Snapshot, Transaction, TransactionOptions,
    WriteBatch,
};
use bytes::Bytes;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

/// A database, what it must contain, and moments of it that are still held.
struct Run {
    random: fastrand::Rng,
    env: Env,
    threads: usize,
    setup: Setup,
    world: World,
    state: State,
    snapshots: Vec<(Snapshot, State)>,
    copies: Copies,
    last_seq: SeqNo,
    clock: Arc<SetClock>,
    retention: Duration,
    /// Moments that nobody holds: the time when they were the present, and what was there.
    past: Vec<(SeqNo, Timestamp, State)>,
}

/// Tells the time of day that it is told, and goes on as another clock does.
#[derive(Debug)]
struct SetClock {
    day: ManualClock,
    other: Arc<dyn Clock>,
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        self.day.now()
    }

    fn elapsed(&self) -> Duration {
        self.other.elapsed()
    }
}

impl Run {
    fn new(seed: u64, env: Env, threads: usize) -> Run {
        let mut random = fastrand::Rng::with_seed(seed);
        let clock = Arc::new(SetClock {
            day: ManualClock::default(),
            other: Arc::clone(&env.clock),
        });
        clock.day.advance(Duration::from_secs(1_000));
        let env = Env {
            clock: clock.clone(),
            ..env
        };
        let retention = Duration::from_millis(random.choice([0, 0, 200, 2_000]).unwrap());
        let mut setup = Setup::tiny(&mut random, threads);
        setup.options.retention = retention;
        let world = World::open(env.clone(), &setup).unwrap();
        let last_seq = world.db.last_seq();
        let state = State::default();
        Run {
            random,
            env,
            threads,
            setup,
            world,
            state,
            snapshots: Vec::new(),
            copies: Copies::new(),
            last_seq,
            clock,
            retention,
            past: Vec::new(),
        }
    }

    fn steps(&mut self, steps: usize) {
        for _ in 0..steps {
            self.step();
        }
        self.check_snapshots();
        self.world.assert_sound(&self.state);
    }

    fn step(&mut self) {
        let pause = self.random.u64(..4);
        self.clock.day.advance(Duration::from_millis(pause));
        match self.random.u32(..1000) {
            0..520 => self.write_one(),
            520..650 => self.write_batch(),
            650..690 => self.transact(),
            690..700 => self.look_back(),
            700..760 => self.get(),
            760..820 => self.range(),
            820..850 => self.prefix(),
            850..880 => self.seek(),
            880..890 => self.iterate_while_writing(),
            890..910 => self.hold_snapshot(),
            910..925 => self.drop_snapshot(),
            925..935 => self.world.db.flush().unwrap(),
            935..938 => self.world.db.compact().unwrap(),
            938..970 => drop(self.world.db.tick().unwrap()),
            970..980 => self
                .world
                .compare(&self.world.db.snapshot(), &self.state)
                .unwrap(),
            980..985 => self.check_snapshots(),
            985..990 => assert_eq!(self.world.db.verify().unwrap().problems, []),
            990..994 => self.reopen(),
            994 => self.copy(),
            _ => self.check_numbers(),
        }
    }

    /// By the methods of a keyspace or of the database.
    fn write_one(&mut self) {
        let keyspace = self.random.usize(..KEYSPACES);
        let key = random_key(&mut self.random);
        let through_db = keyspace == 0 && self.random.bool();
        let (db, handle) = (&self.world.db, &self.world.keyspaces[keyspace]);
        let random = &mut self.random;
        let change = match random.u8(..24) {
            0..6 => {
                match through_db {
                    true => db.delete(&key).unwrap(),
                    false => handle.delete(&key).unwrap(),
                }
                Change::Delete(keyspace, key)
            }
            6..10 => {
                let operand = random_operand(random);
                handle.merge(&key, &operand).unwrap();
                Change::Append(keyspace, key, operand)
            }
            10 => {
                let change = random_range(random, keyspace);
                let Change::DeleteRange(_, start, end) = &change else {
                    unreachable!("that is what it gives");
                };
                handle.delete_range(start.clone()..end.clone()).unwrap();
                change
            }
            _ => {
                let value = random_value(random);
                match through_db {
                    true => db.put(&key, &value).unwrap(),
                    false => handle.put(&key, &value).unwrap(),
                }
                Change::Put(keyspace, key, value)
            }
        };
        self.state.apply(&[change]);
    }

    fn write_batch(&mut self) {
        let batch = random_batch(&mut self.random, true);
        match self.random.u8(..3) {
            0 => drop(self.world.write(&batch, Durability::Sync).unwrap()),
            1 => drop(self.world.write(&batch, Durability::Buffered).unwrap()),
            _ => {
                let commit = self
                    .world
                    .db
                    .submit(self.world.batch(&batch).unwrap())
                    .unwrap();
                assert!(
                    commit.seq() <= self.world.db.last_seq(),
                    "visible before it is durable"
                );
                if self.random.bool() {
                    commit.wait_durable().unwrap();
                }
            }
        }
        self.state.apply(&batch);
    }

    /// A transaction, with a plain batch in the middle of it at times; and what is prepared may be resolved by the next
    /// process.
    fn transact(&mut self) {
        let isolation = match self.random.bool() {
            true => Isolation::Snapshot,
            false => Isolation::Serializable,
        };
        let mut txn = self
            .world
            .db
            .begin(TransactionOptions { isolation })
            .unwrap();
        let mut own = self.state.clone();
        let mut written = Vec::new();
        let mut interference = Vec::new();
        for _ in 0..self.random.usize(1..4) {
            let changes = random_batch(&mut self.random, false);
            let savepoint = txn.savepoint();
            for change in &changes {
                self.world.change(&mut txn, change).unwrap();
            }
            if self.random.u8(..4) == 0 {
                txn.rollback_to(savepoint);
            } else {
                own.apply(&changes);
                written.extend(changes);
            }
            if interference.is_empty() && self.random.u8(..4) == 0 {
                interference = random_batch(&mut self.random, false);
                interference.truncate(3);
                self.world
                    .write(&interference, Durability::Buffered)
                    .unwrap();
                self.state.apply(&interference);
                if self.random.bool() {
                    self.world.db.flush().unwrap();
                }
            }
            self.look_through(&txn, &own);
        }
        // A serializable one may have come past nothing that was written.
        let is_in_conflict = match isolation {
            Isolation::Snapshot => meet(&written, &interference),
            _ => !interference.is_empty(),
        };
        let is_written = !written.is_empty();
        match self.random.u8(..8) {
            0 => return txn.rollback(),
            1 | 2 if is_written => {
                let prepared = txn.prepare("model");
                return match prepared {
                    Ok(()) => {
                        let may = !is_in_conflict || isolation == Isolation::Serializable;
                        assert!(may, "{written:?} and {interference:?}");
                        self.resolve(&written);
                    }
                    Err(error) => {
                        assert!(is_in_conflict, "{error}");
                        assert_eq!(error.kind(), ErrorKind::Conflict);
                    }
                };
            }
            _ => {}
        }
        let committed = txn.commit(Durability::Buffered);
        if is_written && is_in_conflict {
            match (isolation, committed) {
                (Isolation::Snapshot, Ok(_)) => {
                    panic!("{written:?} and {interference:?} are both there")
                }
                (_, Ok(_)) => self.state.apply(&written),
                (_, Err(error)) => assert_eq!(error.kind(), ErrorKind::Conflict),
            }
            return;
        }
        committed.unwrap();
        self.state.apply(&written);
    }

    /// Commits or forgets what is prepared, after a while.
    fn resolve(&mut self, written: &[Change]) {
        self.check_snapshots();
        if self.random.bool() {
            self.reopen();
        }
        assert_eq!(self.world.db.prepared(), ["model"]);
        let refused = self.world.write(written, Durability::Sync).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Conflict);
        if self.random.bool() {
            assert!(self.world.db.commit_prepared("model").unwrap().is_some());
            self.state.apply(written);
        } else {
            assert!(self.world.db.rollback_prepared("model").unwrap());
        }
    }

    /// What a transaction reads is what it began with and what it wrote.
    fn look_through(&mut self, txn: &Transaction, own: &State) {
        let keyspace = self.random.usize(..KEYSPACES);
        let handle = self.world.keyspaces[keyspace].clone();
        let bounds = (self.bound(), self.bound());
        let expected = slice(&own.maps[keyspace], &bounds);
        consume(&mut self.random, txn.range(&handle, bounds), &expected);
        for _ in 0..4 {
            let key = random_key(&mut self.random);
            let found = txn.get(&handle, &key).unwrap();
            assert_eq!(
                found.as_deref(),
                own.maps[keyspace].get(&key).map(Vec::as_slice)
            );
        }
    }

    /// Reads a moment that nobody held, by its number and by its time.
    fn look_back(&mut self) {
        let now = self.clock.now();
        let window = u64::try_from(self.retention.as_micros()).unwrap();
        if let Some((seq, time, state)) = self.past.pop() {
            match self.world.db.snapshot_at(seq) {
                Ok(snapshot) => self.world.compare(&snapshot, &state).unwrap(),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
                    assert!(time.0 < now.0 - window, "{error}");
                }
            }
            if let Ok(snapshot) = self.world.db.snapshot_at(time) {
                assert!(snapshot.seq() <= seq, "it sees what came later");
            }
        }
        if self.past.len() < 5 {
            let seq = self.world.db.last_seq();
            self.past.push((seq, now, self.state.clone()));
        }
        self.random.shuffle(&mut self.past);
        self.clock.day.advance(Duration::from_millis(1));
    }

    fn get(&mut self) {
        let keyspace = self.random.usize(..KEYSPACES);
        let count = self.random.usize(..20);
        let keys: Vec<Vec<u8>> = (0..count).map(|_| random_key(&mut self.random)).collect();
        let expected: Vec<Option<Vec<u8>>> = keys
            .iter()
            .map(|key| self.state.maps[keyspace].get(key).cloned())
            .collect();
        let handle = &self.world.keyspaces[keyspace];
        for (key, expected) in keys.iter().zip(&expected) {
            assert_eq!(handle.get(key).unwrap().as_deref(), expected.as_deref());
            if keyspace == 0 {
                assert_eq!(
                    self.world.db.get(key).unwrap().as_deref(),
                    expected.as_deref()
                );
            }
        }
        let found = if self.random.bool() {
            self.world.db.snapshot().multi_get(handle, &keys)
        } else {
            handle.multi_get(&keys)
        };
        let found = found.unwrap();
        let found: Vec<Option<Vec<u8>>> =
            found.into_iter().map(|v| v.map(|v| v.to_vec())).collect();
        assert_eq!(found, expected);
    }

    /// A range of the newest state or of a snapshot, consumed from both ends in random turns.
    fn range(&mut self) {
        let keyspace = self.random.usize(..KEYSPACES);
        let bounds = (self.bound(), self.bound());
        let held = self.snapshots.len();
        let (iter, map) = match self.random.usize(..=held) {
            at if at < held => {
                let (snapshot, state) = &self.snapshots[at];
                (
                    snapshot.range(&self.world.keyspaces[keyspace], bounds.clone()),
                    &state.maps[keyspace],
                )
            }
            _ => (
                self.world.keyspaces[keyspace].range(bounds.clone()),
                &self.state.maps[keyspace],
            ),
        };
        let expected = slice(map, &bounds);
        consume(&mut self.random, iter, &expected);
    }

    fn prefix(&mut self) {
        let keyspace = self.random.usize(..KEYSPACES);
        let mut prefix = random_key(&mut self.random);
        prefix.truncate(self.random.usize(0..=2));
        let expected: Vec<(Vec<u8>, Vec<u8>)> = self.state.maps[keyspace]
            .iter()
            .filter(|(key, _)| key.starts_with(&prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let iter = self.world.keyspaces[keyspace].prefix(&prefix);
        consume(&mut self.random, iter, &expected);
    }

    /// `seek` moves the front anywhere within the bounds; the back stays where it is.
    fn seek(&mut self) {
        let keyspace = self.random.usize(..KEYSPACES);
        let bounds = (self.bound(), self.bound());
        let mut expected = slice(&self.state.maps[keyspace], &bounds);
        let mut iter = self.world.keyspaces[keyspace].range(bounds);
        for _ in 0..self.random.usize(..4) {
            assert_entry(
                "back",
                iter.next_back().as_ref(),
                entry(expected.pop().as_ref()),
            );
        }
        for _ in 0..4 {
            let key = random_key(&mut self.random);
            iter.seek(&key);
            let mut rest = expected.iter().skip_while(|(k, _)| *k < key);
            for _ in 0..self.random.usize(..4) {
                assert_entry("after seek", iter.next().as_ref(), entry(rest.next()));
            }
        }
    }

    /// An iterator keeps to the moment when it was made.
    fn iterate_while_writing(&mut self) {
        let keyspace = self.random.usize(..KEYSPACES);
        let mut iter = self.world.keyspaces[keyspace].iter();
        let before = self.state.maps[keyspace].clone();
        for expected in &before {
            assert_entry("held iterator", iter.next().as_ref(), Some(expected));
            if self.random.u8(..4) == 0 {
                self.write_one();
            }
            if self.random.u8(..20) == 0 {
                self.world.db.flush().unwrap();
                self.world.db.tick().unwrap();
            }
        }
        assert_entry("held iterator", iter.next().as_ref(), None);
        assert_entry("held iterator", iter.next().as_ref(), None);
        iter.status().unwrap();
    }

    fn hold_snapshot(&mut self) {
        if self.snapshots.len() < 6 {
            self.snapshots
                .push((self.world.db.snapshot(), self.state.clone()));
        }
    }

    fn drop_snapshot(&mut self) {
        if !self.snapshots.is_empty() {
            let at = self.random.usize(..self.snapshots.len());
            let (snapshot, state) = self.snapshots.swap_remove(at);
            let clone = snapshot.clone();
            drop(snapshot);
            self.world.compare(&clone, &state).unwrap();
        }
    }

    fn check_snapshots(&self) {
        for (snapshot, state) in &self.snapshots {
            self.world.compare(snapshot, state).unwrap();
        }
    }

    fn check_numbers(&mut self) {
        let db = &self.world.db;
        assert!(db.last_seq() >= self.last_seq);
        self.last_seq = db.last_seq();
        let oldest = self
            .snapshots
            .iter()
            .map(|(snapshot, _)| snapshot.seq())
            .min();
        let oldest = oldest.unwrap_or(self.last_seq);
        match self.retention {
            Duration::ZERO => assert_eq!(db.watermark(), oldest),
            _ => assert!(db.watermark() <= oldest),
        }
        assert_eq!(db.snapshot().seq(), self.last_seq);
        let mut names = db.keyspace_names();
        names.sort();
        assert_eq!(names, ["default", "left", "right"]);
        db.write(WriteBatch::new(), Durability::Sync).unwrap();
        self.last_seq = db.last_seq();
    }

    fn reopen(&mut self) {
        self.check_snapshots();
        self.snapshots.clear();
        if self.random.bool() {
            self.world.db.close().unwrap();
        }
        self.setup = Setup::tiny(&mut self.random, self.threads);
        self.setup.options.retention = self.retention;
        let (env, setup) = (self.env.clone(), &self.setup);
        replace(&mut self.world, || World::open(env, setup).unwrap());
        assert!(self.world.db.last_seq() >= self.last_seq);
        self.world.assert_sound(&self.state);
    }

    /// A checkpoint or a backup, and an earlier one is still what it was.
    fn copy(&mut self) {
        self.copies
            .step(&mut self.random, &self.world, &self.setup, &self.state);
    }

    fn bound(&mut self) -> Bound<Vec<u8>> {
        match self.random.u8(..5) {
            0 => Bound::Unbounded,
            1 | 2 => Bound::Included(random_key(&mut self.random)),
            _ => Bound::Excluded(random_key(&mut self.random)),
        }
    }
}

/// True when two batches write a common key, or could: ranges that meet.
fn meet(a: &[Change], b: &[Change]) -> bool {
    let range = |change: &Change| match change.clone() {
        Change::Put(keyspace, key, _)
        | Change::PutExpiring(keyspace, key, ..)
        | Change::Append(keyspace, key, _)
        | Change::Delete(keyspace, key) => (keyspace, key.clone(), [&key[..], b"\0"].concat()),
        Change::DeleteRange(keyspace, start, end) => (keyspace, start, end),
        Change::Attach(..) | Change::Detach(..) => unreachable!("not asked for"),
    };
    a.iter().map(range).any(|(keyspace, start, end)| {
        b.iter().map(range).any(|(other, from, to)| {
            keyspace == other && start < end && from < to && start < to && from < end
        })
    })
}

/// Drops the old world before the new one opens: they share a lock.
fn replace(world: &mut World, open: impl FnOnce() -> World) {
    let memory = Env::memory(MemoryStorage::new());
    let setup = Setup::tiny(&mut fastrand::Rng::with_seed(0), 0);
    *world = World::open(memory, &setup).unwrap();
    *world = open();
}

/// What a range of a map holds; nothing when the bounds cross.
fn slice(map: &Map, bounds: &(Bound<Vec<u8>>, Bound<Vec<u8>>)) -> Vec<(Vec<u8>, Vec<u8>)> {
    let within = |key: &Vec<u8>| {
        (match &bounds.0 {
            Bound::Included(start) => key >= start,
            Bound::Excluded(start) => key > start,
            Bound::Unbounded => true,
        }) && (match &bounds.1 {
            Bound::Included(end) => key <= end,
            Bound::Excluded(end) => key < end,
            Bound::Unbounded => true,
        })
    };
    map.iter()
        .filter(|(key, _)| within(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// The next entry by way of what is lent.
fn lent(iter: &mut Iter) -> Option<(Bytes, Bytes)> {
    let found = iter.advance().unwrap();
    found.then(|| {
        let [key, value] = [iter.key(), iter.value()].map(Bytes::copy_from_slice);
        (key, value)
    })
}

/// Takes entries from both ends, in turns of random length, and then a few more.
fn consume(random: &mut fastrand::Rng, mut iter: Iter, expected: &[(Vec<u8>, Vec<u8>)]) {
    let mut expected = expected.iter();
    let style = random.u8(..4);
    for _ in 0..expected.len() + 2 {
        let forward = match style {
            0 => true,
            1 => false,
            2 => random.bool(),
            _ => random.u8(..5) > 0,
        };
        if forward {
            let found = if random.bool() {
                iter.next()
            } else {
                lent(&mut iter)
            };
            assert_entry("next", found.as_ref(), entry(expected.next()));
        } else {
            assert_entry(
                "next_back",
                iter.next_back().as_ref(),
                entry(expected.next_back()),
            );
        }
    }
    iter.status().unwrap();
}

fn entry(pair: Option<&(Vec<u8>, Vec<u8>)>) -> Option<(&Vec<u8>, &Vec<u8>)> {
    pair.map(|(key, value)| (key, value))
}

#[test]
fn without_threads() {
    seeds::for_each(24, |seed| {
        Run::new(seed, SimStorage::new(seed).env(), 0).steps(1_500)
    });
}

#[test]
fn with_threads() {
    seeds::for_each(12, |seed| {
        let threads = 1 + usize::try_from(seed % 4).unwrap();
        Run::new(seed, Env::memory(MemoryStorage::new()), threads).steps(1_500);
    });
}

#[test]
fn with_encryption() {
    seeds::for_each(6, |seed| {
        Run::new(seed, encrypted(SimStorage::new(seed).env()), 0).steps(800);
    });
    seeds::for_each(2, |seed| {
        Run::new(seed, encrypted(Env::memory(MemoryStorage::new())), 1).steps(800);
    });
}

#[test]
fn on_the_file_system() {
    seeds::for_each(1, |seed| {
        let directory = tempfile::tempdir().unwrap();
        Run::new(seed, Env::local(directory.path()).unwrap(), 1).steps(300);
    });
}

#[test]
fn runs_without_threads_repeat_exactly() {
    let run = || {
        let storage = SimStorage::new(1);
        let mut run = Run::new(1, storage.env(), 0);
        run.steps(400);
        drop(run);
        (storage.trace(), storage.memory().clone())
    };
    let ((trace, files), (other_trace, other_files)) = (run(), run());
    assert_eq!(trace, other_trace);
    for (_, name) in trace {
        assert_eq!(
            files.contents(&name).ok(),
            other_files.contents(&name).ok(),
            "{name}"
        );
    }
}

#[test]
fn large_ordered_loads_fill_several_levels() {
    let setup = Setup::tiny(&mut fastrand::Rng::with_seed(3), 0);
    let world = World::open(SimStorage::new(0).env(), &setup).unwrap();
    let mut map = Map::new();
    for i in 0..20_000_u32 {
        let key = (i.wrapping_mul(2_654_435_761) >> 8).to_be_bytes().to_vec();
        let value = i.to_string().into_bytes();
        let mut batch = WriteBatch::new();
        batch.put(&world.keyspaces[1], &key, &value);
        world.db.write(batch, Durability::Buffered).unwrap();
        map.insert(key, value);
    }
    while world.db.tick().unwrap() {}
    let levels = &world
        .db
        .stats()
        .keyspaces
        .iter()
        .find(|k| k.name == "left")
        .unwrap()
        .levels
        .clone();
    assert!(
        levels
            .iter()
            .skip(1)
            .filter(|level| level.tables > 0)
            .count()
            > 1,
        "{levels:?}"
    );
    let mut state = State::default();
    state.maps[1] = map;
    world.assert_sound(&state);
    world.db.compact().unwrap();
    world.assert_sound(&state);
    assert_eq!(
        collect(world.keyspaces[1].iter()).len(),
        state.maps[1].len()
    );
}
