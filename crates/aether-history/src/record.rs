//! Recording what clients do.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::{History, Op, Outcome, Txn};

/// Collects the transactions of all clients.
#[derive(Debug, Default)]
pub struct Recorder {
    clock: AtomicU64,
    values: AtomicU64,
    sessions: AtomicUsize,
    txns: Mutex<Vec<Txn>>,
}

impl Recorder {
    /// With nothing recorded.
    pub fn new() -> Recorder {
        Recorder::default()
    }

    /// A client.
    pub fn session(&self) -> Session<'_> {
        Session {
            recorder: self,
            id: self.sessions.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// A value that no other write has.
    pub fn fresh_value(&self) -> u64 {
        self.values.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// What was recorded so far.
    pub fn history(&self) -> History {
        let txns = self.txns.lock().unwrap_or_else(PoisonError::into_inner);
        History { txns: txns.clone() }
    }

    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }
}

/// A client, which runs one transaction at a time.
#[derive(Debug)]
pub struct Session<'a> {
    recorder: &'a Recorder,
    id: usize,
}

impl<'a> Session<'a> {
    /// Begins a transaction: call before the database's own begin. One at a time.
    pub fn begin(&mut self) -> Begun<'a> {
        let txn = Txn {
            session: self.id,
            begun: self.recorder.now(),
            ended: 0,
            ops: Vec::new(),
            outcome: Outcome::Unknown,
        };
        Begun {
            recorder: self.recorder,
            txn,
        }
    }
}

/// A transaction under way. Dropped without a word on its end, it is one of unknown outcome.
#[derive(Debug)]
pub struct Begun<'a> {
    recorder: &'a Recorder,
    txn: Txn,
}

impl Begun<'_> {
    /// It read a register.
    pub fn read(&mut self, key: &[u8], value: Option<u64>) {
        self.txn.ops.push(Op::Read(key.to_vec(), value));
    }

    /// It wrote a register.
    pub fn write(&mut self, key: &[u8], value: u64) {
        self.txn.ops.push(Op::Write(key.to_vec(), value));
    }

    /// It read a list.
    pub fn read_list(&mut self, key: &[u8], list: Vec<u64>) {
        self.txn.ops.push(Op::ReadList(key.to_vec(), list));
    }

    /// It appended to a list.
    pub fn append(&mut self, key: &[u8], element: u64) {
        self.txn.ops.push(Op::Append(key.to_vec(), element));
    }

    /// It is committed.
    pub fn committed(self) {
        self.end(Outcome::Committed(None));
    }

    /// It is committed, with this place in the order of commits that wrote something.
    pub fn committed_at(self, place: u64) {
        self.end(Outcome::Committed(Some(place)));
    }

    /// It is rolled back, or was refused.
    pub fn aborted(self) {
        self.end(Outcome::Aborted);
    }

    fn end(mut self, outcome: Outcome) {
        self.txn.outcome = outcome;
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.txn.ended = self.recorder.now();
        let txn = self.txn.clone();
        let txns = &self.recorder.txns;
        txns.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(txn);
    }
}
