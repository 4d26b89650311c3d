//! One payload index: what is declared, and whether it is in memory.
//!
//! ```text
//! Building ──lane──► Stored ──first use──► Loading ──► Loaded
//! ```
//!
//! Commits write its rows in every phase (while it is built: those of points that came after its declaration), so that
//! what is stored is always whole but for what the builder has still to do.

use crate::error::Result;
use crate::filter::Path;
use crate::index::core::Core;
use crate::keyspace;
use crate::payload::kind::PayloadIndexKind;
use crate::payload::memory::{Memory, Term};
use crate::payload::rows::{self, Row, RowKey};
use crate::payload::score::KnownTotals;
use crate::payload::stage::Rows;
use aidb::{SeqNo, Snapshot};
use parking_lot::{MappedRwLockReadGuard, Mutex, RwLock, RwLockReadGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Terms that go into memory together while an index is read.
const LOAD_TERMS: usize = 4_096;

/// Points of such terms, from which on there are enough of them.
const LOAD_POINTS: usize = 1 << 16;

/// An index of a collection's payloads.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) number: u16,
    pub(crate) path: Path,
    pub(crate) kind: PayloadIndexKind,
    pub(crate) phase: RwLock<Phase>,
    /// Held while it is loaded, so that it is loaded once.
    pub(crate) loading: Mutex<()>,
    pub(crate) totals: KnownTotals,
    /// Older snapshots see points that it does not have.
    usable_from: AtomicU64,
}

/// What there is of an index.
#[derive(Debug)]
pub(crate) enum Phase {
    /// Points from `next` to `end` are still to be added by the lane; later ones were by their commits.
    Building(Span),
    /// All of it is in the keyspace.
    Stored,
    /// The same, and it is being read; commits leave here what they write meanwhile.
    Loading(Vec<Arc<Rows>>),
    /// All of it is also in memory.
    Loaded(Memory),
    /// It is gone.
    Dropped,
}

/// Numbers of points that a builder has still to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) next: u64,
    pub(crate) end: u64,
}

impl Index {
    pub(crate) fn new(
        number: u16,
        path: Path,
        kind: PayloadIndexKind,
        phase: Phase,
        usable_from: SeqNo,
    ) -> Index {
        Index {
            number,
            path,
            kind,
            phase: RwLock::new(phase),
            loading: Mutex::default(),
            totals: KnownTotals::default(),
            usable_from: AtomicU64::new(usable_from.0),
        }
    }

    /// Whether a snapshot at `seq` sees no points but those that this has, once it is complete.
    pub(crate) fn is_usable_at(&self, seq: SeqNo) -> bool {
        seq.0 >= self.usable_from.load(Ordering::Acquire)
    }

    /// It is complete with the commit at `seq`. The caller is the builder.
    pub(crate) fn complete(&self, seq: SeqNo) {
        self.usable_from.store(seq.0, Ordering::Release);
        *self.phase.write() = Phase::Stored;
    }

    /// What the builder has still to do.
    pub(crate) fn to_build(&self) -> Option<Span> {
        match &*self.phase.read() {
            Phase::Building(span) => Some(*span),
            _ => None,
        }
    }

    /// A commit is going to write `rows`.
    pub(crate) fn enter(&self, rows: &Arc<Rows>) {
        match &mut *self.phase.write() {
            Phase::Loading(later) => later.push(Arc::clone(rows)),
            Phase::Loaded(memory) => rows.enter(self.number, memory),
            Phase::Building(_) | Phase::Stored | Phase::Dropped => {}
        }
    }

    /// The index in memory; reads it if this is its first use. `None` when it is not complete.
    ///
    /// Not to be called by a writer of the collection.
    pub(crate) fn load(&self, core: &Core) -> Result<Option<MappedRwLockReadGuard<'_, Memory>>> {
        loop {
            let phase = self.phase.read();
            match &*phase {
                Phase::Building(_) | Phase::Dropped => return Ok(None),
                Phase::Stored | Phase::Loading(_) => drop(phase),
                Phase::Loaded(_) => {
                    let loaded = RwLockReadGuard::map(phase, |phase| match phase {
                        Phase::Loaded(memory) => memory,
                        _ => unreachable!("it was looked at under this lock"),
                    });
                    return Ok(Some(loaded));
                }
            }
            let _loading = self.loading.lock();
            if matches!(&*self.phase.read(), Phase::Stored) {
                self.read(core)?;
            }
        }
    }

    /// The caller holds `loading`.
    fn read(&self, core: &Core) -> Result<()> {
        let snapshot = {
            // What was committed before is in the snapshot, what comes later is left to us.
            let _writer = core.writer.lock();
            *self.phase.write() = Phase::Loading(Vec::new());
            core.db.snapshot()
        };
        let read = self.read_at(core, &snapshot);
        let mut phase = self.phase.write();
        let later = match std::mem::replace(&mut *phase, Phase::Stored) {
            Phase::Loading(later) => later,
            other => {
                *phase = other;
                return Ok(());
            }
        };
        let mut memory = read?;
        later
            .iter()
            .for_each(|rows| rows.enter(self.number, &mut memory));
        *phase = Phase::Loaded(memory);
        Ok(())
    }

    /// What the keyspace has of it in `snapshot`.
    pub(crate) fn read_at(&self, core: &Core, snapshot: &Snapshot) -> Result<Memory> {
        let mut memory = Memory::new(self.kind);
        let unsuitable =
            |key: &[u8]| keyspace::bad("filter", key, "no index of its kind has such a term");
        let prefix = rows::index_prefix(core.id, self.number);
        let mut rows = snapshot.prefix(&core.keyspaces.filter, prefix);
        // The rows of a term follow each other: they become one posting.
        let mut terms: Vec<Term> = Vec::new();
        let mut points = 0;
        while let Some((key, value)) = rows.try_next()? {
            let RowKey { term, chunk, .. } = RowKey::decode(&key)?;
            if terms.last().is_none_or(|last| last.bytes != term) {
                if terms.len() == LOAD_TERMS || points >= LOAD_POINTS {
                    let complete = std::mem::take(&mut terms);
                    memory.extend(complete).ok_or_else(|| unsuitable(&key))?;
                    points = 0;
                }
                terms.push(Term {
                    bytes: term.to_vec(),
                    points: Vec::new(),
                });
            }
            let row = Row::decode(&key, &value)?;
            let row = row.iter();
            if let Some(term) = terms.last_mut() {
                let before = term.points.len();
                term.points
                    .extend(row.map(|(low, weight)| (chunk << 16 | u64::from(low), weight)));
                points += term.points.len() - before;
            }
        }
        memory.extend(terms).ok_or_else(|| unsuitable(&prefix))?;
        Ok(memory)
    }
}
