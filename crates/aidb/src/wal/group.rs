//! Group commit: those who wait for durability share syncs, in waves.
//!
//! ```text
//! wave n      closed: its leader syncs all that was appended when it closed
//! wave n + 1  open: whoever comes now waits for it; its leader closes it when wave n is durable
//! ```
//!
//! Who makes the open wave complete (turn.rs) leads it; else the first of its waiters does, after a short while. Each
//! wave has its own condition, so that nobody is woken in vain, and its waiters are woken together, after the lock that
//! they need is free. Appending goes on meanwhile. Logs are synced in their order, so that what is durable is always a
//! prefix of all writes.
//!
//! After a failed sync nothing is acknowledged any more: the operating system may have dropped the pages that it could
//! not write, and a second sync that succeeds proves nothing.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use aether_env::FileSync;

use super::LogRecord;
use super::turn::Turn;
use crate::error::{Error, ErrorKind, Result};
use crate::file_name;
use crate::key::SeqNo;
use crate::sync::atomic::AtomicU64;
use crate::sync::{self, Condvar, Mutex, StdMutex, StdMutexGuard};

/// How long a wave waits for each of those who are expected: twice the CPU time of a small commit, its switch of threads
/// included.
const PATIENCE: Duration = Duration::from_micros(15);

/// Who waits, who syncs, and what is durable.
#[derive(Debug, Default)]
pub(crate) struct GroupSync {
    tail: Mutex<Tail>,
    /// Not `parking_lot`'s, whose conditions wake their waiters one after another.
    turn: StdMutex<Turn>,
    /// Of even waves, and of odd ones.
    conditions: [Condvar; 2],
    /// What `turn` says, for a look without waiting.
    durable: AtomicU64,
    /// How much of the open log is synced.
    synced_bytes: AtomicU64,
    failure: OnceLock<Error>,
}

/// What is appended.
#[derive(Debug, Default)]
struct Tail {
    /// The last write in a log.
    seq: SeqNo,
    /// Logs that are not wholly synced, in order; the last one may still be appended to.
    logs: Vec<TailLog>,
    /// True while the last one of `logs` is appended to.
    is_open: bool,
    /// Finished logs that are wholly synced, and that the manifest does not know as sealed yet.
    sealed: Vec<LogRecord>,
}

#[derive(Clone, Debug)]
struct TailLog {
    number: u64,
    syncer: Arc<dyn FileSync>,
    bytes: u64,
    synced: u64,
}

impl GroupSync {
    /// Writes go on after `seq`. Those up to `durable` are durable already, and the others, up to `seq`, once they are
    /// [flushed](GroupSync::flushed).
    pub(crate) fn new(seq: SeqNo, durable: SeqNo) -> GroupSync {
        let group = GroupSync::default();
        group.tail.lock().seq = seq;
        group.settle(&mut group.turn(), durable);
        group
    }

    /// Appending goes on in log `number`, which has `bytes` so far.
    pub(crate) fn begin(&self, number: u64, syncer: Arc<dyn FileSync>, bytes: u64) {
        let mut tail = self.tail.lock();
        tail.finish_open();
        self.synced_bytes.store(0, Ordering::Relaxed);
        tail.logs.push(TailLog {
            number,
            syncer,
            bytes,
            synced: 0,
        });
        tail.is_open = true;
    }

    /// The open log now has `bytes`, and its last write is `seq`.
    pub(crate) fn appended(&self, seq: SeqNo, bytes: u64) {
        let mut tail = self.tail.lock();
        tail.seq = seq;
        if let Some(log) = tail.logs.last_mut() {
            log.bytes = bytes;
        }
    }

    /// The open log is appended to no more.
    pub(crate) fn finish(&self) {
        self.tail.lock().finish_open();
    }

    /// The open log never held a write, and is not needed.
    pub(crate) fn abandon(&self) {
        let mut tail = self.tail.lock();
        if tail.is_open {
            tail.is_open = false;
            tail.logs.pop();
        }
    }

    /// All writes up to `seq` are in durable tables, and logs below `floor` are not needed.
    pub(crate) fn flushed(&self, seq: SeqNo, floor: u64) {
        let mut tail = self.tail.lock();
        let is_open = tail.is_open;
        let open = tail.logs.last().map(|log| log.number).filter(|_| is_open);
        tail.logs
            .retain(|log| log.number >= floor || Some(log.number) == open);
        tail.sealed.retain(|log| log.number >= floor);
        drop(tail);
        self.settle(&mut self.turn(), seq);
        self.conditions.iter().for_each(Condvar::notify_all);
    }

    /// How much of the open log is synced.
    pub(crate) fn synced_bytes(&self) -> u64 {
        self.synced_bytes.load(Ordering::Relaxed)
    }

    /// The length of log `number`, if it was written since the opening and the manifest does not know its length yet.
    pub(crate) fn log_bytes(&self, number: u64) -> Option<u64> {
        let tail = self.tail.lock();
        let unsynced = tail.logs.iter().find(|log| log.number == number);
        let sealed = tail.sealed.iter().find(|log| log.number == number);
        unsynced
            .map(|log| log.bytes)
            .or_else(|| sealed.and_then(|log| log.sealed))
    }

    /// Logs that are not wholly synced, or are open, with their bytes.
    pub(crate) fn unsealed_bytes(&self) -> BTreeMap<u64, u64> {
        self.tail
            .lock()
            .logs
            .iter()
            .map(|log| (log.number, log.bytes))
            .collect()
    }

    /// The last write that survives a power cut.
    pub(crate) fn durable(&self) -> SeqNo {
        SeqNo(self.durable.load(Ordering::Acquire))
    }

    /// Syncs so far.
    pub(crate) fn syncs(&self) -> u64 {
        self.turn().syncs
    }

    /// Finished logs whose length is final and durable. Whoever takes them records them in the manifest, or gives them
    /// back.
    pub(crate) fn take_sealed(&self) -> Vec<LogRecord> {
        std::mem::take(&mut self.tail.lock().sealed)
    }

    /// See [`GroupSync::take_sealed`].
    pub(crate) fn give_back(&self, logs: Vec<LogRecord>) {
        self.tail.lock().sealed.extend(logs);
    }

    /// Refuses when a sync has failed.
    pub(crate) fn check(&self) -> Result<()> {
        self.failure
            .get()
            .map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Waits until all writes up to `seq` are durable.
    ///
    /// # Errors
    /// When a sync failed before they were. They stay visible; whether they survive is unknown.
    pub(crate) fn wait(&self, seq: SeqNo) -> Result<()> {
        if self.durable() >= seq {
            return Ok(());
        }
        let mut turn = self.turn();
        let mut joined = None;
        while turn.durable < seq {
            self.check()?;
            let is_covered = turn.covered >= seq;
            let wave = turn.wave + u64::from(!is_covered);
            if joined.replace(wave) != Some(wave) {
                turn.join(wave);
            }
            if is_covered || turn.is_led || turn.is_watched && !turn.is_complete() {
                turn = self.sleep(turn, wave);
                continue;
            }
            if !turn.is_complete() {
                turn = self.watch(turn, wave);
            }
            if turn.wave < wave && turn.durable < seq {
                return self.lead(turn);
            }
        }
        Ok(())
    }

    /// Waits until something happens to `wave`.
    fn sleep<'a>(&'a self, turn: Guard<'a>, wave: u64) -> Guard<'a> {
        self.condition(wave)
            .wait(turn)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the open wave, `wave`, is closed, or others have had time to come.
    fn watch<'a>(&'a self, mut turn: Guard<'a>, wave: u64) -> Guard<'a> {
        turn.is_watched = true;
        let patience = PATIENCE * turn.expected();
        let mut turn = sync::wait_for(self.condition(wave), &self.turn, turn, patience);
        if turn.wave < wave {
            turn.is_watched = false;
        }
        turn
    }

    /// Closes the open wave and syncs what it covers; the caller's writes are among that.
    fn lead(&self, mut turn: Guard<'_>) -> Result<()> {
        let (seq, logs) = self.tail.lock().unsynced();
        turn.close(seq);
        let wave = turn.wave;
        drop(turn);
        let synced = self.sync(logs);

        let mut turn = self.turn();
        let is_awaited = turn.end();
        match &synced {
            Ok(()) => self.settle(&mut turn, seq),
            // Before anybody can lead again.
            Err(error) => drop(self.failure.set(error.clone())),
        }
        drop(turn);
        self.condition(wave).notify_all();
        if synced.is_err() {
            self.condition(wave + 1).notify_all();
        } else if is_awaited {
            // One of them watches the open wave from now on.
            self.condition(wave + 1).notify_one();
        }
        synced
    }

    fn settle(&self, turn: &mut Turn, seq: SeqNo) {
        turn.durable = turn.durable.max(seq);
        self.durable.store(turn.durable.0, Ordering::Release);
    }

    fn turn(&self) -> Guard<'_> {
        // Nothing panics while it is held, and what it guards is always whole.
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn condition(&self, wave: u64) -> &Condvar {
        &self.conditions[usize::from(wave % 2 == 1)]
    }

    fn sync(&self, logs: Vec<TailLog>) -> Result<()> {
        for log in &logs {
            log.syncer
                .sync()
                .map_err(|error| failed(log.number, &error))?;
        }
        let mut tail = self.tail.lock();
        for synced in logs {
            if let Some(log) = tail.logs.iter_mut().find(|log| log.number == synced.number) {
                log.synced = synced.bytes;
            }
        }
        if let Some(open) = tail.logs.last().filter(|_| tail.is_open) {
            self.synced_bytes.store(open.synced, Ordering::Relaxed);
        }
        tail.retire();
        Ok(())
    }
}

type Guard<'a> = StdMutexGuard<'a, Turn>;

impl Tail {
    /// The last write, and the logs that must be synced to make it durable.
    fn unsynced(&self) -> (SeqNo, Vec<TailLog>) {
        (self.seq, self.logs.clone())
    }

    fn finish_open(&mut self) {
        self.is_open = false;
        self.retire();
    }

    /// Finished logs that are wholly synced leave.
    fn retire(&mut self) {
        let finished = self.logs.len() - usize::from(self.is_open);
        let mut index = 0;
        let sealed = &mut self.sealed;
        self.logs.retain(|log| {
            let leaves = index < finished && log.synced == log.bytes;
            index += 1;
            if leaves {
                sealed.push(LogRecord {
                    number: log.number,
                    sealed: Some(log.bytes),
                });
            }
            !leaves
        });
    }
}

fn failed(number: u64, error: &std::io::Error) -> Error {
    let name = file_name::log(number);
    Error::new(
        ErrorKind::Closed,
        format!(
            "sync of {name} failed: {error}; nothing can be written until the database is opened again (reading \
             goes on)"
        ),
    )
}

#[cfg(all(test, loom))]
mod model;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::atomic::AtomicBool;

    #[derive(Debug, Default)]
    struct Disk {
        syncs: AtomicU64,
        fails: AtomicBool,
    }

    impl FileSync for Disk {
        fn sync(&self) -> io::Result<()> {
            self.syncs.fetch_add(1, Ordering::Relaxed);
            if self.fails.load(Ordering::Relaxed) {
                Err(io::Error::other("broken"))
            } else {
                Ok(())
            }
        }
    }

    fn group(disk: &Arc<Disk>) -> GroupSync {
        let group = GroupSync::new(SeqNo(10), SeqNo(10));
        group.begin(1, Arc::clone(disk) as Arc<dyn FileSync>, 32);
        group
    }

    #[test]
    fn one_sync_serves_all_that_was_appended() {
        let disk = Arc::new(Disk::default());
        let group = group(&disk);
        group.wait(SeqNo(10)).unwrap();
        for seq in 11..20 {
            group.appended(SeqNo(seq), seq * 100);
        }
        for seq in 11..20 {
            group.wait(SeqNo(seq)).unwrap();
        }
        assert_eq!(disk.syncs.load(Ordering::Relaxed), 1);
        assert_eq!(group.synced_bytes(), 1900);
    }

    #[test]
    fn a_finished_log_is_sealed_once_it_is_synced() {
        let disk = Arc::new(Disk::default());
        let group = group(&disk);
        group.appended(SeqNo(11), 100);
        group.begin(2, Arc::clone(&disk) as Arc<dyn FileSync>, 88);
        group.appended(SeqNo(12), 200);
        assert_eq!(group.take_sealed(), []);
        group.wait(SeqNo(12)).unwrap();
        assert_eq!(disk.syncs.load(Ordering::Relaxed), 2);
        assert_eq!(
            group.take_sealed(),
            [LogRecord {
                number: 1,
                sealed: Some(100)
            }]
        );
        group.finish();
        assert_eq!(
            group.take_sealed(),
            [LogRecord {
                number: 2,
                sealed: Some(200)
            }]
        );
    }

    /// Many threads wait for their own writes again and again: all return, and they share syncs.
    #[test]
    fn waiters_share_waves() {
        const THREADS: u64 = 8;
        const WRITES: u64 = 500;
        let disk = Arc::new(Disk::default());
        let group = group(&disk);
        let last = Mutex::new(10);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..WRITES {
                        let seq = {
                            let mut last = last.lock();
                            *last += 1;
                            group.appended(SeqNo(*last), *last * 100);
                            SeqNo(*last)
                        };
                        group.wait(seq).unwrap();
                        assert!(group.durable() >= seq);
                    }
                });
            }
        });
        assert_eq!(group.durable(), SeqNo(10 + THREADS * WRITES));
        assert_eq!(group.syncs(), disk.syncs.load(Ordering::Relaxed));
        assert!(group.syncs() <= THREADS * WRITES);
    }

    #[test]
    fn a_failed_sync_reaches_all_who_wait() {
        let disk = Arc::new(Disk::default());
        let group = group(&disk);
        disk.fails.store(true, Ordering::Relaxed);
        group.appended(SeqNo(20), 100);
        std::thread::scope(|scope| {
            for seq in 11..=20 {
                let group = &group;
                scope.spawn(move || group.wait(SeqNo(seq)).unwrap_err());
            }
        });
        assert_eq!(disk.syncs.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_failed_sync_is_final() {
        let disk = Arc::new(Disk::default());
        let group = group(&disk);
        group.appended(SeqNo(11), 100);
        disk.fails.store(true, Ordering::Relaxed);
        assert!(group.wait(SeqNo(11)).is_err());
        disk.fails.store(false, Ordering::Relaxed);
        let error = group.wait(SeqNo(11)).unwrap_err();
        assert!(error.to_string().contains("000001.wal"), "{error}");
        assert!(group.check().is_err());
        assert!(group.wait(SeqNo(10)).is_ok());
        assert_eq!(disk.syncs.load(Ordering::Relaxed), 1);
    }
}
