//! What all parts of an open database share, and the few steps that several of them take.
//!
//! Locks, in the order in which they may be taken:
//!
//! ```text
//! (collecting, resolving) → flush_turn → compacting → log → manifest → (state, snapshots, group sync, next log, log pool, registry: leaves, held for moments)
//! ```
//!
//! Background threads do not take `log` while there are writers: they may be interrupted for as long as the operating system
//! likes, and a writer that waits for it would be, too.
//!
//! Never here: threads (background/), the commit path and reading (db/).

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use aether_env::{Env, FileLock};
use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::attachment::Registry;
use crate::background::{self, Claims, Pace, Requests, Rest};
use crate::bell::Bell;
use crate::conflicts::Conflicts;
use crate::error::{Error, ErrorKind, Result};
use crate::file_name;
use crate::files::Files;
use crate::key::SeqNo;
use crate::keyspace::{KeyspaceId, Keyspaces};
use crate::memtable::MemTable;
use crate::next_log::NextLog;
use crate::options::{KeyspaceOptions, Options};
use crate::signal::Signal;
use crate::snapshots::{Moment, Snapshots};
use crate::state::State;
use crate::stats::Counters;
use crate::values::ValueFiles;
use crate::version::{Catalog, Edit, Manifest, Refused, Table};
use crate::wal::{GroupSync, LogPool, LogWriter};

/// The next log is made when this part of a memtable is written. Late enough that a small database has no log to spare.
const NEXT_LOG_SHARE: usize = 8;

/// An open database.
pub(crate) struct Engine {
    /// Tells databases of one process apart.
    pub(crate) id: u64,
    pub(crate) options: Options,
    pub(crate) env: Env,
    pub(crate) files: Arc<Files>,
    pub(crate) next_file: AtomicU64,
    pub(crate) state: ArcSwap<State>,
    pub(crate) snapshots: Snapshots,
    pub(crate) conflicts: Conflicts,
    /// Held while a prepared transaction is resolved.
    pub(crate) resolving: Mutex<()>,
    /// Replaced whole: readers take no lock.
    pub(crate) keyspaces: ArcSwap<Keyspaces>,
    /// Held by whoever changes `keyspaces`.
    pub(crate) keyspace_turn: Mutex<()>,
    /// The commit lock: order of writes, and the log.
    pub(crate) log: Mutex<LogState>,
    pub(crate) next_log: NextLog,
    pub(crate) group: GroupSync,
    pub(crate) log_pool: Mutex<LogPool>,
    pub(crate) manifest: Mutex<Manifest>,
    pub(crate) attachments: Arc<Registry>,
    /// Earlier values of `state`, which may still be read: freed by the background when they are not.
    pub(crate) replaced: Mutex<Vec<Arc<State>>>,
    /// One flush at a time, oldest memtable first.
    pub(crate) flush_turn: Mutex<()>,
    /// Ranges that are being compacted.
    pub(crate) compacting: Mutex<Claims>,
    /// Compactions that somebody waits for.
    pub(crate) requests: Requests,
    /// Rings when there is work for the background.
    pub(crate) work: Arc<Bell>,
    /// Rings when background threads are to end.
    pub(crate) halt: Signal,
    /// Rings when the background has done some.
    pub(crate) progress: Signal,
    pub(crate) flush_error: Mutex<Option<Error>>,
    pub(crate) compaction_error: Mutex<Option<Error>>,
    pub(crate) pace: Pace,
    pub(crate) rest: Rest,
    pub(crate) counters: Counters,
    /// No calls are served any more.
    pub(crate) closed: AtomicBool,
    /// Background work ends as soon as it can.
    pub(crate) stopping: AtomicBool,
    /// The files belong to nobody, or to somebody else: nothing is written any more.
    pub(crate) ended: AtomicBool,
    /// Recovered writes are not in tables yet, though their logs may not survive a power cut: flush before writing.
    pub(crate) must_flush: AtomicBool,
    pub(crate) file_lock: Mutex<Option<Box<dyn FileLock>>>,
}

/// The log that takes the writes, and what is known of its neighbours.
#[derive(Default)]
pub(crate) struct LogState {
    /// None before the first write, after a rotation, and after a failed append.
    pub(crate) current: Option<LogWriter>,
    /// The background knows that the next one is wanted.
    pub(crate) next_asked: bool,
    /// The last write that was given a number.
    pub(crate) last_seq: SeqNo,
    /// The log before `current` that holds writes, and how much of it counts; (0, 0) for none.
    pub(crate) previous: (u64, u64),
}

impl Engine {
    /// A file number that was never used.
    pub(crate) fn new_file_number(&self) -> u64 {
        self.next_file.fetch_add(1, Ordering::Relaxed)
    }

    /// Refuses after [`crate::DB::close`].
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "the database is closed"));
        }
        Ok(())
    }

    /// Refuses once closing is complete.
    pub(crate) fn check_not_ended(&self) -> Result<()> {
        if self.ended.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "the database is closed"));
        }
        Ok(())
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Records a change of the tree, durably, and shows it to readers from now on. `added` are the open tables of
    /// `edit.added`; `flushed` is a memtable whose contents they hold.
    pub(crate) fn commit_edit(
        &self,
        mut edit: Edit,
        added: &[(KeyspaceId, usize, Arc<Table>)],
        flushed: Option<&Arc<MemTable>>,
    ) -> std::result::Result<(), Refused> {
        let mut manifest = self.manifest.lock();
        self.check_not_ended().map_err(|error| Refused {
            error,
            clean: false,
        })?;
        let sealed = self.group.take_sealed();
        edit.logs.splice(0..0, sealed.iter().copied());
        edit.next_file = Some(self.next_file.load(Ordering::Relaxed));
        if edit.flushed.is_some() || !edit.removed.is_empty() {
            edit.floor = Some(self.snapshots.floor());
        }
        if let Err(refused) = manifest.commit(&edit) {
            self.group.give_back(sealed);
            return Err(refused);
        }
        let removed: Vec<_> = edit
            .removed
            .iter()
            .map(|place| (place.keyspace, place.level, place.number))
            .collect();
        let values = self.value_files(manifest.catalog(), &edit);
        self.replace_state(|state| {
            let version = state.version.with(&removed, added);
            let version = match &values {
                Some(values) => version.with_values(values.clone()),
                None => version,
            };
            let state = state.with_version(version);
            flushed.map_or_else(|| state.clone(), |flushed| state.without(flushed))
        });
        self.pace.owes(background::level0_debt(self));
        self.count_memory();
        Ok(())
    }

    /// Readers see what `change` makes of the state from now on.
    fn replace_state(&self, change: impl Fn(&State) -> State) {
        let replaced = self.state.rcu(|state| change(state));
        // Whoever reads it is not the last to let go of it: freeing tables and memtables takes long.
        self.replaced.lock().push(replaced);
    }

    /// Tells the cache how much memory it has to leave to memtables.
    pub(crate) fn count_memory(&self) {
        let state = self.state.load();
        let bytes = state.memtables().map(|memtable| memtable.bytes() as u64);
        self.files.cache.set_memtable_bytes(bytes.sum());
    }

    /// The value files after `edit`, if it can have changed them; those that are in no use any more are left to be
    /// deleted.
    fn value_files(&self, catalog: &Catalog, edit: &Edit) -> Option<ValueFiles> {
        if edit.value_files.is_empty() && edit.removed.is_empty() {
            return None;
        }
        let before = self.state.load().version.values().clone();
        let records = catalog.values.values().map(|file| &file.record);
        let after = before.with(records, &self.files);
        for file in before.iter() {
            if after.get(file.record.number).is_none() {
                file.mark_obsolete();
            }
        }
        Some(after)
    }

    /// Has attachments looked at again when the last way to some of them may be gone: call when writes have become
    /// durable, however that came about. The end of a [`Held`] moment does so by itself.
    pub(crate) fn look_again(&self) {
        let wake_at = self.attachments.wake_at();
        if wake_at < SeqNo::MAX && wake_at <= self.snapshots.watermark().min(self.group.durable()) {
            self.attachments.set_wake_at(SeqNo::MAX);
            self.attachments.suspect();
        }
    }

    /// The options of a keyspace, by its number.
    pub(crate) fn keyspace_options(&self, id: KeyspaceId) -> KeyspaceOptions {
        self.keyspaces
            .load()
            .by_id(id)
            .map(|record| record.options.clone())
            .unwrap_or_default()
    }

    /// True when the next log should be there: the active memtable may be sealed before long, or another one just was,
    /// and its flush may keep the background busy for as long as the next one takes to fill.
    pub(crate) fn needs_next_log(&self, state: &State) -> bool {
        let is_soon = state.active.bytes() > self.options.memtable_bytes / NEXT_LOG_SHARE;
        is_soon || !state.sealed.is_empty()
    }

    /// Seals the active memtable, if it holds anything, so that it is flushed. The caller holds the commit lock.
    pub(crate) fn rotate(&self, log: &mut LogState) {
        let active = Arc::clone(&self.state.load().active);
        if active.is_empty() {
            return;
        }
        if let Some(current) = log.current.take() {
            log.previous = (current.number(), current.bytes());
            self.group.finish();
            self.log_pool.lock().fill(current);
        }
        let next = self.next_log.begin_span(|| self.new_file_number());
        active.seal(next);
        self.replace_state(State::rotated);
        self.work.ring();
    }

    /// A new log that the manifest knows, ready for its start record. The caller holds the commit lock, or the turn to
    /// flush while `next_log` has none ready.
    pub(crate) fn prepare_log(&self) -> Result<LogWriter> {
        let unused = self.next_log.take_unused();
        let prepared = self.make_log(&unused);
        match &prepared {
            Ok(_) => unused.iter().for_each(|number| {
                let _ = self.files.storage.delete(&file_name::log(*number));
            }),
            Err(_) => self.next_log.give_back(unused),
        }
        prepared
    }

    /// A new log that the manifest knows, in the place of `unused` ones.
    fn make_log(&self, unused: &[u64]) -> Result<LogWriter> {
        let number = self.new_file_number();
        let writer = self.new_log_file(number)?;
        let edit = Edit {
            logs: vec![crate::wal::LogRecord {
                number,
                sealed: None,
            }],
            logs_dropped: unused.to_vec(),
            ..Edit::default()
        };
        match self.commit_edit(edit, &[], None) {
            Ok(()) => Ok(writer),
            Err(refused) => {
                if refused.clean {
                    let _ = self.files.storage.delete(&file_name::log(number));
                }
                Err(refused.error)
            }
        }
    }
}

/// A moment that is held for reading. There is no other way to hold a moment, so that none ends without a look at what only
/// it could see.
pub(crate) struct Held<E: Deref<Target = Engine>> {
    engine: E,
    moment: Moment,
}

impl<E: Deref<Target = Engine>> Held<E> {
    pub(crate) fn new(engine: E) -> Held<E> {
        let moment = engine.snapshots.acquire();
        Held { engine, moment }
    }

    /// A past moment, if what it sees is still there.
    pub(crate) fn at(engine: E, seq: SeqNo) -> Result<Held<E>> {
        let moment = engine.snapshots.acquire_at(seq)?;
        Ok(Held { engine, moment })
    }

    /// What it is a moment of.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The last write that is visible at it.
    pub(crate) fn seq(&self) -> SeqNo {
        self.moment.seq()
    }
}

impl<E: Deref<Target = Engine>> Drop for Held<E> {
    fn drop(&mut self) {
        self.engine.snapshots.release(&self.moment);
        self.engine.look_again();
    }
}

impl Engine {
    /// True when there may be something that nobody needs once it is not read any more.
    pub(crate) fn has_garbage(&self) -> bool {
        !self.replaced.lock().is_empty() || self.files.has_garbage()
    }

    /// Frees memtables and tables that nobody reads any more, and deletes files that nothing names. True when there
    /// was something.
    pub(crate) fn delete_garbage(&self) -> bool {
        let mut replaced = self.replaced.lock();
        let unread = replaced.extract_if(.., |state| Arc::strong_count(state) == 1);
        let unread: Vec<_> = unread.collect();
        drop(replaced);
        let any = !unread.is_empty();
        // Its tables leave their files to be deleted.
        drop(unread);
        let any = any || self.files.has_garbage();
        self.files.delete_garbage();
        any
    }

    /// The file of a log that no manifest knows yet.
    fn new_log_file(&self, number: u64) -> Result<LogWriter> {
        let storage = self.files.storage.as_ref();
        let free = self.log_pool.lock().take_free();
        if let Some(free) = free {
            let old_name = file_name::log(free.number());
            if let Ok(renewed) = free.renew(storage, number) {
                self.files.forget(&old_name);
                return Ok(renewed);
            }
            // It may still have its old name.
            self.files.discard(old_name);
        }
        LogWriter::create(storage, number, self.options.memtable_bytes as u64)
    }

    /// Gives back the files of logs that hold no writes: unused ones, the next one, and those that wait for new logs.
    /// `is_news`: there is something else to tell the manifest.
    pub(crate) fn drop_unused_logs(&self, is_news: bool) -> Result<()> {
        let mut pool = self.log_pool.lock();
        while let Some(free) = pool.take_free() {
            self.files.discard(file_name::log(free.number()));
        }
        drop(pool);
        let unused = self.next_log.take_all();
        if unused.is_empty() && !is_news {
            return Ok(());
        }
        let edit = Edit {
            logs_dropped: unused.clone(),
            ..Edit::default()
        };
        if let Err(refused) = self.commit_edit(edit, &[], None) {
            self.next_log.give_back(unused);
            return Err(refused.error);
        }
        for number in unused {
            self.files.discard(file_name::log(number));
        }
        Ok(())
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}
