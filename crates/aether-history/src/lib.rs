//! Histories of concurrent transactions, and what they prove of the isolation between them.
//!
//! A test runs transactions on many threads and records what each read and wrote ([`Recorder`]). Every write has a
//! value of its own, so that a read tells whose write it saw. [`check`] then builds the graph of who must have come
//! before whom, and looks for what an isolation level forbids (after Adya 1999, "Weak Consistency", and Kingsbury and
//! Alvaro 2020, "Elle"):
//!
//! ```text
//! ww   b wrote the version after a's           wr   b read what a wrote
//! rw   b wrote the version after the one       rt   b began after a had ended
//!      that a read
//!
//! any level       no read of what was never written, was rolled back (G1a), or was not the writer's last (G1b); own
//!                 writes are read; no cycle without rw (G0, G1c)
//! snapshot        no cycle without two rw in a row: no lost update, no read skew (G-single), no long fork
//! serializable    no cycle at all: no write skew (G2)
//! ```
//!
//! ```
//! use aether_history::{Level, Recorder, check};
//!
//! let recorder = Recorder::new();
//! let mut session = recorder.session();
//! let mut txn = session.begin();
//! txn.read(b"x", None);
//! txn.write(b"x", 1);
//! txn.committed();
//! assert!(check(&recorder.history(), Level::Serializable).is_empty());
//! ```
//!
//! Never here: databases. For tests of this repository only.

mod anomaly;
mod cycle;
mod graph;
mod record;
mod versions;

pub use anomaly::{Anomaly, Kind};
pub use record::{Begun, Recorder, Session};

use graph::Graph;
use versions::Versions;

/// What a transaction did to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// A register had this value.
    Read(Vec<u8>, Option<u64>),
    /// A register gets this value, which no other write has.
    Write(Vec<u8>, u64),
    /// A list had these elements.
    ReadList(Vec<u8>, Vec<u64>),
    /// A list gets this element at its end, which no other append has.
    Append(Vec<u8>, u64),
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is committed; with its place in the order of commits, if the database tells that.
    Committed(Option<u64>),
    /// It never happened.
    Aborted,
    /// Nobody knows: the power went while it was committed.
    Unknown,
}

/// A transaction as its client saw it.
#[derive(Clone, Debug)]
pub struct Txn {
    /// The client: its transactions come one after another.
    pub session: usize,
    /// When it was begun and when its end was known, by a counter that all clients share.
    pub begun: u64,
    /// See `begun`.
    pub ended: u64,
    /// What it did, in order.
    pub ops: Vec<Op>,
    /// What became of it.
    pub outcome: Outcome,
}

/// All transactions of a run, in any order.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// See [`History`].
    pub txns: Vec<Txn>,
}

/// How much transactions are kept from seeing of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Snapshot isolation: reads of one moment, the present when it was begun; no lost updates.
    Snapshot,
    /// As if one ran after the other, in an order that keeps to real time.
    Serializable,
}

/// What in `history` the level forbids; empty when nothing is.
pub fn check(history: &History, level: Level) -> Vec<Anomaly> {
    let (versions, mut anomalies) = Versions::of(history);
    let graph = Graph::of(history, &versions);
    anomalies.extend(cycle::find(&graph, level));
    anomalies
}
