//! What can be wrong with a history.

use std::fmt;

/// The kind of an [`Anomaly`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A read of what nobody wrote.
    Garbage,
    /// G1a: a read of what was rolled back.
    AbortedRead,
    /// G1b: a read of what its writer replaced itself.
    IntermediateRead,
    /// A transaction did not read its own write.
    Internal,
    /// Reads of a list that cannot be of one list: neither is the beginning of the other.
    IncompatibleOrder,
    /// An element is in a list twice.
    Duplicate,
    /// Two transactions replaced the same version: one update is lost.
    LostUpdate,
    /// G0: a cycle of writes.
    DirtyWrite,
    /// G1c: a cycle of writes and reads.
    CircularFlow,
    /// A cycle with one anti-dependency: a read of two moments.
    ReadSkew,
    /// A cycle with several anti-dependencies, no two in a row: two readers saw two writes in different orders.
    LongFork,
    /// G2: a cycle with anti-dependencies in a row.
    WriteSkew,
}

/// Something that the isolation level forbids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// What it is.
    pub kind: Kind,
    /// The transactions, by their places in the history.
    pub txns: Vec<usize>,
    /// What happened between them.
    pub story: String,
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {:?}: {}", self.kind, self.txns, self.story)
    }
}
