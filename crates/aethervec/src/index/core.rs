//! What all handles of one collection share.

use crate::ann::AnnScratch;
use crate::catalog::CollectionRecord;
use crate::error::{Error, Result};
use crate::expiry::Expiries;
use crate::index::deaths::Deaths;
use crate::index::field::Fields;
use crate::index::pool;
use crate::index::waiting::Waiting;
use crate::keyspace::{self, CollectionId, FieldNumber, Keyspaces, PendingEntry};
use crate::payload::Payload;
use crate::plan::calibration::MeasuredRecall;
use crate::search::RecentFilters;
use aether_distance::Kernels;
use aether_index::DriftStats;
use aidb::{DB, SeqNo, Timestamp};
use arc_swap::ArcSwap;
use parking_lot::{Condvar, Mutex};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// One open collection: its place in the keyspaces and its indexes in memory.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) id: CollectionId,
    pub(crate) name: String,
    pub(crate) db: DB,
    pub(crate) keyspaces: Keyspaces,
    pub(crate) kernels: Kernels,
    /// The vector fields and their indexes. Changed only by who holds the writer lock.
    pub(crate) fields: ArcSwap<Fields>,
    /// Fields that were dropped and of which `index` may still have something.
    pub(crate) left_over: Mutex<Vec<FieldNumber>>,
    pub(crate) deaths: Deaths,
    pub(crate) expiries: Expiries,
    /// Which points are visible, and the payload indexes.
    pub(crate) payload: Payload,
    pub(crate) recent_filters: RecentFilters,
    /// The next number for a point or an entry of `pending`. Changed only by a writer.
    pub(crate) next: AtomicU64,
    /// Writers come one after the other, so that entries, points and commits have one order.
    pub(crate) writer: Mutex<()>,
    /// What the newest commit left.
    pub(crate) newest: Mutex<Newest>,
    /// Commits that the lane has not taken over yet, oldest first.
    pub(crate) incoming: Mutex<Vec<Committed>>,
    /// Since when what was committed waits for an index.
    pub(crate) waiting: Waiting,
    /// The background work; locked while a step runs.
    pub(crate) lane: Mutex<Lane>,
    pub(crate) progress: Progress,
    pub(crate) dropped: AtomicBool,
    /// Owned by the pool: whether the lane waits for a thread or has one.
    pub(crate) scheduled: AtomicU64,
    scratches: Mutex<Vec<AnnScratch>>,
}

/// The newest state of a collection, for counting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Newest {
    /// The last commit that changed the collection.
    pub(crate) seq: SeqNo,
    /// Documents after it.
    pub(crate) documents: u64,
}

/// A commit, as the lane sees it.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) entry: PendingEntry,
    pub(crate) seq: SeqNo,
}

/// What a collection's background work has in hand.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// Commits whose entries in `pending` are still there, oldest first.
    pub(crate) entries: VecDeque<Committed>,
    /// The points that died in so many of the first entries are out of the indexes.
    pub(crate) reaped: usize,
    /// Points taken out of the indexes whose rows are still there.
    pub(crate) reaped_points: usize,
    /// Numbers below this one are committed, or never will be.
    pub(crate) committed: u64,
    /// Numbers that the approximate indexes went on, and points taken out of indexes, since the last checkpoint.
    pub(crate) progress: u64,
    /// No checkpoint by itself before `progress` has reached this: the last attempt has failed.
    pub(crate) retry_at: u64,
    /// Checkpoints written so far.
    pub(crate) checkpoints: u64,
    /// Its own: one that a search takes over is in the caches of another processor, as large as learning has made it.
    pub(crate) scratch: AnnScratch,
}

impl Lane {
    /// Forgets the entries that are `settled`: their rows are gone.
    pub(crate) fn forget_settled(&mut self, settled: impl Fn(&PendingEntry) -> bool) {
        let reaped = self.reaped;
        let mut position = 0;
        self.entries.retain(|committed| {
            let gone = position < reaped && settled(&committed.entry);
            self.reaped -= usize::from(gone);
            position += 1;
            !gone
        });
        self.reaped_points = self
            .entries
            .range(..self.reaped)
            .map(|committed| committed.entry.died.len())
            .sum();
    }
}

/// How far the lane is, for those who wait for it.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Checkpoints since the collection was created.
    pub(crate) checkpoints: AtomicU64,
    /// Why the last step failed.
    pub(crate) error: Mutex<Option<Error>>,
    /// Signalled after each step.
    pub(crate) stepped: Condvar,
    /// How many wait for the indexes to have everything.
    watchers: AtomicUsize,
}

/// Somebody waits for the indexes to have everything, until this is dropped.
#[derive(Debug)]
pub(crate) struct Watch<'a>(&'a Progress);

impl Progress {
    /// Somebody begins to wait for the indexes to have everything: then nothing is put off.
    pub(crate) fn watch(&self) -> Watch<'_> {
        self.watchers.fetch_add(1, Ordering::AcqRel);
        Watch(self)
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.watchers.load(Ordering::Acquire) > 0
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Where an index stands.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct IndexStatus {
    /// Points that wait to be moved into an approximate index, and are found by an exact scan meanwhile; or from one into that
    /// which is to take its place, and are found in the old one.
    pub pending: u64,
    /// How long the oldest of the points has waited that are to move from the exact scan into an approximate index, to a hundredth
    /// of a second; zero: none waits. Those that waited already when the database was opened wait since then.
    pub staleness: Duration,
    /// Points in graphs and buckets, counted in each field.
    pub indexed: u64,
    /// Points kept in memory and searched exactly: those that wait, or all of a flat or small collection.
    pub scanned: u64,
    /// Points of deleted or replaced documents that are not purged yet.
    pub dead: u64,
    /// Whether work goes on in the background, or waits for a thread: to take over what was written, to build and maintain indexes, to
    /// learn what effort searches take.
    pub busy: bool,
    /// Checkpoints of the approximate indexes since the collection was created.
    pub checkpoints: u64,
    /// Bytes of the index in memory, vectors included.
    pub memory_bytes: u64,
    /// Why the last background step failed, if it did. It is tried again with the next write.
    pub error: Option<String>,
    /// Why a saved index cannot be used, if so. All vectors were read instead, and the index is built again.
    pub damage: Option<String>,
    /// How the vectors of each dense field are found.
    pub dense: BTreeMap<String, DenseStatus>,
}

/// How the vectors of a dense field are found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DenseStatus {
    /// `scan` (each search compares with all of them), `graph` or `buckets`.
    pub family: &'static str,
    /// What takes its place as soon as it is built.
    pub next: Option<&'static str>,
    /// While an index is built of many vectors at once: how many of them are done, and how many they are.
    pub building: Option<(u64, u64)>,
    /// Why this family, or the next one: `declared`, or what decided.
    pub why: String,
    /// What is kept of each vector in memory.
    pub codes: &'static str,
    /// How many candidates a search for ten neighbours holds that asks for no effort and no recall.
    pub effort: usize,
    /// The recall that searches get which ask for one, measured; `None` before enough of them have.
    pub recall: Option<MeasuredRecall>,
    /// How its buckets are doing, if the family is `drift`.
    pub drift: Option<DriftStats>,
}

impl Core {
    /// A collection without points.
    pub(crate) fn new(
        record: &CollectionRecord,
        name: &str,
        db: &DB,
        keyspaces: &Keyspaces,
    ) -> Result<Core> {
        Ok(Core {
            id: record.id,
            name: name.to_owned(),
            db: db.clone(),
            keyspaces: keyspaces.clone(),
            kernels: Kernels::detect(),
            fields: ArcSwap::from_pointee(Fields::new(record, None)?),
            left_over: Mutex::default(),
            deaths: Deaths::default(),
            expiries: Expiries::new(),
            payload: Payload::default(),
            recent_filters: RecentFilters::default(),
            next: AtomicU64::new(0),
            writer: Mutex::new(()),
            newest: Mutex::new(Newest {
                seq: SeqNo::ZERO,
                documents: 0,
            }),
            incoming: Mutex::default(),
            waiting: Waiting::default(),
            lane: Mutex::new(Lane::default()),
            progress: Progress::default(),
            dropped: AtomicBool::new(false),
            scheduled: AtomicU64::new(0),
            scratches: Mutex::default(),
        })
    }

    /// Whether documents may have ended that are not removed yet.
    pub(crate) fn has_ended(&self) -> bool {
        self.expiries
            .may_have_ended(keyspace::millis(self.db.now()))
    }

    /// Fails when the collection was dropped.
    pub(crate) fn alive(&self) -> Result<()> {
        if self.dropped.load(Ordering::Acquire) {
            return Err(Error::not_found(format!(
                "collection {:?} was dropped",
                self.name
            )));
        }
        Ok(())
    }

    /// Where the indexes stand, all together.
    pub(crate) fn status(&self) -> IndexStatus {
        let mut status = IndexStatus {
            staleness: self.staleness(),
            dead: self.deaths.len() as u64,
            checkpoints: self.progress.checkpoints.load(Ordering::Acquire),
            error: self.progress.error.lock().as_ref().map(ToString::to_string),
            ..IndexStatus::default()
        };
        let fields = self.fields.load();
        for field in fields.iter() {
            field.index.add_status(&mut status);
        }
        let dense = fields.dense();
        status.dense = dense
            .map(|(field, index)| (field.name.clone(), index.status()))
            .collect();
        let is_building = status.dense.values().any(|dense| dense.building.is_some());
        status.busy = is_building || pool::is_scheduled(self);
        status
    }

    /// Since when the oldest point waits for an approximate index.
    pub(crate) fn waiting_since(&self) -> Option<Timestamp> {
        let fields = self.fields.load();
        let anns = fields.dense().filter(|(_, index)| index.wants_ann());
        let applied = anns.map(|(_, index)| index.applied()).min();
        self.waiting.oldest(applied.unwrap_or(u64::MAX))
    }

    /// See [`IndexStatus::staleness`].
    fn staleness(&self) -> Duration {
        let waited = |since: Timestamp| self.db.now().0.saturating_sub(since.0);
        Duration::from_micros(self.waiting_since().map_or(0, waited))
    }

    /// All points below this number are where they belong: in the approximate indexes of the fields that have one.
    pub(crate) fn applied(&self) -> u64 {
        let fields = self.fields.load();
        let anns = fields.dense().filter(|(_, index)| index.wants_ann());
        anns.map(|(_, index)| index.settled())
            .min()
            .unwrap_or(u64::MAX)
    }

    /// Whether so many vectors wait for an index that writers should wait, too.
    pub(crate) fn is_crowded(&self) -> bool {
        let (fields, now) = (self.fields.load(), self.db.now());
        fields.dense().any(|(_, index)| index.is_crowded(now))
    }

    /// Whether there are queries to learn from.
    pub(crate) fn has_to_learn(&self) -> bool {
        let fields = self.fields.load();
        fields
            .dense()
            .any(|(_, index)| index.calibration.is_offered())
    }

    /// Whether it is not known at the moment what effort searches take, and will be in a moment.
    pub(crate) fn is_learning(&self) -> bool {
        let fields = self.fields.load();
        fields
            .dense()
            .any(|(_, index)| index.wants_ann() && index.calibration.is_behind())
    }

    /// Runs `search` with scratch memory that is kept for the next one.
    pub(crate) fn with_scratch<T>(&self, search: impl FnOnce(&mut AnnScratch) -> T) -> T {
        let mut scratch = self.scratches.lock().pop().unwrap_or_default();
        let found = search(&mut scratch);
        self.scratches.lock().push(scratch);
        found
    }
}
