//! Group commit: those who wait for durability share syncs.
//!
//! The first waiter leads: it syncs all that is appended by now, wakes everybody whose write is covered, and one of the
//! rest leads the next round. Appending goes on meanwhile. Logs are synced in their order, so that what is durable is
//! always a prefix of all writes.
//!
//! After a failed sync nothing is acknowledged any more: the operating system may have dropped the pages that it could
//! not write, and a second sync that succeeds proves nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use aether_env::FileSync;
use parking_lot::{Condvar, Mutex};

use super::LogRecord;
use crate::error::{Error, ErrorKind, Result};
use crate::file_name;
use crate::key::SeqNo;

/// Who waits, who syncs, and what is durable.
#[derive(Debug, Default)]
pub(crate) struct GroupSync {
    tail: Mutex<Tail>,
    turn: Mutex<Turn>,
    wake: Condvar,
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

#[derive(Debug, Default)]
struct Turn {
    durable: SeqNo,
    is_led: bool,
    syncs: u64,
}

impl GroupSync {
    /// Everything up to `seq` is durable already.
    pub(crate) fn new(seq: SeqNo) -> GroupSync {
        let group = GroupSync::default();
        group.tail.lock().seq = seq;
        group.turn.lock().durable = seq;
        group
    }

    /// Appending goes on in log `number`, which has `bytes` so far.
    pub(crate) fn begin(&self, number: u64, syncer: Arc<dyn FileSync>, bytes: u64) {
        let mut tail = self.tail.lock();
        tail.finish_open();
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
        let mut turn = self.turn.lock();
        turn.durable = turn.durable.max(seq);
        drop(turn);
        self.wake.notify_all();
    }

    /// How much of the open log is synced.
    pub(crate) fn synced_bytes(&self) -> u64 {
        self.tail.lock().logs.last().map_or(0, |log| log.synced)
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
        self.turn.lock().durable
    }

    /// Syncs so far.
    pub(crate) fn syncs(&self) -> u64 {
        self.turn.lock().syncs
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
        let mut turn = self.turn.lock();
        loop {
            if turn.durable >= seq {
                return Ok(());
            }
            self.check()?;
            if turn.is_led {
                self.wake.wait(&mut turn);
                continue;
            }
            turn.is_led = true;
            drop(turn);
            let synced = self.sync();
            turn = self.turn.lock();
            turn.is_led = false;
            turn.syncs += 1;
            match synced {
                Ok(synced) => turn.durable = turn.durable.max(synced),
                Err(error) => {
                    let _ = self.failure.set(error);
                }
            }
            self.wake.notify_all();
        }
    }

    fn sync(&self) -> Result<SeqNo> {
        let (seq, logs) = {
            let tail = self.tail.lock();
            (tail.seq, tail.logs.clone())
        };
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
        tail.retire();
        Ok(seq)
    }
}

impl Tail {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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
        let group = GroupSync::new(SeqNo(10));
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
